/** etcd's messages, as far as we use them: the numbers are those of its rpc.proto and kv.proto (v3.6). */
import { field, message, repeated } from './protobuf.ts';

/** Cluster and member ids are left out: they do not fit into 53 bits. */
export const Header = message({ revision: field(3, 'int') });

/** For answers of which only their arrival matters. */
export const Empty = message({});

export const StoredKeyValue = message({
  key: field(1, 'bytes'),
  createRevision: field(2, 'int'),
  modRevision: field(3, 'int'),
  value: field(5, 'bytes'),
});

export const RangeRequest = message({
  key: field(1, 'bytes'),
  rangeEnd: field(2, 'bytes'),
  limit: field(3, 'int'),
  revision: field(4, 'int'),
});
export const RangeResponse = message({
  header: field(1, Header),
  kvs: repeated(2, StoredKeyValue),
  more: field(3, 'bool'),
});

const PutRequest = message({
  key: field(1, 'bytes'),
  value: field(2, 'bytes'),
  lease: field(3, 'int'),
});
const DeleteRangeRequest = message({ key: field(1, 'bytes') });
export const RequestOperation = message({
  put: field(2, PutRequest),
  deleteRange: field(3, DeleteRangeRequest),
});
/** `result` is left out: 0 stands for "equal". */
export const CompareRequest = message({
  target: field(2, 'int'),
  key: field(3, 'bytes'),
  createRevision: field(5, 'presentInt'),
  modRevision: field(6, 'presentInt'),
});
export const COMPARE_CREATE = 1;
export const COMPARE_MOD = 2;
export const TxnRequest = message({
  compares: repeated(1, CompareRequest),
  success: repeated(2, RequestOperation),
});
export const TxnResponse = message({ header: field(1, Header), succeeded: field(2, 'bool') });

export const WatchCreateRequest = message({
  key: field(1, 'bytes'),
  rangeEnd: field(2, 'bytes'),
  startRevision: field(3, 'int'),
  fragment: field(8, 'bool'),
});
export const WatchRequest = message({ create: field(1, WatchCreateRequest) });
/** `type`: 0 for a put, 1 for a deletion. */
const WatchedEvent = message({ type: field(1, 'int'), kv: field(2, StoredKeyValue) });
export const EVENT_DELETE = 1;
export const WatchResponse = message({
  header: field(1, Header),
  created: field(3, 'bool'),
  canceled: field(4, 'bool'),
  compactRevision: field(5, 'int'),
  cancelReason: field(6, 'string'),
  fragment: field(7, 'bool'),
  events: repeated(11, WatchedEvent),
});

/** Seconds. */
export const LeaseGrantRequest = message({ ttl: field(1, 'int'), id: field(2, 'int') });
export const LeaseGrantResponse = message({
  header: field(1, Header),
  id: field(2, 'int'),
  ttl: field(3, 'int'),
});
export const LeaseRevokeRequest = message({ id: field(1, 'int') });
export const LeaseKeepAliveRequest = message({ id: field(1, 'int') });
/** `ttl` 0: the lease has ended. */
export const LeaseKeepAliveResponse = message({ id: field(2, 'int'), ttl: field(3, 'int') });

export const AuthenticateRequest = message({ name: field(1, 'string'), password: field(2, 'string') });
export const AuthenticateResponse = message({ token: field(2, 'string') });

export const StatusRequest = message({});
export const StatusResponse = message({ version: field(2, 'string') });

export const PATHS = {
  range: '/etcdserverpb.KV/Range',
  txn: '/etcdserverpb.KV/Txn',
  watch: '/etcdserverpb.Watch/Watch',
  grant: '/etcdserverpb.Lease/LeaseGrant',
  revoke: '/etcdserverpb.Lease/LeaseRevoke',
  keepAlive: '/etcdserverpb.Lease/LeaseKeepAlive',
  status: '/etcdserverpb.Maintenance/Status',
  authenticate: '/etcdserverpb.Auth/Authenticate',
} as const;

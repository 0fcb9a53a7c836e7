/**
 * The metadata store of a cluster: etcd (3.5 or newer), through a client of our own. Each key lies below the cluster's
 * prefix; revisions are etcd's own, which others who share it move as well.
 *
 * What etcd promises is passed on and no more: a transaction whose answer was lost rejects as `indeterminate`; a watch goes
 * on by itself after failures and is lost only when its events are gone or access is denied; a session ends, for this
 * process, by its own clock before etcd can end it.
 */
import type {
  Compare,
  KeyValue,
  Logger,
  MetadataStore,
  Operation,
  RangeResult,
  Session,
  Thread,
  TxnResult,
  Watch,
  Watcher,
} from '../../base/ports.ts';
import type { GrpcTls } from '../../base/grpc.ts';
import { checkTxn } from '../keyspace.ts';
import { MetadataStoreError } from '../store-error.ts';
import { untilReachable } from '../until-reachable.ts';
import { CatchUp } from './catch-up.ts';
import { EtcdClient } from './client.ts';
import type { EtcdAccess, EtcdCredentials, EtcdPorts, UnaryCall } from './client.ts';
import { EtcdFailure, isCompacted, storeErrorOf } from './failure.ts';
import { keyAfter, prefixRange } from './key-range.ts';
import { LeaseKeeping } from './lease-keeping.ts';
import type { EtcdLocation } from './location.ts';
import * as messages from './messages.ts';
import type { Decoded, Fields, Message, Value, ValueOf } from './protobuf.ts';
import { EtcdSession, leaseIdOf } from './session.ts';
import { EtcdWatch } from './watch.ts';

/** For a request with all its attempts. */
const REQUEST_LIMIT_MS = 5_000;
/** Keys asked for at once; fewer when they do not fit into an answer. */
const PAGE_KEYS = 500;
/** Before it, a watch could pass over events, and sessions end without reason (etcd#15220, #15247). */
const OLDEST = { major: 3, minor: 5 } as const;
/** A read of many pages begins anew when its revision is compacted meanwhile. */
const RANGE_ATTEMPTS_MAX = 5;

const { PATHS } = messages;
const RANGE = {
  path: PATHS.range,
  request: messages.RangeRequest,
  response: messages.RangeResponse,
  isRead: true,
};
const TXN = {
  path: PATHS.txn,
  request: messages.TxnRequest,
  response: messages.TxnResponse,
  isRead: false,
};
const GRANT = {
  path: PATHS.grant,
  request: messages.LeaseGrantRequest,
  response: messages.LeaseGrantResponse,
  isRead: false,
};
const STATUS = {
  path: PATHS.status,
  request: messages.StatusRequest,
  response: messages.StatusResponse,
  isRead: true,
};
const REVOKE = {
  path: PATHS.revoke,
  request: messages.LeaseRevokeRequest,
  response: messages.Empty,
  isRead: false,
};

export interface EtcdStoreOptions extends EtcdPorts {
  readonly location: EtcdLocation;
  readonly logger: Logger;
  /** PEM texts; only with a location that says TLS. */
  readonly tls?: GrpcTls | undefined;
  readonly credentials?: EtcdCredentials | undefined;
  /** Starts bin/lease-thread.ts; without it the main loop keeps the sessions alive, for tests and simulation. */
  readonly startLeaseThread?: (() => Thread) | undefined;
  /** How long the opening goes on trying while no endpoint answers; 0, the default: as long as one request. */
  readonly openLimitMs?: number;
  /** For tests: how long a request may take, with all its attempts. */
  readonly requestLimitMs?: number;
}

/**
 * Opens the store and makes sure that it can be read. Rejects with MetadataStoreError: `unavailable` when no endpoint
 * answers, `refused` when etcd denies access; the message says what to do.
 */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<MetadataStore> {
  const { location, credentials, tls, requestLimitMs: limitMs = REQUEST_LIMIT_MS } = options;
  const access: EtcdAccess = {
    endpoints: location.endpoints,
    credentials,
    tls: location.isTls ? (tls ?? {}) : undefined,
  };
  const client = new EtcdClient(access, options);
  try {
    const version = await untilReachable(
      () => versionRead(client, { keyPrefix: location.keyPrefix, limitMs }),
      {
        limitMs: options.openLimitMs ?? 0,
        ports: options,
      },
    );
    options.logger.info({ version, endpoints: location.endpoints.length }, 'the metadata store is etcd');
  } catch (error) {
    client.close();
    throw error;
  }
  return new EtcdStore(options, access, client);
}

/** Of the server, whose keys can be read. */
async function versionRead(
  client: EtcdClient,
  { keyPrefix, limitMs }: { readonly keyPrefix: string; readonly limitMs: number },
): Promise<string> {
  try {
    await client.unary({ ...RANGE, limitMs }, { ...prefixRange(keyPrefix), limit: 1 });
    const { version } = await client.unary({ ...STATUS, limitMs }, {});
    const tooOld = versionProblem(version);
    if (tooOld !== undefined) throw new MetadataStoreError('refused', tooOld);
    return version;
  } catch (error) {
    throw error instanceof MetadataStoreError ? error : readErrorOf(error);
  }
}

class EtcdStore implements MetadataStore {
  readonly #options: EtcdStoreOptions;
  readonly #keyPrefix: string;
  readonly #client: EtcdClient;
  readonly #limitMs: number;
  readonly #leases: LeaseKeeping;
  readonly #catchUp: CatchUp;
  readonly #watches = new Set<EtcdWatch>();
  readonly #sessions = new Set<EtcdSession>();
  #isClosed = false;

  constructor(options: EtcdStoreOptions, access: EtcdAccess, client: EtcdClient) {
    const { clock, timers, logger } = options;
    this.#options = options;
    this.#keyPrefix = options.location.keyPrefix;
    this.#client = client;
    this.#limitMs = options.requestLimitMs ?? REQUEST_LIMIT_MS;
    const startThread = options.startLeaseThread;
    this.#leases = new LeaseKeeping({ client, access, clock, timers, logger, startThread });
    this.#catchUp = new CatchUp(timers, () => {
      const put = { key: Buffer.from(this.#keyPrefix) };
      return this.#ask(TXN, { success: [{ put }] });
    });
  }

  async range(prefix: string): Promise<RangeResult> {
    this.#mustBeOpen();
    try {
      const result = await this.#range(prefix);
      this.#catchUp.want(result.revision);
      return result;
    } catch (error) {
      throw readErrorOf(error);
    }
  }

  async txn(compares: readonly Compare[], operations: readonly Operation[]): Promise<TxnResult> {
    this.#mustBeOpen();
    checkTxn(compares, operations);
    const request = {
      compares: compares.map((compare) => this.#compare(compare)),
      success: operations.map((operation) => this.#operation(operation)),
    };
    try {
      const { succeeded, header } = await this.#ask(TXN, request);
      const revision = header?.revision ?? 0;
      // A put is an event of our own, which every watch sees; without one the revision may be somebody else's.
      if (!succeeded || !operations.some(({ type }) => type === 'put')) this.#catchUp.want(revision);
      return { succeeded, revision };
    } catch (error) {
      throw storeErrorOf(error);
    }
  }

  watch(prefix: string, fromRevision: number, watcher: Watcher): Watch {
    const watch: EtcdWatch = new EtcdWatch({
      client: this.#client,
      timers: this.#options.timers,
      keyPrefix: this.#keyPrefix,
      prefix,
      fromRevision,
      watcher,
      onEnd: () => {
        this.#watches.delete(watch);
        this.#catchUp.remove(watch);
      },
    });
    this.#watches.add(watch);
    if (prefix === '') this.#catchUp.add(watch);
    return watch;
  }

  /** etcd gives at least a few seconds (its least is 1.5 election time-outs); this process trusts it for `ttlMs`. */
  async session(ttlMs: number): Promise<Session> {
    this.#mustBeOpen();
    const { clock, timers, random } = this.#options;
    const leaseId = 1 + random.integer(2 ** 20) * 2 ** 32 + random.integer(2 ** 32);
    const sentMs = clock.monotonicMs();
    const granted = await this.#grant(leaseId, ttlMs);
    this.#mustBeOpen();
    const trustedMs = Math.min(ttlMs, granted.ttl * 1000);
    const session: EtcdSession = new EtcdSession({
      leaseId,
      ttlMs: trustedMs,
      sentMs,
      clock,
      timers,
      revoke: () => this.#revoke(leaseId),
      onEnd: () => {
        this.#sessions.delete(session);
        this.#leases.drop(leaseId);
      },
    });
    this.#sessions.add(session);
    this.#leases.keep({
      leaseId,
      ttlMs: trustedMs,
      onAlive: (aliveMs) => session.alive(aliveMs),
      onGone: () => session.lose(),
    });
    return session;
  }

  /** Sessions that were not closed end when their time is over. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const watch of this.#watches) watch.cancel();
    for (const session of this.#sessions) session.stop();
    this.#catchUp.close();
    this.#leases.close();
    this.#client.close();
  }

  async #range(prefix: string): Promise<RangeResult> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#pages(prefix);
      } catch (error) {
        const isOld = error instanceof EtcdFailure && isCompacted(error.status);
        if (!isOld || attempt === RANGE_ATTEMPTS_MAX) throw error;
      }
    }
  }

  /** All pages are of the first one's revision. */
  async #pages(prefix: string): Promise<RangeResult> {
    const entries: KeyValue[] = [];
    const range = prefixRange(this.#keyPrefix + prefix);
    let revision = 0;
    let limit = PAGE_KEYS;
    for (let key = range.key; ;) {
      let page;
      try {
        page = await this.#ask(RANGE, { ...range, key, limit, revision });
      } catch (error) {
        const isTooLarge = error instanceof EtcdFailure && error.status.isTooLarge === true;
        if (!isTooLarge || limit === 1) throw error;
        limit = Math.ceil(limit / 4);
        continue;
      }
      if (revision === 0) revision = page.header?.revision ?? 0;
      for (const kv of page.kvs) {
        const stored = this.#entry(kv);
        if (stored.key !== '') entries.push(stored);
      }
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return { revision, entries };
      key = keyAfter(last.key);
    }
  }

  /** A copy: a view would hold the whole page. */
  #entry({ key, value, createRevision, modRevision }: Decoded<typeof messages.StoredKeyValue>): KeyValue {
    const name = key.toString().slice(this.#keyPrefix.length);
    return { key: name, value: Buffer.from(value), createRevision, modRevision };
  }

  #compare(compare: Compare): Value<typeof messages.CompareRequest> {
    const key = Buffer.from(this.#keyPrefix + compare.key);
    if ('modRevision' in compare)
      return { target: messages.COMPARE_MOD, key, modRevision: compare.modRevision };
    return { target: messages.COMPARE_CREATE, key, createRevision: compare.createRevision };
  }

  #operation(operation: Operation): Value<typeof messages.RequestOperation> {
    const key = Buffer.from(this.#keyPrefix + operation.key);
    if (operation.type === 'delete') return { deleteRange: { key } };
    const { value, sessionId } = operation;
    if (sessionId === undefined) return { put: { key, value } };
    const lease = leaseIdOf(sessionId);
    if (lease === undefined) throw new MetadataStoreError('sessionNotFound', 'there is no such session');
    return { put: { key, value, lease } };
  }

  async #grant(leaseId: number, ttlMs: number): Promise<Decoded<typeof messages.LeaseGrantResponse>> {
    try {
      return await this.#ask(GRANT, { id: leaseId, ttl: Math.ceil(ttlMs / 1000) });
    } catch (error) {
      throw storeErrorOf(error);
    }
  }

  async #revoke(leaseId: number): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#ask(REVOKE, { id: leaseId });
    } catch (error) {
      const failure = storeErrorOf(error);
      if (failure.code !== 'sessionNotFound') throw failure;
    }
  }

  #ask<Request extends Fields, Response extends Fields>(
    call: Omit<UnaryCall<Request, Response>, 'limitMs'>,
    request: ValueOf<Request>,
  ): Promise<Decoded<Message<Response>>> {
    return this.#client.unary({ ...call, limitMs: this.#limitMs }, request);
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw new MetadataStoreError('closed', 'the metadata store is closed');
  }
}

/** What is wrong with this version of a server; undefined: nothing. */
function versionProblem(version: string): string | undefined {
  const match = /^(\d+)\.(\d+)\./.exec(version);
  const [major, minor] = [Number(match?.[1]), Number(match?.[2])];
  if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) return undefined;
  const oldest = `${OLDEST.major}.${OLDEST.minor}`;
  return `etcd is of version ${version}, which has faults that lose changes; use ${oldest} or newer`;
}

/** What changes nothing has no unknown outcome. */
function readErrorOf(error: unknown): MetadataStoreError {
  const failure = storeErrorOf(error);
  if (failure.code !== 'indeterminate') return failure;
  return new MetadataStoreError('unavailable', `etcd cannot be read: ${(failure.cause as Error).message}`, {
    cause: failure.cause,
  });
}

/**
 * ShareFetch (key 78). Acquires records for a member of a share group, and acknowledges earlier ones on the way
 * (KIP-932). Version 0 was early access and is gone.
 *
 *     2    how strictly the limits hold (KIP-1206); acquisitions can be renewed (KIP-1222)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int64,
  int8,
  message,
  nullable,
  or,
  orNull,
  recordsVector,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const ShareFetchRequest = message(
  'ShareFetchRequest',
  { key: 78, versions: '1-2', flexible: '0+' },
  {
    groupId: orNull(string),
    memberId: nullable(string),
    shareSessionEpoch: int32,
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: or(2147483647, int32),
    maxRecords: int32,
    batchSize: int32,
    shareAcquireMode: at('2+', or(0, int8)),
    isRenewAck: at('2+', or(false, bool)),
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            partitionMaxBytes: at('0', int32),
            acknowledgementBatches: array(
              struct({
                firstOffset: int64,
                lastOffset: int64,
                acknowledgeTypes: array(int8),
              }),
            ),
          }),
        ),
      }),
    ),
    forgottenTopicsData: array(
      struct({
        topicId: uuid,
        partitions: array(int32),
      }),
    ),
  },
);
export type ShareFetchRequest = Read<typeof ShareFetchRequest>;

export const ShareFetchResponse = message(
  'ShareFetchResponse',
  { key: 78, versions: '1-2', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: orNull(string),
    acquisitionLockTimeoutMs: int32,
    responses: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: orNull(string),
            acknowledgeErrorCode: int16,
            acknowledgeErrorMessage: orNull(string),
            currentLeader: struct({
              leaderId: int32,
              leaderEpoch: int32,
            }),
            records: nullable(recordsVector, '0'),
            acquiredRecords: array(
              struct({
                firstOffset: int64,
                lastOffset: int64,
                deliveryCount: int16,
              }),
            ),
          }),
        ),
      }),
    ),
    nodeEndpoints: array(
      struct({
        nodeId: int32,
        host: string,
        port: int32,
        rack: orNull(string),
      }),
    ),
  },
);
export type ShareFetchResponse = Read<typeof ShareFetchResponse>;

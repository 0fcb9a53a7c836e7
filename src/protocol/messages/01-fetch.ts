/**
 * Fetch (key 1). Reads record batches from given offsets, waiting up to maxWaitMs for minBytes. Consumers and
 * following replicas use it alike.
 *
 *     4    isolation level and aborted transactions (KIP-98)
 *     5    logStartOffset
 *     7    sessions: only what changed is sent (KIP-227)
 *     9    the leader epoch that the client knows fences both sides (KIP-320)
 *     10   zstd (KIP-110)
 *     11   the consumer's rack, and a preferred replica (KIP-392)
 *     12   lastFetchedEpoch, and where logs diverge (KIP-595)
 *     13   topic ids instead of names (KIP-516)
 *     14   OFFSET_MOVED_TO_TIERED_STORAGE (KIP-405)
 *     15   replica id and epoch in replicaState (KIP-903)
 *     16   the answer names new leaders' addresses (KIP-951)
 *     17   the replica's directory (KIP-853)
 *     18   the high watermark that the follower knows (KIP-1166)
 */
import {
  array,
  at,
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
  tagged,
  uuid,
  type Read,
} from '../schema.ts';

export const FetchRequest = message(
  'FetchRequest',
  { key: 1, versions: '4-18', flexible: '12+' },
  {
    clusterId: at('12+', tagged(0, orNull(string))),
    replicaId: at('0-14', or(-1, int32)),
    replicaState: at(
      '15+',
      tagged(
        1,
        struct({
          replicaId: or(-1, int32),
          replicaEpoch: or(-1, int64),
        }),
      ),
    ),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: or(2147483647, int32),
    isolationLevel: or(0, int8),
    sessionId: at('7+', or(0, int32)),
    sessionEpoch: at('7+', or(-1, int32)),
    topics: array(
      struct({
        topic: at('0-12', string),
        topicId: at('13+', uuid),
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: at('9+', or(-1, int32)),
            fetchOffset: int64,
            lastFetchedEpoch: at('12+', or(-1, int32)),
            logStartOffset: at('5+', or(-1, int64)),
            partitionMaxBytes: int32,
            replicaDirectoryId: at('17+', tagged(0, uuid)),
            highWatermark: at('18+', tagged(1, or(2 ** 63, int64))),
          }),
        ),
      }),
    ),
    forgottenTopicsData: at(
      '7+',
      array(
        struct({
          topic: at('7-12', string),
          topicId: at('13+', uuid),
          partitions: array(int32),
        }),
      ),
    ),
    rackId: at('11+', or('', string)),
  },
);
export type FetchRequest = Read<typeof FetchRequest>;

export const FetchResponse = message(
  'FetchResponse',
  { key: 1, versions: '4-18', flexible: '12+' },
  {
    throttleTimeMs: int32,
    errorCode: at('7+', int16),
    sessionId: at('7+', or(0, int32)),
    responses: array(
      struct({
        topic: at('0-12', string),
        topicId: at('13+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            highWatermark: int64,
            lastStableOffset: or(-1, int64),
            logStartOffset: at('5+', or(-1, int64)),
            divergingEpoch: at(
              '12+',
              tagged(
                0,
                struct({
                  epoch: or(-1, int32),
                  endOffset: or(-1, int64),
                }),
              ),
            ),
            currentLeader: at(
              '12+',
              tagged(
                1,
                struct({
                  leaderId: or(-1, int32),
                  leaderEpoch: or(-1, int32),
                }),
              ),
            ),
            snapshotId: at(
              '12+',
              tagged(
                2,
                struct({
                  endOffset: or(-1, int64),
                  epoch: or(-1, int32),
                }),
              ),
            ),
            abortedTransactions: nullable(
              array(
                struct({
                  producerId: int64,
                  firstOffset: int64,
                }),
              ),
            ),
            preferredReadReplica: at('11+', or(-1, int32)),
            records: nullable(recordsVector),
          }),
        ),
      }),
    ),
    nodeEndpoints: at(
      '16+',
      tagged(
        0,
        array(
          struct({
            nodeId: int32,
            host: string,
            port: int32,
            rack: orNull(string),
          }),
        ),
      ),
    ),
  },
);
export type FetchResponse = Read<typeof FetchResponse>;

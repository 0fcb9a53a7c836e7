/**
 * Produce (key 0). A producer hands over record batches, one a partition; `acks` says when it wants the answer (none,
 * leader, in-sync replicas).
 *
 *     0-2  gone; ApiVersions still names them for librdkafka (KAFKA-18659)
 *     5    the answer tells logStartOffset, so that a producer can tell loss from retention
 *     7    zstd is allowed (KIP-110)
 *     8    which records made a batch fail (KIP-467)
 *     10   the answer names the new leader and its address (KIP-951)
 *     11   TRANSACTION_ABORTABLE (KIP-890)
 *     12   within a transaction also adds the partition to it (KIP-890 part 2)
 *     13   topic ids instead of names (KIP-516)
 */
import {
  array,
  at,
  int16,
  int32,
  int64,
  message,
  nullable,
  or,
  orNull,
  records,
  string,
  struct,
  tagged,
  uuid,
  type Read,
} from '../schema.ts';

export const ProduceRequest = message(
  'ProduceRequest',
  { key: 0, versions: '3-13', flexible: '9+' },
  {
    transactionalId: orNull(string),
    acks: int16,
    timeoutMs: int32,
    topicData: array(
      struct({
        name: at('0-12', string),
        topicId: at('13+', uuid),
        partitionData: array(
          struct({
            index: int32,
            records: nullable(records),
          }),
        ),
      }),
    ),
  },
);
export type ProduceRequest = Read<typeof ProduceRequest>;

export const ProduceResponse = message(
  'ProduceResponse',
  { key: 0, versions: '3-13', flexible: '9+' },
  {
    responses: array(
      struct({
        name: at('0-12', string),
        topicId: at('13+', uuid),
        partitionResponses: array(
          struct({
            index: int32,
            errorCode: int16,
            baseOffset: int64,
            logAppendTimeMs: or(-1, int64),
            logStartOffset: at('5+', or(-1, int64)),
            recordErrors: at(
              '8+',
              array(
                struct({
                  batchIndex: int32,
                  batchIndexErrorMessage: orNull(string),
                }),
              ),
            ),
            errorMessage: at('8+', orNull(string)),
            currentLeader: at(
              '10+',
              tagged(
                0,
                struct({
                  leaderId: or(-1, int32),
                  leaderEpoch: or(-1, int32),
                }),
              ),
            ),
          }),
        ),
      }),
    ),
    throttleTimeMs: or(0, int32),
    nodeEndpoints: at(
      '10+',
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
export type ProduceResponse = Read<typeof ProduceResponse>;

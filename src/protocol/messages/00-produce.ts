/** Produce (key 0): Append record batches; acks 0/1/-1; topic IDs since v13; implicit AddPartitions for TV2 at v12+. */
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

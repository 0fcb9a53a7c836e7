/**
 * CreateTopics (key 19). Creates topics, with partitions assigned by the broker or by hand.
 *
 *     4    -1 takes the broker's number of partitions and replicas (KIP-464)
 *     5    the resulting configurations are answered (KIP-525)
 *     6    THROTTLING_QUOTA_EXCEEDED (KIP-599)
 *     7    topic ids are answered (KIP-516)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int8,
  message,
  nullable,
  or,
  string,
  struct,
  tagged,
  uuid,
  type Read,
} from '../schema.ts';

export const CreateTopicsRequest = message(
  'CreateTopicsRequest',
  { key: 19, versions: '2-7', flexible: '5+' },
  {
    topics: array(
      struct({
        name: string,
        numPartitions: int32,
        replicationFactor: int16,
        assignments: array(
          struct({
            partitionIndex: int32,
            brokerIds: array(int32),
          }),
        ),
        configs: array(
          struct({
            name: string,
            value: nullable(string),
          }),
        ),
      }),
    ),
    timeoutMs: or(60000, int32),
    validateOnly: or(false, bool),
  },
);
export type CreateTopicsRequest = Read<typeof CreateTopicsRequest>;

export const CreateTopicsResponse = message(
  'CreateTopicsResponse',
  { key: 19, versions: '2-7', flexible: '5+' },
  {
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
        topicId: at('7+', uuid),
        errorCode: int16,
        errorMessage: nullable(string),
        topicConfigErrorCode: at('5+', tagged(0, int16)),
        numPartitions: at('5+', or(-1, int32)),
        replicationFactor: at('5+', or(-1, int16)),
        configs: at(
          '5+',
          nullable(
            array(
              struct({
                name: string,
                value: nullable(string),
                readOnly: bool,
                configSource: or(-1, int8),
                isSensitive: bool,
              }),
            ),
          ),
        ),
      }),
    ),
  },
);
export type CreateTopicsResponse = Read<typeof CreateTopicsResponse>;

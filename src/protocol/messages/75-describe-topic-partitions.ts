/**
 * DescribeTopicPartitions (key 75). Topics and their partitions page by page, with eligible leader replicas (KIP-966).
 */
import {
  array,
  bool,
  int16,
  int32,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const DescribeTopicPartitionsRequest = message(
  'DescribeTopicPartitionsRequest',
  { key: 75, versions: '0', flexible: '0+' },
  {
    topics: array(
      struct({
        name: string,
      }),
    ),
    responsePartitionLimit: or(2000, int32),
    cursor: orNull(
      struct({
        topicName: string,
        partitionIndex: int32,
      }),
    ),
  },
);
export type DescribeTopicPartitionsRequest = Read<typeof DescribeTopicPartitionsRequest>;

export const DescribeTopicPartitionsResponse = message(
  'DescribeTopicPartitionsResponse',
  { key: 75, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    topics: array(
      struct({
        errorCode: int16,
        name: nullable(string),
        topicId: uuid,
        isInternal: or(false, bool),
        partitions: array(
          struct({
            errorCode: int16,
            partitionIndex: int32,
            leaderId: int32,
            leaderEpoch: or(-1, int32),
            replicaNodes: array(int32),
            isrNodes: array(int32),
            eligibleLeaderReplicas: orNull(array(int32)),
            lastKnownElr: orNull(array(int32)),
            offlineReplicas: array(int32),
          }),
        ),
        topicAuthorizedOperations: or(-2147483648, int32),
      }),
    ),
    nextCursor: orNull(
      struct({
        topicName: string,
        partitionIndex: int32,
      }),
    ),
  },
);
export type DescribeTopicPartitionsResponse = Read<typeof DescribeTopicPartitionsResponse>;

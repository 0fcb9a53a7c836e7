/**
 * DescribeQuorum (key 55). Leader, voters and observers of the metadata quorum, and how far each is (KIP-595).
 *
 *     1    when a replica last fetched and last was caught up (KIP-836)
 *     2    error messages, addresses, directories (KIP-853)
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
  string,
  struct,
  uint16,
  uuid,
  type Read,
} from '../schema.ts';

export const DescribeQuorumRequest = message(
  'DescribeQuorumRequest',
  { key: 55, versions: '0-2', flexible: '0+' },
  {
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
          }),
        ),
      }),
    ),
  },
);
export type DescribeQuorumRequest = Read<typeof DescribeQuorumRequest>;

const describeQuorumResponseReplicaState = struct({
  replicaId: int32,
  replicaDirectoryId: at('2+', uuid),
  logEndOffset: int64,
  lastFetchTimestamp: at('1+', or(-1, int64)),
  lastCaughtUpTimestamp: at('1+', or(-1, int64)),
});

export const DescribeQuorumResponse = message(
  'DescribeQuorumResponse',
  { key: 55, versions: '0-2', flexible: '0+' },
  {
    errorCode: int16,
    errorMessage: at('2+', nullable(string)),
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: at('2+', nullable(string)),
            leaderId: int32,
            leaderEpoch: int32,
            highWatermark: int64,
            currentVoters: array(describeQuorumResponseReplicaState),
            observers: array(describeQuorumResponseReplicaState),
          }),
        ),
      }),
    ),
    nodes: at(
      '2+',
      array(
        struct({
          nodeId: int32,
          listeners: array(
            struct({
              name: string,
              host: string,
              port: uint16,
            }),
          ),
        }),
      ),
    ),
  },
);
export type DescribeQuorumResponse = Read<typeof DescribeQuorumResponse>;

/**
 * AlterPartition (key 56). A partition's leader asks the controller to change the in-sync replicas (KIP-497).
 *
 *     2    topic ids instead of names (KIP-841)
 *     3    broker epochs of the in-sync replicas (KIP-903)
 */
import { array, at, int16, int32, int64, int8, message, or, struct, uuid, type Read } from '../schema.ts';

export const AlterPartitionRequest = message(
  'AlterPartitionRequest',
  { key: 56, versions: '2-3', flexible: '0+' },
  {
    brokerId: int32,
    brokerEpoch: or(-1, int64),
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            leaderEpoch: int32,
            newIsr: at('0-2', array(int32)),
            newIsrWithEpochs: at(
              '3+',
              array(
                struct({
                  brokerId: int32,
                  brokerEpoch: or(-1, int64),
                }),
              ),
            ),
            leaderRecoveryState: or(0, int8),
            partitionEpoch: int32,
          }),
        ),
      }),
    ),
  },
);
export type AlterPartitionRequest = Read<typeof AlterPartitionRequest>;

export const AlterPartitionResponse = message(
  'AlterPartitionResponse',
  { key: 56, versions: '2-3', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            leaderId: int32,
            leaderEpoch: int32,
            isr: array(int32),
            leaderRecoveryState: or(0, int8),
            partitionEpoch: int32,
          }),
        ),
      }),
    ),
  },
);
export type AlterPartitionResponse = Read<typeof AlterPartitionResponse>;

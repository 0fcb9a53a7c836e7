/**
 * AssignReplicasToDirs (key 73). A broker tells the controller in which log directories its replicas are (KIP-858).
 */
import { array, int16, int32, int64, message, or, struct, uuid, type Read } from '../schema.ts';

export const AssignReplicasToDirsRequest = message(
  'AssignReplicasToDirsRequest',
  { key: 73, versions: '0', flexible: '0+' },
  {
    brokerId: int32,
    brokerEpoch: or(-1, int64),
    directories: array(
      struct({
        id: uuid,
        topics: array(
          struct({
            topicId: uuid,
            partitions: array(
              struct({
                partitionIndex: int32,
              }),
            ),
          }),
        ),
      }),
    ),
  },
);
export type AssignReplicasToDirsRequest = Read<typeof AssignReplicasToDirsRequest>;

export const AssignReplicasToDirsResponse = message(
  'AssignReplicasToDirsResponse',
  { key: 73, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    directories: array(
      struct({
        id: uuid,
        topics: array(
          struct({
            topicId: uuid,
            partitions: array(
              struct({
                partitionIndex: int32,
                errorCode: int16,
              }),
            ),
          }),
        ),
      }),
    ),
  },
);
export type AssignReplicasToDirsResponse = Read<typeof AssignReplicasToDirsResponse>;

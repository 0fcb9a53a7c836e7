/** AlterReplicaLogDirs (key 34). Moves replicas between the log directories of a broker (KIP-113). */
import { array, int16, int32, message, string, struct, type Read } from '../schema.ts';

export const AlterReplicaLogDirsRequest = message(
  'AlterReplicaLogDirsRequest',
  { key: 34, versions: '1-2', flexible: '2+' },
  {
    dirs: array(
      struct({
        path: string,
        topics: array(
          struct({
            name: string,
            partitions: array(int32),
          }),
        ),
      }),
    ),
  },
);
export type AlterReplicaLogDirsRequest = Read<typeof AlterReplicaLogDirsRequest>;

export const AlterReplicaLogDirsResponse = message(
  'AlterReplicaLogDirsResponse',
  { key: 34, versions: '1-2', flexible: '2+' },
  {
    throttleTimeMs: int32,
    results: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
          }),
        ),
      }),
    ),
  },
);
export type AlterReplicaLogDirsResponse = Read<typeof AlterReplicaLogDirsResponse>;

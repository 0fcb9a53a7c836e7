/** ListPartitionReassignments (key 46). The reassignments under way (KIP-455). */
import { array, int16, int32, message, nullable, or, orNull, string, struct, type Read } from '../schema.ts';

export const ListPartitionReassignmentsRequest = message(
  'ListPartitionReassignmentsRequest',
  { key: 46, versions: '0', flexible: '0+' },
  {
    timeoutMs: or(60000, int32),
    topics: orNull(
      array(
        struct({
          name: string,
          partitionIndexes: array(int32),
        }),
      ),
    ),
  },
);
export type ListPartitionReassignmentsRequest = Read<typeof ListPartitionReassignmentsRequest>;

export const ListPartitionReassignmentsResponse = message(
  'ListPartitionReassignmentsResponse',
  { key: 46, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            replicas: array(int32),
            addingReplicas: array(int32),
            removingReplicas: array(int32),
          }),
        ),
      }),
    ),
  },
);
export type ListPartitionReassignmentsResponse = Read<typeof ListPartitionReassignmentsResponse>;

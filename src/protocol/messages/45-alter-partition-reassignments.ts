/**
 * AlterPartitionReassignments (key 45). Moves partitions to other replicas, or stops moving them (KIP-455).
 *
 *     1    whether the replication factor may change (KIP-860)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const AlterPartitionReassignmentsRequest = message(
  'AlterPartitionReassignmentsRequest',
  { key: 45, versions: '0-1', flexible: '0+' },
  {
    timeoutMs: or(60000, int32),
    allowReplicationFactorChange: at('1+', or(true, bool)),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            replicas: orNull(array(int32)),
          }),
        ),
      }),
    ),
  },
);
export type AlterPartitionReassignmentsRequest = Read<typeof AlterPartitionReassignmentsRequest>;

export const AlterPartitionReassignmentsResponse = message(
  'AlterPartitionReassignmentsResponse',
  { key: 45, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    allowReplicationFactorChange: at('1+', or(true, bool)),
    errorCode: int16,
    errorMessage: nullable(string),
    responses: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: nullable(string),
          }),
        ),
      }),
    ),
  },
);
export type AlterPartitionReassignmentsResponse = Read<typeof AlterPartitionReassignmentsResponse>;

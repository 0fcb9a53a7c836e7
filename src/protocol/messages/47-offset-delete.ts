/** OffsetDelete (key 47). Deletes a group's committed offsets of topics that it no longer reads (KIP-496). */
import { array, int16, int32, message, string, struct, type Read } from '../schema.ts';

export const OffsetDeleteRequest = message(
  'OffsetDeleteRequest',
  { key: 47, versions: '0', flexible: 'none' },
  {
    groupId: string,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
          }),
        ),
      }),
    ),
  },
);
export type OffsetDeleteRequest = Read<typeof OffsetDeleteRequest>;

export const OffsetDeleteResponse = message(
  'OffsetDeleteResponse',
  { key: 47, versions: '0', flexible: 'none' },
  {
    errorCode: int16,
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
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
export type OffsetDeleteResponse = Read<typeof OffsetDeleteResponse>;

/** AlterShareGroupOffsets (key 91). Sets the start offsets of a share group without members (KIP-932). */
import { array, int16, int32, int64, message, orNull, string, struct, uuid, type Read } from '../schema.ts';

export const AlterShareGroupOffsetsRequest = message(
  'AlterShareGroupOffsetsRequest',
  { key: 91, versions: '0', flexible: '0+' },
  {
    groupId: string,
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            startOffset: int64,
          }),
        ),
      }),
    ),
  },
);
export type AlterShareGroupOffsetsRequest = Read<typeof AlterShareGroupOffsetsRequest>;

export const AlterShareGroupOffsetsResponse = message(
  'AlterShareGroupOffsetsResponse',
  { key: 91, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: orNull(string),
    responses: array(
      struct({
        topicName: string,
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: orNull(string),
          }),
        ),
      }),
    ),
  },
);
export type AlterShareGroupOffsetsResponse = Read<typeof AlterShareGroupOffsetsResponse>;

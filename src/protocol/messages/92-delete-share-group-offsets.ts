/** DeleteShareGroupOffsets (key 92). Deletes the start offsets of a share group without members (KIP-932). */
import { array, int16, int32, message, orNull, string, struct, uuid, type Read } from '../schema.ts';

export const DeleteShareGroupOffsetsRequest = message(
  'DeleteShareGroupOffsetsRequest',
  { key: 92, versions: '0', flexible: '0+' },
  {
    groupId: string,
    topics: array(
      struct({
        topicName: string,
      }),
    ),
  },
);
export type DeleteShareGroupOffsetsRequest = Read<typeof DeleteShareGroupOffsetsRequest>;

export const DeleteShareGroupOffsetsResponse = message(
  'DeleteShareGroupOffsetsResponse',
  { key: 92, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: orNull(string),
    responses: array(
      struct({
        topicName: string,
        topicId: uuid,
        errorCode: int16,
        errorMessage: orNull(string),
      }),
    ),
  },
);
export type DeleteShareGroupOffsetsResponse = Read<typeof DeleteShareGroupOffsetsResponse>;

/**
 * DeleteShareGroupState (key 86). The group coordinator has the share coordinator delete the state of share partitions
 * (KIP-932).
 */
import { array, int16, int32, message, orNull, string, struct, uuid, type Read } from '../schema.ts';

export const DeleteShareGroupStateRequest = message(
  'DeleteShareGroupStateRequest',
  { key: 86, versions: '0', flexible: '0+' },
  {
    groupId: string,
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partition: int32,
          }),
        ),
      }),
    ),
  },
);
export type DeleteShareGroupStateRequest = Read<typeof DeleteShareGroupStateRequest>;

export const DeleteShareGroupStateResponse = message(
  'DeleteShareGroupStateResponse',
  { key: 86, versions: '0', flexible: '0+' },
  {
    results: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partition: int32,
            errorCode: int16,
            errorMessage: orNull(string),
          }),
        ),
      }),
    ),
  },
);
export type DeleteShareGroupStateResponse = Read<typeof DeleteShareGroupStateResponse>;

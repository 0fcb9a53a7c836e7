/**
 * InitializeShareGroupState (key 83). The group coordinator has the share coordinator begin the state of share
 * partitions (KIP-932).
 */
import { array, int16, int32, int64, message, orNull, string, struct, uuid, type Read } from '../schema.ts';

export const InitializeShareGroupStateRequest = message(
  'InitializeShareGroupStateRequest',
  { key: 83, versions: '0', flexible: '0+' },
  {
    groupId: string,
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partition: int32,
            stateEpoch: int32,
            startOffset: int64,
          }),
        ),
      }),
    ),
  },
);
export type InitializeShareGroupStateRequest = Read<typeof InitializeShareGroupStateRequest>;

export const InitializeShareGroupStateResponse = message(
  'InitializeShareGroupStateResponse',
  { key: 83, versions: '0', flexible: '0+' },
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
export type InitializeShareGroupStateResponse = Read<typeof InitializeShareGroupStateResponse>;

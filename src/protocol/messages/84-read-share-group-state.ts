/**
 * ReadShareGroupState (key 84). A share partition's leader reads its state from the share coordinator (KIP-932).
 */
import {
  array,
  int16,
  int32,
  int64,
  int8,
  message,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const ReadShareGroupStateRequest = message(
  'ReadShareGroupStateRequest',
  { key: 84, versions: '0', flexible: '0+' },
  {
    groupId: string,
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partition: int32,
            leaderEpoch: int32,
          }),
        ),
      }),
    ),
  },
);
export type ReadShareGroupStateRequest = Read<typeof ReadShareGroupStateRequest>;

export const ReadShareGroupStateResponse = message(
  'ReadShareGroupStateResponse',
  { key: 84, versions: '0', flexible: '0+' },
  {
    results: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partition: int32,
            errorCode: int16,
            errorMessage: orNull(string),
            stateEpoch: int32,
            startOffset: int64,
            stateBatches: array(
              struct({
                firstOffset: int64,
                lastOffset: int64,
                deliveryState: int8,
                deliveryCount: int16,
              }),
            ),
          }),
        ),
      }),
    ),
  },
);
export type ReadShareGroupStateResponse = Read<typeof ReadShareGroupStateResponse>;

/**
 * WriteShareGroupState (key 85). A share partition's leader writes its state to the share coordinator (KIP-932).
 *
 *     1    how many deliveries past the start are complete (KIP-1226)
 */
import {
  array,
  at,
  int16,
  int32,
  int64,
  int8,
  message,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const WriteShareGroupStateRequest = message(
  'WriteShareGroupStateRequest',
  { key: 85, versions: '0-1', flexible: '0+' },
  {
    groupId: string,
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partition: int32,
            stateEpoch: int32,
            leaderEpoch: int32,
            startOffset: int64,
            deliveryCompleteCount: at('1+', or(-1, int32)),
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
export type WriteShareGroupStateRequest = Read<typeof WriteShareGroupStateRequest>;

export const WriteShareGroupStateResponse = message(
  'WriteShareGroupStateResponse',
  { key: 85, versions: '0-1', flexible: '0+' },
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
export type WriteShareGroupStateResponse = Read<typeof WriteShareGroupStateResponse>;

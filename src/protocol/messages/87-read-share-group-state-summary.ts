/**
 * ReadShareGroupStateSummary (key 87). The start offsets of share partitions, without their batches (KIP-932).
 *
 *     1    how many deliveries past the start are complete (KIP-1226)
 */
import {
  array,
  at,
  int16,
  int32,
  int64,
  message,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const ReadShareGroupStateSummaryRequest = message(
  'ReadShareGroupStateSummaryRequest',
  { key: 87, versions: '0-1', flexible: '0+' },
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
export type ReadShareGroupStateSummaryRequest = Read<typeof ReadShareGroupStateSummaryRequest>;

export const ReadShareGroupStateSummaryResponse = message(
  'ReadShareGroupStateSummaryResponse',
  { key: 87, versions: '0-1', flexible: '0+' },
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
            leaderEpoch: int32,
            startOffset: int64,
            deliveryCompleteCount: at('1+', or(-1, int32)),
          }),
        ),
      }),
    ),
  },
);
export type ReadShareGroupStateSummaryResponse = Read<typeof ReadShareGroupStateSummaryResponse>;

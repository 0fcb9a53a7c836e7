/**
 * OffsetForLeaderEpoch (key 23). Where a leader epoch ends in a partition: how consumers and followers find out that a
 * log was truncated (KIP-101, KIP-320).
 *
 *     2    the epoch that the client knows fences it
 *     3    replica id; -2 is a consumer that may see past the high watermark
 */
import { array, at, int16, int32, int64, message, or, string, struct, type Read } from '../schema.ts';

export const OffsetForLeaderEpochRequest = message(
  'OffsetForLeaderEpochRequest',
  { key: 23, versions: '2-4', flexible: '4+' },
  {
    replicaId: at('3+', or(-2, int32)),
    topics: array(
      struct({
        topic: string,
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: or(-1, int32),
            leaderEpoch: int32,
          }),
        ),
      }),
    ),
  },
);
export type OffsetForLeaderEpochRequest = Read<typeof OffsetForLeaderEpochRequest>;

export const OffsetForLeaderEpochResponse = message(
  'OffsetForLeaderEpochResponse',
  { key: 23, versions: '2-4', flexible: '4+' },
  {
    throttleTimeMs: int32,
    topics: array(
      struct({
        topic: string,
        partitions: array(
          struct({
            errorCode: int16,
            partition: int32,
            leaderEpoch: or(-1, int32),
            endOffset: or(-1, int64),
          }),
        ),
      }),
    ),
  },
);
export type OffsetForLeaderEpochResponse = Read<typeof OffsetForLeaderEpochResponse>;

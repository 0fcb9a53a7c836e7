/** ListOffsets (key 2): Offset by timestamp or special timestamp (-1..-6). */
import { array, at, int16, int32, int64, int8, message, or, string, struct, type Read } from '../schema.ts';

export const ListOffsetsRequest = message(
  'ListOffsetsRequest',
  { key: 2, versions: '1-11', flexible: '6+' },
  {
    replicaId: int32,
    isolationLevel: at('2+', int8),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            currentLeaderEpoch: at('4+', or(-1, int32)),
            timestamp: int64,
          }),
        ),
      }),
    ),
    timeoutMs: at('10+', int32),
  },
);
export type ListOffsetsRequest = Read<typeof ListOffsetsRequest>;

export const ListOffsetsResponse = message(
  'ListOffsetsResponse',
  { key: 2, versions: '1-11', flexible: '6+' },
  {
    throttleTimeMs: at('2+', int32),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            timestamp: or(-1, int64),
            offset: or(-1, int64),
            leaderEpoch: at('4+', or(-1, int32)),
          }),
        ),
      }),
    ),
  },
);
export type ListOffsetsResponse = Read<typeof ListOffsetsResponse>;

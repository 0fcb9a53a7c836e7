/**
 * ListOffsets (key 2). The offset of a partition at a time, or at one of the special times -1 (latest) to -6.
 *
 *     2    isolation level: latest is then the last stable offset
 *     4    leader epoch (KIP-320)
 *     5    OFFSET_NOT_AVAILABLE (KIP-207)
 *     7    -3: the offset of the largest timestamp (KIP-734)
 *     8    -4: the earliest offset kept locally (KIP-405)
 *     9    -5: the last offset in tiered storage (KIP-1005)
 *     10   timeoutMs for answers that tiered storage delays (KIP-1075)
 *     11   -6: the earliest offset not yet uploaded (KIP-1023)
 */
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

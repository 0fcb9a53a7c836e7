/**
 * DescribeShareGroupOffsets (key 90). The start offsets of share groups (KIP-932).
 *
 *     1    lag (KIP-1226)
 */
import {
  array,
  at,
  int16,
  int32,
  int64,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const DescribeShareGroupOffsetsRequest = message(
  'DescribeShareGroupOffsetsRequest',
  { key: 90, versions: '0-1', flexible: '0+' },
  {
    groups: array(
      struct({
        groupId: string,
        topics: nullable(
          array(
            struct({
              topicName: string,
              partitions: array(int32),
            }),
          ),
        ),
      }),
    ),
  },
);
export type DescribeShareGroupOffsetsRequest = Read<typeof DescribeShareGroupOffsetsRequest>;

export const DescribeShareGroupOffsetsResponse = message(
  'DescribeShareGroupOffsetsResponse',
  { key: 90, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    groups: array(
      struct({
        groupId: string,
        topics: array(
          struct({
            topicName: string,
            topicId: uuid,
            partitions: array(
              struct({
                partitionIndex: int32,
                startOffset: int64,
                leaderEpoch: int32,
                lag: at('1+', or(-1, int64)),
                errorCode: int16,
                errorMessage: orNull(string),
              }),
            ),
          }),
        ),
        errorCode: int16,
        errorMessage: orNull(string),
      }),
    ),
  },
);
export type DescribeShareGroupOffsetsResponse = Read<typeof DescribeShareGroupOffsetsResponse>;

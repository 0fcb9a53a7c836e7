/**
 * DescribeLogDirs (key 35). Size and state of each log directory of a broker (KIP-113).
 *
 *     3    an error for the whole answer
 *     4    bytes of the volume, total and usable (KIP-827)
 *     5    whether the directory is cordoned (KIP-1066)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int64,
  message,
  nullable,
  or,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const DescribeLogDirsRequest = message(
  'DescribeLogDirsRequest',
  { key: 35, versions: '1-5', flexible: '2+' },
  {
    topics: nullable(
      array(
        struct({
          topic: string,
          partitions: array(int32),
        }),
      ),
    ),
  },
);
export type DescribeLogDirsRequest = Read<typeof DescribeLogDirsRequest>;

export const DescribeLogDirsResponse = message(
  'DescribeLogDirsResponse',
  { key: 35, versions: '1-5', flexible: '2+' },
  {
    throttleTimeMs: int32,
    errorCode: at('3+', int16),
    results: array(
      struct({
        errorCode: int16,
        logDir: string,
        topics: array(
          struct({
            name: string,
            partitions: array(
              struct({
                partitionIndex: int32,
                partitionSize: int64,
                offsetLag: int64,
                isFutureKey: bool,
              }),
            ),
          }),
        ),
        totalBytes: at('4+', or(-1, int64)),
        usableBytes: at('4+', or(-1, int64)),
        isCordoned: at('5+', or(false, bool)),
      }),
    ),
  },
);
export type DescribeLogDirsResponse = Read<typeof DescribeLogDirsResponse>;

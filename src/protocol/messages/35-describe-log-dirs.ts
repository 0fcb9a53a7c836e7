/** DescribeLogDirs (key 35): Sizes per log dir; total/usable bytes v4; cordoned flag v5. */
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

/** DescribeProducers (key 61). The producers that a partition knows, and their open transactions (KIP-664). */
import { array, int16, int32, int64, message, or, orNull, string, struct, type Read } from '../schema.ts';

export const DescribeProducersRequest = message(
  'DescribeProducersRequest',
  { key: 61, versions: '0', flexible: '0+' },
  {
    topics: array(
      struct({
        name: string,
        partitionIndexes: array(int32),
      }),
    ),
  },
);
export type DescribeProducersRequest = Read<typeof DescribeProducersRequest>;

export const DescribeProducersResponse = message(
  'DescribeProducersResponse',
  { key: 61, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: orNull(string),
            activeProducers: array(
              struct({
                producerId: int64,
                producerEpoch: int32,
                lastSequence: or(-1, int32),
                lastTimestamp: or(-1, int64),
                coordinatorEpoch: int32,
                currentTxnStartOffset: or(-1, int64),
              }),
            ),
          }),
        ),
      }),
    ),
  },
);
export type DescribeProducersResponse = Read<typeof DescribeProducersResponse>;

/** DescribeTransactions (key 65). State, partitions and timing of transactional ids (KIP-664). */
import { array, int16, int32, int64, message, string, struct, type Read } from '../schema.ts';

export const DescribeTransactionsRequest = message(
  'DescribeTransactionsRequest',
  { key: 65, versions: '0', flexible: '0+' },
  {
    transactionalIds: array(string),
  },
);
export type DescribeTransactionsRequest = Read<typeof DescribeTransactionsRequest>;

export const DescribeTransactionsResponse = message(
  'DescribeTransactionsResponse',
  { key: 65, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    transactionStates: array(
      struct({
        errorCode: int16,
        transactionalId: string,
        transactionState: string,
        transactionTimeoutMs: int32,
        transactionStartTimeMs: int64,
        producerId: int64,
        producerEpoch: int16,
        topics: array(
          struct({
            topic: string,
            partitions: array(int32),
          }),
        ),
      }),
    ),
  },
);
export type DescribeTransactionsResponse = Read<typeof DescribeTransactionsResponse>;

/** transaction */
import {
  array,
  int16,
  int32,
  int64,
  int8,
  message,
  nullable,
  or,
  string,
  struct,
  tagged,
  type Read,
} from '../schema.ts';

export const TransactionLogKey = message(
  'TransactionLogKey',
  { key: 0, versions: '0', flexible: 'none' },
  {
    transactionalId: string,
  },
);
export type TransactionLogKey = Read<typeof TransactionLogKey>;

export const TransactionLogValue = message(
  'TransactionLogValue',
  { key: 0, versions: '0-1', flexible: '1+' },
  {
    producerId: int64,
    previousProducerId: tagged(0, or(-1, int64), '1+'),
    nextProducerId: tagged(1, or(-1, int64), '1+'),
    producerEpoch: int16,
    nextProducerEpoch: tagged(3, or(-1, int16), '1+'),
    transactionTimeoutMs: int32,
    transactionStatus: int8,
    transactionPartitions: nullable(
      array(
        struct({
          topic: string,
          partitionIds: array(int32),
        }),
      ),
    ),
    transactionLastUpdateTimestampMs: int64,
    transactionStartTimestampMs: int64,
    clientTransactionVersion: tagged(2, or(0, int16), '1+'),
  },
);
export type TransactionLogValue = Read<typeof TransactionLogValue>;

/**
 * Records of __transaction_state (KIP-98): the state of each transactional id. A record without a value deletes it.
 */
import {
  array,
  at,
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
    previousProducerId: at('1+', tagged(0, or(-1, int64))),
    nextProducerId: at('1+', tagged(1, or(-1, int64))),
    producerEpoch: int16,
    nextProducerEpoch: at('1+', tagged(3, or(-1, int16))),
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
    clientTransactionVersion: at('1+', tagged(2, or(0, int16))),
  },
);
export type TransactionLogValue = Read<typeof TransactionLogValue>;

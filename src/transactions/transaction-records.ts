/** The records of __transaction_state, in Kafka's format: under each transactional id its latest state. */
import { recordFormats, type CoordinatorRecord } from '../coordinator/record.ts';
import {
  TransactionLogKey,
  TransactionLogValue,
  type TransactionLogKey as Key,
  type TransactionLogValue as Value,
} from '../protocol/records/transaction.ts';
import { ProtocolError } from '../protocol/wire.ts';
import { NO_PRODUCER_EPOCH, TRANSACTION_STATES, type Transaction } from './transaction.ts';

export const TRANSACTION_RECORD_FORMATS = recordFormats({
  key: TransactionLogKey,
  value: TransactionLogValue,
});

/** From transaction.version 1 on the value is flexible, and only then it holds more than the first Kafka's. */
const FLEXIBLE_SINCE = 1;

/** A record as it is replayed at once; what is read back from the log lacks what the format has no place for. */
export interface TransactionRecord extends CoordinatorRecord {
  readonly lastProducerEpoch?: number;
}

export function transactionRecord(transaction: Transaction, transactionVersion: number): TransactionRecord {
  const { state, partitions } = transaction;
  const topics = [...partitions].map(([topic, indexes]) => ({ topic, partitionIds: [...indexes] }));
  return {
    type: TransactionLogKey.key,
    key: { transactionalId: transaction.transactionalId } satisfies Key,
    version: transactionVersion >= FLEXIBLE_SINCE ? 1 : 0,
    value: {
      producerId: transaction.producerId,
      previousProducerId: transaction.previousProducerId,
      nextProducerId: transaction.nextProducerId,
      producerEpoch: transaction.producerEpoch,
      nextProducerEpoch: NO_PRODUCER_EPOCH,
      transactionTimeoutMs: transaction.timeoutMs,
      transactionStatus: TRANSACTION_STATES.indexOf(state),
      transactionPartitions: state === 'Empty' ? null : topics,
      transactionLastUpdateTimestampMs: transaction.updatedMs,
      transactionStartTimestampMs: transaction.startMs,
      clientTransactionVersion: transaction.clientVersion,
    } satisfies Value,
    lastProducerEpoch: transaction.lastProducerEpoch,
  };
}

export function transactionTombstone(transactionalId: string): CoordinatorRecord {
  return { type: TransactionLogKey.key, key: { transactionalId } satisfies Key, version: 0, value: null };
}

/** The transaction that a record says; undefined: it is gone. Errors: ProtocolError for a state that does not exist. */
export function transactionOf(record: TransactionRecord): Transaction | undefined {
  const { transactionalId } = record.key as Key;
  const value = record.value as Value | null;
  if (value === null) return undefined;
  const state = TRANSACTION_STATES[value.transactionStatus];
  if (state === undefined) {
    throw new ProtocolError(
      `transactional id ${transactionalId} has unknown state ${value.transactionStatus}`,
    );
  }
  const topics = value.transactionPartitions ?? [];
  return {
    transactionalId,
    producerId: value.producerId,
    previousProducerId: value.previousProducerId,
    nextProducerId: value.nextProducerId,
    producerEpoch: value.producerEpoch,
    lastProducerEpoch: record.lastProducerEpoch ?? NO_PRODUCER_EPOCH,
    timeoutMs: value.transactionTimeoutMs,
    state,
    partitions: new Map(topics.map(({ topic, partitionIds }) => [topic, new Set(partitionIds)])),
    startMs: value.transactionStartTimestampMs,
    updatedMs: value.transactionLastUpdateTimestampMs,
    clientVersion: value.clientTransactionVersion,
  };
}

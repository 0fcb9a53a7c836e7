/** Which partitions belong to a transaction: AddPartitionsToTxn and AddOffsetsToTxn, and questions about it. */
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import { put, type ShardState, type TransactionTurn } from './shard-state.ts';
import { hasPartition, isPrepared, withPartitions, type TopicPartition } from './transaction.ts';

export interface PartitionsOfProducer {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly partitions: readonly TopicPartition[];
}

/**
 * Adds all of them. Errors: INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS (the
 * transaction before is not complete yet).
 */
export function addPartitions(
  state: ShardState,
  turn: TransactionTurn,
  request: PartitionsOfProducer & { readonly clientVersion: number },
): ErrorCode {
  const { transactionalId, partitions, clientVersion } = request;
  const current = state.transactions.get(transactionalId);
  if (current === undefined) return Errors.INVALID_PRODUCER_ID_MAPPING;
  // First of all: a producer may have been given the id that comes into force with the end of this transaction.
  if (isPrepared(current)) return Errors.CONCURRENT_TRANSACTIONS;
  if (current.producerId !== request.producerId) return Errors.INVALID_PRODUCER_ID_MAPPING;
  if (current.producerEpoch !== request.producerEpoch) return Errors.PRODUCER_FENCED;
  if (current.state === 'Ongoing' && partitions.every((one) => hasPartition(current, one)))
    return Errors.NONE;
  put(state, turn, withPartitions(current, partitions, { clientVersion, nowMs: turn.nowMs }));
  return Errors.NONE;
}

/** An error for each partition, in their order: TRANSACTION_ABORTABLE for those that are not in. */
export function verifyPartitions(state: ShardState, request: PartitionsOfProducer): ErrorCode[] {
  const { partitions } = request;
  const all = (errorCode: ErrorCode): ErrorCode[] => partitions.map(() => errorCode);
  const current = state.transactions.get(request.transactionalId);
  if (current === undefined || current.producerId !== request.producerId) {
    return all(Errors.INVALID_PRODUCER_ID_MAPPING);
  }
  if (current.producerEpoch !== request.producerEpoch) return all(Errors.PRODUCER_FENCED);
  if (isPrepared(current)) return all(Errors.CONCURRENT_TRANSACTIONS);
  return partitions.map((one) => (hasPartition(current, one) ? Errors.NONE : Errors.TRANSACTION_ABORTABLE));
}

/**
 * EndTxn: decides the outcome of a transaction, and later its end, when all markers are in.
 *
 * Up to transactions v1 the epoch stays, and a repeated request is known by the state that it asks for. With v2 (KIP-890)
 * the epoch rises with each end: a request with the epoch before is a retry, one with the present epoch means the next
 * transaction, in which the producer may have written nothing that the coordinator knows of.
 *
 *     state            abort: retry, next          commit: retry, next
 *     Empty            fenced, accepted            fenced, INVALID_TXN_STATE
 *     CompleteAbort    same answer, accepted       INVALID_TXN_STATE both
 *     CompleteCommit   INVALID_TXN_STATE, accepted same answer, INVALID_TXN_STATE
 *
 * Where the last end raised no epoch, because the producer spoke v1, the epoch before is another producer's: it is fenced
 * (Kafka takes it for a retry, and tells a producer that was shut out that all is well).
 */
import { Errors } from '../protocol/errors.ts';
import {
  granted,
  NEEDS_PRODUCER_ID,
  put,
  refused,
  type ProducerAnswer,
  type ShardState,
  type TransactionTurn,
} from './shard-state.ts';
import {
  bumpsEpoch,
  completed,
  isEpochExhausted,
  isPrepared,
  NO_PRODUCER_ID,
  prepared,
  type Transaction,
} from './transaction.ts';

export interface EndTransaction {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly isCommit: boolean;
  /** transaction.version as the client speaks it: 2 with EndTxn v5. */
  readonly clientVersion: number;
  /** An id that nobody has had, once it is known that one is needed. */
  readonly newProducerId?: number;
}

/** Errors: INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, INVALID_TXN_STATE, CONCURRENT_TRANSACTIONS. */
export function endTransaction(
  state: ShardState,
  turn: TransactionTurn,
  request: EndTransaction,
): ProducerAnswer | typeof NEEDS_PRODUCER_ID {
  const { transactionalId } = request;
  const current = state.transactions.get(transactionalId);
  if (current === undefined) return refused(Errors.INVALID_PRODUCER_ID_MAPPING);
  const judged = bumpsEpoch(request.clientVersion) ? judgeV2(current, request) : judgeV1(current, request);
  if (judged !== 'accept') return judged;
  return decide(state, turn, current, request);
}

function judgeV1(current: Transaction, request: EndTransaction): ProducerAnswer | 'accept' {
  const { isCommit } = request;
  if (current.producerId !== request.producerId) return refused(Errors.INVALID_PRODUCER_ID_MAPPING);
  if (current.producerEpoch !== request.producerEpoch) return refused(Errors.PRODUCER_FENCED);
  if (isPrepared(current)) return refused(Errors.CONCURRENT_TRANSACTIONS);
  if (current.state === 'Ongoing') return 'accept';
  const asked = isCommit ? 'CompleteCommit' : 'CompleteAbort';
  return refused(current.state === asked ? Errors.NONE : Errors.INVALID_TXN_STATE);
}

function judgeV2(current: Transaction, request: EndTransaction): ProducerAnswer | 'accept' {
  const { isCommit, producerId, producerEpoch } = request;
  // First of all: the producer may have been given the id that comes into force with the end of this transaction.
  if (isPrepared(current)) return refused(Errors.CONCURRENT_TRANSACTIONS);
  const isOverflowRetry =
    producerId === current.previousProducerId &&
    isEpochExhausted(producerEpoch) &&
    current.producerEpoch === 0;
  if (current.producerId !== producerId && !isOverflowRetry) {
    return refused(Errors.INVALID_PRODUCER_ID_MAPPING);
  }
  const isNext = producerId === current.producerId && producerEpoch === current.producerEpoch;
  const isRetry =
    isOverflowRetry || (producerId === current.producerId && producerEpoch === current.producerEpoch - 1);
  const isComplete = current.state === 'CompleteCommit' || current.state === 'CompleteAbort';
  const hasRaisedEpoch = isComplete && bumpsEpoch(current.clientVersion);
  if (!isNext && !(hasRaisedEpoch && isRetry)) return refused(Errors.PRODUCER_FENCED);
  if (current.state === 'Ongoing') return 'accept';
  if (isRetry) {
    const asked = isCommit ? 'CompleteCommit' : 'CompleteAbort';
    return current.state === asked ? granted(current) : refused(Errors.INVALID_TXN_STATE);
  }
  return isCommit ? refused(Errors.INVALID_TXN_STATE) : 'accept';
}

function decide(
  state: ShardState,
  turn: TransactionTurn,
  current: Transaction,
  request: EndTransaction,
): ProducerAnswer | typeof NEEDS_PRODUCER_ID {
  const { transactionalId, isCommit, clientVersion, newProducerId } = request;
  const isUsedUp = bumpsEpoch(clientVersion) && isEpochExhausted(current.producerEpoch);
  if (isUsedUp && newProducerId === undefined) return NEEDS_PRODUCER_ID;
  const nextProducerId = isUsedUp ? newProducerId! : NO_PRODUCER_ID;
  const next = prepared(current, { isCommit, clientVersion, nextProducerId, nowMs: turn.nowMs });
  put(state, turn, next);
  turn.whenSettled({ type: 'prepared', transactionalIds: [transactionalId] });
  return bumpsEpoch(clientVersion) ? granted(completed(next, turn.nowMs)) : refused(Errors.NONE);
}

/** All markers of the transaction at this epoch are in: writes its end, unless that has happened. */
export function completeTransaction(
  state: ShardState,
  turn: TransactionTurn,
  of: { readonly transactionalId: string; readonly producerEpoch: number },
): void {
  const current = state.transactions.get(of.transactionalId);
  if (current === undefined || !isPrepared(current) || current.producerEpoch !== of.producerEpoch) return;
  put(state, turn, completed(current, turn.nowMs));
  turn.whenSettled({ type: 'completed', ...of });
}

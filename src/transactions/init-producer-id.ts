/**
 * InitProducerId with a transactional id: the producer gets an epoch that nobody has had, and what an older one has left
 * open is aborted first (KIP-98). A producer that goes on after an error offers the id and epoch it has (KIP-360).
 */
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import {
  granted,
  NEEDS_PRODUCER_ID,
  put,
  refused,
  type ProducerAnswer,
  type ShardState,
  type TransactionSettings,
  type TransactionTurn,
} from './shard-state.ts';
import {
  fenced,
  initialized,
  isEpochExhausted,
  isPrepared,
  newTransaction,
  NO_PRODUCER_EPOCH,
  type Transaction,
} from './transaction.ts';

export interface InitProducerId {
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  readonly enableTwoPhaseCommit: boolean;
  readonly keepPreparedTransaction: boolean;
  /** What the producer has; undefined: nothing. */
  readonly expected: { readonly producerId: number; readonly producerEpoch: number } | undefined;
  /** An id that nobody has had, once it is known that one is needed. */
  readonly newProducerId?: number;
}

const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * What can be said whoever coordinates the transaction. Errors: TRANSACTIONAL_ID_AUTHORIZATION_FAILED (two-phase commit is
 * off), UNSUPPORTED_VERSION (keeping a prepared transaction), INVALID_TRANSACTION_TIMEOUT.
 */
export function checkInitProducerId(
  { enableTwoPhaseCommit, keepPreparedTransaction, transactionTimeoutMs }: InitProducerId,
  { maxTimeoutMs, twoPhaseCommitEnable }: TransactionSettings['transactions'],
): ErrorCode {
  if (enableTwoPhaseCommit && !twoPhaseCommitEnable) return Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  if (keepPreparedTransaction) return Errors.UNSUPPORTED_VERSION;
  const isInRange = transactionTimeoutMs > 0 && transactionTimeoutMs <= maxTimeoutMs;
  return enableTwoPhaseCommit || isInRange ? Errors.NONE : Errors.INVALID_TRANSACTION_TIMEOUT;
}

/** Errors: CONCURRENT_TRANSACTIONS, PRODUCER_FENCED. The request has been checked. */
export function initProducerId(
  state: ShardState,
  turn: TransactionTurn,
  request: InitProducerId,
): ProducerAnswer | typeof NEEDS_PRODUCER_ID {
  const { transactionalId, expected } = request;
  const timeoutMs = request.enableTwoPhaseCommit ? TIMEOUT_MS_MAX : request.transactionTimeoutMs;
  const current = state.transactions.get(transactionalId);
  if (current === undefined) {
    if (request.newProducerId === undefined) return NEEDS_PRODUCER_ID;
    return begin(state, turn, newTransaction(transactionalId, request.newProducerId), {
      producerEpoch: 0,
      lastProducerEpoch: NO_PRODUCER_EPOCH,
      timeoutMs,
    });
  }
  if (isPrepared(current)) return refused(Errors.CONCURRENT_TRANSACTIONS);
  if (expected !== undefined && !isKnownProducerId(current, expected)) return refused(Errors.PRODUCER_FENCED);
  if (current.state === 'Ongoing') {
    put(state, turn, fenced(current, { serverVersion: state.transactionVersion(), nowMs: turn.nowMs }));
    turn.whenSettled({ type: 'prepared', transactionalIds: [transactionalId] });
    // The client comes back; the epoch rises once more then, so what was given here is nobody's.
    return refused(Errors.CONCURRENT_TRANSACTIONS);
  }
  return bump(state, turn, current, { ...request, timeoutMs });
}

/** The producer has the id as it is, or the one before, whose epochs were used up: it may not have heard of this one. */
function isKnownProducerId(
  { producerId, previousProducerId }: Transaction,
  expected: { readonly producerId: number; readonly producerEpoch: number },
): boolean {
  if (expected.producerId === producerId) return true;
  return expected.producerId === previousProducerId && isEpochExhausted(expected.producerEpoch);
}

function bump(
  state: ShardState,
  turn: TransactionTurn,
  current: Transaction,
  request: InitProducerId & { readonly timeoutMs: number },
): ProducerAnswer | typeof NEEDS_PRODUCER_ID {
  const { producerEpoch, lastProducerEpoch } = current;
  const { timeoutMs, newProducerId } = request;
  const expectedEpoch = request.expected?.producerEpoch;
  const isCurrent = expectedEpoch === undefined || expectedEpoch === producerEpoch;
  // Nobody else has got an epoch since: that would have put -1 in the last one's place.
  const isRetry = !isCurrent && expectedEpoch === lastProducerEpoch;
  if (!isCurrent && !isRetry) return refused(Errors.PRODUCER_FENCED);
  const last = expectedEpoch === undefined ? NO_PRODUCER_EPOCH : producerEpoch;
  if (isEpochExhausted(producerEpoch)) {
    if (newProducerId === undefined) return NEEDS_PRODUCER_ID;
    return begin(state, turn, current, {
      producerId: newProducerId,
      producerEpoch: 0,
      lastProducerEpoch: isRetry ? lastProducerEpoch : last,
      timeoutMs,
    });
  }
  if (isRetry) return begin(state, turn, current, { producerEpoch, lastProducerEpoch, timeoutMs });
  return begin(state, turn, current, {
    producerEpoch: producerEpoch + 1,
    lastProducerEpoch: last,
    timeoutMs,
  });
}

function begin(
  state: ShardState,
  turn: TransactionTurn,
  from: Transaction,
  to: {
    readonly producerId?: number;
    readonly producerEpoch: number;
    readonly lastProducerEpoch: number;
    readonly timeoutMs: number;
  },
): ProducerAnswer {
  const next = initialized(from, { producerId: from.producerId, ...to, nowMs: turn.nowMs });
  put(state, turn, next);
  return granted(next);
}

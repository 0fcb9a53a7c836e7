/** What time does to transactions: those past their timeout are aborted, ids without any for a long while are forgotten. */
import { put, type ShardState, type TransactionTurn } from './shard-state.ts';
import { fenced, isIdle, isTimedOut, type Transaction } from './transaction.ts';
import { transactionTombstone } from './transaction-records.ts';

/** Ids that one operation looks at or aborts; the rest follows in the next. */
export const SLICE_MAX = 1_000;

/**
 * Aborts transactions past their timeout, and fences their producers. A producer learns of it when it goes on:
 * PRODUCER_FENCED or INVALID_PRODUCER_EPOCH, by the version it speaks. Answers whether there may be more.
 */
export function abortTimedOut(state: ShardState, turn: TransactionTurn): boolean {
  const { nowMs } = turn;
  const serverVersion = state.transactionVersion();
  const transactionalIds: string[] = [];
  let hasMore = false;
  for (const transaction of state.transactions.values()) {
    if (!isTimedOut(transaction, begunMs(state, transaction, nowMs), nowMs)) continue;
    hasMore = transactionalIds.length === SLICE_MAX;
    if (hasMore) break;
    put(state, turn, fenced(transaction, { serverVersion, nowMs }));
    transactionalIds.push(transaction.transactionalId);
  }
  if (transactionalIds.length > 0) turn.whenSettled({ type: 'prepared', transactionalIds });
  turn.inAnyBatches();
  return hasMore;
}

/**
 * At the latest. A clock that was ahead, of this broker or of a former coordinator, would keep readers waiting for as long as it
 * was: what begins in the future has begun by the time at which that is noticed.
 */
function begunMs({ seenAheadMs }: ShardState, transaction: Transaction, nowMs: number): number {
  if (transaction.state !== 'Ongoing' || transaction.startMs <= nowMs) return transaction.startMs;
  const seenMs = seenAheadMs.get(transaction);
  if (seenMs !== undefined && seenMs <= nowMs) return seenMs;
  seenAheadMs.set(transaction, nowMs);
  return nowMs;
}

/** Removes ids that were idle for transactional.id.expiration.ms. Answers those that are still to be looked at. */
export function removeExpired(
  state: ShardState,
  turn: TransactionTurn,
  transactionalIds: readonly string[],
): readonly string[] {
  const expiredSinceMs = turn.nowMs - state.settings().transactions.idExpirationMs;
  for (const transactionalId of transactionalIds.slice(0, SLICE_MAX)) {
    const transaction = state.transactions.get(transactionalId);
    if (transaction === undefined || !isIdle(transaction) || transaction.updatedMs > expiredSinceMs) continue;
    turn.append(transactionTombstone(transactionalId));
  }
  turn.inAnyBatches();
  return transactionalIds.slice(SLICE_MAX);
}

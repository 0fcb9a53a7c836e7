/** The state machine of one partition of __transaction_state: replay, timers and settled records. */
import { Errors } from '../protocol/errors.ts';
import type { TransactionLogKey } from '../protocol/records/transaction.ts';
import { completeTransaction } from './end-transaction.ts';
import { abortTimedOut, removeExpired } from './expiry.ts';
import type { MarkersDue } from './marker-sender.ts';
import type {
  ShardState,
  TransactionEvent,
  TransactionStateMachine,
  TransactionTurn,
} from './shard-state.ts';
import { isPrepared, type Transaction } from './transaction.ts';
import { transactionOf, TRANSACTION_RECORD_FORMATS, type TransactionRecord } from './transaction-records.ts';

const ABORT_KEY = 'abort-timed-out';
const REMOVE_KEY = 'remove-expired';
/** Before the end of a transaction is tried again, when the log would not take it. */
const COMPLETION_RETRY_BACKOFF_MS = 100;

export class TransactionMachine implements TransactionStateMachine {
  readonly formats = TRANSACTION_RECORD_FORMATS;
  readonly state: ShardState;

  constructor(state: ShardState) {
    this.state = state;
  }

  replay(record: TransactionRecord): void {
    const { transactionalId } = record.key as TransactionLogKey;
    this.state.transactions.set(transactionalId, transactionOf(record));
  }

  /** The coordinator's own log has no transactions in it. */
  replayMarker(): void {}

  loaded(turn: TransactionTurn): void {
    this.#scheduleAbort(turn, this.state.settings().transactions.abortTimedOutCleanupIntervalMs);
    this.#scheduleRemoval(turn);
    const transactionalIds: string[] = [];
    for (const transaction of this.state.transactions.values()) {
      if (isPrepared(transaction)) transactionalIds.push(transaction.transactionalId);
    }
    // What was loaded may not be committed yet, and could still be lost.
    if (transactionalIds.length > 0) turn.whenSettled({ type: 'prepared', transactionalIds });
  }

  /** Nobody waits in this machine for more than the commit of records. */
  unloaded(): void {}

  expired(turn: TransactionTurn, event: TransactionEvent): void {
    switch (event.type) {
      case 'abortTimedOut': {
        const hasMore = abortTimedOut(this.state, turn);
        const { abortTimedOutCleanupIntervalMs } = this.state.settings().transactions;
        this.#scheduleAbort(turn, hasMore ? 0 : abortTimedOutCleanupIntervalMs);
        return;
      }
      case 'removeExpired': {
        const ids = event.transactionalIds ?? [...this.state.transactions.keys()];
        const rest = removeExpired(this.state, turn, ids);
        if (rest.length === 0) this.#scheduleRemoval(turn);
        else turn.schedule(REMOVE_KEY, 0, { type: 'removeExpired', transactionalIds: rest });
        return;
      }
      case 'completed':
        completeTransaction(this.state, turn, event);
        return;
      default:
    }
  }

  settled(turn: TransactionTurn, event: TransactionEvent, appendError: number): void {
    if (event.type === 'prepared') this.#prepared(turn, event.transactionalIds, appendError);
    else if (event.type === 'completed') this.#completed(turn, event, appendError);
  }

  #prepared(turn: TransactionTurn, transactionalIds: readonly string[], appendError: number): void {
    const { state } = this;
    const decided = transactionalIds
      .map((transactionalId) => state.transactions.get(transactionalId))
      .filter((transaction) => transaction !== undefined && isPrepared(transaction)) as Transaction[];
    if (decided.length === 0) return;
    if (appendError === Errors.NONE) {
      for (const transaction of decided) turn.answer(state.markers, markersDue(state, transaction));
      return;
    }
    // Not known to be committed, but in the log for all that: a decision without markers would never end.
    const ids = decided.map(({ transactionalId }) => transactionalId);
    turn.whenSettled({ type: 'prepared', transactionalIds: ids });
  }

  #completed(
    turn: TransactionTurn,
    event: TransactionEvent & { readonly type: 'completed' },
    appendError: number,
  ): void {
    // An append error has undone it; the disk may have been full. Nobody gets here once the shard is closed.
    if (appendError === Errors.NONE) return;
    turn.schedule(`complete ${event.transactionalId}`, COMPLETION_RETRY_BACKOFF_MS, event);
  }

  #scheduleAbort(turn: TransactionTurn, delayMs: number): void {
    turn.schedule(ABORT_KEY, delayMs, { type: 'abortTimedOut' });
  }

  #scheduleRemoval(turn: TransactionTurn): void {
    const { removeExpiredCleanupIntervalMs } = this.state.settings().transactions;
    turn.schedule(REMOVE_KEY, removeExpiredCleanupIntervalMs, {
      type: 'removeExpired',
      transactionalIds: undefined,
    });
  }
}

function markersDue(state: ShardState, transaction: Transaction): MarkersDue {
  return {
    transactionalId: transaction.transactionalId,
    producerId: transaction.producerId,
    producerEpoch: transaction.producerEpoch,
    coordinatorEpoch: state.coordinatorEpoch,
    isCommit: transaction.state === 'PrepareCommit',
    transactionVersion: transaction.clientVersion,
    partitions: transaction.partitions,
  };
}

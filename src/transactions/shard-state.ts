/** What one shard of the transaction coordinator knows and goes by, and what its timers come back with. */
import { VersionedMap, type Journal } from '../coordinator/journal.ts';
import type { StateMachine, Ticket, Turn } from '../coordinator/machine.ts';
import type { BrokerSettings } from '../metadata/configs/broker-settings.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import { Errors } from '../protocol/errors.ts';
import type { MarkersDue } from './marker-sender.ts';
import { NO_PRODUCER_EPOCH, NO_PRODUCER_ID, type Transaction } from './transaction.ts';
import { transactionRecord } from './transaction-records.ts';

/** The part of a broker's settings that transactions go by. */
export interface TransactionSettings {
  readonly transactions: Pick<
    BrokerSettings['transactions'],
    | 'maxTimeoutMs'
    | 'idExpirationMs'
    | 'abortTimedOutCleanupIntervalMs'
    | 'removeExpiredCleanupIntervalMs'
    | 'twoPhaseCommitEnable'
    | 'addPartitionsRetryBackoffMs'
    | 'addPartitionsRetryBackoffMaxMs'
  >;
  readonly network: Pick<BrokerSettings['network'], 'requestTimeoutMs'>;
}

export interface ShardState {
  /** By transactional id. */
  readonly transactions: VersionedMap<string, Transaction>;
  /** Read anew by each operation: settings change while the broker runs. */
  readonly settings: () => TransactionSettings;
  /** The finalized level of transaction.version. */
  readonly transactionVersion: () => number;
  /** Leaders refuse markers of a coordinator with an older epoch. */
  readonly coordinatorEpoch: number;
  /** When a transaction was seen first that begins later than it is: the clock that says so was wrong. */
  readonly seenAheadMs: WeakMap<Transaction, number>;
  /** Takes the markers of transactions whose outcome is committed. */
  readonly markers: Ticket<MarkersDue>;
}

export type TransactionEvent =
  /** Settled: the outcome of these transactions. */
  | { readonly type: 'prepared'; readonly transactionalIds: readonly string[] }
  /** Settled: the end of this transaction; as a timer: time to try again to write it. */
  | { readonly type: 'completed'; readonly transactionalId: string; readonly producerEpoch: number }
  | { readonly type: 'abortTimedOut' }
  /** Time to look for ids to forget: among these, or among all. */
  | { readonly type: 'removeExpired'; readonly transactionalIds: readonly string[] | undefined };

export type TransactionTurn = Turn<TransactionEvent>;
export type TransactionStateMachine = StateMachine<TransactionEvent>;

export function newShardState(
  journal: Journal,
  options: Omit<ShardState, 'transactions' | 'seenAheadMs'>,
): ShardState {
  return { transactions: new VersionedMap(journal), seenAheadMs: new WeakMap(), ...options };
}

/** What a producer is told: who it is from now on, or an error. */
export interface ProducerAnswer {
  readonly errorCode: ErrorCode;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** The operation needs a producer id that nobody has had: it is to be repeated with one. */
export const NEEDS_PRODUCER_ID = Symbol('needs a producer id');

export function refused(errorCode: ErrorCode): ProducerAnswer {
  return { errorCode, producerId: NO_PRODUCER_ID, producerEpoch: NO_PRODUCER_EPOCH };
}

export function granted({ producerId, producerEpoch }: Transaction): ProducerAnswer {
  return { errorCode: Errors.NONE, producerId, producerEpoch };
}

/** The transaction is to be what is given. */
export function put(state: ShardState, turn: TransactionTurn, transaction: Transaction): void {
  turn.append(transactionRecord(transaction, state.transactionVersion()));
}

/**
 * What a coordinator is to the shard that runs it: a state machine. An operation looks at the state and says in a `Turn`
 * what is to happen; `replay` is what changes the state that records carry, the same whether the record was written a
 * moment ago or is read back after a restart. State that no record carries (who waits for an answer, which timer runs) is
 * soft: it may change in an operation, and it is gone after a failover.
 */
import type { CoordinatorRecord, RecordFormats } from './record.ts';

/** `E` is the machine's own type of events: what its timers and its settled records come back with. Plain data. */
export interface StateMachine<E> {
  readonly formats: RecordFormats;
  /** Applies a record of the log. Must not fail on anything that this machine could have written. */
  replay(record: CoordinatorRecord, position: RecordPosition): void;
  /** Applies a transaction marker of the log. */
  replayMarker(marker: TransactionMarker): void;
  /** Everything in the log has been replayed: sessions and other timers start here. */
  loaded(turn: Turn<E>): void;
  /** This broker is not the coordinator any more: whoever waits gets NOT_COORDINATOR. Only `turn.answer` has an effect. */
  unloaded(turn: Turn<E>): void;
  /** A timer ran out. */
  expired(turn: Turn<E>, event: E): void;
  /** The records of the turn that asked for it are committed (0), or they are not and never will count (its error). */
  settled(turn: Turn<E>, event: E, errorCode: number): void;
}

export interface RecordPosition {
  readonly offset: number;
  /** -1 outside of a transaction. */
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface TransactionMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly committed: boolean;
  readonly offset: number;
}

/** Somebody who waits for an answer across operations. Only the first answer counts. */
export interface Ticket<R> {
  respond(response: R): void;
}

interface Answer {
  readonly ticket: Ticket<unknown>;
  readonly response: unknown;
}

export type TimerChange<E> =
  | { readonly key: string; readonly delayMs: number; readonly event: E }
  | { readonly key: string; readonly delayMs: undefined };

/** Everything that one operation wants. Nothing of it has happened when the operation returns. */
export class Turn<E> {
  /** Wall time, ms since the epoch. */
  readonly nowMs: number;
  readonly records: CoordinatorRecord[] = [];
  readonly answers: Answer[] = [];
  readonly timers: TimerChange<E>[] = [];
  settledEvent: E | undefined = undefined;
  isReplayed = true;
  isAtomic = true;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  /** To be written, in this order. */
  append(...records: CoordinatorRecord[]): void {
    for (const record of records) this.records.push(record);
  }

  /** Answers somebody who waits, at the end of the turn, without waiting for this turn's records. */
  answer<R>(ticket: Ticket<R>, response: R): void {
    this.answers.push({ ticket: ticket as Ticket<unknown>, response });
  }

  /** (Re)starts the timer with this key. Durations below 0 count as 0. */
  schedule(key: string, delayMs: number, event: E): void {
    this.timers.push({ key, delayMs: Math.max(0, delayMs), event });
  }

  cancel(key: string): void {
    this.timers.push({ key, delayMs: undefined });
  }

  /** `StateMachine.settled` gets this event when the records of this turn are committed or have failed. One a turn. */
  whenSettled(event: E): void {
    this.settledEvent = event;
  }

  /** The operation has put what its records say into the state already (in a way that a failed append undoes). */
  withoutReplay(): void {
    this.isReplayed = false;
  }

  /** The records may go into several batches: each means something by itself. */
  inAnyBatches(): void {
    this.isAtomic = false;
  }
}

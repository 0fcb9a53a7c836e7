/**
 * Runs one state machine on one partition of an internal topic, while this broker leads it. An operation's records are
 * replayed at once, so the next operation sees them, and are appended together with those of the other operations of the
 * same tick; replies leave when the high watermark has passed the records (design: Kafka's CoordinatorRuntime). An append
 * that fails is undone by the journal and all operations in it get the error. After the append nothing is ever undone:
 * either the records commit, or leadership is lost and with it the whole shard.
 */
import { AssertionError } from '../base/assert.ts';
import type { Clock, Logger, Timers } from '../base/ports.ts';
import { buildEndTransactionMarker } from '../protocol/control-records.ts';
import { Errors } from '../protocol/errors.ts';
import { InFlight } from './in-flight.ts';
import type { Journal } from './journal.ts';
import { loadShard } from './loading.ts';
import type { CoordinatorAppendOptions, CoordinatorLog, ProducerOfWrite } from './log.ts';
import { Turn, type StateMachine } from './machine.ts';
import type { EncodedRecord } from './record.ts';
import {
  BATCH_OVERHEAD_BYTES,
  BATCH_RECORDS_MAX,
  encodeTurn,
  newBatch,
  sizeOf,
  takeBytes,
  type Batch,
  type Waiting,
} from './shard-batch.ts';
import { ShardTimers } from './shard-timers.ts';

export interface ShardOptions<M> {
  readonly machine: M;
  readonly journal: Journal;
  readonly log: CoordinatorLog;
  readonly leaderEpoch: number;
  readonly ports: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger };
  /** How long a reply waits for its records to commit: offsets.commit.timeout.ms for groups. */
  readonly writeTimeoutMs: () => number;
}

/** What became of a write. */
export interface Done<R> {
  reply(response: R): void;
  /** The records are not in the log (an append error), or not known to be committed in time (REQUEST_TIMED_OUT), or this
   * broker is not (yet) the coordinator: COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR. */
  fail(errorCode: number): void;
}

/** What the marker of a transaction's end says. */
export interface EndOfTransaction {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly isCommit: boolean;
  /** 2: the epoch must be higher than that of the transaction's records (KIP-1228). */
  readonly transactionVersion: number;
}

const NO_PRODUCER = { producerId: -1, producerEpoch: -1 };

export type ShardState = 'loading' | 'active' | 'failed' | 'closed';

export class Shard<E, M extends StateMachine<E>> {
  readonly machine: M;
  readonly leaderEpoch: number;
  readonly #options: ShardOptions<M>;
  readonly #timers: ShardTimers<E>;
  #state: ShardState = 'loading';
  /** The batch that this tick's operations share; undefined until one of them has records. */
  #open: Batch<E> | undefined;
  readonly #inFlight: InFlight<E>;

  constructor(options: ShardOptions<M>) {
    this.machine = options.machine;
    this.leaderEpoch = options.leaderEpoch;
    this.#options = options;
    const { clock, timers } = options.ports;
    this.#timers = new ShardTimers(
      timers,
      () => clock.monotonicMs(),
      (event) => this.#expired(event),
    );
    this.#inFlight = new InFlight({
      ...options,
      committed: (offset) => options.journal.commitTo(offset),
      finish: (waiting, errorCode) => this.#finish(waiting, errorCode),
    });
  }

  get state(): ShardState {
    return this.#state;
  }

  /** 0 when operations are welcome, else what to answer. */
  get unavailable(): number {
    if (this.#state === 'active') return Errors.NONE;
    return this.#state === 'loading' ? Errors.COORDINATOR_LOAD_IN_PROGRESS : Errors.NOT_COORDINATOR;
  }

  /** Reads the log into the state. Resolves when the shard is active, failed, or closed in the meantime. */
  async load(): Promise<void> {
    const { log, ports, machine, journal } = this.#options;
    const endOffset = log.logEndOffset();
    try {
      const summary = await loadShard({
        machine,
        journal,
        log,
        ports,
        isStopped: () => this.#state !== 'loading',
      });
      if (this.#state !== 'loading') return;
      // Fifty empty partitions at the first start are no news.
      if (summary.records > 0) ports.logger.info(summary, 'loaded a coordinator shard');
      else ports.logger.debug(summary, 'loaded an empty coordinator shard');
    } catch (error) {
      if (this.#state !== 'loading') return;
      this.#state = 'failed';
      ports.logger.error({ err: error }, 'a coordinator shard could not be loaded; it stays unavailable');
      return;
    }
    this.#state = 'active';
    if (journal.committedOffset < endOffset) this.#inFlight.follow(newBatch(log.logStartOffset(), endOffset));
    this.#run((turn) => this.machine.loaded(turn));
  }

  /**
   * Runs an operation on the latest state. `done` hears of it when its records, and all that it could see, are committed.
   * What the operation throws leaves the state as it was and is thrown to the caller.
   */
  write<R>(operation: (turn: Turn<E>) => R, done: Done<R>): void {
    this.#operate(operation, done, undefined);
  }

  /**
   * The same within a producer's transaction: the records, all in one batch of their own, count when the transaction has
   * committed. The producer's epoch and its transaction are checked by the log: INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE.
   */
  writeInTransaction<R>(operation: (turn: Turn<E>) => R, producer: ProducerOfWrite, done: Done<R>): void {
    this.#flushAll();
    this.#operate(operation, done, producer);
    this.#flushAll();
  }

  /**
   * Ends a producer's transaction on this partition: the marker goes into the log behind everything written so far. Errors
   * beside those of writes: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED.
   */
  completeTransaction(end: EndOfTransaction, done: Done<void>): void {
    this.#flushAll();
    const { unavailable } = this;
    if (unavailable !== Errors.NONE) {
      done.fail(unavailable);
      return;
    }
    const { log, journal, ports } = this.#options;
    const { transactionVersion, ...marker } = end;
    const offset = log.logEndOffset();
    const finish = (errorCode: number): void =>
      errorCode === Errors.NONE ? done.reply() : done.fail(errorCode);
    const batch = newBatch<E>(offset, offset);
    batch.waiting.push({ event: undefined, finish });
    journal.at(offset);
    const { producerId, producerEpoch, isCommit } = marker;
    this.machine.replayMarker({ producerId, producerEpoch, committed: isCommit, offset });
    const timestamp = ports.clock.nowMs();
    const bytes = buildEndTransactionMarker({ ...marker, timestamp, leaderEpoch: this.leaderEpoch });
    this.#append(batch, bytes, { markerTransactionVersion: transactionVersion });
  }

  #operate<R>(operation: (turn: Turn<E>) => R, done: Done<R>, producer: ProducerOfWrite | undefined): void {
    const { unavailable } = this;
    if (unavailable !== Errors.NONE) {
      done.fail(unavailable);
      return;
    }
    // Nobody else's records belong into a transaction.
    if (this.#open?.producer !== undefined) this.#flushAll();
    const turn = new Turn<E>(this.#options.ports.clock.nowMs());
    const mark = this.#options.journal.mark();
    this.#options.journal.at(this.#nextOffset());
    let response: R;
    try {
      response = operation(turn);
      const finish = (errorCode: number): void => {
        if (errorCode === Errors.NONE) done.reply(response);
        else done.fail(errorCode);
      };
      this.#take(turn, { mark, finish, producer });
    } catch (error) {
      this.#options.journal.undoTo(mark);
      throw error;
    }
    this.#actOn(turn);
  }

  /** Not the coordinator any more: whoever waits gets NOT_COORDINATOR. */
  unload(): void {
    if (this.#state === 'closed') return;
    const wasActive = this.#state === 'active';
    this.#state = 'closed';
    this.#timers.cancelAll();
    const batches = this.#inFlight.abandon();
    if (this.#open !== undefined) batches.push(this.#open);
    this.#open = undefined;
    for (const batch of batches) {
      for (const waiting of batch.waiting) waiting.finish(Errors.NOT_COORDINATOR);
    }
    if (!wasActive) return;
    const turn = new Turn<E>(this.#options.ports.clock.nowMs());
    this.machine.unloaded(turn);
    for (const { ticket, response } of turn.answers) ticket.respond(response);
  }

  /** An operation that nobody waits for. */
  #run(operation: (turn: Turn<E>) => void): void {
    if (this.#state !== 'active') return;
    try {
      this.write(operation, { reply: () => undefined, fail: () => undefined });
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.#options.ports.logger.error(
        { err: error },
        'a coordinator operation failed; its changes are undone',
      );
    }
  }

  #expired(event: E): void {
    this.#run((turn) => this.machine.expired(turn, event));
  }

  #nextOffset(): number {
    const open = this.#open;
    return open === undefined ? this.#options.log.logEndOffset() : open.baseOffset + open.records.length;
  }

  /** Puts the turn's records into the open batch and replays them. `mark` is where the journal stood before the turn. */
  #take(
    turn: Turn<E>,
    outcome: {
      readonly mark: number;
      readonly finish: (errorCode: number) => void;
      readonly producer: ProducerOfWrite | undefined;
    },
  ): void {
    const waiting = { event: turn.settledEvent, finish: outcome.finish };
    if (turn.records.length === 0) {
      const { latest } = this.#inFlight;
      if (this.#open !== undefined) this.#open.waiting.push(waiting);
      else if (latest !== undefined) this.#inFlight.wait(latest, waiting);
      else this.#finish(waiting, Errors.NONE);
      return;
    }
    const limitBytes = this.#options.log.maxBatchBytes() - BATCH_OVERHEAD_BYTES;
    const { formats } = this.machine;
    const encoded = encodeTurn(turn, { formats, limitBytes, logger: this.#options.ports.logger });
    if (encoded === undefined) {
      this.#options.journal.undoTo(outcome.mark);
      this.#finish(waiting, Errors.MESSAGE_TOO_LARGE);
      return;
    }
    const sizes = encoded.map(sizeOf);
    const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
    const needed = turn.isAtomic ? totalBytes : 0;
    const neededRecords = turn.isAtomic ? encoded.length : 1;
    let errorCode: number = Errors.NONE;
    if (!this.#hasRoom(needed, neededRecords, limitBytes)) errorCode = this.#flush();
    for (let i = 0; i < encoded.length && errorCode === Errors.NONE; i++) {
      if (!this.#hasRoom(sizes[i], 1, limitBytes)) errorCode = this.#flush();
      if (this.#state !== 'active') errorCode = Errors.NOT_COORDINATOR;
      if (errorCode === Errors.NONE)
        this.#add(turn, { encoded: encoded[i], index: i, producer: outcome.producer });
    }
    // A batch that failed took what this operation had seen with it, so the operation fails with the same error.
    if (errorCode !== Errors.NONE) this.#finish(waiting, errorCode);
    else this.#open!.waiting.push(waiting);
  }

  #hasRoom(sizeBytes: number, records: number, limitBytes: number): boolean {
    const open = this.#open;
    if (open === undefined) return true;
    return open.sizeBytes + sizeBytes <= limitBytes && open.records.length + records <= BATCH_RECORDS_MAX;
  }

  #add(
    turn: Turn<E>,
    what: {
      readonly encoded: EncodedRecord;
      readonly index: number;
      readonly producer: ProducerOfWrite | undefined;
    },
  ): void {
    if (this.#open === undefined) {
      const offset = this.#options.log.logEndOffset();
      const batch = newBatch<E>(offset, offset, what.producer);
      this.#open = batch;
      this.#options.ports.timers.soon(() => {
        if (this.#open === batch) this.#flush();
      });
    }
    const batch = this.#open;
    const offset = batch.baseOffset + batch.records.length;
    batch.records.push(what.encoded);
    batch.sizeBytes += sizeOf(what.encoded);
    if (!turn.isReplayed) return;
    this.#options.journal.at(offset);
    const { producerId, producerEpoch } = what.producer ?? NO_PRODUCER;
    this.machine.replay(turn.records[what.index], { offset, producerId, producerEpoch });
  }

  /** Whoever hears that a batch is committed, or is not, may begin the next one. */
  #flushAll(): void {
    while (this.#open !== undefined) this.#flush();
  }

  /** Appends the open batch. Returns 0, or the error after which its changes are undone. */
  #flush(): number {
    const batch = this.#open!;
    this.#open = undefined;
    const timestamp = this.#options.ports.clock.nowMs();
    const bytes = takeBytes(batch, { timestamp, leaderEpoch: this.leaderEpoch });
    return this.#append(batch, bytes, { verification: batch.producer?.verification });
  }

  #append(batch: Batch<E>, bytes: Buffer, options: CoordinatorAppendOptions): number {
    const { log, journal, ports } = this.#options;
    let errorCode: number = Errors.KAFKA_STORAGE_ERROR;
    if (log.logEndOffset() !== batch.baseOffset) {
      // Nobody else should write here, but an admin client may produce to internal topics.
      ports.logger.error(
        { baseOffset: batch.baseOffset },
        'somebody else has written to the log of a coordinator',
      );
    } else {
      try {
        const result = log.append(bytes, options);
        errorCode = result.errorCode;
        if (errorCode === Errors.NONE) batch.endOffset = result.lastOffset + 1;
      } catch (error) {
        ports.logger.error({ err: error }, 'a coordinator could not append its records');
      }
    }
    if (errorCode === Errors.NONE) {
      this.#inFlight.follow(batch);
      return errorCode;
    }
    journal.rollBackTo(batch.baseOffset);
    this.#inFlight.finishAll(batch, errorCode);
    return errorCode;
  }

  #finish(waiting: Waiting<E>, errorCode: number): void {
    const { event } = waiting;
    if (event !== undefined) this.#run((turn) => this.machine.settled(turn, event, errorCode));
    waiting.finish(errorCode);
  }

  #actOn(turn: Turn<E>): void {
    for (const change of turn.timers) {
      if (change.delayMs === undefined) this.#timers.cancel(change.key);
      else this.#timers.schedule(change.key, change.delayMs, change.event);
    }
    for (const { ticket, response } of turn.answers) ticket.respond(response);
  }
}

/**
 * Runs one state machine on one partition of an internal topic, while this broker leads it. An operation's records are
 * replayed at once, so the next operation sees them, and are appended together with those of the other operations of the
 * same tick; replies leave when the high watermark has passed the records (design: Kafka's CoordinatorRuntime). An append
 * that fails is undone by the journal and all operations in it get the error. After the append nothing is ever undone:
 * either the records commit, or leadership is lost and with it the whole shard.
 */
import { AssertionError } from '../base/assert.ts';
import type { Clock, Logger, Timer, Timers } from '../base/ports.ts';
import { Errors } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import { ProtocolError } from '../protocol/wire.ts';
import type { Journal } from './journal.ts';
import { loadShard } from './loading.ts';
import type { CoordinatorLog } from './log.ts';
import { Turn, type StateMachine } from './machine.ts';
import { encodeRecord, type CoordinatorRecord, type EncodedRecord } from './record.ts';
import { ShardTimers } from './shard-timers.ts';

/** Records in one batch; its size is the limit that counts. */
export const BATCH_RECORDS_MAX = 100_000;
/** A record's own framing at most: length, attributes, deltas, key and value lengths, header count. */
const RECORD_OVERHEAD_BYTES = 32;
const BATCH_OVERHEAD_BYTES = 61;

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

/** An operation whose outcome is not known yet. */
interface Waiting<E> {
  readonly event: E | undefined;
  readonly finish: (errorCode: number) => void;
}

interface Batch<E> {
  readonly baseOffset: number;
  endOffset: number;
  records: EncodedRecord[];
  sizeBytes: number;
  waiting: Waiting<E>[];
  timeout: Timer | undefined;
  callOff: (() => void) | undefined;
}

export type ShardState = 'loading' | 'active' | 'failed' | 'closed';

export class Shard<E, M extends StateMachine<E>> {
  readonly machine: M;
  readonly leaderEpoch: number;
  readonly #options: ShardOptions<M>;
  readonly #timers: ShardTimers<E>;
  #state: ShardState = 'loading';
  /** The batch that this tick's operations share; undefined until one of them has records. */
  #open: Batch<E> | undefined;
  /** Appended batches that are not committed, oldest first. */
  #inFlight: Batch<E>[] = [];

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
    if (journal.committedOffset < endOffset) this.#follow(newBatch(log.logStartOffset(), endOffset));
    this.#run((turn) => this.machine.loaded(turn));
  }

  /**
   * Runs an operation on the latest state. `done` hears of it when its records, and all that it could see, are committed.
   * What the operation throws leaves the state as it was and is thrown to the caller.
   */
  write<R>(operation: (turn: Turn<E>) => R, done: Done<R>): void {
    const { unavailable } = this;
    if (unavailable !== Errors.NONE) {
      done.fail(unavailable);
      return;
    }
    const turn = new Turn<E>(this.#options.ports.clock.nowMs());
    const mark = this.#options.journal.mark();
    this.#options.journal.at(this.#nextOffset());
    let response: R;
    try {
      response = operation(turn);
      this.#take(turn, mark, (errorCode) => {
        if (errorCode === Errors.NONE) done.reply(response);
        else done.fail(errorCode);
      });
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
    const batches = this.#open === undefined ? this.#inFlight : [...this.#inFlight, this.#open];
    this.#open = undefined;
    this.#inFlight = [];
    for (const batch of batches) {
      stopFollowing(batch);
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
  #take(turn: Turn<E>, mark: number, finish: (errorCode: number) => void): void {
    const waiting = { event: turn.settledEvent, finish };
    if (turn.records.length === 0) {
      const last = this.#open ?? this.#inFlight.at(-1);
      if (last === undefined) {
        this.#finish(waiting, Errors.NONE);
      } else {
        last.waiting.push(waiting);
        if (last !== this.#open && last.timeout === undefined) this.#startTimeout(last);
      }
      return;
    }
    const limitBytes = this.#options.log.maxBatchBytes() - BATCH_OVERHEAD_BYTES;
    const encoded = this.#encode(turn, limitBytes);
    if (encoded === undefined) {
      this.#options.journal.undoTo(mark);
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
      if (errorCode === Errors.NONE) this.#add(turn.records[i], encoded[i], turn.isReplayed);
    }
    // A batch that failed took what this operation had seen with it, so the operation fails with the same error.
    if (errorCode !== Errors.NONE) this.#finish(waiting, errorCode);
    else this.#open!.waiting.push(waiting);
  }

  /** The turn's records as bytes; undefined when they are more than a batch, or a field more than its format, can hold. */
  #encode(turn: Turn<E>, limitBytes: number): EncodedRecord[] | undefined {
    const { logger } = this.#options.ports;
    try {
      const encoded = turn.records.map((record) => encodeRecord(this.machine.formats, record));
      const sizes = encoded.map(sizeOf);
      const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
      const fits = turn.isAtomic
        ? sizeBytes <= limitBytes && encoded.length <= BATCH_RECORDS_MAX
        : sizes.every((size) => size <= limitBytes);
      if (fits) return encoded;
      logger.error(
        { records: encoded.length, sizeBytes, limitBytes },
        'a coordinator operation fits in no batch',
      );
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      logger.error({ err: error }, 'a coordinator record cannot be written');
    }
    return undefined;
  }

  #hasRoom(sizeBytes: number, records: number, limitBytes: number): boolean {
    const open = this.#open;
    if (open === undefined) return true;
    return open.sizeBytes + sizeBytes <= limitBytes && open.records.length + records <= BATCH_RECORDS_MAX;
  }

  #add(record: CoordinatorRecord, encoded: EncodedRecord, isReplayed: boolean): void {
    if (this.#open === undefined) {
      const offset = this.#options.log.logEndOffset();
      const batch = newBatch<E>(offset, offset);
      this.#open = batch;
      this.#options.ports.timers.soon(() => {
        if (this.#open === batch) this.#flush();
      });
    }
    const batch = this.#open;
    const offset = batch.baseOffset + batch.records.length;
    batch.records.push(encoded);
    batch.sizeBytes += sizeOf(encoded);
    if (!isReplayed) return;
    this.#options.journal.at(offset);
    this.machine.replay(record, { offset, producerId: -1, producerEpoch: -1 });
  }

  /** Appends the open batch. Returns 0, or the error after which its changes are undone. */
  #flush(): number {
    const batch = this.#open!;
    this.#open = undefined;
    const { log, journal, ports } = this.#options;
    const timestamp = ports.clock.nowMs();
    const records = batch.records.map(({ key, value }) => ({ key, value, timestamp }));
    batch.records = [];
    let errorCode: number = Errors.KAFKA_STORAGE_ERROR;
    if (log.logEndOffset() !== batch.baseOffset) {
      // Nobody else should write here, but an admin client may produce to internal topics.
      ports.logger.error(
        { baseOffset: batch.baseOffset },
        'somebody else has written to the log of a coordinator',
      );
    } else {
      try {
        const result = log.append(buildBatch({ records, leaderEpoch: this.leaderEpoch }));
        errorCode = result.errorCode;
        if (errorCode === Errors.NONE) batch.endOffset = result.lastOffset + 1;
      } catch (error) {
        ports.logger.error({ err: error }, 'a coordinator could not append its records');
      }
    }
    if (errorCode === Errors.NONE) {
      this.#follow(batch);
      return errorCode;
    }
    journal.rollBackTo(batch.baseOffset);
    this.#finishAll(batch, errorCode);
    return errorCode;
  }

  /** Waits until the high watermark has passed the batch. */
  #follow(batch: Batch<E>): void {
    this.#inFlight.push(batch);
    if (batch.waiting.length > 0) this.#startTimeout(batch);
    let isCommitted = false;
    const callOff = this.#options.log.whenCommitted(batch.endOffset, () => {
      isCommitted = true;
      this.#committed(batch);
    });
    if (!isCommitted) batch.callOff = callOff;
  }

  /** Those who wait for the batch by now wait no longer than the write timeout; who comes later starts it again. */
  #startTimeout(batch: Batch<E>): void {
    const { ports, writeTimeoutMs } = this.#options;
    batch.timeout = ports.timers.after(writeTimeoutMs(), () => {
      batch.timeout = undefined;
      const { endOffset } = batch;
      ports.logger.warn({ endOffset }, 'a coordinator record has not been committed in time');
      this.#finishAll(batch, Errors.REQUEST_TIMED_OUT);
    });
  }

  #committed(batch: Batch<E>): void {
    if (this.#state === 'closed') return;
    batch.callOff = undefined;
    stopFollowing(batch);
    const position = this.#inFlight.indexOf(batch);
    const committed = this.#inFlight.splice(0, position + 1);
    this.#options.journal.commitTo(batch.endOffset);
    for (const each of committed) {
      stopFollowing(each);
      this.#finishAll(each, Errors.NONE);
    }
  }

  #finishAll(batch: Batch<E>, errorCode: number): void {
    const { waiting } = batch;
    batch.waiting = [];
    for (const each of waiting) this.#finish(each, errorCode);
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

function newBatch<E>(baseOffset: number, endOffset: number): Batch<E> {
  return {
    baseOffset,
    endOffset,
    records: [],
    sizeBytes: 0,
    waiting: [],
    timeout: undefined,
    callOff: undefined,
  };
}

function stopFollowing(batch: Batch<unknown>): void {
  batch.timeout?.cancel();
  batch.callOff?.();
  batch.callOff = undefined;
}

function sizeOf(record: EncodedRecord): number {
  return record.key.length + (record.value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
}

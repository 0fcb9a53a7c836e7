/**
 * One partition on disk: a sequence of record batches in segments, with what is known of it (leader epochs, producers,
 * open transactions). Appending is one synchronous step that either happens as a whole or not at all; durability comes
 * later, by the rounds of the directory (sync-rounds.ts), and is told through `durableEndOffset` and `onDurable`.
 *
 * Three ends: `logEndOffset` is what has been appended, `durableEndOffset` what an fdatasync covers (in `relaxed` mode
 * the same as the log end), and `recoveryPoint` the offset below which neither batches nor indexes need to be looked at
 * after a crash. The recovery point moves to the base of the active segment when everything before it is durable: the
 * .log files, their indexes, the producer snapshot, the leader epochs and the names of all these.
 */
import { assert } from '../base/assert.ts';
import { endedTransaction } from '../protocol/control-records.ts';
import { Errors } from '../protocol/errors.ts';
import * as header from '../protocol/record-batch.ts';
import { nothingAt, type LogRead, type ReadOptions } from './cold-read.ts';
import type { CleanLog } from './directory-files.ts';
import type { LogEnvironment } from './environment.ts';
import { Durability } from './durability.ts';
import type { TopicPartition } from './file-names.ts';
import {
  duplicate,
  NO_RECORD_ERRORS,
  refusal,
  type AppendOptions,
  type AppendResult,
} from './append-result.ts';
import { saveEpochs, type LeaderEpochs } from './leader-epochs.ts';
import type { LogHome } from './log-home.ts';
import { freshSegment } from './log-folder.ts';
import { LogReader } from './log-reader.ts';
import type { LogState } from './log-state.ts';
import { viewOf } from './log-view.ts';
import { applyBatch, type ProducerSnapshots } from './producer-snapshots.ts';
import { describeProducer, ProducerState, type ProducerDescription, type Refusal } from './producer-state.ts';
import type { RecordError } from './record-walker.ts';
import { expiredSegments } from './retention.ts';
import type { Segment } from './segment.ts';
import type { Segments } from './segments.ts';
import type { LogSettings } from './settings.ts';
import { isPassing, OffsetOutOfRange, StorageError } from './storage-error.ts';
import { findByTimestamp, findMaxTimestamp, type TimestampOffset } from './time-lookup.ts';
import { collectAborted, type AbortedTransaction } from './transaction-index.ts';
import { validateBatch } from './validate.ts';

export type { AppendOptions, AppendResult } from './append-result.ts';
export type { LogRead, ReadOptions } from './cold-read.ts';
export { OffsetOutOfRange, StorageError } from './storage-error.ts';
export type { TimestampOffset } from './time-lookup.ts';

export class Log {
  readonly topic: string;
  readonly partition: number;
  topicId: string;
  /** Called when `durableEndOffset` has advanced, never within an append. */
  onDurable: (endOffset: number) => void = () => {};
  /** Called once when the log can no longer be used. */
  onFailure: (error: Error) => void = () => {};
  readonly #environment: LogEnvironment;
  #home: LogHome;
  #segments: Segments;
  #epochs: LeaderEpochs;
  #snapshots: ProducerSnapshots;
  readonly #durability: Durability;
  readonly #reader: LogReader;
  #folder: string;
  #settings: LogSettings;
  #producers: ProducerState | undefined;
  #logStartOffset: number;
  /** What the directory's checkpoint holds durably: segments are removed only below it. */
  #durableStartOffset: number;
  #logEndOffset: number;
  /** As replication says; undefined: whatever is durable, which is right for a log without replicas. */
  #highWatermark: number | undefined;
  #isClosed = false;

  constructor(environment: LogEnvironment, home: LogHome, state: LogState) {
    this.topic = state.topic;
    this.partition = state.partition;
    this.topicId = state.topicId;
    this.#environment = environment;
    this.#home = home;
    this.#folder = state.folder;
    this.#settings = state.settings;
    this.#segments = state.segments;
    this.#epochs = state.epochs;
    this.#snapshots = state.snapshots;
    this.#producers = state.producers;
    this.#logStartOffset = state.logStartOffset;
    this.#durableStartOffset = state.isNew ? 0 : state.logStartOffset;
    this.#logEndOffset = state.logEndOffset;
    this.#segments.active.isActive = true;
    const view = viewOf({
      folder: () => this.#folder,
      segments: () => this.#segments,
      epochs: () => this.#epochs,
      settings: () => this.#settings,
      logStartOffset: () => this.#logStartOffset,
      logEndOffset: () => this.#logEndOffset,
      onDurable: (endOffset) => this.onDurable(endOffset),
    });
    this.#reader = new LogReader(environment, view);
    this.#durability = new Durability(environment, view, {
      home,
      recoveryPoint: state.recoveryPoint,
      durableEndOffset: state.logEndOffset,
      unsynced: state.unsynced,
      areNamesChanged: state.isNew,
    });
  }

  get topicPartition(): TopicPartition {
    return { topic: this.topic, partition: this.partition };
  }

  /** The log directory, as in log.dirs. */
  get directory(): string {
    return this.#home.path;
  }

  get folder(): string {
    return this.#folder;
  }

  get settings(): LogSettings {
    return this.#settings;
  }

  get logStartOffset(): number {
    return this.#logStartOffset;
  }

  get logEndOffset(): number {
    return this.#logEndOffset;
  }

  get durableEndOffset(): number {
    return this.#durability.durableEndOffset;
  }

  get recoveryPoint(): number {
    return this.#durability.recoveryPoint;
  }

  get sizeBytes(): number {
    return this.#segments.sizeBytes;
  }

  get segmentCount(): number {
    return this.#segments.count;
  }

  get activeSegmentBaseOffset(): number {
    return this.#segments.active.baseOffset;
  }

  /** -1 before the first. */
  get latestEpoch(): number {
    return this.#epochs.latestEpoch ?? -1;
  }

  get failure(): Error | undefined {
    return this.#home.failure;
  }

  /** Applies from the next append on. */
  configure(settings: LogSettings): void {
    const wasRelaxed = this.#settings.durability === 'relaxed';
    this.#settings = settings;
    this.#segments.active.indexIntervalBytes = settings.indexIntervalBytes;
    if (wasRelaxed && settings.durability === 'fsync') this.#durability.mustSync();
  }

  // --- Appending

  /**
   * Appends one batch from a producer or coordinator: validates it, assigns its offsets, writes it. `records` is
   * patched in place, and not kept. Every failure is an error code in the result; after one the log is as it was.
   */
  appendAsLeader(records: Buffer, options: AppendOptions): AppendResult {
    const failure = this.#unusable();
    if (failure !== undefined) return this.#refused(Errors.KAFKA_STORAGE_ERROR, failure);
    if (options.leaderEpoch < this.latestEpoch) {
      // Epochs never fall along a log: recovery would take such a batch for damage.
      const message = `Leader epoch ${options.leaderEpoch} is behind epoch ${this.latestEpoch} of the log`;
      return this.#refused(Errors.NOT_LEADER_OR_FOLLOWER, message);
    }
    const context = {
      settings: this.#settings,
      origin: options.origin,
      nextOffset: this.#logEndOffset,
      leaderEpoch: options.leaderEpoch,
      nowMs: options.nowMs,
      produceVersion: options.produceVersion,
    };
    const valid = validateBatch(records, context, this.#environment.walker);
    if (valid.batch === undefined) {
      return this.#refused(valid.errorCode, valid.errorMessage, valid.recordErrors);
    }
    const { batch } = valid;
    try {
      const answer = this.#checkBeforeWrite(batch, options);
      if (answer !== undefined) {
        // Whoever tries again does so with the same bytes.
        if (options.origin === 'client') header.setBaseOffset(batch, 0, 0);
        return answer;
      }
      const baseOffset = this.#logEndOffset;
      const lastOffset = baseOffset + header.lastOffsetDelta(batch);
      this.#write(batch, { baseOffset, lastOffset, maxTimestamp: valid.maxTimestamp, nowMs: options.nowMs });
      return {
        errorCode: Errors.NONE,
        recordErrors: NO_RECORD_ERRORS,
        baseOffset,
        lastOffset,
        logAppendTimeMs: valid.logAppendTimeMs,
        logStartOffset: this.#logStartOffset,
        duplicate: false,
      };
    } catch (error) {
      return this.#writeFailed(error);
    }
  }

  /**
   * Appends batches as the leader has them: offsets and epochs stay. They must follow each other, and the log's end may
   * be before the first (a compacted leader). Nothing is appended unless all are whole.
   */
  appendAsFollower(records: Buffer, nowMs: number): AppendResult {
    const failure = this.#unusable();
    if (failure !== undefined) return this.#refused(Errors.KAFKA_STORAGE_ERROR, failure);
    let next = this.#logEndOffset;
    let epoch = this.latestEpoch;
    let problem: Refusal | undefined;
    const end = header.forEachBatch(records, (at) => {
      if (problem !== undefined) return;
      const fault = header.checkBatch(records, at);
      if (fault !== undefined) {
        problem = {
          errorCode: Errors.CORRUPT_MESSAGE,
          errorMessage: `A replicated batch is damaged: ${fault}`,
        };
      } else if (header.baseOffset(records, at) < next || header.lastOffsetDelta(records, at) < 0) {
        const errorMessage = `A replicated batch begins at ${header.baseOffset(records, at)}, expected ${next}`;
        problem = { errorCode: Errors.UNKNOWN_SERVER_ERROR, errorMessage };
      } else if (header.partitionLeaderEpoch(records, at) < epoch) {
        const errorMessage = `A replicated batch has leader epoch ${header.partitionLeaderEpoch(records, at)} after ${epoch}`;
        problem = { errorCode: Errors.UNKNOWN_SERVER_ERROR, errorMessage };
      } else {
        next = header.lastOffset(records, at) + 1;
        epoch = header.partitionLeaderEpoch(records, at);
      }
    });
    if (problem !== undefined) return this.#refused(problem.errorCode, problem.errorMessage);
    if (end === 0)
      return this.#refused(Errors.CORRUPT_MESSAGE, 'There is no whole batch in what was replicated');
    const baseOffset = header.baseOffset(records);
    try {
      for (let at = 0; at < end; at += header.batchSizeBytes(records, at)) {
        const batch = records.subarray(at, at + header.batchSizeBytes(records, at));
        this.#write(batch, {
          baseOffset: header.baseOffset(batch),
          lastOffset: header.lastOffset(batch),
          maxTimestamp: header.maxTimestamp(batch),
          nowMs,
        });
      }
    } catch (error) {
      return this.#writeFailed(error);
    }
    return {
      errorCode: Errors.NONE,
      recordErrors: NO_RECORD_ERRORS,
      baseOffset,
      lastOffset: this.#logEndOffset - 1,
      logAppendTimeMs: -1,
      logStartOffset: this.#logStartOffset,
      duplicate: false,
    };
  }

  /** Undefined: the batch may be written. Else the answer: refused, or a retry of what is there. */
  #checkBeforeWrite(batch: Buffer, options: AppendOptions): AppendResult | undefined {
    if (batch.length > this.#settings.segmentBytes) {
      const message = `The record batch has ${batch.length} bytes, a segment at most ${this.#settings.segmentBytes}`;
      return this.#refused(Errors.RECORD_LIST_TOO_LARGE, message);
    }
    const producerId = header.producerId(batch);
    if (producerId < 0) return undefined;
    const state = this.#producerState();
    const transactionVersion = options.transactionVersion ?? 0;
    let refusal: Refusal | undefined;
    if (header.isControl(batch)) {
      const marker = endedTransaction(batch);
      refusal = marker === undefined ? undefined : state.checkMarker(marker, transactionVersion);
    } else {
      const epoch = header.producerEpoch(batch);
      const firstSequence = header.baseSequence(batch);
      if (options.origin === 'client') {
        const lastSequence = header.lastSequence(batch);
        const original = state.findDuplicate(producerId, epoch, firstSequence, lastSequence);
        if (original !== undefined) return duplicate(original, this.#logStartOffset);
      }
      const isTransactional = header.isTransactional(batch);
      refusal = state.check(
        { producerId, epoch, firstSequence, isTransactional },
        options.origin,
        isTransactional && transactionVersion >= 2,
      );
    }
    return refusal === undefined ? undefined : this.#refused(refusal.errorCode, refusal.errorMessage);
  }

  #refused(errorCode: number, errorMessage: string, recordErrors?: readonly RecordError[]): AppendResult {
    return refusal({ errorCode, errorMessage, logStartOffset: this.#logStartOffset }, recordErrors);
  }

  /** A full disk may have room again; anything else is the end of the directory. */
  #writeFailed(error: unknown): AppendResult {
    if (!isPassing(error)) {
      this.#home.fail(error);
      return this.#refused(Errors.KAFKA_STORAGE_ERROR, `The log directory failed: ${messageOf(error)}`);
    }
    this.#environment.logger.warn(
      { log: this.#folder, error },
      'an append was refused by the disk and taken back',
    );
    return this.#refused(Errors.KAFKA_STORAGE_ERROR, `The disk refused the append: ${messageOf(error)}`);
  }

  /** Throws what the disk throws, before anything but the file has changed; the file then ends where it did. */
  #write(
    batch: Buffer,
    place: {
      readonly baseOffset: number;
      readonly lastOffset: number;
      readonly maxTimestamp: number;
      readonly nowMs: number;
    },
  ): void {
    const { baseOffset, lastOffset, nowMs } = place;
    const state = header.producerId(batch) < 0 ? this.#producers : this.#producerState();
    let segment = this.#segments.active;
    const rollBatch = { sizeBytes: batch.length, lastOffset, maxTimestamp: place.maxTimestamp };
    if (segment.mustRoll(rollBatch, this.#settings, nowMs)) segment = this.#rollAt(baseOffset, nowMs);
    segment.append(batch);
    const epoch = header.partitionLeaderEpoch(batch);
    if (epoch >= 0 && epoch !== this.#epochs.latestEpoch) this.#epochs.assign(epoch, baseOffset);
    this.#logEndOffset = lastOffset + 1;
    this.#reader.appended(batch, baseOffset, nowMs);
    if (state !== undefined) {
      const completed = applyBatch(state, batch, 0);
      if (completed?.isAbort) segment.appendAborted(completed);
      state.endOffset = lastOffset + 1;
    }
    this.#durability.appended(segment, lastOffset - baseOffset + 1);
  }

  #unusable(): string | undefined {
    if (this.#home.failure !== undefined)
      return `The log directory is offline: ${this.#home.failure.message}`;
    return this.#isClosed ? 'The log is closed' : undefined;
  }

  #mustBeUsable(): void {
    const reason = this.#unusable();
    if (reason !== undefined) throw new StorageError(`${this.#folder}: ${reason}`);
  }

  // --- Rolling

  /** The active segment's name, and what is before it, may not be durable yet. */
  get isSealing(): boolean {
    return this.recoveryPoint < this.#segments.active.baseOffset;
  }

  /** Begins a new segment at the log's end; nothing happens while the active one is empty. Throws StorageError. */
  roll(): void {
    this.#mustBeUsable();
    this.#guard(() => {
      if (this.#segments.active.sizeBytes > 0)
        this.#rollAt(this.#logEndOffset, this.#environment.clock.nowMs());
    });
  }

  /**
   * The new file first: if the disk has no room for it nothing has changed. The old segment is sealed by the next
   * round, until when it stays pinned.
   */
  #rollAt(baseOffset: number, nowMs: number): Segment {
    const old = this.#segments.active;
    if (old.sizeBytes === 0 && old.baseOffset === baseOffset) return old;
    const segment = freshSegment(this.#environment, this.#folder, {
      baseOffset,
      nowMs,
      settings: this.#settings,
    });
    try {
      // After a clean shutdown the recovery point is beyond indexes that are not durable.
      if (this.recoveryPoint === baseOffset) this.#durability.cutting(old.baseOffset, this);
      segment.file();
      this.#durability.addFiles(old.writeIndexes());
      const state = this.#producerState();
      state.endOffset = baseOffset;
      const snapshot = this.#snapshots.take(state);
      if (snapshot !== undefined) this.#durability.addFiles([snapshot]);
    } catch (error) {
      if (isPassing(error)) segment.removeFiles();
      throw error;
    }
    old.deactivate();
    this.#segments.add(segment);
    if (old.sizeBytes === 0) {
      // Only when offsets jump (a follower of a compacted log): the empty segment is of no use.
      const index = this.#segments.floorIndex(old.baseOffset);
      this.#segments.removeAt(index);
      old.removeFiles();
    }
    this.#durability.rolled();
    return segment;
  }

  // --- Durability

  /** Resolves when everything appended so far is durable; rejects with StorageError when it never will be. */
  flush(): Promise<void> {
    const failure = this.#unusable();
    return failure === undefined ? this.#durability.flush() : Promise.reject(new StorageError(failure));
  }

  /**
   * The end of a clean shutdown: batches and names are durable, and the recovery point is the log's end. The small files
   * that repeat what the batches say are written, but not synced: the record of the shutdown, which is returned, knows
   * them by their CRCs. Nothing may be appended afterwards.
   */
  async close(): Promise<CleanLog> {
    this.#mustBeUsable();
    this.#guard(() => this.#durability.addFiles(this.#segments.active.writeTransactionIndex()));
    await this.#durability.close();
    const clean = this.#guard(() => this.#save());
    this.release();
    return clean;
  }

  #save(): CleanLog {
    const { active } = this.#segments;
    const epochs = saveEpochs(this.#environment.disk, this.#folder, this.#epochs);
    // Producers that nobody asked for since the start are in a snapshot still.
    const hasProducers = this.#producers === undefined || this.#producers.count > 0;
    if (this.#producers !== undefined && hasProducers) this.#snapshots.save(this.#producers);
    return {
      end: this.#logEndOffset,
      segments: this.segmentBaseOffsets(),
      size: active.sizeBytes,
      producers: hasProducers,
      crc: {
        ...active.saveIndexes(),
        ...(hasProducers ? this.#snapshots.unsynced() : {}),
        ...(epochs === undefined ? {} : { epochs }),
      },
    };
  }

  /** Lets go of files and memory, without making anything durable. */
  release(): void {
    this.#isClosed = true;
    this.#reader.clear();
    this.#durability.stop(`${this.#folder}: the log is closed`);
    for (const segment of this.#segments.list) segment.release();
  }

  /** The directory failed: called by it, once. */
  directoryFailed(error: Error): void {
    const reason = `${this.#folder}: the log directory failed`;
    const failure = new StorageError(reason, { cause: error });
    this.#durability.stop(reason, error);
    this.#reader.clear();
    this.onFailure(failure);
  }

  // --- Reading

  /**
   * Whole batches from the one that holds `offset` on, at most `maxBytes` of them, none that reaches beyond `upTo`. A
   * plain value when they are in memory. The buffers are views of shared memory: they must not be changed. Throws
   * OffsetOutOfRange and StorageError, or rejects with the latter.
   */
  read(options: ReadOptions): LogRead | Promise<LogRead> {
    this.#mustBeUsable();
    const { offset } = options;
    if (offset < this.#logStartOffset || offset > this.#logEndOffset) {
      throw new OffsetOutOfRange(offset, { from: this.#logStartOffset, to: this.#logEndOffset });
    }
    if (offset >= options.upTo || offset === this.#logEndOffset) {
      this.#reader.wantTail();
      return nothingAt(offset);
    }
    const read = this.#reader.read(options);
    if (!(read instanceof Promise)) return read;
    return read.catch((error: unknown) => {
      throw this.#readFailed(error);
    });
  }

  /** Somebody is about to read what is appended next: it is to be kept in memory. */
  wantTail(): void {
    this.#reader.wantTail();
  }

  #readFailed(error: unknown): unknown {
    if (error instanceof StorageError || error instanceof OffsetOutOfRange) return error;
    // The segment was removed by retention while it was being read.
    if (isDiskCode(error, 'ENOENT') || isDiskCode(error, 'EBADF')) {
      return new StorageError(`${this.#folder}: ${messageOf(error)}`, { cause: error });
    }
    if (!isPassing(error) && isDiskCode(error, undefined)) this.#home.fail(error);
    return isDiskCode(error, undefined) ? new StorageError(messageOf(error), { cause: error }) : error;
  }

  /** The first record with a timestamp of at least `timestampMs`; undefined when there is none below `upTo`. */
  async offsetForTimestamp(timestampMs: number, upTo = Infinity): Promise<TimestampOffset | undefined> {
    this.#mustBeUsable();
    try {
      const target = { timestamp: timestampMs, from: this.#logStartOffset };
      return below(await findByTimestamp([...this.#segments.list], target), upTo);
    } catch (error) {
      throw this.#readFailed(error);
    }
  }

  /** The first record with the largest timestamp; undefined for a log without records, or when it is not below `upTo`. */
  async offsetOfMaxTimestamp(upTo = Infinity): Promise<TimestampOffset | undefined> {
    this.#mustBeUsable();
    try {
      return below(await findMaxTimestamp([...this.#segments.list]), upTo);
    } catch (error) {
      throw this.#readFailed(error);
    }
  }

  // --- Leader epochs

  /** Kafka's endOffsetFor: see LeaderEpochs. */
  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: number } {
    return this.#epochs.endOffsetFor(epoch, this.#logEndOffset);
  }

  /** A leader begins: its epoch starts at the log's end. */
  assignEpochStart(epoch: number, offset: number): void {
    this.#epochs.assign(epoch, offset);
  }

  /** The leader epoch of the record at `offset`; undefined when it is unknown. */
  epochAt(offset: number): number | undefined {
    return this.#epochs.epochFor(offset);
  }

  // --- Producers and transactions

  #producerState(): ProducerState {
    if (this.#producers === undefined) {
      const state = new ProducerState();
      this.#snapshots.load(state, this.#segments, {
        logStartOffset: this.#logStartOffset,
        endOffset: this.#logEndOffset,
      });
      this.#producers = state;
    }
    return this.#producers;
  }

  activeProducers(): ProducerDescription[] {
    return Array.from(this.#producerState().entries(), describeProducer);
  }

  hasOngoingTransaction(producerId: number, producerEpoch: number): boolean {
    return this.#producerState().hasOngoingTransaction(producerId, producerEpoch);
  }

  /** Where the first transaction begins that is open, or whose marker is not below the high watermark yet. */
  get firstUnstableOffset(): number | undefined {
    const state = this.#producerState();
    state.onHighWatermark(this.#highWatermark ?? this.durableEndOffset);
    const first = state.firstUnstableOffset();
    return first === undefined ? undefined : Math.max(first, this.#logStartOffset);
  }

  /** What replication knows. Without a call the high watermark is taken to be the durable end. */
  updateHighWatermark(highWatermark: number): void {
    this.#highWatermark = highWatermark;
    this.#producers?.onHighWatermark(highWatermark);
  }

  /** Aborted transactions that overlap [from, upTo), by first offset. Throws StorageError. */
  abortedTransactions(from: number, upTo: number): { producerId: number; firstOffset: number }[] {
    const found: AbortedTransaction[] = [];
    for (let index = Math.max(0, this.#segments.floorIndex(from)); ; index++) {
      const segment = this.#segments.at(index);
      if (segment === undefined) break;
      if (this.#guard(() => collectAborted(segment.abortedTransactions(), { from, upTo }, found))) break;
    }
    found.sort((a, b) => a.firstOffset - b.firstOffset);
    return found.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
  }

  /** Forgets producers that were silent for producer.id.expiration.ms. */
  removeExpiredProducers(nowMs: number): void {
    this.#producers?.removeExpired(nowMs, this.#environment.producerIdExpirationMs);
  }

  // --- Shrinking

  /** Moves the log's start up to `offset`, which the caller has checked against the high watermark. */
  deleteRecordsBefore(offset: number): void {
    this.#mustBeUsable();
    this.#raiseLogStart(offset);
  }

  #raiseLogStart(offset: number): void {
    if (offset <= this.#logStartOffset) return;
    this.#logStartOffset = offset;
    this.#epochs.truncateFromStart(offset);
  }

  /** The directory's checkpoint holds this start durably. */
  logStartIsDurable(offset: number): void {
    if (offset > this.#durableStartOffset) this.#durableStartOffset = offset;
    if (this.#durableStartOffset >= this.#logStartOffset) this.#epochs.forget();
  }

  /**
   * Lets go what retention allows. The log's start moves at once; files go when the start is durable, and so is the
   * segment that is to be the first: LogDirectories sees to both and calls again. The number of segments removed now.
   */
  deleteOldSegments(nowMs: number, highWatermark: number): number {
    this.#mustBeUsable();
    return this.#guard(() => {
      this.#raiseStartByRetention(nowMs, highWatermark);
      return this.#removeBelowStart();
    });
  }

  #raiseStartByRetention(nowMs: number, highWatermark: number): void {
    const segments = this.#segments;
    const { count, reason } = expiredSegments(
      {
        segments: segments.list,
        logStartOffset: this.#logStartOffset,
        logEndOffset: this.#logEndOffset,
        highWatermark,
        nowMs,
      },
      this.#settings,
    );
    if (count === 0) return;
    // There is always a segment: if all are to go, an empty one comes first.
    if (count === segments.count) this.#rollAt(this.#logEndOffset, nowMs);
    const startOffset = segments.at(count)!.baseOffset;
    if (startOffset <= this.#logStartOffset) return;
    this.#environment.logger.info({ log: this.#folder, startOffset, reason }, 'segments have expired');
    this.#raiseLogStart(startOffset);
  }

  #removeBelowStart(): number {
    // Up to the recovery point the segments that stay are durable, names and all.
    const startOffset = Math.min(this.#durableStartOffset, this.#logStartOffset, this.recoveryPoint);
    let count = 0;
    while (count + 1 < this.#segments.count && this.#segments.at(count + 1)!.baseOffset <= startOffset)
      count += 1;
    if (count === 0) return 0;
    // The seal of what is removed would find no file.
    if (this.#segments.list.slice(0, count).some((segment) => segment.isUnsynced)) return 0;
    this.#removeFiles(this.#segments.removeFirst(count));
    const first = this.#segments.first.baseOffset;
    this.#snapshots.removeIf((offset) => offset < first);
    return count;
  }

  /** Marks the files and removes them after file.delete.delay.ms: readers that have begun may finish. */
  #removeFiles(segments: readonly Segment[]): void {
    for (const segment of segments) segment.markDeleted();
    this.#durability.namesChanged();
    this.#environment.timers.after(this.#settings.fileDeleteDelayMs, () => {
      if (this.#home.failure !== undefined || this.#isClosed) return;
      try {
        for (const segment of segments) segment.removeFiles();
      } catch (error) {
        this.#home.fail(error);
      }
    });
  }

  /**
   * Cuts the log so that it ends at `offset`, or at the base of the batch that holds it. False: it ended there or
   * before. Throws StorageError.
   */
  truncateTo(offset: number): boolean {
    this.#mustBeUsable();
    if (offset >= this.#logEndOffset) {
      this.#epochs.truncateFromEnd(this.#logEndOffset);
      return false;
    }
    if (offset < this.#segments.first.baseOffset) {
      this.truncateFullyAndStartAt(offset);
      return true;
    }
    this.#guard(() => {
      const index = this.#segments.floorIndex(offset);
      const end = this.#segments.list[index].batchStart(offset);
      this.#durability.cutting(end, this);
      const removed = this.#segments.removeFrom(index + 1);
      this.#removeFiles([...removed].reverse());
      this.#segments.active.truncateTo(end);
      this.#cutAt(end, removed);
    });
    return true;
  }

  /** Empties the log; the next record gets `offset`. Throws StorageError. */
  truncateFullyAndStartAt(offset: number): void {
    this.#mustBeUsable();
    this.#guard(() => {
      this.#durability.cutting(0, this);
      const removed = this.#segments.removeFrom(0);
      this.#removeFiles([...removed].reverse());
      const at = { baseOffset: offset, nowMs: this.#environment.clock.nowMs(), settings: this.#settings };
      const active = freshSegment(this.#environment, this.#folder, at);
      active.file();
      this.#segments.add(active);
      this.#epochs.clear();
      this.#durability.namesChanged();
      this.#logStartOffset = offset;
      this.#durableStartOffset = Math.min(this.#durableStartOffset, offset);
      this.#snapshots.removeIf(() => true);
      this.#cutAt(offset, removed);
    });
  }

  #cutAt(endOffset: number, removed: readonly Segment[]): void {
    this.#logEndOffset = endOffset;
    this.#logStartOffset = Math.min(this.#logStartOffset, endOffset);
    this.#reader.cut(endOffset);
    this.#epochs.truncateFromEnd(endOffset);
    this.#snapshots.removeIf((offset) => offset > endOffset);
    this.#producers = undefined;
    this.#durability.cut(endOffset, this.#segments.active, removed);
  }

  // --- The folder

  /** The folder was renamed, by the directory. */
  folderMoved(folder: string): void {
    this.#folder = folder;
    for (const segment of this.#segments.list) segment.moveTo(folder);
    this.#snapshots.moveTo(folder);
  }

  /**
   * Goes on in another directory with the files of `copy`, which holds the same batches, durably, and is of no use
   * afterwards. The caller renames the folders.
   */
  takeOver(copy: Log): void {
    assert(copy.#logEndOffset === this.#logEndOffset, 'the copy is complete');
    for (const segment of this.#segments.list) segment.release();
    this.#home = copy.#home;
    this.#folder = copy.#folder;
    this.#segments = copy.#segments;
    this.#epochs = copy.#epochs;
    this.#snapshots = copy.#snapshots;
    this.#producers = copy.#producers;
    this.#logStartOffset = copy.#logStartOffset;
    this.#durableStartOffset = copy.#durableStartOffset;
    copy.#isClosed = true;
    copy.#reader.clear();
    this.#durability.takeOver(copy.#durability);
  }

  /** The topic is gone: rounds that are under way end quietly. */
  markRemoved(): void {
    this.#durability.stop(`${this.#folder}: the log was deleted`);
    this.release();
  }

  /** Base offsets of the segments: for the record of a clean shutdown. */
  segmentBaseOffsets(): number[] {
    return this.#segments.list.map((segment) => segment.baseOffset);
  }

  get activeSegmentSizeBytes(): number {
    return this.#segments.active.sizeBytes;
  }

  /** Runs what touches the disk: a failure becomes a StorageError, and the end of the directory unless it may pass. */
  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof StorageError) throw error;
      if (!isPassing(error)) this.#home.fail(error);
      throw new StorageError(`${this.#folder}: ${messageOf(error)}`, { cause: error });
    }
  }
}

function below(found: TimestampOffset | undefined, upTo: number): TimestampOffset | undefined {
  return found !== undefined && found.offset < upTo ? found : undefined;
}

function isDiskCode(error: unknown, code: string | undefined): boolean {
  if (!(error instanceof Error) || error.name !== 'DiskError') return false;
  return code === undefined || (error as { code?: string }).code === code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

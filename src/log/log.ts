/**
 * One partition on disk: a sequence of record batches in segments, with what is known of it (leader epochs, producers,
 * open transactions). This is what others see; the work is done by log-writer.ts (append and roll), durability.ts with
 * the rounds of the directory (sync-rounds.ts), log-reader.ts and log-shrinker.ts, on what they share (log-contents.ts).
 *
 * Three ends: `logEndOffset` is what has been appended, `durableEndOffset` what an fdatasync covers (in `relaxed` mode
 * the same as the log end), and `recoveryPoint` the offset below which neither batches nor indexes need to be looked at
 * after a crash. The recovery point moves to the base of the active segment when everything before it is durable: the
 * .log files, their indexes, the producer snapshot, the leader epochs and the names of all these. A clean shutdown
 * moves it to the log's end, which then holds for the batches alone.
 */
import { assert } from '../base/assert.ts';
import { loadAborted } from './aborted-transactions.ts';
import type { AppendOptions, AppendResult } from './append-result.ts';
import { LogCleaning } from './cleaner/log-cleaning.ts';
import { nothingAt, type LogRead, type ReadOptions } from './segment-read.ts';
import type { CleanLog } from './directory-files.ts';
import { Durability } from './durability.ts';
import type { LogEnvironment } from './environment.ts';
import type { TopicPartition } from './file-names.ts';
import { saveEpochs } from './leader-epochs.ts';
import { LogContents } from './log-contents.ts';
import type { LogHome } from './log-home.ts';
import { LogReader } from './log-reader.ts';
import { LogShrinker } from './log-shrinker.ts';
import type { LogState } from './log-state.ts';
import { LogWriter } from './log-writer.ts';
import { describeProducer, type ProducerDescription } from './producer-state.ts';
import type { Segment } from './segment.ts';
import type { LogSettings } from './settings.ts';
import { isPassing, messageOf, OffsetOutOfRange, StorageError } from './storage-error.ts';
import { findByTimestamp, findMaxTimestamp, type TimestampOffset } from './time-lookup.ts';
import { collectAborted, type AbortedTransaction } from './transaction-index.ts';
import type { BegunVerification, VerifiedProducer } from './verification.ts';

export type { AppendOptions, AppendResult } from './append-result.ts';
export type { LogRead, ReadOptions } from './segment-read.ts';
export { OffsetOutOfRange, StorageError } from './storage-error.ts';
export type { TimestampOffset } from './time-lookup.ts';
export type { BegunVerification, Verification, VerifiedProducer } from './verification.ts';

export class Log {
  readonly topic: string;
  readonly partition: number;
  topicId: string;
  /** Called when `durableEndOffset` has advanced, never within an append. */
  onDurable: (endOffset: number) => void = () => {};
  /** Called after the log was cut at its end: what a copy has of it may be wrong now. */
  onCut: () => void = () => {};
  /** Called once when the log can no longer be used. */
  onFailure: (error: Error) => void = () => {};
  readonly cleaning: LogCleaning;
  readonly #environment: LogEnvironment;
  readonly #log: LogContents;
  readonly #durability: Durability;
  readonly #reader: LogReader;
  readonly #writer: LogWriter;
  readonly #shrinker: LogShrinker;
  /** As replication says; undefined: whatever is durable, which is right for a log without replicas. */
  #highWatermark: number | undefined;

  constructor(environment: LogEnvironment, home: LogHome, state: LogState) {
    this.topic = state.topic;
    this.partition = state.partition;
    this.topicId = state.topicId;
    this.#environment = environment;
    const log = new LogContents(home, state);
    log.onDurable = (endOffset) => this.onDurable(endOffset);
    log.segments.active.isActive = true;
    const reader = new LogReader(environment, log);
    const durability = new Durability(environment, log, {
      home,
      recoveryPoint: state.recoveryPoint,
      durableEndOffset: state.logEndOffset,
      unsynced: state.unsynced,
      areNamesChanged: state.isNew,
    });
    const writer = new LogWriter(environment, log, { durability, reader });
    this.#log = log;
    this.#reader = reader;
    this.#durability = durability;
    this.#writer = writer;
    this.cleaning = new LogCleaning(environment, log, { durability });
    this.#shrinker = new LogShrinker(environment, log, {
      durability,
      reader,
      writer,
      cleaning: this.cleaning,
    });
  }

  get topicPartition(): TopicPartition {
    return { topic: this.topic, partition: this.partition };
  }

  /** The log directory, as in log.dirs. */
  get directory(): string {
    return this.#log.home.path;
  }

  get folder(): string {
    return this.#log.folder;
  }

  get settings(): LogSettings {
    return this.#log.settings;
  }

  get logStartOffset(): number {
    return this.#log.logStartOffset;
  }

  get logEndOffset(): number {
    return this.#log.logEndOffset;
  }

  get durableEndOffset(): number {
    return this.#durability.durableEndOffset;
  }

  get recoveryPoint(): number {
    return this.#durability.recoveryPoint;
  }

  get sizeBytes(): number {
    return this.#log.segments.sizeBytes;
  }

  /** Where the log's last cleaning ended; undefined before the first. */
  get cleanedTo(): number | undefined {
    return this.#log.cleanedTo;
  }

  get segmentCount(): number {
    return this.#log.segments.count;
  }

  get activeSegmentBaseOffset(): number {
    return this.#log.segments.active.baseOffset;
  }

  /** -1 before the first. */
  get latestEpoch(): number {
    return this.#log.latestEpoch;
  }

  get failure(): Error | undefined {
    return this.#log.home.failure;
  }

  /** Applies from the next append on. */
  configure(settings: LogSettings): void {
    const wasRelaxed = this.#log.settings.durability === 'relaxed';
    this.#log.settings = settings;
    this.#log.segments.active.indexIntervalBytes = settings.indexIntervalBytes;
    if (wasRelaxed && settings.durability === 'fsync') this.#durability.mustSync();
  }

  // --- Appending (log-writer.ts)

  /**
   * Appends one batch from a producer or coordinator: validates it, assigns its offsets, writes it. `records` is
   * patched in place, and not kept. Every failure is an error code in the result; after one the log is as it was.
   */
  appendAsLeader(records: Buffer, options: AppendOptions): AppendResult {
    return this.#writer.appendAsLeader(records, options);
  }

  /**
   * Appends batches as the leader has them: offsets and epochs stay. They must follow each other, and the log's end may
   * be before the first (a compacted leader). Nothing is appended unless all are whole.
   */
  appendAsFollower(records: Buffer, nowMs: number): AppendResult {
    return this.#writer.appendAsFollower(records, nowMs);
  }

  /** The active segment's name, and what is before it, may not be durable yet. */
  get isSealing(): boolean {
    return this.recoveryPoint < this.#log.segments.active.baseOffset;
  }

  /** Begins a new segment at the log's end; nothing happens while the active one is empty. Throws StorageError. */
  roll(): void {
    this.#writer.roll();
  }

  // --- Durability

  /** Resolves when everything appended so far is durable; rejects with StorageError when it never will be. */
  flush(): Promise<void> {
    const failure = this.#log.unusable();
    return failure === undefined ? this.#durability.flush() : Promise.reject(new StorageError(failure));
  }

  /**
   * The end of a clean shutdown: batches and names are durable, and the recovery point is the log's end. The small files
   * that repeat what the batches say are written, but not synced: the record of the shutdown, which is returned, knows
   * them by their CRCs. Nothing may be appended afterwards.
   */
  async close(): Promise<CleanLog> {
    this.#log.mustBeUsable();
    this.#log.guard(() => this.cleaning.settle());
    this.#log.guard(() => this.#durability.addFiles(this.#log.segments.active.writeTransactionIndex()));
    await this.#durability.close();
    const clean = this.#log.guard(() => this.#save());
    this.release();
    return clean;
  }

  #save(): CleanLog {
    const { active } = this.#log.segments;
    const epochs = saveEpochs(this.#environment.disk, this.#log.folder, this.#log.epochs);
    // Producers that nobody asked for since the start are in a snapshot still.
    const hasProducers = this.#log.producers === undefined || this.#log.producers.count > 0;
    if (this.#log.producers !== undefined && hasProducers) this.#log.snapshots.save(this.#log.producers);
    return {
      end: this.#log.logEndOffset,
      segments: this.segmentBaseOffsets(),
      size: active.sizeBytes,
      producers: hasProducers,
      crc: {
        ...active.indexes.save(),
        ...(hasProducers ? this.#log.snapshots.unsynced() : {}),
        ...(epochs === undefined ? {} : { epochs }),
      },
    };
  }

  /** Lets go of files and memory, without making anything durable. */
  release(): void {
    this.#log.isClosed = true;
    this.cleaning.forget();
    this.#reader.clear();
    this.#durability.stop(`${this.#log.folder}: the log is closed`);
    for (const segment of this.#log.segments.list) segment.release();
  }

  /** The directory failed: called by it, once. */
  directoryFailed(error: Error): void {
    const reason = `${this.#log.folder}: the log directory failed`;
    const failure = new StorageError(reason, { cause: error });
    this.#durability.stop(reason, error);
    this.#reader.clear();
    this.onFailure(failure);
  }

  // --- Reading

  /**
   * Whole batches from the one that holds `offset` on, at most `maxBytes` of them, none that reaches beyond `upTo`. A
   * plain value when they were appended lately. Throws OffsetOutOfRange and StorageError, or rejects with the latter.
   */
  read(options: ReadOptions): LogRead | Promise<LogRead> {
    this.#log.mustBeUsable();
    const { offset } = options;
    if (offset < this.#log.logStartOffset || offset > this.#log.logEndOffset) {
      throw new OffsetOutOfRange(offset, { from: this.#log.logStartOffset, to: this.#log.logEndOffset });
    }
    if (offset >= options.upTo || offset === this.#log.logEndOffset) return nothingAt(offset);
    let read: LogRead | Promise<LogRead>;
    try {
      read = this.#reader.read(options);
    } catch (error) {
      throw this.#readFailed(error);
    }
    if (!(read instanceof Promise)) return read;
    return read.catch((error: unknown) => {
      throw this.#readFailed(error);
    });
  }

  #readFailed(error: unknown): unknown {
    if (error instanceof StorageError || error instanceof OffsetOutOfRange) return error;
    // The segment was removed by retention while it was being read.
    if (isDiskCode(error, 'ENOENT') || isDiskCode(error, 'EBADF')) {
      return new StorageError(`${this.#log.folder}: ${messageOf(error)}`, { cause: error });
    }
    if (!isPassing(error) && isDiskCode(error, undefined)) this.#log.home.fail(error);
    return isDiskCode(error, undefined) ? new StorageError(messageOf(error), { cause: error }) : error;
  }

  /** The first record with a timestamp of at least `timestampMs`; undefined when there is none below `upTo`. */
  async offsetForTimestamp(timestampMs: number, upTo = Infinity): Promise<TimestampOffset | undefined> {
    this.#log.mustBeUsable();
    try {
      const target = { timestamp: timestampMs, from: this.#log.logStartOffset };
      return below(await findByTimestamp([...this.#log.segments.list], target), upTo);
    } catch (error) {
      throw this.#readFailed(error);
    }
  }

  /** The first record with the largest timestamp; undefined for a log without records, or when it is not below `upTo`. */
  async offsetOfMaxTimestamp(upTo = Infinity): Promise<TimestampOffset | undefined> {
    this.#log.mustBeUsable();
    try {
      return below(await findMaxTimestamp([...this.#log.segments.list]), upTo);
    } catch (error) {
      throw this.#readFailed(error);
    }
  }

  // --- Leader epochs

  /** Kafka's endOffsetFor: see LeaderEpochs. */
  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: number } {
    return this.#log.epochs.endOffsetFor(epoch, this.#log.logEndOffset);
  }

  /** A leader begins: its epoch starts at the log's end. */
  assignEpochStart(epoch: number, offset: number): void {
    this.#log.epochs.assign(epoch, offset);
  }

  /** The leader epoch of the record at `offset`; undefined when it is unknown. */
  epochAt(offset: number): number | undefined {
    return this.#log.epochs.epochFor(offset);
  }

  // --- Producers and transactions

  activeProducers(): ProducerDescription[] {
    return Array.from(this.#log.producerState().entries(), describeProducer);
  }

  hasOngoingTransaction(producerId: number, producerEpoch: number): boolean {
    return this.#log.producerState().hasOngoingTransaction(producerId, producerEpoch);
  }

  /** Before the first batch of a transaction: see Verifications. Throws StorageError. */
  beginVerification(producer: VerifiedProducer, nowMs: number): BegunVerification {
    return this.#log.verifications.begin(
      this.#log.guard(() => this.#log.producerState()),
      producer,
      nowMs,
    );
  }

  /** Where the first transaction begins that is open, or whose marker is not below the high watermark yet. */
  get firstUnstableOffset(): number | undefined {
    const state = this.#log.producerState();
    state.onHighWatermark(this.#highWatermark ?? this.durableEndOffset);
    const first = state.firstUnstableOffset();
    return first === undefined ? undefined : Math.max(first, this.#log.logStartOffset);
  }

  /** What replication knows. Without a call the high watermark is taken to be the durable end. */
  updateHighWatermark(highWatermark: number): void {
    this.#highWatermark = highWatermark;
    this.#log.producers?.onHighWatermark(highWatermark);
  }

  /** Aborted transactions that overlap [from, upTo), by first offset. Throws StorageError. */
  abortedTransactions(from: number, upTo: number): { producerId: number; firstOffset: number }[] {
    const found: AbortedTransaction[] = [];
    for (let index = Math.max(0, this.#log.segments.floorIndex(from)); ; index++) {
      const segment = this.#log.segments.at(index);
      if (segment === undefined) break;
      if (this.#log.guard(() => collectAborted(this.#abortedIn(segment), { from, upTo }, found))) break;
    }
    found.sort((a, b) => a.firstOffset - b.firstOffset);
    return found.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
  }

  #abortedIn(segment: Segment): readonly AbortedTransaction[] {
    loadAborted(this.#environment, this.#log, segment);
    // That of the active segment is written when it is sealed.
    if (!segment.isActive) this.#durability.addFiles(segment.writeTransactionIndex());
    return segment.abortedTransactions();
  }

  /** This log is empty: what `original` knows of producers from before its start. Durable by the next flush. */
  inheritProducers(original: Log): void {
    this.#log.guard(() => {
      const state = this.#log.producerState();
      state.inherit(original.#log.producerState(), this.#log.logEndOffset);
      const snapshot = this.#log.snapshots.take(state);
      if (snapshot === undefined) return;
      this.#durability.addFiles([snapshot]);
      this.#durability.namesChanged();
    });
  }

  /** Forgets producers that were silent for producer.id.expiration.ms. */
  removeExpiredProducers(nowMs: number): void {
    const { producerIdExpirationMs } = this.#environment;
    this.#log.producers?.removeExpired(nowMs, producerIdExpirationMs);
    this.#log.verifications.removeExpired(nowMs, producerIdExpirationMs);
  }

  // --- Shrinking (log-shrinker.ts)

  /** Moves the log's start up to `offset`, which the caller has checked against the high watermark. */
  deleteRecordsBefore(offset: number): void {
    this.#shrinker.deleteRecordsBefore(offset);
  }

  /** The directory's checkpoint holds this recovery point durably. */
  recoveryPointIsDurable(offset: number): void {
    this.#durability.recoveryPointIsDurable(offset);
  }

  /** The directory's checkpoint holds this start durably. */
  logStartIsDurable(offset: number): void {
    this.#shrinker.logStartIsDurable(offset);
  }

  /**
   * Lets go what retention allows. The log's start moves at once; files go when the start is durable, and so are the
   * segment that is to be the first and the recovery point that says so: LogDirectories sees to that and calls again.
   * The number of segments removed now.
   */
  deleteOldSegments(nowMs: number, highWatermark: number): number {
    return this.#shrinker.deleteOldSegments(nowMs, highWatermark);
  }

  /**
   * Cuts the log so that it ends at `offset`, or at the base of the batch that holds it. False: it ended there or
   * before. Throws StorageError.
   */
  truncateTo(offset: number): boolean {
    const isCut = this.#shrinker.truncateTo(offset);
    if (isCut) this.onCut();
    return isCut;
  }

  /** Empties the log; the next record gets `offset`. Throws StorageError. */
  truncateFullyAndStartAt(offset: number): void {
    this.#shrinker.truncateFullyAndStartAt(offset);
    this.onCut();
  }

  // --- The folder

  /** The folder was renamed, by the directory. */
  folderMoved(folder: string): void {
    this.#log.folder = folder;
    for (const segment of this.#log.segments.list) segment.moveTo(folder);
    this.#log.snapshots.moveTo(folder);
  }

  /**
   * Goes on in another directory with the files of `copy`, which holds the same batches, durably, and is of no use
   * afterwards. The caller renames the folders.
   */
  takeOver(copy: Log): void {
    assert(copy.#log.logEndOffset === this.#log.logEndOffset, 'the copy is complete');
    for (const segment of this.#log.segments.list) segment.release();
    this.cleaning.forget();
    this.#log.takeOver(copy.#log);
    copy.#log.isClosed = true;
    copy.#reader.clear();
    this.#durability.takeOver(copy.#durability);
  }

  /** The topic is gone: rounds that are under way end quietly. */
  markRemoved(): void {
    this.#durability.stop(`${this.#log.folder}: the log was deleted`);
    this.release();
  }

  /** Base offsets of the segments: for the record of a clean shutdown. */
  segmentBaseOffsets(): number[] {
    return this.#log.segments.list.map((segment) => segment.baseOffset);
  }

  get activeSegmentSizeBytes(): number {
    return this.#log.segments.active.sizeBytes;
  }
}

function below(found: TimestampOffset | undefined, upTo: number): TimestampOffset | undefined {
  return found !== undefined && found.offset < upTo ? found : undefined;
}

function isDiskCode(error: unknown, code: string | undefined): boolean {
  if (!(error instanceof Error) || error.name !== 'DiskError') return false;
  return code === undefined || (error as { code?: string }).code === code;
}

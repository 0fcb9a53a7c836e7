/**
 * Making a log shorter: at its start by DeleteRecords and retention, at its end by truncation. Files go only when what
 * makes them superfluous is durable, in an order in which no crash leaves a gap.
 */
import { loadAborted } from './aborted-transactions.ts';
import type { LogCleaning } from './cleaner/log-cleaning.ts';
import type { Durability } from './durability.ts';
import type { LogEnvironment } from './environment.ts';
import type { LogContents } from './log-contents.ts';
import { freshSegment } from './log-folder.ts';
import type { LogReader } from './log-reader.ts';
import type { LogWriter } from './log-writer.ts';
import { expiredSegments } from './retention.ts';
import type { Segment } from './segment.ts';

export class LogShrinker {
  readonly #environment: LogEnvironment;
  readonly #log: LogContents;
  readonly #durability: Durability;
  readonly #reader: LogReader;
  readonly #writer: LogWriter;
  readonly #cleaning: LogCleaning;

  constructor(
    environment: LogEnvironment,
    log: LogContents,
    parts: {
      readonly durability: Durability;
      readonly reader: LogReader;
      readonly writer: LogWriter;
      readonly cleaning: LogCleaning;
    },
  ) {
    this.#environment = environment;
    this.#log = log;
    this.#durability = parts.durability;
    this.#reader = parts.reader;
    this.#writer = parts.writer;
    this.#cleaning = parts.cleaning;
  }

  /** Moves the log's start up to `offset`, which the caller has checked against the high watermark. */
  deleteRecordsBefore(offset: number): void {
    this.#log.mustBeUsable();
    this.#raiseLogStart(offset);
  }

  #raiseLogStart(offset: number): void {
    if (offset <= this.#log.logStartOffset) return;
    this.#log.logStartOffset = offset;
    this.#log.epochs.truncateFromStart(offset);
  }

  /** The directory's checkpoint holds this start durably. */
  logStartIsDurable(offset: number): void {
    if (offset > this.#log.durableStartOffset) this.#log.durableStartOffset = offset;
    if (this.#log.durableStartOffset >= this.#log.logStartOffset) this.#log.epochs.forget();
  }

  /**
   * Lets go what retention allows. The log's start moves at once; files go when the start is durable, and so are the
   * segment that is to be the first and the recovery point that says so: LogDirectories sees to that and calls again.
   * The number of segments removed now.
   */
  deleteOldSegments(nowMs: number, highWatermark: number): number {
    this.#log.mustBeUsable();
    return this.#log.guard(() => {
      this.#raiseStartByRetention(nowMs, highWatermark);
      return this.#removeBelowStart();
    });
  }

  #raiseStartByRetention(nowMs: number, highWatermark: number): void {
    const segments = this.#log.segments;
    const { count, reason } = expiredSegments(
      {
        segments: segments.list,
        logStartOffset: this.#log.logStartOffset,
        logEndOffset: this.#log.logEndOffset,
        highWatermark,
        nowMs,
      },
      this.#log.settings,
    );
    if (count === 0) return;
    // There is always a segment: if all are to go, an empty one comes first.
    if (count === segments.count) this.#writer.rollAt(this.#log.logEndOffset, nowMs);
    const startOffset = segments.at(count)!.baseOffset;
    if (startOffset <= this.#log.logStartOffset) return;
    this.#environment.logger.info({ log: this.#log.folder, startOffset, reason }, 'segments have expired');
    this.#raiseLogStart(startOffset);
  }

  #removeBelowStart(): number {
    // Up to the recovery point the segments that stay are durable, names, producers and all; and the next life must know.
    const startOffset = Math.min(
      this.#log.durableStartOffset,
      this.#log.logStartOffset,
      this.#durability.durableRecoveryPoint,
    );
    let count = 0;
    while (
      count + 1 < this.#log.segments.count &&
      this.#log.segments.at(count + 1)!.baseOffset <= startOffset
    )
      count += 1;
    // A cleaned segment gets its name first; the next call takes it.
    if (count === 0 || this.#cleaning.isSwapping) return 0;
    // The seal of what is removed would find no file.
    if (this.#log.segments.list.slice(0, count).some((segment) => segment.isUnsynced)) return 0;
    this.#removeFiles(this.#log.segments.removeFirst(count));
    const first = this.#log.segments.first.baseOffset;
    this.#log.snapshots.removeIf((offset) => offset < first);
    return count;
  }

  /**
   * Marks the files and removes them after file.delete.delay.ms: readers that have begun may finish. Freeing a segment
   * takes the system milliseconds, and logs that are written to evenly let theirs go at the same time.
   */
  #removeFiles(segments: readonly Segment[]): void {
    for (const segment of segments) segment.markDeleted();
    this.#durability.namesChanged();
    this.#environment.timers.after(this.#log.settings.fileDeleteDelayMs, () => {
      if (this.#log.home.failure !== undefined || this.#log.isClosed) return;
      for (const segment of segments) this.#log.home.removeInTurn(() => segment.removeFilesAsync());
    });
  }

  /**
   * Cuts the log so that it ends at `offset`, or at the base of the batch that holds it. False: it ended there or
   * before. Throws StorageError.
   */
  truncateTo(offset: number): boolean {
    this.#log.mustBeUsable();
    if (offset >= this.#log.logEndOffset) {
      this.#log.epochs.truncateFromEnd(this.#log.logEndOffset);
      return false;
    }
    if (offset < this.#log.segments.first.baseOffset) {
      this.truncateFullyAndStartAt(offset);
      return true;
    }
    this.#log.guard(() => {
      this.#cleaning.settle();
      const index = this.#log.segments.floorIndex(offset);
      loadAborted(this.#environment, this.#log, this.#log.segments.list[index]);
      const end = this.#log.segments.list[index].batchStart(offset);
      this.#durability.cutting(end, this.#log);
      const removed = this.#log.segments.removeFrom(index + 1);
      this.#removeFiles([...removed].reverse());
      this.#log.segments.active.truncateTo(end);
      this.#cutAt(end, removed);
    });
    return true;
  }

  /** Empties the log; the next record gets `offset`. Throws StorageError. */
  truncateFullyAndStartAt(offset: number): void {
    this.#log.mustBeUsable();
    this.#log.guard(() => {
      this.#cleaning.settle();
      this.#durability.cutting(0, this.#log);
      const removed = this.#log.segments.removeFrom(0);
      this.#removeFiles([...removed].reverse());
      const at = { baseOffset: offset, nowMs: this.#environment.clock.nowMs(), settings: this.#log.settings };
      const active = freshSegment(this.#environment, this.#log.folder, at);
      active.file();
      this.#log.segments.add(active);
      this.#log.epochs.clear();
      // With the new name, the file of the epochs becomes that of an empty log.
      this.#durability.rolled();
      this.#log.logStartOffset = offset;
      this.#log.durableStartOffset = Math.min(this.#log.durableStartOffset, offset);
      this.#log.snapshots.removeIf(() => true);
      this.#cutAt(offset, removed);
    });
  }

  #cutAt(endOffset: number, removed: readonly Segment[]): void {
    this.#log.logEndOffset = endOffset;
    if (this.#log.cleanedTo !== undefined) this.#log.cleanedTo = Math.min(this.#log.cleanedTo, endOffset);
    this.#log.logStartOffset = Math.min(this.#log.logStartOffset, endOffset);
    this.#reader.cut(endOffset);
    this.#log.epochs.truncateFromEnd(endOffset);
    this.#log.snapshots.removeIf((offset) => offset > endOffset);
    this.#log.producers = undefined;
    this.#durability.cut(endOffset, this.#log.segments.active, removed);
  }
}

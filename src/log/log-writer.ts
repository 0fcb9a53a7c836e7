/**
 * Appending to a log and rolling it. An append is one synchronous step that either happens as a whole or not at all:
 * validation, the producer's checks, a roll if the active segment is full, the write, and only then the state in memory.
 * Durability is asked for and comes later.
 */
import { endedTransaction } from '../protocol/control-records.ts';
import { Errors } from '../protocol/errors.ts';
import * as header from '../protocol/record-batch.ts';
import {
  duplicate,
  NO_RECORD_ERRORS,
  refusal,
  type AppendOptions,
  type AppendResult,
} from './append-result.ts';
import { loadAborted } from './aborted-transactions.ts';
import type { Durability } from './durability.ts';
import type { LogEnvironment } from './environment.ts';
import type { LogContents } from './log-contents.ts';
import { freshSegment } from './log-folder.ts';
import type { LogReader } from './log-reader.ts';
import { applyBatch } from './producer-snapshots.ts';
import type { Refusal } from './producer-state.ts';
import type { RecordError } from './record-walker.ts';
import type { Segment } from './segment.ts';
import { isPassing, messageOf } from './storage-error.ts';
import { validateBatch } from './validate.ts';

/** What is known of a batch that is to be written. */
interface Place {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly maxTimestamp: number;
  readonly nowMs: number;
}

function placeOf(batches: Buffer, at: number, nowMs: number): Place {
  return {
    baseOffset: header.baseOffset(batches, at),
    lastOffset: header.lastOffset(batches, at),
    maxTimestamp: header.maxTimestamp(batches, at),
    nowMs,
  };
}

export class LogWriter {
  readonly #environment: LogEnvironment;
  readonly #log: LogContents;
  readonly #durability: Durability;
  readonly #reader: LogReader;

  constructor(
    environment: LogEnvironment,
    log: LogContents,
    parts: { readonly durability: Durability; readonly reader: LogReader },
  ) {
    this.#environment = environment;
    this.#log = log;
    this.#durability = parts.durability;
    this.#reader = parts.reader;
  }

  /**
   * Appends one batch from a producer or coordinator: validates it, assigns its offsets, writes it. `records` is
   * patched in place, and not kept. Every failure is an error code in the result; after one the log is as it was.
   */
  appendAsLeader(records: Buffer, options: AppendOptions): AppendResult {
    const failure = this.#log.unusable();
    if (failure !== undefined) return this.#refused(Errors.KAFKA_STORAGE_ERROR, failure);
    if (options.leaderEpoch < this.#log.latestEpoch) {
      // Epochs never fall along a log: recovery would take such a batch for damage.
      const message = `Leader epoch ${options.leaderEpoch} is behind epoch ${this.#log.latestEpoch} of the log`;
      return this.#refused(Errors.NOT_LEADER_OR_FOLLOWER, message);
    }
    const context = {
      settings: this.#log.settings,
      origin: options.origin,
      nextOffset: this.#log.logEndOffset,
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
      const baseOffset = this.#log.logEndOffset;
      const lastOffset = baseOffset + header.lastOffsetDelta(batch);
      this.#write(batch, { baseOffset, lastOffset, maxTimestamp: valid.maxTimestamp, nowMs: options.nowMs });
      return {
        errorCode: Errors.NONE,
        recordErrors: NO_RECORD_ERRORS,
        baseOffset,
        lastOffset,
        logAppendTimeMs: valid.logAppendTimeMs,
        logStartOffset: this.#log.logStartOffset,
        duplicate: false,
      };
    } catch (error) {
      if (options.origin === 'client') this.#turnAway(batch);
      return this.#writeFailed(error);
    }
  }

  #turnAway(batch: Buffer): void {
    const producerId = header.producerId(batch);
    if (producerId < 0) return;
    const epoch = header.producerEpoch(batch);
    this.#log.producers?.turnAway({ producerId, epoch, firstSequence: header.baseSequence(batch) });
  }

  /**
   * Appends batches as the leader has them: offsets and epochs stay. They must follow each other, and the log's end may
   * be before the first (a compacted leader). Nothing is appended unless all are whole.
   */
  appendAsFollower(records: Buffer, nowMs: number): AppendResult {
    const failure = this.#log.unusable();
    if (failure !== undefined) return this.#refused(Errors.KAFKA_STORAGE_ERROR, failure);
    let next = this.#log.logEndOffset;
    let epoch = this.#log.latestEpoch;
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
      for (let at = 0; at < end;) {
        const first = records.subarray(at, at + header.batchSizeBytes(records, at));
        const segment = this.#prepare(first, placeOf(first, 0, nowMs));
        const to = this.#runEnd(segment, records.subarray(0, end), { from: at, nowMs });
        segment.append(records.subarray(at, to));
        for (; at < to; at += header.batchSizeBytes(records, at)) {
          const batch = records.subarray(at, at + header.batchSizeBytes(records, at));
          this.#wrote(batch, segment, placeOf(batch, 0, nowMs));
        }
      }
    } catch (error) {
      return this.#writeFailed(error);
    }
    return {
      errorCode: Errors.NONE,
      recordErrors: NO_RECORD_ERRORS,
      baseOffset,
      lastOffset: this.#log.logEndOffset - 1,
      logAppendTimeMs: -1,
      logStartOffset: this.#log.logStartOffset,
      duplicate: false,
    };
  }

  /** Undefined: the batch may be written. Else the answer: refused, or a retry of what is there. */
  #checkBeforeWrite(batch: Buffer, options: AppendOptions): AppendResult | undefined {
    if (batch.length > this.#log.settings.segmentBytes) {
      const message = `The record batch has ${batch.length} bytes, a segment at most ${this.#log.settings.segmentBytes}`;
      return this.#refused(Errors.RECORD_LIST_TOO_LARGE, message);
    }
    const producerId = header.producerId(batch);
    if (producerId < 0) return undefined;
    const state = this.#log.producerState();
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
        if (original !== undefined) return duplicate(original, this.#log.logStartOffset);
      }
      const isTransactional = header.isTransactional(batch);
      const { verification } = options;
      if (isTransactional && verification !== undefined) {
        const { verifications } = this.#log;
        refusal = verifications.check(state, { producerId, epoch, firstSequence }, verification);
      }
      refusal ??= state.check(
        { producerId, epoch, firstSequence, isTransactional },
        options.origin,
        isTransactional && transactionVersion >= 2,
      );
    }
    return refusal === undefined ? undefined : this.#refused(refusal.errorCode, refusal.errorMessage);
  }

  #refused(errorCode: number, errorMessage: string, recordErrors?: readonly RecordError[]): AppendResult {
    return refusal({ errorCode, errorMessage, logStartOffset: this.#log.logStartOffset }, recordErrors);
  }

  /** A full disk may have room again; anything else is the end of the directory. */
  #writeFailed(error: unknown): AppendResult {
    if (!isPassing(error)) {
      this.#log.home.fail(error);
      return this.#refused(Errors.KAFKA_STORAGE_ERROR, `The log directory failed: ${messageOf(error)}`);
    }
    this.#environment.logger.warn(
      { log: this.#log.folder, error },
      'an append was refused by the disk and taken back',
    );
    return this.#refused(Errors.KAFKA_STORAGE_ERROR, `The disk refused the append: ${messageOf(error)}`);
  }

  /**
   * The end of the batches from `from` on that one write can take. Markers go alone, and so does the first batch of a
   * segment; before the first one with a producer, what the log knows of producers has to be loaded.
   */
  #runEnd(
    segment: Segment,
    records: Buffer,
    { from, nowMs }: { readonly from: number; readonly nowMs: number },
  ): number {
    let end = from + header.batchSizeBytes(records, from);
    if (segment.sizeBytes === 0 || header.isControl(records, from)) return end;
    for (let batches = 1; end < records.length; batches++) {
      if (header.isControl(records, end)) break;
      if (this.#log.producers === undefined && header.producerId(records, end) >= 0) break;
      const roll = {
        sizeBytes: header.batchSizeBytes(records, end),
        lastOffset: header.lastOffset(records, end),
        maxTimestamp: header.maxTimestamp(records, end),
      };
      const before = { sizeBytes: end - from, batches };
      if (segment.mustRoll(roll, this.#log.settings, nowMs, before)) break;
      end += roll.sizeBytes;
    }
    return end;
  }

  /** Throws what the disk throws, before anything but the file has changed; the file then ends where it did. */
  #write(batch: Buffer, place: Place): void {
    const segment = this.#prepare(batch, place);
    segment.append(batch);
    this.#wrote(batch, segment, place);
  }

  /** What the batch is to be written to. If it has a producer, what the log knows of producers is loaded. */
  #prepare(batch: Buffer, place: Place): Segment {
    const { baseOffset, lastOffset, nowMs } = place;
    if (header.producerId(batch) >= 0) this.#log.producerState();
    let segment = this.#log.segments.active;
    const rollBatch = { sizeBytes: batch.length, lastOffset, maxTimestamp: place.maxTimestamp };
    if (segment.mustRoll(rollBatch, this.#log.settings, nowMs)) segment = this.rollAt(baseOffset, nowMs);
    // A marker may go into the index, which is no reason to fail once the marker is in the log.
    if (header.isControl(batch)) loadAborted(this.#environment, this.#log, segment);
    return segment;
  }

  /** The batch is in the file. */
  #wrote(batch: Buffer, segment: Segment, { baseOffset, lastOffset }: Place): void {
    const state = this.#log.producers;
    const epoch = header.partitionLeaderEpoch(batch);
    if (epoch >= 0 && epoch !== this.#log.epochs.latestEpoch) this.#log.epochs.assign(epoch, baseOffset);
    this.#log.logEndOffset = lastOffset + 1;
    this.#reader.appended(baseOffset, batch.length);
    if (state !== undefined) {
      const completed = applyBatch(state, batch, 0);
      if (completed?.isAbort) segment.appendAborted(completed);
      state.endOffset = lastOffset + 1;
      if (header.isTransactional(batch)) this.#transactionGoesOn(batch);
    }
    this.#durability.appended(segment, lastOffset - baseOffset + 1);
  }

  #transactionGoesOn(batch: Buffer): void {
    const producerId = header.producerId(batch);
    if (header.isControl(batch)) this.#log.verifications.ended(producerId, header.producerEpoch(batch));
    else this.#log.verifications.wrote(producerId);
  }

  /** Begins a new segment at the log's end; nothing happens while the active one is empty. Throws StorageError. */
  roll(): void {
    this.#log.mustBeUsable();
    this.#log.guard(() => {
      if (this.#log.segments.active.sizeBytes > 0)
        this.rollAt(this.#log.logEndOffset, this.#environment.clock.nowMs());
    });
  }

  /**
   * The new file first: if the disk has no room for it nothing has changed. The old segment is sealed by the next
   * round, until when it stays pinned.
   */
  rollAt(baseOffset: number, nowMs: number): Segment {
    const old = this.#log.segments.active;
    if (old.sizeBytes === 0 && old.baseOffset === baseOffset) return old;
    const segment = freshSegment(this.#environment, this.#log.folder, {
      baseOffset,
      nowMs,
      settings: this.#log.settings,
    });
    try {
      // After a clean shutdown the recovery point is beyond indexes that are not durable.
      if (this.#durability.recoveryPoint === baseOffset) this.#durability.cutting(old.baseOffset, this.#log);
      segment.file();
      this.#durability.addFiles(old.writeIndexes());
      const state = this.#log.producerState();
      state.endOffset = baseOffset;
      const snapshot = this.#log.snapshots.take(state);
      if (snapshot !== undefined) this.#durability.addFiles([snapshot]);
    } catch (error) {
      if (isPassing(error)) segment.removeFiles();
      throw error;
    }
    old.deactivate();
    this.#log.segments.add(segment);
    if (old.sizeBytes === 0) {
      // Only when offsets jump (a follower of a compacted log): the empty segment is of no use.
      const index = this.#log.segments.floorIndex(old.baseOffset);
      this.#log.segments.removeAt(index);
      old.removeFiles();
    }
    this.#durability.rolled();
    return segment;
  }
}

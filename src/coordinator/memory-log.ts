/**
 * A coordinator's log in memory, with the watermark and failures in the hands of whoever holds it: for tests, and for
 * simulations in which the disk is not the question.
 */
import { batchSizeBytes, lastOffset, recordCount, setBaseOffset } from '../protocol/record-batch.ts';
import { forEachRecord } from '../protocol/records.ts';
import type { CoordinatorAppend, CoordinatorAppendOptions, CoordinatorLog } from './log.ts';
import { decodeRecord, type CoordinatorRecord, type RecordFormats } from './record.ts';

const LIMITS = { maxDecompressedBytes: 16 * 1024 * 1024 };

interface Waiter {
  readonly offset: number;
  readonly callback: () => void;
}

export class MemoryLog implements CoordinatorLog {
  batches: Buffer[] = [];
  /** False: what is appended stays above the high watermark until `commit`. */
  isCommittedAtOnce = true;
  /** Not 0: appends fail with this error. */
  appendError = 0;
  /** What each append was told beside its batch. */
  readonly appendOptions: CoordinatorAppendOptions[] = [];
  maxBytes = 1_048_588;
  /** Records below it have been deleted, though their batch may still be there. */
  startOffset = 0;
  /** Bytes handed out by one `read`, at least one batch. */
  readBytesMax = 64 * 1024;
  /** Set: reads wait for it. */
  readGate: Promise<void> | undefined = undefined;
  #highWatermark = 0;
  #endOffset = 0;
  #waiters: Waiter[] = [];

  append(batch: Buffer, options: CoordinatorAppendOptions = {}): CoordinatorAppend {
    this.appendOptions.push(options);
    if (this.appendError !== 0) return { errorCode: this.appendError, baseOffset: -1, lastOffset: -1 };
    if (batch.length > this.maxBytes) return { errorCode: 10, baseOffset: -1, lastOffset: -1 };
    const baseOffset = this.#endOffset;
    setBaseOffset(batch, 0, baseOffset);
    this.batches.push(batch);
    this.#endOffset = lastOffset(batch) + 1;
    if (this.isCommittedAtOnce) this.commit();
    return { errorCode: 0, baseOffset, lastOffset: this.#endOffset - 1 };
  }

  /** Moves the high watermark, by default to the end. */
  commit(offset = this.#endOffset): void {
    this.#highWatermark = Math.max(this.#highWatermark, offset);
    const reached = this.#waiters.filter((waiter) => waiter.offset <= this.#highWatermark);
    this.#waiters = this.#waiters.filter((waiter) => waiter.offset > this.#highWatermark);
    for (const { callback } of reached) callback();
  }

  highWatermark(): number {
    return this.#highWatermark;
  }
  logStartOffset(): number {
    return this.startOffset;
  }
  logEndOffset(): number {
    return this.#endOffset;
  }
  maxBatchBytes(): number {
    return this.maxBytes;
  }

  whenCommitted(offset: number, callback: () => void): () => void {
    if (offset <= this.#highWatermark) {
      callback();
      return () => undefined;
    }
    const waiter = { offset, callback };
    this.#waiters.push(waiter);
    return () => {
      this.#waiters = this.#waiters.filter((each) => each !== waiter);
    };
  }

  async read(fromOffset: number): Promise<readonly Buffer[]> {
    await this.readGate;
    const buffers: Buffer[] = [];
    let sizeBytes = 0;
    for (const batch of this.batches) {
      if (lastOffset(batch) < fromOffset) continue;
      if (buffers.length > 0 && sizeBytes + batchSizeBytes(batch) > this.readBytesMax) break;
      buffers.push(batch);
      sizeBytes += batch.length;
    }
    return buffers;
  }

  /** Another replica of what is in the log, all of it committed: what the next leader starts from. */
  copy(): MemoryLog {
    const log = new MemoryLog();
    log.batches = [...this.batches];
    log.#endOffset = this.#endOffset;
    log.commit();
    return log;
  }

  /** How many records each batch has. */
  batchCounts(): number[] {
    return this.batches.map((batch) => recordCount(batch));
  }

  /** All records, for people to read; what the formats do not know is left out. */
  records(formats: RecordFormats, from = 0): CoordinatorRecord[] {
    const records: CoordinatorRecord[] = [];
    for (const batch of this.batches) {
      forEachRecord(
        batch,
        ({ offset, key, value }) => {
          const decoded = offset < from || key === null ? undefined : decodeRecord(formats, key, value);
          if (decoded !== undefined && !('skipped' in decoded)) records.push(decoded);
        },
        LIMITS,
      );
    }
    return records;
  }
}

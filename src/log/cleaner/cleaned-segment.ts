/**
 * The segment that a cleaning writes: a .log file and its indexes under names that end in `.cleaned`, from which they are
 * renamed when all is durable. The indexes are those that appending the batches would have made.
 */
import type { Disk, DiskFile } from '../../base/ports.ts';
import * as header from '../../protocol/record-batch.ts';
import { overwriteFile } from '../checkpoint-file.ts';
import * as names from '../file-names.ts';
import { OffsetIndex } from '../offset-index.ts';
import { TimeIndex } from '../time-index.ts';
import { encodeAborted, type AbortedTransaction } from '../transaction-index.ts';

export interface CleanedSegmentOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly baseOffset: number;
  readonly indexIntervalBytes: number;
  readonly bufferBytes: number;
}

export class CleanedSegment {
  sizeBytes = 0;
  readonly #options: CleanedSegmentOptions;
  readonly #file: DiskFile;
  readonly #offsets: OffsetIndex;
  readonly #times: TimeIndex;
  readonly #aborted: AbortedTransaction[] = [];
  #maxTimestamp = -1;
  #maxTimestampOffset: number;
  #buffer: Buffer;
  #buffered = 0;

  constructor(options: CleanedSegmentOptions) {
    this.#options = options;
    const { baseOffset } = options;
    // Of a thread that died.
    removeCleaned(options.disk, options.folder, baseOffset);
    this.#file = options.disk.open(this.#path(names.LOG_SUFFIX), 'create');
    this.#offsets = new OffsetIndex(baseOffset);
    this.#times = new TimeIndex(baseOffset);
    this.#maxTimestampOffset = baseOffset;
    this.#buffer = Buffer.allocUnsafeSlow(options.bufferBytes);
  }

  #path(suffix: string): string {
    const name = names.segmentFileName(this.#options.baseOffset, suffix);
    return `${this.#options.folder}/${name}${names.CLEANED_SUFFIX}`;
  }

  get hasTransactionIndex(): boolean {
    return this.#aborted.length > 0;
  }

  /** Takes a copy. What it has written by then, in bytes; most batches only go into the buffer. */
  append(batch: Buffer): number {
    let written = 0;
    if (this.#buffered + batch.length > this.#buffer.length) written = this.#flush();
    if (batch.length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(batch.length);
    this.#index(batch, this.sizeBytes);
    this.#buffered += batch.copy(this.#buffer, this.#buffered);
    this.sizeBytes += batch.length;
    return written;
  }

  #index(batch: Buffer, position: number): void {
    const lastOffset = header.lastOffset(batch);
    const maxTimestamp = header.maxTimestamp(batch);
    if (maxTimestamp > this.#maxTimestamp && header.recordCount(batch) > 0) {
      this.#maxTimestamp = maxTimestamp;
      this.#maxTimestampOffset = lastOffset;
    }
    if (position - this.#offsets.lastPosition() <= this.#options.indexIntervalBytes) return;
    this.#offsets.append(lastOffset, position);
    this.#times.maybeAppend(this.#maxTimestamp, this.#maxTimestampOffset);
  }

  appendAborted(transaction: AbortedTransaction): void {
    this.#aborted.push(transaction);
  }

  #flush(): number {
    const sizeBytes = this.#buffered;
    if (sizeBytes === 0) return 0;
    this.#file.write(this.sizeBytes - sizeBytes, [this.#buffer.subarray(0, sizeBytes)]);
    this.#buffered = 0;
    return sizeBytes;
  }

  /**
   * Everything but the names is durable when it resolves. `modifiedMs`: when the last of its sources was written, which
   * is all that retention has to go by where records have no timestamps.
   */
  async finish(modifiedMs: number | undefined): Promise<void> {
    this.#flush();
    if (modifiedMs !== undefined) this.#file.setModified(modifiedMs);
    this.#times.maybeAppend(this.#maxTimestamp, this.#maxTimestampOffset);
    const files = [this.#file];
    try {
      files.push(this.#write(names.OFFSET_INDEX_SUFFIX, this.#offsets.content()));
      files.push(this.#write(names.TIME_INDEX_SUFFIX, this.#times.content()));
      if (this.#aborted.length > 0) {
        const content = Buffer.concat(this.#aborted.map(encodeAborted));
        files.push(this.#write(names.TRANSACTION_INDEX_SUFFIX, content));
      }
      for (const file of files) await file.sync();
    } finally {
      for (const file of files) file.close();
    }
  }

  #write(suffix: string, content: Buffer): DiskFile {
    return overwriteFile(this.#options.disk, this.#path(suffix), content);
  }

  /** Gives up: the files go. */
  abandon(): void {
    this.#file.close();
    removeCleaned(this.#options.disk, this.#options.folder, this.#options.baseOffset);
  }
}

/** Files of a segment that did not take its place. */
export function removeCleaned(disk: Disk, folder: string, baseOffset: number): void {
  for (const suffix of names.SEGMENT_SUFFIXES) {
    disk.remove(`${folder}/${names.segmentFileName(baseOffset, suffix)}${names.CLEANED_SUFFIX}`);
  }
}

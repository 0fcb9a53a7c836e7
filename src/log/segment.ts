/**
 * One segment of a log: a .log file (scan.ts), its sparse offset and time indexes (segment-indexes.ts) and the index of
 * aborted transactions. Only the last, active segment is written.
 */
import { DiskError } from '../base/ports.ts';
import type { DiskFile } from '../base/ports.ts';
import * as header from '../protocol/record-batch.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import type { UnsyncedIndexes } from './index-files.ts';
import { OFFSET_ENTRY_BYTES } from './offset-index.ts';
import type { OpenFile } from './open-files.ts';
import { scanBatches } from './scan.ts';
import { SegmentIndexes } from './segment-indexes.ts';
import { TIME_ENTRY_BYTES } from './time-index.ts';
import type { AbortedTransaction } from './transaction-index.ts';
import { TransactionIndexFile } from './transaction-index-file.ts';

/** Offsets in a segment are stored as int32 differences from its base offset. */
export const RELATIVE_OFFSET_MAX = 2 ** 31 - 1;
/** Positions are int32. */
export const SEGMENT_BYTES_MAX = 2 ** 31 - 1;
const UNKNOWN = -2;
const NOTHING_BEFORE = { sizeBytes: 0, batches: 0 };

export interface SegmentOptions {
  readonly folder: string;
  readonly baseOffset: number;
  /** When known; else it is asked of the disk when it is wanted. */
  readonly sizeBytes?: number;
  readonly createdMs: number;
  readonly rollJitterMs: number;
  readonly indexIntervalBytes: number;
  /** A fresh segment: there is nothing to load. */
  readonly isNew: boolean;
  /** Index files of either kind are there. */
  readonly hasIndexes: boolean;
  readonly hasTransactionIndex: boolean;
  /** The index files are as a clean shutdown left them. */
  readonly unsyncedIndexes?: UnsyncedIndexes;
  /** What the names of the files end in. */
  readonly mark?: string;
}

export class Segment implements OpenFile {
  readonly baseOffset: number;
  readonly indexes: SegmentIndexes;
  createdMs: number;
  readonly rollJitterMs: number;
  indexIntervalBytes: number;
  /** OpenFile */
  wasUsed = false;
  /** Bytes whose sync is still to come. */
  isUnsynced = false;
  /** The active segment keeps its indexes in memory; they are not only a copy of the files. */
  isActive = false;
  readonly #environment: LogEnvironment;
  #folder: string;
  #mark = '';
  #sizeBytes: number;
  #file: DiskFile | undefined;
  readonly #aborted: TransactionIndexFile;
  #firstTimestamp: number;

  constructor(environment: LogEnvironment, options: SegmentOptions) {
    this.#environment = environment;
    this.baseOffset = options.baseOffset;
    this.createdMs = options.createdMs;
    this.rollJitterMs = options.rollJitterMs;
    this.indexIntervalBytes = options.indexIntervalBytes;
    this.#folder = options.folder;
    this.#mark = options.mark ?? '';
    this.#sizeBytes = options.isNew ? 0 : (options.sizeBytes ?? -1);
    this.#firstTimestamp = UNKNOWN;
    this.indexes = new SegmentIndexes(environment, this, {
      isEmpty: this.#sizeBytes === 0,
      isNew: options.isNew,
      hasFiles: options.hasIndexes,
      unsynced: options.unsyncedIndexes,
    });
    this.#aborted = new TransactionIndexFile(environment.disk, this, options.hasTransactionIndex);
  }

  get sizeBytes(): number {
    if (this.#sizeBytes < 0)
      this.#sizeBytes = this.#environment.disk.stat(this.path(names.LOG_SUFFIX))?.sizeBytes ?? 0;
    return this.#sizeBytes;
  }

  /** How far the file can be read: all batches before are whole. */
  get writtenBytes(): number {
    return this.sizeBytes;
  }

  get isPinned(): boolean {
    return this.isUnsynced;
  }

  path(suffix: string): string {
    return `${this.#folder}/${names.segmentFileName(this.baseOffset, suffix)}${this.#mark}`;
  }

  /** The .log file, opened if it is not. */
  file(): DiskFile {
    this.wasUsed = true;
    if (this.#file !== undefined) return this.#file;
    const mode = this.isActive ? 'create' : 'read';
    this.#file = this.#environment.disk.open(this.path(names.LOG_SUFFIX), mode);
    this.#environment.openFiles.add(this);
    return this.#file;
  }

  /** OpenFile: the limit on descriptors closes it. */
  closeFile(): void {
    const file = this.#file;
    this.#file = undefined;
    file?.close();
  }

  /** Lets go of descriptor and memory. The segment can still be used. */
  release(): void {
    this.#forgetFile();
    this.indexes.release();
  }

  /** The limit on descriptors does not count it any more. */
  #forgetFile(): void {
    this.#environment.openFiles.delete(this);
    this.closeFile();
  }

  // --- Appending

  /** Writes batches, whose fields are final, behind the last one. Throws DiskError; the file then ends where it did. */
  append(batches: Buffer): void {
    const position = this.sizeBytes;
    this.indexes.open();
    const file = this.file();
    try {
      file.write(position, [batches]);
    } catch (error) {
      if (error instanceof DiskError) this.#undoWrite(file, position, error);
      throw error;
    }
    this.#sizeBytes = position + batches.length;
    for (let at = 0; at < batches.length; at += header.batchSizeBytes(batches, at)) {
      this.indexBatch(batches, at, position + at);
    }
  }

  #undoWrite(file: DiskFile, position: number, error: DiskError): void {
    try {
      file.truncate(position);
    } catch (cause) {
      // Neither written nor taken back: nobody may trust this file, so it must not look like a full disk.
      throw new DiskError('EIO', error.path, { cause });
    }
  }

  /** Adds a batch that is in the file to the indexes, as appending and as a scan do. */
  indexBatch(buffer: Buffer, at: number, position: number): void {
    if (position === 0) this.#firstTimestamp = header.maxTimestamp(buffer, at);
    this.indexes.add(buffer, at, position);
  }

  /** Like the other indexes, this one reaches its file when the segment is sealed. */
  appendAborted(entry: AbortedTransaction): void {
    this.#aborted.append(entry);
  }

  setAborted(entries: AbortedTransaction[]): void {
    this.#aborted.set(entries);
  }

  /**
   * Whether a batch must go into a new segment. `sizeBytes`, last offset and largest timestamp are the batch's; `before`
   * says what is to be written to this one before it.
   */
  mustRoll(
    batch: { readonly sizeBytes: number; readonly lastOffset: number; readonly maxTimestamp: number },
    limits: { readonly segmentBytes: number; readonly segmentMs: number; readonly segmentIndexBytes: number },
    nowMs: number,
    before: { readonly sizeBytes: number; readonly batches: number } = NOTHING_BEFORE,
  ): boolean {
    const size = this.sizeBytes + before.sizeBytes;
    if (size > Math.min(limits.segmentBytes, SEGMENT_BYTES_MAX) - batch.sizeBytes) return size > 0;
    if (batch.lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX) return true;
    if (size === 0) return false;
    const { segmentIndexBytes } = limits;
    // Each batch before it adds an entry at most.
    const offsets = this.indexes.offsets().count + before.batches;
    if (offsets >= Math.floor(segmentIndexBytes / OFFSET_ENTRY_BYTES)) return true;
    const times = this.indexes.times().count + before.batches;
    if (times >= Math.floor(segmentIndexBytes / TIME_ENTRY_BYTES) - 1) return true;
    return this.#waitedMs(batch.maxTimestamp, nowMs) > limits.segmentMs - this.rollJitterMs;
  }

  /** By the clock of the records where they have one, as Kafka does: replaying old data rolls as the original did. */
  #waitedMs(maxTimestamp: number, nowMs: number): number {
    const first = this.firstTimestamp();
    return first >= 0 ? maxTimestamp - first : nowMs - this.createdMs;
  }

  /** The largest timestamp of the first batch; -1 when there is none. */
  firstTimestamp(): number {
    if (this.#firstTimestamp !== UNKNOWN) return this.#firstTimestamp;
    const bytes = Buffer.alloc(header.BATCH_HEADER_BYTES);
    const isThere = this.file().read(0, bytes) === bytes.length;
    this.#firstTimestamp = isThere ? header.maxTimestamp(bytes) : -1;
    return this.#firstTimestamp;
  }

  // --- Indexes

  /** For retention: the largest timestamp, or when the file was last written if the records have none. */
  largestTimestamp(): number {
    const maxTimestamp = this.indexes.maxTimestamp();
    if (maxTimestamp >= 0) return maxTimestamp;
    return this.#environment.disk.stat(this.path(names.LOG_SUFFIX))?.modifiedMs ?? this.createdMs;
  }

  /** Empties the indexes; `indexBatch` for each batch and `indexes.endScan` follow. */
  beginScan(): void {
    this.#firstTimestamp = UNKNOWN;
    this.indexes.beginScan();
  }

  /** Brings the index files up to date and returns those to be synced and closed. */
  writeIndexes(): DiskFile[] {
    const written = this.indexes.write();
    try {
      written.push(...this.writeTransactionIndex());
    } catch (error) {
      for (const file of written) file.close();
      throw error;
    }
    this.indexes.written();
    return written;
  }

  /** As above for the index of aborted transactions alone. */
  writeTransactionIndex(): DiskFile[] {
    return this.#aborted.write();
  }

  /** The segment is closed from now on: another one has taken its place as the active one. */
  deactivate(): void {
    this.isActive = false;
    this.indexes.close();
  }

  abortedTransactions(): readonly AbortedTransaction[] {
    return this.#aborted.entries();
  }

  // --- Looking up

  /** The batch that holds `offset`, or the first one after it: where it begins. Undefined: all batches end before. */
  positionOf(offset: number): number | undefined {
    let found: number | undefined;
    const from = this.indexes.searchStart(offset);
    scanBatches(this.file(), { from, to: this.sizeBytes }, (buffer, at, position) => {
      if (header.lastOffset(buffer, at) < offset) return true;
      found = position;
      return false;
    });
    return found;
  }

  /** `offset`, or the base offset of the batch that begins before it and holds it. */
  batchStart(offset: number): number {
    let start = offset;
    const from = this.indexes.searchStart(offset);
    scanBatches(this.file(), { from, to: this.sizeBytes }, (buffer, at) => {
      if (header.lastOffset(buffer, at) < offset) return true;
      start = Math.min(offset, header.baseOffset(buffer, at));
      return false;
    });
    return start;
  }

  /** The offset after the last batch; the base offset when there is none. */
  endOffset(): number {
    let end = this.baseOffset;
    const from = this.indexes.searchStart(Infinity);
    scanBatches(this.file(), { from, to: this.sizeBytes }, (buffer, at) => {
      end = header.lastOffset(buffer, at) + 1;
      return true;
    });
    return end;
  }

  // --- Shrinking

  /** Forgets the batches from the one that holds `offset` on. The segment is, or becomes, the active one. */
  truncateTo(offset: number): void {
    this.activate();
    const position = this.positionOf(offset);
    if (position === undefined) return;
    this.truncateAt(position, offset);
  }

  /** Cuts the file at `position`, where the batch with `offset` began. */
  truncateAt(position: number, offset: number): void {
    this.activate();
    this.file().truncate(position);
    this.#sizeBytes = position;
    this.indexes.truncateTo(offset);
    const aborted = this.abortedTransactions();
    const kept = aborted.filter((entry) => entry.lastOffset < offset);
    if (kept.length < aborted.length) this.setAborted(kept);
    if (position === 0) {
      this.createdMs = this.#environment.clock.nowMs();
      this.#firstTimestamp = UNKNOWN;
    }
  }

  /** It takes appends from now on. */
  activate(): void {
    if (this.isActive) return;
    this.indexes.open();
    this.indexes.forget();
    this.isActive = true;
    // It was opened for reading.
    this.#forgetFile();
  }

  /** Gives the files their `.deleted` names. Files that are not there are passed over. */
  markDeleted(): void {
    this.indexes.forget();
    this.isActive = false;
    this.renameTo(names.DELETED_SUFFIX);
  }

  /** Gives the files names that end in `mark`, which may be empty. */
  renameTo(mark: string): void {
    this.#environment.openFiles.delete(this);
    this.closeFile();
    const { disk } = this.#environment;
    const from = names.SEGMENT_SUFFIXES.map((suffix) => this.path(suffix));
    this.#mark = mark;
    for (const [index, suffix] of names.SEGMENT_SUFFIXES.entries()) {
      if (disk.stat(from[index]) !== undefined) disk.rename(from[index], this.path(suffix));
    }
  }

  /** Removes the files under whatever name they have. */
  removeFiles(): void {
    this.#forgetFile();
    this.indexes.forget();
    for (const suffix of names.SEGMENT_SUFFIXES) this.#environment.disk.remove(this.path(suffix));
  }

  /** As above, without blocking. */
  async removeFilesAsync(): Promise<void> {
    this.#forgetFile();
    this.indexes.forget();
    for (const suffix of names.SEGMENT_SUFFIXES) await this.#environment.disk.removeAsync(this.path(suffix));
  }

  /** The folder was renamed. */
  moveTo(folder: string): void {
    this.#folder = folder;
  }
}

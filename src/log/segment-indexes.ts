/**
 * The offset and the time index of a segment, in memory and in their files. An active segment's live in memory and reach
 * their files when it is sealed (rolled or shut down); a closed segment's are loaded when they are wanted. What is missing,
 * implausible, or turns out not to be true, is made anew by a scan: everything here is in the .log file as well.
 */
import type { DiskFile } from '../base/ports.ts';
import { crc32c } from '../protocol/crc32c.ts';
import * as header from '../protocol/record-batch.ts';
import { overwriteFile } from './checkpoint-file.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { readIndexes, type UnsyncedIndexes } from './index-files.ts';
import { isNamed, OffsetIndex, type OffsetEntry } from './offset-index.ts';
import type { LoadedIndex } from './open-files.ts';
import { scanBatches } from './scan.ts';
import { TimeIndex } from './time-index.ts';

const UNKNOWN = -2;

export interface IndexedSegment {
  readonly baseOffset: number;
  readonly indexIntervalBytes: number;
  /** Of the .log file. */
  readonly sizeBytes: number;
  /** The memory is not only a copy of the files. */
  readonly isActive: boolean;
  path(suffix: string): string;
  /** The .log file. */
  file(): DiskFile;
}

export interface SegmentIndexesOptions {
  /** There is nothing to load. */
  readonly isEmpty: boolean;
  readonly isNew: boolean;
  /** Index files of either kind are there. */
  readonly hasFiles: boolean;
  /** The files are as a clean shutdown left them; undefined: what there is of them is durable. */
  readonly unsynced: UnsyncedIndexes | undefined;
}

export class SegmentIndexes implements LoadedIndex {
  readonly #environment: LogEnvironment;
  readonly #segment: IndexedSegment;
  #offsets: OffsetIndex | undefined;
  #times: TimeIndex | undefined;
  /** They are what files held, not what was appended here. */
  #areLoaded = false;
  /** Of all batches so far, and the last offset of the batch that has it; UNKNOWN until it is read from the index. */
  #maxTimestamp: number;
  #maxTimestampOffset: number;
  /** The files lack something that the memory has. */
  #isDirty: boolean;
  #unsynced: UnsyncedIndexes | undefined;
  #hasFiles: boolean;

  constructor(environment: LogEnvironment, segment: IndexedSegment, options: SegmentIndexesOptions) {
    this.#environment = environment;
    this.#segment = segment;
    this.#maxTimestamp = options.isEmpty ? -1 : UNKNOWN;
    this.#maxTimestampOffset = segment.baseOffset;
    this.#isDirty = options.isNew;
    this.#unsynced = options.unsynced;
    this.#hasFiles = options.hasFiles;
    if (options.isEmpty) this.#reset();
  }

  get indexBytes(): number {
    return (this.#offsets?.memoryBytes ?? 0) + (this.#times?.memoryBytes ?? 0);
  }

  offsets(): OffsetIndex {
    if (this.#offsets === undefined) this.#load();
    return this.#offsets!;
  }

  times(): TimeIndex {
    if (this.#times === undefined) this.#load();
    return this.#times!;
  }

  /** The largest timestamp in the segment; -1 when it has none. */
  maxTimestamp(): number {
    if (this.#maxTimestamp === UNKNOWN) {
      const times = this.times();
      this.#maxTimestamp = times.lastTimestamp();
      this.#maxTimestampOffset = times.lastOffset();
    }
    return this.#maxTimestamp;
  }

  /** The last offset of the first batch that has the largest timestamp. */
  maxTimestampOffset(): number {
    this.maxTimestamp();
    return this.#maxTimestampOffset;
  }

  /** A position at or before which the batch with `offset` begins. */
  searchStart(offset: number): number {
    const entry = this.offsets().entryFor(offset);
    if (entry === undefined || this.#isTrue(entry)) return entry?.position ?? 0;
    this.#warn(`no batch that ends with ${entry.offset} begins at ${entry.position}`);
    this.rebuild();
    return this.offsets().entryFor(offset)?.position ?? 0;
  }

  /**
   * Whether a batch begins where the entry says that it does. Sizes and order may be right in a file that a disk has spoilt, and
   * what is read from there would be no records, or those after the ones that were asked for.
   */
  #isTrue(entry: OffsetEntry): boolean {
    if (!this.#areLoaded) return true;
    const bytes = Buffer.alloc(header.BATCH_HEADER_BYTES);
    return this.#segment.file().read(entry.position, bytes) === bytes.length && isNamed(bytes, 0, entry);
  }

  #warn(problem: string): void {
    const segment = this.#segment.path(names.LOG_SUFFIX);
    this.#environment.logger.warn({ segment, problem }, 'an index is made anew by a scan');
  }

  // --- Filling

  /** Everything is in memory from now on, for batches to be added. */
  open(): void {
    this.offsets();
    this.times();
    this.maxTimestamp();
  }

  /** A batch follows the last one, at `position` in the file. The indexes are open, or a scan has begun. */
  add(buffer: Buffer, at: number, position: number): void {
    this.#isDirty = true;
    const offsets = this.#offsets!;
    this.#countTimestamp(buffer, at);
    if (position - offsets.lastPosition() <= this.#segment.indexIntervalBytes) return;
    offsets.append(header.lastOffset(buffer, at), position);
    this.#times!.maybeAppend(this.#maxTimestamp, this.#maxTimestampOffset);
  }

  #countTimestamp(buffer: Buffer, at: number): void {
    const maxTimestamp = header.maxTimestamp(buffer, at);
    // Of a batch that cleaning has emptied no record has that time.
    if (maxTimestamp <= this.#maxTimestamp || header.recordCount(buffer, at) === 0) return;
    this.#maxTimestamp = maxTimestamp;
    this.#maxTimestampOffset = header.lastOffset(buffer, at);
  }

  #load(): void {
    const segment = this.#segment;
    if (this.#unsynced !== undefined && this.#unsynced.index === undefined) {
      this.rebuild();
      return;
    }
    const { offsets, times, problem } = readIndexes(this.#environment.disk, {
      offsetPath: segment.path(names.OFFSET_INDEX_SUFFIX),
      timePath: segment.path(names.TIME_INDEX_SUFFIX),
      baseOffset: segment.baseOffset,
      sizeBytes: segment.sizeBytes,
      unsynced: this.#unsynced,
    });
    if (problem !== undefined) {
      this.#warn(problem);
      this.rebuild();
      return;
    }
    this.#offsets = offsets;
    this.#times = times;
    this.#areLoaded = true;
    if (!segment.isActive) this.#environment.loadedIndexes.touch(this);
  }

  rebuild(): void {
    this.beginScan();
    const range = { from: 0, to: this.#segment.sizeBytes };
    scanBatches(this.#segment.file(), range, (buffer, at, position) => {
      this.add(buffer, at, position);
      return true;
    });
    this.endScan();
  }

  /** Empties the indexes; `add` for each batch and `endScan` follow. */
  beginScan(): void {
    this.#reset();
    this.#maxTimestamp = -1;
    this.#maxTimestampOffset = this.#segment.baseOffset;
    this.#isDirty = true;
  }

  /** A closed segment's time index ends with the largest timestamp. */
  endScan(): void {
    if (!this.#segment.isActive) this.#endTimes(this.#times!);
  }

  #endTimes(times: TimeIndex): void {
    times.maybeAppend(this.maxTimestamp(), this.#maxTimestampOffset);
  }

  /** Forgets what is at `offset` and behind it. The .log file ends there already. */
  truncateTo(offset: number): void {
    this.#isDirty = true;
    this.offsets().truncateTo(offset);
    this.times().truncateTo(offset);
    this.#findMaxTimestamp();
  }

  #findMaxTimestamp(): void {
    const times = this.times();
    this.#maxTimestamp = times.lastTimestamp();
    this.#maxTimestampOffset = times.lastOffset();
    const from = this.searchStart(this.#maxTimestampOffset);
    scanBatches(this.#segment.file(), { from, to: this.#segment.sizeBytes }, (buffer, at) => {
      this.#countTimestamp(buffer, at);
      return true;
    });
  }

  #reset(): void {
    this.#areLoaded = false;
    this.#offsets = new OffsetIndex(this.#segment.baseOffset);
    this.#times = new TimeIndex(this.#segment.baseOffset);
  }

  // --- Files and memory

  /** The segment is closed from now on: the limit on memory counts its indexes. */
  close(): void {
    this.#environment.loadedIndexes.touch(this);
  }

  /** The limit on memory does not count them any more. */
  forget(): void {
    this.#environment.loadedIndexes.delete(this);
  }

  /** Lets go of the memory, if the files hold the same. */
  release(): void {
    this.forget();
    if (!this.#isDirty) this.dropIndexes();
  }

  /** LoadedIndex: the limit on memory takes them. */
  dropIndexes(): void {
    if (this.#segment.isActive || this.#isDirty) return;
    this.#offsets = undefined;
    this.#times = undefined;
  }

  /** Brings the files up to date and returns those to be synced and closed. */
  write(): DiskFile[] {
    if (!this.#isDirty && this.#unsynced === undefined) return [];
    const { disk } = this.#environment;
    const segment = this.#segment;
    const times = this.times();
    this.#endTimes(times);
    const written = [overwriteFile(disk, segment.path(names.OFFSET_INDEX_SUFFIX), this.offsets().content())];
    try {
      written.push(overwriteFile(disk, segment.path(names.TIME_INDEX_SUFFIX), times.content()));
    } catch (error) {
      for (const file of written) file.close();
      throw error;
    }
    return written;
  }

  /** What `write` gave is durable, or will be before anybody counts on it. */
  written(): void {
    this.#hasFiles = true;
    this.#isDirty = false;
    this.#unsynced = undefined;
  }

  /** For a clean shutdown: brings the files up to date without a sync. A segment that is too small for an entry gets none. */
  save(): UnsyncedIndexes {
    if (!this.#isDirty && this.#unsynced !== undefined) return this.#unsynced;
    const offsets = this.offsets();
    if (offsets.count === 0 && !this.#hasFiles) return {};
    const times = this.times();
    this.#endTimes(times);
    const { disk } = this.#environment;
    const segment = this.#segment;
    const contents = { index: offsets.content(), timeindex: times.content() };
    overwriteFile(disk, segment.path(names.OFFSET_INDEX_SUFFIX), contents.index).close();
    overwriteFile(disk, segment.path(names.TIME_INDEX_SUFFIX), contents.timeindex).close();
    return { index: crc32c(contents.index), timeindex: crc32c(contents.timeindex) };
  }
}

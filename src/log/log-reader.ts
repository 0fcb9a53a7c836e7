/**
 * Reading a log. What was appended lately is in the system's page cache and read at once; for the rest nobody waits on
 * the main thread.
 */
import type { LogEnvironment } from './environment.ts';
import type { RecentRange } from './recent-appends.ts';
import { batchRange } from './region-read.ts';
import { nothingAt, SegmentRead, type LogRead, type ReadOptions } from './segment-read.ts';
import type { Segment } from './segment.ts';
import type { Segments } from './segments.ts';
import { StorageError } from './storage-error.ts';

/** So many readers that go on where they stopped are remembered. */
const PLACES_MAX = 8;

/** Where a read ended. */
interface Place {
  readonly nextOffset: number;
  readonly segment: Segment;
  readonly position: number;
}

/** The log, as its reader sees it: asked anew at each step. */
export interface ReadableLog {
  readonly folder: string;
  readonly segments: Segments;
  readonly logStartOffset: number;
  /** Offsets without a batch are no damage. */
  readonly isCompacted: boolean;
}

export class LogReader {
  readonly #environment: LogEnvironment;
  readonly #log: ReadableLog;
  readonly #recent: RecentRange;
  readonly #places: Place[] = [];
  #oldestPlace = 0;
  /** Counts the cuts: what was read before one is not believed after it. */
  #cuts = 0;

  constructor(environment: LogEnvironment, log: ReadableLog) {
    this.#environment = environment;
    this.#log = log;
    this.#recent = environment.recentAppends.ofLog();
  }

  appended(baseOffset: number, sizeBytes: number): void {
    this.#recent.appended(baseOffset, sizeBytes);
  }

  /** The log ends at `endOffset` now. */
  cut(endOffset: number): void {
    this.#cuts += 1;
    this.#recent.cut(endOffset);
    this.#forgetPlaces();
  }

  clear(): void {
    this.#recent.clear();
    this.#forgetPlaces();
  }

  #forgetPlaces(): void {
    this.#places.length = 0;
    this.#oldestPlace = 0;
  }

  /** The offset is one that the log holds. */
  read(options: ReadOptions): LogRead | Promise<LogRead> {
    return this.#recent.has(options.offset) ? this.#readNow(options) : this.#readLater(options);
  }

  #readNow(options: ReadOptions): LogRead {
    const { segments } = this.#log;
    for (let index = Math.max(0, segments.floorIndex(options.offset)); ; index++) {
      const segment = segments.at(index);
      if (segment === undefined) return nothingAt(options.offset);
      const region = options.isForSending === true ? this.#region(segment, options) : undefined;
      if (region !== undefined) return region;
      const read = this.#begin(segment, options);
      for (let target = read.next(); target !== undefined; target = read.next()) {
        read.took(target, segment.file().read(read.position, target));
      }
      if (read.result !== undefined) return this.#end(read, read.result);
      this.#checkNoGap(segments.at(index + 1)?.baseOffset, options.offset);
    }
  }

  async #readLater(options: ReadOptions): Promise<LogRead> {
    const cuts = this.#cuts;
    const { segments } = this.#log;
    const { replacements } = segments;
    for (let index = Math.max(0, segments.floorIndex(options.offset)); ; index++) {
      const segment = segments.at(index);
      if (segment === undefined) return nothingAt(options.offset);
      const read = this.#begin(segment, options);
      for (let target = read.next(); target !== undefined; target = read.next()) {
        try {
          read.took(target, await segment.file().readAsync(read.position, target));
        } catch (error) {
          if (replacements === segments.replacements) throw error;
          // Its files are gone already.
          return this.#readLater(options);
        }
      }
      // Cut off while it was read: what was read is not the log's any more.
      if (cuts !== this.#cuts) return nothingAt(options.offset);
      if (read.result !== undefined) return this.#end(read, read.result);
      // Cleaned while it was read: the next segment may have become part of this one.
      if (replacements !== segments.replacements) return this.#readLater(options);
      this.#checkNoGap(segments.at(index + 1)?.baseOffset, options.offset);
    }
  }

  #begin(segment: Segment, options: ReadOptions): SegmentRead {
    const position = this.#positionOf(segment, options.offset);
    return new SegmentRead(segment, options, { pool: this.#environment.slabs, position });
  }

  #end({ segment, resultEnd }: SegmentRead, result: LogRead): LogRead {
    if (result.sizeBytes > 0) this.#remember({ nextOffset: result.nextOffset, segment, position: resultEnd });
    return result;
  }

  /** What the offset's batch and those behind it take in the file, if that is known and enough. */
  #region(segment: Segment, options: ReadOptions): LogRead | undefined {
    const { offset } = options;
    const { regionBytesMin } = this.#environment.disk;
    const position = this.#positionOf(segment, offset);
    if (position === undefined || segment.writtenBytes - position < regionBytesMin) return undefined;
    const range = batchRange(segment, position, { options, pool: this.#environment.slabs });
    if (range === undefined || range.sizeBytes < regionBytesMin) return undefined;
    const { sizeBytes, nextOffset } = range;
    this.#remember({ nextOffset, segment, position: position + sizeBytes });
    const region = segment.file().region(position, sizeBytes);
    return { buffers: [], region, sizeBytes, firstOffset: offset, nextOffset, slab: undefined };
  }

  /** Where the batch with the offset begins, if nothing has to be searched for it. */
  #positionOf(segment: Segment, offset: number): number | undefined {
    for (const place of this.#places)
      if (place.nextOffset === offset && place.segment === segment) return place.position;
    return offset === segment.baseOffset ? 0 : undefined;
  }

  /** Most readers go on where they stopped. */
  #remember(place: Place): void {
    if (this.#places.some(({ nextOffset }) => nextOffset === place.nextOffset)) return;
    this.#places[this.#oldestPlace] = place;
    this.#oldestPlace = (this.#oldestPlace + 1) % PLACES_MAX;
  }

  /** Nothing at `offset` in this segment: right only where a compaction or a deletion took it away. */
  #checkNoGap(nextBaseOffset: number | undefined, offset: number): void {
    const { folder, logStartOffset, isCompacted } = this.#log;
    if (nextBaseOffset === undefined || offset >= nextBaseOffset || isCompacted || offset < logStartOffset)
      return;
    const fields = { log: folder, offset, nextBaseOffset };
    this.#environment.logger.error(fields, 'a segment is missing: readers would silently skip records');
    throw new StorageError(
      `${folder}: nothing holds offset ${offset}, the next segment begins at ${nextBaseOffset}`,
    );
  }
}

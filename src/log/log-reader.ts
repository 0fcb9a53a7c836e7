/**
 * Reading a log: from memory what was appended lately, from the files the rest. Batches are kept in memory only while
 * somebody reads at the end of the log, because keeping them means copying them.
 */
import * as header from '../protocol/record-batch.ts';
import type { LogTail } from './batch-cache.ts';
import { nothingAt, readSegment, type LogRead, type ReadOptions } from './cold-read.ts';
import type { LogEnvironment } from './environment.ts';
import type { Segments } from './segments.ts';
import { StorageError } from './storage-error.ts';

/** After a reader was seen at the end of the log, so long is what is appended kept in memory. */
const TAIL_INTEREST_MS = 30_000;
/** At first nobody can know. */
const TAIL_INTEREST_FIRST_MS = 10_000;

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
  readonly #tail: LogTail;
  /** By the wall clock of the appends. */
  #wantedUntilMs: number;
  /** Counts the cuts: what was read before one is not believed after it. */
  #cuts = 0;

  constructor(environment: LogEnvironment, log: ReadableLog) {
    this.#environment = environment;
    this.#log = log;
    this.#tail = environment.cache.tail();
    this.#wantedUntilMs = environment.clock.nowMs() + TAIL_INTEREST_FIRST_MS;
  }

  appended(batch: Buffer, baseOffset: number, nowMs: number): void {
    if (nowMs < this.#wantedUntilMs) this.#tail.append(batch, baseOffset);
    else if (this.#tail.firstOffset !== undefined) this.#tail.clear();
  }

  /** The log ends at `endOffset` now. */
  cut(endOffset: number): void {
    this.#cuts += 1;
    this.#tail.truncateTo(endOffset);
    if ((this.#tail.firstOffset ?? endOffset) >= endOffset) this.#tail.clear();
  }

  clear(): void {
    this.#tail.clear();
  }

  /** Somebody reads where records are appended, or is about to: from now on they are kept in memory. */
  wantTail(): void {
    this.#wantedUntilMs = this.#environment.clock.nowMs() + TAIL_INTEREST_MS;
  }

  /** The offset is one that the log holds. */
  read(options: ReadOptions): LogRead | Promise<LogRead> {
    const firstKept = this.#tail.firstOffset;
    if (firstKept === undefined || options.offset < firstKept) return this.#readFiles(options);
    this.wantTail();
    return this.#readTail(options);
  }

  #readTail(options: ReadOptions): LogRead {
    const tail = this.#tail;
    const buffers: Buffer[] = [];
    let sizeBytes = 0;
    let firstOffset = options.offset;
    let nextOffset = options.offset;
    let place = tail.find(options.offset);
    let batch = tail.batchAt(place);
    // Behind a gap (compaction) the offset belongs to the next batch.
    if (batch !== undefined && header.lastOffset(batch) < options.offset) batch = tail.batchAt(++place);
    for (; batch !== undefined; batch = tail.batchAt(++place)) {
      const isFirst = buffers.length === 0;
      if (sizeBytes + batch.length > options.maxBytes && !(isFirst && options.minOneMessage)) break;
      const lastOffset = header.lastOffset(batch);
      if (lastOffset >= options.upTo) break;
      if (isFirst) firstOffset = tail.baseOffsetAt(place);
      buffers.push(batch);
      sizeBytes += batch.length;
      nextOffset = lastOffset + 1;
    }
    return { buffers, sizeBytes, firstOffset, nextOffset };
  }

  async #readFiles(options: ReadOptions): Promise<LogRead> {
    const cuts = this.#cuts;
    const { segments } = this.#log;
    for (let index = Math.max(0, segments.floorIndex(options.offset)); ; index++) {
      const segment = segments.at(index);
      if (segment === undefined) return nothingAt(options.offset);
      const read = await readSegment(segment, options);
      // Cut off while it was read: what was read is not the log's any more.
      if (cuts !== this.#cuts) return nothingAt(options.offset);
      if (read !== undefined) {
        if (read.nextOffset >= options.upTo) this.wantTail();
        return read;
      }
      this.#checkNoGap(segments.at(index + 1)?.baseOffset, options.offset);
    }
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

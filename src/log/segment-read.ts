/**
 * Reading batches from a segment's file: from the index to a position, one read of about the size wanted, and a walk
 * over the batches in it. Whole batches leave, as a view of what was read. Where the bytes come from, and whether one
 * waits for them, is the caller's matter: `next` says what to read, `took` what came.
 */
import type { FileRegion } from '../base/ports.ts';
import type { SlabPool } from '../base/slab-pool.ts';
import * as header from '../protocol/record-batch.ts';
import type { Segment } from './segment.ts';

export interface ReadOptions {
  readonly offset: number;
  readonly maxBytes: number;
  /** Exclusive end: high watermark, last stable offset or log end. A batch that reaches beyond it stays behind. */
  readonly upTo: number;
  /** Deliver the first batch even if it is larger than maxBytes. */
  readonly minOneMessage: boolean;
  /** Whoever reads only passes the batches on: they may stay where they are, as a region of the file. */
  readonly isForSending?: boolean;
}

export interface LogRead {
  /** Whole batches, the first of which holds the offset asked for (or is the first one after it). */
  readonly buffers: Buffer[];
  /** In the buffers' place; only if the read was for sending. Who is the last to need it releases it. */
  readonly region: FileRegion | undefined;
  readonly sizeBytes: number;
  /** The base offset of the first batch; without one, and with a region, the offset that was asked for. */
  readonly firstOffset: number;
  /** Where to go on: after the last batch, or the offset asked for if there is none. */
  readonly nextOffset: number;
  /** Holds the buffers. Who is the last to look at them may give it back to the pool of the logs' environment. */
  readonly slab: Buffer | undefined;
}

/** The smallest read: below it the cost of the call dominates. */
const READ_BYTES_MIN = 16 * 1024;
/** From here on it does not matter that a part of what is read comes before the offset. */
const READ_BYTES_LARGE = 64 * 1024;

export function nothingAt(offset: number): LogRead {
  return {
    buffers: [],
    region: undefined,
    sizeBytes: 0,
    firstOffset: offset,
    nextOffset: offset,
    slab: undefined,
  };
}

export class SegmentRead {
  readonly segment: Segment;
  readonly #options: ReadOptions;
  readonly #pool: SlabPool;
  /** The file ended here when the read began. */
  readonly #end: number;
  #position: number;
  #wanted: number;
  #slab: Buffer | undefined;
  #isOver = false;
  /** Undefined when it is over: all batches of the segment end before the offset, which may be in the next one. */
  result: LogRead | undefined;
  /** Where the batch after the last one of the result begins. */
  resultEnd = 0;

  /** `position`: where the batch with the offset begins, if that is known. */
  constructor(
    segment: Segment,
    options: ReadOptions,
    more: { readonly pool: SlabPool; readonly position: number | undefined },
  ) {
    this.segment = segment;
    this.#options = options;
    this.#pool = more.pool;
    this.#end = segment.writtenBytes;
    this.#position = more.position ?? segment.indexes.searchStart(options.offset);
    const { maxBytes } = options;
    const isExact = more.position !== undefined || maxBytes >= READ_BYTES_LARGE;
    this.#wanted = Math.max(READ_BYTES_MIN, isExact ? maxBytes : maxBytes + segment.indexIntervalBytes);
  }

  get position(): number {
    return this.#position;
  }

  /** What is to be filled from `position` on; undefined when the read is over. */
  next(): Buffer | undefined {
    const left = this.#end - this.#position;
    if (this.#isOver || left < header.BATCH_HEADER_BYTES) return undefined;
    const sizeBytes = Math.min(this.#wanted, left);
    this.#slab = this.#pool.take(sizeBytes);
    return this.#slab.subarray(0, sizeBytes);
  }

  /** The first `count` bytes of `target`, which `next` gave, were read. */
  took(target: Buffer, count: number): void {
    this.#take(target.subarray(0, count));
    if (this.result?.slab === undefined) this.#pool.give(this.#slab!);
    this.#slab = undefined;
  }

  #take(read: Buffer): void {
    const { offset, upTo, maxBytes, minOneMessage } = this.#options;
    const at = skipTo(read, offset);
    const left = read.length - at;
    if (left < header.BATCH_HEADER_BYTES) {
      // Only whole batches before the offset, or nothing where something should be.
      this.#position += at;
      this.#isOver = at === 0;
      return;
    }
    const sizeBytes = header.batchSizeBytes(read, at);
    if (sizeBytes < header.BATCH_HEADER_BYTES || sizeBytes > this.#end - this.#position - at) {
      this.#isOver = true;
    } else if (header.lastOffset(read, at) < offset) {
      this.#position += at + sizeBytes;
    } else if (header.lastOffset(read, at) >= upTo || (sizeBytes > maxBytes && !minOneMessage)) {
      this.#isOver = true;
      this.result = nothingAt(offset);
    } else if (sizeBytes <= left) {
      this.#isOver = true;
      this.result = this.#batchesFrom(read, at);
      this.resultEnd = this.#position + at + this.result.sizeBytes;
    } else {
      this.#position += at;
      this.#wanted = Math.max(sizeBytes, maxBytes);
    }
  }

  #batchesFrom(read: Buffer, from: number): LogRead {
    const { offset, upTo, maxBytes } = this.#options;
    let at = from;
    let nextOffset = offset;
    while (read.length - at >= header.BATCH_HEADER_BYTES) {
      const sizeBytes = header.batchSizeBytes(read, at);
      if (sizeBytes < header.BATCH_HEADER_BYTES || sizeBytes > read.length - at) break;
      if (at > from && at + sizeBytes - from > maxBytes) break;
      const lastOffset = header.lastOffset(read, at);
      if (lastOffset >= upTo) break;
      nextOffset = lastOffset + 1;
      at += sizeBytes;
    }
    return {
      buffers: [read.subarray(from, at)],
      region: undefined,
      sizeBytes: at - from,
      firstOffset: header.baseOffset(read, from),
      nextOffset,
      slab: this.#slab,
    };
  }
}

/** The position of the first batch that does not end before the offset, or of what is left of the buffer. */
function skipTo(buffer: Buffer, offset: number): number {
  let at = 0;
  while (buffer.length - at >= header.BATCH_HEADER_BYTES && header.lastOffset(buffer, at) < offset) {
    const sizeBytes = header.batchSizeBytes(buffer, at);
    if (sizeBytes < header.BATCH_HEADER_BYTES || sizeBytes > buffer.length - at) {
      return sizeBytes < header.BATCH_HEADER_BYTES ? buffer.length : at;
    }
    at += sizeBytes;
  }
  return at;
}

/**
 * Reading batches from a segment's file: from the index to a position, one read of about the size wanted, and a walk
 * over the batches in it. Whole batches leave, as a view of what was read.
 */
import * as header from '../protocol/record-batch.ts';
import type { Segment } from './segment.ts';

export interface ReadOptions {
  readonly offset: number;
  readonly maxBytes: number;
  /** Exclusive end: high watermark, last stable offset or log end. A batch that reaches beyond it stays behind. */
  readonly upTo: number;
  /** Deliver the first batch even if it is larger than maxBytes. */
  readonly minOneMessage: boolean;
}

export interface LogRead {
  /** Whole batches, the first of which holds the offset asked for (or is the first one after it). */
  readonly buffers: Buffer[];
  readonly sizeBytes: number;
  /** The base offset of the first batch; without one, the offset that was asked for. */
  readonly firstOffset: number;
  /** Where to go on: after the last batch, or the offset asked for if there is none. */
  readonly nextOffset: number;
}

/** The smallest read: below it the cost of the call dominates. */
const READ_BYTES_MIN = 16 * 1024;

export function nothingAt(offset: number): LogRead {
  return { buffers: [], sizeBytes: 0, firstOffset: offset, nextOffset: offset };
}

/** Undefined when all batches of the segment end before the offset: it may be in the next one. */
export async function readSegment(segment: Segment, options: ReadOptions): Promise<LogRead | undefined> {
  const end = segment.sizeBytes;
  let position = segment.offsetIndex().positionFor(options.offset);
  let wanted = Math.max(READ_BYTES_MIN, options.maxBytes + segment.indexIntervalBytes);
  while (end - position >= header.BATCH_HEADER_BYTES) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(wanted, end - position));
    const count = await segment.file().readAsync(position, buffer);
    const read = buffer.subarray(0, count);
    const at = skipTo(read, options.offset);
    if (count - at < header.BATCH_HEADER_BYTES) {
      // Only whole batches before the offset, or nothing where something should be.
      if (at === 0) return undefined;
      position += at;
      continue;
    }
    const sizeBytes = header.batchSizeBytes(read, at);
    if (sizeBytes < header.BATCH_HEADER_BYTES || sizeBytes > end - position - at) return undefined;
    if (header.lastOffset(read, at) < options.offset) {
      position += at + sizeBytes;
      continue;
    }
    if (header.lastOffset(read, at) >= options.upTo) return nothingAt(options.offset);
    if (sizeBytes > options.maxBytes && !options.minOneMessage) return nothingAt(options.offset);
    if (sizeBytes <= count - at) return take(read, at, options);
    position += at;
    wanted = Math.max(sizeBytes, options.maxBytes);
  }
  return undefined;
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

function take(buffer: Buffer, from: number, options: ReadOptions): LogRead {
  let at = from;
  let nextOffset = options.offset;
  while (buffer.length - at >= header.BATCH_HEADER_BYTES) {
    const sizeBytes = header.batchSizeBytes(buffer, at);
    if (sizeBytes < header.BATCH_HEADER_BYTES || sizeBytes > buffer.length - at) break;
    if (at > from && at + sizeBytes - from > options.maxBytes) break;
    const lastOffset = header.lastOffset(buffer, at);
    if (lastOffset >= options.upTo) break;
    nextOffset = lastOffset + 1;
    at += sizeBytes;
  }
  return {
    buffers: [buffer.subarray(from, at)],
    sizeBytes: at - from,
    firstOffset: header.baseOffset(buffer, from),
    nextOffset,
  };
}

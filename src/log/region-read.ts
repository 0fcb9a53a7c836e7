/**
 * Reading batches without looking at them: where whole batches begin and end in a segment's file, so that a connection can
 * send what lies between. The begin is known, since most readers go on where they stopped; the end comes from the offset
 * index, and from the headers of the few batches between an entry and the limit. The result holds the same batches as a
 * read of the bytes would.
 */
import type { SlabPool } from '../base/slab-pool.ts';
import * as header from '../protocol/record-batch.ts';
import type { ReadOptions } from './segment-read.ts';
import type { Segment } from './segment.ts';

/** Read at once for the sake of headers: more than lies between two entries of the index, if batches are small. */
const WINDOW_BYTES = 8 * 1024;
/** Where the index has few entries, somewhat less than the limit is sent rather than many headers read. */
const WINDOWS_MAX = 4;

export interface BatchRange {
  readonly sizeBytes: number;
  /** After the last batch. */
  readonly nextOffset: number;
}

/** The batches from `position` on, where the one that holds `offset` begins. Undefined: none, or not to be told so. */
export function batchRange(
  segment: Segment,
  position: number,
  more: { readonly options: ReadOptions; readonly pool: SlabPool },
): BatchRange | undefined {
  const slab = more.pool.take(WINDOW_BYTES);
  try {
    return walk(segment, position, { options: more.options, window: slab.subarray(0, WINDOW_BYTES) });
  } finally {
    more.pool.give(slab);
  }
}

function walk(
  segment: Segment,
  start: number,
  { options, window }: { readonly options: ReadOptions; readonly window: Buffer },
): BatchRange | undefined {
  const { offset, maxBytes, upTo, minOneMessage } = options;
  const written = segment.writtenBytes;
  const headersEnd = written - header.BATCH_HEADER_BYTES;
  const indexed = segment.indexes.offsets().lastBatchBegin({
    position: Math.min(start + maxBytes, headersEnd),
    offset: upTo - 1,
  });
  let at = Math.max(start, indexed);
  let nextOffset = offset;
  let windowBegin = at;
  let windowEnd = at;
  let windows = 0;
  while (at <= headersEnd) {
    if (at + header.BATCH_HEADER_BYTES > windowEnd) {
      if (windows === WINDOWS_MAX) break;
      windows += 1;
      windowBegin = at;
      windowEnd = at + segment.file().read(at, window.subarray(0, Math.min(window.length, written - at)));
      if (windowEnd < at + header.BATCH_HEADER_BYTES) return undefined;
    }
    const inWindow = at - windowBegin;
    const sizeBytes = header.batchSizeBytes(window, inWindow);
    // What is damaged is for those to tell who read it.
    if (sizeBytes < header.BATCH_HEADER_BYTES || sizeBytes > written - at) return undefined;
    const lastOffset = header.lastOffset(window, inWindow);
    if (at === start) {
      if (lastOffset < offset) return undefined;
      if (sizeBytes > maxBytes && !minOneMessage) break;
    } else {
      if (windows === 1 && windowBegin === at) nextOffset = header.baseOffset(window, inWindow);
      if (at + sizeBytes - start > maxBytes) break;
    }
    if (lastOffset >= upTo) break;
    nextOffset = lastOffset + 1;
    at += sizeBytes;
  }
  return at === start ? undefined : { sizeBytes: at - start, nextOffset };
}

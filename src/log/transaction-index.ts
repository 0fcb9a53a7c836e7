/**
 * The index of a segment's aborted transactions (`.txnindex`), from which a read_committed fetch learns what to skip.
 *
 *   34 bytes an entry: int16 version 0, int64 producer id, int64 first offset, int64 last offset (the marker's),
 *   int64 last stable offset when the marker was written
 *
 * Entries are in the order of the markers, whose segment's index they are in. The last stable offset says where a
 * search may end: a transaction whose marker comes later cannot have begun before it. The file exists only where there
 * are entries; it is valid if it is whole entries of version 0 whose last offsets rise and are not below the segment's
 * base offset.
 */
export const ABORTED_ENTRY_BYTES = 34;
const TWO_32 = 2 ** 32;

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

export function encodeAborted(entry: AbortedTransaction): Buffer {
  const bytes = Buffer.alloc(ABORTED_ENTRY_BYTES);
  writeInt64(bytes, 2, entry.producerId);
  writeInt64(bytes, 10, entry.firstOffset);
  writeInt64(bytes, 18, entry.lastOffset);
  writeInt64(bytes, 26, entry.lastStableOffset);
  return bytes;
}

/** Undefined when the bytes are no valid index. */
export function decodeAborted(bytes: Buffer, baseOffset: number): AbortedTransaction[] | undefined {
  if (bytes.length % ABORTED_ENTRY_BYTES !== 0) return undefined;
  const entries: AbortedTransaction[] = [];
  let previous = baseOffset - 1;
  for (let at = 0; at < bytes.length; at += ABORTED_ENTRY_BYTES) {
    if (bytes.readInt16BE(at) !== 0) return undefined;
    const entry = {
      producerId: readInt64(bytes, at + 2),
      firstOffset: readInt64(bytes, at + 10),
      lastOffset: readInt64(bytes, at + 18),
      lastStableOffset: readInt64(bytes, at + 26),
    };
    if (entry.lastOffset <= previous || entry.firstOffset > entry.lastOffset) return undefined;
    previous = entry.lastOffset;
    entries.push(entry);
  }
  return entries;
}

/**
 * Adds to `found` the transactions of one segment that overlap [from, upTo). True: later segments hold none.
 */
export function collectAborted(
  entries: readonly AbortedTransaction[],
  range: { readonly from: number; readonly upTo: number },
  found: AbortedTransaction[],
): boolean {
  for (let index = firstEndingAt(entries, range.from); index < entries.length; index++) {
    const entry = entries[index];
    if (entry.firstOffset < range.upTo) found.push(entry);
    if (entry.lastStableOffset >= range.upTo) return true;
  }
  return false;
}

/** The index of the first entry whose marker is at `offset` or later: a segment may have many that are over. */
function firstEndingAt(entries: readonly AbortedTransaction[], offset: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries[middle].lastOffset >= offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

function writeInt64(bytes: Buffer, at: number, value: number): void {
  bytes.writeInt32BE(Math.floor(value / TWO_32), at);
  bytes.writeUInt32BE(((value % TWO_32) + TWO_32) % TWO_32, at + 4);
}

function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * TWO_32 + bytes.readUInt32BE(at + 4);
}

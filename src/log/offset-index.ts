/**
 * The sparse offset index of a segment (`.index`): where in the file a batch begins.
 *
 *   8 bytes an entry: int32 offset relative to the segment's base offset, int32 position in the .log file
 *
 * An entry names the last offset of a batch and the position at which that batch begins. Offsets and positions rise
 * strictly. There is an entry for each batch that begins more than index.interval.bytes after the last indexed one. The
 * file is valid if it is whole entries long, they rise, and the last points into the .log file; else it is rebuilt by a
 * scan, and so it is when an entry turns out to name no batch (segment.ts). In memory the index is its file's bytes.
 */
import * as header from '../protocol/record-batch.ts';

export const OFFSET_ENTRY_BYTES = 8;
/** Entries of a freshly made index; it doubles when it is full. */
const ENTRIES_INITIAL = 16;

export interface OffsetEntry {
  /** The last one of the batch. */
  readonly offset: number;
  /** Where the batch begins. */
  readonly position: number;
}

/** Whether the batch whose header begins at `at` is the one that the entry names. */
export function isNamed(buffer: Buffer, at: number, entry: OffsetEntry): boolean {
  return header.magic(buffer, at) === header.MAGIC_CURRENT && header.lastOffset(buffer, at) === entry.offset;
}

export class OffsetIndex {
  readonly baseOffset: number;
  #bytes: Buffer;
  #count: number;

  /** `bytes`: whole entries, as they are in the file; the index owns them. */
  constructor(baseOffset: number, bytes: Buffer = Buffer.alloc(0)) {
    this.baseOffset = baseOffset;
    this.#bytes = bytes;
    this.#count = Math.floor(bytes.length / OFFSET_ENTRY_BYTES);
  }

  get count(): number {
    return this.#count;
  }

  get memoryBytes(): number {
    return this.#bytes.length;
  }

  offsetAt(entry: number): number {
    return this.baseOffset + this.#bytes.readInt32BE(entry * OFFSET_ENTRY_BYTES);
  }

  positionAt(entry: number): number {
    return this.#bytes.readInt32BE(entry * OFFSET_ENTRY_BYTES + 4);
  }

  /** Of the last entry; 0 without one. */
  lastPosition(): number {
    return this.#count === 0 ? 0 : this.positionAt(this.#count - 1);
  }

  append(offset: number, position: number): void {
    const at = this.#count * OFFSET_ENTRY_BYTES;
    if (at === this.#bytes.length) this.#grow();
    this.#bytes.writeInt32BE(offset - this.baseOffset, at);
    this.#bytes.writeInt32BE(position, at + 4);
    this.#count += 1;
  }

  /** The last entry not beyond `offset`: the batch with it does not begin before. Undefined: nothing is known. */
  entryFor(offset: number): OffsetEntry | undefined {
    return this.#entry(this.#lastNotAbove(offset));
  }

  /** The position of the last entry that is not beyond either of these; 0 without one. */
  lastBatchBegin(limit: { readonly position: number; readonly offset: number }): number {
    let low = 0;
    let high = this.#lastNotAbove(limit.offset);
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.positionAt(middle) <= limit.position) low = middle + 1;
      else high = middle - 1;
    }
    return high < 0 ? 0 : this.positionAt(high);
  }

  #entry(entry: number): OffsetEntry | undefined {
    return entry < 0 ? undefined : { offset: this.offsetAt(entry), position: this.positionAt(entry) };
  }

  /** Forgets entries for `offset` and above. */
  truncateTo(offset: number): void {
    this.#count = this.#lastNotAbove(offset - 1) + 1;
  }

  /** What belongs into the file; a view. */
  content(): Buffer {
    return this.#bytes.subarray(0, this.#count * OFFSET_ENTRY_BYTES);
  }

  /** Undefined, or why these entries cannot belong to a .log file of that size. */
  implausibility(logSizeBytes: number, fileBytes: number): string | undefined {
    if (fileBytes % OFFSET_ENTRY_BYTES !== 0) return `${fileBytes} bytes are not whole entries`;
    let lastOffset = -1;
    let lastPosition = -1;
    for (let entry = 0; entry < this.#count; entry++) {
      const offset = this.#bytes.readInt32BE(entry * OFFSET_ENTRY_BYTES);
      const position = this.positionAt(entry);
      if (offset <= lastOffset || position <= lastPosition) return `entry ${entry} does not rise`;
      lastOffset = offset;
      lastPosition = position;
    }
    if (lastPosition >= logSizeBytes && this.#count > 0) return 'it points beyond the end of the log file';
    return undefined;
  }

  #lastNotAbove(offset: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.offsetAt(middle) <= offset) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  #grow(): void {
    const bytes = Buffer.allocUnsafeSlow(
      Math.max(ENTRIES_INITIAL * OFFSET_ENTRY_BYTES, this.#bytes.length * 2),
    );
    this.#bytes.copy(bytes);
    this.#bytes = bytes;
  }
}

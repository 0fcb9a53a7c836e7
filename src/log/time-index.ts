/**
 * The sparse time index of a segment (`.timeindex`): from which batch on timestamps can be that high.
 *
 *   12 bytes an entry: int64 timestamp in ms, int32 offset relative to the segment's base offset
 *
 * An entry (t, o) says that the largest timestamp up to offset o is t: whatever has a larger one comes after o, o being
 * the last offset of the batch with that timestamp. Timestamps rise strictly, offsets never fall. An entry is tried
 * with each entry of the offset index, and once more when the segment is closed, so the last entry of a closed segment
 * holds its largest timestamp. Valid like the offset index. In memory the index is its file's bytes.
 */
export const TIME_ENTRY_BYTES = 12;
const ENTRIES_INITIAL = 8;
const TWO_32 = 2 ** 32;

export class TimeIndex {
  readonly baseOffset: number;
  #bytes: Buffer;
  #count: number;

  /** `bytes`: whole entries, as they are in the file; the index owns them. */
  constructor(baseOffset: number, bytes: Buffer = Buffer.alloc(0)) {
    this.baseOffset = baseOffset;
    this.#bytes = bytes;
    this.#count = Math.floor(bytes.length / TIME_ENTRY_BYTES);
  }

  get count(): number {
    return this.#count;
  }

  get memoryBytes(): number {
    return this.#bytes.length;
  }

  timestampAt(entry: number): number {
    const at = entry * TIME_ENTRY_BYTES;
    return this.#bytes.readInt32BE(at) * TWO_32 + this.#bytes.readUInt32BE(at + 4);
  }

  offsetAt(entry: number): number {
    return this.baseOffset + this.#bytes.readInt32BE(entry * TIME_ENTRY_BYTES + 8);
  }

  /** The largest timestamp that is indexed; -1 without an entry. */
  lastTimestamp(): number {
    return this.#count === 0 ? -1 : this.timestampAt(this.#count - 1);
  }

  lastOffset(): number {
    return this.#count === 0 ? this.baseOffset : this.offsetAt(this.#count - 1);
  }

  /** Does nothing unless the timestamp is larger than the last one. */
  maybeAppend(timestamp: number, offset: number): void {
    if (timestamp <= this.lastTimestamp()) return;
    const at = this.#count * TIME_ENTRY_BYTES;
    if (at === this.#bytes.length) this.#grow();
    this.#bytes.writeInt32BE(Math.floor(timestamp / TWO_32), at);
    this.#bytes.writeUInt32BE(timestamp % TWO_32, at + 4);
    this.#bytes.writeInt32BE(offset - this.baseOffset, at + 8);
    this.#count += 1;
  }

  /** Up to and including this offset all timestamps are smaller than `timestamp`, or the batch is its own first; the
   * base offset when nothing is known. */
  offsetFor(timestamp: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.timestampAt(middle) <= timestamp) low = middle + 1;
      else high = middle - 1;
    }
    return high < 0 ? this.baseOffset : this.offsetAt(high);
  }

  /** Forgets entries for `offset` and above. */
  truncateTo(offset: number): void {
    while (this.#count > 0 && this.offsetAt(this.#count - 1) >= offset) this.#count -= 1;
  }

  /** What belongs into the file; a view. */
  content(): Buffer {
    return this.#bytes.subarray(0, this.#count * TIME_ENTRY_BYTES);
  }

  /** Undefined, or why these entries cannot be true. */
  implausibility(fileBytes: number): string | undefined {
    if (fileBytes % TIME_ENTRY_BYTES !== 0) return `${fileBytes} bytes are not whole entries`;
    let lastTimestamp = -1;
    let lastOffset = this.baseOffset;
    for (let entry = 0; entry < this.#count; entry++) {
      const timestamp = this.timestampAt(entry);
      const offset = this.offsetAt(entry);
      if (timestamp <= lastTimestamp || offset < lastOffset) return `entry ${entry} does not rise`;
      lastTimestamp = timestamp;
      lastOffset = offset;
    }
    return undefined;
  }

  #grow(): void {
    const bytes = Buffer.allocUnsafeSlow(
      Math.max(ENTRIES_INITIAL * TIME_ENTRY_BYTES, this.#bytes.length * 2),
    );
    this.#bytes.copy(bytes);
    this.#bytes = bytes;
  }
}

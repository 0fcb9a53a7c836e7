/**
 * Goes through the opened records of a batch and says where each lies, without an object for any of them: the cleaner
 * looks at keys and copies records as they are. The format is at the head of protocol/records.ts.
 */
import { ProtocolError } from '../../protocol/wire.ts';

export class RecordCursor {
  /** Of the record with its size in front. */
  start = 0;
  end = 0;
  /** After the size and the attributes. */
  timestampAt = 0;
  /** After the timestamp delta: from here on a record is copied when its timestamp is written anew. */
  offsetDeltaAt = 0;
  timestampDelta = 0;
  offsetDelta = 0;
  hasKey = false;
  keyStart = 0;
  keyEnd = 0;
  hasValue = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** The records that `bytes` begins with. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#at = 0;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Moves to the next record. Throws ProtocolError where there is none. */
  next(): void {
    const limit = this.#bytes.length;
    this.start = this.#at;
    const size = this.#varint();
    const end = this.#at + size;
    if (!(size > 0) || !(end <= limit)) throw new ProtocolError(`record of ${size} bytes at ${this.start}`);
    this.end = end;
    this.timestampAt = this.#at + 1;
    this.#at += 1;
    this.timestampDelta = this.#varlong();
    this.offsetDeltaAt = this.#at;
    this.offsetDelta = this.#varint();
    const keySize = this.#varint();
    this.hasKey = keySize >= 0;
    this.keyStart = this.#at;
    this.keyEnd = keySize > 0 ? this.#at + keySize : this.#at;
    this.#at = this.keyEnd;
    this.hasValue = this.#varint() >= 0;
    if (!(this.#at <= end)) throw new ProtocolError(`record at ${this.start} is longer than its size`);
    this.#at = end;
  }

  /** NaN where the bytes end before the number does: no comparison with it holds. */
  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++];
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      byte = bytes[this.#at++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    return NaN;
  }

  /** Exact up to 2^53. */
  #varlong(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++];
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    let scale = 128;
    for (let length = 1; length < 10; length++) {
      byte = bytes[this.#at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    return NaN;
  }
}

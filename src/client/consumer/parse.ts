/**
 * The records of a batch, found in one pass: lengths and positions are read and checked, contents are not touched. This is what
 * a consumed message costs most of, so it reads its varints by itself. See protocol/records.ts for the format.
 */
import { ProtocolError } from '../../protocol/wire.ts';
import { ConsumerRecord, type BatchFacts } from './record.ts';

export interface RecordsToParse {
  /** Uncompressed. */
  readonly bytes: Buffer;
  readonly count: number;
  readonly baseOffset: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  /** In place of each record's own time; undefined: the records' own. */
  readonly appendTimestamp: number | undefined;
  /** Records before this offset are left out. */
  readonly fromOffset: number;
}

/** Size, attributes, two deltas, two null sizes, header count. */
const RECORD_BYTES_MIN = 7;

/** Throws ProtocolError where the records are not what the header says. */
export function parseRecords(batch: BatchFacts, from: RecordsToParse): ConsumerRecord[] {
  const { bytes, count, baseOffset, lastOffsetDelta, baseTimestamp, appendTimestamp, fromOffset } = from;
  if (count < 0 || count * RECORD_BYTES_MIN > bytes.length) {
    throw new ProtocolError(`${count} records in ${bytes.length} bytes`);
  }
  const records: ConsumerRecord[] = [];
  const at = new Position(bytes);
  for (let n = 0; n < count; n++) {
    const size = at.varint();
    const end = at.pos + size;
    if (size < RECORD_BYTES_MIN - 1 || end > bytes.length) {
      throw new ProtocolError(`record ${n} of ${size} bytes at ${at.pos}`);
    }
    at.pos += 1;
    const timestampDelta = at.varlong();
    const offsetDelta = at.varint();
    const keySize = at.varint();
    const keyAt = at.pos;
    if (keySize > 0) at.pos += keySize;
    const valueSize = at.varint();
    const valueAt = at.pos;
    if (valueSize > 0) at.pos += valueSize;
    // Every position so far is behind the one before it, so the last check covers all.
    if (at.pos >= end || offsetDelta < 0 || offsetDelta > lastOffsetDelta) {
      throw new ProtocolError(`record ${n} at ${end - size} does not keep to its size or its batch`);
    }
    at.pos = end;
    const offset = baseOffset + offsetDelta;
    if (offset < fromOffset) continue;
    const timestamp = appendTimestamp ?? baseTimestamp + timestampDelta;
    records.push(
      new ConsumerRecord(batch, bytes, offset, timestamp, keyAt, keySize, valueAt, valueSize, end),
    );
  }
  if (at.pos !== bytes.length) {
    throw new ProtocolError(`${bytes.length - at.pos} bytes after the ${count} records of a batch`);
  }
  return records;
}

/** Reads varints. Behind the end there are undefined bytes, which end a varint: positions are checked by the caller. */
class Position {
  readonly bytes: Buffer;
  pos = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  varint(): number {
    const first = this.bytes[this.pos++]!;
    if (first < 0x80) return (first >>> 1) ^ -(first & 1);
    return this.#longVarint(first);
  }

  #longVarint(first: number): number {
    let raw = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.bytes[this.pos++]!;
      raw |= (byte & 0x7f) << shift;
      if (!(byte >= 0x80)) return (raw >>> 1) ^ -(raw & 1);
    }
    throw new ProtocolError(`varint beyond 32 bits at ${this.pos}`);
  }

  varlong(): number {
    const { bytes } = this;
    const first = bytes[this.pos]!;
    if (first < 0x80) {
      this.pos += 1;
      return (first >>> 1) ^ -(first & 1);
    }
    let low = 0;
    let high = 0;
    for (let n = 0; n < 10; n++) {
      const byte = bytes[this.pos++]!;
      const bits = byte & 0x7f;
      if (n < 4) low += bits * 2 ** (7 * n);
      else high += bits * 2 ** (7 * (n - 4));
      if (!(byte >= 0x80)) {
        const odd = low % 2;
        const half = high * 2 ** 27 + (low - odd) / 2;
        return odd === 0 ? half : -half - 1;
      }
    }
    throw new ProtocolError(`varlong longer than 10 bytes at ${this.pos}`);
  }
}

/**
 * The records of a batch that stay, gathered from where they lie. They are copied as they are; only when the batch gets
 * another base timestamp are their timestamp deltas, and so their sizes, written anew. The memory is used again.
 */
import type { RecordCursor } from './record-cursor.ts';

const BYTES_INITIAL = 64 * 1024;
/** A varint of 32 bits and a varlong of 64. */
const SIZES_BYTES_MAX = 5 + 10;

export class RecordCopy {
  /** Of the records that were added. */
  count = 0;
  timestampDeltaMax = -Infinity;
  #source: Buffer = Buffer.alloc(0);
  /** For each record: start, position of the offset delta, end, timestamp delta. */
  #places: number[] = [];
  #records: Buffer = Buffer.allocUnsafeSlow(BYTES_INITIAL);
  #output: Buffer = Buffer.allocUnsafeSlow(BYTES_INITIAL);

  begin(source: Buffer): void {
    this.#source = source;
    this.count = 0;
    this.timestampDeltaMax = -Infinity;
    this.#places.length = 0;
  }

  add(cursor: RecordCursor): void {
    const { start, offsetDeltaAt, end, timestampDelta } = cursor;
    this.count += 1;
    if (timestampDelta > this.timestampDeltaMax) this.timestampDeltaMax = timestampDelta;
    this.#places.push(start, offsetDeltaAt, end, timestampDelta);
  }

  /** All of them, one after the other, `shift` added to their timestamp deltas. */
  records(shift: number): Buffer {
    const places = this.#places;
    this.#records = grown(this.#records, this.#source.length + this.count * SIZES_BYTES_MAX);
    let to = 0;
    for (let at = 0; at < places.length; at += 4) {
      if (shift === 0) {
        to += this.#source.copy(this.#records, to, places[at], places[at + 2]);
        continue;
      }
      const delta = places[at + 3] + shift;
      const restBytes = places[at + 2] - places[at + 1];
      to = putVarlong(this.#records, to, 1 + varlongBytes(delta) + restBytes);
      this.#records[to++] = 0;
      to = putVarlong(this.#records, to, delta);
      to += this.#source.copy(this.#records, to, places[at + 1], places[at + 2]);
    }
    return this.#records.subarray(0, to);
  }

  /** Memory for a batch of that size. */
  output(sizeBytes: number): Buffer {
    this.#output = grown(this.#output, sizeBytes);
    return this.#output.subarray(0, sizeBytes);
  }
}

function grown(buffer: Buffer, sizeBytes: number): Buffer {
  return buffer.length >= sizeBytes ? buffer : Buffer.allocUnsafeSlow(Math.max(sizeBytes, 2 * buffer.length));
}

/** Zigzag, as numbers are in records. */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function varlongBytes(value: number): number {
  let bytes = 1;
  for (let rest = zigzag(value); rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

function putVarlong(target: Buffer, at: number, value: number): number {
  let rest = zigzag(value);
  let to = at;
  for (; rest >= 128; rest = Math.floor(rest / 128)) target[to++] = (rest % 128) | 0x80;
  target[to++] = rest;
  return to;
}

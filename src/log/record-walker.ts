/**
 * Goes through the records of a batch without making an object for any of them: what the leader must know before it
 * appends (structure, largest timestamp, offsets, missing keys, timestamps out of bounds) is gathered in the walker's
 * fields. One walker serves all logs of a process, one batch at a time.
 */
import { Decompressor } from '../protocol/decompressor.ts';
import { Errors } from '../protocol/errors.ts';

/** Of the faults of single records, how many are told to the client. */
export const RECORD_ERRORS_MAX = 1000;
/** The smallest record: length, attributes, two deltas, two null lengths and no headers. */
const RECORD_BYTES_MIN = 7;

export interface RecordError {
  readonly batchIndex: number;
  readonly message: string | null;
}

export interface WalkRules {
  readonly recordCount: number;
  readonly baseTimestamp: number;
  readonly recordBytesMax: number;
  /** Compacted topics. */
  readonly keyRequired: boolean;
  /** Timestamps other than -1 must lie within; ±Infinity to allow all. */
  readonly timestampMin: number;
  readonly timestampMax: number;
  /** The batch's own claim that its timestamps are the broker's, where they will be. */
  readonly refuseEachTimestamp: boolean;
}

export class RecordWalker {
  /** For the records that are about to be walked, of one batch at a time as well. */
  readonly decompressor = new Decompressor();
  /** Of all records; -1 when none has one. */
  maxTimestamp = -1;
  /** The index of the first record that has it. */
  maxTimestampIndex = -1;
  /** Offset deltas are 0, 1, 2... */
  areOffsetsContiguous = true;
  recordErrors: RecordError[] = [];
  /** INVALID_TIMESTAMP if any record has one, else INVALID_RECORD; NONE without record errors. */
  errorCode: number = Errors.NONE;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** Undefined, or what is wrong with the structure of the records in buffer[from, to). */
  walk(buffer: Buffer, from: number, to: number, rules: WalkRules): string | undefined {
    this.#buffer = buffer;
    this.#at = from;
    this.#end = to;
    this.maxTimestamp = -1;
    this.maxTimestampIndex = -1;
    this.areOffsetsContiguous = true;
    this.errorCode = Errors.NONE;
    if (this.recordErrors.length > 0) this.recordErrors = [];
    const { recordCount } = rules;
    if (recordCount < 0 || recordCount > (to - from) / RECORD_BYTES_MIN) {
      return `${recordCount} records declared in ${to - from} bytes`;
    }
    for (let index = 0; index < recordCount; index++) {
      const problem = this.#record(index, rules);
      if (problem !== undefined) return problem;
    }
    if (this.#at !== to) return `${to - this.#at} bytes remain after the ${recordCount} declared records`;
    return undefined;
  }

  /**
   * The hot path: numbers of one byte (two for sizes) are read in place, all others by the methods below. Beyond the
   * end of the buffer bytes are undefined; what is computed from them fails one of the comparisons.
   */
  #record(index: number, rules: WalkRules): string | undefined {
    const buffer = this.#buffer;
    let at = this.#at;
    let byte = buffer[at];
    let sizeBytes: number;
    if (byte < 0x80) {
      sizeBytes = (byte >>> 1) ^ -(byte & 1);
      at += 1;
    } else if (buffer[at + 1] < 0x80) {
      const value = (byte & 0x7f) | (buffer[at + 1] << 7);
      sizeBytes = (value >>> 1) ^ -(value & 1);
      at += 2;
    } else {
      sizeBytes = this.#varint();
      at = this.#at;
    }
    const end = at + sizeBytes;
    if (!(sizeBytes >= RECORD_BYTES_MIN - 1) || !(end <= this.#end))
      return `record ${index} has an invalid size`;
    if (sizeBytes > rules.recordBytesMax) {
      return `record ${index} has ${sizeBytes} bytes, at most ${rules.recordBytesMax} are allowed`;
    }
    at += 1; // the attributes, which mean nothing yet
    byte = buffer[at];
    let timestamp = rules.baseTimestamp;
    if (byte < 0x80) {
      timestamp += (byte >>> 1) ^ -(byte & 1);
      at += 1;
    } else {
      this.#at = at;
      timestamp += this.#varlong();
      at = this.#at;
    }
    let offsetDelta: number;
    byte = buffer[at];
    if (byte < 0x80) {
      offsetDelta = (byte >>> 1) ^ -(byte & 1);
      at += 1;
    } else if (buffer[at + 1] < 0x80) {
      const value = (byte & 0x7f) | (buffer[at + 1] << 7);
      offsetDelta = (value >>> 1) ^ -(value & 1);
      at += 2;
    } else {
      this.#at = at;
      offsetDelta = this.#varint();
      at = this.#at;
    }
    if (offsetDelta !== index) this.areOffsetsContiguous = false;
    let keySize: number;
    byte = buffer[at];
    if (byte < 0x80) {
      keySize = (byte >>> 1) ^ -(byte & 1);
      at += 1;
    } else {
      this.#at = at;
      keySize = this.#varint();
      at = this.#at;
    }
    if (keySize > 0) at += keySize;
    let valueSize: number;
    byte = buffer[at];
    if (byte < 0x80) {
      valueSize = (byte >>> 1) ^ -(byte & 1);
      at += 1;
    } else if (buffer[at + 1] < 0x80) {
      const value = (byte & 0x7f) | (buffer[at + 1] << 7);
      valueSize = (value >>> 1) ^ -(value & 1);
      at += 2;
    } else {
      this.#at = at;
      valueSize = this.#varint();
      at = this.#at;
    }
    if (valueSize > 0) at += valueSize;
    if (at >= end) return `record ${index} is longer than its size`;
    if (buffer[at] === 0) this.#at = at + 1;
    else {
      this.#at = at;
      const headerCount = this.#varint();
      if (headerCount !== 0 && !this.#headers(headerCount, end)) return `record ${index} has invalid headers`;
    }
    if (this.#at !== end) return `record ${index} does not end where its size says`;

    if (timestamp > this.maxTimestamp) {
      this.maxTimestamp = timestamp;
      this.maxTimestampIndex = index;
    }
    const isTimely = timestamp >= rules.timestampMin && timestamp <= rules.timestampMax;
    if ((rules.keyRequired && keySize < 0) || rules.refuseEachTimestamp || !isTimely) {
      this.#judge(index, { keySize, timestamp }, rules);
    }
    return undefined;
  }

  #judge(
    index: number,
    record: { readonly keySize: number; readonly timestamp: number },
    rules: WalkRules,
  ): void {
    const { timestamp } = record;
    if (rules.keyRequired && record.keySize < 0) {
      this.#fail(Errors.INVALID_RECORD, index, 'Compacted topics cannot accept a message without a key');
    } else if (rules.refuseEachTimestamp) {
      this.#fail(
        Errors.INVALID_TIMESTAMP,
        index,
        'A producer must not set the timestamp type to LogAppendTime',
      );
    } else if (timestamp !== -1) {
      const range = `[${rules.timestampMin}, ${rules.timestampMax}]`;
      this.#fail(Errors.INVALID_TIMESTAMP, index, `Timestamp ${timestamp} is out of range ${range}`);
    }
  }

  #headers(count: number, end: number): boolean {
    if (count < 0 || count > (end - this.#at) / 2) return false;
    for (let left = count; left > 0; left--) {
      const keySize = this.#varint();
      if (!(keySize >= 0)) return false;
      this.#at += keySize;
      const valueSize = this.#varint();
      if (valueSize > 0) this.#at += valueSize;
      if (this.#at > end) return false;
    }
    return true;
  }

  #fail(errorCode: number, batchIndex: number, message: string): void {
    if (this.errorCode !== Errors.INVALID_TIMESTAMP) this.errorCode = errorCode;
    if (this.recordErrors.length < RECORD_ERRORS_MAX) this.recordErrors.push({ batchIndex, message });
  }

  /** Beyond the end of the buffer bytes are undefined and count as 0: the caller notices that the position is wrong.
   * Infinity for more than 5 bytes: then no position fits either. */
  #varint(): number {
    const buffer = this.#buffer;
    let byte = buffer[this.#at++];
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      byte = buffer[this.#at++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80 || byte === undefined) return (value >>> 1) ^ -(value & 1);
    }
    return Infinity;
  }

  /** Exact up to 2^53; larger ones are only ever compared with bounds. */
  #varlong(): number {
    const buffer = this.#buffer;
    let byte = buffer[this.#at++];
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    let scale = 128;
    for (let length = 1; length < 10; length++) {
      byte = buffer[this.#at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80 || byte === undefined) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    return NaN;
  }
}

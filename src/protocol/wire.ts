/**
 * The primitive types of the Kafka protocol, big-endian, between bytes and values. A Reader never trusts a length or a
 * count: it is checked against the bytes that remain (and a cap) before anything is allocated, and what cannot be read
 * is a ProtocolError, never another exception. A Writer is one growing buffer into which record batches are spliced as
 * views, so that all but small ones leave without being copied.
 */
import { assert } from '../base/assert.ts';
import { isRegion, sizeOfPart, sizesOf } from '../base/outgoing.ts';
import type { FileRegion } from '../base/ports.ts';

/** Bytes that are not what the protocol says. The connection that sent them is closed. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}

/** Elements in all arrays of one message together. Kafka has the same number for each collection. */
export const ELEMENTS_MAX = 1_000_000;
/** Tagged fields in one section. */
export const TAGS_MAX = 10_000;

/** Bytes of a string, in either encoding. */
const STRING_BYTES_MAX = 32_767;
/** Records up to this size are copied: a view more in a vector costs the kernel call more than the copy. */
const COPIED_BYTES_MAX = 2048;

/** Text up to this length is tried as ASCII first, which nearly all of it is: a third of the cost (bench/codec.ts). */
const SHORT_TEXT_MAX = 40;

const TWO_32 = 2 ** 32;
/** Stands for 2^63 - 1, which no number holds: written as that, and read from it. */
export const INT64_MAX = 2 ** 63;
export const INT64_MIN = -(2 ** 63);

/** Reads values from `buffer` between `pos` and `end`. Strings are copied; bytes and records are views. */
export class Reader {
  readonly buffer: Buffer;
  pos: number;
  readonly end: number;
  elementsLeft = ELEMENTS_MAX;

  constructor(buffer: Buffer, pos = 0, end = buffer.length) {
    this.buffer = buffer;
    this.pos = pos;
    this.end = end;
  }

  remaining(): number {
    return this.end - this.pos;
  }

  /** Moves past `size` bytes and returns where they began. */
  take(size: number): number {
    const at = this.pos;
    if (size > this.end - at)
      throw new ProtocolError(`${size} bytes wanted at ${at}, ${this.end - at} remain`);
    this.pos = at + size;
    return at;
  }

  bool(): boolean {
    return this.buffer[this.take(1)] !== 0;
  }
  int8(): number {
    return (this.buffer[this.take(1)] << 24) >> 24;
  }
  int16(): number {
    const at = this.take(2);
    return (((this.buffer[at] << 8) | this.buffer[at + 1]) << 16) >> 16;
  }
  uint16(): number {
    const at = this.take(2);
    return (this.buffer[at] << 8) | this.buffer[at + 1];
  }
  int32(): number {
    const at = this.take(4);
    const b = this.buffer;
    return (b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3];
  }
  uint32(): number {
    return this.int32() >>> 0;
  }
  /** Exact, or one of the two ends (`INT64_MAX`, `INT64_MIN`), with which Kafka says "no limit". */
  int64(): number {
    const high = this.int32();
    const low = this.uint32();
    const value = high * TWO_32 + low;
    if (Number.isSafeInteger(value)) return value;
    if (high === 0x7fff_ffff && low === 0xffff_ffff) return INT64_MAX;
    if (high === -0x8000_0000 && low === 0) return INT64_MIN;
    throw new ProtocolError(`int64 beyond 2^53 at ${this.pos - 8}`);
  }
  float64(): number {
    return this.buffer.readDoubleBE(this.take(8));
  }
  uuid(): string {
    const at = this.take(16);
    return this.buffer.toString('latin1', at, at + 16);
  }

  /** An unsigned varint of at most 5 bytes, as lengths and tags are written. */
  uvarint(): number {
    const first = this.buffer[this.take(1)];
    return first < 0x80 ? first : this.longUvarint(first & 0x7f);
  }
  private longUvarint(first: number): number {
    let value = first;
    for (let shift = 7; ; shift += 7) {
      const byte = this.buffer[this.take(1)];
      if (shift === 28 && byte > 0x0f) throw new ProtocolError(`varint beyond 32 bits at ${this.pos}`);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }
  /** A zigzag varint of at most 5 bytes, as lengths and deltas in records are written. */
  varint(): number {
    const raw = this.uvarint();
    return (raw >>> 1) ^ -(raw & 1);
  }
  /** A zigzag varlong of at most 10 bytes; refused past 2^53. */
  varlong(): number {
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.buffer[this.take(1)];
      const bits = byte & 0x7f;
      if (i < 4) low += bits * 2 ** (7 * i);
      else high += bits * 2 ** (7 * (i - 4));
      if (byte < 0x80) {
        // raw = high * 2^28 + low; zigzag: an odd raw stands for -(raw + 1) / 2. Halved first, so 2^54 is no limit.
        const odd = low % 2;
        const half = high * 2 ** 27 + (low - odd) / 2;
        const value = odd === 0 ? half : -half - 1;
        if (!Number.isSafeInteger(value)) throw new ProtocolError(`varlong beyond 2^53 at ${this.pos}`);
        return value;
      }
    }
    throw new ProtocolError(`varlong longer than 10 bytes at ${this.pos}`);
  }

  string(): string {
    return this.text(this.int16());
  }
  nullableString(): string | null {
    const size = this.int16();
    return size === -1 ? null : this.text(size);
  }
  compactString(): string {
    return this.text(this.uvarint() - 1);
  }
  compactNullableString(): string | null {
    const size = this.uvarint() - 1;
    return size === -1 ? null : this.text(size);
  }
  private text(size: number): string {
    if (size < 0) throw new ProtocolError(`string length ${size} at ${this.pos}`);
    if (size > STRING_BYTES_MAX) throw new ProtocolError(`string of ${size} bytes at ${this.pos}`);
    const at = this.take(size);
    return this.buffer.toString('utf8', at, at + size);
  }

  bytes(): Buffer {
    return this.view(this.int32());
  }
  nullableBytes(): Buffer | null {
    const size = this.int32();
    return size === -1 ? null : this.view(size);
  }
  compactBytes(): Buffer {
    return this.view(this.uvarint() - 1);
  }
  compactNullableBytes(): Buffer | null {
    const size = this.uvarint() - 1;
    return size === -1 ? null : this.view(size);
  }
  /** `size` bytes from here, as a view. */
  view(size: number): Buffer {
    if (size < 0) throw new ProtocolError(`byte length ${size} at ${this.pos}`);
    const at = this.take(size);
    return this.buffer.subarray(at, at + size);
  }

  records(): Buffer {
    return this.bytes();
  }
  nullableRecords(): Buffer | null {
    return this.nullableBytes();
  }
  compactRecords(): Buffer {
    return this.compactBytes();
  }
  compactNullableRecords(): Buffer | null {
    return this.compactNullableBytes();
  }
  recordsVector(): Buffer[] {
    return [this.bytes()];
  }
  nullableRecordsVector(): Buffer[] | null {
    const view = this.nullableBytes();
    return view === null ? null : [view];
  }
  compactRecordsVector(): Buffer[] {
    return [this.compactBytes()];
  }
  compactNullableRecordsVector(): Buffer[] | null {
    const view = this.compactNullableBytes();
    return view === null ? null : [view];
  }

  /** Each `...ArrayLength` takes the smallest size an element can have, in bytes, and yields -1 for null. */
  arrayLength(elementSizeMin: number): number {
    return this.count(this.int32(), elementSizeMin, false);
  }
  nullableArrayLength(elementSizeMin: number): number {
    return this.count(this.int32(), elementSizeMin, true);
  }
  compactArrayLength(elementSizeMin: number): number {
    return this.count(this.uvarint() - 1, elementSizeMin, false);
  }
  compactNullableArrayLength(elementSizeMin: number): number {
    return this.count(this.uvarint() - 1, elementSizeMin, true);
  }
  private count(count: number, elementSizeMin: number, nullable: boolean): number {
    if (count === -1 && nullable) return -1;
    if (count < 0) throw new ProtocolError(`array length ${count} at ${this.pos}`);
    if (count * elementSizeMin > this.end - this.pos) {
      throw new ProtocolError(`array of ${count} at ${this.pos}, ${this.end - this.pos} bytes remain`);
    }
    this.elementsLeft -= count;
    if (this.elementsLeft < 0) throw new ProtocolError(`more than ${ELEMENTS_MAX} elements in one message`);
    return count;
  }

  /** The number of tagged fields in the section that begins here. */
  tagCount(): number {
    const count = this.uvarint();
    if (count > TAGS_MAX || count * 2 > this.end - this.pos) {
      throw new ProtocolError(`${count} tagged fields at ${this.pos}, ${this.end - this.pos} bytes remain`);
    }
    return count;
  }
  /** Where the tagged field whose size comes next ends. */
  tagEnd(): number {
    const size = this.uvarint();
    if (size > this.end - this.pos) throw new ProtocolError(`tagged field of ${size} bytes at ${this.pos}`);
    return this.pos + size;
  }
  /** Checks that a known tagged field was as long as it said. */
  endTag(end: number): void {
    if (this.pos !== end) throw new ProtocolError(`tagged field ends at ${this.pos} instead of ${end}`);
  }
  /** Skips a whole section of tagged fields. */
  skipTags(): void {
    for (let n = this.tagCount(); n > 0; n--) {
      this.uvarint();
      this.pos = this.tagEnd();
    }
  }
}

/** Record batches as they lie in memory, or in a file. */
export type RecordsPart = Buffer | FileRegion;

interface Splice {
  readonly at: number;
  readonly part: RecordsPart;
}

/** Writes values into one growing buffer; `finishParts` yields it as views with the spliced records between. */
export class Writer {
  private buffer: Buffer;
  private pos = 0;
  private splices: Splice[] = [];
  private splicedBytes = 0;

  constructor(sizeHint = 512) {
    this.buffer = Buffer.allocUnsafe(sizeHint);
  }

  /** Bytes so far, spliced ones included. */
  sizeBytes(): number {
    return this.pos + this.splicedBytes;
  }

  /** The written bytes in order. The writer must not be used afterwards. */
  finishParts(): RecordsPart[] {
    if (this.splices.length === 0) return [this.buffer.subarray(0, this.pos)];
    const parts: RecordsPart[] = [];
    let from = 0;
    for (const { at, part } of this.splices) {
      if (at > from) parts.push(this.buffer.subarray(from, at));
      parts.push(part);
      from = at;
    }
    if (this.pos > from) parts.push(this.buffer.subarray(from, this.pos));
    return parts;
  }

  /** As `finishParts`, where nothing was written that lies in a file. */
  finish(): Buffer[] {
    const parts = this.finishParts();
    assert(!parts.some(isRegion), 'only answers to Fetch hold regions of files');
    return parts as Buffer[];
  }

  /** The written bytes as one buffer. */
  toBuffer(): Buffer {
    const views = this.finish();
    return views.length === 1 ? views[0]! : Buffer.concat(views);
  }

  private room(size: number): number {
    const at = this.pos;
    if (at + size > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, at + size));
      this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.pos = at + size;
    return at;
  }

  bool(value: boolean): void {
    this.int8(value ? 1 : 0);
  }
  int8(value: number): void {
    const at = this.room(1);
    this.buffer[at] = value;
  }
  int16(value: number): void {
    const at = this.room(2);
    this.buffer[at] = value >> 8;
    this.buffer[at + 1] = value;
  }
  uint16(value: number): void {
    this.int16(value);
  }
  int32(value: number): void {
    const at = this.room(4);
    this.setInt32(at, value);
  }
  uint32(value: number): void {
    this.int32(value | 0);
  }
  int64(value: number): void {
    const at = this.room(8);
    if (value >= INT64_MAX) {
      this.setInt32(at, 0x7fff_ffff);
      this.setInt32(at + 4, -1);
      return;
    }
    this.setInt32(at, Math.floor(value / TWO_32));
    this.setInt32(at + 4, value % TWO_32);
  }
  float64(value: number): void {
    const at = this.room(8);
    this.buffer.writeDoubleBE(value, at);
  }
  uuid(value: string): void {
    const at = this.room(16);
    const b = this.buffer;
    for (let i = 0; i < 16; i++) b[at + i] = value.charCodeAt(i);
  }
  /** Overwrites four bytes at `at`: for a size that is known only at the end. */
  setInt32(at: number, value: number): void {
    this.buffer[at] = value >> 24;
    this.buffer[at + 1] = value >> 16;
    this.buffer[at + 2] = value >> 8;
    this.buffer[at + 3] = value;
  }

  uvarint(value: number): void {
    let rest = value >>> 0;
    let at = this.room(rest < 0x80 ? 1 : rest < 0x4000 ? 2 : rest < 0x200000 ? 3 : rest < 0x10000000 ? 4 : 5);
    for (; rest >= 0x80; rest >>>= 7) this.buffer[at++] = (rest & 0x7f) | 0x80;
    this.buffer[at] = rest;
  }
  varint(value: number): void {
    this.uvarint((value << 1) ^ (value >> 31));
  }
  varlong(value: number): void {
    // Zigzag without 64-bit integers: the lowest bit is the sign, the rest is |value| (or |value| - 1 when negative).
    const magnitude = value < 0 ? -value - 1 : value;
    let rest = Math.floor(magnitude / 64);
    let byte = (magnitude % 64) * 2 + (value < 0 ? 1 : 0);
    while (rest > 0) {
      this.int8(byte | 0x80);
      byte = rest % 128;
      rest = Math.floor(rest / 128);
    }
    this.int8(byte);
  }

  string(value: string): void {
    if (value.length <= SHORT_TEXT_MAX) {
      const at = this.room(2 + value.length);
      if (this.ascii(value, at + 2)) {
        this.buffer[at] = 0;
        this.buffer[at + 1] = value.length;
        return;
      }
      this.pos = at;
    }
    const size = stringSize(value);
    this.int16(size);
    this.utf8(value, size);
  }
  nullableString(value: string | null): void {
    if (value === null) this.int16(-1);
    else this.string(value);
  }
  compactString(value: string): void {
    if (value.length <= SHORT_TEXT_MAX) {
      const at = this.room(1 + value.length);
      if (this.ascii(value, at + 1)) {
        this.buffer[at] = value.length + 1;
        return;
      }
      this.pos = at;
    }
    const size = stringSize(value);
    this.uvarint(size + 1);
    this.utf8(value, size);
  }
  compactNullableString(value: string | null): void {
    if (value === null) this.uvarint(0);
    else this.compactString(value);
  }
  /** Writes characters as bytes up to one that takes more than one; true when there was none. */
  private ascii(value: string, at: number): boolean {
    const b = this.buffer;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return false;
      b[at + i] = code;
    }
    return true;
  }
  private utf8(value: string, size: number): void {
    const at = this.room(size);
    this.buffer.write(value, at, size, 'utf8');
  }

  bytes(value: Uint8Array): void {
    this.int32(value.length);
    this.raw(value);
  }
  nullableBytes(value: Uint8Array | null): void {
    if (value === null) this.int32(-1);
    else this.bytes(value);
  }
  compactBytes(value: Uint8Array): void {
    this.uvarint(value.length + 1);
    this.raw(value);
  }
  compactNullableBytes(value: Uint8Array | null): void {
    if (value === null) this.uvarint(0);
    else this.compactBytes(value);
  }
  /** Copies bytes as they are. */
  raw(value: Uint8Array): void {
    const at = this.room(value.length);
    this.buffer.set(value, at);
  }

  records(value: Buffer): void {
    this.int32(value.length);
    this.splice(value);
  }
  nullableRecords(value: Buffer | null): void {
    if (value === null) this.int32(-1);
    else this.records(value);
  }
  compactRecords(value: Buffer): void {
    this.uvarint(value.length + 1);
    this.splice(value);
  }
  compactNullableRecords(value: Buffer | null): void {
    if (value === null) this.uvarint(0);
    else this.compactRecords(value);
  }
  recordsVector(value: readonly RecordsPart[]): void {
    this.int32(sizesOf(value).bytes);
    for (const part of value) this.splice(part);
  }
  nullableRecordsVector(value: readonly RecordsPart[] | null): void {
    if (value === null) this.int32(-1);
    else this.recordsVector(value);
  }
  compactRecordsVector(value: readonly RecordsPart[]): void {
    this.uvarint(sizesOf(value).bytes + 1);
    for (const part of value) this.splice(part);
  }
  compactNullableRecordsVector(value: readonly RecordsPart[] | null): void {
    if (value === null) this.uvarint(0);
    else this.compactRecordsVector(value);
  }
  private splice(part: RecordsPart): void {
    const size = sizeOfPart(part);
    if (size <= COPIED_BYTES_MAX && !isRegion(part)) {
      this.raw(part);
      return;
    }
    this.splices.push({ at: this.pos, part });
    this.splicedBytes += size;
  }

  arrayLength(value: readonly unknown[]): void {
    this.int32(value.length);
  }
  nullableArrayLength(value: readonly unknown[] | null): void {
    this.int32(value === null ? -1 : value.length);
  }
  compactArrayLength(value: readonly unknown[]): void {
    this.uvarint(value.length + 1);
  }
  compactNullableArrayLength(value: readonly unknown[] | null): void {
    this.uvarint(value === null ? 0 : value.length + 1);
  }

  /** Begins a tagged field and returns a mark for `closeTag`. Records cannot be spliced into tagged fields. */
  openTag(tag: number): number {
    this.uvarint(tag);
    return this.room(1);
  }
  /** Puts the size in front of what was written since `mark`, moving it when the size takes more than one byte. */
  closeTag(mark: number): void {
    const size = this.pos - mark - 1;
    if (size < 0x80) {
      this.buffer[mark] = size;
      return;
    }
    const extra = size < 0x4000 ? 1 : size < 0x200000 ? 2 : size < 0x10000000 ? 3 : 4;
    this.room(extra);
    this.buffer.copyWithin(mark + 1 + extra, mark + 1, mark + 1 + size);
    const end = this.pos;
    this.pos = mark;
    this.uvarint(size);
    this.pos = end;
  }
}

/** The bytes of a string in UTF-8; longer ones than Kafka can read are a fault of whoever writes them. */
function stringSize(value: string): number {
  const size = Buffer.byteLength(value);
  if (size > STRING_BYTES_MAX) throw new ProtocolError(`string of ${size} bytes cannot be written`);
  return size;
}

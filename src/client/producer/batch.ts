/**
 * A batch while it is filled, sent and acknowledged. Records are encoded as they come, straight into the bytes that leave:
 * nothing of what the user gave is kept, and what a batch takes of memory is known exactly. The header is written
 * when the batch is sent, and again when it has to go with another sequence number. See protocol/record-batch.ts for
 * the format.
 */
import { assert } from '../../base/assert.ts';
import type { SlabPool } from '../../base/slab-pool.ts';
import { compress } from '../../protocol/compression.ts';
import { crc32c } from '../../protocol/crc32c.ts';
import {
  BATCH_HEADER_BYTES,
  COMPRESSION_TYPES,
  LOG_OVERHEAD_BYTES,
  MAGIC_CURRENT,
  TRANSACTIONAL_BIT,
  type CompressionType,
} from '../../protocol/record-batch.ts';
import type { Data, Headers } from './record.ts';

/** Who waits for a batch, or for some of its records. */
export interface Delivery {
  onAcknowledged(batch: Batch, baseOffset: number, logAppendTimeMs: number): void;
  onFailed(error: Error, batch: Batch): void;
  /**
   * The batch goes on as two, the second beginning with record `at`: who waits for which. Both may be the same, which is then
   * called for each; undefined has nothing in that half.
   */
  split(at: number): [first: Delivery | undefined, second: Delivery | undefined];
}

export interface RecordToAppend {
  /** The first `keySize` bytes are the key. */
  key: Uint8Array;
  /** -1 for no key. */
  keySize: number;
  value: Data;
  headers: Headers | undefined;
  /** ms since the epoch */
  timestamp: number;
}

/** The largest head of a record: size, attributes, both deltas, and the sizes of key, value and headers. */
const RECORD_HEAD_BYTES_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5;
const INT30_MAX = 2 ** 30 - 1;
const TWO_32 = 2 ** 32;
/** Sequence numbers go on at 0 after 2^31 - 1. */
export const SEQUENCE_COUNT = 2 ** 31;
const CRC_POSITION = 17;
const ATTRIBUTES_POSITION = 21;
/** Below this a loop in JavaScript is faster than a call that copies. */
const LOOP_BYTES_MAX = 24;

export interface BatchIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export const NO_IDENTITY: BatchIdentity = { producerId: -1, producerEpoch: -1 };

export interface BatchOptions {
  readonly pool: SlabPool;
  /** The first allocation; more is taken when needed. */
  readonly capacityBytes: number;
  /** Monotonic. */
  readonly createdMs: number;
  /** Its place among the batches of its partition. */
  readonly order: number;
  /** How much of the order is its own, for parts of it. Default: 1. */
  readonly span?: number;
}

export class Batch {
  readonly order: number;
  readonly span: number;
  readonly createdMs: number;
  readonly deliveries: Delivery[] = [];
  count = 0;
  baseTimestamp = 0;
  maxTimestamp = 0;
  /** No more records come in. */
  isClosed = false;
  /** How often it has been sent. */
  attempts = 0;
  identity: BatchIdentity = NO_IDENTITY;
  /** -1 until it has one. */
  baseSequence = -1;
  lastError: Error | undefined;
  readonly pool: SlabPool;
  #buffer: Buffer;
  #pos = BATCH_HEADER_BYTES;
  /** What leaves: the buffer itself, or its compressed form. */
  #payload: Buffer | undefined;

  constructor(options: BatchOptions) {
    this.pool = options.pool;
    this.createdMs = options.createdMs;
    this.order = options.order;
    this.span = options.span ?? 1;
    this.#buffer = options.pool.take(Math.max(BATCH_HEADER_BYTES, options.capacityBytes));
  }

  /** Header and records, uncompressed. */
  get sizeBytes(): number {
    return this.#pos;
  }

  /**
   * Adds a record unless the batch would become larger than `bytesMax`; the first one always goes in. Yields false
   * when there is no room.
   */
  append(record: RecordToAppend, bytesMax: number): boolean {
    const { key, keySize, value, headers, timestamp } = record;
    const valueSize =
      value === null ? -1 : typeof value === 'string' ? Buffer.byteLength(value) : value.length;
    const headersSize = headers === undefined ? 1 : sizeOfHeaders(headers);
    const first = this.count === 0;
    const delta = first ? 0 : timestamp - this.baseTimestamp;
    const offsetDelta = this.count;
    const body =
      1 +
      varintSize(delta) +
      varintSize(offsetDelta) +
      varintSize(keySize) +
      (keySize > 0 ? keySize : 0) +
      varintSize(valueSize) +
      (valueSize > 0 ? valueSize : 0) +
      headersSize;
    const end = this.#pos + varintSize(body) + body;
    if (!first && end > bytesMax) return false;
    if (end > this.#buffer.length) this.#grow(end, bytesMax);
    const buffer = this.#buffer;
    let at = putVarint(buffer, this.#pos, body);
    buffer[at++] = 0;
    at = putVarint(buffer, at, delta);
    at = putVarint(buffer, at, offsetDelta);
    at = putVarint(buffer, at, keySize);
    if (keySize > 0) at = putBytes(buffer, at, key, keySize);
    at = putVarint(buffer, at, valueSize);
    if (valueSize > 0) {
      at =
        typeof value === 'string'
          ? at + buffer.write(value, at, valueSize, 'utf8')
          : putBytes(buffer, at, value!, valueSize);
    }
    at = headers === undefined ? putVarint(buffer, at, 0) : putHeaders(buffer, at, headers);
    assert(at === end, 'a record is as long as its parts');
    this.#pos = at;
    this.count = offsetDelta + 1;
    if (first) {
      this.baseTimestamp = timestamp;
      this.maxTimestamp = timestamp;
    } else if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp;
    return true;
  }

  /** The bytes to send, with this identity and sequence. */
  seal(options: {
    readonly compression: CompressionType;
    readonly compressionLevel: number | undefined;
    readonly isTransactional: boolean;
  }): Buffer {
    this.isClosed = true;
    const { compression, compressionLevel, isTransactional } = options;
    let payload = this.#payload;
    if (payload === undefined) {
      payload = this.#buffer.subarray(0, this.#pos);
      if (compression !== 'none') {
        const closed = compress(compression, payload.subarray(BATCH_HEADER_BYTES), compressionLevel);
        payload = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + closed.length);
        closed.copy(payload, BATCH_HEADER_BYTES);
        this.#giveBack();
      }
      this.#payload = payload;
    }
    putInt64(payload, 0, 0);
    payload.writeInt32BE(payload.length - LOG_OVERHEAD_BYTES, 8);
    payload.writeInt32BE(-1, 12);
    payload[16] = MAGIC_CURRENT;
    const bits = COMPRESSION_TYPES.indexOf(compression) | (isTransactional ? TRANSACTIONAL_BIT : 0);
    payload.writeInt16BE(bits, ATTRIBUTES_POSITION);
    payload.writeInt32BE(this.count - 1, 23);
    putInt64(payload, 27, this.baseTimestamp);
    putInt64(payload, 35, this.maxTimestamp);
    putInt64(payload, 43, this.identity.producerId);
    payload.writeInt16BE(this.identity.producerEpoch, 51);
    payload.writeInt32BE(this.baseSequence, 53);
    payload.writeInt32BE(this.count, 57);
    payload.writeUInt32BE(crc32c(payload, ATTRIBUTES_POSITION), CRC_POSITION);
    return payload;
  }

  /** As it was sent last. */
  get sealed(): Buffer {
    assert(this.#payload !== undefined, 'the batch has been sent');
    return this.#payload;
  }

  /**
   * The batch is done with. Its memory is used again only when it was sent once and answered: of an attempt that was given up
   * bytes may still be on their way to the socket.
   */
  release(): void {
    this.isClosed = true;
    this.#payload = undefined;
    if (this.attempts <= 1) this.#giveBack();
    else this.#buffer = EMPTY;
  }

  #giveBack(): void {
    if (this.#buffer.length > 0) this.pool.give(this.#buffer);
    this.#buffer = EMPTY;
  }

  #grow(needed: number, bytesMax: number): void {
    const before = this.#buffer;
    const size = Math.max(needed, Math.min(4 * before.length, bytesMax));
    this.#buffer = this.pool.take(size);
    before.copy(this.#buffer, 0, 0, this.#pos);
    this.pool.give(before);
  }
}

const EMPTY = Buffer.alloc(0);

/** At most so many bytes a record takes in a batch. */
export function recordBytesMax({ keySize, value, headers }: RecordToAppend): number {
  const valueBytes = value === null ? 0 : typeof value === 'string' ? 3 * value.length : value.length;
  const headerBytes = headers === undefined ? 0 : sizeOfHeaders(headers);
  return RECORD_HEAD_BYTES_MAX + Math.max(0, keySize) + valueBytes + headerBytes;
}

/** Bytes of a number as a zigzag varint. */
function varintSize(value: number): number {
  if (value > INT30_MAX || value < -INT30_MAX) return varlongSize(value);
  const raw = ((value << 1) ^ (value >> 31)) >>> 0;
  return raw < 0x80 ? 1 : raw < 0x4000 ? 2 : raw < 0x200000 ? 3 : raw < 0x10000000 ? 4 : 5;
}

function varlongSize(value: number): number {
  let rest = Math.floor((value < 0 ? -value - 1 : value) / 64);
  let size = 1;
  for (; rest > 0; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Each `put...` writes at `at` and yields the position behind. */
function putVarint(buffer: Buffer, at: number, value: number): number {
  if (value > INT30_MAX || value < -INT30_MAX) return putVarlong(buffer, at, value);
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let to = at;
  for (; rest >= 0x80; rest >>>= 7) buffer[to++] = (rest & 0x7f) | 0x80;
  buffer[to] = rest;
  return to + 1;
}

function putVarlong(buffer: Buffer, at: number, value: number): number {
  const magnitude = value < 0 ? -value - 1 : value;
  let rest = Math.floor(magnitude / 64);
  let byte = (magnitude % 64) * 2 + (value < 0 ? 1 : 0);
  let to = at;
  while (rest > 0) {
    buffer[to++] = byte | 0x80;
    byte = rest % 128;
    rest = Math.floor(rest / 128);
  }
  buffer[to] = byte;
  return to + 1;
}

function putBytes(buffer: Buffer, at: number, bytes: Uint8Array, size: number): number {
  if (size <= LOOP_BYTES_MAX) for (let index = 0; index < size; index++) buffer[at + index] = bytes[index]!;
  else buffer.set(size === bytes.length ? bytes : bytes.subarray(0, size), at);
  return at + size;
}

function putInt64(buffer: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  buffer.writeInt32BE(high, at);
  buffer.writeUInt32BE(value - high * TWO_32, at + 4);
}

function headerEntries(headers: Headers): readonly (readonly [string, Data])[] {
  return Array.isArray(headers)
    ? (headers as readonly (readonly [string, Data])[])
    : Object.entries(headers as Readonly<Record<string, Data>>);
}

function dataSize(data: Data): number {
  return data === null ? -1 : typeof data === 'string' ? Buffer.byteLength(data) : data.length;
}

/** Exact, with the count in front. */
function sizeOfHeaders(headers: Headers): number {
  const entries = headerEntries(headers);
  let size = varintSize(entries.length);
  for (const [name, value] of entries) {
    const nameSize = Buffer.byteLength(name);
    const valueSize = dataSize(value);
    size += varintSize(nameSize) + nameSize + varintSize(valueSize) + Math.max(0, valueSize);
  }
  return size;
}

function putHeaders(buffer: Buffer, at: number, headers: Headers): number {
  const entries = headerEntries(headers);
  let to = putVarint(buffer, at, entries.length);
  for (const [name, value] of entries) {
    to = putText(buffer, to, name);
    if (typeof value === 'string') to = putText(buffer, to, value);
    else if (value === null) to = putVarint(buffer, to, -1);
    else to = putBytes(buffer, putVarint(buffer, to, value.length), value, value.length);
  }
  return to;
}

function putText(buffer: Buffer, at: number, text: string): number {
  const size = Buffer.byteLength(text);
  const to = putVarint(buffer, at, size);
  return to + buffer.write(text, to, size, 'utf8');
}

/**
 * The file of the embedded metadata store. Integers are big-endian.
 *
 *     file     := header frame*
 *     header   := "HRMETA1\n" salt(8)
 *     frame    := size(4) crc(4) payload(size)      crc: CRC-32 over salt, size and payload
 *     payload  := 1 entry*                          a part of a snapshot
 *               | 2 revision(6)                     the snapshot is whole, and is of this revision
 *               | 3 (revision(6) count(4) operation*)+    transactions that became durable together
 *     entry    := flags(1) createRevision(6) modRevision(6) key value
 *     operation:= 0 key | 1 key value | 2 key value       delete; put; put that vanishes with its session
 *     key, value := size(4) byte*
 *
 * A file begins with a whole snapshot, synced before the file got its name. Each frame after it was written
 * only when the frame before was durable, so a frame that is not valid is the torn end of the file, to be cut
 * off, if no valid frame follows, and damage if one does. The salt, random for each file, keeps bytes that
 * once belonged to another file, or that a user chose as a value, from passing for a frame.
 */
import { crc32 } from 'node:zlib';
import type { Operation } from '../base/ports.ts';
import type { StoredKey } from './keyspace.ts';

export const MAGIC = Buffer.from('HRMETA1\n', 'latin1');
export const SALT_BYTES = 8;
export const HEADER_BYTES = MAGIC.length + SALT_BYTES;
export const FRAME_HEADER_BYTES = 8;
/** A frame of one transaction fits many times; groups and snapshot parts are kept well below. */
export const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

const SNAPSHOT_PART = 1;
const SNAPSHOT_END = 2;
const TRANSACTIONS = 3;

const REVISION_BYTES = 6;

/** A key of a session comes back with this in the place of the session, which has ended with its process. */
export const ENDED_SESSION = 'ended';

export interface LoggedTxn {
  readonly revision: number;
  readonly operations: readonly Operation[];
}

export type Payload =
  | { readonly type: 'part'; readonly entries: StoredKey[] }
  | { readonly type: 'end'; readonly revision: number }
  | { readonly type: 'transactions'; readonly transactions: LoggedTxn[] };

/** The frame's header for a payload, to be written before it. */
export function frameHeader(salt: Uint8Array, payload: Uint8Array): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(frameCrc(salt, header, payload), 4);
  return header;
}

/** Checks a frame that is whole in memory; `header` are its first 8 bytes. */
export function isValidFrame(salt: Uint8Array, header: Buffer, payload: Uint8Array): boolean {
  return frameCrc(salt, header, payload) === header.readUInt32BE(4);
}

function frameCrc(salt: Uint8Array, header: Uint8Array, payload: Uint8Array): number {
  return crc32(payload, crc32(header.subarray(0, 4), crc32(salt)));
}

/** Bytes that a transaction takes in a payload. */
export function txnBytes(operations: readonly Operation[]): number {
  let bytes = REVISION_BYTES + 4;
  for (const operation of operations) {
    bytes += 5 + Buffer.byteLength(operation.key);
    if (operation.type === 'put') bytes += 4 + operation.value.length;
  }
  return bytes;
}

export function encodeTransactions(transactions: readonly LoggedTxn[]): Buffer {
  const size = transactions.reduce((bytes, { operations }) => bytes + txnBytes(operations), 1);
  const out = new Out(size);
  out.byte(TRANSACTIONS);
  for (const { revision, operations } of transactions) {
    out.revision(revision);
    out.count(operations.length);
    for (const operation of operations) {
      if (operation.type === 'delete') out.byte(0);
      else out.byte(operation.sessionId === undefined ? 1 : 2);
      out.bytes(Buffer.from(operation.key));
      if (operation.type === 'put') out.bytes(operation.value);
    }
  }
  return out.done();
}

export function encodeSnapshotPart(entries: readonly StoredKey[]): Buffer {
  const size = entries.reduce((bytes, entry) => bytes + entryBytes(entry), 1);
  const out = new Out(size);
  out.byte(SNAPSHOT_PART);
  for (const entry of entries) {
    out.byte(entry.sessionId === undefined ? 0 : 1);
    out.revision(entry.createRevision);
    out.revision(entry.modRevision);
    out.bytes(Buffer.from(entry.key));
    out.bytes(entry.value);
  }
  return out.done();
}

export function entryBytes(entry: StoredKey): number {
  return 1 + 2 * REVISION_BYTES + 8 + Buffer.byteLength(entry.key) + entry.value.length;
}

export function encodeSnapshotEnd(revision: number): Buffer {
  const out = new Out(1 + REVISION_BYTES);
  out.byte(SNAPSHOT_END);
  out.revision(revision);
  return out.done();
}

/** Undefined: not a payload that this format knows, though its checksum is right. */
export function decodePayload(payload: Buffer): Payload | undefined {
  const source = new In(payload);
  const type = source.byte();
  let decoded: Payload | undefined;
  if (type === SNAPSHOT_PART) decoded = { type: 'part', entries: decodeEntries(source) };
  else if (type === SNAPSHOT_END) decoded = { type: 'end', revision: source.revision() };
  else if (type === TRANSACTIONS)
    decoded = { type: 'transactions', transactions: decodeTransactions(source) };
  return source.isValid && source.left === 0 ? decoded : undefined;
}

function decodeEntries(source: In): StoredKey[] {
  const entries: StoredKey[] = [];
  while (source.left > 0 && source.isValid) {
    const sessionId = source.byte() === 0 ? undefined : ENDED_SESSION;
    const createRevision = source.revision();
    const modRevision = source.revision();
    entries.push({ key: source.text(), value: source.bytes(), createRevision, modRevision, sessionId });
  }
  return entries;
}

function decodeTransactions(source: In): LoggedTxn[] {
  const transactions: LoggedTxn[] = [];
  while (source.left > 0 && source.isValid) {
    const revision = source.revision();
    const operations: Operation[] = [];
    const count = source.count();
    for (let index = 0; index < count && source.isValid; index++) operations.push(decodeOperation(source));
    transactions.push({ revision, operations });
  }
  return transactions;
}

function decodeOperation(source: In): Operation {
  const type = source.byte();
  const key = source.text();
  if (type === 0) return { type: 'delete', key };
  const value = source.bytes();
  if (type === 1) return { type: 'put', key, value };
  if (type !== 2) source.isValid = false;
  return { type: 'put', key, value, sessionId: ENDED_SESSION };
}

class Out {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#buffer = Buffer.allocUnsafe(size);
  }

  byte(value: number): void {
    this.#at = this.#buffer.writeUInt8(value, this.#at);
  }

  revision(value: number): void {
    this.#at = this.#buffer.writeUIntBE(value, this.#at, REVISION_BYTES);
  }

  count(value: number): void {
    this.#at = this.#buffer.writeUInt32BE(value, this.#at);
  }

  bytes(value: Uint8Array): void {
    this.count(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  done(): Buffer {
    return this.#buffer;
  }
}

/**
 * Reads with every length checked against what is left; after the first that does not fit, all reads are
 * empty.
 */
class In {
  readonly #buffer: Buffer;
  #at = 0;
  isValid = true;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get left(): number {
    return this.#buffer.length - this.#at;
  }

  byte(): number {
    return this.#has(1) ? this.#buffer.readUInt8(this.#at - 1) : 0;
  }

  revision(): number {
    return this.#has(REVISION_BYTES) ? this.#buffer.readUIntBE(this.#at - REVISION_BYTES, REVISION_BYTES) : 0;
  }

  count(): number {
    return this.#has(4) ? this.#buffer.readUInt32BE(this.#at - 4) : 0;
  }

  /** A copy. */
  bytes(): Buffer {
    const size = this.count();
    return this.#has(size) ? Buffer.from(this.#buffer.subarray(this.#at - size, this.#at)) : Buffer.alloc(0);
  }

  text(): string {
    return this.bytes().toString();
  }

  #has(size: number): boolean {
    if (!this.isValid || size > this.left) this.isValid = false;
    else this.#at += size;
    return this.isValid;
  }
}

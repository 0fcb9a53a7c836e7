/**
 * Reads the file of the embedded metadata store (file-format.ts). The end that a crash tore off is told from
 * damage: a frame is written only after the one before is durable, so what is not valid but has a valid frame
 * behind it was whole once.
 */
import type { DiskFile } from '../base/ports.ts';
import {
  decodePayload,
  FRAME_HEADER_BYTES,
  HEADER_BYTES,
  isValidFrame,
  MAGIC,
  PAYLOAD_BYTES_MAX,
} from './file-format.ts';
import type { LoggedTxn, Payload } from './file-format.ts';
import { Keyspace } from './keyspace.ts';
import type { StoredKey } from './keyspace.ts';
import { MetadataStoreError } from './store-error.ts';

/**
 * A frame after damage holds a revision this near to the last good one: what looks otherwise is not tried as
 * a frame.
 */
const REVISIONS_LOST_MAX = 2 ** 32;
const SEARCH_BYTES = 1024 * 1024;

export interface LoadedFile {
  readonly salt: Buffer;
  readonly keyspace: Keyspace;
  readonly snapshotBytes: number;
  /** Where the last valid frame ends: what is behind it goes. */
  readonly endBytes: number;
}

/** Throws MetadataStoreError `failed` for a file that is damaged or not ours. */
export function loadFile(file: DiskFile): LoadedFile {
  const header = Buffer.alloc(HEADER_BYTES);
  if (file.read(0, header) < HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new MetadataStoreError('failed', `${file.path} is not a metadata store of Headrace`);
  }
  const salt = header.subarray(MAGIC.length);
  const { keyspace, endBytes: snapshotBytes } = loadSnapshot(file, salt);
  let endBytes = snapshotBytes;
  for (;;) {
    const frame = readFrame(file, salt, endBytes);
    if (frame === undefined) break;
    if (frame.type !== 'transactions') throw damaged(file, endBytes);
    for (const transaction of frame.transactions) replay(file, { keyspace, transaction, position: endBytes });
    endBytes = frame.endBytes;
  }
  const next = findFrame(file, { salt, from: endBytes + 1, revision: keyspace.revision });
  if (next !== undefined) throw damaged(file, endBytes);
  return { salt, keyspace, snapshotBytes, endBytes };
}

function loadSnapshot(file: DiskFile, salt: Buffer): { keyspace: Keyspace; endBytes: number } {
  const entries: StoredKey[] = [];
  let position = HEADER_BYTES;
  for (;;) {
    const frame = readFrame(file, salt, position);
    // The snapshot was durable before the file got its name: nothing of it can be torn.
    if (frame === undefined || frame.type === 'transactions') throw damaged(file, position);
    position = frame.endBytes;
    if (frame.type === 'end') return { keyspace: new Keyspace(frame.revision, entries), endBytes: position };
    for (const entry of frame.entries) entries.push(entry);
  }
}

function replay(
  file: DiskFile,
  options: { keyspace: Keyspace; transaction: LoggedTxn; position: number },
): void {
  const change = options.keyspace.apply(options.transaction.operations);
  if (change?.revision !== options.transaction.revision) throw damaged(file, options.position);
}

/** Undefined: no valid frame begins here. */
function readFrame(
  file: DiskFile,
  salt: Buffer,
  position: number,
): (Payload & { endBytes: number }) | undefined {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  if (file.read(position, header) < FRAME_HEADER_BYTES) return undefined;
  const size = header.readUInt32BE(0);
  const endBytes = position + FRAME_HEADER_BYTES + size;
  if (size === 0 || size > PAYLOAD_BYTES_MAX || endBytes > file.sizeBytes()) return undefined;
  const payload = Buffer.alloc(size);
  if (file.read(position + FRAME_HEADER_BYTES, payload) < size) return undefined;
  if (!isValidFrame(salt, header, payload)) return undefined;
  const decoded = decodePayload(payload);
  if (decoded === undefined) throw damaged(file, position);
  return { ...decoded, endBytes };
}

/** The position of a valid frame with transactions after `revision` that begins at `from` or later. */
function findFrame(
  file: DiskFile,
  options: { salt: Buffer; from: number; revision: number },
): number | undefined {
  const sizeBytes = file.sizeBytes();
  /** Size, checksum, type and revision: enough to see that nearly every position is none. */
  const lookBytes = FRAME_HEADER_BYTES + 7;
  const window = Buffer.alloc(SEARCH_BYTES + lookBytes);
  for (let start = options.from; start < sizeBytes; start += SEARCH_BYTES) {
    const count = file.read(start, window);
    for (let at = 0; at < SEARCH_BYTES && at + lookBytes <= count; at++) {
      if (window[at + FRAME_HEADER_BYTES] !== 3) continue;
      const size = window.readUInt32BE(at);
      if (size < 7 || size > sizeBytes - start - at - FRAME_HEADER_BYTES) continue;
      const ahead = window.readUIntBE(at + FRAME_HEADER_BYTES + 1, 6) - options.revision;
      if (ahead < 1 || ahead > REVISIONS_LOST_MAX) continue;
      if (readFrame(file, options.salt, start + at) !== undefined) return start + at;
    }
  }
  return undefined;
}

function damaged(file: DiskFile, position: number): MetadataStoreError {
  const message = `the metadata store ${file.path} is damaged inside, at byte ${position}; restore a copy`;
  return new MetadataStoreError('failed', message);
}

/**
 * A partition's segments with many records of few keys, made once and given to each broker as they are: hard links to the
 * same files, which no cleaner writes to. A broker that finds them without the record of a clean stop recovers them.
 */
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import * as header from '../../src/protocol/record-batch.ts';
import { buildBatch } from '../../src/protocol/records.ts';

const BATCH_RECORDS = 1000;
const VALUE_BYTES = 64;
/** Values are pieces of this, so that they are no work. */
const POOL_BYTES = 1024 * 1024;

export interface DirtyLog {
  readonly folder: string;
  readonly records: number;
  readonly sizeBytes: number;
  /** Keys in what is to be cleaned, which is all but the last segment. */
  readonly keys: number;
  /** The base offset of the last segment. */
  readonly activeOffset: number;
}

/** `keys` are drawn evenly; the same records each time. The last segment holds one batch. */
export function writeDirtyLog(
  folder: string,
  options: { readonly records: number; readonly keys: number; readonly segmentBytes: number },
): DirtyLog {
  mkdirSync(folder, { recursive: true });
  const draw = xorshift(0x2545f491);
  const pool = Buffer.alloc(POOL_BYTES);
  for (let at = 0; at < POOL_BYTES; at += 4) pool.writeUInt32LE(draw(), at);
  const seen = new Set<number>();
  // Old enough for no lag, young enough for no retention.
  const timestamp = Date.now() - 3_600_000;
  let sizeBytes = 0;
  let segmentBytes = Infinity;
  let file = -1;
  let activeOffset = 0;
  const begin = (offset: number): void => {
    if (file >= 0) closeSync(file);
    file = openSync(path.join(folder, `${String(offset).padStart(20, '0')}.log`), 'w');
    segmentBytes = 0;
    activeOffset = offset;
  };
  for (let offset = 0; offset < options.records; offset += BATCH_RECORDS) {
    const isLast = offset + BATCH_RECORDS >= options.records;
    const records = Array.from({ length: BATCH_RECORDS }, () => {
      const key = draw() % options.keys;
      if (!isLast) seen.add(key);
      const at = draw() % (POOL_BYTES - VALUE_BYTES);
      return {
        key: Buffer.from(`key-${String(key).padStart(9, '0')}`),
        value: pool.subarray(at, at + VALUE_BYTES),
        timestamp,
      };
    });
    const batch = buildBatch({ records, baseOffset: offset, leaderEpoch: 0 });
    if (isLast || segmentBytes + batch.length > options.segmentBytes) begin(offset);
    writeSync(file, batch);
    segmentBytes += batch.length;
    sizeBytes += batch.length;
  }
  closeSync(file);
  return { folder, records: options.records, sizeBytes, keys: seen.size, activeOffset };
}

/** Puts the segments into the folder of a partition of a broker that is stopped. */
export function giveDirtyLog(log: DirtyLog, logDir: string, partition: string): void {
  const target = path.join(logDir, partition);
  for (const name of readdirSync(target)) {
    if (/^\d{20}\./.test(name) || name === 'leader-epoch-checkpoint') rmSync(path.join(target, name));
  }
  for (const name of readdirSync(log.folder)) linkSync(path.join(log.folder, name), path.join(target, name));
  rmSync(path.join(logDir, '.kafka_cleanshutdown'), { force: true });
}

/** Records in the segments below `offset`, counted from the headers of their batches. */
export function recordsBelow(folder: string, offset: number): number {
  let records = 0;
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.log') || Number(name.slice(0, 20)) >= offset) continue;
    const bytes = readFileSync(path.join(folder, name));
    header.forEachBatch(bytes, (at) => (records += header.recordCount(bytes, at)));
  }
  return records;
}

function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

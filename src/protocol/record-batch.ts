/**
 * The record batch (magic 2, KIP-98) seen from outside: its header is read and patched in place, its records stay closed.
 *
 *     position  size  field
 *            0     8  baseOffset
 *            8     4  length: bytes that follow this field, at least 49
 *           12     4  partitionLeaderEpoch
 *           16     1  magic = 2
 *           17     4  crc: CRC-32C of everything from `attributes` to the end
 *           21     2  attributes: bits 0-2 compression, 3 timestamp is LogAppendTime, 4 transactional, 5 control,
 *                     6 baseTimestamp is the delete horizon (KIP-534)
 *           23     4  lastOffsetDelta
 *           27     8  baseTimestamp
 *           35     8  maxTimestamp
 *           43     8  producerId        -1 without idempotence
 *           51     2  producerEpoch     -1 "
 *           53     4  baseSequence      -1 "
 *           57     4  recordCount
 *           61     -  records, compressed as a whole
 *
 * Base offset and leader epoch lie outside the checksum, so that a broker can assign them without opening the batch.
 * All functions take the position at which the batch begins, and trust that its header is there: `checkBatch` first.
 */
import { crc32c } from './crc32c.ts';

/** The header up to the first record. */
export const BATCH_HEADER_BYTES = 61;
/** Base offset and length: what comes before the bytes that `length` counts. The same in all magics. */
export const LOG_OVERHEAD_BYTES = 12;
/** Where the magic byte is; the same in all magics. */
export const MAGIC_POSITION = 16;
export const MAGIC_CURRENT = 2;

const LENGTH = 8;
const LEADER_EPOCH = 12;
const CRC = 17;
const ATTRIBUTES = 21;
const LAST_OFFSET_DELTA = 23;
const BASE_TIMESTAMP = 27;
const MAX_TIMESTAMP = 35;
const PRODUCER_ID = 43;
const PRODUCER_EPOCH = 51;
const BASE_SEQUENCE = 53;
const RECORD_COUNT = 57;

export const COMPRESSION_MASK = 0x07;
export const LOG_APPEND_TIME_BIT = 0x08;
export const TRANSACTIONAL_BIT = 0x10;
export const CONTROL_BIT = 0x20;
export const DELETE_HORIZON_BIT = 0x40;

/** The smallest entry of the old formats (magic 0, null key and value): a walk needs some lower bound to get on. */
const ENTRY_BYTES_MIN = 14;
const TWO_32 = 2 ** 32;
const INT32_MAX = 2 ** 31 - 1;

/** Kafka's names; their place is the number in the attributes. */
export const COMPRESSION_TYPES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type CompressionType = (typeof COMPRESSION_TYPES)[number];

/** Exact up to 2^53; a foreign timestamp beyond that is rounded, which no comparison notices. */
function int64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * TWO_32 + buffer.readUInt32BE(at + 4);
}
function putInt64(buffer: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  buffer.writeInt32BE(high, at);
  buffer.writeUInt32BE(value - high * TWO_32, at + 4);
}

export function baseOffset(buffer: Buffer, at = 0): number {
  return int64(buffer, at);
}
/** Bytes of the whole batch: 12 more than its length field says. */
export function batchSizeBytes(buffer: Buffer, at = 0): number {
  return LOG_OVERHEAD_BYTES + buffer.readInt32BE(at + LENGTH);
}
export function partitionLeaderEpoch(buffer: Buffer, at = 0): number {
  return buffer.readInt32BE(at + LEADER_EPOCH);
}
/** 0 and 1 are the message formats before KIP-98, which Kafka 4 no longer stores. */
export function magic(buffer: Buffer, at = 0): number {
  return buffer.readInt8(at + MAGIC_POSITION);
}
export function storedCrc(buffer: Buffer, at = 0): number {
  return buffer.readUInt32BE(at + CRC);
}
export function attributes(buffer: Buffer, at = 0): number {
  return buffer.readInt16BE(at + ATTRIBUTES);
}
export function lastOffsetDelta(buffer: Buffer, at = 0): number {
  return buffer.readInt32BE(at + LAST_OFFSET_DELTA);
}
/** -1 when the batch has none. With a delete horizon this is the horizon (KIP-534). */
export function baseTimestamp(buffer: Buffer, at = 0): number {
  return int64(buffer, at + BASE_TIMESTAMP);
}
/** The largest timestamp of the records, or the time of the append when `hasLogAppendTime`. */
export function maxTimestamp(buffer: Buffer, at = 0): number {
  return int64(buffer, at + MAX_TIMESTAMP);
}
export function producerId(buffer: Buffer, at = 0): number {
  return int64(buffer, at + PRODUCER_ID);
}
export function producerEpoch(buffer: Buffer, at = 0): number {
  return buffer.readInt16BE(at + PRODUCER_EPOCH);
}
export function baseSequence(buffer: Buffer, at = 0): number {
  return buffer.readInt32BE(at + BASE_SEQUENCE);
}
/** As declared: only opening the batch shows whether it is true. */
export function recordCount(buffer: Buffer, at = 0): number {
  return buffer.readInt32BE(at + RECORD_COUNT);
}

export function lastOffset(buffer: Buffer, at = 0): number {
  return baseOffset(buffer, at) + lastOffsetDelta(buffer, at);
}
/** Sequence numbers go on at 0 after 2^31 - 1; -1 when the batch has none. */
export function lastSequence(buffer: Buffer, at = 0): number {
  const first = baseSequence(buffer, at);
  if (first === -1) return -1;
  const last = first + lastOffsetDelta(buffer, at);
  return last > INT32_MAX ? last - INT32_MAX - 1 : last;
}
/** Undefined for a number that Kafka does not define. */
export function compressionType(buffer: Buffer, at = 0): CompressionType | undefined {
  return COMPRESSION_TYPES[buffer[at + ATTRIBUTES + 1] & COMPRESSION_MASK];
}
export function isTransactional(buffer: Buffer, at = 0): boolean {
  return (buffer[at + ATTRIBUTES + 1] & TRANSACTIONAL_BIT) !== 0;
}
export function isControl(buffer: Buffer, at = 0): boolean {
  return (buffer[at + ATTRIBUTES + 1] & CONTROL_BIT) !== 0;
}
export function hasLogAppendTime(buffer: Buffer, at = 0): boolean {
  return (buffer[at + ATTRIBUTES + 1] & LOG_APPEND_TIME_BIT) !== 0;
}
/** When the batch's tombstones or marker may go (KIP-534); undefined until the cleaner has set it. */
export function deleteHorizonMs(buffer: Buffer, at = 0): number | undefined {
  if ((buffer[at + ATTRIBUTES + 1] & DELETE_HORIZON_BIT) === 0) return undefined;
  return baseTimestamp(buffer, at);
}

/** Outside the checksum. */
export function setBaseOffset(buffer: Buffer, at: number, offset: number): void {
  putInt64(buffer, at, offset);
}
/** Outside the checksum. */
export function setPartitionLeaderEpoch(buffer: Buffer, at: number, epoch: number): void {
  buffer.writeInt32BE(epoch, at + LEADER_EPOCH);
}
/** Inside the checksum: `updateCrc` afterwards. With `logAppendTime` all records count as having `maxTimestamp`. */
export function setTimestamps(
  buffer: Buffer,
  at: number,
  to: { readonly maxTimestamp: number; readonly logAppendTime?: boolean },
): void {
  putInt64(buffer, at + MAX_TIMESTAMP, to.maxTimestamp);
  const low = buffer[at + ATTRIBUTES + 1];
  buffer[at + ATTRIBUTES + 1] = to.logAppendTime ? low | LOG_APPEND_TIME_BIT : low & ~LOG_APPEND_TIME_BIT;
}

/**
 * For the cleaner: the header of a batch that has other records now, and lies at the beginning of `batch`, which is as
 * long as it. An empty one has neither compression nor base timestamp nor horizon; its offsets and sequence stay.
 */
export function rewrite(
  batch: Buffer,
  to: {
    readonly recordCount: number;
    readonly maxTimestamp?: number;
    readonly deleteHorizonMs?: number;
    readonly isEmpty?: boolean;
  },
): void {
  batch.writeInt32BE(batch.length - LOG_OVERHEAD_BYTES, LENGTH);
  batch.writeInt32BE(to.recordCount, RECORD_COUNT);
  if (to.maxTimestamp !== undefined) putInt64(batch, MAX_TIMESTAMP, to.maxTimestamp);
  if (to.isEmpty) {
    batch[ATTRIBUTES + 1] &= ~(COMPRESSION_MASK | DELETE_HORIZON_BIT);
    putInt64(batch, BASE_TIMESTAMP, -1);
  } else if (to.deleteHorizonMs !== undefined) {
    batch[ATTRIBUTES + 1] |= DELETE_HORIZON_BIT;
    putInt64(batch, BASE_TIMESTAMP, to.deleteHorizonMs);
  }
  updateCrc(batch);
}

function computedCrc(buffer: Buffer, at: number): number {
  return crc32c(buffer, at + ATTRIBUTES, at + batchSizeBytes(buffer, at));
}
export function updateCrc(buffer: Buffer, at = 0): void {
  buffer.writeUInt32BE(computedCrc(buffer, at), at + CRC);
}
/** The whole batch must be in the buffer. */
export function isCrcValid(buffer: Buffer, at = 0): boolean {
  return computedCrc(buffer, at) === storedCrc(buffer, at);
}

/** Why bytes are no batch: cut off, an impossible length, an older (or unknown) format, or damaged. */
export type BatchFault = 'incomplete' | 'invalid length' | 'unsupported magic' | 'invalid checksum';

/** Checks that a whole and undamaged batch begins at `at`, of which `available` bytes may be looked at. */
export function checkBatch(buffer: Buffer, at = 0, available = buffer.length - at): BatchFault | undefined {
  if (available < LOG_OVERHEAD_BYTES) return 'incomplete';
  const sizeBytes = batchSizeBytes(buffer, at);
  if (sizeBytes < LOG_OVERHEAD_BYTES + ENTRY_BYTES_MIN) return 'invalid length';
  if (available <= MAGIC_POSITION) return 'incomplete';
  if (magic(buffer, at) !== MAGIC_CURRENT) return 'unsupported magic';
  if (sizeBytes < BATCH_HEADER_BYTES) return 'invalid length';
  if (sizeBytes > available) return 'incomplete';
  return isCrcValid(buffer, at) ? undefined : 'invalid checksum';
}

/**
 * Calls `visit` with the position and size of each whole entry, of any magic and whatever its contents, and returns the
 * position at which it stopped: the buffer's end, or that of an entry that is cut off or has an impossible length.
 */
export function forEachBatch(
  buffer: Buffer,
  visit: (at: number, sizeBytes: number) => void,
  from = 0,
): number {
  let at = from;
  while (buffer.length - at > MAGIC_POSITION) {
    const sizeBytes = batchSizeBytes(buffer, at);
    if (sizeBytes < LOG_OVERHEAD_BYTES + ENTRY_BYTES_MIN || sizeBytes > buffer.length - at) break;
    if (magic(buffer, at) >= MAGIC_CURRENT && sizeBytes < BATCH_HEADER_BYTES) break;
    visit(at, sizeBytes);
    at += sizeBytes;
  }
  return at;
}

/** Where the whole batches begin. */
export function batchPositions(buffer: Buffer, from = 0): number[] {
  const positions: number[] = [];
  forEachBatch(buffer, (at) => positions.push(at), from);
  return positions;
}

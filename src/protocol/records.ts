/**
 * Record batches opened and built: the records inside, compressed or not. The format of a record (KIP-98) is
 *
 *     varint  size of what follows      varint   key size, -1 for null, then the key
 *     int8    attributes, unused        varint   value size, -1 for null, then the value
 *     varlong timestamp delta           varint   header count, then for each
 *     varint  offset delta                         varint key size, key, varint value size (-1 null), value
 */
import { compress, decompress } from './compression.ts';
import type { Decompressor } from './decompressor.ts';
import {
  BATCH_HEADER_BYTES,
  COMPRESSION_MASK,
  COMPRESSION_TYPES,
  CONTROL_BIT,
  DELETE_HORIZON_BIT,
  LOG_APPEND_TIME_BIT,
  LOG_OVERHEAD_BYTES,
  MAGIC_CURRENT,
  TRANSACTIONAL_BIT,
  attributes,
  baseOffset,
  baseTimestamp,
  batchSizeBytes,
  compressionType,
  hasLogAppendTime,
  lastOffsetDelta,
  maxTimestamp,
  recordCount,
  updateCrc,
  type CompressionType,
} from './record-batch.ts';
import { ProtocolError, Reader, Writer } from './wire.ts';

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** Size, attributes, two deltas, two null sizes, header count: what the emptiest record takes. */
const RECORD_BYTES_MIN = 7;

/**
 * One record while it is visited. The same object shows each record in turn, and its key, value and headers are views
 * of the batch: whoever keeps anything copies it.
 */
export class RecordView {
  offset = 0;
  /** ms since the epoch; the time of the append for the whole batch when the batch has LogAppendTime; -1 for none. */
  timestamp = -1;
  /** From the batch's base offset, as written. */
  offsetDelta = 0;
  /** As written: with LogAppendTime still the producer's. */
  timestampDelta = 0;
  /** The whole record with its size in front, uncompressed. */
  sizeBytes = 0;
  keySizeBytes = -1;
  valueSizeBytes = -1;
  headerCount = 0;

  private readonly reader: Reader;
  private keyAt = 0;
  private valueAt = 0;
  private headersAt = 0;

  constructor(reader: Reader) {
    this.reader = reader;
  }

  get key(): Buffer | null {
    if (this.keySizeBytes < 0) return null;
    return this.reader.buffer.subarray(this.keyAt, this.keyAt + this.keySizeBytes);
  }
  get value(): Buffer | null {
    if (this.valueSizeBytes < 0) return null;
    return this.reader.buffer.subarray(this.valueAt, this.valueAt + this.valueSizeBytes);
  }
  get headers(): RecordHeader[] {
    const reader = new Reader(this.reader.buffer, this.headersAt);
    const headers: RecordHeader[] = [];
    for (let n = this.headerCount; n > 0; n--) {
      const keySize = reader.varint();
      const keyAt = reader.take(keySize);
      const key = reader.buffer.toString('utf8', keyAt, keyAt + keySize);
      const valueSize = reader.varint();
      headers.push({ key, value: valueSize < 0 ? null : reader.view(valueSize) });
    }
    return headers;
  }

  /** Moves to the record that begins at the reader's position; all of it is checked, so the getters cannot fail. */
  next(): void {
    const reader = this.reader;
    const start = reader.pos;
    const size = reader.varint();
    const bodyAt = reader.pos;
    if (size < 0 || size > reader.end - bodyAt)
      throw new ProtocolError(`record of ${size} bytes at ${start}`);
    const end = bodyAt + size;
    reader.take(1);
    this.timestampDelta = reader.varlong();
    this.offsetDelta = reader.varint();
    this.keySizeBytes = reader.varint();
    this.keyAt = reader.take(Math.max(0, this.keySizeBytes));
    this.valueSizeBytes = reader.varint();
    this.valueAt = reader.take(Math.max(0, this.valueSizeBytes));
    const headerCount = reader.varint();
    if (headerCount < 0 || headerCount * 2 > end - reader.pos) {
      throw new ProtocolError(`${headerCount} headers at ${reader.pos}, ${end - reader.pos} bytes remain`);
    }
    this.headerCount = headerCount;
    this.headersAt = reader.pos;
    for (let n = headerCount; n > 0; n--) {
      const keySize = reader.varint();
      if (keySize < 0) throw new ProtocolError(`header key of ${keySize} bytes at ${reader.pos}`);
      reader.take(keySize);
      reader.take(Math.max(0, reader.varint()));
    }
    if (reader.pos !== end)
      throw new ProtocolError(`record of ${size} bytes at ${start} ends at ${reader.pos}`);
    this.sizeBytes = end - start;
  }
}

/** The most that a batch may hold once decompressed. */
export interface OpenLimits {
  readonly maxDecompressedBytes: number;
}

/**
 * The records of a batch: a view of it when it is not compressed; what a decompressor opens holds until it opens the next.
 * Throws CompressionError.
 */
export function openRecords(batch: Buffer, limits: OpenLimits, decompressor?: Decompressor): Buffer {
  const type = compressionType(batch);
  if (type === undefined) throw new ProtocolError(`compression type ${attributes(batch) & COMPRESSION_MASK}`);
  const closed = batch.subarray(BATCH_HEADER_BYTES, batchSizeBytes(batch));
  if (type === 'none') return closed;
  const { maxDecompressedBytes: maxBytes } = limits;
  return decompressor?.open(type, closed, { maxBytes }) ?? decompress(type, closed, { maxBytes });
}

/**
 * Visits the records of one whole batch, which `checkBatch` has passed. Throws ProtocolError where the records are not
 * as the header says (count, offset deltas within the batch, nothing left over), CompressionError where they do not
 * decompress; records before the fault have been visited by then.
 */
export function forEachRecord(batch: Buffer, visit: (record: RecordView) => void, limits: OpenLimits): void {
  const count = recordCount(batch);
  const reader = new Reader(openRecords(batch, limits));
  if (count < 0 || count * RECORD_BYTES_MIN > reader.end) {
    throw new ProtocolError(`${count} records in ${reader.end} bytes`);
  }
  const first = baseOffset(batch);
  const deltaMax = lastOffsetDelta(batch);
  const appendedAt = hasLogAppendTime(batch) ? maxTimestamp(batch) : undefined;
  const since = baseTimestamp(batch);
  const record = new RecordView(reader);
  for (let n = 0; n < count; n++) {
    record.next();
    if (record.offsetDelta < 0 || record.offsetDelta > deltaMax) {
      throw new ProtocolError(`record ${n} has offset delta ${record.offsetDelta} of at most ${deltaMax}`);
    }
    record.offset = first + record.offsetDelta;
    record.timestamp = appendedAt ?? since + record.timestampDelta;
    visit(record);
  }
  if (reader.pos !== reader.end) {
    throw new ProtocolError(`${reader.end - reader.pos} bytes after the ${count} records of a batch`);
  }
}

export interface NewRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[];
  /** ms since the epoch; -1, the default, for none. */
  readonly timestamp?: number;
  /** Default: its place among the records. Must rise from record to record. */
  readonly offsetDelta?: number;
}

export interface NewBatch {
  readonly records: readonly NewRecord[];
  readonly baseOffset?: number;
  /** Default: the delta of the last record. Larger where the cleaner took the last records away (KIP-98). */
  readonly lastOffsetDelta?: number;
  /** Default: the timestamp of the first record. */
  readonly baseTimestamp?: number;
  /** Default: the largest timestamp of the records. */
  readonly maxTimestamp?: number;
  /** maxTimestamp is the time of the append and stands for all records. */
  readonly hasLogAppendTime?: boolean;
  /** Takes the place of the base timestamp (KIP-534). */
  readonly deleteHorizonMs?: number;
  readonly compression?: CompressionType;
  readonly compressionLevel?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
  readonly leaderEpoch?: number;
}

/** A whole batch with its checksum. The defaults are those of a producer without idempotence. */
export function buildBatch(batch: NewBatch): Buffer {
  const { records } = batch;
  const since = batch.deleteHorizonMs ?? batch.baseTimestamp ?? records[0]?.timestamp ?? -1;
  const type = batch.compression ?? 'none';
  const closed = type === 'none' ? undefined : new Writer();
  const header = new Writer(BATCH_HEADER_BYTES + (closed === undefined ? 64 * records.length : 0));
  let lastDelta = -1;
  let latest = -1;
  for (const record of records) {
    lastDelta = record.offsetDelta ?? lastDelta + 1;
    latest = Math.max(latest, record.timestamp ?? -1);
  }
  const bits =
    COMPRESSION_TYPES.indexOf(type) |
    (batch.hasLogAppendTime ? LOG_APPEND_TIME_BIT : 0) |
    (batch.isTransactional ? TRANSACTIONAL_BIT : 0) |
    (batch.isControl ? CONTROL_BIT : 0) |
    (batch.deleteHorizonMs === undefined ? 0 : DELETE_HORIZON_BIT);
  header.int64(batch.baseOffset ?? 0);
  header.int32(0); // the length, once it is known
  header.int32(batch.leaderEpoch ?? -1);
  header.int8(MAGIC_CURRENT);
  header.int32(0); // the checksum, at the very end
  header.int16(bits);
  header.int32(batch.lastOffsetDelta ?? lastDelta);
  header.int64(since);
  header.int64(batch.maxTimestamp ?? latest);
  header.int64(batch.producerId ?? -1);
  header.int16(batch.producerEpoch ?? -1);
  header.int32(batch.baseSequence ?? -1);
  header.int32(records.length);
  let delta = -1;
  for (const record of records) {
    delta = record.offsetDelta ?? delta + 1;
    writeRecord(closed ?? header, record, {
      timestampDelta: (record.timestamp ?? -1) - since,
      offsetDelta: delta,
    });
  }
  if (closed !== undefined) header.raw(compress(type, closed.toBuffer(), batch.compressionLevel));
  const buffer = header.toBuffer();
  buffer.writeInt32BE(buffer.length - LOG_OVERHEAD_BYTES, 8);
  updateCrc(buffer);
  return buffer;
}

function writeRecord(
  writer: Writer,
  record: NewRecord,
  deltas: { readonly timestampDelta: number; readonly offsetDelta: number },
): void {
  const { key, value, headers } = record;
  let size = 1 + varlongSize(deltas.timestampDelta) + varlongSize(deltas.offsetDelta);
  size += sizedBytes(key) + sizedBytes(value) + varlongSize(headers?.length ?? 0);
  if (headers !== undefined) {
    for (const header of headers) {
      const keySize = Buffer.byteLength(header.key);
      size += varlongSize(keySize) + keySize + sizedBytes(header.value);
    }
  }
  writer.varint(size);
  writer.int8(0);
  writer.varlong(deltas.timestampDelta);
  writer.varint(deltas.offsetDelta);
  writeSized(writer, key);
  writeSized(writer, value);
  writer.varint(headers?.length ?? 0);
  if (headers === undefined) return;
  for (const header of headers) {
    writeSized(writer, Buffer.from(header.key));
    writeSized(writer, header.value);
  }
}

function writeSized(writer: Writer, bytes: Uint8Array | null): void {
  if (bytes === null) {
    writer.varint(-1);
    return;
  }
  writer.varint(bytes.length);
  writer.raw(bytes);
}

function sizedBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varlongSize(bytes.length) + bytes.length;
}

/** Bytes that a number takes as a zigzag varint or varlong. */
function varlongSize(value: number): number {
  let rest = value < 0 ? -value - 1 : value;
  let size = 1;
  for (rest = Math.floor(rest / 64); rest > 0; rest = Math.floor(rest / 128)) size++;
  return size;
}

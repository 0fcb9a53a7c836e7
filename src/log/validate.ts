/**
 * What the leader does to records before they enter the log: checks them, assigns offset and leader epoch, settles the
 * timestamps, and compresses anew where the topic says so. The rules are those of Kafka's LogValidator (behaviour items
 * 6-10, 14). A batch that needs no new bytes is patched where it is: base offset and leader epoch lie outside its
 * checksum, which is redone only when the timestamp had to be corrected.
 */
import { CompressionError } from '../protocol/compression.ts';
import { Errors } from '../protocol/errors.ts';
import * as header from '../protocol/record-batch.ts';
import { buildBatch, forEachRecord, openRecords, type NewRecord } from '../protocol/records.ts';
import { ProtocolError } from '../protocol/wire.ts';
import type { AppendOrigin } from './producer-state.ts';
import type { RecordError, RecordWalker } from './record-walker.ts';
import type { LogSettings } from './settings.ts';

/** What one batch may become when it is decompressed for checking, whatever max.decompressed.message.bytes allows. */
export const DECOMPRESSED_BATCH_BYTES_MAX = 256 * 1024 ** 2;
/** Produce requests below this version come from clients that cannot read zstd (KIP-110). */
const PRODUCE_VERSION_ZSTD = 7;
const NO_ERRORS: readonly RecordError[] = [];

export interface ValidationContext {
  readonly settings: LogSettings;
  readonly origin: AppendOrigin;
  /** The log's end: the offset that the first record gets. */
  readonly nextOffset: number;
  readonly leaderEpoch: number;
  readonly nowMs: number;
  /** Of the request that brought the records; undefined when none did. */
  readonly produceVersion: number | undefined;
}

export interface ValidBatch {
  readonly errorCode: 0;
  /** Exactly one batch with all its fields final: patched in place, or new. */
  readonly batch: Buffer;
  readonly maxTimestamp: number;
  /** -1 unless the topic has LogAppendTime. */
  readonly logAppendTimeMs: number;
}

export interface InvalidBatch {
  readonly errorCode: number;
  readonly errorMessage: string;
  readonly recordErrors: readonly RecordError[];
  readonly batch: undefined;
}

export function validateBatch(
  records: Buffer,
  context: ValidationContext,
  walker: RecordWalker,
): ValidBatch | InvalidBatch {
  const sizeBytes = onlyBatch(records);
  if (typeof sizeBytes !== 'number') return sizeBytes;
  const batch = sizeBytes === records.length ? records : records.subarray(0, sizeBytes);
  return checkHeader(batch, context) ?? checkRecords(batch, context, walker);
}

export function invalid(
  errorCode: number,
  errorMessage: string,
  recordErrors: readonly RecordError[] = NO_ERRORS,
): InvalidBatch {
  return { errorCode, errorMessage, recordErrors, batch: undefined };
}

/** The size of the one batch, which may be followed by a part of another: Kafka cuts that off. */
function onlyBatch(records: Buffer): number | InvalidBatch {
  if (records.length <= header.MAGIC_POSITION) {
    return invalid(Errors.INVALID_RECORD, 'There must be one record batch per partition, there is none');
  }
  const sizeBytes = header.batchSizeBytes(records);
  const magic = header.magic(records);
  if (magic < 0 || magic > header.MAGIC_CURRENT) {
    return invalid(Errors.CORRUPT_MESSAGE, `Invalid magic ${magic} in a record batch`);
  }
  if (magic < header.MAGIC_CURRENT) {
    return invalid(
      Errors.INVALID_RECORD,
      `Only record batches with magic 2 are allowed, this one has ${magic}`,
    );
  }
  if (sizeBytes < header.BATCH_HEADER_BYTES) {
    return invalid(Errors.CORRUPT_MESSAGE, `A record batch of ${sizeBytes} bytes is too small to be one`);
  }
  if (sizeBytes > records.length) {
    return invalid(
      Errors.INVALID_RECORD,
      'There must be one record batch per partition, there is a part of one',
    );
  }
  if (hasWholeBatch(records, sizeBytes)) {
    return invalid(
      Errors.INVALID_RECORD,
      'There must be exactly one record batch per partition, there are more',
    );
  }
  return sizeBytes;
}

function hasWholeBatch(records: Buffer, at: number): boolean {
  const available = records.length - at;
  return available > header.MAGIC_POSITION && header.batchSizeBytes(records, at) <= available;
}

function checkHeader(batch: Buffer, context: ValidationContext): InvalidBatch | undefined {
  const { origin, settings } = context;
  const isClient = origin === 'client';
  if (isClient && header.baseOffset(batch) !== 0) {
    return invalid(Errors.INVALID_RECORD, `The base offset must be 0, it is ${header.baseOffset(batch)}`);
  }
  if (batch.length > settings.maxMessageBytes) return tooLarge(batch.length, settings.maxMessageBytes);
  if (!header.isCrcValid(batch)) {
    return invalid(
      Errors.CORRUPT_MESSAGE,
      `The record batch does not match its checksum ${header.storedCrc(batch)}`,
    );
  }
  const compression = header.compressionType(batch);
  if (compression === undefined) {
    return invalid(Errors.INVALID_RECORD, `Unknown compression type ${header.attributes(batch) & 7}`);
  }
  const { produceVersion } = context;
  if (compression === 'zstd' && produceVersion !== undefined && produceVersion < PRODUCE_VERSION_ZSTD) {
    return invalid(Errors.UNSUPPORTED_COMPRESSION_TYPE, `zstd needs Produce version ${PRODUCE_VERSION_ZSTD}`);
  }
  const count = header.recordCount(batch);
  const lastDelta = header.lastOffsetDelta(batch);
  if (lastDelta < 0 || (isClient && (count <= 0 || count !== lastDelta + 1))) {
    return invalid(
      Errors.INVALID_RECORD,
      `A batch of ${count} records cannot have last offset delta ${lastDelta}`,
    );
  }
  if (!isClient) return undefined;
  if (header.isControl(batch)) {
    return invalid(Errors.INVALID_RECORD, 'Clients are not allowed to write control records');
  }
  const producerId = header.producerId(batch);
  if (producerId > -1 && header.baseSequence(batch) < 0) {
    const sequence = header.baseSequence(batch);
    return invalid(Errors.INVALID_RECORD, `Invalid sequence ${sequence} of producer ${producerId}`);
  }
  if (!Number.isSafeInteger(producerId)) {
    return invalid(Errors.INVALID_RECORD, 'The producer id is beyond what is ever given out');
  }
  return undefined;
}

function checkRecords(
  batch: Buffer,
  context: ValidationContext,
  walker: RecordWalker,
): ValidBatch | InvalidBatch {
  const { settings, nowMs } = context;
  const sourceCompression = header.compressionType(batch)!;
  const isCompressed = sourceCompression !== 'none';
  let opened = batch;
  if (isCompressed) {
    try {
      const limits = { maxDecompressedBytes: DECOMPRESSED_BATCH_BYTES_MAX };
      opened = openRecords(batch, limits, walker.decompressor);
    } catch (error) {
      if (!(error instanceof CompressionError) && !(error instanceof ProtocolError)) throw error;
      return invalid(Errors.INVALID_RECORD, `The records cannot be decompressed: ${error.message}`);
    }
  }
  const isCreateTime = settings.timestampType === 'CreateTime';
  const problem = walker.walk(opened, isCompressed ? 0 : header.BATCH_HEADER_BYTES, opened.length, {
    recordCount: header.recordCount(batch),
    baseTimestamp: header.baseTimestamp(batch),
    recordBytesMax: isCompressed ? settings.maxDecompressedMessageBytes : Infinity,
    keyRequired: settings.cleanupPolicy.compact && !header.isControl(batch),
    timestampMin: isCreateTime ? nowMs - settings.timestampBeforeMaxMs : -Infinity,
    timestampMax: isCreateTime
      ? Math.min(nowMs + settings.timestampAfterMaxMs, Number.MAX_SAFE_INTEGER)
      : Infinity,
    // As 4.4 does: only where the topic has it too; elsewhere the claim is corrected.
    refuseEachTimestamp: !isCreateTime && header.hasLogAppendTime(batch),
  });
  if (problem !== undefined) return invalid(Errors.INVALID_RECORD, `Invalid record batch: ${problem}`);
  if (walker.errorCode !== Errors.NONE) return recordsRefused(walker);
  if (isCompressed && context.origin === 'client' && !walker.areOffsetsContiguous) {
    return invalid(
      Errors.INVALID_RECORD,
      'Invalid record batch: offset deltas of compressed records are not 0, 1, 2...',
    );
  }
  const targetCompression = compressionFor(settings, sourceCompression);
  const mustRebuild =
    (targetCompression !== sourceCompression && !header.isControl(batch)) ||
    (context.origin === 'client' && !walker.areOffsetsContiguous);
  return mustRebuild
    ? rebuild(batch, targetCompression, context)
    : patch(
        batch,
        context,
        header.hasLogAppendTime(batch) ? header.maxTimestamp(batch) : walker.maxTimestamp,
      );
}

function recordsRefused(walker: RecordWalker): InvalidBatch {
  const count = walker.recordErrors.length;
  const message =
    walker.errorCode === Errors.INVALID_TIMESTAMP
      ? 'One or more records have been rejected due to invalid timestamp'
      : `One or more records have been rejected due to ${count} record errors`;
  return invalid(walker.errorCode, message, walker.recordErrors);
}

function compressionFor(settings: LogSettings, source: header.CompressionType): header.CompressionType {
  if (settings.compressionType === 'producer') return source;
  return settings.compressionType === 'uncompressed' ? 'none' : settings.compressionType;
}

function patch(batch: Buffer, context: ValidationContext, maxTimestamp: number): ValidBatch {
  const logAppendTime = context.settings.timestampType === 'LogAppendTime';
  const finalTimestamp = logAppendTime ? context.nowMs : maxTimestamp;
  if (header.maxTimestamp(batch) !== finalTimestamp || header.hasLogAppendTime(batch) !== logAppendTime) {
    header.setTimestamps(batch, 0, { maxTimestamp: finalTimestamp, logAppendTime });
    header.updateCrc(batch);
  }
  header.setBaseOffset(batch, 0, context.nextOffset);
  header.setPartitionLeaderEpoch(batch, 0, context.leaderEpoch);
  return {
    errorCode: 0,
    batch,
    maxTimestamp: finalTimestamp,
    logAppendTimeMs: logAppendTime ? context.nowMs : -1,
  };
}

/** A new batch with the same records, offset deltas 0, 1, 2..., and the compression that the topic wants. */
function rebuild(
  batch: Buffer,
  compression: header.CompressionType,
  context: ValidationContext,
): ValidBatch | InvalidBatch {
  const { settings, nowMs } = context;
  const records: NewRecord[] = [];
  try {
    // The offset deltas are about to be replaced, so those in the batch must not be held against it.
    forEachRecord(
      batch,
      ({ key, value, headers, timestamp }) => records.push({ key, value, headers, timestamp }),
      { maxDecompressedBytes: DECOMPRESSED_BATCH_BYTES_MAX },
    );
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return invalid(Errors.INVALID_RECORD, `Invalid record batch: ${error.message}`);
  }
  const hasLogAppendTime = settings.timestampType === 'LogAppendTime';
  const level = levelOf(settings, compression);
  const built = buildBatch({
    records,
    baseOffset: context.nextOffset,
    leaderEpoch: context.leaderEpoch,
    compression,
    ...(level === undefined ? {} : { compressionLevel: level }),
    ...(hasLogAppendTime ? { maxTimestamp: nowMs, hasLogAppendTime } : {}),
    producerId: header.producerId(batch),
    producerEpoch: header.producerEpoch(batch),
    baseSequence: header.baseSequence(batch),
    isTransactional: header.isTransactional(batch),
    isControl: header.isControl(batch),
  });
  if (built.length > settings.maxMessageBytes) return tooLarge(built.length, settings.maxMessageBytes);
  return {
    errorCode: 0,
    batch: built,
    maxTimestamp: header.maxTimestamp(built),
    logAppendTimeMs: hasLogAppendTime ? nowMs : -1,
  };
}

function levelOf(settings: LogSettings, compression: header.CompressionType): number | undefined {
  if (compression === 'gzip') return settings.gzipLevel === -1 ? undefined : settings.gzipLevel;
  if (compression === 'lz4') return settings.lz4Level;
  return compression === 'zstd' ? settings.zstdLevel : undefined;
}

function tooLarge(sizeBytes: number, sizeBytesMax: number): InvalidBatch {
  const message = `The record batch has ${sizeBytes} bytes, which exceeds the maximum of ${sizeBytesMax}`;
  return invalid(Errors.MESSAGE_TOO_LARGE, message);
}

/**
 * The control record that ends a transaction on a partition (KIP-98): key int16 version 0, int16 type (0 abort, 1
 * commit); value int16 version 0, int32 coordinator epoch. It is the only record of its batch.
 */
import { CompressionError } from '../protocol/compression.ts';
import * as header from '../protocol/record-batch.ts';
import { buildBatch, forEachRecord } from '../protocol/records.ts';
import { ProtocolError } from '../protocol/wire.ts';
import type { Marker } from './producer-state.ts';

const ABORT = 0;
const COMMIT = 1;
const KEY_BYTES = 4;
const VALUE_BYTES = 6;
/** A marker is some twenty bytes; nothing else is opened here. */
const MARKER_BYTES_MAX = 4096;

/** Undefined for a control batch that ends no transaction: an empty one, or one of another kind. */
export function controlMarker(buffer: Buffer, at: number): Marker | undefined {
  const batch = buffer.subarray(at, at + header.batchSizeBytes(buffer, at));
  if (header.recordCount(batch) < 1) return undefined;
  let marker: Marker | undefined;
  const visit = (record: { key: Buffer | null; value: Buffer | null; timestamp: number }): void => {
    const { key, value } = record;
    if (marker !== undefined || key === null || value === null) return;
    if (key.length < KEY_BYTES || value.length < VALUE_BYTES) return;
    const type = key.readInt16BE(2);
    if (type !== ABORT && type !== COMMIT) return;
    marker = {
      producerId: header.producerId(batch),
      epoch: header.producerEpoch(batch),
      coordinatorEpoch: value.readInt32BE(2),
      offset: header.baseOffset(batch),
      timestamp: record.timestamp,
      isAbort: type === ABORT,
    };
  };
  try {
    forEachRecord(batch, visit, { maxDecompressedBytes: MARKER_BYTES_MAX });
  } catch (error) {
    if (!(error instanceof ProtocolError) && !(error instanceof CompressionError)) throw error;
    return undefined;
  }
  return marker;
}

/** The batch that a coordinator appends to end a transaction here. */
export function buildMarker(options: {
  readonly producerId: number;
  readonly epoch: number;
  readonly coordinatorEpoch: number;
  readonly isAbort: boolean;
  readonly timestamp: number;
}): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeInt16BE(options.isAbort ? ABORT : COMMIT, 2);
  const value = Buffer.alloc(VALUE_BYTES);
  value.writeInt32BE(options.coordinatorEpoch, 2);
  return buildBatch({
    records: [{ key, value, timestamp: options.timestamp }],
    producerId: options.producerId,
    producerEpoch: options.epoch,
    isTransactional: true,
    isControl: true,
  });
}

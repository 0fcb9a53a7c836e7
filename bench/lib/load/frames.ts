/**
 * Produce requests made before the measurement, as a Java producer under load makes them: one batch for each partition, filled
 * up to `batch.size`, as many partitions as `max.request.size` allows. Only the correlation id is patched when one is sent.
 */
import { apiOf } from '../../../src/protocol/apis.ts';
import { decodeRequest, encodeRequest } from '../../../src/protocol/frame.ts';
import { ProduceRequest } from '../../../src/protocol/messages/00-produce.ts';
import { BATCH_HEADER_BYTES, type CompressionType } from '../../../src/protocol/record-batch.ts';
import { buildBatch, forEachRecord } from '../../../src/protocol/records.ts';
import { sequence, textValue } from './values.ts';

/** The newest that both sides have and that names topics instead of numbering them. */
export const PRODUCE_VERSION = 9;
/** Where the correlation id is: after size (4), API key (2) and version (2). */
export const CORRELATION_ID_AT = 8;
const SIZE_BYTES = 4;
/** Java's `batch.size`. */
export const BATCH_BYTES = 16_384;
/** Java's `max.request.size`. */
export const REQUEST_BYTES_MAX = 1_048_576;
/** Size, attributes, deltas, key, headers of a record; a little more than it takes. */
const RECORD_OVERHEAD_BYTES = 10;
const TIMEOUT_MS = 30_000;

export interface FrameOptions {
  readonly topic: string;
  readonly partitions: number;
  /** Those of the partitions that requests go to; all when not given. */
  readonly only?: readonly number[];
  readonly acks: 1 | -1;
  readonly valueBytes: number;
  /** Default: as many as fill a batch of 16 KiB before compression. */
  readonly recordsPerBatch?: number;
  readonly compression: CompressionType;
  readonly seed: number;
}

export interface Frame {
  readonly bytes: Buffer;
  readonly records: number;
  /** Of the record batches: what is stored. */
  readonly batchBytes: number;
}

export function recordsPerBatch(valueBytes: number): number {
  return Math.max(1, Math.floor((BATCH_BYTES - BATCH_HEADER_BYTES) / (valueBytes + RECORD_OVERHEAD_BYTES)));
}

/** `count` requests with different values, which go around the partitions where one request cannot hold them all. */
export function produceFrames(count: number, options: FrameOptions): Frame[] {
  const { valueBytes } = options;
  const partitions = options.only ?? Array.from({ length: options.partitions }, (_, index) => index);
  const perBatch = options.recordsPerBatch ?? recordsPerBatch(valueBytes);
  const batchBytes = BATCH_HEADER_BYTES + perBatch * (valueBytes + RECORD_OVERHEAD_BYTES);
  const perRequest = Math.max(1, Math.min(partitions.length, Math.floor(REQUEST_BYTES_MAX / batchBytes)));
  const next = sequence(options.seed);
  // Where clients write one partition at a time, they do not all begin with the same one.
  let place = next(partitions.length);
  return Array.from({ length: count }, () => {
    const partitionData = Array.from({ length: perRequest }, () => {
      place = (place + 1) % partitions.length;
      return { index: partitions[place], records: batch(perBatch, options, next) };
    });
    const topicData = [{ name: options.topic, topicId: '', partitionData }];
    const body = { transactionalId: null, acks: options.acks, timeoutMs: TIMEOUT_MS, topicData };
    const request = { version: PRODUCE_VERSION, correlationId: 0, clientId: 'headrace-bench', body };
    return {
      bytes: Buffer.concat(encodeRequest(apiOf(ProduceRequest.key)!, request)),
      records: perRequest * perBatch,
      batchBytes: partitionData.reduce((sum, { records }) => sum + records.length, 0),
    };
  });
}

/** The values of the frames that a producer with `inFlight` places has, in the order in which it sends them. */
export function sampleValues(options: FrameOptions & { readonly inFlight: number }): string[] {
  return produceFrames(options.inFlight, options).flatMap(({ bytes }) => {
    const { body } = decodeRequest(apiOf(ProduceRequest.key)!, PRODUCE_VERSION, bytes.subarray(SIZE_BYTES));
    const [{ partitionData }] = (body as ProduceRequest).topicData;
    const values: string[] = [];
    for (const { records } of partitionData) {
      const limits = { maxDecompressedBytes: REQUEST_BYTES_MAX };
      forEachRecord(records!, ({ value }) => void values.push(value!.toString('latin1')), limits);
    }
    return values;
  });
}

function batch(count: number, options: FrameOptions, next: (below: number) => number): Buffer {
  const timestamp = Date.now();
  const records = Array.from({ length: count }, () => ({
    key: null,
    value: textValue(options.valueBytes, next),
    timestamp,
  }));
  return buildBatch({ records, compression: options.compression });
}

/** What a shard appends at once: the records of one tick's operations, or what one transaction writes, or a marker. */
import type { Logger, Timer } from '../base/ports.ts';
import { buildBatch } from '../protocol/records.ts';
import { ProtocolError } from '../protocol/wire.ts';
import type { ProducerOfWrite } from './log.ts';
import type { Turn } from './machine.ts';
import { encodeRecord, type EncodedRecord, type RecordFormats } from './record.ts';

/** Records in one batch; its size is the limit that counts. */
export const BATCH_RECORDS_MAX = 100_000;
/** A record's own framing at most: length, attributes, deltas, key and value lengths, header count. */
const RECORD_OVERHEAD_BYTES = 32;
export const BATCH_OVERHEAD_BYTES = 61;

/** An operation whose outcome is not known yet. */
export interface Waiting<E> {
  readonly event: E | undefined;
  readonly finish: (errorCode: number) => void;
}

export interface Batch<E> {
  readonly baseOffset: number;
  endOffset: number;
  /** Set: the records are part of this producer's transaction. */
  readonly producer: ProducerOfWrite | undefined;
  records: EncodedRecord[];
  sizeBytes: number;
  waiting: Waiting<E>[];
  timeout: Timer | undefined;
  callOff: (() => void) | undefined;
}

export function newBatch<E>(baseOffset: number, endOffset: number, producer?: ProducerOfWrite): Batch<E> {
  return {
    baseOffset,
    endOffset,
    producer,
    records: [],
    sizeBytes: 0,
    waiting: [],
    timeout: undefined,
    callOff: undefined,
  };
}

/** The batch's bytes; it lets go of its records. */
export function takeBytes(
  batch: Batch<unknown>,
  options: { readonly timestamp: number; readonly leaderEpoch: number },
): Buffer {
  const { timestamp, leaderEpoch } = options;
  const records = batch.records.map(({ key, value }) => ({ key, value, timestamp }));
  batch.records = [];
  if (batch.producer === undefined) return buildBatch({ records, leaderEpoch });
  const { producerId, producerEpoch } = batch.producer;
  return buildBatch({ records, leaderEpoch, producerId, producerEpoch, isTransactional: true });
}

/** Neither its time limit nor its commit matters any more. */
export function stopFollowing(batch: Batch<unknown>): void {
  batch.timeout?.cancel();
  batch.callOff?.();
  batch.callOff = undefined;
}

export function sizeOf(record: EncodedRecord): number {
  return record.key.length + (record.value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
}

/** The turn's records as bytes; undefined when they are more than a batch, or a field more than its format, can hold. */
export function encodeTurn(
  turn: Turn<unknown>,
  options: { readonly formats: RecordFormats; readonly limitBytes: number; readonly logger: Logger },
): EncodedRecord[] | undefined {
  const { formats, limitBytes, logger } = options;
  try {
    const encoded = turn.records.map((record) => encodeRecord(formats, record));
    const sizes = encoded.map(sizeOf);
    const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
    const fits = turn.isAtomic
      ? sizeBytes <= limitBytes && encoded.length <= BATCH_RECORDS_MAX
      : sizes.every((size) => size <= limitBytes);
    if (fits) return encoded;
    logger.error(
      { records: encoded.length, sizeBytes, limitBytes },
      'a coordinator operation fits in no batch',
    );
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    logger.error({ err: error }, 'a coordinator record cannot be written');
  }
  return undefined;
}

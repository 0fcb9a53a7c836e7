/** Batches of values that tell where they come from, and the values of batches. */
import * as header from '../../../src/protocol/record-batch.ts';
import { buildBatch, forEachRecord } from '../../../src/protocol/records.ts';

const LIMITS = { maxDecompressedBytes: 1 << 20 };

export function batchOf(values: readonly string[], timestamp: number): Buffer {
  return buildBatch({
    records: values.map((value) => ({ key: null, value: Buffer.from(value), timestamp })),
  });
}

/** The values of the batch at `at`. */
export function recordsOf(records: Buffer, at: number): string[] {
  const values: string[] = [];
  const batch = records.subarray(at, at + header.batchSizeBytes(records, at));
  forEachRecord(batch, ({ value }) => values.push(String(value)), LIMITS);
  return values;
}

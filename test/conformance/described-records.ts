/** Record batches as plain data, so that two brokers' can be compared where a compressor's bytes may differ. */
import {
  attributes,
  baseOffset,
  baseSequence,
  baseTimestamp,
  batchPositions,
  batchSizeBytes,
  checkBatch,
  compressionType,
  hasLogAppendTime,
  lastOffsetDelta,
  maxTimestamp,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  recordCount,
} from '../../src/protocol/record-batch.ts';
import { forEachRecord } from '../../src/protocol/records.ts';

const MAX_DECOMPRESSED_BYTES = 16 * 1024 * 1024;

/** One entry a whole batch. Kafka cuts the last one off at the limit, and its clients drop the part; ours are whole. */
export function describeRecords(buffer: Buffer, time: (ms: number) => unknown): unknown[] {
  const described: unknown[] = [];
  for (const at of batchPositions(buffer)) {
    const batch = buffer.subarray(at, at + batchSizeBytes(buffer, at));
    described.push(describeBatch(batch, time));
  }
  return described;
}

function describeBatch(batch: Buffer, time: (ms: number) => unknown): object {
  const isAppendTime = hasLogAppendTime(batch);
  const records: unknown[] = [];
  const fault = checkBatch(batch);
  if (fault === undefined) {
    const limits = { maxDecompressedBytes: MAX_DECOMPRESSED_BYTES };
    forEachRecord(
      batch,
      (record) => {
        const key = record.key?.toString('latin1') ?? null;
        const value = clip(record.value?.toString('latin1') ?? null);
        const { offset, timestampDelta, headerCount } = record;
        records.push({ offset, timestampDelta, key, value, headerCount });
      },
      limits,
    );
  }
  const type = compressionType(batch);
  return {
    fault: fault ?? 'none',
    baseOffset: baseOffset(batch),
    // What a compressor makes of it is its own affair.
    sizeBytes: type === 'none' ? batch.length : 'compressed',
    leaderEpoch: partitionLeaderEpoch(batch),
    attributes: attributes(batch),
    lastOffsetDelta: lastOffsetDelta(batch),
    baseTimestamp: time(baseTimestamp(batch)),
    maxTimestamp: isAppendTime ? time(maxTimestamp(batch)) : maxTimestamp(batch),
    producerId: producerId(batch),
    producerEpoch: producerEpoch(batch),
    baseSequence: baseSequence(batch),
    recordCount: recordCount(batch),
    records,
  };
}

function clip(text: string | null): string | null {
  return text === null || text.length <= 40 ? text : `${text.slice(0, 16)}… ${text.length}`;
}

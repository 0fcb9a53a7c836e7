/** Finding records by their timestamp (behaviour items 36, 37), inside compressed batches too. */
import * as header from '../protocol/record-batch.ts';
import { forEachRecord } from '../protocol/records.ts';
import { scanBatchesAsync } from './scan.ts';
import type { Segment } from './segment.ts';
import { DECOMPRESSED_BATCH_BYTES_MAX } from './validate.ts';

export interface TimestampOffset {
  readonly offset: number;
  readonly timestamp: number;
  /** Of the batch; -1 if it has none. */
  readonly leaderEpoch: number;
}

/** The first record at or after `from` whose timestamp is at least `timestamp`. */
export async function findByTimestamp(
  segments: readonly Segment[],
  target: { readonly timestamp: number; readonly from: number },
): Promise<TimestampOffset | undefined> {
  const { timestamp, from } = target;
  for (const segment of segments) {
    if (segment.indexes.maxTimestamp() < timestamp) continue;
    const startOffset = Math.max(segment.indexes.times().offsetFor(timestamp), from);
    const found = await findInSegment(segment, startOffset, (batch) =>
      header.maxTimestamp(batch) >= timestamp && header.lastOffset(batch) >= from
        ? firstRecord(batch, (record) => record.timestamp >= timestamp && record.offset >= from)
        : undefined,
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first record with the largest timestamp of all. */
export async function findMaxTimestamp(segments: readonly Segment[]): Promise<TimestampOffset | undefined> {
  let latest: Segment | undefined;
  for (const segment of segments) {
    if (segment.indexes.maxTimestamp() > (latest?.indexes.maxTimestamp() ?? -1)) latest = segment;
  }
  if (latest === undefined) return undefined;
  const maxTimestamp = latest.indexes.maxTimestamp();
  return findInSegment(latest, latest.indexes.maxTimestampOffset(), (batch) =>
    header.maxTimestamp(batch) === maxTimestamp
      ? firstRecord(batch, (record) => record.timestamp === maxTimestamp)
      : undefined,
  );
}

async function findInSegment(
  segment: Segment,
  startOffset: number,
  look: (batch: Buffer) => TimestampOffset | undefined,
): Promise<TimestampOffset | undefined> {
  let found: TimestampOffset | undefined;
  const range = { from: segment.indexes.searchStart(startOffset), to: segment.sizeBytes };
  await scanBatchesAsync(
    () => segment.file(),
    range,
    (buffer, at) => {
      const maxTimestamp = header.maxTimestamp(buffer, at);
      // Opening a batch is dear: its header says whether it is worth it.
      if (maxTimestamp < 0) return true;
      found = look(buffer.subarray(at, at + header.batchSizeBytes(buffer, at)));
      return found === undefined;
    },
  );
  return found;
}

function firstRecord(
  batch: Buffer,
  isWanted: (record: { readonly offset: number; readonly timestamp: number }) => boolean,
): TimestampOffset | undefined {
  let found: TimestampOffset | undefined;
  const leaderEpoch = header.partitionLeaderEpoch(batch);
  const visit = (record: { readonly offset: number; readonly timestamp: number }): void => {
    if (found !== undefined || !isWanted(record)) return;
    found = { offset: record.offset, timestamp: record.timestamp, leaderEpoch };
  };
  forEachRecord(batch, visit, { maxDecompressedBytes: DECOMPRESSED_BATCH_BYTES_MAX });
  return found;
}

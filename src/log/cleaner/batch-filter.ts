/**
 * What remains of a batch when a log is cleaned (behaviour item 35; Kafka's Cleaner and MemoryRecords.filterTo):
 *
 * - the latest record of each key, a tombstone only until the batch's delete horizon;
 * - no record of an aborted transaction; a marker until its horizon, which begins when nothing of its transaction is left;
 * - an empty batch where a producer's last batch was, and at the end of each new segment, so that sequence numbers can
 *   still be told, and what a segment covers: consumers reach the end of the log, recovery knows what was replaced.
 *
 * Base offset, last offset, sequence and timestamps of a batch stay. One that loses nothing is copied as it is. The delete
 * horizon takes the place of the base timestamp, under bit 6 of the attributes (KIP-534).
 */
import { compress } from '../../protocol/compression.ts';
import { Decompressor } from '../../protocol/decompressor.ts';
import * as header from '../../protocol/record-batch.ts';
import { openRecords } from '../../protocol/records.ts';
import type { CleanedTransactions } from './cleaned-transactions.ts';
import { UncleanableLog, type CleaningStats, type LastOfProducer } from './cleaning-job.ts';
import type { OffsetMap } from './offset-map.ts';
import { RecordCopy } from './record-copy.ts';
import { RecordCursor } from './record-cursor.ts';

export interface FilterRules {
  readonly map: OffsetMap;
  readonly transactions: CleanedTransactions;
  readonly lastOfProducers: ReadonlyMap<number, LastOfProducer>;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  readonly maxDecompressedBytes: number;
}

export class BatchFilter {
  readonly #rules: FilterRules;
  readonly #stats: CleaningStats;
  readonly #decompressor = new Decompressor();
  readonly #cursor = new RecordCursor();
  readonly #copy = new RecordCopy();

  constructor(rules: FilterRules, stats: CleaningStats) {
    this.#rules = rules;
    this.#stats = stats;
  }

  /**
   * The batch at `at`, whole and with a valid checksum: what remains of it, or undefined. `isLast`: the last one that goes
   * into the new segment. A view of `buffer`, or of memory that the next call overwrites.
   */
  filter(buffer: Buffer, at: number, isLast: boolean): Buffer | undefined {
    const batch = buffer.subarray(at, at + header.batchSizeBytes(buffer, at));
    const remains = header.isControl(batch) ? this.#marker(batch) : this.#data(batch);
    if (remains !== undefined) return remains;
    return isLast || this.#isLastOfProducer(batch) ? emptied(batch) : undefined;
  }

  #marker(batch: Buffer): Buffer | undefined {
    const { transactions, nowMs } = this.#rules;
    const count = header.recordCount(batch);
    this.#stats.recordsRead += count;
    const isOfNothing = transactions.isMarkerOfNothing(batch, 0);
    const horizonMs = header.deleteHorizonMs(batch);
    if (count === 0 || (isOfNothing && horizonMs !== undefined && horizonMs <= nowMs)) return undefined;
    this.#stats.recordsKept += count;
    if (!isOfNothing || horizonMs !== undefined) return batch;
    this.#select(batch, () => true);
    return this.#rebuild(batch, true);
  }

  #data(batch: Buffer): Buffer | undefined {
    const { transactions, nowMs, map } = this.#rules;
    const count = header.recordCount(batch);
    this.#stats.recordsRead += count;
    if (transactions.isAborted(batch, 0) || count === 0) return undefined;
    const horizonMs = header.deleteHorizonMs(batch);
    const keepsTombstones = horizonMs === undefined || nowMs < horizonMs;
    const baseOffset = header.baseOffset(batch);
    let tombstones = 0;
    this.#select(batch, (cursor, bytes) => {
      const offset = baseOffset + cursor.offsetDelta;
      if (offset <= map.latestOffset) {
        if (!cursor.hasKey) {
          this.#stats.recordsWithoutKey += 1;
          return false;
        }
        if (!cursor.hasValue && !keepsTombstones) return false;
        if (map.get(bytes, cursor.keyStart, cursor.keyEnd) > offset) return false;
      }
      if (!cursor.hasValue) tombstones += 1;
      return true;
    });
    const kept = this.#copy.count;
    this.#stats.recordsKept += kept;
    if (kept === 0) return undefined;
    const needsHorizon = tombstones > 0 && horizonMs === undefined;
    return kept === count && !needsHorizon ? batch : this.#rebuild(batch, needsHorizon);
  }

  /** Opens the batch and gathers the records that `isKept` says yes to. */
  #select(batch: Buffer, isKept: (cursor: RecordCursor, bytes: Buffer) => boolean): void {
    const count = header.recordCount(batch);
    const lastOffsetDelta = header.lastOffsetDelta(batch);
    const bytes = openRecords(
      batch,
      { maxDecompressedBytes: this.#rules.maxDecompressedBytes },
      this.#decompressor,
    );
    const cursor = this.#cursor;
    const copy = this.#copy;
    copy.begin(bytes);
    cursor.open(bytes);
    for (let index = 0; index < count; index++) {
      cursor.next();
      if (!(cursor.offsetDelta >= 0 && cursor.offsetDelta <= lastOffsetDelta)) {
        throw new UncleanableLog(`a record of the batch at ${header.baseOffset(batch)} lies outside of it`);
      }
      if (isKept(cursor, bytes)) copy.add(cursor);
    }
    if (!cursor.isAtEnd)
      throw new UncleanableLog(`bytes follow the records of the batch at ${header.baseOffset(batch)}`);
  }

  /** The batch with the gathered records instead of its own. */
  #rebuild(batch: Buffer, setsHorizon: boolean): Buffer {
    const { nowMs, deleteRetentionMs } = this.#rules;
    const baseTimestamp = header.baseTimestamp(batch);
    const horizonMs = setsHorizon ? nowMs + deleteRetentionMs : undefined;
    const records = this.#copy.records(horizonMs === undefined ? 0 : baseTimestamp - horizonMs);
    const type = header.compressionType(batch)!;
    const closed = type === 'none' ? records : compress(type, records);
    const rebuilt = this.#copy.output(header.BATCH_HEADER_BYTES + closed.length);
    batch.copy(rebuilt, 0, 0, header.BATCH_HEADER_BYTES);
    closed.copy(rebuilt, header.BATCH_HEADER_BYTES);
    header.rewrite(rebuilt, {
      recordCount: this.#copy.count,
      ...(horizonMs === undefined ? {} : { deleteHorizonMs: horizonMs }),
      ...(header.hasLogAppendTime(batch)
        ? {}
        : { maxTimestamp: baseTimestamp + this.#copy.timestampDeltaMax }),
    });
    return rebuilt;
  }

  #isLastOfProducer(batch: Buffer): boolean {
    const last = this.#rules.lastOfProducers.get(header.producerId(batch));
    if (last === undefined) return false;
    if (last.lastDataOffset >= 0) return last.lastDataOffset === header.lastOffset(batch);
    return header.isControl(batch) && header.producerEpoch(batch) === last.producerEpoch;
  }
}

/** The header alone, without a compression and without a horizon. */
function emptied(batch: Buffer): Buffer {
  const empty = Buffer.from(batch.subarray(0, header.BATCH_HEADER_BYTES));
  header.rewrite(empty, { recordCount: 0, isEmpty: true });
  return empty;
}

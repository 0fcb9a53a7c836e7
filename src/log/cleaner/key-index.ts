/**
 * The first pass of a cleaning: the keys of the dirty part go into the offset map. When the map is full the pass ends, and
 * with it the part of the log that this cleaning covers; the next one goes on from there.
 */
import { Decompressor } from '../../protocol/decompressor.ts';
import * as header from '../../protocol/record-batch.ts';
import { openRecords } from '../../protocol/records.ts';
import type { CleanedTransactions } from './cleaned-transactions.ts';
import type { CleaningStats } from './cleaning-job.ts';
import type { OffsetMap } from './offset-map.ts';
import { RecordCursor } from './record-cursor.ts';

export interface KeyIndexRules {
  readonly map: OffsetMap;
  readonly transactions: CleanedTransactions;
  readonly firstDirtyOffset: number;
  readonly maxDecompressedBytes: number;
}

export class KeyIndex {
  readonly #rules: KeyIndexRules;
  readonly #stats: CleaningStats;
  readonly #decompressor = new Decompressor();
  readonly #cursor = new RecordCursor();

  constructor(rules: KeyIndexRules, stats: CleaningStats) {
    this.#rules = rules;
    this.#stats = stats;
  }

  /** False: the map is full. Of this batch it may hold some keys; they count as being beyond its latest offset. */
  add(buffer: Buffer, at: number): boolean {
    const { map, transactions } = this.#rules;
    const batch = buffer.subarray(at, at + header.batchSizeBytes(buffer, at));
    const lastOffset = header.lastOffset(batch);
    this.#stats.mapRecordsRead += header.recordCount(batch);
    if (header.isControl(batch)) transactions.isMarkerOfNothing(batch, 0);
    else if (!transactions.isAborted(batch, 0) && !this.#addRecords(batch)) return false;
    map.latestOffset = Math.max(map.latestOffset, lastOffset);
    return true;
  }

  #addRecords(batch: Buffer): boolean {
    const { map, firstDirtyOffset, maxDecompressedBytes } = this.#rules;
    if (header.lastOffset(batch) < firstDirtyOffset) return true;
    const baseOffset = header.baseOffset(batch);
    const bytes = openRecords(batch, { maxDecompressedBytes }, this.#decompressor);
    const cursor = this.#cursor;
    cursor.open(bytes);
    for (let left = header.recordCount(batch); left > 0; left--) {
      cursor.next();
      const offset = baseOffset + cursor.offsetDelta;
      if (!cursor.hasKey || offset < firstDirtyOffset) continue;
      if (!map.put(bytes, cursor.keyStart, cursor.keyEnd, offset)) return false;
    }
    return true;
  }
}

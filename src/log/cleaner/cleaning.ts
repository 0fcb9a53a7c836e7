/**
 * One cleaning of one log, from the job to its numbers: the keys of the dirty part, then each group of segments written
 * anew with what remains of it. It only reads the segments that are there and writes files of its own; the swap is the
 * log's matter. Runs in a thread or, in steps, on the main loop: `control` is all that it knows of the world.
 */
import type { Clock, Disk } from '../../base/ports.ts';
import { CompressionError } from '../../protocol/compression-error.ts';
import { ProtocolError } from '../../protocol/wire.ts';
import * as names from '../file-names.ts';
import { collectAborted, type AbortedTransaction } from '../transaction-index.ts';
import { BatchFilter } from './batch-filter.ts';
import { CleanedSegment } from './cleaned-segment.ts';
import { CleanedTransactions } from './cleaned-transactions.ts';
import {
  emptyStats,
  UncleanableLog,
  type CleanedGroup,
  type CleaningControl,
  type CleaningJob,
  type CleaningStats,
  type JobSegment,
} from './cleaning-job.ts';
import { groupSegments } from './grouping.ts';
import { KeyHash } from './key-hash.ts';
import { KeyIndex } from './key-index.ts';
import { OffsetMap } from './offset-map.ts';
import { scanSegment, type SegmentVisitor } from './segment-scan.ts';

/** The least that is read or written at once. */
const BUFFER_BYTES_MIN = 4096;

/** Rejects with CleaningAborted, UncleanableLog or DiskError. */
export async function cleanLog(
  job: CleaningJob,
  world: { readonly disk: Disk; readonly clock: Clock },
  control: CleaningControl,
): Promise<CleaningStats> {
  try {
    return await new Cleaning(job, world, control).run();
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof CompressionError) {
      throw new UncleanableLog(`a batch of ${job.name} cannot be opened: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

class Cleaning {
  readonly #job: CleaningJob;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #control: CleaningControl;
  readonly #bufferBytes: number;
  readonly #stats = emptyStats();
  /** Bytes that the next step accounts for. */
  #written = 0;

  constructor(
    job: CleaningJob,
    world: { readonly disk: Disk; readonly clock: Clock },
    control: CleaningControl,
  ) {
    this.#job = job;
    this.#disk = world.disk;
    this.#clock = world.clock;
    this.#control = control;
    // As in Kafka the setting is for the two buffers, that for reading and that for writing, together.
    this.#bufferBytes = Math.max(BUFFER_BYTES_MIN, Math.floor(job.ioBufferBytes / 2));
  }

  async run(): Promise<CleaningStats> {
    const job = this.#job;
    const stats = this.#stats;
    const startMs = this.#clock.monotonicMs();
    const map = new OffsetMap({
      bytesMax: job.mapBytesMax,
      loadFactor: job.mapLoadFactor,
      hash: new KeyHash(job.hashKey),
    });
    await this.#fill(map);
    stats.mapTookMs = this.#clock.monotonicMs() - startMs;
    stats.mapKeys = map.count;
    stats.mapUtilization = map.utilization;
    stats.endOffset = map.latestOffset + 1;
    if (stats.endOffset <= job.firstDirtyOffset) {
      throw new UncleanableLog(
        `one batch of ${job.name} has more keys than fit: log.cleaner.dedupe.buffer.size must be larger`,
      );
    }
    const covered = job.segments.filter(({ baseOffset }) => baseOffset < stats.endOffset);
    const sized = covered.map((segment) => ({ ...segment, indexBytes: this.#indexBytesOf(segment) }));
    const transactions = new CleanedTransactions(job.aborted);
    const filter = new BatchFilter(
      {
        ...job,
        map,
        transactions,
        lastOfProducers: new Map(job.lastOfProducers.map((last) => [last.producerId, last])),
      },
      stats,
    );
    for (const group of groupSegments(sized, job)) {
      stats.passSegments += group.length;
      await this.#control.swap(await this.#clean(group, { filter, transactions }));
    }
    stats.tookMs = this.#clock.monotonicMs() - startMs;
    return stats;
  }

  async #fill(map: OffsetMap): Promise<void> {
    const { firstDirtyOffset, firstUncleanableOffset, segments, maxDecompressedBytes } = this.#job;
    const range = { from: firstDirtyOffset, upTo: firstUncleanableOffset };
    const aborted: AbortedTransaction[] = [];
    collectAborted(this.#job.aborted, range, aborted);
    const index = new KeyIndex(
      { map, transactions: new CleanedTransactions(aborted), firstDirtyOffset, maxDecompressedBytes },
      this.#stats,
    );
    map.latestOffset = firstDirtyOffset - 1;
    for (const segment of segments) {
      if (segment.nextBaseOffset <= firstDirtyOffset) continue;
      let isFull = false;
      await this.#scan(segment, 'mapBytesRead', (buffer, at) => {
        isFull = !index.add(buffer, at);
        return !isFull;
      });
      if (isFull) return;
      // Also where its last offsets hold nothing any more.
      map.latestOffset = segment.nextBaseOffset - 1;
    }
  }

  async #scan(
    segment: JobSegment,
    counter: 'mapBytesRead' | 'bytesRead',
    visit: SegmentVisitor,
  ): Promise<void> {
    const file = this.#disk.open(this.#pathOf(segment, names.LOG_SUFFIX), 'read');
    try {
      const step = (bytes: number): Promise<void> => {
        const written = this.#written;
        this.#written = 0;
        this.#stats[counter] += bytes;
        return this.#control.step(bytes + written);
      };
      await scanSegment(
        { file, from: 0, to: segment.sizeBytes, bufferBytes: this.#bufferBytes, step },
        visit,
      );
    } finally {
      file.close();
    }
  }

  async #clean(
    group: readonly JobSegment[],
    rules: { readonly filter: BatchFilter; readonly transactions: CleanedTransactions },
  ): Promise<CleanedGroup> {
    const { baseOffset } = group[0];
    const { folder, indexIntervalBytes } = this.#job;
    const cleaned = new CleanedSegment({
      disk: this.#disk,
      folder,
      baseOffset,
      indexIntervalBytes,
      bufferBytes: this.#bufferBytes,
    });
    rules.transactions.onAbortKept = (transaction) => cleaned.appendAborted(transaction);
    try {
      const last = group.findLast(({ sizeBytes }) => sizeBytes > 0);
      for (const segment of group) {
        await this.#scan(segment, 'bytesRead', (buffer, at, isLast) => {
          const remains = rules.filter.filter(buffer, at, isLast && segment === last);
          if (remains !== undefined) this.#written += cleaned.append(remains);
          return true;
        });
      }
      const { modifiedMs } = this.#disk.stat(this.#pathOf(group.at(-1)!, names.LOG_SUFFIX)) ?? {};
      await cleaned.finish(modifiedMs);
    } catch (error) {
      cleaned.abandon();
      throw error;
    }
    this.#stats.bytesKept += cleaned.sizeBytes;
    const { sizeBytes, hasTransactionIndex } = cleaned;
    return { baseOffset, sizeBytes, hasTransactionIndex, sources: group.map((one) => one.baseOffset) };
  }

  #pathOf(segment: JobSegment, suffix: string): string {
    return `${this.#job.folder}/${names.segmentFileName(segment.baseOffset, suffix)}`;
  }

  #indexBytesOf(segment: JobSegment): number {
    const sizes = [names.OFFSET_INDEX_SUFFIX, names.TIME_INDEX_SUFFIX].map(
      (suffix) => this.#disk.stat(this.#pathOf(segment, suffix))?.sizeBytes ?? 0,
    );
    return Math.max(...sizes);
  }
}

/**
 * Cleaning as the log sees it: what there is to clean, and how a cleaned segment takes the place of those it was made of.
 *
 * The swap has three steps, with a sync of the folder between them, so that a crash leaves the old segments or the new
 * one (interrupted-work.ts finishes or undoes it):
 *   1. `.cleaned` becomes `.swap`: from here on the new one counts;
 *   2. the old ones become `.deleted`, and the new one takes their place in the log, in one turn: readers find either;
 *   3. `.swap` loses its mark.
 * Whatever cuts, moves or closes the log settles a swap first, synchronously, or makes it void.
 */
import { loadAborted } from '../aborted-transactions.ts';
import type { Durability } from '../durability.ts';
import type { LogEnvironment } from '../environment.ts';
import * as names from '../file-names.ts';
import type { LogContents } from '../log-contents.ts';
import { Segment } from '../segment.ts';
import { collectAborted, type AbortedTransaction } from '../transaction-index.ts';
import { cleanableOf, mustRollForCleaning, type Cleanable, type CleanableLog } from './choice.ts';
import { removeCleaned } from './cleaned-segment.ts';
import { CleaningAborted, type CleanedGroup, type CleaningJob } from './cleaning-job.ts';
import { HASH_KEY_BYTES } from './key-hash.ts';

/** The part of a job that the cleaner's settings say. */
export type JobLimits = Pick<CleaningJob, 'mapBytesMax' | 'mapLoadFactor' | 'ioBufferBytes'>;

interface Source {
  readonly segment: Segment;
  readonly sizeBytes: number;
}

export class LogCleaning {
  readonly #environment: LogEnvironment;
  readonly #log: LogContents;
  readonly #durability: Durability;
  /** Of the job that is under way, by base offset. */
  #sources: ReadonlyMap<number, Source> = new Map();
  /** Between steps 1 and 2: a start after a crash would finish the swap. */
  #named: Segment | undefined;
  /** Between steps 2 and 3: in the log, but its files have the mark still. */
  #swapped: { readonly cleaned: Segment; readonly replaced: readonly Segment[] } | undefined;

  constructor(environment: LogEnvironment, log: LogContents, parts: { readonly durability: Durability }) {
    this.#environment = environment;
    this.#log = log;
    this.#durability = parts.durability;
  }

  /** Segments must not be removed now. */
  get isSwapping(): boolean {
    return this.#named !== undefined || this.#swapped !== undefined;
  }

  /** The log was cut or closed since the job began: nothing that comes of it can be used. */
  get isVoid(): boolean {
    return this.#sources.size === 0;
  }

  /** Undefined: nothing. */
  cleanable(lastStableOffset: () => number): Cleanable | undefined {
    return cleanableOf(this.#facts(lastStableOffset), this.#environment.clock.nowMs());
  }

  /** The active segment holds records that have waited for max.compaction.lag.ms. */
  get mustRoll(): boolean {
    return mustRollForCleaning(
      this.#facts(() => 0),
      this.#environment.clock.nowMs(),
    );
  }

  #facts(lastStableOffset: () => number): CleanableLog {
    const log = this.#log;
    return {
      segments: log.segments.list,
      logStartOffset: log.logStartOffset,
      logEndOffset: log.logEndOffset,
      recoveryPoint: this.#durability.recoveryPoint,
      cleanedTo: log.cleanedTo,
      lastStableOffset,
      settings: log.settings,
    };
  }

  /** The job for what `cleanable` says. Throws what the disk throws. */
  begin(cleanable: Cleanable, limits: JobLimits): CleaningJob {
    const { segments, settings, topic, partition, folder, logStartOffset } = this.#log;
    const { firstDirtyOffset, firstUncleanableOffset } = cleanable;
    const from = Math.max(0, segments.floorIndex(logStartOffset));
    const list = segments.list.slice(from, segments.floorIndex(firstUncleanableOffset));
    this.#sources = new Map(
      list.map((segment) => [segment.baseOffset, { segment, sizeBytes: segment.sizeBytes }]),
    );
    return {
      name: names.partitionName(topic, partition),
      folder,
      segments: list.map(({ baseOffset, sizeBytes }, index) => {
        const nextBaseOffset = list[index + 1]?.baseOffset ?? firstUncleanableOffset;
        return { baseOffset, sizeBytes, nextBaseOffset };
      }),
      firstDirtyOffset,
      firstUncleanableOffset,
      aborted: this.#abortedIn(list[0].baseOffset, firstUncleanableOffset),
      lastOfProducers: Array.from(this.#log.producerState().entries(), (entry) => ({
        producerId: entry.producerId,
        producerEpoch: entry.epoch,
        lastDataOffset: entry.batches.at(-1)?.lastOffset ?? -1,
      })),
      nowMs: this.#environment.clock.nowMs(),
      deleteRetentionMs: settings.deleteRetentionMs,
      segmentBytes: settings.segmentBytes,
      segmentIndexBytes: settings.segmentIndexBytes,
      indexIntervalBytes: settings.indexIntervalBytes,
      maxDecompressedBytes: settings.maxDecompressedMessageBytes,
      hashKey: this.#environment.random.bytes(HASH_KEY_BYTES),
      ...limits,
    };
  }

  #abortedIn(from: number, upTo: number): AbortedTransaction[] {
    const { segments } = this.#log;
    const found: AbortedTransaction[] = [];
    for (let index = Math.max(0, segments.floorIndex(from)); ; index++) {
      const segment = segments.at(index);
      if (segment === undefined) return found;
      loadAborted(this.#environment, this.#log, segment);
      if (collectAborted(segment.abortedTransactions(), { from, upTo }, found)) return found;
    }
  }

  /** The log is clean up to there. */
  finished(endOffset: number): void {
    this.#log.cleanedTo = Math.min(endOffset, this.#log.logEndOffset);
    this.#sources = new Map();
  }

  /** The disk failed under the cleaning. */
  fail(error: Error): void {
    if (!this.#log.isClosed) this.#log.home.fail(error);
  }

  /** The cleaned segment takes its place. Rejects with CleaningAborted when the log is not what it was. */
  async swap(group: CleanedGroup): Promise<void> {
    const { disk } = this.#environment;
    const { folder } = this.#log;
    const sources = this.#sourcesOf(group);
    const cleaned = this.#segmentOf(group, sources[0].segment);
    this.#mustBeAsItWas(sources, () => removeCleaned(disk, folder, group.baseOffset));
    cleaned.renameTo(names.SWAP_SUFFIX);
    this.#named = cleaned;
    await disk.syncDirectoryAsync(folder);
    // Settled meanwhile: nothing is there any more.
    if (this.#named !== cleaned) throw new CleaningAborted('the log has been cut, moved or closed');
    this.#named = undefined;
    this.#mustBeAsItWas(sources, () => cleaned.removeFiles());
    const replaced = sources.map(({ segment }) => segment);
    for (const segment of replaced) segment.markDeleted();
    this.#log.segments.replace(replaced, cleaned);
    const swapped = { cleaned, replaced };
    this.#swapped = swapped;
    await disk.syncDirectoryAsync(folder);
    if (this.#swapped === swapped) this.#finishSwap(swapped);
  }

  #finishSwap({
    cleaned,
    replaced,
  }: {
    readonly cleaned: Segment;
    readonly replaced: readonly Segment[];
  }): void {
    cleaned.renameTo('');
    this.#swapped = undefined;
    this.#durability.namesChanged();
    const swallowed = new Set(replaced.slice(1).map(({ baseOffset }) => baseOffset));
    this.#log.snapshots.removeIf((offset) => swallowed.has(offset));
    this.#removeLater(replaced);
  }

  /** Readers that have begun may finish. */
  #removeLater(replaced: readonly Segment[]): void {
    const { timers } = this.#environment;
    const { home } = this.#log;
    timers.after(this.#log.settings.fileDeleteDelayMs, () => {
      if (home.failure !== undefined || this.#log.isClosed) return;
      for (const segment of replaced) home.removeInTurn(() => segment.removeFilesAsync());
    });
  }

  #sourcesOf(group: CleanedGroup): Source[] {
    const sources: Source[] = [];
    for (const baseOffset of group.sources) {
      const source = this.#sources.get(baseOffset);
      if (source !== undefined) sources.push(source);
    }
    if (sources.length !== group.sources.length) throw new CleaningAborted('another cleaning has begun');
    return sources;
  }

  #segmentOf(group: CleanedGroup, first: Segment): Segment {
    return new Segment(this.#environment, {
      folder: this.#log.folder,
      baseOffset: group.baseOffset,
      sizeBytes: group.sizeBytes,
      createdMs: first.createdMs,
      rollJitterMs: first.rollJitterMs,
      indexIntervalBytes: first.indexIntervalBytes,
      isNew: false,
      hasIndexes: true,
      hasTransactionIndex: group.hasTransactionIndex,
      mark: names.CLEANED_SUFFIX,
    });
  }

  /** The segments are in the log as they were when the job began, and it still goes on. */
  #mustBeAsItWas(sources: readonly Source[], undo: () => void): void {
    const { isClosed, home, segments } = this.#log;
    const first = segments.list.indexOf(sources[0].segment);
    const areThere =
      first >= 0 &&
      sources.every(({ segment, sizeBytes }, index) => {
        const isSame = segments.at(first + index) === segment && segment.sizeBytes === sizeBytes;
        return isSame && !segment.isActive;
      });
    if (areThere && !isClosed && home.failure === undefined && this.#sources.size > 0) return;
    if (home.failure === undefined) undo();
    throw new CleaningAborted('the log has been cut, moved or closed');
  }

  /** Makes the job that is under way void, and undoes or finishes a swap that has begun: the log is to be cut or closed. */
  settle(): void {
    this.#sources = new Map();
    const { disk } = this.#environment;
    if (this.#named !== undefined) {
      // Durably, or a start after a crash would bring back what is about to be cut off.
      this.#named.removeFiles();
      this.#named = undefined;
      disk.syncDirectory(this.#log.folder);
    }
    if (this.#swapped === undefined) return;
    disk.syncDirectory(this.#log.folder);
    this.#finishSwap(this.#swapped);
    disk.syncDirectory(this.#log.folder);
  }

  /** The log goes on with other files, or not at all: nothing of a swap is finished. */
  forget(): void {
    this.#sources = new Map();
    this.#named = undefined;
    this.#swapped = undefined;
  }
}

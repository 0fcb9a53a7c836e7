/**
 * Bringing a log back from its folder when no clean shutdown vouches for it (clean-open.ts does that), in Kafka's order:
 * leftovers of deletions and compactions are removed or finished (interrupted-work.ts); from the recovery point on every
 * batch is looked at (length, checksum, offsets, epochs) and indexes, leader epochs and producer state are made anew; at
 * the first batch that is not whole the log is cut and what follows is dropped.
 *
 * Below the recovery point everything was durable. What is missing or damaged there was acknowledged, so the log is not
 * cut but refused: DamagedLog. The partition then is offline until somebody repairs it, and others serve.
 */
import type { DiskFile } from '../base/ports.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import * as header from '../protocol/record-batch.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { finishInterruptedWork, removeOrphans } from './interrupted-work.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { DamagedLog, isCompacted, stateFields, type LoadOptions } from './load-options.ts';
import { existingSegment, listFolder, readEpochs, type LogFolder } from './log-folder.ts';
import type { LogState } from './log-state.ts';
import { applyBatch, ProducerSnapshots } from './producer-snapshots.ts';
import { ProducerState } from './producer-state.ts';
import { scanBatchesAsync } from './scan.ts';
import { RELATIVE_OFFSET_MAX, type Segment } from './segment.ts';
import { Segments } from './segments.ts';
import type { AbortedTransaction } from './transaction-index.ts';

/** After a kill or a power cut. Reads in the background, so that other work goes on. Rejects with DamagedLog. */
export async function recoverLog(environment: LogEnvironment, options: LoadOptions): Promise<LogState> {
  return new Recovery(environment, options).run();
}

class Recovery {
  readonly #environment: LogEnvironment;
  readonly #options: LoadOptions;
  #folder: LogFolder;
  #recoveryPoint: number;
  readonly #segments = new Segments();
  #epochs = new LeaderEpochs();
  #snapshots: ProducerSnapshots;
  readonly #producers = new ProducerState();
  /** Written or looked at: to be synced before the log is used. */
  readonly #files: DiskFile[] = [];
  readonly #scanned: Segment[] = [];
  /** Where the scan began. Up to here the file with the epochs is complete and durable. */
  #scannedFrom = 0;

  constructor(environment: LogEnvironment, options: LoadOptions) {
    this.#environment = environment;
    this.#options = options;
    this.#folder = listFolder(environment.disk, options.folder);
    this.#recoveryPoint = options.recoveryPoint;
    this.#snapshots = new ProducerSnapshots(environment, options.folder);
  }

  async run(): Promise<LogState> {
    this.#folder = finishInterruptedWork(this.#environment, this.#folder);
    removeOrphans(this.#environment, this.#folder);
    const bases = this.#basesFromStart();
    const { settings } = this.#options;
    for (const baseOffset of bases) {
      this.#segments.add(existingSegment(this.#environment, this.#folder, { baseOffset, settings }));
    }
    this.#snapshots = new ProducerSnapshots(this.#environment, this.#folder.path, this.#folder.snapshots);
    this.#loadEpochs();
    const logEndOffset = await this.#scan();
    return this.#settle(logEndOffset);
  }

  /**
   * Segments that lie wholly below the log's start were being deleted, in whatever order the names survived. Above the
   * recovery point none was: they go later, when what they say of producers is durable elsewhere.
   */
  #basesFromStart(): number[] {
    const { disk } = this.#environment;
    const bases = [...this.#folder.logs];
    const end = Math.min(this.#options.logStartOffset, this.#options.recoveryPoint);
    while (bases.length > 1 && bases[1] <= end) {
      const offset = bases.shift()!;
      for (const suffix of names.SEGMENT_SUFFIXES) {
        disk.remove(`${this.#folder.path}/${names.segmentFileName(offset, suffix)}`);
      }
    }
    return bases;
  }

  #loadEpochs(): void {
    const epochs = readEpochs(this.#environment, this.#folder);
    if (epochs !== undefined) this.#epochs = epochs;
    else this.#recoveryPoint = 0;
  }

  /** Looks at all batches from the recovery point on and cuts the log where they end. Returns the log's end. */
  async #scan(): Promise<number> {
    const segments = this.#segments;
    if (segments.count === 0) return this.#options.recoveryPoint > 0 ? 0 : this.#options.logStartOffset;
    const firstIndex = Math.max(0, segments.floorIndex(this.#recoveryPoint));
    this.#checkChainBelow(firstIndex);
    const first = segments.at(firstIndex)!;
    this.#scannedFrom = first.baseOffset;
    this.#epochs.truncateFromEnd(first.baseOffset);
    this.#snapshots.removeIf((offset) => offset > first.baseOffset);
    this.#snapshots.load(this.#producers, segments, first.baseOffset);
    // Nobody says that this one is durable.
    if (first.baseOffset > this.#options.recoveryPoint) this.#files.push(...this.#snapshots.openLatest());
    let next = first.baseOffset;
    const ends: number[] = [];
    for (let index = firstIndex; index < segments.count; index++) {
      const segment = segments.at(index)!;
      if (index > firstIndex) this.#takeSnapshot(next);
      const isLast = index === segments.count - 1;
      next = await this.#scanSegment(segment, isLast);
      ends.push(next);
      const following = segments.at(index + 1);
      if (
        following !== undefined &&
        following.baseOffset !== next &&
        !this.#mayHaveGap(segment, following, next)
      ) {
        this.#dropFrom(index + 1, next);
      }
    }
    next = this.#dropEmptyBehindGap(firstIndex, ends);
    for (const segment of segments.list.slice(firstIndex, -1)) {
      if (segment.isActive) segment.deactivate();
      segment.indexes.endScan();
    }
    return next;
  }

  /** A compacted leader's follower has segments that begin beyond the end of the one before. */
  #mayHaveGap(segment: Segment, following: Segment, end: number): boolean {
    const { compact } = this.#options.settings.cleanupPolicy;
    return compact && following.baseOffset > end && !segment.isActive;
  }

  /**
   * Where nothing follows a gap, it is none: a crash has taken the last records, and readers would wait before them until
   * something is appended. `ends`: of the segments from `firstIndex` on. Returns the log's end.
   */
  #dropEmptyBehindGap(firstIndex: number, ends: readonly number[]): number {
    const segments = this.#segments;
    for (let last = segments.count - 1; last > firstIndex; last--) {
      const end = ends[last - 1 - firstIndex];
      const segment = segments.at(last)!;
      if (segment.sizeBytes > 0 || segment.baseOffset === end) break;
      this.#dropFrom(last, end);
      this.#scanned.splice(this.#scanned.indexOf(segment), 1);
    }
    return ends[segments.count - 1 - firstIndex];
  }

  #takeSnapshot(offset: number): void {
    this.#producers.endOffset = offset;
    const file = this.#snapshots.take(this.#producers);
    if (file !== undefined) this.#files.push(file);
  }

  /** The end offset of the segment, cut behind its last good batch; it is marked active when it was cut. */
  async #scanSegment(segment: Segment, isLast: boolean): Promise<number> {
    const mayMiss = isCompacted(this.#options);
    let next = segment.baseOffset;
    const aborted: AbortedTransaction[] = [];
    this.#scanned.push(segment);
    segment.beginScan();
    const sizeBytes = segment.sizeBytes;
    const range = { from: 0, to: sizeBytes };
    const end = await scanBatchesAsync(
      () => segment.file(),
      range,
      (buffer, at, position) => {
        const baseOffset = header.baseOffset(buffer, at);
        const lastOffset = header.lastOffset(buffer, at);
        const epoch = header.partitionLeaderEpoch(buffer, at);
        const latestEpoch = this.#epochs.latestEpoch;
        const isNext = mayMiss ? baseOffset >= next : baseOffset === next;
        const isGood =
          isNext &&
          lastOffset >= baseOffset &&
          lastOffset - segment.baseOffset <= RELATIVE_OFFSET_MAX &&
          (epoch < 0 || latestEpoch === undefined || epoch >= latestEpoch) &&
          header.isCrcValid(buffer, at);
        if (!isGood) return false;
        segment.indexBatch(buffer, at, position);
        if (epoch >= 0 && epoch !== latestEpoch) this.#epochs.assign(epoch, baseOffset);
        const completed = applyBatch(this.#producers, buffer, at);
        if (completed?.isAbort) aborted.push(completed);
        next = lastOffset + 1;
        return true;
      },
    );
    segment.setAborted(aborted);
    if (end < sizeBytes) {
      if (next < this.#recoveryPoint) {
        const path = segment.path(names.LOG_SUFFIX);
        throw new DamagedLog(this.#folder.path, `${path} is damaged at ${end}, below the recovery point`);
      }
      const bytes = sizeBytes - end;
      this.#environment.logger.warn(
        { log: this.#folder.path, segment: segment.baseOffset, bytes, endOffset: next },
        'the log is cut behind its last whole batch',
      );
      segment.activate();
      segment.truncateAt(end, next);
    } else if (isLast) {
      segment.activate();
    }
    return next;
  }

  /** What follows the cut was written after what was lost: nobody was told that it is there. */
  #dropFrom(index: number, endOffset: number): void {
    if (endOffset < this.#recoveryPoint) {
      throw new DamagedLog(
        this.#folder.path,
        `offsets from ${endOffset} on are missing, below the recovery point`,
      );
    }
    const dropped = this.#segments.removeFrom(index);
    const count = dropped.length;
    this.#environment.logger.warn(
      { log: this.#folder.path, count, endOffset },
      'segments behind the cut are dropped',
    );
    for (const segment of dropped.reverse()) segment.removeFiles();
    this.#snapshots.removeIf((offset) => offset > endOffset);
  }

  /** Each segment below must end where the next begins. */
  #checkChainBelow(endIndex: number): void {
    if (isCompacted(this.#options)) return;
    for (let index = 0; index < endIndex; index++) {
      const end = this.#segments.at(index)!.endOffset();
      const next = this.#segments.at(index + 1)!.baseOffset;
      if (end === next) continue;
      const problem =
        end < next
          ? `offsets ${end} to ${next - 1} are missing: a segment is gone`
          : `two segments hold offset ${next}`;
      throw new DamagedLog(this.#folder.path, problem);
    }
  }

  async #settle(logEndOffset: number): Promise<LogState> {
    const { disk } = this.#environment;
    let endOffset = logEndOffset;
    let start = this.#options.logStartOffset;
    if (endOffset < this.#options.recoveryPoint && endOffset < start) {
      throw new DamagedLog(this.#folder.path, `the log ends at ${endOffset}, it was durable up to ${start}`);
    }
    if (endOffset < this.#options.recoveryPoint) {
      throw new DamagedLog(
        this.#folder.path,
        `the log ends at ${endOffset}, below its recovery point ${this.#options.recoveryPoint}`,
      );
    }
    if (this.#segments.count > 0 && endOffset < start) {
      // Records up to the start had been deleted, and those before it were not durable.
      for (const segment of this.#segments.removeFrom(0)) segment.removeFiles();
      this.#scanned.length = 0;
      this.#epochs.clear();
      this.#snapshots.removeIf(() => true);
      this.#producers.clear(start);
    }
    if (this.#segments.count === 0) {
      endOffset = Math.max(endOffset, start);
      const fresh = existingSegment(this.#environment, this.#folder, {
        baseOffset: endOffset,
        settings: this.#options.settings,
        sizeBytes: 0,
      });
      fresh.isActive = true;
      fresh.file();
      this.#segments.add(fresh);
      this.#scanned.push(fresh);
    }
    const active = this.#segments.active;
    active.activate();
    start = Math.max(start, this.#segments.first.baseOffset);
    this.#epochs.truncateFromEnd(endOffset);
    this.#epochs.truncateFromStart(start);
    this.#epochs.forget();
    this.#removeStraySnapshots(endOffset);
    this.#producers.endOffset = endOffset;
    await this.#makeDurable();
    await disk.syncDirectoryAsync(this.#folder.path);
    return {
      ...stateFields(this.#options),
      segments: this.#segments,
      epochs: this.#epochs,
      snapshots: this.#snapshots,
      producers: this.#producers,
      logStartOffset: start,
      logEndOffset: endOffset,
      recoveryPoint: active.baseOffset,
      unsynced: [],
      isNew: false,
    };
  }

  /** Kept are those for the base offsets of segments. */
  #removeStraySnapshots(endOffset: number): void {
    const bases = new Set(this.#segments.list.map((segment) => segment.baseOffset));
    this.#snapshots.removeIf((offset) => offset > endOffset || !bases.has(offset));
  }

  /** What was only in the page cache is now believed, so it must be on the device. */
  async #makeDurable(): Promise<void> {
    const { disk } = this.#environment;
    const path = `${this.#folder.path}/${names.LEADER_EPOCH_CHECKPOINT}`;
    let epochsFile: DiskFile | undefined;
    // The recovery point becomes the base of the active segment: after another crash what is not below is found again.
    if (this.#epochs.isDirty && this.#segments.active.baseOffset > this.#scannedFrom) {
      epochsFile = disk.open(`${path}.tmp`, 'create');
      this.#files.push(epochsFile);
      epochsFile.truncate(0);
      epochsFile.write(0, [this.#epochs.content()]);
      this.#epochs.markDurable();
    }
    const metadata = `${this.#folder.path}/${names.PARTITION_METADATA}`;
    if (this.#options.topicId !== ZERO_UUID) this.#files.push(disk.open(metadata, 'read'));
    const syncs: Promise<void>[] = [];
    for (const segment of this.#scanned) {
      if (!segment.isActive) this.#files.push(...segment.writeIndexes());
      syncs.push(segment.file().sync());
    }
    for (const file of this.#files) syncs.push(file.sync());
    await Promise.all(syncs);
    for (const file of this.#files) file.close();
    if (epochsFile !== undefined) disk.rename(`${path}.tmp`, path);
  }
}

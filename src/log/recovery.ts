/**
 * Bringing a log back from its folder. After a clean shutdown the record of it is believed and no .log file is opened.
 * Otherwise, in Kafka's order: leftovers of deletions and compactions are removed or finished; from the recovery point
 * on every batch is looked at (length, checksum, offsets, epochs) and indexes, leader epochs and producer state are made
 * anew; at the first batch that is not whole the log is cut and what follows is dropped.
 *
 * Below the recovery point everything was durable. What is missing or damaged there was acknowledged, so the log is not
 * cut but refused: DamagedLog. The partition then is offline until somebody repairs it, and others serve.
 */
import type { DiskFile } from '../base/ports.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import { crc32c } from '../protocol/crc32c.ts';
import * as header from '../protocol/record-batch.ts';
import { CheckpointError, readSmallFile } from './checkpoint-file.ts';
import type { CleanLog } from './directory-files.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { LeaderEpochs, parseLeaderEpochs } from './leader-epochs.ts';
import { existingSegment, listFolder, type LogFolder } from './log-folder.ts';
import type { LogState } from './log-state.ts';
import { applyBatch, ProducerSnapshots } from './producer-snapshots.ts';
import { ProducerState } from './producer-state.ts';
import { scanBatches, scanBatchesAsync } from './scan.ts';
import { RELATIVE_OFFSET_MAX, type Segment } from './segment.ts';
import { Segments } from './segments.ts';
import type { LogSettings } from './settings.ts';
import type { AbortedTransaction } from './transaction-index.ts';

export class DamagedLog extends Error {
  constructor(folder: string, problem: string) {
    super(`${folder}: ${problem}`);
    this.name = 'DamagedLog';
  }
}

export interface LoadOptions {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly folder: string;
  readonly settings: LogSettings;
  /** From the directory's checkpoints; 0 when they have none. */
  readonly logStartOffset: number;
  readonly recoveryPoint: number;
  readonly wasClean: boolean;
  /** What the clean shutdown noted of this log. */
  readonly cleanLog: CleanLog | undefined;
  /** From the cleaner's checkpoint: offsets may be missing, whatever the cleanup.policy is now. */
  readonly cleanedTo?: number | undefined;
}

/** Undefined: there was no clean shutdown, or its record does not match: `recoverLog` is for those. Throws DamagedLog. */
export function openCleanLog(environment: LogEnvironment, options: LoadOptions): LogState | undefined {
  const { cleanLog, settings } = options;
  if (!options.wasClean) return undefined;
  const folder = listFolder(environment.disk, options.folder);
  removeDeleted(environment, folder);
  if (folder.marked.some(({ mark }) => mark !== names.DELETED_SUFFIX) || folder.logs.length === 0)
    return undefined;
  const epochs = readEpochs(environment, folder, cleanLog?.crc.epochs);
  // Without them everything would have to be looked at again.
  if (epochs === undefined && cleanLog?.crc.epochs !== undefined) return undefined;
  const activeBase = folder.logs[folder.logs.length - 1];
  if (cleanLog !== undefined) {
    const missing = cleanLog.segments.find((baseOffset) => !folder.logs.includes(baseOffset));
    if (missing !== undefined) throw new DamagedLog(folder.path, `the segment at ${missing} is missing`);
    if (folder.logs.length !== cleanLog.segments.length) return undefined;
    const path = `${folder.path}/${names.segmentFileName(activeBase, names.LOG_SUFFIX)}`;
    const sizeBytes = environment.disk.stat(path)?.sizeBytes ?? 0;
    if (sizeBytes < cleanLog.size) {
      throw new DamagedLog(folder.path, `${path} has ${sizeBytes} bytes, it had ${cleanLog.size}`);
    }
    if (sizeBytes > cleanLog.size) return undefined;
  }
  const segments = new Segments();
  for (const baseOffset of folder.logs) {
    const isActive = baseOffset === activeBase;
    const known =
      isActive && cleanLog !== undefined ? { sizeBytes: cleanLog.size, unsyncedIndexes: cleanLog.crc } : {};
    segments.add(existingSegment(environment, folder, { baseOffset, settings, ...known }));
  }
  segments.active.isActive = true;
  const logEndOffset = cleanLog?.end ?? segments.active.endOffset();
  if (logEndOffset < options.logStartOffset || logEndOffset < options.recoveryPoint) return undefined;
  if (epochs === undefined && logEndOffset > folder.logs[0]) return undefined;
  const leaderEpochs = epochs ?? new LeaderEpochs();
  const logStartOffset = Math.max(options.logStartOffset, folder.logs[0]);
  leaderEpochs.truncateFromEnd(logEndOffset);
  leaderEpochs.truncateFromStart(logStartOffset);
  leaderEpochs.forget();
  const snapshots = new ProducerSnapshots(environment, folder.path, folder.snapshots);
  snapshots.expect(cleanLog?.crc ?? {});
  return {
    topic: options.topic,
    partition: options.partition,
    topicId: options.topicId,
    folder: folder.path,
    settings,
    segments,
    epochs: leaderEpochs,
    snapshots,
    producers: cleanLog?.producers === false ? new ProducerState(logEndOffset) : undefined,
    logStartOffset,
    logEndOffset,
    recoveryPoint: logEndOffset,
    ...cleanedTo(options),
    unsynced: [],
    isNew: false,
  };
}

/** What was waiting for file.delete.delay.ms when the broker stopped. */
function removeDeleted({ disk }: LogEnvironment, { path, marked }: LogFolder): void {
  for (const { offset, suffix, mark } of marked) {
    if (mark === names.DELETED_SUFFIX) disk.remove(`${path}/${names.segmentFileName(offset, suffix)}${mark}`);
  }
}

function cleanedTo({ cleanedTo: offset }: LoadOptions): { cleanedTo: number } | undefined {
  return offset === undefined ? undefined : { cleanedTo: offset };
}

function isCompacted({ settings, cleanedTo }: LoadOptions): boolean {
  return settings.cleanupPolicy.compact || cleanedTo !== undefined;
}

/** After a kill or a power cut. Reads in the background, so that other work goes on. Rejects with DamagedLog. */
export async function recoverLog(environment: LogEnvironment, options: LoadOptions): Promise<LogState> {
  return new Recovery(environment, options).run();
}

/** Undefined when the file is missing or makes no sense: the epochs are then taken from the batches. */
function readEpochs(
  environment: LogEnvironment,
  folder: LogFolder,
  savedCrc?: number,
): LeaderEpochs | undefined {
  if (!folder.hasEpochs) return undefined;
  const path = `${folder.path}/${names.LEADER_EPOCH_CHECKPOINT}`;
  try {
    const content = readSmallFile(environment.disk, path);
    if (content === undefined || (savedCrc !== undefined && crc32c(content) !== savedCrc)) return undefined;
    const epochs = new LeaderEpochs(parseLeaderEpochs(path, content));
    epochs.isDirty = savedCrc !== undefined;
    epochs.savedCrc = savedCrc;
    return epochs;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    environment.logger.warn({ path, error }, 'the leader epochs are made anew from the batches');
    return undefined;
  }
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
    this.#finishInterruptedWork();
    this.#removeOrphans();
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
   * Leftovers of deletions and of a compaction that had not finished go; one that had is completed: what it was made of
   * goes, and it gets its name. Its content was durable before, its name need not have been.
   */
  #finishInterruptedWork(): void {
    const { disk } = this.#environment;
    const pathOf = (file: names.SegmentFileName, mark: string): string =>
      `${this.#folder.path}/${names.segmentFileName(file.offset, file.suffix)}${mark}`;
    const { marked } = this.#folder;
    if (marked.length === 0) return;
    const unfinished = new Set(
      marked.filter((file) => file.mark === names.CLEANED_SUFFIX).map((file) => file.offset),
    );
    const finished = new Set(
      marked
        .filter((file) => file.mark === names.SWAP_SUFFIX && file.suffix === names.LOG_SUFFIX)
        .map((file) => file.offset)
        .filter((offset) => !unfinished.has(offset)),
    );
    const swaps: names.SegmentFileName[] = [];
    for (const file of marked) {
      // Indexes without their log file belong to what is gone, or to what has its name already and gets them anew.
      if (file.mark === names.SWAP_SUFFIX && finished.has(file.offset)) swaps.push(file);
      else disk.remove(pathOf(file, file.mark));
    }
    disk.syncDirectory(this.#folder.path);
    if (swaps.length > 0) {
      for (const offset of finished) {
        const end = this.#endOfSwap(offset);
        for (const old of this.#folder.logs) {
          if (old !== offset && (old < offset || old >= end)) continue;
          for (const suffix of names.SEGMENT_SUFFIXES)
            disk.remove(pathOf({ offset: old, suffix, mark: '' }, ''));
        }
      }
      disk.syncDirectory(this.#folder.path);
      for (const file of swaps) disk.rename(pathOf(file, file.mark), pathOf(file, ''));
      disk.syncDirectory(this.#folder.path);
    }
    this.#folder = listFolder(disk, this.#folder.path);
  }

  #endOfSwap(baseOffset: number): number {
    const path = `${this.#folder.path}/${names.segmentFileName(baseOffset, names.LOG_SUFFIX)}${names.SWAP_SUFFIX}`;
    const file = this.#environment.disk.open(path, 'read');
    let end = baseOffset;
    try {
      scanBatches(file, { from: 0, to: file.sizeBytes() }, (buffer, at) => {
        end = header.lastOffset(buffer, at) + 1;
        return true;
      });
    } finally {
      file.close();
    }
    return end;
  }

  /** Index files without a .log file: of a deletion that was cut short. */
  #removeOrphans(): void {
    const { disk, logger } = this.#environment;
    for (const file of this.#folder.indexFiles) {
      if (this.#folder.logs.includes(file.offset)) continue;
      const path = `${this.#folder.path}/${names.segmentFileName(file.offset, file.suffix)}`;
      logger.warn({ path }, 'an index file without its log file is removed');
      disk.remove(path);
    }
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
    for (let index = firstIndex; index < segments.count; index++) {
      const segment = segments.at(index)!;
      if (index > firstIndex) this.#takeSnapshot(next);
      const isLast = index === segments.count - 1;
      next = await this.#scanSegment(segment, isLast);
      const following = segments.at(index + 1);
      if (
        following !== undefined &&
        following.baseOffset !== next &&
        !this.#mayHaveGap(segment, following, next)
      ) {
        this.#dropFrom(index + 1, next);
      }
    }
    for (const segment of segments.list.slice(firstIndex, -1)) {
      if (segment.isActive) segment.deactivate();
      segment.endScan();
    }
    return next;
  }

  /** A compacted leader's follower has segments that begin beyond the end of the one before. */
  #mayHaveGap(segment: Segment, following: Segment, end: number): boolean {
    const { compact } = this.#options.settings.cleanupPolicy;
    return compact && following.baseOffset > end && !segment.isActive;
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
      topic: this.#options.topic,
      partition: this.#options.partition,
      topicId: this.#options.topicId,
      folder: this.#folder.path,
      settings: this.#options.settings,
      segments: this.#segments,
      epochs: this.#epochs,
      snapshots: this.#snapshots,
      producers: this.#producers,
      logStartOffset: start,
      logEndOffset: endOffset,
      recoveryPoint: active.baseOffset,
      ...cleanedTo(this.#options),
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

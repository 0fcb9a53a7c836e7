/** What is in a partition's folder, by kind; and the making of its objects. */
import type { Disk } from '../base/ports.ts';
import { crc32c } from '../protocol/crc32c.ts';
import { CheckpointError, readSmallFile } from './checkpoint-file.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import type { UnsyncedIndexes } from './index-files.ts';
import { LeaderEpochs, parseLeaderEpochs } from './leader-epochs.ts';
import { Segment } from './segment.ts';
import type { LogSettings } from './settings.ts';

export interface LogFolder {
  readonly path: string;
  /** Base offsets of .log files, rising. */
  readonly logs: number[];
  readonly transactionIndexes: ReadonlySet<number>;
  /** Base offsets of .index and .timeindex files. */
  readonly indexes: ReadonlySet<number>;
  readonly snapshots: readonly number[];
  /** Files of segments other than .log. */
  readonly indexFiles: readonly names.SegmentFileName[];
  /** `.deleted`, `.cleaned` and `.swap` files. */
  readonly marked: readonly names.SegmentFileName[];
  readonly hasEpochs: boolean;
}

export function listFolder(disk: Disk, path: string): LogFolder {
  const logs: number[] = [];
  const transactionIndexes = new Set<number>();
  const indexes = new Set<number>();
  const snapshots: number[] = [];
  const indexFiles: names.SegmentFileName[] = [];
  const marked: names.SegmentFileName[] = [];
  let hasEpochs = false;
  for (const name of disk.list(path)) {
    if (name === names.LEADER_EPOCH_CHECKPOINT) hasEpochs = true;
    const file = names.parseSegmentFileName(name);
    if (file === undefined) continue;
    if (file.mark !== '') marked.push(file);
    else if (file.suffix === names.LOG_SUFFIX) logs.push(file.offset);
    else if (file.suffix === names.SNAPSHOT_SUFFIX) snapshots.push(file.offset);
    else if (names.SEGMENT_SUFFIXES.includes(file.suffix)) {
      indexFiles.push(file);
      const isOfTransactions = file.suffix === names.TRANSACTION_INDEX_SUFFIX;
      (isOfTransactions ? transactionIndexes : indexes).add(file.offset);
    }
  }
  logs.sort((a, b) => a - b);
  return { path, logs, transactionIndexes, indexes, snapshots, indexFiles, marked, hasEpochs };
}

/** Undefined when the file is missing or makes no sense: the epochs are then taken from the batches. */
export function readEpochs(
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

/** A segment that is there. Its size, when it is known, spares a question to the disk. */
export function existingSegment(
  environment: LogEnvironment,
  folder: LogFolder,
  options: {
    readonly baseOffset: number;
    readonly settings: LogSettings;
    readonly sizeBytes?: number;
    readonly unsyncedIndexes?: UnsyncedIndexes;
  },
): Segment {
  const { baseOffset, settings, sizeBytes, unsyncedIndexes } = options;
  return new Segment(environment, {
    folder: folder.path,
    baseOffset,
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    createdMs: environment.clock.nowMs(),
    rollJitterMs: rollJitter(environment, settings),
    indexIntervalBytes: settings.indexIntervalBytes,
    isNew: false,
    hasIndexes: folder.indexes.has(baseOffset),
    hasTransactionIndex: folder.transactionIndexes.has(baseOffset),
    ...(unsyncedIndexes === undefined ? {} : { unsyncedIndexes }),
  });
}

/** An empty segment that takes appends; its file is not there yet. */
export function freshSegment(
  environment: LogEnvironment,
  folder: string,
  options: { readonly baseOffset: number; readonly settings: LogSettings; readonly nowMs: number },
): Segment {
  const segment = new Segment(environment, {
    folder,
    baseOffset: options.baseOffset,
    createdMs: options.nowMs,
    rollJitterMs: rollJitter(environment, options.settings),
    indexIntervalBytes: options.settings.indexIntervalBytes,
    isNew: true,
    hasIndexes: false,
    hasTransactionIndex: false,
  });
  segment.isActive = true;
  return segment;
}

/** Drawn once per segment, so that logs that were made together do not roll together. */
function rollJitter(environment: LogEnvironment, settings: LogSettings): number {
  const jitterMs = Math.min(settings.segmentJitterMs, settings.segmentMs);
  return jitterMs <= 0 ? 0 : Math.floor(environment.random.float() * jitterMs);
}

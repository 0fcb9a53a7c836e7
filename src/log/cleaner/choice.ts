/** Which log is cleaned next, and which part of it: calculations, after Kafka's LogCleanerManager. */
import type { LogSettings } from '../settings.ts';

export interface CleanableSegment {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  /** Of the records, or of the file when they have none. */
  largestTimestamp(): number;
  /** Of the first batch; below 0 when it has none. */
  firstTimestamp(): number;
}

export interface CleanableLog {
  /** All of them; the last one is active. */
  readonly segments: readonly CleanableSegment[];
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** Segments below it are durable. */
  readonly recoveryPoint: number;
  /** Where the last cleaning ended; undefined before the first. */
  readonly cleanedTo: number | undefined;
  /** Below it all is committed and decided: high watermark and open transactions are beyond. */
  lastStableOffset(): number;
  readonly settings: Pick<
    LogSettings,
    'minCompactionLagMs' | 'maxCompactionLagMs' | 'minCleanableDirtyRatio'
  >;
}

export interface Cleanable {
  readonly firstDirtyOffset: number;
  /** The base offset of a segment: what cleaning must not touch begins there. */
  readonly firstUncleanableOffset: number;
  readonly cleanableBytes: number;
  /** Of the bytes that a cleaning would go through, the share that is dirty. */
  readonly dirtyRatio: number;
  /** How long ago something had waited for max.compaction.lag.ms; 0: nothing has. */
  readonly compactionDelayMs: number;
}

/** A lag beyond this is none: Kafka's Long.MAX. */
const LAG_MS_MAX = 100 * 365 * 86_400_000;

/** Undefined: there is nothing to clean. */
export function cleanableOf(log: CleanableLog, nowMs: number): Cleanable | undefined {
  const { segments, settings } = log;
  const activeBase = segments[segments.length - 1].baseOffset;
  const firstDirtyOffset = firstDirtyOf(log);
  if (firstDirtyOffset >= activeBase) return undefined;
  const dirty = segments.slice(floorIndex(segments, firstDirtyOffset), -1);
  let bound = Math.min(activeBase, log.recoveryPoint, log.lastStableOffset());
  const { minCompactionLagMs, maxCompactionLagMs } = settings;
  if (minCompactionLagMs > 0) {
    const young = dirty.find((segment) => segment.largestTimestamp() > nowMs - minCompactionLagMs);
    if (young !== undefined) bound = Math.min(bound, young.baseOffset);
  }
  // Segments are cleaned as wholes.
  const firstUncleanableOffset = segments[Math.max(0, floorIndex(segments, bound))].baseOffset;
  if (firstUncleanableOffset <= firstDirtyOffset) return undefined;
  let cleanBytes = 0;
  let cleanableBytes = 0;
  for (const [index, { baseOffset, sizeBytes }] of segments.entries()) {
    if (baseOffset >= firstUncleanableOffset) break;
    const end = segments[index + 1].baseOffset;
    if (end <= log.logStartOffset) continue;
    if (end <= firstDirtyOffset) cleanBytes += sizeBytes;
    else cleanableBytes += sizeBytes;
  }
  const totalBytes = cleanBytes + cleanableBytes;
  if (totalBytes === 0) return undefined;
  return {
    firstDirtyOffset,
    firstUncleanableOffset,
    cleanableBytes,
    dirtyRatio: cleanableBytes / totalBytes,
    compactionDelayMs: Math.max(...dirty.map((one) => delayMs(one, maxCompactionLagMs, nowMs))),
  };
}

/** Must the active segment be closed, so that what is in it can be cleaned in time? */
export function mustRollForCleaning(log: CleanableLog, nowMs: number): boolean {
  const active = log.segments[log.segments.length - 1];
  return active.sizeBytes > 0 && delayMs(active, log.settings.maxCompactionLagMs, nowMs) > 0;
}

function delayMs(segment: CleanableSegment, maxCompactionLagMs: number, nowMs: number): number {
  if (maxCompactionLagMs > LAG_MS_MAX) return 0;
  const firstTimestamp = segment.firstTimestamp();
  return firstTimestamp > 0 ? Math.max(0, nowMs - maxCompactionLagMs - firstTimestamp) : 0;
}

/** What the checkpoint says, unless the log was cut below it, or begins beyond it. */
function firstDirtyOf({ cleanedTo, logStartOffset, logEndOffset }: CleanableLog): number {
  return cleanedTo === undefined || cleanedTo > logEndOffset
    ? logStartOffset
    : Math.max(cleanedTo, logStartOffset);
}

/** May it be cleaned now? */
export function isDue(cleanable: Cleanable, settings: Pick<LogSettings, 'minCleanableDirtyRatio'>): boolean {
  if (cleanable.cleanableBytes === 0) return false;
  return cleanable.compactionDelayMs > 0 || cleanable.dirtyRatio > settings.minCleanableDirtyRatio;
}

/** Is `one` to be cleaned before `other`? What has waited too long comes first, then the dirtiest. */
export function isRather(one: Cleanable, other: Cleanable): boolean {
  const isOverdue = one.compactionDelayMs > 0;
  if (isOverdue !== other.compactionDelayMs > 0) return isOverdue;
  return one.dirtyRatio > other.dirtyRatio;
}

function floorIndex(segments: readonly CleanableSegment[], offset: number): number {
  let index = segments.length - 1;
  while (index > 0 && segments[index].baseOffset > offset) index -= 1;
  return index;
}

/** Which segments a log may let go, as a calculation: nothing is touched here. */
import type { LogSettings } from './settings.ts';

export interface RetainedSegment {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  /** Of the records, or of the file when they have none. */
  largestTimestamp(): number;
}

export interface RetentionState {
  readonly segments: readonly RetainedSegment[];
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly highWatermark: number;
  readonly nowMs: number;
}

export type RetentionReason = 'log start offset' | 'retention.bytes' | 'retention.ms';

/**
 * How many segments from the first on may go, and why the last of them may. Nothing at or above the high watermark
 * goes, and never the last segment while it is empty. Kafka's order: what lies before the log's start, then size, then
 * time. With a cleanup.policy that does not delete only the first applies.
 */
export function expiredSegments(
  state: RetentionState,
  settings: Pick<LogSettings, 'cleanupPolicy' | 'retentionBytes' | 'retentionMs'>,
): { count: number; reason: RetentionReason } {
  const { segments, logStartOffset, highWatermark, nowMs } = state;
  let count = 0;
  let reason: RetentionReason = 'log start offset';
  const mayGo = (index: number): boolean => {
    const segment = segments[index];
    if (segment === undefined) return false;
    const isLast = index === segments.length - 1;
    const end = isLast ? state.logEndOffset : segments[index + 1].baseOffset;
    return highWatermark >= end && !(isLast && segment.sizeBytes === 0);
  };

  while (mayGo(count) && count + 1 < segments.length && segments[count + 1].baseOffset <= logStartOffset)
    count += 1;
  if (!settings.cleanupPolicy.delete) return { count, reason };

  if (settings.retentionBytes >= 0) {
    let excess = -settings.retentionBytes;
    for (let index = count; index < segments.length; index++) excess += segments[index].sizeBytes;
    while (mayGo(count) && excess - segments[count].sizeBytes >= 0) {
      excess -= segments[count].sizeBytes;
      count += 1;
      reason = 'retention.bytes';
    }
  }
  if (settings.retentionMs >= 0) {
    while (mayGo(count) && nowMs - segments[count].largestTimestamp() > settings.retentionMs) {
      count += 1;
      reason = 'retention.ms';
    }
  }
  return { count, reason };
}

/** What a cleaning did, for the line in the broker's log: Kafka's figures under names that say their units. */
import type { CleaningJob, CleaningStats } from './cleaning-job.ts';

export function cleaningFigures(job: CleaningJob, stats: CleaningStats, dirtyRatio: number): object {
  const { tookMs, bytesRead, bytesKept, mapBytesRead } = stats;
  return {
    fromOffset: job.firstDirtyOffset,
    toOffset: stats.endOffset,
    dirtyRatio: rounded(dirtyRatio, 3),
    tookMs: Math.round(tookMs),
    segments: stats.passSegments,
    indexed: {
      tookMs: Math.round(stats.mapTookMs),
      bytes: mapBytesRead,
      records: stats.mapRecordsRead,
      keys: stats.mapKeys,
      mapUtilization: rounded(stats.mapUtilization, 3),
    },
    read: { bytes: bytesRead, records: stats.recordsRead, withoutKey: stats.recordsWithoutKey },
    kept: { bytes: bytesKept, records: stats.recordsKept },
    reducedBy: bytesRead === 0 ? 0 : rounded(1 - bytesKept / bytesRead, 3),
    bytesPerSecond: tookMs === 0 ? 0 : Math.round(((bytesRead + mapBytesRead + bytesKept) / tookMs) * 1000),
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

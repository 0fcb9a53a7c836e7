/**
 * What a broker's cleaner tells of itself, under the names that Kafka's metrics have, so that dashboards and alerts made
 * for Kafka find them. Plain numbers, taken when they are asked for; whoever serves metrics reads them from here.
 */
import type { Cleanable } from './choice.ts';
import type { CleaningStats } from './cleaning-job.ts';

export interface CleanerMetrics {
  /** `kafka.log:type=LogCleaner`. Of the last cleanings, as many as there are threads; whole percents and seconds. */
  readonly cleaner: {
    /** How full the map of keys became, at most. */
    readonly 'max-buffer-utilization-percent': number;
    /** Of the bytes read, those that were written again: a high figure says that cleaning comes too often. */
    readonly 'cleaner-recopy-percent': number;
    readonly 'max-clean-time-secs': number;
    /** How much later than max.compaction.lag.ms a record is cleaned, at most, as of the last look. */
    readonly 'max-compaction-delay-secs': number;
    /** Threads that ended by themselves since the start. Each was replaced, so this one never falls. */
    readonly DeadThreadCount: number;
  };
  /** `kafka.log:type=LogCleanerManager` */
  readonly manager: {
    /** Of the dirtiest log, as of the last look. */
    readonly 'max-dirty-percent': number;
    /** Since the cleaner last looked what there is to do; -1 before it first has. */
    readonly 'time-since-last-run-ms': number;
    /** Each log directory (the tag `logDirectory`), also those without a fault. */
    readonly directories: readonly DirectoryMetrics[];
  };
}

export interface DirectoryMetrics {
  readonly logDirectory: string;
  /** Logs that are left alone until the next start, since a cleaning of them has failed. */
  readonly 'uncleanable-partitions-count': number;
  /** What of them waits to be cleaned. */
  readonly 'uncleanable-bytes': number;
}

/** Keeps what has to be remembered between two readings. */
export class CleanerRecord {
  #last: CleaningStats[] = [];
  #deadThreads = 0;
  #lookedAtMs: number | undefined;
  #dirtyRatioMax = 0;
  #compactionDelayMsMax = 0;

  /** The cleaner begins to look at all logs that it may clean now. `nowMs` is monotonic. */
  looking(nowMs: number): void {
    this.#lookedAtMs = nowMs;
    this.#dirtyRatioMax = 0;
    this.#compactionDelayMsMax = 0;
  }

  /** One of them has something to clean. */
  found({ dirtyRatio, compactionDelayMs }: Cleanable): void {
    this.#dirtyRatioMax = Math.max(this.#dirtyRatioMax, dirtyRatio);
    this.#compactionDelayMsMax = Math.max(this.#compactionDelayMsMax, compactionDelayMs);
  }

  /** A log was cleaned. `threads`: how many are at work at the same time. */
  cleaned(stats: CleaningStats, threads: number): void {
    this.#last = [...this.#last, stats].slice(-Math.max(1, threads));
  }

  threadDied(): void {
    this.#deadThreads += 1;
  }

  /** `nowMs` is monotonic. */
  metrics(directories: readonly DirectoryMetrics[], nowMs: number): CleanerMetrics {
    const last = this.#last;
    const bytesRead = sum(last.map((stats) => stats.bytesRead));
    const bytesKept = sum(last.map((stats) => stats.bytesKept));
    return {
      cleaner: {
        'max-buffer-utilization-percent': percent(Math.max(0, ...last.map((stats) => stats.mapUtilization))),
        'cleaner-recopy-percent': percent(bytesKept / Math.max(1, bytesRead)),
        'max-clean-time-secs': seconds(Math.max(0, ...last.map((stats) => stats.tookMs))),
        'max-compaction-delay-secs': seconds(this.#compactionDelayMsMax),
        DeadThreadCount: this.#deadThreads,
      },
      manager: {
        'max-dirty-percent': percent(this.#dirtyRatioMax),
        'time-since-last-run-ms': this.#lookedAtMs === undefined ? -1 : Math.trunc(nowMs - this.#lookedAtMs),
        directories,
      },
    };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function percent(ratio: number): number {
  return Math.trunc(100 * ratio);
}

function seconds(ms: number): number {
  return Math.trunc(ms / 1000);
}

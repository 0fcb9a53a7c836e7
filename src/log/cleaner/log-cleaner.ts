/**
 * Compaction of all logs of a broker (Kafka's LogCleaner): the log that needs it most is cleaned, then the next, and when
 * there is none the cleaner rests for log.cleaner.backoff.ms. The work is done by `runner`: in a thread of its own in the
 * real program, in steps on the main loop elsewhere. A log that cannot be cleaned is reported and left alone; others go on.
 */
import { DiskError, type Timer } from '../../base/ports.ts';
import type { LogEnvironment } from '../environment.ts';
import { partitionName } from '../file-names.ts';
import type { Log } from '../log.ts';
import { isPassing, messageOf, StorageError } from '../storage-error.ts';
import { isDue, isRather, type Cleanable } from './choice.ts';
import type { CleanerMetrics, CleanerRecord, DirectoryMetrics } from './cleaner-metrics.ts';
import type { CleanerSettings } from './cleaner-settings.ts';
import {
  CleaningAborted,
  UncleanableLog,
  type CleaningControl,
  type CleaningJob,
  type CleaningStats,
} from './cleaning-job.ts';
import { cleaningFigures } from './cleaning-figures.ts';
import { Throttle } from './throttle.ts';

export type CleaningRunner = (job: CleaningJob, control: CleaningControl) => Promise<CleaningStats>;

export interface LogCleanerOptions {
  readonly environment: LogEnvironment;
  readonly settings: () => CleanerSettings;
  readonly logs: () => Iterable<Log>;
  readonly runner: CleaningRunner;
  readonly record: CleanerRecord;
  /** Of a log: what is beyond may still be taken back. */
  readonly highWatermarkOf: (log: Log) => number;
  /** The log is being moved, say. */
  readonly isPaused: (name: string) => boolean;
  /** Makes durable how far a log has been cleaned; false when that cannot be done now. */
  readonly checkpoint: (log: Log) => Promise<boolean>;
  /** log.dirs */
  readonly directories: () => Iterable<string>;
  /** No log has needed cleaning lately: the runner may let go of what it holds. */
  readonly onIdle?: () => void;
}

interface Run {
  readonly log: Log;
  isAborted: boolean;
  over: Promise<void>;
}

export class LogCleaner {
  readonly #options: LogCleanerOptions;
  readonly #environment: LogEnvironment;
  readonly #throttle: Throttle;
  /** By partition name. */
  readonly #runs = new Map<string, Run>();
  /** Why; by log, since one that is made anew under the name may be fine. */
  readonly #uncleanable = new WeakMap<Log, string>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: LogCleanerOptions) {
    this.#options = options;
    this.#environment = options.environment;
    this.#throttle = new Throttle(this.#environment, () => options.settings().ioMaxBytesPerSecond);
  }

  start(): void {
    if (this.#options.settings().enable) this.#rest();
  }

  #rest(): void {
    if (this.#isStopped || this.#timer !== undefined) return;
    this.#timer = this.#environment.timers.after(this.#options.settings().backoffMs, () => {
      this.#timer = undefined;
      this.cleanDue();
    });
  }

  /** Begins to clean what needs it most, as many logs as there are threads; goes on by itself afterwards. */
  cleanDue(): void {
    if (this.#isStopped) return;
    this.#rollOverdue();
    const { threads } = this.#options.settings();
    while (this.#runs.size < threads) {
      const next = this.#dirtiest();
      if (next === undefined) break;
      this.#begin(next.log, next.cleanable);
    }
    if (this.#runs.size >= threads && threads > 0) return;
    if (this.#runs.size === 0) this.#options.onIdle?.();
    this.#rest();
  }

  get runningCount(): number {
    return this.#runs.size;
  }

  /** Why a log is not cleaned any more; undefined: it is. */
  problemOf(log: Log): string | undefined {
    return this.#uncleanable.get(log);
  }

  /** As they are now; reading them looks at all logs. */
  metrics(): CleanerMetrics {
    const directories = new Map<string, DirectoryMetrics>();
    const note = (logDirectory: string, partitions: number, bytes: number): void => {
      const before = directories.get(logDirectory);
      directories.set(logDirectory, {
        logDirectory,
        'uncleanable-partitions-count': (before?.['uncleanable-partitions-count'] ?? 0) + partitions,
        'uncleanable-bytes': (before?.['uncleanable-bytes'] ?? 0) + bytes,
      });
    };
    for (const path of this.#options.directories()) note(path, 0, 0);
    for (const log of this.#options.logs()) {
      if (this.#uncleanable.has(log)) note(log.directory, 1, this.#waitingBytes(log));
    }
    const nowMs = this.#environment.clock.monotonicMs();
    return this.#options.record.metrics([...directories.values()], nowMs);
  }

  #waitingBytes(log: Log): number {
    try {
      return log.cleaning.cleanable(() => this.#stableOf(log))?.cleanableBytes ?? 0;
    } catch {
      // Where not even that can be told, it may be all of it.
      return log.sizeBytes;
    }
  }

  #candidates(): Log[] {
    const found: Log[] = [];
    for (const log of this.#options.logs()) {
      if (!log.settings.cleanupPolicy.compact || log.failure !== undefined) continue;
      const name = partitionName(log.topic, log.partition);
      if (this.#runs.has(name) || this.#uncleanable.has(log) || this.#options.isPaused(name)) continue;
      found.push(log);
    }
    return found;
  }

  /** Records in the active segment can only be cleaned when it is closed. */
  #rollOverdue(): void {
    for (const log of this.#candidates())
      this.#attempt(log, () => void (log.cleaning.mustRoll && log.roll()));
  }

  #dirtiest(): { log: Log; cleanable: Cleanable } | undefined {
    const { record } = this.#options;
    record.looking(this.#environment.clock.monotonicMs());
    let best: { log: Log; cleanable: Cleanable } | undefined;
    for (const log of this.#candidates()) {
      const cleanable = this.#attempt(log, () => log.cleaning.cleanable(() => this.#stableOf(log)));
      if (cleanable === undefined) continue;
      record.found(cleanable);
      if (!isDue(cleanable, log.settings)) continue;
      if (best === undefined || isRather(cleanable, best.cleanable)) best = { log, cleanable };
    }
    return best;
  }

  #stableOf(log: Log): number {
    return Math.min(this.#options.highWatermarkOf(log), log.firstUnstableOffset ?? Infinity);
  }

  /** A log whose indexes cannot be read, say, does not keep others from being cleaned. */
  #attempt<T>(log: Log, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      this.#failed(log, error);
      return undefined;
    }
  }

  #begin(log: Log, cleanable: Cleanable): void {
    const name = partitionName(log.topic, log.partition);
    const run: Run = { log, isAborted: false, over: Promise.resolve() };
    this.#runs.set(name, run);
    run.over = this.#clean(run, cleanable).then((wasCleaned) => {
      if (this.#runs.get(name) === run) this.#runs.delete(name);
      // What was given up is not tried again at once.
      if (wasCleaned) this.cleanDue();
      else this.#rest();
    });
  }

  /** False when it came to nothing. */
  async #clean(run: Run, cleanable: Cleanable): Promise<boolean> {
    const { log } = run;
    const { runner, settings, checkpoint } = this.#options;
    try {
      // From the first swap on there may be gaps, which the next start must know of.
      if (log.cleanedTo === undefined) log.cleaning.finished(cleanable.firstDirtyOffset);
      if (!(await checkpoint(log))) throw new CleaningAborted('the checkpoint cannot be written');
      mustGoOn(run);
      const { threads, dedupeBufferBytes, ioBufferBytes, ioBufferLoadFactor } = settings();
      const job = log.cleaning.begin(cleanable, {
        mapBytesMax: Math.floor(Math.min(dedupeBufferBytes / Math.max(1, threads), MAP_BYTES_MAX)),
        mapLoadFactor: ioBufferLoadFactor,
        ioBufferBytes: Math.floor(ioBufferBytes / Math.max(1, threads)),
      });
      const stats = await runner(job, {
        step: async (bytes) => {
          await this.#throttle.take(bytes, () => run.isAborted);
          mustGoOn(run);
          if (log.cleaning.isVoid) throw new CleaningAborted('the log has been cut');
        },
        swap: async (group) => {
          mustGoOn(run);
          await log.cleaning.swap(group);
        },
      });
      mustGoOn(run);
      log.cleaning.finished(stats.endOffset);
      this.#options.record.cleaned(stats, threads);
      this.#environment.logger.info(
        { log: job.name, ...cleaningFigures(job, stats, cleanable.dirtyRatio) },
        'a log was cleaned',
      );
      await checkpoint(log);
      return true;
    } catch (error) {
      if (!run.isAborted) this.#failed(log, error);
      return false;
    }
  }

  #failed(log: Log, error: unknown): void {
    const { logger } = this.#environment;
    const fields = { log: log.folder, error };
    // Retention, or a truncation, has taken a segment away that was to be read.
    const isOvertaken = error instanceof DiskError && error.code === 'ENOENT';
    if (error instanceof CleaningAborted || isOvertaken) {
      logger.debug(fields, 'the cleaning of a log was given up');
    } else if (isPassing(error)) {
      logger.warn(fields, 'the disk refused the cleaning of a log; it is tried again');
    } else if (error instanceof DiskError && !(error instanceof StorageError)) {
      log.cleaning.fail(error);
    } else if (log.failure === undefined) {
      this.#uncleanable.set(log, messageOf(error));
      const isKnown = error instanceof UncleanableLog || error instanceof StorageError;
      logger.error(fields, isKnown ? UNCLEANABLE : UNEXPECTED);
    }
  }

  /** The log is about to be deleted or moved: its cleaning ends, what it has written goes. */
  abort(name: string): void {
    const run = this.#runs.get(name);
    if (run === undefined) return;
    run.isAborted = true;
    this.#runs.delete(name);
    this.#attempt(run.log, () => run.log.cleaning.settle());
  }

  /** Nothing is begun any more, and what is under way ends soon. */
  halt(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    for (const run of this.#runs.values()) run.isAborted = true;
  }

  /** Resolves when nothing is cleaned any more. */
  async stop(): Promise<void> {
    this.halt();
    await Promise.all(Array.from(this.#runs.values(), (run) => run.over));
    this.#options.onIdle?.();
  }
}

/** A typed array that is larger can be made, but no sane broker needs one. */
const MAP_BYTES_MAX = 2 ** 31;
const UNCLEANABLE = 'a log cannot be cleaned; it is left alone until the next start';
const UNEXPECTED = 'the cleaning of a log failed unexpectedly; it is left alone until the next start';

function mustGoOn(run: Run): void {
  if (run.isAborted) throw new CleaningAborted('the cleaning was stopped');
}

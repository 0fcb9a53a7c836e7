/** Retention applied to all logs of a broker, a few in each turn, one round at a time (retention.ts says what may go). */
import type { LogEnvironment } from './environment.ts';
import type { Log } from './log.ts';
import { StorageError } from './storage-error.ts';

/** Logs to which retention is applied in one turn: each may have files to rename. */
const LOGS_PER_TURN_MAX = 16;

export interface RetentionRoundsOptions {
  readonly logs: () => Iterable<Log>;
  readonly highWatermarkOf: (log: Log) => number;
  /** Makes the starts of all logs durable. */
  readonly checkpoint: () => Promise<void>;
}

export class RetentionRounds {
  readonly #environment: LogEnvironment;
  readonly #options: RetentionRoundsOptions;
  #round: Promise<void> | undefined;
  #isStopped = false;

  constructor(environment: LogEnvironment, options: RetentionRoundsOptions) {
    this.#environment = environment;
    this.#options = options;
  }

  /** The round that is under way, or a new one: the starts move, are made durable, then the files go. */
  run(): Promise<void> {
    this.#round ??= this.#run().finally(() => (this.#round = undefined));
    return this.#round;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #run(): Promise<void> {
    await this.#apply();
    // One after the other: those who wait for the device at this moment go first.
    for (const log of this.#options.logs()) {
      // One that fails has told its directory.
      if (log.failure === undefined && log.isSealing) await log.flush().catch(() => {});
    }
    await this.#options.checkpoint();
    await this.#apply();
  }

  async #apply(): Promise<void> {
    const { clock, timers, logger } = this.#environment;
    const nowMs = clock.nowMs();
    let count = 0;
    for (const log of this.#options.logs()) {
      count += 1;
      if (count % LOGS_PER_TURN_MAX === 0) await new Promise<void>((resolve) => timers.soon(resolve));
      if (this.#isStopped) return;
      if (log.failure !== undefined) continue;
      try {
        log.deleteOldSegments(nowMs, this.#options.highWatermarkOf(log));
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        logger.warn({ log: log.folder, error }, 'old segments could not be deleted');
      }
    }
  }
}

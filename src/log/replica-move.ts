/**
 * The copying of a log into another directory of the same broker (AlterReplicaLogDirs): batches go over as they are, in
 * slices, while the original goes on being written. Caught up and durable, the copy is handed over in one step. What the
 * original knows of producers from batches that are deleted already goes over first.
 */
import type { Clock } from '../base/ports.ts';
import { OffsetOutOfRange } from './storage-error.ts';
import type { Log } from './log.ts';

/** replica.alter.log.dirs fetches: bytes copied before other work gets its turn. */
const SLICE_BYTES = 1024 ** 2;

export interface ReplicaMoveOptions {
  readonly log: Log;
  readonly future: Log;
  readonly clock: Clock;
  /** Resolves when so many bytes, which have been copied, are within the limit on all moves together. */
  readonly pace: (bytes: number, isOver: () => boolean) => Promise<void>;
  /** The copy holds what the log holds, durably. Called in the turn in which that is true. */
  readonly onCaughtUp: () => void;
}

export class ReplicaMove {
  readonly #options: ReplicaMoveOptions;
  #isCancelled = false;
  /** Counts the cuts of the original: what was read before one is not copied after it. */
  #cuts = 0;
  #fault: unknown;

  constructor(options: ReplicaMoveOptions) {
    this.#options = options;
    options.log.onCut = () => this.#followCut();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#options.log.onCut = () => {};
  }

  /** A follower's log may be cut, and go on with other records at the same offsets. */
  #followCut(): void {
    const { log, future } = this.#options;
    this.#cuts += 1;
    try {
      if (log.logStartOffset === log.logEndOffset) this.#beginAt(log.logEndOffset);
      else future.truncateTo(log.logEndOffset);
    } catch (error) {
      // It is the copy's fault, not that of whoever cut the log.
      this.#fault ??= error;
    }
  }

  async run(): Promise<void> {
    const { log, future } = this.#options;
    future.inheritProducers(log);
    let isDurable = false;
    while (!this.#isCancelled) {
      if (this.#fault !== undefined) throw this.#fault;
      if (future.logEndOffset < log.logEndOffset) {
        await this.#copySlice();
        continue;
      }
      // At least once: of a copy without records, too, the names say where it begins.
      if (future.durableEndOffset < log.logEndOffset || !isDurable) {
        await future.flush();
        isDurable = true;
        continue;
      }
      if (future.logEndOffset > log.logEndOffset) {
        future.truncateTo(log.logEndOffset);
        continue;
      }
      future.deleteRecordsBefore(log.logStartOffset);
      log.onCut = () => {};
      this.#options.onCaughtUp();
      return;
    }
  }

  async #copySlice(): Promise<void> {
    const { log, future, clock, pace } = this.#options;
    const cuts = this.#cuts;
    try {
      const read = await log.read({
        offset: future.logEndOffset,
        maxBytes: SLICE_BYTES,
        upTo: log.logEndOffset,
        minOneMessage: true,
      });
      if (this.#isCancelled || cuts !== this.#cuts) return;
      // The log begins within its first batch.
      if (read.firstOffset < future.logEndOffset) this.#beginAt(read.firstOffset);
      for (const buffer of read.buffers) {
        // The cache's bytes are shared: the copy's cache would keep its own view of them.
        const result = future.appendAsFollower(buffer, clock.nowMs());
        if (result.errorCode !== 0) throw new Error(`the copy refused a batch: ${result.errorMessage}`);
      }
      await pace(read.sizeBytes, () => this.#isCancelled);
    } catch (error) {
      if (!(error instanceof OffsetOutOfRange)) throw error;
      // Retention was faster, or the log was cut: begin again from what is there.
      if (future.logEndOffset < log.logStartOffset) this.#beginAt(log.logStartOffset);
      else future.truncateTo(log.logEndOffset);
    }
  }

  #beginAt(offset: number): void {
    const { log, future } = this.#options;
    future.truncateFullyAndStartAt(offset);
    future.inheritProducers(log);
  }
}

/**
 * Group commit for one log directory: all logs that were written to in a tick are synced together, and while that goes
 * on the next ones gather. At most one round is outstanding. A failed sync is final: nobody knows any more what the
 * device holds, so the directory is given up and never asked again.
 */
import type { Timers } from '../base/ports.ts';

export interface Syncable {
  /** Adds the syncs of all that must become durable now, and returns what `finishSync` is to be called with. */
  beginSync(syncs: Promise<unknown>[]): unknown;
  /** All of them succeeded. */
  finishSync(begun: unknown): void;
}

export class SyncRounds {
  readonly #timers: Timers;
  readonly #onFailure: (error: unknown) => void;
  #waiting: Syncable[] = [];
  #isScheduled = false;
  #isRunning = false;
  #isStopped = false;

  constructor(options: { readonly timers: Timers; readonly onFailure: (error: unknown) => void }) {
    this.#timers = options.timers;
    this.#onFailure = options.onFailure;
  }

  /** `log` takes part in the next round. It asks once per round. */
  request(log: Syncable): void {
    this.#waiting.push(log);
    this.#schedule();
  }

  /** No further round begins. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isRunning || this.#isStopped) return;
    this.#isScheduled = true;
    this.#timers.soon(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    if (this.#isStopped) return;
    const round = this.#waiting;
    this.#waiting = [];
    const syncs: Promise<unknown>[] = [];
    const begun: unknown[] = [];
    try {
      for (const log of round) begun.push(log.beginSync(syncs));
    } catch (error) {
      // Those that were begun are of no interest any more, but must not be taken for unnoticed failures.
      for (const sync of syncs) sync.catch(() => {});
      this.#fail(error);
      return;
    }
    if (syncs.length === 0) {
      this.#finish(round, begun);
      return;
    }
    this.#isRunning = true;
    Promise.all(syncs).then(
      () => this.#finish(round, begun),
      (error: unknown) => this.#fail(error),
    );
  }

  #finish(round: readonly Syncable[], begun: readonly unknown[]): void {
    this.#isRunning = false;
    if (this.#isStopped) return;
    try {
      for (let index = 0; index < round.length; index++) round[index].finishSync(begun[index]);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#waiting.length > 0) this.#schedule();
  }

  #fail(error: unknown): void {
    this.#isRunning = false;
    this.stop();
    this.#onFailure(error);
  }
}

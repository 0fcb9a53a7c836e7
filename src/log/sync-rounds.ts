/**
 * Group commit for one log directory: all logs that were written to in a tick are synced together, and while that goes
 * on the next ones gather. First the files, then the folders in which names have changed, so that no name becomes durable
 * before what it stands for. At most one round is outstanding. A failed sync is final: nobody knows any more what the
 * device holds, so the directory is given up and never asked again.
 */
import type { Timers } from '../base/ports.ts';

export interface Syncable {
  /** Adds the syncs of all that must become durable now, and returns what `finishSync` is to be called with. */
  beginSync(syncs: Promise<unknown>[]): unknown;
  /** All of them succeeded: adds the syncs of the folders whose names must become durable now. */
  syncNames(begun: unknown, syncs: Promise<unknown>[]): void;
  /** And these as well. */
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
    const begun: unknown[] = [];
    this.#isRunning = true;
    this.#step(
      (syncs) => {
        for (const log of round) begun.push(log.beginSync(syncs));
      },
      () => this.#syncNames(round, begun),
    );
  }

  #syncNames(round: readonly Syncable[], begun: readonly unknown[]): void {
    this.#step(
      (syncs) => {
        for (let index = 0; index < round.length; index++) round[index].syncNames(begun[index], syncs);
      },
      () => this.#finish(round, begun),
    );
  }

  /** Goes on when what `begin` has begun is done: at once if that is nothing. */
  #step(begin: (syncs: Promise<unknown>[]) => void, next: () => void): void {
    const syncs: Promise<unknown>[] = [];
    try {
      begin(syncs);
    } catch (error) {
      // Those that were begun are of no interest any more, but must not be taken for unnoticed failures.
      for (const sync of syncs) sync.catch(() => {});
      this.#fail(error);
      return;
    }
    if (syncs.length === 0) {
      next();
      return;
    }
    Promise.all(syncs).then(
      () => {
        if (this.#isStopped) this.#isRunning = false;
        else next();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #finish(round: readonly Syncable[], begun: readonly unknown[]): void {
    this.#isRunning = false;
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

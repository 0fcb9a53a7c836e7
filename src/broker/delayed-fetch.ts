/**
 * Fetch requests that wait for data. Each partition of a waiting request wakes it when something happens there; whether
 * it is enough is looked at once after everything else that happened in the same turn, so a produce request to ten
 * partitions, or one flush of many logs, wakes a consumer of all of them once.
 */
import type { Timers } from '../base/ports.ts';

export interface WaitingFetch {
  /** The node id of the follower that asks; undefined: a consumer does. */
  readonly follower?: number | undefined;
  /** Answers the request if enough is there; called only between `wakeSoon` and `forget`. */
  reconsider(): void;
  /** Answers the request as things are. */
  finish(): void;
}

export class DelayedFetches {
  readonly #timers: Timers;
  readonly #waiting = new Set<WaitingFetch>();
  #woken = new Set<WaitingFetch>();
  #isScheduled = false;
  #isStopped = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** False: the broker stops, nobody may wait any more. */
  add(waiting: WaitingFetch): boolean {
    if (!this.#isStopped) this.#waiting.add(waiting);
    return !this.#isStopped;
  }

  /** Answers all of them now, and whoever comes later at once. */
  stop(): void {
    this.#isStopped = true;
    for (const waiting of this.#waiting) waiting.finish();
  }

  /** Answers what these followers wait for. */
  finishOf(followers: ReadonlySet<number>): void {
    for (const waiting of this.#waiting) {
      if (waiting.follower !== undefined && followers.has(waiting.follower)) waiting.finish();
    }
  }

  wakeSoon(waiting: WaitingFetch): void {
    this.#woken.add(waiting);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#timers.soon(() => this.#run());
  }

  forget(waiting: WaitingFetch): void {
    this.#waiting.delete(waiting);
    this.#woken.delete(waiting);
  }

  #run(): void {
    this.#isScheduled = false;
    const woken = this.#woken;
    this.#woken = new Set();
    for (const waiting of woken) waiting.reconsider();
  }
}

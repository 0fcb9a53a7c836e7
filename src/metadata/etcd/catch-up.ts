/**
 * Lets a watch of the whole cluster reach the revisions that the store has named in its answers. On an etcd that others
 * share, the current revision may be one that changed nothing below our prefix, and whoever waits for a watch to reach it
 * would wait until the next change of our own. So, after a moment of waiting, a change is made: a put on the prefix itself,
 * which is no key of the store's. Progress notifications are not trusted with it, as they have been seen to overtake events.
 */
import type { Timer, Timers } from '../../base/ports.ts';
import type { EtcdWatch } from './watch.ts';

/** Events usually arrive sooner than this. */
const PATIENCE_MS = 100;
const RETRY_MS = 1_000;

export class CatchUp {
  readonly #timers: Timers;
  readonly #nudge: () => Promise<unknown>;
  readonly #watches = new Set<EtcdWatch>();
  #wantedRevision = 0;
  #timer: Timer | undefined;
  #isNudging = false;

  /** `nudge` makes a change that every watch of the cluster sees. */
  constructor(timers: Timers, nudge: () => Promise<unknown>) {
    this.#timers = timers;
    this.#nudge = nudge;
  }

  /** A watch of everything below the prefix. */
  add(watch: EtcdWatch): void {
    this.#watches.add(watch);
  }

  remove(watch: EtcdWatch): void {
    this.#watches.delete(watch);
  }

  /** Somebody was told of this revision and may wait for it. */
  want(revision: number): void {
    this.#wantedRevision = Math.max(this.#wantedRevision, revision);
    if (this.#isLagging()) this.#timer ??= this.#later(PATIENCE_MS);
  }

  close(): void {
    this.#timer?.cancel();
    this.#watches.clear();
  }

  #isLagging(): boolean {
    return [...this.#watches].some((watch) => watch.deliveredRevision < this.#wantedRevision);
  }

  #later(delayMs: number): Timer {
    return this.#timers.after(delayMs, () => {
      this.#timer = undefined;
      if (this.#isNudging || !this.#isLagging()) return;
      this.#isNudging = true;
      const done = (): void => {
        this.#isNudging = false;
        // It may have failed, or the watch may be slow: looked at again.
        if (this.#isLagging()) this.#timer ??= this.#later(RETRY_MS);
      };
      this.#nudge().then(done, done);
    });
  }
}

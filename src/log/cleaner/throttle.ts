/** A limit on bytes per second that all who share it keep together, as it is at each step. */
import type { Clock, Timers } from '../../base/ports.ts';

/** Shorter waits are put off until they are worth a timer. */
const WAIT_MS_MIN = 5;
/** Longer waits end in between, so that a change of the limit, or the end, is noticed. */
const WAIT_MS_MAX = 200;
/** So much may be caught up after a time in which less was used. */
const SLACK_MS = 100;

export class Throttle {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #bytesPerSecond: () => number;
  /** What was granted so far is paid for at this time. */
  #paidAtMs = -Infinity;

  constructor(ports: { readonly clock: Clock; readonly timers: Timers }, bytesPerSecond: () => number) {
    this.#clock = ports.clock;
    this.#timers = ports.timers;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when `bytes`, which have been used already, are within the limit, or `isOver` says that it does not matter. */
  async take(bytes: number, isOver: () => boolean): Promise<void> {
    let rate = this.#rate();
    this.#paidAtMs = Math.max(this.#paidAtMs, this.#clock.monotonicMs() - SLACK_MS) + (bytes / rate) * 1000;
    while (!isOver()) {
      const waitMs = this.#paidAtMs - this.#clock.monotonicMs();
      if (waitMs < WAIT_MS_MIN) return;
      await new Promise<void>((resolve) => this.#timers.after(Math.min(waitMs, WAIT_MS_MAX), resolve));
      const nowMs = this.#clock.monotonicMs();
      const changed = this.#rate();
      if (changed !== rate) this.#paidAtMs = nowMs + (this.#paidAtMs - nowMs) * (rate / changed);
      rate = changed;
    }
  }

  #rate(): number {
    return Math.max(1, this.#bytesPerSecond());
  }
}

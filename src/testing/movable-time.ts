/**
 * A broker's time that a test can move forward: the real one, and what it was advanced by. All that the broker knows of time
 * comes from here, so retention, session and transaction timeouts happen as if the time had passed.
 */
import type { Clock, Timer, Timers } from '../base/ports.ts';

interface Pending extends Timer {
  readonly dueMs: number;
  /** Counts from now on again, as time was moved. */
  arm(): void;
  fire(): void;
}

export class MovableTime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly #pending = new Set<Pending>();
  #aheadMs = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(real: { readonly clock: Clock; readonly timers: Timers }) {
    const { clock, timers } = real;
    this.clock = {
      nowMs: () => clock.nowMs() + Math.floor(this.#aheadMs),
      monotonicMs: () => clock.monotonicMs() + this.#aheadMs,
    };
    this.timers = {
      after: (delayMs, callback) => this.#after(timers, delayMs, callback),
      soon: (callback) => timers.soon(callback),
    };
  }

  /**
   * Moves time by `ms`, from timer to timer: each is called when it is due, in order, and what it sets off goes on a little
   * before the next one. Resolves when all that were due have been called.
   */
  advance(ms: number): Promise<void> {
    if (!(ms >= 0 && Number.isFinite(ms))) throw new RangeError(`time cannot be advanced by ${ms} ms`);
    this.#turn = this.#turn.then(() => this.#advance(this.clock.monotonicMs() + ms));
    return this.#turn;
  }

  async #advance(targetMs: number): Promise<void> {
    for (;;) {
      let next: Pending | undefined;
      for (const one of this.#pending) if (next === undefined || one.dueMs < next.dueMs) next = one;
      if (next === undefined || next.dueMs > targetMs) break;
      this.#moveTo(next.dueMs);
      next.fire();
      await this.#pause();
    }
    this.#moveTo(targetMs);
    for (const one of this.#pending) one.arm();
    await this.#pause();
  }

  #moveTo(ms: number): void {
    this.#aheadMs += Math.max(0, ms - this.clock.monotonicMs());
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.timers.soon(resolve));
  }

  #after(timers: Timers, delayMs: number, callback: () => void): Timer {
    const dueMs = this.clock.monotonicMs() + delayMs;
    let timer: Timer | undefined;
    const pending: Pending = {
      dueMs,
      arm: () => {
        timer?.cancel();
        timer = timers.after(Math.max(0, dueMs - this.clock.monotonicMs()), () => pending.fire());
      },
      fire: () => {
        pending.cancel();
        callback();
      },
      cancel: () => {
        timer?.cancel();
        this.#pending.delete(pending);
      },
    };
    this.#pending.add(pending);
    pending.arm();
    return pending;
  }
}

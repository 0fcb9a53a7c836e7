/** Timers that are cancelled together, so that a shutdown leaves nothing pending that would hold the process. */
import type { Timer, Timers } from '../base/ports.ts';

export class OwnTimers implements Timers {
  readonly #timers: Timers;
  readonly #pending = new Set<Timer>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  after(delayMs: number, callback: () => void): Timer {
    const inner = this.#timers.after(delayMs, () => {
      this.#pending.delete(timer);
      callback();
    });
    const timer: Timer = {
      cancel: () => {
        this.#pending.delete(timer);
        inner.cancel();
      },
    };
    this.#pending.add(timer);
    return timer;
  }

  soon(callback: () => void): void {
    this.#timers.soon(callback);
  }

  cancelAll(): void {
    for (const timer of this.#pending) timer.cancel();
  }
}

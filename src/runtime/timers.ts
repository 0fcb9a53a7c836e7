/**
 * Real timers, on setTimeout and setImmediate. They keep the process alive: behind a pending timer somebody
 * waits (a client's backoff with no connection open has nothing else that holds the process), and whoever is
 * closed cancels its timers, so a process that does not end shows a forgotten one instead of hiding it.
 */
import type { Timer, Timers } from '../base/ports.ts';

/**
 * The longest delay that setTimeout knows; it takes anything longer for 1 ms. Longer delays go in several
 * steps.
 */
const STEP_MS_MAX = 2 ** 31 - 1;

export function realTimers(): Timers {
  return {
    after(delayMs, callback) {
      return new RealTimer(delayMs, callback);
    },
    soon(callback) {
      setImmediate(callback);
    },
  };
}

class RealTimer implements Timer {
  readonly #dueMs: number;
  #callback: (() => void) | undefined;
  #handle: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void) {
    this.#dueMs = performance.now() + delayMs;
    this.#callback = callback;
    this.#handle = this.#arm(delayMs);
  }

  cancel(): void {
    clearTimeout(this.#handle);
    this.#callback = undefined;
  }

  #arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(fire, Math.min(Math.ceil(delayMs), STEP_MS_MAX), this);
  }

  /**
   * libuv counts whole milliseconds from a cached time and may call up to one too early: the port promises
   * never.
   */
  fire(): void {
    const callback = this.#callback;
    if (callback === undefined) return;
    const leftMs = this.#dueMs - performance.now();
    if (leftMs > 0) {
      this.#handle = this.#arm(leftMs);
      return;
    }
    this.#callback = undefined;
    callback();
  }
}

/** One function for all timers, so that no closure is made per timer. */
function fire(timer: RealTimer): void {
  timer.fire();
}

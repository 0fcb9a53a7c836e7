/** Who waits for the end of a transaction, before the next one with the same id can begin. */
import type { Timers } from '../base/ports.ts';

export class Completions {
  readonly #timers: Timers;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Resolves when the transaction ends, at the latest after `delayMs`. */
  within(transactionalId: string, delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(transactionalId) ?? new Set();
      this.#waiting.set(transactionalId, waiting);
      const timer = this.#timers.after(delayMs, () => {
        waiting.delete(wake);
        if (waiting.size === 0 && this.#waiting.get(transactionalId) === waiting) {
          this.#waiting.delete(transactionalId);
        }
        resolve();
      });
      const wake = (): void => {
        timer.cancel();
        resolve();
      };
      waiting.add(wake);
    });
  }

  /** The transaction has ended. */
  wake(transactionalId: string): void {
    const waiting = this.#waiting.get(transactionalId);
    this.#waiting.delete(transactionalId);
    for (const wake of waiting ?? []) wake();
  }
}

/**
 * A shard's timers by key. Sessions are renewed with every heartbeat, far more often than they run out, so a later
 * deadline only changes a number: the running timer looks at it when it fires, and goes on for the rest.
 */
import type { Timer, Timers } from '../base/ports.ts';

interface Entry<E> {
  event: E;
  /** Monotonic time at which the entry is due, and that at which its timer fires: earlier once renewed. */
  dueMs: number;
  firesMs: number;
  timer: Timer;
}

export class ShardTimers<E> {
  readonly #timers: Timers;
  readonly #monotonicMs: () => number;
  readonly #expired: (event: E) => void;
  readonly #entries = new Map<string, Entry<E>>();

  constructor(timers: Timers, monotonicMs: () => number, expired: (event: E) => void) {
    this.#timers = timers;
    this.#monotonicMs = monotonicMs;
    this.#expired = expired;
  }

  schedule(key: string, delayMs: number, event: E): void {
    const dueMs = this.#monotonicMs() + delayMs;
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.firesMs <= dueMs) {
      entry.dueMs = dueMs;
      entry.event = event;
      return;
    }
    entry?.timer.cancel();
    const created: Entry<E> = { event, dueMs, firesMs: dueMs, timer: undefined as unknown as Timer };
    created.timer = this.#timers.after(delayMs, () => this.#fired(key, created));
    this.#entries.set(key, created);
  }

  cancel(key: string): void {
    this.#entries.get(key)?.timer.cancel();
    this.#entries.delete(key);
  }

  cancelAll(): void {
    for (const { timer } of this.#entries.values()) timer.cancel();
    this.#entries.clear();
  }

  get size(): number {
    return this.#entries.size;
  }

  #fired(key: string, entry: Entry<E>): void {
    const restMs = entry.dueMs - this.#monotonicMs();
    if (restMs > 0) {
      entry.firesMs = entry.dueMs;
      entry.timer = this.#timers.after(restMs, () => this.#fired(key, entry));
      return;
    }
    this.#entries.delete(key);
    this.#expired(entry.event);
  }
}

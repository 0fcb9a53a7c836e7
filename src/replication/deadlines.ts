/**
 * Deadlines of waiting requests: thousands at a time, nearly all of them cancelled long before they are due. They lie in
 * buckets of a few milliseconds under one timer of the port, so that a waiting request costs two links and no timer.
 */
import type { Clock, Timer, Timers } from '../base/ports.ts';

/** How much later than asked a deadline may be called. */
export const DEADLINE_TICK_MS = 4;

export interface Deadline {
  /** May be called any number of times, also after it was called. */
  cancel(): void;
}

interface Bucket {
  readonly dueMs: number;
  readonly entries: Set<Entry>;
}

class Entry implements Deadline {
  callback: (() => void) | undefined;
  readonly #bucket: Bucket;

  constructor(callback: () => void, bucket: Bucket) {
    this.callback = callback;
    this.#bucket = bucket;
    bucket.entries.add(this);
  }

  cancel(): void {
    if (this.callback === undefined) return;
    this.callback = undefined;
    this.#bucket.entries.delete(this);
  }
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #buckets = new Map<number, Bucket>();
  /** Due times of the buckets, ascending: an insertion is nearly always at the end. */
  readonly #order: number[] = [];
  #timer: Timer | undefined;
  #timerDueMs = Infinity;

  constructor(ports: { readonly clock: Clock; readonly timers: Timers }) {
    this.#clock = ports.clock;
    this.#timers = ports.timers;
  }

  /** Calls back once, `delayMs` to `delayMs` + one tick from now. */
  after(delayMs: number, callback: () => void): Deadline {
    const now = this.#clock.monotonicMs();
    const dueMs = Math.ceil((now + Math.max(0, delayMs)) / DEADLINE_TICK_MS) * DEADLINE_TICK_MS;
    let bucket = this.#buckets.get(dueMs);
    if (bucket === undefined) {
      bucket = { dueMs, entries: new Set() };
      this.#buckets.set(dueMs, bucket);
      this.#insert(dueMs);
      if (dueMs < this.#timerDueMs) this.#arm(dueMs, now);
    }
    return new Entry(callback, bucket);
  }

  /** Forgets all of them. */
  stop(): void {
    this.#timer?.cancel();
    this.#timerDueMs = Infinity;
    for (const bucket of this.#buckets.values())
      for (const entry of bucket.entries) entry.callback = undefined;
    this.#buckets.clear();
    this.#order.length = 0;
  }

  #insert(dueMs: number): void {
    const order = this.#order;
    let at = order.length;
    while (at > 0 && order[at - 1]! > dueMs) at--;
    order.splice(at, 0, dueMs);
  }

  #arm(dueMs: number, now: number): void {
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#timers.after(Math.max(0, dueMs - now), () => this.#fire());
  }

  #fire(): void {
    this.#timerDueMs = Infinity;
    const now = this.#clock.monotonicMs();
    const order = this.#order;
    let past = 0;
    while (past < order.length && order[past]! <= now) past++;
    for (const dueMs of order.splice(0, past)) {
      const bucket = this.#buckets.get(dueMs)!;
      this.#buckets.delete(dueMs);
      for (const entry of bucket.entries) {
        const callback = entry.callback;
        entry.callback = undefined;
        callback?.();
      }
    }
    // Buckets whose entries were all cancelled need no timer of their own.
    let empty = 0;
    while (empty < order.length && this.#buckets.get(order[empty]!)!.entries.size === 0) {
      this.#buckets.delete(order[empty]!);
      empty++;
    }
    order.splice(0, empty);
    const next = order[0];
    if (next !== undefined && next < this.#timerDueMs) this.#arm(next, now);
  }
}

/**
 * Those who wait for a partition's high watermark to reach an offset (producers with acks=all, coordinators with a parked
 * reply), in the order of their offsets. Offsets nearly always come in ascending order, so this is a queue.
 */

export interface OffsetWaiter {
  readonly offset: number;
  /** Undefined once cancelled or called. */
  callback: ((outcome: WaitOutcome) => void) | undefined;
}

/** `lost`: the partition has another leader, is gone, or its disk failed: whether the offset is committed is unknown. */
export type WaitOutcome = 'committed' | 'lost';

/** Cancelled waiters stay in the queue until they come to its head; past this many of them it is cleaned. */
const CANCELLED_MAX = 1_000;

export class OffsetWaiters {
  #queue: OffsetWaiter[] = [];
  #head = 0;
  #cancelled = 0;

  /** Calls back once when `reach` is called with at least `offset`. Returns a way to forget about it. */
  add(offset: number, callback: (outcome: WaitOutcome) => void): () => void {
    const waiter: OffsetWaiter = { offset, callback };
    const queue = this.#queue;
    let at = queue.length;
    while (at > this.#head && queue[at - 1]!.offset > offset) at--;
    if (at === queue.length) queue.push(waiter);
    else queue.splice(at, 0, waiter);
    return () => {
      if (waiter.callback === undefined) return;
      waiter.callback = undefined;
      this.#cancelled += 1;
      if (this.#cancelled > CANCELLED_MAX) this.#clean();
    };
  }

  reach(offset: number): void {
    for (;;) {
      const waiter = this.#queue[this.#head];
      if (waiter === undefined || waiter.offset > offset) break;
      this.#head += 1;
      this.#call(waiter, 'committed');
    }
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head > CANCELLED_MAX) {
      this.#clean();
    }
  }

  /** Ends all waits: nobody will know from here whether they come true. */
  lose(): void {
    const all = this.#queue.slice(this.#head);
    this.#queue = [];
    this.#head = 0;
    this.#cancelled = 0;
    for (const waiter of all) this.#call(waiter, 'lost');
  }

  size(): number {
    return this.#queue.length - this.#head - this.#cancelled;
  }

  #call(waiter: OffsetWaiter, outcome: WaitOutcome): void {
    const { callback } = waiter;
    if (callback === undefined) {
      this.#cancelled = Math.max(0, this.#cancelled - 1);
      return;
    }
    waiter.callback = undefined;
    callback(outcome);
  }

  #clean(): void {
    this.#queue = this.#queue.slice(this.#head).filter((waiter) => waiter.callback !== undefined);
    this.#head = 0;
    this.#cancelled = 0;
  }
}

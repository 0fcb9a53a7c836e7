/**
 * Small requests to other brokers, gathered: to each broker one request is under way, and what comes meanwhile goes out
 * together with the next. So a slow broker holds up only what is for it, and a busy one gets few large requests.
 */
import type { Timers } from '../base/ports.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';

/** Items for one broker that wait for the request before. */
export const WAITING_ITEMS_MAX = 10_000;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface PeerBatchesOptions<Item, Result> {
  readonly timers: Pick<Timers, 'soon'>;
  /** Items of one request. */
  readonly itemsMax: number;
  /** One result an item, in order. What it rejects with, each item is rejected with. */
  readonly send: (nodeId: number, items: readonly Item[]) => Promise<readonly Result[]>;
}

export class PeerBatches<Item, Result> {
  readonly #options: PeerBatchesOptions<Item, Result>;
  /** By broker; an entry is there while a request is under way or about to be. */
  readonly #waiting = new Map<number, Waiting<Item, Result>[]>();

  constructor(options: PeerBatchesOptions<Item, Result>) {
    this.#options = options;
  }

  /** Rejects with REQUEST_TIMED_OUT when too much waits already. */
  add(nodeId: number, item: Item): Promise<Result> {
    let queue = this.#waiting.get(nodeId);
    if (queue === undefined) {
      const started: Waiting<Item, Result>[] = [];
      this.#waiting.set(nodeId, (queue = started));
      // What is asked for in this turn goes together.
      this.#options.timers.soon(() => void this.#sendAll(nodeId, started));
    }
    if (queue.length >= WAITING_ITEMS_MAX) {
      return Promise.reject(new KafkaError(Errors.REQUEST_TIMED_OUT, 'too many requests wait for a broker'));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    queue.push({ item, resolve, reject });
    return promise;
  }

  /** Does not reject. */
  async #sendAll(nodeId: number, queue: Waiting<Item, Result>[]): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0, this.#options.itemsMax);
      try {
        const items = batch.map(({ item }) => item);
        const results = await this.#options.send(nodeId, items);
        for (const [index, { resolve }] of batch.entries()) resolve(results[index]!);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#waiting.delete(nodeId);
  }
}

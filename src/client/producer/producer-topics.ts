/**
 * The topics that a producer knows, and the records that cannot be placed yet: their topic is not known, or memory is used up.
 * They wait as the records that they are, topic by topic in the order of the calls.
 */
import type { ClientCore } from '../core.ts';
import type { Batch } from './batch.ts';
import type { ProducerSettings } from './options.ts';
import type { PartitionQueue, ProducedTopic } from './partition-queue.ts';
import { StickyPartitioner } from './partitioner.ts';
import type { ProducerRecord } from './record.ts';

export interface KnownTopic extends ProducedTopic {
  readonly sticky: StickyPartitioner;
}

/** A record that cannot be placed yet. */
export interface WaitingRecord {
  readonly record: ProducerRecord;
  readonly onPlaced: (queue: PartitionQueue, batch: Batch, timestamp: number) => void;
  readonly onFailed: (error: Error) => void;
}

export interface ProducerTopicsHost {
  /** Memory is used up. */
  isFull(): boolean;
  /** Places the record, and tells it. Throws KafkaError. */
  place(topic: KnownTopic, waiting: WaitingRecord): void;
  /** Less waits than before. */
  onRoom(): void;
}

export interface ProducerTopicsOptions {
  readonly core: ClientCore;
  readonly settings: ProducerSettings;
  /** Aborted at the close. */
  readonly closing: AbortSignal;
  readonly host: ProducerTopicsHost;
}

export class ProducerTopics {
  readonly #options: ProducerTopicsOptions;
  readonly #topics = new Map<string, KnownTopic>();
  /** By topic. */
  readonly #waiting = new Map<string, WaitingRecord[]>();
  readonly #unlisten: () => void;

  constructor(options: ProducerTopicsOptions) {
    this.#options = options;
    this.#unlisten = options.core.metadata.onChange(() => this.#onMetadata());
  }

  get areWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** The topic, if it is known and none of its records waits. */
  ready(name: string): KnownTopic | undefined {
    if (this.#waiting.size > 0 && this.#waiting.has(name)) return undefined;
    return this.#topics.get(name);
  }

  wait(waiting: WaitingRecord): void {
    const { topic } = waiting.record;
    const queue = this.#waiting.get(topic);
    if (queue !== undefined) {
      queue.push(waiting);
      return;
    }
    this.#waiting.set(topic, [waiting]);
    if (!this.#topics.has(topic)) void this.#load(topic);
  }

  /** Places what can be placed now. */
  place(): void {
    const { host } = this.#options;
    for (const [name, records] of this.#waiting) {
      const topic = this.#topics.get(name);
      if (topic === undefined) continue;
      let placed = 0;
      for (const one of records) {
        if (host.isFull()) break;
        placed += 1;
        try {
          host.place(topic, one);
        } catch (error) {
          one.onFailed(error as Error);
        }
      }
      records.splice(0, placed);
      if (records.length === 0) this.#waiting.delete(name);
    }
    host.onRoom();
  }

  /** Whatever waits fails. */
  fail(error: Error): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const records of all) for (const one of records) one.onFailed(error);
    this.#options.host.onRoom();
  }

  close(): void {
    this.#unlisten();
  }

  async #load(name: string): Promise<void> {
    const { core, settings, closing, host } = this.#options;
    const { metadata, ports } = core;
    metadata.want(name, { mayCreate: settings.mayCreateTopics });
    try {
      const info = await metadata.topic(name, closing);
      const queues: PartitionQueue[] = [];
      const topic: ProducedTopic = { name, info, queues };
      const sticky = new StickyPartitioner(topic, { random: ports.random, batchBytes: settings.batchBytes });
      this.#topics.set(name, Object.assign(topic, { sticky }));
      this.place();
    } catch (error) {
      metadata.unwant(name);
      const failed = this.#waiting.get(name);
      this.#waiting.delete(name);
      for (const one of failed ?? []) one.onFailed(error as Error);
      host.onRoom();
    }
  }

  /** A topic that was made again is another; one that is gone is asked for anew. */
  #onMetadata(): void {
    const { metadata } = this.#options.core;
    for (const [name, topic] of this.#topics) {
      if (topic.info.isCurrent) continue;
      const info = metadata.view.get(name);
      if (info !== undefined) {
        topic.info = info;
        continue;
      }
      this.#topics.delete(name);
      metadata.unwant(name);
    }
  }
}

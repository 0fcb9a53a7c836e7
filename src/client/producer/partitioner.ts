/**
 * Which partition a record without one goes to. With a key: the one that Java's clients choose. Without: one partition for as
 * long as it takes to fill a batch, then another (KIP-480); those whose queues are long, because their broker is
 * slow, are chosen less often (KIP-794).
 */
import type { Random } from '../../base/ports.ts';
import { NO_BROKER, type PartitionInfo } from '../metadata/cluster-view.ts';
import type { ProducedTopic } from './partition-queue.ts';
import type { ProducerRecord } from './record.ts';

/**
 * A choice of the user's own: the partition of a record, of those that its topic has, by index. What it throws the call rejects
 * with.
 */
export type Partitioner = (
  record: ProducerRecord,
  partitions: readonly Readonly<PartitionInfo>[],
) => number | undefined;

/** Chooses for one topic. */
export class StickyPartitioner {
  readonly #topic: ProducedTopic;
  readonly #random: Random;
  readonly #bytesMax: number;
  #current = -1;
  #bytes = 0;

  constructor(topic: ProducedTopic, options: { readonly random: Random; readonly batchBytes: number }) {
    this.#topic = topic;
    this.#random = options.random;
    this.#bytesMax = options.batchBytes;
  }

  /** The partition for the next record without a key. */
  next(): number {
    const { partitions } = this.#topic.info;
    const stays =
      this.#current >= 0 && this.#bytes < this.#bytesMax && partitions[this.#current]?.leader !== NO_BROKER;
    if (!stays) {
      this.#current = this.#choose();
      this.#bytes = 0;
    }
    return this.#current;
  }

  /** A record went to the current partition. */
  note(sizeBytes: number): void {
    this.#bytes += sizeBytes;
  }

  #choose(): number {
    const { partitions } = this.#topic.info;
    if (partitions.length === 1) return 0;
    let longest = 0;
    for (const queue of this.#topic.queues) {
      if (queue !== undefined && queue.waiting.length > longest) longest = queue.waiting.length;
    }
    let total = 0;
    for (let index = 0; index < partitions.length; index++) total += this.#weight(index, longest);
    if (total === 0) return this.#random.integer(partitions.length);
    let rest = this.#random.integer(total);
    for (let index = 0; index < partitions.length; index++) {
      rest -= this.#weight(index, longest);
      if (rest < 0) return index;
    }
    return 0;
  }

  #weight(index: number, longest: number): number {
    if (this.#topic.info.partitions[index]!.leader === NO_BROKER) return 0;
    return longest + 1 - (this.#topic.queues[index]?.waiting.length ?? 0);
  }
}

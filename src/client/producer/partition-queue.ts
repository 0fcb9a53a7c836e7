/**
 * What a producer has for one partition: batches that wait, in order, and batches that are under way. With idempotence it also
 * owns the partition's sequence numbers. They are given when a batch is sent for the first time and stay with it over
 * all tries; a batch that is given up leaves a hole, which only a new producer epoch closes (KIP-360): then nothing
 * is sent until the last answer is in, and what still waits begins again at 0 under the new epoch.
 */
import { assert } from '../../base/assert.ts';
import { NO_BROKER, type PartitionInfo, type TopicInfo } from '../metadata/cluster-view.ts';
import { Batch, NO_IDENTITY, SEQUENCE_COUNT, type BatchIdentity, type BatchOptions } from './batch.ts';

/** A topic as a producer knows it; `info` is exchanged when the topic is made again. */
export interface ProducedTopic {
  readonly name: string;
  info: TopicInfo;
  readonly queues: PartitionQueue[];
}

export class PartitionQueue {
  readonly topic: ProducedTopic;
  readonly index: number;
  /** Oldest first. All but the last are closed. */
  readonly waiting: Batch[] = [];
  /** In the order in which they were sent. */
  readonly inFlight: Batch[] = [];
  /** Not before this (monotonic ms): the last try failed. */
  retryAtMs = 0;
  /** Consecutive failures. */
  failures = 0;
  /** The broker has refused batches of twice this size. */
  batchBytesMax = Infinity;
  /** Size of the last batch that was sent, as a guess for the next one. */
  lastBatchBytes = 0;
  /** The sequence has a hole: nothing leaves before the producer has a new epoch and the last answer is here. */
  needsNewEpoch = false;
  #identity: BatchIdentity = NO_IDENTITY;
  #nextSequence = 0;
  #batches = 0;

  constructor(topic: ProducedTopic, index: number) {
    this.topic = topic;
    this.index = index;
  }

  get info(): PartitionInfo | undefined {
    return this.topic.info.partitions[this.index];
  }

  get leader(): number {
    return this.info?.leader ?? NO_BROKER;
  }

  /** The batch that records are added to. */
  get open(): Batch | undefined {
    const last = this.waiting[this.waiting.length - 1];
    return last === undefined || last.isClosed ? undefined : last;
  }

  /** Whether the oldest waiting batch may leave: a repeated one only after everything else has been answered. */
  mayLeave(current: BatchIdentity): boolean {
    const head = this.waiting[0];
    if (head === undefined || this.needsNewEpoch) return false;
    if (head.attempts > 0) return this.inFlight.length === 0;
    const isSameEpoch = current === NO_IDENTITY || this.#identity === current;
    return isSameEpoch || this.inFlight.length === 0;
  }

  /** Takes the oldest batch out, with its sequence; `mayLeave` has said that it may. */
  take(current: BatchIdentity): Batch {
    const batch = this.waiting.shift()!;
    if (current !== NO_IDENTITY && batch.baseSequence < 0) {
      if (this.#identity !== current) this.#begin(current);
      batch.identity = current;
      batch.baseSequence = this.#nextSequence;
      this.#nextSequence = (this.#nextSequence + batch.count) % SEQUENCE_COUNT;
    }
    batch.attempts += 1;
    this.lastBatchBytes = batch.sizeBytes;
    this.inFlight.push(batch);
    return batch;
  }

  #begin(current: BatchIdentity): void {
    assert(this.inFlight.length === 0, 'a producer epoch begins in a partition with nothing under way');
    this.#identity = current;
    this.#nextSequence = 0;
  }

  /** The batch is answered, well or not: it is no more under way. */
  leave(batch: Batch): void {
    const at = this.inFlight.indexOf(batch);
    assert(at >= 0, 'an answered batch was under way');
    this.inFlight.splice(at, 1);
  }

  acknowledge(batch: Batch): void {
    this.leave(batch);
    this.failures = 0;
  }

  /** A new batch at the end of the row. */
  push(options: Omit<BatchOptions, 'order'>): Batch {
    const batch = new Batch({ ...options, order: this.#batches++ });
    this.waiting.push(batch);
    return batch;
  }

  /** An earlier batch is under way or has to be sent again: that the broker refuses this one's sequence follows from it. */
  hasEarlier(batch: Batch): boolean {
    const isEarlier = (other: Batch): boolean => other.order < batch.order;
    return this.waiting.some(isEarlier) || this.inFlight.some(isEarlier);
  }

  /** Back to where it was: in front of what came later. */
  putBack(batch: Batch): void {
    let at = 0;
    while (at < this.waiting.length && this.waiting[at]!.order < batch.order) at += 1;
    this.waiting.splice(at, 0, batch);
  }

  /** What waits begins again under another epoch; nothing is under way. */
  forgetSequences(): void {
    assert(this.inFlight.length === 0, 'sequences change with nothing under way');
    for (const batch of this.waiting) {
      batch.baseSequence = -1;
      batch.identity = NO_IDENTITY;
    }
    this.needsNewEpoch = false;
    this.#identity = NO_IDENTITY;
  }
}

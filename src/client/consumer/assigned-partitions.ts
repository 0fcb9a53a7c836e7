/**
 * The partitions that a consumer reads at present: taken up where they say, else where the group was, else where the consumer
 * begins by default; given away without a trace.
 */
import type { ClientCore } from '../core.ts';
import { ownError } from '../errors.ts';
import type { OffsetStore } from '../group/offset-store.ts';
import type { CommittedOffset, OffsetToCommit } from '../group/offsets.ts';
import { FetchedPartition } from './fetched-partition.ts';
import type { Fetcher } from './fetcher.ts';
import type { Assignment, Start, TopicPartition } from './options.ts';

export interface WantedPartition {
  readonly at: TopicPartition;
  /** Undefined: where the group was, else the default. */
  readonly from: Start | undefined;
}

export interface AssignedPartitionsOptions {
  readonly core: ClientCore;
  readonly fetcher: Fetcher;
  readonly from: Start;
  /** With a group. */
  readonly offsets: () => OffsetStore | undefined;
  /** When they are known to this object, and before they are fetched: the user may seek. */
  readonly onBegun: (partitions: readonly TopicPartition[]) => void | Promise<void>;
}

export class AssignedPartitions {
  readonly #options: AssignedPartitionsOptions;
  readonly #partitions = new Map<string, FetchedPartition>();

  constructor(options: AssignedPartitionsOptions) {
    this.#options = options;
  }

  get(at: TopicPartition): FetchedPartition | undefined {
    return this.#partitions.get(keyOf(at));
  }

  /** Throws KafkaError for a partition that is not read. */
  require(at: TopicPartition): FetchedPartition {
    const partition = this.get(at);
    if (partition !== undefined) return partition;
    throw ownError('INVALID_ARGUMENT', `${at.topic}-${at.partition} is not assigned to this consumer`);
  }

  all(): IterableIterator<FetchedPartition> {
    return this.#partitions.values();
  }

  /** Sorted. */
  list(): TopicPartition[] {
    return [...this.#partitions.values()]
      .map(({ topic, index }) => ({ topic, partition: index }))
      .sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
  }

  /** As offsets to commit; partitions of which nothing is known are left out. */
  reached(of: (partition: FetchedPartition) => number): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = [];
    for (const partition of this.#partitions.values()) {
      const { topic, index, positionEpoch: leaderEpoch } = partition;
      const offset = of(partition);
      if (offset >= 0) offsets.push({ topic, partition: index, offset, leaderEpoch });
    }
    return offsets;
  }

  /** Reads these, and no others. Where a partition stays, so does its position. */
  async replace(assignments: readonly Assignment[], signal: AbortSignal): Promise<void> {
    const wanted = new Map<string, WantedPartition>();
    for (const { topic, partition, from } of assignments) {
      const info = await this.#options.core.metadata.topic(topic, signal);
      const count = info.partitions.length;
      if (partition !== undefined && (partition < 0 || partition >= count)) {
        throw ownError('INVALID_ARGUMENT', `topic ${topic} has ${count} partitions, none is ${partition}`);
      }
      for (const index of partition === undefined ? info.partitions.keys() : [partition]) {
        const at = { topic, partition: index };
        wanted.set(keyOf(at), { at, from });
      }
    }
    this.give(this.list().filter((at) => !wanted.has(keyOf(at))));
    await this.begin([...wanted.values()]);
  }

  /** Reads these as well, unless it does already. */
  async begin(wanted: readonly WantedPartition[]): Promise<void> {
    const added = wanted.filter(({ at }) => !this.#partitions.has(keyOf(at)));
    const unsaid = added.filter(({ from }) => from === undefined).map(({ at }) => at);
    const committed = new Map<string, CommittedOffset>();
    const offsets = this.#options.offsets();
    if (offsets !== undefined && unsaid.length > 0) {
      for (const one of await offsets.committed(unsaid)) committed.set(keyOf(one), one);
    }
    const begun = added.map(({ at, from }) => {
      const partition = new FetchedPartition(at.topic, at.partition);
      const stored = committed.get(keyOf(at));
      if (stored === undefined) partition.seek(from ?? this.#options.from);
      else partition.seek(stored.offset, stored.leaderEpoch);
      this.#partitions.set(keyOf(at), partition);
      return partition;
    });
    try {
      await this.#options.onBegun(added.map(({ at }) => at));
    } catch (error) {
      // They would be held without being fetched.
      this.give(added.map(({ at }) => at));
      throw error;
    }
    for (const partition of begun) if (!partition.isRemoved) this.#options.fetcher.add(partition);
  }

  /** No longer read. */
  give(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) {
      const partition = this.get(at);
      this.#partitions.delete(keyOf(at));
      if (partition !== undefined) this.#options.fetcher.remove(partition);
    }
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition} ${topic}`;
}

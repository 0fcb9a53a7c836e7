/**
 * Committed offsets by group, topic and partition, and those of open transactions, which become visible only when their
 * transaction commits (KIP-98). Where a plain and a transactional commit meet, the one with the higher log offset wins.
 */
import { VersionedMap, type Journal } from '../../coordinator/journal.ts';
import type { RecordPosition, TransactionMarker } from '../../coordinator/machine.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import type { OffsetCommitValue } from '../../protocol/records/group.ts';
import type { TopicPartitionOfGroup } from '../group-records.ts';

export interface CommittedOffset {
  readonly offset: number;
  /** -1: unknown. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: number;
  /** -1: the group's retention applies. */
  readonly expireTimestampMs: number;
  /** ZERO_UUID when the commit named the topic. */
  readonly topicId: string;
  /** Of the record that says so. */
  readonly recordOffset: number;
}

type Partitions = VersionedMap<number, CommittedOffset>;

/** One open transaction's offsets, by `pendingKey`. */
interface PendingOffset extends CommittedOffset {
  readonly of: TopicPartitionOfGroup;
}
type PendingOffsets = VersionedMap<string, PendingOffset>;

export class OffsetStore {
  readonly #journal: Journal;
  /** Group, then topic. Maps that became vacant are swept out by `sweep`. */
  readonly #groups = new Map<string, Map<string, Partitions>>();
  /** Maps that became vacant are swept out as well. */
  readonly #pendingByProducer = new Map<number, PendingOffsets>();
  /** By `pendingKey`: the producers with an open transaction on the partition. */
  readonly #pendingProducers: VersionedMap<string, ReadonlySet<number>>;
  /** By group: how many partitions have a pending offset. */
  readonly #pendingCounts: VersionedMap<string, number>;

  constructor(journal: Journal) {
    this.#journal = journal;
    this.#pendingProducers = new VersionedMap(journal);
    this.#pendingCounts = new VersionedMap(journal);
  }

  get({ groupId, topic, partition }: TopicPartitionOfGroup): CommittedOffset | undefined {
    return this.#groups.get(groupId)?.get(topic)?.get(partition);
  }

  getCommitted({ groupId, topic, partition }: TopicPartitionOfGroup): CommittedOffset | undefined {
    return this.#groups.get(groupId)?.get(topic)?.getCommitted(partition);
  }

  /** The topics for which something may be known; their partitions' latest state. */
  topicsOf(groupId: string): ReadonlyMap<string, Partitions> {
    return this.#groups.get(groupId) ?? NO_TOPICS;
  }

  groupIds(): MapIterator<string> {
    return this.#groups.keys();
  }

  /** An open transaction has an offset for this partition. */
  hasPending(of: TopicPartitionOfGroup): boolean {
    return this.#pendingProducers.has(pendingKey(of));
  }

  hasPendingOf(groupId: string): boolean {
    return this.#pendingCounts.has(groupId);
  }

  /** Partitions of the group in open transactions. */
  *pendingOf(groupId: string): IterableIterator<TopicPartitionOfGroup> {
    if (!this.hasPendingOf(groupId)) return;
    const seen = new Set<string>();
    for (const offsets of this.#pendingByProducer.values()) {
      for (const [key, { of }] of offsets.entries()) {
        if (of.groupId !== groupId || seen.has(key)) continue;
        seen.add(key);
        yield of;
      }
    }
  }

  /** Partitions of these topics in open transactions, of any group. */
  *pendingOfTopics(topics: ReadonlySet<string>): IterableIterator<TopicPartitionOfGroup> {
    for (const offsets of this.#pendingByProducer.values()) {
      for (const { of } of offsets.values()) if (topics.has(of.topic)) yield of;
    }
  }

  replayCommit(of: TopicPartitionOfGroup, value: OffsetCommitValue, position: RecordPosition): void {
    const offset: CommittedOffset = {
      offset: value.offset,
      leaderEpoch: value.leaderEpoch,
      metadata: value.metadata,
      commitTimestampMs: value.commitTimestamp,
      expireTimestampMs: value.expireTimestamp,
      topicId: value.topicId ?? ZERO_UUID,
      recordOffset: position.offset,
    };
    if (position.producerId < 0) this.#put(of, offset);
    else this.#addPending(of, offset, position.producerId);
  }

  /** A tombstone also takes away what open transactions have for the partition. */
  replayTombstone(of: TopicPartitionOfGroup): void {
    this.#groups.get(of.groupId)?.get(of.topic)?.delete(of.partition);
    const key = pendingKey(of);
    const producers = this.#pendingProducers.get(key);
    if (producers === undefined) return;
    for (const producerId of producers) this.#pendingByProducer.get(producerId)?.delete(key);
    this.#pendingProducers.delete(key);
    this.#count(of.groupId, -1);
  }

  replayMarker({ producerId, committed }: TransactionMarker): void {
    const pending = this.#pendingByProducer.get(producerId);
    if (pending === undefined) return;
    for (const [key, { of, ...offset }] of pending.entries()) {
      pending.delete(key);
      const producers = new Set(this.#pendingProducers.get(key));
      producers.delete(producerId);
      this.#pendingProducers.set(key, producers.size === 0 ? undefined : producers);
      if (producers.size === 0) this.#count(of.groupId, -1);
      if (!committed) continue;
      const existing = this.get(of);
      if (existing === undefined || offset.recordOffset > existing.recordOffset) this.#put(of, offset);
    }
  }

  /** Drops maps without content; they stay behind so that a failed append can restore into them. */
  sweep(): void {
    for (const [groupId, topics] of this.#groups) {
      for (const [topic, partitions] of topics) if (partitions.isVacant) topics.delete(topic);
      if (topics.size === 0) this.#groups.delete(groupId);
    }
    for (const [producerId, pending] of this.#pendingByProducer) {
      if (pending.isVacant) this.#pendingByProducer.delete(producerId);
    }
  }

  #put({ groupId, topic, partition }: TopicPartitionOfGroup, offset: CommittedOffset): void {
    let topics = this.#groups.get(groupId);
    if (topics === undefined) this.#groups.set(groupId, (topics = new Map<string, Partitions>()));
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, (partitions = new VersionedMap(this.#journal)));
    partitions.set(partition, offset);
  }

  #addPending(of: TopicPartitionOfGroup, offset: CommittedOffset, producerId: number): void {
    const key = pendingKey(of);
    let pending = this.#pendingByProducer.get(producerId);
    if (pending === undefined) {
      this.#pendingByProducer.set(producerId, (pending = new VersionedMap(this.#journal)));
    }
    pending.set(key, { ...offset, of });
    const producers = this.#pendingProducers.get(key);
    if (producers === undefined) this.#count(of.groupId, 1);
    if (producers?.has(producerId)) return;
    this.#pendingProducers.set(key, new Set(producers).add(producerId));
  }

  #count(groupId: string, change: number): void {
    const count = (this.#pendingCounts.get(groupId) ?? 0) + change;
    this.#pendingCounts.set(groupId, count === 0 ? undefined : count);
  }
}

const NO_TOPICS: ReadonlyMap<string, Partitions> = new Map();

/** Topic names hold no '/', and group ids come last, so no two partitions share a key. */
function pendingKey({ groupId, topic, partition }: TopicPartitionOfGroup): string {
  return `${topic}/${partition}/${groupId}`;
}

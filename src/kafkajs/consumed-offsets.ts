/** How far an application is in each partition that its consumer has, and how far the group knows it to be. */
import type { TopicPartition } from '../client/consumer/options.ts';
import type { OffsetToCommit } from '../client/group/offsets.ts';
import { keyOf } from './partition-key.ts';

/** The group knows of no offset. */
const NOTHING = -1;

interface Progress extends TopicPartition {
  /** The next offset to be dealt with. */
  next: number;
  /** What the group knows; before the first commit, where this consumer began. */
  committed: number;
}

export class ConsumedOffsets {
  readonly #partitions = new Map<string, Progress>();

  /** A batch from this offset on is about to be worked on. */
  begin(at: TopicPartition, offset: number): void {
    if (!this.#partitions.has(keyOf(at))) this.#put(at, offset, offset);
  }

  /** What lies before `next` is dealt with. */
  resolve(at: TopicPartition, next: number): void {
    const known = this.#partitions.get(keyOf(at));
    if (known === undefined) this.#put(at, next, NOTHING);
    else known.next = next;
  }

  /** Nothing is left before `next`, of which nobody had to hear. True when that is news. */
  skip(at: TopicPartition, next: number): boolean {
    const known = this.#partitions.get(keyOf(at));
    if (known === undefined || known.next >= next) return false;
    known.next = next;
    return true;
  }

  uncommitted(): OffsetToCommit[] {
    return [...this.#partitions.values()]
      .filter(({ next, committed }) => next !== committed)
      .map(({ topic, partition, next }) => ({ topic, partition, offset: next }));
  }

  /** Records that are dealt with and not committed. */
  get uncommittedCount(): number {
    let count = 0;
    for (const { next, committed } of this.#partitions.values())
      count += Math.max(0, next - Math.max(0, committed));
    return count;
  }

  noteCommitted(offsets: readonly OffsetToCommit[]): void {
    for (const one of offsets) {
      const known = this.#partitions.get(keyOf(one));
      if (known !== undefined) known.committed = one.offset;
    }
  }

  /** These are another's now. */
  forget(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#partitions.delete(keyOf(at));
  }

  #put({ topic, partition }: TopicPartition, next: number, committed: number): void {
    this.#partitions.set(keyOf({ topic, partition }), { topic, partition, next, committed });
  }
}

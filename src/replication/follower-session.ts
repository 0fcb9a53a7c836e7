/**
 * The follower's side of a fetch session (KIP-227): what the leader was told of each partition, so that the next request
 * names only what is new, what has changed and what is no longer wanted. Nothing here is done for partitions of which
 * nothing has changed, however many there are.
 */
import type { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import type { Write } from '../protocol/schema.ts';

/** One partition as the next request is to have it. */
export interface WantedPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly fetchOffset: number;
  /** -1: the log is empty. */
  readonly lastFetchedEpoch: number;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly maxBytes: number;
}

type PartitionId = Pick<WantedPartition, 'topicId' | 'partition'>;
type Request = Write<typeof FetchRequest>;
export type SessionPart = Pick<Request, 'sessionId' | 'sessionEpoch' | 'topics' | 'forgottenTopicsData'>;

const NO_SESSION = 0;
const FIRST_EPOCH = 0;
const EPOCH_MAX = 2 ** 31 - 1;

export class FollowerSession {
  #id = NO_SESSION;
  #epoch = FIRST_EPOCH;
  /** What the leader's session is to hold, and what the next request names of it. */
  readonly #wanted = new Map<string, WantedPartition>();
  #named = new Map<string, WantedPartition>();
  /** What the leader's session still holds. */
  #forgotten = new Map<string, PartitionId>();

  /** No partition is wanted. */
  get isEmpty(): boolean {
    return this.#wanted.size === 0;
  }

  /** From now on the partition is wanted like this. */
  want(one: WantedPartition): void {
    const key = keyOf(one);
    const told = this.#wanted.get(key);
    if (told !== undefined && isSame(told, one)) return;
    this.#wanted.set(key, one);
    this.#named.set(key, one);
    // Naming it anew is enough, whatever the leader holds of it.
    this.#forgotten.delete(key);
  }

  /** The partition is not wanted until it is wanted again. */
  forget(one: PartitionId): void {
    const key = keyOf(one);
    if (!this.#wanted.delete(key)) return;
    this.#named.delete(key);
    this.#forgotten.set(key, { topicId: one.topicId, partition: one.partition });
  }

  /** The next request. It is answered, or fails, before there is another. */
  next(): SessionPart {
    const isFull = this.#epoch === FIRST_EPOCH;
    const named = isFull ? this.#wanted : this.#named;
    const forgotten = isFull ? [] : [...this.#forgotten.values()];
    const part = {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics: byTopic(named.values()).map(([topicId, partitions]) => ({
        topic: '',
        topicId,
        partitions: partitions.map((one) => ({
          partition: one.partition,
          currentLeaderEpoch: one.leaderEpoch,
          fetchOffset: one.fetchOffset,
          lastFetchedEpoch: one.lastFetchedEpoch,
          logStartOffset: one.logStartOffset,
          partitionMaxBytes: one.maxBytes,
          highWatermark: one.highWatermark,
        })),
      })),
      forgottenTopicsData: byTopic(forgotten).map(([topicId, partitions]) => ({
        topic: '',
        topicId,
        partitions: partitions.map(({ partition }) => partition),
      })),
    };
    if (this.#named.size > 0) this.#named = new Map();
    if (this.#forgotten.size > 0) this.#forgotten = new Map();
    return part;
  }

  /** What was asked of the partition that an answer names; undefined: nothing. */
  askedOf(topicId: string, partition: number): WantedPartition | undefined {
    return this.#wanted.get(keyOf({ topicId, partition }));
  }

  /** The request was answered, without an error of its own. */
  answered({ sessionId }: Pick<FetchResponse, 'sessionId'>): void {
    if (sessionId === NO_SESSION || (this.#id !== NO_SESSION && sessionId !== this.#id)) {
      this.#id = NO_SESSION;
      this.#epoch = FIRST_EPOCH;
      return;
    }
    this.#id = sessionId;
    this.#epoch = this.#epoch === EPOCH_MAX ? FIRST_EPOCH + 1 : this.#epoch + 1;
  }

  /** What the leader's session holds is not known any more: the next request ends it and begins another. */
  fail(): void {
    this.#epoch = FIRST_EPOCH;
  }
}

function isSame(told: WantedPartition, wanted: WantedPartition): boolean {
  return (
    told.leaderEpoch === wanted.leaderEpoch &&
    told.fetchOffset === wanted.fetchOffset &&
    told.lastFetchedEpoch === wanted.lastFetchedEpoch &&
    told.logStartOffset === wanted.logStartOffset &&
    told.maxBytes === wanted.maxBytes
  );
}

function keyOf({ topicId, partition }: PartitionId): string {
  return `${topicId}${partition}`;
}

function byTopic<T extends PartitionId>(partitions: Iterable<T>): [string, T[]][] {
  const topics = new Map<string, T[]>();
  for (const one of partitions) {
    const list = topics.get(one.topicId);
    if (list === undefined) topics.set(one.topicId, [one]);
    else list.push(one);
  }
  return [...topics];
}

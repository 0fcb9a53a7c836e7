/**
 * The follower's side of a fetch session (KIP-227): what the leader was told of each partition, so that the next request
 * names only what is new, what has changed and what is no longer wanted.
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

type Request = Write<typeof FetchRequest>;
export type SessionPart = Pick<Request, 'sessionId' | 'sessionEpoch' | 'topics' | 'forgottenTopicsData'>;

const NO_SESSION = 0;
const FIRST_EPOCH = 0;
const EPOCH_MAX = 2 ** 31 - 1;

export class FollowerSession {
  #id = NO_SESSION;
  #epoch = FIRST_EPOCH;
  /** What the leader's session holds. */
  #told = new Map<string, WantedPartition>();

  /** The next request: it says everything that is wanted from now on. */
  next(wanted: readonly WantedPartition[]): SessionPart {
    const isFull = this.#epoch === FIRST_EPOCH;
    const before = isFull ? new Map<string, WantedPartition>() : this.#told;
    const told = new Map<string, WantedPartition>();
    const named: WantedPartition[] = [];
    for (const one of wanted) {
      const key = keyOf(one);
      const known = before.get(key);
      if (known === undefined || !isSame(known, one)) named.push(one);
      told.set(key, one);
      before.delete(key);
    }
    const forgotten = [...before.values()];
    this.#told = told;
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics: byTopic(named).map(([topicId, partitions]) => ({
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
  }

  /** What was asked of the partition that an answer names; undefined: nothing. */
  askedOf(topicId: string, partition: number): WantedPartition | undefined {
    return this.#told.get(keyOf({ topicId, partition }));
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

function keyOf({ topicId, partition }: { readonly topicId: string; readonly partition: number }): string {
  return `${topicId}${partition}`;
}

function byTopic(partitions: readonly WantedPartition[]): [string, WantedPartition[]][] {
  const topics = new Map<string, WantedPartition[]>();
  for (const one of partitions) {
    const list = topics.get(one.topicId);
    if (list === undefined) topics.set(one.topicId, [one]);
    else list.push(one);
  }
  return [...topics];
}

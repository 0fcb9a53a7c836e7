/**
 * A share session with one broker: which partitions it fetches for this member, under an epoch that grows with each request.
 * The broker keeps it for a connection; when it ends, what was acquired in it is given to others.
 */
import type { ShareFetchRequest } from '../../protocol/messages/78-share-fetch.ts';
import type { Write } from '../../protocol/schema.ts';

/** A partition by its topic's id: a topic that was made again is another. */
export interface SharePartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

export interface AcknowledgementBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** One for all offsets. */
  readonly acknowledgeTypes: number[];
}

/** The acknowledgements of one partition, as a request has them. */
export interface PartitionBatches {
  readonly at: SharePartition;
  readonly batches: readonly AcknowledgementBatch[];
}

type Topics = Write<typeof ShareFetchRequest>['topics'];
type Forgotten = Write<typeof ShareFetchRequest>['forgottenTopicsData'];

const FIRST_EPOCH = 0;
const EPOCH_MAX = 2 ** 31 - 1;
/** In place of an epoch: the session ends with this request. */
export const FINAL_EPOCH = -1;

export class ShareSession {
  #epoch = FIRST_EPOCH;
  readonly #inSession = new Map<string, SharePartition>();

  /** The broker does not know it yet: nothing can be acknowledged. */
  get isNew(): boolean {
    return this.#epoch === FIRST_EPOCH;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** What to ask for, so that exactly these partitions are fetched; acknowledgements are of some of them. */
  build(
    wanted: readonly SharePartition[],
    acknowledged: readonly PartitionBatches[],
  ): { readonly topics: Topics; readonly forgottenTopicsData: Forgotten } {
    const forgotten = new Map(this.#inSession);
    const named = new Map<string, PartitionBatches>();
    for (const at of wanted) {
      const key = keyOf(at);
      if (forgotten.delete(key)) continue;
      named.set(key, { at, batches: [] });
      this.#inSession.set(key, at);
    }
    for (const key of forgotten.keys()) this.#inSession.delete(key);
    for (const one of acknowledged) named.set(keyOf(one.at), one);
    return {
      topics: topicsOf([...named.values()]),
      forgottenTopicsData: topicsOf([...forgotten.values()].map((at) => ({ at, batches: [] }))).map(
        ({ topicId, partitions }) => ({
          topicId,
          partitions: partitions.map(({ partitionIndex }) => partitionIndex),
        }),
      ),
    };
  }

  /** The broker has taken a request of this session. */
  advance(): void {
    this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1;
  }

  /** The next request begins another session. */
  reset(): void {
    this.#epoch = FIRST_EPOCH;
    this.#inSession.clear();
  }
}

export function keyOf({ topicId, partition }: Pick<SharePartition, 'topicId' | 'partition'>): string {
  return `${partition} ${topicId}`;
}

/** By topic, as requests have them. */
export function topicsOf(list: readonly PartitionBatches[]): {
  topicId: string;
  partitions: {
    partitionIndex: number;
    partitionMaxBytes: number;
    acknowledgementBatches: AcknowledgementBatch[];
  }[];
}[] {
  const topics = new Map<string, ReturnType<typeof topicsOf>[number]>();
  for (const { at, batches } of list) {
    let topic = topics.get(at.topicId);
    if (topic === undefined) topics.set(at.topicId, (topic = { topicId: at.topicId, partitions: [] }));
    topic.partitions.push({
      partitionIndex: at.partition,
      // Only version 0 had it.
      partitionMaxBytes: 0,
      acknowledgementBatches: [...batches],
    });
  }
  return [...topics.values()];
}

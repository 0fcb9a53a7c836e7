/**
 * A fetch session with one broker (KIP-227): after the first request only what has changed is sent. What is not to be
 * fetched for now has to be taken out of the session, or the broker would send again what it sent before.
 */
import type { FetchRequest, FetchResponse } from '../../protocol/messages/01-fetch.ts';
import { Errors } from '../../protocol/errors.ts';
import type { Write } from '../../protocol/schema.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import type { FetchedPartition } from './fetched-partition.ts';

/** A partition as it is to be fetched. */
export interface Wanted {
  readonly partition: FetchedPartition;
  readonly topicId: string;
  readonly fetchOffset: number;
  readonly leaderEpoch: number;
  readonly bytesMax: number;
  /** The partition's turn when it was asked for. */
  readonly turn: number;
}

type Topics = Write<typeof FetchRequest>['topics'];
type Forgotten = Write<typeof FetchRequest>['forgottenTopicsData'];

export interface SessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly topics: Topics;
  readonly forgottenTopicsData: Forgotten;
}

const NO_SESSION = 0;
const FIRST_EPOCH = 0;
const EPOCH_MAX = 2 ** 31 - 1;
/** From this version on topics go by id (KIP-516). */
const TOPIC_ID_VERSION = 13;

export class FetchSession {
  #id = NO_SESSION;
  #epoch = FIRST_EPOCH;
  /** By name: a partition that is given away and comes back is the same for the broker. */
  readonly #inSession = new Map<string, Wanted>();

  /** What to ask for, so that exactly these partitions are fetched. */
  build(wanted: readonly Wanted[], version: number): SessionRequest {
    // A topic that was made again is another, but may have the same name: the session would mix them up.
    const isMixed = wanted.some(({ partition: { name }, topicId }) => {
      const before = this.#inSession.get(name);
      return before !== undefined && before.topicId !== topicId;
    });
    if (isMixed) this.reset();
    const isFull = this.#id === NO_SESSION;
    const forgotten = new Map(isFull ? [] : this.#inSession);
    const changed: Wanted[] = [];
    for (const one of wanted) {
      const before = forgotten.get(one.partition.name);
      forgotten.delete(one.partition.name);
      if (before === undefined || !isSame(before, one)) changed.push(one);
    }
    this.#inSession.clear();
    for (const one of wanted) this.#inSession.set(one.partition.name, one);
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics: byTopic(changed, version),
      forgottenTopicsData: byTopic([...forgotten.values()], version).map(
        ({ topic, topicId, partitions }) => ({
          topic: topic!,
          topicId: topicId!,
          partitions: partitions.map(({ partition }) => partition),
        }),
      ),
    };
  }

  /** Notes what the broker says about the session; false when the request has to be made again, whole. */
  take(answer: Pick<FetchResponse, 'errorCode' | 'sessionId'>): boolean {
    if (answer.errorCode !== Errors.NONE) {
      this.reset();
      return false;
    }
    this.#id = answer.sessionId;
    if (this.#id !== NO_SESSION) this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1;
    return true;
  }

  /** The next request is whole: the broker may have forgotten the session, or not have seen the last request. */
  reset(): void {
    this.#id = NO_SESSION;
    this.#epoch = FIRST_EPOCH;
    this.#inSession.clear();
  }
}

function isSame(one: Wanted, other: Wanted): boolean {
  return (
    one.fetchOffset === other.fetchOffset &&
    one.leaderEpoch === other.leaderEpoch &&
    one.bytesMax === other.bytesMax
  );
}

function byTopic(wanted: readonly Wanted[], version: number): Topics[number][] {
  const topics = new Map<
    string,
    { topic: string; topicId: string; partitions: Topics[number]['partitions'][number][] }
  >();
  for (const { partition, topicId, fetchOffset, leaderEpoch, bytesMax } of wanted) {
    let topic = topics.get(partition.topic);
    if (topic === undefined) {
      const isNamed = version < TOPIC_ID_VERSION;
      topic = {
        topic: isNamed ? partition.topic : '',
        topicId: isNamed ? ZERO_UUID : topicId,
        partitions: [],
      };
      topics.set(partition.topic, topic);
    }
    topic.partitions.push({
      partition: partition.index,
      currentLeaderEpoch: leaderEpoch,
      fetchOffset,
      partitionMaxBytes: bytesMax,
    });
  }
  return [...topics.values()];
}

/**
 * The client's picture of the topics: who leads which partition, since which epoch. Objects are kept and changed in place, so
 * that the hot paths hold them directly; a topic that was made again (another id) is another object. Leader epochs never go
 * back: an answer of a broker that lags behind does not undo what another has said (KIP-320).
 */
import type { MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import { ZERO_UUID } from '../../base/uuid.ts';

/** In place of a broker's number: nobody, or nobody we know. */
export const NO_BROKER = -1;

export interface PartitionInfo {
  readonly index: number;
  /** NO_BROKER while there is no leader. */
  leader: number;
  /** -1 when the broker is too old to say. */
  leaderEpoch: number;
  replicas: readonly number[];
  inSyncReplicas: readonly number[];
  offlineReplicas: readonly number[];
}

export interface TopicInfo {
  readonly name: string;
  /** 16 characters; zero when the broker is too old to say. See base/uuid.ts. */
  readonly id: string;
  readonly isInternal: boolean;
  /** By index. */
  readonly partitions: PartitionInfo[];
  /** False from the moment at which the topic is deleted, or has been made again. */
  isCurrent: boolean;
}

type TopicAnswer = MetadataResponse['topics'][number];

export class ClusterView {
  readonly #topics = new Map<string, TopicInfo>();
  readonly #byId = new Map<string, TopicInfo>();

  get(name: string): TopicInfo | undefined {
    return this.#topics.get(name);
  }

  byId(id: string): TopicInfo | undefined {
    return this.#byId.get(id);
  }

  names(): string[] {
    return [...this.#topics.keys()];
  }

  /** What a broker says about a topic that exists. */
  put(answer: TopicAnswer & { readonly name: string }): TopicInfo {
    let topic = this.#topics.get(answer.name);
    if (topic === undefined || topic.id !== answer.topicId) {
      this.remove(answer.name);
      const { name, topicId: id, isInternal } = answer;
      topic = { name, id, isInternal, partitions: [], isCurrent: true };
      this.#topics.set(name, topic);
      if (id !== ZERO_UUID) this.#byId.set(id, topic);
    }
    for (const one of answer.partitions) updatePartition(topic, one);
    return topic;
  }

  remove(name: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    topic.isCurrent = false;
    this.#topics.delete(name);
    this.#byId.delete(topic.id);
  }

  /** A hint that came with a refused request (KIP-951); true when it is news. */
  noteLeader(
    topic: TopicInfo,
    hint: { readonly partition: number; readonly leader: number; readonly leaderEpoch: number },
  ): boolean {
    const known = topic.partitions[hint.partition];
    if (known === undefined || hint.leader < 0 || hint.leaderEpoch <= known.leaderEpoch) return false;
    known.leader = hint.leader;
    known.leaderEpoch = hint.leaderEpoch;
    return true;
  }

  clear(): void {
    for (const name of this.names()) this.remove(name);
  }
}

function updatePartition(topic: TopicInfo, answer: TopicAnswer['partitions'][number]): void {
  const { partitionIndex: index, leaderEpoch } = answer;
  const known = topic.partitions[index];
  if (known !== undefined && leaderEpoch >= 0 && leaderEpoch < known.leaderEpoch) return;
  const { leaderId: leader, replicaNodes, isrNodes, offlineReplicas } = answer;
  if (known === undefined) {
    // Answers list partitions in any order: what lies between is not led by anybody until it is told.
    for (let at = topic.partitions.length; at <= index; at++) topic.partitions[at] = unknown(at);
  }
  const partition = topic.partitions[index]!;
  partition.leader = leader;
  partition.leaderEpoch = leaderEpoch;
  partition.replicas = replicaNodes;
  partition.inSyncReplicas = isrNodes;
  partition.offlineReplicas = offlineReplicas;
}

function unknown(index: number): PartitionInfo {
  return {
    index,
    leader: NO_BROKER,
    leaderEpoch: -1,
    replicas: [],
    inSyncReplicas: [],
    offlineReplicas: [],
  };
}

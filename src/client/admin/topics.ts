/** An administrator's questions about topics: made, described, enlarged, removed. */
import { parseUuid, printUuid, ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../protocol/messages/19-create-topics.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../protocol/messages/20-delete-topics.ts';
import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../protocol/messages/37-create-partitions.ts';
import type { Write } from '../../protocol/schema.ts';
import type { Call } from '../connection/broker-link.ts';
import { ownError } from '../errors.ts';
import { eachItem, matched, outcomeOf } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

export interface NewTopic {
  readonly topic: string;
  /** Default: the broker's num.partitions. */
  readonly partitions?: number;
  /** Default: the broker's default.replication.factor. */
  readonly replicationFactor?: number;
  /** The replicas of each partition, in place of the two counts; the first is the preferred leader. */
  readonly assignments?: readonly (readonly number[])[];
  /** Topic settings by Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>;
}

export interface PartitionDescription {
  readonly partition: number;
  /** -1 while there is none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly inSyncReplicas: readonly number[];
  readonly offlineReplicas: readonly number[];
}

export interface TopicDescription {
  readonly topic: string;
  /** As Kafka prints it: 22 characters. */
  readonly topicId: string;
  readonly isInternal: boolean;
  readonly partitions: readonly PartitionDescription[];
}

export interface CreatedTopic {
  readonly topic: string;
  /** 22 characters; null with `validateOnly`, and from brokers that are too old to say. */
  readonly topicId: string | null;
  /** -1 from brokers that are too old to say. */
  readonly partitions: number;
  readonly replicationFactor: number;
}

/** The broker is to choose. */
const BY_DEFAULT = -1;
/** From here on topics can be named by id (KIP-516). */
const DELETE_BY_ID_VERSION = 6;
const DESCRIBE_BY_ID_VERSION = 12;

/** A topic by name, or by its id of 22 characters. */
export type TopicRef = string | { readonly topicId: string };

/** Yields what was made, as brokers tell it from version 5 on (KIP-525). */
export function createTopics(
  routes: Routes,
  topics: readonly NewTopic[],
  options: AskOptions & { readonly validateOnly?: boolean } = {},
): Promise<CreatedTopic[]> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  return eachItem(routes, topics, {
    ...options,
    nameOf: ({ topic }) => topic,
    ask: async (asked) => {
      const answer = await routes.askController({
        request: CreateTopicsRequest,
        response: CreateTopicsResponse,
        body: () => ({
          topics: asked.map(({ topic, partitions, replicationFactor, assignments = [], configs = {} }) => ({
            name: topic,
            numPartitions: partitions ?? BY_DEFAULT,
            replicationFactor: replicationFactor ?? BY_DEFAULT,
            assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
            configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
          })),
          timeoutMs,
          validateOnly: options.validateOnly ?? false,
        }),
      });
      return matched(asked, new Map(answer.topics.map((one) => [one.name, one])), {
        keyOf: ({ topic }) => topic,
        outcome: (one, { topic }) =>
          outcomeOf(one, `creating topic ${topic}`, () => ({
            topic,
            topicId: one.topicId === ZERO_UUID ? null : printUuid(one.topicId),
            partitions: one.numPartitions,
            replicationFactor: one.replicationFactor,
          })),
      });
    },
  });
}

export async function deleteTopics(
  routes: Routes,
  topics: readonly TopicRef[],
  options: AskOptions = {},
): Promise<void> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  await eachItem(routes, topics, {
    ...options,
    nameOf: refName,
    ask: async (asked) => {
      const answer = await routes.askController({
        request: DeleteTopicsRequest,
        response: DeleteTopicsResponse,
        body: (version) =>
          version < DELETE_BY_ID_VERSION
            ? { topics: [], topicNames: namesOnly(asked), timeoutMs }
            : { topics: asked.map(wireRef), topicNames: [], timeoutMs },
      });
      const answers = new Map(answer.responses.map((one) => [one.name ?? '', one]));
      for (const one of answer.responses) answers.set(printUuid(one.topicId), one);
      return matched(asked, answers, {
        keyOf: refName,
        outcome: (one, ref) => outcomeOf(one, `deleting topic ${refName(ref)}`, () => undefined),
      });
    },
  });
}

export interface MorePartitions {
  readonly topic: string;
  /** How many there are to be, not how many more. */
  readonly count: number;
  /** The replicas of each new partition; the first is the preferred leader. */
  readonly assignments?: readonly (readonly number[])[];
}

export async function createPartitions(
  routes: Routes,
  to: MorePartitions | readonly MorePartitions[],
  options: AskOptions & { readonly validateOnly?: boolean } = {},
): Promise<void> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  await eachItem(routes, 'topic' in to ? [to] : to, {
    ...options,
    nameOf: ({ topic }) => topic,
    ask: async (asked) => {
      const answer = await routes.askController({
        request: CreatePartitionsRequest,
        response: CreatePartitionsResponse,
        body: () => ({
          topics: asked.map(({ topic, count, assignments }) => ({
            name: topic,
            count,
            assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
          })),
          timeoutMs,
          validateOnly: options.validateOnly ?? false,
        }),
      });
      return matched(asked, new Map(answer.results.map((one) => [one.name, one])), {
        keyOf: ({ topic }) => topic,
        outcome: (one, { topic }) => outcomeOf(one, `adding partitions to topic ${topic}`, () => undefined),
      });
    },
  });
}

/** All topics for null, by name; else in the order in which they are named. */
export async function describeTopics(
  routes: Routes,
  topics: readonly TopicRef[] | null,
  options: AskOptions = {},
): Promise<TopicDescription[]> {
  if (topics === null) {
    const all = await routes.any(metadataCall(null), () => undefined, options);
    return all.topics
      .filter(({ errorCode }) => errorCode === Errors.NONE)
      .map(described)
      .sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }
  return eachItem(routes, topics, {
    ...options,
    nameOf: refName,
    ask: async (asked) => {
      const answer = await routes.askAny(metadataCall(asked));
      const answers = new Map(answer.topics.map((one) => [one.name ?? '', one]));
      for (const one of answer.topics) answers.set(printUuid(one.topicId), one);
      return matched(asked, answers, {
        keyOf: refName,
        outcome: (one, ref) => outcomeOf(one, `topic ${refName(ref)}`, () => described(one)),
      });
    },
  });
}

function metadataCall(
  topics: readonly TopicRef[] | null,
): Call<Write<typeof MetadataRequest>, MetadataResponse> {
  return {
    request: MetadataRequest,
    response: MetadataResponse,
    body: (version) => {
      if (topics !== null && version < DESCRIBE_BY_ID_VERSION) namesOnly(topics);
      return {
        topics: topics?.map(wireRef) ?? null,
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      };
    },
  };
}

function described({
  name,
  topicId,
  isInternal,
  partitions,
}: MetadataResponse['topics'][number]): TopicDescription {
  return {
    topic: name!,
    topicId: printUuid(topicId),
    isInternal,
    partitions: partitions
      .map((one) => ({
        partition: one.partitionIndex,
        leader: one.leaderId,
        leaderEpoch: one.leaderEpoch,
        replicas: one.replicaNodes,
        inSyncReplicas: one.isrNodes,
        offlineReplicas: one.offlineReplicas,
      }))
      .sort((a, b) => a.partition - b.partition),
  };
}

function refName(ref: TopicRef): string {
  return typeof ref === 'string' ? ref : ref.topicId;
}

function wireRef(ref: TopicRef): { name: string | null; topicId: string } {
  if (typeof ref === 'string') return { name: ref, topicId: ZERO_UUID };
  const topicId = parseUuid(ref.topicId);
  if (topicId === undefined) throw ownError('INVALID_ARGUMENT', `${ref.topicId} is no topic id`);
  return { name: null, topicId };
}

function namesOnly(topics: readonly TopicRef[]): string[] {
  return topics.map((ref) => {
    if (typeof ref === 'string') return ref;
    throw ownError('UNSUPPORTED_API', `the broker is too old to find topic ${ref.topicId} by its id`);
  });
}

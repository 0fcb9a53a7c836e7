/** An administrator's questions about topics, their records, and the cluster. */
import { printUuid, ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../protocol/messages/19-create-topics.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../protocol/messages/20-delete-topics.ts';
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../../protocol/messages/21-delete-records.ts';
import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../protocol/messages/37-create-partitions.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../protocol/messages/60-describe-cluster.ts';
import { listOffsets, timestampOf } from '../consumer/offset-questions.ts';
import type { Start, TopicPartition } from '../consumer/options.ts';
import { brokerError } from '../errors.ts';
import { firstFault, type AskOptions, type Routes } from './routes.ts';

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

export interface ClusterDescription {
  readonly clusterId: string;
  /** -1 while there is none. */
  readonly controllerId: number;
  readonly brokers: readonly {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
    readonly rack: string | null;
  }[];
}

export interface OffsetAtTime extends TopicPartition {
  /** -1 when no record is as young as the time. */
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** The broker is to choose. */
const BY_DEFAULT = -1;
/** From here on topics can be left to the broker's defaults (KIP-464). */
const TOPICS_BY_NAME_VERSION_MAX = 5;

export async function createTopics(
  routes: Routes,
  topics: readonly NewTopic[],
  options: AskOptions & { readonly validateOnly?: boolean } = {},
): Promise<void> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  await routes.controller(
    {
      request: CreateTopicsRequest,
      response: CreateTopicsResponse,
      body: () => ({
        topics: topics.map(({ topic, partitions, replicationFactor, assignments = [], configs = {} }) => ({
          name: topic,
          numPartitions: partitions ?? BY_DEFAULT,
          replicationFactor: replicationFactor ?? BY_DEFAULT,
          assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
          configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
        })),
        timeoutMs,
        validateOnly: options.validateOnly ?? false,
      }),
    },
    (answer) => firstFault(answer.topics, ({ name }) => `creating topic ${name}`),
    options,
  );
}

export async function deleteTopics(
  routes: Routes,
  names: readonly string[],
  options?: AskOptions,
): Promise<void> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  await routes.controller(
    {
      request: DeleteTopicsRequest,
      response: DeleteTopicsResponse,
      body: (version) =>
        version <= TOPICS_BY_NAME_VERSION_MAX
          ? { topics: [], topicNames: names, timeoutMs }
          : { topics: names.map((name) => ({ name, topicId: ZERO_UUID })), topicNames: [], timeoutMs },
    },
    (answer) => firstFault(answer.responses, ({ name }) => `deleting topic ${name}`),
    options,
  );
}

/** `count` is how many there are to be, not how many more. */
export async function createPartitions(
  routes: Routes,
  to: {
    readonly topic: string;
    readonly count: number;
    readonly assignments?: readonly (readonly number[])[];
  },
  options: AskOptions & { readonly validateOnly?: boolean } = {},
): Promise<void> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  const { topic, count, assignments } = to;
  await routes.controller(
    {
      request: CreatePartitionsRequest,
      response: CreatePartitionsResponse,
      body: () => ({
        topics: [
          { name: topic, count, assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null },
        ],
        timeoutMs,
        validateOnly: options.validateOnly ?? false,
      }),
    },
    (answer) => firstFault(answer.results, ({ name }) => `adding partitions to topic ${name}`),
    options,
  );
}

/** All topics for null. Errors: UNKNOWN_TOPIC_OR_PARTITION for one that is not there. */
export async function describeTopics(
  routes: Routes,
  names: readonly string[] | null,
  options?: AskOptions,
): Promise<TopicDescription[]> {
  const answer = await routes.any(
    {
      request: MetadataRequest,
      response: MetadataResponse,
      body: () => ({
        topics: names?.map((name) => ({ topicId: ZERO_UUID, name })) ?? null,
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      }),
    },
    ({ topics }) => firstFault(topics, ({ name }) => `topic ${name}`),
    options,
  );
  return answer.topics
    .map(({ name, topicId, isInternal, partitions }) => ({
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
    }))
    .sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

export async function describeCluster(routes: Routes, options?: AskOptions): Promise<ClusterDescription> {
  const { clusterId, controllerId, brokers } = await routes.any(
    {
      request: DescribeClusterRequest,
      response: DescribeClusterResponse,
      body: () => ({ includeClusterAuthorizedOperations: false, includeFencedBrokers: false }),
    },
    ({ errorCode: code, errorMessage: message }) =>
      code === Errors.NONE ? undefined : { code, about: 'describing the cluster', message },
    options,
  );
  return {
    clusterId,
    controllerId,
    brokers: brokers.map(({ brokerId: nodeId, host, port, rack }) => ({ nodeId, host, port, rack })),
  };
}

/** Where the ends are, or the first records at or after a time. */
export function listOffsetsOf(
  routes: Routes,
  questions: readonly (TopicPartition & { readonly at: Exclude<Start, number> })[],
  options: AskOptions & { readonly isolation?: 'committed' | 'uncommitted' } = {},
): Promise<OffsetAtTime[]> {
  const isCommittedOnly = options.isolation === 'committed';
  const timeoutMs = routes.core.settings.requestTimeoutMs;
  return routes.repeat(
    () =>
      routes.leaders(
        questions,
        async (link, list) => {
          const asked = list.map(({ topic, partition, at }) => ({
            topic,
            index: partition,
            leaderEpoch: -1,
            timestamp: timestampOf(at),
          }));
          const answers = await listOffsets(link, asked, { isCommittedOnly, timeoutMs });
          return answers.map(({ errorCode, offset, timestamp, leaderEpoch }, n) => {
            const { topic, partition } = list[n]!;
            if (errorCode !== Errors.NONE) throw brokerError(errorCode, `offsets of ${topic}-${partition}`);
            return { topic, partition, offset, timestamp, leaderEpoch };
          });
        },
        options,
      ),
    options,
  );
}

/** Removes what lies before an offset, -1 for all there is; yields where each log begins now. */
export function deleteRecords(
  routes: Routes,
  before: readonly (TopicPartition & { readonly offset: number })[],
  options: AskOptions = {},
): Promise<(TopicPartition & { readonly lowWatermark: number })[]> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  return routes.repeat(
    () =>
      routes.leaders(
        before,
        async (link, list) => {
          const { topics } = await link.ask({
            request: DeleteRecordsRequest,
            response: DeleteRecordsResponse,
            body: () => ({
              topics: [...Map.groupBy(list, ({ topic }) => topic)].map(([name, partitions]) => ({
                name,
                partitions: partitions.map(({ partition, offset }) => ({
                  partitionIndex: partition,
                  offset,
                })),
              })),
              timeoutMs,
            }),
          });
          return topics.flatMap(({ name: topic, partitions }) =>
            partitions.map(({ partitionIndex: partition, lowWatermark, errorCode }) => {
              if (errorCode !== Errors.NONE) throw brokerError(errorCode, `records of ${topic}-${partition}`);
              return { topic, partition, lowWatermark };
            }),
          );
        },
        options,
      ),
    options,
  );
}

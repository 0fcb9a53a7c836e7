/** An administrator's calls about topics, their partitions and records, as KafkaJS has them. */
import { pause } from '../client/backoff.ts';
import { AdminError } from '../client/admin/items.ts';
import { alterReassignments, listReassignments } from '../client/admin/reassignments.ts';
import { deleteRecords, listOffsets, type OffsetAtTime, type OffsetSpec } from '../client/admin/records.ts';
import type { Routes } from '../client/admin/routes.ts';
import {
  createPartitions,
  createTopics,
  deleteTopics,
  describeTopics,
  type TopicDescription,
} from '../client/admin/topics.ts';
import { isKafkaError } from '../client/errors.ts';
import type {
  Admin,
  ITopicConfig,
  ITopicMetadata,
  ITopicPartitionConfig,
  ListPartitionReassignmentsResponse,
  SeekEntry,
} from './admin-types.ts';
import { offsetOf, shown } from './consumer-arguments.ts';
import {
  KafkaJSAggregateError,
  KafkaJSAlterPartitionReassignmentsError,
  KafkaJSBrokerNotFound,
  KafkaJSCreateTopicError,
  KafkaJSDeleteTopicRecordsError,
  KafkaJSNonRetriableError,
  KafkaJSProtocolError,
  KafkaJSTimeout,
  type KafkaJSError,
} from './errors.ts';
import { translated } from './translate.ts';
import type { TopicPartitions } from './types.ts';

type Options<M extends keyof Admin> = Admin[M] extends (options: infer O) => unknown ? NonNullable<O> : never;

const WAIT_MS = 5_000;
const LOOK_INTERVAL_MS = 100;

export async function createTopicsAs(routes: Routes, options: Options<'createTopics'>): Promise<boolean> {
  const { topics, validateOnly = false, waitForLeaders = true, timeout = WAIT_MS } = options;
  checkNames('topics', topics);
  for (const one of topics) checkConfigs(one);
  try {
    await createTopics(
      routes,
      topics.map(({ topic, numPartitions = -1, replicationFactor = -1, ...one }) => ({
        topic,
        ...(numPartitions < 0 ? {} : { partitions: numPartitions }),
        ...(replicationFactor < 0 ? {} : { replicationFactor }),
        ...(one.replicaAssignment === undefined || one.replicaAssignment.length === 0
          ? {}
          : { assignments: inOrder(one.replicaAssignment) }),
        configs: Object.fromEntries((one.configEntries ?? []).map(({ name, value }) => [name, value])),
      })),
      { validateOnly },
    );
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    const failures = error.failures.map(
      ({ item, error: why }) => new KafkaJSCreateTopicError(translated(why), item),
    );
    if (failures.every(({ type }) => type === 'TOPIC_ALREADY_EXISTS')) return false;
    throw new KafkaJSAggregateError('Topic creation errors', failures);
  }
  if (waitForLeaders && !validateOnly) {
    await untilLed(
      routes,
      topics.map(({ topic }) => topic),
      timeout,
    );
  }
  return true;
}

function inOrder(assignment: NonNullable<ITopicConfig['replicaAssignment']>): number[][] {
  return [...assignment].sort((a, b) => a.partition - b.partition).map(({ replicas }) => replicas);
}

async function untilLed(routes: Routes, topics: readonly string[], timeoutMs: number): Promise<void> {
  const { clock, timers } = routes.core.ports;
  const endMs = clock.monotonicMs() + timeoutMs;
  const isLed = ({ partitions }: TopicDescription): boolean =>
    partitions.length > 0 && partitions.every(({ leader }) => leader >= 0);
  for (;;) {
    try {
      const described = await describeTopics(routes, topics);
      if (described.every(isLed)) return;
    } catch (error) {
      if (!isKafkaError(error, 'UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE')) throw error;
    }
    if (clock.monotonicMs() + LOOK_INTERVAL_MS > endMs) {
      throw new KafkaJSTimeout('Timed out while waiting for topic leaders');
    }
    await pause(timers, LOOK_INTERVAL_MS);
  }
}

function checkNames(what: string, list: readonly { readonly topic: string }[]): void {
  if (!Array.isArray(list)) throw new KafkaJSNonRetriableError(`Invalid ${what} array ${shown(list)}`);
  if (list.some(({ topic }) => typeof topic !== 'string')) {
    throw new KafkaJSNonRetriableError(`Invalid ${what} array, the topic names have to be a valid string`);
  }
  if (new Set(list.map(({ topic }) => topic)).size < list.length) {
    throw new KafkaJSNonRetriableError(
      `Invalid ${what} array, it cannot have multiple entries for the same topic`,
    );
  }
}

function checkConfigs({ topic, configEntries }: ITopicConfig): void {
  if (configEntries === undefined || configEntries === null) return;
  const about = `Invalid configEntries for topic "${topic}"`;
  if (!Array.isArray(configEntries)) throw new KafkaJSNonRetriableError(`${about}, must be an array`);
  configEntries.forEach((entry: unknown, at) => {
    if (typeof entry !== 'object' || entry === null) {
      throw new KafkaJSNonRetriableError(`${about}. Entry ${at} must be an object`);
    }
    for (const property of ['name', 'value']) {
      if (typeof (entry as Record<string, unknown>)[property] !== 'string') {
        throw new KafkaJSNonRetriableError(`${about}. Entry ${at} must have a valid "${property}" property`);
      }
    }
  });
}

export async function deleteTopicsAs(routes: Routes, { topics }: Options<'deleteTopics'>): Promise<void> {
  if (!Array.isArray(topics)) throw new KafkaJSNonRetriableError(`Invalid topics array ${String(topics)}`);
  if (topics.some((one) => typeof one !== 'string')) {
    throw new KafkaJSNonRetriableError('Invalid topics array, the names must be a valid string');
  }
  await deleteTopics(routes, topics);
}

export async function createPartitionsAs(
  routes: Routes,
  { topicPartitions, validateOnly = false }: Options<'createPartitions'>,
): Promise<boolean> {
  checkNames('topic partitions', topicPartitions);
  if (topicPartitions.length === 0) throw new KafkaJSNonRetriableError('Empty topic partitions array');
  const more = topicPartitions.map(({ topic, count, assignments }: ITopicPartitionConfig) => ({
    topic,
    count,
    ...(assignments === undefined || assignments === null ? {} : { assignments }),
  }));
  await createPartitions(routes, more, { validateOnly });
  return true;
}

export async function fetchTopicMetadataAs(
  routes: Routes,
  options: { readonly topics?: readonly string[] } = {},
): Promise<{ topics: ITopicMetadata[] }> {
  const { topics = [] } = options;
  for (const topic of topics) checkTopic(topic);
  const described = await describeTopics(routes, topics.length === 0 ? null : topics);
  return {
    topics: described.map(({ topic: name, partitions }) => ({
      name,
      partitions: partitions.map((one) => ({
        partitionErrorCode: 0,
        partitionId: one.partition,
        leader: one.leader,
        replicas: [...one.replicas],
        isr: [...one.inSyncReplicas],
        offlineReplicas: [...one.offlineReplicas],
      })),
    })),
  };
}

function checkTopic(topic: unknown): void {
  if (typeof topic !== 'string' || topic === '') {
    throw new KafkaJSNonRetriableError(`Invalid topic ${String(topic)}`);
  }
}

async function offsetsAt(routes: Routes, topic: string, at: OffsetSpec): Promise<OffsetAtTime[]> {
  const [described] = await describeTopics(routes, [topic]);
  return listOffsets(
    routes,
    described!.partitions.map(({ partition }) => ({ topic, partition, at })),
  );
}

export async function fetchTopicOffsetsAs(
  routes: Routes,
  topic: string,
): Promise<(SeekEntry & { high: string; low: string })[]> {
  checkTopic(topic);
  const [high, low] = await Promise.all([
    offsetsAt(routes, topic, 'latest'),
    offsetsAt(routes, topic, 'earliest'),
  ]);
  return high.map(({ partition, offset }, at) => ({
    partition,
    offset: `${offset}`,
    high: `${offset}`,
    low: `${low[at]!.offset}`,
  }));
}

/** The end of a partition where no record is that young. */
export async function fetchTopicOffsetsByTimestampAs(
  routes: Routes,
  topic: string,
  timestamp: number | undefined,
): Promise<SeekEntry[]> {
  checkTopic(topic);
  const [ends, found] = await Promise.all([
    offsetsAt(routes, topic, 'latest'),
    timestamp === undefined ? offsetsAt(routes, topic, 'latest') : offsetsAt(routes, topic, { timestamp }),
  ]);
  return found.map(({ partition, offset }, at) => ({
    partition,
    offset: `${offset >= 0 ? offset : ends[at]!.offset}`,
  }));
}

export async function deleteTopicRecordsAs(
  routes: Routes,
  { topic, partitions }: Options<'deleteTopicRecords'>,
): Promise<void> {
  if (typeof topic !== 'string' || topic === '')
    throw new KafkaJSNonRetriableError(`Invalid topic "${topic}"`);
  if (!Array.isArray(partitions) || partitions.length === 0) {
    throw new KafkaJSNonRetriableError('Invalid partitions');
  }
  const before = partitions.map(({ partition, offset }) => ({ topic, partition, offset: offsetOf(offset) }));
  try {
    await deleteRecords(routes, before);
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    const failed = error.failures.map(({ item, error: why }) => {
      const one = before.find(({ partition }) => item === `${topic}-${partition}`)!;
      const isUnknown = why.errorName === 'UNKNOWN_TOPIC_OR_PARTITION';
      const named = isUnknown
        ? new KafkaJSBrokerNotFound('Could not find the leader for the partition', { retriable: false })
        : (translated(why) as KafkaJSError);
      return { partition: one.partition, offset: `${one.offset}`, error: named };
    });
    throw new KafkaJSDeleteTopicRecordsError({ topic, partitions: failed });
  }
}

export async function alterPartitionReassignmentsAs(
  routes: Routes,
  { topics }: Options<'alterPartitionReassignments'>,
): Promise<void> {
  checkNames('topics', topics);
  const wanted = topics.flatMap(({ topic, partitionAssignment }) => {
    if (!Array.isArray(partitionAssignment)) {
      throw new KafkaJSNonRetriableError(
        `Invalid partitions array: ${shown(partitionAssignment)} for topic: ${topic}`,
      );
    }
    return partitionAssignment.map(({ partition, replicas }) => {
      if (!Number.isInteger(partition) || partition < 0) {
        throw new KafkaJSNonRetriableError(`Invalid partitions index: ${partition} for topic: ${topic}`);
      }
      if (!Array.isArray(replicas) || replicas.some((one) => !(one >= 0))) {
        throw new KafkaJSNonRetriableError(
          `Invalid replica assignment: ${shown(replicas)} for topic: ${topic} on partition: ${partition}`,
        );
      }
      return { topic, partition, replicas };
    });
  });
  try {
    await alterReassignments(routes, wanted);
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    const failures = error.failures.map(({ item, error: why }) => {
      const at = wanted.find(({ topic, partition }) => item === `${topic}-${partition}`);
      const named = translated(why);
      return named instanceof KafkaJSProtocolError
        ? new KafkaJSAlterPartitionReassignmentsError(named, at?.topic, at?.partition)
        : named;
    });
    throw new KafkaJSAggregateError('Errors altering partition reassignments', failures);
  }
}

export async function listPartitionReassignmentsAs(
  routes: Routes,
  topics: readonly TopicPartitions[] | null | undefined,
): Promise<ListPartitionReassignmentsResponse> {
  if (topics !== undefined && topics !== null) checkNames('topics', topics);
  const partitions = topics?.flatMap(({ topic, partitions: list }) =>
    list.map((partition) => ({ topic, partition })),
  );
  const ongoing = await listReassignments(routes, partitions === undefined ? {} : { partitions });
  return {
    topics: [...Map.groupBy(ongoing, ({ topic }) => topic)].map(([topic, list]) => ({
      topic,
      partitions: list.map((one) => ({
        partition: one.partition,
        partitionIndex: one.partition,
        replicas: [...one.replicas],
        addingReplicas: [...one.addingReplicas],
        removingReplicas: [...one.removingReplicas],
      })),
    })),
  };
}

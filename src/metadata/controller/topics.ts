/** CreateTopics and DeleteTopics: what they change in the store. */
import type { Random } from '../../base/ports.ts';
import { randomUuid, ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import type { BrokerConfigSources } from '../configs/resolve.ts';
import { validateTopicConfigs } from '../configs/validate.ts';
import type { ClusterImage } from '../image.ts';
import { configsKey, topicKey } from '../keys.ts';
import { Change, refusal, SUCCESS, type Decision, type Outcome } from '../outcome.ts';
import { placeReplicas } from '../placement.ts';
import { ConfigsRecord, encodeRecord, TopicRecord } from '../records.ts';
import { canCollide, collisionName, isInternalTopic, topicNameProblem } from '../topic-names.ts';
import { assignmentProblem } from './assignment.ts';
import { mayLead } from './partition-change.ts';

/** Partitions of one CreateTopics request together, as in Kafka. */
export const PARTITIONS_PER_REQUEST_MAX = 10_000;
/** Replicas on each registered broker on average. Kafka has no such limit and does not survive without one (KIP-578). */
export const REPLICAS_PER_BROKER_MAX = 10_000;

/** A topic to be made; the fields are those of CreateTopics, -1 and empty lists included. */
export interface NewTopic {
  readonly name: string;
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly assignments: readonly { readonly partitionIndex: number; readonly brokerIds: readonly number[] }[];
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

export interface TopicDefaults {
  /** num.partitions */
  readonly numPartitions: number;
  /** default.replication.factor */
  readonly replicationFactor: number;
  readonly broker: BrokerConfigSources;
}

export interface CreatedTopic extends Outcome {
  readonly name: string;
  /** ZERO_UUID unless it was (or, with validateOnly, could be) made. */
  readonly topicId: string;
  /** -1 unless made. */
  readonly numPartitions: number;
  readonly replicationFactor: number;
  /** The topic's own configurations. */
  readonly configs: ReadonlyMap<string, string>;
}

interface Planned {
  readonly partitions: {
    replicas: readonly number[];
    isr: readonly number[];
    directories: readonly string[];
  }[];
  readonly configs: ReadonlyMap<string, string>;
}

/** Whether the request as a whole is too large to be looked at: POLICY_VIOLATION. */
export function createTopicsProblem(
  topics: readonly NewTopic[],
  defaults: TopicDefaults,
): Outcome | undefined {
  let partitions = 0;
  for (const topic of topics) {
    if (topic.assignments.length > 0) partitions += topic.assignments.length;
    else if (topic.numPartitions === -1) partitions += defaults.numPartitions;
    else partitions += Math.max(0, topic.numPartitions);
  }
  if (partitions <= PARTITIONS_PER_REQUEST_MAX) return undefined;
  return refusal(Errors.POLICY_VIOLATION, 'Excessively large number of partitions per request.');
}

/** Each topic stands for itself: one that is refused does not hold up the others. Two operations a topic. */
export function createTopics(
  image: ClusterImage,
  topics: readonly NewTopic[],
  options: { readonly defaults: TopicDefaults; readonly random: Random },
): Decision<CreatedTopic[]> {
  const change = new Change();
  /** Names of this request, as metrics show them. */
  const taken = new Map<string, string>();
  const room = { replicas: REPLICAS_PER_BROKER_MAX * image.brokers.size - image.replicaCount };
  const results = topics.map((topic): CreatedTopic => {
    const planned = nameProblem(image, topic.name, taken) ?? plan(image, topic, options, room);
    if ('errorCode' in planned) return { ...NOT_CREATED, ...planned, name: topic.name };
    if (canCollide(topic.name)) taken.set(collisionName(topic.name), topic.name);
    const topicId = randomUuid(options.random);
    const { partitions, configs } = planned;
    change.put(topicKey(topic.name), 0, encodeRecord(TopicRecord, { topicId, partitions }));
    putConfigs(change, image, topic.name, configs);
    const replicationFactor = partitions[0].replicas.length;
    const numPartitions = partitions.length;
    return { ...SUCCESS, name: topic.name, topicId, numPartitions, replicationFactor, configs };
  });
  return change.decide(results);
}

const NOT_CREATED = {
  topicId: ZERO_UUID,
  numPartitions: -1,
  replicationFactor: -1,
  configs: new Map<string, string>(),
} as const;

function nameProblem(image: ClusterImage, name: string, taken: Map<string, string>): Outcome | undefined {
  // Kafka finds out about an existing topic last, so that it is what the client hears.
  if (image.topics.has(name)) return refusal(Errors.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
  const collides =
    image.collidingTopic(name) ?? (canCollide(name) ? taken.get(collisionName(name)) : undefined);
  if (collides !== undefined) {
    const message = `Topic '${name}' collides with existing topic: ${collides}`;
    return refusal(Errors.INVALID_TOPIC_EXCEPTION, message);
  }
  const problem = topicNameProblem(name);
  return problem === undefined ? undefined : refusal(Errors.INVALID_TOPIC_EXCEPTION, problem);
}

function plan(
  image: ClusterImage,
  topic: NewTopic,
  options: { readonly defaults: TopicDefaults; readonly random: Random },
  room: { replicas: number },
): Planned | Outcome {
  const configs = newConfigs(topic, options.defaults.broker);
  if (!(configs instanceof Map)) return configs;
  const placed =
    topic.assignments.length > 0 ? placedByHand(image, topic) : placedInTurn(image, topic, options);
  if (!Array.isArray(placed)) return placed;
  const replicas = placed.reduce((sum, one) => sum + one.length, 0);
  // Internal topics must be possible on a full cluster, or nothing could be consumed from it.
  if (replicas > room.replicas && !isInternalTopic(topic.name)) {
    const limit = `${REPLICAS_PER_BROKER_MAX} replicas per broker`;
    return refusal(Errors.POLICY_VIOLATION, `The cluster would hold more than ${limit}.`);
  }
  room.replicas -= replicas;
  return { partitions: placed.map((one) => newPartition(image, one)), configs };
}

function newConfigs(topic: NewTopic, broker: BrokerConfigSources): Map<string, string> | Outcome {
  const configs = new Map<string, string>();
  const missing: string[] = [];
  for (const { name, value } of topic.configs) {
    if (value === null) missing.push(name);
    else configs.set(name, value);
  }
  if (missing.length > 0) {
    return refusal(Errors.INVALID_CONFIG, `Null value not supported for topic configs: ${missing.join(',')}`);
  }
  const problem = validateTopicConfigs(configs, broker);
  return problem === undefined ? configs : refusal(problem.errorCode, problem.message);
}

function placedByHand(image: ClusterImage, topic: NewTopic): (readonly number[])[] | Outcome {
  const about = 'A manual partition assignment was specified, but';
  if (topic.replicationFactor !== -1) {
    return refusal(Errors.INVALID_REQUEST, `${about} replication factor was not set to -1.`);
  }
  if (topic.numPartitions !== -1) {
    return refusal(Errors.INVALID_REQUEST, `${about} numPartitions was not set to -1.`);
  }
  const invalid = (message: string): Outcome => refusal(Errors.INVALID_REPLICA_ASSIGNMENT, message);
  const byPartition = new Map<number, readonly number[]>();
  let replicationFactor: number | undefined;
  for (const { partitionIndex, brokerIds } of topic.assignments) {
    if (byPartition.has(partitionIndex)) {
      return invalid(`Found multiple manual partition assignments for partition ${partitionIndex}`);
    }
    const problem = assignmentProblem(image, brokerIds, replicationFactor);
    if (problem !== undefined) return problem;
    replicationFactor = brokerIds.length;
    if (!brokerIds.some((id) => mayLead(image, id))) {
      return invalid(
        'All brokers specified in the manual partition assignment for ' +
          `partition ${partitionIndex} are fenced or in controlled shutdown.`,
      );
    }
    byPartition.set(partitionIndex, brokerIds);
  }
  const placed: (readonly number[])[] = [];
  for (let n = 0; n < byPartition.size; n++) {
    const replicas = byPartition.get(n);
    if (replicas === undefined) return invalid('partitions should be a consecutive 0-based integer sequence');
    placed.push(replicas);
  }
  return placed;
}

function placedInTurn(
  image: ClusterImage,
  topic: NewTopic,
  options: { readonly defaults: TopicDefaults; readonly random: Random },
): number[][] | Outcome {
  const { defaults, random } = options;
  if (topic.replicationFactor < -1 || topic.replicationFactor === 0) {
    const message = 'Replication factor must be larger than 0, or -1 to use the default value.';
    return refusal(Errors.INVALID_REPLICATION_FACTOR, message);
  }
  if (topic.numPartitions < -1 || topic.numPartitions === 0) {
    const message = 'Number of partitions was set to an invalid non-positive value.';
    return refusal(Errors.INVALID_PARTITIONS, message);
  }
  const partitionCount = topic.numPartitions === -1 ? defaults.numPartitions : topic.numPartitions;
  const replicationFactor =
    topic.replicationFactor === -1 ? defaults.replicationFactor : topic.replicationFactor;
  const placed = placeReplicas(image.brokers.values(), { partitionCount, replicationFactor }, random);
  if (typeof placed !== 'string') return placed;
  const message = `Unable to replicate the partition ${replicationFactor} time(s): ${placed}`;
  return refusal(Errors.INVALID_REPLICATION_FACTOR, message);
}

/** Replicas that are alive begin in sync; the first of them leads. */
export function newPartition(
  image: ClusterImage,
  replicas: readonly number[],
): Planned['partitions'][number] {
  const isr = replicas.filter((id) => mayLead(image, id));
  const directories = replicas.map((id) => {
    const online = image.brokers.get(id)?.directories ?? [];
    // With several directories the broker chooses, and says so.
    return online.length === 1 ? online[0] : ZERO_UUID;
  });
  return { replicas, isr, directories };
}

function putConfigs(
  change: Change,
  image: ClusterImage,
  name: string,
  configs: ReadonlyMap<string, string>,
): void {
  const key = configsKey('TOPIC', name);
  const { modRevision } = image.keyRevisions(key);
  const entries = [...configs].map(([config, value]) => ({ name: config, value }));
  if (entries.length > 0) change.put(key, modRevision, encodeRecord(ConfigsRecord, { entries }));
  else if (modRevision > 0) change.delete(key, modRevision);
}

export interface DeletedTopic extends Outcome {
  readonly topicId: string;
}

/**
 * Removes topics by id, with their configurations; two operations a topic. What is left of their partitions is removed
 * by `deleteOrphans`: it means nothing once the topic's own key is gone.
 */
export function deleteTopics(image: ClusterImage, topicIds: readonly string[]): Decision<DeletedTopic[]> {
  const change = new Change();
  const results = topicIds.map((topicId): DeletedTopic => {
    const topic = image.topicById(topicId);
    if (topic === undefined) return { ...refusal(Errors.UNKNOWN_TOPIC_ID), topicId };
    const key = topicKey(topic.name);
    change.delete(key, image.keyRevisions(key).modRevision);
    const configs = configsKey('TOPIC', topic.name);
    const { modRevision } = image.keyRevisions(configs);
    if (modRevision > 0) change.delete(configs, modRevision);
    return { ...SUCCESS, topicId };
  });
  return change.decide(results);
}

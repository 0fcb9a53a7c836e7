/**
 * Administration in the simulation: topics that are there for the whole world and get changed, topics that come and go,
 * and somebody who looks at the metadata all the time. What was acknowledged must be there from then on; after an unknown
 * outcome the actor waits until nothing of it can still be on its way, and then finds out.
 */
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../src/protocol/messages/20-delete-topics.ts';
import {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
} from '../../src/protocol/messages/21-delete-records.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../src/protocol/messages/32-describe-configs.ts';
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../../src/protocol/messages/34-alter-replica-log-dirs.ts';
import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../src/protocol/messages/37-create-partitions.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../src/protocol/messages/44-incremental-alter-configs.ts';
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import type { Asking } from './asking.ts';
import { UnknownOutcome } from './client.ts';
import type { Durability, SimTopic, Trimming } from './history.ts';
import { LATEST, listOffset } from './fetching.ts';
import { SETTLING_MS, type Stage } from './stage.ts';

const TOPIC_RESOURCE = 2;
const SET = 0;
const PARTITIONS_MAX = 6;
/** Changed at run time; its values have no effect on the world. */
const CONFIG = 'delete.retention.ms';

export interface TopicPlan {
  readonly name: string;
  readonly durability: Durability;
  readonly trimming: Trimming;
  readonly partitionCount: number;
  /** One, where it is not given. */
  readonly replicationFactor?: number;
  readonly configs: Readonly<Record<string, string>>;
}

export interface Actor {
  readonly client: Asking;
  readonly random: SimulatedRandom;
}

/** What metadata says of a topic; undefined when it knows none of that name. */
async function describe(stage: Stage, client: Asking, name: string) {
  const answer = await client.request(MetadataRequest, MetadataResponse, 12, {
    topics: [{ topicId: ZERO_UUID, name }],
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  });
  const topic = answer.topics[0]!;
  stage.note('Metadata', topic.errorCode);
  if (topic.errorCode === Errors.NONE) return topic;
  if (topic.errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION) return undefined;
  throw new UnknownOutcome(`metadata of ${name}: ${topic.errorCode}`);
}

/** Asks until there is an answer. */
async function find(stage: Stage, { client, random }: Actor, name: string): Promise<string | undefined> {
  const found = await stage.until('Metadata', random, async () => {
    return { id: (await describe(stage, client, name))?.topicId };
  });
  return found?.id;
}

/** Creates it, whatever happens; undefined only when the world is over. Its id is one that no topic had before. */
export async function createTopic(
  stage: Stage,
  actor: Actor,
  plan: TopicPlan,
): Promise<SimTopic | undefined> {
  const { client, random } = actor;
  const { name, durability, trimming, partitionCount } = plan;
  const configs = Object.entries({ ...plan.configs, durability }).map(([key, value]) => ({
    name: key,
    value,
  }));
  const id = await stage.until('CreateTopics', random, async () => {
    try {
      const { topics } = await client.request(CreateTopicsRequest, CreateTopicsResponse, 7, {
        topics: [
          {
            name,
            numPartitions: partitionCount,
            replicationFactor: plan.replicationFactor ?? 1,
            assignments: [],
            configs,
          },
        ],
        timeoutMs: 10_000,
      });
      const { errorCode, errorMessage, topicId } = topics[0]!;
      stage.note('CreateTopics', errorCode);
      if (errorCode === Errors.NONE) return topicId;
      if (errorCode === Errors.INVALID_CONFIG) throw new Error(`${name}: ${errorMessage}`);
    } catch (error) {
      stage.unknown('CreateTopics', error);
    }
    await stage.sleep(SETTLING_MS);
    return find(stage, actor, name);
  });
  if (id === undefined) return undefined;
  if (stage.topicIds.has(id)) stage.history.anomaly('topic id twice', name);
  stage.topicIds.add(id);
  const topic: SimTopic = { name, id, durability, trimming, partitionCount, isGoing: false };
  stage.topics.push(topic);
  return topic;
}

/** A topic that comes, gets a little work, and goes, again and again. */
export async function runChurn(stage: Stage, actor: Actor, plan: TopicPlan): Promise<void> {
  const { random } = actor;
  while (stage.phase === 'faults') {
    const topic = await createTopic(stage, actor, plan);
    if (topic === undefined) return;
    for (let looks = random.between(1, 8); looks > 0 && stage.phase === 'faults'; looks--) {
      await stage.sleep(random.between(100, 3_000));
      await check(stage, actor, topic);
    }
    if (stage.phase !== 'faults') return;
    await deleteTopic(stage, actor, topic);
    stage.topics.splice(stage.topics.indexOf(topic), 1);
    if (random.chance(0.5)) continue;
    for (let looks = random.between(1, 4); looks > 0; looks--) {
      await stage.sleep(random.between(100, 5_000));
      const id = await find(stage, actor, topic.name);
      if (id !== undefined) stage.history.anomaly('deleted topic is back', topic.name);
    }
  }
}

/** An acknowledged topic is there, with its id and at least its partitions, and epochs only rise. */
async function check(stage: Stage, { client }: Actor, topic: SimTopic): Promise<void> {
  const countBefore = topic.partitionCount;
  try {
    const found = await describe(stage, client, topic.name);
    if (topic.isGoing) return;
    if (found?.topicId !== topic.id) {
      stage.history.anomaly(
        'topic lost',
        `${topic.name}: ${found === undefined ? 'is not there' : 'another id'}`,
      );
      return;
    }
    if (found.partitions.length < countBefore) {
      stage.history.anomaly('partitions lost', `${topic.name}: ${found.partitions.length} of ${countBefore}`);
    }
    for (const { partitionIndex, leaderEpoch } of found.partitions) {
      const partition = stage.history.partition(topic, partitionIndex);
      if (leaderEpoch < partition.leaderEpoch) {
        const what = `${partition.name}: ${partition.leaderEpoch}, then ${leaderEpoch}`;
        stage.history.anomaly('leader epoch went back', what);
      }
      partition.leaderEpoch = leaderEpoch;
    }
  } catch (error) {
    stage.unknown('Metadata', error);
  }
}

async function deleteTopic(stage: Stage, actor: Actor, topic: SimTopic): Promise<void> {
  const { client, random } = actor;
  topic.isGoing = true;
  const byId = random.chance(0.5);
  await stage.until('DeleteTopics', random, async () => {
    try {
      const { responses } = await client.request(DeleteTopicsRequest, DeleteTopicsResponse, 6, {
        topics: [byId ? { name: null, topicId: topic.id } : { name: topic.name, topicId: ZERO_UUID }],
        topicNames: [],
        timeoutMs: 10_000,
      });
      stage.note('DeleteTopics', responses[0]!.errorCode);
      if (responses[0]!.errorCode === Errors.NONE) return true;
    } catch (error) {
      stage.unknown('DeleteTopics', error);
    }
    await stage.sleep(SETTLING_MS);
    return (await find(stage, actor, topic.name)) === undefined ? true : undefined;
  });
}

/** Looks at one topic that stays, and changes it: configuration, more partitions, fewer records. */
export async function runChanges(stage: Stage, actor: Actor, topic: SimTopic): Promise<void> {
  const { random } = actor;
  let value: string | undefined;
  let number = 0;
  while (stage.phase !== 'over') {
    await stage.sleep(random.between(200, 4_000));
    await check(stage, actor, topic);
    if (value !== undefined) await checkConfig(stage, actor, { topic, value });
    if (stage.phase === 'drain') return;
    const dice = random.float();
    if (dice < 0.15) {
      number += 1;
      value = await changeConfig(stage, actor, { topic, value: String(1_000_000 + number) });
    } else if (dice < 0.25 && topic.partitionCount < PARTITIONS_MAX && !stage.isFixed(topic)) {
      await addPartition(stage, actor, topic);
    } else if (dice < 0.35 && stage.directories.length > 1) {
      await moveReplica(stage, actor, topic);
    } else if (dice < 0.4) {
      await shrinkOffsetsSegments(stage, actor);
    } else if (dice < 0.6 && topic.trimming === 'on request') {
      await deleteRecords(stage, actor, topic);
    }
  }
}

/** The value that is set now; undefined when nobody knows. */
async function changeConfig(
  stage: Stage,
  { client }: Actor,
  { topic, value }: { topic: SimTopic; value: string },
): Promise<string | undefined> {
  try {
    const { responses } = await client.request(
      IncrementalAlterConfigsRequest,
      IncrementalAlterConfigsResponse,
      1,
      {
        resources: [
          {
            resourceType: TOPIC_RESOURCE,
            resourceName: topic.name,
            configs: [{ name: CONFIG, configOperation: SET, value }],
          },
        ],
        validateOnly: false,
      },
    );
    stage.note('IncrementalAlterConfigs', responses[0]!.errorCode);
    if (responses[0]!.errorCode === Errors.NONE) return value;
  } catch (error) {
    stage.unknown('IncrementalAlterConfigs', error);
  }
  await stage.sleep(SETTLING_MS);
  return undefined;
}

async function checkConfig(
  stage: Stage,
  { client }: Actor,
  { topic, value }: { topic: SimTopic; value: string },
): Promise<void> {
  try {
    const { results } = await client.request(DescribeConfigsRequest, DescribeConfigsResponse, 4, {
      resources: [{ resourceType: TOPIC_RESOURCE, resourceName: topic.name, configurationKeys: [CONFIG] }],
      includeDocumentation: false,
    });
    const [result] = results;
    stage.note('DescribeConfigs', result!.errorCode);
    if (result!.errorCode !== Errors.NONE) return;
    const found = result!.configs[0]?.value;
    if (found !== value) stage.history.anomaly('config lost', `${topic.name}: ${found}, set was ${value}`);
  } catch (error) {
    stage.unknown('DescribeConfigs', error);
  }
}

async function addPartition(stage: Stage, actor: Actor, topic: SimTopic): Promise<void> {
  const { client } = actor;
  const count = topic.partitionCount + 1;
  try {
    const { results } = await client.request(CreatePartitionsRequest, CreatePartitionsResponse, 3, {
      topics: [{ name: topic.name, count, assignments: null }],
      timeoutMs: 10_000,
      validateOnly: false,
    });
    stage.note('CreatePartitions', results[0]!.errorCode);
    if (results[0]!.errorCode === Errors.NONE) topic.partitionCount = count;
    if (results[0]!.errorCode === Errors.NONE) return;
  } catch (error) {
    stage.unknown('CreatePartitions', error);
  }
  await stage.sleep(SETTLING_MS);
  const found = await stage.until('Metadata', actor.random, () => describe(stage, client, topic.name));
  topic.partitionCount = found?.partitions.length ?? topic.partitionCount;
}

/** To another log directory; it goes on in the background. */
async function moveReplica(stage: Stage, { client, random }: Actor, topic: SimTopic): Promise<void> {
  const path = stage.directories[random.integer(stage.directories.length)]!;
  const partition = random.integer(topic.partitionCount);
  try {
    const answer = await client.request(AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, 2, {
      dirs: [{ path, topics: [{ name: topic.name, partitions: [partition] }] }],
    });
    stage.note('AlterReplicaLogDirs', answer.results[0]!.partitions[0]!.errorCode);
  } catch (error) {
    stage.unknown('AlterReplicaLogDirs', error);
  }
}

/** So that the group's own log rolls as well. */
async function shrinkOffsetsSegments(stage: Stage, { client, random }: Actor): Promise<void> {
  const value = String(random.between(1_000, 20_000));
  try {
    const { responses } = await client.request(
      IncrementalAlterConfigsRequest,
      IncrementalAlterConfigsResponse,
      1,
      {
        resources: [
          {
            resourceType: TOPIC_RESOURCE,
            resourceName: '__consumer_offsets',
            configs: [{ name: 'internal.segment.bytes', configOperation: SET, value }],
          },
        ],
        validateOnly: false,
      },
    );
    stage.note('IncrementalAlterConfigs (offsets)', responses[0]!.errorCode);
  } catch (error) {
    stage.unknown('IncrementalAlterConfigs', error);
  }
}

async function deleteRecords(stage: Stage, { client, random }: Actor, topic: SimTopic): Promise<void> {
  const partition = stage.history.partition(topic, random.integer(topic.partitionCount));
  try {
    const end = await listOffset(stage, client, partition, LATEST);
    if (end === undefined) return;
    const offset = random.chance(0.2) ? end : random.between(0, end);
    partition.startMax = Math.max(partition.startMax, offset);
    const answer = await client.request(DeleteRecordsRequest, DeleteRecordsResponse, 2, {
      topics: [{ name: topic.name, partitions: [{ partitionIndex: partition.partition, offset }] }],
      timeoutMs: 10_000,
    });
    const { errorCode, lowWatermark } = answer.topics[0]!.partitions[0]!;
    stage.note('DeleteRecords', errorCode);
    if (errorCode !== Errors.NONE) return;
    if (lowWatermark < offset || lowWatermark > partition.startMax) {
      stage.history.anomaly('DeleteRecords', `${partition.name}: asked ${offset}, answered ${lowWatermark}`);
    }
  } catch (error) {
    stage.unknown('DeleteRecords', error);
  }
}

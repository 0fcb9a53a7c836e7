/**
 * Administration of a simulated cluster: somebody who creates and deletes topics, changes configurations, moves replicas and
 * elects leaders, and for each broker somebody who looks at its metadata. What was acknowledged is there at the end, on every
 * broker, and no broker's view ever goes back (G09).
 */
import { Errors } from '../../../src/protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../../src/protocol/messages/03-metadata.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../../src/protocol/messages/20-delete-topics.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../../src/protocol/messages/32-describe-configs.ts';
import {
  ElectLeadersRequest,
  ElectLeadersResponse,
} from '../../../src/protocol/messages/43-elect-leaders.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../../src/protocol/messages/44-incremental-alter-configs.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../../src/protocol/messages/45-alter-partition-reassignments.ts';
import { ZERO_UUID } from '../../../src/base/uuid.ts';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Actor, TopicPlan } from '../admin.ts';
import type { Stage } from '../stage.ts';
import type { Plan } from './plan.ts';
import type { RoutingClient } from './routing-client.ts';

const TOPIC_RESOURCE = 2;
const SET = 0;
const PREFERRED = 0;
const UNCLEAN = 1;
/** Changed at run time; its values have no effect on the world. */
const CONFIG = 'delete.retention.ms';
const TIMEOUT_MS = 2_000;

interface Config {
  acked: string | undefined;
  /** What was asked for without an answer may be set at any time. */
  readonly doubtful: Set<string>;
}

export class Decisions {
  readonly #stage: Stage;
  readonly #plan: Plan;
  readonly #topics: readonly TopicPlan[];
  /** By name; an id where the creation was acknowledged. */
  readonly #created = new Map<string, string>();
  readonly #deletionAsked = new Set<string>();
  readonly #deleted = new Set<string>();
  readonly #configs = new Map<string, Config>();
  #number = 0;

  constructor(stage: Stage, plan: Plan) {
    this.#stage = stage;
    this.#plan = plan;
    this.#topics = [...plan.streams, ...plan.scene];
  }

  async run(actor: Actor): Promise<void> {
    const { random } = actor;
    const stage = this.#stage;
    while (stage.phase === 'faults') {
      await stage.sleep(random.between(50, 1_200));
      if (stage.phase !== 'faults') return;
      const topic = this.#topics[random.integer(this.#topics.length)]!;
      const dice = random.float();
      try {
        if (dice < 0.25) await this.#changeConfig(actor, topic.name);
        else if (dice < 0.45) await this.#create(actor);
        else if (dice < 0.55) await this.#delete(actor);
        else if (dice < 0.8) await this.#move(actor, topic);
        else await this.#elect(actor, topic);
      } catch (error) {
        stage.unknown('admin', error);
      }
    }
  }

  /** Looks at what one broker says, again and again. */
  async observe(nodeId: number, { client, random }: Actor): Promise<void> {
    const stage = this.#stage;
    const known = new Map<string, Map<string, number>>();
    while (stage.phase === 'faults') {
      await stage.sleep(random.between(100, 900));
      try {
        const topics = await this.#metadata(nodeId, client as RoutingClient);
        this.#compare(nodeId, known, topics);
      } catch (error) {
        stage.unknown('Metadata', error);
      }
    }
  }

  #compare(
    nodeId: number,
    known: Map<string, Map<string, number>>,
    topics: MetadataResponse['topics'],
  ): void {
    const { history } = this.#stage;
    const present = new Set(topics.map(({ topicId }) => topicId));
    for (const [id, epochs] of known) {
      if (present.has(id)) continue;
      known.delete(id);
      const [[name]] = epochs as unknown as [[string]];
      const topic = name.slice(0, name.lastIndexOf('-'));
      if (!this.#deletionAsked.has(topic)) history.anomaly('view went back', `${nodeId} forgot ${topic}`);
    }
    for (const { name, topicId, partitions } of topics) {
      const epochs = known.get(topicId) ?? new Map<string, number>();
      known.set(topicId, epochs);
      for (const { partitionIndex, leaderEpoch } of partitions) {
        const partition = `${name}-${partitionIndex}`;
        const before = epochs.get(partition) ?? -1;
        if (leaderEpoch < before)
          history.anomaly('view went back', `${nodeId}: ${partition} in ${before}, then ${leaderEpoch}`);
        epochs.set(partition, leaderEpoch);
      }
    }
  }

  /** At the end: everything that was acknowledged is known to every broker. */
  async check({ client, random }: Actor): Promise<void> {
    const stage = this.#stage;
    const routing = client as RoutingClient;
    for (const nodeId of routing.everyBroker()) {
      const topics = await stage.until('Metadata', random, () => this.#metadata(nodeId, routing));
      const ids = new Map(topics?.map(({ name, topicId }) => [name!, topicId]));
      for (const [name, id] of this.#created) {
        if (ids.get(name) !== id && !this.#deletionAsked.has(name))
          stage.history.anomaly('topic lost', `${name} on ${nodeId}`);
      }
      for (const name of this.#deleted)
        if (ids.has(name)) stage.history.anomaly('deleted topic is back', `${name} on ${nodeId}`);
      await this.#checkConfigs(nodeId, routing, random);
    }
  }

  async #checkConfigs(nodeId: number, routing: RoutingClient, random: SimulatedRandom): Promise<void> {
    for (const [name, { acked, doubtful }] of this.#configs) {
      if (acked === undefined) continue;
      const found = await this.#stage.until('DescribeConfigs', random, async () => {
        const resources = [{ resourceType: TOPIC_RESOURCE, resourceName: name, configurationKeys: [CONFIG] }];
        const { results } = await routing.askBroker(nodeId, {
          request: DescribeConfigsRequest,
          response: DescribeConfigsResponse,
          version: 4,
          body: { resources, includeDocumentation: false },
        });
        return results[0]!.errorCode === Errors.NONE ? { value: results[0]!.configs[0]?.value } : undefined;
      });
      const value = found?.value ?? '';
      if (value !== acked && !doubtful.has(value)) {
        const what = `${name} on ${nodeId}: ${value}, not ${acked}`;
        this.#stage.history.anomaly('config lost', what);
      }
    }
  }

  async #metadata(nodeId: number, routing: RoutingClient): Promise<MetadataResponse['topics']> {
    const { topics } = await routing.askBroker(nodeId, {
      request: MetadataRequest,
      response: MetadataResponse,
      version: 12,
      body: {
        topics: null,
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      },
    });
    return topics;
  }

  async #changeConfig({ client }: Actor, topic: string): Promise<void> {
    this.#number += 1;
    const value = String(1_000_000 + this.#number);
    let config = this.#configs.get(topic);
    if (config === undefined) this.#configs.set(topic, (config = { acked: undefined, doubtful: new Set() }));
    config.doubtful.add(value);
    const { responses } = await client.request(
      IncrementalAlterConfigsRequest,
      IncrementalAlterConfigsResponse,
      1,
      {
        resources: [
          {
            resourceType: TOPIC_RESOURCE,
            resourceName: topic,
            configs: [{ name: CONFIG, configOperation: SET, value }],
          },
        ],
        validateOnly: false,
      },
    );
    const { errorCode } = responses[0]!;
    this.#stage.note('IncrementalAlterConfigs', errorCode);
    if (errorCode !== Errors.NONE) return;
    config.acked = value;
    config.doubtful.delete(value);
  }

  async #create({ client, random }: Actor): Promise<void> {
    this.#number += 1;
    const name = `more${this.#number}`;
    const body = {
      topics: [
        {
          name,
          numPartitions: 1,
          replicationFactor: random.between(1, 3),
          assignments: [],
          configs: [],
        },
      ],
      timeoutMs: TIMEOUT_MS,
    };
    const { topics } = await client.request(CreateTopicsRequest, CreateTopicsResponse, 7, body);
    const { errorCode, topicId } = topics[0]!;
    this.#stage.note('CreateTopics', errorCode);
    if (errorCode === Errors.NONE) this.#created.set(name, topicId);
  }

  async #delete({ client, random }: Actor): Promise<void> {
    const names = [...this.#created.keys()].filter((name) => !this.#deletionAsked.has(name));
    const name = names[random.integer(names.length)];
    if (name === undefined) return;
    this.#deletionAsked.add(name);
    const { responses } = await client.request(DeleteTopicsRequest, DeleteTopicsResponse, 6, {
      topics: [{ name, topicId: ZERO_UUID }],
      topicNames: [],
      timeoutMs: TIMEOUT_MS,
    });
    this.#stage.note('DeleteTopics', responses[0]!.errorCode);
    if (responses[0]!.errorCode === Errors.NONE) this.#deleted.add(name);
  }

  /** To other replicas, or to the same in another order; or not at all any more. */
  async #move({ client, random }: Actor, { name, partitionCount }: TopicPlan): Promise<void> {
    const { nodeIds, minInsyncReplicas } = this.#plan;
    const count = random.chance(0.2) ? Math.max(2, minInsyncReplicas) : 3;
    const replicas = random.chance(0.15) ? null : shuffled(nodeIds, random).slice(0, count);
    const partitions = [{ partitionIndex: random.integer(partitionCount), replicas }];
    const { responses } = await client.request(
      AlterPartitionReassignmentsRequest,
      AlterPartitionReassignmentsResponse,
      1,
      { timeoutMs: TIMEOUT_MS, topics: [{ name, partitions }] },
    );
    const errorCode = responses[0]?.partitions[0]?.errorCode ?? Errors.NONE;
    this.#stage.note('AlterPartitionReassignments', errorCode);
  }

  async #elect({ client, random }: Actor, { name, partitionCount }: TopicPlan): Promise<void> {
    const electionType = this.#plan.isUnclean && random.chance(0.5) ? UNCLEAN : PREFERRED;
    const answer = await client.request(ElectLeadersRequest, ElectLeadersResponse, 2, {
      electionType,
      topicPartitions: [{ topic: name, partitions: [random.integer(partitionCount)] }],
      timeoutMs: TIMEOUT_MS,
    });
    const errorCode = answer.replicaElectionResults[0]?.partitionResult[0]?.errorCode ?? answer.errorCode;
    this.#stage.note('ElectLeaders', errorCode);
  }
}

function shuffled<T>(items: readonly T[], random: SimulatedRandom): T[] {
  return items
    .map((item) => ({ item, at: random.float() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item);
}

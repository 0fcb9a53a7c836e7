/**
 * What `headrace cluster` asks of a cluster: Kafka's own APIs alone, so that it works with Apache Kafka as well. Whatever any
 * broker can answer, or passes on to the controller, goes to whoever answers; what fails for a reason that passes is tried
 * again for a while.
 */
import { Errors, isRetriable } from '../../protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../protocol/messages/32-describe-configs.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../protocol/messages/35-describe-log-dirs.ts';
import { ElectLeadersRequest, ElectLeadersResponse } from '../../protocol/messages/43-elect-leaders.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../protocol/messages/44-incremental-alter-configs.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../protocol/messages/45-alter-partition-reassignments.ts';
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../../protocol/messages/46-list-partition-reassignments.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../protocol/messages/60-describe-cluster.ts';
import {
  UnregisterBrokerRequest,
  UnregisterBrokerResponse,
} from '../../protocol/messages/64-unregister-broker.ts';
import { backoffMs, pause } from '../../client/backoff.ts';
import type { BrokerLink, Call } from '../../client/connection/broker-link.ts';
import type { ClientCore } from '../../client/core.ts';
import { brokerError, connectionError } from '../../client/errors.ts';
import { nameOf } from './cluster-state.ts';

export interface BrokerInfo {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  /** Registered, but not there. */
  readonly isFenced: boolean;
}

export interface ClusterInfo {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly brokers: readonly BrokerInfo[];
}

export interface PartitionInfo {
  readonly topic: string;
  readonly partition: number;
  /** -1: none. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

export interface Reassigning {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

export interface BrokerDisks {
  /** Bytes of each replica, by `topic-partition`. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Of all volumes together; undefined where the broker does not tell (KIP-827). */
  readonly totalBytes: number | undefined;
  readonly usableBytes: number | undefined;
  /** Paths of log directories that are offline. */
  readonly failed: readonly string[];
  /** Whether there is a directory that is not. */
  readonly isUsable: boolean;
}

export interface Target {
  readonly topic: string;
  readonly partition: number;
  /** Null: the move under way is cancelled. */
  readonly replicas: readonly number[] | null;
}

export interface Refusal {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly errorMessage: string;
}

/** Numbers of Kafka's ConfigResource.Type and AlterConfigOp.OpType. */
const RESOURCE = { topic: 2, broker: 4 } as const;
/** Numbers of Kafka's ConfigSource: set for this topic, for this broker. */
const SOURCE = { topic: 1, broker: 2 } as const;
const OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

export interface ConfigChange {
  readonly resource: keyof typeof RESOURCE;
  readonly name: string;
  readonly config: string;
  readonly operation: keyof typeof OPERATION;
  readonly value: string | null;
}

/** How long what fails for a reason that passes is tried again. */
const TRY_MS_MAX = 30_000;
const TIMEOUT_MS = 30_000;
const PARTITIONS_PER_REQUEST_MAX = 500;
const TOPICS_PER_REQUEST_MAX = 200;
const FENCED_VERSION_MIN = 2;

export class ClusterAdmin {
  readonly #core: ClientCore;

  constructor(core: ClientCore) {
    this.#core = core;
  }

  close(): void {
    this.#core.close();
  }

  async cluster(): Promise<ClusterInfo> {
    await this.#core.metadata.refresh();
    const answer = await this.#any({
      request: DescribeClusterRequest,
      response: DescribeClusterResponse,
      body: (version) => ({
        includeClusterAuthorizedOperations: false,
        includeFencedBrokers: version >= FENCED_VERSION_MIN,
      }),
    });
    const brokers = answer.brokers.map(({ brokerId: id, host, port, rack, isFenced }) => {
      return { id, host, port, rack, isFenced };
    });
    brokers.sort((a, b) => a.id - b.id);
    return { clusterId: answer.clusterId, controllerId: answer.controllerId, brokers };
  }

  async partitions(): Promise<PartitionInfo[]> {
    const { topics } = await this.#any({
      request: MetadataRequest,
      response: MetadataResponse,
      body: () => ({
        topics: null,
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      }),
    });
    const found = topics.flatMap(({ name, partitions }): PartitionInfo[] =>
      partitions.map((one) => ({
        topic: name ?? '',
        partition: one.partitionIndex,
        leader: one.leaderId,
        replicas: one.replicaNodes,
        isr: one.isrNodes,
      })),
    );
    return found.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
  }

  async reassignments(): Promise<Reassigning[]> {
    const { topics } = await this.#any({
      request: ListPartitionReassignmentsRequest,
      response: ListPartitionReassignmentsResponse,
      body: () => ({ topics: null, timeoutMs: TIMEOUT_MS }),
    });
    return topics.flatMap(({ name, partitions }) =>
      partitions.map((one) => ({
        topic: name,
        partition: one.partitionIndex,
        replicas: one.replicas,
        adding: one.addingReplicas,
        removing: one.removingReplicas,
      })),
    );
  }

  /** Of a broker that is there. `only`: no other replicas. Directories that have failed count for nothing. */
  async disks(
    brokerId: number,
    only?: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<BrokerDisks> {
    const wanted = only === undefined ? null : byTopic(only);
    const body = {
      topics:
        wanted?.map(([topic, list]) => ({ topic, partitions: list.map(({ partition }) => partition) })) ??
        null,
    };
    const { results } = await this.#one(brokerId, {
      request: DescribeLogDirsRequest,
      response: DescribeLogDirsResponse,
      body: () => body,
    });
    const sizes = new Map<string, number>();
    let [totalBytes, usableBytes] = [0, 0];
    let isKnown = true;
    const failed = results.filter(({ errorCode }) => errorCode !== Errors.NONE).map(({ logDir }) => logDir);
    const isUsable = failed.length < results.length;
    for (const directory of results) {
      if (directory.errorCode !== Errors.NONE) continue;
      totalBytes += Math.max(0, directory.totalBytes);
      usableBytes += Math.max(0, directory.usableBytes);
      isKnown &&= directory.totalBytes >= 0 && directory.usableBytes >= 0;
      for (const { name: topic, partitions } of directory.topics) {
        for (const { partitionIndex: partition, partitionSize, isFutureKey } of partitions) {
          if (!isFutureKey) sizes.set(nameOf({ topic, partition }), partitionSize);
        }
      }
    }
    const space = isKnown ? { totalBytes, usableBytes } : { totalBytes: undefined, usableBytes: undefined };
    return { sizes, ...space, failed, isUsable };
  }

  /** Begins or cancels moves; those that are refused come back. */
  async reassign(targets: readonly Target[]): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    for (let at = 0; at < targets.length; at += PARTITIONS_PER_REQUEST_MAX) {
      const part = byTopic(targets.slice(at, at + PARTITIONS_PER_REQUEST_MAX));
      const { responses } = await this.#any({
        request: AlterPartitionReassignmentsRequest,
        response: AlterPartitionReassignmentsResponse,
        body: () => ({
          timeoutMs: TIMEOUT_MS,
          topics: part.map(([name, list]) => ({
            name,
            partitions: list.map(({ partition, replicas }) => ({
              partitionIndex: partition,
              replicas: replicas === null ? null : [...replicas],
            })),
          })),
        }),
      });
      for (const { name, partitions } of responses) {
        for (const { partitionIndex, errorCode, errorMessage } of partitions) {
          if (errorCode === Errors.NONE) continue;
          const why = errorMessage ?? brokerError(errorCode, `${name}-${partitionIndex}`).message;
          refusals.push({ topic: name, partition: partitionIndex, errorCode, errorMessage: why });
        }
      }
    }
    return refusals;
  }

  /** Preferred replicas lead where they can. How many leaders changed. */
  async electPreferred(
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<number> {
    let elected = 0;
    for (let at = 0; at < partitions.length; at += PARTITIONS_PER_REQUEST_MAX) {
      const part = byTopic(partitions.slice(at, at + PARTITIONS_PER_REQUEST_MAX));
      const { replicaElectionResults } = await this.#any({
        request: ElectLeadersRequest,
        response: ElectLeadersResponse,
        body: () => ({
          electionType: 0,
          topicPartitions: part.map(([topic, list]) => ({
            topic,
            partitions: list.map(({ partition }) => partition),
          })),
          timeoutMs: TIMEOUT_MS,
        }),
      });
      for (const { partitionResult } of replicaElectionResults) {
        elected += partitionResult.filter(({ errorCode }) => errorCode === Errors.NONE).length;
      }
    }
    return elected;
  }

  /** What holds at a broker, by name. `isOwn`: only what was set for this broker while it ran. */
  async brokerConfigs(
    brokerId: number,
    names: readonly string[],
    { isOwn = false }: { readonly isOwn?: boolean } = {},
  ): Promise<ReadonlyMap<string, string>> {
    const found = await this.#one(brokerId, describeCall('broker', [String(brokerId)], names));
    return valuesOf(found.results[0], isOwn ? SOURCE.broker : undefined);
  }

  /** What holds for topics, by topic and name. `isOwn`: only what was set for the topic. */
  async topicConfigs(
    topics: readonly string[],
    names: readonly string[],
    { isOwn = false }: { readonly isOwn?: boolean } = {},
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
    const all = new Map<string, ReadonlyMap<string, string>>();
    for (let at = 0; at < topics.length; at += TOPICS_PER_REQUEST_MAX) {
      const part = topics.slice(at, at + TOPICS_PER_REQUEST_MAX);
      const { results } = await this.#any(describeCall('topic', part, names));
      for (const one of results) all.set(one.resourceName, valuesOf(one, isOwn ? SOURCE.topic : undefined));
    }
    return all;
  }

  /** A broker's configurations are taken by that broker alone. Rejects with the first refusal. */
  async configure(changes: readonly ConfigChange[]): Promise<void> {
    const topics = changes.filter(({ resource }) => resource === 'topic');
    if (topics.length > 0) await this.#any(configCall(topics)).then(mustBeTaken);
    const brokers = new Set(changes.filter(({ resource }) => resource === 'broker').map(({ name }) => name));
    for (const broker of brokers) {
      const own = changes.filter(({ resource, name }) => resource === 'broker' && name === broker);
      await this.#one(Number(broker), configCall(own)).then(mustBeTaken);
    }
  }

  async unregister(brokerId: number): Promise<void> {
    await this.#any({
      request: UnregisterBrokerRequest,
      response: UnregisterBrokerResponse,
      body: () => ({ brokerId }),
    });
  }

  #any<W, R>(call: Call<W, R>): Promise<R> {
    return this.#again(call.request.name, () => this.#core.metadata.askAny((link) => checked(link, call)));
  }

  #one<W, R>(brokerId: number, call: Call<W, R>): Promise<R> {
    return this.#again(call.request.name, () => checked(this.#core.brokers.link(brokerId, 'control'), call));
  }

  async #again<R>(what: string, ask: () => Promise<R>): Promise<R> {
    const { ports, settings } = this.#core;
    const endMs = ports.clock.monotonicMs() + TRY_MS_MAX;
    for (let failures = 1; ; failures++) {
      try {
        return await ask();
      } catch (error) {
        const known = connectionError(error, what);
        if (!known.retriable || ports.clock.monotonicMs() > endMs) throw known;
        await pause(ports.timers, backoffMs(failures, settings, ports.random));
        await this.#core.metadata.refresh();
      }
    }
  }
}

function describeCall(
  resource: keyof typeof RESOURCE,
  resources: readonly string[],
  names: readonly string[],
): Call<unknown, DescribeConfigsResponse> {
  return {
    request: DescribeConfigsRequest,
    response: DescribeConfigsResponse,
    body: () => ({
      resources: resources.map((resourceName) => {
        return { resourceType: RESOURCE[resource], resourceName, configurationKeys: [...names] };
      }),
    }),
  };
}

function valuesOf(
  result: DescribeConfigsResponse['results'][number] | undefined,
  source: number | undefined,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const { name, value, configSource } of result?.configs ?? []) {
    if (value !== null && (source === undefined || configSource === source)) values.set(name, value);
  }
  return values;
}

function configCall(changes: readonly ConfigChange[]): Call<unknown, IncrementalAlterConfigsResponse> {
  const names = new Set(changes.map(({ name }) => name));
  const resources = [...names].map((resourceName) => {
    const own = changes.filter(({ name }) => name === resourceName);
    return {
      resourceType: RESOURCE[own[0]!.resource],
      resourceName,
      configs: own.map(({ config, operation, value }) => {
        return { name: config, configOperation: OPERATION[operation], value };
      }),
    };
  });
  return {
    request: IncrementalAlterConfigsRequest,
    response: IncrementalAlterConfigsResponse,
    body: () => ({ resources, validateOnly: false }),
  };
}

function mustBeTaken({ responses }: IncrementalAlterConfigsResponse): void {
  for (const { errorCode, errorMessage, resourceName } of responses) {
    if (errorCode !== Errors.NONE) throw brokerError(errorCode, `${resourceName}: ${errorMessage ?? ''}`);
  }
}

/** An error of the whole answer is one of the call. */
async function checked<W, R>(link: BrokerLink, call: Call<W, R>): Promise<R> {
  const answer = await link.ask(call);
  const { errorCode = Errors.NONE, errorMessage } = answer as {
    errorCode?: number;
    errorMessage?: string | null;
  };
  if (errorCode === Errors.NONE) return answer;
  const retriable = isRetriable(errorCode) || errorCode === Errors.NOT_CONTROLLER;
  throw brokerError(errorCode, errorMessage ?? call.request.name, { retriable });
}

function byTopic<T extends { readonly topic: string }>(list: readonly T[]): [string, T[]][] {
  const topics = new Map<string, T[]>();
  for (const one of list) {
    const of = topics.get(one.topic);
    if (of === undefined) topics.set(one.topic, [one]);
    else of.push(one);
  }
  return [...topics];
}

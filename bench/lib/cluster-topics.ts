/** Replicated topics for measurements: made with leaders spread evenly, waited for until every replica is in sync, removed. */
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/protocol/messages/02-list-offsets.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../src/protocol/messages/20-delete-topics.ts';
import { ElectLeadersRequest, ElectLeadersResponse } from '../../src/protocol/messages/43-elect-leaders.ts';
import { WireClient } from '../wire-client.ts';
import { BROKERS, type Cluster } from './cluster-servers.ts';
import { HOST } from './server-process.ts';
import type { NewTopic } from './topics.ts';

const TIMEOUT_MS = 120_000;
const LED_POLL_MS = 20;
const REMOVED_POLL_MS = 100;
const LATEST = -1;

/** What a broker says of a partition. */
export interface PartitionView {
  readonly partition: number;
  /** Node id; -1: none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
}

export interface ReplicatedTopic extends NewTopic {
  /** Leads all of them, with followers in turn; by default leaders are spread. */
  readonly leader?: number;
}

function replicasOf(partition: number, leader: number | undefined): number[] {
  const inTurn = Array.from({ length: BROKERS }, (_, n) => 1 + ((partition + n) % BROKERS));
  return leader === undefined ? inTurn : [leader, ...inTurn.filter((id) => id !== leader)];
}

/**
 * Three replicas for each partition; partition p is led by node 1 + p % 3, so leaders are spread alike on both sides.
 * Resolves when every broker tells of all leaders with three replicas in sync. Throws what the broker says when it refuses.
 */
export async function createReplicated(cluster: Cluster, topics: readonly ReplicatedTopic[]): Promise<void> {
  const body = {
    topics: topics.map(({ topic, partitions, leader, configs = {} }) => ({
      name: topic,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: Array.from({ length: partitions }, (_, partitionIndex) => ({
        partitionIndex,
        brokerIds: replicasOf(partitionIndex, leader),
      })),
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    })),
    timeoutMs: TIMEOUT_MS,
    validateOnly: false,
  };
  await asking(cluster.nodes[0].port, async (client) => {
    const response = await client.call(CreateTopicsRequest, CreateTopicsResponse, { version: 5, body });
    for (const { name, errorCode, errorMessage } of response.topics) {
      if (errorCode !== 0) throw new Error(`${name} is not created: ${errorMessage ?? errorCode}`);
    }
  });
  for (const late = performance.now() + TIMEOUT_MS; !(await areServed(cluster, topics));) {
    if (performance.now() > late) throw new Error(`new topics do not answer within ${TIMEOUT_MS} ms`);
    await delay(LED_POLL_MS);
  }
}

async function areServed(cluster: Cluster, topics: readonly NewTopic[]): Promise<boolean> {
  for (const { port } of cluster.nodes) {
    for (const { topic, partitions } of topics) {
      const views = await viewOf(port, topic);
      const isWhole = ({ leader, isr }: PartitionView): boolean => leader > 0 && isr.length === BROKERS;
      if (views.length !== partitions || !views.every(isWhole)) return false;
    }
  }
  for (const { topic, partitions } of topics) {
    const ends = await tryEnds(cluster, topic, partitions);
    if (ends === undefined) return false;
  }
  return true;
}

/** What the broker at `port` tells of a topic, by partition; empty while it does not know it. */
export async function viewOf(port: number, topic: string): Promise<PartitionView[]> {
  return asking(port, async (client) => {
    const body = {
      topics: [{ name: topic, topicId: '' }],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    };
    const { topics } = await client.call(MetadataRequest, MetadataResponse, { version: 9, body });
    const partitions = topics[0].errorCode === 0 ? topics[0].partitions : [];
    return partitions
      .map(({ partitionIndex, leaderId, leaderEpoch, isrNodes }) => ({
        partition: partitionIndex,
        leader: leaderId,
        leaderEpoch,
        isr: isrNodes,
      }))
      .sort((a, b) => a.partition - b.partition);
  });
}

/** Each partition goes to the first of its replicas, which must be in sync. */
export async function electPreferred(cluster: Cluster, topic: string): Promise<void> {
  const { port } = cluster.nodes[0];
  const partitions = (await viewOf(port, topic)).map(({ partition }) => partition);
  await asking(port, async (client) => {
    const body = { electionType: 0, topicPartitions: [{ topic, partitions }], timeoutMs: TIMEOUT_MS };
    const options = { version: 1, body };
    const { errorCode } = await client.call(ElectLeadersRequest, ElectLeadersResponse, options);
    if (errorCode !== 0) throw new Error(`no preferred leaders for ${topic}: error ${errorCode}`);
  });
}

/** The ports of the leaders, by partition. */
export async function leaderPorts(cluster: Cluster, topic: string): Promise<number[]> {
  const views = await viewOf(cluster.nodes.find((node) => node.isRunning())!.port, topic);
  return views.map(({ partition, leader }) => {
    if (leader < 0) throw new Error(`nobody leads ${topic}-${partition}`);
    return cluster.node(leader).port;
  });
}

/** The leaders' high watermarks, by partition. */
export async function clusterEndOffsets(
  cluster: Cluster,
  topic: string,
  partitions: number,
): Promise<number[]> {
  const ends = await tryEnds(cluster, topic, partitions);
  if (ends === undefined) throw new Error(`${topic} has a partition without a leader`);
  return ends;
}

async function tryEnds(cluster: Cluster, topic: string, partitions: number): Promise<number[] | undefined> {
  const leaders = await leaderPorts(cluster, topic);
  const ends = new Array<number>(partitions).fill(-1);
  for (const port of new Set(leaders)) {
    const led = leaders.flatMap((leader, partition) => (leader === port ? [partition] : []));
    const body = {
      replicaId: -1,
      isolationLevel: 0,
      topics: [
        {
          name: topic,
          partitions: led.map((partitionIndex) => ({
            partitionIndex,
            currentLeaderEpoch: -1,
            timestamp: LATEST,
          })),
        },
      ],
      timeoutMs: TIMEOUT_MS,
    };
    const options = { version: 5, body };
    const answer = await asking(port, (client) =>
      client.call(ListOffsetsRequest, ListOffsetsResponse, options),
    );
    for (const { partitionIndex, errorCode, offset } of answer.topics[0].partitions) {
      if (errorCode !== 0) return undefined;
      ends[partitionIndex] = offset;
    }
  }
  return ends;
}

/** Resolves when the files are gone from all brokers too, if that is awaited. */
export async function deleteReplicated(
  { nodes }: Cluster,
  topic: string,
  { isAwaited }: { readonly isAwaited: boolean },
): Promise<void> {
  await asking(nodes[0].port, async (client) => {
    const body = { topics: [], topicNames: [topic], timeoutMs: TIMEOUT_MS };
    const { responses } = await client.call(DeleteTopicsRequest, DeleteTopicsResponse, { version: 5, body });
    if (responses[0].errorCode !== 0) throw new Error(`${topic} was not deleted: ${responses[0].errorCode}`);
  });
  if (!isAwaited) return;
  const isThere = (): boolean =>
    nodes.some(({ logDir }) => readdirSync(logDir).some((folder) => folder.startsWith(`${topic}-`)));
  for (const late = performance.now() + TIMEOUT_MS; isThere(); await delay(REMOVED_POLL_MS)) {
    if (performance.now() > late) throw new Error(`the files of ${topic} are still there`);
  }
}

async function asking<T>(port: number, use: (client: WireClient) => Promise<T>): Promise<T> {
  const client = await WireClient.connect(HOST, port);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Topics for load: made, and waited for until each partition answers, because a new one does not at once. */
import { setTimeout as delay } from 'node:timers/promises';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../../src/protocol/messages/02-list-offsets.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import { WireClient } from '../../wire-client.ts';
import type { Target } from './messages.ts';

const TIMEOUT_MS = 60_000;
const POLL_MS = 20;
const LATEST = -1;

export interface NewTopics {
  readonly port: number;
  readonly targets: readonly Target[];
  /** Topic settings by Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>;
}

export async function createTopics({ port, targets, configs = {} }: NewTopics): Promise<void> {
  const client = await WireClient.connect('127.0.0.1', port);
  try {
    const topics = targets.map(({ topic, partitions }) => ({
      name: topic,
      numPartitions: partitions,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    }));
    const body = { topics, timeoutMs: TIMEOUT_MS, validateOnly: false };
    const response = await client.call(CreateTopicsRequest, CreateTopicsResponse, { version: 5, body });
    for (const { name, errorCode, errorMessage } of response.topics) {
      if (errorCode !== 0) throw new Error(`topic ${name}: error ${errorCode} ${errorMessage ?? ''}`);
    }
    await untilServed(client, targets);
  } finally {
    client.close();
  }
}

async function untilServed(client: WireClient, targets: readonly Target[]): Promise<void> {
  const body = {
    replicaId: -1,
    isolationLevel: 0,
    topics: targets.map(({ topic, partitions }) => ({
      name: topic,
      partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
        partitionIndex,
        currentLeaderEpoch: -1,
        timestamp: LATEST,
      })),
    })),
    timeoutMs: TIMEOUT_MS,
  };
  for (const until = performance.now() + TIMEOUT_MS; performance.now() < until;) {
    const { topics } = await client.call(ListOffsetsRequest, ListOffsetsResponse, { version: 5, body });
    if (topics.every(({ partitions }) => partitions.every(({ errorCode }) => errorCode === 0))) return;
    await delay(POLL_MS);
  }
  throw new Error(`new topics do not answer within ${TIMEOUT_MS} ms`);
}

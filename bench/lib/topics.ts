/** Topics for measurements: made and waited for, removed, and their ends. */
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/protocol/messages/02-list-offsets.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../src/protocol/messages/20-delete-topics.ts';
import { WireClient } from '../wire-client.ts';
import { HOST, type Server } from './servers.ts';

const TIMEOUT_MS = 120_000;
/** A new topic is not led by anybody for a moment. */
const LED_POLL_MS = 5;
const REMOVED_POLL_MS = 100;
const LATEST = -1;

/**
 * Both sides remove the files of a deleted topic soon, instead of after a minute and at the earliest half a minute after their
 * start, so that windows do not share a disk.
 */
export const REMOVE_SOON = {
  'log.segment.delete.delay.ms': '1000',
  'log.initial.task.delay.ms': '1000',
} as const;

export interface NewTopic {
  readonly topic: string;
  readonly partitions: number;
  /** Topic settings by Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** One replica for each partition. Resolves when every partition is served; throws what the broker says when it refuses. */
export async function createTopics(port: number, topics: readonly NewTopic[]): Promise<void> {
  const body = {
    topics: topics.map(({ topic, partitions, configs = {} }) => ({
      name: topic,
      numPartitions: partitions,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    })),
    timeoutMs: TIMEOUT_MS,
    validateOnly: false,
  };
  await withClient(port, async (client) => {
    const response = await client.call(CreateTopicsRequest, CreateTopicsResponse, { version: 5, body });
    for (const { name, errorCode, errorMessage } of response.topics) {
      if (errorCode !== 0) throw new Error(`${name} is not created: ${errorMessage ?? errorCode}`);
    }
    const areServed = async (): Promise<boolean> =>
      (await ends(client, topics)).every(({ errorCode }) => errorCode === 0);
    for (const late = performance.now() + TIMEOUT_MS; !(await areServed()); await delay(LED_POLL_MS)) {
      if (performance.now() > late) throw new Error(`new topics do not answer within ${TIMEOUT_MS} ms`);
    }
  });
}

/** Resolves when the files are gone too, if that is awaited. */
export async function deleteTopic(
  { port, logDir }: Server,
  topic: string,
  { isAwaited }: { readonly isAwaited: boolean },
): Promise<void> {
  await withClient(port, async (client) => {
    const body = { topics: [], topicNames: [topic], timeoutMs: TIMEOUT_MS };
    const { responses } = await client.call(DeleteTopicsRequest, DeleteTopicsResponse, { version: 5, body });
    if (responses[0].errorCode !== 0) throw new Error(`${topic} was not deleted: ${responses[0].errorCode}`);
  });
  if (!isAwaited) return;
  // Only the names of the folders: what is in them goes away while one looks.
  const isThere = (): boolean => readdirSync(logDir).some((folder) => folder.startsWith(`${topic}-`));
  for (const late = performance.now() + TIMEOUT_MS; isThere(); await delay(REMOVED_POLL_MS)) {
    if (performance.now() > late) throw new Error(`the files of ${topic} are still there`);
  }
}

/** By partition. */
export async function endOffsets(server: Server, topic: string, partitions: number): Promise<number[]> {
  return withClient(server.port, async (client) => {
    const offsets = new Array<number>(partitions);
    for (const { partitionIndex, errorCode, offset } of await ends(client, [{ topic, partitions }])) {
      if (errorCode !== 0) throw new Error(`${topic}-${partitionIndex} has no end: error ${errorCode}`);
      offsets[partitionIndex] = offset;
    }
    return offsets;
  });
}

async function withClient<T>(port: number, use: (client: WireClient) => Promise<T>): Promise<T> {
  const client = await WireClient.connect(HOST, port);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Of all partitions, in the order of the answer. */
async function ends(client: WireClient, topics: readonly NewTopic[]) {
  const body = {
    replicaId: -1,
    isolationLevel: 0,
    topics: topics.map(({ topic, partitions }) => ({
      name: topic,
      partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
        partitionIndex,
        currentLeaderEpoch: -1,
        timestamp: LATEST,
      })),
    })),
    timeoutMs: TIMEOUT_MS,
  };
  const response = await client.call(ListOffsetsRequest, ListOffsetsResponse, { version: 5, body });
  return response.topics.flatMap(({ partitions }) => partitions);
}

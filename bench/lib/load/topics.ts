/** Topics made, removed and counted. */
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../../src/protocol/messages/02-list-offsets.ts';
import {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../../src/protocol/messages/20-delete-topics.ts';
import { WireClient } from '../../wire-client.ts';
import { createTopics } from '../open-loop/topics.ts';
import { HOST, type Server } from '../servers.ts';

const TIMEOUT_MS = 60_000;
const REMOVED_MS_MAX = 60_000;
const LATEST = -1;

/**
 * Both sides remove the files of a deleted topic soon, instead of after a minute and at the earliest half a minute after their
 * start, so that windows do not share a disk.
 */
export const REMOVE_SOON = {
  'log.segment.delete.delay.ms': '1000',
  'log.initial.task.delay.ms': '1000',
} as const;

async function call<T>(server: Server, use: (client: WireClient) => Promise<T>): Promise<T> {
  const client = await WireClient.connect(HOST, server.port);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Resolves when every partition is served. */
export function createTopic({ port }: Server, topic: string, partitions: number): Promise<void> {
  return createTopics({ port, targets: [{ topic, partitions }] });
}

/** Resolves when the files are gone too, if that is awaited. */
export async function deleteTopic(
  server: Server,
  name: string,
  { isAwaited }: { readonly isAwaited: boolean },
): Promise<void> {
  await call(server, async (client) => {
    const body = { topics: [], topicNames: [name], timeoutMs: TIMEOUT_MS };
    const { responses } = await client.call(DeleteTopicsRequest, DeleteTopicsResponse, { version: 5, body });
    if (responses[0].errorCode !== 0) throw new Error(`${name} was not deleted: ${responses[0].errorCode}`);
  });
  if (!isAwaited) return;
  // Only the names of the folders: what is in them goes away while one looks.
  const isThere = (): boolean => readdirSync(server.logDir).some((folder) => folder.startsWith(`${name}-`));
  for (const late = performance.now() + REMOVED_MS_MAX; isThere(); await delay(100)) {
    if (performance.now() > late) throw new Error(`the files of ${name} are still there`);
  }
}

/** By partition. */
export async function endOffsets(server: Server, name: string, partitions: number): Promise<number[]> {
  return call(server, async (client) => {
    const asked = Array.from({ length: partitions }, (_, partitionIndex) => ({
      partitionIndex,
      currentLeaderEpoch: -1,
      timestamp: LATEST,
    }));
    const body = { replicaId: -1, isolationLevel: 0, topics: [{ name, partitions: asked }] };
    const { topics } = await client.call(ListOffsetsRequest, ListOffsetsResponse, {
      version: 6,
      body,
    } as never);
    const offsets = new Array<number>(partitions);
    for (const { partitionIndex, errorCode, offset } of topics[0].partitions) {
      if (errorCode !== 0) throw new Error(`${name}-${partitionIndex} has no end: error ${errorCode}`);
      offsets[partitionIndex] = offset;
    }
    return offsets;
  });
}

/** Many connections, each of which has asked what clients ask first, so that it holds what a used one holds. */
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { WireClient } from '../wire-client.ts';
import { HOST } from './servers.ts';

/**
 * Fewer than both brokers let wait for being accepted (`socket.listen.backlog.size`, 50): one too many would try again a
 * second later. A connection that was answered does not wait any more.
 */
const AT_ONCE = 40;

export async function connectMany(port: number, count: number): Promise<WireClient[]> {
  const clients: WireClient[] = [];
  while (clients.length < count) {
    const next = Math.min(AT_ONCE, count - clients.length);
    const some = Array.from({ length: next }, () => connectOne(port));
    clients.push(...(await Promise.all(some)));
  }
  return clients;
}

/** Has asked for ApiVersions and for Metadata of all topics. */
async function connectOne(port: number): Promise<WireClient> {
  const client = await WireClient.connect(HOST, port);
  const software = { clientSoftwareName: 'headrace-bench', clientSoftwareVersion: '1' };
  await client.call(ApiVersionsRequest, ApiVersionsResponse, { version: 3, body: software });
  const body = {
    topics: null,
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
  await client.call(MetadataRequest, MetadataResponse, { version: 9, body });
  return client;
}

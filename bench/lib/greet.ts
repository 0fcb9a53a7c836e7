/** What clients ask when they connect, so that a connection holds what a used one holds. */
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import type { WireClient } from '../wire-client.ts';

/** ApiVersions, then Metadata of all topics. */
export async function greet(client: WireClient): Promise<void> {
  const software = { clientSoftwareName: 'headrace-bench', clientSoftwareVersion: '1' };
  await client.call(ApiVersionsRequest, ApiVersionsResponse, { version: 3, body: software });
  const body = {
    topics: null,
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
  await client.call(MetadataRequest, MetadataResponse, { version: 9, body });
}

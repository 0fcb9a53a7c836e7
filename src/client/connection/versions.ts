/**
 * Which versions of which APIs a broker has, and which of them is the newest that the client knows as well (KIP-35,
 * KIP-511).
 */
import { apiOf, API_VERSIONS_KEY } from '../../protocol/apis.ts';
import { Errors } from '../../protocol/errors.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../protocol/messages/18-api-versions.ts';
import type { ClientConnection } from '../../rpc/client-connection.ts';
import { brokerError, ownError } from '../errors.ts';

const SOFTWARE_NAME = 'headrace-client';
const SOFTWARE_VERSION = '0.1.0';

interface VersionRange {
  readonly minVersion: number;
  readonly maxVersion: number;
}

export class BrokerVersions {
  readonly #ranges: ReadonlyMap<number, VersionRange>;
  /** Finalized levels by name (KIP-584), for example `transaction.version`. */
  readonly features: ReadonlyMap<string, number>;

  constructor(answer: Pick<ApiVersionsResponse, 'apiKeys' | 'finalizedFeatures'>) {
    this.#ranges = new Map(answer.apiKeys.map((range) => [range.apiKey, range]));
    this.features = new Map(answer.finalizedFeatures.map((one) => [one.name, one.maxVersionLevel]));
  }

  /** The newest version that both sides have, at most `versionMax`; undefined when there is none. */
  find(key: number, versionMax = Infinity): number | undefined {
    const api = apiOf(key);
    const range = this.#ranges.get(key);
    if (api === undefined || range === undefined) return undefined;
    const version = Math.min(api.versionMax, range.maxVersion, versionMax);
    return version >= Math.max(api.versionMin, range.minVersion) ? version : undefined;
  }

  /** As `find`; throws UNSUPPORTED_API, which names both sides' versions. */
  pick(key: number, versionMax = Infinity): number {
    const version = this.find(key, versionMax);
    if (version !== undefined) return version;
    const api = apiOf(key);
    const range = this.#ranges.get(key);
    const theirs = range === undefined ? 'none' : `${range.minVersion} to ${range.maxVersion}`;
    const ours = api === undefined ? 'none' : `${api.versionMin} to ${Math.min(api.versionMax, versionMax)}`;
    throw ownError(
      'UNSUPPORTED_API',
      `${api?.name}: the broker has versions ${theirs}, this client ${ours}`,
      {
        code: Errors.UNSUPPORTED_VERSION,
      },
    );
  }
}

export interface VersionQuestion {
  readonly timeoutMs: number;
  /** Whom the client believes to speak to (KIP-1242): -1 and null when it does not know. */
  readonly clusterId: string | null;
  readonly nodeId: number;
}

/** Asks a connection for its versions. A broker that does not know the question's version answers which one it wants. */
export async function askVersions(
  connection: ClientConnection,
  question: VersionQuestion,
): Promise<BrokerVersions> {
  const { timeoutMs, clusterId, nodeId } = question;
  const ask = (version: number): Promise<ApiVersionsResponse> =>
    connection.request({
      request: ApiVersionsRequest,
      response: ApiVersionsResponse,
      version,
      body: {
        clientSoftwareName: SOFTWARE_NAME,
        clientSoftwareVersion: SOFTWARE_VERSION,
        clusterId,
        nodeId,
      },
      timeoutMs,
    });
  const { versionMax } = apiOf(API_VERSIONS_KEY)!;
  let answer = await ask(versionMax);
  if (answer.errorCode === Errors.UNSUPPORTED_VERSION) {
    const theirs = answer.apiKeys.find((range) => range.apiKey === API_VERSIONS_KEY)?.maxVersion ?? 0;
    answer = await ask(Math.min(theirs, versionMax));
  }
  if (answer.errorCode !== Errors.NONE) throw brokerError(answer.errorCode, 'the broker tells no versions');
  return new BrokerVersions(answer);
}

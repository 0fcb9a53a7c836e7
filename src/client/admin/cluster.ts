/** An administrator's questions about the cluster as a whole: its brokers, and the features that they agree on. */
import { Errors } from '../../protocol/errors.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../protocol/messages/18-api-versions.ts';
import { UpdateFeaturesRequest, UpdateFeaturesResponse } from '../../protocol/messages/57-update-features.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../protocol/messages/60-describe-cluster.ts';
import {
  UnregisterBrokerRequest,
  UnregisterBrokerResponse,
} from '../../protocol/messages/64-unregister-broker.ts';
import { MetadataRequest, MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import { isKafkaError } from '../errors.ts';
import { firstFault, type AskOptions, type Fault, type Routes } from './routes.ts';

export interface BrokerDescription {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  /** Registered, but not alive; only with `fenced` (KIP-1073). */
  readonly isFenced: boolean;
}

export interface ClusterDescription {
  readonly clusterId: string;
  /** -1 while there is none. */
  readonly controllerId: number;
  readonly brokers: readonly BrokerDescription[];
}

/** Brokers before 2.8 have no DescribeCluster: they tell the same in their metadata. */
export async function describeCluster(
  routes: Routes,
  options: AskOptions & { readonly fenced?: boolean } = {},
): Promise<ClusterDescription> {
  try {
    const { clusterId, controllerId, brokers } = await routes.any(
      {
        request: DescribeClusterRequest,
        response: DescribeClusterResponse,
        body: () => ({
          includeClusterAuthorizedOperations: false,
          includeFencedBrokers: options.fenced ?? false,
        }),
      },
      (answer) => wholeFault(answer, 'describing the cluster'),
      options,
    );
    const all = brokers.map(({ brokerId: nodeId, host, port, rack, isFenced }) => ({
      nodeId,
      host,
      port,
      rack,
      isFenced,
    }));
    return { clusterId, controllerId, brokers: all };
  } catch (error) {
    if (!isKafkaError(error, 'UNSUPPORTED_API')) throw error;
  }
  const { clusterId, controllerId, brokers } = await routes.any(
    {
      request: MetadataRequest,
      response: MetadataResponse,
      body: () => ({
        topics: [],
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      }),
    },
    () => undefined,
    options,
  );
  const all = brokers.map(({ nodeId, host, port, rack }) => ({ nodeId, host, port, rack, isFenced: false }));
  return { clusterId: clusterId ?? '', controllerId, brokers: all };
}

export async function unregisterBroker(
  routes: Routes,
  brokerId: number,
  options?: AskOptions,
): Promise<void> {
  await routes.controller(
    { request: UnregisterBrokerRequest, response: UnregisterBrokerResponse, body: () => ({ brokerId }) },
    (answer) => wholeFault(answer, `unregistering broker ${brokerId}`),
    options,
  );
}

export interface FeatureLevels {
  readonly min: number;
  readonly max: number;
}

export interface Features {
  /** What the cluster has agreed on; -1 when nothing has been. */
  readonly epoch: number;
  readonly finalized: Readonly<Record<string, FeatureLevels>>;
  /** What the broker that answered could do. */
  readonly supported: Readonly<Record<string, FeatureLevels>>;
}

export async function describeFeatures(routes: Routes, options?: AskOptions): Promise<Features> {
  const answer = await routes.any(
    {
      request: ApiVersionsRequest,
      response: ApiVersionsResponse,
      body: () => ({ clientSoftwareName: 'headrace-client', clientSoftwareVersion: '0', clusterId: null }),
    },
    ({ errorCode: code }) => (code === Errors.NONE ? undefined : { code, about: 'describing features' }),
    options,
  );
  return {
    epoch: answer.finalizedFeaturesEpoch,
    finalized: Object.fromEntries(
      answer.finalizedFeatures.map((one) => [
        one.name,
        { min: one.minVersionLevel, max: one.maxVersionLevel },
      ]),
    ),
    supported: Object.fromEntries(
      answer.supportedFeatures.map((one) => [one.name, { min: one.minVersion, max: one.maxVersion }]),
    ),
  };
}

export interface FeatureChange {
  readonly feature: string;
  /** The level that all brokers may use from now on; 0 takes the feature away. */
  readonly level: number;
  /** Default: `upgrade`. `safe-downgrade` may lose nothing, `unsafe-downgrade` may. */
  readonly mode?: keyof typeof UPGRADE_TYPES;
}

const UPGRADE_TYPES = { upgrade: 1, 'safe-downgrade': 2, 'unsafe-downgrade': 3 } as const;

/** All or nothing from Kafka 4.0 on. */
export async function updateFeatures(
  routes: Routes,
  changes: readonly FeatureChange[],
  options: AskOptions & { readonly validateOnly?: boolean } = {},
): Promise<void> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  await routes.controller(
    {
      request: UpdateFeaturesRequest,
      response: UpdateFeaturesResponse,
      body: () => ({
        timeoutMs,
        featureUpdates: changes.map(({ feature, level, mode = 'upgrade' }) => ({
          feature,
          maxVersionLevel: level,
          allowDowngrade: mode !== 'upgrade',
          upgradeType: UPGRADE_TYPES[mode],
        })),
        validateOnly: options.validateOnly ?? false,
      }),
    },
    (answer) =>
      wholeFault(answer, 'updating features') ??
      firstFault(answer.results, ({ feature }) => `updating feature ${feature}`),
    options,
  );
}

/** The error of an answer that is about one thing. */
export function wholeFault(
  answer: { readonly errorCode: number; readonly errorMessage?: string | null },
  about: string,
): Fault | undefined {
  return firstFault([answer], () => about);
}

/** DescribeConfigs (key 32): every configuration of a resource, with where its value comes from (KIP-133, KIP-569). */
import {
  CONFIG_SOURCE,
  describeBrokerConfigs,
  describeClientMetricsConfigs,
  describeDefaultBrokerConfigs,
  describeGroupConfigs,
  describeTopicConfigs,
  type DescribedConfig,
} from '../../metadata/configs/resolve.ts';
import { CONFIG_TYPE_UNKNOWN } from '../../metadata/configs/definition.ts';
import { topicNameProblem } from '../../metadata/topic-names.ts';
import { Errors, KafkaError, type ErrorCode } from '../../protocol/errors.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../protocol/messages/32-describe-configs.ts';
import type { Write } from '../../protocol/schema.ts';
import {
  configAuthorizationProblem,
  configResourceName,
  type ConfigResourceName,
} from '../config-resources.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

type Result = Write<typeof DescribeConfigsResponse>['results'][number];
type Resource = DescribeConfigsRequest['resources'][number];

export const describeConfigs = handler(
  DescribeConfigsRequest,
  DescribeConfigsResponse,
  (request, context, services) => {
    const types = request.resources.map((resource) => {
      const type = configResourceName(resource.resourceType);
      if (type !== undefined) return type;
      const message = `Unexpected resource type UNKNOWN for resource ${resource.resourceName}`;
      throw new KafkaError(Errors.INVALID_REQUEST, message);
    });
    const results = request.resources.map((resource, n) =>
      describe(types[n], resource, request, context, services),
    );
    return { throttleTimeMs: 0, results };
  },
);

function describe(
  type: ConfigResourceName,
  resource: Resource,
  request: DescribeConfigsRequest,
  context: RequestContext,
  services: Services,
): Result {
  const { resourceType, resourceName } = resource;
  const fail = (errorCode: number, errorMessage: string | null): Result => ({
    errorCode,
    errorMessage,
    resourceType,
    resourceName,
    configs: [],
  });
  const denied = configAuthorizationProblem(services, context, 'DESCRIBE_CONFIGS', {
    type,
    name: resourceName,
  });
  if (denied !== undefined) return fail(denied.errorCode, denied.errorMessage);
  let all: readonly DescribedConfig[];
  try {
    all = configsOf(type, resourceName, services);
  } catch (error) {
    if (error instanceof KafkaError) return fail(error.code, error.message);
    throw error;
  }
  const keys = resource.configurationKeys ?? [];
  const asked = keys.length === 0 ? undefined : new Set(keys);
  const shown = asked === undefined ? all : all.filter((config) => asked.has(config.name));
  return {
    errorCode: Errors.NONE,
    // Kafka has the empty text here, and below where a logger has no documentation, where null would do.
    errorMessage: '',
    resourceType,
    resourceName,
    configs: shown.map((config) => ({
      name: config.name,
      value: config.value,
      readOnly: config.readOnly,
      configSource: config.source,
      isSensitive: config.isSensitive,
      synonyms: request.includeSynonyms ? config.synonyms : [],
      configType: config.configType,
      documentation: request.includeDocumentation || type === 'BROKER_LOGGER' ? config.documentation : null,
    })),
  };
}

/** Throws KafkaError. */
function configsOf(type: ConfigResourceName, name: string, services: Services): readonly DescribedConfig[] {
  const { image, nodeId } = services;
  switch (type) {
    case 'TOPIC': {
      const problem = topicNameProblem(name);
      if (problem !== undefined) throw new KafkaError(Errors.INVALID_TOPIC_EXCEPTION, problem);
      if (!image.topics.has(name)) throw new KafkaError(Errors.UNKNOWN_TOPIC_OR_PARTITION, '');
      return describeTopicConfigs(image.configs('TOPIC', name), services.brokerConfigs());
    }
    case 'BROKER':
      if (name === '') return describeDefaultBrokerConfigs(image.configs('BROKER', ''));
      if (brokerId(name) !== nodeId) {
        throw invalid(`Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`);
      }
      return describeBrokerConfigs(services.brokerConfigs());
    case 'BROKER_LOGGER':
      if (name === '') throw invalid('Broker id must not be empty');
      if (brokerId(name) !== nodeId) {
        throw invalid(`Unexpected broker id, expected ${nodeId} but received ${name}`);
      }
      return describeLoggers(services);
    case 'CLIENT_METRICS':
      if (name === '') throw invalid('Client metrics subscription name must not be empty');
      return describeClientMetricsConfigs(image.configs('CLIENT_METRICS', name));
    case 'GROUP':
      if (name === '') throw invalid('Group name must not be empty');
      return describeGroupConfigs(image.configs('GROUP', name), services.brokerConfigs());
  }
}

function invalid(message: string, code: ErrorCode = Errors.INVALID_REQUEST): KafkaError {
  return new KafkaError(code, message);
}

function brokerId(name: string): number {
  if (!/^[+-]?\d{1,10}$/.test(name)) throw invalid(`Broker id must be an integer, but it is: ${name}`);
  return Number(name);
}

function describeLoggers(services: Services): DescribedConfig[] {
  return [...services.logLevels.levels()].map(([name, value]) => ({
    name,
    value,
    source: CONFIG_SOURCE.DYNAMIC_BROKER_LOGGER,
    synonyms: [],
    readOnly: false,
    isSensitive: false,
    configType: CONFIG_TYPE_UNKNOWN,
    documentation: '',
  }));
}

/**
 * Whether the configurations of one resource, taken together, may be stored: known names, right values, and
 * the relations between them that Kafka enforces. The answer is Kafka's error code and message, or undefined
 * when all is well.
 */
import { Errors } from '../../protocol/errors.ts';
import { BROKER_CONFIGS, brokerDefinition, listenerConfigName } from './broker-configs.ts';
import { CLIENT_METRICS_CONFIGS } from './client-metrics-configs.ts';
import type { Catalogue, ConfigValue } from './definition.ts';
import { GROUP_CONFIGS } from './group-configs.ts';
import { groupProblem } from './group-rules.ts';
import { CONFIG_VALUE_LENGTH_MAX, parseConfig } from './parse.ts';
import { resolveTopicConfig } from './resolve.ts';
import type { BrokerConfigSources, ConfigTexts } from './resolve.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';

/** A refusal as the wire carries it. */
export interface ConfigError {
  readonly errorCode: number;
  readonly message: string;
}

/** What kind of resource is meant, with what its rules depend on. */
export type ConfigTarget =
  | { readonly kind: 'topic'; readonly broker: BrokerConfigSources }
  | { readonly kind: 'group'; readonly broker: BrokerConfigSources }
  /** `perBroker`: one broker's configurations; else those of all brokers (the empty resource name). */
  | { readonly kind: 'broker'; readonly perBroker: boolean }
  | { readonly kind: 'client-metrics' };

export function validateConfigs(configs: ConfigTexts, target: ConfigTarget): ConfigError | undefined {
  switch (target.kind) {
    case 'topic':
      return validateTopicConfigs(configs, target.broker);
    case 'group':
      return validateGroupConfigs(configs, target.broker);
    case 'broker':
      return validateDynamicBrokerConfigs(configs, target.perBroker);
    case 'client-metrics':
      return validateClientMetricsConfigs(configs);
  }
}

/** The rules of CreateTopics and AlterConfigs for topics. Errors: INVALID_CONFIG. */
export function validateTopicConfigs(
  configs: ConfigTexts,
  broker: BrokerConfigSources,
): ConfigError | undefined {
  const values = parseAll(configs, TOPIC_CONFIGS, 'Unknown topic config name');
  if (typeof values === 'string') return invalidConfig(values);
  const minLag = resolveTopicConfig('min.compaction.lag.ms', configs, broker).value;
  const maxLag = resolveTopicConfig('max.compaction.lag.ms', configs, broker).value;
  if (Number(minLag) > Number(maxLag)) {
    return invalidConfig(
      `conflict topic config setting min.compaction.lag.ms (${minLag}) > max.compaction.lag.ms (${maxLag})`,
    );
  }
  if (values.get('remote.storage.enable') === true) {
    return invalidConfig(
      'Tiered Storage functionality is disabled in the broker. ' +
        'Topic cannot be configured with remote log storage.',
    );
  }
  return undefined;
}

/** The rules for groups, which depend on the bounds the broker sets. Errors: INVALID_CONFIG. */
export function validateGroupConfigs(
  configs: ConfigTexts,
  broker: BrokerConfigSources,
): ConfigError | undefined {
  const values = parseAll(configs, GROUP_CONFIGS, 'Unknown group config name');
  if (typeof values === 'string') return invalidConfig(values);
  const problem = groupProblem(values, configs, broker);
  return problem === undefined ? undefined : invalidConfig(problem);
}

/**
 * The rules for changing a broker's configurations while it runs (KIP-226). Names nobody knows are stored, as
 * in Kafka, where they belong to plugins. Errors: INVALID_REQUEST, as in Kafka (KAFKA-13609).
 */
export function validateDynamicBrokerConfigs(
  configs: ConfigTexts,
  perBroker: boolean,
): ConfigError | undefined {
  const long = lengthProblem(configs);
  if (long !== undefined) return invalidConfig(long);
  const names = [...configs.keys()];
  const fixed = names.filter((name) => BROKER_CONFIGS.get(name)?.dynamic === 'read-only');
  if (fixed.length > 0) return invalidRequest(`Cannot update these configs dynamically: ${javaSet(fixed)}`);
  const bare = names.filter((name) => PER_LISTENER_ONLY.test(name) && BROKER_CONFIGS.has(name));
  if (bare.length > 0) {
    return invalidRequest(
      'These security configs can be dynamically updated only per-listener using the listener prefix: ' +
        javaSet(bare),
    );
  }
  for (const [name, text] of configs) {
    const definition = brokerDefinition(name);
    if (definition === undefined) continue;
    const parsed = parseConfig(definition, text);
    if (!parsed.ok) return invalidRequest(parsed.message);
  }
  const ofOneBroker = perBroker ? [] : names.filter(isPerBroker);
  if (ofOneBroker.length > 0) {
    return invalidRequest(
      'Cannot update these configs at default cluster level, broker id must be specified: ' +
        javaSet(ofOneBroker),
    );
  }
  return undefined;
}

/** Keys and certificates may differ between listeners, so it can only be changed for one. */
const PER_LISTENER_ONLY = /^ssl\.(key\.password$|keystore\.|truststore\.)/;

/** Configurations of listeners that hold for all brokers although a listener's name stands before them. */
const CLUSTER_WIDE_OF_LISTENERS: ReadonlySet<string> = new Set([
  'max.connections',
  'max.connection.creation.rate',
  'num.network.threads',
]);

function isPerBroker(name: string): boolean {
  const base = listenerConfigName(name);
  if (base !== undefined) return !CLUSTER_WIDE_OF_LISTENERS.has(base);
  return BROKER_CONFIGS.get(name)?.dynamic === 'per-broker';
}

const MATCH_ATTRIBUTES: ReadonlySet<string> = new Set([
  'client_instance_id',
  'client_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port',
]);
const PUSH_INTERVAL_MS_MIN = 100;
const PUSH_INTERVAL_MS_MAX = 3_600_000;

/** The rules for client metrics subscriptions (KIP-714). Errors: INVALID_REQUEST, INVALID_CONFIG. */
export function validateClientMetricsConfigs(configs: ConfigTexts): ConfigError | undefined {
  const unknown = [...configs.keys()].find((name) => !CLIENT_METRICS_CONFIGS.has(name));
  if (unknown !== undefined) return invalidRequest(`Unknown client metrics configuration: ${unknown}`);
  const values = parseAll(configs, CLIENT_METRICS_CONFIGS, 'Unknown client metrics configuration');
  if (typeof values === 'string') return invalidConfig(values);
  const interval = values.get('interval.ms') as number | undefined;
  if (interval !== undefined && (interval < PUSH_INTERVAL_MS_MIN || interval > PUSH_INTERVAL_MS_MAX)) {
    const rule = 'interval must be between 100 and 3600000 (1 hour)';
    return invalidRequest(`Invalid value ${interval} for interval.ms, ${rule}`);
  }
  const patterns = (values.get('match') ?? []) as readonly string[];
  const illegal = patterns.find((pattern) => !isMatchPattern(pattern));
  return illegal === undefined ? undefined : invalidConfig(`Illegal client matching pattern: ${illegal}`);
}

function isMatchPattern(pattern: string): boolean {
  const parts = pattern.split('=');
  if (parts.length !== 2 || parts[1] === '' || !MATCH_ATTRIBUTES.has(parts[0]!.trim())) return false;
  try {
    new RegExp(parts[1]!.trim());
    return true;
  } catch {
    return false;
  }
}

/** All values by name, or what is wrong. Unknown names are told before wrong values. */
function parseAll(
  configs: ConfigTexts,
  known: Catalogue,
  unknown: string,
): Map<string, ConfigValue> | string {
  const long = lengthProblem(configs);
  if (long !== undefined) return long;
  for (const name of configs.keys()) if (!known.has(name)) return `${unknown}: ${name}`;
  const values = new Map<string, ConfigValue>();
  for (const [name, text] of configs) {
    const parsed = parseConfig(known.get(name)!, text);
    if (!parsed.ok) return parsed.message;
    values.set(name, parsed.value);
  }
  return values;
}

function lengthProblem(configs: ConfigTexts): string | undefined {
  for (const value of configs.values()) {
    if (value.length <= CONFIG_VALUE_LENGTH_MAX) continue;
    const limit = `it exceeds the maximum value size of ${CONFIG_VALUE_LENGTH_MAX} bytes.`;
    return `The configuration value cannot be added because ${limit}`;
  }
  return undefined;
}

/** Names as Java prints a set. */
function javaSet(names: readonly string[]): string {
  return `[${names.join(', ')}]`;
}

export function invalidConfig(message: string): ConfigError {
  return { errorCode: Errors.INVALID_CONFIG, message };
}

export function invalidRequest(message: string): ConfigError {
  return { errorCode: Errors.INVALID_REQUEST, message };
}

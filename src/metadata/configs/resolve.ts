/**
 * Where a configuration's value comes from: the resource's own, else the broker's dynamic, dynamic default
 * and static ones, else the default; and the answers of CreateTopics and DescribeConfigs, which show that. The two
 * differ, in Kafka too, for a value that is there only in another unit (log.retention.hours): CreateTopics says where
 * it comes from, DescribeConfigs calls it a default without synonyms.
 */
import { BROKER_CONFIGS, brokerDefinition, listenerConfigName } from './broker-configs.ts';
import { CLIENT_METRICS_CONFIGS } from './client-metrics-configs.ts';
import { CONFIG_TYPE_ID, CONFIG_TYPE_UNKNOWN, isSensitive } from './definition.ts';
import type { Catalogue, ConfigDefinition } from './definition.ts';
import { GROUP_CONFIGS } from './group-configs.ts';
import { parseConfig } from './parse.ts';
import { brokerSynonyms, convertedText, groupSynonym, topicSynonyms } from './synonyms.ts';
import type { Synonym } from './synonyms.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';

/** The sources of DescribeConfigs responses. */
export const CONFIG_SOURCE = {
  TOPIC: 1,
  DYNAMIC_BROKER: 2,
  DYNAMIC_DEFAULT_BROKER: 3,
  STATIC_BROKER: 4,
  DEFAULT: 5,
  DYNAMIC_BROKER_LOGGER: 6,
  CLIENT_METRICS: 7,
  GROUP: 8,
} as const;
export type ConfigSource = (typeof CONFIG_SOURCE)[keyof typeof CONFIG_SOURCE];

/** Configured values by name, as text. */
export type ConfigTexts = ReadonlyMap<string, string>;

/** What a broker was configured with, the strongest first. */
export interface BrokerConfigSources {
  /** Set by request for this broker. */
  readonly dynamicBroker: ConfigTexts;
  /** Set by request for all brokers. */
  readonly dynamicDefault: ConfigTexts;
  /** From the file, the environment, flags or options the process was started with. */
  readonly static: ConfigTexts;
}

/** A broker without any configuration of its own. */
export const NO_BROKER_CONFIGS: BrokerConfigSources = {
  dynamicBroker: new Map(),
  dynamicDefault: new Map(),
  static: new Map(),
};

export interface ConfigSynonym {
  readonly name: string;
  /** Null for secrets. */
  readonly value: string | null;
  readonly source: ConfigSource;
}

export interface ResolvedConfig {
  /** The value that counts, in canonical text and in the unit of the name that was asked for; null: none. */
  readonly value: string | null;
  readonly source: ConfigSource;
  /** Every value there is, the one that counts first, each under its own name and in its own unit. */
  readonly synonyms: readonly ConfigSynonym[];
}

/** One entry of a DescribeConfigs response. */
export interface DescribedConfig extends ResolvedConfig {
  readonly name: string;
  readonly readOnly: boolean;
  readonly isSensitive: boolean;
  /** The type's number; see CONFIG_TYPE_ID. */
  readonly configType: number;
  readonly documentation: string | null;
}

/** A topic's configuration; `name` must be in TOPIC_CONFIGS. */
export function resolveTopicConfig(
  name: string,
  topicOverrides: ConfigTexts,
  broker: BrokerConfigSources,
): ResolvedConfig {
  const definition = known(TOPIC_CONFIGS, name);
  const own = topicOverrides.get(name);
  const below = brokerValues(topicSynonyms(name), broker);
  return resolve(
    definition,
    own === undefined ? undefined : { text: own, source: CONFIG_SOURCE.TOPIC },
    below,
  );
}

/** A group's configuration; `name` must be in GROUP_CONFIGS. */
export function resolveGroupConfig(
  name: string,
  groupOverrides: ConfigTexts,
  broker: BrokerConfigSources,
): ResolvedConfig {
  const definition = known(GROUP_CONFIGS, name);
  const own = groupOverrides.get(name);
  const brokerName = groupSynonym(name);
  // The broker's list of assignors answers for the group's one assignor by its first.
  const below =
    brokerName === undefined
      ? ownDefault(definition)
      : brokerValues([{ name: brokerName, factor: 1 }], broker).map((value) =>
          name === 'streams.assignor.name'
            ? { ...value, converted: value.text.split(',')[0]!.trim() }
            : value,
        );
  return resolve(
    definition,
    own === undefined ? undefined : { text: own, source: CONFIG_SOURCE.GROUP },
    below,
  );
}

/**
 * A broker's own configuration. The value is that of `name` itself, also where a synonym in another unit is
 * set.
 */
export function resolveBrokerConfig(name: string, broker: BrokerConfigSources): ResolvedConfig {
  return name === 'node.id' || name === 'broker.id'
    ? resolveNodeId(name, broker)
    : resolveBrokerName(name, broker);
}

/**
 * A broker has its id under both names, whichever was set; the newer one counts. Where none is, broker.id is
 * shown as node.id, whose default is in force (Kafka refuses to start without either).
 */
function resolveNodeId(name: 'node.id' | 'broker.id', broker: BrokerConfigSources): ResolvedConfig {
  const older = broker.static.get('broker.id');
  const id = broker.static.get('node.id') ?? (Number(older ?? -1) >= 0 ? older : undefined);
  if (id === undefined) return resolveBrokerName('node.id', NO_BROKER_CONFIGS);
  return resolveBrokerName(name, { ...NO_BROKER_CONFIGS, static: new Map([[name, id]]) });
}

function resolveBrokerName(name: string, broker: BrokerConfigSources): ResolvedConfig {
  const definition = brokerDefinition(name);
  const base = listenerConfigName(name);
  const names = base === undefined ? brokerSynonyms(name) : [name, base];
  const all = brokerValues(
    names.map((synonym) => ({ name: synonym, factor: 1 })),
    broker,
  );
  const synonyms = from(all, name);
  const secret = definition === undefined || isSensitive(definition);
  const value = synonyms[0] === undefined ? null : canonical(definition, synonyms[0].text);
  return {
    value: secret ? null : value,
    source: synonyms[0]?.source ?? CONFIG_SOURCE.DEFAULT,
    synonyms: synonyms.map((synonym) => shown(synonym, secret)),
  };
}

/** All of a topic's configurations, for CreateTopics; internal ones only where they are set. */
export function effectiveTopicConfigs(
  topicOverrides: ConfigTexts,
  broker: BrokerConfigSources,
): DescribedConfig[] {
  return listed(TOPIC_CONFIGS, topicOverrides).map((definition) =>
    described(definition, resolveTopicConfig(definition.name, topicOverrides, broker)),
  );
}

/** All of a topic's configurations, for DescribeConfigs; internal ones only where they are set. */
export function describeTopicConfigs(
  topicOverrides: ConfigTexts,
  broker: BrokerConfigSources,
): DescribedConfig[] {
  return effectiveTopicConfigs(topicOverrides, broker).map((config) => {
    const own = config.source === CONFIG_SOURCE.TOPIC ? config.synonyms.slice(0, 1) : [];
    const below = config.synonyms.slice(own.length);
    const shown = from(below, topicSynonyms(config.name)[0]?.name);
    if (shown.length === below.length) return config;
    const source = own[0]?.source ?? shown[0]?.source ?? CONFIG_SOURCE.DEFAULT;
    return { ...config, source, synonyms: [...own, ...shown] };
  });
}

export function describeGroupConfigs(
  groupOverrides: ConfigTexts,
  broker: BrokerConfigSources,
): DescribedConfig[] {
  return listed(GROUP_CONFIGS, groupOverrides).map((definition) =>
    described(definition, resolveGroupConfig(definition.name, groupOverrides, broker)),
  );
}

/** The configurations of a client metrics subscription (KIP-714); an unset one has no synonyms. */
export function describeClientMetricsConfigs(overrides: ConfigTexts): DescribedConfig[] {
  return [...CLIENT_METRICS_CONFIGS.values()].map((definition) => {
    const own = overrides.get(definition.name);
    const source = own === undefined ? CONFIG_SOURCE.DEFAULT : CONFIG_SOURCE.CLIENT_METRICS;
    const value = own === undefined ? definition.default : canonical(definition, own);
    const synonyms = own === undefined ? [] : [{ name: definition.name, value, source }];
    return described(definition, { value, source, synonyms });
  });
}

/** All configurations of one broker, those it was given for single listeners and unknown ones included. */
export function describeBrokerConfigs(broker: BrokerConfigSources): DescribedConfig[] {
  const set = new Set([
    ...broker.static.keys(),
    ...broker.dynamicDefault.keys(),
    ...broker.dynamicBroker.keys(),
  ]);
  const catalogued = [...BROKER_CONFIGS.values()].filter((one) => !one.internal || set.has(one.name));
  const names = catalogued.map((one) => one.name);
  names.push(...[...set].filter((name) => !BROKER_CONFIGS.has(name)).sort());
  return names.map((name) => describedBroker(name, resolveBrokerConfig(name, broker)));
}

/**
 * The configurations set for all brokers: what DescribeConfigs answers for the broker with the empty name.
 */
export function describeDefaultBrokerConfigs(dynamicDefault: ConfigTexts): DescribedConfig[] {
  const only: BrokerConfigSources = { ...NO_BROKER_CONFIGS, dynamicDefault };
  return [...dynamicDefault.keys()].sort().map((name) => {
    const resolved = resolveBrokerConfig(name, only);
    const synonyms = resolved.synonyms.filter((one) => one.source === CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER);
    return describedBroker(name, { ...resolved, synonyms });
  });
}

interface BrokerValue {
  readonly name: string;
  readonly text: string;
  /** The text in the asker's unit. */
  readonly converted: string;
  readonly source: ConfigSource;
}

/** Every value the broker has under the names of `synonyms`, the strongest first. */
function brokerValues(synonyms: readonly Synonym[], broker: BrokerConfigSources): BrokerValue[] {
  const found: BrokerValue[] = [];
  const add = (synonym: Synonym, text: string | null | undefined, source: ConfigSource): void => {
    if (text === undefined || text === null) return;
    found.push({ name: synonym.name, text, converted: convertedText(synonym, text), source });
  };
  for (const one of synonyms) add(one, broker.dynamicBroker.get(one.name), CONFIG_SOURCE.DYNAMIC_BROKER);
  for (const one of synonyms)
    add(one, broker.dynamicDefault.get(one.name), CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER);
  for (const one of synonyms) add(one, broker.static.get(one.name), CONFIG_SOURCE.STATIC_BROKER);
  for (const one of synonyms) add(one, brokerDefinition(one.name)?.default, CONFIG_SOURCE.DEFAULT);
  return found;
}

/** From the first value under `name` on; none where there is none. */
function from<T extends { readonly name: string }>(
  values: readonly T[],
  name: string | undefined,
): readonly T[] {
  const first = values.findIndex((value) => value.name === name);
  return first < 0 ? [] : values.slice(first);
}

/** A configuration that no broker configuration stands behind is its own synonym, by its default. */
function ownDefault({ name, default: text }: ConfigDefinition): BrokerValue[] {
  return text === null ? [] : [{ name, text, converted: text, source: CONFIG_SOURCE.DEFAULT }];
}

function resolve(
  definition: ConfigDefinition,
  own: { readonly text: string; readonly source: ConfigSource } | undefined,
  below: readonly BrokerValue[],
): ResolvedConfig {
  const synonyms = below.map((value) => shown(value, isSensitive(definition)));
  if (own !== undefined) {
    const value = canonical(definition, own.text);
    return {
      value,
      source: own.source,
      synonyms: [{ name: definition.name, value, source: own.source }, ...synonyms],
    };
  }
  const first = below[0];
  if (first === undefined) return { value: definition.default, source: CONFIG_SOURCE.DEFAULT, synonyms };
  return { value: canonical(definition, first.converted), source: first.source, synonyms };
}

function shown(value: BrokerValue, secret: boolean): ConfigSynonym {
  return { name: value.name, value: secret ? null : value.text, source: value.source };
}

/** Stored text was checked when it came in; should it be wrong all the same, it is shown as it is. */
function canonical(definition: ConfigDefinition | undefined, text: string): string {
  if (definition === undefined) return text;
  const parsed = parseConfig(definition, text);
  return parsed.ok ? parsed.text : text;
}

function known(definitions: Catalogue, name: string): ConfigDefinition {
  const definition = definitions.get(name);
  if (definition === undefined) throw new Error(`${name} is not in the catalogue`);
  return definition;
}

function listed(definitions: Catalogue, overrides: ConfigTexts): ConfigDefinition[] {
  return [...definitions.values()].filter((one) => !one.internal || overrides.has(one.name));
}

function described(definition: ConfigDefinition, resolved: ResolvedConfig): DescribedConfig {
  return {
    ...resolved,
    name: definition.name,
    readOnly: false,
    isSensitive: isSensitive(definition),
    configType: CONFIG_TYPE_ID[definition.type],
    documentation: definition.documentation,
  };
}

/** An unknown configuration may be a secret: it is treated as one, as in Kafka. */
function describedBroker(name: string, resolved: ResolvedConfig): DescribedConfig {
  const definition = brokerDefinition(name);
  return {
    ...resolved,
    name,
    readOnly: definition === undefined || definition.dynamic === 'read-only',
    isSensitive: definition === undefined || isSensitive(definition),
    configType: definition === undefined ? CONFIG_TYPE_UNKNOWN : CONFIG_TYPE_ID[definition.type],
    documentation: definition?.documentation ?? null,
  };
}

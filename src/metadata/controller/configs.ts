/** AlterConfigs and IncrementalAlterConfigs for topics, brokers, groups and client metrics subscriptions. */
import { Errors } from '../../protocol/errors.ts';
import { applyIncremental, applyReplacement } from '../configs/alter.ts';
import type { Altered, IncrementalChange, ReplacementEntry } from '../configs/alter.ts';
import { brokerSettings } from '../configs/broker-settings.ts';
import type { BrokerConfigSources } from '../configs/resolve.ts';
import type { ConfigTarget } from '../configs/validate.ts';
import type { ClusterImage } from '../image.ts';
import { configsKey, type ConfigResourceType } from '../keys.ts';
import { Change, refusal, SUCCESS, type Decision, type Outcome } from '../outcome.ts';
import { ConfigsRecord, encodeRecord } from '../records.ts';
import { topicNameProblem } from '../topic-names.ts';

/** Resources of one type that may have configurations: names cost memory on every broker. */
export const CONFIGURED_RESOURCES_MAX = 100_000;
/** A group's or subscription's name is a key of the store. */
export const RESOURCE_NAME_LENGTH_MAX = 1_024;

/** One resource of a request; each may occur once. */
export type AlterConfigs = {
  readonly type: ConfigResourceType;
  readonly name: string;
} & (
  | { readonly replacement: readonly ReplacementEntry[] }
  | { readonly changes: readonly IncrementalChange[] }
);

/** One operation a resource: all of its changes or none. */
export function alterConfigs(
  image: ClusterImage,
  resources: readonly AlterConfigs[],
  broker: BrokerConfigSources,
): Decision<Outcome[]> {
  const change = new Change();
  const results = resources.map((resource): Outcome => {
    const { type, name } = resource;
    const misnamed = nameProblem(type, name);
    if (misnamed !== undefined) return refusal(misnamed.errorCode, misnamed.errorMessage);
    const current = image.configs(type, name);
    const target = targetOf(type, name, broker);
    const altered: Altered =
      'changes' in resource
        ? applyIncremental(current, resource.changes, target)
        : applyReplacement(resource.replacement, target);
    if (!altered.ok) return refusal(altered.errorCode, altered.message);
    const missing = existenceProblem(image, type, name);
    if (missing !== undefined) return missing;
    const together = type === 'BROKER' ? togetherProblem(broker, name, altered.configs) : undefined;
    if (together !== undefined) return refusal(Errors.INVALID_REQUEST, together);
    put(change, image, resource, altered.configs);
    return SUCCESS;
  });
  return change.decide(results);
}

function put(
  change: Change,
  image: ClusterImage,
  { type, name }: AlterConfigs,
  configs: ReadonlyMap<string, string>,
): void {
  const key = configsKey(type, name);
  const { modRevision } = image.keyRevisions(key);
  const entries = [...configs].map(([config, value]) => ({ name: config, value }));
  if (entries.length > 0) change.put(key, modRevision, encodeRecord(ConfigsRecord, { entries }));
  else if (modRevision > 0) change.delete(key, modRevision);
}

/** What a broker could not work with, were it configured so; only problems that it does not have already. */
function togetherProblem(
  broker: BrokerConfigSources,
  name: string,
  configs: ReadonlyMap<string, string>,
): string | undefined {
  const next = name === '' ? { ...broker, dynamicDefault: configs } : { ...broker, dynamicBroker: configs };
  const after = brokerSettings(next);
  if (after.ok) return undefined;
  const before = brokerSettings(broker);
  const known = before.ok ? [] : before.errors;
  return after.errors.find((error) => !known.includes(error));
}

function targetOf(type: ConfigResourceType, name: string, broker: BrokerConfigSources): ConfigTarget {
  switch (type) {
    case 'TOPIC':
      return { kind: 'topic', broker };
    case 'GROUP':
      return { kind: 'group', broker };
    case 'BROKER':
      return { kind: 'broker', perBroker: name !== '' };
    case 'CLIENT_METRICS':
      return { kind: 'client-metrics' };
  }
}

function nameProblem(type: ConfigResourceType, name: string): Outcome | undefined {
  const invalid = (message: string): Outcome => refusal(Errors.INVALID_REQUEST, message);
  switch (type) {
    case 'TOPIC': {
      if (name === '') return invalid('Default topic resources are not allowed.');
      const problem = topicNameProblem(name);
      return problem === undefined ? undefined : refusal(Errors.INVALID_TOPIC_EXCEPTION, problem);
    }
    case 'BROKER':
      if (name === '' || /^\+?\d{1,10}$/.test(name)) return undefined;
      if (/^-\d{1,10}$/.test(name)) return invalid('Invalid negative broker ID.');
      return invalid('Unable to parse broker name as a base 10 number.');
    case 'GROUP':
      if (name === '') return invalid('Default group resources are not allowed.');
      return tooLong(name);
    case 'CLIENT_METRICS':
      if (name === '') return invalid("Subscription name can't be empty");
      return tooLong(name);
  }
}

function tooLong(name: string): Outcome | undefined {
  if (name.length <= RESOURCE_NAME_LENGTH_MAX) return undefined;
  const message = `The resource name is longer than ${RESOURCE_NAME_LENGTH_MAX} characters.`;
  return refusal(Errors.INVALID_REQUEST, message);
}

function existenceProblem(image: ClusterImage, type: ConfigResourceType, name: string): Outcome | undefined {
  switch (type) {
    case 'TOPIC':
      if (image.topics.has(name)) return undefined;
      return refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${name}' does not exist.`);
    case 'BROKER':
      if (name === '' || image.brokers.has(Number(name))) return undefined;
      return refusal(Errors.BROKER_ID_NOT_REGISTERED, `No node with id ${Number(name)} found.`);
    default: {
      const isNew = image.keyRevisions(configsKey(type, name)).modRevision === 0;
      if (!isNew || image.configuredNames(type).length < CONFIGURED_RESOURCES_MAX) return undefined;
      return refusal(Errors.POLICY_VIOLATION, 'Too many resources have configurations of their own.');
    }
  }
}

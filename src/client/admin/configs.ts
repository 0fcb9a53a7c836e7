/** An administrator's questions about settings. */
import { Errors } from '../../protocol/errors.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../protocol/messages/32-describe-configs.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../protocol/messages/44-incremental-alter-configs.ts';
import {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
} from '../../protocol/messages/74-list-config-resources.ts';
import { ownError } from '../errors.ts';
import { apart, eachItem, matched, outcomeOf, type Outcome } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

/** What has settings. A broker is named by its number; all brokers together by the empty name. */
export interface ConfigResource {
  readonly type: keyof typeof RESOURCE_TYPES;
  readonly name: string;
}

const RESOURCE_TYPES = { topic: 2, broker: 4, 'broker-logger': 8, 'client-metrics': 16, group: 32 } as const;

const TYPES = Object.keys(RESOURCE_TYPES) as ConfigResource['type'][];

/** Where a value comes from, most particular first. */
const SOURCES = [
  'unknown',
  'topic',
  'dynamic-broker',
  'dynamic-default-broker',
  'static-broker',
  'default',
  'dynamic-broker-logger',
  'client-metrics',
  'group',
] as const;

export interface ConfigEntry {
  readonly name: string;
  /** Null for one that is secret, or not set. */
  readonly value: string | null;
  readonly source: (typeof SOURCES)[number];
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
  readonly documentation: string | null;
  /** Most particular first; empty unless they were asked for. */
  readonly synonyms: readonly Pick<ConfigEntry, 'name' | 'value' | 'source'>[];
}

/** A new value; null takes the setting back to its default; `append` and `subtract` change a list. */
export type ConfigChange = string | null | { readonly append: string } | { readonly subtract: string };

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

/** A single broker's own settings are known, and checked, by that broker alone. */
function brokerOf({ type, name }: ConfigResource): number | undefined {
  return (type === 'broker' || type === 'broker-logger') && name !== '' ? Number(name) : undefined;
}

function nameOf({ type, name }: ConfigResource): string {
  return `settings of ${type} ${name === '' ? '(default)' : name}`;
}

function keyOf({ type, name }: ConfigResource): string {
  return `${RESOURCE_TYPES[type]} ${name}`;
}

export interface DescribeConfigsOptions extends AskOptions {
  /** Which settings; all of them unless given. */
  readonly names?: readonly string[];
  /** With what each setting means. Default: false. */
  readonly documentation?: boolean;
  /** With the values that the one in force has won over. Default: false. */
  readonly synonyms?: boolean;
}

export interface ResourceConfigs {
  readonly resource: ConfigResource;
  readonly entries: readonly ConfigEntry[];
}

/** All settings of a resource, or those that are named. */
export async function describeConfigs(
  routes: Routes,
  resource: ConfigResource,
  options: DescribeConfigsOptions = {},
): Promise<readonly ConfigEntry[]> {
  const [found] = await describeConfigsOf(routes, [resource], options);
  return found!.entries;
}

export function describeConfigsOf(
  routes: Routes,
  resources: readonly ConfigResource[],
  options: DescribeConfigsOptions = {},
): Promise<ResourceConfigs[]> {
  const { names = null, documentation = false, synonyms = false } = options;
  return eachItem(routes, resources, {
    ...options,
    nameOf: ({ type, name }) => `${type} ${name}`,
    ask: (all) =>
      byBroker(all, async (nodeId, asked) => {
        const call = {
          request: DescribeConfigsRequest,
          response: DescribeConfigsResponse,
          body: () => ({
            resources: asked.map(({ type, name }) => ({
              resourceType: RESOURCE_TYPES[type],
              resourceName: name,
              configurationKeys: names,
            })),
            includeSynonyms: synonyms,
            includeDocumentation: documentation,
          }),
        };
        const { results } = await (nodeId === undefined
          ? routes.askAny(call)
          : routes.askBroker(nodeId, call));
        return matched(asked, new Map(results.map((one) => [wireKey(one), one])), {
          keyOf,
          outcome: (one, resource) =>
            outcomeOf(one, nameOf(resource), () => ({ resource, entries: one.configs.map(entryOf) })),
        });
      }),
  });
}

function entryOf(config: DescribeConfigsResponse['results'][number]['configs'][number]): ConfigEntry {
  const { name, value, readOnly, configSource, isSensitive, documentation, synonyms } = config;
  return {
    name,
    value,
    source: SOURCES[configSource] ?? 'unknown',
    isReadOnly: readOnly,
    isSensitive,
    documentation: documentation === '' ? null : documentation,
    synonyms: synonyms.map((one) => ({
      name: one.name,
      value: one.value,
      source: SOURCES[one.source] ?? 'unknown',
    })),
  };
}

export interface ConfigChanges {
  readonly resource: ConfigResource;
  readonly changes: Readonly<Record<string, ConfigChange>>;
}

/** Changes these settings and no others (KIP-339). */
export function alterConfigs(
  routes: Routes,
  resource: ConfigResource,
  changes: Readonly<Record<string, ConfigChange>>,
  options: AskOptions & { readonly validateOnly?: boolean } = {},
): Promise<void> {
  return alterConfigsOf(routes, [{ resource, changes }], options);
}

export async function alterConfigsOf(
  routes: Routes,
  list: readonly ConfigChanges[],
  options: AskOptions & { readonly validateOnly?: boolean } = {},
): Promise<void> {
  await eachItem(
    routes,
    list.map(({ resource, changes }) => ({ ...resource, configs: Object.entries(changes).map(wireChange) })),
    {
      ...options,
      nameOf: ({ type, name }) => `${type} ${name}`,
      ask: (all) =>
        byBroker(all, async (nodeId, asked) => {
          const call = {
            request: IncrementalAlterConfigsRequest,
            response: IncrementalAlterConfigsResponse,
            body: () => ({
              resources: asked.map(({ type, name, configs }) => ({
                resourceType: RESOURCE_TYPES[type],
                resourceName: name,
                configs,
              })),
              validateOnly: options.validateOnly ?? false,
            }),
          };
          const { responses } = await (nodeId === undefined
            ? routes.askController(call)
            : routes.askBroker(nodeId, call));
          return matched(asked, new Map(responses.map((one) => [wireKey(one), one])), {
            keyOf,
            outcome: (one, resource) => outcomeOf(one, nameOf(resource), () => undefined),
          });
        }),
    },
  );
}

function wireChange([name, change]: [string, ConfigChange]): {
  name: string;
  configOperation: number;
  value: string | null;
} {
  if (change === null) return { name, configOperation: DELETE, value: null };
  if (typeof change === 'string') return { name, configOperation: SET, value: change };
  return 'append' in change
    ? { name, configOperation: APPEND, value: change.append }
    : { name, configOperation: SUBTRACT, value: change.subtract };
}

function wireKey(one: { readonly resourceType: number; readonly resourceName: string }): string {
  return `${one.resourceType} ${one.resourceName}`;
}

/** Asks about the brokers' own settings each broker, and about all others whoever answers those. */
async function byBroker<Q extends ConfigResource, T>(
  items: readonly Q[],
  ask: (nodeId: number | undefined, items: readonly Q[]) => Promise<readonly Outcome<T>[]>,
): Promise<Outcome<T>[]> {
  const groups = [...Map.groupBy(items, brokerOf)];
  const answers = await apart(groups, async ([nodeId, list]) => ({ value: await ask(nodeId, list) }));
  const outcomes = new Map<Q, Outcome<T>>();
  groups.forEach(([, list], n) => {
    const answer = answers[n]!;
    list.forEach((one, at) => outcomes.set(one, 'value' in answer ? answer.value[at]! : answer));
  });
  return items.map((one) => outcomes.get(one)!);
}

/** The names of what has settings, of these kinds or of all (KIP-714, KIP-1142). */
export async function listConfigResources(
  routes: Routes,
  options: AskOptions & { readonly types?: readonly ConfigResource['type'][] } = {},
): Promise<ConfigResource[]> {
  const wanted = (options.types ?? []).map((type) => RESOURCE_TYPES[type]);
  const { configResources } = await routes.any(
    {
      request: ListConfigResourcesRequest,
      response: ListConfigResourcesResponse,
      body: (version) => {
        const isOldQuestion = wanted.length === 1 && wanted[0] === RESOURCE_TYPES['client-metrics'];
        if (version >= 1 || isOldQuestion) return { resourceTypes: wanted };
        throw ownError('UNSUPPORTED_API', 'the broker is too old to list anything but client-metrics');
      },
    },
    ({ errorCode: code }) => (code === Errors.NONE ? undefined : { code, about: 'listing resources' }),
    options,
  );
  return configResources.flatMap(({ resourceName: name, resourceType }) => {
    const type = TYPES.find((one) => RESOURCE_TYPES[one] === resourceType);
    return type === undefined ? [] : [{ type, name }];
  });
}

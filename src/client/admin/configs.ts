/** An administrator's questions about settings. */
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../protocol/messages/32-describe-configs.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../protocol/messages/44-incremental-alter-configs.ts';
import { firstFault, type AskOptions, type Routes } from './routes.ts';

/** What has settings. A broker is named by its number; all brokers together by the empty name. */
export interface ConfigResource {
  readonly type: keyof typeof RESOURCE_TYPES;
  readonly name: string;
}

const RESOURCE_TYPES = { topic: 2, broker: 4, 'broker-logger': 8, 'client-metrics': 16, group: 32 } as const;

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
}

/** A new value; null takes the setting back to its default; `append` and `subtract` change a list. */
export type ConfigChange = string | null | { readonly append: string } | { readonly subtract: string };

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

/** A single broker's own settings are known by that broker alone. */
function brokerOf({ type, name }: ConfigResource): number | undefined {
  return (type === 'broker' || type === 'broker-logger') && name !== '' ? Number(name) : undefined;
}

function nameOf({ type, name }: ConfigResource): string {
  return `settings of ${type} ${name === '' ? '(default)' : name}`;
}

/** All settings of a resource, or those that are named. */
export async function describeConfigs(
  routes: Routes,
  resource: ConfigResource,
  options: AskOptions & { readonly names?: readonly string[]; readonly documentation?: boolean } = {},
): Promise<ConfigEntry[]> {
  const call = {
    request: DescribeConfigsRequest,
    response: DescribeConfigsResponse,
    body: () => ({
      resources: [
        {
          resourceType: RESOURCE_TYPES[resource.type],
          resourceName: resource.name,
          configurationKeys: options.names ?? null,
        },
      ],
      includeDocumentation: options.documentation ?? false,
    }),
  };
  const faultOf = ({ results }: DescribeConfigsResponse) => firstFault(results, () => nameOf(resource));
  const nodeId = brokerOf(resource);
  const answer =
    nodeId === undefined
      ? await routes.any(call, faultOf, options)
      : await routes.broker(nodeId, call, faultOf, options);
  return answer.results[0]!.configs.map(
    ({ name, value, readOnly, configSource, isSensitive, documentation }) => ({
      name,
      value,
      source: SOURCES[configSource] ?? 'unknown',
      isReadOnly: readOnly,
      isSensitive,
      documentation: documentation === '' ? null : documentation,
    }),
  );
}

/** Changes these settings and no others (KIP-339). */
export async function alterConfigs(
  routes: Routes,
  resource: ConfigResource,
  changes: Readonly<Record<string, ConfigChange>>,
  options: AskOptions & { readonly validateOnly?: boolean } = {},
): Promise<void> {
  const configs = Object.entries(changes).map(([name, change]) => {
    if (change === null) return { name, configOperation: DELETE, value: null };
    if (typeof change === 'string') return { name, configOperation: SET, value: change };
    return 'append' in change
      ? { name, configOperation: APPEND, value: change.append }
      : { name, configOperation: SUBTRACT, value: change.subtract };
  });
  const call = {
    request: IncrementalAlterConfigsRequest,
    response: IncrementalAlterConfigsResponse,
    body: () => ({
      resources: [{ resourceType: RESOURCE_TYPES[resource.type], resourceName: resource.name, configs }],
      validateOnly: options.validateOnly ?? false,
    }),
  };
  const faultOf = ({ responses }: IncrementalAlterConfigsResponse) =>
    firstFault(responses, () => nameOf(resource));
  const nodeId = resource.type === 'broker-logger' ? brokerOf(resource) : undefined;
  if (nodeId === undefined) await routes.controller(call, faultOf, options);
  else await routes.broker(nodeId, call, faultOf, options);
}

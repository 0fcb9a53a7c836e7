/** An administrator's calls about settings and access, as KafkaJS has them: by numbers where headrace/client has names. */
import {
  createAcls,
  deleteAcls,
  describeAcls,
  type Acl as CoreAcl,
  type AclFilter as CoreFilter,
} from '../client/admin/acls.ts';
import { describeConfigs, type ConfigEntry, type ConfigResource } from '../client/admin/configs.ts';
import { eachItem, matched, outcomeOf } from '../client/admin/items.ts';
import type { Routes } from '../client/admin/routes.ts';
import { AlterConfigsRequest, AlterConfigsResponse } from '../protocol/messages/33-alter-configs.ts';
import type {
  AclEntry,
  AclFilter,
  Admin,
  AlterConfigsResponse as AlteredConfigs,
  ConfigEntries,
  ConfigSynonyms,
  DeleteAclResponse,
  DescribeAclResponse,
  DescribeConfigResponse,
  IResourceConfig,
} from './admin-types.ts';
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ConfigResourceTypes,
  ConfigSource,
  ResourcePatternTypes,
} from './constants.ts';
import { shown } from './consumer-arguments.ts';
import { KafkaJSNonRetriableError } from './errors.ts';

// --- Settings

const SOURCES: readonly ConfigEntry['source'][] = [
  'unknown',
  'topic',
  'dynamic-broker',
  'dynamic-default-broker',
  'static-broker',
  'default',
  'dynamic-broker-logger',
];

function checkResources(resources: readonly { readonly type: number; readonly name: string }[]): void {
  if (!Array.isArray(resources)) {
    throw new KafkaJSNonRetriableError(`Invalid resources array ${shown(resources)}`);
  }
  if (resources.length === 0) throw new KafkaJSNonRetriableError('Resources array cannot be empty');
  const types: readonly number[] = Object.values(ConfigResourceTypes);
  for (const one of resources) {
    if (!types.includes(one.type)) {
      throw new KafkaJSNonRetriableError(`Invalid resource type ${one.type}: ${JSON.stringify(one)}`);
    }
  }
  for (const one of resources) {
    if (typeof one.name !== 'string' || one.name === '') {
      throw new KafkaJSNonRetriableError(`Invalid resource name ${one.name}: ${JSON.stringify(one)}`);
    }
  }
}

function resourceOf(type: ConfigResourceTypes, name: string): ConfigResource {
  switch (type) {
    case ConfigResourceTypes.TOPIC:
      return { type: 'topic', name };
    case ConfigResourceTypes.BROKER:
      return { type: 'broker', name };
    case ConfigResourceTypes.BROKER_LOGGER:
      return { type: 'broker-logger', name };
    default:
      throw new KafkaJSNonRetriableError(`Invalid resource type ${type}`);
  }
}

export async function describeConfigsAs(
  routes: Routes,
  { resources, includeSynonyms = false }: Parameters<Admin['describeConfigs']>[0],
): Promise<DescribeConfigResponse> {
  checkResources(resources);
  for (const one of resources) {
    if (one.configNames === undefined || one.configNames === null || Array.isArray(one.configNames)) continue;
    throw new KafkaJSNonRetriableError(
      `Invalid resource configNames ${String(one.configNames)}: ${JSON.stringify(one)}`,
    );
  }
  const described = resources.map(async ({ type, name, configNames }) => {
    const names =
      configNames === undefined || configNames === null || configNames.length === 0
        ? {}
        : { names: configNames };
    const options = { ...names, synonyms: includeSynonyms };
    const entries = await describeConfigs(routes, resourceOf(type, name), options);
    const configEntries = entries.map(entryOf);
    return { configEntries, errorCode: 0, errorMessage: null, resourceName: name, resourceType: type };
  });
  return { resources: await Promise.all(described), throttleTime: 0 };
}

function entryOf(entry: ConfigEntry): ConfigEntries {
  return {
    ...synonymOf(entry),
    isDefault: entry.source === 'default',
    isSensitive: entry.isSensitive,
    readOnly: entry.isReadOnly,
    configSynonyms: entry.synonyms.map(synonymOf),
  };
}

function synonymOf({ name, value, source }: Pick<ConfigEntry, 'name' | 'value' | 'source'>): ConfigSynonyms {
  const number = Math.max(ConfigSource.UNKNOWN, SOURCES.indexOf(source)) as ConfigSource;
  return { configName: name, configValue: value as string, configSource: number };
}

/** Settings that are not named go back to their defaults, as AlterConfigs has it. */
export async function alterConfigsAs(
  routes: Routes,
  { resources, validateOnly = false }: Parameters<Admin['alterConfigs']>[0],
): Promise<AlteredConfigs> {
  checkResources(resources);
  for (const one of resources) checkEntries(one);
  await eachItem(routes, resources, {
    nameOf: ({ name }) => name,
    ask: async (asked) => {
      const outcomes = asked.map(async (one) => {
        const call = {
          request: AlterConfigsRequest,
          response: AlterConfigsResponse,
          body: () => ({
            resources: [{ resourceType: one.type, resourceName: one.name, configs: one.configEntries }],
            validateOnly,
          }),
        };
        const isBrokers = one.type !== ConfigResourceTypes.TOPIC;
        const { responses } = await (isBrokers
          ? routes.askBroker(Number(one.name), call)
          : routes.askController(call));
        const answers = new Map(responses.map((answer) => [answer.resourceName, answer]));
        return matched([one], answers, {
          keyOf: ({ name }) => name,
          outcome: (answer, { name }) => outcomeOf(answer, `settings of ${name}`, () => undefined),
        })[0]!;
      });
      return Promise.all(outcomes);
    },
  });
  const altered = resources.map(({ type: resourceType, name: resourceName }) => ({
    errorCode: 0,
    errorMessage: null,
    resourceName,
    resourceType,
  }));
  return { resources: altered, throttleTime: 0 };
}

function checkEntries(one: IResourceConfig): void {
  const { configEntries } = one;
  if (!Array.isArray(configEntries)) {
    throw new KafkaJSNonRetriableError(
      `Invalid resource configEntries ${String(configEntries)}: ${JSON.stringify(one)}`,
    );
  }
  if (configEntries.some(({ name, value }) => typeof name !== 'string' || typeof value !== 'string')) {
    throw new KafkaJSNonRetriableError(`Invalid resource config value: ${JSON.stringify(one)}`);
  }
}

// --- Access

type Names<T> = Readonly<Record<string, T>>;

/** The names that headrace/client has for KafkaJS's: `TRANSACTIONAL_ID` is `transactional-id`. */
function nameOf<T extends string>(table: Names<number>, number: number): T {
  const name = Object.keys(table).find((one) => table[one] === number);
  return (name ?? 'UNKNOWN').toLowerCase().replaceAll('_', '-') as T;
}

function numberOf<T extends number>(table: Names<T>, name: string): T {
  return table[name.toUpperCase().replaceAll('-', '_')] ?? table.UNKNOWN!;
}

const TABLES = [
  ['operation', 'operation', AclOperationTypes],
  ['resourcePatternType', 'resource pattern', ResourcePatternTypes],
  ['permissionType', 'permission', AclPermissionTypes],
  ['resourceType', 'resource', AclResourceTypes],
] as const;

/** Of an entry or a filter. */
function checkTypes(one: Pick<AclFilter, (typeof TABLES)[number][0]>): void {
  for (const [property, what, table] of TABLES) {
    if ((Object.values(table) as number[]).includes(one[property])) continue;
    throw new KafkaJSNonRetriableError(`Invalid ${what} type ${one[property]}: ${JSON.stringify(one)}`);
  }
}

function checkTexts(what: string, one: AclFilter, mayLack: boolean): void {
  for (const property of ['principal', 'host', 'resourceName'] as const) {
    const value = one[property];
    if (typeof value === 'string' || (mayLack && value === undefined)) continue;
    throw new KafkaJSNonRetriableError(`Invalid ${what}, the ${property}s have to be a valid string`);
  }
}

function checkList(what: string, list: readonly unknown[]): void {
  if (!Array.isArray(list)) throw new KafkaJSNonRetriableError(`Invalid ${what} array ${String(list)}`);
  if (list.length === 0) throw new KafkaJSNonRetriableError(`Empty ${what} array`);
}

function filterOf(filter: AclFilter): CoreFilter {
  const { resourceName, principal, host } = filter;
  return {
    resourceType: nameOf(AclResourceTypes, filter.resourceType),
    patternType: nameOf(ResourcePatternTypes, filter.resourcePatternType),
    operation: nameOf(AclOperationTypes, filter.operation),
    permission: nameOf(AclPermissionTypes, filter.permissionType),
    ...(resourceName === undefined ? {} : { resourceName }),
    ...(principal === undefined ? {} : { principal }),
    ...(host === undefined ? {} : { host }),
  };
}

function entryFrom(acl: Required<CoreAcl>): AclEntry {
  return {
    resourceType: numberOf(AclResourceTypes, acl.resourceType),
    resourceName: acl.resourceName,
    resourcePatternType: numberOf(ResourcePatternTypes, acl.patternType),
    principal: acl.principal,
    host: acl.host,
    operation: numberOf(AclOperationTypes, acl.operation),
    permissionType: numberOf(AclPermissionTypes, acl.permission),
  };
}

export async function createAclsAs(
  routes: Routes,
  { acl: entries }: Parameters<Admin['createAcls']>[0],
): Promise<boolean> {
  checkList('ACL', entries);
  for (const one of entries) {
    checkTexts('ACL array', one, false);
    checkTypes(one);
  }
  await createAcls(
    routes,
    entries.map((one) => {
      const { resourceType, patternType, operation, permission } = filterOf(one);
      const { resourceName, principal, host } = one;
      const acl = { resourceType, patternType, operation, permission, resourceName, principal, host };
      return acl as CoreAcl;
    }),
  );
  return true;
}

export async function describeAclsAs(routes: Routes, filter: AclFilter): Promise<DescribeAclResponse> {
  checkTexts('filter', filter, true);
  checkTypes(filter);
  const found = (await describeAcls(routes, filterOf(filter))).map(entryFrom);
  const byResource = Map.groupBy(found, ({ resourceType, resourceName, resourcePatternType }) =>
    [resourceType, resourcePatternType, resourceName].join(' '),
  );
  return {
    throttleTime: 0,
    errorCode: 0,
    resources: [...byResource.values()].map((list) => {
      const { resourceType, resourceName, resourcePatternType } = list[0]!;
      const acls = list.map(({ principal, host, operation, permissionType }) => ({
        principal,
        host,
        operation,
        permissionType,
      }));
      return { resourceType, resourceName, resourcePatternType, acls };
    }),
  };
}

export async function deleteAclsAs(
  routes: Routes,
  { filters }: Parameters<Admin['deleteAcls']>[0],
): Promise<DeleteAclResponse> {
  checkList('ACL Filter', filters);
  for (const one of filters) {
    checkTexts('ACL Filter array', one, true);
    checkTypes(one);
  }
  const removed = await deleteAcls(routes, filters.map(filterOf));
  return {
    throttleTime: 0,
    filterResponses: removed.map((list) => ({
      errorCode: 0,
      matchingAcls: list.map((one) => ({ errorCode: 0, ...entryFrom(one) })),
    })),
  };
}

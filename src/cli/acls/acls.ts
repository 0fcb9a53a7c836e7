/** `headrace acls`: who may, and may not, do what to what. */
import type { Acl, AclFilter } from '../../client/client.ts';
import { counted, print, UsageError, type CommandWorld } from '../command.ts';
import { table } from '../table.ts';

export interface AclFlags {
  /** `User:ada`; `ada` is short for it. */
  readonly principal?: string;
  readonly topics: readonly string[];
  readonly groups: readonly string[];
  readonly transactionalIds: readonly string[];
  readonly cluster: boolean;
  /** Names are how names begin. */
  readonly prefixed: boolean;
  readonly operations: readonly string[];
  readonly host?: string;
  readonly deny: boolean;
}

const OPERATIONS: readonly Acl['operation'][] = [
  'all',
  'read',
  'write',
  'create',
  'delete',
  'alter',
  'describe',
  'cluster-action',
  'describe-configs',
  'alter-configs',
  'idempotent-write',
];
const CLUSTER = 'kafka-cluster';

type Resource = Pick<Acl, 'resourceType' | 'resourceName'>;

function resourcesOf({ topics, groups, transactionalIds, cluster }: AclFlags): Resource[] {
  const named = (resourceType: Acl['resourceType'], names: readonly string[]): Resource[] =>
    names.map((resourceName) => ({ resourceType, resourceName }));
  return [
    ...named('topic', topics),
    ...named('group', groups),
    ...named('transactional-id', transactionalIds),
    ...named('cluster', cluster ? [CLUSTER] : []),
  ];
}

function operationsOf({ operations }: AclFlags): Acl['operation'][] {
  return operations.map((text) => {
    const found = OPERATIONS.find((one) => one === text.toLowerCase());
    if (found === undefined)
      throw new UsageError(`--operation ${text}: choose from ${OPERATIONS.join(', ')}`);
    return found;
  });
}

function principalOf(text: string): string {
  return text.includes(':') ? text : `User:${text}`;
}

/** What was left out matches everything; each resource and each operation has a filter of its own. */
function filtersOf(flags: AclFlags): AclFilter[] {
  const { principal, host, deny, prefixed } = flags;
  const common: AclFilter = {
    ...(principal === undefined ? {} : { principal: principalOf(principal) }),
    ...(host === undefined ? {} : { host }),
    ...(deny ? { permission: 'deny' } : {}),
  };
  const resources: AclFilter[] = resourcesOf(flags).map((one) => ({
    ...one,
    patternType: prefixed ? 'prefixed' : 'literal',
  }));
  const operations: AclFilter[] = operationsOf(flags).map((operation) => ({ operation }));
  return orAny(resources).flatMap((resource) =>
    orAny(operations).map((operation) => ({ ...common, ...resource, ...operation })),
  );
}

function orAny(filters: readonly AclFilter[]): readonly AclFilter[] {
  return filters.length === 0 ? [{}] : filters;
}

export async function listAcls(flags: AclFlags, world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  const found: Required<Acl>[] = [];
  // Who looks for a topic wants to know of the rules by prefix and for all topics, too.
  for (const { patternType, ...filter } of filtersOf(flags)) {
    const pattern = patternType === 'literal' ? { patternType: 'match' as const } : { patternType };
    found.push(
      ...(await admin.describeAcls(
        { ...filter, ...(patternType === undefined ? {} : pattern) } as AclFilter,
        world,
      )),
    );
  }
  const acls = [...new Map(found.map((acl) => [JSON.stringify(acl), acl])).values()];
  print(world, { data: acls, text: () => (acls.length === 0 ? 'no rules\n' : aclTable(acls)) });
}

export async function addAcls(flags: AclFlags, world: CommandWorld): Promise<void> {
  const { principal, host = '*', deny, prefixed } = flags;
  const [resources, operations] = [resourcesOf(flags), operationsOf(flags)];
  if (principal === undefined) throw new UsageError('who? Give --principal User:NAME');
  if (resources.length === 0) {
    throw new UsageError('to what? Give --topic, --group, --transactional-id (* for all) or --cluster');
  }
  if (operations.length === 0) throw new UsageError(`what? Give --operation: ${OPERATIONS.join(', ')}`);
  const acls = resources.flatMap((resource) =>
    operations.map((operation) => ({
      ...resource,
      patternType: prefixed ? ('prefixed' as const) : ('literal' as const),
      principal: principalOf(principal),
      host,
      operation,
      permission: deny ? ('deny' as const) : ('allow' as const),
    })),
  );
  const admin = await world.admin();
  await admin.createAcls(acls, world);
  print(world, { data: acls, text: () => `added\n${aclTable(acls)}` });
}

export async function removeAcls(
  flags: AclFlags & { readonly dryRun: boolean },
  world: CommandWorld,
): Promise<void> {
  const filters = filtersOf(flags);
  if (filters.some((filter) => Object.keys(filter).length === 0)) {
    throw new UsageError('which? Without --principal, --topic or the like it would be all rules');
  }
  const admin = await world.admin();
  const found = flags.dryRun
    ? await Promise.all(filters.map((filter) => admin.describeAcls(filter, world)))
    : await admin.deleteAcls(filters, world);
  const acls = found.flat();
  const said = flags.dryRun ? 'would be removed' : 'removed';
  print(world, {
    data: { removed: !flags.dryRun, acls },
    text: () =>
      acls.length === 0 ? 'no rule matches\n' : `${counted(acls.length, 'rule')} ${said}\n${aclTable(acls)}`,
  });
}

function aclTable(acls: readonly Required<Acl>[]): string {
  const rows = acls.map((acl) => [
    acl.principal,
    acl.permission,
    acl.operation,
    acl.resourceType,
    acl.patternType === 'prefixed' ? `${acl.resourceName}...` : acl.resourceName,
    acl.host,
  ]);
  return table(['principal', 'rule', 'operation', 'resource', 'name', 'from'], rows);
}

/** An administrator's questions about access: who may, and may not, do what to what (KIP-11, KIP-290). */
import { DescribeAclsRequest, DescribeAclsResponse } from '../../protocol/messages/29-describe-acls.ts';
import { CreateAclsRequest, CreateAclsResponse } from '../../protocol/messages/30-create-acls.ts';
import { DeleteAclsRequest, DeleteAclsResponse } from '../../protocol/messages/31-delete-acls.ts';
import { ownError } from '../errors.ts';
import { wholeFault } from './cluster.ts';
import { AdminError, eachItem, outcomeOf } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

const RESOURCE_TYPES = {
  any: 1,
  topic: 2,
  group: 3,
  cluster: 4,
  'transactional-id': 5,
  'delegation-token': 6,
  user: 7,
} as const;
const PATTERN_TYPES = { any: 1, match: 2, literal: 3, prefixed: 4 } as const;
const OPERATIONS = {
  any: 1,
  all: 2,
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  'cluster-action': 9,
  'describe-configs': 10,
  'alter-configs': 11,
  'idempotent-write': 12,
  'create-tokens': 13,
  'describe-tokens': 14,
  'two-phase-commit': 15,
} as const;
const PERMISSIONS = { any: 1, deny: 2, allow: 3 } as const;

type Name<T> = Exclude<keyof T, 'any' | 'match'>;

export interface Acl {
  readonly resourceType: Name<typeof RESOURCE_TYPES>;
  /** `*` for all; the cluster is called `kafka-cluster`. */
  readonly resourceName: string;
  /** Whether the name is the whole name (the default) or how names begin. */
  readonly patternType?: Name<typeof PATTERN_TYPES>;
  /** `User:ada`, or `User:*`. */
  readonly principal: string;
  /** An address; default: `*`. */
  readonly host?: string;
  readonly operation: Name<typeof OPERATIONS>;
  /** Default: `allow`. What is denied is denied whatever else allows it. */
  readonly permission?: Name<typeof PERMISSIONS>;
}

/** What is left out matches everything. */
export interface AclFilter {
  readonly resourceType?: keyof typeof RESOURCE_TYPES;
  readonly resourceName?: string;
  /** `match` finds all that bear on the resource: by its name, by how it begins, and by `*`. Default: `any`. */
  readonly patternType?: keyof typeof PATTERN_TYPES;
  readonly principal?: string;
  readonly host?: string;
  readonly operation?: keyof typeof OPERATIONS;
  readonly permission?: keyof typeof PERMISSIONS;
}

export async function describeAcls(
  routes: Routes,
  filter: AclFilter = {},
  options: AskOptions = {},
): Promise<Required<Acl>[]> {
  const { resources } = await routes.controller(
    { request: DescribeAclsRequest, response: DescribeAclsResponse, body: () => wireFilter(filter) },
    (answer) => wholeFault(answer, 'describing ACLs'),
    options,
  );
  return resources.flatMap(({ acls, ...resource }) => acls.map((acl) => aclOf({ ...resource, ...acl })));
}

export async function createAcls(
  routes: Routes,
  acls: readonly Acl[],
  options: AskOptions = {},
): Promise<void> {
  await eachItem(routes, acls, {
    ...options,
    nameOf: print,
    ask: async (asked) => {
      const { results } = await routes.askController({
        request: CreateAclsRequest,
        response: CreateAclsResponse,
        body: () => ({
          creations: asked.map(({ patternType = 'literal', host = '*', permission = 'allow', ...acl }) => ({
            resourceType: RESOURCE_TYPES[acl.resourceType],
            resourceName: acl.resourceName,
            resourcePatternType: PATTERN_TYPES[patternType],
            principal: acl.principal,
            host,
            operation: OPERATIONS[acl.operation],
            permissionType: PERMISSIONS[permission],
          })),
        }),
      });
      if (results.length !== asked.length) throw ownError('INVALID_ANSWER', 'not as many results as ACLs');
      return asked.map((acl, at) => outcomeOf(results[at]!, `creating ACL ${print(acl)}`, () => undefined));
    },
  });
}

/** Removes what matches any of the filters; yields for each filter what it has removed. */
export function deleteAcls(
  routes: Routes,
  filters: readonly AclFilter[],
  options: AskOptions = {},
): Promise<Required<Acl>[][]> {
  return eachItem(routes, filters, {
    ...options,
    nameOf: (filter) => JSON.stringify(filter),
    ask: async (asked) => {
      const { filterResults } = await routes.askController({
        request: DeleteAclsRequest,
        response: DeleteAclsResponse,
        body: () => ({ filters: asked.map(wireFilter) }),
      });
      if (filterResults.length !== asked.length) {
        throw ownError('INVALID_ANSWER', 'not as many results as filters');
      }
      return filterResults.map((result) => {
        const whole = outcomeOf(result, 'deleting ACLs', () => result.matchingAcls.map(aclOf));
        if ('error' in whole) return whole;
        const failures = result.matchingAcls.flatMap((one) => {
          const item = print(aclOf(one));
          const outcome = outcomeOf(one, `deleting ACL ${item}`, () => undefined);
          return 'error' in outcome ? [{ item, error: outcome.error }] : [];
        });
        return failures.length === 0 ? whole : { error: new AdminError(failures, []) };
      });
    },
  });
}

function wireFilter(filter: AclFilter): {
  resourceTypeFilter: number;
  resourceNameFilter: string | null;
  patternTypeFilter: number;
  principalFilter: string | null;
  hostFilter: string | null;
  operation: number;
  permissionType: number;
} {
  return {
    resourceTypeFilter: RESOURCE_TYPES[filter.resourceType ?? 'any'],
    resourceNameFilter: filter.resourceName ?? null,
    patternTypeFilter: PATTERN_TYPES[filter.patternType ?? 'any'],
    principalFilter: filter.principal ?? null,
    hostFilter: filter.host ?? null,
    operation: OPERATIONS[filter.operation ?? 'any'],
    permissionType: PERMISSIONS[filter.permission ?? 'any'],
  };
}

function aclOf(acl: {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly patternType: number;
  readonly principal: string;
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
}): Required<Acl> {
  return {
    resourceType: nameIn(RESOURCE_TYPES, acl.resourceType),
    resourceName: acl.resourceName,
    patternType: nameIn(PATTERN_TYPES, acl.patternType),
    principal: acl.principal,
    host: acl.host,
    operation: nameIn(OPERATIONS, acl.operation),
    permission: nameIn(PERMISSIONS, acl.permissionType),
  };
}

function nameIn<T extends Readonly<Record<string, number>>>(names: T, code: number): Name<T> & string {
  const found = Object.keys(names).find((name) => names[name] === code);
  if (found === undefined) throw ownError('INVALID_ANSWER', `an ACL with ${code}, which means nothing here`);
  return found as Name<T> & string;
}

function print({ principal, permission = 'allow', operation, resourceType, resourceName }: Acl): string {
  return `${permission} ${principal} ${operation} ${resourceType} ${resourceName}`;
}

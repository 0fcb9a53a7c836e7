/** An administrator's questions about quotas: how much users, client ids and addresses may use (KIP-546, KIP-612). */
import {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse,
} from '../../protocol/messages/48-describe-client-quotas.ts';
import {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
} from '../../protocol/messages/49-alter-client-quotas.ts';
import { wholeFault } from './cluster.ts';
import { eachItem, matched, outcomeOf } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

export type QuotaEntityType = 'user' | 'client-id' | 'ip';

/** Whom a quota is for: a name, or null for all that have none of their own. `user` and `client-id` go together, too. */
export type QuotaEntity = { readonly [K in QuotaEntityType]?: string | null };

export interface ClientQuota {
  readonly entity: QuotaEntity;
  /**
   * By Kafka's names: `producer_byte_rate` and `consumer_byte_rate` in bytes a second for each broker,
   * `request_percentage`, `controller_mutation_rate`, `connection_creation_rate`.
   */
  readonly quotas: Readonly<Record<string, number>>;
}

/** As an entity; `{ any: true }` matches whatever has a quota of that kind. */
export interface QuotaFilter {
  readonly entity?: { readonly [K in QuotaEntityType]?: string | null | { readonly any: true } };
  /** Only entities that have no other parts than those that are named. Default: false. */
  readonly strict?: boolean;
}

const EXACTLY = 0;
const DEFAULT = 1;
const ANY = 2;

export async function describeQuotas(
  routes: Routes,
  filter: QuotaFilter = {},
  options: AskOptions = {},
): Promise<ClientQuota[]> {
  const components = partsOf(filter.entity ?? {}).map(([entityType, match]) => {
    if (match === null) return { entityType, matchType: DEFAULT, match: null };
    return typeof match === 'string'
      ? { entityType, matchType: EXACTLY, match }
      : { entityType, matchType: ANY, match: null };
  });
  const { entries } = await routes.any(
    {
      request: DescribeClientQuotasRequest,
      response: DescribeClientQuotasResponse,
      body: () => ({ components, strict: filter.strict ?? false }),
    },
    (answer) => wholeFault(answer, 'describing quotas'),
    options,
  );
  return (entries ?? []).map(({ entity, values }) => ({
    entity: Object.fromEntries(entity.map(({ entityType, entityName }) => [entityType, entityName])),
    quotas: Object.fromEntries(values.map(({ key, value }) => [key, value])),
  }));
}

export interface QuotaChange {
  readonly entity: QuotaEntity;
  /** A new limit; null removes it. What is not named stays. */
  readonly quotas: Readonly<Record<string, number | null>>;
}

export async function alterQuotas(
  routes: Routes,
  changes: readonly QuotaChange[],
  options: AskOptions & { readonly validateOnly?: boolean } = {},
): Promise<void> {
  await eachItem(routes, changes, {
    ...options,
    nameOf: ({ entity }) => print(partsOf(entity)),
    ask: async (asked) => {
      const { entries } = await routes.askController({
        request: AlterClientQuotasRequest,
        response: AlterClientQuotasResponse,
        body: () => ({
          entries: asked.map(({ entity, quotas }) => ({
            entity: partsOf(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
            ops: Object.entries(quotas).map(([key, value]) => ({
              key,
              value: value ?? 0,
              remove: value === null,
            })),
          })),
          validateOnly: options.validateOnly ?? false,
        }),
      });
      const answers = new Map(
        entries.map((one) => [print(one.entity.map((part) => [part.entityType, part.entityName])), one]),
      );
      return matched(asked, answers, {
        keyOf: ({ entity }) => print(partsOf(entity)),
        outcome: (one, { entity }) => outcomeOf(one, `quotas of ${print(partsOf(entity))}`, () => undefined),
      });
    },
  });
}

function partsOf<T>(entity: { readonly [K in QuotaEntityType]?: T }): [type: string, match: T][] {
  return Object.entries(entity).filter((part): part is [string, T] => part[1] !== undefined);
}

/** The same however the parts are ordered. */
function print(parts: readonly (readonly [string, string | null])[]): string {
  return parts
    .map(([type, name]) => `${type} ${name ?? '(default)'}`)
    .sort()
    .join(', ');
}

/** `headrace quotas`: how much users, client ids and addresses may use. */
import type { QuotaEntity, QuotaEntityType } from '../../client/client.ts';
import { print, UsageError, type CommandWorld } from '../command.ts';
import { parseBytes, table } from '../table.ts';

const TYPES: readonly QuotaEntityType[] = ['user', 'client-id', 'ip'];

/** `user/ada`, `user` for all that have none of their own, `user/ada,client-id/app` for both together. */
export function parseEntity(text: string): QuotaEntity {
  const entity: Record<string, string | null> = {};
  for (const part of text.split(',')) {
    const at = part.indexOf('/');
    const [kind, name] = at < 0 ? [part, null] : [part.slice(0, at), part.slice(at + 1)];
    const type = TYPES.find((one) => one === kind);
    if (type === undefined || name === '' || type in entity) {
      throw new UsageError(
        `${text}: write user/NAME, client-id/NAME, ip/ADDRESS, or user alone for its default`,
      );
    }
    entity[type] = name;
  }
  return entity;
}

/** `producer_byte_rate=10MB`. */
export function parseQuotas(pairs: Readonly<Record<string, string>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(pairs).map(([name, text]) => {
      const value = name.endsWith('_byte_rate') ? parseBytes(text) : Number(text);
      if (value === undefined || !(value > 0))
        throw new UsageError(`${name}=${text}: write a number above 0`);
      return [name, value];
    }),
  );
}

export async function listQuotas(entity: QuotaEntity | undefined, world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  const found = await admin.describeQuotas(entity === undefined ? {} : { entity }, world);
  const rows = found.flatMap(({ entity: of, quotas }) =>
    Object.entries(quotas).map(([name, value]) => [nameOf(of), name, value]),
  );
  print(world, {
    data: found,
    text: () => (rows.length === 0 ? 'no quotas\n' : table(['for', 'quota', 'limit'], rows)),
  });
}

export async function changeQuotas(
  entity: QuotaEntity,
  quotas: Readonly<Record<string, number | null>>,
  world: CommandWorld,
): Promise<void> {
  const admin = await world.admin();
  await admin.alterQuotas([{ entity, quotas }], world);
  const lines = Object.entries(quotas).map(([name, value]) =>
    value === null ? `${nameOf(entity)}: ${name} is removed\n` : `${nameOf(entity)}: ${name}=${value}\n`,
  );
  print(world, { data: { entity, quotas }, text: () => lines.join('') });
}

function nameOf(entity: QuotaEntity): string {
  return Object.entries(entity)
    .map(([type, name]) => (name === null ? `${type} (default)` : `${type}/${name}`))
    .join(',');
}

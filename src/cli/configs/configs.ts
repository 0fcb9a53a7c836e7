/** `headrace configs`: the settings of topics, brokers, groups and client metrics. */
import type { ConfigEntry, ConfigResource } from '../../client/client.ts';
import { print, UsageError, type CommandWorld } from '../command.ts';
import { table } from '../table.ts';

const TYPES = ['topic', 'broker', 'broker-logger', 'client-metrics', 'group'] as const;

/** `topic/orders`, `broker/1`, `broker` for all brokers. Throws UsageError. */
export function parseResource(text: string): ConfigResource {
  const at = text.indexOf('/');
  const [kind, name] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  const type = TYPES.find((one) => one === kind || `${one}s` === kind);
  const needsName = type !== 'broker';
  if (type === undefined || (name === '' && needsName)) {
    throw new UsageError(
      `${text}: write topic/NAME, broker/ID, broker (all of them), group/NAME or client-metrics/NAME`,
    );
  }
  if (type.startsWith('broker') && !/^\d*$/.test(name))
    throw new UsageError(`${text}: a broker has a number`);
  return { type, name };
}

export interface GetFlags {
  /** Those at their defaults, too. */
  readonly all: boolean;
  /** With what each of them means. */
  readonly explain: boolean;
}

export async function getConfigs(
  { resource, names }: { readonly resource: ConfigResource; readonly names: readonly string[] },
  { all, explain }: GetFlags,
  world: CommandWorld,
): Promise<void> {
  const admin = await world.admin();
  const found = await admin.describeConfigs(resource, {
    signal: world.signal,
    documentation: explain,
    ...(names.length === 0 ? {} : { names }),
  });
  const missing = names.find((name) => !found.some((entry) => entry.name === name));
  if (missing !== undefined) throw new UsageError(`${missing}: a ${resource.type} has no such setting`);
  const isOwn = ({ source }: ConfigEntry): boolean => source !== 'default' && source !== 'static-broker';
  const shown = found.filter((entry) => all || names.length > 0 || isOwn(entry));
  shown.sort((a, b) => (a.name < b.name ? -1 : 1));
  print(world, {
    data: shown.map(({ name, value, source, isReadOnly, isSensitive, documentation }) => ({
      name,
      value,
      source,
      isReadOnly,
      isSensitive,
      documentation,
    })),
    text: () =>
      shown.length === 0
        ? 'all settings are at their defaults: --all shows them\n'
        : explain
          ? shown.map(explained).join('')
          : table(
              ['setting', 'value', 'from'],
              shown.map((entry) => [entry.name, valueOf(entry), entry.source]),
            ),
  });
}

function valueOf({ value, isSensitive }: ConfigEntry): string {
  return isSensitive ? '(secret)' : (value ?? '-');
}

function explained(entry: ConfigEntry): string {
  const text = entry.documentation === null ? '' : `  ${entry.documentation.replaceAll(/\s+/g, ' ')}\n`;
  return `${entry.name}=${valueOf(entry)} (${entry.source})\n${text}`;
}

export async function changeConfigs(
  resource: ConfigResource,
  {
    changes,
    dryRun,
  }: { readonly changes: Readonly<Record<string, string | null>>; readonly dryRun: boolean },
  world: CommandWorld,
): Promise<void> {
  const admin = await world.admin();
  await admin.alterConfigs(resource, changes, { signal: world.signal, validateOnly: dryRun });
  const of = resource.name === '' ? `all ${resource.type}s` : `${resource.type} ${resource.name}`;
  const lines = Object.entries(changes).map(([name, value]) =>
    value === null ? `${of}: ${name} is back at its default\n` : `${of}: ${name}=${value}\n`,
  );
  print(world, {
    data: { ...resource, changes, applied: !dryRun },
    text: () => `${lines.join('')}${dryRun ? 'nothing was changed: it would be accepted\n' : ''}`,
  });
}

/**
 * Contexts: connections with a name, in one file of the user's, so that nobody has to repeat addresses.
 *
 *     { "current": "local", "contexts": { "local": { "bootstrapServer": "127.0.0.1:9092", "commandConfig": null } } }
 *
 * Passwords are not in it: `commandConfig` names the file that has them.
 */
import { CommandError, print, UsageError, type CommandWorld } from '../command.ts';
import { table } from '../table.ts';

export interface Connection {
  readonly bootstrapServer: string;
  /** A file with the settings of a Kafka client, as an absolute path. */
  readonly commandConfig: string | null;
}

export interface Contexts {
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, Connection>>;
}

export const NO_CONTEXTS: Contexts = { current: null, contexts: {} };
export const BOOTSTRAP_DEFAULT = '127.0.0.1:9092';

/** Throws CommandError for a file that is none. */
export function parseContexts(text: string, path: string): Contexts {
  try {
    const { current, contexts } = JSON.parse(text) as Partial<Contexts>;
    const all = Object.entries(contexts ?? {}).map(([name, { bootstrapServer, commandConfig }]) => {
      if (typeof bootstrapServer !== 'string') throw new TypeError(`${name} has no bootstrapServer`);
      return [name, { bootstrapServer, commandConfig: commandConfig ?? null }] as const;
    });
    return { current: current ?? null, contexts: Object.fromEntries(all) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(`${path} holds no contexts (${why}): correct it, or remove it and begin anew`);
  }
}

export function printContexts(contexts: Contexts): string {
  return `${JSON.stringify(contexts, null, 2)}\n`;
}

export interface ConnectionFlags {
  readonly bootstrapServer?: string;
  readonly commandConfig?: string;
  readonly context?: string;
}

export interface ContextWorld {
  readonly contexts: Contexts;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** By HEADRACE_CONTEXT, else as `context use` left it. */
export function contextInUse({ contexts, environment }: ContextWorld): string | null {
  const named = environment['HEADRACE_CONTEXT'];
  return named === undefined || named === '' ? contexts.current : named;
}

/**
 * What is named on the command line, then HEADRACE_CONTEXT, then the context in use, then this machine. With an address on the
 * command line nothing of a context counts: a password should not go where it does not belong.
 */
export function connectionOf(flags: ConnectionFlags, world: ContextWorld): Connection {
  const { bootstrapServer, commandConfig, context } = flags;
  if (bootstrapServer !== undefined) {
    if (context !== undefined) throw new UsageError('either --bootstrap-server or --context');
    return { bootstrapServer, commandConfig: commandConfig ?? null };
  }
  const { contexts } = world;
  const name = context ?? contextInUse(world);
  if (name === null) return { bootstrapServer: BOOTSTRAP_DEFAULT, commandConfig: commandConfig ?? null };
  const found = contextOf(contexts, name);
  return { ...found, commandConfig: commandConfig ?? found.commandConfig };
}

function contextOf({ contexts }: Contexts, name: string): Connection {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(contexts);
  const others = names.length === 0 ? 'there is none yet' : `there are ${names.join(', ')}`;
  throw new CommandError(
    `there is no context ${name} (${others}): headrace context set ${name} --bootstrap-server HOST:PORT makes it`,
  );
}

export function setContext(
  all: Contexts,
  { name, connection }: { readonly name: string; readonly connection: Partial<Connection> },
): Contexts {
  if (!/^[\w.-]{1,100}$/.test(name))
    throw new UsageError(`${name}: letters, digits, dots, dashes and underscores`);
  const before = Object.hasOwn(all.contexts, name) ? all.contexts[name] : undefined;
  const bootstrapServer = connection.bootstrapServer ?? before?.bootstrapServer;
  if (bootstrapServer === undefined) throw new UsageError(`${name} is new: give --bootstrap-server`);
  const commandConfig = connection.commandConfig ?? before?.commandConfig ?? null;
  return {
    current: all.current ?? name,
    contexts: { ...all.contexts, [name]: { bootstrapServer, commandConfig } },
  };
}

export function useContext(all: Contexts, name: string): Contexts {
  contextOf(all, name);
  return { ...all, current: name };
}

export function removeContext(all: Contexts, name: string): Contexts {
  contextOf(all, name);
  const { [name]: _, ...contexts } = all.contexts;
  return { current: all.current === name ? null : all.current, contexts };
}

export function listContexts(from: ContextWorld, world: Pick<CommandWorld, 'json' | 'terminal'>): void {
  const { contexts } = from.contexts;
  const inUse = contextInUse(from);
  const names = Object.keys(contexts).sort();
  const rows = names.map((name) => [
    name === inUse ? '*' : '',
    name,
    contexts[name]!.bootstrapServer,
    contexts[name]!.commandConfig ?? '-',
  ]);
  const nothing = `none: commands go to ${BOOTSTRAP_DEFAULT}; headrace context set NAME --bootstrap-server HOST:PORT\n`;
  print(world, {
    data: names.map((name) => ({ name, inUse: name === inUse, ...contexts[name]! })),
    text: () => (rows.length === 0 ? nothing : table(['', 'context', 'address', 'command config'], rows)),
  });
}

/** `headrace context`: its words, and the file that they change. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  listContexts,
  removeContext,
  setContext,
  useContext,
  type Contexts,
} from '../../src/cli/contexts/contexts.ts';
import { contextsPath, readContexts, writeContexts } from '../context-file.ts';
import { fail, terminal } from '../run-command.ts';

interface SetFlags {
  readonly bootstrapServer?: string;
  readonly commandConfig?: string;
}

export function define(context: Command): void {
  context
    .command('list')
    .description('Lists the contexts; the one in use has a star.')
    .option('--json', 'for scripts', false)
    .action((flags: { readonly json: boolean }, command: Command) =>
      attempt(command, () => {
        const from = { contexts: readContexts(), environment: process.env };
        listContexts(from, { ...flags, terminal: terminal() });
      }),
    );
  context
    .command('set <name>')
    .description('Makes a context, or changes it. The first one is in use from then on.')
    .option('-b, --bootstrap-server <addresses>', 'host:port of any brokers, by commas')
    .option('--command-config <file>', 'settings of a Kafka client: security.protocol, ssl.*, sasl.*')
    .action((name: string, { bootstrapServer, commandConfig }: SetFlags, command: Command) =>
      attempt(command, () => {
        const connection = {
          ...(bootstrapServer === undefined ? {} : { bootstrapServer }),
          ...(commandConfig === undefined ? {} : { commandConfig: resolve(commandConfig) }),
        };
        change((all) => setContext(all, { name, connection }), `${name} is in ${contextsPath()}`);
      }),
    );
  context
    .command('use <name>')
    .description('Chooses the context that commands go to. HEADRACE_CONTEXT and --context choose another.')
    .action((name: string, _: object, command: Command) =>
      attempt(command, () => change((all) => useContext(all, name), `commands go to ${name}`)),
    );
  context
    .command('remove <name>')
    .description('Removes a context.')
    .action((name: string, _: object, command: Command) =>
      attempt(command, () => change((all) => removeContext(all, name), `removed ${name}`)),
    );
}

function change(how: (all: Contexts) => Contexts, said: string): void {
  writeContexts(how(readContexts()));
  process.stdout.write(`${said}\n`);
}

function attempt(command: Command, run: () => void): void {
  try {
    run();
  } catch (error) {
    fail(error, { command, bootstrap: '' });
  }
}

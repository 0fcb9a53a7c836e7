/**
 * What all commands that talk to a cluster have in common: where it is, a client of which only the parts that are asked for
 * are loaded, the terminal, signals, and exit codes (0 done, 1 failed, 2 wrong usage, 130 interrupted).
 */
import type { Command } from 'commander';
import type { Admin } from '../src/client/client.ts';
import type { CommandWorld, Terminal } from '../src/cli/command.ts';
import { describeFailure } from '../src/cli/failures.ts';
import { connectionOf, type Connection, type ConnectionFlags } from '../src/cli/contexts/contexts.ts';
import { ClientCore } from '../src/client/core.ts';
import { settingsOf, type ClientPorts } from '../src/client/options.ts';
import { realClock } from '../src/runtime/clock.ts';
import { realNetwork } from '../src/runtime/network.ts';
import { realRandom } from '../src/runtime/random.ts';
import { silentLogger } from '../src/runtime/silent-logger.ts';
import { realTimers } from '../src/runtime/timers.ts';
import { readContexts } from './context-file.ts';

const CLIENT_ID = 'headrace-cli';

export interface CommonFlags extends ConnectionFlags {
  readonly json: boolean;
  /** In seconds. */
  readonly timeout: number;
}

/** The options of every command that talks to a cluster. */
export function withConnection(command: Command): Command {
  return command
    .option(
      '-b, --bootstrap-server <addresses>',
      "host:port of any brokers, by commas (default: the context's)",
    )
    .option('--command-config <file>', 'settings of a Kafka client: security.protocol, ssl.*, sasl.*')
    .option('--context <name>', 'a connection that headrace context set has named')
    .option('--timeout <seconds>', 'give up after so long without an answer', Number, 10)
    .option('--json', 'for scripts: JSON in place of tables', false);
}

/** Runs a command to its end; sets the exit code. */
export async function runCommand(
  { command, flags }: { readonly command: Command; readonly flags: CommonFlags },
  action: (world: CommandWorld) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController();
  const onSignal = (): void => {
    if (stopping.signal.aborted) process.exit(130);
    stopping.abort(new Error('interrupted'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // Whoever read the output has had enough: that is no failure.
  let isUnread = false;
  process.stdout.on('error', () => {
    isUnread = true;
    stopping.abort(new Error('nobody reads the output'));
  });
  const screen = terminal();
  let bootstrap = '';
  const parts: { close(): Promise<void> }[] = [];
  let core: ClientCore | undefined;
  try {
    const connection = connectionOf(flags, { contexts: readContexts(), environment: process.env });
    bootstrap = connection.bootstrapServer;
    core = await coreOf(connection, flags);
    // Where nobody answers that is told at once: the client would try for as long as it may.
    await core.metadata.askAny((link) => link.versions());
    await action(worldOf({ core, parts, screen, signal: stopping.signal, json: flags.json }));
    for (const part of parts.reverse()) await part.close();
  } catch (error) {
    screen.end();
    if (isUnread) return;
    if (stopping.signal.aborted && error === stopping.signal.reason) process.exitCode = 130;
    else fail(error, { command, bootstrap });
  } finally {
    screen.end();
    core?.close();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    // Reading may be in the middle of a line that never ends.
    process.stdin.destroy();
  }
}

export function fail(error: unknown, { command, bootstrap }: { command: Command; bootstrap: string }): void {
  const { exitCode, problems, advice } = describeFailure(error, { bootstrap, command: pathOf(command) });
  for (const line of problems) process.stderr.write(`headrace: ${line}\n`);
  if (advice !== undefined) process.stderr.write(`  ${advice}\n`);
  process.exitCode = exitCode;
}

/** `topics list`. */
function pathOf(command: Command): string {
  const { parent } = command;
  return parent === null || parent.parent === null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}

async function coreOf(connection: Connection, { timeout }: CommonFlags): Promise<ClientCore> {
  const { bootstrapServer: bootstrap, commandConfig } = connection;
  const logger = silentLogger();
  const ports: ClientPorts = {
    clock: realClock(),
    timers: realTimers(),
    random: realRandom(),
    network: realNetwork({ logger }),
    logger,
  };
  const common = { bootstrap, clientId: CLIENT_ID, requestTimeoutMs: timeout * 1000 };
  if (commandConfig === null) return new ClientCore(ports, settingsOf(common));
  const { readCommandConfig } = await import('./command-config.ts');
  const config = readCommandConfig(commandConfig, ports);
  return new ClientCore(config.ports, settingsOf({ ...common, ...config.options }));
}

interface WorldParts {
  readonly core: ClientCore;
  readonly parts: { close(): Promise<void> }[];
  readonly screen: Terminal;
  readonly signal: AbortSignal;
  readonly json: boolean;
}

function worldOf({ core, parts, screen, signal, json }: WorldParts): CommandWorld {
  const keep = <T extends { close(): Promise<void> }>(part: T): T => {
    parts.push(part);
    return part;
  };
  let admin: Promise<Admin> | undefined;
  const newAdmin = async (): Promise<Admin> =>
    keep(new (await import('../src/client/admin/admin.ts')).Admin(core));
  return {
    admin: () => (admin ??= newAdmin()),
    async producer(options) {
      return keep(new (await import('../src/client/producer/producer.ts')).Producer(core, options));
    },
    async consumer(options) {
      return keep(new (await import('../src/client/consumer/consumer.ts')).Consumer(core, options));
    },
    terminal: screen,
    clock: core.ports.clock,
    timers: core.ports.timers,
    signal,
    json,
  };
}

/** `end` leaves a line of progress standing. */
export function terminal(): Terminal & { end(): void } {
  const { stdout, stderr } = process;
  let shown = '';
  let room: Promise<void> | undefined;
  const end = (): void => {
    if (shown !== '') stderr.write('\n');
    shown = '';
  };
  return {
    end,
    write(data) {
      end();
      if (stdout.destroyed || stdout.write(data)) return undefined;
      room ??= new Promise((resolve) => {
        const done = (): void => {
          stdout.off('drain', done).off('error', done);
          room = undefined;
          resolve();
        };
        stdout.on('drain', done).on('error', done);
      });
      return room;
    },
    note(text) {
      end();
      stderr.write(text);
    },
    showProgress(line) {
      if (!stderr.isTTY) return;
      stderr.write(`\r${line.padEnd(shown.length)}`);
      shown = line;
    },
  };
}

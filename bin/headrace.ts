/** The command line: reads settings, starts what is asked for and stops it when the system says so. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { COMMANDS } from './commands.ts';
import type { DevClusterFlags } from './dev-cluster.ts';
import { brokerCount, gather, nodeNumber, portNumber } from './option-values.ts';

// Without it V8 collects the whole heap each time some 15 MB of network buffers have come and gone, which doubled the
// processor time per byte produced (3 x 0.3 GB: 1.3 s against 0.6 s a round).
setFlagsFromString('--external-memory-accounted-in-global-limit');
// With it V8 takes what happened to live long during the start for long-lived: each request then left kilobytes in the old
// generation, which also kept young garbage alive (5,000 records a second: a scavenge took 2.5 ms instead of 0.8).
setFlagsFromString('--no-allocation-site-pretenuring');
// What a start makes lives on, and so the young generation would grow to several times its size, which an idle broker then
// keeps (100 MiB resident instead of 91). It may grow again once the broker is ready.
const YOUNG_GROWTH = '--semi-space-growth-factor';
if (process.argv[2] === 'start') setFlagsFromString(`${YOUNG_GROWTH}=1`);

interface StartFlags {
  readonly port?: number;
  readonly data?: string;
  readonly config?: string;
  readonly cluster?: string;
  readonly nodeId?: number;
  readonly set: readonly string[];
}

// Whoever started us may have stopped reading; that ends neither the broker nor its logs.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

/** Kafka's levels in the logger's words. */
const LEVELS = {
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
  FATAL: 'error',
} as const;

const USAGE_ERROR = 2;

const program = new Command('headrace')
  .description('Event streaming that speaks the Kafka protocol.')
  .showHelpAfterError('--help shows how it is used')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE_ERROR));
program
  .command('start')
  .description('Starts a broker and runs until SIGTERM or SIGINT; a second signal ends it at once.')
  .option('--port <port>', 'listen on this port of 127.0.0.1; 0 takes a free one (default: 9092)', portNumber)
  .option('--data <directory>', 'keep data here (default: data)')
  .option('--cluster <location>', 'one broker of several, around etcd://host:port[,host:port...][/prefix]')
  .option('--node-id <number>', 'the number of this broker in its cluster', nodeNumber)
  .option('--config <file>', 'read settings from a .properties file')
  .option('--set <name=value>', "a setting by Kafka's name; may be repeated", gather, [])
  .action(start);
program
  .command('dev-cluster')
  .description('Starts etcd and several brokers on this machine, for trying a cluster; Ctrl-C ends them.')
  .option('--brokers <count>', 'how many', brokerCount, 3)
  .option('--port <port>', 'the port of the first broker; the others take the next ones', portNumber, 9092)
  .option('--data <directory>', 'keep data and logs here', 'dev-cluster')
  .option('--pid-dir <directory>', 'write broker-<id>.pid here')
  .option('--restart', 'bring a broker that has been killed back')
  .option('--etcd <path>', 'an etcd program; else that of PATH, else one that is built once')
  .option('--set <name=value>', "a setting of all brokers by Kafka's name; may be repeated", gather, [])
  .action(devCluster);
const wanted = process.argv[process.argv[2] === 'help' ? 3 : 2];
for (const { name, description, isHidden = false, load } of COMMANDS) {
  const command = program.command(name, { hidden: isHidden }).description(description);
  if (name === wanted) (await load()).define(command);
}
await program.parseAsync();

async function devCluster(flags: DevClusterFlags): Promise<void> {
  const { startDevCluster } = await import('./dev-cluster.ts');
  try {
    await startDevCluster(flags);
  } catch (error) {
    fail([error instanceof Error ? error.message : String(error)]);
  }
}

async function start(flags: StartFlags): Promise<void> {
  const [
    { startBroker, ConfigurationError },
    { logLevels },
    { realPorts },
    { createLogger },
    { machineMemoryBytes },
    { startThread },
    load,
  ] = await Promise.all([
    import('../src/broker/broker.ts'),
    import('../src/broker/log-levels.ts'),
    import('../src/runtime/ports.ts'),
    import('../src/runtime/logger.ts'),
    import('../src/runtime/memory.ts'),
    import('../src/runtime/threads.ts'),
    import('../src/metadata/configs/load.ts'),
  ]);
  const logger = createLogger({ destination: process.stderr });
  const path = flags.config ?? process.env['HEADRACE_CONFIG'];
  const loaded = load.mergeSettings(
    ...(path === undefined ? [] : [load.loadSettingsText(readConfig(path))]),
    load.loadSettingsEnvironment(process.env),
    load.loadSettingsFlags(shorthands(flags)),
    load.loadSettingsFlags(flags.set),
  );
  if (loaded.errors.length > 0) fail(loaded.errors);
  const ports = realPorts({ logger });
  const isClustered = loaded.settings.has('metadata.store.connect');
  try {
    const store = isClustered
      ? await (await import('./cluster-store.ts')).openClusterStore(loaded.settings, ports)
      : undefined;
    const broker = await startBroker({
      ports,
      configs: loaded.settings,
      ...(store === undefined ? {} : { store }),
      memoryBytes: machineMemoryBytes(),
      auditsLogs: true,
      startCleanerThread: () => startThread(new URL('./cleaner-thread.ts', import.meta.url)),
      logLevels: logLevels('INFO', (level) => logger.setLevel(LEVELS[level])),
    });
    stopOnSignal(broker.stop);
    setFlagsFromString(`${YOUNG_GROWTH}=2`);
    const { host, port } = broker.address;
    process.stdout.write(`headrace ready on ${host}:${port}\n${firstSteps(`${host}:${port}`)}`);
  } catch (error) {
    if (error instanceof ConfigurationError) fail(error.problems);
    logger.error({ error }, 'the broker could not start');
    fail([error instanceof Error ? error.message : String(error)]);
  }
}

/** What a newcomer can do next. */
function firstSteps(address: string): string {
  return `
Three things to try:
  echo hello | kcat -b ${address} -P -t greetings            write a record; the topic is made by it
  kcat -b ${address} -C -t greetings -o beginning            read it, and wait for more (Ctrl-C ends it)
  new Kafka({ brokers: ['${address}'] })                     or point the Kafka client that you have at it
`;
}

/** Flags that are other words for settings. */
function shorthands({ port, data, cluster, nodeId }: StartFlags): string[] {
  const settings: string[] = [];
  if (port !== undefined) settings.push(`listeners=PLAINTEXT://127.0.0.1:${port}`);
  if (data !== undefined) settings.push(`log.dirs=${data}`);
  if (cluster !== undefined) settings.push(`metadata.store.connect=${cluster}`);
  if (nodeId !== undefined) settings.push(`node.id=${nodeId}`);
  return settings;
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return fail([
      `--config: ${path} cannot be read (${error instanceof Error ? error.message : String(error)})`,
    ]);
  }
}

/** The first signal stops cleanly, the second at once. */
function stopOnSignal(stop: () => Promise<void>): void {
  let isStopping = false;
  const onSignal = (): void => {
    if (isStopping) process.exit(130);
    isStopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => fail([`the broker did not stop cleanly: ${String(error)}`]),
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function fail(problems: readonly string[]): never {
  for (const problem of problems) process.stderr.write(`headrace: ${problem}\n`);
  process.exit(1);
}

// Starts the broker under test as a process: Headrace, or Apache Kafka 4.3.1 (HEADRACE_INTEROP_TARGET=kafka), which tells a
// fault of the suite from a fault of ours. Both are reached by the same handle.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  copyKafkaStorage,
  installKafkaStorage,
  installKafkaTools,
  JVM_FLAGS,
} from '../../scripts/peer-java.ts';
import { until } from './until.ts';

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;
const ROOT = join(import.meta.dirname, '..', '..');

/** Groups settle at once: nobody in the suites waits for members that might still come. */
const QUICK_GROUPS = {
  'group.initial.rebalance.delay.ms': '0',
  'group.consumer.min.heartbeat.interval.ms': '200',
  'group.consumer.heartbeat.interval.ms': '300',
};

export const TARGET = process.env['HEADRACE_INTEROP_TARGET'] === 'kafka' ? 'kafka' : 'headrace';

/**
 * False for Kafka (4.3.1) in what is about transactions: while a partition has no leader, as all have when the only broker
 * is fenced by a start after SIGKILL or by a pause, Kafka takes it for deleted and lets transactions end without its marker.
 */
export const KEEPS_TRANSACTIONS_WHEN_KILLED = TARGET !== 'kafka';
/** So that Kafka's broker, which has a session with its own controller, is not fenced by a pause or a busy machine. */
export const LONG_SESSION: Readonly<Record<string, string>> =
  TARGET === 'kafka' ? { 'broker.session.timeout.ms': '18000' } : {};

export interface Target {
  /** host:port; stays the same over restarts */
  bootstrap: string;
  /** the folder below which the partitions' folders lie */
  dataDir: string;
  /** the broker's own output so far */
  log(): string;
  /** SIGTERM, and waits for the end; the data stays */
  stop(): Promise<void>;
  /** SIGKILL, and waits for the end */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay, nothing is answered any more */
  pause(): void;
  /** SIGCONT */
  resume(): void;
  /** starts again on the same data and port; stops first when running */
  restart(): Promise<void>;
  /** stops and removes the data */
  discard(): Promise<void>;
}

/** One way to start a broker: prepares the folder, then names the command for a port (0 = the broker chooses). */
interface Launcher {
  dataDir(folder: string): string;
  prepare(folder: string): Promise<void>;
  /** the port of the first start; 0 lets the broker choose */
  firstPort(): Promise<number>;
  command(folder: string, port: number): Promise<string[]>;
  /** resolves with the port once requests are answered */
  ready(output: () => string, port: number): Promise<number>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** `settings` are broker settings by Kafka's names. Errors: PeerMissing when Kafka is the target and cannot be had. */
export async function startTarget({
  settings = {},
  broker = TARGET,
}: { settings?: Record<string, string>; broker?: 'headrace' | 'kafka' } = {}): Promise<Target> {
  const merged = { ...QUICK_GROUPS, ...settings };
  const launcher = broker === 'kafka' ? kafka(merged) : headrace(merged);
  const folder = mkdtempSync(join(tmpdir(), `interop-${broker}-`));
  await launcher.prepare(folder);
  const logPath = join(folder, 'broker.out');
  let child: ChildProcess | undefined;
  let port = await launcher.firstPort();
  let launches = 0;

  const start = async (): Promise<void> => {
    launches += 1;
    const path = `${logPath}.${launches}`;
    const [program, ...args] = await launcher.command(folder, port);
    const file = openSync(path, 'a');
    const errors = openSync(`${path}.err`, 'a');
    const started = spawn(program!, args, { stdio: ['ignore', file, errors], cwd: ROOT, env: environment() });
    child = started;
    running.add(started);
    started.once('exit', () => running.delete(started));
    const output = (): string => {
      if (started.exitCode !== null || started.signalCode !== null) {
        throw new Error(`the broker ended early:\n${readFileSync(`${path}.err`, 'utf8').slice(-3000)}`);
      }
      return readFileSync(path, 'utf8');
    };
    port = await launcher.ready(output, port);
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => ending.once('exit', () => resolve()));
    ending.kill(signal);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      ending.kill('SIGKILL');
    }, STOP_MS_MAX);
    await ended;
    clearTimeout(timer);
    if (late) throw new Error(`the broker did not end within ${STOP_MS_MAX} ms of ${signal}`);
  };

  await start();
  return {
    bootstrap: `127.0.0.1:${port}`,
    dataDir: launcher.dataDir(folder),
    log: () => readLogs(folder),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    restart: async () => {
      await end('SIGTERM');
      await start();
    },
    discard: async () => {
      await end('SIGTERM');
      if (process.env['HEADRACE_INTEROP_KEEP'] === undefined)
        rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A broker would take our own variables, which begin as its settings do, for settings. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADRACE_')));
}

function headrace(settings: Record<string, string>): Launcher {
  const wrapper = join(ROOT, 'bin', 'headrace');
  const program = existsSync(wrapper) ? [wrapper] : [process.execPath, join(ROOT, 'bin', 'headrace.ts')];
  const sets = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  return {
    dataDir: (folder) => join(folder, 'data'),
    prepare: async () => {},
    firstPort: async () => 0,
    command: async (folder, port) => [
      ...program,
      'start',
      '--port',
      String(port),
      '--data',
      join(folder, 'data'),
      ...sets,
    ],
    ready: (output) =>
      until(
        'the broker is ready',
        () => {
          const port = /headrace ready on \S*:(\d+)/.exec(output())?.[1];
          return port === undefined ? undefined : Number(port);
        },
        { timeoutMs: START_MS_MAX, intervalMs: 20 },
      ),
  };
}

function kafka(settings: Record<string, string>): Launcher {
  return {
    dataDir: (folder) => join(folder, 'data'),
    prepare: async (folder) => copyKafkaStorage(await installKafkaStorage(), folder),
    firstPort: freePort,
    command: async (folder, port) => {
      const controllerPort = await freePort();
      const properties: Record<string, string> = {
        'process.roles': 'broker,controller',
        'node.id': '1',
        'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
        'controller.listener.names': 'CONTROLLER',
        listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
        'log.dirs': join(folder, 'data'),
        'metadata.log.dir': join(folder, 'metadata'),
        'offsets.topic.replication.factor': '1',
        'transaction.state.log.replication.factor': '1',
        'transaction.state.log.min.isr': '1',
        'share.coordinator.state.topic.replication.factor': '1',
        'share.coordinator.state.topic.min.isr': '1',
        'broker.session.timeout.ms': '3000',
        'broker.heartbeat.interval.ms': '500',
        ...settings,
      };
      const path = join(folder, 'server.properties');
      writeFileSync(
        path,
        Object.entries(properties)
          .map(([name, value]) => `${name}=${value}`)
          .join('\n'),
      );
      const logging = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';
      return [
        'java',
        ...JVM_FLAGS,
        '-Xmx768m',
        logging,
        '-cp',
        await installKafkaTools(),
        'kafka.Kafka',
        path,
      ];
    },
    ready: (output, port) =>
      until(
        'Kafka listens',
        async () => {
          output();
          return (await accepts(port)) ? port : undefined;
        },
        { timeoutMs: START_MS_MAX, intervalMs: 50 },
      ),
  };
}

/** Kafka opens its clients' port once it can answer, so a connection that is accepted is enough. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
      server.close(() => resolve(address.port));
    });
  });
}

function readLogs(folder: string): string {
  return readdirSync(folder)
    .filter((name) => name.startsWith('broker.out'))
    .sort()
    .map((name) => `--- ${name}\n${readFileSync(join(folder, name), 'utf8')}`)
    .join('\n');
}

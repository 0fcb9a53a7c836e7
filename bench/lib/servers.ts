/**
 * Starts the broker of either side as a process of its own, on loopback, with settings that mean the same. Kafka is the real
 * one (see `scripts/peer-java.ts`), with the heap and JVM flags that its own start script has by default. Both count as ready
 * by the same rule: the time from spawning the process until the port answers an ApiVersions request, tried every 5 ms.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { copyKafkaStorage, installKafkaStorage, installKafkaTools } from '../../scripts/peer-java.ts';
import type { Kind } from './question.ts';
import { quietDisk } from './quiet-disk.ts';
import { discardFolder, freePort, HOST, keptFolder, launch, newFolder, ROOT } from './server-process.ts';
import { requireProc, resetPeak, usageOf, type Usage } from './usage.ts';

export { benchFolder, HOST, ROOT } from './server-process.ts';

/** What `kafka-server-start.sh` and `kafka-run-class.sh` hand to the JVM when nothing else is said. */
export const KAFKA_JVM_FLAGS = [
  '-Xms1g',
  '-Xmx1g',
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-XX:MaxInlineLevel=15',
  '-Djava.awt.headless=true',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
];

/**
 * `relaxed`: an acknowledged record is in the page cache, Kafka's default. `fsync`: it is on the device, Headrace's default.
 * `default`: each side as it comes.
 */
export type Durability = 'relaxed' | 'fsync' | 'default';

export const DURABILITY: Readonly<Record<Kind, Record<Durability, Record<string, string>>>> = {
  headrace: { relaxed: { durability: 'relaxed' }, fsync: { durability: 'fsync' }, default: {} },
  kafka: { relaxed: {}, fsync: { 'log.flush.interval.messages': '1' }, default: {} },
};

export interface ServerOptions {
  readonly durability: Durability;
  /** Broker settings by Kafka's names, for both sides. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The `dataDir` of a server that was stopped: starts again on its data. Default: a new temporary folder. */
  readonly dataDir?: string;
}

export interface Server {
  readonly kind: Kind;
  readonly port: number;
  readonly pid: number;
  /** Everything that the broker keeps. */
  readonly dataDir: string;
  /** In it, the folder below which the partitions' folders lie. */
  readonly logDir: string;
  /** From spawning the process until it answered its first request. */
  readonly readyMs: number;
  /** How it was started, for the document. */
  readonly settingsText: string;
  usage(): Usage;
  /** Lets `usage().rssPeakMiB` begin anew. */
  resetPeak(): void;
  /** SIGTERM, and waits for the end; the data stays. Milliseconds that it took. */
  stop(): Promise<number>;
  /** SIGKILL, and waits for the end; the data stays. */
  kill(): Promise<void>;
  /** Stops when running, and removes the data. */
  discard(): Promise<void>;
}

/**
 * Waits for a quiet device first.
 * Errors: PeerMissing when Kafka cannot be installed; what the broker printed when it ends early.
 */
export async function start(kind: Kind, options: ServerOptions): Promise<Server> {
  requireProc();
  const dataDir = options.dataDir === undefined ? newFolder(kind) : keptFolder(options.dataDir);
  await quietDisk(dataDir);
  const settings = { ...DURABILITY[kind][options.durability], ...options.settings };
  const port = await freePort();
  const command = await commandOf(kind, { dataDir, port, settings });
  const { pid, readyMs, end } = await launch(command, { name: kind, dataDir, port });
  return {
    kind,
    port,
    pid,
    dataDir,
    logDir: path.join(dataDir, 'data'),
    readyMs,
    settingsText: settingsText(kind, settings),
    usage: () => usageOf(pid),
    resetPeak: () => resetPeak(pid),
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
    discard: async () => {
      await end('SIGTERM');
      discardFolder(dataDir);
    },
  };
}

/** How a side is started with these options, as a sentence for the document. */
export function describe(kind: Kind, options: ServerOptions): string {
  return settingsText(kind, { ...DURABILITY[kind][options.durability], ...options.settings });
}

export function settingsText(kind: Kind, settings: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(settings).map(([name, value]) => `\`${name}=${value}\``);
  const given = pairs.length === 0 ? 'its defaults' : `its defaults but ${pairs.join(', ')}`;
  return kind === 'headrace' ? `Headrace: ${given}.` : `Kafka: ${given}; heap of 1 GiB, G1.`;
}

interface Launch {
  readonly dataDir: string;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
}

async function commandOf(kind: Kind, { dataDir, port, settings }: Launch): Promise<string[]> {
  const logDir = path.join(dataDir, 'data');
  if (kind === 'headrace') {
    const sets = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    return [path.join(ROOT, 'bin', 'headrace'), 'start', '--port', String(port), '--data', logDir, ...sets];
  }
  mkdirSync(dataDir, { recursive: true });
  if (!existsSync(path.join(dataDir, 'metadata'))) copyKafkaStorage(await installKafkaStorage(), dataDir);
  const controllerPort = await freePort();
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${HOST}:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://${HOST}:${port},CONTROLLER://${HOST}:${controllerPort}`,
    'log.dirs': logDir,
    'metadata.log.dir': path.join(dataDir, 'metadata'),
    'num.network.threads': '3',
    'num.io.threads': '8',
    // One broker cannot hold more replicas.
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    ...settings,
  };
  const file = path.join(dataDir, 'server.properties');
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  writeFileSync(file, lines.join('\n'));
  return ['java', ...KAFKA_JVM_FLAGS, '-cp', await installKafkaTools(), 'kafka.Kafka', file];
}

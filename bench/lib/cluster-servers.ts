/**
 * Starts three brokers of either side as a cluster on loopback, with settings that mean the same: Headrace around one etcd,
 * Kafka with three nodes that are brokers and KRaft controllers at once, each with the heap and flags of its own start script.
 * Either way a topic has three replicas and `min.insync.replicas=2` unless it says otherwise, and consensus is written to the
 * device. The cluster is ready when every broker tells of all three.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { copyKafkaStorage, installKafkaStorage, installKafkaTools } from '../../scripts/peer-java.ts';
import { installEtcd } from '../../scripts/peer-etcd.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { WireClient } from '../wire-client.ts';
import type { Kind } from './question.ts';
import { quietDisk } from './quiet-disk.ts';
import { discardFolder, freePort, HOST, launch, newFolder, ROOT, type Launched } from './server-process.ts';
import { DURABILITY, KAFKA_JVM_FLAGS, settingsText, type Durability } from './servers.ts';
import { requireProc, resetPeak, usageOf, type Usage } from './usage.ts';

export const BROKERS = 3;
/** Both sides alike, by Kafka's names. */
export const CLUSTER_SETTINGS = { 'default.replication.factor': '3', 'min.insync.replicas': '2' } as const;

const FORMED_MS_MAX = 120_000;
const FORMED_POLL_MS = 50;

export interface ClusterNode {
  /** From 1. */
  readonly id: number;
  readonly port: number;
  /** In it, the folder below which the partitions' folders lie. */
  readonly logDir: string;
  /** Of the process that runs, or ran last. */
  readonly pid: number;
  isRunning(): boolean;
  usage(): Usage;
  /** SIGTERM, and waits for the end; the data stays. Milliseconds that it took. */
  stop(): Promise<number>;
  /** SIGKILL, and waits for the end; the data stays. */
  kill(): Promise<void>;
  /** Again after its end, on the same port and data; until its port answers. Milliseconds that it took. */
  restart(): Promise<number>;
}

/** Of all processes: what somebody pays for who runs the cluster. */
export interface ClusterUsage extends Pick<Usage, 'cpuSeconds' | 'rssMiB' | 'rssPeakMiB'> {
  readonly brokers: readonly Usage[];
  /** The part of etcd; undefined with Kafka, whose brokers do its work themselves. */
  readonly etcd: Usage | undefined;
}

export interface Cluster {
  readonly kind: Kind;
  readonly nodes: readonly ClusterNode[];
  readonly dataDir: string;
  /** From the first process until all brokers knew of each other. */
  readonly readyMs: number;
  /** How it was started, for the document. */
  readonly settingsText: string;
  /** The node with this id. */
  node(id: number): ClusterNode;
  /** Throws while a node does not run. */
  usage(): ClusterUsage;
  /** Lets every `rssPeakMiB` begin anew. */
  resetPeak(): void;
  /** Ends all that runs and removes the data. */
  discard(): Promise<void>;
}

export interface ClusterOptions {
  readonly durability: Durability;
  /** Broker settings by Kafka's names, for both sides. */
  readonly settings?: Readonly<Record<string, string>>;
  /** False: begins although the device is still at work for others, as tests may. */
  readonly waitsForDisk?: boolean;
}

interface Place {
  readonly id: number;
  readonly dataDir: string;
  readonly port: number;
}

/**
 * Waits for a quiet device first.
 * Errors: PeerMissing when Kafka or etcd cannot be installed; what a process printed when it ends early.
 */
export async function startCluster(kind: Kind, options: ClusterOptions): Promise<Cluster> {
  requireProc();
  const dataDir = newFolder(`${kind}-cluster`);
  if (options.waitsForDisk !== false) await quietDisk(dataDir);
  const settings = settingsOf(kind, options);
  const places: Place[] = [];
  for (let id = 1; id <= BROKERS; id++) {
    const place = { id, dataDir: path.join(dataDir, `broker-${id}`), port: await freePort() };
    mkdirSync(place.dataDir);
    places.push(place);
  }
  const etcdPort = kind === 'headrace' ? await freePort() : 0;
  const commands = kind === 'headrace' ? headraceCommands : kafkaCommands;
  const all = await commands(places, settings, etcdPort);
  const startedAt = performance.now();
  const etcd = kind === 'headrace' ? await startEtcd(dataDir, etcdPort) : undefined;
  let nodes: ClusterNode[] = [];
  const discard = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.kill()));
    await etcd?.end('SIGKILL');
    discardFolder(dataDir);
  };
  try {
    nodes = await Promise.all(places.map((place, index) => startNode(kind, place, all[index])));
    await formed(places);
  } catch (error) {
    await discard();
    throw error;
  }
  return {
    kind,
    nodes,
    dataDir,
    readyMs: performance.now() - startedAt,
    settingsText: settingsText(kind, settings),
    node: (id) => nodes[id - 1],
    usage: () => together(nodes, etcd),
    resetPeak: () => {
      for (const { pid } of nodes) resetPeak(pid);
      if (etcd !== undefined) resetPeak(etcd.pid);
    },
    discard,
  };
}

/** How a side is started with these options, as a sentence for the document. */
export function describeCluster(kind: Kind, options: ClusterOptions): string {
  const text = settingsText(kind, settingsOf(kind, options)).replace(/\.$/, '');
  return kind === 'headrace'
    ? `${text}; three brokers, one etcd that syncs its log.`
    : `${text} each; three nodes, each broker and controller.`;
}

function settingsOf(kind: Kind, { durability, settings }: ClusterOptions): Record<string, string> {
  return { ...DURABILITY[kind][durability], ...CLUSTER_SETTINGS, ...settings };
}

async function startNode(kind: Kind, place: Place, command: readonly string[]): Promise<ClusterNode> {
  const { id, port, dataDir } = place;
  const start = (): Promise<Launched> => launch(command, { name: `${kind} ${id}`, dataDir, port });
  let current = await start();
  return {
    id,
    port,
    logDir: path.join(dataDir, 'data'),
    get pid() {
      return current.pid;
    },
    isRunning: () => current.isRunning(),
    usage: () => usageOf(current.pid),
    stop: () => current.end('SIGTERM'),
    kill: async () => void (await current.end('SIGKILL')),
    restart: async () => {
      if (current.isRunning()) throw new Error(`${kind} ${id} is still running`);
      current = await start();
      return current.readyMs;
    },
  };
}

function together(nodes: readonly ClusterNode[], etcd: Launched | undefined): ClusterUsage {
  const brokers = nodes.map((node) => node.usage());
  const etcdUsage = etcd === undefined ? undefined : usageOf(etcd.pid);
  const every = etcdUsage === undefined ? brokers : [...brokers, etcdUsage];
  const sum = (pick: (usage: Usage) => number): number => every.reduce((total, one) => total + pick(one), 0);
  return {
    cpuSeconds: sum((one) => one.cpuSeconds),
    rssMiB: sum((one) => one.rssMiB),
    rssPeakMiB: sum((one) => one.rssPeakMiB),
    brokers,
    etcd: etcdUsage,
  };
}

async function startEtcd(dataDir: string, port: number): Promise<Launched> {
  const program = await installEtcd();
  const clients = `http://${HOST}:${port}`;
  const peers = `http://${HOST}:${await freePort()}`;
  const args = [
    '--name=one',
    `--data-dir=${path.join(dataDir, 'etcd')}`,
    `--listen-client-urls=${clients}`,
    `--advertise-client-urls=${clients}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=one=${peers}`,
    '--log-level=warn',
  ];
  const probe = async (): Promise<void> => {
    const answer = await fetch(`${clients}/health`);
    const { health } = (await answer.json()) as { health: string };
    if (health !== 'true') throw new Error('etcd is not healthy');
  };
  return launch([program, ...args], { name: 'etcd', dataDir, port, outputPrefix: 'etcd-', probe });
}

async function headraceCommands(
  places: readonly Place[],
  settings: Readonly<Record<string, string>>,
  etcdPort: number,
): Promise<string[][]> {
  const sets = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  return places.map(({ id, port, dataDir }) => [
    path.join(ROOT, 'bin', 'headrace'),
    'start',
    `--cluster=etcd://${HOST}:${etcdPort}`,
    `--node-id=${id}`,
    `--port=${port}`,
    `--data=${path.join(dataDir, 'data')}`,
    ...sets,
  ]);
}

async function kafkaCommands(
  places: readonly Place[],
  settings: Readonly<Record<string, string>>,
): Promise<string[][]> {
  const storage = await installKafkaStorage();
  const classpath = await installKafkaTools();
  const controllers: { id: number; port: number }[] = [];
  for (const { id } of places) controllers.push({ id, port: await freePort() });
  const voters = controllers.map(({ id, port }) => `${id}@${HOST}:${port}`).join(',');
  return places.map(({ id, port, dataDir }) => {
    copyKafkaStorage(storage, dataDir);
    for (const folder of ['data', 'metadata']) renumber(path.join(dataDir, folder), id);
    const properties: Record<string, string> = {
      'process.roles': 'broker,controller',
      'node.id': String(id),
      'controller.quorum.voters': voters,
      'controller.listener.names': 'CONTROLLER',
      listeners: `PLAINTEXT://${HOST}:${port},CONTROLLER://${HOST}:${controllers[id - 1].port}`,
      'log.dirs': path.join(dataDir, 'data'),
      'metadata.log.dir': path.join(dataDir, 'metadata'),
      'num.network.threads': '3',
      'num.io.threads': '8',
      ...settings,
    };
    const file = path.join(dataDir, 'server.properties');
    const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
    writeFileSync(file, lines.join('\n'));
    return ['java', ...KAFKA_JVM_FLAGS, '-cp', classpath, 'kafka.Kafka', file];
  });
}

/** A formatted folder of node 1 becomes one of another node: a folder's id may occur once in a cluster. */
function renumber(folder: string, id: number): void {
  const file = path.join(folder, 'meta.properties');
  // A UUID as Kafka writes it; one that begins with a hyphen looks like an option to its tools.
  const directoryId = `A${randomBytes(16).toString('base64url').slice(1)}`;
  const text = readFileSync(file, 'utf8')
    .replace(/^node\.id=.*$/m, `node.id=${id}`)
    .replace(/^directory\.id=.*$/m, `directory.id=${directoryId}`);
  writeFileSync(file, text);
}

async function formed(places: readonly Place[]): Promise<void> {
  for (const late = performance.now() + FORMED_MS_MAX; ; await delay(FORMED_POLL_MS)) {
    const known = await Promise.all(places.map(({ port }) => brokersKnownTo(port)));
    if (known.every((count) => count === BROKERS)) return;
    if (performance.now() > late) throw new Error(`the brokers know of ${known.join(', ')} of ${BROKERS}`);
  }
}

async function brokersKnownTo(port: number): Promise<number> {
  const client = await WireClient.connect(HOST, port);
  try {
    const body = {
      topics: [],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    };
    const { brokers } = await client.call(MetadataRequest, MetadataResponse, { version: 9, body });
    return brokers.length;
  } finally {
    client.close();
  }
}

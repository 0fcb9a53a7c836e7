/** A cluster on hosts of its own: etcd, brokers on disks of their own, and a wire (wire.ts) before two listeners of each. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WireClient } from '../../bench/wire-client.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { LoopDisk } from './disks.ts';
import type { Host } from './network.ts';
import { cleanEnvironment, Service } from './processes.ts';
import { Wire } from './wire-control.ts';

const ROOT = join(import.meta.dirname, '..', '..');
export const PORTS = { direct: 9092, proxied: 9093, peers: 9094 } as const;
/** A wire listens on a listener's port and this. */
const WIRED = 100;
const ETCD_CLIENT_PORT = 2379;
const ETCD_PEER_PORT = 2380;
const CALL_MS_MAX = 3_000;
const METADATA_VERSION = 12;

export interface ClusterPlan {
  readonly brokers: readonly Host[];
  readonly stores: readonly Host[];
  /** Where logs and disks lie. */
  readonly folder: string;
  readonly etcd: string;
  /** The library that shifts the clock of a process, where there is one. */
  readonly clockLibrary: string | undefined;
  readonly settings: Readonly<Record<string, string>>;
}

export interface PartitionState {
  readonly topic: string;
  readonly partition: number;
  /** -1: none. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

export interface Broker {
  readonly id: number;
  readonly host: Host;
  readonly service: Service;
  readonly disk: LoopDisk;
  readonly wire: Wire;
  readonly dataFolder: string;
  /** Shifts its wall clock from now on. */
  shiftClock(seconds: number): void;
}

export class Cluster {
  readonly brokers: readonly Broker[];
  readonly stores: readonly Service[];

  constructor(plan: ClusterPlan) {
    this.stores = plan.stores.map((host, index) => storeService(plan, host, index));
    this.brokers = plan.brokers.map((host, index) => makeBroker(plan, host, index + 1));
  }

  async start(): Promise<void> {
    for (const store of this.stores) void store.start();
    await delay(500);
    for (const { disk } of this.brokers) disk.make();
    await Promise.all(this.brokers.map(({ wire }) => wire.start()));
    const ready = await Promise.all(this.brokers.map(({ service }) => service.start()));
    const failed = ready.indexOf(false);
    if (failed >= 0)
      throw new Error(`broker ${failed + 1} did not start: see ${this.brokers[failed]!.service.launch.log}`);
  }

  /** At once. */
  async end(): Promise<void> {
    await Promise.all(
      [
        ...this.brokers.map(({ service }) => service),
        ...this.brokers.map(({ wire }) => wire.service),
        ...this.stores,
      ].map((service) => service.kill()),
    );
    for (const { disk } of this.brokers) disk.remove();
  }

  bootstrap(kind: 'direct' | 'proxied'): string {
    const port = kind === 'direct' ? PORTS.direct : PORTS.proxied + WIRED;
    return this.brokers.map(({ host }) => `${host.address}:${port}`).join(',');
  }

  /** As the first broker that answers sees them; undefined when none does. */
  async partitions(): Promise<PartitionState[] | undefined> {
    for (const { service, host } of this.brokers) {
      if (!service.isRunning || service.isPaused) continue;
      const found = await partitionsAt(host.address).catch(() => undefined);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

async function partitionsAt(address: string): Promise<PartitionState[]> {
  let client: WireClient | undefined;
  const asking = (async () => {
    client = await WireClient.connect(address, PORTS.direct);
    const { topics } = await client.call(MetadataRequest, MetadataResponse, {
      version: METADATA_VERSION,
      body: {
        topics: null,
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      },
    });
    return topics.flatMap((topic) =>
      topic.partitions.map((one) => ({
        topic: topic.name ?? '',
        partition: one.partitionIndex,
        leader: one.leaderId,
        replicas: one.replicaNodes,
        inSync: one.isrNodes,
      })),
    );
  })();
  try {
    return await Promise.race([
      asking,
      delay(CALL_MS_MAX, undefined, { ref: false }).then(() => {
        throw new Error('no answer');
      }),
    ]);
  } finally {
    client?.close();
    asking.catch(() => {});
  }
}

function storeService({ stores, folder, etcd }: ClusterPlan, host: Host, index: number): Service {
  const peer = (one: Host): string => `http://${one.address}:${ETCD_PEER_PORT}`;
  const client = `http://${host.address}:${ETCD_CLIENT_PORT}`;
  const members = stores.map((one, n) => `member-${n}=${peer(one)}`).join(',');
  const command = [
    etcd,
    `--name=member-${index}`,
    `--data-dir=${join(folder, `etcd-${index}`)}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer(host)}`,
    `--initial-advertise-peer-urls=${peer(host)}`,
    `--initial-cluster=${members}`,
    '--log-level=warn',
  ];
  return new Service({ host, command, log: join(folder, `etcd-${index}.log`), env: cleanEnvironment() });
}

function makeBroker(plan: ClusterPlan, host: Host, id: number): Broker {
  const { folder, stores, settings, clockLibrary } = plan;
  const disk = new LoopDisk(folder, `disk-${id}`);
  const dataFolder = join(disk.mount, 'data');
  const listeners = Object.entries(PORTS).map(([name, port]) => ({ name: name.toUpperCase(), port }));
  const advertised = listeners.map(
    ({ name, port }) => `${name}://${host.address}:${name === 'DIRECT' ? port : port + WIRED}`,
  );
  const all = {
    listeners: listeners.map(({ name, port }) => `${name}://${host.address}:${port}`).join(','),
    'advertised.listeners': advertised.join(','),
    'listener.security.protocol.map': listeners.map(({ name }) => `${name}:PLAINTEXT`).join(','),
    'inter.broker.listener.name': 'PEERS',
    'allow.insecure.listeners': 'true',
    ...settings,
  };
  const location = `etcd://${stores.map(({ address }) => `${address}:${ETCD_CLIENT_PORT}`).join(',')}`;
  const command = [
    process.execPath,
    join(ROOT, 'bin', 'headrace.ts'),
    'start',
    `--cluster=${location}`,
    `--node-id=${id}`,
    `--data=${dataFolder}`,
    ...Object.entries(all).map(([name, value]) => `--set=${name}=${value}`),
  ];
  const clock = join(folder, `clock-${id}`);
  const shiftClock = (seconds: number): void =>
    writeFileSync(clock, `${seconds >= 0 ? '+' : ''}${seconds}\n`);
  shiftClock(0);
  const env = cleanEnvironment(
    clockLibrary === undefined
      ? {}
      : {
          LD_PRELOAD: clockLibrary,
          FAKETIME_TIMESTAMP_FILE: clock,
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
          FAKETIME_CACHE_DURATION: '1',
          FAKETIME_NO_CACHE: '0',
        },
  );
  const service = new Service({
    host,
    command,
    env,
    log: join(folder, `broker-${id}.log`),
    sign: 'headrace ready',
  });
  const wire = new Wire({
    host,
    log: join(folder, `wire-${id}.log`),
    routes: [PORTS.proxied, PORTS.peers].map((port) => ({ from: port + WIRED, to: port })),
  });
  return { id, host, service, disk, wire, dataFolder, shiftClock };
}

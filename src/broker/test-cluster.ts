/** For tests: several brokers in one process, with a simulated network between them and one metadata store for all. */
import { MemoryStoreServer } from '../metadata/memory-store.ts';
import type { MetadataStore } from '../base/ports.ts';
import { SimulatedTime } from '../runtime/simulated-clock.ts';
import { SimulatedNetwork } from '../runtime/simulated-network.ts';
import type { SimulatedDiskOptions, Unsynced } from '../runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import type { Authorizer } from '../security/authorizer.ts';
import { startBroker, type Broker } from './broker.ts';
import { TestClient } from './test-client.ts';

export const BROKER_PORT = 9092;
const SEED = 11;
const SETTLE_MS = 120_000;

export interface Member {
  readonly host: string;
  readonly ports: SimulatedPorts;
  readonly store: MetadataStore;
  readonly broker: Broker;
}

export interface TestClusterOptions {
  readonly configs?: Readonly<Record<string, string>>;
  /** Of one broker, besides. */
  readonly configsOf?: (nodeId: number) => Readonly<Record<string, string>>;
  /** Without it, one listener. */
  readonly listeners?: (host: string) => string;
  readonly authorizer?: Authorizer;
  /** The disk of a broker. */
  readonly diskOf?: (nodeId: number) => Partial<SimulatedDiskOptions>;
}

export class TestCluster {
  readonly time = new SimulatedTime({ seed: SEED });
  readonly network = new SimulatedNetwork({ time: this.time, seed: SEED });
  /** The machine of the metadata store, and of clients. */
  readonly ports = simulatedPorts({ seed: SEED, host: 'elsewhere', time: this.time, network: this.network });
  readonly store = new MemoryStoreServer({ timers: this.ports.timers, random: this.ports.random });
  readonly members = new Map<number, Member>();
  readonly #options: TestClusterOptions;
  #clients = 0;

  constructor(options: TestClusterOptions = {}) {
    this.#options = options;
  }

  /** Starts a broker on a host of its own, and lets its registration reach the others. */
  start(nodeId: number): Promise<Member> {
    const { time, network } = this;
    const disk = this.#options.diskOf?.(nodeId) ?? {};
    return this.#start(
      nodeId,
      simulatedPorts({ seed: SEED + nodeId, host: `host${nodeId}`, time, network, disk }),
    );
  }

  /** Kills a broker, if it has not stopped, and starts it again on its disk: 'keep' when only its process has died. */
  restart(nodeId: number, unsynced: Unsynced): Promise<Member> {
    const { ports, store } = this.member(nodeId);
    const next = ports.restart(unsynced);
    void store.close();
    return this.#start(nodeId, next);
  }

  async #start(nodeId: number, ports: SimulatedPorts): Promise<Member> {
    const { host } = ports;
    const { configs, configsOf, authorizer, listeners } = this.#options;
    const given = {
      'node.id': String(nodeId),
      listeners: listeners?.(host) ?? `PLAINTEXT://${host}:${BROKER_PORT}`,
      'allow.insecure.listeners': 'true',
      ...configs,
      ...configsOf?.(nodeId),
    };
    const store = this.store.connect(ports);
    const broker = await this.settle(
      startBroker({
        ports,
        store,
        configs: new Map(Object.entries(given)),
        ...(authorizer === undefined ? {} : { authorizer }),
      }),
    );
    const member = { host, ports, store, broker };
    this.members.set(nodeId, member);
    await this.pass(10);
    return member;
  }

  member(nodeId: number): Member {
    return this.members.get(nodeId)!;
  }

  /** A client of the broker's first listener, or of this one. */
  async connect(nodeId: number, listener?: string): Promise<TestClient> {
    this.#clients += 1;
    const network = this.network.port(`client${this.#clients}`, this.ports.process);
    const { host, broker } = this.member(nodeId);
    const { port } = broker.addresses.find((one) => one.listener === listener) ?? broker.address;
    return new TestClient(await this.settle(network.connect(host, port)), this);
  }

  settle<T>(promise: Promise<T>, limitMs = SETTLE_MS): Promise<T> {
    return this.time.settle(promise, limitMs);
  }

  /** Lets time go on. */
  async pass(ms: number): Promise<void> {
    await this.settle(new Promise<void>((resolve) => this.time.schedule(ms, resolve)), 2 * ms + 1_000);
  }

  async stop(): Promise<void> {
    for (const { broker } of this.members.values()) await this.settle(broker.stop());
  }
}

/** A cluster of brokers 1 to `count`; the first is the controller. */
export async function testCluster(count: number, options: TestClusterOptions = {}): Promise<TestCluster> {
  const cluster = new TestCluster(options);
  for (let nodeId = 1; nodeId <= count; nodeId++) await cluster.start(nodeId);
  return cluster;
}

/**
 * Brokers of a cluster without their data: each with a store of its own to one simulated etcd, an image, a controller that
 * may claim, and a membership. They can be killed, stopped for a while and cut off from the store.
 */
import type { Session } from '../src/base/ports.ts';
import { randomUuid } from '../src/base/uuid.ts';
import { NO_BROKER_CONFIGS } from '../src/metadata/configs/resolve.ts';
import { ControllerDuty } from '../src/metadata/controller-duty.ts';
import { Controller } from '../src/metadata/controller.ts';
import { isAlive } from '../src/metadata/controller/partition-change.ts';
import { follow } from '../src/metadata/follow.ts';
import { ClusterImage } from '../src/metadata/image.ts';
import { brokerKey, partitionKey } from '../src/metadata/keys.ts';
import { Membership, type LastLife } from '../src/metadata/membership.ts';
import { MemoryStoreServer, type MemoryStoreClient } from '../src/metadata/memory-store.ts';
import { encodeRecord, PartitionRecord } from '../src/metadata/records.ts';
import { SimulatedProcess } from '../src/runtime/simulated-clock.ts';
import { simulatedPorts, type SimulatedPorts } from '../src/runtime/simulated-ports.ts';

export const SESSION_TTL_MS = 6_000;
const DIRECTORY = 'directory of one';
const NOTHING_LOST: LastLife = { epoch: -1, hasLost: () => false };

export interface MetadataNode {
  readonly nodeId: number;
  readonly process: SimulatedProcess;
  readonly store: MemoryStoreClient;
  readonly image: ClusterImage;
  readonly controller: Controller;
  readonly membership: Membership;
  readonly duty: ControllerDuty;
  /** Epochs of its registrations. */
  readonly epochs: number[];
}

export class MetadataCluster {
  readonly ports: SimulatedPorts;
  readonly server: MemoryStoreServer;
  readonly nodes: MetadataNode[] = [];
  /** Sees everything, at once. */
  readonly image = new ClusterImage();

  private constructor(seed: number) {
    this.ports = simulatedPorts({ seed });
    this.server = new MemoryStoreServer(this.ports);
  }

  static async start(count: number, seed = 1): Promise<MetadataCluster> {
    const cluster = new MetadataCluster(seed);
    await follow(cluster.server.connect(cluster.ports), cluster.image, cluster.ports);
    for (let nodeId = 1; nodeId <= count; nodeId++) cluster.nodes.push(await cluster.startNode(nodeId));
    return cluster;
  }

  get time() {
    return this.ports.time;
  }

  async startNode(nodeId: number, lastLife: LastLife = NOTHING_LOST): Promise<MetadataNode> {
    const { logger, random } = this.ports;
    const process = new SimulatedProcess(this.time);
    const ports = { clock: process.clock, timers: process.timers, random, logger };
    const store = this.server.connect(ports);
    const image = new ClusterImage();
    await this.time.settle(follow(store, image, ports));
    const { clock } = ports;
    const brokerConfigs = () => NO_BROKER_CONFIGS;
    const controller = new Controller({ store, image, nodeId, random, clock, logger, brokerConfigs });
    await this.time.settle(controller.createCluster());
    const incarnationId = randomUuid(random);
    const registration = { nodeId, incarnationId, rack: null, endpoints: [], directories: [DIRECTORY] };
    const epochs: number[] = [];
    const membership = new Membership({
      hasLost: () => false,
      store,
      controller,
      registration: () => registration,
      sessionTtlMs: SESSION_TTL_MS,
      onRegistered: (epoch) => void epochs.push(epoch),
      isRegistered: (epoch) => image.brokers.get(nodeId)?.epoch === epoch,
      onSession: () => duty.sessionChanged(),
      ports,
    });
    const duty = new ControllerDuty({
      controller,
      image,
      nodeId,
      session: (): Session | undefined => membership.session,
      rebalance: () => ({ isEnabled: true, intervalMs: 300_000 }),
      ports,
    });
    image.onChange(({ brokersChanged }) => {
      if (brokersChanged) membership.brokersChanged();
    });
    await this.time.settle(membership.join(lastLife));
    await this.time.settle(duty.start());
    return { nodeId, process, store, image, controller, membership, duty, epochs };
  }

  /** The node that decides at the moment, as the store has it. */
  get controller(): MetadataNode | undefined {
    return this.nodes.find(({ nodeId }) => nodeId === this.image.controllerId);
  }

  async createTopic(name: string, partitionCount: number, configs: Record<string, string> = {}) {
    const topic = {
      name,
      numPartitions: partitionCount,
      replicationFactor: Math.min(3, this.nodes.length),
      assignments: [],
      configs: Object.entries(configs).map(([config, value]) => ({ name: config, value })),
    };
    const [outcome] = await this.time.settle(this.controller!.controller.createTopics([topic]));
    if (outcome.errorCode !== 0) throw new Error(`${name}: ${outcome.errorMessage}`);
  }

  partitions() {
    return [...this.image.topics.values()].flatMap(({ partitions }) => partitions);
  }

  /** As leaders do once all followers have everything: alive replicas are in sync again. */
  catchUp(): void {
    for (const { id, partitions } of this.image.topics.values()) {
      for (const partition of partitions) {
        const isr = partition.replicas.filter((one) => isAlive(this.image, one));
        if (partition.leader < 0 || isr.length === partition.isr.length) continue;
        const key = partitionKey(id, partition.partition);
        const next = { ...partition, isr, elr: [], partitionEpoch: partition.partitionEpoch + 1 };
        const value = encodeRecord(PartitionRecord, next);
        const members = isr.map((one) => ({
          key: brokerKey(one),
          createRevision: this.image.brokers.get(one)!.epoch,
        }));
        const { modRevision } = this.image.keyRevisions(key);
        this.server.apply([{ key, modRevision }, ...members], [{ type: 'put', key, value }]);
      }
    }
  }
}

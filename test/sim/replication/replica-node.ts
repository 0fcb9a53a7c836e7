/**
 * One broker, as far as replication goes: its disk and logs, its view of the cluster, the partitions, the in-sync changes
 * of what it leads, the fetches of what it follows, and the handler that serves other brokers' fetches. All of it is the
 * broker's own; what is missing is the network, whose place `Wires` takes, and the clients.
 */
import type { Session } from '../../../src/base/ports.ts';
import { SlabPool } from '../../../src/base/slab-pool.ts';
import { randomUuid } from '../../../src/base/uuid.ts';
import type { RequestContext } from '../../../src/broker/context.ts';
import { DelayedFetches } from '../../../src/broker/delayed-fetch.ts';
import { FetchSessions } from '../../../src/broker/fetch-session.ts';
import { fetch } from '../../../src/broker/handlers/01-fetch.ts';
import { ExpectedFollowers } from '../../../src/broker/expected-followers.ts';
import type { Services } from '../../../src/broker/services.ts';
import { LogDirectories } from '../../../src/log/log-directories.ts';
import type { TopicSettings } from '../../../src/metadata/configs/topic-settings.ts';
import { depart, departing } from '../../../src/metadata/controller/departure.ts';
import type { LeadershipRules } from '../../../src/metadata/controller/leadership-rules.ts';
import { changeInSync, type InSyncChange } from '../../../src/metadata/controller/in-sync.ts';
import { evictBroker, registerBroker } from '../../../src/metadata/controller/registration.ts';
import { follow, type Follower } from '../../../src/metadata/follow.ts';
import { ClusterImage } from '../../../src/metadata/image.ts';
import type { MemoryStoreClient, MemoryStoreServer } from '../../../src/metadata/memory-store.ts';
import { transact } from '../../../src/metadata/transact.ts';
import { KafkaError } from '../../../src/protocol/errors.ts';
import { Deadlines } from '../../../src/replication/deadlines.ts';
import { FollowerFetcher } from '../../../src/replication/follower-fetcher.ts';
import { InSyncChanges } from '../../../src/replication/in-sync-changes.ts';
import type { Partition } from '../../../src/replication/partition.ts';
import { Partitions } from '../../../src/replication/partitions.ts';
import { MemoryBudget } from '../../../src/rpc/memory-budget.ts';
import { ReplicationTraffic } from '../../../src/replication/replication-traffic.ts';
import type { Peers } from '../../../src/rpc/peers.ts';
import type { SimulatedPorts } from '../../../src/runtime/simulated-ports.ts';

const SESSION_TTL_MS = 150;
const RETRY_MS = 20;
export const LAG_MS = 200;
const FETCHES = {
  fetchMaxBytes: 300,
  fetchMinBytes: 1,
  fetchResponseMaxBytes: 1_000,
  fetchWaitMaxMs: 30,
  fetchBackoffMs: 50,
  socketTimeoutMs: 80,
};

const UNTHROTTLED = {
  leaderThrottledRate: Infinity,
  followerThrottledRate: Infinity,
  quotaWindows: 11,
  quotaWindowMs: 1_000,
};

export function rulesOf({ minInsyncReplicas }: TopicSettings): LeadershipRules {
  return { minInsyncReplicas: () => minInsyncReplicas, mayElectUncleanly: () => false };
}

export interface NodeOptions {
  readonly nodeId: number;
  readonly server: MemoryStoreServer;
  readonly settings: TopicSettings;
  readonly peers: (from: number) => Peers;
}

export class ReplicaNode {
  readonly nodeId: number;
  readonly ports: SimulatedPorts;
  readonly image = new ClusterImage();
  readonly store: MemoryStoreClient;
  /** Its life is over. */
  isDead = false;
  /** It serves, and its partition is there. */
  isUp = false;
  partitions!: Partitions;
  #services!: Services;
  readonly #options: NodeOptions;
  #logDirectories: LogDirectories | undefined;
  #follower: Follower | undefined;
  #inSync: InSyncChanges | undefined;
  #fetcher: FollowerFetcher | undefined;

  constructor(ports: SimulatedPorts, options: NodeOptions) {
    this.nodeId = options.nodeId;
    this.ports = ports;
    this.#options = options;
    this.store = options.server.connect(ports);
  }

  get partition(): Partition | undefined {
    return this.isUp && !this.isDead ? this.partitions.get('t', 0) : undefined;
  }

  /** `onPartition`: called before anything can happen to it. */
  async start(onPartition: (partition: Partition) => void): Promise<void> {
    const { ports, image, nodeId } = this;
    const { settings } = this.#options;
    this.#follower = await this.#follow();
    const slabs = new SlabPool({ keptBytesMax: 1 << 20 });
    const logDirectories = await LogDirectories.open({
      slabs,
      ports,
      directories: ['/d'],
      nodeId,
      clusterId: 'c',
      settingsFor: () => settings,
      topicIdOf: (topic) => image.topics.get(topic)?.id,
      highWatermarkOf: (log) => this.partitions.get(log.topic, log.partition)?.highWatermark ?? 0,
    });
    this.#logDirectories = logDirectories;
    this.partitions = new Partitions({
      nodeId,
      image,
      logDirectories,
      settingsOf: () => settings,
      ports,
      checkpointIntervalMs: 100,
    });
    await this.#register(true);
    this.partitions.start();
    const partition = this.partitions.get('t', 0)!;
    onPartition(partition);
    this.#serve(slabs);
    this.isUp = true;
  }

  #serve(slabs: SlabPool): void {
    const { ports, image, nodeId, partitions } = this;
    const traffic = new ReplicationTraffic(ports.clock, () => UNTHROTTLED);
    const inSync = new InSyncChanges({
      nodeId,
      image,
      ports,
      partitions: () => partitions.all(),
      changeInSync: (change) => this.#changeInSync(change),
      lagTimeMaxMs: () => LAG_MS,
      record: { shrinks: 0, expands: 0, failures: 0 },
    });
    this.#inSync = inSync;
    partitions.onFollowerProgress = (of, follower) => inSync.onProgress(of, follower);
    inSync.start();
    const delayedFetches = new DelayedFetches(ports.timers);
    const expectedFollowers = new ExpectedFollowers(ports, delayedFetches);
    partitions.onLeadership(expectedFollowers);
    this.#services = {
      replicationTraffic: traffic,
      expectedFollowers,
      ports,
      nodeId,
      image,
      partitions,
      deadlines: new Deadlines(ports),
      fetchSessions: new FetchSessions({ clock: ports.clock, random: ports.random, slots: () => 100 }),
      delayedFetches,
      slabs,
      memory: new MemoryBudget({
        limitBytes: 1 << 26,
        frameBytesMax: 1 << 20,
        soon: (callback) => ports.timers.soon(callback),
      }),
    } as unknown as Services;
    this.#fetcher = new FollowerFetcher({
      nodeId,
      peers: this.#options.peers(nodeId),
      ports,
      settings: () => FETCHES,
      traffic,
      rows: () => 1,
      brokerEpoch: () => image.brokers.get(nodeId)?.epoch ?? -1,
    });
    partitions.onReplicas(this.#fetcher);
  }

  async #follow(): Promise<Follower> {
    for (;;) {
      try {
        return await follow(this.store, this.image, this.ports);
      } catch {
        await new Promise<void>((resolve) => this.ports.timers.after(RETRY_MS, resolve));
      }
    }
  }

  /** As dispatch does it. */
  async handleFetch(request: unknown, from: number): Promise<{ body: unknown; onSent: () => void }> {
    const context = {
      apiKey: 1,
      apiVersion: fetch.api.versionMax,
      clientId: `broker-${from}`,
      listener: 'PLAINTEXT',
      principal: { type: 'Broker', name: String(from) },
      connection: { fetchTurns: 0, sendsRegions: false },
      onSent: undefined,
      onDisconnect: () => () => {},
    } as unknown as RequestContext;
    const body: unknown = await fetch.handle(request, context, this.#services);
    return { body, onSent: () => context.onSent?.() };
  }

  async #changeInSync(change: InSyncChange): Promise<'done' | 'stale' | 'refused' | 'retry'> {
    const { minInsyncReplicas } = this.#options.settings;
    try {
      return await transact(this.store, this.image, () =>
        changeInSync(this.image, change, minInsyncReplicas),
      );
    } catch (error) {
      if (error instanceof KafkaError) return 'retry';
      throw error;
    }
  }

  async #register(isFormerLifeOver: boolean): Promise<void> {
    const { image, nodeId, store, ports } = this;
    for (let isFirst = isFormerLifeOver; !this.isDead; isFirst = false) {
      let session: Session | undefined;
      try {
        session = await store.session(SESSION_TTL_MS);
        let [isRegistered, isLost] = [false, false];
        session.onLost = () => {
          isLost = true;
          if (isRegistered) void this.#register(false);
        };
        if (isFirst) await transact(store, image, () => evictBroker(image, nodeId));
        await this.#depart();
        const registration = {
          nodeId,
          incarnationId: randomUuid(ports.random),
          rack: null,
          endpoints: [],
          directories: ['directory of one'],
        };
        const { id } = session;
        const { errorCode } = await transact(store, image, () => registerBroker(image, registration, id));
        isRegistered = errorCode === 0 && !isLost;
        if (isRegistered) return;
        await session.close();
      } catch {
        // The store does not answer. What it may have registered must not stay alive.
        session?.close().catch(() => {});
      }
      await new Promise<void>((resolve) => ports.timers.after(RETRY_MS, resolve));
    }
  }

  /** What this broker led it must not lead on in the same epoch: in fsync mode its log may be shorter than it was. */
  #depart(): Promise<void> {
    const { image, nodeId, store } = this;
    const departure = { rules: rulesOf(this.#options.settings), hasLost: () => false };
    return transact(store, image, () =>
      depart(image, { ...departure, nodeId, partitions: departing(image, nodeId, departure) }),
    );
  }

  /** The process is gone, with what was not on its disk, if it was the machine. */
  crash(): void {
    this.isDead = true;
    this.ports.kill({ powerCut: true });
    this.#follower?.stop();
    this.#inSync?.stop();
    this.#fetcher?.stop();
    void this.store.close();
  }

  /** At the very end: lets go of everything that this test process holds. */
  release(): void {
    this.crash();
    this.#logDirectories?.release();
  }
}

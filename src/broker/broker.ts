/**
 * A whole broker, put together from its parts: `startBroker` resolves when clients are served. The order is that of
 * dependence: settings, metadata store and image, log directories with recovery, listeners (bound, but not served yet),
 * registration, partitions, coordinators, and then the requests that may have come in meanwhile.
 */
import { join } from 'node:path';
import type { MetadataStore, Ports, Thread } from '../base/ports.ts';
import { SlabPool } from '../base/slab-pool.ts';
import { printUuid, randomUuid } from '../base/uuid.ts';
import { GroupCoordinator } from '../groups/group-coordinator.ts';
import type { LogLimits } from '../log/environment.ts';
import { LogDirectories } from '../log/log-directories.ts';
import { brokerConfigSources } from '../metadata/broker-sources.ts';
import type { BrokerSettings } from '../metadata/configs/broker-settings.ts';
import { NO_BROKER_CONFIGS, type BrokerConfigSources } from '../metadata/configs/resolve.ts';
import { topicSettings } from '../metadata/configs/topic-settings.ts';
import { Controller } from '../metadata/controller.ts';
import { openFileStore } from '../metadata/file-store.ts';
import { untilReachable } from '../metadata/until-reachable.ts';
import { follow } from '../metadata/follow.ts';
import { ClusterImage } from '../metadata/image.ts';
import { ProducerIds } from '../metadata/producer-ids.ts';
import { TRANSACTION_VERSION } from '../metadata/features.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../metadata/topic-names.ts';
import { Deadlines } from '../replication/deadlines.ts';
import { Partitions } from '../replication/partitions.ts';
import { ReplicationTraffic } from '../replication/replication-traffic.ts';
import { defaultBudgetBytes, MemoryBudget } from '../rpc/memory-budget.ts';
import { Server, type ServerLimits } from '../rpc/server.ts';
import { allowAll, type Authorizer } from '../security/authorizer.ts';
import { TransactionCoordinator } from '../transactions/transaction-coordinator.ts';
import { advertisedRanges, rangesForBrokers } from './api-versions.ts';
import { ClusterDecisions } from './cluster-decisions.ts';
import { ClusterMarkers } from './cluster-markers.ts';
import { placeAlone, placeAmongOthers } from './cluster-place.ts';
import type { RequestSink } from '../rpc/server-connection.ts';
import type { ConnectionState } from './context.ts';
import { coordinate } from './coordinators.ts';
import { CurrentSettings, readSettings } from './current-settings.ts';
import { DelayedFetches } from './delayed-fetch.ts';
import { Dispatcher } from './dispatch.ts';
import { ExpectedFollowers } from './expected-followers.ts';
import { Forwarding } from './forwarding.ts';
import { FetchSessions } from './fetch-session.ts';
import { HANDLERS } from './handlers.ts';
import { ListenerSasl } from './listener-sasl.ts';
import { ListenerTlsKeeper } from './listener-tls.ts';
import {
  advertised,
  checkListeners,
  checkNoAuthorizer,
  CONNECTION_HOOKS,
  listen,
  serverLimits,
  type ListenerAddress,
} from './listening.ts';
import { logLevels, type LogLevels } from './log-levels.ts';
import { LocalMarkers } from './marker-writer.ts';
import { BrokerPeers } from './peers.ts';
import { replicate } from './replication.ts';
import { replicationMetrics, type ReplicationMetrics } from './replication-metrics.ts';
import { StartGate } from './start-gate.ts';
import { ConfigurationError, startProblem } from './start-problem.ts';
import type { Services } from './services.ts';
import { TopicCreation } from './topic-creation.ts';
import { TransactionVerifier } from './transaction-verifier.ts';

export { ConfigurationError } from './start-problem.ts';
export type { ListenerAddress } from './listening.ts';

export interface BrokerOptions {
  readonly ports: Ports;
  /** The static configuration, by Kafka's names. */
  readonly configs?: ReadonlyMap<string, string>;
  /**
   * The store that the brokers of a cluster share. Without it this broker is alone, with the embedded store in its first
   * log directory. The broker closes either when it stops.
   */
  readonly store?: MetadataStore;
  readonly limits?: Partial<ServerLimits>;
  /** What the machine, or the container, has; a part of it is the limit for requests and answers together. */
  readonly memoryBytes?: number;
  /** What the logs together may keep in memory and open. */
  readonly logLimits?: Omit<LogLimits, 'producerIdExpirationMs'>;
  /** Starts the thread that compacts logs (bin/cleaner-thread.ts); without it that is done on the main loop. */
  readonly startCleanerThread?: () => Thread;
  /** In a cluster: looks at all that is in the logs at the start, and copies anew what is damaged. */
  readonly auditsLogs?: boolean;
  /** Without it, everybody may do everything. */
  readonly authorizer?: Authorizer;
  /** What clients see and set of the process's logger. */
  readonly logLevels?: LogLevels;
  /** What stands between connections and handlers, for tests that make requests fail. */
  readonly interposes?: (sink: RequestSink<ConnectionState>) => RequestSink<ConnectionState>;
}

export interface Broker {
  /** Where the first listener listens. */
  readonly address: ListenerAddress;
  readonly addresses: readonly ListenerAddress[];
  readonly services: Services;
  replicationMetrics(): ReplicationMetrics;
  /** Finishes what has begun, makes everything durable and lets go of everything. May be called more than once. */
  stop(): Promise<void>;
}

/** The metadata store's file in the first log directory. */
const STORE_FILE = 'headrace.metadata';
/** What was appended last, up to this part of the machine's memory, counts as being in the system's page cache. */
const RECENT_PART_OF_MEMORY = 1 / 8;
/** Buffers for frames and reads that wait for their next use. */
const SLAB_BYTES_KEPT_MAX = 32 * 1024 * 1024;
const STOP_GRACE_MS = 5_000;
/** Rejects with ConfigurationError where the problem is one that a setting mends. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const undo: (() => unknown)[] = [];
  try {
    return await start(options, undo);
  } catch (error) {
    for (const step of undo.reverse()) await Promise.resolve(step()).catch(() => {});
    const problem = startProblem(error);
    throw problem === undefined ? error : new ConfigurationError([problem], { cause: error });
  }
}

async function start(options: BrokerOptions, undo: (() => unknown)[]): Promise<Broker> {
  const { ports } = options;
  const { logger } = ports;
  const statics = options.configs ?? new Map<string, string>();
  const settings = readSettings({ ...NO_BROKER_CONFIGS, static: statics }, ports);
  const listeners = checkListeners(settings, statics);
  if (options.authorizer === undefined) checkNoAuthorizer(settings);
  const nodeId = settings.node.id;

  const store = options.store ?? openStore(settings, ports);
  undo.push(() => store.close());
  const image = new ClusterImage();
  const reach = <T>(work: () => Promise<T>): Promise<T> =>
    untilReachable(work, { limitMs: settings.replication.initialBrokerRegistrationTimeoutMs, ports });
  const follower = await reach(() => follow(store, image, ports));
  undo.push(() => follower.stop());
  const configSources = (): BrokerConfigSources => brokerConfigSources(image, nodeId, statics);
  const { random, clock } = ports;
  const controller = new Controller({
    store,
    image,
    nodeId,
    random,
    clock,
    logger,
    brokerConfigs: configSources,
  });
  const clusterId = await reach(() => controller.createCluster());
  const current = new CurrentSettings(settings, image, () => readSettings(configSources(), ports));

  const settingsOf = (topic: string) => topicSettings(image.configs('TOPIC', topic), configSources());
  const slabs = new SlabPool({ keptBytesMax: SLAB_BYTES_KEPT_MAX });
  const logDirectories = await LogDirectories.open({
    slabs,
    ...(options.memoryBytes === undefined
      ? undefined
      : { recentBytesMax: Math.floor(options.memoryBytes * RECENT_PART_OF_MEMORY) }),
    ...options.logLimits,
    ports,
    directories: settings.log.dirs,
    nodeId,
    clusterId,
    settingsFor: settingsOf,
    checkpointIntervalMs: settings.log.flushOffsetCheckpointIntervalMs,
    retentionIntervalMs: settings.log.retentionCheckIntervalMs,
    producerIdExpirationMs: settings.log.producerIdExpirationMs,
    producerIdExpirationCheckIntervalMs: settings.log.producerIdExpirationCheckIntervalMs,
    topicIdOf: (topic) => image.topics.get(topic)?.id,
    highWatermarkOf: (log) => partitions.get(log.topic, log.partition)?.highWatermark ?? log.durableEndOffset,
    moveBytesPerSecond: () => current.value.replication.alterLogDirsBytesPerSecond,
    cleaner: {
      settings: () => current.value.log.cleaner,
      ...(options.startCleanerThread === undefined ? {} : { startThread: options.startCleanerThread }),
    },
  });
  undo.push(() => logDirectories.shutdown());

  const deadlines = new Deadlines(ports);
  undo.push(() => deadlines.stop());
  const partitions = new Partitions({
    nodeId,
    image,
    logDirectories,
    settingsOf,
    ports,
    checkpointIntervalMs: settings.replication.highWatermarkCheckpointIntervalMs,
  });
  const groups = new GroupCoordinator({
    ports,
    settings: () => current.value,
    partitionCount: () =>
      image.topics.get(OFFSETS_TOPIC)?.partitions.length ?? current.value.offsets.topic.numPartitions,
  });
  undo.push(() => groups.shutdown());
  const tls = new ListenerTlsKeeper({ listeners, sources: configSources, ports });
  undo.push(() => tls.stop());
  image.onChange(({ configsChanged }) => {
    if (configsChanged.some(({ type }) => type === 'BROKER')) tls.refresh();
  });
  const listener = settings.listeners.interBrokerListenerName;
  const peers = new BrokerPeers({ ports, image, nodeId, listener, slabs, tls: () => tls.clientOf(listener) });
  undo.push(() => peers.close());
  const timeoutMs = (): number => current.value.network.requestTimeoutMs;
  const forwarding = new Forwarding({
    image,
    controller,
    peers,
    ports,
    nodeId,
    handlers: HANDLERS,
    timeoutMsMax: timeoutMs,
  });
  const decisions = new ClusterDecisions({
    nodeId,
    image,
    controller,
    peers,
    forwarding,
    listener,
    timeoutMs,
  });
  const producerIds = new ProducerIds(() => decisions.allocateProducerIds());
  const markers = new LocalMarkers({ image, partitions, groups, clock });
  const transactions = new TransactionCoordinator({
    ports,
    settings: () => current.value,
    partitionCount: () =>
      image.topics.get(TRANSACTIONS_TOPIC)?.partitions.length ??
      current.value.transactions.topic.numPartitions,
    transactionVersion: () => image.features.finalized.get(TRANSACTION_VERSION) ?? 0,
    producerIds,
    markers: new ClusterMarkers({
      nodeId,
      image,
      peers,
      timers: ports.timers,
      local: markers,
      requestTimeoutMs: timeoutMs,
    }),
  });
  undo.push(() => transactions.shutdown());
  const delayedFetches = new DelayedFetches(ports.timers);
  const apis = HANDLERS.map(({ api }) => api);
  const services: Services = {
    ports,
    nodeId,
    settings: () => current.value,
    brokerConfigs: configSources,
    image,
    controller,
    topicCreation: new TopicCreation({
      controller: decisions,
      image,
      settings: () => current.value,
      brokerConfigs: configSources,
      logger,
    }),
    forwarding,
    producerIds,
    logLevels: options.logLevels ?? logLevels('INFO', () => {}),
    groups,
    transactions,
    transactionVerifier: new TransactionVerifier({
      nodeId,
      image,
      peers,
      ports,
      transactions,
      settings: () => ({ requestTimeoutMs: timeoutMs(), ...current.value.transactions }),
    }),
    markers,
    logDirectories,
    partitions,
    deadlines,
    fetchSessions: new FetchSessions({
      clock,
      random,
      slots: () => current.value.fetch.maxIncrementalSessionCacheSlots,
    }),
    delayedFetches,
    expectedFollowers: new ExpectedFollowers(ports, delayedFetches),
    inSyncRecord: { shrinks: 0, expands: 0, failures: 0 },
    replicationTraffic: new ReplicationTraffic(clock, () => current.value.replication),
    slabs,
    memory: memoryBudget(settings, options),
    authorizer: options.authorizer ?? allowAll,
    sasl: new ListenerSasl({ sources: configSources, interBrokerListener: listener, image, random, logger }),
    isAlone: options.store === undefined,
    mayBeFenced: () => place.mayBeFenced(),
    peers,
    apiVersions: advertisedRanges(apis),
    apiVersionsForBrokers: rangesForBrokers(apis),
  };

  const gate = new StartGate<ConnectionState>();
  const server = new Server<ConnectionState>({
    ports,
    sink: gate,
    limits: serverLimits(settings, options.limits),
    budget: services.memory,
    slabs,
    hooks: CONNECTION_HOOKS,
  });
  undo.push(() => server.stop(0));
  const addresses = await listen({ server, listeners, settings, tls, timers: ports.timers });
  const takePlace = options.store === undefined ? placeAlone : placeAmongOthers;
  const place = takePlace({
    nodeId,
    store,
    image,
    controller,
    logDirectories,
    settings: () => current.value,
    durabilityOf: (topic) => settingsOf(topic).durability,
    tls: () => tls.clientOf(listener),
    ports,
  });
  undo.push(() => place.leave());
  const registration = {
    nodeId,
    incarnationId: randomUuid(random),
    rack: settings.node.rack,
    endpoints: advertised(addresses, settings),
  };
  partitions.onLoss = () => place.onLoss();
  await place.join(registration);
  partitions.start();
  // Alone, there is nobody to follow.
  const replication = options.store === undefined ? undefined : replicate(services, { store, settingsOf });
  undo.push(() => replication?.stop());
  coordinate(services);
  const dispatcher = new Dispatcher(services, HANDLERS);
  gate.open(options.interposes?.(dispatcher) ?? dispatcher);
  if (options.auditsLogs === true && options.store !== undefined) logDirectories.startAudit();
  logger.info(
    { nodeId, clusterId, listeners: addresses, incarnation: printUuid(registration.incarnationId) },
    'broker started',
  );

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await place.handOver().catch((error: unknown) => {
      logger.warn({ error }, 'others could not take over before the stop');
    });
    const served = server.stop(STOP_GRACE_MS);
    // Whoever waits for data or for a group would only hold up the end.
    services.delayedFetches.stop();
    groups.shutdown();
    transactions.shutdown();
    forwarding.stop();
    replication?.stop();
    peers.close();
    await allOf([
      () => served,
      () => tls.stop(),
      () => partitions.stop(),
      () => deadlines.stop(),
      () => place.leave(),
      () => follower.stop(),
      () => logDirectories.shutdown({ brokerEpoch: place.epoch() }),
      () => store.close(),
    ]);
    logger.info({ nodeId }, 'broker stopped');
  };
  return {
    address: addresses[0]!,
    addresses,
    services,
    replicationMetrics: () => replicationMetrics(services, services.inSyncRecord),
    stop: () => (stopping ??= stop()),
  };
}

/** One after the other, each whether or not those before it failed: a store that is gone must not keep the logs open. */
async function allOf(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, 'the broker did not stop cleanly');
}

function openStore(settings: BrokerSettings, ports: Ports): MetadataStore {
  const path = join(settings.log.dirs[0]!, STORE_FILE);
  return openFileStore({ disk: ports.disk, random: ports.random, path });
}

function memoryBudget(settings: BrokerSettings, { ports, memoryBytes }: BrokerOptions): MemoryBudget {
  const { queuedMaxRequestBytes, socketRequestMaxBytes } = settings.network;
  return new MemoryBudget({
    limitBytes: queuedMaxRequestBytes > 0 ? queuedMaxRequestBytes : defaultBudgetBytes(memoryBytes),
    frameBytesMax: socketRequestMaxBytes,
    soon: (callback) => ports.timers.soon(callback),
  });
}

/**
 * What a broker is configured to do, as typed values with units, by area: computed at the start and again
 * when dynamic configurations change. Replication factors and minimums of internal topics are the configured
 * ones; whoever makes those topics caps them at the number of live brokers, so that one broker alone works.
 */
import { BROKER_CONFIGS, brokerDefinition, listenerConfigName } from './broker-configs.ts';
import type { ConfigDefinition } from './definition.ts';
import { readListeners } from './listeners.ts';
import type { Findings, ListenerSettings } from './listeners.ts';
import { defaultValue, parseConfig } from './parse.ts';
import { resolveTopicConfig } from './resolve.ts';
import type { BrokerConfigSources } from './resolve.ts';
import { nearMiss } from './near-miss.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';

export type BrokerSettings = Readonly<ReturnType<typeof build>>;

export type BrokerSettingsResult =
  | { readonly ok: true; readonly settings: BrokerSettings; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly errors: readonly string[]; readonly warnings: readonly string[] };

/** Reads all settings. Each error names the setting, what is wrong and what to write instead. */
export function brokerSettings(sources: BrokerConfigSources): BrokerSettingsResult {
  const findings: Findings = { errors: [], warnings: [] };
  checkTexts(sources, findings);
  const read = new Reader(sources);
  const listeners = findings.errors.length > 0 ? undefined : readListeners(listenerTexts(read), findings);
  if (listeners === undefined) return { ok: false, ...findings };
  const settings = build(read, listeners);
  checkTogether(settings, read, findings);
  if (findings.errors.length > 0) return { ok: false, ...findings };
  return { ok: true, settings, warnings: findings.warnings };
}

function listenerTexts(read: Reader): Parameters<typeof readListeners>[0] {
  return {
    listeners: read.list('listeners').join(','),
    advertisedListeners: read.texts('advertised.listeners')?.join(',') ?? null,
    securityProtocolMap: read.string('listener.security.protocol.map'),
    controllerListenerNames: read.texts('controller.listener.names')?.join(',') ?? '',
    interBrokerListenerName: read.text('inter.broker.listener.name'),
    interBrokerProtocol: read.string('security.inter.broker.protocol'),
  };
}

/** Every value of every source: wrong ones are errors, names nobody knows are warnings with a guess. */
function checkTexts(sources: BrokerConfigSources, findings: Findings): void {
  for (const texts of [sources.static, sources.dynamicDefault, sources.dynamicBroker]) {
    for (const [name, text] of texts) {
      const definition = brokerDefinition(name);
      if (definition === undefined) {
        findings.warnings.push(unknownName(name));
        continue;
      }
      const problem = valueProblem(definition, name, text);
      if (problem !== undefined) findings.errors.push(problem);
    }
  }
}

/** The warning about a name that is in no catalogue. */
export function unknownName(name: string): string {
  if (name.startsWith('zookeeper.')) {
    return `${name}: Kafka 4 has no ZooKeeper any more, nor has Headrace; remove the setting`;
  }
  const base = listenerConfigName(name);
  const near = nearMiss(base ?? name, BROKER_CONFIGS.keys());
  if (near === undefined) return `${name}: no such setting, it is ignored`;
  const meant = base === undefined ? near : name.slice(0, -base.length) + near;
  return `${name}: no such setting, it is ignored; did you mean ${meant}?`;
}

/** What is wrong with a value and what to write instead; undefined: it is right. */
export function valueProblem(definition: ConfigDefinition, name: string, text: string): string | undefined {
  const parsed = parseConfig(definition, text);
  if (parsed.ok) return undefined;
  const rule = definition.check?.text ?? '';
  const legal = rule === '' ? '' : ` (legal: ${rule})`;
  const fallback = definition.default === null ? '' : `, or leave it out for ${definition.default || 'none'}`;
  return `${name}: ${parsed.message}; set it to a ${definition.type} value${legal}${fallback}`;
}

/** Relations between settings, those that Kafka refuses to start with. */
function checkTogether(settings: BrokerSettings, read: Reader, findings: Findings): void {
  const { errors, warnings } = findings;
  const { log, network, replication, node } = settings;
  const brokerId = read.number('broker.id');
  if (read.isSet('node.id') && brokerId >= 0 && brokerId !== node.id) {
    errors.push(
      `broker.id: ${brokerId} and node.id ${node.id} differ; set them to the same value, or node.id alone`,
    );
  }
  const retentionMs = Number(read.topicText('retention.ms'));
  if (retentionMs === 0)
    errors.push('log.retention.ms: 0 is not a time to keep anything; set at least 1, or -1 for ever');
  if (Number(read.topicText('segment.ms')) < 1) errors.push('log.roll.ms: must be at least 1');
  const minLag = read.number('log.cleaner.min.compaction.lag.ms');
  const maxLag = read.number('log.cleaner.max.compaction.lag.ms');
  if (minLag > maxLag) {
    errors.push(
      `log.cleaner.min.compaction.lag.ms: ${minLag} is more than log.cleaner.max.compaction.lag.ms ` +
        `${maxLag}; set it to at most that`,
    );
  }
  if (log.dirs.length === 0) errors.push('log.dirs: name at least one directory');
  if (replication.fetchWaitMaxMs > replication.lagTimeMaxMs) {
    errors.push(
      `replica.fetch.wait.max.ms: ${replication.fetchWaitMaxMs} is more than replica.lag.time.max.ms ` +
        `${replication.lagTimeMaxMs}, which drops followers from the in-sync replicas; set it to at most that`,
    );
  }
  if (replication.fetchWaitMaxMs > replication.socketTimeoutMs) {
    errors.push(
      `replica.fetch.wait.max.ms: ${replication.fetchWaitMaxMs} is more than replica.socket.timeout.ms ` +
        `${replication.socketTimeoutMs}; set it to at most that`,
    );
  }
  if (network.queuedMaxRequestBytes > 0 && network.queuedMaxRequestBytes < network.socketRequestMaxBytes) {
    errors.push(
      `queued.max.request.bytes: ${network.queuedMaxRequestBytes} is less than one request may have; ` +
        `set it to at least socket.request.max.bytes ${network.socketRequestMaxBytes}, or -1`,
    );
  }
  if (
    network.connectionsMaxIdleMs >= 0 &&
    network.failedAuthenticationDelayMs >= network.connectionsMaxIdleMs
  ) {
    errors.push(
      `connection.failed.authentication.delay.ms: ${network.failedAuthenticationDelayMs} must be less than ` +
        `connections.max.idle.ms ${network.connectionsMaxIdleMs}`,
    );
  }
  if (network.maxConnectionsPerIp === 0 && network.maxConnectionsPerIpOverrides.size === 0) {
    errors.push(
      'max.connections.per.ip: 0 lets nobody connect; raise it, or set max.connections.per.ip.overrides',
    );
  }
  for (const problem of perIpProblems(read)) errors.push(problem);
  for (const type of ['consumer', 'share', 'streams'] as const) checkGroupBounds(type, read, errors);
  if (settings.groups.classic.minSessionTimeoutMs > settings.groups.classic.maxSessionTimeoutMs) {
    errors.push('group.min.session.timeout.ms: must not be more than group.max.session.timeout.ms');
  }
  if (replication.brokerHeartbeatIntervalMs * 2 > replication.brokerSessionTimeoutMs) {
    warnings.push(
      'broker.heartbeat.interval.ms: should be at most half of broker.session.timeout.ms, ' +
        'or one lost heartbeat fences a broker',
    );
  }
  if (read.boolean('remote.log.storage.system.enable')) {
    warnings.push(
      'remote.log.storage.system.enable: Headrace has no tiered storage, topics cannot turn it on',
    );
  }
}

function checkGroupBounds(type: 'consumer' | 'share' | 'streams', read: Reader, errors: string[]): void {
  for (const rest of ['session.timeout.ms', 'heartbeat.interval.ms', 'assignment.interval.ms']) {
    const [min, own, max] = [
      `group.${type}.min.${rest}`,
      `group.${type}.${rest}`,
      `group.${type}.max.${rest}`,
    ];
    if (read.number(own!) < read.number(min!)) errors.push(`${own} must be greater than or equal to ${min}`);
    if (read.number(own!) > read.number(max!)) errors.push(`${own} must be less than or equal to ${max}`);
  }
  const [session, heartbeat] = [`group.${type}.session.timeout.ms`, `group.${type}.heartbeat.interval.ms`];
  if (read.number(heartbeat!) >= read.number(session!))
    errors.push(`${heartbeat} must be less than ${session}`);
}

const PER_IP_OVERRIDE = /^(.+):(\d+)$/;

function perIpProblems(read: Reader): string[] {
  return read
    .string('max.connections.per.ip.overrides')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '' && !PER_IP_OVERRIDE.test(one))
    .map((one) => `max.connections.per.ip.overrides: ${one} is not of the form address:count`);
}

function perIpOverrides(text: string): ReadonlyMap<string, number> {
  const map = new Map<string, number>();
  for (const one of text.split(',')) {
    const match = PER_IP_OVERRIDE.exec(one.trim());
    if (match !== null) map.set(match[1]!, Number(match[2]));
  }
  return map;
}

/** Typed values of a broker's configurations, all of which were checked before. */
class Reader {
  readonly #sources: BrokerConfigSources;
  constructor(sources: BrokerConfigSources) {
    this.#sources = sources;
  }

  isSet(name: string): boolean {
    const { static: fixed, dynamicBroker, dynamicDefault } = this.#sources;
    return fixed.has(name) || dynamicBroker.has(name) || dynamicDefault.has(name);
  }

  number(name: string): number {
    return this.#value(name) as number;
  }

  boolean(name: string): boolean {
    return this.#value(name) as boolean;
  }

  string(name: string): string {
    return this.#value(name) as string;
  }

  /** Null where nothing is set. */
  text(name: string): string | null {
    return this.#value(name) as string | null;
  }

  list(name: string): readonly string[] {
    return this.#value(name) as readonly string[];
  }

  /** As `list`; null where nothing is set. */
  texts(name: string): readonly string[] | null {
    return this.#value(name) as readonly string[] | null;
  }

  /** What topics without their own value get, with units converted. */
  topicText(name: string): string | null {
    return resolveTopicConfig(name, new Map(), this.#sources).value;
  }

  topicNumber(name: string): number {
    const parsed = parseConfig(TOPIC_CONFIGS.get(name)!, this.topicText(name)!);
    return parsed.ok ? (parsed.value as number) : (defaultValue(TOPIC_CONFIGS.get(name)!) as number);
  }

  #value(name: string): unknown {
    const definition = BROKER_CONFIGS.get(name)!;
    const { dynamicBroker, dynamicDefault, static: fixed } = this.#sources;
    const text = dynamicBroker.get(name) ?? dynamicDefault.get(name) ?? fixed.get(name);
    const parsed = text === undefined ? undefined : parseConfig(definition, text);
    return parsed?.ok === true ? parsed.value : defaultValue(definition);
  }
}

/**
 * The text of one setting for one listener, `listener.name.<listener>.<name>` before `name`; secrets
 * included.
 */
export function listenerConfigText(
  name: string,
  listener: string,
  broker: BrokerConfigSources,
): string | undefined {
  const own = `listener.name.${listener.toLowerCase()}.${name}`;
  for (const texts of [broker.dynamicBroker, broker.dynamicDefault, broker.static]) {
    const text = texts.get(own);
    if (text !== undefined) return text;
  }
  for (const texts of [broker.dynamicBroker, broker.dynamicDefault, broker.static]) {
    const text = texts.get(name);
    if (text !== undefined) return text;
  }
  return brokerDefinition(name)?.default ?? undefined;
}

function nodeId(read: Reader): number {
  if (read.isSet('node.id')) return read.number('node.id');
  const brokerId = read.number('broker.id');
  return brokerId >= 0 ? brokerId : read.number('node.id');
}

/** Retention of offsets and the like in the unit everything else has. */
const MINUTE_MS = 60_000;

function build(read: Reader, listeners: ListenerSettings) {
  return {
    listeners,
    node: {
      id: nodeId(read),
      rack: read.text('broker.rack'),
    },
    log: {
      dirs: read.texts('log.dirs') ?? read.list('log.dir'),
      cordonedDirs: read.list('cordoned.log.dirs'),
      durability: read.string('durability') as 'fsync' | 'relaxed',
      retentionCheckIntervalMs: read.number('log.retention.check.interval.ms'),
      initialTaskDelayMs: read.number('log.initial.task.delay.ms'),
      flushSchedulerIntervalMs: read.number('log.flush.scheduler.interval.ms'),
      flushOffsetCheckpointIntervalMs: read.number('log.flush.offset.checkpoint.interval.ms'),
      flushStartOffsetCheckpointIntervalMs: read.number('log.flush.start.offset.checkpoint.interval.ms'),
      recoveryThreadsPerDataDir: read.number('num.recovery.threads.per.data.dir'),
      dirFailureTimeoutMs: read.number('log.dir.failure.timeout.ms'),
      producerIdExpirationMs: read.number('producer.id.expiration.ms'),
      producerIdExpirationCheckIntervalMs: read.number('producer.id.expiration.check.interval.ms'),
      cleaner: {
        enable: read.boolean('log.cleaner.enable'),
        backoffMs: read.number('log.cleaner.backoff.ms'),
        dedupeBufferBytes: read.number('log.cleaner.dedupe.buffer.size'),
        ioBufferBytes: read.number('log.cleaner.io.buffer.size'),
        ioBufferLoadFactor: read.number('log.cleaner.io.buffer.load.factor'),
        ioMaxBytesPerSecond: read.number('log.cleaner.io.max.bytes.per.second'),
      },
    },
    topics: {
      numPartitions: read.number('num.partitions'),
      defaultReplicationFactor: read.number('default.replication.factor'),
      autoCreateEnable: read.boolean('auto.create.topics.enable'),
      deleteEnable: read.boolean('delete.topic.enable'),
      /** What topics without their own value get. */
      retentionMs: read.topicNumber('retention.ms'),
      segmentMs: read.topicNumber('segment.ms'),
    },
    network: {
      socketRequestMaxBytes: read.number('socket.request.max.bytes'),
      socketListenBacklogSize: read.number('socket.listen.backlog.size'),
      connectionSetupTimeoutMs: read.number('socket.connection.setup.timeout.ms'),
      connectionSetupTimeoutMaxMs: read.number('socket.connection.setup.timeout.max.ms'),
      maxConnections: read.number('max.connections'),
      maxConnectionsPerIp: read.number('max.connections.per.ip'),
      /** By address as it was written. */
      maxConnectionsPerIpOverrides: perIpOverrides(read.string('max.connections.per.ip.overrides')),
      maxConnectionCreationRate: read.number('max.connection.creation.rate'),
      /** Negative: never closed for being idle. */
      connectionsMaxIdleMs: read.number('connections.max.idle.ms'),
      failedAuthenticationDelayMs: read.number('connection.failed.authentication.delay.ms'),
      queuedMaxRequests: read.number('queued.max.requests'),
      /** -1: no limit. */
      queuedMaxRequestBytes: read.number('queued.max.request.bytes'),
      requestTimeoutMs: read.number('request.timeout.ms'),
      telemetryMaxBytes: read.number('telemetry.max.bytes'),
      maxRequestPartitionSizeLimit: read.number('max.request.partition.size.limit'),
    },
    fetch: {
      maxBytes: read.number('fetch.max.bytes'),
      maxIncrementalSessionCacheSlots: read.number('max.incremental.fetch.session.cache.slots'),
    },
    groups: {
      rebalanceProtocols: read.list('group.coordinator.rebalance.protocols'),
      appendLingerMs: read.number('group.coordinator.append.linger.ms'),
      classic: {
        minSessionTimeoutMs: read.number('group.min.session.timeout.ms'),
        maxSessionTimeoutMs: read.number('group.max.session.timeout.ms'),
        initialRebalanceDelayMs: read.number('group.initial.rebalance.delay.ms'),
        maxSize: read.number('group.max.size'),
      },
      consumer: {
        assignors: read.list('group.consumer.assignors'),
        maxSize: read.number('group.consumer.max.size'),
        migrationPolicy: read.string('group.consumer.migration.policy').toLowerCase(),
        regexRefreshIntervalMs: read.number('group.consumer.regex.refresh.interval.ms'),
      },
      share: {
        assignors: read.list('group.share.assignors'),
        maxSize: read.number('group.share.max.size'),
        maxShareSessions: read.number('group.share.max.share.sessions'),
        initializeRetryIntervalMs: read.number('group.share.initialize.retry.interval.ms'),
        deadLetterTopicNamePrefix: read.string('errors.deadletterqueue.topic.name.prefix'),
        deadLetterAutoCreateTopics: read.boolean('errors.deadletterqueue.auto.create.topics.enable'),
      },
      streams: {
        assignors: read.list('group.streams.assignors'),
        maxSize: read.number('group.streams.max.size'),
      },
    },
    offsets: {
      metadataMaxBytes: read.number('offset.metadata.max.bytes'),
      commitTimeoutMs: read.number('offsets.commit.timeout.ms'),
      loadBufferBytes: read.number('offsets.load.buffer.size'),
      retentionMs: read.number('offsets.retention.minutes') * MINUTE_MS,
      retentionCheckIntervalMs: read.number('offsets.retention.check.interval.ms'),
      topic: {
        numPartitions: read.number('offsets.topic.num.partitions'),
        replicationFactor: read.number('offsets.topic.replication.factor'),
        segmentBytes: read.number('offsets.topic.segment.bytes'),
        compressionCodec: read.number('offsets.topic.compression.codec'),
      },
    },
    transactions: {
      maxTimeoutMs: read.number('transaction.max.timeout.ms'),
      idExpirationMs: read.number('transactional.id.expiration.ms'),
      abortTimedOutCleanupIntervalMs: read.number(
        'transaction.abort.timed.out.transaction.cleanup.interval.ms',
      ),
      removeExpiredCleanupIntervalMs: read.number(
        'transaction.remove.expired.transaction.cleanup.interval.ms',
      ),
      partitionVerificationEnable: read.boolean('transaction.partition.verification.enable'),
      twoPhaseCommitEnable: read.boolean('transaction.two.phase.commit.enable'),
      addPartitionsRetryBackoffMs: read.number('add.partitions.to.txn.retry.backoff.ms'),
      addPartitionsRetryBackoffMaxMs: read.number('add.partitions.to.txn.retry.backoff.max.ms'),
      loadBufferBytes: read.number('transaction.state.log.load.buffer.size'),
      topic: {
        numPartitions: read.number('transaction.state.log.num.partitions'),
        replicationFactor: read.number('transaction.state.log.replication.factor'),
        minInsyncReplicas: read.number('transaction.state.log.min.isr'),
        segmentBytes: read.number('transaction.state.log.segment.bytes'),
      },
    },
    shareState: {
      writeTimeoutMs: read.number('share.coordinator.write.timeout.ms'),
      loadBufferBytes: read.number('share.coordinator.load.buffer.size'),
      appendLingerMs: read.number('share.coordinator.append.linger.ms'),
      updatesPerSnapshot: read.number('share.coordinator.snapshot.update.records.per.snapshot'),
      coldPartitionSnapshotIntervalMs: read.number('share.coordinator.cold.partition.snapshot.interval.ms'),
      topic: {
        numPartitions: read.number('share.coordinator.state.topic.num.partitions'),
        replicationFactor: read.number('share.coordinator.state.topic.replication.factor'),
        minInsyncReplicas: read.number('share.coordinator.state.topic.min.isr'),
        segmentBytes: read.number('share.coordinator.state.topic.segment.bytes'),
        compressionCodec: read.number('share.coordinator.state.topic.compression.codec'),
        pruneIntervalMs: read.number('share.coordinator.state.topic.prune.interval.ms'),
      },
    },
    replication: {
      lagTimeMaxMs: read.number('replica.lag.time.max.ms'),
      fetchMaxBytes: read.number('replica.fetch.max.bytes'),
      fetchMinBytes: read.number('replica.fetch.min.bytes'),
      fetchResponseMaxBytes: read.number('replica.fetch.response.max.bytes'),
      fetchWaitMaxMs: read.number('replica.fetch.wait.max.ms'),
      fetchBackoffMs: read.number('replica.fetch.backoff.ms'),
      fetchers: read.number('num.replica.fetchers'),
      socketTimeoutMs: read.number('replica.socket.timeout.ms'),
      highWatermarkCheckpointIntervalMs: read.number('replica.high.watermark.checkpoint.interval.ms'),
      selectorClass: read.text('replica.selector.class'),
      autoLeaderRebalanceEnable: read.boolean('auto.leader.rebalance.enable'),
      leaderImbalanceCheckIntervalMs: read.number('leader.imbalance.check.interval.seconds') * 1000,
      uncleanLeaderElectionIntervalMs: read.number('unclean.leader.election.interval.ms'),
      brokerHeartbeatIntervalMs: read.number('broker.heartbeat.interval.ms'),
      brokerSessionTimeoutMs: read.number('broker.session.timeout.ms'),
      controlledShutdownEnable: read.boolean('controlled.shutdown.enable'),
      leaderThrottledRate: read.number('leader.replication.throttled.rate'),
      followerThrottledRate: read.number('follower.replication.throttled.rate'),
    },
    quotas: {
      windows: read.number('quota.window.num'),
      windowMs: read.number('quota.window.size.seconds') * 1000,
      controllerWindows: read.number('controller.quota.window.num'),
      controllerWindowMs: read.number('controller.quota.window.size.seconds') * 1000,
    },
    security: {
      /** Empty: no ACLs. */
      authorizerClassName: read.string('authorizer.class.name'),
      superUsers: read
        .string('super.users')
        .split(';')
        .map((user) => user.trim())
        .filter((user) => user !== ''),
      allowEveryoneIfNoAclFound: read.boolean('allow.everyone.if.no.acl.found'),
      saslEnabledMechanisms: read.list('sasl.enabled.mechanisms'),
      saslMechanismInterBrokerProtocol: read.string('sasl.mechanism.inter.broker.protocol'),
      saslServerMaxReceiveBytes: read.number('sasl.server.max.receive.size'),
      connectionsMaxReauthMs: read.number('connections.max.reauth.ms'),
      delegationToken: {
        maxLifetimeMs: read.number('delegation.token.max.lifetime.ms'),
        expiryTimeMs: read.number('delegation.token.expiry.time.ms'),
        expiryCheckIntervalMs: read.number('delegation.token.expiry.check.interval.ms'),
        /** A secret: never to be logged. Null: delegation tokens are off. */
        secretKey: read.text('delegation.token.secret.key'),
      },
    },
  };
}

/**
 * What a broker is configured to do, as typed values with units, by area: computed at the start and again
 * when dynamic configurations change. Replication factors and minimums of internal topics are the configured
 * ones; whoever makes those topics caps them at the number of live brokers, so that one broker alone works.
 */
import { BrokerReader } from './broker-reader.ts';
import { checkTexts, checkTogether, PER_IP_OVERRIDE } from './broker-rules.ts';
import { readListeners } from './listeners.ts';
import type { Findings, ListenerSettings } from './listeners.ts';
import type { BrokerConfigSources } from './resolve.ts';

export type BrokerSettings = Readonly<ReturnType<typeof build>>;

export type BrokerSettingsResult =
  | { readonly ok: true; readonly settings: BrokerSettings; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly errors: readonly string[]; readonly warnings: readonly string[] };

/** Reads all settings. Each error names the setting, what is wrong and what to write instead. */
export function brokerSettings(sources: BrokerConfigSources): BrokerSettingsResult {
  const findings: Findings = { errors: [], warnings: [] };
  checkTexts(sources, findings);
  const read = new BrokerReader(sources);
  const listeners = findings.errors.length > 0 ? undefined : readListeners(listenerTexts(read), findings);
  if (listeners === undefined) return { ok: false, ...findings };
  const settings = build(read, listeners);
  checkTogether(settings, read, findings);
  if (findings.errors.length > 0) return { ok: false, ...findings };
  return { ok: true, settings, warnings: findings.warnings };
}

function listenerTexts(read: BrokerReader): Parameters<typeof readListeners>[0] {
  return {
    listeners: read.list('listeners').join(','),
    advertisedListeners: read.texts('advertised.listeners')?.join(',') ?? null,
    securityProtocolMap: read.string('listener.security.protocol.map'),
    controllerListenerNames: read.texts('controller.listener.names')?.join(',') ?? '',
    interBrokerListenerName: read.text('inter.broker.listener.name'),
    interBrokerProtocol: read.string('security.inter.broker.protocol'),
  };
}

function perIpOverrides(text: string): ReadonlyMap<string, number> {
  const map = new Map<string, number>();
  for (const one of text.split(',')) {
    const match = PER_IP_OVERRIDE.exec(one.trim());
    if (match !== null) map.set(match[1]!, Number(match[2]));
  }
  return map;
}

function nodeId(read: BrokerReader): number {
  if (read.isSet('node.id')) return read.number('node.id');
  const brokerId = read.number('broker.id');
  return brokerId >= 0 ? brokerId : read.number('node.id');
}

/** Retention of offsets and the like in the unit everything else has. */
const MINUTE_MS = 60_000;

function build(read: BrokerReader, listeners: ListenerSettings) {
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
        threads: read.number('log.cleaner.threads'),
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
      brokerSessionTimeoutMs: read.number('broker.session.timeout.ms'),
      initialBrokerRegistrationTimeoutMs: read.number('initial.broker.registration.timeout.ms'),
      controlledShutdownEnable: read.boolean('controlled.shutdown.enable'),
      leaderThrottledRate: read.number('leader.replication.throttled.rate'),
      followerThrottledRate: read.number('follower.replication.throttled.rate'),
      quotaWindows: read.number('replication.quota.window.num'),
      quotaWindowMs: read.number('replication.quota.window.size.seconds') * 1000,
      alterLogDirsBytesPerSecond: read.number('replica.alter.log.dirs.io.max.bytes.per.second'),
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

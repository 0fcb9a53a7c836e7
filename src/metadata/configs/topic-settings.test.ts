import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupSettings } from './group-settings.ts';
import { NO_BROKER_CONFIGS } from './resolve.ts';
import { topicSettings } from './topic-settings.ts';

const NO_LIMIT = Number.MAX_SAFE_INTEGER;

test("a topic without configuration works with Kafka's defaults, and fsync", () => {
  assert.deepEqual(topicSettings(new Map(), NO_BROKER_CONFIGS), {
    segmentBytes: 1_073_741_824,
    segmentMs: 604_800_000,
    segmentJitterMs: 0,
    segmentIndexBytes: 10_485_760,
    retentionMs: 604_800_000,
    retentionBytes: -1,
    maxMessageBytes: 1_048_588,
    maxDecompressedMessageBytes: 2_147_483_639,
    indexIntervalBytes: 4096,
    fileDeleteDelayMs: 60_000,
    flushMessages: NO_LIMIT,
    flushMs: NO_LIMIT,
    timestampType: 'CreateTime',
    timestampBeforeMaxMs: NO_LIMIT,
    timestampAfterMaxMs: 3_600_000,
    compressionType: 'producer',
    gzipLevel: -1,
    lz4Level: 9,
    zstdLevel: 3,
    cleanupPolicy: { compact: false, delete: true },
    minCompactionLagMs: 0,
    maxCompactionLagMs: NO_LIMIT,
    minCleanableDirtyRatio: 0.5,
    deleteRetentionMs: 86_400_000,
    preallocate: false,
    minInsyncReplicas: 1,
    uncleanLeaderElection: false,
    durability: 'fsync',
    leaderThrottledReplicas: [],
    followerThrottledReplicas: [],
    deadLetterQueue: false,
  });
});

test('overrides and broker settings are seen, and internal.segment.bytes goes below the bound', () => {
  const overrides = new Map(Object.entries({ 'internal.segment.bytes': '100', 'cleanup.policy': '' }));
  const broker = { ...NO_BROKER_CONFIGS, static: new Map(Object.entries({ durability: 'relaxed' })) };
  const settings = topicSettings(overrides, broker);
  assert.equal(settings.segmentBytes, 100);
  assert.deepEqual(settings.cleanupPolicy, { compact: false, delete: false });
  assert.equal(settings.durability, 'relaxed');
});

test('a stored value that does not parse gives way to the default', () => {
  assert.equal(topicSettings(new Map([['retention.ms', 'x']]), NO_BROKER_CONFIGS).retentionMs, 604_800_000);
});

test("a group without configuration works with the broker's", () => {
  const broker = { ...NO_BROKER_CONFIGS, static: new Map([['group.streams.num.standby.replicas', '1']]) };
  assert.deepEqual(groupSettings(new Map(), broker), {
    consumer: { sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5000, assignmentIntervalMs: 1000 },
    share: {
      sessionTimeoutMs: 45_000,
      heartbeatIntervalMs: 5000,
      assignmentIntervalMs: 1000,
      recordLockDurationMs: 30_000,
      deliveryCountLimit: 5,
      partitionMaxRecordLocks: 2000,
      autoOffsetReset: 'latest',
      isolationLevel: 'read_uncommitted',
      renewAcknowledgeEnable: true,
      deadLetterTopic: undefined,
      deadLetterCopyRecord: false,
    },
    streams: {
      sessionTimeoutMs: 45_000,
      heartbeatIntervalMs: 5000,
      assignmentIntervalMs: 1000,
      initialRebalanceDelayMs: 3000,
      numStandbyReplicas: 1,
      numWarmupReplicas: 2,
      acceptableRecoveryLag: 10_000,
      taskOffsetIntervalMs: 60_000,
      assignorName: 'sticky',
      rackAwareAssignmentTags: [],
    },
  });
});

test('a stored group value outside bounds that have moved since is cut to them', () => {
  const broker = {
    ...NO_BROKER_CONFIGS,
    static: new Map([['group.consumer.max.session.timeout.ms', '50000']]),
  };
  const overrides = new Map([['consumer.session.timeout.ms', '60000']]);
  assert.equal(groupSettings(overrides, broker).consumer.sessionTimeoutMs, 50_000);
});

test('a share group may begin a span of time ago', () => {
  const reset = (text: string): unknown =>
    groupSettings(new Map([['share.auto.offset.reset', text]]), NO_BROKER_CONFIGS).share.autoOffsetReset;
  assert.deepEqual(reset('by_duration:P1DT2H3M4.5S'), { byDurationMs: 93_784_500 });
  assert.deepEqual(reset('by_duration:PT5M'), { byDurationMs: 300_000 });
  assert.deepEqual(reset('earliest'), 'earliest');
});

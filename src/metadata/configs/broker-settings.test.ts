import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenerConfigText } from './broker-reader.ts';
import { brokerSettings } from './broker-settings.ts';
import type { BrokerSettings } from './broker-settings.ts';
import { NO_BROKER_CONFIGS } from './resolve.ts';
import type { BrokerConfigSources } from './resolve.ts';

type Pairs = Readonly<Record<string, string>>;

function fromFile(fixed: Pairs): BrokerConfigSources {
  return { ...NO_BROKER_CONFIGS, static: new Map(Object.entries(fixed)) };
}

function good(fixed: Pairs): { settings: BrokerSettings; warnings: readonly string[] } {
  const result = brokerSettings(fromFile(fixed));
  if (!result.ok) assert.fail(result.errors.join('\n'));
  return result;
}

function errors(fixed: Pairs): readonly string[] {
  const result = brokerSettings(fromFile(fixed));
  if (result.ok) assert.fail('the settings were taken');
  return result.errors;
}

test("without any configuration a broker has Kafka's defaults, and number 1", () => {
  const { settings, warnings } = good({});
  assert.deepEqual(warnings, []);
  assert.deepEqual(settings.node, { id: 1, rack: null });
  assert.deepEqual(settings.listeners, {
    listeners: [{ name: 'PLAINTEXT', securityProtocol: 'PLAINTEXT', host: '', port: 9092 }],
    advertisedListeners: [{ name: 'PLAINTEXT', securityProtocol: 'PLAINTEXT', host: '', port: 9092 }],
    interBrokerListenerName: 'PLAINTEXT',
  });
  assert.deepEqual(settings.groups.classic, {
    minSessionTimeoutMs: 6000,
    maxSessionTimeoutMs: 1_800_000,
    initialRebalanceDelayMs: 3000,
    maxSize: 2_147_483_647,
  });
  assert.deepEqual(settings.offsets.topic, {
    numPartitions: 50,
    replicationFactor: 3,
    segmentBytes: 104_857_600,
    compressionCodec: 0,
  });
  assert.equal(settings.offsets.retentionMs, 7 * 24 * 3_600_000);
  assert.equal(settings.log.durability, 'fsync');
  assert.deepEqual(settings.log.dirs, ['data']);
  assert.equal(settings.security.delegationToken.secretKey, null);
});

test("without any configuration transactions have Kafka's limits, and a topic as Kafka's", () => {
  const { settings } = good({});
  const { topic, ...limits } = settings.transactions;
  assert.deepEqual(topic, {
    numPartitions: 50,
    replicationFactor: 3,
    minInsyncReplicas: 2,
    segmentBytes: 104_857_600,
  });
  assert.deepEqual(limits, {
    maxTimeoutMs: 15 * 60_000,
    idExpirationMs: 7 * 24 * 3_600_000,
    abortTimedOutCleanupIntervalMs: 10_000,
    removeExpiredCleanupIntervalMs: 3_600_000,
    partitionVerificationEnable: true,
    twoPhaseCommitEnable: false,
    addPartitionsRetryBackoffMs: 20,
    addPartitionsRetryBackoffMaxMs: 100,
    loadBufferBytes: 5_242_880,
  });
  assert.equal(settings.log.producerIdExpirationMs, 24 * 3_600_000);
});

test('log.dirs counts before log.dir, and retention is read from hours', () => {
  const { settings } = good({ 'log.dirs': '/a,/b', 'log.dir': '/c', 'log.retention.hours': '2' });
  assert.deepEqual(settings.log.dirs, ['/a', '/b']);
  assert.equal(settings.topics.retentionMs, 7_200_000);
});

test('a dynamic value counts before one of the file', () => {
  const sources = {
    ...fromFile({ 'max.connections': '5' }),
    dynamicDefault: new Map([['max.connections', '7']]),
  };
  const result = brokerSettings(sources);
  assert.equal(result.ok && result.settings.network.maxConnections, 7);
});

test('broker.id stands for node.id, and the two may not differ', () => {
  assert.equal(good({ 'broker.id': '7' }).settings.node.id, 7);
  assert.equal(good({ 'node.id': '0' }).settings.node.id, 0);
  assert.deepEqual(errors({ 'broker.id': '7', 'node.id': '8' }), [
    'broker.id: 7 and node.id 8 differ; set them to the same value, or node.id alone',
  ]);
});

test('every wrong value is told, with its name, its rule and the way back', () => {
  assert.deepEqual(errors({ 'num.partitions': '0', 'log.retention.ms': 'week' }), [
    'num.partitions: Invalid value 0 for configuration num.partitions: Value must be at least 1; ' +
      'set it to a INT value (legal: [1,...]), or leave it out for 1',
    'log.retention.ms: Invalid value week for configuration log.retention.ms: Not a number of type LONG; ' +
      'set it to a LONG value',
  ]);
});

test('a name nobody knows is a warning with a guess', () => {
  assert.deepEqual(
    good({ 'log.retention.msx': '1', 'zookeeper.connect': 'a:1', 'completely.different.thing': '1' })
      .warnings,
    [
      'log.retention.msx: no such setting, it is ignored; did you mean log.retention.ms?',
      'zookeeper.connect: Kafka 4 has no ZooKeeper any more, nor has Headrace; remove the setting',
      'completely.different.thing: no such setting, it is ignored',
    ],
  );
  assert.deepEqual(good({ 'listener.name.a.ssl.keystore.locatoin': '/k' }).warnings, [
    'listener.name.a.ssl.keystore.locatoin: no such setting, it is ignored; ' +
      'did you mean listener.name.a.ssl.keystore.location?',
  ]);
});

test('listeners have names, protocols, hosts with or without brackets, and ports', () => {
  const { settings } = good({
    listeners: 'internal://10.0.0.1:9092, PUBLIC://[::1]:0',
    'advertised.listeners': 'PUBLIC://kafka.example.com:19092,INTERNAL://10.0.0.1:9092',
    'listener.security.protocol.map': 'INTERNAL:PLAINTEXT,PUBLIC:SASL_SSL',
    'inter.broker.listener.name': 'internal',
  });
  assert.deepEqual(settings.listeners, {
    listeners: [
      { name: 'INTERNAL', securityProtocol: 'PLAINTEXT', host: '10.0.0.1', port: 9092 },
      { name: 'PUBLIC', securityProtocol: 'SASL_SSL', host: '::1', port: 0 },
    ],
    advertisedListeners: [
      { name: 'PUBLIC', securityProtocol: 'SASL_SSL', host: 'kafka.example.com', port: 19092 },
      { name: 'INTERNAL', securityProtocol: 'PLAINTEXT', host: '10.0.0.1', port: 9092 },
    ],
    interBrokerListenerName: 'INTERNAL',
  });
});

test("the controller listener of Kafka's example file is skipped with a warning", () => {
  const { settings, warnings } = good({
    'process.roles': 'broker,controller',
    listeners: 'PLAINTEXT://:9092,CONTROLLER://:9093',
    'advertised.listeners': 'PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'controller.quorum.bootstrap.servers': 'localhost:9093',
  });
  assert.deepEqual(
    [settings.listeners.listeners.map((one) => one.port), settings.listeners.advertisedListeners.length],
    [[9092], 1],
  );
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^listeners: CONTROLLER is skipped/);
});

test('listeners that cannot work are errors', () => {
  const of = (fixed: Pairs): string => errors(fixed).join('\n');
  assert.match(of({ listeners: 'PLAINTEXT//:9092' }), /^listeners: PLAINTEXT\/\/:9092 is not of the form/);
  assert.match(of({ listeners: 'PLAINTEXT://:65536' }), /not of the form NAME:\/\/host:port/);
  assert.match(
    of({ listeners: 'MINE://:1' }),
    /^listeners: MINE has no security protocol; add MINE:PLAINTEXT/,
  );
  assert.match(of({ listeners: 'SSL://:1,SSL://:2' }), /SSL occurs twice/);
  assert.match(of({ listeners: 'SSL://:1,PLAINTEXT://:1' }), /port 1 occurs twice/);
  assert.match(of({ 'advertised.listeners': 'SSL://a:1' }), /^advertised.listeners: SSL is not in listeners/);
  assert.match(of({ 'advertised.listeners': 'PLAINTEXT://0.0.0.0:1' }), /clients cannot connect to 0.0.0.0/);
  assert.match(
    of({ 'inter.broker.listener.name': 'B' }),
    /^inter.broker.listener.name: B is not in listeners/,
  );
  assert.match(of({ 'listener.security.protocol.map': 'A:B' }), /not of the form NAME:PROTOCOL/);
  assert.match(
    of({ listeners: 'C://:1', 'controller.listener.names': 'C' }),
    /^listeners: no listener for clients is left/,
  );
});

test('settings that contradict each other are errors', () => {
  const cases: readonly (readonly [Pairs, RegExp])[] = [
    [{ 'log.retention.ms': '0' }, /^log.retention.ms: 0/],
    [
      { 'log.cleaner.min.compaction.lag.ms': '2', 'log.cleaner.max.compaction.lag.ms': '1' },
      /^log.cleaner.min/,
    ],
    [{ 'replica.fetch.wait.max.ms': '30001' }, /^replica.fetch.wait.max.ms/],
    [{ 'queued.max.request.bytes': '5' }, /^queued.max.request.bytes/],
    [{ 'connection.failed.authentication.delay.ms': '600000' }, /^connection.failed/],
    [{ 'max.connections.per.ip': '0' }, /^max.connections.per.ip: 0/],
    [{ 'max.connections.per.ip.overrides': '10.0.0.1' }, /^max.connections.per.ip.overrides: 10.0.0.1/],
    [{ 'group.min.session.timeout.ms': '1800001' }, /^group.min.session.timeout.ms/],
    [{ 'group.consumer.session.timeout.ms': '60001' }, /^group.consumer.session.timeout.ms must be less/],
    [{ 'group.share.heartbeat.interval.ms': '4999' }, /^group.share.heartbeat.interval.ms must be greater/],
  ];
  for (const [fixed, expected] of cases) assert.match(errors(fixed).join('\n'), expected);
});

test('limits for single addresses are read, IPv6 included', () => {
  const { settings } = good({ 'max.connections.per.ip.overrides': '10.0.0.1:5, ::1:7' });
  assert.deepEqual(
    [...settings.network.maxConnectionsPerIpOverrides],
    [
      ['10.0.0.1', 5],
      ['::1', 7],
    ],
  );
});

test('super users are separated by semicolons', () => {
  assert.deepEqual(good({ 'super.users': 'User:a;User:CN=b,O=c; ' }).settings.security.superUsers, [
    'User:a',
    'User:CN=b,O=c',
  ]);
});

test("a setting is read for a listener first, then for all, then as Kafka's default", () => {
  const broker = fromFile({ 'listener.name.public.ssl.client.auth': 'required', 'ssl.keystore.type': 'PEM' });
  assert.equal(listenerConfigText('ssl.client.auth', 'PUBLIC', broker), 'required');
  assert.equal(listenerConfigText('ssl.client.auth', 'OTHER', broker), 'none');
  assert.equal(listenerConfigText('ssl.keystore.type', 'PUBLIC', broker), 'PEM');
  assert.equal(listenerConfigText('ssl.keystore.location', 'PUBLIC', broker), undefined);
});

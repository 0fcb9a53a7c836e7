/**
 * Puts the same metadata and administration requests to Kafka 4.4.0 and to our handlers, one after the other, and
 * compares the answers whole. What cannot be alike (ids, addresses, texts of documentation) is made alike first; what
 * differs on purpose is named below. Whole answers of DescribeConfigs are compared in described-configs.test.ts. Needs
 * Java and Maven.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { HANDLERS } from '../../src/broker/handlers.ts';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { apiOf } from '../../src/protocol/apis.ts';
import { brokerBench, complete, type BrokerBench } from '../broker-bench.ts';
import { startKafka, type KafkaBroker } from './kafka-broker.ts';
import { orSkip } from './kafka-jars.ts';

/** Ours alone; and one that Kafka sets for all brokers as long as eligible leader replicas are on, which ours are not. */
const OTHER_CONFIGS = new Set(['durability', 'min.insync.replicas']);
const UNKNOWN_ID = 'unknown id #####';
/** For Kafka's brokers to hear of what its controller decided; ours know when they answer. */
const PROPAGATION_MS = 500;

const TOPIC = 2;
const BROKER = 4;
const BROKER_LOGGER = 8;
const CLIENT_METRICS = 16;
const GROUP = 32;
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3];

interface Exchange {
  readonly name: string;
  readonly key: number;
  readonly versions: readonly number[];
  readonly body: object;
}

const versions = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);
const named = (...names: string[]) => names.map((name) => ({ name }));
const entries = (configs: Record<string, string | null>) =>
  Object.entries(configs).map(([name, value]) => ({ name, value }));
const changes = (...list: (readonly [number, string, string | null])[]) =>
  list.map(([configOperation, name, value]) => ({ configOperation, name, value }));
const resource = (resourceType: number, resourceName: string, configs: object[]) => ({
  resourceType,
  resourceName,
  configs,
});
const topic = (name: string, more: object = {}) => ({
  name,
  numPartitions: 1,
  replicationFactor: 1,
  ...more,
});
const byHand = (...partitions: (readonly [number, readonly number[]])[]) => ({
  numPartitions: -1,
  replicationFactor: -1,
  assignments: partitions.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
});
const create = (name: string, topics: object[], more: object = {}, at = [7]): Exchange => ({
  name: `CreateTopics: ${name}`,
  key: 19,
  versions: at,
  body: { topics, timeoutMs: 10_000, ...more },
});
const metadata = (name: string, body: object, at = [13]): Exchange => ({
  name: `Metadata: ${name}`,
  key: 3,
  versions: at,
  body: { allowAutoTopicCreation: false, ...body },
});
const partitions = (name: string, body: object): Exchange => ({
  name: `DescribeTopicPartitions: ${name}`,
  key: 75,
  versions: [0],
  body,
});
const alter = (name: string, resources: object[], more: object = {}): Exchange => ({
  name: `IncrementalAlterConfigs: ${name}`,
  key: 44,
  versions: [1],
  body: { resources, ...more },
});
const describe = (
  name: string,
  asked: (readonly [number, string, string[]?])[],
  more: object = {},
  at = [4],
): Exchange => ({
  name: `DescribeConfigs: ${name}`,
  key: 32,
  versions: at,
  body: {
    resources: asked.map(([resourceType, resourceName, configurationKeys = null]) => ({
      resourceType,
      resourceName,
      configurationKeys,
    })),
    ...more,
  },
});
const exchange = (name: string, key: number, at: readonly number[], body: object): Exchange => ({
  name: `${apiOf(key)!.name}: ${name}`,
  key,
  versions: at,
  body,
});

const FULL = { includeSynonyms: true, includeDocumentation: true };
const OPERATIONS = { includeTopicAuthorizedOperations: true, includeClusterAuthorizedOperations: true };

/** In this order: later ones rest on what earlier ones made. */
const EXCHANGES: readonly Exchange[] = [
  create('a topic', [topic('a', { numPartitions: 3 })]),
  create('what had been made', [topic('a')], {}, versions(2, 6)),
  create('with configurations', [
    topic('c', { configs: entries({ 'cleanup.policy': 'compact', 'retention.ms': '7' }) }),
  ]),
  create('the defaults', [topic('d', { numPartitions: -1, replicationFactor: -1 })]),
  create('replicas by hand', [topic('h', byHand([1, [1]], [0, [1]]))]),
  create('validateOnly', [topic('v', { numPartitions: 2 }), topic('a')], { validateOnly: true }),
  create(
    'names',
    [...named('', '.', '..', 'a/b', 'ä', 'x'.repeat(250)), topic('__cluster_metadata')].map((one) =>
      topic(one.name),
    ),
  ),
  create('counts', [
    topic('p0', { numPartitions: 0 }),
    topic('p-2', { numPartitions: -2 }),
    topic('r0', { replicationFactor: 0 }),
    topic('r-2', { replicationFactor: -2 }),
    topic('r3', { replicationFactor: 3 }),
  ]),
  create('wrong assignments', [
    topic('h1', { assignments: [{ partitionIndex: 0, brokerIds: [1] }] }),
    topic('h2', { ...byHand([0, [1]]), numPartitions: 1 }),
    topic('h3', byHand([0, []])),
    topic('h4', byHand([0, [9]])),
    topic('h5', byHand([0, [1, 1]])),
    topic('h6', byHand([1, [1]])),
    topic('h7', byHand([0, [1]], [0, [1]])),
  ]),
  create('wrong configurations', [
    topic('n1', { configs: entries({ 'retention.ms': null }) }),
    topic('n2', { configs: entries({ nope: '1' }) }),
    topic('n3', { configs: entries({ 'cleanup.policy': 'shrink' }) }),
    topic('n4', { configs: entries({ 'retention.ms': 'long' }) }),
    topic('n5', { configs: entries({ 'min.compaction.lag.ms': '10', 'max.compaction.lag.ms': '5' }) }),
    topic('n6', { configs: entries({ 'remote.storage.enable': 'true' }) }),
  ]),
  create('a name twice', [topic('twice'), topic('once'), topic('twice')]),
  create('too many partitions', [topic('big', { numPartitions: 20_000 }), topic('small')]),
  create('names for a collision', [topic('x.y'), topic('p_q')]),
  create('collisions', [topic('x_y'), topic('p.q'), topic('x.y')]),
  create('nothing', []),
  metadata('a topic', { topics: named('a'), ...OPERATIONS }, versions(0, 13)),
  metadata(
    'topics that are not there',
    { topics: named('zz', 'b ad', '__consumer_offsets'), ...OPERATIONS },
    versions(4, 13),
  ),
  metadata('all', { topics: null }, versions(1, 13)),
  metadata('all, as version 0 says it', { topics: [] }, [0]),
  metadata('none', { topics: [] }, versions(1, 13)),
  metadata('an unknown id', { topics: [{ name: null, topicId: UNKNOWN_ID }] }, [12, 13]),
  metadata('an id before there were ids', { topics: [{ name: 'a', topicId: UNKNOWN_ID }] }, [10, 11]),
  metadata('no name before there were ids', { topics: [{ name: null }] }, [10, 11]),
  metadata('a name twice', { topics: named('a', 'a') }),
  metadata('automatic creation', { topics: named('auto', 'b ad', ''), allowAutoTopicCreation: true }),
  metadata('what was created automatically', { topics: named('auto') }),
  partitions('names', { topics: named('c', 'a', 'zz', 'b ad', 'a') }),
  partitions('a limit within a topic', { topics: named('a', 'c'), responsePartitionLimit: 2 }),
  partitions('a limit between topics', { topics: named('a', 'c'), responsePartitionLimit: 3 }),
  partitions('no room', { topics: named('a'), responsePartitionLimit: 0 }),
  partitions('from a cursor', { topics: named('a'), cursor: { topicName: 'a', partitionIndex: 2 } }),
  partitions('from beyond a topic', { topics: named('a'), cursor: { topicName: 'a', partitionIndex: 9 } }),
  partitions('a cursor of another topic', {
    topics: named('a'),
    cursor: { topicName: 'b', partitionIndex: 0 },
  }),
  partitions('a cursor that cannot be', {
    topics: named('a'),
    cursor: { topicName: 'a', partitionIndex: -1 },
  }),
  partitions('all', {}),
  exchange('everything', 60, [0, 1, 2], {
    includeClusterAuthorizedOperations: true,
    includeFencedBrokers: true,
  }),
  exchange('other endpoints', 60, [1, 2], { endpointType: 2 }),
  exchange('unknown endpoints', 60, [1, 2], { endpointType: 7 }),
  exchange('some', 37, [3], {
    timeoutMs: 10_000,
    topics: [
      { name: 'a', count: 5, assignments: null },
      { name: 'zz', count: 2, assignments: null },
      { name: 'c', count: 1, assignments: null },
      { name: 'h', count: 1, assignments: null },
      { name: 'd', count: 3, assignments: [{ brokerIds: [1] }] },
      { name: 'auto', count: 2, assignments: [{ brokerIds: [7] }] },
    ],
  }),
  exchange('a name twice', 37, [2, 3], {
    timeoutMs: 10_000,
    topics: [6, 7].map((count) => ({ name: 'a', count, assignments: null })),
  }),
  alter('a topic', [
    resource(TOPIC, 'a', changes([SET, 'retention.ms', '5'], [APPEND, 'cleanup.policy', 'compact'])),
  ]),
  alter('a list', [resource(TOPIC, 'h', changes([SUBTRACT, 'cleanup.policy', 'delete']))]),
  alter('validateOnly', [resource(TOPIC, 'a', changes([SET, 'retention.ms', '99']))], { validateOnly: true }),
  alter('mistakes', [
    resource(TOPIC, 'c', changes([SET, 'nope', '1'])),
    resource(TOPIC, 'zz', changes([SET, 'retention.ms', '1'])),
    resource(TOPIC, 'b ad', changes([SET, 'retention.ms', '1'])),
    resource(TOPIC, '', changes([SET, 'retention.ms', '1'])),
    resource(TOPIC, 'd', changes([APPEND, 'retention.ms', '1'])),
    resource(TOPIC, 'h', changes([SET, 'retention.ms', null])),
    resource(TOPIC, 'auto', changes([SET, 'retention.ms', '1'], [DELETE, 'retention.ms', null])),
    resource(BROKER, '7', changes([SET, 'num.io.threads', '4'])),
    resource(BROKER, 'x', changes([SET, 'num.io.threads', '4'])),
    resource(BROKER, '1', changes([SET, 'log.dirs', 'x'])),
    resource(BROKER, '', changes([SET, 'num.io.threads', 'x'])),
    resource(GROUP, '', changes([SET, 'share.auto.offset.reset', 'earliest'])),
    resource(GROUP, 'bad', changes([SET, 'nope', '1'])),
    resource(GROUP, 'low', changes([SET, 'consumer.session.timeout.ms', '5'])),
    resource(CLIENT_METRICS, 'bad', changes([SET, 'nope', '1'])),
    resource(CLIENT_METRICS, '', changes([SET, 'interval.ms', '1000'])),
    resource(3, 'x', changes([SET, 'a', 'b'])),
    resource(BROKER_LOGGER, '1', changes([SET, 'nobody', 'INFO'])),
    resource(BROKER_LOGGER, '2', changes([SET, 'root', 'INFO'])),
    resource(BROKER_LOGGER, 'x', changes([SET, 'root', 'INFO'])),
  ]),
  ...[changes([SET, 'root', 'LOUD']), changes([DELETE, 'root', null]), changes([APPEND, 'root', 'INFO'])].map(
    (configs) =>
      alter(`a log level, operation ${configs[0].configOperation}`, [resource(BROKER_LOGGER, '1', configs)]),
  ),
  alter('a resource twice', [
    resource(TOPIC, 'a', changes([SET, 'retention.ms', '5'])),
    resource(TOPIC, 'a', changes([SET, 'retention.ms', '6'])),
  ]),
  alter('brokers, metrics and a group', [
    resource(BROKER, '1', changes([SET, 'log.retention.ms', '5000'])),
    resource(BROKER, '', changes([SET, 'log.retention.ms', '6000'], [SET, 'message.max.bytes', '2000000'])),
    resource(CLIENT_METRICS, 'm', changes([SET, 'interval.ms', '1000'], [SET, 'match', 'client_id=x'])),
    resource(GROUP, 'g', changes([SET, 'consumer.session.timeout.ms', '50000'])),
  ]),
  describe('a topic', [[TOPIC, 'a']], FULL, versions(1, 4)),
  describe('some of a topic', [
    [TOPIC, 'a', ['retention.ms', 'nope']],
    [TOPIC, 'h', []],
  ]),
  describe(
    'brokers',
    [[BROKER, '1', ['log.retention.ms', 'message.max.bytes', 'num.io.threads', 'ssl.key.password']]],
    FULL,
  ),
  describe('all brokers', [[BROKER, '']], FULL),
  describe(
    'metrics',
    [
      [CLIENT_METRICS, 'm'],
      [CLIENT_METRICS, 'other'],
    ],
    FULL,
  ),
  describe('a group', [[GROUP, 'g', ['consumer.session.timeout.ms', 'share.session.timeout.ms']]], FULL),
  describe('mistakes', [
    [TOPIC, 'zz'],
    [TOPIC, 'b ad'],
    [BROKER, '7'],
    [BROKER, 'x'],
    [BROKER_LOGGER, ''],
    [BROKER_LOGGER, '7'],
    [CLIENT_METRICS, ''],
    [GROUP, ''],
  ]),
  exchange('replaces', 33, [0, 1, 2], {
    resources: [
      resource(TOPIC, 'a', entries({ 'max.message.bytes': '7000' })),
      resource(TOPIC, 'zz', entries({ 'segment.ms': '7' })),
      resource(BROKER_LOGGER, '1', entries({ root: 'INFO' })),
      resource(TOPIC, 'd', entries({ 'segment.ms': null })),
    ],
  }),
  describe(
    'what was replaced',
    [[TOPIC, 'a', ['max.message.bytes', 'retention.ms', 'cleanup.policy']]],
    FULL,
  ),
  exchange('all', 74, [0, 1], {}),
  exchange('some', 74, [1], { resourceTypes: [GROUP, CLIENT_METRICS] }),
  exchange('an unknown type', 74, [1], { resourceTypes: [TOPIC, 3] }),
  exchange('preferred', 43, [0, 1, 2], {
    topicPartitions: [
      { topic: 'a', partitions: [0, 9] },
      { topic: 'zz', partitions: [0] },
    ],
  }),
  exchange('unclean', 43, [1, 2], { electionType: 1, topicPartitions: [{ topic: 'a', partitions: [0] }] }),
  exchange('everything', 43, [2], { topicPartitions: null }),
  exchange('an unknown type', 43, [2], {
    electionType: 5,
    topicPartitions: [{ topic: 'a', partitions: [0] }],
  }),
  exchange('on a broker alone', 45, [0, 1], {
    topics: [
      {
        name: 'a',
        partitions: [[1], [2], null, [], [1, 1]].map((replicas, partitionIndex) => ({
          partitionIndex,
          replicas,
        })),
      },
      { name: 'a', partitions: [{ partitionIndex: 9, replicas: [1] }] },
      { name: 'zz', partitions: [{ partitionIndex: 0, replicas: [1] }] },
    ],
  }),
  exchange('none', 46, [0], { topics: null }),
  exchange('none of these', 46, [0], { topics: [{ name: 'a', partitionIndexes: [0] }] }),
  exchange('another topic', 55, [0, 1, 2], {
    topics: [{ topicName: 'x', partitions: [{ partitionIndex: 0 }] }],
  }),
  exchange('what it is', 57, [0, 1, 2], {
    featureUpdates: [{ feature: 'metadata.version', maxVersionLevel: 33, upgradeType: 1 }],
  }),
  ...[
    { feature: 'metadata.version', maxVersionLevel: 32, upgradeType: 1 },
    { feature: 'metadata.version', maxVersionLevel: 32, upgradeType: 2 },
    { feature: 'metadata.version', maxVersionLevel: 32, upgradeType: 3 },
    { feature: 'metadata.version', maxVersionLevel: 99, upgradeType: 1 },
    { feature: 'nobody.version', maxVersionLevel: 1, upgradeType: 1 },
    { feature: 'metadata.version', maxVersionLevel: 33, upgradeType: 0 },
  ].map((update) =>
    exchange(`${update.feature} ${update.maxVersionLevel}, type ${update.upgradeType}`, 57, [1, 2], {
      featureUpdates: [update],
    }),
  ),
  exchange('a broker that never was', 64, [0], { brokerId: 5 }),
  exchange('an id without an epoch', 22, [3, 4, 5], {
    transactionalId: null,
    producerId: 5,
    producerEpoch: -1,
  }),
  exchange('an empty transactional id', 22, versions(0, 5), { transactionalId: '' }),
  exchange('by name and id', 20, [6], {
    timeoutMs: 10_000,
    topics: [
      ...named('a', 'zz', 'twice', 'twice').map((one) => ({ ...one, topicId: ZERO_UUID })),
      { name: null, topicId: UNKNOWN_ID },
      { name: null, topicId: ZERO_UUID },
      { name: 'c', topicId: UNKNOWN_ID },
    ],
  }),
  exchange('by name', 20, [5], { topicNames: ['d', 'zz', 'zz'], timeoutMs: 10_000 }),
  exchange('by name', 20, [1], { topicNames: ['h', 'b ad'], timeoutMs: 10_000 }),
  metadata('what remains', { topics: null }),
];

/** Makes alike what cannot be, and sorts what has no order. */
function comparable(value: unknown, field = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.filter((one) => !OTHER_CONFIGS.has((one as { name?: string } | null)?.name ?? ''));
    const ordered = items.map((one) => [JSON.stringify(comparable(one)), comparable(one)] as const);
    return ordered.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
  }
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, comparable(member, name)]),
    );
  }
  if (field === 'topicId' && value !== ZERO_UUID && value !== UNKNOWN_ID) return 'an id';
  if (field === 'host' || field === 'port' || field === 'clusterId')
    return value === null ? null : `a ${field}`;
  if (field === 'documentation') return value === null || value === '' ? value : 'a text';
  return value;
}

async function compare(kafka: KafkaBroker, bench: BrokerBench, { key, body }: Exchange, version: number) {
  const handler = HANDLERS.find((one) => one.api.key === key);
  assert.ok(handler !== undefined, `API ${key} has a handler`);
  const theirs = comparable(await kafka.ask(key, version, complete(handler.api.request, body) as object));
  const ours = comparable(await bench.call(handler, version, body));
  await bench.ports.time.advance(1);
  return { theirs, ours };
}

test('administration requests are answered as Kafka answers them', async (t) => {
  const broker = await orSkip(() => startKafka());
  if ('skip' in broker) return t.skip(broker.skip);
  const kafka = broker.have;
  t.after(() => kafka.stop());
  const bench = await brokerBench();
  for (const one of EXCHANGES) {
    for (const version of one.versions) {
      await t.test(`${one.name}, version ${version}`, async () => {
        const { theirs, ours } = await compare(kafka, bench, one, version);
        assert.deepEqual(ours, theirs);
      });
    }
    if (!one.name.startsWith('Describe') && !one.name.startsWith('List')) await delay(PROPAGATION_MS / 5);
    if (one.name.includes('automatic creation') || one.key === 44) await delay(PROPAGATION_MS);
  }
});

/**
 * Whole answers of DescribeConfigs, field by field with all synonyms, from Kafka 4.4.0 and from our handlers: topics and
 * groups with and without values of their own, the broker and all brokers, before and after dynamic changes, on brokers
 * whose files say nothing, and give times in hours. What differs on purpose is named. Needs Java and Maven.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { HANDLERS } from '../../src/broker/handlers.ts';
import { apiOf } from '../../src/protocol/apis.ts';
import { brokerBench, complete } from '../broker-bench.ts';
import { startKafka } from './kafka-broker.ts';
import { orSkip } from './kafka-jars.ts';

/** For Kafka's broker to hear of what its controller decided; ours knows when it answers. */
const PROPAGATION_MS = 1_000;
const TOPIC = 2;
const BROKER = 4;
const GROUP = 32;
const SET = 0;

/** What differs, and why; each must differ somewhere, so that the list stays true. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  durability: 'ours alone',
  'allow.insecure.listeners': 'ours alone',
  'metadata.store.ca.file': 'ours alone',
  'metadata.store.certificate.file': 'ours alone',
  'metadata.store.connect': 'ours alone',
  'metadata.store.key.file': 'ours alone',
  'metadata.store.password': 'ours alone',
  'metadata.store.user': 'ours alone',
  'allow.everyone.if.no.acl.found': "of Kafka's authorizer, which reads it past the broker's configurations",
  'super.users': "of Kafka's authorizer, which reads it past the broker's configurations",
  'follower.replication.throttled.rate': 'shown by Kafka only once it is set',
  'leader.replication.throttled.rate': 'shown by Kafka only once it is set',
  'replica.alter.log.dirs.io.max.bytes.per.second': 'shown by Kafka only once it is set',
  'min.insync.replicas': 'set by Kafka for all brokers as long as eligible leader replicas are on',
  'node.id': 'has no default in Kafka',
  'process.roles': 'has no default in Kafka',
  'log.dir': 'another default folder',
  'log.dirs': 'a folder of each start',
  listeners: 'ports of each start',
  'controller.quorum.voters': 'ports of each start',
};

/**
 * Once the same is set in milliseconds while the broker runs, Kafka shows the default as the value of these, with the file's
 * value as their first synonym and the file as their source; ours stay what the file says.
 */
const SHADOWED = [
  'log.flush.scheduler.interval.ms',
  'log.retention.hours',
  'log.retention.minutes',
  'log.roll.hours',
];

/** What startKafka sets on its own. */
const KAFKA_STATICS = {
  'node.id': '1',
  'process.roles': 'broker,controller',
  'controller.listener.names': 'CONTROLLER',
  'offsets.topic.replication.factor': '1',
};

const FILES: readonly { readonly name: string; readonly settings: Readonly<Record<string, string>> }[] = [
  { name: 'nothing in the file', settings: {} },
  {
    name: 'times in several units in the file',
    settings: {
      'log.retention.hours': '48',
      'log.retention.minutes': '500',
      'log.roll.hours': '100',
      'log.roll.ms': '777777',
      'log.roll.jitter.hours': '2',
      'log.flush.scheduler.interval.ms': '5000',
      'group.consumer.session.timeout.ms': '46000',
      'message.max.bytes': '2000000',
    },
  },
];

const RESOURCES: readonly (readonly [number, string])[] = [
  [TOPIC, 'plain'],
  [TOPIC, 'own'],
  [BROKER, '1'],
  [BROKER, ''],
  [GROUP, 'plain'],
  [GROUP, 'own'],
];

type Ask = (key: number, version: number, body: object) => Promise<unknown>;
interface Config {
  readonly name: string;
  readonly value: string | null;
  readonly synonyms: readonly { name: string; value: string | null; source: number }[];
}
interface Described {
  readonly results: readonly { errorCode: number; configs: readonly Config[] }[];
}

const changes = (values: Record<string, string>) =>
  Object.entries(values).map(([name, value]) => ({ name, value, configOperation: SET }));

async function createTopics(ask: Ask): Promise<void> {
  const own = {
    'retention.ms': '7',
    'segment.ms': '7000',
    'segment.jitter.ms': '7',
    'flush.ms': '9',
    'max.message.bytes': '9000',
    'cleanup.policy': 'compact,delete',
  };
  const one = { numPartitions: 1, replicationFactor: 1 };
  const topics = [
    { name: 'plain', ...one },
    { name: 'own', ...one, configs: changes(own) },
  ];
  await ask(19, 7, { topics, timeoutMs: 10_000 });
  await alter(ask, GROUP, 'own', {
    'share.auto.offset.reset': 'earliest',
    'consumer.session.timeout.ms': '50000',
  });
}

async function alter(ask: Ask, resourceType: number, resourceName: string, values: Record<string, string>) {
  const answer = await ask(44, 1, { resources: [{ resourceType, resourceName, configs: changes(values) }] });
  const { responses } = answer as { responses: { errorCode: number; errorMessage: string }[] };
  assert.equal(responses[0]!.errorCode, 0, responses[0]!.errorMessage);
}

async function change(ask: Ask): Promise<void> {
  await alter(ask, BROKER, '', { 'log.retention.ms': '3600000', 'log.flush.interval.ms': '77' });
  await alter(ask, BROKER, '1', { 'message.max.bytes': '3000000', 'log.roll.ms': '888888' });
}

/** One entry a configuration and resource; documentation counts only by being there. */
async function describe(ask: Ask): Promise<Map<string, unknown>> {
  const resources = RESOURCES.map(([resourceType, resourceName]) => ({
    resourceType,
    resourceName,
    configurationKeys: null,
  }));
  const { results } = (await ask(32, 4, {
    resources,
    includeSynonyms: true,
    includeDocumentation: true,
  })) as Described;
  const entries = new Map<string, unknown>();
  for (const [n, [type, name]] of RESOURCES.entries()) {
    assert.equal(results[n]!.errorCode, 0);
    for (const config of results[n]!.configs) {
      const { documentation, ...rest } = config as Config & { documentation: string | null };
      entries.set(`${type} ${name} ${config.name}`, { ...rest, documented: documentation !== null });
    }
  }
  return entries;
}

test('DescribeConfigs answers as Kafka answers it, whole', async (t) => {
  const differing = new Set<string>();
  const compare = async (kafka: Ask, ours: Ask, shadowed: readonly string[] = []): Promise<void> => {
    const [theirs, answered] = [await describe(kafka), await describe(ours)];
    for (const name of shadowed) {
      const [one, other] = [theirs, answered].map((entries) => entries.get(`${BROKER} 1 ${name}`) as Config);
      assert.notEqual(one!.value, other!.value, name);
      theirs.set(`${BROKER} 1 ${name}`, { ...one, value: other!.value });
    }
    for (const key of new Set([...theirs.keys(), ...answered.keys()])) {
      const name = key.slice(key.lastIndexOf(' ') + 1);
      if (name in EXCEPTIONS) {
        if (!same(answered.get(key), theirs.get(key))) differing.add(name);
      } else assert.deepEqual(answered.get(key), theirs.get(key), key);
    }
    assert.ok(theirs.size > 400, `${theirs.size} configurations were compared`);
  };
  for (const { name, settings } of FILES) {
    const shadowed = SHADOWED.filter((one) => one in settings);
    const broker = await orSkip(() => startKafka(settings));
    if ('skip' in broker) return t.skip(broker.skip);
    const kafka = broker.have;
    t.after(() => kafka.stop());
    const bench = await brokerBench({ configs: { ...KAFKA_STATICS, ...settings } });
    const askKafka: Ask = (key, version, body) =>
      kafka.ask(key, version, complete(apiOf(key)!.request, body) as object);
    const askOurs: Ask = (key, version, body) =>
      bench.call(
        HANDLERS.find((one) => one.api.key === key)!,
        version,
        body,
      );
    for (const ask of [askKafka, askOurs]) await createTopics(ask);
    await delay(PROPAGATION_MS);
    await t.test(name, () => compare(askKafka, askOurs));
    for (const ask of [askKafka, askOurs]) await change(ask);
    await delay(PROPAGATION_MS);
    await t.test(`${name}, after dynamic changes`, () => compare(askKafka, askOurs, shadowed));
  }
  assert.deepEqual([...differing].sort(), Object.keys(EXCEPTIONS).sort());
});

function same(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
}

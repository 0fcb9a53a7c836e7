import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { BROKER_CONFIGS } from '../../metadata/configs/broker-configs.ts';
import { GROUP_CONFIGS } from '../../metadata/configs/group-configs.ts';
import { TOPIC_CONFIGS } from '../../metadata/configs/topic-configs.ts';
import { Errors } from '../../protocol/errors.ts';
import { describeConfigs } from './32-describe-configs.ts';
import { incrementalAlterConfigs } from './44-incremental-alter-configs.ts';

const TOPIC = 2;
const BROKER = 4;
const BROKER_LOGGER = 8;
const CLIENT_METRICS = 16;
const GROUP = 32;

interface Config {
  readonly name: string;
  readonly value: string | null;
  readonly configSource: number;
  readonly synonyms: unknown[];
}

async function describe(
  bench: BrokerBench,
  resourceType: number,
  resourceName: string,
  more: object = {},
  version = 4,
): Promise<{ errorCode: number; errorMessage: string | null; configs: Map<string, Config> }> {
  const resources = [{ resourceType, resourceName, configurationKeys: null }];
  const { results } = await bench.call(describeConfigs, version, { resources, ...more });
  const [{ errorCode, errorMessage, configs }] = results;
  return { errorCode, errorMessage, configs: new Map((configs as Config[]).map((one) => [one.name, one])) };
}

const visible = (catalogue: ReadonlyMap<string, { name: string; internal: boolean }>): string[] =>
  [...catalogue.values()].filter((one) => !one.internal).map((one) => one.name);

async function set(
  bench: BrokerBench,
  resourceType: number,
  resourceName: string,
  configs: Record<string, string>,
) {
  const changes = Object.entries(configs).map(([name, value]) => ({ name, configOperation: 0, value }));
  const resources = [{ resourceType, resourceName, configs: changes }];
  const { responses } = await bench.call(incrementalAlterConfigs, 1, { resources });
  assert.equal(responses[0].errorCode, Errors.NONE, responses[0].errorMessage);
}

test('item 46: every configuration of a topic, with type, documentation and where its value comes from', async () => {
  const bench = await brokerBench({ configs: { 'log.segment.bytes': '2000000' } });
  await bench.createTopic('t', 1, { 'retention.ms': '9' });
  await set(bench, BROKER, '1', { 'message.max.bytes': '500' });
  await set(bench, BROKER, '', { 'message.max.bytes': '600', 'compression.type': 'lz4' });
  const { configs } = await describe(bench, TOPIC, 't', {
    includeSynonyms: true,
    includeDocumentation: true,
  });
  assert.deepEqual([...configs.keys()].sort(), visible(TOPIC_CONFIGS).sort());
  const summary = (name: string) => {
    const { value, configSource, synonyms } = configs.get(name)!;
    return [value, configSource, synonyms];
  };
  assert.deepEqual(
    ['retention.ms', 'max.message.bytes', 'compression.type', 'segment.bytes', 'preallocate'].map(summary),
    [
      ['9', 1, [{ name: 'retention.ms', value: '9', source: 1 }]],
      [
        '500',
        2,
        [
          { name: 'message.max.bytes', value: '500', source: 2 },
          { name: 'message.max.bytes', value: '600', source: 3 },
          { name: 'message.max.bytes', value: '1048588', source: 5 },
        ],
      ],
      [
        'lz4',
        3,
        [
          { name: 'compression.type', value: 'lz4', source: 3 },
          { name: 'compression.type', value: 'producer', source: 5 },
        ],
      ],
      [
        '2000000',
        4,
        [
          { name: 'log.segment.bytes', value: '2000000', source: 4 },
          { name: 'log.segment.bytes', value: '1073741824', source: 5 },
        ],
      ],
      ['false', 5, [{ name: 'log.preallocate', value: 'false', source: 5 }]],
    ],
  );
  const { documentation, configType, readOnly, isSensitive } = configs.get('retention.ms') as Config &
    Record<string, unknown>;
  assert.deepEqual([configType, readOnly, isSensitive, typeof documentation], [5, false, false, 'string']);
});

test('item 46: synonyms and documentation are told only when asked for, in the versions that have them', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  for (const version of [1, 2, 3, 4]) {
    const all = { includeSynonyms: true, includeDocumentation: true };
    const full = (await describe(bench, TOPIC, 't', all, version)).configs.get('segment.bytes') as Config &
      Record<string, unknown>;
    const bare = (await describe(bench, TOPIC, 't', {}, version)).configs.get('segment.bytes') as Config &
      Record<string, unknown>;
    assert.deepEqual(
      [
        full.synonyms.length,
        bare.synonyms.length,
        bare.documentation,
        full.documentation !== null,
        full.configType,
      ],
      version >= 3 ? [1, 0, null, true, 3] : [1, 0, '', true, 0],
      `version ${version}`,
    );
  }
});

test('only the configurations that are asked for are told; an empty list asks for all', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  const keys = async (configurationKeys: string[] | null) => {
    const resources = [{ resourceType: TOPIC, resourceName: 't', configurationKeys }];
    const { results } = await bench.call(describeConfigs, 4, { resources });
    return (results[0].configs as Config[]).map((one) => one.name);
  };
  assert.deepEqual(await keys(['segment.ms', 'no.such', 'cleanup.policy']), ['cleanup.policy', 'segment.ms']);
  assert.equal((await keys([])).length, (await keys(null)).length);
});

test('item 46: every configuration of the broker, those that cannot be changed marked, secrets without a value', async () => {
  const secret = { 'ssl.keystore.password': 'hunter2', 'log.retention.ms': '1000' };
  const bench = await brokerBench({ configs: secret });
  const { configs } = await describe(bench, BROKER, '1', { includeSynonyms: true });
  for (const name of visible(BROKER_CONFIGS)) assert.ok(configs.has(name), name);
  const shown = (name: string) => {
    const { value, configSource, readOnly, isSensitive } = configs.get(name) as Config &
      Record<string, unknown>;
    return [value, configSource, readOnly, isSensitive];
  };
  assert.deepEqual(['ssl.keystore.password', 'log.retention.ms', 'node.id', 'num.io.threads'].map(shown), [
    [null, 4, false, true],
    ['1000', 4, false, false],
    [configs.get('node.id')!.value, 5, true, false],
    ['8', 5, false, false],
  ]);
  assert.ok(!JSON.stringify([...configs]).includes('hunter2'));
});

test('item 46: the broker with the empty name has what is set for all brokers', async () => {
  const bench = await brokerBench();
  await set(bench, BROKER, '', { 'log.retention.ms': '1000' });
  await set(bench, BROKER, '1', { 'log.retention.ms': '2000' });
  const all = await describe(bench, BROKER, '', { includeSynonyms: true });
  assert.deepEqual(
    [...all.configs.values()].map(({ name, value, configSource }) => [name, value, configSource]),
    [['log.retention.ms', '1000', 3]],
  );
  const { value, configSource, synonyms } = (
    await describe(bench, BROKER, '1', { includeSynonyms: true })
  ).configs.get('log.retention.ms')!;
  assert.deepEqual(
    [value, configSource, synonyms.slice(0, 2)],
    [
      '2000',
      2,
      [
        { name: 'log.retention.ms', value: '2000', source: 2 },
        { name: 'log.retention.ms', value: '1000', source: 3 },
      ],
    ],
  );
});

test('item 46: loggers have source 6, client metrics 7, groups 8', async () => {
  const bench = await brokerBench();
  await set(bench, CLIENT_METRICS, 'm', { 'interval.ms': '1000' });
  await set(bench, GROUP, 'g', { 'consumer.session.timeout.ms': '50000' });
  const logger = (await describe(bench, BROKER_LOGGER, '1')).configs.get('root')!;
  const metrics = (await describe(bench, CLIENT_METRICS, 'm')).configs;
  const group = (await describe(bench, GROUP, 'g')).configs;
  assert.deepEqual(
    [
      logger,
      metrics.get('interval.ms')!,
      metrics.get('match')!,
      group.get('consumer.session.timeout.ms')!,
    ].map(({ value, configSource }) => [value, configSource]),
    [
      ['INFO', 6],
      ['1000', 7],
      ['', 5],
      ['50000', 8],
    ],
  );
  assert.deepEqual([...group.keys()].sort(), visible(GROUP_CONFIGS).sort());
  const unknown = await describe(bench, GROUP, 'nobody');
  assert.deepEqual(
    [unknown.errorCode, unknown.configs.size],
    [0, group.size],
    'every group has configurations',
  );
});

test('resources that cannot be are told in Kafka’s words, each for itself', async () => {
  const bench = await brokerBench();
  const asked: [number, string][] = [
    [TOPIC, 'missing'],
    [TOPIC, 'n o'],
    [BROKER, '2'],
    [BROKER, 'two'],
    [BROKER_LOGGER, ''],
    [BROKER_LOGGER, '2'],
    [CLIENT_METRICS, ''],
    [GROUP, ''],
  ];
  const resources = asked.map(([resourceType, resourceName]) => ({
    resourceType,
    resourceName,
    configurationKeys: null,
  }));
  const { results } = await bench.call(describeConfigs, 4, { resources });
  const shown = (results as { errorCode: number; errorMessage: string }[]).map((one) => [
    one.errorCode,
    one.errorMessage,
  ]);
  assert.deepEqual(shown, [
    [3, ''],
    [
      17,
      "Topic name is invalid: 'n o' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
    ],
    [42, 'Unexpected broker id, expected 1 or empty string, but received 2'],
    [42, 'Broker id must be an integer, but it is: two'],
    [42, 'Broker id must not be empty'],
    [42, 'Unexpected broker id, expected 1 but received 2'],
    [42, 'Client metrics subscription name must not be empty'],
    [42, 'Group name must not be empty'],
  ]);
});

test('a type that nobody knows fails the request', async () => {
  const bench = await brokerBench();
  const { errorCode } = await describe(bench, 3, 'x');
  assert.equal(errorCode, Errors.INVALID_REQUEST);
});

test('each resource is authorized by its type', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  bench.permit = () => false;
  const codes = [];
  for (const [type, name] of [
    [TOPIC, 't'],
    [GROUP, 'g'],
    [BROKER, '1'],
    [CLIENT_METRICS, 'm'],
    [BROKER_LOGGER, '1'],
  ] as const) {
    codes.push((await describe(bench, type, name)).errorCode);
  }
  const { TOPIC_AUTHORIZATION_FAILED, GROUP_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED } = Errors;
  const cluster = CLUSTER_AUTHORIZATION_FAILED;
  assert.deepEqual(codes, [
    TOPIC_AUTHORIZATION_FAILED,
    GROUP_AUTHORIZATION_FAILED,
    cluster,
    cluster,
    cluster,
  ]);
});

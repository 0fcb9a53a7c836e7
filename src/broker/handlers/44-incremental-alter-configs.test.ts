import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { describeConfigs } from './32-describe-configs.ts';
import { alterConfigs } from './33-alter-configs.ts';
import { incrementalAlterConfigs } from './44-incremental-alter-configs.ts';

const TOPIC = 2;
const BROKER = 4;
const BROKER_LOGGER = 8;
const GROUP = 32;
const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

type Change = readonly [number, string, string | null];

const resource = (resourceType: number, resourceName: string, ...changes: readonly Change[]) => ({
  resourceType,
  resourceName,
  configs: changes.map(([configOperation, name, value]) => ({ configOperation, name, value })),
});

async function alter(bench: BrokerBench, ...resources: object[]): Promise<[number, string | null][]> {
  const { responses } = await bench.call(incrementalAlterConfigs, 1, { resources });
  return (responses as { errorCode: number; errorMessage: string | null }[]).map((one) => [
    one.errorCode,
    one.errorMessage,
  ]);
}

const OK = [Errors.NONE, null];

test('item 47: values are set, deleted, appended and subtracted', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t', 1, { 'segment.ms': '5' });
  const own = () => Object.fromEntries(bench.image.configs('TOPIC', 't'));
  await alter(bench, resource(TOPIC, 't', [SET, 'retention.ms', '7'], [DELETE, 'segment.ms', null]));
  assert.deepEqual(own(), { 'retention.ms': '7' });
  await alter(bench, resource(TOPIC, 't', [APPEND, 'cleanup.policy', 'compact']));
  assert.deepEqual(own(), { 'retention.ms': '7', 'cleanup.policy': 'delete,compact' });
  await alter(bench, resource(TOPIC, 't', [SUBTRACT, 'cleanup.policy', 'delete']));
  assert.deepEqual(own(), { 'retention.ms': '7', 'cleanup.policy': 'compact' });
});

test('item 47: an unknown configuration is INVALID_CONFIG and nothing of its resource is changed', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  const answer = await alter(bench, resource(TOPIC, 't', [SET, 'retention.ms', '7'], [SET, 'no.such', '1']));
  assert.deepEqual(answer, [[Errors.INVALID_CONFIG, 'Unknown topic config name: no.such']]);
  assert.equal(bench.image.configs('TOPIC', 't').size, 0);
});

test('item 47: a list operation on what is no list, and operations that nobody knows, are refused', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  assert.deepEqual(
    [
      await alter(bench, resource(TOPIC, 't', [APPEND, 'retention.ms', '7'])),
      await alter(bench, resource(TOPIC, 't', [9, 'retention.ms', '7'])),
      await alter(bench, resource(TOPIC, 't', [SET, 'retention.ms', null])),
      await alter(bench, resource(TOPIC, 't', [SET, 'segment.ms', '7'], [DELETE, 'segment.ms', null])),
    ],
    [
      [[Errors.INVALID_CONFIG, "Can't APPEND to key retention.ms because its type is not LIST."]],
      [[Errors.INVALID_REQUEST, 'Unknown operations type 9']],
      [[Errors.INVALID_REQUEST, 'Null value not supported for : retention.ms']],
      [[Errors.INVALID_REQUEST, 'Error due to duplicate config keys']],
    ],
  );
});

test('a configuration takes effect as soon as the answer leaves', async () => {
  const bench = await brokerBench();
  assert.equal(bench.services.settings().topics.numPartitions, 1);
  assert.deepEqual(await alter(bench, resource(BROKER, '', [SET, 'log.retention.ms', '1234'])), [OK]);
  assert.equal(bench.services.settings().topics.retentionMs, 1_234);
  assert.deepEqual(await alter(bench, resource(BROKER, '1', [SET, 'log.retention.ms', '99'])), [OK]);
  assert.equal(bench.services.settings().topics.retentionMs, 99);
});

test('listeners of the image hear of each resource that changed', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  const heard: unknown[] = [];
  bench.image.onChange((change) => heard.push(...change.configsChanged));
  await alter(
    bench,
    resource(TOPIC, 't', [SET, 'retention.ms', '7']),
    resource(GROUP, 'g', [SET, 'share.auto.offset.reset', 'earliest']),
  );
  assert.deepEqual(heard, [
    { type: 'TOPIC', name: 't' },
    { type: 'GROUP', name: 'g' },
  ]);
});

test('with validateOnly the answer is the same and nothing changes', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  const resources = [
    resource(TOPIC, 't', [SET, 'retention.ms', '7']),
    resource(TOPIC, 'gone', [SET, 'retention.ms', '7']),
    resource(BROKER_LOGGER, '1', [SET, 'root', 'DEBUG']),
  ];
  const { responses } = await bench.call(incrementalAlterConfigs, 1, { resources, validateOnly: true });
  assert.deepEqual(
    (responses as { errorCode: number }[]).map((one) => one.errorCode),
    [Errors.NONE, Errors.UNKNOWN_TOPIC_OR_PARTITION, Errors.NONE],
  );
  assert.deepEqual(
    [bench.image.configs('TOPIC', 't').size, bench.logLevels.levels().get('root')],
    [0, 'INFO'],
  );
});

test('S12: a resource that occurs twice is refused both times, others are not', async () => {
  const bench = await brokerBench();
  for (const name of ['a', 'b']) await bench.createTopic(name);
  const once = 'Each resource must appear at most once.';
  assert.deepEqual(
    await alter(
      bench,
      resource(TOPIC, 'a', [SET, 'retention.ms', '1']),
      resource(TOPIC, 'b', [SET, 'retention.ms', '2']),
      resource(TOPIC, 'a', [SET, 'retention.ms', '3']),
    ),
    [[Errors.INVALID_REQUEST, once], OK, [Errors.INVALID_REQUEST, once]],
  );
  assert.equal(bench.image.configs('TOPIC', 'a').size, 0);
});

test('a broker’s configurations are changed through itself', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2);
  const change = [SET, 'num.io.threads', '4'] as const;
  assert.deepEqual(
    [
      await alter(bench, resource(BROKER, '2', change)),
      await alter(bench, resource(BROKER, 'x', change)),
      await alter(bench, resource(BROKER, '1', change)),
      await alter(bench, resource(3, 'x', change)),
    ],
    [
      [[Errors.INVALID_REQUEST, 'Unexpected broker id, expected 1, but received 2']],
      [[Errors.INVALID_REQUEST, 'Node id must be an integer, but it is: x']],
      [OK],
      [[Errors.INVALID_REQUEST, 'Unknown resource type 3']],
    ],
  );
});

test('log levels are set at once and not stored', async () => {
  const bench = await brokerBench();
  const level = (...change: Change) => alter(bench, resource(BROKER_LOGGER, '1', change));
  assert.deepEqual(await level(SET, 'root', 'DEBUG'), [OK]);
  assert.deepEqual(
    [bench.logLevels.levels().get('root'), bench.image.configuredNames('BROKER')],
    ['DEBUG', []],
  );
  assert.deepEqual(
    [
      await level(SET, 'root', 'LOUD'),
      await level(SET, 'kafka.x', 'INFO'),
      await level(DELETE, 'root', null),
      await level(APPEND, 'root', 'INFO'),
      await alter(bench, resource(BROKER_LOGGER, '2', [SET, 'root', 'INFO'])),
      await alter(bench, resource(BROKER_LOGGER, '', [SET, 'root', 'INFO'])),
    ],
    [
      [
        [
          Errors.INVALID_CONFIG,
          'Cannot set the log level of root to LOUD as it is not a supported log level. ' +
            'Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN',
        ],
      ],
      [[Errors.INVALID_CONFIG, 'Logger kafka.x does not exist!']],
      [[Errors.INVALID_REQUEST, 'Removing the log level of the root logger is not allowed']],
      [[Errors.INVALID_REQUEST, 'APPEND operation is not allowed for the BROKER_LOGGER resource']],
      [[Errors.INVALID_REQUEST, 'Unexpected node id. Expected 1, but received 2']],
      [[Errors.INVALID_REQUEST, 'Node id must be an integer, but it is: ']],
    ],
  );
});

test('each resource is authorized by its type before anything is said of it', async () => {
  const bench = await brokerBench();
  bench.permit = () => false;
  const change = [SET, 'no.such', '1'] as const;
  const answers = await alter(
    bench,
    resource(TOPIC, 'missing', change),
    resource(GROUP, 'g', change),
    resource(BROKER, '7', change),
    resource(BROKER_LOGGER, '7', change),
  );
  assert.deepEqual(
    answers.map(([code]) => code),
    [
      Errors.TOPIC_AUTHORIZATION_FAILED,
      Errors.GROUP_AUTHORIZATION_FAILED,
      Errors.CLUSTER_AUTHORIZATION_FAILED,
      Errors.CLUSTER_AUTHORIZATION_FAILED,
    ],
  );
});

test('item 46: the old AlterConfigs accepts back everything that DescribeConfigs returned', async () => {
  const bench = await brokerBench({ configs: { 'log.segment.bytes': '2000000' } });
  await bench.createTopic('t', 1, { 'cleanup.policy': 'compact', 'retention.ms': '5' });
  const asked = [{ resourceType: TOPIC, resourceName: 't', configurationKeys: null }];
  const described = async () =>
    (await bench.call(describeConfigs, 4, { resources: asked })).results[0].configs;
  const before = (await described()) as { name: string; value: string }[];
  for (const version of [0, 1, 2]) {
    const configs = before.map(({ name, value }) => ({ name, value }));
    const resources = [{ resourceType: TOPIC, resourceName: 't', configs }];
    const { responses } = await bench.call(alterConfigs, version, { resources });
    assert.deepEqual([responses[0].errorCode, responses[0].errorMessage], OK);
  }
  const after = (await described()) as { name: string; value: string }[];
  assert.deepEqual(
    after.map(({ name, value }) => [name, value]),
    before.map(({ name, value }) => [name, value]),
  );
});

test('item 46: the old AlterConfigs takes away what it does not name', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t', 1, { 'segment.ms': '5', 'retention.ms': '5' });
  const configs = [{ name: 'retention.ms', value: '6' }];
  const resources = [{ resourceType: TOPIC, resourceName: 't', configs }];
  await bench.call(alterConfigs, 2, { resources });
  assert.deepEqual(bench.image.configs('TOPIC', 't'), new Map([['retention.ms', '6']]));
});

test('the old AlterConfigs knows no loggers', async () => {
  const bench = await brokerBench();
  const resources = [
    { resourceType: BROKER_LOGGER, resourceName: '1', configs: [{ name: 'root', value: 'INFO' }] },
  ];
  const { responses } = await bench.call(alterConfigs, 2, { resources });
  assert.deepEqual([responses[0].errorCode, responses[0].errorMessage], [42, 'Unknown resource type 8']);
});

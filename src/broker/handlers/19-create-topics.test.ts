import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import { TOPIC_CONFIGS } from '../../metadata/configs/topic-configs.ts';
import { Errors } from '../../protocol/errors.ts';
import { createTopics } from './19-create-topics.ts';

const topic = (name: string, more: object = {}) => ({
  name,
  numPartitions: 1,
  replicationFactor: 1,
  assignments: [],
  configs: [],
  ...more,
});

async function outcomes(bench: BrokerBench, topics: object[], version = 7): Promise<unknown[]> {
  const answer = await bench.call(createTopics, version, { topics });
  return (answer.topics as { name: string; errorCode: number; errorMessage: string }[]).map(
    ({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage],
  );
}

test('item 44: the topic is in the metadata when the answer leaves, in every version', async () => {
  const bench = await brokerBench();
  for (const version of [2, 3, 4, 5, 6, 7]) {
    const { topics } = await bench.call(createTopics, version, { topics: [topic(`v${version}`)] });
    assert.equal(topics[0].errorCode, Errors.NONE);
    const { id } = bench.image.topics.get(`v${version}`)!;
    assert.equal(topics[0].topicId, version >= 7 ? id : ZERO_UUID);
  }
});

test('item 45: the answer has every configuration with its source, partitions and replicas', async () => {
  const bench = await brokerBench({ configs: { 'log.retention.ms': '77' } });
  const configs = [{ name: 'cleanup.policy', value: 'compact' }];
  const { topics } = await bench.call(createTopics, 5, {
    topics: [topic('t', { configs, numPartitions: 4 })],
  });
  const [{ numPartitions, replicationFactor, topicConfigErrorCode }] = topics;
  assert.deepEqual([numPartitions, replicationFactor, topicConfigErrorCode], [4, 1, 0]);
  const told = new Map((topics[0].configs as { name: string }[]).map((one) => [one.name, one]));
  const expected = [...TOPIC_CONFIGS.values()].filter((one) => !one.internal).map((one) => one.name);
  assert.deepEqual([...told.keys()].sort(), expected.sort());
  const shared = { readOnly: false, isSensitive: false };
  assert.deepEqual(
    ['cleanup.policy', 'retention.ms', 'preallocate'].map((name) => told.get(name)),
    [
      { name: 'cleanup.policy', value: 'compact', configSource: 1, ...shared },
      { name: 'retention.ms', value: '77', configSource: 4, ...shared },
      { name: 'preallocate', value: 'false', configSource: 5, ...shared },
    ],
  );
});

test('item 45: who may not see configurations gets none, and no counts', async () => {
  const bench = await brokerBench();
  bench.permit = (operation) => operation !== 'DESCRIBE_CONFIGS';
  const { topics } = await bench.call(createTopics, 7, { topics: [topic('t')] });
  const [{ errorCode, topicConfigErrorCode, numPartitions, replicationFactor, configs, topicId }] = topics;
  assert.deepEqual(
    { errorCode, topicConfigErrorCode, numPartitions, replicationFactor, configs },
    {
      errorCode: Errors.NONE,
      topicConfigErrorCode: Errors.TOPIC_AUTHORIZATION_FAILED,
      numPartitions: -1,
      replicationFactor: -1,
      configs: [],
    },
  );
  assert.notEqual(topicId, ZERO_UUID);
});

test('item 45: -1 stands for the broker’s defaults, also for those that were changed while it runs', async () => {
  const bench = await brokerBench({ configs: { 'num.partitions': '5' } });
  const asked = topic('t', { numPartitions: -1, replicationFactor: -1 });
  const [{ numPartitions, replicationFactor }] = (await bench.call(createTopics, 7, { topics: [asked] }))
    .topics;
  assert.deepEqual([numPartitions, replicationFactor], [5, 1]);
});

test('item 45: with validateOnly the answer is the same, and there is no topic', async () => {
  const bench = await brokerBench();
  const body = { topics: [topic('t', { numPartitions: 3 }), topic('t!')], validateOnly: true };
  const { topics } = await bench.call(createTopics, 7, body);
  assert.deepEqual(
    [topics[0].errorCode, topics[0].numPartitions, topics[1].errorCode, bench.image.topics.size],
    [Errors.NONE, 3, Errors.INVALID_TOPIC_EXCEPTION, 0],
  );
});

test('S12: a name that occurs twice is answered once, and its topic is not made', async () => {
  const bench = await brokerBench();
  assert.deepEqual(await outcomes(bench, [topic('twice'), topic('once'), topic('twice'), topic('twice')]), [
    ['twice', Errors.INVALID_REQUEST, 'Duplicate topic name.'],
    ['once', Errors.NONE, null],
  ]);
  assert.deepEqual([...bench.image.topics.keys()], ['once']);
});

test('the metadata topic’s name is reserved', async () => {
  const bench = await brokerBench();
  assert.deepEqual(await outcomes(bench, [topic('__cluster_metadata')]), [
    [
      '__cluster_metadata',
      Errors.INVALID_REQUEST,
      'Creation of internal topic __cluster_metadata is prohibited.',
    ],
  ]);
});

test('CREATE on the cluster or on the topic allows it', async () => {
  const bench = await brokerBench();
  bench.permit = (operation, resource, name) =>
    operation !== 'CREATE' || (resource === 'TOPIC' && name === 'mine');
  assert.deepEqual(await outcomes(bench, [topic('mine'), topic('theirs')]), [
    ['mine', Errors.NONE, null],
    ['theirs', Errors.TOPIC_AUTHORIZATION_FAILED, 'Authorization failed.'],
  ]);
  bench.permit = (operation, resource) => operation !== 'CREATE' || resource === 'CLUSTER';
  assert.deepEqual(await outcomes(bench, [topic('theirs')]), [['theirs', Errors.NONE, null]]);
});

test('more replicas than brokers are refused in Kafka’s words', async () => {
  const bench = await brokerBench();
  assert.deepEqual(await outcomes(bench, [topic('t', { replicationFactor: 3 })]), [
    [
      't',
      Errors.INVALID_REPLICATION_FACTOR,
      'Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because ' +
        'only 1 broker(s) are registered or some brokers have all their log directories cordoned.',
    ],
  ]);
});

test('S12: a request for too many partitions is refused for all of its topics', async () => {
  const bench = await brokerBench();
  const topics = [topic('a', { numPartitions: 2_000_000_000 }), topic('b')];
  const message = 'Excessively large number of partitions per request.';
  assert.deepEqual(await outcomes(bench, topics), [
    ['a', Errors.POLICY_VIOLATION, message],
    ['b', Errors.POLICY_VIOLATION, message],
  ]);
});

test('item 47: an unknown configuration is INVALID_CONFIG, a known one is stored whether it has an effect or not', async () => {
  const bench = await brokerBench();
  const configs = [
    { name: 'leader.replication.throttled.replicas', value: '*' },
    { name: 'local.retention.ms', value: '-2' },
  ];
  const topics = [
    topic('bad', { configs: [{ name: 'no.such.config', value: '1' }] }),
    topic('good', { configs }),
  ];
  assert.deepEqual(await outcomes(bench, topics), [
    ['bad', Errors.INVALID_CONFIG, 'Unknown topic config name: no.such.config'],
    ['good', Errors.NONE, null],
  ]);
  assert.deepEqual(
    bench.image.configs('TOPIC', 'good'),
    new Map(configs.map(({ name, value }) => [name, value])),
  );
});

test('item 47: the compacted topics of Connect can be made', async () => {
  const bench = await brokerBench();
  const configs = [{ name: 'cleanup.policy', value: 'compact' }];
  const topics = [
    topic('connect-configs', { configs }),
    topic('connect-offsets', { configs, numPartitions: 25 }),
    topic('connect-status', { configs, numPartitions: 5 }),
  ];
  assert.deepEqual(
    (await outcomes(bench, topics)).map((one) => (one as unknown[])[1]),
    [0, 0, 0],
  );
});

test('an empty request has an empty answer', async () => {
  const bench = await brokerBench();
  assert.deepEqual((await bench.call(createTopics, 7, { topics: [] })).topics, []);
});

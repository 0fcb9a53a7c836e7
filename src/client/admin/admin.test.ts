// The administrator against the real broker, on simulated ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../client.ts';
import { TestCluster } from '../test-cluster.ts';
import { failureOf, namesOf, scene } from './test-scene.ts';

test('topics are made, described, enlarged and removed', async () => {
  const { admin, settle, end } = await scene();
  await settle(
    admin.createTopics([
      { topic: 'a', partitions: 2 },
      { topic: 'b', configs: { 'retention.ms': '1000' } },
    ]),
  );
  assert.deepEqual(await settle(admin.listTopics()), ['a', 'b']);
  await settle(admin.createPartitions({ topic: 'a', count: 3 }));
  const [a] = await settle(admin.describeTopics(['a']));
  assert.equal(a!.topicId.length, 22);
  assert.deepEqual(
    a!.partitions.map(({ partition, leader, replicas }) => [partition, leader, replicas]),
    [0, 1, 2].map((partition) => [partition, 1, [1]]),
  );
  await assert.rejects(settle(admin.createTopics([{ topic: 'a' }])), {
    errorName: 'TOPIC_ALREADY_EXISTS',
    message: /creating topic a/,
  });
  await settle(admin.createTopics([{ topic: 'c' }], { validateOnly: true }));
  await settle(admin.deleteTopics(['a']));
  assert.deepEqual(await settle(admin.listTopics()), ['b']);
  await assert.rejects(settle(admin.deleteTopics(['a'])), { errorName: 'UNKNOWN_TOPIC_OR_PARTITION' });
  await assert.rejects(settle(admin.describeTopics(['a'])), { errorName: 'UNKNOWN_TOPIC_OR_PARTITION' });
  const cluster = await settle(admin.describeCluster());
  assert.deepEqual([cluster.controllerId, cluster.brokers.map(({ nodeId }) => nodeId)], [1, [1]]);
  await end();
});

test('a topic is found and removed by its id, too', async () => {
  const { admin, settle, end } = await scene();
  const made = await settle(admin.createTopics([{ topic: 'a', partitions: 2 }, { topic: 'b' }]));
  assert.deepEqual(
    made.map(({ topic, partitions, replicationFactor }) => [topic, partitions, replicationFactor]),
    [
      ['a', 2, 1],
      ['b', 1, 1],
    ],
  );
  const topicId = made[0]!.topicId!;
  const [found] = await settle(admin.describeTopics([{ topicId }]));
  assert.deepEqual([found!.topic, found!.topicId, found!.partitions.length], ['a', topicId, 2]);
  await settle(admin.deleteTopics([{ topicId }]));
  assert.deepEqual(await settle(admin.listTopics()), ['b']);
  await assert.rejects(settle(admin.describeTopics([{ topicId }])), { errorName: 'UNKNOWN_TOPIC_ID' });
  await assert.rejects(settle(admin.deleteTopics([{ topicId }])), { errorName: 'UNKNOWN_TOPIC_ID' });
  await assert.rejects(settle(admin.deleteTopics([{ topicId: 'a' }])), { errorName: 'INVALID_ARGUMENT' });
  await end();
});

test('what fails in a call about several things is told for each, and the others are done', async () => {
  const { admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'there' }]));
  const making = admin.createTopics([{ topic: 'new' }, { topic: 'there' }, { topic: 'no name' }]);
  const failure = await settle(failureOf(making));
  assert.equal(failure.errorName, 'TOPIC_ALREADY_EXISTS');
  assert.match(failure.message, /^TOPIC_ALREADY_EXISTS: creating topic there: .*, and 1 more$/);
  assert.deepEqual(namesOf(failure), [
    ['there', 'TOPIC_ALREADY_EXISTS'],
    ['no name', 'INVALID_TOPIC_EXCEPTION'],
  ]);
  assert.deepEqual(
    failure.results.map((one) => (one as { topic: string }).topic),
    ['new'],
  );
  assert.deepEqual(await settle(admin.listTopics()), ['new', 'there']);
  const asking = admin.listOffsets([
    { topic: 'there', partition: 7, at: 'latest' },
    { topic: 'there', partition: 0, at: 'latest' },
    { topic: 'nowhere', partition: 0, at: 'latest' },
  ]);
  const unknown = await settle(failureOf(asking));
  assert.deepEqual(namesOf(unknown), [
    ['there-7', 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['nowhere-0', 'UNKNOWN_TOPIC_OR_PARTITION'],
  ]);
  assert.equal(unknown.results.length, 1);
  await end();
});

test('settings are described and changed one by one', async () => {
  const { admin, settle, end } = await scene();
  await settle(
    admin.createTopics([{ topic: 'a', configs: { 'retention.ms': '1000', 'cleanup.policy': 'compact' } }]),
  );
  const resource = { type: 'topic', name: 'a' } as const;
  const values = async (): Promise<Record<string, string | null>> => {
    const entries = await settle(
      admin.describeConfigs(resource, { names: ['retention.ms', 'cleanup.policy'] }),
    );
    return Object.fromEntries(entries.map(({ name, value }) => [name, value]));
  };
  assert.deepEqual(await values(), { 'retention.ms': '1000', 'cleanup.policy': 'compact' });
  await settle(
    admin.alterConfigs(resource, { 'retention.ms': null, 'cleanup.policy': { append: 'delete' } }),
  );
  assert.deepEqual(await values(), { 'retention.ms': '604800000', 'cleanup.policy': 'compact,delete' });
  await assert.rejects(settle(admin.alterConfigs(resource, { 'retention.ms': 'soon' })), {
    errorName: 'INVALID_CONFIG',
  });
  const [own] = await settle(
    admin.describeConfigs({ type: 'broker', name: '1' }, { names: ['num.partitions'] }),
  );
  assert.equal(own!.value, '1');
  await end();
});

test('settings of several resources are changed in one call, and those that have any are listed', async () => {
  const { admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a' }]));
  const [topic, broker, missing] = [
    { type: 'topic', name: 'a' } as const,
    { type: 'broker', name: '1' } as const,
    { type: 'topic', name: 'missing' } as const,
  ];
  const altering = admin.alterConfigsOf([
    { resource: missing, changes: { 'retention.ms': '1' } },
    { resource: topic, changes: { 'retention.ms': '1000' } },
    { resource: broker, changes: { 'log.retention.ms': '2000' } },
  ]);
  const failure = await settle(failureOf(altering));
  assert.deepEqual(namesOf(failure), [['topic missing', 'UNKNOWN_TOPIC_OR_PARTITION']]);
  const names = ['retention.ms', 'log.retention.ms'];
  const described = await settle(admin.describeConfigsOf([broker, topic], { names, synonyms: true }));
  assert.deepEqual(
    described.map(({ resource, entries: [entry] }) => [resource.type, entry!.value, entry!.source]),
    [
      ['broker', '2000', 'dynamic-broker'],
      ['topic', '1000', 'topic'],
    ],
  );
  assert.deepEqual(
    described[1]!.entries[0]!.synonyms.map(({ name, value }) => [name, value]),
    [
      ['retention.ms', '1000'],
      ['log.retention.ms', '2000'],
      ['log.retention.hours', '168'],
    ],
  );
  const resources = await settle(admin.listConfigResources({ types: ['topic', 'broker'] }));
  assert.deepEqual(resources.map(({ type, name }) => `${type} ${name}`).sort(), ['broker 1', 'topic a']);
  await end();
});

test('offsets are found by time, and records removed', async () => {
  const { client, admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a', partitions: 2 }]));
  const records = Array.from({ length: 10 }, (_, n) => ({
    topic: 'a',
    partition: 1,
    value: 'v',
    timestamp: 1000 * n,
  }));
  await settle(client.producer().sendAll(records));
  const at = { topic: 'a', partition: 1 };
  const offsets = async (): Promise<number[]> =>
    (
      await settle(
        admin.listOffsets([
          { ...at, at: 'earliest' },
          { topic: 'a', partition: 0, at: 'latest' },
        ]),
      )
    ).map(({ offset }) => offset);
  assert.deepEqual(await offsets(), [0, 0]);
  const [found] = await settle(admin.listOffsets([{ ...at, at: { timestamp: 4_500 } }]));
  assert.deepEqual([found!.offset, found!.timestamp], [5, 5_000]);
  const [last] = await settle(admin.listOffsets([{ ...at, at: 'max-timestamp' }]));
  assert.deepEqual([last!.offset, last!.timestamp], [9, 9_000]);
  assert.deepEqual(await settle(admin.deleteRecords([{ ...at, offset: 4 }])), [{ ...at, lowWatermark: 4 }]);
  assert.deepEqual(await offsets(), [4, 0]);
  await assert.rejects(settle(admin.deleteRecords([{ ...at, offset: 40 }])), {
    errorName: 'OFFSET_OUT_OF_RANGE',
  });
  await end();
});

test('the first question of all may be one to a leader', async () => {
  const { admin, fresh, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a' }]));
  const [found] = await settle(
    fresh()
      .admin()
      .listOffsets([{ topic: 'a', partition: 0, at: 'latest' }]),
  );
  assert.equal(found!.offset, 0);
  await end();
});

test('a controller that has moved is found again', async () => {
  const cluster = new TestCluster({ brokerCount: 2 });
  let asked = 0;
  cluster.handlers.set(19, ({ body }) => {
    asked += 1;
    const errorCode = asked === 1 ? 41 : 0;
    return {
      throttleTimeMs: 0,
      topics: [
        { name: body.topics[0].name, topicId: '\0'.repeat(16), errorCode, errorMessage: null, configs: null },
      ],
    };
  });
  const client = new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() });
  const admin = client.admin();
  await cluster.settle(admin.createTopics([{ topic: 'a' }]));
  assert.equal(asked, 2);
  await admin.close();
  assert.throws(() => admin.createTopics([{ topic: 'a' }]), { errorName: 'CLOSED' });
});

// The administrator against the real broker, on simulated ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testWorld } from '../../broker/test-client.ts';
import { Client, type Admin } from '../client.ts';
import { clientPorts, TestCluster } from '../test-cluster.ts';

interface Scene {
  readonly client: Client;
  readonly admin: Admin;
  settle<T>(promise: Promise<T>): Promise<T>;
  end(): Promise<void>;
}

async function scene(): Promise<Scene> {
  const { world } = await testWorld({
    'advertised.listeners': 'PLAINTEXT://broker:19092',
    'group.initial.rebalance.delay.ms': '0',
  });
  const { time, wires } = world.ports;
  const client = new Client({ bootstrap: 'broker:19092', ports: clientPorts({ time, wires }, 'admin') });
  const settle = <T>(promise: Promise<T>): Promise<T> => time.settle(promise);
  return {
    client,
    admin: client.admin(),
    settle,
    async end() {
      await settle(client.close());
      await world.stop();
    },
  };
}

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
  assert.deepEqual(await settle(admin.deleteRecords([{ ...at, offset: 4 }])), [{ ...at, lowWatermark: 4 }]);
  assert.deepEqual(await offsets(), [4, 0]);
  await assert.rejects(settle(admin.deleteRecords([{ ...at, offset: 40 }])), {
    errorName: 'OFFSET_OUT_OF_RANGE',
  });
  await end();
});

test('groups are listed, described, and their offsets set and removed', async () => {
  const { client, admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a', partitions: 2 }]));
  await settle(client.producer().send({ topic: 'a', partition: 0, value: 'v' }));
  const consumer = client.consumer({ group: 'g', topics: ['a'], from: 'earliest' });
  await settle(consumer.poll());
  const { state, protocol, members } = await settle(admin.describeGroup('g'));
  assert.deepEqual(
    [state, protocol, members.map((one) => one.partitions.length)],
    ['Stable', 'cooperative-sticky', [2]],
  );
  await assert.rejects(settle(admin.alterGroupOffsets('g', [{ topic: 'a', partition: 0, offset: 0 }])));
  await assert.rejects(settle(admin.deleteGroup('g')), { errorName: 'NON_EMPTY_GROUP' });
  await settle(consumer.close());
  await settle(admin.alterGroupOffsets('g', [{ topic: 'a', partition: 1, offset: 7, metadata: 'm' }]));
  const stored = await settle(admin.groupOffsets('g'));
  assert.deepEqual(
    stored.find(({ partition }) => partition === 1),
    { topic: 'a', partition: 1, offset: 7, leaderEpoch: -1, metadata: 'm' },
  );
  const listed = await settle(admin.listGroups());
  assert.deepEqual(
    listed.map((one) => [one.group, one.state]),
    [['g', 'Empty']],
  );
  await settle(admin.deleteGroupOffsets({ group: 'g', partitions: [{ topic: 'a', partition: 1 }] }));
  const left = await settle(admin.groupOffsets('g'));
  assert.ok(left.every(({ partition }) => partition === 0));
  await settle(admin.deleteGroup('g'));
  await assert.rejects(settle(admin.deleteGroup('g')), { errorName: 'GROUP_ID_NOT_FOUND' });
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

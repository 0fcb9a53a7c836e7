/** Whole brokers that follow each other, over their own connections. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ELECTION_TYPE } from '../metadata/controller/elections.ts';
import { Errors } from '../protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import type { Partition } from '../replication/partition.ts';
import { batchOf, fetchBody } from './test-client.ts';
import { testCluster, type TestCluster } from './test-cluster.ts';

const CONFIGS = {
  'broker.session.timeout.ms': '6000',
  'replica.lag.time.max.ms': '5000',
  'offsets.topic.num.partitions': '1',
};

async function withTopic(
  replicas: readonly number[],
  configs: Record<string, string> = {},
  brokers = 3,
): Promise<TestCluster> {
  const cluster = await testCluster(brokers, { configs: CONFIGS });
  const topic = {
    name: 't',
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [{ partitionIndex: 0, brokerIds: [...replicas] }],
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  };
  const { controller } = cluster.member(1).broker.services;
  const [{ errorCode, errorMessage }] = await cluster.settle(controller.createTopics([topic]));
  assert.equal(errorCode, Errors.NONE, errorMessage ?? '');
  await cluster.pass(100);
  return cluster;
}

function replica(cluster: TestCluster, nodeId: number): Partition | undefined {
  return cluster.member(nodeId).broker.services.partitions.get('t', 0);
}

function leaderOf(cluster: TestCluster, asSeenBy: number): number {
  return cluster.member(asSeenBy).broker.services.image.partition('t', 0)!.leader;
}

function ends(cluster: TestCluster, nodes: readonly number[]): (number | undefined)[][] {
  return nodes.map((id) => [replica(cluster, id)?.logEndOffset, replica(cluster, id)?.highWatermark]);
}

test('what is produced with acks=all is on all in-sync replicas, which soon know that it is committed', async () => {
  for (const durability of ['fsync', 'relaxed']) {
    const cluster = await withTopic([1, 2, 3], { 'min.insync.replicas': '2', durability });
    const client = await cluster.connect(1);
    for (let n = 0; n < 20; n++) {
      assert.equal((await client.produce('t', batchOf([`v${n}`]))).errorCode, Errors.NONE);
      for (const id of [1, 2, 3]) assert.ok(replica(cluster, id)!.log!.durableEndOffset > n);
    }
    await cluster.pass(100);
    assert.deepEqual(ends(cluster, [1, 2, 3]), [
      [20, 20],
      [20, 20],
      [20, 20],
    ]);
    await cluster.stop();
  }
});

test('when the leader dies another goes on with everything that was acknowledged, and the first comes back in sync', async () => {
  const cluster = await withTopic([1, 2, 3], { 'min.insync.replicas': '2' });
  const first = await cluster.connect(1);
  for (let n = 0; n < 10; n++) await first.produce('t', batchOf([`v${n}`]));
  cluster.member(1).ports.kill({ powerCut: true });
  await cluster.pass(10_000);
  const leader = leaderOf(cluster, 2);
  assert.ok(leader > 1);
  const second = await cluster.connect(leader);
  for (let n = 10; n < 20; n++) {
    const answer = await second.produce('t', batchOf([`v${n}`]));
    assert.deepEqual([answer.errorCode, answer.baseOffset], [Errors.NONE, n]);
  }
  await cluster.restart(1, 'lose');
  await cluster.pass(5_000);
  const { isr } = cluster.member(2).broker.services.image.partition('t', 0)!;
  assert.deepEqual([...isr].sort(), [1, 2, 3]);
  assert.deepEqual(ends(cluster, [1, 2, 3]), [
    [20, 20],
    [20, 20],
    [20, 20],
  ]);
  await cluster.stop();
});

test('with fewer brokers than the minimum nothing more is taken with acks=all, nor shown of what is taken without', async () => {
  const cluster = await withTopic([1, 2], { 'min.insync.replicas': '2' }, 2);
  const client = await cluster.connect(1);
  await client.produce('t', batchOf(['a']));
  cluster.member(2).ports.kill({ powerCut: true });
  await cluster.pass(15_000);
  assert.equal((await client.produce('t', batchOf(['b']))).errorCode, Errors.NOT_ENOUGH_REPLICAS);
  assert.equal((await client.produce('t', batchOf(['c']), { acks: 1 })).errorCode, Errors.NONE);
  await cluster.pass(100);
  assert.deepEqual(ends(cluster, [1]), [[2, 1]]);
  await cluster.restart(2, 'keep');
  await cluster.pass(5_000);
  assert.deepEqual(ends(cluster, [1, 2]), [
    [2, 2],
    [2, 2],
  ]);
  assert.equal((await client.produce('t', batchOf(['d']))).errorCode, Errors.NONE);
  await cluster.stop();
});

test('a partition moves: the new replica makes a log and catches up, and the old one deletes its own', async () => {
  const cluster = await withTopic([1, 2]);
  const client = await cluster.connect(1);
  for (let n = 0; n < 50; n++) await client.produce('t', batchOf([`v${n}`]));
  const { controller } = cluster.member(1).broker.services;
  const move = { topic: 't', partition: 0, replicas: [1, 3] };
  const [{ errorCode }] = await cluster.settle(
    controller.alterReassignments([move], { allowReplicationFactorChange: false }),
  );
  assert.equal(errorCode, Errors.NONE);
  await cluster.pass(5_000);
  const { replicas, isr } = cluster.member(2).broker.services.image.partition('t', 0)!;
  assert.deepEqual(
    [[...replicas].sort(), [...isr].sort()],
    [
      [1, 3],
      [1, 3],
    ],
  );
  assert.deepEqual(ends(cluster, [1, 2, 3]), [
    [50, 50],
    [undefined, undefined],
    [50, 50],
  ]);
  assert.equal(cluster.member(2).broker.services.logDirectories.get({ topic: 't', partition: 0 }), undefined);
  assert.equal((await client.produce('t', batchOf(['last']))).errorCode, Errors.NONE);
  await cluster.stop();
});

test('many partitions of several leaders are followed at the same time', async () => {
  const cluster = await testCluster(3, { configs: CONFIGS });
  const { controller } = cluster.member(1).broker.services;
  const topic = { name: 'm', numPartitions: 30, replicationFactor: 3, assignments: [], configs: [] };
  await cluster.settle(controller.createTopics([topic]));
  await cluster.pass(1_000);
  for (const nodeId of [1, 2, 3]) {
    const client = await cluster.connect(nodeId);
    for (const partition of cluster.member(nodeId).broker.services.partitions.all()) {
      if (partition.topic !== 'm' || !partition.isLeader) continue;
      const answer = await client.produce('m', batchOf(['v']), { partition: partition.partition });
      assert.equal(answer.errorCode, Errors.NONE);
    }
  }
  await cluster.pass(1_000);
  for (const nodeId of [1, 2, 3]) {
    const all = [...cluster.member(nodeId).broker.services.partitions.all()].filter(
      ({ topic: t }) => t === 'm',
    );
    assert.equal(all.length, 30);
    for (const { logEndOffset, highWatermark } of all)
      assert.deepEqual([logEndOffset, highWatermark], [1, 1]);
  }
  await cluster.stop();
});

test('a consumer is sent to the in-sync replica in its rack, which serves what is committed (KIP-392)', async () => {
  const cluster = await testCluster(3, {
    configs: {
      ...CONFIGS,
      'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector',
    },
    configsOf: (nodeId) => ({ 'broker.rack': `rack${nodeId}` }),
  });
  const assignments = [{ partitionIndex: 0, brokerIds: [1, 2] }];
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  await cluster.settle(cluster.member(1).broker.services.controller.createTopics([topic]));
  await cluster.pass(1_000);
  const leader = await cluster.connect(1);
  for (let n = 0; n < 3; n++) await leader.produce('t', batchOf([`v${n}`]));
  await cluster.pass(100);
  const ask = async (client: typeof leader, rackId: string, offset: number, maxWaitMs = 0) => {
    const body = { ...fetchBody('t', offset, { maxWaitMs }), rackId };
    const { responses } = await client.request(FetchRequest, FetchResponse, 12, body);
    const [{ errorCode, preferredReadReplica, records, highWatermark }] = responses[0]!.partitions;
    const bytes = (records ?? []).reduce((size, { length }) => size + length, 0);
    return { errorCode, preferredReadReplica, hasRecords: bytes > 0, highWatermark };
  };
  const fine = { errorCode: Errors.NONE, preferredReadReplica: -1, highWatermark: 3 };
  assert.deepEqual(await ask(leader, '', 0), { ...fine, hasRecords: true });
  assert.deepEqual(await ask(leader, 'rack1', 0), { ...fine, hasRecords: true });
  assert.deepEqual(await ask(leader, 'rack3', 0), { ...fine, hasRecords: true }, 'no replica is there');
  // At once, however long it would wait.
  assert.deepEqual(await ask(leader, 'rack2', 0, 60_000), {
    ...fine,
    preferredReadReplica: 2,
    hasRecords: false,
  });
  const follower = await cluster.connect(2);
  assert.deepEqual(await ask(follower, 'rack2', 0), { ...fine, hasRecords: true });
  // What has not come here yet is not out of range, and who did not say where it is belongs to the leader.
  assert.equal((await ask(follower, 'rack2', 9)).errorCode, Errors.OFFSET_NOT_AVAILABLE);
  assert.equal((await ask(follower, '', 0)).errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
  // It waits there for what is committed.
  const waiting = ask(follower, 'rack2', 3, 60_000);
  await leader.produce('t', batchOf(['v3']));
  assert.deepEqual(await waiting, { ...fine, highWatermark: 4, hasRecords: true });
  await cluster.stop();
});

test('a new leader whose followers already wait for other partitions of its own commits within milliseconds', async () => {
  const cluster = await testCluster(3, { configs: CONFIGS });
  const assignments = [
    { partitionIndex: 0, brokerIds: [1, 2, 3] },
    // What the followers wait for at broker 1.
    { partitionIndex: 1, brokerIds: [1, 2, 3] },
  ];
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  const { controller } = cluster.member(1).broker.services;
  await cluster.settle(controller.createTopics([topic]));
  await cluster.restart(1, 'keep');
  await cluster.pass(5_000);
  assert.ok(leaderOf(cluster, 2) > 1);
  const decides = cluster.member(cluster.member(2).broker.services.image.controllerId).broker.services;
  const elect = async (partition: number): Promise<void> => {
    const elected = decides.controller.electLeaders(ELECTION_TYPE.PREFERRED, [{ topic: 't', partition }]);
    assert.equal((await cluster.settle(elected))[0].errorCode, Errors.NONE);
  };
  await elect(1);
  await cluster.pass(2_250);
  await elect(0);
  await cluster.pass(5);
  assert.equal(leaderOf(cluster, 1), 1);
  const client = await cluster.connect(1);
  const beganMs = cluster.time.nowMs();
  assert.equal((await client.produce('t', batchOf(['a']))).errorCode, Errors.NONE);
  const tookMs = cluster.time.nowMs() - beganMs;
  assert.ok(tookMs < 100, `${tookMs} ms`);
  await cluster.stop();
});

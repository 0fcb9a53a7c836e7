/** Replication between whole brokers where it is held back, spread over several rows, counted, or waited for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../protocol/messages/21-delete-records.ts';
import { batchOf } from './test-client.ts';
import { testCluster, type TestCluster } from './test-cluster.ts';

const CONFIGS = {
  'broker.session.timeout.ms': '6000',
  'replica.lag.time.max.ms': '5000',
  'replica.fetch.max.bytes': '10000',
};
const RECORD_BYTES = 1_000;
const RECORDS = 200;

async function withRecords(replicas: readonly number[], brokers: number): Promise<TestCluster> {
  const cluster = await testCluster(brokers, { configs: CONFIGS });
  const assignments = [{ partitionIndex: 0, brokerIds: [...replicas] }];
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  await cluster.settle(controllerOf(cluster).createTopics([topic]));
  await cluster.pass(100);
  const client = await cluster.connect(replicas[0]!);
  for (let n = 0; n < RECORDS; n++) {
    const { errorCode } = await client.produce('t', batchOf([`${n}`.padEnd(RECORD_BYTES, '.')]));
    assert.equal(errorCode, Errors.NONE);
  }
  await cluster.pass(1_000);
  return cluster;
}

const controllerOf = (cluster: TestCluster) => cluster.member(1).broker.services.controller;
const endOf = (cluster: TestCluster, nodeId: number) =>
  cluster.member(nodeId).broker.services.partitions.get('t', 0)?.logEndOffset ?? -1;
const metricsOf = (cluster: TestCluster, nodeId: number) =>
  cluster.member(nodeId).broker.replicationMetrics();

async function configure(
  cluster: TestCluster,
  type: 'BROKER' | 'TOPIC',
  name: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const changes = Object.entries(values).map(([key, value]) => ({ op: 'SET' as const, name: key, value }));
  const [{ errorCode, errorMessage }] = await cluster.settle(
    controllerOf(cluster).alterConfigs([{ type, name, changes }]),
  );
  assert.equal(errorCode, Errors.NONE, errorMessage ?? '');
}

async function move(cluster: TestCluster, replicas: readonly number[]): Promise<void> {
  const request = { topic: 't', partition: 0, replicas };
  const [{ errorCode }] = await cluster.settle(
    controllerOf(cluster).alterReassignments([request], { allowReplicationFactorChange: true }),
  );
  assert.equal(errorCode, Errors.NONE);
}

for (const side of ['leader', 'follower'] as const) {
  test(`KIP-73: a move is as fast as the ${side}'s limit, which may be lifted on the way`, async () => {
    const cluster = await withRecords([1, 2], 3);
    const throttled = side === 'leader' ? '0:1' : '0:3';
    await configure(cluster, 'TOPIC', 't', { [`${side}.replication.throttled.replicas`]: throttled });
    await configure(cluster, 'BROKER', '', { [`${side}.replication.throttled.rate`]: '10000' });
    await move(cluster, [1, 3]);
    await cluster.pass(10_000);
    const bytes = endOf(cluster, 3) * RECORD_BYTES;
    // One answer may pass before the limit shows.
    assert.ok(bytes > 60_000 && bytes < 130_000, `${bytes} bytes in 10 s`);
    assert.equal(metricsOf(cluster, 1).replicaManager.ReassigningPartitions, 1);
    await configure(cluster, 'BROKER', '', { [`${side}.replication.throttled.rate`]: '100000000' });
    await cluster.pass(2_000);
    assert.equal(endOf(cluster, 3), RECORDS);
    const { ReassignmentBytesOutPerSec: out } = metricsOf(cluster, 1).brokerTopics;
    const { ReassignmentBytesInPerSec: came, ReplicationBytesInPerSec: all } = metricsOf(
      cluster,
      3,
    ).brokerTopics;
    assert.ok(out >= RECORDS * RECORD_BYTES && came === out && all >= came, `${out} ${came} ${all}`);
    await cluster.stop();
  });

  test(`replicas that are in sync are not held back by the ${side}'s limit`, async () => {
    const cluster = await withRecords([1, 2], 2);
    await configure(cluster, 'TOPIC', 't', { [`${side}.replication.throttled.replicas`]: '*' });
    await configure(cluster, 'BROKER', '', { [`${side}.replication.throttled.rate`]: '1' });
    const client = await cluster.connect(1);
    for (let n = 0; n < 20; n++) await client.produce('t', batchOf(['x'.repeat(RECORD_BYTES)]));
    assert.equal(endOf(cluster, 2), RECORDS + 20);
    const began = cluster.time.nowMs();
    await client.produce('t', batchOf(['last']));
    assert.ok(cluster.time.nowMs() - began < 100);
    await cluster.stop();
  });
}

test('a follower that is held back does not ask again and again, however much is appended', async () => {
  const cluster = await withRecords([1, 2], 3);
  await configure(cluster, 'TOPIC', 't', { 'leader.replication.throttled.replicas': '*' });
  await configure(cluster, 'BROKER', '', { 'leader.replication.throttled.rate': '1000' });
  await move(cluster, [1, 3]);
  await cluster.pass(1_000);
  const { fetchSessions } = cluster.member(1).broker.services;
  const open = fetchSessions.open.bind(fetchSessions);
  let asked = 0;
  fetchSessions.open = (request) => {
    asked += 1;
    return open(request);
  };
  const client = await cluster.connect(1);
  const before = endOf(cluster, 3);
  for (let n = 0; n < 100; n++) {
    await client.produce('t', batchOf(['x']));
    await cluster.pass(10);
  }
  assert.ok(endOf(cluster, 3) - before < 20);
  // Broker 2 asks for each record, and once more to learn of the watermark; broker 3 about twice a second.
  assert.ok(asked <= 220, `${asked} requests`);
  await cluster.stop();
});

test('num.replica.fetchers takes effect while the broker runs, and no partition is forgotten over it', async () => {
  const cluster = await testCluster(2, { configs: CONFIGS });
  const topic = { name: 't', numPartitions: 8, replicationFactor: 2, assignments: [], configs: [] };
  await cluster.settle(controllerOf(cluster).createTopics([topic]));
  await cluster.pass(500);
  const produceAll = async (): Promise<void> => {
    for (const nodeId of [1, 2]) {
      const client = await cluster.connect(nodeId);
      for (const { isLeader, partition } of cluster.member(nodeId).broker.services.partitions.all()) {
        if (!isLeader) continue;
        assert.equal((await client.produce('t', batchOf(['v']), { partition })).errorCode, Errors.NONE);
      }
    }
  };
  const sessionsOn = (nodeId: number) => cluster.member(nodeId).broker.services.fetchSessions.count();
  await produceAll();
  assert.equal(sessionsOn(1), 1);
  await configure(cluster, 'BROKER', '', { 'num.replica.fetchers': '4' });
  await cluster.pass(2_000);
  await produceAll();
  assert.equal(sessionsOn(1), 4);
  await configure(cluster, 'BROKER', '', { 'num.replica.fetchers': '1' });
  await cluster.pass(2_000);
  await produceAll();
  await cluster.stop();
});

test('KIP-107: records are deleted once the followers have deleted them too, or the time is over', async () => {
  const cluster = await withRecords([1, 2, 3], 3);
  const client = await cluster.connect(1);
  const remove = async (offset: number, timeoutMs: number) => {
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }];
    const answer = await client.request(DeleteRecordsRequest, DeleteRecordsResponse, 2, {
      topics,
      timeoutMs,
    });
    const { errorCode, lowWatermark } = answer.topics[0]!.partitions[0]!;
    return [errorCode, lowWatermark];
  };
  const startOf = (nodeId: number) =>
    cluster.member(nodeId).broker.services.partitions.get('t', 0)!.logStartOffset;
  const began = cluster.time.nowMs();
  assert.deepEqual(await remove(50, 10_000), [Errors.NONE, 50]);
  assert.ok(cluster.time.nowMs() - began < 200, 'followers hear of it at once');
  assert.deepEqual([startOf(2), startOf(3)], [50, 50]);
  cluster.member(3).ports.kill({ powerCut: true });
  assert.deepEqual(await remove(80, 1_000), [Errors.REQUEST_TIMED_OUT, 50]);
  // One that is fenced is not waited for.
  assert.deepEqual(await remove(90, 30_000), [Errors.NONE, 90]);
  await cluster.restart(3, 'lose');
  await cluster.pass(3_000);
  assert.deepEqual(await remove(-1, 30_000), [Errors.NONE, RECORDS]);
  assert.equal(startOf(3), RECORDS);
  await cluster.stop();
});

test('what a broker tells of its partitions follows what happens to them', async () => {
  const cluster = await withRecords([1, 2, 3], 3);
  await configure(cluster, 'TOPIC', 't', { 'min.insync.replicas': '2' });
  const counts = () => {
    const { UnderReplicatedPartitions, UnderMinIsrPartitionCount, AtMinIsrPartitionCount, IsrShrinksPerSec } =
      metricsOf(cluster, 1).replicaManager;
    return [UnderReplicatedPartitions, UnderMinIsrPartitionCount, AtMinIsrPartitionCount, IsrShrinksPerSec];
  };
  assert.deepEqual(counts(), [0, 0, 0, 0]);
  cluster.member(3).ports.process.pause();
  const client = await cluster.connect(1);
  const waiting = client.produce('t', batchOf(['x']));
  await waiting;
  assert.deepEqual(counts().slice(0, 3), [1, 0, 1]);
  const { ActiveControllerCount, FencedBrokerCount, GlobalPartitionCount, OfflinePartitionsCount } =
    metricsOf(cluster, 1).controller;
  assert.deepEqual(
    [ActiveControllerCount, FencedBrokerCount <= 1, GlobalPartitionCount, OfflinePartitionsCount],
    [1, true, 1, 0],
  );
  assert.equal(metricsOf(cluster, 2).controller.ActiveControllerCount, 0);
  cluster.member(3).ports.kill({ powerCut: true });
  cluster.member(2).ports.kill({ powerCut: true });
  await cluster.pass(10_000);
  assert.deepEqual(counts().slice(0, 3), [1, 1, 0]);
  await cluster.restart(2, 'lose');
  await cluster.restart(3, 'lose');
  await cluster.pass(5_000);
  assert.deepEqual(counts().slice(0, 3), [0, 0, 0]);
  assert.ok(metricsOf(cluster, 1).replicaManager.IsrExpandsPerSec >= 2);
  await cluster.stop();
});

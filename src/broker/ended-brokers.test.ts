import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BrokerImage, PartitionImage } from '../metadata/image.ts';
import { Errors } from '../protocol/errors.ts';
import { testCluster, type TestCluster } from './test-cluster.ts';

const SESSION_MS = 9_000;
const CONFIGS = { 'broker.session.timeout.ms': String(SESSION_MS), 'offsets.topic.num.partitions': '1' };

async function withTopic(): Promise<TestCluster> {
  const cluster = await testCluster(3, { configs: CONFIGS });
  const topic = { name: 't', numPartitions: 9, replicationFactor: 3, assignments: [], configs: [] };
  const created = await cluster.settle(cluster.member(1).broker.services.controller.createTopics([topic]));
  assert.equal(created[0].errorCode, Errors.NONE);
  await cluster.pass(1_000);
  return cluster;
}

/** As broker 2 sees them. */
const imageOf = (cluster: TestCluster) => cluster.member(2).broker.services.image;
const partitions = (cluster: TestCluster): readonly PartitionImage[] =>
  imageOf(cluster).topics.get('t')!.partitions;
const brokerOf = (cluster: TestCluster, nodeId: number): BrokerImage => imageOf(cluster).brokers.get(nodeId)!;

async function passUntil(cluster: TestCluster, isSo: () => boolean, limitMs: number): Promise<number> {
  const beganMs = cluster.time.nowMs();
  while (!isSo() && cluster.time.nowMs() - beganMs < limitMs) await cluster.pass(10);
  assert.ok(isSo());
  return cluster.time.nowMs() - beganMs;
}

test('when the process of a leader and controller is killed others lead and decide long before its session is over', async () => {
  const cluster = await withTopic();
  assert.equal(imageOf(cluster).controllerId, 1);
  cluster.member(1).ports.kill();
  cluster.members.delete(1);
  const isOver = (): boolean =>
    imageOf(cluster).controllerId > 1 &&
    partitions(cluster).every(({ leader, isr }) => leader > 1 && !isr.includes(1));
  const tookMs = await passUntil(cluster, isOver, SESSION_MS);
  assert.ok(tookMs < 1_000, `${tookMs} ms`);
  await cluster.stop();
});

test('a broker whose machine does not answer any more keeps its registration until its session is over', async () => {
  const cluster = await withTopic();
  cluster.member(3).ports.kill({ powerCut: true });
  cluster.members.delete(3);
  await cluster.pass(SESSION_MS / 2);
  assert.equal(brokerOf(cluster, 3).fenced, false);
  await passUntil(cluster, () => brokerOf(cluster, 3).fenced, 2 * SESSION_MS);
  await cluster.stop();
});

test('connections that break are no reason, as long as new ones can be made', async () => {
  const cluster = await withTopic();
  const { epoch } = brokerOf(cluster, 3);
  for (let time = 0; time < 3; time++) {
    cluster.network.reset('host2', 'host3');
    await cluster.pass(2_000);
  }
  assert.equal(brokerOf(cluster, 3).epoch, epoch);
  await cluster.stop();
});

test('a broker that was taken for dead, and is not, registers again and comes back in sync', async () => {
  const cluster = await withTopic();
  const { epoch } = brokerOf(cluster, 1);
  let wasFenced = false;
  imageOf(cluster).onChange(() => {
    wasFenced ||= brokerOf(cluster, 1).fenced && imageOf(cluster).controllerId === -1;
  });
  await cluster.settle(cluster.member(2).broker.services.controller.evictEnded(1, epoch));
  assert.ok(wasFenced);
  const isBack = (): boolean =>
    brokerOf(cluster, 1).epoch > epoch && partitions(cluster).every(({ isr }) => isr.length === 3);
  await passUntil(cluster, isBack, 5_000);
  assert.ok(imageOf(cluster).controllerId > 0);
  await cluster.stop();
});

test('a life that was ended already is not ended again', async () => {
  const cluster = await withTopic();
  const { epoch } = brokerOf(cluster, 3);
  const { controller } = cluster.member(2).broker.services;
  await cluster.settle(controller.evictEnded(3, epoch));
  await passUntil(cluster, () => brokerOf(cluster, 3).epoch > epoch, 5_000);
  const { epoch: next } = brokerOf(cluster, 3);
  await cluster.settle(controller.evictEnded(3, epoch));
  await cluster.pass(100);
  assert.equal(brokerOf(cluster, 3).epoch, next);
  await cluster.stop();
});

test('a broker that stops is left to end its registration itself', async () => {
  const cluster = await withTopic();
  const { services } = cluster.member(2).broker;
  let ended = 0;
  const { controller } = services;
  const evictEnded = controller.evictEnded.bind(controller);
  controller.evictEnded = (nodeId, epoch) => {
    ended += 1;
    return evictEnded(nodeId, epoch);
  };
  await cluster.settle(cluster.member(3).broker.stop());
  cluster.members.delete(3);
  await cluster.pass(2_000);
  assert.equal(brokerOf(cluster, 3).fenced, true);
  assert.equal(ended, 0);
  await cluster.stop();
});

test('a controller that is killed while it stops does not leave the others without one', async () => {
  const cluster = await withTopic();
  const { broker, ports } = cluster.member(1);
  cluster.store.faults.latencyMs = { min: 20, max: 20 };
  broker.stop().catch(() => {});
  await passUntil(cluster, () => brokerOf(cluster, 1).isStopping, 1_000);
  assert.equal(imageOf(cluster).controllerId, 1);
  ports.kill();
  cluster.members.delete(1);
  const isOver = (): boolean =>
    imageOf(cluster).controllerId > 1 && partitions(cluster).every(({ leader }) => leader > 1);
  const tookMs = await passUntil(cluster, isOver, SESSION_MS);
  assert.ok(tookMs < 1_000, `${tookMs} ms`);
  await cluster.stop();
});

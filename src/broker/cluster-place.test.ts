import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAlive } from '../metadata/controller/partition-change.ts';
import type { PartitionImage } from '../metadata/image.ts';
import type { MemoryStoreClient } from '../metadata/memory-store.ts';
import { Errors } from '../protocol/errors.ts';
import { batchOf } from './test-client.ts';
import { testCluster, type TestCluster } from './test-cluster.ts';

const CONFIGS = { 'broker.session.timeout.ms': '6000', 'offsets.topic.num.partitions': '1' };

async function withTopic(partitionCount: number, configs: Record<string, string> = {}): Promise<TestCluster> {
  const cluster = await testCluster(3, { configs: CONFIGS });
  const topic = {
    name: 't',
    numPartitions: partitionCount,
    replicationFactor: 3,
    assignments: [],
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  };
  const { controller } = cluster.member(1).broker.services;
  const [{ errorCode }] = await cluster.settle(controller.createTopics([topic]));
  assert.equal(errorCode, Errors.NONE);
  return cluster;
}

/** As the given broker sees them. */
function partitions(cluster: TestCluster, nodeId: number): readonly PartitionImage[] {
  return cluster.member(nodeId).broker.services.image.topics.get('t')!.partitions;
}

test('R12: a broker that is stopped leads nothing when it closes its connections, nor is it in sync', async () => {
  const cluster = await withTopic(30);
  const { image, partitions: held } = cluster.member(1).broker.services;
  assert.equal(image.controllerId, 1);
  const beganMs = cluster.time.nowMs();
  await cluster.settle(cluster.member(1).broker.stop());
  assert.equal([...held.all()].filter(({ isLeader }) => isLeader).length, 0);
  assert.ok(cluster.time.nowMs() - beganMs < 5_000);
  cluster.members.delete(1);
  await cluster.pass(1_000);
  const { image: others } = cluster.member(2).broker.services;
  assert.ok(others.controllerId > 1, 'another broker decides at once');
  for (const { leader, isr } of partitions(cluster, 2)) assert.ok(leader > 1 && !isr.includes(1));
  await cluster.stop();
});

test('a broker that has handed over goes on answering for a moment, and its answers name the new leaders (KIP-951)', async () => {
  const cluster = await withTopic(30);
  const { partitions: held } = cluster.member(1).broker.services;
  const [led] = [...held.all()].filter(({ isLeader }) => isLeader);
  const client = await cluster.connect(1);
  const stopping = cluster.member(1).broker.stop();
  while (led!.isLeader) await cluster.pass(5);
  await cluster.pass(500);
  const answer = await client.produce('t', batchOf(['a']), { partition: led!.partition });
  assert.equal(answer.errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
  assert.ok(answer.currentLeader.leaderId > 1);
  await cluster.settle(stopping);
  cluster.members.delete(1);
  await cluster.stop();
});

/** What the cluster does with broker 3 when it dies in this way and is back before its session is over. */
async function afterDeath(unsynced: 'keep' | 'lose', durability: string) {
  const cluster = await withTopic(6, { durability, 'min.insync.replicas': '3' });
  const { epoch } = cluster.member(3).broker.services.image.brokers.get(3)!;
  const { image } = cluster.member(1).broker.services;
  let atRegistration: readonly PartitionImage[] | undefined;
  image.onChange(() => {
    if (image.brokers.get(3)!.epoch > epoch) atRegistration ??= [...partitions(cluster, 1)];
  });
  const beganMs = cluster.time.nowMs();
  await cluster.restart(3, unsynced);
  const tookMs = cluster.time.nowMs() - beganMs;
  await cluster.stop();
  const isEligible = atRegistration!.every(({ elr }) => elr.includes(3));
  const isNowhere = atRegistration!.every(({ leader, isr, elr }) => ![leader, ...isr, ...elr].includes(3));
  return { tookMs, isEligible, isNowhere };
}

test('R09: when only its process died a broker is eligible still, and need not wait for its last session', async () => {
  const { tookMs, isEligible } = await afterDeath('keep', 'relaxed');
  assert.ok(tookMs < 3_000, `${tookMs} ms`);
  assert.equal(isEligible, true);
});

test('R08: after a power cut it is not, except in topics of which nothing unsynced counted', async () => {
  assert.equal((await afterDeath('lose', 'relaxed')).isNowhere, true);
  assert.equal((await afterDeath('lose', 'fsync')).isEligible, true);
});

test('a leader whose log directory fails leaves what was there to the others, and follows as before', async () => {
  let isBroken = false;
  const cluster = await testCluster(3, {
    configs: { ...CONFIGS, 'min.insync.replicas': '2' },
    diskOf: (nodeId) => ({
      fault: ({ kind }) =>
        isBroken && nodeId === 3 && (kind === 'sync' || kind === 'write') ? 'EIO' : undefined,
    }),
  });
  const topic = { name: 't', numPartitions: 6, replicationFactor: 3, assignments: [], configs: [] };
  await cluster.settle(cluster.member(1).broker.services.controller.createTopics([topic]));
  await cluster.pass(1_000);
  const led = partitions(cluster, 1).filter(({ leader }) => leader === 3);
  assert.ok(led.length > 0);
  const client = await cluster.connect(3);
  isBroken = true;
  await client.produce('t', batchOf(['a']), { partition: led[0]!.partition });
  await cluster.pass(2_000);
  for (const { leader, isr, elr } of partitions(cluster, 1)) {
    assert.ok(leader === 1 || leader === 2, `led by ${leader}`);
    assert.ok(![...isr, ...elr].includes(3));
  }
  assert.equal(isAlive(cluster.member(1).broker.services.image, 3), true);
  for (const { leader, partition } of partitions(cluster, 1)) {
    const other = await cluster.connect(leader);
    assert.equal((await other.produce('t', batchOf(['b']), { partition })).errorCode, Errors.NONE);
  }
  await cluster.stop();
});

test('a broker without a log directory leads nothing, not even as the last that led, until it starts with one', async () => {
  let isBroken = false;
  const cluster = await testCluster(3, {
    configs: CONFIGS,
    diskOf: (nodeId) => ({
      fault: ({ kind }) =>
        isBroken && nodeId === 3 && (kind === 'sync' || kind === 'write') ? 'EIO' : undefined,
    }),
  });
  const { controller, image } = cluster.member(1).broker.services;
  const only3 = [{ partitionIndex: 0, brokerIds: [3] }];
  const topic = (name: string, assignments: typeof only3, replicationFactor = -1) => ({
    name,
    numPartitions: assignments.length > 0 ? -1 : 6,
    replicationFactor,
    assignments,
    configs: [{ name: 'unclean.leader.election.enable', value: 'true' }],
  });
  await cluster.settle(controller.createTopics([topic('t', only3)]));
  await cluster.pass(1_000);
  const client = await cluster.connect(3);
  assert.equal((await client.produce('t', batchOf(['a']))).errorCode, Errors.NONE);
  isBroken = true;
  await client.produce('t', batchOf(['b']));
  await cluster.pass(2_000);
  assert.deepEqual([image.partition('t', 0)!.leader, isAlive(image, 3)], [-1, true]);
  const answers = await cluster.settle(controller.createTopics([topic('u', [], 3), topic('v', only3)]));
  assert.deepEqual(
    answers.map(({ errorCode }) => errorCode),
    [Errors.NONE, Errors.INVALID_REPLICA_ASSIGNMENT],
  );
  for (const { leader, isr } of image.topics.get('u')!.partitions) {
    assert.ok(leader === 1 || leader === 2, `led by ${leader}`);
    assert.ok(!isr.includes(3));
  }
  isBroken = false;
  await cluster.restart(3, 'keep');
  await cluster.pass(2_000);
  const { leader, isr } = image.partition('t', 0)!;
  assert.deepEqual({ leader, isr }, { leader: 3, isr: [3] });
  for (const one of image.topics.get('u')!.partitions) assert.equal(one.isr.length, 3);
  await cluster.stop();
});

test('the controller is gone for longer than its session: another decides, and leaders change', async () => {
  const cluster = await withTopic(9);
  cluster.member(1).ports.kill();
  cluster.members.delete(1);
  await cluster.pass(8_000);
  const { image } = cluster.member(2).broker.services;
  assert.ok(image.controllerId > 1);
  assert.ok(partitions(cluster, 2).every(({ leader }) => isAlive(image, leader)));
  await cluster.stop();
});

test('a broker whose store does not answer stops all the same, within its time', async () => {
  const cluster = await withTopic(6);
  const { store, broker } = cluster.member(3);
  (store as MemoryStoreClient).setReachable(false);
  const beganMs = cluster.time.nowMs();
  await cluster.settle(broker.stop().catch(() => {}));
  assert.ok(cluster.time.nowMs() - beganMs < 20_000, `${cluster.time.nowMs() - beganMs} ms`);
  cluster.members.delete(3);
  await cluster.stop();
});

test('a leader that cannot be replaced does not keep its broker from stopping', async () => {
  const cluster = await testCluster(2, { configs: CONFIGS });
  const assignments = [{ partitionIndex: 0, brokerIds: [2] }];
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  await cluster.settle(cluster.member(1).broker.services.controller.createTopics([topic]));
  await cluster.pass(100);
  const beganMs = cluster.time.nowMs();
  await cluster.settle(cluster.member(2).broker.stop());
  assert.ok(cluster.time.nowMs() - beganMs < 8_000, `${cluster.time.nowMs() - beganMs} ms`);
  await cluster.restart(2, 'keep');
  await cluster.pass(1_000);
  const [{ leader, isr }] = partitions(cluster, 1);
  assert.deepEqual({ leader, isr }, { leader: 2, isr: [2] });
  await cluster.stop();
});

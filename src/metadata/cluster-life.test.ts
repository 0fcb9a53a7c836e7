import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetadataCluster, SESSION_TTL_MS, type MetadataNode } from '../../test/metadata-cluster.ts';
import { Errors } from '../protocol/errors.ts';
import { isAlive } from './controller/partition-change.ts';

const isSettled = (cluster: MetadataCluster): boolean =>
  cluster
    .partitions()
    .every(({ leader, isr }) => isr.includes(leader) && isr.every((id) => isAlive(cluster.image, id)));

test('when the controller dies another broker decides, soon after its session is over', async () => {
  const cluster = await MetadataCluster.start(3);
  const first = cluster.controller!;
  assert.equal(first.nodeId, 1);
  first.process.kill();
  const isReplaced = () => cluster.image.controllerId > 1;
  assert.ok(await cluster.time.runUntil(isReplaced, SESSION_TTL_MS + 1_000));
  await cluster.createTopic('t', 1);
  assert.ok(!cluster.partitions()[0].isr.includes(1));
});

test('R17: a controller that stood still has been deposed when it goes on, and knows it', async () => {
  const cluster = await MetadataCluster.start(3);
  const first = cluster.controller!;
  const { epoch } = cluster.image.brokers.get(1)!;
  first.process.pause();
  await cluster.time.advance(3 * SESSION_TTL_MS);
  assert.notEqual(cluster.image.controllerId, 1);
  first.process.resume();
  await cluster.time.advance(5_000);
  assert.equal(first.controller.isActive, false);
  const topic = { name: 'x', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await assert.rejects(cluster.time.settle(first.controller.createTopics([topic])), {
    code: Errors.NOT_CONTROLLER,
  });
  assert.ok(cluster.image.brokers.get(1)!.epoch > epoch, 'it is registered again, under another epoch');
});

test('the leaders of 500 partitions are replaced within two seconds of the end of their session', async () => {
  const cluster = await MetadataCluster.start(3);
  await cluster.createTopic('t', 500);
  cluster.server.faults.latencyMs = { min: 1, max: 10 };
  cluster.server.faults.watchLagMs = { min: 0, max: 10 };
  const victim = cluster.nodes[2];
  assert.ok(cluster.partitions().filter(({ leader }) => leader === 3).length > 100);
  victim.process.kill();
  assert.ok(await cluster.time.runUntil(() => !isAlive(cluster.image, 3), 2 * SESSION_TTL_MS));
  const endMs = cluster.time.nowMs();
  assert.ok(await cluster.time.runUntil(() => isSettled(cluster), 10_000));
  assert.ok(cluster.time.nowMs() - endMs < 2_000, `${cluster.time.nowMs() - endMs} ms`);
  assert.ok(cluster.partitions().every(({ isr }) => !isr.includes(3)));
});

test('controller and leaders gone with one broker: both are replaced', async () => {
  const cluster = await MetadataCluster.start(3);
  await cluster.createTopic('t', 30);
  cluster.controller!.process.kill();
  const isDone = () => cluster.image.controllerId > 1 && isSettled(cluster);
  assert.ok(await cluster.time.runUntil(isDone, SESSION_TTL_MS + 2_000));
});

test('a broker that was cut off for a while, and not missed, goes on with its registration: nobody is elected', async () => {
  const cluster = await MetadataCluster.start(3);
  await cluster.createTopic('t', 9);
  // As with a new leader of etcd, which gives every lease its whole time again.
  cluster.server.faults.sessionsLateMs = 60_000;
  await cluster.time.advance(SESSION_TTL_MS);
  const before = cluster.partitions();
  const { epoch } = cluster.image.brokers.get(1)!;
  const [node] = cluster.nodes;
  node.store.setReachable(false);
  await cluster.time.advance(2 * SESSION_TTL_MS);
  assert.equal(node.membership.session, undefined, 'it knows');
  node.store.setReachable(true);
  await cluster.time.advance(20_000);
  assert.notEqual(node.membership.session, undefined);
  assert.deepEqual([cluster.image.brokers.get(1)!.epoch, node.epochs.length], [epoch, 1]);
  assert.deepEqual(cluster.partitions(), before);
  assert.equal(cluster.image.controllerId, 1);
  await cluster.time.advance(120_000);
  assert.ok(isAlive(cluster.image, 1), 'the new session is the one that counts');
  assert.equal(cluster.image.controllerId, 1);
});

test('a broker that was cut off for too long is out of sync until it has caught up again', async () => {
  const cluster = await MetadataCluster.start(3);
  await cluster.createTopic('t', 9);
  const node = cluster.nodes[2];
  node.store.setReachable(false);
  await cluster.time.advance(3 * SESSION_TTL_MS);
  assert.ok(cluster.partitions().every(({ isr, leader }) => !isr.includes(3) && leader !== 3));
  node.store.setReachable(true);
  await cluster.time.advance(20_000);
  assert.equal(node.epochs.length, 2);
  assert.ok(isAlive(cluster.image, 3));
  assert.ok(cluster.partitions().every(({ isr }) => isr.length === 2));
});

test('R12: a broker that says it is about to stop leads nothing any more, and is in sync in nothing', async () => {
  const cluster = await MetadataCluster.start(3);
  await cluster.createTopic('t', 30);
  const stopping = cluster.controller!;
  assert.equal(await stopping.membership.announceStop(), true);
  const isOut = () => cluster.partitions().every(({ isr }) => !isr.includes(stopping.nodeId));
  assert.ok(await cluster.time.runUntil(isOut, 1_000));
  assert.ok(isSettled(cluster));
  await cluster.time.settle(stopping.duty.stop());
  assert.ok(await cluster.time.runUntil(() => cluster.image.controllerId > 1, 1_000));
  await cluster.time.settle(stopping.membership.leave());
  assert.equal(cluster.image.brokers.get(1)!.fenced, true);
});

test('with two brokers under one id the second is refused, as long as the first is alive', async () => {
  const cluster = await MetadataCluster.start(2);
  await assert.rejects(cluster.startNode(2), { code: Errors.DUPLICATE_BROKER_REGISTRATION });
  cluster.nodes[1].process.kill();
  const next = await cluster.startNode(2);
  assert.ok(next.membership.epoch > cluster.nodes[1].membership.epoch);
});

test('a broker that comes back before its last session has ended need not wait for that', async () => {
  const cluster = await MetadataCluster.start(2);
  await cluster.createTopic('t', 6);
  const { epoch } = cluster.image.brokers.get(2)!;
  cluster.nodes[1].process.kill();
  const atMs = cluster.time.nowMs();
  await cluster.startNode(2, { epoch, hasLost: () => true });
  assert.ok(cluster.time.nowMs() - atMs < 1_000);
  // Nothing it had counts: it has to follow first.
  assert.ok(cluster.partitions().every(({ isr, elr }) => !isr.includes(2) && !elr.includes(2)));
});

test('preferred replicas lead again after a while', async () => {
  const cluster = await MetadataCluster.start(3);
  await cluster.createTopic('t', 30);
  cluster.nodes[2].store.setReachable(false);
  await cluster.time.advance(3 * SESSION_TTL_MS);
  cluster.nodes[2].store.setReachable(true);
  await cluster.time.advance(20_000);
  cluster.catchUp();
  assert.ok(cluster.partitions().every(({ leader }) => leader !== 3));
  await cluster.time.advance(310_000);
  assert.ok(cluster.partitions().every(({ leader, replicas }) => leader === replicas[0]));
});

/** Epochs never go back and leaders are in sync, whatever is written. */
function watchInvariants(cluster: MetadataCluster, about: string): void {
  const epochs = new Map<string, { leaderEpoch: number; partitionEpoch: number }>();
  cluster.image.onChange(({ partitionsChanged }) => {
    for (const { topic, partition } of partitionsChanged) {
      const now = cluster.image.partition(topic, partition)!;
      const before = epochs.get(`${topic}-${partition}`) ?? { leaderEpoch: 0, partitionEpoch: 0 };
      assert.ok(now.leader === -1 || now.isr.includes(now.leader), about);
      assert.ok(now.leaderEpoch >= before.leaderEpoch && now.partitionEpoch > before.partitionEpoch, about);
      epochs.set(`${topic}-${partition}`, now);
    }
  });
}

test('whatever happens to brokers and their store, in the end one decides and every partition is led', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const cluster = await MetadataCluster.start(4, seed);
    const { random, time } = cluster.ports;
    await cluster.createTopic('t', 20, { 'min.insync.replicas': '2' });
    watchInvariants(cluster, `seed ${seed}`);
    Object.assign(cluster.server.faults, {
      latencyMs: { min: 1, max: 50 },
      indeterminate: 0.1,
      watchLagMs: { min: 0, max: 300 },
      duplicateEvents: 0.1,
      sessionsLateMs: random.integer(2) * 6_000,
    });
    for (let n = 0; n < 12; n++) {
      const at = random.integer(cluster.nodes.length);
      const node: MetadataNode = cluster.nodes[at];
      const step = random.integer(5);
      if (step === 0) node.process.pause();
      else if (step === 1) node.store.setReachable(false);
      else if (step === 2 && cluster.server.sessionIds().length > 0) {
        cluster.server.expireSession(cluster.server.sessionIds()[0]);
      } else if (step === 3) {
        node.process.kill();
        const lastLife = { epoch: node.membership.epoch, hasLost: () => random.integer(2) === 0 };
        cluster.nodes[at] = await cluster.startNode(node.nodeId, lastLife);
      } else cluster.catchUp();
      await time.advance(random.integer(15_000));
      node.process.resume();
      node.store.setReachable(true);
    }
    Object.assign(cluster.server.faults, { indeterminate: 0, sessionsLateMs: 0 });
    const isWell = () =>
      cluster.controller !== undefined &&
      cluster.controller.controller.isActive &&
      [1, 2, 3, 4].every((id) => isAlive(cluster.image, id)) &&
      isSettled(cluster);
    assert.ok(await time.runUntil(isWell, 60_000), `seed ${seed}`);
    assert.equal(cluster.nodes.filter(({ controller }) => controller.isActive).length, 1, `seed ${seed}`);
  }
});

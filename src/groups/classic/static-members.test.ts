/** Static membership (KIP-345): members that are known by a group instance id across restarts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { Scene, subscription } from '../group-scene-contract.ts';

/** A Stable group of these static members, the first of which leads; their member ids. */
async function staticGroup(scene: Scene, ...instances: string[]): Promise<string[]> {
  const joins = instances.map((groupInstanceId) => scene.join({ groupInstanceId }));
  await scene.time.advance(9000);
  const members = joins.map(({ response }) => response!.memberId);
  const assignments = Object.fromEntries(members.map((memberId, i) => [memberId, instances[i]]));
  const syncs = members.map((memberId, i) =>
    scene.sync({
      memberId,
      groupInstanceId: instances[i],
      generationId: 1,
      assignments: i === 0 ? assignments : {},
    }),
  );
  for (const sync of syncs) assert.equal((await scene.settle(sync)).errorCode, 0);
  return members;
}

test('item 52: a static member is in without a second JoinGroup, under an id that begins with its instance id', async () => {
  const scene = await Scene.begin();
  const join = scene.join({ groupInstanceId: 'i1' });
  await scene.time.advance(3000);
  assert.equal(join.response!.errorCode, 0);
  assert.match(join.response!.memberId, /^i1-[0-9a-f-]{36}$/);
  assert.equal(join.response!.members[0].groupInstanceId, 'i1');
});

test('item 52: a static member that restarts in a Stable group gets a new id and no rebalance', async () => {
  const scene = await Scene.begin();
  const [leader, follower] = await staticGroup(scene, 'i1', 'i2');
  const from = scene.log.logEndOffset();
  const rejoined = await scene.settle(scene.join({ groupInstanceId: 'i2' }));
  assert.deepEqual(
    [rejoined.errorCode, rejoined.generationId, rejoined.leader, rejoined.skipAssignment, rejoined.members],
    [0, 1, leader, false, []],
  );
  assert.notEqual(rejoined.memberId, follower);
  assert.equal(scene.state(), 'Stable');
  const sync = await scene.settle(
    scene.sync({ memberId: rejoined.memberId, groupInstanceId: 'i2', generationId: 1 }),
  );
  assert.equal(sync.assignment.toString(), 'i2');
  // The new id is written (KAFKA-9801): the next coordinator knows it, and not the old one.
  assert.equal(scene.records(from).length, 1);
  const next = await scene.failover();
  const beat = { generationId: 1, groupInstanceId: 'i2' };
  assert.equal(await next.heartbeat({ ...beat, memberId: rejoined.memberId }), 0);
  assert.equal(await next.heartbeat({ ...beat, memberId: follower }), Errors.FENCED_INSTANCE_ID);
});

test('item 52: the old self of a static member is fenced in every request', async () => {
  const scene = await Scene.begin();
  const [, old] = await staticGroup(scene, 'i1', 'i2');
  await scene.settle(scene.join({ groupInstanceId: 'i2' }));
  const identity = { memberId: old, groupInstanceId: 'i2' };
  const codes = [
    await scene.heartbeat({ ...identity, generationId: 1 }),
    (await scene.settle(scene.sync({ ...identity, generationId: 1 }))).errorCode,
    (await scene.settle(scene.join(identity))).errorCode,
    await scene.commit({ ...identity, generationIdOrMemberEpoch: 1 }),
    ...(await scene.leave(identity)),
  ];
  assert.deepEqual(codes, Array(5).fill(Errors.FENCED_INSTANCE_ID));
});

test('item 52: a static leader that restarts hears its old id before version 9, and keeps its assignment since', async () => {
  for (const apiVersion of [8, 9]) {
    const scene = await Scene.begin();
    const [leader] = await staticGroup(scene, 'i1', 'i2');
    const rejoined = await scene.settle(scene.join({ apiVersion, groupInstanceId: 'i1' }));
    const { memberId, generationId, skipAssignment, members } = rejoined;
    assert.equal(generationId, 1);
    if (apiVersion === 8) {
      assert.deepEqual([rejoined.leader, skipAssignment, members], [leader, false, []]);
    } else {
      assert.deepEqual([rejoined.leader, skipAssignment, members.length], [memberId, true, 2]);
    }
  }
});

test('item 52: a static member that restarts with another protocol starts a rebalance', async () => {
  const scene = await Scene.begin();
  const both = [
    { name: 'range', metadata: subscription('t') },
    { name: 'sticky', metadata: subscription('t') },
  ];
  const join = scene.join({ groupInstanceId: 'i1', protocols: both });
  await scene.time.advance(3000);
  await scene.settle(
    scene.sync({ memberId: join.response!.memberId, groupInstanceId: 'i1', generationId: 1 }),
  );
  const rejoined = await scene.settle(scene.join({ groupInstanceId: 'i1', protocols: [both[1]] }));
  assert.deepEqual([rejoined.generationId, rejoined.protocolName], [2, 'sticky']);
});

test('item 52: a static member that restarts between JoinGroup and SyncGroup starts another rebalance', async () => {
  const scene = await Scene.begin();
  const joins = ['i1', 'i2'].map((groupInstanceId) => scene.join({ groupInstanceId }));
  await scene.time.advance(9000);
  const waiting = scene.sync({
    memberId: joins[1].response!.memberId,
    groupInstanceId: 'i2',
    generationId: 1,
  });
  const rejoin = scene.join({ groupInstanceId: 'i2' });
  await scene.time.advance(0);
  assert.equal(waiting.response!.errorCode, Errors.FENCED_INSTANCE_ID);
  assert.deepEqual([scene.state(), rejoin.response], ['PreparingRebalance', undefined]);
  scene.join({ groupInstanceId: 'i1', memberId: joins[0].response!.memberId });
  await scene.time.advance(0);
  assert.equal(rejoin.response!.generationId, 2);
});

test('item 52: a static member that joins twice at once: the first is FENCED_INSTANCE_ID, the second is in', async () => {
  const scene = await Scene.begin();
  const first = scene.join({ groupInstanceId: 'i1' });
  const second = scene.join({ groupInstanceId: 'i1' });
  await scene.time.advance(9000);
  assert.equal(first.response!.errorCode, Errors.FENCED_INSTANCE_ID);
  assert.deepEqual([second.response!.errorCode, second.response!.members.length], [0, 1]);
});

test('item 52: when the new id cannot be written the old one stays, and the restarted member hears of it', async () => {
  const scene = await Scene.begin();
  const [leader, follower] = await staticGroup(scene, 'i1', 'i2');
  scene.log.appendError = Errors.NOT_ENOUGH_REPLICAS;
  const refused = await scene.settle(scene.join({ groupInstanceId: 'i2' }));
  assert.deepEqual(
    [refused.errorCode, refused.memberId, refused.leader],
    [Errors.COORDINATOR_NOT_AVAILABLE, '', leader],
  );
  assert.equal(await scene.heartbeat({ memberId: follower, groupInstanceId: 'i2', generationId: 1 }), 0);
  scene.log.appendError = 0;
  assert.equal((await scene.settle(scene.join({ groupInstanceId: 'i2' }))).errorCode, 0);
});

test('static members may miss a rebalance: only their session takes them out', async () => {
  const scene = await Scene.begin();
  const options = { rebalanceTimeoutMs: 10_000, sessionTimeoutMs: 60_000 };
  const joins = ['i1', 'i2'].map((groupInstanceId) => scene.join({ ...options, groupInstanceId }));
  await scene.time.advance(9000);
  const [i1, i2] = joins.map(({ response }) => response!.memberId);
  const syncs = [i1, i2].map((memberId, i) =>
    scene.sync({ memberId, groupInstanceId: `i${i + 1}`, generationId: 1 }),
  );
  for (const sync of syncs) await scene.settle(sync);
  const rejoin = scene.join({ ...options, groupInstanceId: 'i1', memberId: i1 });
  await scene.time.advance(10_000);
  assert.equal(rejoin.response!.members.length, 2);
});

test('an unknown instance id is UNKNOWN_MEMBER_ID', async () => {
  const scene = await Scene.begin();
  const [memberId] = await staticGroup(scene, 'i1');
  const codes = [
    await scene.heartbeat({ memberId, groupInstanceId: 'i9', generationId: 1 }),
    (await scene.settle(scene.join({ memberId, groupInstanceId: 'i9' }))).errorCode,
  ];
  assert.deepEqual(codes, [Errors.UNKNOWN_MEMBER_ID, Errors.UNKNOWN_MEMBER_ID]);
});

test('an administrator removes static members by instance id alone', async () => {
  const scene = await Scene.begin();
  const [, second] = await staticGroup(scene, 'i1', 'i2');
  const codes = await scene.leave(
    { memberId: '', groupInstanceId: 'i2' },
    { memberId: '', groupInstanceId: 'i9' },
    { memberId: '' },
  );
  assert.deepEqual(codes, [0, Errors.UNKNOWN_MEMBER_ID, Errors.UNKNOWN_MEMBER_ID]);
  assert.equal(
    await scene.heartbeat({ memberId: second, groupInstanceId: 'i2', generationId: 1 }),
    Errors.UNKNOWN_MEMBER_ID,
  );
  assert.equal(scene.describe().members.length, 1);
});

test('item 52: a rebalance that begins before the new id is committed answers the restarted member', async () => {
  const scene = await Scene.begin();
  const [leader] = await staticGroup(scene, 'i1', 'i2');
  scene.log.isCommittedAtOnce = false;
  const rejoin = scene.join({ groupInstanceId: 'i2' });
  await scene.time.advance(1);
  const leading = scene.join({
    memberId: leader,
    groupInstanceId: 'i1',
    protocols: [...PROTOCOLS, ...PROTOCOLS],
  });
  await scene.time.advance(0);
  assert.deepEqual([rejoin.response!.generationId, leading.response!.generationId], [2, 2]);
  scene.log.commit();
  await scene.time.advance(0);
  assert.equal(scene.state(), 'CompletingRebalance');

  const again = await Scene.begin();
  const [first] = await staticGroup(again, 'i1', 'i2', 'i3');
  again.log.isCommittedAtOnce = false;
  const restarted = again.join({ groupInstanceId: 'i2' });
  await again.time.advance(1);
  again.join({ memberId: first, groupInstanceId: 'i1' });
  again.log.commit();
  await again.time.advance(0);
  assert.deepEqual([again.state(), restarted.response], ['PreparingRebalance', undefined]);
});

const PROTOCOLS = [{ name: 'range', metadata: subscription('t') }];

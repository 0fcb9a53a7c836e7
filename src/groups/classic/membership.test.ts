import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { Scene } from '../group-scene-contract.ts';

test('a member that is not heard of for its session timeout is out, and the others rebalance', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2);
  const [alive, dead] = members;
  for (let i = 0; i < 3; i++) {
    await scene.time.advance(3000);
    assert.equal(await scene.heartbeat({ memberId: alive, generationId: 1 }), 0);
  }
  await scene.time.advance(1000);
  assert.equal(scene.state(), 'PreparingRebalance');
  assert.equal(await scene.heartbeat({ memberId: dead, generationId: 1 }), Errors.UNKNOWN_MEMBER_ID);
  assert.equal(await scene.heartbeat({ memberId: alive, generationId: 1 }), Errors.REBALANCE_IN_PROGRESS);
});

test('a commit is a sign of life', async () => {
  const scene = await Scene.begin();
  const [memberId] = (await scene.stableGroup(1)).members;
  for (let i = 0; i < 5; i++) {
    await scene.time.advance(9999);
    assert.equal(await scene.commit({ memberId, generationIdOrMemberEpoch: 1, offset: i }), 0);
  }
  assert.equal(scene.state(), 'Stable');
});

test('a member that waits in a rebalance is alive, however long that takes', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2, { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 30_000 });
  const [patient, busy] = members;
  const join = scene.join({ memberId: patient, sessionTimeoutMs: 6000, rebalanceTimeoutMs: 30_000 });
  for (let i = 0; i < 4; i++) {
    await scene.time.advance(5000);
    assert.equal(await scene.heartbeat({ memberId: busy, generationId: 1 }), Errors.REBALANCE_IN_PROGRESS);
  }
  assert.equal(join.response, undefined);
  await scene.leave({ memberId: busy });
  assert.equal(join.response!.generationId, 2);
});

test('the last member to leave empties the group, which is written with the next generation', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2);
  const from = scene.log.logEndOffset();
  assert.deepEqual(await scene.leave({ memberId: members[0] }, { memberId: members[1] }), [0, 0]);
  assert.equal(scene.state(), 'Empty');
  assert.deepEqual(scene.records(from), [
    {
      key: { group: 'g' },
      value: {
        protocolType: 'consumer',
        generation: 2,
        protocol: null,
        leader: null,
        currentStateTimestamp: Date.UTC(2026, 0, 1) + scene.time.nowMs(),
        members: [],
      },
    },
  ]);
});

test('a member that leaves while it waits in JoinGroup is answered UNKNOWN_MEMBER_ID', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2);
  const join = scene.join({ memberId: members[0] });
  await scene.time.advance(0);
  assert.deepEqual(await scene.leave({ memberId: members[0] }), [0]);
  assert.equal(join.response!.errorCode, Errors.UNKNOWN_MEMBER_ID);
});

test('somebody who was only given an id may leave as well', async () => {
  const scene = await Scene.begin();
  const { memberId } = await scene.settle(scene.join());
  assert.deepEqual(await scene.leave({ memberId }, { memberId: 'x' }), [0, Errors.UNKNOWN_MEMBER_ID]);
  assert.equal((await scene.settle(scene.join({ memberId }))).errorCode, Errors.UNKNOWN_MEMBER_ID);
});

test('leaving a group that is not there is UNKNOWN_MEMBER_ID for each member', async () => {
  const scene = await Scene.begin();
  assert.deepEqual(await scene.leave({ memberId: 'a' }, { memberId: 'b' }), [
    Errors.UNKNOWN_MEMBER_ID,
    Errors.UNKNOWN_MEMBER_ID,
  ]);
});

test("before version 3 the member's error stands at the top", async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(1);
  const codes = [];
  for (const memberId of ['x', members[0]]) {
    const context = { apiVersion: 2, clientId: 'c', clientHost: '/::1' };
    const request = { groupId: 'g', memberId, members: [] };
    const response = await scene.time.settle(scene.coordinator.leaveGroup(context, request));
    codes.push([response.errorCode, response.members]);
  }
  assert.deepEqual(codes, [
    [Errors.UNKNOWN_MEMBER_ID, []],
    [0, []],
  ]);
});

test('after a failover members stay in by their heartbeats, and those who died are out a session timeout later', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2);
  const next = await scene.failover();
  await next.time.advance(9000);
  assert.equal(await next.heartbeat({ memberId: members[0], generationId: 1 }), 0);
  await next.time.advance(1000);
  assert.equal(await next.heartbeat({ memberId: members[0], generationId: 1 }), Errors.REBALANCE_IN_PROGRESS);
  assert.equal(await next.heartbeat({ memberId: members[1], generationId: 1 }), Errors.UNKNOWN_MEMBER_ID);
});

test('a new member whose JoinGroup was given up is out after five minutes, though the rebalance has not ended', async () => {
  const scene = await Scene.begin();
  const options = { rebalanceTimeoutMs: 3_600_000, sessionTimeoutMs: 1_800_000 };
  const { members } = await scene.stableGroup(1, options);
  const join = await scene.joinFully(options);
  await scene.time.advance(5 * 60_000 - 1);
  assert.equal(join.response, undefined);
  await scene.time.advance(1);
  assert.equal(join.response!.errorCode, Errors.UNKNOWN_MEMBER_ID);
  assert.equal(
    await scene.heartbeat({ memberId: members[0], generationId: 1 }),
    Errors.REBALANCE_IN_PROGRESS,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import type { GroupMetadataValue } from '../../protocol/records/group.ts';
import { Scene, subscription } from '../group-scene-contract.ts';

/** A group whose members have joined and not synced; the leader first. */
async function joinedGroup(scene: Scene, count: number, options = {}): Promise<string[]> {
  const joins = [];
  for (let i = 0; i < count; i++) joins.push(await scene.joinFully(options));
  await scene.time.advance(3000 * (count + 1));
  const { leader } = joins[0].response!;
  const members = joins.map(({ response }) => response!.memberId);
  return [leader, ...members.filter((memberId) => memberId !== leader)];
}

test("the leader's assignment is written, and then each member gets its part", async () => {
  const scene = await Scene.begin();
  const [leader, follower, forgotten] = await joinedGroup(scene, 3);
  scene.log.isCommittedAtOnce = false;
  const from = scene.log.logEndOffset();
  const followers = [follower, forgotten].map((memberId) => scene.sync({ memberId, generationId: 1 }));
  const sync = scene.sync({
    memberId: leader,
    generationId: 1,
    assignments: { [leader]: 'for the leader', [follower]: 'for the follower', 'made-up': 'for nobody' },
  });
  await scene.time.advance(1);
  assert.deepEqual([sync.response, scene.state()], [undefined, 'CompletingRebalance']);
  scene.log.commit();
  await scene.time.advance(0);
  assert.equal(scene.state(), 'Stable');
  assert.deepEqual(
    [sync, ...followers].map(({ response }) => response!.assignment.toString()),
    ['for the leader', 'for the follower', ''],
  );
  const value = scene.records(from)[0].value as GroupMetadataValue;
  const member = (memberId: string, assignment: string) => ({
    memberId,
    groupInstanceId: null,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    rebalanceTimeout: 60_000,
    sessionTimeout: 10_000,
    subscription: subscription('t'),
    assignment: Buffer.from(assignment),
  });
  assert.deepEqual(value, {
    protocolType: 'consumer',
    generation: 1,
    protocol: 'range',
    leader,
    currentStateTimestamp: value.currentStateTimestamp,
    members: [member(leader, 'for the leader'), member(follower, 'for the follower'), member(forgotten, '')],
  });
});

test('a SyncGroup in a Stable group gives the assignment again', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2);
  const again = await scene.settle(scene.sync({ memberId: members[1], generationId: 1 }));
  assert.deepEqual([again.errorCode, again.assignment.toString()], [0, members[1]]);
});

test('item 54: SyncGroup and Heartbeat during PreparingRebalance are REBALANCE_IN_PROGRESS', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2);
  scene.join({ memberId: members[0] });
  await scene.time.advance(0);
  const [, memberId] = members;
  const sync = await scene.settle(scene.sync({ memberId, generationId: 1 }));
  assert.equal(sync.errorCode, Errors.REBALANCE_IN_PROGRESS);
  assert.equal(await scene.heartbeat({ memberId, generationId: 1 }), Errors.REBALANCE_IN_PROGRESS);
});

test('item 54: another generation is ILLEGAL_GENERATION in SyncGroup, Heartbeat and OffsetCommit', async () => {
  const scene = await Scene.begin();
  const [memberId] = (await scene.stableGroup(1)).members;
  for (const generationId of [0, 2]) {
    const sync = await scene.settle(scene.sync({ memberId, generationId }));
    assert.deepEqual(
      [
        sync.errorCode,
        await scene.heartbeat({ memberId, generationId }),
        await scene.commit({ memberId, generationIdOrMemberEpoch: generationId }),
      ],
      [Errors.ILLEGAL_GENERATION, Errors.ILLEGAL_GENERATION, Errors.ILLEGAL_GENERATION],
    );
  }
});

test('item 54: a rebalance that begins while members wait for their assignment sends them back to JoinGroup', async () => {
  const scene = await Scene.begin();
  const [leader, follower] = await joinedGroup(scene, 2);
  const waiting = scene.sync({ memberId: follower, generationId: 1 });
  await scene.joinFully();
  await scene.time.advance(0);
  assert.equal(waiting.response!.errorCode, Errors.REBALANCE_IN_PROGRESS);
  assert.equal(await scene.heartbeat({ memberId: leader, generationId: 1 }), Errors.REBALANCE_IN_PROGRESS);
});

test('an assignment that cannot be written sends all members back to JoinGroup', async () => {
  const scene = await Scene.begin();
  const [leader, follower] = await joinedGroup(scene, 2);
  scene.log.appendError = Errors.NOT_ENOUGH_REPLICAS;
  const syncs = [
    scene.sync({ memberId: follower, generationId: 1 }),
    scene.sync({ memberId: leader, generationId: 1, assignments: { [leader]: 'x' } }),
  ];
  await scene.time.advance(1);
  assert.deepEqual(
    syncs.map(({ response }) => response!.errorCode),
    [Errors.COORDINATOR_NOT_AVAILABLE, Errors.COORDINATOR_NOT_AVAILABLE],
  );
  assert.equal(scene.state(), 'PreparingRebalance');
  scene.log.appendError = 0;
  const joins = [leader, follower].map((memberId) => scene.join({ memberId }));
  await scene.time.advance(0);
  assert.deepEqual(
    joins.map(({ response }) => response!.generationId),
    [2, 2],
  );
});

test('item 54: a large assignment arrives whole, and one that no batch can hold is refused to all, never cut', async () => {
  const scene = await Scene.begin();
  const [leader, follower] = await joinedGroup(scene, 2);
  const assign = (sizeBytes: number, generationId: number) => [
    scene.sync({ memberId: follower, generationId }),
    scene.sync({ memberId: leader, generationId, assignments: { [follower]: 'x'.repeat(sizeBytes) } }),
  ];
  const refused = assign(1_100_000, 1);
  await scene.time.advance(1);
  assert.deepEqual(
    refused.map(({ response }) => response!.errorCode),
    [Errors.UNKNOWN_SERVER_ERROR, Errors.UNKNOWN_SERVER_ERROR],
  );
  assert.equal(scene.state(), 'PreparingRebalance');
  for (const memberId of [leader, follower]) scene.join({ memberId });
  await scene.time.advance(0);
  const [taken] = assign(1_000_000, 2);
  await scene.time.advance(1);
  assert.deepEqual([taken.response!.errorCode, taken.response!.assignment.length], [0, 1_000_000]);
  const next = await scene.failover();
  const again = await next.settle(next.sync({ memberId: follower, generationId: 2 }));
  assert.equal(again.assignment.length, 1_000_000);
});

test('a protocol name that no record can hold sends everybody back, and nobody waits for ever', async () => {
  const scene = await Scene.begin();
  const protocolName = 'x'.repeat(40_000);
  const protocols = [{ name: protocolName, metadata: subscription('t') }];
  const [leader, follower] = await joinedGroup(scene, 2, { protocols });
  const syncs = [follower, leader].map((memberId) => scene.sync({ memberId, generationId: 1, protocolName }));
  await scene.time.advance(1);
  assert.deepEqual(
    syncs.map(({ response }) => response!.errorCode),
    [Errors.UNKNOWN_SERVER_ERROR, Errors.UNKNOWN_SERVER_ERROR],
  );
});

test('an assignment that is not committed in time counts as failed, even if it commits later', async () => {
  const scene = await Scene.begin();
  const [leader] = await joinedGroup(scene, 1);
  scene.log.isCommittedAtOnce = false;
  const sync = scene.sync({ memberId: leader, generationId: 1, assignments: { [leader]: 'x' } });
  await scene.time.advance(5001);
  assert.equal(sync.response!.errorCode, Errors.COORDINATOR_NOT_AVAILABLE);
  scene.log.commit();
  await scene.time.advance(0);
  assert.equal(scene.state(), 'PreparingRebalance');
});

test('members that do not send SyncGroup within the rebalance timeout are out', async () => {
  const scene = await Scene.begin();
  const options = { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 60_000 };
  const [leader, silent] = await joinedGroup(scene, 2, options);
  await scene.settle(scene.sync({ memberId: leader, generationId: 1 }));
  assert.equal(scene.state(), 'Stable');
  await scene.time.advance(20_000);
  assert.equal(scene.state(), 'PreparingRebalance');
  assert.equal(await scene.heartbeat({ memberId: silent, generationId: 1 }), Errors.UNKNOWN_MEMBER_ID);
  const rejoin = await scene.settle(scene.join({ ...options, memberId: leader }));
  assert.deepEqual([rejoin.generationId, rejoin.members.length], [2, 1]);
});

test('item 57: SyncGroup names the protocol of the group from version 5 on, or is INCONSISTENT_GROUP_PROTOCOL', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(1);
  const request = { memberId: members[0], generationId: 1 };
  const codes = [];
  for (const fields of [
    { protocolType: 'connect' },
    { protocolName: 'sticky' },
    { protocolType: null },
    { protocolName: null },
    { apiVersion: 4, protocolType: null, protocolName: null },
  ]) {
    codes.push((await scene.settle(scene.sync({ ...request, ...fields }))).errorCode);
  }
  assert.deepEqual(codes, [...Array(4).fill(Errors.INCONSISTENT_GROUP_PROTOCOL), 0]);
});

test('a group, member or group id that is not there is UNKNOWN_MEMBER_ID or INVALID_GROUP_ID', async () => {
  const scene = await Scene.begin();
  const request = { memberId: 'x', generationId: 1 };
  const codes = [
    (await scene.settle(scene.sync(request))).errorCode,
    await scene.heartbeat(request),
    (await scene.settle(scene.sync({ ...request, groupId: '' }))).errorCode,
    await scene.heartbeat({ ...request, groupId: '' }),
  ];
  await scene.stableGroup(1);
  codes.push((await scene.settle(scene.sync(request))).errorCode, await scene.heartbeat(request));
  const { UNKNOWN_MEMBER_ID, INVALID_GROUP_ID } = Errors;
  assert.deepEqual(codes, [
    UNKNOWN_MEMBER_ID,
    UNKNOWN_MEMBER_ID,
    INVALID_GROUP_ID,
    INVALID_GROUP_ID,
    UNKNOWN_MEMBER_ID,
    UNKNOWN_MEMBER_ID,
  ]);
});

test('a member that is removed while it waits for its assignment is answered UNKNOWN_MEMBER_ID', async () => {
  const scene = await Scene.begin();
  const [, follower] = await joinedGroup(scene, 2);
  const waiting = scene.sync({ memberId: follower, generationId: 1 });
  assert.deepEqual(await scene.leave({ memberId: follower }), [0]);
  assert.equal(waiting.response!.errorCode, Errors.UNKNOWN_MEMBER_ID);
});

test('a member whose session ran out while it waited for its assignment begins a new one with the answer', async () => {
  const scene = await Scene.begin();
  const joins = ['i1', 'i2'].map((groupInstanceId) => scene.join({ groupInstanceId }));
  await scene.time.advance(9000);
  const { leader } = joins[0].response!;
  const [other] = joins.map(({ response }) => response!.memberId).filter((memberId) => memberId !== leader);
  const instance = (memberId: string) => ({
    memberId,
    groupInstanceId: memberId.slice(0, 2),
    generationId: 1,
  });
  const waiting = scene.sync(instance(other));
  for (let i = 0; i < 4; i++) {
    await scene.time.advance(5000);
    assert.equal(await scene.heartbeat(instance(leader)), 0);
  }
  scene.join({ ...instance(leader), protocols: [{ name: 'range', metadata: subscription('u') }] });
  await scene.time.advance(0);
  assert.equal(waiting.response!.errorCode, Errors.REBALANCE_IN_PROGRESS);
  await scene.time.advance(9999);
  assert.equal(scene.describe().members.length, 2);
  await scene.time.advance(1);
  assert.equal(scene.describe().members.length, 1);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { Scene, subscription } from '../group-scene-contract.ts';

const protocol = (name: string, ...topics: string[]) => ({ name, metadata: subscription(...topics) });

test('item 52: a dynamic member without id gets one and MEMBER_ID_REQUIRED from version 4 on', async () => {
  const scene = await Scene.begin();
  const first = await scene.settle(scene.join({ apiVersion: 4, clientId: 'app' }));
  assert.equal(first.errorCode, Errors.MEMBER_ID_REQUIRED);
  assert.match(first.memberId, /^app-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  const second = scene.join({ apiVersion: 4, memberId: first.memberId });
  await scene.time.advance(3000);
  assert.equal(second.response!.errorCode, Errors.NONE);
  assert.equal(second.response!.memberId, first.memberId);
});

test('before version 4 a member without id is in at once', async () => {
  const scene = await Scene.begin();
  const join = scene.join({ apiVersion: 3 });
  await scene.time.advance(3000);
  const { errorCode, generationId, leader, memberId, members, protocolName, protocolType } = join.response!;
  assert.deepEqual(
    { errorCode, generationId, isLeader: leader === memberId, protocolName, protocolType },
    { errorCode: 0, generationId: 1, isLeader: true, protocolName: 'range', protocolType: 'consumer' },
  );
  assert.deepEqual(members, [{ memberId, groupInstanceId: null, metadata: subscription('t') }]);
});

test('item 53: the initial rebalance waits for the initial delay, and longer while others come', async () => {
  const scene = await Scene.begin();
  const a = await scene.joinFully();
  await scene.time.advance(2000);
  const b = await scene.joinFully();
  await scene.time.advance(1000); // 3 s: b has come meanwhile
  assert.deepEqual([a.response, b.response], [undefined, undefined]);
  await scene.time.advance(2999);
  assert.deepEqual([a.response, b.response], [undefined, undefined]);
  await scene.time.advance(1);
  assert.deepEqual([a.response!.generationId, b.response!.generationId], [1, 1]);
  const leader = [a, b].find(({ response }) => response!.leader === response!.memberId)!;
  assert.equal(leader.response!.members.length, 2);
});

test('item 53: the initial delay is prolonged no longer than the rebalance timeout', async () => {
  const scene = await Scene.begin();
  const first = await scene.joinFully({ rebalanceTimeoutMs: 8000 });
  for (let elapsed = 0; elapsed < 7000; elapsed += 1000) {
    await scene.joinFully({ rebalanceTimeoutMs: 8000 });
    await scene.time.advance(1000);
  }
  assert.equal(first.response, undefined);
  await scene.time.advance(1000);
  assert.equal(first.response!.generationId, 1);
});

test('item 53: a group that has members does not wait for the initial delay', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(1);
  const newcomer = await scene.joinFully();
  assert.equal(
    await scene.heartbeat({ memberId: members[0], generationId: 1 }),
    Errors.REBALANCE_IN_PROGRESS,
  );
  const again = scene.join({ memberId: members[0] });
  await scene.time.advance(0);
  assert.deepEqual([again.response!.generationId, newcomer.response!.generationId], [2, 2]);
});

test('item 53: a follower that joins again learns the generation; one that has changed starts a rebalance', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2);
  const [leader, follower] = members;
  const unchanged = await scene.settle(scene.join({ memberId: follower }));
  assert.deepEqual(
    [unchanged.errorCode, unchanged.generationId, unchanged.leader, unchanged.members],
    [0, 1, leader, []],
  );
  assert.equal(scene.state(), 'Stable');
  const changed = scene.join({ memberId: follower, protocols: [protocol('range', 't', 'u')] });
  await scene.time.advance(0);
  assert.deepEqual([scene.state(), changed.response], ['PreparingRebalance', undefined]);
});

test('item 53: a leader that joins again always starts a rebalance', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2);
  const [leader, follower] = members;
  const first = scene.join({ memberId: leader });
  await scene.time.advance(0);
  assert.equal(scene.state(), 'PreparingRebalance');
  const second = scene.join({ memberId: follower });
  await scene.time.advance(0);
  assert.deepEqual([first.response!.generationId, second.response!.generationId], [2, 2]);
});

test('a member whose answer was lost joins again before SyncGroup and gets the same generation', async () => {
  const scene = await Scene.begin();
  const join = await scene.joinFully();
  await scene.time.advance(3000);
  const { memberId } = join.response!;
  const again = await scene.settle(scene.join({ memberId }));
  assert.deepEqual(again, join.response);
  assert.equal(scene.state(), 'CompletingRebalance');
});

test('item 57: the protocol most members prefer among those all support is chosen', async () => {
  const scene = await Scene.begin();
  const range = protocol('range', 't');
  const sticky = protocol('cooperative-sticky', 't');
  const odd = protocol('odd', 't');
  const joins = [
    await scene.joinFully({ protocols: [range, sticky] }),
    await scene.joinFully({ protocols: [odd, sticky, range] }),
    await scene.joinFully({ protocols: [sticky, range] }),
  ];
  await scene.time.advance(9000);
  assert.deepEqual(
    joins.map(({ response }) => response!.protocolName),
    ['cooperative-sticky', 'cooperative-sticky', 'cooperative-sticky'],
  );
});

test('item 57: what members say of themselves reaches the leader byte for byte', async () => {
  const scene = await Scene.begin();
  const metadata = Buffer.from([0, 1, 255, 254, 7]);
  const frame = Buffer.concat([Buffer.from([9]), metadata]);
  const join = await scene.joinFully({
    protocolType: 'connect',
    protocols: [{ name: 'sessioned', metadata: frame.subarray(1) }],
  });
  frame.fill(0); // the request's frame is used for something else
  await scene.time.advance(3000);
  assert.deepEqual(join.response!.members[0].metadata, metadata);
});

test('item 57: another protocol type, and protocols nobody shares, are INCONSISTENT_GROUP_PROTOCOL', async () => {
  const scene = await Scene.begin();
  const none = [
    await scene.settle(scene.join({ protocols: [] })),
    await scene.settle(scene.join({ protocolType: '' })),
  ];
  assert.deepEqual(
    none.map(({ errorCode }) => errorCode),
    [Errors.INCONSISTENT_GROUP_PROTOCOL, Errors.INCONSISTENT_GROUP_PROTOCOL],
  );
  assert.equal(scene.state(), 'Dead');
  await scene.stableGroup(1);
  const foreign = [
    await scene.settle(scene.join({ protocolType: 'connect' })),
    await scene.settle(scene.join({ protocols: [protocol('roundrobin', 't')] })),
  ];
  assert.deepEqual(
    foreign.map(({ errorCode }) => errorCode),
    [Errors.INCONSISTENT_GROUP_PROTOCOL, Errors.INCONSISTENT_GROUP_PROTOCOL],
  );
  assert.equal(scene.state(), 'Stable');
});

test('a member id that nobody gave out is UNKNOWN_MEMBER_ID, with and without a group', async () => {
  const scene = await Scene.begin();
  const before = await scene.settle(scene.join({ memberId: 'made-up' }));
  await scene.stableGroup(1);
  const after = await scene.settle(scene.join({ memberId: 'made-up' }));
  assert.deepEqual([before.errorCode, after.errorCode], [Errors.UNKNOWN_MEMBER_ID, Errors.UNKNOWN_MEMBER_ID]);
});

test('session timeouts out of bounds are INVALID_SESSION_TIMEOUT, an empty group id is INVALID_GROUP_ID', async () => {
  const scene = await Scene.begin();
  const codes = [];
  for (const fields of [
    { sessionTimeoutMs: 5999 },
    { sessionTimeoutMs: 6000 },
    { sessionTimeoutMs: 1_800_000 },
    { sessionTimeoutMs: 1_800_001 },
    { groupId: '' },
  ]) {
    codes.push((await scene.settle(scene.join(fields))).errorCode);
  }
  const { INVALID_SESSION_TIMEOUT, MEMBER_ID_REQUIRED, INVALID_GROUP_ID } = Errors;
  assert.deepEqual(codes, [
    INVALID_SESSION_TIMEOUT,
    MEMBER_ID_REQUIRED,
    MEMBER_ID_REQUIRED,
    INVALID_SESSION_TIMEOUT,
    INVALID_GROUP_ID,
  ]);
});

test('a full group turns newcomers away with GROUP_MAX_SIZE_REACHED; its members may join again', async () => {
  const scene = await Scene.begin();
  scene.settings.groups.classic.maxSize = 2;
  const { members } = await scene.stableGroup(2);
  const refused = await scene.settle(scene.join());
  assert.deepEqual([refused.errorCode, refused.memberId], [Errors.GROUP_MAX_SIZE_REACHED, '']);
  const again = members.map((memberId) => scene.join({ memberId }));
  await scene.time.advance(0);
  assert.deepEqual(
    again.map(({ response }) => response!.generationId),
    [2, 2],
  );
});

test('when the maximum shrinks, the last members to join the next generation are turned away', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(3);
  scene.settings.groups.classic.maxSize = 2;
  const next = await scene.failover();
  assert.equal(next.state(), 'PreparingRebalance');
  const joins = members.map((memberId) => next.join({ memberId }));
  await next.time.advance(0);
  assert.deepEqual(
    joins.map(({ response }) => response!.errorCode),
    [0, 0, Errors.GROUP_MAX_SIZE_REACHED],
  );
  assert.equal(next.describe().members.length, 2);
});

test('an id that was given out and never used goes with the session timeout, and holds up no rebalance for longer', async () => {
  const scene = await Scene.begin();
  await scene.stableGroup(1);
  const { members } = scene.describe();
  await scene.settle(scene.join({ sessionTimeoutMs: 10_000 })); // asks for an id and is never seen again
  const rejoin = scene.join({ memberId: members[0].memberId });
  await scene.time.advance(9999);
  assert.equal(rejoin.response, undefined);
  await scene.time.advance(1);
  assert.equal(rejoin.response!.generationId, 2);
});

test('members that do not join again within the rebalance timeout are out', async () => {
  const scene = await Scene.begin();
  const options = { sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 20_000 };
  const { members } = await scene.stableGroup(3, options);
  const joins = members.slice(0, 2).map((memberId) => scene.join({ ...options, memberId }));
  await scene.time.advance(19_999);
  assert.deepEqual([joins[0].response, joins[1].response], [undefined, undefined]);
  await scene.time.advance(1);
  assert.deepEqual(
    joins.map(({ response }) => response!.generationId),
    [2, 2],
  );
  assert.equal(await scene.heartbeat({ memberId: members[2], generationId: 1 }), Errors.UNKNOWN_MEMBER_ID);
});

test('when the leader is lost in a rebalance, one of those who joined leads', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2, { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 60_000 });
  const [, follower] = members;
  const join = scene.join({
    memberId: follower,
    protocols: [protocol('range', 'u')],
    sessionTimeoutMs: 60_000,
  });
  await scene.time.advance(60_000);
  assert.equal(join.response!.leader, follower);
  assert.equal(join.response!.members.length, 1);
});

test('version 0 has no rebalance timeout: the session timeout stands for it', async () => {
  const scene = await Scene.begin();
  const a = scene.join({ apiVersion: 0, rebalanceTimeoutMs: -1, sessionTimeoutMs: 30_000 });
  await scene.time.advance(3000);
  const { memberId } = a.response!;
  await scene.settle(
    scene.sync({ apiVersion: 0, memberId, generationId: 1, protocolType: null, protocolName: null }),
  );
  const b = scene.join({ apiVersion: 0, rebalanceTimeoutMs: -1, sessionTimeoutMs: 30_000 });
  await scene.time.advance(29_000);
  assert.equal(b.response, undefined);
  await scene.time.advance(1000);
  assert.equal(b.response!.generationId, 2);
  assert.equal(scene.describe().members.length, 1);
});

test('before version 7 the protocol name of a refusal is empty, from then on it is null', async () => {
  const scene = await Scene.begin();
  const old = await scene.settle(scene.join({ apiVersion: 6, groupId: '' }));
  const current = await scene.settle(scene.join({ apiVersion: 7, groupId: '' }));
  assert.deepEqual([old.protocolName, current.protocolName], ['', null]);
});

test('a new group is written with its first member, so that a failover in between does not forget it', async () => {
  const scene = await Scene.begin();
  await scene.settle(scene.join());
  await scene.time.advance(1);
  assert.deepEqual(scene.records(), [
    {
      key: { group: 'g' },
      value: {
        protocolType: '',
        generation: 0,
        protocol: null,
        leader: null,
        currentStateTimestamp: Date.UTC(2026, 0, 1),
        members: [],
      },
    },
  ]);
  assert.equal((await scene.failover()).state(), 'Empty');
});

test('when a new group cannot be written, everybody who joined it is told and the group is not there', async () => {
  const scene = await Scene.begin();
  scene.log.appendError = Errors.NOT_ENOUGH_REPLICAS;
  const joins = [scene.join({ apiVersion: 3 }), scene.join({ apiVersion: 3 })];
  await scene.time.advance(1);
  assert.deepEqual(
    joins.map(({ response }) => response!.errorCode),
    [Errors.COORDINATOR_NOT_AVAILABLE, Errors.COORDINATOR_NOT_AVAILABLE],
  );
  assert.equal(scene.state(), 'Dead');
  scene.log.appendError = 0;
  const again = scene.join({ apiVersion: 3 });
  await scene.time.advance(3000);
  assert.equal(again.response!.generationId, 1);
});

test('a JoinGroup that a client has given up is answered when it sends another one', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(2);
  const first = scene.join({ memberId: members[0] });
  const second = scene.join({ memberId: members[0] });
  await scene.time.advance(0);
  assert.equal(first.response!.errorCode, Errors.REBALANCE_IN_PROGRESS);
  assert.equal(second.response, undefined);
  scene.join({ memberId: members[1] });
  await scene.time.advance(0);
  assert.equal(second.response!.generationId, 2);
});

test('a new group whose record takes long to commit goes on: only its SyncGroup depends on the log', async () => {
  const scene = await Scene.begin();
  scene.settings.groups.classic.initialRebalanceDelayMs = 10_000;
  scene.log.isCommittedAtOnce = false;
  const join = scene.join({ apiVersion: 3 });
  await scene.time.advance(9999);
  assert.equal(join.response, undefined);
  await scene.time.advance(1);
  assert.deepEqual([join.response!.errorCode, join.response!.generationId], [0, 1]);
});

test('item 53: whoever prolonged one initial delay does not prolong the next one', async () => {
  const scene = await Scene.begin();
  const options = { rebalanceTimeoutMs: 3000 };
  const joins = [await scene.joinFully(options), await scene.joinFully(options)];
  await scene.time.advance(3000);
  await scene.leave(...joins.map(({ response }) => ({ memberId: response!.memberId })));
  assert.equal(scene.state(), 'Empty');
  const join = await scene.joinFully();
  await scene.time.advance(3000);
  assert.equal(join.response!.generationId, 3);
});

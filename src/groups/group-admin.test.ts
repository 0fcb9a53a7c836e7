import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import { MemoryLog } from '../coordinator/memory-log.ts';
import { Scene, subscription } from './group-scene-contract.ts';

test('item 49: a group that does not exist is Dead before version 6 and GROUP_ID_NOT_FOUND from then on', async () => {
  const scene = await Scene.begin();
  const described = {
    errorCode: 0,
    errorMessage: null,
    groupId: 'g',
    groupState: 'Dead',
    protocolType: '',
    protocolData: '',
    members: [],
    authorizedOperations: -2147483648,
  };
  assert.deepEqual(scene.describe('g', 5), described);
  assert.deepEqual(scene.describe('g', 6), {
    ...described,
    errorCode: Errors.GROUP_ID_NOT_FOUND,
    errorMessage: 'Group g not found.',
  });
});

test('item 49: a Stable group is described with the metadata and assignment of its members', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(1, { clientId: 'app' });
  assert.deepEqual(scene.describe(), {
    errorCode: 0,
    errorMessage: null,
    groupId: 'g',
    groupState: 'Stable',
    protocolType: 'consumer',
    protocolData: 'range',
    members: [
      {
        memberId: members[0],
        groupInstanceId: null,
        clientId: 'app',
        clientHost: '/127.0.0.1',
        memberMetadata: subscription('t'),
        memberAssignment: Buffer.from(members[0]),
      },
    ],
    authorizedOperations: -2147483648,
  });
});

test('item 49: a group that is rebalancing is described without protocol and metadata', async () => {
  const scene = await Scene.begin();
  await scene.joinFully();
  await scene.time.advance(0);
  const { groupState, protocolType, protocolData, members } = scene.describe();
  assert.deepEqual([groupState, protocolType, protocolData], ['PreparingRebalance', 'consumer', '']);
  assert.deepEqual(
    members.map(({ memberMetadata, memberAssignment }) => [memberMetadata.length, memberAssignment.length]),
    [[0, 0]],
  );
});

test('ListGroups filters by state and type without regard to case; a name nobody has lets nothing through', async () => {
  const scene = await Scene.begin();
  await scene.stableGroup(1);
  await scene.commit({ groupId: 'simple' });
  const list = (statesFilter: string[], typesFilter: string[] = []): string[] =>
    scene.coordinator.listGroups({ statesFilter, typesFilter }).groups.map(({ groupId }) => groupId);
  assert.deepEqual(scene.coordinator.listGroups({ statesFilter: [], typesFilter: [] }), {
    throttleTimeMs: 0,
    errorCode: 0,
    groups: [
      { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
      { groupId: 'simple', protocolType: '', groupState: 'Empty', groupType: 'classic' },
    ],
  });
  assert.deepEqual(list(['sTABLE']), ['g']);
  assert.deepEqual(list([' Empty ', 'Stable']), ['g', 'simple']);
  assert.deepEqual(list(['Dead']), []);
  assert.deepEqual(list(['nonsense']), []);
  assert.deepEqual(list([], ['CLASSIC']), ['g', 'simple']);
  assert.deepEqual(list([], ['consumer']), []);
  assert.deepEqual(list(['Empty'], ['classic', 'share']), ['simple']);
});

test('a group that is not committed yet is neither listed nor described', async () => {
  const scene = await Scene.begin();
  scene.log.isCommittedAtOnce = false;
  void scene.startCommit({ offset: 1 });
  await scene.time.advance(1);
  assert.deepEqual(scene.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).groups, []);
  assert.equal(scene.state(), 'Dead');
  scene.log.commit();
  assert.equal(scene.state(), 'Empty');
});

test('DeleteGroups takes the offsets along, and knows each group by itself', async () => {
  const scene = await Scene.begin();
  await scene.commit({ groupId: 'a', offset: 1 });
  await scene.commit({ groupId: 'a', topic: 'u', offset: 2 });
  await scene.stableGroup(1);
  const from = scene.log.logEndOffset();
  const results = await scene.time.settle(scene.coordinator.deleteGroups(['a', 'g', 'nobody']));
  assert.deepEqual(results, [
    { groupId: 'a', errorCode: 0, errorMessage: null },
    { groupId: 'g', errorCode: Errors.NON_EMPTY_GROUP, errorMessage: null },
    { groupId: 'nobody', errorCode: Errors.GROUP_ID_NOT_FOUND, errorMessage: null },
  ]);
  assert.deepEqual(scene.records(from), [
    { key: { group: 'a', topic: 't', partition: 0 }, value: null },
    { key: { group: 'a', topic: 'u', partition: 0 }, value: null },
    { key: { group: 'a' }, value: null },
  ]);
  assert.equal(scene.state('a'), 'Dead');
  assert.equal((await scene.failover()).state('a'), 'Dead');
});

test('when a group cannot be deleted it is all there again', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 1 });
  scene.log.appendError = Errors.NOT_LEADER_OR_FOLLOWER;
  const [{ errorCode }] = await scene.time.settle(scene.coordinator.deleteGroups(['g']));
  assert.deepEqual([errorCode, scene.state(), await scene.fetch()], [Errors.NOT_COORDINATOR, 'Empty', 1]);
});

test('item 60: while the groups are loaded all is COORDINATOR_LOAD_IN_PROGRESS, save heartbeats, which are welcome', async () => {
  const scene = await Scene.begin();
  await scene.stableGroup(1);
  const log = scene.log.copy();
  let open: () => void = () => undefined;
  log.readGate = new Promise((resolve) => (open = resolve));
  const next = new Scene({ log, time: scene.time });
  const elected = next.coordinator.onElection(0, 1, log);
  const member = { memberId: 'm', generationId: 1 };
  const codes = {
    join: (await next.settle(next.join())).errorCode,
    sync: (await next.settle(next.sync(member))).errorCode,
    heartbeat: await next.heartbeat(member),
    commit: await next.commit(),
    fetch: -(await next.fetch()) - 1000,
    fetchStable: -(await next.fetch({ isStable: true })) - 1000,
    describe: next.describe().errorCode,
    list: next.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).errorCode,
    delete: (await next.time.settle(next.coordinator.deleteGroups(['g'])))[0].errorCode,
  };
  const loading = Errors.COORDINATOR_LOAD_IN_PROGRESS;
  assert.deepEqual(codes, {
    join: loading,
    sync: loading,
    heartbeat: 0,
    commit: loading,
    fetch: loading,
    fetchStable: loading,
    describe: loading,
    list: loading,
    delete: loading,
  });
  open();
  await next.time.settle(elected);
  assert.equal(next.state(), 'Stable');
});

test('item 60: a broker that does not lead the partition, or no longer, is NOT_COORDINATOR', async () => {
  const scene = new Scene();
  const codes = async () => [
    (await scene.settle(scene.join())).errorCode,
    await scene.heartbeat({ memberId: 'm', generationId: 1 }),
    await scene.commit(),
    -(await scene.fetch()) - 1000,
    scene.describe().errorCode,
  ];
  assert.deepEqual(await codes(), Array(5).fill(Errors.NOT_COORDINATOR));
  await scene.elect(0);
  await scene.joinFully();
  scene.coordinator.onResignation(0);
  assert.deepEqual(await codes(), Array(5).fill(Errors.NOT_COORDINATOR));
  assert.deepEqual(scene.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).groups, []);
});

test('who waits in JoinGroup or SyncGroup when the partition is lost gets NOT_COORDINATOR', async () => {
  const scene = await Scene.begin();
  const [joining, syncing] = [await scene.joinFully(), await scene.joinFully({ groupId: 'other' })];
  await scene.time.advance(3000);
  const { memberId } = syncing.response!;
  assert.equal(joining.response!.generationId, 1);
  const newcomer = await scene.joinFully({ groupId: 'third' });
  scene.log.isCommittedAtOnce = false;
  const sync = scene.sync({ groupId: 'other', memberId, generationId: 1 });
  await scene.time.advance(1);
  scene.coordinator.shutdown();
  await scene.time.advance(0);
  assert.deepEqual(
    [newcomer.response!.errorCode, sync.response!.errorCode],
    [Errors.NOT_COORDINATOR, Errors.NOT_COORDINATOR],
  );
});

test('a later election begins anew from the log; an earlier one that is heard of late changes nothing', async () => {
  const scene = await Scene.begin();
  await scene.stableGroup(1);
  await scene.elect(3);
  assert.equal(scene.state(), 'Stable');
  const join = await scene.joinFully();
  await scene.elect(2);
  await scene.elect(3);
  assert.deepEqual([scene.state(), join.response], ['PreparingRebalance', undefined]);
});

test('records of other kinds of groups and of unknown versions are passed over', async () => {
  const log = new MemoryLog();
  const of = (type: number) => ({ key: Buffer.from([0, type, 0, 1, 103]), value: Buffer.from([0, 0, 0]) });
  log.append(buildBatch({ records: [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 99].map(of) }));
  log.append(buildBatch({ records: [{ key: of(2).key, value: Buffer.from([0, 77]) }] }));
  const scene = await Scene.begin({ log });
  assert.equal(scene.state(), 'Dead');
  assert.equal(await scene.commit({ offset: 1 }), 0);
});

test('offsets that were written before Kafka 0.8.2 are understood', async () => {
  const log = new MemoryLog();
  const key = Buffer.concat([
    Buffer.from([0, 0, 0, 1]),
    Buffer.from('g'),
    Buffer.from([0, 1]),
    Buffer.from('t'),
    Buffer.alloc(4),
  ]);
  const value = Buffer.concat([
    Buffer.from([0, 0]),
    Buffer.from([0, 0, 0, 0, 0, 0, 0, 42]),
    Buffer.from([0, 0]),
    Buffer.alloc(8),
  ]);
  log.append(buildBatch({ records: [{ key, value }] }));
  const scene = await Scene.begin({ log });
  assert.equal(await scene.fetch(), 42);
});

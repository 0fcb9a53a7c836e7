// Groups and their offsets, as an administrator sees them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf, namesOf, scene } from './test-scene.ts';

test('groups are listed, described, and their offsets set and removed', async () => {
  const { client, admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a', partitions: 2 }]));
  await settle(client.producer().send({ topic: 'a', partition: 0, value: 'v' }));
  const consumer = client.consumer({ group: 'g', topics: ['a'], from: 'earliest' });
  await settle(consumer.poll());
  const { type, state, protocol, members } = await settle(admin.describeGroup('g'));
  assert.deepEqual(
    [type, state, protocol, members.map((one) => one.partitions.length)],
    ['classic', 'Stable', 'cooperative-sticky', [2]],
  );
  await assert.rejects(settle(admin.alterGroupOffsets('g', [{ topic: 'a', partition: 0, offset: 0 }])));
  await assert.rejects(settle(admin.deleteGroup('g')), { errorName: 'NON_EMPTY_GROUP' });
  await settle(consumer.close());
  await settle(admin.alterGroupOffsets('g', [{ topic: 'a', partition: 1, offset: 7, metadata: 'm' }]));
  const stored = await settle(admin.groupOffsets('g'));
  assert.deepEqual(
    stored.find(({ partition }) => partition === 1),
    { topic: 'a', partition: 1, offset: 7, leaderEpoch: -1, metadata: 'm' },
  );
  const listed = await settle(admin.listGroups());
  assert.deepEqual(
    listed.map((one) => [one.group, one.state]),
    [['g', 'Empty']],
  );
  await settle(admin.deleteGroupOffsets({ group: 'g', partitions: [{ topic: 'a', partition: 1 }] }));
  const left = await settle(admin.groupOffsets('g'));
  assert.ok(left.every(({ partition }) => partition === 0));
  await settle(admin.deleteGroup('g'));
  await assert.rejects(settle(admin.deleteGroup('g')), { errorName: 'GROUP_ID_NOT_FOUND' });
  await assert.rejects(settle(admin.describeGroup('g')), { errorName: 'GROUP_ID_NOT_FOUND' });
  await end();
});

test('members are removed by either of their ids, or all of them', async () => {
  const { client, admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a', partitions: 4 }]));
  const join = (instanceId?: string) =>
    client.consumer({ group: 'g', topics: ['a'], ...(instanceId === undefined ? {} : { instanceId }) });
  const [plain, fixed] = [join(), join('one')];
  const membersOf = async (): Promise<number> => (await settle(admin.describeGroup('g'))).members.length;
  const polling = [plain, fixed].map((one) => one.poll({ timeoutMs: 1_000 }));
  await settle(Promise.all(polling));
  assert.equal(await membersOf(), 2);
  const removing = admin.removeMembers({
    group: 'g',
    members: [{ instanceId: 'one' }, { instanceId: 'two' }],
  });
  const failure = await settle(failureOf(removing));
  assert.deepEqual(namesOf(failure), [['two', 'UNKNOWN_MEMBER_ID']]);
  assert.equal(await membersOf(), 1);
  await settle(admin.removeMembers({ group: 'g' }));
  assert.equal(await membersOf(), 0);
  await end();
});

test('groups that cannot be deleted are told apart from those that can', async () => {
  const { admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a' }]));
  for (const group of ['g', 'h']) {
    await settle(admin.alterGroupOffsets(group, [{ topic: 'a', partition: 0, offset: 1 }]));
  }
  const deleting = admin.deleteGroups(['g', 'nobody', 'h']);
  const failure = await settle(failureOf(deleting));
  assert.deepEqual(namesOf(failure), [['nobody', 'GROUP_ID_NOT_FOUND']]);
  assert.deepEqual(await settle(admin.listGroups()), []);
  assert.deepEqual(namesOf(await settle(failureOf(admin.describeGroups(['g'])))), [
    ['g', 'GROUP_ID_NOT_FOUND'],
  ]);
  await end();
});

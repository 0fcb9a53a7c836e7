/** The handlers of groups and offsets: what they check before the coordinator is asked, with real bytes at each version. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { MemoryLog } from '../../coordinator/memory-log.ts';
import { GroupCoordinator } from '../../groups/group-coordinator.ts';
import { subscription } from '../../groups/group-scene-contract.ts';
import { Errors } from '../../protocol/errors.ts';
import type { Handler } from '../handler.ts';
import { offsetCommit } from './08-offset-commit.ts';
import { offsetFetch } from './09-offset-fetch.ts';
import { joinGroup } from './11-join-group.ts';
import { heartbeat } from './12-heartbeat.ts';
import { leaveGroup } from './13-leave-group.ts';
import { syncGroup } from './14-sync-group.ts';
import { describeGroups } from './15-describe-groups.ts';
import { listGroups } from './16-list-groups.ts';
import { deleteGroups } from './42-delete-groups.ts';
import { offsetDelete } from './47-offset-delete.ts';

/** A broker with the topics `t` (2 partitions) and `secret`, whose groups are loaded. */
async function setUp(): Promise<BrokerBench> {
  const bench = await brokerBench();
  const { ports, services } = bench;
  const { settings } = services;
  const groups = new GroupCoordinator({ ports, settings, partitionCount: () => 1 });
  Object.assign(services, { groups });
  await groups.onElection(0, 0, new MemoryLog());
  await bench.createTopic('t', 2);
  await bench.createTopic('secret');
  return bench;
}

/** Calls, and lets the tick go by in which records are written. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
function ask(bench: BrokerBench, handler: Handler, version: number, body: object): Promise<any> {
  return bench.ports.time.settle(bench.call(handler, version, body));
}

const partition = (partitionIndex: number, committedOffset = 5) => ({
  partitionIndex,
  committedOffset,
  committedLeaderEpoch: 3,
  committedMetadata: 'm',
});
const commitBody = (topics: object[]) => ({ groupId: 'g', topics });

test('OffsetCommit and OffsetFetch work in all of their versions', async () => {
  for (let version = 2; version <= 10; version++) {
    const bench = await setUp();
    const topicId = bench.image.topics.get('t')!.id;
    const topic = version >= 10 ? { topicId } : { name: 't' };
    const committed = await ask(
      bench,
      offsetCommit,
      version,
      commitBody([{ ...topic, partitions: [partition(1)] }]),
    );
    assert.deepEqual(
      committed.topics[0].partitions,
      [{ partitionIndex: 1, errorCode: 0 }],
      `commit v${version}`,
    );
    const wanted = [{ ...topic, partitionIndexes: [0, 1] }];
    const body =
      version >= 8 ? { groups: [{ groupId: 'g', topics: wanted }] } : { groupId: 'g', topics: wanted };
    const fetched = await ask(bench, offsetFetch, version, body);
    const group = version >= 8 ? fetched.groups[0] : fetched;
    assert.equal(group.errorCode, 0);
    if (version >= 10) assert.equal(group.topics[0].topicId, topicId);
    // The leader epoch is in commits since version 6, in fetches since version 5.
    const committedLeaderEpoch = version >= 6 ? 3 : -1;
    assert.deepEqual(
      group.topics[0].partitions,
      [
        { partitionIndex: 0, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 },
        { partitionIndex: 1, committedOffset: 5, committedLeaderEpoch, metadata: 'm', errorCode: 0 },
      ],
      `fetch v${version}`,
    );
  }
});

test('what is wrong with a topic or partition of a commit stands in its place, and the rest is committed', async () => {
  const bench = await setUp();
  bench.permit = (_operation, _resource, name) => name !== 'secret';
  const topics = [
    { name: 'secret', partitions: [partition(0)] },
    { name: 't', partitions: [partition(7), partition(0), partition(-1)] },
    { name: 'nowhere', partitions: [partition(0)] },
  ];
  const response = await ask(bench, offsetCommit, 9, commitBody(topics));
  assert.deepEqual(
    response.topics.map(({ name, partitions }: { name: string; partitions: object[] }) => [name, partitions]),
    [
      ['secret', [{ partitionIndex: 0, errorCode: Errors.TOPIC_AUTHORIZATION_FAILED }]],
      [
        't',
        [
          { partitionIndex: 7, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION },
          { partitionIndex: 0, errorCode: 0 },
          { partitionIndex: -1, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION },
        ],
      ],
      ['nowhere', [{ partitionIndex: 0, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION }]],
    ],
  );
});

test('an unknown topic id is UNKNOWN_TOPIC_ID in commits and fetches', async () => {
  const bench = await setUp();
  const topicId = 'no such topic id';
  const committed = await ask(bench, offsetCommit, 10, commitBody([{ topicId, partitions: [partition(0)] }]));
  assert.deepEqual(committed.topics[0].partitions, [
    { partitionIndex: 0, errorCode: Errors.UNKNOWN_TOPIC_ID },
  ]);
  const groups = [{ groupId: 'g', topics: [{ topicId, partitionIndexes: [0] }] }];
  const fetched = await ask(bench, offsetFetch, 10, { groups });
  assert.equal(fetched.groups[0].topics[0].topicId, topicId);
  assert.equal(fetched.groups[0].topics[0].partitions[0].errorCode, Errors.UNKNOWN_TOPIC_ID);
});

test('OffsetFetch of all topics: by name before version 10, by id from then on, and only what may be described', async () => {
  const bench = await setUp();
  await ask(
    bench,
    offsetCommit,
    9,
    commitBody(['t', 'secret'].map((name) => ({ name, partitions: [partition(0)] }))),
  );
  bench.permit = (_operation, _resource, name) => name !== 'secret';
  const groups = [
    { groupId: 'g', topics: null },
    { groupId: 'empty', topics: null },
  ];
  const byName = await ask(bench, offsetFetch, 9, { groups });
  assert.deepEqual(
    byName.groups.map(({ groupId, topics }: { groupId: string; topics: { name: string }[] }) => [
      groupId,
      topics.map(({ name }) => name),
    ]),
    [
      ['g', ['t']],
      ['empty', []],
    ],
  );
  const byId = await ask(bench, offsetFetch, 10, { groups });
  assert.deepEqual(
    byId.groups[0].topics.map(({ topicId }: { topicId: string }) => topicId),
    [bench.image.topics.get('t')!.id],
  );
  const old = await ask(bench, offsetFetch, 2, { groupId: 'g', topics: null });
  assert.deepEqual([old.errorCode, old.topics.length], [0, 1]);
});

test('a topic of a fetch that may not be described is TOPIC_AUTHORIZATION_FAILED in its place', async () => {
  const bench = await setUp();
  bench.permit = (_operation, _resource, name) => name !== 'secret';
  const topics = ['secret', 't'].map((name) => ({ name, partitionIndexes: [0] }));
  const { groups } = await ask(bench, offsetFetch, 8, { groups: [{ groupId: 'g', topics }] });
  assert.deepEqual(
    groups[0].topics.map((topic: { name: string; partitions: { errorCode: number }[] }) => [
      topic.name,
      topic.partitions[0].errorCode,
    ]),
    [
      ['secret', Errors.TOPIC_AUTHORIZATION_FAILED],
      ['t', 0],
    ],
  );
});

test('JoinGroup to OffsetDelete: a consumer group lives and dies', async () => {
  const bench = await setUp();
  const protocols = [{ name: 'range', metadata: subscription('t') }];
  const join = {
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols,
  };
  const { memberId, errorCode } = await ask(bench, joinGroup, 9, join);
  assert.equal(errorCode, Errors.MEMBER_ID_REQUIRED);
  const joined = await ask(bench, joinGroup, 9, { ...join, memberId });
  assert.deepEqual([joined.errorCode, joined.generationId, joined.leader], [0, 1, memberId]);
  const me = { groupId: 'g', generationId: 1, memberId };
  const assignments = [{ memberId, assignment: Buffer.from('all of it') }];
  const sync = { ...me, protocolType: 'consumer', protocolName: 'range', assignments };
  const synced = await ask(bench, syncGroup, 5, sync);
  assert.equal(synced.assignment.toString(), 'all of it');
  assert.equal((await ask(bench, heartbeat, 4, me)).errorCode, 0);
  const commit = {
    groupId: 'g',
    generationIdOrMemberEpoch: 1,
    memberId,
    topics: [{ name: 't', partitions: [partition(0)] }],
  };
  assert.equal((await ask(bench, offsetCommit, 9, commit)).topics[0].partitions[0].errorCode, 0);
  const listed = await ask(bench, listGroups, 5, { statesFilter: ['stable'], typesFilter: ['classic'] });
  assert.deepEqual(listed.groups, [
    { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
  ]);
  const described = await ask(bench, describeGroups, 6, { groups: ['g'], includeAuthorizedOperations: true });
  const [group] = described.groups;
  assert.deepEqual([group.groupState, group.members[0].memberId], ['Stable', memberId]);
  // READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS by their codes
  assert.equal(group.authorizedOperations, 2 ** 3 + 2 ** 6 + 2 ** 8 + 2 ** 10 + 2 ** 11);
  const topics = [
    { name: 't', partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }] },
    { name: 'nowhere', partitions: [{ partitionIndex: 0 }] },
  ];
  const refused = await ask(bench, offsetDelete, 0, { groupId: 'g', topics });
  const { GROUP_SUBSCRIBED_TO_TOPIC, UNKNOWN_TOPIC_OR_PARTITION } = Errors;
  assert.deepEqual(
    refused.topics.map(({ partitions }: { partitions: { errorCode: number }[] }) =>
      partitions.map((each) => each.errorCode),
    ),
    [[GROUP_SUBSCRIBED_TO_TOPIC, UNKNOWN_TOPIC_OR_PARTITION], [UNKNOWN_TOPIC_OR_PARTITION]],
  );
  const left = await ask(bench, leaveGroup, 5, { groupId: 'g', members: [{ memberId }] });
  assert.deepEqual(left.members, [{ memberId, groupInstanceId: null, errorCode: 0 }]);
  const deleted = await ask(bench, deleteGroups, 3, { groupsNames: ['g', 'g', 'nobody'] });
  assert.deepEqual(deleted.results, [
    { groupId: 'g', errorCode: 0, errorMessage: null },
    { groupId: 'nobody', errorCode: Errors.GROUP_ID_NOT_FOUND, errorMessage: null },
  ]);
});

test('who may do nothing with a group is GROUP_AUTHORIZATION_FAILED wherever the answer has a place for it', async () => {
  const bench = await setUp();
  await ask(bench, offsetCommit, 9, commitBody([{ name: 't', partitions: [partition(0)] }]));
  bench.permit = () => false;
  const me = { groupId: 'g', generationId: 1, memberId: 'm' };
  const topics = [{ name: 't', partitions: [partition(0)] }];
  const codes = {
    join: (await ask(bench, joinGroup, 6, { groupId: 'g', sessionTimeoutMs: 10_000 })).errorCode,
    sync: (await ask(bench, syncGroup, 5, me)).errorCode,
    heartbeat: (await ask(bench, heartbeat, 4, me)).errorCode,
    leave: (await ask(bench, leaveGroup, 5, { groupId: 'g' })).errorCode,
    commit: (await ask(bench, offsetCommit, 9, commitBody(topics))).topics[0].partitions[0].errorCode,
    fetch: (await ask(bench, offsetFetch, 9, { groups: [{ groupId: 'g', topics: null }] })).groups[0]
      .errorCode,
    fetchOld: (
      await ask(bench, offsetFetch, 1, { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] })
    ).topics[0].partitions[0].errorCode,
    describe: (await ask(bench, describeGroups, 5, { groups: ['g'] })).groups[0].errorCode,
    delete: (await ask(bench, deleteGroups, 2, { groupsNames: ['g'] })).results[0].errorCode,
    deleteOffsets: (await ask(bench, offsetDelete, 0, { groupId: 'g', topics: [] })).errorCode,
  };
  assert.deepEqual(
    [...new Set(Object.values(codes))],
    [Errors.GROUP_AUTHORIZATION_FAILED],
    JSON.stringify(codes),
  );
  assert.deepEqual((await ask(bench, listGroups, 5, {})).groups, []);
  bench.permit = (_operation, resource) => resource === 'GROUP';
  assert.equal((await ask(bench, listGroups, 5, {})).groups.length, 1);
});

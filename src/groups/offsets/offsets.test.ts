import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import { encodeRecord } from '../../coordinator/record.ts';
import { MemoryLog } from '../../coordinator/memory-log.ts';
import { buildBatch } from '../../protocol/records.ts';
import { fetchRefused } from '../group-coordinator.ts';
import { GROUP_RECORD_FORMATS, offsetCommitRecord } from '../group-records.ts';
import { Scene } from '../group-scene-contract.ts';

const ID_1 = '1'.repeat(16);
const ID_2 = '2'.repeat(16);
const fetchAll = async (scene: Scene, groupId = 'g') => {
  const request = { groupId, memberId: null, memberEpoch: -1, topics: null };
  return scene.time.settle(scene.coordinator.fetchOffsets(request, false));
};
const fetchOne = async (scene: Scene, topicId = ZERO_UUID, topic = 't') => {
  const topics = [{ name: topic, topicId, partitionIndexes: [0] }];
  const request = { groupId: 'g', memberId: null, memberEpoch: -1, topics };
  const group = await scene.time.settle(scene.coordinator.fetchOffsets(request, false));
  return group.topics[0].partitions[0];
};

test('item 55: an admin commits (member id "", generation -1) while the group is Empty, and only then', async () => {
  const scene = await Scene.begin();
  assert.equal(await scene.commit({ offset: 7 }), 0); // no such group: it comes into being
  assert.deepEqual([scene.state(), await scene.fetch()], ['Empty', 7]);
  const { members } = await scene.stableGroup(1);
  assert.equal(await scene.commit({ offset: 8 }), Errors.UNKNOWN_MEMBER_ID);
  await scene.leave({ memberId: members[0] });
  assert.equal(await scene.commit({ offset: 9 }), 0);
  assert.equal(await scene.fetch(), 9);
  assert.equal(await scene.commit({ memberId: 'whoever', offset: 10 }), 0);
  assert.equal(await scene.fetch(), 10);
});

test('item 55: the metadata string round-trips, empty for null', async () => {
  const scene = await Scene.begin();
  await scene.commit({ metadata: 'läßt sich merken' });
  assert.equal((await fetchOne(scene)).metadata, 'läßt sich merken');
  await scene.commit({ metadata: null });
  assert.equal((await fetchOne(scene)).metadata, '');
});

test('item 55: a partition without offset, and a group that does not exist, have offset -1 and no error', async () => {
  const scene = await Scene.begin();
  const none = {
    partitionIndex: 0,
    committedOffset: -1,
    committedLeaderEpoch: -1,
    metadata: '',
    errorCode: 0,
  };
  assert.deepEqual(await fetchOne(scene), none);
  await scene.commit({ partition: 1 });
  assert.deepEqual(await fetchOne(scene), none);
});

test('item 55: null topics fetch all that the group has', async () => {
  const scene = await Scene.begin();
  assert.deepEqual(await fetchAll(scene), { groupId: 'g', topics: [], errorCode: 0 });
  await scene.commit({ topic: 'u', partition: 3, offset: 30 });
  await scene.commit({ topic: 't', partition: 1, offset: 10 });
  await scene.commit({ topic: 't', partition: 0, offset: 5 });
  await scene.commit({ groupId: 'other', topic: 't', offset: 1 });
  const { topics } = await fetchAll(scene);
  assert.deepEqual(
    topics.map(({ name, partitions }) => [
      name,
      partitions.map((each) => [each.partitionIndex, each.committedOffset]),
    ]),
    [
      ['u', [[3, 30]]],
      [
        't',
        [
          [0, 5],
          [1, 10],
        ],
      ],
    ],
  );
});

test('item 56: the committed leader epoch round-trips, through a failover too', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 4, leaderEpoch: 17, metadata: 'm' });
  const expected = {
    partitionIndex: 0,
    committedOffset: 4,
    committedLeaderEpoch: 17,
    metadata: 'm',
    errorCode: 0,
  };
  assert.deepEqual(await fetchOne(scene), expected);
  assert.deepEqual(await fetchOne(await scene.failover()), expected);
});

test('a committed offset is written as Kafka writes it', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 4, leaderEpoch: 17, metadata: 'm', topicId: ID_1 });
  assert.deepEqual(scene.records(), [
    {
      key: { group: 'g', topic: 't', partition: 0 },
      value: {
        offset: 4,
        leaderEpoch: 17,
        metadata: 'm',
        commitTimestamp: Date.UTC(2026, 0, 1),
        expireTimestamp: -1,
        topicId: ID_1,
      },
    },
  ]);
});

test('metadata longer than offset.metadata.max.bytes is OFFSET_METADATA_TOO_LARGE for its partition alone', async () => {
  const scene = await Scene.begin();
  scene.settings.offsets.metadataMaxBytes = 3;
  const partition = (partitionIndex: number, committedMetadata: string) => ({
    partitionIndex,
    committedOffset: 1,
    committedLeaderEpoch: -1,
    committedMetadata,
  });
  const topics = await scene.time.settle(
    scene.coordinator.commitOffsets(
      { apiVersion: 9, clientId: 'c', clientHost: 'h' },
      {
        groupId: 'g',
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        retentionTimeMs: -1,
        topics: [{ name: 't', topicId: ZERO_UUID, partitions: [partition(0, 'abcd'), partition(1, 'abc')] }],
      },
    ),
  );
  assert.deepEqual(topics[0].partitions, [
    { partitionIndex: 0, errorCode: Errors.OFFSET_METADATA_TOO_LARGE },
    { partitionIndex: 1, errorCode: 0 },
  ]);
  assert.deepEqual([await scene.fetch({ partition: 0 }), await scene.fetch({ partition: 1 })], [-1, 1]);
});

test('the commit of a member to a group that is not there: ILLEGAL_GENERATION, GROUP_ID_NOT_FOUND since version 9', async () => {
  const scene = await Scene.begin();
  const codes = [];
  for (const apiVersion of [2, 8, 9, 10]) {
    codes.push(await scene.commit({ apiVersion, memberId: 'm', generationIdOrMemberEpoch: 1 }));
  }
  const { ILLEGAL_GENERATION, GROUP_ID_NOT_FOUND } = Errors;
  assert.deepEqual(codes, [ILLEGAL_GENERATION, ILLEGAL_GENERATION, GROUP_ID_NOT_FOUND, GROUP_ID_NOT_FOUND]);
});

test('an offset that was committed to a topic with another id does not count', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 4, topicId: ID_1 });
  assert.equal((await fetchOne(scene, ID_1)).committedOffset, 4);
  assert.equal((await fetchOne(scene, ID_2)).committedOffset, -1);
  assert.equal((await fetchOne(scene)).committedOffset, 4);
  await scene.commit({ offset: 5 });
  assert.equal((await fetchOne(scene, ID_2)).committedOffset, 5);
});

test('a reader sees an offset when it is committed; one that requires stable offsets waits until it is', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 1 });
  scene.log.isCommittedAtOnce = false;
  const commit = scene.startCommit({ offset: 2 });
  await scene.time.advance(1);
  assert.equal(await scene.fetch(), 1);
  const topics = [{ name: 't', topicId: ZERO_UUID, partitionIndexes: [0] }];
  let stable: number | undefined;
  void scene.coordinator
    .fetchOffsets({ groupId: 'g', memberId: null, memberEpoch: -1, topics }, true)
    .then((group) => (stable = group.topics[0].partitions[0].committedOffset));
  await scene.time.advance(1);
  assert.equal(stable, undefined);
  scene.log.commit();
  await scene.time.settle(commit);
  assert.deepEqual([stable, await scene.fetch()], [2, 2]);
});

test('a commit that cannot be written is COORDINATOR_NOT_AVAILABLE, and the offset stays as it was', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 1 });
  scene.log.appendError = Errors.NOT_ENOUGH_REPLICAS;
  assert.equal(await scene.commit({ offset: 2 }), Errors.COORDINATOR_NOT_AVAILABLE);
  assert.equal(await scene.commit({ groupId: 'new', offset: 2 }), Errors.COORDINATOR_NOT_AVAILABLE);
  scene.log.appendError = 0;
  assert.deepEqual([await scene.fetch({ isStable: true }), scene.state('new')], [1, 'Dead']);
});

test('OffsetFetch answers NOT_COORDINATOR for what older consumers would not understand', async () => {
  const scene = await Scene.begin();
  scene.log.isCommittedAtOnce = false;
  void scene.startCommit({ offset: 1 });
  await scene.time.advance(1);
  assert.equal(await scene.fetch({ isStable: true }), -1000 - Errors.NOT_COORDINATOR);
});

test('OffsetDelete removes what is there, and an offset that is not there is no error', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 1, partition: 0 });
  const from = scene.log.logEndOffset();
  const partitions = [{ partitionIndex: 0 }, { partitionIndex: 1 }];
  const request = { groupId: 'g', topics: [{ name: 't', partitions }] };
  const response = await scene.time.settle(scene.coordinator.deleteOffsets(request));
  assert.deepEqual(response, {
    throttleTimeMs: 0,
    errorCode: 0,
    topics: [{ name: 't', partitions: partitions.map((each) => ({ ...each, errorCode: 0 })) }],
  });
  assert.deepEqual(scene.records(from), [{ key: { group: 'g', topic: 't', partition: 0 }, value: null }]);
  assert.equal(await scene.fetch(), -1);
});

test('OffsetDelete of a group with members that are no consumers is NON_EMPTY_GROUP', async () => {
  const scene = await Scene.begin();
  const join = await scene.joinFully({ protocolType: 'connect' });
  await scene.time.advance(3000);
  assert.equal(join.response!.errorCode, 0);
  const request = { groupId: 'g', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] };
  const { errorCode, topics } = await scene.time.settle(scene.coordinator.deleteOffsets(request));
  assert.deepEqual([errorCode, topics], [Errors.NON_EMPTY_GROUP, []]);
});

test('OffsetDelete protects all topics of consumers whose subscription cannot be read', async () => {
  const scene = await Scene.begin();
  const protocols = [{ name: 'range', metadata: Buffer.from([0, 0, 0, 0, 0, 9]) }];
  const join = await scene.joinFully({ protocols });
  await scene.time.advance(3000);
  assert.equal(join.response!.errorCode, 0);
  const request = { groupId: 'g', topics: [{ name: 'any', partitions: [{ partitionIndex: 0 }] }] };
  const { topics } = await scene.time.settle(scene.coordinator.deleteOffsets(request));
  assert.equal(topics[0].partitions[0].errorCode, Errors.GROUP_SUBSCRIBED_TO_TOPIC);
});

const DAY = 24 * 3_600_000;

test('item 56: the offsets of an Empty group go the retention after it became empty, and the group with them', async () => {
  const scene = await Scene.begin();
  const [memberId] = (await scene.stableGroup(1, { sessionTimeoutMs: 1_800_000 })).members;
  await scene.commit({ memberId, generationIdOrMemberEpoch: 1, offset: 5 });
  for (let halfHour = 0; halfHour < 3 * 48; halfHour++) {
    await scene.time.advance(1_799_000);
    assert.equal(await scene.heartbeat({ memberId, generationId: 1 }), 0);
  }
  await scene.leave({ memberId });
  await scene.time.advance(7 * DAY - 600_000);
  assert.equal(await scene.fetch(), 5);
  const from = scene.log.logEndOffset();
  await scene.time.advance(1_200_000);
  assert.deepEqual([await scene.fetch(), scene.state()], [-1, 'Dead']);
  assert.deepEqual(scene.records(from), [
    { key: { group: 'g', topic: 't', partition: 0 }, value: null },
    { key: { group: 'g' }, value: null },
  ]);
  assert.deepEqual([await (await scene.failover()).fetch(), (await scene.failover()).state()], [-1, 'Dead']);
});

test('item 56: offsets of a group with members do not expire, except of topics it no longer subscribes to', async () => {
  const scene = await Scene.begin();
  await scene.commit({ topic: 'left', offset: 1 });
  const options = { sessionTimeoutMs: 1_800_000 };
  const [memberId] = (await scene.stableGroup(1, options)).members;
  await scene.commit({ memberId, generationIdOrMemberEpoch: 1, offset: 2 });
  for (let half = 0; half < 2 * 24 * 8; half++) {
    await scene.time.advance(1_799_000);
    await scene.heartbeat({ memberId, generationId: 1 });
  }
  assert.equal(scene.state(), 'Stable');
  assert.deepEqual([await scene.fetch({ topic: 'left' }), await scene.fetch({ topic: 't' })], [-1, 2]);
});

test('item 56: nothing of a group expires while it rebalances', async () => {
  const scene = await Scene.begin();
  scene.settings.offsets.retentionMs = 60_000;
  await scene.commit({ topic: 'left', offset: 1 });
  const options = { sessionTimeoutMs: 1_800_000, rebalanceTimeoutMs: 1_800_000 };
  const { members } = await scene.stableGroup(2, options);
  scene.join({ ...options, memberId: members[0] });
  await scene.time.advance(600_000);
  assert.deepEqual([scene.state(), await scene.fetch({ topic: 'left' })], ['PreparingRebalance', 1]);
  scene.join({ ...options, memberId: members[1] });
  await scene.time.advance(0);
  for (const memberId of members) await scene.settle(scene.sync({ memberId, generationId: 2 }));
  await scene.time.advance(600_000);
  assert.deepEqual([scene.state(), await scene.fetch({ topic: 'left' })], ['Stable', -1]);
});

test('a group without offsets goes at the next check, unless somebody was just given an id', async () => {
  const scene = await Scene.begin();
  const { memberId } = await scene.settle(scene.join({ sessionTimeoutMs: 1_800_000 }));
  await scene.time.advance(600_000);
  assert.equal(scene.state(), 'Empty');
  assert.deepEqual(await scene.leave({ memberId }), [0]);
  await scene.time.advance(600_000);
  assert.equal(scene.state(), 'Dead');
});

test('item 56: a group that only has offsets keeps each for the retention after its commit', async () => {
  const scene = await Scene.begin();
  await scene.commit({ partition: 0, offset: 1 });
  await scene.time.advance(4 * DAY);
  await scene.commit({ partition: 1, offset: 2 });
  await scene.time.advance(3 * DAY + 600_000);
  assert.deepEqual([await scene.fetch({ partition: 0 }), await scene.fetch({ partition: 1 })], [-1, 2]);
  assert.equal(scene.state(), 'Empty');
  await scene.time.advance(4 * DAY);
  assert.equal(scene.state(), 'Dead');
});

test('item 56: a retention of its own (OffsetCommit 2 to 4) counts instead of the configured one', async () => {
  const scene = await Scene.begin();
  await scene.commit({ apiVersion: 4, retentionTimeMs: DAY, offset: 1 });
  const [{ value }] = scene.records() as unknown as [{ value: { expireTimestamp: number } }];
  assert.equal(value.expireTimestamp, Date.UTC(2026, 0, 1) + DAY);
  await scene.time.advance(DAY - 600_000);
  assert.equal(await scene.fetch(), 1);
  await scene.time.advance(1_200_000);
  assert.equal(await scene.fetch(), -1);
});

test('item 56: retention and check interval are read anew each time', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 1 });
  scene.settings.offsets.retentionMs = 60_000;
  await scene.time.advance(600_000);
  assert.equal(await scene.fetch(), -1);
});

test('item 56: many groups expire in turns', async () => {
  const scene = await Scene.begin();
  for (let i = 0; i < 2500; i++) void scene.startCommit({ groupId: `g${i}`, offset: 1 });
  await scene.time.advance(7 * DAY + 600_000);
  assert.deepEqual(scene.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).groups, []);
  assert.equal(scene.log.logEndOffset(), 2500 * 3);
});

test('the offsets of a topic go when the topic is deleted, in all groups, members or not', async () => {
  const scene = await Scene.begin();
  await scene.commit({ groupId: 'a', topic: 't', offset: 1 });
  await scene.commit({ groupId: 'a', topic: 'u', offset: 2 });
  await scene.stableGroup(1);
  const { members } = scene.describe();
  await scene.commit({ memberId: members[0].memberId, generationIdOrMemberEpoch: 1, topic: 't', offset: 3 });
  scene.coordinator.onTopicsDeleted(['t', 'never heard of']);
  await scene.time.advance(1);
  assert.deepEqual(
    [
      await scene.fetch({ groupId: 'a', topic: 't' }),
      await scene.fetch({ groupId: 'a', topic: 'u' }),
      await scene.fetch({ groupId: 'g', topic: 't' }),
    ],
    [-1, 2, -1],
  );
});

test('a topic that is deleted while the groups are loaded loses its offsets as well', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 1 });
  const next = new Scene({ log: scene.log.copy(), time: scene.time });
  const loaded = next.elect(1);
  next.coordinator.onTopicsDeleted(['t']);
  await loaded;
  await next.time.advance(1);
  assert.equal(await next.fetch(), -1);
});

test('a refusal stands at each partition in version 1, and at the top from version 2 on', () => {
  const topics = [{ name: 't', topicId: ZERO_UUID, partitionIndexes: [4] }];
  const request = { groupId: 'g', memberId: null, memberEpoch: -1, topics };
  assert.deepEqual(fetchRefused(request, 16, 2), { groupId: 'g', topics: [], errorCode: 16 });
  assert.deepEqual(fetchRefused(request, 16, 1), {
    groupId: 'g',
    errorCode: 0,
    topics: [
      {
        name: 't',
        topicId: ZERO_UUID,
        partitions: [
          { partitionIndex: 4, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 16 },
        ],
      },
    ],
  });
});

/** A log that ends with an open transaction of producer 40, in which the group `g` committed offset 8 of t-0. */
function logWithOpenTransaction(): MemoryLog {
  const log = new MemoryLog();
  const of = { groupId: 'g', topic: 't', partition: 0 };
  const offset = {
    offset: 8,
    leaderEpoch: -1,
    metadata: '',
    commitTimestampMs: 0,
    expireTimestampMs: -1,
    topicId: ZERO_UUID,
    recordOffset: -1,
  };
  const records = [encodeRecord(GROUP_RECORD_FORMATS, offsetCommitRecord(of, offset))];
  log.append(
    buildBatch({ records, isTransactional: true, producerId: 40, producerEpoch: 0, baseSequence: 0 }),
  );
  return log;
}

function endTransaction(log: MemoryLog, type: 0 | 1): void {
  const records = [{ key: Buffer.from([0, 0, 0, type]), value: Buffer.alloc(6) }];
  log.append(
    buildBatch({ records, isControl: true, isTransactional: true, producerId: 40, producerEpoch: 0 }),
  );
}

test('item 23: an offset in an open transaction is invisible, and UNSTABLE_OFFSET_COMMIT when it must be stable', async () => {
  const scene = await Scene.begin({ log: logWithOpenTransaction() });
  const topics = [{ name: 't', topicId: ZERO_UUID, partitionIndexes: [0] }];
  const request = { groupId: 'g', memberId: null, memberEpoch: -1, topics };
  const codes = [];
  for (const isStable of [false, true]) {
    const group = await scene.time.settle(scene.coordinator.fetchOffsets(request, isStable));
    codes.push([group.topics[0].partitions[0].committedOffset, group.topics[0].partitions[0].errorCode]);
  }
  assert.deepEqual(codes, [
    [-1, 0],
    [-1, Errors.UNSTABLE_OFFSET_COMMIT],
  ]);
});

test('item 23: after the transaction the offset is there, or it is not', async () => {
  for (const [type, expected] of [
    [1, 8],
    [0, -1],
  ] as const) {
    const log = logWithOpenTransaction();
    endTransaction(log, type);
    const scene = await Scene.begin({ log });
    assert.deepEqual([await scene.fetch(), await scene.fetch({ isStable: true })], [expected, expected]);
  }
});

test('item 23: an open transaction keeps its group and offsets from expiring', async () => {
  const scene = await Scene.begin({ log: logWithOpenTransaction() });
  await scene.commit({ partition: 1, offset: 6 });
  await scene.time.advance(8 * DAY);
  assert.deepEqual([await scene.fetch({ partition: 1 }), scene.state()], [-1, 'Empty']);
  await scene.commit({ offset: 5 });
  await scene.time.advance(8 * DAY);
  assert.deepEqual([await scene.fetch(), scene.state()], [5, 'Empty']);
});

test('item 23: deleting a group or a topic takes the offsets of open transactions along', async () => {
  const tombstone = [{ key: { group: 'g', topic: 't', partition: 0 }, value: null }];
  const byGroup = await Scene.begin({ log: logWithOpenTransaction() });
  await byGroup.time.settle(byGroup.coordinator.deleteGroups(['g']));
  assert.deepEqual(byGroup.records(1), [...tombstone, { key: { group: 'g' }, value: null }]);
  const byTopic = await Scene.begin({ log: logWithOpenTransaction() });
  byTopic.coordinator.onTopicsDeleted(['t']);
  await byTopic.time.advance(1);
  assert.deepEqual(byTopic.records(1), tombstone);
  endTransaction(byTopic.log, 1);
  assert.equal(await (await byTopic.failover()).fetch(), -1);
});

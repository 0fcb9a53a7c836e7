/** TxnOffsetCommit and markers as the group coordinator takes them: who may commit, and what becomes visible when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_UUID } from '../../base/uuid.ts';
import { errorName, Errors } from '../../protocol/errors.ts';
import * as header from '../../protocol/record-batch.ts';
import { Scene } from '../group-scene-contract.ts';

const PRODUCER = { producerId: 40, producerEpoch: 2 };

interface Options {
  readonly apiVersion?: number;
  readonly groupId?: string;
  readonly producerId?: number;
  readonly memberId?: string;
  readonly groupInstanceId?: string | null;
  readonly generation?: number;
  readonly partition?: number;
  readonly metadata?: string;
}

async function startCommit(scene: Scene, offset: number, options: Options = {}): Promise<string> {
  const { apiVersion = 5, partition = 0, metadata = '', generation = -1 } = options;
  const one = { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1 };
  const topics = await scene.coordinator.commitOffsetsInTransaction(
    { apiVersion, clientId: 'c', clientHost: 'h' },
    {
      ...PRODUCER,
      transactionalId: 'x',
      groupId: options.groupId ?? 'g',
      producerId: options.producerId ?? PRODUCER.producerId,
      generationIdOrMemberEpoch: generation,
      memberId: options.memberId ?? '',
      groupInstanceId: options.groupInstanceId ?? null,
      topics: [{ name: 't', topicId: ZERO_UUID, partitions: [{ ...one, committedMetadata: metadata }] }],
    },
    'ongoing',
  );
  return errorName(topics[0].partitions[0].errorCode);
}

function commitInTransaction(scene: Scene, offset: number, options: Options = {}): Promise<string> {
  return scene.time.settle(startCommit(scene, offset, options));
}

async function startEnd(scene: Scene, isCommit: boolean, producerId = PRODUCER.producerId): Promise<string> {
  const marker = { ...PRODUCER, producerId, coordinatorEpoch: 0, isCommit, transactionVersion: 1 };
  return errorName(await scene.coordinator.writeTxnMarker(0, marker));
}

function end(scene: Scene, isCommit: boolean, producerId = PRODUCER.producerId): Promise<string> {
  return scene.time.settle(startEnd(scene, isCommit, producerId));
}

const UNSTABLE = -1;

test('item 23: an offset in a transaction counts once the transaction has committed, and never after an abort', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 1 });
  assert.equal(await commitInTransaction(scene, 2), 'NONE');
  assert.deepEqual([await scene.fetch(), await scene.fetch({ isStable: true })], [1, UNSTABLE]);
  assert.equal(await end(scene, true), 'NONE');
  assert.deepEqual([await scene.fetch(), await scene.fetch({ isStable: true })], [2, 2]);
  await commitInTransaction(scene, 3);
  assert.equal(await end(scene, false), 'NONE');
  assert.deepEqual([await scene.fetch(), await scene.fetch({ isStable: true })], [2, 2]);
  assert.equal(await (await scene.failover()).fetch(), 2);
});

test('item 23: require_stable is UNSTABLE_OFFSET_COMMIT for the partitions in question alone', async () => {
  const scene = await Scene.begin();
  await scene.commit({ offset: 1, partition: 0 });
  await scene.commit({ offset: 1, partition: 1 });
  await commitInTransaction(scene, 2, { partition: 1 });
  for (const topics of [[{ name: 't', topicId: ZERO_UUID, partitionIndexes: [0, 1] }], null]) {
    const request = { groupId: 'g', memberId: null, memberEpoch: -1, topics };
    const group = await scene.time.settle(scene.coordinator.fetchOffsets(request, true));
    assert.deepEqual(
      group.topics[0].partitions.map((one) => [one.committedOffset, one.errorCode]),
      [
        [1, 0],
        [-1, Errors.UNSTABLE_OFFSET_COMMIT],
      ],
    );
  }
});

test('item 23: a plain commit beside an open transaction counts at once, and wins if it is later in the log', async () => {
  const scene = await Scene.begin();
  await commitInTransaction(scene, 8);
  await scene.commit({ offset: 5 });
  assert.deepEqual([await scene.fetch(), await scene.fetch({ isStable: true })], [5, UNSTABLE]);
  await end(scene, true);
  assert.deepEqual([await scene.fetch(), await (await scene.failover()).fetch()], [5, 5]);
  await scene.commit({ offset: 6 });
  await commitInTransaction(scene, 9);
  await end(scene, true);
  assert.deepEqual([await scene.fetch(), await (await scene.failover()).fetch()], [9, 9]);
});

test('item 23: transactions of several producers on one partition end one by one', async () => {
  const scene = await Scene.begin();
  await commitInTransaction(scene, 1, { producerId: 1 });
  await commitInTransaction(scene, 2, { producerId: 2 });
  await end(scene, true, 2);
  assert.deepEqual([await scene.fetch(), await scene.fetch({ isStable: true })], [2, UNSTABLE]);
  const next = await scene.failover();
  await end(next, true, 1);
  assert.deepEqual([await next.fetch(), await next.fetch({ isStable: true })], [2, 2]);
});

test('the batch of a transactional commit names its producer, whose marker names the coordinator', async () => {
  const scene = await Scene.begin();
  await commitInTransaction(scene, 1);
  await end(scene, true);
  const [data, marker] = scene.log.batches;
  assert.deepEqual(
    [data, marker].map((batch) => [
      header.isTransactional(batch),
      header.isControl(batch),
      header.producerId(batch),
      header.producerEpoch(batch),
      header.baseSequence(batch),
    ]),
    [
      [true, false, 40, 2, -1],
      [true, true, 40, 2, -1],
    ],
  );
});

test('until its records are committed a transactional commit is not answered, nor is a marker', async () => {
  const scene = await Scene.begin();
  scene.log.isCommittedAtOnce = false;
  const answers: string[] = [];
  void startCommit(scene, 1).then((answer) => answers.push(answer));
  await scene.time.advance(10);
  void startEnd(scene, true).then((answer) => answers.push(answer));
  await scene.time.advance(10);
  assert.deepEqual([answers, await scene.fetch()], [[], -1]);
  scene.log.commit();
  await scene.time.advance(10);
  assert.deepEqual([answers, await scene.fetch()], [['NONE', 'NONE'], 1]);
});

test('what the log refuses is told to whoever commits, and changes nothing', async () => {
  const scene = await Scene.begin();
  for (const [appendError, expected] of [
    [Errors.INVALID_TXN_STATE, 'INVALID_TXN_STATE'],
    [Errors.INVALID_PRODUCER_EPOCH, 'INVALID_PRODUCER_EPOCH'],
    [Errors.NOT_ENOUGH_REPLICAS, 'COORDINATOR_NOT_AVAILABLE'],
    [Errors.NOT_LEADER_OR_FOLLOWER, 'NOT_COORDINATOR'],
  ] as const) {
    scene.log.appendError = appendError;
    assert.equal(await commitInTransaction(scene, 1), expected);
  }
  assert.equal(await end(scene, true), 'NOT_LEADER_OR_FOLLOWER');
  scene.log.appendError = 0;
  assert.deepEqual([await scene.fetch({ isStable: true }), scene.state()], [-1, 'Dead']);
});

test('a marker for a partition that is not led, or still loading, is NOT_LEADER_OR_FOLLOWER: ask again', async () => {
  const scene = new Scene();
  assert.equal(await end(scene, true), 'NOT_LEADER_OR_FOLLOWER');
  const loaded = scene.coordinator.onElection(0, 0, scene.log);
  const early = [startEnd(scene, true), startCommit(scene, 1)];
  await scene.time.settle(loaded);
  assert.deepEqual(await Promise.all(early), ['NOT_LEADER_OR_FOLLOWER', 'COORDINATOR_LOAD_IN_PROGRESS']);
  assert.equal(await end(scene, true), 'NONE');
});

test('members and generations are checked as far as the producer names them (KIP-447)', async () => {
  const scene = await Scene.begin();
  const { members } = await scene.stableGroup(1);
  const [memberId] = members;
  assert.equal(await commitInTransaction(scene, 1), 'NONE');
  assert.equal(await commitInTransaction(scene, 1, { memberId, generation: 1 }), 'NONE');
  assert.equal(await commitInTransaction(scene, 1, { memberId, generation: 0 }), 'ILLEGAL_GENERATION');
  assert.equal(await commitInTransaction(scene, 1, { memberId }), 'ILLEGAL_GENERATION');
  assert.equal(await commitInTransaction(scene, 1, { memberId: 'x', generation: 1 }), 'UNKNOWN_MEMBER_ID');
  assert.equal(await commitInTransaction(scene, 1, { generation: 1 }), 'UNKNOWN_MEMBER_ID');
  assert.equal(await commitInTransaction(scene, 1, { memberId, groupInstanceId: 'i' }), 'UNKNOWN_MEMBER_ID');
});

test('a static member that was replaced is fenced from committing in its transaction', async () => {
  const scene = await Scene.begin();
  await scene.stableGroup(1, { groupInstanceId: 'i' });
  const options = { groupInstanceId: 'i', memberId: 'old', generation: 1 };
  assert.equal(await commitInTransaction(scene, 1, options), 'FENCED_INSTANCE_ID');
});

test('a rebalance does not stop a transaction of its generation, and is no sign of life', async () => {
  const scene = await Scene.begin();
  const join = await scene.joinFully();
  await scene.time.advance(3000);
  const { memberId, generationId } = join.response!;
  assert.equal(scene.state(), 'CompletingRebalance');
  const committed = await commitInTransaction(scene, 1, { memberId, generation: generationId });
  assert.equal(committed, 'NONE');
  await scene.time.advance(6000);
  assert.equal(await commitInTransaction(scene, 2, { memberId, generation: generationId }), 'NONE');
  await scene.time.advance(4001);
  assert.equal(
    await commitInTransaction(scene, 3, { memberId, generation: generationId }),
    'UNKNOWN_MEMBER_ID',
  );
});

test('a group that is not there: ILLEGAL_GENERATION, GROUP_ID_NOT_FOUND since version 6, or it comes into being', async () => {
  const scene = await Scene.begin();
  const options = { memberId: 'm', generation: 1 };
  assert.equal(await commitInTransaction(scene, 1, { ...options, apiVersion: 5 }), 'ILLEGAL_GENERATION');
  assert.equal(await commitInTransaction(scene, 1, { ...options, apiVersion: 6 }), 'GROUP_ID_NOT_FOUND');
  assert.equal(await commitInTransaction(scene, 1), 'NONE');
  assert.equal(scene.state(), 'Empty');
});

test('metadata that is too long is refused for its partition, and writes nothing', async () => {
  const scene = await Scene.begin();
  scene.settings.offsets.metadataMaxBytes = 3;
  assert.equal(await commitInTransaction(scene, 1, { metadata: 'abcd' }), 'OFFSET_METADATA_TOO_LARGE');
  assert.equal(scene.log.logEndOffset(), 0);
});

test('item 23: OffsetDelete, DeleteGroups and the deletion of the topic take the pending offset along', async () => {
  const partitions = [{ partitionIndex: 0 }];
  const deletions: ((scene: Scene) => unknown)[] = [
    ({ coordinator }) => coordinator.deleteOffsets({ groupId: 'g', topics: [{ name: 't', partitions }] }),
    ({ coordinator }) => coordinator.deleteGroups(['g']),
    ({ coordinator }) => coordinator.onTopicsDeleted(['t']),
  ];
  for (const remove of deletions) {
    const scene = await Scene.begin();
    await scene.commit({ offset: 1 });
    await commitInTransaction(scene, 2);
    await scene.time.settle(Promise.resolve(remove(scene)));
    await scene.time.advance(1);
    assert.equal(await scene.fetch({ isStable: true }), -1);
    await end(scene, true);
    assert.deepEqual([await scene.fetch(), await (await scene.failover()).fetch()], [-1, -1]);
  }
});

/** A leader that is cut off from the others, but not from clients, tells them nothing that its successor would not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemoryStoreClient } from '../metadata/memory-store.ts';
import { OFFSETS_TOPIC } from '../metadata/topic-names.ts';
import { Errors } from '../protocol/errors.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../protocol/messages/08-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../protocol/messages/09-offset-fetch.ts';
import { batchOf, type TestClient } from './test-client.ts';
import { testCluster, type TestCluster } from './test-cluster.ts';

const CONFIGS = {
  'broker.session.timeout.ms': '6000',
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.num.partitions': '1',
  'offsets.topic.replication.factor': '3',
};
const NODES = [1, 2, 3];
const LATEST = -1;
const ZERO_UUID = '\0'.repeat(16);

/** Broker 1 leads `t` and coordinates the groups; 3 records are written, and the group has committed offset 3. */
async function scene(): Promise<{ readonly cluster: TestCluster; readonly client: TestClient }> {
  const cluster = await testCluster(3, { configs: CONFIGS });
  const { controller } = cluster.member(1).broker.services;
  const first = { partitionIndex: 0, brokerIds: NODES };
  const topics = ['t', OFFSETS_TOPIC].map((name) => ({
    name,
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [first],
    configs: [],
  }));
  await cluster.settle(controller.createTopics(topics));
  await cluster.pass(1_000);
  const client = await cluster.connect(1);
  for (let n = 0; n < 3; n++) await client.produce('t', batchOf([`v${n}`]));
  assert.equal(await commit(client, 3), Errors.NONE);
  await cluster.pass(100);
  return { cluster, client };
}

async function commit(client: TestClient, committedOffset: number): Promise<number> {
  const { topics } = await client.request(OffsetCommitRequest, OffsetCommitResponse, 8, {
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [
      {
        name: 't',
        topicId: ZERO_UUID,
        partitions: [
          { partitionIndex: 0, committedOffset, committedLeaderEpoch: -1, committedMetadata: null },
        ],
      },
    ],
  });
  return topics[0]!.partitions[0]!.errorCode;
}

/** The group's offset, or why it is not told. */
async function committed(client: TestClient): Promise<number | string> {
  const { groups } = await client.request(OffsetFetchRequest, OffsetFetchResponse, 8, {
    groups: [
      {
        groupId: 'g',
        memberId: null,
        memberEpoch: -1,
        topics: [{ name: 't', topicId: ZERO_UUID, partitionIndexes: [0] }],
      },
    ],
    requireStable: false,
    groupId: '',
    topics: null,
  });
  const { errorCode, topics } = groups[0]!;
  return errorCode === Errors.NONE ? topics[0]!.partitions[0]!.committedOffset : `error ${errorCode}`;
}

function cutOff(cluster: TestCluster, nodeId: number, isCut: boolean): void {
  const { host, store } = cluster.member(nodeId);
  (store as MemoryStoreClient).setReachable(!isCut);
  for (const other of NODES.filter((id) => id !== nodeId)) {
    if (!isCut) continue;
    cluster.network.block(host, cluster.member(other).host);
    cluster.network.block(cluster.member(other).host, host);
  }
  if (!isCut) cluster.network.heal();
}

test('a leader of before tells neither the end of a log, nor who is beyond it, nor what is committed', async () => {
  const { cluster, client } = await scene();
  cutOff(cluster, 1, true);
  await cluster.pass(12_000);
  const { leader } = cluster.member(2).broker.services.image.partition('t', 0)!;
  assert.notEqual(leader, 1);
  const next = await cluster.connect(leader);
  for (let n = 3; n < 6; n++)
    assert.equal((await next.produce('t', batchOf([`v${n}`]))).errorCode, Errors.NONE);
  const coordinator = cluster.member(2).broker.services.image.partition(OFFSETS_TOPIC, 0)!.leader;
  assert.equal(await commit(await cluster.connect(coordinator), 6), Errors.NONE);

  assert.equal(
    cluster.member(1).broker.services.image.partition('t', 0)!.leader,
    1,
    'it has not heard of it',
  );
  assert.equal((await client.fetch('t', 6)).errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
  // What is committed is, whoever leads.
  assert.equal((await client.fetch('t', 0)).errorCode, Errors.NONE);
  const beganMs = cluster.time.nowMs();
  assert.equal((await client.listOffset('t', LATEST)).errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
  assert.equal(await committed(client), `error ${Errors.NOT_COORDINATOR}`);
  assert.ok(cluster.time.nowMs() - beganMs < 20_000, 'less than clients wait');

  cutOff(cluster, 1, false);
  await cluster.pass(20_000);
  const again = await cluster.connect(coordinator);
  assert.equal(await committed(again), 6);
  await cluster.stop();
});

test('while nobody reaches the store, leaders that nobody has replaced answer as before', async () => {
  const { cluster, client } = await scene();
  for (const id of NODES) (cluster.member(id).store as MemoryStoreClient).setReachable(false);
  await cluster.pass(12_000);
  assert.ok(cluster.member(1).broker.services.mayBeFenced());
  assert.equal((await client.produce('t', batchOf(['v3']))).errorCode, Errors.NONE);
  assert.equal((await client.listOffset('t', LATEST)).offset, 4);
  assert.equal(await commit(client, 4), Errors.NONE);
  assert.equal(await committed(client), 4);
  // Out of range or not, it will be told once the store is there again.
  assert.equal((await client.fetch('t', 9)).errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
  for (const id of NODES) (cluster.member(id).store as MemoryStoreClient).setReachable(true);
  await cluster.pass(20_000);
  const { leader } = cluster.member(1).broker.services.image.partition('t', 0)!;
  const settled = await cluster.connect(leader);
  assert.equal((await settled.fetch('t', 9)).errorCode, Errors.OFFSET_OUT_OF_RANGE);
  await cluster.stop();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../protocol/messages/21-delete-records.ts';
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../protocol/messages/23-offset-for-leader-epoch.ts';
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../protocol/messages/34-alter-replica-log-dirs.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../protocol/messages/35-describe-log-dirs.ts';
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../protocol/messages/61-describe-producers.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { Operations, Resources, type Authorizer } from '../security/authorizer.ts';
import { batchOf, fetchBody, testWorld, type TestClient } from './test-client.ts';

/** A broker with topic `t` whose authorizer denies everything, and notes what it was asked. */
async function denied(): Promise<{
  client: TestClient;
  asked: string[];
  topicId: string;
  stop: () => Promise<void>;
}> {
  const { client, world } = await testWorld();
  const topicId = await client.createTopic('t');
  const asked: string[] = [];
  const nameOf = (codes: Readonly<Record<string, number>>, code: number) =>
    Object.keys(codes).find((name) => codes[name] === code)!;
  const authorizer: Authorizer = {
    authorize(principal, _host, operation, resourceType, resourceName) {
      assert.equal(principal.name, 'ANONYMOUS');
      asked.push(`${nameOf(Operations, operation)} ${nameOf(Resources, resourceType)} ${resourceName}`);
      return false;
    },
  };
  world.authorizer = authorizer;
  await world.restart();
  return { client: await world.connect(), asked, topicId, stop: () => world.stop() };
}

test('S30: Produce needs WRITE on the topic', async () => {
  const { client, asked, stop } = await denied();
  assert.equal((await client.produce('t', batchOf(['a']))).errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
  assert.deepEqual(asked, ['WRITE TOPIC t']);
  await stop();
});

test('S30: Fetch needs READ on the topic, by name and by id', async () => {
  const { client, asked, topicId, stop } = await denied();
  assert.equal((await client.fetch('t', 0)).errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
  const body = fetchBody('', 0);
  const topics = body.topics.map((topic) => ({ ...topic, topicId }));
  const answer = await client.request(FetchRequest, FetchResponse, 13, { ...body, topics });
  assert.equal(answer.responses[0]!.partitions[0]!.errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
  assert.deepEqual(asked, ['READ TOPIC t', 'READ TOPIC t']);
  await stop();
});

test('S32: whether a topic exists is not told to those who may not see it', async () => {
  const { client, stop } = await denied();
  for (const topic of ['t', 'nowhere']) {
    assert.equal((await client.listOffset(topic, -1)).errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
    assert.equal((await client.fetch(topic, 0)).errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
    assert.equal((await client.produce(topic, batchOf(['a']))).errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
  }
  await stop();
});

test('S30: offsets, epochs, producers and deletions ask for what their rows say', async () => {
  const { client, asked, stop } = await denied();
  assert.equal((await client.listOffset('t', -1)).errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
  assert.deepEqual(asked.splice(0), ['DESCRIBE TOPIC t']);
  const epochs = await client.request(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, 4, {
    replicaId: -1,
    topics: [{ topic: 't', partitions: [{ partition: 0, leaderEpoch: 0 }] }],
  });
  assert.equal(epochs.topics[0]!.partitions[0]!.errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
  assert.deepEqual(asked.splice(0), ['CLUSTER_ACTION CLUSTER kafka-cluster', 'DESCRIBE TOPIC t']);
  const deletion = await client.request(DeleteRecordsRequest, DeleteRecordsResponse, 2, {
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: -1 }] }],
    timeoutMs: 0,
  });
  assert.equal(deletion.topics[0]!.partitions[0]!.errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
  assert.deepEqual(asked.splice(0), ['DELETE TOPIC t']);
  const producers = await client.request(DescribeProducersRequest, DescribeProducersResponse, 0, {
    topics: [{ name: 't', partitionIndexes: [0] }],
  });
  assert.equal(producers.topics[0]!.partitions[0]!.errorCode, Errors.TOPIC_AUTHORIZATION_FAILED);
  assert.deepEqual(asked.splice(0), ['READ TOPIC t']);
  await stop();
});

test('S30: log directories ask for the cluster', async () => {
  const { client, asked, stop } = await denied();
  const described = await client.request(DescribeLogDirsRequest, DescribeLogDirsResponse, 5, {
    topics: null,
  });
  assert.deepEqual([described.errorCode, described.results], [Errors.CLUSTER_AUTHORIZATION_FAILED, []]);
  const altered = await client.request(AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, 2, {
    dirs: [{ path: 'data', topics: [{ name: 't', partitions: [0] }] }],
  });
  assert.equal(altered.results[0]!.partitions[0]!.errorCode, Errors.CLUSTER_AUTHORIZATION_FAILED);
  assert.deepEqual(asked, ['DESCRIBE CLUSTER kafka-cluster', 'ALTER CLUSTER kafka-cluster']);
  await stop();
});

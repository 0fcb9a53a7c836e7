/** What clients are told of a cluster of several brokers: where these are, on the client's own listener, and who leads what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterImage } from '../../test/cluster-images.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import { Errors } from '../protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { MetadataRequest, MetadataResponse } from '../protocol/messages/03-metadata.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../protocol/messages/10-find-coordinator.ts';
import { SaslHandshakeRequest, SaslHandshakeResponse } from '../protocol/messages/17-sasl-handshake.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../protocol/messages/19-create-topics.ts';
import { DescribeClusterRequest, DescribeClusterResponse } from '../protocol/messages/60-describe-cluster.ts';
import { LeaderEndpoints } from './leader-endpoints.ts';
import { batchOf, fetchBody, produceBody, type TestClient } from './test-client.ts';
import { testCluster, type TestCluster } from './test-cluster.ts';

const CLIENT_PORT = 9092;
const BROKER_PORT = 9093;
const PORTS = { PLAINTEXT: CLIENT_PORT, BROKERS: BROKER_PORT };

/** Two brokers, each with a listener for clients and one for brokers; the topic `t` is led by the second. */
async function world(): Promise<{ cluster: TestCluster; topicId: string }> {
  const cluster = await testCluster(2, {
    listeners: (host) => `PLAINTEXT://${host}:${CLIENT_PORT},BROKERS://${host}:${BROKER_PORT}`,
    configs: {
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,BROKERS:PLAINTEXT',
      'inter.broker.listener.name': 'BROKERS',
      'offsets.topic.num.partitions': '4',
      'offsets.topic.replication.factor': '1',
    },
  });
  const client = await cluster.connect(1);
  const assignments = [{ partitionIndex: 0, brokerIds: [2] }];
  const { topics } = await client.request(CreateTopicsRequest, CreateTopicsResponse, 7, {
    topics: [{ name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] }],
    timeoutMs: 10_000,
  });
  assert.equal(topics[0]!.errorCode, Errors.NONE);
  await cluster.pass(50);
  return { cluster, topicId: topics[0]!.topicId };
}

/** Does this on both listeners of the first broker, with the port that the second has there. */
async function onEachListener(
  cluster: TestCluster,
  ask: (client: TestClient, port: number) => Promise<void>,
): Promise<void> {
  for (const [listener, port] of Object.entries(PORTS)) await ask(await cluster.connect(1, listener), port);
}

test('Metadata and DescribeCluster name the brokers by the addresses of the listener that is asked', async () => {
  const { cluster } = await world();
  await onEachListener(cluster, async (client, port) => {
    const expected = [
      [1, 'host1', port],
      [2, 'host2', port],
    ];
    const metadata = await client.request(MetadataRequest, MetadataResponse, 12, {
      topics: [{ name: 't', topicId: ZERO_UUID }],
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    });
    assert.deepEqual(
      metadata.brokers.map((one) => [one.nodeId, one.host, one.port]),
      expected,
    );
    assert.equal(metadata.topics[0]!.partitions[0]!.leaderId, 2);
    assert.ok([1, 2].includes(metadata.controllerId));
    const described = await client.request(DescribeClusterRequest, DescribeClusterResponse, 2, {
      includeClusterAuthorizedOperations: false,
      includeFencedBrokers: false,
    });
    assert.deepEqual(
      described.brokers.map((one) => [one.brokerId, one.host, one.port]),
      expected,
    );
  });
  await cluster.stop();
});

test('FindCoordinator sends each group to the leader of its partition', async () => {
  const { cluster } = await world();
  const coordinatorKeys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const find = async (client: TestClient) => {
    const body = { key: '', keyType: 0, coordinatorKeys };
    const { coordinators } = await client.request(FindCoordinatorRequest, FindCoordinatorResponse, 6, body);
    return coordinators;
  };
  await find(await cluster.connect(2));
  await cluster.pass(50);
  await onEachListener(cluster, async (client, port) => {
    const { image, groups } = cluster.member(1).broker.services;
    const { partitions } = image.topics.get('__consumer_offsets')!;
    for (const one of await find(client)) {
      const { leader } = partitions[groups.partitionFor(one.key)]!;
      assert.deepEqual([one.nodeId, one.host, one.port], [leader, `host${leader}`, port]);
    }
  });
  assert.deepEqual(await find(await cluster.connect(1)), await find(await cluster.connect(2)));
  await cluster.stop();
});

test('KIP-951: Produce and Fetch at a broker that does not lead say who does, and where', async () => {
  const { cluster, topicId } = await world();
  await onEachListener(cluster, async (client, port) => {
    const endpoint = { nodeId: 2, host: 'host2', port, rack: null };
    const produce = produceBody('t', [[0, batchOf(['a'])]]);
    const produced = await client.request(ProduceRequest, ProduceResponse, 12, produce);
    const refused = produced.responses[0]!.partitionResponses[0]!;
    assert.equal(refused.errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
    assert.deepEqual([refused.currentLeader.leaderId, produced.nodeEndpoints], [2, [endpoint]]);
    const body = fetchBody('t', 0);
    const topics = body.topics.map((topic) => ({ ...topic, topicId }));
    const fetched = await client.request(FetchRequest, FetchResponse, 16, { ...body, topics });
    const elsewhere = fetched.responses[0]!.partitions[0]!;
    assert.equal(elsewhere.errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
    assert.deepEqual([elsewhere.currentLeader.leaderId, fetched.nodeEndpoints], [2, [endpoint]]);
    // What is said is true, and older clients are told nothing that they do not know.
    const epoch = cluster.member(2).broker.services.image.partition('t', 0)!.leaderEpoch;
    assert.deepEqual(
      [refused.currentLeader.leaderEpoch, elsewhere.currentLeader.leaderEpoch],
      [epoch, epoch],
    );
    const old = await client.request(ProduceRequest, ProduceResponse, 9, produce);
    assert.deepEqual(old.nodeEndpoints, []);
  });
  const leader = await cluster.connect(2);
  const body = fetchBody('t', 0, { currentLeaderEpoch: -1 });
  assert.equal((await leader.produce('t', batchOf(['a']))).errorCode, Errors.NONE);
  const topics = body.topics.map((topic) => ({ ...topic, topicId }));
  const fetched = await leader.request(FetchRequest, FetchResponse, 16, { ...body, topics });
  assert.deepEqual(fetched.nodeEndpoints, []);
  await cluster.stop();
});

test('a leader that is not alive is named without an address', () => {
  const image = clusterImage({
    alive: [1],
    fenced: [2],
    topics: { t: [[1], [2]] },
    changed: { 't-1': { leader: 2, leaderEpoch: 4 } },
  });
  const leaders = new LeaderEndpoints({ image }, { listener: 'PLAINTEXT' });
  assert.deepEqual(leaders.leaderOf('t', 1), { leaderId: 2, leaderEpoch: 4 });
  assert.deepEqual(leaders.nodeEndpoints(), []);
  assert.deepEqual(leaders.leaderOf('t', 0), { leaderId: 1, leaderEpoch: 0 });
  assert.deepEqual(leaders.leaderOf('t', 9), { leaderId: -1, leaderEpoch: -1 });
  assert.deepEqual(
    leaders.nodeEndpoints().map(({ nodeId, host }) => [nodeId, host]),
    [[1, 'host1']],
  );
  const elsewhere = new LeaderEndpoints({ image }, { listener: 'OTHER' });
  assert.equal(elsewhere.leaderOf('t', 0).leaderId, 1);
  assert.deepEqual(elsewhere.nodeEndpoints(), []);
});

test('brokers say who they are on the listener between brokers, and nowhere else', async () => {
  const { cluster } = await world();
  const said: number[] = [];
  await onEachListener(cluster, async (client) => {
    const mechanism = { mechanism: 'HEADRACE-BROKER' };
    const answer = await client.request(SaslHandshakeRequest, SaslHandshakeResponse, 1, mechanism);
    said.push(answer.errorCode);
  });
  assert.deepEqual(said, [Errors.ILLEGAL_SASL_STATE, Errors.NONE]);
  await cluster.stop();
});

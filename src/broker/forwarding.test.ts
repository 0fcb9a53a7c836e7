import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_UUID } from '../base/uuid.ts';
import { Errors } from '../protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../protocol/messages/03-metadata.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../protocol/messages/10-find-coordinator.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../protocol/messages/19-create-topics.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../protocol/messages/20-delete-topics.ts';
import { InitProducerIdRequest, InitProducerIdResponse } from '../protocol/messages/22-init-producer-id.ts';
import { DescribeConfigsRequest, DescribeConfigsResponse } from '../protocol/messages/32-describe-configs.ts';
import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../protocol/messages/37-create-partitions.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../protocol/messages/44-incremental-alter-configs.ts';
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../protocol/messages/46-list-partition-reassignments.ts';
import { EnvelopeRequest, EnvelopeResponse } from '../protocol/messages/58-envelope.ts';
import {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from '../protocol/messages/67-allocate-producer-ids.ts';
import { Operations, type Authorizer } from '../security/authorizer.ts';
import { CONFIG_RESOURCE } from './config-resources.ts';
import { batchOf, type TestClient } from './test-client.ts';
import { testCluster, type TestCluster } from './test-cluster.ts';

function topicOn(
  name: string,
  brokerIds: number[],
  options: { timeoutMs?: number; validateOnly?: boolean } = {},
) {
  const assignments = [{ partitionIndex: 0, brokerIds }];
  const { timeoutMs = 10_000, validateOnly = false } = options;
  const topics = [{ name, numPartitions: -1, replicationFactor: -1, assignments, configs: [] }];
  return { topics, timeoutMs, validateOnly };
}

async function create(client: TestClient, body: ReturnType<typeof topicOn>): Promise<number> {
  const { topics } = await client.request(CreateTopicsRequest, CreateTopicsResponse, 7, body);
  return topics[0]!.errorCode;
}

/** A client of each of the two brokers; the first is the controller. */
async function clients(cluster: TestCluster): Promise<[TestClient, TestClient]> {
  return [await cluster.connect(1), await cluster.connect(2)];
}

test('a topic that is created through any broker is there for its next request, and is served by its leader', async () => {
  const cluster = await testCluster(2);
  const pair = await clients(cluster);
  for (const asked of [0, 1]) {
    for (const leader of [1, 2]) {
      const name = `t${asked}${leader}`;
      assert.equal(await create(pair[asked]!, topicOn(name, [leader])), Errors.NONE);
      const { topics, brokers } = await pair[asked]!.request(MetadataRequest, MetadataResponse, 12, {
        topics: [{ name, topicId: ZERO_UUID }],
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      });
      assert.deepEqual(
        [topics[0]!.errorCode, topics[0]!.partitions[0]!.leaderId, brokers.map(({ nodeId }) => nodeId)],
        [Errors.NONE, leader, [1, 2]],
      );
      await cluster.pass(20);
      const client = pair[leader - 1]!;
      const produced = await client.produce(name, batchOf(['a', 'b']));
      assert.deepEqual([produced.errorCode, Number(produced.baseOffset)], [Errors.NONE, 0]);
      const fetched = await client.fetch(name, 0);
      assert.deepEqual([fetched.errorCode, Number(fetched.highWatermark)], [Errors.NONE, 2]);
      const elsewhere = await pair[2 - leader]!.produce(name, batchOf(['c']));
      assert.equal(elsewhere.errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
    }
  }
  await cluster.stop();
});

test('the answer waits until the broker that was asked has heard of the change', async () => {
  const cluster = await testCluster(2);
  const [, client] = await clients(cluster);
  cluster.store.faults.watchLagMs = { min: 200, max: 300 };
  assert.equal(await create(client, topicOn('t', [1])), Errors.NONE);
  assert.ok(cluster.member(2).broker.services.image.topics.has('t'));
  await cluster.stop();
});

test('a request whose answer is lost is sent again, and is carried out once', async () => {
  const cluster = await testCluster(2);
  const [, client] = await clients(cluster);
  const { image } = cluster.member(1).broker.services;
  await create(client, topicOn('before', [1]));
  cluster.network.block('host1', 'host2');
  const created = create(client, topicOn('t', [1]));
  await cluster.pass(50);
  assert.ok(image.topics.has('t'), 'it is carried out, and the answer is on its way');
  cluster.network.reset('host1', 'host2');
  cluster.network.heal();
  assert.equal(await created, Errors.NONE);
  await cluster.stop();
});

test('a decision that takes long does not hold up what others ask of the controller', async () => {
  const cluster = await testCluster(2);
  const [, client] = await clients(cluster);
  const other = await cluster.connect(2);
  await create(client, topicOn('before', [1]));
  cluster.store.faults.latencyMs = { min: 500, max: 500 };
  const slow = create(client, topicOn('slow', [1]));
  await cluster.pass(50);
  const beganMs = cluster.time.nowMs();
  const body = { topics: null, timeoutMs: 10_000 };
  await other.request(ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, 0, body);
  assert.ok(cluster.time.nowMs() - beganMs < 100, `${cluster.time.nowMs() - beganMs} ms`);
  assert.equal(await slow, Errors.NONE);
  await cluster.stop();
});

test('the controller answers the same whichever broker is asked', async () => {
  const cluster = await testCluster(2);
  const [first, second] = await clients(cluster);
  await create(first, topicOn('there', [1]));
  await cluster.pass(20);
  const asks: ((client: TestClient) => Promise<unknown>)[] = [
    (client) => client.request(CreateTopicsRequest, CreateTopicsResponse, 7, topicOn('there', [1])),
    (client) => client.request(CreateTopicsRequest, CreateTopicsResponse, 7, topicOn('../x', [1])),
    (client) => client.request(CreateTopicsRequest, CreateTopicsResponse, 2, topicOn('new', [9])),
    (client) =>
      client.request(
        CreateTopicsRequest,
        CreateTopicsResponse,
        5,
        topicOn('new', [2], { validateOnly: true }),
      ),
    (client) =>
      client.request(DeleteTopicsRequest, DeleteTopicsResponse, 6, {
        topics: [{ name: 'missing', topicId: ZERO_UUID }],
        topicNames: [],
        timeoutMs: 1_000,
      }),
    (client) =>
      client.request(CreatePartitionsRequest, CreatePartitionsResponse, 3, {
        topics: [{ name: 'there', count: 1, assignments: null }],
        timeoutMs: 1_000,
        validateOnly: false,
      }),
  ];
  for (const ask of asks) assert.deepEqual(await ask(second), await ask(first));
  await cluster.stop();
});

test("the controller judges the client's principal and host, not the broker that passed the request on", async () => {
  const asked: string[] = [];
  const authorizer: Authorizer = {
    authorize: ({ type, name }, host, operation) => {
      if (operation !== Operations.CREATE) return true;
      asked.push(`${type}:${name}@${host}`);
      return false;
    },
  };
  const cluster = await testCluster(2, { authorizer });
  const client = await cluster.connect(2);
  assert.equal(await create(client, topicOn('t', [1])), Errors.TOPIC_AUTHORIZATION_FAILED);
  assert.deepEqual([...new Set(asked)], ['User:ANONYMOUS@client1']);
  await cluster.stop();
});

test('a controller that cannot be reached is waited for, as long as the request allows', async () => {
  const cluster = await testCluster(2);
  const client = await cluster.connect(2);
  cluster.network.block('host2', 'host1');
  const before = cluster.time.nowMs();
  assert.equal(await create(client, topicOn('late', [2], { timeoutMs: 3_000 })), Errors.REQUEST_TIMED_OUT);
  const tookMs = cluster.time.nowMs() - before;
  assert.ok(tookMs >= 3_000 && tookMs < 3_500, `${tookMs} ms`);
  const waiting = create(client, topicOn('patient', [2], { timeoutMs: 20_000 }));
  await cluster.pass(5_000);
  cluster.network.heal();
  assert.equal(await cluster.settle(waiting), Errors.NONE);
  await cluster.stop();
});

test('a request that waits for a controller does not hold up the stop of its broker', async () => {
  const cluster = await testCluster(2);
  const client = await cluster.connect(2);
  cluster.network.block('host2', 'host1');
  const waiting = create(client, topicOn('t', [2], { timeoutMs: 30_000 }));
  await cluster.pass(12_000);
  const before = cluster.time.nowMs();
  await cluster.settle(cluster.member(2).broker.stop());
  assert.equal(await waiting, Errors.REQUEST_TIMED_OUT);
  const tookMs = cluster.time.nowMs() - before;
  assert.ok(tookMs < 2_000, `${tookMs} ms`);
  cluster.network.heal();
  await cluster.settle(cluster.member(1).broker.stop());
});

test('while nobody decides a request waits, and the next controller answers it', async () => {
  const cluster = await testCluster(2);
  const client = await cluster.connect(2);
  const [first, second] = [cluster.member(1), cluster.member(2)];
  await cluster.settle(first.broker.services.controller.resign());
  assert.equal(second.broker.services.image.controllerId, -1);
  const waiting = create(client, topicOn('t', [1]));
  await cluster.pass(1_000);
  assert.notEqual(second.broker.services.image.controllerId, -1, 'one of them has claimed it');
  assert.equal(await cluster.settle(waiting), Errors.NONE);
  const other = await cluster.connect(1);
  assert.equal(await create(other, topicOn('u', [1])), Errors.NONE);
  await cluster.stop();
});

test('a controller that was deposed passes on what it was asked, and what it had begun', async () => {
  const cluster = await testCluster(2);
  const client = await cluster.connect(2);
  const [first, second] = [cluster.member(1), cluster.member(2)];
  // It decides at the moment when the other takes over: its transaction fails by its own key.
  const { controller } = first.broker.services;
  const session = await cluster.settle(second.store.session(60_000));
  const resigned = controller.resign();
  const waiting = create(client, topicOn('t', [1]));
  await cluster.settle(resigned);
  await cluster.pass(5);
  assert.equal(await cluster.settle(second.broker.services.controller.claim(session)), true);
  assert.equal(await cluster.settle(waiting), Errors.NONE);
  await cluster.stop();
});

test("a broker's own configuration and loggers are changed through it, the rest wherever", async () => {
  const cluster = await testCluster(2);
  const client = await cluster.connect(2);
  await create(client, topicOn('t', [1]));
  const set = (name: string, value: string) => [{ name, configOperation: 0, value }];
  const resources = [
    { resourceType: CONFIG_RESOURCE.BROKER_LOGGER, resourceName: '2', configs: set('root', 'DEBUG') },
    { resourceType: CONFIG_RESOURCE.BROKER, resourceName: '2', configs: set('log.cleaner.threads', '2') },
    { resourceType: CONFIG_RESOURCE.BROKER, resourceName: '1', configs: set('log.cleaner.threads', '2') },
    { resourceType: CONFIG_RESOURCE.TOPIC, resourceName: 't', configs: set('retention.ms', '77') },
    { resourceType: CONFIG_RESOURCE.TOPIC, resourceName: 'missing', configs: set('retention.ms', '77') },
  ];
  const { responses } = await client.request(
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
    1,
    { resources, validateOnly: false },
  );
  assert.deepEqual(
    responses.map(({ errorCode }) => errorCode),
    [Errors.NONE, Errors.NONE, Errors.INVALID_REQUEST, Errors.NONE, Errors.UNKNOWN_TOPIC_OR_PARTITION],
  );
  assert.equal(cluster.member(2).broker.services.logLevels.levels().get('root'), 'DEBUG');
  assert.notEqual(cluster.member(1).broker.services.logLevels.levels().get('root'), 'DEBUG');
  const { results } = await client.request(DescribeConfigsRequest, DescribeConfigsResponse, 4, {
    resources: [
      { resourceType: CONFIG_RESOURCE.TOPIC, resourceName: 't', configurationKeys: ['retention.ms'] },
      { resourceType: CONFIG_RESOURCE.BROKER, resourceName: '2', configurationKeys: ['log.cleaner.threads'] },
    ],
    includeSynonyms: false,
    includeDocumentation: false,
  });
  assert.deepEqual(
    results.map(({ configs }) => configs[0]!.value),
    ['77', '2'],
  );
  await cluster.stop();
});

test('topics that are made on the way are made by the controller, and the broker that asked has them', async () => {
  const cluster = await testCluster(2);
  const client = await cluster.connect(2);
  const metadata = (name: string) =>
    client.request(MetadataRequest, MetadataResponse, 12, {
      topics: [{ name, topicId: ZERO_UUID }],
      allowAutoTopicCreation: true,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    });
  assert.equal((await metadata('auto')).topics[0]!.errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION);
  await cluster.pass(200);
  assert.equal((await metadata('auto')).topics[0]!.errorCode, Errors.NONE);
  const { coordinators } = await client.request(FindCoordinatorRequest, FindCoordinatorResponse, 6, {
    key: '',
    keyType: 0,
    coordinatorKeys: ['a', 'b', 'c', 'd', 'e', 'f'],
  });
  assert.deepEqual([...new Set(coordinators.map(({ errorCode }) => errorCode))], [Errors.NONE]);
  assert.deepEqual([...new Set(coordinators.map(({ host }) => host))].sort(), ['host1', 'host2']);
  await cluster.stop();
});

test('every broker has producer ids of its own', async () => {
  const cluster = await testCluster(2);
  const ids = new Set<number>();
  for (const client of await clients(cluster)) {
    for (let count = 0; count < 3; count++) {
      const answer = await client.request(InitProducerIdRequest, InitProducerIdResponse, 5, {
        transactionalId: null,
        transactionTimeoutMs: 1_000,
        producerId: -1,
        producerEpoch: -1,
      });
      assert.equal(answer.errorCode, Errors.NONE);
      ids.add(Number(answer.producerId));
    }
  }
  assert.equal(ids.size, 6);
  const blocks = new Set([...ids].map((id) => Math.floor(id / 1_000)));
  assert.equal(blocks.size, 2);
  await cluster.stop();
});

test('a client that sends what only brokers may is cut off', async () => {
  const cluster = await testCluster(1);
  const envelope = await cluster.connect(1);
  const body = { requestData: Buffer.alloc(8), requestPrincipal: null, clientHostAddress: Buffer.alloc(4) };
  void envelope.send(EnvelopeRequest, EnvelopeResponse, 0, body);
  const ids = await cluster.connect(1);
  void ids.send(AllocateProducerIdsRequest, AllocateProducerIdsResponse, 0, { brokerId: 1, brokerEpoch: 1 });
  await cluster.pass(50);
  assert.deepEqual([envelope.isClosed, ids.isClosed], [true, true]);
  await cluster.stop();
});

test('an envelope that holds nothing the controller decides, or nothing at all, is refused', async () => {
  const cluster = await testCluster(2);
  const { peers } = cluster.member(2).broker.services;
  const send = async (requestData: Buffer, requestPrincipal: Buffer | null): Promise<number> => {
    const { errorCode } = await cluster.settle(
      peers.request(1, {
        request: EnvelopeRequest,
        response: EnvelopeResponse,
        body: { requestData, requestPrincipal, clientHostAddress: Buffer.alloc(0) },
        timeoutMs: 1_000,
      }),
    );
    return errorCode;
  };
  const prefix = (apiKey: number, version: number): Buffer => {
    const bytes = Buffer.alloc(12);
    bytes.writeInt16BE(apiKey, 0);
    bytes.writeInt16BE(version, 2);
    return bytes;
  };
  assert.equal(await send(Buffer.alloc(3), null), Errors.INVALID_REQUEST);
  assert.equal(await send(prefix(0, 9), Buffer.alloc(9)), Errors.UNSUPPORTED_VERSION);
  assert.equal(await send(prefix(58, 0), Buffer.alloc(9)), Errors.UNSUPPORTED_VERSION);
  assert.equal(await send(prefix(19, 99), Buffer.alloc(9)), Errors.UNSUPPORTED_VERSION);
  assert.equal(await send(prefix(19, 7), null), Errors.INVALID_REQUEST);
  assert.equal(await send(prefix(19, 7), Buffer.alloc(9)), Errors.INVALID_REQUEST);
  await cluster.stop();
});

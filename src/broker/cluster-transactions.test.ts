import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_UUID } from '../base/uuid.ts';
import { Errors, errorName, type ErrorCode } from '../protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../protocol/messages/00-produce.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../protocol/messages/10-find-coordinator.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../protocol/messages/19-create-topics.ts';
import { InitProducerIdRequest, InitProducerIdResponse } from '../protocol/messages/22-init-producer-id.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../protocol/messages/24-add-partitions-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../protocol/messages/26-end-txn.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../protocol/messages/28-txn-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../protocol/messages/09-offset-fetch.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../protocol/messages/27-write-txn-markers.ts';
import { Operations, type Authorizer } from '../security/authorizer.ts';
import type { TestClient } from './test-client.ts';
import { testCluster, type TestCluster, type TestClusterOptions } from './test-cluster.ts';
import { readValues, transactionalBatch, transactionalBody } from './test-producer.ts';

const COMMITTED = { isolationLevel: 1 };
const CONFIGS = {
  'transaction.state.log.num.partitions': '8',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'offsets.topic.num.partitions': '8',
  'offsets.topic.replication.factor': '1',
};
const TRANSACTION = 1;
const GROUP = 0;

/** Two brokers, and the topic `t` with partition n led by broker n + 1. */
class World {
  readonly cluster: TestCluster;
  readonly clients: readonly TestClient[];

  private constructor(cluster: TestCluster, clients: readonly TestClient[]) {
    this.cluster = cluster;
    this.clients = clients;
  }

  static async begin(options: Pick<TestClusterOptions, 'authorizer'> = {}): Promise<World> {
    const cluster = await testCluster(2, { configs: CONFIGS, ...options });
    const world = new World(cluster, [await cluster.connect(1), await cluster.connect(2)]);
    const { topics } = await world.client(1).request(CreateTopicsRequest, CreateTopicsResponse, 7, {
      topics: [
        {
          name: 't',
          numPartitions: -1,
          replicationFactor: -1,
          assignments: [0, 1].map((index) => ({ partitionIndex: index, brokerIds: [index + 1] })),
          configs: [],
        },
      ],
      timeoutMs: 10_000,
    });
    assert.equal(topics[0]!.errorCode, Errors.NONE);
    return world;
  }

  client(nodeId: number): TestClient {
    return this.clients[nodeId - 1]!;
  }

  /** A transactional id, or a group, whose coordinator is this broker. */
  async keyOn(nodeId: number, keyType: number): Promise<string> {
    const keys = Array.from({ length: 40 }, (_, n) => `key-${n}`);
    const body = { key: '', keyType, coordinatorKeys: keys };
    const answer = await this.client(1).request(FindCoordinatorRequest, FindCoordinatorResponse, 6, body);
    await this.cluster.pass(200);
    return answer.coordinators.find((one) => one.nodeId === nodeId)!.key;
  }

  /** What a consumer of committed data sees in both partitions. */
  async committed(): Promise<string[][]> {
    await this.cluster.pass(500);
    return [
      await readValues(this.client(1), 't', { ...COMMITTED, partition: 0 }),
      await readValues(this.client(2), 't', { ...COMMITTED, partition: 1 }),
    ];
  }
}

class Producer {
  readonly world: World;
  readonly transactionalId: string;
  readonly coordinator: TestClient;
  readonly isV2: boolean;
  producerId = -1;
  producerEpoch = -1;
  readonly #sequences = [0, 0];

  private constructor(world: World, transactionalId: string, coordinator: TestClient, isV2: boolean) {
    this.world = world;
    this.transactionalId = transactionalId;
    this.coordinator = coordinator;
    this.isV2 = isV2;
  }

  /** One whose coordinator is this broker. */
  static async begin(world: World, nodeId: number, isV2: boolean): Promise<Producer> {
    const transactionalId = await world.keyOn(nodeId, TRANSACTION);
    const producer = new Producer(world, transactionalId, world.client(nodeId), isV2);
    const body = { transactionalId, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 };
    producer.become(
      await producer.coordinator.request(InitProducerIdRequest, InitProducerIdResponse, 5, body),
    );
    return producer;
  }

  become(answer: { errorCode: number; producerId: number; producerEpoch: number }): void {
    assert.equal(errorName(answer.errorCode), 'NONE');
    if (this.producerEpoch !== answer.producerEpoch) this.#sequences.fill(0);
    this.producerId = answer.producerId;
    this.producerEpoch = answer.producerEpoch;
  }

  async add(partitions: number[]): Promise<void> {
    const answer = await this.coordinator.request(AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, 3, {
      transactions: [],
      v3AndBelowTransactionalId: this.transactionalId,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.producerEpoch,
      v3AndBelowTopics: [{ name: 't', partitions }],
    });
    for (const { partitionErrorCode } of answer.resultsByTopicV3AndBelow[0]!.resultsByPartition) {
      assert.equal(errorName(partitionErrorCode), 'NONE');
    }
  }

  async send(partition: number, value: string): Promise<string> {
    const batch = transactionalBatch(this, [value], this.#sequences[partition]!);
    const body = transactionalBody(this, 't', [[partition, batch]]);
    const leader = this.world.client(partition + 1);
    const answer = await leader.request(ProduceRequest, ProduceResponse, this.isV2 ? 12 : 11, body);
    const { errorCode } = answer.responses[0]!.partitionResponses[0]!;
    if (errorCode === Errors.NONE) this.#sequences[partition]! += 1;
    return errorName(errorCode as ErrorCode);
  }

  async end(committed: boolean): Promise<void> {
    const { transactionalId, producerId, producerEpoch } = this;
    const version = this.isV2 ? 5 : 4;
    const body = { transactionalId, producerId, producerEpoch, committed };
    const answer = await this.coordinator.request(EndTxnRequest, EndTxnResponse, version, body);
    if (this.isV2) this.become(answer);
    else assert.equal(errorName(answer.errorCode), 'NONE');
  }
}

for (const isV2 of [true, false]) {
  const flavour = isV2 ? 'v2' : 'v1';
  for (const nodeId of [1, 2]) {
    test(`a transaction over two brokers ends on both: ${flavour}, coordinator on ${nodeId}`, async () => {
      const world = await World.begin();
      const producer = await Producer.begin(world, nodeId, isV2);
      for (const [values, isCommitted] of [
        [['a', 'b'], true],
        [['no', 'neither'], false],
        [['c', 'd'], true],
      ] as const) {
        if (!isV2) await producer.add([0, 1]);
        assert.equal(await producer.send(0, values[0]), 'NONE');
        assert.equal(await producer.send(1, values[1]), 'NONE');
        await producer.end(isCommitted);
        await world.cluster.pass(100);
      }
      assert.deepEqual(await world.committed(), [
        ['a', 'c'],
        ['b', 'd'],
      ]);
      await world.cluster.stop();
    });
  }
}

test('brokers may ask each other whatever the authorizer says, and clients may not ask as they do', async () => {
  const refused: string[] = [];
  const authorizer: Authorizer = {
    authorize: ({ name }, _host, operation) => {
      const isForBrokers = operation === Operations.CLUSTER_ACTION || operation === Operations.ALTER;
      if (isForBrokers) refused.push(name);
      return !isForBrokers;
    },
  };
  const world = await World.begin({ authorizer });
  const producer = await Producer.begin(world, 1, true);
  assert.equal(await producer.send(1, 'a'), 'NONE');
  await producer.end(true);
  assert.deepEqual(await world.committed(), [[], ['a']]);
  assert.deepEqual(refused, []);
  const markers = await world.client(2).request(WriteTxnMarkersRequest, WriteTxnMarkersResponse, 1, {
    markers: [
      {
        producerId: producer.producerId,
        producerEpoch: 9,
        transactionResult: false,
        topics: [{ name: 't', partitionIndexes: [1] }],
        coordinatorEpoch: 9,
      },
    ],
  });
  const [marker] = markers.markers;
  assert.equal(marker!.topics[0]!.partitions[0]!.errorCode, Errors.CLUSTER_AUTHORIZATION_FAILED);
  assert.deepEqual(new Set(refused), new Set(['ANONYMOUS']));
  await world.cluster.stop();
});

test('a partition that a v1 producer did not add is refused, whoever coordinates', async () => {
  const world = await World.begin();
  for (const nodeId of [1, 2]) {
    const producer = await Producer.begin(world, nodeId, false);
    await producer.add([0]);
    assert.equal(await producer.send(0, 'in'), 'NONE');
    assert.equal(await producer.send(1, 'out'), 'TRANSACTION_ABORTABLE');
    await producer.end(false);
    await world.cluster.pass(100);
  }
  assert.deepEqual(await world.committed(), [[], []]);
  await world.cluster.stop();
});

test('a producer that was fenced is told so by a leader whose coordinator is elsewhere', async () => {
  const world = await World.begin();
  const old = await Producer.begin(world, 1, true);
  const next = await Producer.begin(world, 1, true);
  assert.equal(next.transactionalId, old.transactionalId);
  assert.equal(await old.send(1, 'late'), 'INVALID_PRODUCER_EPOCH');
  assert.equal(await next.send(1, 'new'), 'NONE');
  await next.end(true);
  assert.deepEqual(await world.committed(), [[], ['new']]);
  await world.cluster.stop();
});

test('while the coordinator cannot be asked a batch is refused with an error that is tried again', async () => {
  const world = await World.begin();
  const producer = await Producer.begin(world, 1, true);
  world.cluster.network.reset('host1', 'host2');
  world.cluster.network.block('host2', 'host1');
  assert.equal(await producer.send(1, 'x'), 'NOT_ENOUGH_REPLICAS');
  world.cluster.network.heal();
  let said = await producer.send(1, 'x');
  for (let attempt = 0; attempt < 50 && said === 'NOT_ENOUGH_REPLICAS'; attempt++) {
    await world.cluster.pass(200);
    said = await producer.send(1, 'x');
  }
  assert.equal(said, 'NONE');
  await producer.end(true);
  assert.deepEqual(await world.committed(), [[], ['x']]);
  await world.cluster.stop();
});

test('markers reach a leader that could not be reached when the transaction ended', async () => {
  const world = await World.begin();
  const producer = await Producer.begin(world, 1, true);
  assert.equal(await producer.send(0, 'a'), 'NONE');
  assert.equal(await producer.send(1, 'b'), 'NONE');
  world.cluster.network.reset('host1', 'host2');
  world.cluster.network.block('host1', 'host2');
  await producer.end(true);
  assert.deepEqual(await world.committed(), [['a'], []]);
  await world.cluster.pass(10_000);
  world.cluster.network.heal();
  await world.cluster.pass(10_000);
  assert.deepEqual(await world.committed(), [['a'], ['b']]);
  await world.cluster.stop();
});

test("a group's offsets take part in a transaction that is coordinated elsewhere", async () => {
  const world = await World.begin();
  for (const nodeId of [1, 2]) {
    const groupId = await world.keyOn(3 - nodeId, GROUP);
    const producer = await Producer.begin(world, nodeId, true);
    const group = world.client(3 - nodeId);
    const { transactionalId, producerId, producerEpoch } = producer;
    const partitions = [{ partitionIndex: 0, committedOffset: 5, committedMetadata: null }];
    const { topics } = await group.request(TxnOffsetCommitRequest, TxnOffsetCommitResponse, 5, {
      transactionalId,
      producerId,
      producerEpoch,
      groupId,
      topics: [{ name: 't', topicId: ZERO_UUID, partitions }],
    });
    assert.equal(errorName(topics[0]!.partitions[0]!.errorCode), 'NONE');
    const committed = async (): Promise<number> => {
      const answer = await group.request(OffsetFetchRequest, OffsetFetchResponse, 8, {
        groupId: '',
        topics: [],
        groups: [
          { groupId, memberId: null, topics: [{ name: 't', topicId: ZERO_UUID, partitionIndexes: [0] }] },
        ],
        requireStable: false,
      });
      return Number(answer.groups[0]!.topics[0]!.partitions[0]!.committedOffset);
    };
    assert.equal(await committed(), -1);
    await producer.end(true);
    await world.cluster.pass(500);
    assert.equal(await committed(), 5);
  }
  await world.cluster.stop();
});

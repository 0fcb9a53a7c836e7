/** TxnOffsetCommit through a whole broker: what it checks, asks the transaction's coordinator, and leaves behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_UUID } from '../../base/uuid.ts';
import { errorName, Errors, type ErrorCode } from '../../protocol/errors.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../protocol/messages/10-find-coordinator.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../protocol/messages/28-txn-offset-commit.ts';
import { Operations, Resources, type Authorizer } from '../../security/authorizer.ts';
import { testWorld, TestWorld, type TestClient } from '../test-client.ts';
import type { TransactionVerifier } from '../transaction-verifier.ts';

const PRODUCER = { producerId: 40, producerEpoch: 0 };
type Question = Parameters<TransactionVerifier['ensure']>[0];

class Scene {
  readonly world: TestWorld;
  client: TestClient;
  readonly topicId: string;
  /** What the transaction's coordinator says. */
  verdict: (question: Question) => ErrorCode | Promise<ErrorCode> = () => Errors.NONE;
  readonly questions: Question[] = [];

  constructor(world: TestWorld, client: TestClient, topicId: string) {
    this.world = world;
    this.client = client;
    this.topicId = topicId;
    this.#answerQuestions();
  }

  static async begin(configs: Readonly<Record<string, string>> = {}): Promise<Scene> {
    const { world, client } = await testWorld({ 'offsets.topic.num.partitions': '3', ...configs });
    const topicId = await client.createTopic('t', { numPartitions: 2 });
    const scene = new Scene(world, client, topicId);
    await scene.findCoordinator();
    return scene;
  }

  #answerQuestions(): void {
    const ensure = (question: Question): Promise<ErrorCode> => {
      this.questions.push(question);
      return Promise.resolve(this.verdict(question));
    };
    Object.assign(this.world.broker.services, { transactionVerifier: { ensure } });
  }

  async restart(options: { kill: boolean }): Promise<void> {
    await this.world.restart(options);
    this.client = await this.world.connect();
    this.#answerQuestions();
    await this.findCoordinator();
  }

  /** Until the group's partition is there and loaded. */
  async findCoordinator(): Promise<void> {
    const body = { key: '', keyType: 0, coordinatorKeys: ['g'] };
    for (let tries = 0; tries < 100; tries++) {
      const found = await this.client.request(FindCoordinatorRequest, FindCoordinatorResponse, 4, body);
      if (found.coordinators[0].errorCode === 0) break;
      await this.world.ports.time.advance(100);
    }
    await this.world.ports.time.advance(1000);
  }

  body(
    version: number,
    changes: Partial<TxnOffsetCommitRequest> & { offset?: number; partition?: number; topic?: string } = {},
  ) {
    const { offset = 7, partition = 0, topic = 't', ...rest } = changes;
    const topicId = version >= 6 && topic === 't' ? this.topicId : ZERO_UUID;
    const partitions = [
      { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: 3, committedMetadata: 'm' },
    ];
    return {
      ...PRODUCER,
      transactionalId: 'x',
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [{ name: topic, topicId, partitions }],
      ...rest,
    };
  }

  async send(version: number, body: TxnOffsetCommitRequest): Promise<string> {
    const { client } = this;
    const answer = await client.request(TxnOffsetCommitRequest, TxnOffsetCommitResponse, version, body);
    return errorName(answer.topics[0].partitions[0].errorCode);
  }

  commit(version: number, changes: Parameters<Scene['body']>[1] = {}): Promise<string> {
    return this.send(version, this.body(version, changes));
  }

  async end(
    options: { isCommit?: boolean; epoch?: number; version?: number; producerId?: number } = {},
  ): Promise<string> {
    const { isCommit = true, epoch = 0, version: transactionVersion = 1, producerId = 40 } = options;
    const { groups } = this.world.broker.services;
    const marker = { producerId, producerEpoch: epoch, coordinatorEpoch: 0, isCommit, transactionVersion };
    const ended = groups.writeTxnMarker(groups.partitionFor('g'), marker);
    return errorName(await this.world.ports.time.settle(ended));
  }

  /** The group's offset of t-0; or the error. */
  async fetch(requireStable = false): Promise<number | string> {
    const topics = [{ name: 't', topicId: ZERO_UUID, partitionIndexes: [0] }];
    const groups = [{ groupId: 'g', memberId: null, memberEpoch: -1, topics }];
    const body = { groupId: '', topics: [], groups, requireStable };
    const answer = await this.client.request(OffsetFetchRequest, OffsetFetchResponse, 8, body);
    const [{ errorCode, topics: found }] = answer.groups;
    if (errorCode !== 0) return errorName(errorCode);
    const [one] = found[0].partitions;
    return one.errorCode === 0 ? one.committedOffset : errorName(one.errorCode);
  }
}

test('item 23: TxnOffsetCommit works in all of its versions', async () => {
  const scene = await Scene.begin();
  for (let version = 0; version <= 6; version++) {
    const offset = 10 + version;
    assert.equal(await scene.commit(version, { offset }), 'NONE', `version ${version}`);
    assert.equal(await scene.fetch(true), 'UNSTABLE_OFFSET_COMMIT');
    assert.equal(await scene.end(), 'NONE');
    assert.equal(await scene.fetch(true), offset);
  }
  await scene.world.stop();
});

test('item 23: an offset in an open transaction outlives a restart as what it is, and so does its outcome', async () => {
  const scene = await Scene.begin();
  await scene.commit(5);
  for (const kill of [false, true]) {
    await scene.restart({ kill });
    assert.deepEqual([await scene.fetch(), await scene.fetch(true)], [-1, 'UNSTABLE_OFFSET_COMMIT']);
  }
  assert.equal(await scene.end(), 'NONE');
  for (const kill of [false, true]) {
    await scene.restart({ kill });
    assert.deepEqual([await scene.fetch(), await scene.fetch(true)], [7, 7]);
  }
  await scene.world.stop();
});

test("item 20: the group's partition is verified before the first write, and added from version 5 on", async () => {
  const scene = await Scene.begin();
  await scene.commit(4);
  await scene.commit(4);
  await scene.end();
  await scene.commit(5, { producerEpoch: 1 });
  const { groups } = scene.world.broker.services;
  const of = {
    transactionalId: 'x',
    producerId: 40,
    topic: '__consumer_offsets',
    partition: groups.partitionFor('g'),
  };
  assert.deepEqual(scene.questions, [
    { ...of, producerEpoch: 0, canAdd: false },
    { ...of, producerEpoch: 1, canAdd: true },
  ]);
  await scene.world.stop();
});

test('item 20: a transaction that does not go on takes no offsets, and clients are told what they understand', async () => {
  const scene = await Scene.begin();
  for (const [verdict, version, expected] of [
    [Errors.TRANSACTION_ABORTABLE, 3, 'INVALID_TXN_STATE'],
    [Errors.TRANSACTION_ABORTABLE, 4, 'TRANSACTION_ABORTABLE'],
    [Errors.PRODUCER_FENCED, 5, 'INVALID_PRODUCER_EPOCH'],
    [Errors.CONCURRENT_TRANSACTIONS, 5, 'CONCURRENT_TRANSACTIONS'],
    [Errors.INVALID_PRODUCER_ID_MAPPING, 5, 'INVALID_PRODUCER_ID_MAPPING'],
    [Errors.COORDINATOR_LOAD_IN_PROGRESS, 1, 'COORDINATOR_NOT_AVAILABLE'],
    [Errors.COORDINATOR_LOAD_IN_PROGRESS, 2, 'COORDINATOR_LOAD_IN_PROGRESS'],
  ] as const) {
    scene.verdict = () => verdict;
    assert.equal(await scene.commit(version), expected, `version ${version}`);
  }
  assert.equal(await scene.fetch(true), -1);
  await scene.world.stop();
});

test('item 20: a transaction that ends while its coordinator is asked takes no offsets any more', async () => {
  const scene = await Scene.begin();
  scene.verdict = async () => {
    assert.equal(await scene.end({ isCommit: false }), 'NONE');
    return Errors.NONE;
  };
  assert.equal(await scene.commit(4), 'INVALID_TXN_STATE');
  assert.equal(await scene.fetch(true), -1);
  scene.verdict = () => Errors.NONE;
  assert.equal(await scene.commit(4), 'NONE');
  await scene.world.stop();
});

test('without verification older clients are believed, newer ones still add their group', async () => {
  const scene = await Scene.begin({ 'transaction.partition.verification.enable': 'false' });
  assert.equal(await scene.commit(4), 'NONE');
  assert.equal(scene.questions.length, 0);
  await scene.end();
  assert.equal(await scene.commit(5, { producerEpoch: 1 }), 'NONE');
  assert.equal(scene.questions.length, 1);
  await scene.world.stop();
});

test('item 20: an epoch that a marker has left behind writes no more; markers of transactions v2 must be ahead', async () => {
  const scene = await Scene.begin();
  assert.equal(await scene.commit(5, { producerEpoch: 1 }), 'NONE');
  assert.equal(await scene.end({ epoch: 1, version: 2 }), 'INVALID_PRODUCER_EPOCH');
  assert.equal(await scene.fetch(true), 'UNSTABLE_OFFSET_COMMIT');
  assert.equal(await scene.end({ epoch: 2, version: 2 }), 'NONE');
  assert.equal(await scene.fetch(true), 7);
  assert.equal(await scene.commit(5, { producerEpoch: 1 }), 'INVALID_PRODUCER_EPOCH');
  assert.equal(await scene.end({ epoch: 2, version: 2 }), 'NONE');
  assert.equal(await scene.end({ epoch: 1, version: 2 }), 'INVALID_PRODUCER_EPOCH');
  await scene.world.stop();
});

test('what cannot be committed is refused where it stands, and the rest is committed', async () => {
  const scene = await Scene.begin();
  assert.equal(await scene.commit(5, { topic: 'none' }), 'UNKNOWN_TOPIC_OR_PARTITION');
  assert.equal(await scene.commit(6, { topic: 'none' }), 'UNKNOWN_TOPIC_ID');
  assert.equal(await scene.commit(5, { partition: 2 }), 'UNKNOWN_TOPIC_OR_PARTITION');
  assert.equal(scene.questions.length, 0);
  assert.equal(await scene.commit(5, { groupId: '' }), 'INVALID_GROUP_ID');
  const body = scene.body(5);
  const [topic] = body.topics;
  const topics = [{ ...topic, name: 'none' }, topic];
  const answer = await scene.client.request(TxnOffsetCommitRequest, TxnOffsetCommitResponse, 5, {
    ...body,
    topics,
  });
  assert.deepEqual(
    answer.topics.map(({ name, partitions }) => [name, errorName(partitions[0].errorCode)]),
    [
      ['none', 'UNKNOWN_TOPIC_OR_PARTITION'],
      ['t', 'NONE'],
    ],
  );
  await scene.world.stop();
});

test('the transactional id, the group and the topics must be permitted, in this order', async () => {
  const world = new TestWorld({ 'offsets.topic.num.partitions': '3' });
  const forbidden = new Set<number>();
  const authorizer: Authorizer = {
    authorize: (_principal, _host, operation, resource) =>
      !(forbidden.has(resource) && (operation === Operations.WRITE || operation === Operations.READ)),
  };
  world.authorizer = authorizer;
  await world.start();
  const client = await world.connect();
  const scene = new Scene(world, client, await client.createTopic('t'));
  await scene.findCoordinator();
  assert.equal(await scene.commit(5), 'NONE');
  for (const [resource, expected] of [
    [Resources.TOPIC, 'TOPIC_AUTHORIZATION_FAILED'],
    [Resources.GROUP, 'GROUP_AUTHORIZATION_FAILED'],
    [Resources.TRANSACTIONAL_ID, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'],
  ] as const) {
    forbidden.add(resource);
    assert.equal(await scene.commit(5), expected);
  }
  await world.stop();
});

test("a broker that does not lead the group's partition is NOT_COORDINATOR", async () => {
  const { world, client } = await testWorld();
  const scene = new Scene(world, client, await client.createTopic('t'));
  assert.equal(await scene.commit(5), 'NOT_COORDINATOR');
  await world.stop();
});

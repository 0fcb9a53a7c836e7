/** The smaller transaction APIs through a whole broker: EndTxn, WriteTxnMarkers, Describe- and ListTransactions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../protocol/messages/00-produce.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../protocol/messages/25-add-offsets-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../protocol/messages/26-end-txn.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../protocol/messages/27-write-txn-markers.ts';
import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../protocol/messages/65-describe-transactions.ts';
import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../protocol/messages/66-list-transactions.ts';
import { Operations, Resources, type Authorizer } from '../security/authorizer.ts';
import { TestProducer, readValues, transactionalBatch, transactionalBody } from './test-producer.ts';
import { TestWorld, testWorld, type TestClient } from './test-client.ts';

const SMALL = { 'transaction.state.log.num.partitions': '3', 'offsets.topic.num.partitions': '3' };
const COMMITTED = 1;

/** Nobody may do what is in `denied`, as `OPERATION RESOURCE`. */
async function guardedWorld(denied: Set<string>): Promise<{ world: TestWorld; client: TestClient }> {
  const nameOf = (names: Readonly<Record<string, number>>, code: number): string =>
    Object.entries(names).find(([, value]) => value === code)![0];
  const authorizer: Authorizer = {
    authorize: (_principal, _host, operation, resource) =>
      !denied.has(`${nameOf(Operations, operation)} ${nameOf(Resources, resource)}`),
  };
  const world = new TestWorld(SMALL);
  world.authorizer = authorizer;
  await world.start();
  return { world, client: await world.connect() };
}

test('item 20: EndTxn in each version: only from 5 on it answers an id and a raised epoch', async () => {
  const { client, world } = await testWorld(SMALL);
  await client.createTopic('t');
  for (const version of [0, 1, 2, 3, 4, 5]) {
    const producer = await TestProducer.begin(world, `tx${version}`);
    await producer.send('t', ['x']);
    const { transactionalId, producerId, producerEpoch } = producer;
    const body = { transactionalId, producerId, producerEpoch, committed: true };
    const answer = await client.request(EndTxnRequest, EndTxnResponse, version, body);
    const identity = version < 5 ? [-1, -1] : [producerId, 1];
    assert.deepEqual([answer.errorCode, answer.producerId, answer.producerEpoch], [Errors.NONE, ...identity]);
    const fenced = await client.request(EndTxnRequest, EndTxnResponse, version, {
      ...body,
      producerEpoch: 7,
    });
    assert.equal(fenced.errorCode, version < 2 ? Errors.INVALID_PRODUCER_EPOCH : Errors.PRODUCER_FENCED);
    await world.ports.time.advance(50);
  }
  await world.stop();
});

test('EndTxn and AddOffsetsToTxn need WRITE on the transactional id, the latter READ on the group', async () => {
  const denied = new Set<string>();
  const { client, world } = await guardedWorld(denied);
  const { transactionalId, producerId, producerEpoch } = await TestProducer.begin(world, 'tx');
  const of = { transactionalId, producerId, producerEpoch };
  const add = async (): Promise<number> =>
    (await client.request(AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, 3, { ...of, groupId: 'g' }))
      .errorCode;
  denied.add('READ GROUP');
  assert.equal(await add(), Errors.GROUP_AUTHORIZATION_FAILED);
  denied.add('WRITE TRANSACTIONAL_ID');
  assert.equal(await add(), Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  const end = await client.request(EndTxnRequest, EndTxnResponse, 5, { ...of, committed: true });
  assert.equal(end.errorCode, Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  denied.clear();
  assert.equal(await add(), Errors.NONE);
  const { topics, transactionState } = world.broker.services.transactions.describe('tx');
  assert.deepEqual([transactionState, topics.map(({ topic }) => topic)], ['Ongoing', ['__consumer_offsets']]);
  await world.stop();
});

test("item 20: WriteTxnMarkers ends a hanging transaction; with v2 only an epoch above the producer's does", async () => {
  const { client, world } = await testWorld(SMALL);
  await client.createTopic('t');
  const producer = await TestProducer.begin(world, 'tx');
  await producer.send('t', ['hanging']);
  const { producerId } = producer;
  const mark = async (producerEpoch: number, transactionVersion: number, name = 't'): Promise<number> => {
    const topics = [{ name, partitionIndexes: [0] }];
    const marker = { producerId, producerEpoch, transactionResult: false, topics, coordinatorEpoch: 0 };
    const answer = await client.request(WriteTxnMarkersRequest, WriteTxnMarkersResponse, 2, {
      markers: [{ ...marker, transactionVersion }],
    });
    assert.equal(answer.markers[0]!.producerId, producerId);
    return answer.markers[0]!.topics[0]!.partitions[0]!.errorCode;
  };
  assert.equal(await mark(0, 2), Errors.INVALID_PRODUCER_EPOCH);
  assert.equal(await mark(0, 0, 'none'), Errors.UNKNOWN_TOPIC_OR_PARTITION);
  const offset = async (): Promise<number> =>
    (await client.listOffset('t', -1, { isolationLevel: COMMITTED })).offset;
  assert.equal(await offset(), 0);
  assert.equal(await mark(0, 0), Errors.NONE);
  assert.equal(await offset(), 2);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), []);
  assert.equal(await mark(1, 2), Errors.NONE);
  await world.stop();
});

test('WriteTxnMarkers needs ALTER or CLUSTER_ACTION on the cluster', async () => {
  const denied = new Set(['ALTER CLUSTER']);
  const { client, world } = await guardedWorld(denied);
  await client.createTopic('t');
  const topics = [{ name: 't', partitionIndexes: [0] }];
  const marker = { producerId: 1, producerEpoch: 0, transactionResult: true, topics, coordinatorEpoch: 0 };
  const body = { markers: [{ ...marker, transactionVersion: 0 }] };
  const code = async (): Promise<number> =>
    (await client.request(WriteTxnMarkersRequest, WriteTxnMarkersResponse, 1, body)).markers[0]!.topics[0]!
      .partitions[0]!.errorCode;
  assert.equal(await code(), Errors.NONE);
  denied.add('CLUSTER_ACTION CLUSTER');
  assert.equal(await code(), Errors.CLUSTER_AUTHORIZATION_FAILED);
  await world.stop();
});

test('DescribeTransactions and ListTransactions show what the principal may see', async () => {
  const denied = new Set<string>();
  const { client, world } = await guardedWorld(denied);
  await client.createTopic('t');
  const producer = await TestProducer.begin(world, 'tx');
  await producer.send('t', ['x']);
  const describe = async (id: string) => {
    const body = { transactionalIds: [id] };
    const answer = await client.request(DescribeTransactionsRequest, DescribeTransactionsResponse, 0, body);
    return answer.transactionStates[0]!;
  };
  const filters = { stateFilters: ['Ongoing', 'Nonsense'], producerIdFilters: [], durationFilter: -1 };
  const list = (transactionalIdPattern: string | null = null) =>
    client.request(ListTransactionsRequest, ListTransactionsResponse, 2, {
      ...filters,
      transactionalIdPattern,
    });
  const { transactionState, topics } = await describe('tx');
  assert.deepEqual([transactionState, topics], ['Ongoing', [{ topic: 't', partitions: [0] }]]);
  assert.equal((await describe('other')).errorCode, Errors.TRANSACTIONAL_ID_NOT_FOUND);
  const { transactionStates, unknownStateFilters } = await list('t.');
  assert.deepEqual(
    transactionStates.map(({ transactionalId }) => transactionalId),
    ['tx'],
  );
  assert.deepEqual(unknownStateFilters, ['Nonsense']);
  assert.equal((await list('[')).errorCode, Errors.INVALID_REGULAR_EXPRESSION);
  denied.add('DESCRIBE TOPIC');
  assert.deepEqual((await describe('tx')).topics, []);
  denied.add('DESCRIBE TRANSACTIONAL_ID');
  assert.equal((await describe('tx')).errorCode, Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  assert.deepEqual((await list()).transactionStates, []);
  await world.stop();
});

test('item 20: a batch whose transaction ends while its coordinator is asked is not appended behind the marker', async () => {
  const { client, world } = await testWorld(SMALL);
  await client.createTopic('t');
  const producer = await TestProducer.begin(world, 'tx', { produceVersion: 11 });
  await producer.add('t', 0);
  // The coordinator says yes; before the leader hears of it the transaction is over, marker and all.
  const { transactions } = world.broker.services;
  const verify = transactions.ensureAll.bind(transactions);
  transactions.ensureAll = async (request) => {
    const verdict = await verify(request);
    transactions.ensureAll = verify;
    const { transactionalId, producerId, producerEpoch } = producer;
    const end = { transactionalId, producerId, producerEpoch, isCommit: true, clientVersion: 0 };
    await transactions.endTransaction(end);
    while (transactions.describe('tx').transactionState !== 'CompleteCommit') {
      await new Promise<void>((resolve) => world.ports.timers.after(1, resolve));
    }
    return verdict;
  };
  const body = transactionalBody(producer, 't', [[0, transactionalBatch(producer, ['late'], 0)]]);
  const answer = await client.request(ProduceRequest, ProduceResponse, 11, body);
  assert.equal(answer.responses[0]!.partitionResponses[0]!.errorCode, Errors.INVALID_TXN_STATE);
  assert.equal((await client.listOffset('t', -1, { isolationLevel: COMMITTED })).offset, 1);
  await world.stop();
});

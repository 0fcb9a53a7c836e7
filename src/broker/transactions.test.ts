import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors, errorName } from '../protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../protocol/messages/00-produce.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import { InitProducerIdRequest, InitProducerIdResponse } from '../protocol/messages/22-init-producer-id.ts';
import { TestProducer, readValues, transactionalBody, transactionalBatch } from './test-producer.ts';
import { batchOf, testWorld } from './test-client.ts';

const COMMITTED = 1;
const SMALL = { 'transaction.state.log.num.partitions': '3', 'offsets.topic.num.partitions': '3' };

test('item 20: a v2 producer needs no AddPartitionsToTxn; what it commits is seen, what it aborts is not', async () => {
  const { client, world } = await testWorld(SMALL);
  await client.createTopic('t', { numPartitions: 2 });
  const producer = await TestProducer.begin(world, 'tx');
  assert.equal((await producer.send('t', ['a', 'b'])).errorCode, Errors.NONE);
  assert.equal((await producer.send('t', ['c'], { partition: 1 })).errorCode, Errors.NONE);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), []);
  assert.deepEqual(await readValues(client, 't'), ['a', 'b']);
  assert.equal(await producer.end(true), Errors.NONE);
  await world.ports.time.advance(50);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), ['a', 'b']);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED, partition: 1 }), ['c']);
  await producer.send('t', ['no']);
  assert.equal(await producer.end(false), Errors.NONE);
  await producer.send('t', ['yes']);
  assert.equal(await producer.end(true), Errors.NONE);
  await world.ports.time.advance(50);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), ['a', 'b', 'yes']);
  // Each transaction has raised the epoch.
  assert.equal(producer.producerEpoch, 3);
  await world.stop();
});

test('item 25: a new broker has transactions v2, and offers all requests that speak it', async () => {
  const { client, world } = await testWorld();
  await world.ports.time.advance(100);
  const software = { clientSoftwareName: 'test', clientSoftwareVersion: '1' };
  const answer = await client.request(ApiVersionsRequest, ApiVersionsResponse, 4, software);
  const of = answer.finalizedFeatures.find(({ name }) => name === 'transaction.version')!;
  assert.equal(of.maxVersionLevel, 2);
  const ranges = new Map(answer.apiKeys.map(({ apiKey, maxVersion }) => [apiKey, maxVersion]));
  // Produce, AddPartitionsToTxn, EndTxn, WriteTxnMarkers, TxnOffsetCommit.
  for (const [key, version] of [
    [0, 12],
    [24, 5],
    [26, 5],
    [27, 2],
    [28, 5],
  ] as const) {
    assert.ok(ranges.get(key)! >= version, `key ${key} up to ${ranges.get(key)}`);
  }
  await world.stop();
});

test('item 20: a v1 producer adds its partitions first; one that it has not added is refused', async () => {
  const { client, world } = await testWorld(SMALL);
  await client.createTopic('t', { numPartitions: 2 });
  for (const [produceVersion, refusal] of [
    [9, Errors.INVALID_TXN_STATE],
    [11, Errors.TRANSACTION_ABORTABLE],
  ] as const) {
    const producer = await TestProducer.begin(world, `tx${produceVersion}`, { produceVersion });
    assert.equal(await producer.add('t', 0), Errors.NONE);
    assert.equal((await producer.send('t', [`of ${produceVersion}`])).errorCode, Errors.NONE);
    const { errorCode } = await producer.send('t', ['x'], { partition: 1 });
    assert.equal(errorName(errorCode), errorName(refusal));
    assert.equal(await producer.end(true), Errors.NONE);
    await world.ports.time.advance(50);
    assert.equal(producer.producerEpoch, 0);
  }
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), ['of 9', 'of 11']);
  assert.deepEqual(await readValues(client, 't', { partition: 1 }), []);
  await world.stop();
});

test('item 16: requests behind one that waits for the coordinator are appended after it, in their order', async () => {
  const { client, world } = await testWorld(SMALL);
  await client.createTopic('t', { numPartitions: 2 });
  const producer = await TestProducer.begin(world, 'tx');
  const answers = [];
  for (let n = 0; n < 5; n++) {
    const batch = transactionalBatch(producer, [`v${n}`], n);
    const body = transactionalBody(producer, 't', [[0, batch]]);
    answers.push(producer.client.send(ProduceRequest, ProduceResponse, 12, body).answer);
    // One without a transaction in between, on the same connection and partition.
    const plain = {
      ...body,
      transactionalId: null,
      topicData: transactionalBody(producer, 't', [[0, batchOf([`p${n}`])]]).topicData,
    };
    answers.push(producer.client.send(ProduceRequest, ProduceResponse, 12, plain).answer);
  }
  const codes: number[] = [];
  const offsets: number[] = [];
  for (const answer of answers) {
    const [one] = (await world.ports.time.settle(answer)).responses[0]!.partitionResponses;
    codes.push(one!.errorCode);
    offsets.push(one!.baseOffset);
  }
  assert.deepEqual(new Set(codes), new Set([Errors.NONE]));
  assert.deepEqual(offsets, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(await producer.end(true), Errors.NONE);
  await world.ports.time.advance(50);
  const expected = [0, 1, 2, 3, 4].flatMap((n) => [`v${n}`, `p${n}`]);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), expected);
  await world.stop();
});

test('item 17: a producer that begins anew aborts what the one before left open, and fences it', async () => {
  const { client, world } = await testWorld(SMALL);
  await client.createTopic('t');
  const old = await TestProducer.begin(world, 'tx');
  await old.send('t', ['old']);
  const fresh = await TestProducer.begin(world, 'tx');
  assert.equal(fresh.producerId, old.producerId);
  assert.equal((await old.send('t', ['late'])).errorCode, Errors.INVALID_PRODUCER_EPOCH);
  assert.equal(await old.end(true), Errors.PRODUCER_FENCED);
  await fresh.send('t', ['new']);
  assert.equal(await fresh.end(true), Errors.NONE);
  await world.ports.time.advance(50);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), ['new']);
  await world.stop();
});

test('an open transaction is aborted after its timeout, and readers go on', async () => {
  const { client, world } = await testWorld(SMALL);
  await client.createTopic('t');
  const producer = await TestProducer.begin(world, 'tx', { timeoutMs: 5_000 });
  await producer.send('t', ['open']);
  await client.produce('t', batchOf(['plain']));
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), []);
  await world.ports.time.advance(16_000);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), ['plain']);
  assert.equal((await producer.send('t', ['late'])).errorCode, Errors.INVALID_PRODUCER_EPOCH);
  assert.equal(await producer.end(true), Errors.INVALID_TXN_STATE);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED }), ['plain']);
  await world.stop();
});

test('item 19: after a kill a decided transaction gets its markers, and an open one goes on', async () => {
  const { world, client } = await testWorld(SMALL);
  await client.createTopic('t');
  await client.createTopic('u');
  const open = await TestProducer.begin(world, 'open');
  const decided = await TestProducer.begin(world, 'decided');
  await open.send('t', ['one']);
  await decided.send('u', ['whole']);
  // The answer is not waited for.
  void decided.startEnd(true);
  await world.ports.time.advance(1);
  await world.restart({ kill: true });
  const reader = await world.connect();
  await world.ports.time.advance(200);
  const seen = await readValues(reader, 'u', { isolationLevel: COMMITTED });
  await decided.reconnect(world);
  const codes = [await decided.end(true)];
  if (codes[0] === Errors.CONCURRENT_TRANSACTIONS) codes.push(await decided.end(true));
  assert.equal(codes.at(-1), Errors.NONE);
  await world.ports.time.advance(50);
  assert.deepEqual(await readValues(reader, 'u', { isolationLevel: COMMITTED }), ['whole']);
  assert.ok(seen.length === 0 || seen[0] === 'whole');
  await open.reconnect(world);
  assert.equal((await open.send('t', ['two'])).errorCode, Errors.NONE);
  assert.equal(await open.end(true), Errors.NONE);
  await world.ports.time.advance(50);
  assert.deepEqual(await readValues(reader, 't', { isolationLevel: COMMITTED }), ['one', 'two']);
  await world.stop();
});

test('a request with transactional batches of two producers is INVALID_PRODUCER_ID_MAPPING', async () => {
  const { client, world } = await testWorld(SMALL);
  await client.createTopic('t', { numPartitions: 2 });
  const producer = await TestProducer.begin(world, 'tx');
  const stranger = { producerId: producer.producerId + 1, producerEpoch: 0 };
  const body = transactionalBody(producer, 't', [
    [0, transactionalBatch(producer, ['a'], 0)],
    [1, transactionalBatch(stranger, ['b'], 0)],
  ]);
  const answer = await client.request(ProduceRequest, ProduceResponse, 12, body);
  const codes = answer.responses[0]!.partitionResponses.map(({ errorCode }) => errorCode);
  assert.deepEqual(codes, [Errors.INVALID_PRODUCER_ID_MAPPING, Errors.INVALID_PRODUCER_ID_MAPPING]);
  await world.stop();
});

test('without verification an old producer writes as it likes, a v2 producer is still added', async () => {
  const { client, world } = await testWorld({
    ...SMALL,
    'transaction.partition.verification.enable': 'false',
  });
  await client.createTopic('t', { numPartitions: 2 });
  const old = await TestProducer.begin(world, 'old', { produceVersion: 9 });
  assert.equal((await old.send('t', ['x'])).errorCode, Errors.NONE);
  const fresh = await TestProducer.begin(world, 'new');
  assert.equal((await fresh.send('t', ['y'], { partition: 1 })).errorCode, Errors.NONE);
  assert.equal(await fresh.end(true), Errors.NONE);
  await world.ports.time.advance(50);
  assert.deepEqual(await readValues(client, 't', { isolationLevel: COMMITTED, partition: 1 }), ['y']);
  await world.stop();
});

test('item 17: clients before KIP-588 are told INVALID_PRODUCER_EPOCH where others are told PRODUCER_FENCED', async () => {
  const { client, world } = await testWorld(SMALL);
  await TestProducer.begin(world, 'tx');
  for (const [version, expected] of [
    [3, Errors.INVALID_PRODUCER_EPOCH],
    [4, Errors.PRODUCER_FENCED],
    [5, Errors.PRODUCER_FENCED],
  ] as const) {
    const body = { transactionalId: 'tx', transactionTimeoutMs: 1000, producerId: 9_999, producerEpoch: 1 };
    const answer = await client.request(InitProducerIdRequest, InitProducerIdResponse, version, body);
    assert.equal(answer.errorCode, expected);
  }
  await world.stop();
});

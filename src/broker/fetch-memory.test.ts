import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { MetadataRequest, MetadataResponse } from '../protocol/messages/03-metadata.ts';
import { batchOf, fetchBody, testWorld, type TestClient, type TestWorld } from './test-client.ts';

const BUDGET = 4_000_000;
/** The largest batch of a topic by default, and what a read reserves at least. */
const BATCH = 1024 * 1024 + 12;
const CONFIGS = { 'socket.request.max.bytes': '2000000', 'queued.max.request.bytes': String(BUDGET) };

/** A topic of `count` batches of 500 KB. */
async function withData(
  count: number,
  regionBytesMin = Infinity,
): Promise<{ world: TestWorld; client: TestClient }> {
  const { world, client } = await testWorld(CONFIGS, { regionBytesMin });
  await client.createTopic('t');
  for (let n = 0; n < count; n++) await client.produce('t', batchOf(['x'.repeat(500_000)]));
  return { world, client };
}

/** Consumers that ask for everything and read nothing of it. */
async function stoppedConsumers(world: TestWorld, count: number): Promise<TestClient[]> {
  const consumers: TestClient[] = [];
  for (let n = 0; n < count; n++) {
    const consumer = await world.connect();
    consumer.connection.pause();
    const body = fetchBody('t', 0, { maxBytes: 50_000_000, partitionMaxBytes: 50_000_000 });
    void consumer.send(FetchRequest, FetchResponse, 12, body);
    consumers.push(consumer);
  }
  return consumers;
}

async function consumeAll(client: TestClient, count: number): Promise<void> {
  for (let offset = 0; offset < count;) {
    const answer = await client.fetch('t', offset, { maxWaitMs: 60_000, minBytes: 1 });
    const records = Buffer.concat(answer.records ?? []);
    assert.equal(answer.errorCode, 0);
    offset += Math.round(records.length / 500_000);
  }
}

test('OV5: the answers to 50 consumers that stop reading stay within the budget; another one reads on', async () => {
  const { world } = await withData(12);
  const { memory } = world.broker.services;
  await stoppedConsumers(world, 50);
  let highest = 0;
  for (let n = 0; n < 100; n++) {
    await world.ports.time.advance(50);
    highest = Math.max(highest, memory.responseBytes());
  }
  assert.ok(highest > BUDGET / 2, `${highest}`);
  assert.ok(highest <= BUDGET + BATCH, `${highest}`);
  await consumeAll(await world.connect(), 12);
});

test('answers that leave from their files take no memory, however many consumers stop reading', async () => {
  const { world } = await withData(12, 1);
  const { memory } = world.broker.services;
  await stoppedConsumers(world, 50);
  let highest = 0;
  for (let n = 0; n < 100; n++) {
    await world.ports.time.advance(50);
    highest = Math.max(highest, memory.responseBytes());
  }
  // Only what stands around the records.
  assert.ok(highest < 50_000, `${highest}`);
  await consumeAll(await world.connect(), 12);
});

test('OV5: producers and Metadata go on while consumers hold all memory for answers', async () => {
  const { world, client } = await withData(12);
  await stoppedConsumers(world, 50);
  await world.ports.time.advance(1_000);
  const before = world.ports.clock.monotonicMs();
  for (let n = 0; n < 5; n++) {
    assert.equal((await client.produce('t', batchOf(['y'.repeat(500_000)]))).errorCode, 0);
    const body = {
      topics: null,
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    };
    const metadata = await client.request(MetadataRequest, MetadataResponse, 9, body);
    assert.equal(metadata.topics.length, 1);
  }
  assert.ok(world.ports.clock.monotonicMs() - before < 1_000);
});

test('a fetch for which there is no memory waits no longer than it may, and says where the partition stands', async () => {
  const { world } = await withData(12);
  await stoppedConsumers(world, 50);
  await world.ports.time.advance(1_000);
  const before = world.ports.clock.monotonicMs();
  const answer = await (await world.connect()).fetch('t', 0, { maxWaitMs: 500, minBytes: 1 });
  const tookMs = world.ports.clock.monotonicMs() - before;
  assert.deepEqual(
    [answer.errorCode, answer.highWatermark, Buffer.concat(answer.records ?? []).length],
    [0, 12, 0],
  );
  assert.ok(tookMs >= 500 && tookMs < 600, `${tookMs}`);
});

test('when nothing is held a fetch gets a batch that is larger than what it may read', async () => {
  const { client } = await withData(2);
  const answer = await client.fetch('t', 0, { maxBytes: 1, minBytes: 1 });
  assert.ok(Buffer.concat(answer.records ?? []).length > 500_000);
});

test('a fetch that may read less than its min.bytes is answered, not kept waiting', async () => {
  const { world, client } = await withData(12);
  const before = world.ports.clock.monotonicMs();
  const answer = await client.fetch('t', 0, {
    maxBytes: 5_000_000,
    partitionMaxBytes: 5_000_000,
    minBytes: 5_000_000,
    maxWaitMs: 20_000,
  });
  assert.ok(Buffer.concat(answer.records ?? []).length > 500_000);
  assert.ok(world.ports.clock.monotonicMs() - before < 1_000);
});

test('memory goes back when waiting consumers leave', async () => {
  const { world } = await withData(12);
  const consumers = await stoppedConsumers(world, 50);
  await world.ports.time.advance(1_000);
  for (const { connection } of consumers) connection.destroy();
  await world.ports.time.advance(1_000);
  assert.equal(world.broker.services.memory.usedBytes(), 0);
});

test('a stop does not wait for a consumer that waits for memory', async () => {
  const { world, client } = await withData(1);
  world.broker.services.memory.reserveResponse(BUDGET, BUDGET);
  const { answer } = client.send(FetchRequest, FetchResponse, 12, fetchBody('t', 0, { maxWaitMs: 60_000 }));
  await world.ports.time.advance(1_000);
  const before = world.ports.clock.monotonicMs();
  await world.ports.time.settle(world.broker.stop());
  await world.ports.time.advance(100);
  assert.equal((await world.ports.time.settle(answer)).responses[0]!.partitions[0]!.errorCode, 0);
  assert.ok(world.ports.clock.monotonicMs() - before <= 1_000);
});

test('a disk read that fails gives its memory back', async () => {
  const { world, client } = await withData(1);
  const { memory, partitions } = world.broker.services;
  const log = partitions.get('t', 0)!.log!;
  log.read = () => Promise.reject(new Error('broken'));
  const answer = await client.send(FetchRequest, FetchResponse, 12, fetchBody('t', 0, {}));
  await world.ports.time.settle(answer.answer);
  await world.ports.time.advance(10);
  assert.equal(memory.usedBytes(), 0);
});

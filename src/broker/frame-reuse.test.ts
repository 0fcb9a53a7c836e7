import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../protocol/messages/00-produce.ts';
import * as header from '../protocol/record-batch.ts';
import { SlabPool } from '../base/slab-pool.ts';
import { batchOf, produceBody, testWorld, type TestClient } from './test-client.ts';
import { TestProducer, transactionalBatch, transactionalBody } from './test-producer.ts';

/** Frames that are given back are overwritten at once: whoever still looks at one sees it. Counts them. */
function poisonFreedFrames(t: TestContext): { count: number } {
  const given = { count: 0 };
  const { give } = SlabPool.prototype;
  t.mock.method(SlabPool.prototype, 'give', function poison(this: SlabPool, slab: Buffer) {
    given.count += 1;
    slab.fill(0xdb);
    give.call(this, slab);
  });
  return given;
}

async function readBack(client: TestClient, expected: readonly string[]): Promise<void> {
  for (let offset = 0; offset < expected.length; offset++) {
    const answer = await client.fetch('t', offset, { maxBytes: 1, minBytes: 1, maxWaitMs: 100 });
    const batch = Buffer.concat(answer.records ?? []);
    assert.equal(header.baseOffset(batch), offset);
    assert.equal(header.isCrcValid(batch, 0), true, `offset ${offset}`);
    assert.ok(batch.includes(expected[offset]!.slice(0, 1_000)), `offset ${offset}`);
  }
}

test('nobody looks at the frame of a Produce request once it is answered', async (t) => {
  const given = poisonFreedFrames(t);
  const { world, client } = await testWorld({ 'message.max.bytes': '9000000' });
  await client.createTopic('t');
  const values: string[] = [];
  for (const [n, size] of [
    40_000, 300_000, 1_000_000, 5_000_000, 70_000, 8_000_000, 33_000, 600_000,
  ].entries()) {
    values.push(String.fromCharCode(97 + n).repeat(size));
  }
  const producers = [client, await world.connect()];
  const answers: Promise<ProduceResponse>[] = [];
  for (const [n, value] of values.entries()) {
    const body = produceBody('t', [[0, batchOf([value])]], n === 3 ? 1 : -1);
    const { answer } = producers[n % 2]!.send(ProduceRequest, ProduceResponse, 12, body);
    if (n % 3 === 0) await world.ports.time.settle(answer);
    answers.push(answer);
    await world.ports.time.settle(answer);
  }
  for (const answer of answers) {
    const [partition] = (await answer).responses[0]!.partitionResponses;
    assert.equal(partition!.errorCode, Errors.NONE);
  }
  assert.ok(given.count >= values.length, `${given.count} given back`);
  await readBack(await world.connect(), values);
  await world.restart();
  await readBack(await world.connect(), values);
});

test('requests in flight together keep their frames until each is answered', async (t) => {
  poisonFreedFrames(t);
  const { world } = await testWorld();
  const client = await world.connect();
  await client.createTopic('t');
  const values = Array.from({ length: 40 }, (_, n) => String.fromCharCode(65 + n).repeat(50_000 + n * 7_000));
  const answers = values.map(
    (value) =>
      client.send(ProduceRequest, ProduceResponse, 12, produceBody('t', [[0, batchOf([value])]], -1)).answer,
  );
  await world.ports.time.settle(Promise.all(answers));
  await readBack(client, values);
});

test('a Produce request that waits for its transaction keeps its batches, not its frame', async (t) => {
  const given = poisonFreedFrames(t);
  const { world, client } = await testWorld({ 'transaction.state.log.num.partitions': '1' });
  await client.createTopic('t');
  const producer = await TestProducer.begin(world, 'tx');
  const values = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(300_000));
  const answers = values.map((value, sequence) => {
    const body = transactionalBody(producer, 't', [[0, transactionalBatch(producer, [value], sequence)]]);
    return producer.client.send(ProduceRequest, ProduceResponse, 12, body).answer;
  });
  for (const answer of answers) {
    const [partition] = (await world.ports.time.settle(answer)).responses[0]!.partitionResponses;
    assert.equal(partition!.errorCode, Errors.NONE);
  }
  assert.ok(given.count >= values.length, `${given.count} given back`);
  assert.equal(await producer.end(true), Errors.NONE);
  await readBack(client, values);
  await world.stop();
});

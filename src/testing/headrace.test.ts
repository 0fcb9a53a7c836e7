import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { ConfigurationError } from '../broker/broker.ts';
import { Headrace } from './headrace.ts';

function client(headrace: Headrace): Kafka {
  return new Kafka({ clientId: 'test', brokers: [headrace.bootstrap], logLevel: logLevel.NOTHING });
}

async function produce(headrace: Headrace, values: readonly string[]): Promise<void> {
  const producer = client(headrace).producer();
  await producer.connect();
  await producer.send({ topic: 'greetings', messages: values.map((value) => ({ value })) });
  await producer.disconnect();
}

async function consume(headrace: Headrace, count: number): Promise<string[]> {
  const consumer = client(headrace).consumer({ groupId: 'readers' });
  await consumer.connect();
  await consumer.subscribe({ topic: 'greetings', fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(message.value!.toString());
          if (values.length === count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return values;
}

test('a broker in memory serves a client that knows nothing of it, and leaves nothing behind', async () => {
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith('headrace-')).length;
  await using headrace = await Headrace.start({ settings: { 'num.partitions': 3 } });
  await produce(headrace, ['a', 'b', 'c']);
  assert.deepEqual((await consume(headrace, 3)).sort(), ['a', 'b', 'c']);
  assert.equal(existsSync('/headrace'), false);
  assert.equal(readdirSync(tmpdir()).filter((name) => name.startsWith('headrace-')).length, before);
});

test('two brokers in one process know nothing of each other', async () => {
  await using one = await Headrace.start();
  await using other = await Headrace.start();
  await produce(one, ['of one']);
  await produce(other, ['of the other']);
  assert.deepEqual(await consume(other, 1), ['of the other']);
});

test('a folder keeps the data for the next start', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kept-'));
  try {
    const first = await Headrace.start({ data: { directory } });
    await produce(first, ['kept']);
    await first.stop();
    await using second = await Headrace.start({ data: { directory } });
    assert.deepEqual(await consume(second, 1), ['kept']);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('a wrong setting is refused by name', async () => {
  await assert.rejects(
    Headrace.start({ settings: { 'num.partitions': 'many' } }),
    (error) => error instanceof ConfigurationError && error.message.includes('num.partitions'),
  );
});

test('records are written and read, and a group is waited for', async () => {
  await using headrace = await Headrace.start();
  await headrace.createTopic('a', { partitions: 2 });
  await headrace.produce('a', ['one', { key: 'k', value: 'two', partition: 1 }, null]);
  const all = await headrace.records('a', { count: 3 });
  assert.deepEqual(all.map(({ text }) => text).sort(), [null, 'one', 'two'].sort());
  const [second] = await headrace.records('a', { partition: 1 });
  assert.ok(second!.partition === 1);
  assert.equal(await headrace.lag('readers', 'a'), 3);
  const consumer = headrace.client().consumer({ group: 'readers', topics: ['a'], from: 'earliest' });
  let count = 0;
  for await (const _ of consumer) if (++count === 3) break;
  await headrace.untilMembers('readers', 1);
  await assert.rejects(headrace.untilLag('readers', { topic: 'a', timeoutMs: 1 }), {
    message: 'group readers is 3 records behind in a, not 0, after 1 ms',
  });
  await consumer.commit();
  await headrace.untilLag('readers', { topic: 'a' });
  await headrace.untilCommitted('readers', { topic: 'a', partition: 1, offset: 1 });
  await consumer.close();
  await headrace.untilMembers('readers', 0);
  await assert.rejects(headrace.records('a', { count: 4, timeoutMs: 20 }), {
    message: /^[0-3] records in a after 20 ms, not 4$/,
  });
});

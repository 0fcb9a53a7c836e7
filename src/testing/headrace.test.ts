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

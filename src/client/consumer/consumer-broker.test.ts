// The consumer against the real broker, on simulated ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPRESSION_TYPES } from '../../protocol/record-batch.ts';
import { type Consumer, type ConsumerOptions, type ConsumerRecord } from '../client.ts';
import { scene } from '../test-scene.ts';

async function take(consumer: Consumer, count: number): Promise<ConsumerRecord[]> {
  const records: ConsumerRecord[] = [];
  for await (const record of consumer) {
    records.push(record);
    if (records.length === count) break;
  }
  return records;
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const texts = (records: readonly ConsumerRecord[]): (string | null)[] => records.map((one) => one.text);

test('records come as they were sent, whatever the codec', async () => {
  const { admin, client, settle, end } = await scene();
  for (const compression of COMPRESSION_TYPES) {
    await admin.createTopic(compression);
    const producer = client.producer({ compression });
    const sent = numbered('v', 500).map((value, n) => ({
      topic: compression,
      key: n % 3 === 0 ? null : `k${n}`,
      value: n % 7 === 0 ? null : value,
      headers: n % 2 === 0 ? [['a', 'b'] as const, ['a', null] as const] : [],
      timestamp: 1_700_000_000_000 + n,
    }));
    await settle(producer.sendAll(sent));
    const consumer = client.consumer({ assign: [{ topic: compression }], from: 'earliest' });
    const records = await settle(take(consumer, 500));
    assert.deepEqual(
      records.map((one) => ({
        key: one.key?.toString() ?? null,
        value: one.value?.toString() ?? null,
        headers: one.headers.map(({ key, value }) => [key, value?.toString() ?? null]),
        timestamp: one.timestamp,
        offset: one.offset,
      })),
      sent.map(({ key, value, headers, timestamp }, offset) => ({ key, value, headers, timestamp, offset })),
    );
    await consumer.close();
  }
  await end();
});

test('one goes on where the loop was left, in the middle of a batch too', async () => {
  const { admin, client, settle, send, end } = await scene();
  await admin.createTopic('t');
  await send('t', 0, numbered('v', 100));
  const consumer = client.consumer({ assign: [{ topic: 't' }], from: 'earliest' });
  const first = await settle(take(consumer, 37));
  assert.equal(consumer.position({ topic: 't', partition: 0 }), 37);
  const rest = await settle(take(consumer, 63));
  assert.deepEqual(texts([...first, ...rest]), numbered('v', 100));
  assert.equal(consumer.lag({ topic: 't', partition: 0 }), 0);
  await end();
});

test('a consumer starts at an offset, at an end, or at a time, and seeks there', async () => {
  const { world, admin, client, settle, send, end } = await scene();
  await admin.createTopic('t');
  const producer = client.producer();
  const records = numbered('v', 50).map((value, n) => ({ topic: 't', value, timestamp: 1000 * n }));
  await settle(producer.sendAll(records));
  const at = { topic: 't', partition: 0 };
  const first = async (options: Pick<ConsumerOptions, 'from'>): Promise<string | null> => {
    const consumer = client.consumer({ assign: [at], ...options });
    const [record] = await settle(take(consumer, 1));
    await consumer.close();
    return record!.text;
  };
  assert.equal(await first({ from: 'earliest' }), 'v0');
  assert.equal(await first({ from: 17 }), 'v17');
  assert.equal(await first({ from: { timestamp: 20_500 } }), 'v21');
  const late = client.consumer({ assign: [at] });
  const next = take(late, 1);
  await world.ports.time.advance(1_000);
  await send('t', 0, ['newest']);
  assert.deepEqual(texts(await settle(next)), ['newest']);
  for (const [to, text] of [
    ['earliest', 'v0'],
    [{ timestamp: 3_000 }, 'v3'],
    [50, 'newest'],
    [7, 'v7'],
  ] as const) {
    late.seek(at, to);
    assert.deepEqual(texts(await settle(take(late, 1))), [text]);
  }
  assert.throws(() => late.seek({ topic: 't', partition: 4 }, 0), { errorName: 'INVALID_ARGUMENT' });
  await end();
});

test('a paused partition is silent, others are not, and nothing is lost by it', async () => {
  const { admin, client, settle, send, end } = await scene();
  await admin.createTopic('t', { numPartitions: 2 });
  await send('t', 0, numbered('a', 300));
  await send('t', 1, numbered('b', 300));
  const consumer = client.consumer({ assign: [{ topic: 't' }], from: 'earliest' });
  const seen: ConsumerRecord[] = await settle(take(consumer, 50));
  consumer.pause([{ topic: 't', partition: 0 }]);
  assert.deepEqual(consumer.paused(), [{ topic: 't', partition: 0 }]);
  const left = 300 - seen.filter((one) => one.partition === 1).length;
  const others = await settle(take(consumer, left));
  assert.ok(others.every((one) => one.partition === 1));
  assert.equal(await settle(consumer.poll({ timeoutMs: 2_000 })), undefined);
  consumer.resume();
  seen.push(...others, ...(await settle(take(consumer, 600 - seen.length - others.length))));
  assert.deepEqual(texts(seen.filter((one) => one.partition === 0)), numbered('a', 300));
  assert.deepEqual(texts(seen.filter((one) => one.partition === 1)), numbered('b', 300));
  await end();
});

test('partitions take turns, and what waits stays within its bytes', async () => {
  const { admin, client, settle, end } = await scene();
  await admin.createTopic('t', { numPartitions: 4 });
  const producer = client.producer({ batchBytes: 20_000 });
  const value = 'x'.repeat(5_000);
  const records = Array.from({ length: 800 }, (_, n) => ({
    topic: 't',
    partition: n < 700 ? 0 : n % 4,
    value,
  }));
  await settle(producer.sendAll(records));
  const consumer = client.consumer({
    assign: [{ topic: 't' }],
    from: 'earliest',
    partitionBytesMax: 100_000,
    bufferBytes: 400_000,
  });
  const seen: number[] = [];
  let most = 0;
  const read = async (): Promise<void> => {
    for await (const record of consumer) {
      seen.push(record.partition);
      most = Math.max(most, consumer.bufferedBytes);
      if (seen.length === records.length) return;
    }
  };
  await settle(read());
  assert.ok(most <= 500_000, `${most} bytes`);
  assert.ok(seen.lastIndexOf(3) < 300, 'a partition with little is not behind one with much');
  await end();
});

test('commit stores what was handed out, and a later consumer goes on there', async () => {
  const { admin, client, settle, send, end } = await scene();
  await admin.createTopic('t', { numPartitions: 2 });
  await send('t', 0, numbered('v', 20));
  const options: ConsumerOptions = { assign: [{ topic: 't' }], from: 'earliest', group: 'g' };
  const consumer = client.consumer(options);
  await settle(take(consumer, 12));
  await settle(consumer.commit());
  await settle(consumer.commit([{ topic: 't', partition: 1, offset: 0, metadata: 'half way' }]));
  const committed = await settle(consumer.committed());
  assert.deepEqual(
    committed.map(({ partition, offset, metadata }) => [partition, offset, metadata]),
    [
      [0, 12, ''],
      [1, 0, 'half way'],
    ],
  );
  await consumer.close();
  const later = client.consumer(options);
  assert.deepEqual(texts(await settle(take(later, 8))), numbered('v', 20).slice(12));
  await assert.rejects(client.consumer({ assign: [{ topic: 't' }] }).commit(), {
    errorName: 'INVALID_ARGUMENT',
  });
  await end();
});

test('reading goes on over restarts of the broker', async () => {
  const { world, admin, client, settle, send, end } = await scene();
  await admin.createTopic('t');
  const consumer = client.consumer({ assign: [{ topic: 't' }], from: 'earliest' });
  const seen: ConsumerRecord[] = [];
  for (let round = 0; round < 3; round++) {
    await send('t', 0, numbered(`${round}-`, 50));
    seen.push(...(await settle(take(consumer, 50))));
    await world.restart({ kill: round === 1 });
  }
  assert.deepEqual(
    texts(seen),
    [0, 1, 2].flatMap((round) => numbered(`${round}-`, 50)),
  );
  await end();
});

test('an offset that is gone by retention goes to the nearest that is there, or is told', async () => {
  const { admin, client, settle, send, end } = await scene();
  await admin.createTopic('t');
  await send('t', 0, numbered('v', 10));
  const at = { topic: 't', partition: 0 };
  const beyond = client.consumer({ assign: [{ ...at, from: 5_000 }] });
  assert.equal(await settle(beyond.poll({ timeoutMs: 1_000 })), undefined);
  await send('t', 0, ['v10']);
  assert.deepEqual(texts(await settle(take(beyond, 1))), ['v10']);
  const strict = client.consumer({ assign: [{ ...at, from: 5_000 }], onOutOfRange: 'error' });
  await assert.rejects(settle(take(strict, 1)), { errorName: 'OFFSET_OUT_OF_RANGE' });
  await assert.rejects(settle(take(strict, 1)), { errorName: 'OFFSET_OUT_OF_RANGE' });
  strict.seek(at, 8);
  assert.deepEqual(texts(await settle(take(strict, 3))), ['v8', 'v9', 'v10']);
  await end();
});

test('signals, timeouts and closing end the waiting', async () => {
  const { world, admin, client, settle, end } = await scene();
  await admin.createTopic('t');
  const consumer = client.consumer({ assign: [{ topic: 't' }] });
  assert.equal(await settle(consumer.poll({ timeoutMs: 100 })), undefined);
  const controller = new AbortController();
  const loop = async (): Promise<void> => {
    for await (const record of consumer.records({ signal: controller.signal })) void record;
  };
  const aborted = loop();
  await world.ports.time.advance(1_000);
  await assert.rejects(consumer.poll(), { errorName: 'INVALID_ARGUMENT' });
  controller.abort(new Error('enough'));
  await assert.rejects(settle(aborted), /enough/);
  const ended = take(consumer, 1);
  await world.ports.time.advance(1_000);
  await consumer.close();
  assert.deepEqual(await settle(ended), []);
  await assert.rejects(settle(client.consumer({ assign: [{ topic: 't', partition: 3 }] }).poll()), {
    errorName: 'INVALID_ARGUMENT',
  });
  await end();
});

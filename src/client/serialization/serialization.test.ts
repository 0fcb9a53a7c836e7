import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, json, text, TypedTopic, type StandardSchema } from '../client.ts';
import { scene } from '../test-scene.ts';

/** As a library for schemas would make it: an object with a total, which may come as text. */
const order: StandardSchema<{ total: number | string }, { total: number }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate(value) {
      const total = Number((value as { total?: unknown } | null)?.total);
      if (!Number.isNaN(total)) return { value: { total } };
      return { issues: [{ message: 'not a number', path: ['total', { key: 0 }] }, { message: 'nor text' }] };
    },
  },
};

test('records of a typed topic go out and come back as what they are', async () => {
  const { world, admin, client, settle, end } = await scene();
  await admin.createTopic('orders');
  const orders = new TypedTopic('orders', { key: text, value: json(order) });
  const producer = client.producer();
  const headers = [['a', 'b']] as const;
  await settle(producer.send(orders.record({ key: 'ada', value: { total: '12' }, headers, timestamp: 5 })));
  await settle(producer.send(orders.record({ key: null, value: { total: 3 } })));
  const consumer = client.consumer({ assign: [{ topic: 'orders' }], from: 'earliest' });
  const seen: unknown[] = [];
  const run = consumer.run({
    onRecord: orders.handler(({ key, value, offset, headers: list, timestamp }) => {
      const total: number = value.total;
      const names = list.map((one) => one.key);
      seen.push({ key, total, offset, names, timestamp: offset === 0 ? timestamp : 0 });
    }),
  });
  assert.ok(await world.ports.time.runUntil(() => seen.length === 2, 10_000));
  assert.deepEqual(seen, [
    { key: 'ada', total: 12, offset: 0, names: ['a'], timestamp: 5 },
    { key: null, total: 3, offset: 1, names: [], timestamp: 0 },
  ]);
  await settle(consumer.close());
  await settle(run);
  await end();
});

test('what cannot be read is told with its place, and the run stops in front of it', async () => {
  const { admin, client, settle, send, end } = await scene();
  await admin.createTopic('orders');
  await send('orders', 0, ['{"total":1}', '{"total":"x"}', 'no json']);
  const orders = new TypedTopic('orders', { key: text, value: json(order) });
  const consumer = client.consumer({ group: 'g', assign: [{ topic: 'orders' }], from: 'earliest' });
  const at = { topic: 'orders', partition: 0 };
  await assert.rejects(settle(consumer.run({ onRecord: orders.handler(() => {}) })), {
    errorName: 'SERIALIZATION',
    message: 'SERIALIZATION: the value of orders-0 at offset 1: total.0: not a number; nor text',
  });
  assert.equal(consumer.position(at), 1);
  consumer.seek(at, 2);
  await assert.rejects(settle(consumer.run({ onRecord: orders.handler(() => {}) })), (error: Error) => {
    assert.match(error.message, /at offset 2: .*JSON/);
    assert.ok(error.cause instanceof SyntaxError);
    return true;
  });
  const batch = await settle(consumer.poll());
  const others = new TypedTopic('others', { key: bytes, value: bytes });
  assert.throws(() => others.read(batch!.records[0]!), /INVALID_ARGUMENT/);
  await end();
});

test('what cannot be written is an error before anything is sent', () => {
  const topic = new TypedTopic('t', { key: bytes, value: json() });
  assert.deepEqual(topic.record({ key: Buffer.from('k'), value: [1] }).value, '[1]');
  assert.equal(topic.record({ key: null, value: undefined }).value, null);
  assert.throws(() => topic.record({ key: null, value: 1n }), /SERIALIZATION: a value for t: .*BigInt/);
  assert.throws(() => topic.record({ key: null, value: () => 1 }), /a function has no JSON/);
  const late: StandardSchema = {
    '~standard': { version: 1, vendor: 'test', validate: async (value) => ({ value }) },
  };
  const later = new TypedTopic('t', { key: text, value: json(late) });
  assert.throws(() => later.record({ key: null, value: 1 }), /answers later/);
});

// What holds a consumer up is named, against the real broker, on simulated ports.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import type { ConsumerOptions, Stall } from '../client.ts';
import { scene } from '../test-scene.ts';

async function stage(options: Partial<ConsumerOptions> = {}) {
  const one = await scene({ 'group.min.session.timeout.ms': '1000' });
  await one.admin.createTopic('t', { numPartitions: 2 });
  const stalls: Stall[] = [];
  const consumer = one.client.consumer({
    assign: [{ topic: 't' }],
    from: 'earliest',
    maxWaitMs: 100,
    stallTimeoutMs: 8_000,
    onStall: (stall) => void stalls.push(stall),
    ...options,
  });
  const { time, wires } = one.world.ports;
  return { ...one, consumer, stalls, time, wires, reasons: () => stalls.map(({ reason }) => reason) };
}

test('who has read everything, or has paused, is well', async () => {
  const { consumer, stalls, time, settle, send, end } = await stage();
  await send('t', 0, ['a']);
  assert.equal((await settle(consumer.poll()))!.records.length, 1);
  const next = consumer.poll();
  await time.advance(60_000);
  await send('t', 1, ['b']);
  assert.equal((await settle(next))!.partition, 1);
  consumer.pause();
  await send('t', 0, ['c']);
  const none = consumer.poll({ timeoutMs: 60_000 });
  await time.advance(50_000);
  assert.equal(consumer.health().isHealthy, true);
  assert.deepEqual(
    consumer.health().partitions.map(({ partition, position, isPaused }) => [partition, position, isPaused]),
    [
      [0, 1, true],
      [1, 1, true],
    ],
  );
  assert.equal(await settle(none), undefined);
  assert.deepEqual(stalls, []);
  await end();
});

test('a handler that does not come back is named with its partition, and told once', async () => {
  const { consumer, stalls, time, settle, send, end } = await stage();
  await send('t', 1, ['a', 'b']);
  const published: unknown[] = [];
  const onMessage = (message: unknown): void => void published.push(message);
  subscribe('headrace.consumer.stall', onMessage);
  const { promise, resolve } = Promise.withResolvers<void>();
  const run = consumer.run({ onRecord: () => promise });
  await time.advance(30_000);
  assert.deepEqual(
    stalls.map(({ reason, position }) => ({ reason, position })),
    [{ reason: 'handler', position: undefined }],
  );
  assert.ok(stalls[0]!.forMs >= 8_000 && stalls[0]!.forMs <= 10_100, `told after ${stalls[0]!.forMs} ms`);
  assert.deepEqual(published, stalls);
  unsubscribe('headrace.consumer.stall', onMessage);
  assert.equal(consumer.health().isHealthy, false);
  resolve();
  await time.advance(1_000);
  assert.equal(consumer.health().isHealthy, true);
  await settle(consumer.close());
  await settle(run);
  await end();
});

test('a broker that is cut off is a fetch without answers, and passes', async () => {
  const { consumer, reasons, wires, time, settle, send, end } = await stage();
  await send('t', 0, ['a']);
  await settle(consumer.poll());
  const next = consumer.poll();
  wires.block('client', 'broker');
  await time.advance(60_000);
  assert.deepEqual([...new Set(reasons())], ['fetch']);
  assert.equal(consumer.health().stalls.length, 2, 'both partitions');
  wires.heal();
  await time.advance(60_000);
  assert.equal(consumer.health().isHealthy, true);
  await send('t', 1, ['b']);
  assert.equal((await settle(next))!.records[0]!.text, 'b');
  await end();
});

test('a member whose coordinator is away hears nothing of its group', async () => {
  const { client, stalls, world, time, settle, end } = await stage();
  const member = client.consumer({
    group: 'g',
    topics: ['t'],
    stallTimeoutMs: 8_000,
    onStall: (stall) => void stalls.push(stall),
  });
  const next = member.poll({ timeoutMs: 600_000 });
  await time.advance(5_000);
  assert.equal(member.health().isMember, true);
  world.ports.wires.block('client', 'broker');
  await time.advance(40_000);
  assert.ok(
    stalls.some(({ reason, partition }) => reason === 'heartbeat' && partition === undefined),
    'no heartbeat is answered',
  );
  world.ports.wires.heal();
  await time.advance(60_000);
  assert.equal(member.health().isHealthy, true);
  await settle(member.close());
  await settle(next);
  await end();
});

test('a partition that cannot go on is named with its error', async () => {
  const { consumer, stalls, time, settle, send, end } = await stage({ onOutOfRange: 'error', from: 1_000 });
  await send('t', 0, ['a']);
  await assert.rejects(settle(consumer.poll()), /OFFSET_OUT_OF_RANGE/);
  const again = (): Promise<unknown> => settle(consumer.poll()).catch(() => {});
  for (let n = 0; n < 10; n++) {
    await again();
    await time.advance(2_000);
  }
  const told = stalls.find(({ reason }) => reason === 'error');
  assert.equal(told?.error?.errorName, 'OFFSET_OUT_OF_RANGE');
  assert.equal(told.position, 1_000);
  await end();
});

// Time that a test moves, alone and under a broker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedProcess, SimulatedTime } from '../runtime/simulated-clock.ts';
import { Headrace } from './headrace.ts';
import { MovableTime } from './movable-time.ts';

test('timers are called when they are due, in order, each at its time', async () => {
  const simulated = new SimulatedTime({ seed: 1 });
  const real = new SimulatedProcess(simulated);
  const time = new MovableTime(real);
  const startMs = time.clock.monotonicMs();
  const called: [string, number][] = [];
  const note = (name: string) => () => called.push([name, time.clock.monotonicMs() - startMs]);
  time.timers.after(50, note('second'));
  time.timers.after(10, () => {
    note('first')();
    time.timers.after(10, note('set by the first'));
  });
  time.timers.after(200, note('later'));
  time.timers.after(20, note('cancelled')).cancel();
  const nowMs = time.clock.nowMs();
  await simulated.settle(time.advance(100));
  assert.deepEqual(
    called.map(([name]) => name),
    ['first', 'set by the first', 'second'],
  );
  const late = called.map(([, ms], at) => ms - [10, 20, 50][at]!);
  assert.ok(
    late.every((ms) => ms >= 0 && ms < 5),
    String(late),
  );
  assert.ok(time.clock.nowMs() - nowMs >= 100);
  // The rest comes by itself, after the time that is left.
  const pause = Promise.withResolvers<void>();
  real.timers.after(99, pause.resolve);
  await simulated.settle(pause.promise);
  assert.equal(called.length, 3);
  const rest = Promise.withResolvers<void>();
  real.timers.after(5, rest.resolve);
  await simulated.settle(rest.promise);
  assert.equal(called.at(-1)![0], 'later');
  assert.throws(() => time.advance(-1), RangeError);
});

test('a transaction that nobody ends is aborted when its time is over', async () => {
  await using headrace = await Headrace.start();
  await headrace.createTopic('a');
  const client = headrace.client();
  const producer = client.transactionalProducer({ transactionalId: 'pay', transactionTimeoutMs: 600_000 });
  const transaction = await producer.begin();
  await transaction.send({ topic: 'a', value: 'v' });
  const stateOf = async (): Promise<string> => (await client.admin().describeTransactions(['pay']))[0]!.state;
  assert.equal(await stateOf(), 'Ongoing');
  await headrace.advance(400_000);
  assert.equal(await stateOf(), 'Ongoing');
  await headrace.advance(400_000);
  assert.match(await stateOf(), /Abort$/);
});

test('records get too old', async () => {
  await using headrace = await Headrace.start();
  await headrace.createTopic('a', { configs: { 'retention.ms': '3600000', 'segment.ms': '60000' } });
  await headrace.produce('a', ['old']);
  await headrace.advance(2 * 3_600_000);
  await headrace.produce('a', [{ value: 'new', timestamp: Date.now() + 2 * 3_600_000 }]);
  await headrace.advance(600_000);
  const admin = headrace.client().admin();
  const [start] = await admin.listOffsets([{ topic: 'a', partition: 0, at: 'earliest' }]);
  assert.equal(start!.offset, 1);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedProcess, SimulatedTime } from '../runtime/simulated-clock.ts';
import { ShardTimers } from './shard-timers.ts';

function setUp() {
  const time = new SimulatedTime({ seed: 1 });
  const { clock, timers } = new SimulatedProcess(time);
  const fired: string[] = [];
  const keyed = new ShardTimers<string>(
    timers,
    () => clock.monotonicMs(),
    (event) => fired.push(`${event} at ${time.nowMs()}`),
  );
  return { time, fired, keyed };
}

test('a timer that is renewed again and again fires once, after its last deadline', async () => {
  const { time, fired, keyed } = setUp();
  keyed.schedule('a', 100, 'first');
  for (let i = 0; i < 5; i++) {
    await time.advance(60);
    keyed.schedule('a', 100, 'last');
  }
  await time.advance(1000);
  assert.deepEqual(fired, ['last at 400']);
  assert.equal(keyed.size, 0);
});

test('an earlier deadline takes the place of a later one', async () => {
  const { time, fired, keyed } = setUp();
  keyed.schedule('a', 1000, 'late');
  keyed.schedule('a', 10, 'early');
  await time.advance(2000);
  assert.deepEqual(fired, ['early at 10']);
});

test('cancelled timers do not fire, whichever way they were renewed', async () => {
  const { time, fired, keyed } = setUp();
  keyed.schedule('a', 100, 'a');
  keyed.schedule('b', 100, 'b');
  keyed.schedule('c', 100, 'c');
  keyed.schedule('a', 200, 'a');
  keyed.cancel('a');
  keyed.cancel('nobody');
  keyed.schedule('a', 50, 'again');
  keyed.cancel('b');
  await time.advance(60);
  keyed.cancelAll();
  await time.advance(1000);
  assert.deepEqual(fired, ['again at 50']);
});

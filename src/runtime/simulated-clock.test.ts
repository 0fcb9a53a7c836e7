import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedProcess, SimulatedTime } from './simulated-clock.ts';
import { SimulatedRandom } from './simulated-random.ts';

function world(seed: number | string = 1) {
  const time = new SimulatedTime({ seed });
  const process = new SimulatedProcess(time);
  const log: string[] = [];
  const note = (text: string) => () => void log.push(`${text}@${time.nowMs()}`);
  return { time, process, log, note, ...process };
}

test('timers fire in the order of their times, each at its time', async () => {
  const { time, timers, log, note } = world();
  timers.after(30, note('c'));
  timers.after(10, note('a'));
  timers.after(20.5, note('b')).cancel();
  timers.after(20, note('b'));
  await time.advance(25);
  assert.deepEqual(log, ['a@10', 'b@20']);
  assert.equal(time.nowMs(), 25);
  await time.runUntilIdle();
  assert.deepEqual(log, ['a@10', 'b@20', 'c@30']);
  assert.equal(time.pendingEvents(), 0);
});

test('promise callbacks run to their end between two events', async () => {
  const { time, timers, log, note } = world();
  timers.after(1, async () => {
    for (let hop = 0; hop < 100; hop++) await Promise.resolve();
    note('promises')();
  });
  timers.after(2, note('next'));
  await time.runUntilIdle();
  assert.deepEqual(log, ['promises@1', 'next@2']);
});

test('soon comes after the events of this instant, in order, without time going on', async () => {
  const { time, timers, log, note } = world();
  timers.after(5, () => {
    timers.soon(note('soon 1'));
    timers.soon(note('soon 2'));
    timers.after(0, note('after 0'));
  });
  timers.after(5, note('same time'));
  await time.runUntilIdle();
  assert.deepEqual(log.slice(-2), ['soon 1@5', 'soon 2@5']);
  assert.deepEqual(log.slice(0, 2).sort(), ['after 0@5', 'same time@5']);
});

test('events of one instant come in an order that the seed decides', async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const { time, timers, log, note } = world(seed);
    for (const name of ['a', 'b', 'c']) timers.after(1, note(name));
    await time.runUntilIdle();
    orders.add(log.join());
  }
  assert.ok(orders.size > 3, `${orders.size} orders`);
});

test('what a killed process waited for never happens', async () => {
  const { time, process, timers, log, note } = world();
  timers.after(10, note('timer'));
  process.kill();
  timers.after(5, note('set by the dead'));
  await time.advance(100);
  assert.deepEqual(log, []);
});

test('a paused process catches up when it goes on', async () => {
  const { time, process, timers, log, note } = world();
  timers.after(10, note('a'));
  timers.after(50, note('b'));
  process.pause();
  await time.advance(20);
  assert.deepEqual(log, []);
  process.resume();
  await time.advance(0);
  assert.deepEqual(log, ['a@20']);
  await time.advance(30);
  assert.deepEqual(log, ['a@20', 'b@50']);
});

test('the wall clock jumps alone', async () => {
  const { time, process, clock } = world();
  const before = clock.nowMs();
  await time.advance(10.5);
  assert.equal(clock.nowMs(), before + 10);
  process.jumpWallClock(-3_600_000);
  assert.equal(clock.nowMs(), before + 10 - 3_600_000);
  assert.equal(clock.monotonicMs(), 10.5);
});

test('settle gives what a promise gives, and says when it never does', async () => {
  const { time, timers } = world();
  const later = new Promise<string>((resolve) => void timers.after(1000, () => resolve('done')));
  assert.equal(await time.settle(later), 'done');
  await assert.rejects(time.settle(Promise.reject(new Error('broke'))), /broke/);
  await assert.rejects(time.settle(new Promise(() => {}), 10), /not settled after 10 ms/);
});

test('an exception in a callback comes out of the run', async () => {
  const { time, timers } = world();
  timers.after(1, () => {
    throw new Error('broke');
  });
  await assert.rejects(time.advance(10), /broke/);
});

test('seeded chance repeats, differs between seeds and forks, and is even', () => {
  const draw = (random: SimulatedRandom) => [
    random.integer(1e9),
    random.float(),
    random.bytes(4).toString('hex'),
  ];
  assert.deepEqual(draw(new SimulatedRandom(7)), draw(new SimulatedRandom(7)));
  assert.notDeepEqual(draw(new SimulatedRandom(7)), draw(new SimulatedRandom(8)));
  assert.notDeepEqual(draw(new SimulatedRandom(7).fork('a')), draw(new SimulatedRandom(7).fork('b')));
  const random = new SimulatedRandom('text');
  const counts = [0, 0, 0, 0, 0];
  let sum = 0;
  for (let index = 0; index < 50_000; index++) {
    counts[random.integer(5)]! += 1;
    const float = random.float();
    assert.ok(float >= 0 && float < 1);
    sum += float;
  }
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, String(counts));
  assert.ok(Math.abs(sum / 50_000 - 0.5) < 0.01);
});

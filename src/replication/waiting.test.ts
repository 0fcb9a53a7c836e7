import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulatedPorts } from '../runtime/simulated-ports.ts';
import { Deadlines, DEADLINE_TICK_MS } from './deadlines.ts';
import { OffsetWaiters } from './waiters.ts';

test('a deadline is called once, never early and at most one tick late', async () => {
  const ports = simulatedPorts({ seed: 1 });
  const deadlines = new Deadlines(ports);
  const late: number[] = [];
  await ports.time.advance(1.7);
  for (let ms = 0; ms < 300; ms += 7) {
    const dueMs = ports.clock.monotonicMs() + ms;
    deadlines.after(ms, () => late.push(ports.clock.monotonicMs() - dueMs));
  }
  await ports.time.advance(1_000);
  assert.equal(late.length, 43);
  for (const ms of late) assert.ok(ms >= 0 && ms <= DEADLINE_TICK_MS, String(ms));
});

test('deadlines are called in their order, an earlier one that was set later included', async () => {
  const ports = simulatedPorts({ seed: 1 });
  const deadlines = new Deadlines(ports);
  const called: number[] = [];
  for (const ms of [500, 100, 1_000, 50, 100]) deadlines.after(ms, () => called.push(ms));
  await ports.time.advance(2_000);
  assert.deepEqual(called, [50, 100, 100, 500, 1_000]);
});

test('a cancelled deadline is not called, and a deadline may set and cancel others', async () => {
  const ports = simulatedPorts({ seed: 1 });
  const deadlines = new Deadlines(ports);
  const called: string[] = [];
  const gone = deadlines.after(100, () => called.push('gone'));
  gone.cancel();
  gone.cancel();
  const other = deadlines.after(200, () => called.push('other'));
  deadlines.after(150, () => {
    other.cancel();
    deadlines.after(10, () => called.push('next'));
  });
  await ports.time.advance(1_000);
  assert.deepEqual(called, ['next']);
});

test('a hundred thousand deadlines that are cancelled need few timers and leave none', async () => {
  const ports = simulatedPorts({ seed: 1 });
  const deadlines = new Deadlines(ports);
  for (let n = 0; n < 100_000; n++) deadlines.after(500 + (n % 100), assert.fail).cancel();
  assert.ok(ports.time.pendingEvents() <= 1);
  await ports.time.advance(1_000);
  assert.equal(ports.time.pendingEvents(), 0);
});

test('stop forgets what is left', async () => {
  const ports = simulatedPorts({ seed: 1 });
  const deadlines = new Deadlines(ports);
  deadlines.after(10, assert.fail);
  deadlines.stop();
  await ports.time.advance(100);
});

test('waiters are called in the order of their offsets when the watermark reaches them', () => {
  const waiters = new OffsetWaiters();
  const called: string[] = [];
  for (const offset of [10, 5, 10, 20]) waiters.add(offset, (outcome) => called.push(`${offset} ${outcome}`));
  waiters.reach(4);
  assert.deepEqual(called, []);
  waiters.reach(10);
  assert.deepEqual(called, ['5 committed', '10 committed', '10 committed']);
  assert.equal(waiters.size(), 1);
  waiters.lose();
  assert.deepEqual(called.slice(3), ['20 lost']);
  waiters.reach(100);
  assert.equal(called.length, 4);
});

test('a cancelled waiter is not called, and thousands of them are cleared away', () => {
  const waiters = new OffsetWaiters();
  const cancels = Array.from({ length: 5_000 }, (_, n) => waiters.add(n, assert.fail));
  let kept = 0;
  waiters.add(6_000, () => (kept += 1));
  for (const cancel of cancels) cancel();
  for (const cancel of cancels) cancel();
  assert.equal(waiters.size(), 1);
  waiters.reach(6_000);
  assert.equal(kept, 1);
  assert.equal(waiters.size(), 0);
});

test('a waiter that adds another while it is called is no trouble', () => {
  const waiters = new OffsetWaiters();
  const called: number[] = [];
  waiters.add(1, () => {
    called.push(1);
    waiters.add(2, () => called.push(2));
    waiters.add(1, () => called.push(11));
  });
  waiters.add(3, () => called.push(3));
  waiters.reach(2);
  assert.deepEqual(called, [1, 11, 2]);
  assert.equal(waiters.size(), 1);
});

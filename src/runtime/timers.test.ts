import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realClock } from './clock.ts';
import { realRandom } from './random.ts';
import { realTimers } from './timers.ts';

test('a real timer never calls too early, whole or fractional', async () => {
  const clock = realClock();
  const timers = realTimers();
  const early: number[] = [];
  await Promise.all(
    Array.from({ length: 100 }, (_, index) => {
      const delayMs = index / 7;
      const startMs = clock.monotonicMs();
      return new Promise<void>((resolve) => {
        timers.after(delayMs, () => {
          if (clock.monotonicMs() - startMs < delayMs) early.push(delayMs);
          resolve();
        });
      });
    }),
  );
  assert.deepEqual(early, []);
});

test('a cancelled timer does not call, and a delay of months does not call at once', async () => {
  const timers = realTimers();
  const calls: string[] = [];
  const cancelled = timers.after(1, () => calls.push('cancelled'));
  cancelled.cancel();
  cancelled.cancel();
  const months = timers.after(2 ** 40, () => calls.push('months'));
  await new Promise<void>((resolve) => timers.after(5, resolve));
  months.cancel();
  assert.deepEqual(calls, []);
});

test('soon comes after the promises that are ready', async () => {
  const calls: string[] = [];
  const done = new Promise<void>((resolve) =>
    realTimers().soon(() => {
      calls.push('soon');
      resolve();
    }),
  );
  void Promise.resolve().then(() => calls.push('promise'));
  await done;
  assert.deepEqual(calls, ['promise', 'soon']);
});

test('real chance stays within its bounds', () => {
  const random = realRandom();
  for (let index = 0; index < 1000; index++) {
    assert.ok(random.integer(3) >= 0 && random.integer(3) < 3);
    assert.ok(random.integer(2 ** 32) < 2 ** 32);
  }
  assert.equal(random.bytes(16).length, 16);
  assert.notDeepEqual(random.bytes(16), random.bytes(16));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicationQuota, throttledPartitions } from './replication-quota.ts';

function quota(bytesPerSecond: number) {
  const time = { nowMs: 1_000, bytesPerSecond };
  const settings = () => ({ bytesPerSecond: time.bytesPerSecond, windows: 11, windowMs: 1_000 });
  return { time, quota: new ReplicationQuota({ monotonicMs: () => time.nowMs }, settings) };
}

test('KIP-73: above the rate it is exceeded, until enough time has passed', () => {
  const { time, quota: q } = quota(1_000);
  assert.equal(q.isExceeded, false);
  q.record(1_000);
  assert.equal(q.isExceeded, false, 'a second has at least one window');
  q.record(2_000);
  assert.equal(q.isExceeded, true);
  assert.equal(q.waitMs(), 3_000);
  time.nowMs += 2_900;
  assert.equal(q.isExceeded, true);
  time.nowMs += 100;
  assert.deepEqual([q.isExceeded, q.waitMs(), q.rate()], [false, 0, 1_000]);
});

test('over a long time no more than the rate passes, and what is long ago is forgotten', () => {
  const { time, quota: q } = quota(10_000);
  let bytes = 0;
  for (let n = 0; n < 60_000; n += 10) {
    time.nowMs += 10;
    if (q.isExceeded) continue;
    q.record(4_000);
    bytes += 4_000;
  }
  assert.ok(Math.abs(bytes - 600_000) < 30_000, `${bytes} bytes in a minute`);
  time.nowMs += 11_000;
  assert.equal(q.rate(), 0);
});

test('another limit holds at once, and the default is none', () => {
  const { time, quota: q } = quota(1_000);
  q.record(50_000);
  assert.equal(q.isExceeded, true);
  time.bytesPerSecond = 100_000;
  assert.equal(q.isExceeded, false);
  time.bytesPerSecond = 0;
  assert.deepEqual([q.isExceeded, q.waitMs()], [true, 11_000]);
  time.bytesPerSecond = 2 ** 53 - 1;
  q.record(2 ** 52);
  assert.equal(q.isExceeded, false);
});

test('replicas are named by partition and broker, or all at once', () => {
  const named = (pairs: readonly string[]) => [0, 1, 2, 11].filter(throttledPartitions(pairs, 1));
  assert.deepEqual(
    [named([]), named(['*']), named(['0:1', '11:1', '2:11', '1:2'])],
    [[], [0, 1, 2, 11], [0, 11]],
  );
});

import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentAppends } from './recent-appends.ts';

test('a log in which nothing was appended has nothing recent', () => {
  assert.equal(new RecentAppends(1000).ofLog().has(0), false);
});

test('what is appended is recent until the process has appended enough since', () => {
  const all = new RecentAppends(1000);
  const [one, two] = [all.ofLog(), all.ofLog()];
  one.appended(5, 100);
  assert.deepEqual([one.has(4), one.has(5), one.has(6)], [false, true, true]);
  two.appended(0, 1000);
  assert.equal(one.has(5), true);
  two.appended(1, 1);
  assert.deepEqual([one.has(5), two.has(0)], [false, true]);
});

test('what was cut off is not recent when something else takes its place', () => {
  const all = new RecentAppends(1600);
  const log = all.ofLog();
  log.appended(0, 100);
  log.appended(10, 100);
  log.cut(10);
  assert.equal(log.has(0), true);
  log.cut(0);
  assert.equal(log.has(0), false);
});

test('whatever happens, all that counts as recent was appended within the limit, and most within it counts', () => {
  const action = fc.record({ log: fc.nat(2), size: fc.integer({ min: 1, max: 300 }) });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const all = new RecentAppends(1600);
      const logs = [0, 1, 2].map(() => ({ range: all.ofLog(), appendedAt: [] as number[] }));
      for (const { log, size } of actions) {
        const { range, appendedAt } = logs[log]!;
        range.appended(appendedAt.length, size);
        appendedAt.push(all.bytes);
      }
      for (const { range, appendedAt } of logs) {
        appendedAt.forEach((bytes, offset) => {
          const age = all.bytes - bytes;
          if (age > 1600) assert.equal(range.has(offset), false);
          // A note stands for all that follows within a sixteenth of the limit.
          if (age < 1600 - 100) assert.equal(range.has(offset), true);
        });
      }
    }),
  );
});

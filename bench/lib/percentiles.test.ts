import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinSamples, percentile, slopeOf, spreadOf } from './percentiles.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

test('a percentile is the smallest sample that enough samples do not exceed', () => {
  assert.equal(percentile(upTo(100), 0.99), 99);
  assert.equal(percentile(upTo(101), 0.99), 100);
  assert.equal(percentile(upTo(1000), 0.999), 999);
  assert.equal(percentile(upTo(10), 0.999), 10);
  assert.equal(percentile([7], 0.5), 7);
  assert.equal(percentile(upTo(4), 0.5), 2);
  assert.equal(percentile(upTo(4), 0), 1);
  assert.equal(percentile(upTo(4), 1), 4);
});

test('no samples have no percentile', () => {
  assert.throws(() => percentile([], 0.5), RangeError);
  assert.throws(() => spreadOf([]), RangeError);
});

test('a spread sorts by number and leaves the samples in their order', () => {
  const samples = Float64Array.from([10, 9, 100, 1]);
  assert.deepEqual(spreadOf(samples), { count: 4, p50: 9, p99: 100, p999: 100, max: 100 });
  assert.deepEqual([...samples], [10, 9, 100, 1]);
});

test('one late request in a hundred is in p999 and not in p50', () => {
  const samples = [...Array.from({ length: 99 }, () => 1), 500];
  assert.deepEqual(spreadOf(samples), { count: 100, p50: 1, p99: 1, p999: 500, max: 500 });
});

test('samples of several parts keep their order', () => {
  const parts = [Float64Array.from([3, 1]), new Float64Array(0), Float64Array.from([2])];
  assert.deepEqual([...joinSamples(parts)], [3, 1, 2]);
});

test('a slope is what y gains for each x', () => {
  const line = [0, 1, 2, 5].map((x) => [x, 4 - 3 * x] as const);
  assert.ok(Math.abs(slopeOf(line) + 3) < 1e-9);
  assert.equal(
    slopeOf([
      [0, 7],
      [9, 7],
    ]),
    0,
  );
  assert.throws(() => slopeOf([[1, 1]]), RangeError);
  assert.throws(
    () =>
      slopeOf([
        [1, 1],
        [1, 2],
      ]),
    RangeError,
  );
});

import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OffsetIndex } from './offset-index.ts';
import { TimeIndex } from './time-index.ts';
import { collectAborted, decodeAborted, encodeAborted } from './transaction-index.ts';

const BASE = 5_000_000_000;

const rising = fc
  .array(
    fc.record({ offset: fc.integer({ min: 1, max: 1000 }), step: fc.integer({ min: 1, max: 10_000 }) }),
    { maxLength: 60 },
  )
  .map((steps) => {
    let offset = BASE;
    let position = 0;
    return steps.map((one) => ({ offset: (offset += one.offset), position: (position += one.step) }));
  });

test('the offset index finds the last entry that is not beyond, before and after truncation and reloading', () => {
  fc.assert(
    fc.property(rising, fc.nat({ max: 70_000 }), (entries, cut) => {
      const index = new OffsetIndex(BASE);
      for (const { offset, position } of entries) index.append(offset, position);
      const check = (one: OffsetIndex, kept: typeof entries): void => {
        assert.equal(one.count, kept.length);
        for (const delta of [-1, 0, 1]) {
          for (const { offset } of [...entries, { offset: BASE }]) {
            const last = kept.findLast((entry) => entry.offset <= offset + delta);
            assert.deepEqual(one.entryFor(offset + delta), last);
          }
        }
      };
      check(index, entries);
      const bytes = Buffer.from(index.content());
      assert.equal(index.implausibility(Infinity, bytes.length), undefined);
      check(new OffsetIndex(BASE, bytes), entries);
      index.truncateTo(BASE + cut);
      check(
        index,
        entries.filter(({ offset }) => offset < BASE + cut),
      );
      // And it grows again.
      index.append(BASE + 80_000, 700_000);
      assert.equal(index.entryFor(BASE + 80_000)?.position, 700_000);
    }),
  );
});

test('an offset index that points beyond its log, or does not rise, is implausible', () => {
  const index = new OffsetIndex(BASE);
  index.append(BASE + 1, 100);
  assert.equal(index.implausibility(101, 8), undefined);
  assert.match(index.implausibility(100, 8)!, /beyond/);
  assert.match(index.implausibility(101, 9)!, /whole/);
  index.append(BASE + 1, 200);
  assert.match(index.implausibility(1000, 16)!, /rise/);
});

test('the time index keeps only rising timestamps and finds the last that is not larger', () => {
  const stamp = fc.record({
    timestamp: fc.integer({ min: 0, max: 2 ** 42 }),
    step: fc.integer({ min: 1, max: 50 }),
  });
  fc.assert(
    fc.property(fc.array(stamp, { maxLength: 60 }), fc.nat({ max: 3000 }), (stamps, cut) => {
      const index = new TimeIndex(BASE);
      const model: { timestamp: number; offset: number }[] = [];
      let offset = BASE;
      for (const { timestamp, step } of stamps) {
        offset += step;
        index.maybeAppend(timestamp, offset);
        if (timestamp > (model.at(-1)?.timestamp ?? -1)) model.push({ timestamp, offset });
      }
      const check = (one: TimeIndex, kept: typeof model): void => {
        assert.equal(one.count, kept.length);
        assert.equal(one.lastTimestamp(), kept.at(-1)?.timestamp ?? -1);
        for (const { timestamp } of stamps) {
          for (const delta of [-1, 0, 1]) {
            const last = kept.findLast((entry) => entry.timestamp <= timestamp + delta);
            assert.equal(one.offsetFor(timestamp + delta), last?.offset ?? BASE);
          }
        }
      };
      check(index, model);
      const bytes = Buffer.from(index.content());
      assert.equal(index.implausibility(bytes.length), undefined);
      check(new TimeIndex(BASE, bytes), model);
      index.truncateTo(BASE + cut);
      check(
        index,
        model.filter((entry) => entry.offset < BASE + cut),
      );
    }),
  );
});

test('item 21: aborted transactions round-trip, and bytes that are none are refused', () => {
  const entries = [
    { producerId: 7, firstOffset: BASE, lastOffset: BASE + 4, lastStableOffset: BASE + 2 },
    { producerId: 2 ** 40, firstOffset: BASE + 2, lastOffset: BASE + 9, lastStableOffset: BASE + 10 },
  ];
  const bytes = Buffer.concat(entries.map(encodeAborted));
  assert.deepEqual(decodeAborted(bytes, BASE), entries);
  for (let size = 1; size < bytes.length; size++) {
    if (size % 34 !== 0) assert.equal(decodeAborted(bytes.subarray(0, size), BASE), undefined);
  }
  assert.equal(decodeAborted(bytes, BASE + 5), undefined);
  assert.equal(decodeAborted(Buffer.concat([bytes, bytes]), BASE), undefined);
  bytes[1] = 1;
  assert.equal(decodeAborted(bytes, BASE), undefined);
});

test('item 21: a search for aborted transactions takes those that overlap and ends where no later one can', () => {
  const entries = [
    { producerId: 1, firstOffset: 0, lastOffset: 5, lastStableOffset: 3 },
    { producerId: 2, firstOffset: 3, lastOffset: 8, lastStableOffset: 9 },
    { producerId: 3, firstOffset: 10, lastOffset: 12, lastStableOffset: 13 },
  ];
  const search = (from: number, upTo: number): [number[], boolean] => {
    const found: typeof entries = [];
    const isDone = collectAborted(entries, { from, upTo }, found);
    return [found.map(({ producerId }) => producerId), isDone];
  };
  assert.deepEqual(search(0, 3), [[1], true]);
  assert.deepEqual(search(0, 9), [[1, 2], true]);
  assert.deepEqual(search(6, 11), [[2, 3], true]);
  assert.deepEqual(search(6, 20), [[2, 3], false]);
});

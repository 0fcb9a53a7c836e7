import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchCache } from './batch-cache.ts';

test('a batch is copied, so the chunk that it came in is not kept alive', () => {
  const cache = new BatchCache(1e6);
  const tail = cache.tail();
  const chunk = Buffer.alloc(1_000_000, 7);
  const batch = chunk.subarray(10, 110);
  tail.append(batch, 0);
  const kept = tail.batchAt(tail.find(0))!;
  assert.deepEqual(kept, batch);
  assert.notEqual(kept.buffer, batch.buffer);
});

test('the oldest batch of all logs goes first when the budget is spent', () => {
  const cache = new BatchCache(1000);
  const [one, two] = [cache.tail(), cache.tail()];
  for (let offset = 0; offset < 5; offset++) {
    one.append(Buffer.alloc(100), offset);
    two.append(Buffer.alloc(100), offset);
  }
  assert.deepEqual([cache.bytes, one.firstOffset, two.firstOffset], [1000, 0, 0]);
  two.append(Buffer.alloc(100), 5);
  assert.deepEqual([cache.bytes, one.firstOffset, two.firstOffset], [1000, 1, 0]);
  two.append(Buffer.alloc(150), 6);
  assert.deepEqual([cache.bytes, one.firstOffset, two.firstOffset], [950, 2, 1]);
});

test('a batch larger than the whole budget empties its log, since what is kept must reach the end', () => {
  const cache = new BatchCache(1000);
  const tail = cache.tail();
  tail.append(Buffer.alloc(100), 0);
  tail.append(Buffer.alloc(1001), 1);
  assert.deepEqual([tail.firstOffset, cache.bytes], [undefined, 0]);
});

/** Any mixture of appends, cuts and clearing over three logs. */
const action = fc.record({
  log: fc.integer({ min: 0, max: 2 }),
  kind: fc.constantFrom('append', 'append', 'append', 'append', 'cut', 'clear'),
  size: fc.integer({ min: 1, max: 300 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});

test('whatever happens, the budget holds and each log keeps a whole stretch up to its end', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const cache = new BatchCache(1500);
      const tails = [cache.tail(), cache.tail(), cache.tail()];
      const ends = [0, 0, 0];
      for (const { log, kind, size, share } of actions) {
        const tail = tails[log];
        if (kind === 'append') {
          tail.append(Buffer.alloc(size, ends[log]), ends[log]);
          ends[log] += 1;
        } else if (kind === 'cut') {
          ends[log] = Math.floor(ends[log] * share);
          tail.truncateTo(ends[log]);
          if ((tail.firstOffset ?? ends[log]) >= ends[log]) tail.clear();
        } else {
          tail.clear();
        }
        let bytes = 0;
        for (const [index, one] of tails.entries()) {
          for (let offset = one.firstOffset ?? ends[index]; offset < ends[index]; offset++) {
            const place = one.find(offset);
            assert.equal(one.baseOffsetAt(place), offset);
            assert.equal(one.batchAt(place)![0], offset % 256);
            bytes += one.batchAt(place)!.length;
          }
        }
        assert.equal(cache.bytes, bytes);
        assert.ok(bytes <= 1500);
      }
    }),
  );
});

/** What a read of the log gives, from the page cache at once or later from the disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as header from '../protocol/record-batch.ts';
import { buildBatch } from '../protocol/records.ts';
import { OffsetOutOfRange } from './log.ts';
import { testLog } from './test-log.ts';

test('reads give whole batches from the one that holds the offset, within maxBytes and below upTo', async () => {
  for (const recentBytesMax of [0, 1e6]) {
    const f = await testLog({ segmentBytes: 1000, indexIntervalBytes: 100 }, { recentBytesMax });
    const records = [0, 1, 2].map(() => ({ key: null, value: Buffer.alloc(20), timestamp: 1e12 }));
    for (let count = 0; count < 20; count++) {
      assert.equal(f.append({ records }).errorCode, 0);
    }
    const size = buildBatch({ records }).length;
    assert.deepEqual(await f.read(0, { maxBytes: size * 2 }), [0, 3]);
    assert.deepEqual(await f.read(4, { maxBytes: size * 2 }), [3, 6]);
    assert.deepEqual(await f.read(5, { maxBytes: size * 2 - 1 }), [3]);
    assert.deepEqual(await f.read(5, { maxBytes: 1 }), [3]);
    assert.deepEqual(await f.read(5, { maxBytes: 1, minOneMessage: false }), []);
    assert.deepEqual(await f.read(6, { upTo: 9 }), [6]);
    assert.deepEqual(await f.read(6, { upTo: 8 }), []);
    assert.deepEqual(await f.read(6, { upTo: 6 }), []);
    assert.deepEqual(await f.read(60), []);
    const all: number[] = [];
    for (let offset = 0; offset < 60; offset = all.at(-1)! + 3)
      all.push(...(await f.read(offset, { maxBytes: 400 })));
    assert.deepEqual(
      all,
      Array.from({ length: 20 }, (_, index) => index * 3),
    );
    assert.throws(
      () => f.log.read({ offset: 61, maxBytes: 1, upTo: 60, minOneMessage: true }),
      OffsetOutOfRange,
    );
    assert.throws(
      () => f.log.read({ offset: -1, maxBytes: 1, upTo: 60, minOneMessage: true }),
      OffsetOutOfRange,
    );
  }
});

test('a batch much larger than maxBytes is read from the disk in one piece', async () => {
  const f = await testLog({}, { recentBytesMax: 0 });
  f.append({ sizeBytes: 10 });
  f.append({ sizeBytes: 300_000 });
  f.append({ sizeBytes: 300_000 });
  assert.deepEqual(await f.read(1, { maxBytes: 1000 }), [1]);
  assert.deepEqual(await f.read(2, { maxBytes: 1000 }), [2]);
});

test('what was appended lately is read at once, the rest without blocking', async () => {
  const f = await testLog({ segmentBytes: 2000 }, { recentBytesMax: 5_000 });
  for (let offset = 0; offset < 200; offset++) {
    f.append();
    const read = f.log.read({ offset, maxBytes: 1e6, upTo: offset + 1, minOneMessage: true });
    assert.ok(!(read instanceof Promise));
    assert.deepEqual([read.firstOffset, read.nextOffset, read.buffers.length], [offset, offset + 1, 1]);
  }
  assert.ok(f.log.segmentCount > 3);
  const old = f.log.read({ offset: 3, maxBytes: 1, upTo: 200, minOneMessage: true });
  assert.ok(old instanceof Promise);
  assert.equal((await f.settle(old)).firstOffset, 3);
});

test('readers that go on where they stopped, at once and later, in any order, get what the log holds', async () => {
  for (const recentBytesMax of [0, 20_000, 1e6]) {
    const f = await testLog({ segmentBytes: 4000, indexIntervalBytes: 300 }, { recentBytesMax });
    for (let offset = 0; offset < 300; offset++) f.append({ sizeBytes: 10 + ((offset * 37) % 150) });
    const readers = Array.from({ length: 12 }, (_, index) => ({
      next: index * 20,
      maxBytes: 100 + index * 333,
    }));
    while (readers.some(({ next }) => next < 300)) {
      for (const reader of readers) {
        if (reader.next >= 300) continue;
        const options = { offset: reader.next, maxBytes: reader.maxBytes, upTo: 300, minOneMessage: true };
        const read = await f.settle(Promise.resolve(f.log.read(options)));
        assert.equal(read.firstOffset, reader.next);
        const bytes = Buffer.concat(read.buffers);
        header.forEachBatch(bytes, (at) => {
          assert.equal(header.baseOffset(bytes, at), reader.next);
          reader.next += 1;
        });
        assert.equal(reader.next, read.nextOffset);
      }
    }
    f.log.truncateTo(150);
    f.append({ sizeBytes: 500 });
    const read = await f.settle(
      Promise.resolve(f.log.read({ offset: 150, maxBytes: 1, upTo: 151, minOneMessage: true })),
    );
    assert.equal(read.sizeBytes > 500, true);
  }
});

test('a log that was cut is read on from many places', async () => {
  const on = await testLog({ durability: 'relaxed' });
  for (let n = 0; n < 10; n++) on.append();
  // Each read remembers where the next would go on.
  for (let offset = 0; offset < 5; offset++) await on.read(offset, { maxBytes: 1 });
  on.log.truncateTo(6);
  for (let n = 0; n < 4; n++) on.append();
  for (let offset = 0; offset < 10; offset++) {
    assert.deepEqual(await on.read(offset, { maxBytes: 1 }), [offset]);
    assert.deepEqual(await on.read(offset, { maxBytes: 1 }), [offset]);
  }
});

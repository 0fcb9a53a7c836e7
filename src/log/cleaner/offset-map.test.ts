import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastCheck from 'fast-check';
import { KeyHash } from './key-hash.ts';
import { OffsetMap, SLOT_BYTES } from './offset-map.ts';

const hash = new KeyHash(Buffer.alloc(16, 7));

function put(map: OffsetMap, key: string, offset: number): boolean {
  const bytes = Buffer.from(key);
  return map.put(bytes, 0, bytes.length, offset);
}

function get(map: OffsetMap, key: string): number {
  const bytes = Buffer.from(key);
  return map.get(bytes, 0, bytes.length);
}

test('the map answers as a Map does, while it grows and for offsets up to 2^53', () => {
  const keys = fastCheck.string({ maxLength: 3 });
  const entries = fastCheck.array(fastCheck.tuple(keys, fastCheck.nat(Number.MAX_SAFE_INTEGER)), {
    maxLength: 3000,
    size: 'max',
  });
  fastCheck.assert(
    fastCheck.property(entries, (list) => {
      const map = new OffsetMap({ bytesMax: 8192 * SLOT_BYTES, loadFactor: 0.9, hash });
      const model = new Map<string, number>();
      for (const [key, offset] of list) {
        assert.equal(get(map, key), model.get(key) ?? -1);
        assert.ok(put(map, key, offset));
        model.set(key, offset);
      }
      for (const [key, offset] of model) assert.equal(get(map, key), offset);
      assert.equal(map.count, model.size);
    }),
    { numRuns: 30 },
  );
});

test('it grows to its limit, not beyond, and then takes no new keys but still new offsets of old ones', () => {
  const bytesMax = 10_000 * SLOT_BYTES + 5;
  const map = new OffsetMap({ bytesMax, loadFactor: 0.9, hash });
  let count = 0;
  while (put(map, `key ${count}`, count)) count += 1;
  assert.equal(count, 9000);
  assert.equal(map.count, 9000);
  assert.ok(map.sizeBytes <= bytesMax);
  assert.equal(map.utilization, 0.9);
  assert.ok(put(map, 'key 17', 1_000_000));
  for (let key = 0; key < count; key++) assert.equal(get(map, `key ${key}`), key === 17 ? 1_000_000 : key);
  assert.equal(get(map, `key ${count}`), -1);
});

test('a load factor of 1 leaves a slot free, so that a search ends', () => {
  const map = new OffsetMap({ bytesMax: 4 * SLOT_BYTES, loadFactor: 1, hash });
  assert.ok(put(map, 'a', 1) && put(map, 'b', 2) && put(map, 'c', 3));
  assert.equal(put(map, 'd', 4), false);
  assert.equal(get(map, 'd'), -1);
});

test('cleared, it knows nothing', () => {
  const map = new OffsetMap({ bytesMax: 100 * SLOT_BYTES, loadFactor: 0.9, hash });
  put(map, 'a', 1);
  map.latestOffset = 1;
  map.clear();
  assert.equal(get(map, 'a'), -1);
  assert.equal(map.latestOffset, -1);
});

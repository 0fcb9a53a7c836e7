import assert from 'node:assert/strict';
import { test } from 'node:test';
import { murmur2, partitionOfKey } from './murmur2.ts';

test('hashes are those of Java', () => {
  // From the tests of Kafka's own Utils.murmur2.
  const known: readonly (readonly [string, number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [text, hash] of known) assert.equal(murmur2(Buffer.from(text)), hash, text);
});

test('bytes behind the key do not count', () => {
  assert.equal(murmur2(Buffer.from('abcdefgh'), 3), murmur2(Buffer.from('abc')));
});

test('a partition is never negative', () => {
  for (let n = 0; n < 1000; n++) {
    const partition = partitionOfKey(Buffer.from(`key-${n}`), `key-${n}`.length, 7);
    assert.ok(partition >= 0 && partition < 7);
  }
});

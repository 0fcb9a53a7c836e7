import assert from 'node:assert/strict';
import { test } from 'node:test';

import { crc32c, crc32cPortable } from './crc32c.ts';

test('both implementations give the check values of RFC 3720', () => {
  const rising = Buffer.from(Array.from({ length: 32 }, (_, n) => n));
  const vectors: [Buffer, number][] = [
    [Buffer.alloc(0), 0],
    [Buffer.from('123456789'), 0xe3069283],
    [Buffer.alloc(32, 0), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
    [rising, 0x46dd794e],
    [Buffer.from(rising).reverse(), 0x113fdb5c],
  ];
  for (const [bytes, expected] of vectors) {
    assert.equal(crc32c(bytes), expected);
    assert.equal(crc32cPortable(bytes), expected);
  }
});

test('both implementations agree at every length and alignment', () => {
  const bytes = Buffer.from(Array.from({ length: 100 }, (_, n) => (n * 73) & 0xff));
  for (let from = 0; from < 16; from++) {
    for (let to = from; to <= bytes.length; to++) {
      assert.equal(crc32c(bytes, from, to), crc32cPortable(bytes.subarray(from, to)));
    }
  }
});

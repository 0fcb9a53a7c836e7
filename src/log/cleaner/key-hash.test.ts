import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyHash } from './key-hash.ts';

const KEY = Buffer.alloc(16);
for (const [index, word] of [0x833d3433, 0x009f389f, 0x2398e64f, 0x417acf39].entries()) {
  KEY.writeUInt32LE(word, index * 4);
}

const counting = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, index) => index));

function fingerprint(bytes: Buffer, range: { from: number; to: number }, rounds?: number): string {
  const hash = new KeyHash(KEY, rounds);
  hash.take(bytes, range.from, range.to);
  return [hash.a, hash.b, hash.c, hash.d].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join(' ');
}

test('with 8 rounds the fingerprints are those that the authors of Chaskey published', () => {
  const published = [
    '792e8fe5 75ce87aa 2d1450b5 1191970b',
    '13a9307b 50e62c89 4577bd88 c0bbdc18',
    '55df8922 2c7ff577 73809ef4 4e5084c0',
    '1bdbb264 a07680d8 8e5b2ab8 20660413',
  ];
  for (const [length, expected] of published.entries()) {
    assert.equal(fingerprint(counting(length), { from: 0, to: length }, 8), expected, `${length} bytes`);
  }
});

test('only the bytes of the key count, wherever they lie', () => {
  for (const length of [0, 3, 15, 16, 17, 32, 40]) {
    const bytes = Buffer.concat([Buffer.from('before'), counting(length), Buffer.from('after')]);
    const there = fingerprint(bytes, { from: 6, to: 6 + length });
    assert.equal(there, fingerprint(counting(length), { from: 0, to: length }), `${length} bytes`);
  }
});

test('keys that differ in one bit, or by a zero at the end, have nothing in common', () => {
  const seen = new Set<string>();
  let count = 0;
  for (let length = 0; length <= 40; length++) {
    const bytes = Buffer.alloc(length);
    seen.add(fingerprint(bytes, { from: 0, to: length }));
    count += 1;
    for (let bit = 0; bit < length * 8; bit++) {
      const other = Buffer.from(bytes);
      other[bit >> 3] ^= 1 << (bit & 7);
      seen.add(fingerprint(other, { from: 0, to: length }));
      count += 1;
    }
  }
  assert.equal(seen.size, count);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CompressionError, compress, decompress } from './compression.ts';
import { Decompressor } from './decompressor.ts';
import { COMPRESSION_TYPES, type CompressionType } from './record-batch.ts';

const CODECS = COMPRESSION_TYPES.slice(1);
const MIB = 1 << 20;

/** Text with matches near and far, long and short; the same each time. */
function prose(size: number): Buffer {
  let text = '';
  for (let n = 1; text.length < size; n++) text += `word${(n * n) % 977} ${'ab'.repeat(n % 23)}`;
  return Buffer.from(text.slice(0, size));
}

function outcome(run: () => Buffer): string {
  try {
    return run().toString('latin1');
  } catch (error) {
    assert(error instanceof CompressionError, String(error));
    return `${error.fault}: ${error.message}`;
  }
}

/** One for all tests of a codec: what an input leaves behind must not reach the next. */
function sameAsAlone(type: CompressionType): (input: Buffer, maxBytes: number, about: string) => void {
  const decompressor = new Decompressor();
  return (input, maxBytes, about) => {
    const alone = outcome(() => decompress(type, input, { maxBytes }));
    const kept = outcome(() => decompressor.open(type, input, { maxBytes }));
    assert(kept === alone, `${about}: ${kept.slice(0, 100)} instead of ${alone.slice(0, 100)}`);
  };
}

for (const type of CODECS) {
  test(`${type}: a decompressor that is used again yields what decompressing alone does`, () => {
    const check = sameAsAlone(type);
    for (const size of [0, 1, 13, 63, 64, 65, 1000, 16_384, 65_537, MIB, 4 * MIB, 4 * MIB + 1, 9 * MIB]) {
      for (const data of [prose(size), Buffer.alloc(size), Buffer.alloc(size, 'abc')]) {
        const packed = compress(type, data);
        for (const maxBytes of [0, 1, size - 1, size, size + 1, 256 * MIB]) {
          if (maxBytes >= 0) check(packed, maxBytes, `${size} bytes of at most ${maxBytes}`);
        }
      }
    }
  });

  test(`${type}: input cut off or damaged is told as by decompressing alone, and what follows is right`, () => {
    const check = sameAsAlone(type);
    const data = prose(3000);
    const packed = compress(type, data);
    for (let size = 0; size < packed.length; size++) {
      check(packed.subarray(0, size), MIB, `cut off at ${size}`);
      check(packed, MIB, `after one that was cut off at ${size}`);
    }
    for (let at = 0; at < packed.length; at++) {
      for (const flip of [0x01, 0x10, 0xff]) {
        const damaged = Buffer.from(packed);
        damaged[at] ^= flip;
        check(damaged, 5000, `byte ${at} changed by ${flip}`);
      }
      check(packed, MIB, `after one with byte ${at} changed`);
    }
  });

  test(`${type}: several in one, and bytes behind, are read as by decompressing alone`, () => {
    const check = sameAsAlone(type);
    const one = compress(type, prose(3000));
    const none = compress(type, Buffer.alloc(0));
    for (const parts of [
      [one, one],
      [one, none],
      [none, one],
      [one, Buffer.from('more')],
      [one, one.subarray(0, 9)],
    ]) {
      check(Buffer.concat(parts), MIB, `${parts.map(({ length }) => length).join(' and ')} bytes`);
      check(one, MIB, 'one alone, after that');
    }
  });
}

test('zstd: a frame may ask for a window that is not kept', () => {
  const check = sameAsAlone('zstd');
  const frame = (windowLog: number): Buffer =>
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3, 0x09, 0x00, 0x00, 0x41]);
  for (const windowLog of [10, 23, 24, 27, 28, 10]) check(frame(windowLog), MIB, `window of 2^${windowLog}`);
});

for (const type of CODECS) {
  test(`${type}: what a decompressor yields lies in memory that it uses again`, () => {
    const decompressor = new Decompressor();
    const open = (text: string): Buffer =>
      decompressor.open(type, compress(type, Buffer.from(text)), { maxBytes: MIB });
    const first = open('first');
    assert.equal(first.toString(), 'first');
    const second = open('later');
    assert.equal(second.toString(), 'later');
    assert.equal(first.buffer, second.buffer);
    assert.equal(first.byteOffset, second.byteOffset);
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CompressionError, compress, decompress } from './compression.ts';
import { COMPRESSION_TYPES, type CompressionType } from './record-batch.ts';
import { xxh32 } from './xxh32.ts';

const CODECS = COMPRESSION_TYPES.slice(1);
const MIB = 1 << 20;
const limit = (maxBytes: number): { maxBytes: number } => ({ maxBytes });

/** Bytes without pattern, the same each time. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 12345;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}
const prose = (size: number): Buffer =>
  Buffer.from(Array.from({ length: size / 5 + 1 }, (_, n) => `word${(n * n) % 977} `).join('')).subarray(
    0,
    size,
  );

const isFault = (error: unknown): boolean => error instanceof CompressionError;
function refusal(type: CompressionType, input: Buffer, maxBytes = MIB): string {
  try {
    decompress(type, input, { maxBytes });
  } catch (error) {
    assert(error instanceof CompressionError, String(error));
    return `${error.fault}: ${error.message}`;
  }
  return 'none';
}

for (const type of COMPRESSION_TYPES) {
  test(`${type}: data of every size and kind comes back, and not one byte more than allowed`, () => {
    for (const size of [0, 1, 2, 12, 13, 100, 32_768, 32_769, 65_536, 65_537, MIB]) {
      for (const data of [noise(size), prose(size), Buffer.alloc(size), Buffer.alloc(size, 'abc')]) {
        const packed = compress(type, data);
        assert(decompress(type, packed, limit(size)).equals(data), `${size} bytes`);
        assert(decompress(type, packed, limit(10 * MIB)).equals(data), `${size} bytes`);
        if (size > 0) assert.match(refusal(type, packed, size - 1), /^too large/);
      }
    }
  });
}

for (const type of CODECS) {
  test(`${type}: input cut off at any byte is corrupt`, () => {
    const data = prose(3000);
    const packed = compress(type, data);
    for (let size = 0; size < packed.length; size++) {
      // The framing of Snappy without any chunk stands for nothing at all.
      const isEmptyFraming = type === 'snappy' && size === 16;
      assert.match(
        refusal(type, packed.subarray(0, size)),
        isEmptyFraming ? /^none/ : /^corrupt/,
        `${size} bytes`,
      );
    }
  });

  test(`${type}: damaged input ends in a CompressionError or in at most the bytes allowed`, () => {
    const packed = compress(type, prose(2000));
    const random = noise(20_000);
    for (let n = 0; n < 4000; n++) {
      const damaged = Buffer.from(packed);
      damaged[random.readUInt16LE(2 * n) % packed.length] = random[3 * n];
      if (n % 2 === 0) damaged[random.readUInt16LE(2 * n + 1) % packed.length] = random[3 * n + 1];
      try {
        assert(decompress(type, damaged, limit(5000)).length <= 5000);
      } catch (error) {
        assert(isFault(error), String(error));
      }
    }
  });

  test(`${type}: bytes without sense are corrupt`, () => {
    const random = noise(10_000);
    for (let size = 1; size < 200; size++) {
      assert.notEqual(refusal(type, random.subarray(size * 20, size * 20 + size), 500), 'none');
    }
  });
}

test('the levels of gzip and zstd reach the codecs', () => {
  const data = prose(100_000);
  const sizes = (type: CompressionType, levels: number[]): number[] =>
    levels.map((level) => {
      const packed = compress(type, data, level);
      assert(decompress(type, packed, limit(MIB)).equals(data));
      return packed.length;
    });
  const gzip = sizes('gzip', [1, 9, -1]);
  assert(gzip[0] > gzip[1]);
  const zstd = sizes('zstd', [-131_072, 1, 22]);
  assert(zstd[0] > zstd[1] && zstd[1] > zstd[2]);
});

/** A frame without end: LZ4 blocks of one match, each byte of whose length yields 255. */
function lz4Bomb(lengthBytes: number): Buffer {
  const block = Buffer.alloc(1 + 1 + 2 + lengthBytes + 2, 0xff);
  block.set([0x1f, 0x41, 0x01, 0x00], 0);
  block.set([0x00, 0x00], block.length - 2); // the end of the length, and a last sequence without literals
  return lz4Frame([{ block }], { blockSize: 7 });
}

/** The framing of Snappy around raw blocks. */
function snappyChunks(...blocks: Buffer[]): Buffer {
  const parts: Buffer[] = [Buffer.from('82534e41505059000000000100000001', 'hex')];
  for (const block of blocks) {
    const size = Buffer.alloc(4);
    size.writeInt32BE(block.length, 0);
    parts.push(size, block);
  }
  return Buffer.concat(parts);
}

test('bombs are refused before they take memory or time', () => {
  const zeros = Buffer.alloc(256 * MIB);
  const snappyBomb = Buffer.alloc(3 * MIB, Buffer.from([0xfe, 0x01, 0x00])); // copies of 64 from 1 back
  snappyBomb.set([0x80, 0x80, 0x80, 0x20, 0x00, 0x41], 0); // says 64 MiB, then a literal
  const bombs: [CompressionType, Buffer][] = [
    ['gzip', compress('gzip', zeros)],
    ['zstd', compress('zstd', zeros)],
    ['lz4', lz4Bomb(16_000)],
    [
      'lz4',
      lz4Frame(
        Array.from({ length: 1000 }, () => ({ block: lz4Bomb(16_000).subarray(11, -4) })),
        { blockSize: 7 },
      ),
    ],
    ['snappy', snappyBomb],
    [
      'snappy',
      snappyChunks(
        ...Array.from({ length: 50 }, () => compress('snappy', Buffer.alloc(32_768)).subarray(20)),
      ),
    ],
    ['snappy', Buffer.from('ffffffff0f00', 'hex')],
    ['snappy', snappyChunks(Buffer.from('ffffffff0f00', 'hex'))],
  ];
  const before = process.memoryUsage().rss;
  for (const [type, bomb] of bombs) {
    const from = performance.now();
    assert.match(refusal(type, bomb, MIB), /^(too large|corrupt)/, type);
    const tookMs = performance.now() - from;
    assert(tookMs < 250, `${type} took ${tookMs} ms`);
  }
  const growth = process.memoryUsage().rss - before;
  assert(growth < 32 * MIB, `memory grew by ${growth} bytes`);
});

test('gzip of several members is their contents together', () => {
  const members = ['one ', '', 'two'].map((text) => compress('gzip', Buffer.from(text)));
  assert.equal(decompress('gzip', Buffer.concat(members), limit(7)).toString(), 'one two');
  assert.match(refusal('gzip', Buffer.concat(members), 6), /^too large/);
  assert.match(refusal('gzip', Buffer.concat(members).subarray(0, -1)), /^corrupt/);
});

test('zstd of several frames is their contents together', () => {
  const frames = ['one ', 'two'].map((text) => compress('zstd', Buffer.from(text)));
  assert.equal(decompress('zstd', Buffer.concat(frames), limit(7)).toString(), 'one two');
  assert.match(refusal('zstd', Buffer.concat(frames), 6), /^too large/);
});

test('zstd frames may ask for a window of 128 MiB and no more', () => {
  // No content size, the window's logarithm, then one last block of one stored byte.
  const frame = (windowLog: number): Buffer =>
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3, 0x09, 0x00, 0x00, 0x41]);
  assert.equal(decompress('zstd', frame(27), limit(1)).toString(), 'A');
  assert.match(refusal('zstd', frame(28)), /^corrupt/);
  assert.match(refusal('zstd', frame(41)), /^corrupt/);
});

interface FrameOptions {
  blockSize?: 4 | 5 | 6 | 7;
  isLinked?: boolean;
  content?: Buffer;
  contentSize?: number;
  hasBlockChecksums?: boolean;
}
/** An LZ4 frame; with `content` it has a content checksum. */
function lz4Frame(blocks: { block: Buffer; stored?: boolean }[], options: FrameOptions = {}): Buffer {
  const { blockSize = 4, isLinked, content, contentSize, hasBlockChecksums } = options;
  const flags =
    0x40 |
    (isLinked ? 0 : 0x20) |
    (hasBlockChecksums ? 0x10 : 0) |
    (contentSize === undefined ? 0 : 0x08) |
    (content === undefined ? 0 : 0x04);
  const header = Buffer.alloc(contentSize === undefined ? 7 : 15);
  header.writeUInt32LE(0x184d2204, 0);
  header[4] = flags;
  header[5] = blockSize << 4;
  if (contentSize !== undefined) header.writeBigUInt64LE(BigInt(contentSize), 6);
  header[header.length - 1] = xxh32(header, 4, header.length - 1) >>> 8;
  const word = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0, 0);
    return bytes;
  };
  const parts: Buffer[] = [header];
  for (const { block, stored } of blocks) {
    parts.push(word(block.length | (stored ? 0x8000_0000 : 0)), block);
    if (hasBlockChecksums) parts.push(word(xxh32(block)));
  }
  parts.push(word(0));
  if (content !== undefined) parts.push(word(xxh32(content)));
  return Buffer.concat(parts);
}
const stored = (text: string): { block: Buffer; stored: true } => ({
  block: Buffer.from(text),
  stored: true,
});
/** No literals and a match of 8 from 8 back, then the literal `!`. */
const repeat = { block: Buffer.from([0x04, 8, 0, 0x10, 0x21]) };

test('lz4: linked blocks refer to what came before, independent ones may not', () => {
  const linked = lz4Frame([stored('abcdefgh'), repeat, repeat], { isLinked: true });
  assert.equal(decompress('lz4', linked, limit(100)).toString(), 'abcdefghabcdefgh!bcdefgh!!');
  assert.match(refusal('lz4', lz4Frame([stored('abcdefgh'), repeat])), /^corrupt.*match 8 bytes back/);
  assert.match(refusal('lz4', lz4Frame([stored('abcdefg'), repeat], { isLinked: true })), /^corrupt/);
});

test('lz4: content size, content checksum and block checksums are checked where they are there', () => {
  const content = Buffer.from('abcdefghabcdefgh!');
  const blocks = [stored('abcdefgh'), repeat];
  const full = { isLinked: true, content, contentSize: content.length, hasBlockChecksums: true };
  const frame = lz4Frame(blocks, full);
  assert.deepEqual(decompress('lz4', frame, limit(content.length)), content);
  for (let at = 4; at < frame.length; at++) {
    const damaged = Buffer.from(frame);
    damaged[at] ^= 0x01;
    assert.match(refusal('lz4', damaged), /^corrupt/, `byte ${at}`);
  }
  assert.match(refusal('lz4', lz4Frame(blocks, { ...full, contentSize: 18 })), /content size/);
  assert.match(refusal('lz4', lz4Frame(blocks, { ...full, content: Buffer.from('x') })), /content checksum/);
});

test('lz4: what follows the frame is ignored, as Kafka does', () => {
  const frame = lz4Frame([stored('abc')]);
  assert.equal(
    decompress('lz4', Buffer.concat([frame, frame, Buffer.from('x')]), limit(3)).toString(),
    'abc',
  );
});

test('lz4: other versions, dictionaries, reserved bits and block sizes are refused', () => {
  const frame = lz4Frame([stored('abc')]);
  for (const [at, value] of [
    [4, 0xa0],
    [4, 0x61],
    [4, 0x62],
    [5, 0x30],
    [5, 0xc0],
    [5, 0x41],
    [0, 0x02],
  ]) {
    const changed = Buffer.from(frame);
    changed[at] = value;
    changed[6] = xxh32(changed, 4, 6) >>> 8;
    assert.match(refusal('lz4', changed), /^corrupt/, `${at} ${value}`);
  }
});

test('lz4: blocks that are larger than the frame says, or yield more, are refused', () => {
  const large = { block: Buffer.alloc(65_537), stored: true };
  assert.match(refusal('lz4', lz4Frame([large])), /^corrupt: lz4: block of 65537 bytes/);
  assert.match(
    refusal('lz4', lz4Frame([{ block: lz4Bomb(300).subarray(11, -4) }])),
    /^corrupt: lz4: block yields/,
  );
});

test('lz4: overlapping matches of every period are right', () => {
  for (let period = 1; period <= 70; period++) {
    for (const length of [4, 18, 19, 64, 65, 66, 200, 1000]) {
      const seed = noise(period);
      const block = [period < 15 ? (period << 4) | 15 : 0xff];
      if (period >= 15) block.push(period - 15);
      block.push(...seed, period, 0);
      if (length < 19) block[0] = (block[0] & 0xf0) | (length - 4);
      else {
        for (let rest = length - 19; ; rest -= 255) {
          block.push(Math.min(255, rest));
          if (rest < 255) break;
        }
      }
      block.push(0x10, 0x21);
      const expected = Buffer.concat([seed, Buffer.alloc(length, seed), Buffer.from('!')]);
      const frame = lz4Frame([{ block: Buffer.from(block) }]);
      assert.deepEqual(decompress('lz4', frame, limit(2000)), expected, `period ${period}, length ${length}`);
    }
  }
});

test('snappy: raw blocks are read as well as framed ones, and framings one after another', () => {
  const data = prose(20_000);
  const framed = compress('snappy', data);
  const raw = framed.subarray(20);
  assert.deepEqual(decompress('snappy', raw, limit(data.length)), data);
  assert.match(refusal('snappy', raw, data.length - 1), /^too large/);
  const twice = Buffer.concat([framed, framed]);
  assert.deepEqual(decompress('snappy', twice, limit(2 * data.length)), Buffer.concat([data, data]));
  assert.match(refusal('snappy', twice, 2 * data.length - 1), /^too large/);
});

test('snappy: every kind of element is understood', () => {
  const cases: Record<string, string> = {
    '00': '',
    '03 08 616263': 'abc',
    [`3d f03c ${'61'.repeat(61)}`]: 'a'.repeat(61), // literal, size in one byte
    [`3d f43c00 ${'61'.repeat(61)}`]: 'a'.repeat(61), // in two
    [`3d f83c0000 ${'61'.repeat(61)}`]: 'a'.repeat(61), // in three
    [`3d fc3c000000 ${'61'.repeat(61)}`]: 'a'.repeat(61), // in four
    '07 08 616263 0103': 'abcabca', // copy with an offset of one byte and a bit
    '06 08 616263 0a0300': 'abcabc', // of two bytes
    '06 08 616263 0b03000000': 'abcabc', // of four
  };
  for (const [hex, expected] of Object.entries(cases)) {
    const input = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    assert.equal(decompress('snappy', input, limit(100)).toString(), expected, hex);
    assert.equal(decompress('snappy', snappyChunks(input), limit(100)).toString(), expected, hex);
  }
});

test('snappy: elements that lie are corrupt', () => {
  const cases = [
    '',
    '80',
    'ffffffffff',
    'ffffffffffff01',
    '04 08 616263', // fewer bytes than stated
    '02 08 616263', // more
    '03 0c 616263', // literal beyond the input
    '06 08 616263 0104', // copy from before the beginning
    '06 08 616263 0100', // from nowhere
    '06 08 616263 0b030000', // cut off
    '06 08 616263 0a03',
    '06 08 616263 01',
    '05 08 616263 0a0300', // copy beyond the stated size
    '3d f43c',
    '3d fcffffffff 61',
  ];
  for (const hex of cases) {
    const input = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    assert.match(refusal('snappy', input), /^corrupt/, hex);
    assert.match(refusal('snappy', snappyChunks(input)), /^corrupt/, hex);
  }
});

test('snappy: a copy in one chunk cannot reach into the one before', () => {
  const chunks = snappyChunks(Buffer.from('0308616263', 'hex'), Buffer.from('030a0300', 'hex'));
  assert.match(refusal('snappy', chunks), /^corrupt/);
});

test('snappy: framings that lie are corrupt', () => {
  const good = snappyChunks(Buffer.from('0308616263', 'hex'));
  for (const [at, bytes] of [
    [16, [0xff, 0xff, 0xff, 0xff]],
    [16, [0x7f, 0xff, 0xff, 0xff]],
    [16, [0x80, 0, 0, 0]],
    [11, [0]],
  ] as const) {
    const bad = Buffer.from(good);
    bad.set(bytes, at);
    assert.match(refusal('snappy', bad), /^corrupt/);
  }
});

test('xxh32 gives the check values of its specification', () => {
  assert.equal(xxh32(Buffer.alloc(0)), 0x02cc5d05);
  assert.equal(xxh32(Buffer.from('a')), 0x550d7456);
  assert.equal(xxh32(Buffer.from('as')), 0x9d5a0464);
  assert.equal(xxh32(Buffer.from('asd')), 0x3d83552b);
  assert.equal(xxh32(Buffer.from('asdf')), 0x5e702c32);
  assert.equal(xxh32(Buffer.from('Nobody inspects the spammish repetition')), 0xe2293b2f);
});

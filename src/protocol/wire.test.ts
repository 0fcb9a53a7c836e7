import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ELEMENTS_MAX, INT64_MAX, INT64_MIN, ProtocolError, Reader, TAGS_MAX, Writer } from './wire.ts';

const reader = (hex: string): Reader => new Reader(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
function written(write: (writer: Writer) => void): string {
  const writer = new Writer(1);
  write(writer);
  return writer.toBuffer().toString('hex');
}
/** A value and its bytes, in both directions, and refused at every cut. */
function both<K extends keyof Reader & keyof Writer>(
  method: K,
  pairs: readonly (readonly [unknown, string])[],
): void {
  for (const [value, hex] of pairs) {
    assert.equal(
      written((writer) => (writer[method] as (v: unknown) => void)(value)),
      hex.replaceAll(' ', ''),
    );
    const from = reader(hex);
    assert.deepEqual((from[method] as () => unknown)(), value);
    assert.equal(from.remaining(), 0);
    const bytes = from.buffer;
    for (let size = 0; size < bytes.length; size++) {
      const cut = new Reader(bytes.subarray(0, size));
      assert.throws(() => (cut[method] as () => unknown)(), ProtocolError, `${method} ${hex} cut at ${size}`);
    }
  }
}

test('numbers of fixed size are big-endian', () => {
  both('bool', [
    [true, '01'],
    [false, '00'],
  ]);
  both('int8', [
    [0, '00'],
    [127, '7f'],
    [-1, 'ff'],
    [-128, '80'],
  ]);
  both('int16', [
    [0, '0000'],
    [258, '0102'],
    [32_767, '7fff'],
    [-1, 'ffff'],
    [-32_768, '8000'],
  ]);
  both('uint16', [
    [0, '0000'],
    [65_535, 'ffff'],
    [32_768, '8000'],
  ]);
  both('int32', [
    [16_909_060, '01020304'],
    [2 ** 31 - 1, '7fffffff'],
    [-1, 'ffffffff'],
    [-(2 ** 31), '80000000'],
  ]);
  both('uint32', [
    [0, '00000000'],
    [2 ** 32 - 1, 'ffffffff'],
    [2 ** 31, '80000000'],
  ]);
  both('float64', [
    [1, '3ff0000000000000'],
    [-0.5, 'bfe0000000000000'],
    [Infinity, '7ff0000000000000'],
  ]);
});

test('a boolean other than 0 is true', () => {
  assert.equal(reader('02').bool(), true);
  assert.equal(reader('ff').bool(), true);
});

test('an int64 is exact up to 2^53, or one of the two ends', () => {
  both('int64', [
    [0, '0000000000000000'],
    [1, '0000000000000001'],
    [-1, 'ffffffffffffffff'],
    [2 ** 32, '0000000100000000'],
    [2 ** 31, '0000000080000000'],
    [-(2 ** 31) - 1, 'ffffffff7fffffff'],
    [-(2 ** 32), 'ffffffff00000000'],
    [2 ** 53 - 1, '001fffffffffffff'],
    [-(2 ** 53) + 1, 'ffe0000000000001'],
    [INT64_MAX, '7fffffffffffffff'],
    [INT64_MIN, '8000000000000000'],
  ]);
  for (const hex of ['0020000000000000', '7ffffffffffffffe', '8000000000000001', 'ffe0000000000000']) {
    assert.throws(() => reader(hex).int64(), ProtocolError, hex);
  }
});

test('an unsigned varint takes one to five bytes', () => {
  both('uvarint', [
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2_097_151, 'ffff7f'],
    [2_097_152, '80808001'],
    [268_435_455, 'ffffff7f'],
    [268_435_456, '8080808001'],
    [2 ** 31, '8080808008'],
    [2 ** 32 - 1, 'ffffffff0f'],
  ]);
  assert.equal(reader('8000').uvarint(), 0); // longer than it need be
  for (const hex of ['ffffffff10', 'ffffffffff', '8080808080', '808080808001', 'ffffffff7f']) {
    assert.throws(() => reader(hex).uvarint(), ProtocolError, hex);
  }
});

test('a varint is zigzag', () => {
  both('varint', [
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [63, '7e'],
    [-64, '7f'],
    [64, '8001'],
    [2 ** 31 - 1, 'feffffff0f'],
    [-(2 ** 31), 'ffffffff0f'],
  ]);
});

test('a varlong is zigzag, and refused past 2^53 or ten bytes', () => {
  both('varlong', [
    [0, '00'],
    [-1, '01'],
    [63, '7e'],
    [-65, '8101'],
    [2 ** 31, '8080808010'],
    [2 ** 32, '8080808020'],
    [-(2 ** 40), 'ffffffffff3f'],
    [2 ** 53 - 1, 'feffffffffffff1f'],
    [-(2 ** 53) + 1, 'fdffffffffffff1f'],
  ]);
  for (const hex of [
    '8080808080808020',
    'ffffffffffffffffff01',
    'ffffffffffffffffffff',
    '8080808080808080808001',
  ]) {
    assert.throws(() => reader(hex).varlong(), ProtocolError, hex);
  }
});

test('strings are UTF-8 after a size, compact or not, null or not', () => {
  both('string', [
    ['', '0000'],
    ['aé€', '0006 61c3a9e282ac'],
    ['😀', '0004 f09f9880'],
  ]);
  both('nullableString', [
    [null, 'ffff'],
    ['a', '0001 61'],
  ]);
  both('compactString', [
    ['', '01'],
    ['a', '02 61'],
    ['x'.repeat(127), `8001 ${'78'.repeat(127)}`],
  ]);
  both('compactNullableString', [
    [null, '00'],
    ['', '01'],
    ['a', '02 61'],
  ]);
});

test('text is written alike whether it is short or long, and wherever it leaves ASCII', () => {
  for (let size = 0; size < 90; size++) {
    for (let at = 0; at <= size; at++) {
      const text = 'a'.repeat(at) + (at < size ? '\u00e9' : '') + 'b'.repeat(Math.max(0, size - at - 1));
      assert.equal(reader(written((writer) => writer.string(text))).string(), text);
      assert.equal(reader(written((writer) => writer.compactString(text))).compactString(), text);
    }
  }
});

test('records may be null, compact or not', () => {
  both('nullableRecords', [
    [null, 'ffffffff'],
    [Buffer.from([1]), '00000001 01'],
  ]);
  both('compactNullableRecords', [
    [null, '00'],
    [Buffer.from([1]), '02 01'],
  ]);
  both('records', [[Buffer.from([1]), '00000001 01']]);
  both('compactRecords', [[Buffer.from([1]), '02 01']]);
  both('recordsVector', [[[Buffer.from([1])], '00000001 01']]);
  both('nullableRecordsVector', [
    [null, 'ffffffff'],
    [[Buffer.from([1])], '00000001 01'],
  ]);
  both('compactRecordsVector', [[[Buffer.from([1])], '02 01']]);
  both('compactNullableRecordsVector', [
    [null, '00'],
    [[Buffer.from([1])], '02 01'],
  ]);
});

test('string sizes that are negative or past 32767 are refused', () => {
  const long = 'x'.repeat(32_768);
  const bytes = Buffer.from(long);
  assert.throws(() => reader('ffff').string(), ProtocolError);
  assert.throws(() => reader('fffe').nullableString(), ProtocolError);
  assert.throws(() => reader('00').compactString(), ProtocolError);
  assert.throws(
    () => new Reader(Buffer.concat([Buffer.from('818002', 'hex'), bytes])).compactString(),
    ProtocolError,
  );
  assert.throws(() => written((writer) => writer.string(long)), ProtocolError);
  assert.throws(() => written((writer) => writer.compactString(long)), ProtocolError);
  const longest = 'x'.repeat(32_767);
  assert.equal(reader(written((writer) => writer.compactString(longest))).compactString(), longest);
  assert.equal(reader(written((writer) => writer.string(longest))).string(), longest);
});

test('bytes are views of the frame', () => {
  const from = reader('00000003 010203');
  const view = from.bytes();
  assert.deepEqual([view.buffer === from.buffer.buffer, ...view], [true, 1, 2, 3]);
  both('bytes', [
    [Buffer.from([7]), '00000001 07'],
    [Buffer.alloc(0), '00000000'],
  ]);
  both('nullableBytes', [
    [null, 'ffffffff'],
    [Buffer.from([7]), '00000001 07'],
  ]);
  both('compactBytes', [[Buffer.from([7]), '02 07']]);
  both('compactNullableBytes', [
    [null, '00'],
    [Buffer.alloc(0), '01'],
  ]);
  assert.throws(() => reader('ffffffff').bytes(), ProtocolError);
  assert.throws(() => reader('fffffffe').nullableBytes(), ProtocolError);
  assert.throws(() => reader('00').compactBytes(), ProtocolError);
  assert.throws(() => reader('7fffffff 00').bytes(), ProtocolError);
  assert.throws(() => reader('ffffffff0f 00').compactBytes(), ProtocolError);
});

test('a uuid is sixteen latin1 characters', () => {
  const hex = '000102030405060708090a0b0c0dfeff';
  both('uuid', [[Buffer.from(hex, 'hex').toString('latin1'), hex]]);
});

test('large records leave as the views they came as, small ones are copied', () => {
  const large = Buffer.alloc(10_000, 7);
  const small = Buffer.from('small');
  const writer = new Writer();
  writer.int32(1);
  writer.records(large);
  writer.compactRecordsVector([small, large, large]);
  writer.nullableRecords(null);
  assert.equal(writer.sizeBytes(), 4 + 4 + 10_000 + 3 + 5 + 20_000 + 4);
  const views = writer.finish();
  assert.deepEqual(
    views.map((view) => (view === large ? 'large' : view.toString('hex'))),
    ['0000000100002710', 'large', `a69c01${small.toString('hex')}`, 'large', 'large', 'ffffffff'],
  );
});

test('a tagged field has its size in front, however large it is', () => {
  for (const size of [0, 127, 128, 16_383, 16_384, 2_097_152]) {
    const content = Buffer.alloc(size, 0x61);
    const writer = new Writer();
    const mark = writer.openTag(300);
    writer.raw(content);
    writer.closeTag(mark);
    writer.int8(0x55);
    const from = new Reader(writer.toBuffer());
    assert.equal(from.uvarint(), 300);
    const end = from.tagEnd();
    assert.equal(end, from.pos + size);
    assert(from.view(size).equals(content));
    from.endTag(end);
    assert.equal(from.int8(), 0x55);
  }
});

test('unknown tagged fields are skipped, whatever is in them', () => {
  const from = reader('02 05 00 8001 03 ffffff 7f');
  from.skipTags();
  assert.equal(from.int8(), 0x7f);
});

test('a tag count is believed as far as two bytes for each could be there', () => {
  assert.equal(reader('02 00000000').tagCount(), 2);
  assert.throws(() => reader('02 000000').tagCount(), ProtocolError);
});

test('tag sections that lie are refused', () => {
  assert.throws(() => reader('01').skipTags(), ProtocolError);
  assert.throws(() => reader('01 00 05 00').skipTags(), ProtocolError);
  assert.throws(() => reader('ffffffff0f 0000').skipTags(), ProtocolError);
  const many = Buffer.alloc(3 * TAGS_MAX);
  many.set([0x91, 0x4e]); // 10001
  assert.throws(() => new Reader(many).tagCount(), ProtocolError);
  const tagged = reader('03 010203');
  const end = tagged.tagEnd();
  tagged.int8();
  assert.throws(() => tagged.endTag(end), ProtocolError);
});

test('an array length is believed as far as its elements could be there', () => {
  assert.equal(reader('00000002 0000').arrayLength(1), 2);
  assert.throws(() => reader('00000003 0000').arrayLength(1), ProtocolError);
  assert.throws(() => reader('00000002 000000').arrayLength(2), ProtocolError);
  assert.throws(() => reader('7fffffff').arrayLength(8), ProtocolError);
  assert.throws(() => reader('ffffffff').arrayLength(1), ProtocolError);
  assert.throws(() => reader('fffffffe').nullableArrayLength(1), ProtocolError);
  assert.throws(() => reader('00').compactArrayLength(1), ProtocolError);
  assert.equal(reader('ffffffff').nullableArrayLength(1), -1);
  assert.equal(reader('00').compactNullableArrayLength(1), -1);
  assert.equal(reader('03 0000').compactNullableArrayLength(1), 2);
});

test('all arrays of one message together have at most a million elements', () => {
  const bytes = Buffer.alloc(12 + ELEMENTS_MAX);
  bytes.writeInt32BE(ELEMENTS_MAX - 1, 0);
  bytes.writeInt32BE(1, 4);
  bytes.writeInt32BE(1, 8);
  const from = new Reader(bytes);
  assert.equal(from.arrayLength(1), ELEMENTS_MAX - 1);
  assert.equal(from.arrayLength(1), 1);
  assert.throws(() => from.arrayLength(1), ProtocolError);
});

test('a reader stays within its bounds though the buffer goes on', () => {
  const from = new Reader(Buffer.from('0102030405', 'hex'), 1, 3);
  assert.equal(from.int16(), 0x0203);
  assert.throws(() => from.int8(), ProtocolError);
});

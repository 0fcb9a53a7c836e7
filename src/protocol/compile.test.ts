import assert from 'node:assert/strict';
import { test } from 'node:test';

import { codec, emit } from './compile.ts';
import {
  array,
  at,
  bool,
  bytes,
  covers,
  ends,
  float64,
  int16,
  int32,
  int64,
  int8,
  message,
  nullable,
  or,
  orNull,
  plain,
  string,
  struct,
  tagged,
  uint16,
  uint32,
  uuid,
  type Message,
  type Write,
} from './schema.ts';
import { ProtocolError, Reader, Writer } from './wire.ts';

function encode<W>(of: Message<unknown, W>, version: number, value: W): string {
  const writer = new Writer();
  codec(of, version).write(writer, value);
  return writer.toBuffer().toString('hex');
}
function decode<R, W>(of: Message<R, W>, version: number, hex: string): R {
  const reader = new Reader(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  const value = codec(of, version).read(reader);
  assert.equal(reader.remaining(), 0);
  return value;
}

const Example = message(
  'Example',
  { key: 1, versions: '1-4', flexible: '3+' },
  {
    name: string,
    label: nullable(string, '2+'),
    clientId: plain(string),
    epoch: at('2-3', or(-1, int32)),
    items: array(struct({ index: int16, note: at('3+', tagged(0, orNull(string))) })),
    extra: at('3+', tagged(2, or(7, int8))),
    more: at('4+', tagged(1, array(int8))),
    inner: at('4+', orNull(struct({ id: int64 }), '4+')),
    option: at('4+', tagged(5, nullable(struct({ id: int8 })))),
  },
);
type Example = Write<typeof Example>;

const full: Example = {
  name: 'n',
  label: null,
  clientId: 'c',
  epoch: 5,
  items: [{ index: 1, note: 'x' }, { index: 2 }],
  extra: 9,
  more: [1, 2],
  inner: { id: 3 },
  option: null,
};

test('each version has its fields, encodings and tags', () => {
  assert.throws(() => encode(Example, 1, full), TypeError); // null is not legal yet
  assert.deepEqual(
    [
      encode(Example, 1, { ...full, label: 'l' }),
      encode(Example, 2, full),
      encode(Example, 3, full),
      encode(Example, 4, full),
    ],
    [
      '00016e 00016c 000163 00000002 0001 0002',
      '00016e ffff 000163 00000005 00000002 0001 0002',
      '026e 00 000163 00000005 03 0001 01 00 02 0278 0002 00 01 02 01 09',
      '026e 00 000163 03 0001 01 00 02 0278 0002 00 01 0000000000000003 00 03 01 03 03 01 02 02 01 09 05 01 00',
    ].map((hex) => hex.replaceAll(' ', '')),
  );
});

test('decoding yields every field, absent ones with their defaults', () => {
  assert.deepEqual(decode(Example, 1, '00016e 00016c 000163 00000001 0001'), {
    name: 'n',
    label: 'l',
    clientId: 'c',
    epoch: -1,
    items: [{ index: 1, note: null }],
    extra: 7,
    more: [],
    inner: null,
    option: { id: 0 },
  });
  assert.deepEqual(
    decode(Example, 4, '026e 00 000163 02 0001 01 00 02 0278 01 0000000000000003 00 01 05 03 01 08 00'),
    {
      name: 'n',
      label: null,
      clientId: 'c',
      epoch: -1,
      items: [{ index: 1, note: 'x' }],
      extra: 7,
      more: [],
      inner: { id: 3 },
      option: { id: 8 },
    },
  );
});

test('tagged fields with their defaults are not written, whatever made them equal', () => {
  const same = { ...full, items: [], extra: 7, more: [], inner: null, option: { id: 0 } };
  const left = { name: 'n', label: null, clientId: 'c', items: [] };
  assert.equal(encode(Example, 4, same), encode(Example, 4, left));
  assert.equal(encode(Example, 4, left), '026e00000163 01 ff 00'.replaceAll(' ', ''));
});

test('unknown tags are passed over, known ones must have the size they say', () => {
  const start = '026e 00 000163 01 ff';
  assert.equal(decode(Example, 4, `${start} 02 02 01 63 09 03 ffffff`).extra, 0x63);
  for (const tags of ['01 02 02 6300', '01 02 00', '01 01 01 03', '01 05 02 0100', '03 02 01 63']) {
    assert.throws(() => decode(Example, 4, start + tags), ProtocolError, tags);
  }
});

test('a version that the message does not have is an error of the program', () => {
  assert.throws(() => codec(Example, 0), RangeError);
  assert.throws(() => codec(Example, 5), RangeError);
});

test('a codec is compiled once', () => {
  assert.equal(codec(Example, 3), codec(Example, 3));
});

test('the defaults that decoding hands out cannot be changed', () => {
  const value = decode(Example, 1, '0000 0000 0000 00000000');
  assert.throws(() => value.more.push(1), TypeError);
  assert.throws(() => (value.option!.id = 1), TypeError);
});

test('a lying count is refused by the size of its elements, before any is made', () => {
  const Wide = message(
    'Wide',
    { versions: '0', flexible: 'none' },
    { items: array(struct({ a: int64, b: int32 })) },
  );
  assert.deepEqual(decode(Wide, 0, `00000001 ${'00'.repeat(12)}`), { items: [{ a: 0, b: 0 }] });
  assert.throws(() => decode(Wide, 0, `00000002 ${'00'.repeat(23)}`), /array of 2 at 4, 23 bytes remain/);
});

test('an array of every type is read when exactly its elements are there, and refused with a byte less', () => {
  const of = { bool, int8, int16, uint16, int32, uint32, int64, float64, uuid, string, bytes };
  for (const [name, type] of Object.entries(of)) {
    for (const flexible of ['none', '0+'] as const) {
      const Many = message('Many', { versions: '0', flexible }, { items: array<unknown, unknown>(type) });
      const hex = encode(Many, 0, { items: [type.zero, type.zero, type.zero] });
      assert.deepEqual(decode(Many, 0, hex).items, [type.zero, type.zero, type.zero], name);
      const body = flexible === 'none' ? hex.slice(0, -2) : hex.slice(0, -4);
      assert.throws(() => decode(Many, 0, body), /^ProtocolError: array of 3/, name);
    }
  }
});

test('fields that a version lacks, or that are tagged, do not count towards the size of an element', () => {
  const Narrow = message(
    'Narrow',
    { versions: '0-2', flexible: '1+' },
    { items: array(struct({ a: int8, b: at('2+', int64), c: at('1+', tagged(0, int64)) })) },
  );
  const item = { a: 1, b: 0, c: 0 };
  assert.deepEqual(decode(Narrow, 0, '00000002 01 01'), { items: [item, item] });
  assert.deepEqual(decode(Narrow, 1, '03 0100 0100 00'), { items: [item, item] });
  assert.throws(() => decode(Narrow, 2, `03 01 ${'00'.repeat(9)}`), /array of 2/);
});

test('the emitted code has no test of a version left in it', () => {
  for (const version of [1, 2, 3, 4]) assert.doesNotMatch(emit(Example, version).source, /version/i);
});

test('ranges are inclusive and may be open', () => {
  assert.deepEqual(
    [ends('3'), ends('2-5'), ends('4+')],
    [
      { min: 3, max: 3 },
      { min: 2, max: 5 },
      { min: 4, max: 32_767 },
    ],
  );
  assert.deepEqual(
    [covers('2-5', 1), covers('2-5', 2), covers('2-5', 5), covers('2-5', 6)],
    [false, true, true, false],
  );
  assert.deepEqual([covers('none', 0), covers('0+', 32_767), covers('7', 7)], [false, true, true]);
});

test('bytes in a tagged field are compared with the default by content', () => {
  const Tagged = message('Tagged', { versions: '0', flexible: '0+' }, { data: tagged(0, nullable(bytes)) });
  assert.equal(encode(Tagged, 0, { data: Buffer.alloc(0) }), '00');
  assert.equal(encode(Tagged, 0, { data: null }), '01000100');
  assert.equal(encode(Tagged, 0, { data: Buffer.from('a') }), '0100020261');
  assert.deepEqual(decode(Tagged, 0, '0100020261').data, Buffer.from('a'));
});

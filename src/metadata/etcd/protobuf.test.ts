import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RangeResponse, TxnRequest, WatchResponse } from './messages.ts';
import { decode, encode, field, message, ProtobufError, repeated } from './protobuf.ts';

const Inner = message({ name: field(1, 'string'), size: field(2, 'int') });
const Outer = message({
  number: field(1, 'int'),
  flag: field(2, 'bool'),
  bytes: field(3, 'bytes'),
  inner: field(4, Inner),
  inners: repeated(5, Inner),
  choice: field(6, 'presentInt'),
  names: repeated(2000, 'string'),
});

const whole = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.constantFrom(0, 1, -1, 2 ** 32, -(2 ** 32), 2 ** 31),
);
const buffer = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const plain = { noNullPrototype: true };
const inner = fc.record({ name: fc.string({ unit: 'grapheme' }), size: whole }, plain);
const outer = fc.record(
  {
    number: whole,
    flag: fc.boolean(),
    bytes: buffer,
    inner: fc.option(inner, { nil: undefined }),
    inners: fc.array(inner, { maxLength: 5 }),
    choice: fc.option(whole, { nil: undefined }),
    names: fc.array(fc.string(), { maxLength: 5 }),
  },
  plain,
);

test('what was encoded is decoded as it was', () => {
  fc.assert(
    fc.property(outer, (value) => {
      assert.deepEqual(decode(Outer, encode(Outer, value)), value);
    }),
  );
});

test('fields that are not in the table are skipped, whatever they are', () => {
  const Rest = message({ flag: field(2, 'bool'), names: repeated(2000, 'string') });
  const fixed = Buffer.from([0x39, 1, 2, 3, 4, 5, 6, 7, 8, 0x45, 1, 2, 3, 4]);
  fc.assert(
    fc.property(outer, (value) => {
      const { flag, names } = value;
      assert.deepEqual(decode(Rest, Buffer.concat([fixed, encode(Outer, value), fixed])), { flag, names });
    }),
  );
});

test('bytes as protoc makes them', () => {
  assert.equal(encode(Inner, { name: 'a', size: 300 }).toString('hex'), '0a016110ac02');
  assert.equal(encode(Inner, { name: '', size: 0 }).toString('hex'), '');
  assert.equal(encode(Inner, { size: -1 }).toString('hex'), '10ffffffffffffffffff01');
  assert.equal(encode(Inner, { size: 2 ** 53 - 1 }).toString('hex'), '10ffffffffffffff0f');
  assert.equal(encode(Outer, { choice: 0 }).toString('hex'), '3000');
  assert.equal(encode(Outer, { inner: {} }).toString('hex'), '2200');
  assert.equal(encode(Outer, { names: [''] }).toString('hex'), '827d00');
});

test('any bytes decode or are refused, and nothing else happens', () => {
  for (const type of [Outer, RangeResponse, TxnRequest, WatchResponse] as unknown as (typeof Outer)[]) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decode(type, Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof ProtobufError);
        }
      }),
      { numRuns: 500 },
    );
  }
});

test('a message that was cut short is refused or is a shorter message', () => {
  fc.assert(
    fc.property(outer, fc.nat(), (value, cut) => {
      const bytes = encode(Outer, value);
      const short = bytes.subarray(0, cut % (bytes.length + 1));
      try {
        decode(Outer, short);
      } catch (error) {
        assert.ok(error instanceof ProtobufError);
      }
    }),
  );
});

test('numbers beyond 2^53, endless numbers, lengths beyond the end and wrong types are refused', () => {
  const refused = [
    ['10ffffffffffffff7f', /beyond 2\^53/],
    ['1080808080808080808080', /ten bytes/],
    ['0aff01', /remain/],
    ['0affffffff0f', /remain/],
    ['0affffffffffffffffff01', /negative/],
    ['0801', /wire type 0/],
    ['0b', /wire type 3/],
    ['10', /remain/],
  ] as const;
  for (const [hex, message] of refused) {
    assert.throws(() => decode(Inner, Buffer.from(hex, 'hex')), { name: 'ProtobufError', message }, hex);
  }
  assert.throws(() => encode(Inner, { size: 2 ** 53 }), ProtobufError);
  assert.throws(() => encode(Inner, { size: 0.5 }), ProtobufError);
});

test('more elements than any answer has are refused before they are kept', () => {
  const many = Buffer.alloc(2 * 200_001);
  for (let at = 0; at < many.length; at += 2) many[at] = 0x2a;
  assert.throws(() => decode(Outer, many), /elements/);
});

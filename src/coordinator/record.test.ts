import assert from 'node:assert/strict';
import { test } from 'node:test';
import { int32, message, nullable, string, struct, array } from '../protocol/schema.ts';
import { ProtocolError } from '../protocol/wire.ts';
import { decodeRecord, encodeRecord, recordFormats } from './record.ts';

const ThingKey = message('ThingKey', { key: 7, versions: '0', flexible: 'none' }, { name: string });
const ThingValue = message(
  'ThingValue',
  { key: 7, versions: '0-1', flexible: '1+' },
  { note: nullable(string), parts: array(struct({ size: int32 })) },
);
const formats = recordFormats({ key: ThingKey, value: ThingValue });
const record = {
  type: 7,
  key: { name: 'ab' },
  version: 1,
  value: { note: null, parts: [{ size: 258 }] },
};

test('the key begins with the type of the record, the value with the version of its schema', () => {
  const { key, value } = encodeRecord(formats, record);
  assert.equal(key.toString('hex'), '0007' + '0002' + '6162');
  assert.equal(value!.toString('hex'), '0001' + '00' + '02' + '00000102' + '00' + '00');
  assert.deepEqual(decodeRecord(formats, key, value), record);
});

test('a tombstone has a key and no value', () => {
  const tombstone = { type: 7, key: { name: 'ab' }, version: 0, value: null };
  const { key, value } = encodeRecord(formats, tombstone);
  assert.equal(value, null);
  assert.deepEqual(decodeRecord(formats, key, value), tombstone);
});

test('records of other types and of later versions are passed over, with the reason', () => {
  const { key, value } = encodeRecord(formats, record);
  const otherKey = Buffer.from(key);
  otherKey.writeInt16BE(8);
  assert.deepEqual(decodeRecord(formats, otherKey, value), { skipped: 'record type 8 is unknown' });
  const laterValue = Buffer.from(value!);
  laterValue.writeInt16BE(2);
  assert.deepEqual(decodeRecord(formats, key, laterValue), {
    skipped: 'record type 7 has no value version 2',
  });
});

test('a record that is cut off at any byte is a ProtocolError, never anything else', () => {
  const { key, value } = encodeRecord(formats, record);
  for (let size = 0; size < key.length; size++) {
    assert.throws(
      () => decodeRecord(formats, key.subarray(0, size), value),
      ProtocolError,
      `key of ${size} bytes`,
    );
  }
  for (let size = 0; size < value!.length; size++) {
    assert.throws(
      () => decodeRecord(formats, key, value!.subarray(0, size)),
      ProtocolError,
      `value of ${size} bytes`,
    );
  }
});

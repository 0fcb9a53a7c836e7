import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BATCH_HEADER_BYTES } from '../../protocol/record-batch.ts';
import { buildBatch, forEachRecord } from '../../protocol/records.ts';
import { ProtocolError } from '../../protocol/wire.ts';
import { parseRecords, type RecordsToParse } from './parse.ts';
import type { ConsumerRecord } from './record.ts';

const FACTS = { topic: 't', partition: 3, leaderEpoch: 9 };
const bytes = fc.uint8Array({ maxLength: 200 }).map((one) => Buffer.from(one));
const nullable = fc.option(bytes, { nil: null });
const records = fc.array(
  fc.record({
    key: nullable,
    value: nullable,
    headers: fc.array(fc.record({ key: fc.string(), value: nullable }), { maxLength: 3 }),
    timestamp: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 2 ** 52 })),
  }),
  { minLength: 1, maxLength: 20 },
);

function parse(batch: Buffer, more: Partial<RecordsToParse> & { count: number }): ConsumerRecord[] {
  return parseRecords(FACTS, {
    bytes: batch.subarray(BATCH_HEADER_BYTES),
    baseOffset: 100,
    lastOffsetDelta: more.count - 1,
    baseTimestamp: 5,
    appendTimestamp: undefined,
    fromOffset: 0,
    ...more,
  });
}

test('records are what the protocol reads', () => {
  fc.assert(
    fc.property(records, (all) => {
      const batch = buildBatch({ records: all, baseOffset: 100, baseTimestamp: 5 });
      const expected: object[] = [];
      forEachRecord(
        batch,
        ({ offset, timestamp, key, value, headers }) =>
          expected.push({ offset, timestamp, key, value, headers }),
        { maxDecompressedBytes: 1 << 20 },
      );
      const parsed = parse(batch, { count: all.length });
      assert.deepEqual(
        parsed.map(({ offset, timestamp, key, value, headers }) => ({
          offset,
          timestamp,
          key,
          value,
          headers,
        })),
        expected,
      );
      for (const one of parsed) {
        assert.deepEqual([one.topic, one.partition, one.leaderEpoch], ['t', 3, 9]);
        assert.equal(one.text, one.value?.toString() ?? null);
        assert.equal(one.keyText, one.key?.toString() ?? null);
      }
    }),
    { numRuns: 200 },
  );
});

test('damaged records are a ProtocolError, whatever the damage', () => {
  const all = Array.from({ length: 3 }, (_, n) => ({
    key: Buffer.from('key'),
    value: Buffer.from(`value ${n}`),
    timestamp: 5,
  }));
  const batch = buildBatch({ records: all, baseTimestamp: 5 });
  for (let end = BATCH_HEADER_BYTES; end < batch.length; end++) {
    assert.throws(() => parse(batch.subarray(0, end), { count: 3 }), ProtocolError);
  }
  for (let at = BATCH_HEADER_BYTES; at < batch.length; at++) {
    for (const byte of [0, 1, 0x7f, 0x80, 0xff]) {
      const damaged = Buffer.from(batch);
      damaged[at] = byte;
      try {
        for (const one of parse(damaged, { count: 3 })) void [one.key, one.value];
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }
  }
  assert.throws(() => parse(batch, { count: 1_000_000 }), ProtocolError);
  assert.throws(() => parse(batch, { count: 2 }), ProtocolError);
  assert.throws(() => parse(batch, { count: 3, lastOffsetDelta: 1 }), ProtocolError);
});

test('records before the position are left out, and a time of the append stands for all', () => {
  const all = Array.from({ length: 5 }, () => ({ key: null, value: Buffer.from('v'), timestamp: 5 }));
  const batch = buildBatch({ records: all, baseTimestamp: 5 });
  const parsed = parse(batch, { count: 5, fromOffset: 103, appendTimestamp: 77 });
  assert.deepEqual(
    parsed.map(({ offset, timestamp }) => [offset, timestamp]),
    [
      [103, 77],
      [104, 77],
    ],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlabPool } from '../../base/slab-pool.ts';
import { COMPRESSION_TYPES, checkBatch } from '../../protocol/record-batch.ts';
import { buildBatch, forEachRecord } from '../../protocol/records.ts';
import { Batch, recordBytesMax, type RecordToAppend } from './batch.ts';
import type { Data } from './record.ts';

const pool = new SlabPool({ keptBytesMax: 1 << 20 });
const newBatch = (): Batch => new Batch({ pool, capacityBytes: 100, createdMs: 0, order: 0 });

const data = fc.oneof(fc.constant(null), fc.string(), fc.uint8Array({ maxLength: 300 }));
const record = fc.record({
  key: fc.oneof(fc.constant(null), fc.uint8Array({ maxLength: 60 })),
  value: data,
  headers: fc.option(fc.array(fc.tuple(fc.string(), data), { maxLength: 3 }), { nil: undefined }),
  timestamp: fc.oneof(
    fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
    fc.integer({ min: 0, max: 2 ** 52 }),
  ),
});

const bytes = (value: Data): Buffer | null => (value === null ? null : Buffer.from(value));

function toAppend(one: object): RecordToAppend {
  const { key, ...rest } = one as unknown as Omit<RecordToAppend, 'key'> & { key: Uint8Array | null };
  return { ...rest, key: key ?? Buffer.alloc(0), keySize: key?.length ?? -1 };
}

test('a batch is what the protocol builds from the same records', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 30 }), (records) => {
      const batch = newBatch();
      for (const one of records) {
        const entry = toAppend(one);
        const before = batch.sizeBytes;
        assert.ok(batch.append(entry, 1 << 20));
        assert.ok(batch.sizeBytes - before <= recordBytesMax(entry));
      }
      batch.identity = { producerId: 77, producerEpoch: 3 };
      batch.baseSequence = 12;
      const sealed = batch.seal({ compression: 'none', compressionLevel: undefined, isTransactional: false });
      const expected = buildBatch({
        records: records.map((one) => ({
          key: one.key === null ? null : Buffer.from(one.key),
          value: bytes(one.value),
          timestamp: one.timestamp,
          ...(one.headers === undefined
            ? {}
            : { headers: one.headers.map(([key, value]) => ({ key, value: bytes(value) })) }),
        })),
        producerId: 77,
        producerEpoch: 3,
        baseSequence: 12,
      });
      assert.deepEqual(sealed, expected);
    }),
    { numRuns: 300 },
  );
});

for (const compression of COMPRESSION_TYPES) {
  test(`${compression}: records come out as they went in, and the header can be written again`, () => {
    const batch = newBatch();
    for (let n = 0; n < 100; n++) {
      const value = `value ${n} ${'x'.repeat(n)}`;
      batch.append(
        { key: Buffer.from('key'), keySize: 3, value, headers: undefined, timestamp: 1000 + n },
        1 << 20,
      );
    }
    for (const baseSequence of [0, 500]) {
      batch.baseSequence = baseSequence;
      const sealed = batch.seal({ compression, compressionLevel: undefined, isTransactional: true });
      assert.equal(checkBatch(sealed), undefined);
      const seen: string[] = [];
      forEachRecord(sealed, (one) => seen.push(String(one.value)), { maxDecompressedBytes: 1 << 20 });
      assert.deepEqual(
        seen,
        Array.from({ length: 100 }, (_, n) => `value ${n} ${'x'.repeat(n)}`),
      );
    }
  });
}

test('a record that does not fit is refused, except as the first', () => {
  const batch = newBatch();
  const entry = {
    key: Buffer.alloc(0),
    keySize: -1,
    value: 'x'.repeat(500),
    headers: undefined,
    timestamp: 1,
  };
  assert.ok(batch.append(entry, 300));
  assert.ok(!batch.append(entry, 600));
  assert.equal(batch.count, 1);
});

test('headers may be given as an object', () => {
  const [one, other] = [newBatch(), newBatch()];
  const entry = { key: Buffer.alloc(0), keySize: -1, value: null, timestamp: 1 };
  one.append({ ...entry, headers: { a: '1', b: null } }, 1000);
  other.append(
    {
      ...entry,
      headers: [
        ['a', Buffer.from('1')],
        ['b', null],
      ],
    },
    1000,
  );
  const options = { compression: 'none', compressionLevel: undefined, isTransactional: false } as const;
  assert.deepEqual(one.seal(options), other.seal(options));
});

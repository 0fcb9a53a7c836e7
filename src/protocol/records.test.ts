import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CompressionError } from './compression-error.ts';
import * as batches from './record-batch.ts';
import { buildBatch, forEachRecord, type NewRecord, type RecordView } from './records.ts';
import { ProtocolError, Writer } from './wire.ts';

const LIMITS = { maxDecompressedBytes: 1 << 20 };
const TIME = 1_700_000_000_000;
const record: NewRecord = { key: Buffer.from('k'), value: Buffer.from('v'), timestamp: TIME };

interface Seen {
  offset: number;
  timestamp: number;
  key: string | null;
  value: string | null;
  headers: [string, string | null][];
}
const text = (bytes: Buffer | null): string | null => bytes?.toString() ?? null;
function look(view: RecordView): Seen {
  const { offset, timestamp, key, value, headers } = view;
  return {
    offset,
    timestamp,
    key: text(key),
    value: text(value),
    headers: headers.map((header) => [header.key, text(header.value)]),
  };
}
function open(batch: Buffer): Seen[] {
  const seen: Seen[] = [];
  forEachRecord(batch, (view) => seen.push(look(view)), LIMITS);
  return seen;
}
/** A batch whose records are these bytes, with a right checksum. */
function batchOf(body: Buffer, count: number, lastOffsetDelta = count - 1): Buffer {
  const empty = buildBatch({ records: [], lastOffsetDelta });
  const batch = Buffer.concat([empty, body]);
  batch.writeInt32BE(batch.length - batches.LOG_OVERHEAD_BYTES, 8);
  batch.writeInt32BE(count, 57);
  batches.updateCrc(batch);
  return batch;
}
/** A record from its numbers; sizes are written as given, whatever follows. */
function body(parts: {
  size?: number;
  timestampDelta?: number;
  offsetDelta?: number;
  keySize?: number;
  valueSize?: number;
  headerCount?: number;
  rest?: Buffer;
}): Buffer {
  const inner = new Writer();
  inner.int8(0);
  inner.varlong(parts.timestampDelta ?? 0);
  inner.varint(parts.offsetDelta ?? 0);
  inner.varint(parts.keySize ?? -1);
  inner.varint(parts.valueSize ?? -1);
  inner.varint(parts.headerCount ?? 0);
  inner.raw(parts.rest ?? Buffer.alloc(0));
  const bytes = inner.toBuffer();
  const whole = new Writer();
  whole.varint(parts.size ?? bytes.length);
  whole.raw(bytes);
  return whole.toBuffer();
}

test("plain, idempotent and compressed batches are Kafka's bytes", () => {
  const idempotent = { producerId: 4000, producerEpoch: 1, baseSequence: 7, leaderEpoch: 5 };
  const built = [
    buildBatch({ records: [record] }),
    buildBatch({ records: [record], ...idempotent }),
    buildBatch({ records: [record], ...idempotent, isTransactional: true }),
    buildBatch({ records: [record], compression: 'snappy' }),
    buildBatch({ records: [record], compression: 'lz4' }),
  ];
  assert.deepEqual(
    built.map((batch) => batch.toString('hex')),
    [
      '00000000000000000000003affffffff02e99b8dd80000000000000000018bcfe568000000018bcfe56800ffff' +
        'ffffffffffffffffffffffff0000000110000000026b027600',
      '00000000000000000000003a0000000502f712da5a0000000000000000018bcfe568000000018bcfe568000000' +
        '000000000fa00001000000070000000110000000026b027600',
      '00000000000000000000003a0000000502306f7ceb0010000000000000018bcfe568000000018bcfe568000000' +
        '000000000fa00001000000070000000110000000026b027600',
      '000000000000000000000050ffffffff0208ee48690002000000000000018bcfe568000000018bcfe56800ffff' +
        'ffffffffffffffffffffffff0000000182534e415050590000000001000000010000000b092010000000026b027600',
      '000000000000000000000049ffffffff02924fa7900003000000000000018bcfe568000000018bcfe56800ffff' +
        'ffffffffffffffffffffffff0000000104224d186040820900008010000000026b02760000000000',
    ],
  );
});

for (const compression of batches.COMPRESSION_TYPES) {
  test(`records come back as they were put in, compression ${compression}`, () => {
    const records: NewRecord[] = [
      { key: null, value: null, timestamp: TIME },
      { key: Buffer.alloc(0), value: Buffer.alloc(0), timestamp: TIME - 2 ** 40 },
      {
        key: Buffer.from('key'),
        value: Buffer.from('x'.repeat(5000)),
        timestamp: TIME + 2 ** 40,
        headers: [
          { key: '', value: null },
          { key: 'é', value: Buffer.alloc(0) },
          { key: 'é', value: Buffer.from('again') },
        ],
        offsetDelta: 2 ** 31 - 1,
      },
    ];
    assert.deepEqual(open(buildBatch({ records, compression, baseOffset: 100 })), [
      { offset: 100, timestamp: TIME, key: null, value: null, headers: [] },
      { offset: 101, timestamp: TIME - 2 ** 40, key: '', value: '', headers: [] },
      {
        offset: 100 + 2 ** 31 - 1,
        timestamp: TIME + 2 ** 40,
        key: 'key',
        value: 'x'.repeat(5000),
        headers: [
          ['', null],
          ['é', ''],
          ['é', 'again'],
        ],
      },
    ]);
  });
}

test('with LogAppendTime every record has the time of the append', () => {
  const batch = buildBatch({ records: [record, { ...record, timestamp: TIME + 9 }] });
  batches.setTimestamps(batch, 0, { maxTimestamp: TIME + 1000, logAppendTime: true });
  assert.deepEqual(
    open(batch).map(({ timestamp }) => timestamp),
    [TIME + 1000, TIME + 1000],
  );
});

test('records without timestamps have -1', () => {
  assert.deepEqual(
    open(buildBatch({ records: [{ key: null, value: null }] })).map(({ timestamp }) => timestamp),
    [-1],
  );
});

test('a batch that the cleaner emptied keeps its last offset', () => {
  const batch = buildBatch({ records: [], baseOffset: 10, lastOffsetDelta: 4 });
  assert.deepEqual(open(batch), []);
  assert.equal(batches.lastOffset(batch), 14);
});

test('the delete horizon stands where the base timestamp was', () => {
  const batch = buildBatch({ records: [record], deleteHorizonMs: TIME + 77 });
  assert.equal(batches.deleteHorizonMs(batch), TIME + 77);
  assert.deepEqual(
    open(batch).map(({ timestamp }) => timestamp),
    [TIME],
  );
});

test('negative sizes of key, value and header value all stand for null', () => {
  const header = Buffer.from('02610d', 'hex'); // key of 1 byte, value size -7
  const seen = open(batchOf(body({ keySize: -5, valueSize: -2, headerCount: 1, rest: header }), 1));
  assert.deepEqual(seen, [{ offset: 0, timestamp: -1, key: null, value: null, headers: [['a', null]] }]);
});

const LIES: Record<string, () => Buffer> = {
  'more records declared than there are': () => batchOf(body({}), 2),
  'fewer records declared than there are': () => batchOf(Buffer.concat([body({}), body({})]), 1),
  'a count that the bytes cannot hold': () => batchOf(body({}), 2 ** 31 - 1),
  'a negative count': () => batchOf(body({}), -1, 0),
  'bytes after the last record': () => batchOf(Buffer.concat([body({}), Buffer.alloc(1)]), 1),
  'a negative record size': () => batchOf(body({ size: -1 }), 1),
  'a record size beyond the batch': () => batchOf(body({ size: 1000 }), 1),
  'a record size of 2^31 - 1': () => batchOf(body({ size: 2 ** 31 - 1 }), 1),
  'a record smaller than its fields': () => batchOf(body({ size: 3 }), 1),
  'a record larger than its fields': () => batchOf(body({ rest: Buffer.alloc(2) }), 1),
  'a key beyond the record': () => batchOf(body({ keySize: 2 ** 31 - 1 }), 1),
  'a value beyond the record': () => batchOf(body({ valueSize: 100 }), 1),
  'a negative header count': () => batchOf(body({ headerCount: -1 }), 1),
  'a header count of 2^31 - 1': () => batchOf(body({ headerCount: 2 ** 31 - 1 }), 1),
  'a header without a key': () => batchOf(body({ headerCount: 1, rest: Buffer.from([0x01, 0x01]) }), 1),
  'a header value beyond the record': () =>
    batchOf(body({ headerCount: 1, rest: Buffer.from([0x00, 0x7e]) }), 1),
  'a negative offset delta': () => batchOf(body({ offsetDelta: -1 }), 1),
  'an offset delta beyond the last': () => batchOf(body({ offsetDelta: 1 }), 1, 0),
  'a timestamp delta beyond 2^53': () =>
    batchOf(Buffer.from(`20 00 ${'ff'.repeat(9)}01 00 01 01 00`.replaceAll(' ', ''), 'hex'), 1),
  'a size of more than five bytes': () => batchOf(Buffer.from('ffffffffffff00', 'hex'), 1),
  'an unknown compression type': () => {
    const batch = batchOf(body({}), 1);
    batch[22] |= 5;
    return batch;
  },
};
for (const [what, make] of Object.entries(LIES)) {
  test(`refused: ${what}`, () => {
    assert.throws(() => open(make()), ProtocolError);
  });
}

test('a compressed batch that is not what it says is a CompressionError', () => {
  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const batch = buildBatch({ records: [record], compression });
    const damaged = Buffer.from(batch);
    damaged.fill(0x77, batches.BATCH_HEADER_BYTES);
    assert.throws(() => open(damaged), CompressionError);
    const large = buildBatch({ records: [{ key: null, value: Buffer.alloc(2 << 20) }], compression });
    assert.throws(() => open(large), { name: 'CompressionError', fault: 'too large' });
  }
});

test('every cut of the records is refused', () => {
  const headers = [{ key: 'h', value: Buffer.from('v') }];
  const bytes = buildBatch({ records: [{ ...record, headers }] }).subarray(batches.BATCH_HEADER_BYTES);
  for (let size = 0; size < bytes.length; size++) {
    assert.throws(() => open(batchOf(bytes.subarray(0, size), 1)), ProtocolError);
  }
});

test('a view shows one record after another and its sizes without copying', () => {
  const batch = buildBatch({ records: [record, { key: null, value: Buffer.from('abc') }] });
  const views = new Set<RecordView>();
  const sizes: number[] = [];
  forEachRecord(
    batch,
    (view) => {
      views.add(view);
      sizes.push(view.sizeBytes, view.keySizeBytes, view.valueSizeBytes);
      assert.equal(view.value?.buffer, batch.buffer);
    },
    LIMITS,
  );
  assert.equal(views.size, 1);
  assert.deepEqual([sizes[0], sizes[1], sizes[2], sizes[4], sizes[5]], [9, 1, 1, -1, 3]);
});

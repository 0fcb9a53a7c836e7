import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors, errorName } from '../protocol/errors.ts';
import * as header from '../protocol/record-batch.ts';
import { buildBatch, forEachRecord, type NewBatch } from '../protocol/records.ts';
import { RecordWalker } from './record-walker.ts';
import { DEFAULT_LOG_SETTINGS, type LogSettings } from './settings.ts';
import { validateBatch, type ValidationContext } from './validate.ts';

const NOW = 1_767_225_600_000;
const walker = new RecordWalker();

interface Case extends Omit<Partial<ValidationContext>, 'settings'> {
  readonly settings?: Partial<LogSettings>;
}

function validate(records: Buffer, change: Case = {}) {
  const settings = { ...DEFAULT_LOG_SETTINGS, ...change.settings };
  const context: ValidationContext = {
    origin: 'client',
    nextOffset: 100,
    leaderEpoch: 3,
    nowMs: NOW,
    produceVersion: 13,
    ...change,
    settings,
  };
  return validateBatch(records, context, walker);
}

function batch(change: Partial<NewBatch> = {}): Buffer {
  const value = Buffer.from('value');
  const records = [0, 1, 2].map((index) => ({
    key: Buffer.from(`k${index}`),
    value,
    timestamp: NOW + index,
  }));
  return buildBatch({ records, ...change });
}

/** Changes bytes and makes the checksum right again. */
function patched(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  change(bytes);
  header.updateCrc(bytes);
  return bytes;
}

function refusal(records: Buffer, change: Case = {}): string {
  const result = validate(records, change);
  assert.notEqual(result.errorCode, 0);
  return errorName(result.errorCode);
}

function accepted(records: Buffer, change: Case = {}): Buffer {
  const result = validate(records, change);
  assert.equal(result.errorCode, 0, 'errorMessage' in result ? result.errorMessage : '');
  assert.ok(result.batch !== undefined);
  assert.equal(header.checkBatch(result.batch), undefined);
  return result.batch;
}

test('a good batch is patched in place and gets the next offset and the leader epoch', () => {
  const bytes = batch();
  const crc = header.storedCrc(bytes);
  const result = accepted(bytes);
  assert.equal(result.buffer, bytes.buffer);
  assert.equal(header.baseOffset(bytes), 100);
  assert.equal(header.lastOffset(bytes), 102);
  assert.equal(header.partitionLeaderEpoch(bytes), 3);
  assert.equal(header.storedCrc(bytes), crc);
});

test('nothing, a part of a batch, two batches and other formats are refused by name', () => {
  assert.equal(refusal(Buffer.alloc(0)), 'INVALID_RECORD');
  assert.equal(refusal(batch().subarray(0, 90)), 'INVALID_RECORD');
  assert.equal(refusal(Buffer.concat([batch(), batch()])), 'INVALID_RECORD');
  for (const magic of [0, 1]) {
    const old = batch();
    old[header.MAGIC_POSITION] = magic;
    assert.equal(refusal(old), 'INVALID_RECORD');
  }
  const unknown = batch();
  unknown[header.MAGIC_POSITION] = 7;
  assert.equal(refusal(unknown), 'CORRUPT_MESSAGE');
  const short = batch();
  short.writeInt32BE(20, 8);
  assert.equal(refusal(short), 'CORRUPT_MESSAGE');
});

test('a part of a second batch behind the first is cut off', () => {
  const one = batch();
  const result = accepted(Buffer.concat([one, batch().subarray(0, 50)]));
  assert.equal(result.length, one.length);
});

test('any byte changed after the checksum is CORRUPT_MESSAGE', () => {
  const size = batch().length;
  for (let position = 21; position < size; position++) {
    const bytes = batch();
    bytes[position] ^= 1;
    assert.equal(refusal(bytes), 'CORRUPT_MESSAGE', `byte ${position}`);
  }
});

test('a batch cut anywhere is refused and never thrown at', () => {
  const size = batch().length;
  for (let length = 0; length < size; length++) refusal(batch().subarray(0, length));
});

test('header fields that no client may send are INVALID_RECORD', () => {
  assert.equal(refusal(batch({ baseOffset: 5 })), 'INVALID_RECORD');
  assert.equal(refusal(batch({ isControl: true })), 'INVALID_RECORD');
  assert.equal(refusal(batch({ producerId: 9, producerEpoch: 0 })), 'INVALID_RECORD');
  assert.equal(refusal(patched(batch(), (bytes) => bytes.writeInt32BE(7, 23))), 'INVALID_RECORD');
  assert.equal(refusal(patched(batch(), (bytes) => bytes.writeInt32BE(-1, 23))), 'INVALID_RECORD');
  assert.equal(refusal(patched(batch(), (bytes) => bytes.writeInt32BE(0, 57))), 'INVALID_RECORD');
  assert.equal(refusal(patched(batch(), (bytes) => bytes.writeInt32BE(-5, 57))), 'INVALID_RECORD');
  assert.equal(refusal(patched(batch(), (bytes) => bytes.writeInt16BE(5, 21))), 'INVALID_RECORD');
});

test('a coordinator may write control batches and batches that begin anywhere', () => {
  accepted(batch({ isControl: true, baseOffset: 5 }), { origin: 'coordinator' });
});

test('records that are not what the header says are INVALID_RECORD', () => {
  const fewer = patched(batch(), (bytes) => {
    bytes.writeInt32BE(2, 57);
    bytes.writeInt32BE(1, 23);
  });
  assert.equal(refusal(fewer), 'INVALID_RECORD');
  const more = patched(batch(), (bytes) => {
    bytes.writeInt32BE(4, 57);
    bytes.writeInt32BE(3, 23);
  });
  assert.equal(refusal(more), 'INVALID_RECORD');
});

test('max.message.bytes limits the batch before and after recompression', () => {
  const large = batch({
    compression: 'gzip',
    records: [{ key: null, value: Buffer.alloc(10_000), timestamp: NOW }],
  });
  assert.ok(large.length < 1000);
  accepted(Buffer.from(large), { settings: { maxMessageBytes: 1000 } });
  const uncompressed: Case = { settings: { maxMessageBytes: 1000, compressionType: 'uncompressed' } };
  assert.equal(refusal(Buffer.from(large), uncompressed), 'MESSAGE_TOO_LARGE');
  assert.equal(refusal(batch(), { settings: { maxMessageBytes: 60 } }), 'MESSAGE_TOO_LARGE');
});

test('max.decompressed.message.bytes limits each record of a compressed batch', () => {
  const settings = { maxDecompressedMessageBytes: 5000 };
  const of = (size: number): Buffer =>
    batch({ compression: 'zstd', records: [{ key: null, value: Buffer.alloc(size), timestamp: NOW }] });
  accepted(of(4900), { settings });
  assert.equal(refusal(of(5000), { settings }), 'INVALID_RECORD');
});

test('zstd needs Produce version 7', () => {
  assert.equal(
    refusal(batch({ compression: 'zstd' }), { produceVersion: 6 }),
    'UNSUPPORTED_COMPRESSION_TYPE',
  );
  accepted(batch({ compression: 'zstd' }), { produceVersion: 7 });
});

test('compressed bytes that do not decompress are INVALID_RECORD', () => {
  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const bytes = patched(batch({ compression }), (all) => all.fill(0x55, header.BATCH_HEADER_BYTES));
    assert.equal(refusal(bytes), 'INVALID_RECORD', compression);
  }
});

test('a record without a key on a compacted topic is named in the record errors', () => {
  const records = [
    { key: Buffer.from('k'), value: null, timestamp: NOW },
    { key: null, value: null, timestamp: NOW },
  ];
  const cleanupPolicy = { compact: true, delete: false };
  const result = validate(batch({ records }), { settings: { cleanupPolicy } });
  assert.equal(result.errorCode, Errors.INVALID_RECORD);
  assert.ok('recordErrors' in result);
  assert.deepEqual(
    result.recordErrors.map(({ batchIndex }) => batchIndex),
    [1],
  );
});

test('timestamps outside of the bounds are INVALID_TIMESTAMP with record errors, on the bounds they are fine', () => {
  const settings = { timestampBeforeMaxMs: 1000, timestampAfterMaxMs: 500 };
  const of = (...timestamps: number[]): Buffer =>
    batch({ records: timestamps.map((timestamp) => ({ key: null, value: null, timestamp })) });
  accepted(of(NOW - 1000, NOW + 500, -1), { settings });
  const result = validate(of(NOW, NOW - 1001, NOW + 501), { settings });
  assert.equal(result.errorCode, Errors.INVALID_TIMESTAMP);
  assert.ok('recordErrors' in result);
  assert.deepEqual(
    result.recordErrors.map(({ batchIndex }) => batchIndex),
    [1, 2],
  );
  accepted(of(NOW - 99_999, NOW + 99_999), { settings: { ...settings, timestampType: 'LogAppendTime' } });
});

test('a producer may not claim LogAppendTime where the topic has it; elsewhere it gets CreateTime and keeps its maximum', () => {
  const result = accepted(batch({ hasLogAppendTime: true, maxTimestamp: NOW + 9 }));
  assert.deepEqual([header.hasLogAppendTime(result), header.maxTimestamp(result)], [false, NOW + 9]);
  const settings = { timestampType: 'LogAppendTime' } as const;
  assert.equal(refusal(batch({ hasLogAppendTime: true }), { settings }), 'INVALID_TIMESTAMP');
});

test('with CreateTime the largest timestamp is computed anew where the producer left it out', () => {
  const result = accepted(batch({ maxTimestamp: -1 }));
  assert.equal(header.maxTimestamp(result), NOW + 2);
  const wrong = accepted(batch({ maxTimestamp: NOW + 99, compression: 'lz4' }));
  assert.equal(header.maxTimestamp(wrong), NOW + 2);
});

test('with LogAppendTime all records get the time of the append', () => {
  const result = accepted(batch({ compression: 'gzip' }), {
    settings: { timestampType: 'LogAppendTime' },
    nowMs: NOW + 77,
  });
  assert.equal(header.hasLogAppendTime(result), true);
  const timestamps: number[] = [];
  forEachRecord(result, ({ timestamp }) => timestamps.push(timestamp), { maxDecompressedBytes: 1e6 });
  assert.deepEqual(timestamps, [NOW + 77, NOW + 77, NOW + 77]);
});

for (const compressionType of ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`compression.type ${compressionType} holds whatever the producer used, and keeps all else`, () => {
    for (const compression of header.COMPRESSION_TYPES) {
      const source = batch({
        compression,
        producerId: 8,
        producerEpoch: 2,
        baseSequence: 40,
        isTransactional: true,
      });
      const result = accepted(Buffer.from(source), { settings: { compressionType } });
      assert.equal(
        header.compressionType(result),
        compressionType === 'uncompressed' ? 'none' : compressionType,
      );
      assert.deepEqual(contents(result), contents(source));
      const fields = [header.producerId(result), header.producerEpoch(result), header.baseSequence(result)];
      assert.deepEqual(fields, [8, 2, 40]);
      assert.equal(header.isTransactional(result), true);
      assert.equal(header.baseOffset(result), 100);
      assert.equal(header.partitionLeaderEpoch(result), 3);
    }
  });
}

function contents(bytes: Buffer): unknown[] {
  const found: unknown[] = [];
  const limits = { maxDecompressedBytes: 1e6 };
  forEachRecord(
    bytes,
    ({ key, value, timestamp }) => found.push([String(key), String(value), timestamp]),
    limits,
  );
  return found;
}

test('offset deltas that are not contiguous are made so, compressed ones are INVALID_RECORD', () => {
  const records = [0, 0, 0].map((offsetDelta) => ({ key: null, value: null, timestamp: NOW, offsetDelta }));
  const result = accepted(batch({ records, lastOffsetDelta: 2 }));
  const offsets: number[] = [];
  forEachRecord(result, ({ offset }) => offsets.push(offset), { maxDecompressedBytes: 1e6 });
  assert.deepEqual(offsets, [100, 101, 102]);
  const compressed = buildBatch({ records, lastOffsetDelta: 2, compression: 'gzip' });
  assert.equal(refusal(compressed), 'INVALID_RECORD');
});

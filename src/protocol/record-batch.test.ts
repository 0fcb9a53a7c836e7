import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as batches from './record-batch.ts';
import { buildBatch } from './records.ts';

const record = { key: Buffer.from('k'), value: Buffer.from('v'), timestamp: 1_700_000_000_000 };

/** A message of magic 0 or 1 (before KIP-98) with null key and value. */
function legacyMessage(magic: 0 | 1): Buffer {
  const size = magic === 0 ? 14 : 22;
  const bytes = Buffer.alloc(12 + size);
  bytes.writeInt32BE(size, 8);
  bytes[16] = magic;
  bytes.fill(0xff, bytes.length - 8);
  return bytes;
}

test('a header is read wherever in a buffer the batch begins', () => {
  const batch = buildBatch({
    records: [record, { ...record, timestamp: record.timestamp + 5 }],
    baseOffset: 2 ** 40 + 7,
    leaderEpoch: 9,
    producerId: 4000,
    producerEpoch: 3,
    baseSequence: 2 ** 31 - 1,
    compression: 'zstd',
    isTransactional: true,
  });
  const at = 13;
  const buffer = Buffer.concat([Buffer.alloc(at, 0xee), batch]);
  assert.deepEqual(
    {
      baseOffset: batches.baseOffset(buffer, at),
      sizeBytes: batches.batchSizeBytes(buffer, at),
      leaderEpoch: batches.partitionLeaderEpoch(buffer, at),
      magic: batches.magic(buffer, at),
      attributes: batches.attributes(buffer, at),
      lastOffset: batches.lastOffset(buffer, at),
      baseTimestamp: batches.baseTimestamp(buffer, at),
      maxTimestamp: batches.maxTimestamp(buffer, at),
      producerId: batches.producerId(buffer, at),
      producerEpoch: batches.producerEpoch(buffer, at),
      baseSequence: batches.baseSequence(buffer, at),
      lastSequence: batches.lastSequence(buffer, at),
      recordCount: batches.recordCount(buffer, at),
      compression: batches.compressionType(buffer, at),
      isTransactional: batches.isTransactional(buffer, at),
      isControl: batches.isControl(buffer, at),
      hasLogAppendTime: batches.hasLogAppendTime(buffer, at),
      deleteHorizonMs: batches.deleteHorizonMs(buffer, at),
      fault: batches.checkBatch(buffer, at),
    },
    {
      baseOffset: 2 ** 40 + 7,
      sizeBytes: batch.length,
      leaderEpoch: 9,
      magic: 2,
      attributes: 0x14,
      lastOffset: 2 ** 40 + 8,
      baseTimestamp: record.timestamp,
      maxTimestamp: record.timestamp + 5,
      producerId: 4000,
      producerEpoch: 3,
      baseSequence: 2 ** 31 - 1,
      lastSequence: 0,
      recordCount: 2,
      compression: 'zstd',
      isTransactional: true,
      isControl: false,
      hasLogAppendTime: false,
      deleteHorizonMs: undefined,
      fault: undefined,
    },
  );
});

test('without a position the batch at the beginning is meant', () => {
  const batch = buildBatch({
    records: [record],
    isControl: true,
    producerId: 5,
    producerEpoch: 6,
    baseSequence: 7,
  });
  const { attributes, producerId, producerEpoch, baseSequence, lastSequence, recordCount, storedCrc } =
    batches;
  const found = [attributes, producerId, producerEpoch, baseSequence, lastSequence, recordCount].map((of) =>
    of(batch),
  );
  assert.deepEqual(found, [0x20, 5, 6, 7, 7, 1]);
  assert.equal(storedCrc(batch), batch.readUInt32BE(17));
  assert.deepEqual(
    [batches.baseTimestamp, batches.maxTimestamp, batches.lastOffsetDelta].map((of) => of(batch)),
    [record.timestamp, record.timestamp, 0],
  );
});

test('base offset and leader epoch are assigned without touching the checksum', () => {
  const batch = buildBatch({ records: [record] });
  batches.setBaseOffset(batch, 0, 2 ** 53 - 1);
  batches.setPartitionLeaderEpoch(batch, 0, 2 ** 31 - 1);
  assert.equal(batches.baseOffset(batch), 2 ** 53 - 1);
  assert.equal(batches.partitionLeaderEpoch(batch), 2 ** 31 - 1);
  assert.equal(batches.checkBatch(batch), undefined);
  batches.setBaseOffset(batch, 0, -1);
  assert.equal(batches.baseOffset(batch), -1);
});

test('timestamps lie inside the checksum, which is renewed on request', () => {
  const batch = buildBatch({ records: [record], compression: 'lz4' });
  batches.setTimestamps(batch, 0, { maxTimestamp: 1_800_000_000_000, logAppendTime: true });
  assert.equal(batches.checkBatch(batch), 'invalid checksum');
  batches.updateCrc(batch);
  assert.equal(batches.checkBatch(batch), undefined);
  assert.equal(batches.hasLogAppendTime(batch), true);
  assert.equal(batches.compressionType(batch), 'lz4');
  assert.equal(batches.maxTimestamp(batch), 1_800_000_000_000);
  batches.setTimestamps(batch, 0, { maxTimestamp: -1 });
  assert.equal(batches.hasLogAppendTime(batch), false);
  assert.equal(batches.maxTimestamp(batch), -1);
});

test('a changed byte anywhere behind the checksum is noticed', () => {
  const batch = buildBatch({ records: [record] });
  for (let at = 17; at < batch.length; at++) {
    const damaged = Buffer.from(batch);
    damaged[at] ^= 0x10;
    assert.equal(batches.checkBatch(damaged), 'invalid checksum', `byte ${at}`);
  }
});

test('a batch cut off at any byte is incomplete', () => {
  const batch = buildBatch({ records: [record] });
  for (let size = 0; size < batch.length; size++) {
    assert.equal(batches.checkBatch(batch.subarray(0, size)), 'incomplete');
    assert.equal(batches.checkBatch(batch, 0, size), 'incomplete');
  }
});

test('lengths that no batch has are told from batches that are cut off', () => {
  const batch = buildBatch({ records: [record] });
  for (const length of [-(2 ** 31), -1, 0, 13, 48]) {
    batch.writeInt32BE(length, 8);
    assert.equal(batches.checkBatch(batch), 'invalid length', `length ${length}`);
  }
  batch.writeInt32BE(2 ** 31 - 1, 8);
  assert.equal(batches.checkBatch(batch), 'incomplete');
});

test('the message formats before KIP-98 and unknown ones are recognised by their magic', () => {
  for (const magic of [0, 1] as const) {
    const message = legacyMessage(magic);
    assert.equal(batches.checkBatch(message), 'unsupported magic');
    assert.equal(batches.magic(message), magic);
  }
  const batch = buildBatch({ records: [record] });
  batch[16] = 3;
  assert.equal(batches.checkBatch(batch), 'unsupported magic');
  batch[16] = 0xff;
  assert.equal(batches.magic(batch), -1);
});

test('a walk visits whole batches of any magic and stops before a partial one', () => {
  const first = buildBatch({ records: [record] });
  const old = legacyMessage(0);
  const last = buildBatch({ records: [record, record], baseOffset: 1 });
  const all = Buffer.concat([first, old, last]);
  const starts = [0, first.length, first.length + old.length];
  assert.deepEqual(batches.batchPositions(all), starts);
  assert.deepEqual(batches.batchPositions(all, first.length), starts.slice(1));
  for (let size = 0; size < all.length; size++) {
    const visited: number[] = [];
    const end = batches.forEachBatch(all.subarray(0, size), (at, sizeBytes) => visited.push(at + sizeBytes));
    assert.deepEqual(
      visited,
      [...starts.slice(1), all.length].filter((stop) => stop <= size),
    );
    assert.equal(end, visited.at(-1) ?? 0);
  }
});

test('a walk ends at a length that would not bring it forward', () => {
  for (const length of [-12, 0, 13, 48, -(2 ** 31), 2 ** 31 - 1]) {
    const batch = buildBatch({ records: [record] });
    batch.writeInt32BE(length, 8);
    assert.equal(
      batches.forEachBatch(batch, () => assert.fail('visited')),
      0,
    );
  }
});

test('a compression type that does not exist is undefined', () => {
  const batch = buildBatch({ records: [record] });
  batch[22] |= 7;
  assert.equal(batches.compressionType(batch), undefined);
});

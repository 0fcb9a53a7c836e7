import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiOf } from '../../../src/protocol/apis.ts';
import { decodeRequest } from '../../../src/protocol/frame.ts';
import { ProduceRequest } from '../../../src/protocol/messages/00-produce.ts';
import { recordCount } from '../../../src/protocol/record-batch.ts';
import { forEachRecord } from '../../../src/protocol/records.ts';
import {
  BATCH_BYTES,
  produceFrames,
  PRODUCE_VERSION,
  REQUEST_BYTES_MAX,
  sampleValues,
  type Frame,
  type FrameOptions,
} from './frames.ts';

const OPTIONS: FrameOptions = {
  topic: 'frames',
  partitions: 16,
  acks: -1,
  valueBytes: 1024,
  compression: 'none',
  seed: 1,
};
const limits = { maxDecompressedBytes: 2 * BATCH_BYTES };

function batches(frame: Frame): { index: number; records: Buffer | null }[] {
  assert.equal(frame.bytes.readInt32BE(0), frame.bytes.length - 4);
  const request = decodeRequest(apiOf(ProduceRequest.key)!, PRODUCE_VERSION, frame.bytes.subarray(4));
  return [...(request.body as ProduceRequest).topicData[0].partitionData];
}

for (const valueBytes of [100, 1024, 10_240]) {
  test(`values of ${valueBytes} B fill a batch of 16 KiB for each partition, to the last record that fits`, () => {
    const [frame] = produceFrames(1, { ...OPTIONS, valueBytes });
    const found = batches(frame);
    assert.deepEqual(
      found.map(({ index }) => index).sort((a, b) => a - b),
      [...Array(16).keys()],
    );
    for (const { records } of found) {
      assert(records!.length <= BATCH_BYTES, `${records!.length} bytes`);
      assert(records!.length + valueBytes + 12 > BATCH_BYTES, `${records!.length} bytes`);
      forEachRecord(records!, (record) => assert.equal(record.valueSizeBytes, valueBytes), limits);
    }
    assert.equal(
      frame.batchBytes,
      found.reduce((sum, { records }) => sum + records!.length, 0),
    );
    assert.equal(
      frame.records,
      found.reduce((sum, { records }) => sum + recordCount(records!), 0),
    );
  });
}

test('requests that cannot hold all partitions go around them', () => {
  const frames = produceFrames(5, { ...OPTIONS, partitions: 100 });
  const seen = new Map<number, number>();
  for (const frame of frames) {
    assert(frame.bytes.length <= REQUEST_BYTES_MAX + 4096);
    for (const { index } of batches(frame)) seen.set(index, (seen.get(index) ?? 0) + 1);
  }
  assert.equal(seen.size, 100);
  assert(Math.max(...seen.values()) - Math.min(...seen.values()) <= 1);
});

for (const compression of ['lz4', 'zstd'] as const) {
  test(`${compression}: smaller batches with the same records`, () => {
    const [plain] = produceFrames(1, OPTIONS);
    const [packed] = produceFrames(1, { ...OPTIONS, compression });
    assert(packed.batchBytes < plain.batchBytes * 0.9 && packed.batchBytes > plain.batchBytes * 0.2);
    assert.equal(packed.records, plain.records);
    const values = (frame: Frame): string[] => {
      const found: string[] = [];
      for (const { records } of batches(frame)) {
        forEachRecord(records!, ({ value }) => void found.push(value!.toString()), limits);
      }
      return found;
    };
    assert.deepEqual(values(packed), values(plain));
  });
}

test('the values are those of the seed, line by line', () => {
  const one = sampleValues({ ...OPTIONS, inFlight: 2 });
  assert.deepEqual(one, sampleValues({ ...OPTIONS, inFlight: 2 }));
  assert.notDeepEqual(one, sampleValues({ ...OPTIONS, inFlight: 2, seed: 2 }));
  assert.equal(new Set(one).size, one.length);
  assert(one.every((value) => value.length === 1024 && !value.includes('\n')));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiOf } from '../../../src/protocol/apis.ts';
import { decodeRequest, encodeWholeResponse } from '../../../src/protocol/frame.ts';
import { batchSizeBytes, checkBatch } from '../../../src/protocol/record-batch.ts';
import { forEachRecord } from '../../../src/protocol/records.ts';
import type { ProduceRequest } from '../../../src/protocol/messages/00-produce.ts';
import {
  PRODUCE_VERSION,
  ProduceFrames,
  batchBytesOf,
  checkProduced,
  stampPosition,
} from './produce-frame.ts';

const PRODUCE = apiOf(0)!;
const SHAPE = { recordBytes: 100, recordsPerBatch: 3, batchesPerRequest: 2, isStamped: true };

function answer(errorCodes: readonly number[], correlationId = 7): Buffer {
  const partitionResponses = errorCodes.map((errorCode, index) => ({
    index,
    errorCode,
    baseOffset: errorCode === 0 ? 1_000_000 : -1,
    logAppendTimeMs: -1,
    logStartOffset: 0,
    recordErrors: [],
    errorMessage: errorCode === 0 ? null : 'no',
  }));
  const body = { responses: [{ name: 'a-topic', topicId: '', partitionResponses }], throttleTimeMs: 0 };
  return encodeWholeResponse(PRODUCE, PRODUCE_VERSION, correlationId, body).subarray(4);
}

test('a stamped request is a whole request with valid batches, the time in each, to partitions in turn', () => {
  const frames = new ProduceFrames('a-topic', SHAPE);
  const request = { correlationId: 12, first: 4, partitions: 5, stampMicros: 123_456.75 };
  const frame = frames.take(request);
  assert.equal(frame.readInt32BE(0), frame.length - 4);
  assert.equal(frame.readInt32BE(8), 12);
  const body = decodeRequest(PRODUCE, PRODUCE_VERSION, frame.subarray(4)).body as ProduceRequest;
  assert.equal(body.acks, -1);
  const [{ name, partitionData }] = body.topicData;
  assert.equal(name, 'a-topic');
  assert.deepEqual(
    partitionData.map(({ index }) => index),
    [4, 0],
  );
  for (const { records } of partitionData) {
    const batch = records!;
    assert.equal(checkBatch(batch), undefined);
    assert.equal(batchSizeBytes(batch), batchBytesOf(SHAPE));
    assert.equal(batch.readDoubleBE(stampPosition(SHAPE)), 123_456.75);
    const sizes: number[] = [];
    const limits = { maxDecompressedBytes: 1_000_000 };
    forEachRecord(batch, ({ valueSizeBytes }) => void sizes.push(valueSizeBytes), limits);
    assert.deepEqual(sizes, [100, 100, 100]);
  }
});

test('a frame that was given back is used again, with its own partitions and time', () => {
  const frames = new ProduceFrames('a-topic', SHAPE);
  const first = frames.take({ correlationId: 1, first: 0, partitions: 9, stampMicros: 1 });
  const second = frames.take({ correlationId: 2, first: 0, partitions: 9, stampMicros: 2 });
  assert.notEqual(first, second);
  frames.giveBack(first);
  const third = frames.take({ correlationId: 3, first: 7, partitions: 9, stampMicros: 3 });
  assert.equal(third, first);
  const body = decodeRequest(PRODUCE, PRODUCE_VERSION, third.subarray(4)).body as ProduceRequest;
  const [{ partitionData }] = body.topicData;
  assert.deepEqual(
    partitionData.map(({ index }) => index),
    [7, 8],
  );
  assert.ok(partitionData.every(({ records }) => checkBatch(records!) === undefined));
  assert.ok(partitionData.every(({ records }) => records!.readDoubleBE(stampPosition(SHAPE)) === 3));
});

test('an answer without errors gives its correlation id', () => {
  assert.equal(checkProduced(answer([0, 0], 99), 2), 99);
});

test('an error of any partition is found, and so is an answer with another number of partitions', () => {
  assert.throws(() => checkProduced(answer([0, 6]), 2), /"errorCode":6/);
  assert.throws(() => checkProduced(answer([87, 0]), 2), /"errorCode":87/);
  assert.throws(() => checkProduced(answer([0]), 2), /refused/);
  assert.throws(() => checkProduced(answer([0, 0, 0]), 2), /refused/);
});

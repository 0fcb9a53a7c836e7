import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  ControlType,
  buildEndTransactionMarker,
  controlType,
  readEndTransactionMarker,
} from './control-records.ts';
import { isControl, isTransactional } from './record-batch.ts';
import { buildBatch, forEachRecord, type RecordView } from './records.ts';
import { ProtocolError } from './wire.ts';

const MARKER = {
  producerId: 4000,
  producerEpoch: 1,
  coordinatorEpoch: 3,
  isCommit: true,
  timestamp: 1_700_000_000_000,
  baseOffset: 10,
  leaderEpoch: 5,
};

function visit<T>(batch: Buffer, look: (record: RecordView) => T): T[] {
  const seen: T[] = [];
  forEachRecord(batch, (record) => seen.push(look(record)), { maxDecompressedBytes: 1000 });
  return seen;
}
const control = (key: string | null, value: string | null): Buffer =>
  buildBatch({
    records: [
      {
        key: key === null ? null : Buffer.from(key, 'hex'),
        value: value === null ? null : Buffer.from(value, 'hex'),
      },
    ],
    isControl: true,
  });

test("a COMMIT marker is Kafka's bytes", () => {
  assert.equal(
    buildEndTransactionMarker(MARKER).toString('hex'),
    '000000000000000a000000420000000502db9b9b4c0030000000000000018bcfe568000000018bcfe568000000' +
      '000000000fa00001ffffffff000000012000000008000000010c00000000000300',
  );
});

test('markers are read as they were written', () => {
  for (const isCommit of [true, false]) {
    const batch = buildEndTransactionMarker({ ...MARKER, isCommit });
    assert.deepEqual([isControl(batch), isTransactional(batch)], [true, true]);
    assert.deepEqual(visit(batch, readEndTransactionMarker), [{ isCommit, coordinatorEpoch: 3 }]);
  }
});

test('later versions of a marker and unknown types can be told', () => {
  assert.deepEqual(visit(control('00050001ff', '000900000007ffff'), readEndTransactionMarker), [
    { isCommit: true, coordinatorEpoch: 7 },
  ]);
  assert.deepEqual(visit(control('00000002', null), controlType), [ControlType.LEADER_CHANGE]);
  assert.deepEqual(visit(control('00000063', null), controlType), [99]);
});

test('control records that are cut off or of another kind are refused', () => {
  const faults: [string | null, string | null][] = [
    [null, '000000000003'],
    ['', '000000000003'],
    ['000000', '000000000003'],
    ['ffff0001', '000000000003'],
    ['00000001', null],
    ['00000001', ''],
    ['00000001', '0000000000'],
    ['00000001', 'ffff00000003'],
    ['00000002', '000000000003'],
  ];
  for (const [key, value] of faults) {
    assert.throws(
      () => visit(control(key, value), readEndTransactionMarker),
      ProtocolError,
      `${key} ${value}`,
    );
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildEndTransactionMarker } from '../../protocol/control-records.ts';
import { buildBatch, type NewBatch } from '../../protocol/records.ts';
import { isKafkaError } from '../errors.ts';
import { AcquiredPart } from './acquired-part.ts';

function batch(baseOffset: number, values: readonly string[], more: Partial<NewBatch> = {}): Buffer {
  const records = values.map((value) => ({ key: null, value: Buffer.from(value), timestamp: 1 }));
  return buildBatch({ records, baseOffset, leaderEpoch: 4, ...more });
}

/** `acquired`: first offset, last offset, delivery count. */
function part(batches: readonly Buffer[], acquired: readonly (readonly [number, number, number])[]) {
  const unseen: string[] = [];
  const one = new AcquiredPart(
    {
      at: { topic: 't', topicId: 'id', partition: 3 },
      nodeId: 0,
      bytes: Buffer.concat(batches),
      acquired: acquired.map(([firstOffset, lastOffset, deliveryCount]) => ({
        firstOffset,
        lastOffset,
        deliveryCount,
      })),
      lockedUntilMs: 1_000,
      hold: { isLost: false },
      batchBytesMax: 1 << 20,
      checksCrcs: true,
    },
    {
      nowMs: () => 0,
      acknowledge() {},
      renew: () => Promise.resolve(),
      onUnseen: (_part, { first, last }, why) => void unseen.push(`${why} ${first}-${last}`),
    },
  );
  const drain = (): string[] => {
    const seen: string[] = [];
    for (let record = one.next(); record !== undefined; record = one.next()) {
      seen.push(`${record.offset}=${record.text} #${record.deliveryCount}`);
    }
    return seen;
  };
  return { one, unseen, drain };
}

test('what is acquired is handed out with its delivery count, and nothing else', () => {
  const { drain, unseen } = part(
    [batch(10, ['a', 'b', 'c', 'd']), batch(14, ['e', 'f'])],
    [
      [14, 14, 1],
      [11, 12, 3],
    ],
  );
  assert.deepEqual(drain(), ['11=b #3', '12=c #3', '14=e #1']);
  assert.deepEqual(unseen, []);
});

test('acquired offsets without a record are gaps: markers, what compaction took, and behind the last record', () => {
  const marker = buildEndTransactionMarker({
    baseOffset: 3,
    producerId: 7,
    isCommit: true,
    leaderEpoch: 4,
    producerEpoch: 0,
    coordinatorEpoch: 0,
    timestamp: 1,
  });
  const { drain, unseen } = part(
    [batch(1, ['a', 'b']), marker, batch(6, ['c'], { lastOffsetDelta: 3 })],
    [[0, 9, 1]],
  );
  assert.deepEqual(drain(), ['1=a #1', '2=b #1', '6=c #1']);
  assert.deepEqual(unseen, ['gap 0-0', 'gap 3-5', 'gap 7-9']);
});

test('a gap is told when it is passed, so that what is left can be renewed as a whole', () => {
  const { one, unseen } = part([batch(1, ['a']), batch(5, ['b'])], [[1, 5, 1]]);
  assert.equal(one.next()!.offset, 1);
  assert.deepEqual(one.rest, [{ first: 2, last: 5 }]);
  assert.deepEqual(unseen, []);
  assert.equal(one.next()!.offset, 5);
  assert.deepEqual(unseen, ['gap 2-4']);
  assert.deepEqual(one.rest, []);
});

test('what was cut off, or not sent, is given back and not taken for a gap', () => {
  const cut = batch(4, ['c', 'd']);
  const { drain, unseen } = part([batch(1, ['a', 'b']), cut.subarray(0, cut.length - 1)], [[1, 5, 1]]);
  assert.deepEqual(drain(), ['1=a #1', '2=b #1']);
  assert.deepEqual(unseen, ['gap 3-3', 'cut 4-5']);
  const nothing = part([], [[8, 9, 1]]);
  assert.deepEqual(nothing.drain(), []);
  assert.deepEqual(nothing.unseen, ['cut 8-9']);
});

test('a damaged batch is rejected and told once; what follows it is handed out', () => {
  const broken = batch(3, ['x', 'y']);
  broken[broken.length - 1]! ^= 1;
  const { one, drain, unseen } = part([batch(1, ['a', 'b']), broken, batch(5, ['c'])], [[1, 5, 1]]);
  assert.equal(one.next()!.offset, 1);
  assert.equal(one.next()!.offset, 2);
  assert.throws(
    () => one.next(),
    (error) => isKafkaError(error, 'CORRUPT_MESSAGE') && /t-3 from offset 3 on/.test(error.message),
  );
  assert.deepEqual(unseen, ['damaged 3-4']);
  assert.deepEqual(drain(), ['5=c #1']);
});

test('a range without an end costs nothing', () => {
  const { drain, unseen } = part([batch(1, ['a'])], [[0, Number.MAX_SAFE_INTEGER, 1]]);
  assert.deepEqual(drain(), ['1=a #1']);
  assert.deepEqual(unseen, ['gap 0-0', `gap 2-${Number.MAX_SAFE_INTEGER}`]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildEndTransactionMarker } from '../../protocol/control-records.ts';
import { buildBatch, type NewBatch } from '../../protocol/records.ts';
import { ProtocolError } from '../../protocol/wire.ts';
import { Fetched, joined, type FetchedOptions } from './fetched.ts';

function batch(baseOffset: number, values: readonly string[], more: Partial<NewBatch> = {}): Buffer {
  const records = values.map((value) => ({ key: null, value: Buffer.from(value), timestamp: 1 }));
  return buildBatch({ records, baseOffset, leaderEpoch: 4, ...more });
}

function marker(baseOffset: number, producerId: number, isCommit: boolean): Buffer {
  const end = { baseOffset, producerId, isCommit, leaderEpoch: 4 };
  return buildEndTransactionMarker({ ...end, producerEpoch: 0, coordinatorEpoch: 0, timestamp: 1 });
}

function fetched(batches: readonly Buffer[], more: Partial<FetchedOptions> = {}): Fetched {
  return new Fetched({
    topic: 't',
    partition: 0,
    bytes: Buffer.concat(batches),
    highWatermark: 100,
    aborted: [],
    checksCrcs: true,
    batchBytesMax: 1 << 20,
    ...more,
  });
}

/** What is handed out from a position on, and where that ends. */
function drain(from: Fetched, position: number): { values: string[]; position: number } {
  const values: string[] = [];
  let at = position;
  for (let next = from.next(at); next !== undefined; next = from.next(at)) {
    for (const record of next) values.push(`${record.offset}=${record.text}`);
    at = next.nextOffset;
  }
  return { values, position: at };
}

test('batches come one after the other, from the position on, and what is cut off is left', () => {
  const batches = [
    batch(10, ['a', 'b', 'c']),
    batch(13, ['d']),
    batch(20, ['e', 'f'], { lastOffsetDelta: 4 }),
  ];
  const cut = batch(25, ['g']);
  const all = fetched([...batches, cut.subarray(0, cut.length - 1)]);
  assert.deepEqual(all.end, { offset: 25, epoch: 4 });
  assert.deepEqual(drain(all, 12), { values: ['12=c', '13=d', '20=e', '21=f'], position: 25 });
});

test('what was aborted is left out, and so are markers (KIP-98)', () => {
  const transactional = { isTransactional: true, producerEpoch: 0, baseSequence: 0 };
  const batches = [
    batch(0, ['plain']),
    batch(1, ['lost'], { ...transactional, producerId: 7 }),
    batch(2, ['kept'], { ...transactional, producerId: 8 }),
    marker(3, 7, false),
    batch(4, ['again'], { ...transactional, producerId: 7 }),
    marker(5, 8, true),
    marker(6, 7, true),
  ];
  const aborted = [{ producerId: 7, firstOffset: 1 }];
  const expected = { values: ['0=plain', '2=kept', '4=again'], position: 7 };
  assert.deepEqual(drain(fetched(batches, { aborted }), 0), expected);
  const uncommitted = drain(fetched(batches, { aborted: undefined }), 0);
  assert.deepEqual(uncommitted.values, ['0=plain', '1=lost', '2=kept', '4=again']);
});

test('a damaged batch is told when it is its turn', () => {
  const good = batch(0, ['a']);
  const bad = batch(1, ['b']);
  bad[bad.length - 2]! ^= 1;
  const all = fetched([good, bad]);
  assert.equal(all.next(0)!.records.length, 1);
  assert.throws(() => all.next(1), ProtocolError);
  assert.throws(() => all.next(1), ProtocolError);
  const unchecked = fetched([good, bad], { checksCrcs: false });
  assert.equal(drain(unchecked, 0).values.length, 2);
  const old = batch(0, ['a']);
  old[16] = 1;
  assert.throws(() => fetched([old]).next(0), ProtocolError);
  assert.throws(() => fetched([Buffer.alloc(40)]).end, ProtocolError);
});

test('joined, batches are one; damage comes out when what lies before it has been handed out', () => {
  const found = fetched([batch(10, ['a', 'b', 'c']), batch(20, ['e'])]);
  const first = joined(found, 11)!;
  assert.deepEqual(
    [first.records.map(({ text }) => text), first.nextOffset, first.leaderEpoch],
    [['b', 'c', 'e'], 21, 4],
  );
  assert.equal(joined(fetched([]), 0), undefined);
  const damaged = batch(30, ['g']);
  damaged[damaged.length - 1]! ^= 1;
  const whole = fetched([batch(10, ['a']), damaged]);
  assert.equal(joined(whole, 10)!.nextOffset, 11);
  assert.throws(() => joined(whole, 11), ProtocolError);
});

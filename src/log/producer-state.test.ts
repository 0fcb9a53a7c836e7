import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorName } from '../protocol/errors.ts';
import { decodeSnapshot, encodeSnapshot } from './producer-snapshot.ts';
import { ProducerState, type AppendOrigin, type DataBatch } from './producer-state.ts';

const INT32_MAX = 2 ** 31 - 1;

/** A log of batches of one record, as the leader does it: retries are found, the rest is checked and applied. */
class Leader {
  readonly state = new ProducerState();
  next = 0;

  append(
    producerId: number,
    epoch: number,
    sequence: number,
    options: { count?: number; origin?: AppendOrigin; transactional?: boolean; startsAtZero?: boolean } = {},
  ): string {
    const { count = 1, origin = 'client', transactional: isTransactional = false } = options;
    const last = sequence + count - 1;
    const lastSequence = last > INT32_MAX ? last - INT32_MAX - 1 : last;
    const original = this.state.findDuplicate(producerId, epoch, sequence, lastSequence);
    if (origin === 'client' && original !== undefined)
      return `duplicate of ${original.lastOffset - original.offsetDelta}`;
    const batch = { producerId, epoch, firstSequence: sequence, isTransactional };
    const refusal = this.state.check(batch, origin, options.startsAtZero ?? false);
    if (refusal !== undefined) return errorName(refusal.errorCode);
    const firstOffset = this.next;
    this.next += count;
    const data: DataBatch = {
      ...batch,
      lastSequence,
      firstOffset,
      lastOffset: this.next - 1,
      timestamp: 1000,
    };
    this.state.apply(data);
    return `at ${firstOffset}`;
  }

  mark(
    producerId: number,
    epoch: number,
    options: { isAbort?: boolean; coordinatorEpoch?: number; version?: number } = {},
  ): string {
    const { isAbort = false, coordinatorEpoch = 1, version = 1 } = options;
    const marker = {
      producerId,
      producerEpoch: epoch,
      coordinatorEpoch,
      isCommit: !isAbort,
      offset: this.next,
      timestamp: 1000,
    };
    const refusal = this.state.checkMarker(marker, version);
    if (refusal !== undefined) return errorName(refusal.errorCode);
    this.next += 1;
    const completed = this.state.applyMarker(marker);
    return completed === undefined ? 'nothing' : `${completed.firstOffset} to ${completed.lastOffset}`;
  }
}

test('item 15: a producer without state may begin with any sequence, one of transactions v2 only with 0', () => {
  const leader = new Leader();
  assert.equal(leader.append(1, 0, 55), 'at 0');
  assert.equal(
    leader.append(2, 0, 55, { transactional: true, startsAtZero: true }),
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
  );
  assert.equal(leader.append(2, 0, 0, { transactional: true, startsAtZero: true }), 'at 1');
});

test('item 15: sequences go on without gap or repetition, and a retry of one of the last five batches gets its offset', () => {
  const leader = new Leader();
  for (let sequence = 0; sequence < 7; sequence++)
    assert.equal(leader.append(1, 0, sequence), `at ${sequence}`);
  for (let sequence = 2; sequence < 7; sequence++) {
    assert.equal(leader.append(1, 0, sequence), `duplicate of ${sequence}`);
  }
  assert.equal(leader.append(1, 0, 1), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  assert.equal(leader.append(1, 0, 8), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  assert.equal(leader.append(1, 0, 6, { count: 2 }), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
});

test('item 15: sequences go from 2^31 - 1 to 0, also within a batch, and retries across that are found', () => {
  const leader = new Leader();
  assert.equal(leader.append(1, 0, INT32_MAX - 1), 'at 0');
  assert.equal(leader.append(1, 0, INT32_MAX, { count: 3 }), 'at 1');
  assert.equal(leader.append(1, 0, INT32_MAX, { count: 3 }), 'duplicate of 1');
  assert.equal(leader.append(1, 0, 2), 'at 4');
  const other = new Leader();
  other.append(1, 0, INT32_MAX);
  assert.equal(other.append(1, 0, 0), 'at 1');
});

test('item 15: a new epoch begins at 0, an older one is INVALID_PRODUCER_EPOCH', () => {
  const leader = new Leader();
  leader.append(1, 3, 0);
  assert.equal(leader.append(1, 4, 1), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  assert.equal(leader.append(1, 4, 0), 'at 1');
  assert.equal(leader.append(1, 3, 1), 'INVALID_PRODUCER_EPOCH');
  assert.equal(leader.append(1, 3, 1, { origin: 'coordinator' }), 'INVALID_PRODUCER_EPOCH');
});

test('item 15: an epoch below -1 is INVALID_PRODUCER_EPOCH, also of a producer without state', () => {
  const leader = new Leader();
  assert.equal(leader.append(1, -2, 0), 'INVALID_PRODUCER_EPOCH');
});

test('what a coordinator writes has no sequences, what is replicated is not checked', () => {
  const leader = new Leader();
  leader.append(1, 3, 0);
  assert.equal(leader.append(1, 3, -1, { origin: 'coordinator' }), 'at 1');
  assert.equal(leader.append(1, 1, 77, { origin: 'replication' }), 'at 2');
});

test('within a transaction nothing may be written outside of it', () => {
  const leader = new Leader();
  leader.append(1, 0, 0, { transactional: true });
  assert.equal(leader.append(1, 0, 1), 'INVALID_TXN_STATE');
  assert.equal(leader.append(1, 0, 1, { transactional: true }), 'at 1');
  assert.equal(leader.mark(1, 0), '0 to 2');
  assert.equal(leader.append(1, 0, 2), 'at 3');
});

test('item 20: a marker needs an epoch that is not lower, and a higher one to end a transaction of v2', () => {
  const leader = new Leader();
  leader.append(1, 5, 0, { transactional: true });
  assert.equal(leader.mark(1, 4), 'INVALID_PRODUCER_EPOCH');
  assert.equal(leader.mark(1, 5, { version: 2 }), 'INVALID_PRODUCER_EPOCH');
  assert.equal(leader.mark(1, 6, { version: 2, isAbort: true }), '0 to 1');
  // Once more from a coordinator that has not heard of the first, as Kafka 4.4 takes it.
  assert.equal(leader.mark(1, 6, { version: 2 }), 'nothing');
  assert.equal(leader.mark(1, 6), 'nothing');
  leader.append(1, 6, 0, { transactional: true });
  assert.equal(leader.mark(1, 6, { version: 2 }), 'INVALID_PRODUCER_EPOCH');
});

test('a marker of an older coordinator is TRANSACTION_COORDINATOR_FENCED', () => {
  const leader = new Leader();
  leader.append(1, 0, 0, { transactional: true });
  leader.mark(1, 0, { coordinatorEpoch: 7 });
  assert.equal(leader.mark(1, 0, { coordinatorEpoch: 6 }), 'TRANSACTION_COORDINATOR_FENCED');
});

test('item 21: the first unstable offset is that of the oldest transaction that is open, or whose marker may be lost', () => {
  const leader = new Leader();
  const { state } = leader;
  assert.equal(state.firstUnstableOffset(), undefined);
  leader.append(1, 0, 0, { transactional: true });
  leader.append(2, 0, 0, { transactional: true });
  assert.equal(state.firstUnstableOffset(), 0);
  leader.mark(1, 0);
  state.onHighWatermark(2);
  assert.equal(state.firstUnstableOffset(), 0);
  state.onHighWatermark(3);
  assert.equal(state.firstUnstableOffset(), 1);
  leader.mark(2, 0);
  state.onHighWatermark(4);
  assert.equal(state.firstUnstableOffset(), undefined);
});

test('item 15: producers expire after producer.id.expiration.ms, but not within a transaction', () => {
  const leader = new Leader();
  leader.append(1, 0, 0);
  leader.append(2, 0, 0, { transactional: true });
  leader.state.removeExpired(1999, 1000);
  assert.equal(leader.state.count, 2);
  leader.state.removeExpired(2000, 1000);
  assert.deepEqual(
    [...leader.state.entries()].map(({ producerId }) => producerId),
    [2],
  );
});

/** One step of a producer that may retry, skip, begin an epoch anew, or end its transaction. */
const step = fc.record({
  producerId: fc.integer({ min: 1, max: 3 }),
  epoch: fc.integer({ min: 0, max: 2 }),
  sequence: fc.integer({ min: 0, max: 6 }),
  count: fc.integer({ min: 1, max: 3 }),
  isMarker: fc.boolean(),
  transactional: fc.boolean(),
});

test('whatever is asked, no sequence of an epoch is ever appended twice and none is skipped', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const leader = new Leader();
      const appended = new Map<string, number>();
      for (const { producerId, epoch, sequence, count, isMarker, transactional } of steps) {
        if (isMarker) {
          leader.mark(producerId, epoch);
          continue;
        }
        const known = leader.state.get(producerId);
        const answer = leader.append(producerId, epoch, sequence, { count, transactional });
        if (!answer.startsWith('at')) continue;
        if (known !== undefined && known.epoch === epoch && appended.has(`${producerId} ${epoch}`)) {
          assert.equal(appended.get(`${producerId} ${epoch}`), sequence);
        }
        appended.set(`${producerId} ${epoch}`, sequence + count);
      }
    }),
  );
});

test('a snapshot holds the whole state with all retained batches, and damage to any byte is noticed', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const leader = new Leader();
      for (const { producerId, epoch, sequence, count, isMarker, transactional } of steps) {
        if (isMarker) leader.mark(producerId, epoch);
        else leader.append(producerId, epoch, sequence, { count, transactional });
      }
      const bytes = encodeSnapshot(leader.state.entries());
      const entries = decodeSnapshot(bytes)!;
      assert.deepEqual(entries, [...leader.state.entries()]);
      const restored = new ProducerState();
      for (const entry of entries) restored.restore(entry);
      restored.sortTransactions();
      leader.state.onHighWatermark(Infinity);
      assert.equal(restored.firstUnstableOffset(), leader.state.firstUnstableOffset());
    }),
    { numRuns: 50 },
  );
  const leader = new Leader();
  leader.append(1, 0, 0);
  const bytes = encodeSnapshot(leader.state.entries());
  for (let position = 0; position < bytes.length; position++) {
    const damaged = Buffer.from(bytes);
    damaged[position] ^= 0x10;
    assert.equal(decodeSnapshot(damaged), undefined, `byte ${position}`);
    assert.equal(decodeSnapshot(bytes.subarray(0, position)), undefined, `cut at ${position}`);
  }
});

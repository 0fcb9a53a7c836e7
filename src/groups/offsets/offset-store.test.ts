/** Offsets in open transactions, as the log tells of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_UUID } from '../../base/uuid.ts';
import { Journal } from '../../coordinator/journal.ts';
import { OffsetStore } from './offset-store.ts';

const AT = { groupId: 'g', topic: 't', partition: 0 };

class Replay {
  readonly journal = new Journal();
  readonly store = new OffsetStore(this.journal);
  #next = 0;

  commit(offset: number, producerId = -1, of = AT): void {
    const value = {
      offset,
      leaderEpoch: -1,
      metadata: '',
      commitTimestamp: 0,
      expireTimestamp: -1,
      topicId: ZERO_UUID,
    };
    this.journal.at(this.#next);
    this.store.replayCommit(of, value, { offset: this.#next++, producerId, producerEpoch: 0 });
  }
  tombstone(of = AT): void {
    this.journal.at(this.#next++);
    this.store.replayTombstone(of);
  }
  end(producerId: number, committed: boolean): void {
    this.journal.at(this.#next);
    this.store.replayMarker({ producerId, producerEpoch: 0, committed, offset: this.#next++ });
  }
  get offset(): number | undefined {
    return this.store.get(AT)?.offset;
  }
}

test("item 23: a transaction's offset is invisible until the transaction commits", () => {
  const replay = new Replay();
  replay.commit(1);
  replay.commit(2, 10);
  assert.deepEqual(
    [replay.offset, replay.store.hasPending(AT), replay.store.hasPendingOf('g')],
    [1, true, true],
  );
  replay.end(10, true);
  assert.deepEqual(
    [replay.offset, replay.store.hasPending(AT), replay.store.hasPendingOf('g')],
    [2, false, false],
  );
});

test('item 23: an aborted transaction leaves the offset as it was', () => {
  const replay = new Replay();
  replay.commit(1);
  replay.commit(2, 10);
  replay.end(10, false);
  assert.deepEqual([replay.offset, replay.store.hasPending(AT)], [1, false]);
});

test('item 23: between a plain and a transactional commit the one later in the log wins, whenever the marker comes', () => {
  const replay = new Replay();
  replay.commit(1, 10);
  replay.commit(2);
  replay.end(10, true);
  assert.equal(replay.offset, 2);
});

test('item 23: several open transactions on one partition: it is unstable until the last one ends', () => {
  const replay = new Replay();
  replay.commit(1, 10);
  replay.commit(2, 11);
  replay.commit(3, 11);
  replay.end(11, true);
  assert.deepEqual([replay.offset, replay.store.hasPending(AT)], [3, true]);
  replay.end(10, true);
  assert.deepEqual(
    [replay.offset, replay.store.hasPending(AT), replay.store.hasPendingOf('g')],
    [3, false, false],
  );
});

test('a tombstone takes the pending offsets of its partition away, and no others', () => {
  const replay = new Replay();
  const other = { ...AT, partition: 1 };
  replay.commit(1, 10);
  replay.commit(2, 10, other);
  replay.tombstone();
  assert.deepEqual([replay.store.hasPending(AT), replay.store.hasPending(other)], [false, true]);
  replay.end(10, true);
  assert.deepEqual([replay.offset, replay.store.get(other)?.offset], [undefined, 2]);
});

test('a rollback brings pending offsets back too', () => {
  const replay = new Replay();
  replay.commit(1, 10);
  replay.end(10, true);
  replay.journal.rollBackTo(1);
  assert.deepEqual([replay.offset, replay.store.hasPending(AT)], [undefined, true]);
  replay.journal.rollBackTo(0);
  replay.store.sweep();
  assert.deepEqual([replay.store.hasPendingOf('g'), [...replay.store.groupIds()]], [false, []]);
});

test('group ids with any characters do not get mixed up', () => {
  const replay = new Replay();
  replay.commit(1, 10, { groupId: '0/g', topic: 't', partition: 0 });
  assert.equal(replay.store.hasPending({ groupId: 'g', topic: 't', partition: 0 }), false);
  assert.deepEqual([...replay.store.pendingOf('0/g')], [{ groupId: '0/g', topic: 't', partition: 0 }]);
  assert.deepEqual([...replay.store.pendingOfTopics(new Set(['t']))].length, 1);
});

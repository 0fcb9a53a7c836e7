/** Transactions in a coordinator's log: what is written in one, the markers that end it, and both read back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import * as header from '../protocol/record-batch.ts';
import { PRODUCER, put, World } from './test-shard-world.ts';

test('item 23: what a transaction writes goes into a batch of its own, marked with its producer, at once', async () => {
  const world = await World.active();
  world.put('before', 1);
  world.putInTransaction('a', 2, { ...PRODUCER, verification: 'ongoing' });
  world.put('after', 3);
  assert.deepEqual(world.log.batchCounts(), [1, 1]);
  await world.time.advance(1);
  assert.deepEqual(
    world.log.batches.map((batch) => [
      header.isTransactional(batch),
      header.producerId(batch),
      header.producerEpoch(batch),
    ]),
    [
      [false, -1, -1],
      [true, 40, 3],
      [false, -1, -1],
    ],
  );
  assert.deepEqual(world.machine.replayed, ['0: before=1 of -1/-1', '1: a=2 of 40/3', '2: after=3 of -1/-1']);
  assert.deepEqual(world.outcomes, { before: 'reply 1', a: 'reply', after: 'reply 3' });
  assert.equal(world.log.appendOptions[1].verification, 'ongoing');
});

test('item 23: a marker follows all that was written before it, and is answered once it is committed', async () => {
  const world = await World.active();
  world.log.isCommittedAtOnce = false;
  world.putInTransaction('a', 1);
  world.put('b', 2);
  world.end('end', { transactionVersion: 2 });
  world.put('c', 3);
  await world.time.advance(1);
  assert.deepEqual(world.machine.replayed.slice(1), [
    '1: b=2 of -1/-1',
    '2: commit of 40/3',
    '3: c=3 of -1/-1',
  ]);
  assert.deepEqual(
    world.log.batches.map((batch) => header.isControl(batch)),
    [false, false, true, false],
  );
  assert.equal(world.log.appendOptions[2].markerTransactionVersion, 2);
  assert.deepEqual([world.outcomes, world.state, world.committedState], [{}, { a: 1, b: 2, c: 3 }, {}]);
  world.log.commit(3);
  assert.deepEqual(world.outcomes, { a: 'reply', b: 'reply 2', end: 'reply' });
  assert.deepEqual(world.committedState, { a: 1, b: 2 });
});

test('item 23: an aborted transaction leaves nothing', async () => {
  const world = await World.active();
  world.putInTransaction('a', 1);
  world.end('end', { isCommit: false });
  assert.deepEqual([world.outcomes, world.state], [{ a: 'reply', end: 'reply' }, {}]);
});

test('a transactional write that the log refuses is undone alone: what came before it stays', async () => {
  const world = await World.active();
  world.put('before', 1);
  const { append } = world.log;
  world.log.append = (batch, options) =>
    header.isTransactional(batch)
      ? { errorCode: Errors.INVALID_TXN_STATE, baseOffset: -1, lastOffset: -1 }
      : append.call(world.log, batch, options);
  world.putInTransaction('a', 2);
  world.put('after', 3);
  await world.time.advance(1);
  assert.deepEqual(world.outcomes, {
    before: 'reply 1',
    a: `fail ${Errors.INVALID_TXN_STATE}`,
    after: 'reply 3',
  });
  assert.deepEqual([world.state, world.journal.size], [{ before: 1, after: 3 }, 0]);
});

test('a marker that the log refuses leaves the transaction open', async () => {
  const world = await World.active();
  world.putInTransaction('a', 1);
  world.log.appendError = Errors.INVALID_PRODUCER_EPOCH;
  world.end('refused');
  assert.equal(world.outcome('refused'), `fail ${Errors.INVALID_PRODUCER_EPOCH}`);
  assert.deepEqual([world.state, world.journal.size], [{ '40/a': 1 }, 0]);
  world.log.appendError = 0;
  world.end('later');
  assert.deepEqual(world.state, { a: 1 });
});

test('when what waits cannot be written, a transactional write and a marker still can', async () => {
  const world = await World.active();
  world.put('lost', 1);
  const { append } = world.log;
  let failures = 1;
  world.log.append = (batch, options) =>
    failures-- > 0
      ? { errorCode: Errors.NOT_ENOUGH_REPLICAS, baseOffset: -1, lastOffset: -1 }
      : append.call(world.log, batch, options);
  world.putInTransaction('a', 2);
  failures = 1;
  world.put('lost too', 3);
  world.end('end');
  assert.deepEqual(world.outcomes, { lost: 'fail 19', a: 'reply', 'lost too': 'fail 19', end: 'reply' });
  assert.deepEqual(world.state, { a: 2 });
});

test('an operation that begins when another is settled gets no place in the transaction', async () => {
  const world = await World.active();
  let settledOnce = false;
  world.machine.onSettled = (turn) => {
    if (!settledOnce) turn.append(put('then', 9));
    settledOnce = true;
  };
  world.shard.write((turn) => {
    turn.append(put('first', 1));
    turn.whenSettled('first');
  }, world.done('first'));
  world.putInTransaction('a', 2);
  await world.time.advance(1);
  assert.deepEqual(world.machine.replayed, ['0: first=1 of -1/-1', '1: then=9 of -1/-1', '2: a=2 of 40/3']);
});

test('a transaction writes all or nothing, and without records it waits for what it has seen', async () => {
  const world = await World.active();
  world.log.maxBytes = 200;
  const many = Array.from({ length: 20 }, (_, n) => put(`n${n}`, n));
  world.shard.writeInTransaction(
    (turn) => {
      turn.append(...many);
    },
    PRODUCER,
    world.done('many'),
  );
  assert.deepEqual([world.outcomes, world.state], [{ many: `fail ${Errors.MESSAGE_TOO_LARGE}` }, {}]);
  world.log.isCommittedAtOnce = false;
  world.put('a', 1);
  world.shard.writeInTransaction(() => undefined, PRODUCER, world.done('empty'));
  assert.equal(world.outcome('empty'), undefined);
  world.log.commit();
  assert.equal(world.outcome('empty'), 'reply');
});

test('transactions are refused while the shard loads and when it is closed', async () => {
  const world = new World();
  world.putInTransaction('early', 1);
  world.end('early end');
  const loading = `fail ${Errors.COORDINATOR_LOAD_IN_PROGRESS}`;
  assert.deepEqual(world.outcomes, { early: loading, 'early end': loading });
  await world.time.settle(world.shard.load());
  world.log.isCommittedAtOnce = false;
  world.end('waiting');
  world.shard.unload();
  world.end('late end');
  const gone = `fail ${Errors.NOT_COORDINATOR}`;
  assert.deepEqual([world.outcome('waiting'), world.outcome('late end')], [gone, gone]);
});

test('item 23: a restart replays open transactions as open, and ended ones as they ended', async () => {
  const world = await World.active();
  world.putInTransaction('kept', 1, { producerId: 1, producerEpoch: 0 });
  world.putInTransaction('dropped', 2, { producerId: 2, producerEpoch: 7 });
  world.putInTransaction('open', 3, { producerId: 3, producerEpoch: 1 });
  world.end('commit', { producerId: 1, producerEpoch: 0 });
  world.end('abort', { producerId: 2, producerEpoch: 7, isCommit: false });
  const next = await World.active(world.log.copy());
  assert.deepEqual(next.machine.replayed, world.machine.replayed);
  assert.deepEqual(next.state, { kept: 1, '3/open': 3 });
});

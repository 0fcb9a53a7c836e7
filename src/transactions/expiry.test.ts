import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { SLICE_MAX } from './expiry.ts';
import { Scene, TIMEOUT_MS } from './transaction-scene-contract.ts';

const INTERVAL_MS = 10_000;
const WEEK_MS = 604_800_000;

test('a transaction past its timeout is aborted at the next look, with a raised epoch in the markers', async () => {
  for (const version of [0, 1, 2]) {
    const scene = await Scene.begin();
    scene.transactionVersion = version;
    const producer = await scene.producer();
    await scene.time.advance(50_000);
    await scene.add(producer, ['t-0'], { clientVersion: version });
    await scene.time.advance(TIMEOUT_MS);
    assert.equal(scene.state(), 'Ongoing');
    await scene.time.advance(INTERVAL_MS + 10);
    assert.equal(scene.state(), 'CompleteAbort');
    assert.deepEqual(scene.markers(), ['t-0 abort 1000:1']);
    assert.equal(scene.desk.taken[0].transactionVersion, version);
    assert.equal(await scene.add(producer), Errors.PRODUCER_FENCED);
    const committed = await scene.end(producer, true, { clientVersion: version });
    // A v2 client that asks for the end it cannot have is told so; one before is just fenced.
    assert.equal(committed.errorCode, version === 2 ? Errors.INVALID_TXN_STATE : Errors.PRODUCER_FENCED);
  }
});

test('a transaction that a clock in the future has begun is aborted when its timeout has passed all the same', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  scene.jumpWallClock(WEEK_MS);
  await scene.add(producer, ['t-0'], { clientVersion: 2 });
  scene.jumpWallClock(-WEEK_MS);
  await scene.time.advance(TIMEOUT_MS);
  assert.equal(scene.state(), 'Ongoing');
  await scene.time.advance(2 * INTERVAL_MS);
  assert.equal(scene.state(), 'CompleteAbort');
});

test('transactions that are not open, and those of two-phase commits, never time out', async () => {
  const scene = await Scene.begin();
  scene.settings.transactions.twoPhaseCommitEnable = true;
  const idle = await scene.producer('idle');
  await scene.add(idle, ['t-0'], { id: 'idle' });
  await scene.end(idle, true, { id: 'idle' });
  const { producerId, producerEpoch } = await scene.init({ id: 'two', enable2Pc: true });
  await scene.add({ producerId, producerEpoch }, ['t-1'], { id: 'two' });
  await scene.time.advance(3_600_000);
  assert.deepEqual([scene.state('idle'), scene.state('two')], ['CompleteCommit', 'Ongoing']);
});

test('however many transactions time out at once, all are aborted', async () => {
  const scene = await Scene.begin();
  const count = SLICE_MAX * 2 + 5;
  const ids = Array.from({ length: count }, (_, n) => `tx${n}`);
  const begun = ids.map(async (id) => {
    const { producerId, producerEpoch } = await scene.coordinator.initProducerId({
      transactionalId: id,
      transactionTimeoutMs: 1000,
      enableTwoPhaseCommit: false,
      keepPreparedTransaction: false,
      expected: undefined,
    });
    const of = { transactionalId: id, producerId, producerEpoch, partitions: [{ topic: 't', partition: 0 }] };
    await scene.coordinator.addPartitions({ ...of, clientVersion: 2 });
  });
  await scene.time.settle(Promise.all(begun));
  await scene.time.advance(2 * INTERVAL_MS);
  assert.equal(scene.desk.taken.length, count);
  assert.ok(ids.every((id) => scene.state(id) === 'CompleteAbort'));
});

test('an abort for timeout that cannot be written is tried again at the next look', async () => {
  const scene = await Scene.begin();
  await scene.add(await scene.producer());
  scene.log.appendError = Errors.NOT_ENOUGH_REPLICAS;
  await scene.time.advance(TIMEOUT_MS + INTERVAL_MS * 3);
  assert.equal(scene.state(), 'Ongoing');
  scene.log.appendError = 0;
  await scene.time.advance(INTERVAL_MS);
  assert.deepEqual([scene.state(), scene.markers()], ['CompleteAbort', ['t-0 abort 1000:1']]);
});

test('an id without transactions for transactional.id.expiration.ms is removed, an open one is not', async () => {
  const scene = await Scene.begin();
  scene.settings.transactions.maxTimeoutMs = 2 ** 31 - 2;
  await scene.init({ id: 'empty' });
  const done = await scene.producer('done');
  await scene.add(done, ['t-0'], { id: 'done' });
  await scene.end(done, false, { id: 'done' });
  const { producerId, producerEpoch } = await scene.init({ id: 'open', timeoutMs: 2 ** 31 - 2 });
  await scene.add({ producerId, producerEpoch }, ['t-0'], { id: 'open' });
  await scene.time.advance(WEEK_MS - 3_600_000);
  assert.deepEqual([scene.state('empty'), scene.state('done')], ['Empty', 'CompleteAbort']);
  await scene.time.advance(2 * 3_600_000);
  assert.equal(scene.coordinator.describe('empty').errorCode, Errors.TRANSACTIONAL_ID_NOT_FOUND);
  assert.equal(scene.coordinator.describe('done').errorCode, Errors.TRANSACTIONAL_ID_NOT_FOUND);
  assert.equal(scene.state('open'), 'Ongoing');
  assert.deepEqual(scene.written().slice(-2), ['-', '-']);
  assert.equal((await scene.end(done, false, { id: 'done' })).errorCode, Errors.INVALID_PRODUCER_ID_MAPPING);
  const next = await scene.failover();
  assert.equal(next.coordinator.describe('done').errorCode, Errors.TRANSACTIONAL_ID_NOT_FOUND);
  assert.equal((await next.init({ id: 'done' })).producerId, 1003);
});

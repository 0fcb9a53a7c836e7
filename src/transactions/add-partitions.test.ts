import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { Scene } from './transaction-scene-contract.ts';

test('partitions are added to what is there, and what is there already is not written again', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  assert.equal(await scene.add(producer, ['t-0', 't-1']), Errors.NONE);
  assert.equal(await scene.add(producer, ['t-1', 't-0']), Errors.NONE);
  assert.equal(await scene.add(producer, ['t-1', 'u-5']), Errors.NONE);
  assert.deepEqual(scene.written(), ['Empty', 'Ongoing', 'Ongoing']);
  assert.deepEqual(scene.values().at(-1)!.transactionPartitions, [
    { topic: 't', partitionIds: [0, 1] },
    { topic: 'u', partitionIds: [5] },
  ]);
});

test('the transaction began when its first partition was added', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.time.advance(5_000);
  await scene.add(producer);
  const { transactionStartTimeMs } = scene.coordinator.describe('tx');
  await scene.time.advance(5_000);
  await scene.add(producer, ['t-1']);
  assert.equal(scene.coordinator.describe('tx').transactionStartTimeMs, transactionStartTimeMs);
  assert.ok(scene.values().at(-1)!.transactionLastUpdateTimestampMs >= transactionStartTimeMs + 5_000);
  await scene.endAndGoOn(producer, true);
  await scene.add(producer);
  assert.ok(scene.coordinator.describe('tx').transactionStartTimeMs >= transactionStartTimeMs + 5_000);
});

test('adding is refused to strangers, old epochs and while the transaction before is being completed', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  assert.equal(await scene.add(producer, ['t-0'], { id: 'other' }), Errors.INVALID_PRODUCER_ID_MAPPING);
  assert.equal(await scene.add(producer, ['t-0'], { id: '' }), Errors.INVALID_REQUEST);
  assert.equal(await scene.add({ ...producer, producerId: 3 }), Errors.INVALID_PRODUCER_ID_MAPPING);
  assert.equal(await scene.add({ ...producer, producerEpoch: 1 }), Errors.PRODUCER_FENCED);
  await scene.add(producer);
  scene.desk.isHeld = true;
  const { producerId, producerEpoch } = await scene.end(producer, true);
  assert.equal(await scene.add({ producerId, producerEpoch }), Errors.CONCURRENT_TRANSACTIONS);
  scene.desk.release();
  await scene.time.advance(1);
  assert.equal(await scene.add({ producerId, producerEpoch }), Errors.NONE);
});

test('item 20: verifying adds nothing, and tells of each partition whether it is in', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.add(producer, ['t-0']);
  assert.deepEqual(await scene.verify(producer, ['t-0', 't-1']), [Errors.NONE, Errors.TRANSACTION_ABORTABLE]);
  const all = async (of: typeof producer, id?: string) => (await scene.verify(of, ['t-0'], id))[0];
  assert.equal(await all({ ...producer, producerId: 2 }), Errors.INVALID_PRODUCER_ID_MAPPING);
  assert.equal(await all({ ...producer, producerEpoch: 4 }), Errors.PRODUCER_FENCED);
  assert.equal(await all(producer, 'other'), Errors.INVALID_PRODUCER_ID_MAPPING);
  assert.equal(await all(producer, ''), Errors.INVALID_REQUEST);
  scene.desk.isHeld = true;
  const next = await scene.end(producer, true);
  assert.equal(await all(next), Errors.CONCURRENT_TRANSACTIONS);
  scene.desk.release();
  await scene.time.advance(1);
  assert.equal(await all(next), Errors.TRANSACTION_ABORTABLE);
  assert.equal(scene.written().length, 4);
});

test('item 20: a leader that asks is told what producers understand, and waits a little for the transaction before', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  const ensure = async (of: typeof producer, canAdd: boolean) => {
    const partitions = [{ topic: 't', partition: 0 }];
    const asked = scene.coordinator.ensureAll({ transactionalId: 'tx', ...of, partitions, canAdd });
    return (await scene.time.settle(asked))[0];
  };
  assert.equal(await ensure(producer, false), Errors.TRANSACTION_ABORTABLE);
  assert.equal(await ensure(producer, true), Errors.NONE);
  assert.equal(await ensure(producer, false), Errors.NONE);
  assert.equal(await ensure({ ...producer, producerEpoch: 7 }, true), Errors.INVALID_PRODUCER_EPOCH);
  scene.desk.isHeld = true;
  const next = await scene.end(producer, true);
  const startMs = scene.time.nowMs();
  assert.equal(await ensure(next, false), Errors.CONCURRENT_TRANSACTIONS);
  assert.equal(scene.time.nowMs(), startMs);
  assert.equal(await ensure(next, true), Errors.CONCURRENT_TRANSACTIONS);
  assert.equal(scene.time.nowMs() - startMs, 100);
  const laterMs = scene.time.nowMs();
  scene.time.schedule(33, () => scene.desk.release());
  assert.equal(await ensure(next, true), Errors.NONE);
  assert.equal(scene.time.nowMs() - laterMs, 33);
  assert.deepEqual(scene.written().slice(-2), ['CompleteCommit', 'Ongoing']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors, errorName } from '../protocol/errors.ts';
import { Scene, type Producer } from './transaction-scene-contract.ts';

test('item 20: a commit with v2 answers the raised epoch, and the markers carry it', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.add(producer, ['t-0', 't-1']);
  const answer = await scene.end(producer, true);
  assert.deepEqual(answer, { errorCode: Errors.NONE, producerId: 1000, producerEpoch: 1 });
  await scene.time.advance(1);
  assert.deepEqual(scene.markers(), ['t-0 commit 1000:1', 't-1 commit 1000:1']);
  assert.deepEqual(
    scene.desk.taken.map(({ transactionVersion, coordinatorEpoch }) => [
      transactionVersion,
      coordinatorEpoch,
    ]),
    [
      [2, 0],
      [2, 0],
    ],
  );
  assert.deepEqual(scene.written(), ['Empty', 'Ongoing', 'PrepareCommit', 'CompleteCommit']);
});

test('item 20: before v2 the epoch stays, and the answer holds none', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.add(producer, ['t-0'], { clientVersion: 0 });
  const answer = await scene.end(producer, false, { clientVersion: 0 });
  assert.deepEqual(answer, { errorCode: Errors.NONE, producerId: -1, producerEpoch: -1 });
  await scene.time.advance(1);
  assert.deepEqual(scene.markers(), ['t-0 abort 1000:0']);
  assert.equal(scene.desk.taken[0].transactionVersion, 0);
  assert.equal(await scene.add(producer, ['t-0'], { clientVersion: 0 }), Errors.NONE);
});

test('the outcome is committed before the first marker, and the end is written after the last', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.add(producer, ['t-0', 't-1']);
  scene.log.isCommittedAtOnce = false;
  scene.desk.refusals.set('t-1', Errors.NOT_LEADER_OR_FOLLOWER);
  void scene.coordinator.endTransaction({
    transactionalId: 'tx',
    ...producer,
    isCommit: true,
    clientVersion: 2,
  });
  await scene.time.advance(1000);
  assert.deepEqual([scene.written().at(-1), scene.desk.attempts], ['PrepareCommit', 0]);
  scene.log.commit();
  await scene.time.advance(1000);
  assert.deepEqual([scene.written().at(-1), scene.markers()], ['PrepareCommit', ['t-0 commit 1000:1']]);
  scene.desk.refusals.clear();
  await scene.time.advance(1000);
  assert.equal(scene.written().at(-1), 'CompleteCommit');
  assert.deepEqual(scene.markers(), ['t-0 commit 1000:1', 't-1 commit 1000:1']);
});

test('an outcome whose commit takes longer than the request still gets its markers', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.add(producer);
  scene.log.isCommittedAtOnce = false;
  const answer = await scene.end(producer, true);
  assert.equal(answer.errorCode, Errors.COORDINATOR_NOT_AVAILABLE);
  await scene.time.advance(100_000);
  assert.equal(scene.desk.attempts, 0);
  scene.log.isCommittedAtOnce = true;
  scene.log.commit();
  await scene.time.advance(1);
  assert.equal(scene.state(), 'CompleteCommit');
  // The client asks again, and is told what it would have been told.
  assert.deepEqual(await scene.end(producer, true), { errorCode: 0, producerId: 1000, producerEpoch: 1 });
});

type Situation = 'Empty' | 'Ongoing' | 'PrepareCommit' | 'PrepareAbort' | 'CompleteCommit' | 'CompleteAbort';

/** A transaction in that state, and the producer as it was when it asked for the end. */
async function inState(situation: Situation, version: number): Promise<{ scene: Scene; producer: Producer }> {
  const scene = await Scene.begin();
  // The epoch is above 0, so that there is one before it.
  await scene.producer();
  const producer = await scene.producer();
  if (situation === 'Empty') return { scene, producer };
  await scene.add(producer, ['t-0'], { clientVersion: version });
  if (situation === 'Ongoing') return { scene, producer };
  scene.desk.isHeld = true;
  await scene.end(producer, situation.endsWith('Commit'), { clientVersion: version });
  if (situation.startsWith('Complete')) scene.desk.release();
  await scene.time.advance(1);
  assert.equal(scene.state(), situation);
  return { scene, producer };
}

const NONE = 'NONE';
const ITS = 'INVALID_TXN_STATE';
const FENCED = 'PRODUCER_FENCED';
const BUSY = 'CONCURRENT_TRANSACTIONS';

test("item 20: EndTxn v5 in each state, repeated (epoch before) and anew (present epoch), as in Kafka's table", async () => {
  // abort repeated, abort anew, commit repeated, commit anew
  const table: Record<Situation, readonly [string, string, string, string]> = {
    Empty: [FENCED, NONE, FENCED, ITS],
    Ongoing: [FENCED, NONE, FENCED, NONE],
    PrepareCommit: [BUSY, BUSY, BUSY, BUSY],
    PrepareAbort: [BUSY, BUSY, BUSY, BUSY],
    CompleteCommit: [ITS, NONE, NONE, ITS],
    CompleteAbort: [NONE, NONE, ITS, ITS],
  };
  for (const [situation, expected] of Object.entries(table)) {
    const got: string[] = [];
    for (const isCommit of [false, true]) {
      for (const isRetry of [true, false]) {
        const { scene } = await inState(situation as Situation, 2);
        const { producerId, producerEpoch } = scene.coordinator.describe('tx');
        const epoch = isRetry ? producerEpoch - 1 : producerEpoch;
        const { errorCode } = await scene.end({ producerId, producerEpoch: epoch }, isCommit);
        got.push(errorName(errorCode));
      }
    }
    assert.deepEqual(got, expected, situation);
  }
});

test('item 20: EndTxn before v5 in each state', async () => {
  const table: Record<Situation, readonly [string, string]> = {
    Empty: [ITS, ITS],
    Ongoing: [NONE, NONE],
    PrepareCommit: [BUSY, BUSY],
    PrepareAbort: [BUSY, BUSY],
    CompleteCommit: [ITS, NONE],
    CompleteAbort: [NONE, ITS],
  };
  for (const [situation, expected] of Object.entries(table)) {
    const got: string[] = [];
    for (const isCommit of [false, true]) {
      const { scene, producer } = await inState(situation as Situation, 0);
      got.push(errorName((await scene.end(producer, isCommit, { clientVersion: 0 })).errorCode));
      const stale = { ...producer, producerEpoch: producer.producerEpoch - 1 };
      const { errorCode } = await scene.end(stale, isCommit, { clientVersion: 0 });
      assert.equal(errorCode, Errors.PRODUCER_FENCED, situation);
    }
    assert.deepEqual(got, expected, situation);
  }
});

test('item 20: a repeated EndTxn v5 is answered as the first, and changes nothing', async () => {
  for (const isCommit of [true, false]) {
    const scene = await Scene.begin();
    const producer = await scene.producer();
    await scene.add(producer);
    const first = await scene.end(producer, isCommit);
    await scene.time.advance(1);
    const written = scene.written().length;
    assert.deepEqual(await scene.end(producer, isCommit), first);
    assert.deepEqual(await scene.end(producer, isCommit), first);
    assert.equal(scene.written().length, written);
  }
});

test('item 20: after an end before v2, the epoch before is an older producer and no retry', async () => {
  for (const isCommit of [true, false]) {
    const scene = await Scene.begin();
    const older = await scene.producer();
    const producer = await scene.producer();
    await scene.add(producer, ['t-0'], { clientVersion: 0 });
    await scene.end(producer, isCommit, { clientVersion: 0 });
    await scene.time.advance(1);
    assert.equal((await scene.end(older, isCommit)).errorCode, Errors.PRODUCER_FENCED);
    const loaded = await scene.failover();
    assert.equal((await loaded.end(older, isCommit)).errorCode, Errors.PRODUCER_FENCED);
  }
});

test('item 20: aborting an empty transaction raises the epoch without a marker', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  const answer = await scene.end(producer, false);
  assert.deepEqual(answer, { errorCode: Errors.NONE, producerId: 1000, producerEpoch: 1 });
  await scene.time.advance(1);
  assert.deepEqual(scene.written(), ['Empty', 'PrepareAbort', 'CompleteAbort']);
  assert.deepEqual(scene.markers(), []);
  assert.notEqual(scene.values().at(-1)!.transactionStartTimestampMs, -1);
});

test('item 25: a delayed EndTxn of the transaction before does not touch the present one (v2)', async () => {
  for (const isCommit of [true, false]) {
    const scene = await Scene.begin();
    const producer = await scene.producer();
    await scene.add(producer);
    const late = { ...producer };
    await scene.endAndGoOn(producer, true);
    await scene.add(producer, ['u-0']);
    assert.equal((await scene.end(late, isCommit)).errorCode, Errors.PRODUCER_FENCED);
    assert.equal(await scene.add(late, ['late-0']), Errors.PRODUCER_FENCED);
    assert.equal(scene.state(), 'Ongoing');
    await scene.endAndGoOn(producer, false);
    assert.deepEqual(scene.markers(), ['t-0 commit 1000:1', 'u-0 abort 1000:2']);
  }
});

test('item 20: when the epochs are used up, the end of the transaction gives a new producer id', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  while (producer.producerEpoch < 32_766) producer.producerEpoch = (await scene.init()).producerEpoch;
  const old = { ...producer };
  await scene.add(producer);
  scene.desk.isHeld = true;
  const answer = await scene.end(producer, true);
  assert.deepEqual(answer, { errorCode: Errors.NONE, producerId: 1001, producerEpoch: 0 });
  // The new id may be used before the markers are in: it has to wait, and is not unknown.
  assert.equal(await scene.add(answer, ['u-0']), Errors.CONCURRENT_TRANSACTIONS);
  assert.equal((await scene.end(old, true)).errorCode, Errors.CONCURRENT_TRANSACTIONS);
  const failed = await scene.failover();
  failed.desk.release();
  await failed.time.advance(200);
  assert.deepEqual(new Set(failed.markers()), new Set(['t-0 commit 1000:32767']));
  assert.deepEqual(await failed.end(old, true), answer);
  assert.equal((await failed.end(old, false)).errorCode, Errors.INVALID_TXN_STATE);
  assert.equal(await failed.add(answer, ['u-0']), Errors.NONE);
});

test('EndTxn of an unknown id, another producer or an empty id is refused', async () => {
  for (const clientVersion of [0, 2]) {
    const scene = await Scene.begin();
    const producer = await scene.producer();
    await scene.add(producer);
    const code = async (of: Producer, id: string) =>
      (await scene.end(of, true, { id, clientVersion })).errorCode;
    assert.equal(await code(producer, 'other'), Errors.INVALID_PRODUCER_ID_MAPPING);
    assert.equal(await code({ producerId: 7, producerEpoch: 0 }, 'tx'), Errors.INVALID_PRODUCER_ID_MAPPING);
    assert.equal(await code({ ...producer, producerEpoch: 9 }, 'tx'), Errors.PRODUCER_FENCED);
    assert.equal(await code(producer, ''), Errors.INVALID_REQUEST);
    assert.equal(scene.state(), 'Ongoing');
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryLog } from '../coordinator/memory-log.ts';
import { Errors } from '../protocol/errors.ts';
import { Scene, type Producer } from './transaction-scene-contract.ts';

/** The log as it was when it had so many batches; each turn here writes a batch of its own. */
function cut(log: MemoryLog, batches: number): MemoryLog {
  const shorter = new MemoryLog();
  for (const batch of log.batches.slice(0, batches)) shorter.append(Buffer.from(batch));
  return shorter;
}

test('after a restart at any record the transaction is as that record says, and what was decided is carried out', async () => {
  for (const version of [1, 2]) {
    for (const isCommit of [true, false]) {
      const scene = await Scene.begin();
      scene.transactionVersion = version;
      const producer = await scene.producer();
      await scene.add(producer, ['t-0', 'u-1'], { clientVersion: version });
      await scene.add(producer, ['v-2'], { clientVersion: version });
      await scene.end(producer, isCommit, { clientVersion: version });
      await scene.time.advance(10);
      const states = scene.written();
      assert.equal(states.length, 5);
      for (let kept = 0; kept <= states.length; kept++) {
        scene.desk.taken.length = 0;
        const next = await scene.failover(cut(scene.log, kept));
        await next.time.advance(10);
        const last = states[kept - 1];
        const wasDecided = last?.startsWith('Prepare') === true;
        const epoch = version === 2 ? 1 : 0;
        const outcome = isCommit ? 'commit' : 'abort';
        const markers = ['t-0', 'u-1', 'v-2'].map((at) => `${at} ${outcome} 1000:${epoch}`);
        assert.deepEqual(next.markers(), wasDecided ? markers : [], `after ${last}`);
        assert.ok(next.desk.taken.every(({ coordinatorEpoch }) => coordinatorEpoch === 1));
        assert.equal(next.state(), wasDecided ? states[4] : (last ?? ''));
        // Whoever asks for the same end again is answered as if nothing had happened.
        if (last === 'Ongoing' || wasDecided) {
          const answer = await next.end(producer, isCommit, { clientVersion: version });
          assert.equal(answer.errorCode, Errors.NONE);
          if (version === 2) assert.equal(answer.producerEpoch, 1);
        }
      }
    }
  }
});

test('what was loaded but is not committed is not carried out before it is', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.add(producer);
  scene.log.isCommittedAtOnce = false;
  void scene.coordinator.endTransaction({
    transactionalId: 'tx',
    ...producer,
    isCommit: true,
    clientVersion: 2,
  });
  await scene.time.advance(1);
  const loading = scene.coordinator.onElection(0, 1, scene.log);
  await scene.time.settle(loading);
  await scene.time.advance(1000);
  assert.equal(scene.desk.attempts, 0);
  scene.log.isCommittedAtOnce = true;
  scene.log.commit();
  await scene.time.advance(1);
  assert.deepEqual(scene.markers(), ['t-0 commit 1000:1']);
  assert.equal(scene.state(), 'CompleteCommit');
});

test('KIP-360: a retry from the epoch before is not known after a restart, as in Kafka, and is fenced', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.init({ expected: producer });
  const next = await scene.failover();
  assert.equal((await next.init({ expected: producer })).errorCode, Errors.PRODUCER_FENCED);
  assert.equal((await next.init({ expected: { ...producer, producerEpoch: 1 } })).errorCode, Errors.NONE);
});

test('a resigned coordinator sends no more markers, and answers NOT_COORDINATOR', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.add(producer, ['t-0', 'u-0']);
  scene.desk.refusals.set('u-0', Errors.NOT_LEADER_OR_FOLLOWER);
  await scene.end(producer, true);
  await scene.time.advance(250);
  assert.equal(scene.desk.attempts, 4);
  scene.coordinator.onResignation(0);
  await scene.time.advance(1000);
  assert.equal(scene.desk.attempts, 4);
  assert.equal((await scene.end(producer, true)).errorCode, Errors.NOT_COORDINATOR);
  assert.equal(await scene.add(producer), Errors.NOT_COORDINATOR);
  assert.deepEqual(await scene.verify(producer, ['t-0']), [Errors.NOT_COORDINATOR]);
});

test('who waits for the commit of a record when the coordinator resigns is told NOT_COORDINATOR', async () => {
  const scene = await Scene.begin();
  scene.log.isCommittedAtOnce = false;
  let code = -1;
  void scene.init().then(({ errorCode }) => (code = errorCode));
  await scene.time.advance(10);
  scene.coordinator.shutdown();
  await scene.time.advance(0);
  assert.equal(code, Errors.NOT_COORDINATOR);
});

test('markers: what is gone or has them is done, what is not ready is asked again, a newer coordinator ends it', async () => {
  const settled = async (errorCode: number): Promise<Scene> => {
    const scene = await Scene.begin();
    const producer: Producer = await scene.producer();
    await scene.add(producer, ['t-0', 'u-0']);
    scene.desk.refusals.set('u-0', errorCode as 0);
    await scene.end(producer, true);
    await scene.time.advance(350);
    return scene;
  };
  for (const code of [Errors.UNKNOWN_TOPIC_OR_PARTITION, Errors.INVALID_PRODUCER_EPOCH]) {
    assert.equal((await settled(code)).state(), 'CompleteCommit');
  }
  for (const code of [
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.NOT_ENOUGH_REPLICAS,
    Errors.REQUEST_TIMED_OUT,
    Errors.KAFKA_STORAGE_ERROR,
    Errors.CORRUPT_MESSAGE,
  ]) {
    const scene = await settled(code);
    assert.deepEqual([scene.state(), scene.desk.attempts], ['PrepareCommit', 5]);
    scene.desk.refusals.clear();
    await scene.time.advance(100);
    assert.equal(scene.state(), 'CompleteCommit');
  }
  const fenced = await settled(Errors.TRANSACTION_COORDINATOR_FENCED);
  assert.deepEqual([fenced.state(), fenced.desk.attempts], ['PrepareCommit', 2]);
});

test('the end of a transaction is written as soon as the log takes it', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.add(producer);
  scene.desk.isHeld = true;
  await scene.end(producer, true);
  scene.log.appendError = Errors.KAFKA_STORAGE_ERROR;
  scene.desk.release();
  await scene.time.advance(1000);
  assert.equal(scene.state(), 'PrepareCommit');
  scene.log.appendError = 0;
  await scene.time.advance(100);
  assert.equal(scene.state(), 'CompleteCommit');
});

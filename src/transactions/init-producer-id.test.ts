import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { Scene, TIMEOUT_MS, type Producer } from './transaction-scene-contract.ts';

const ids = ({ producerId, producerEpoch }: Producer): number[] => [producerId, producerEpoch];

test('item 17: a new transactional id gets a new producer id at epoch 0, durable before the answer', async () => {
  const scene = await Scene.begin();
  scene.log.isCommittedAtOnce = false;
  let answer: Producer | undefined;
  void scene.init().then((value) => (answer = value));
  await scene.time.advance(100);
  assert.equal(answer, undefined);
  assert.deepEqual(scene.written(), ['Empty']);
  scene.log.commit();
  await scene.time.advance(0);
  assert.deepEqual(ids(answer!), [1000, 0]);
  assert.equal(scene.values()[0]!.transactionTimeoutMs, TIMEOUT_MS);
  assert.equal(scene.values()[0]!.transactionPartitions, null);
});

test('item 17: each producer that begins anew gets the next epoch, and fences the one before', async () => {
  const scene = await Scene.begin();
  const first = await scene.producer();
  const second = await scene.producer();
  assert.deepEqual(
    [ids(first), ids(second)],
    [
      [1000, 0],
      [1000, 1],
    ],
  );
  assert.equal(await scene.add(first), Errors.PRODUCER_FENCED);
  assert.equal((await scene.init({ expected: first })).errorCode, Errors.PRODUCER_FENCED);
  assert.equal(await scene.add(second), Errors.NONE);
});

test('item 17: a producer that offers its id and epoch gets the next epoch, and the same again when it asks again', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  assert.deepEqual(ids(await scene.init({ expected: producer })), [1000, 1]);
  assert.deepEqual(ids(await scene.init({ expected: producer })), [1000, 1]);
  assert.deepEqual(ids(await scene.init({ expected: { producerId: 1000, producerEpoch: 1 } })), [1000, 2]);
  assert.equal((await scene.init({ expected: producer })).errorCode, Errors.PRODUCER_FENCED);
});

test('item 17: a retry with the epoch before is fenced once another producer has begun', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.init({ expected: producer });
  await scene.producer();
  assert.equal((await scene.init({ expected: producer })).errorCode, Errors.PRODUCER_FENCED);
});

test("item 17: an id that is not the producer's is fenced", async () => {
  const scene = await Scene.begin();
  await scene.producer();
  const answer = await scene.init({ expected: { producerId: 77, producerEpoch: 0 } });
  assert.deepEqual([answer.errorCode, ...ids(answer)], [Errors.PRODUCER_FENCED, -1, -1]);
});

test('item 17: an unknown transactional id takes a producer that offers any id, and gives it a new one', async () => {
  const scene = await Scene.begin();
  assert.deepEqual(ids(await scene.init({ expected: { producerId: 77, producerEpoch: 5 } })), [1000, 0]);
});

test('item 17: at the last epoch but one a new producer id is given, and the retry gets the same', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  for (let epoch = 1; epoch <= 32_766; epoch++) producer.producerEpoch = (await scene.init()).producerEpoch;
  assert.equal(producer.producerEpoch, 32_766);
  const next = await scene.init({ expected: producer });
  assert.deepEqual([next.errorCode, ...ids(next)], [Errors.NONE, 1001, 0]);
  assert.deepEqual(ids(await scene.init({ expected: producer })), [1001, 0]);
  assert.equal(await scene.add(producer), Errors.INVALID_PRODUCER_ID_MAPPING);
  assert.equal(await scene.add(next), Errors.NONE);
});

test('item 17: an epoch that was used up by fencing gives a new producer id to whoever may go on', async () => {
  for (const version of [1, 2]) {
    const scene = await exhausted(version);
    const old = { producerId: 1000, producerEpoch: 32_766 };
    await scene.add(old, ['t-0'], { clientVersion: version });
    assert.equal((await scene.init()).errorCode, Errors.CONCURRENT_TRANSACTIONS);
    await scene.time.advance(1);
    assert.equal(scene.values().at(-1)!.producerEpoch, 32_767);
    const answer = await scene.init({ expected: old });
    // With v2 the epoch before is remembered, and the producer goes on; before, it is out.
    assert.equal(answer.errorCode, version === 2 ? Errors.NONE : Errors.PRODUCER_FENCED);
    const fresh = await scene.init();
    assert.deepEqual([fresh.errorCode, fresh.producerId === 1000], [Errors.NONE, false]);
  }
});

async function exhausted(transactionVersion: number): Promise<Scene> {
  const scene = await Scene.begin();
  scene.transactionVersion = transactionVersion;
  for (let epoch = 0; epoch <= 32_766; epoch++) await scene.init();
  return scene;
}

test('item 18: a timeout above transaction.max.timeout.ms, or none, is INVALID_TRANSACTION_TIMEOUT', async () => {
  const scene = await Scene.begin();
  for (const timeoutMs of [900_001, 0, -1]) {
    assert.equal((await scene.init({ timeoutMs })).errorCode, Errors.INVALID_TRANSACTION_TIMEOUT);
  }
  assert.equal((await scene.init({ timeoutMs: 900_000 })).errorCode, Errors.NONE);
  assert.deepEqual(scene.written(), ['Empty']);
});

test('a two-phase commit is refused unless the broker allows it, and keeping a prepared transaction always', async () => {
  const scene = await Scene.begin();
  assert.equal(
    (await scene.init({ enable2Pc: true })).errorCode,
    Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  );
  assert.equal((await scene.init({ keepPrepared: true })).errorCode, Errors.UNSUPPORTED_VERSION);
  assert.deepEqual(scene.written(), []);
  scene.settings.transactions.twoPhaseCommitEnable = true;
  assert.equal((await scene.init({ enable2Pc: true, timeoutMs: 0 })).errorCode, Errors.NONE);
  assert.equal(scene.values()[0]!.transactionTimeoutMs, 2 ** 31 - 1);
});

test('an empty transactional id is INVALID_REQUEST', async () => {
  const scene = await Scene.begin();
  assert.equal((await scene.init({ id: '' })).errorCode, Errors.INVALID_REQUEST);
});

test('item 19: what a producer left open is aborted first, and until then it is CONCURRENT_TRANSACTIONS', async () => {
  for (const version of [0, 1, 2]) {
    const scene = await Scene.begin();
    scene.transactionVersion = version;
    const old = await scene.producer();
    await scene.add(old, ['t-0', 'u-3'], { clientVersion: version });
    scene.desk.isHeld = true;
    const codes = [(await scene.init()).errorCode, (await scene.init()).errorCode];
    assert.deepEqual(codes, [Errors.CONCURRENT_TRANSACTIONS, Errors.CONCURRENT_TRANSACTIONS]);
    assert.deepEqual(scene.written(), ['Empty', 'Ongoing', 'PrepareAbort']);
    scene.desk.release();
    await scene.time.advance(1);
    assert.equal(scene.state(), 'CompleteAbort');
    assert.deepEqual(scene.markers(), ['t-0 abort 1000:1', 'u-3 abort 1000:1']);
    assert.deepEqual(ids(await scene.init()), [1000, 2]);
    assert.equal((await scene.end(old, true, { clientVersion: version })).errorCode, Errors.PRODUCER_FENCED);
  }
});

test('item 19: an append that fails leaves all as it was, and its error is one to try again', async () => {
  const scene = await Scene.begin();
  const producer = await scene.producer();
  await scene.add(producer);
  scene.log.appendError = Errors.NOT_ENOUGH_REPLICAS;
  assert.equal((await scene.init()).errorCode, Errors.COORDINATOR_NOT_AVAILABLE);
  assert.equal(scene.state(), 'Ongoing');
  assert.equal((await scene.end(producer, true)).errorCode, Errors.COORDINATOR_NOT_AVAILABLE);
  scene.log.appendError = 0;
  assert.equal((await scene.end(producer, true)).errorCode, Errors.NONE);
  await scene.time.advance(1);
  assert.deepEqual(scene.markers(), ['t-0 commit 1000:1']);
});

test('item 19: while the state is being loaded it is COORDINATOR_LOAD_IN_PROGRESS, elsewhere NOT_COORDINATOR', async () => {
  const scene = new Scene();
  assert.equal((await scene.init()).errorCode, Errors.NOT_COORDINATOR);
  let release = (): void => {};
  await Scene.begin({ log: scene.log, time: scene.time }).then((one) => one.producer());
  scene.log.readGate = new Promise((resolve) => (release = resolve));
  const loaded = scene.coordinator.onElection(0, 1, scene.log);
  assert.equal((await scene.init()).errorCode, Errors.COORDINATOR_LOAD_IN_PROGRESS);
  assert.equal(scene.coordinator.describe('tx').errorCode, Errors.COORDINATOR_LOAD_IN_PROGRESS);
  release();
  await scene.time.settle(loaded);
  assert.deepEqual(ids(await scene.init()), [1000, 1]);
});

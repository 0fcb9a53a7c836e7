/** Requests whose record cannot be written, or not yet: what they are answered, and what is left of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorName, Errors } from '../protocol/errors.ts';
import { Scene, TIMEOUT_MS, type Producer } from './transaction-scene-contract.ts';

/** What a log may refuse an append with for a while, and what producers are told of it: to look for the coordinator. */
const PASSING = [
  [Errors.UNKNOWN_TOPIC_OR_PARTITION, 'COORDINATOR_NOT_AVAILABLE'],
  [Errors.NOT_ENOUGH_REPLICAS, 'COORDINATOR_NOT_AVAILABLE'],
  [Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND, 'COORDINATOR_NOT_AVAILABLE'],
  [Errors.REQUEST_TIMED_OUT, 'COORDINATOR_NOT_AVAILABLE'],
  [Errors.NOT_LEADER_OR_FOLLOWER, 'NOT_COORDINATOR'],
  [Errors.KAFKA_STORAGE_ERROR, 'NOT_COORDINATOR'],
] as const;

type Ask = (scene: Scene, producer: Producer) => Promise<number>;

const init = async ({ coordinator }: Scene, transactionalId: string): Promise<number> => {
  const options = { enableTwoPhaseCommit: false, keepPreparedTransaction: false, expected: undefined };
  const request = { transactionalId, transactionTimeoutMs: TIMEOUT_MS, ...options };
  return (await coordinator.initProducerId(request)).errorCode;
};
const end = async ({ coordinator }: Scene, producer: Producer, isCommit: boolean): Promise<number> => {
  const request = { transactionalId: 'tx', ...producer, isCommit, clientVersion: 2 };
  return (await coordinator.endTransaction(request)).errorCode;
};
/** Each of a producer whose transaction is open; InitProducerId aborts it first. */
const REQUESTS: Readonly<Record<string, Ask>> = {
  'InitProducerId, new': (scene) => init(scene, 'new'),
  'InitProducerId, open': (scene) => init(scene, 'tx'),
  AddPartitionsToTxn: ({ coordinator }, producer) => {
    const partitions = [{ topic: 'u', partition: 1 }];
    return coordinator.addPartitions({ transactionalId: 'tx', ...producer, partitions, clientVersion: 2 });
  },
  'EndTxn, commit': (scene, producer) => end(scene, producer, true),
  'EndTxn, abort': (scene, producer) => end(scene, producer, false),
};

for (const [name, ask] of Object.entries(REQUESTS)) {
  test(`item 19: ${name} that cannot be written is to be tried again, no UNKNOWN_SERVER_ERROR, and leaves no trace`, async () => {
    for (const [appendError, expected] of PASSING) {
      const scene = await Scene.begin();
      const producer = await scene.producer();
      await scene.add(producer);
      const written = scene.written();
      scene.log.appendError = appendError;
      for (let attempt = 0; attempt < 2; attempt++) {
        const errorCode = await scene.time.settle(ask(scene, producer));
        assert.equal(errorName(errorCode), expected, errorName(appendError));
      }
      assert.deepEqual([scene.written(), scene.state(), scene.markers()], [written, 'Ongoing', []]);
      scene.log.appendError = Errors.NONE;
      const answer = errorName(await scene.time.settle(ask(scene, producer)));
      // The abort that comes first has its markers to write.
      assert.equal(answer, name === 'InitProducerId, open' ? 'CONCURRENT_TRANSACTIONS' : 'NONE');
    }
  });

  test(`item 19: ${name} is answered once its record is committed, not before`, async () => {
    const scene = await Scene.begin();
    const producer = await scene.producer();
    await scene.add(producer);
    scene.log.isCommittedAtOnce = false;
    let answer: string | undefined;
    void ask(scene, producer).then((errorCode) => (answer = errorName(errorCode)));
    await scene.time.advance(100);
    assert.equal(answer, undefined);
    assert.deepEqual(scene.markers(), []);
    scene.log.commit();
    await scene.time.advance(1);
    assert.equal(answer, name === 'InitProducerId, open' ? 'CONCURRENT_TRANSACTIONS' : 'NONE');
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { ListTransactionsRequest } from '../protocol/messages/66-list-transactions.ts';
import { Scene, TIMEOUT_MS } from './transaction-scene-contract.ts';

const ALL: ListTransactionsRequest = {
  stateFilters: [],
  producerIdFilters: [],
  durationFilter: -1,
  transactionalIdPattern: null,
};

/** `a` is Empty, `b.1` has been open for a while, `b.2` not so long, `c` is committed. */
async function sample(): Promise<{
  scene: Scene;
  list: (filters: Partial<ListTransactionsRequest>) => string[];
}> {
  const scene = await Scene.begin();
  await scene.producer('a');
  await scene.add(await scene.producer('b.1'), ['t-0', 't-2', 'u-1'], { id: 'b.1' });
  await scene.time.advance(10_000);
  await scene.add(await scene.producer('b.2'), ['t-0'], { id: 'b.2' });
  const c = await scene.producer('c');
  await scene.add(c, ['t-0'], { id: 'c' });
  await scene.end(c, true, { id: 'c' });
  await scene.time.advance(10);
  const list = (filters: Partial<ListTransactionsRequest>): string[] =>
    scene.coordinator
      .list({ ...ALL, ...filters })
      .transactionStates.map((one) => one.transactionalId)
      .toSorted();
  return { scene, list };
}

test('DescribeTransactions tells state, timing and partitions', async () => {
  const { scene } = await sample();
  const { transactionStartTimeMs, ...described } = scene.coordinator.describe('b.1');
  assert.deepEqual(described, {
    errorCode: Errors.NONE,
    transactionalId: 'b.1',
    transactionState: 'Ongoing',
    transactionTimeoutMs: TIMEOUT_MS,
    producerId: 1001,
    producerEpoch: 0,
    topics: [
      { topic: 't', partitions: [0, 2] },
      { topic: 'u', partitions: [1] },
    ],
  });
  assert.ok(transactionStartTimeMs > 0);
  assert.deepEqual(scene.coordinator.describe('c').topics, []);
  assert.equal(scene.coordinator.describe('x').errorCode, Errors.TRANSACTIONAL_ID_NOT_FOUND);
  assert.equal(scene.coordinator.describe('').errorCode, Errors.INVALID_REQUEST);
  assert.equal(new Scene().coordinator.describe('x').errorCode, Errors.NOT_COORDINATOR);
});

test('ListTransactions filters by state, producer id, duration and pattern, all at once', async () => {
  const { scene, list } = await sample();
  assert.deepEqual(list({}), ['a', 'b.1', 'b.2', 'c']);
  assert.deepEqual(list({ stateFilters: ['Ongoing'] }), ['b.1', 'b.2']);
  assert.deepEqual(list({ stateFilters: ['Empty', 'CompleteCommit'] }), ['a', 'c']);
  assert.deepEqual(list({ producerIdFilters: [1000, 1002, 77] }), ['a', 'b.2']);
  assert.deepEqual(list({ durationFilter: 5_000, stateFilters: ['Ongoing'] }), ['b.1']);
  assert.deepEqual(list({ transactionalIdPattern: 'b' }), []);
  assert.deepEqual(list({ transactionalIdPattern: 'b.*' }), ['b.1', 'b.2']);
  assert.deepEqual(list({ transactionalIdPattern: 'a|c' }), ['a', 'c']);
  assert.deepEqual(list({ transactionalIdPattern: '' }), ['a', 'b.1', 'b.2', 'c']);
  assert.deepEqual(list({ transactionalIdPattern: '.*1', stateFilters: ['Empty'] }), []);
  const [first] = scene.coordinator.list({ ...ALL, stateFilters: ['CompleteCommit'] }).transactionStates;
  assert.deepEqual(first, { transactionalId: 'c', producerId: 1003, transactionState: 'CompleteCommit' });
});

test('ListTransactions names states that do not exist, and lists nothing for them', async () => {
  const { scene } = await sample();
  const answer = scene.coordinator.list({ ...ALL, stateFilters: ['ongoing', 'Dead'] });
  assert.deepEqual([answer.unknownStateFilters, answer.transactionStates], [['ongoing'], []]);
});

test('ListTransactions refuses a pattern that is none', async () => {
  const { scene } = await sample();
  assert.throws(
    () => scene.coordinator.list({ ...ALL, transactionalIdPattern: '(' }),
    (error) => error instanceof KafkaError && error.code === Errors.INVALID_REGULAR_EXPRESSION,
  );
});

test('what is not committed is not shown', async () => {
  const scene = await Scene.begin();
  scene.log.isCommittedAtOnce = false;
  void scene.init();
  await scene.time.advance(10);
  assert.equal(scene.coordinator.describe('tx').errorCode, Errors.TRANSACTIONAL_ID_NOT_FOUND);
  assert.deepEqual(scene.coordinator.list(ALL).transactionStates, []);
  scene.log.commit();
  await scene.time.advance(1);
  assert.equal(scene.state(), 'Empty');
});

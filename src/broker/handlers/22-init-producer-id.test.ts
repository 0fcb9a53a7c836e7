import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { initProducerId } from './22-init-producer-id.ts';

test('item 17: without a transactional id each request gets a new id at epoch 0, also with an old one in hand', async () => {
  const bench = await brokerBench();
  const ids: number[] = [];
  for (const version of [0, 1, 2, 3, 4, 5]) {
    const { errorCode, producerId, producerEpoch } = await bench.call(initProducerId, version, {
      transactionalId: null,
    });
    assert.deepEqual([errorCode, producerEpoch], [Errors.NONE, 0]);
    ids.push(producerId);
  }
  for (const producerEpoch of [0, 5, 32_767]) {
    const body = { transactionalId: null, producerId: ids[0], producerEpoch };
    const answer = await bench.call(initProducerId, 4, body);
    assert.deepEqual([answer.errorCode, answer.producerEpoch], [Errors.NONE, 0]);
    ids.push(answer.producerId);
  }
  assert.equal(new Set(ids).size, ids.length);
});

test('item 17: an id without an epoch, or an epoch without an id, is refused', async () => {
  const bench = await brokerBench();
  const code = async (producerId: number, producerEpoch: number) =>
    (await bench.call(initProducerId, 3, { transactionalId: null, producerId, producerEpoch })).errorCode;
  assert.deepEqual([await code(7, -1), await code(-1, 7)], [Errors.INVALID_REQUEST, Errors.INVALID_REQUEST]);
});

test("with a transactional id the answer is its coordinator's, and an empty one is no id", async () => {
  const bench = await brokerBench();
  const answer = async (transactionalId: string) => {
    const { errorCode, producerId, producerEpoch } = await bench.call(initProducerId, 5, {
      transactionalId,
      transactionTimeoutMs: 1000,
    });
    return [errorCode, producerId, producerEpoch];
  };
  assert.deepEqual(
    [await answer('tx'), await answer('')],
    [
      [Errors.NOT_COORDINATOR, -1, -1],
      [Errors.INVALID_REQUEST, -1, -1],
    ],
  );
});

test('it needs WRITE on the transactional id, or IDEMPOTENT_WRITE on the cluster', async () => {
  const bench = await brokerBench();
  bench.permit = () => false;
  const code = async (transactionalId: string | null) =>
    (await bench.call(initProducerId, 5, { transactionalId })).errorCode;
  assert.deepEqual(
    [await code(null), await code('tx')],
    [Errors.CLUSTER_AUTHORIZATION_FAILED, Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED],
  );
});

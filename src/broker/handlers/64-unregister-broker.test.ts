import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { unregisterBroker } from './64-unregister-broker.ts';

test('a broker that is gone is forgotten; one that is alive or was never there is not', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2, { alive: false });
  const code = async (brokerId: number) => (await bench.call(unregisterBroker, 0, { brokerId })).errorCode;
  assert.deepEqual(
    [await code(2), await code(2), await code(1)],
    [Errors.NONE, Errors.BROKER_ID_NOT_REGISTERED, Errors.INVALID_REQUEST],
  );
  assert.deepEqual([...bench.image.brokers.keys()], [1]);
});

test('it needs ALTER on the cluster', async () => {
  const bench = await brokerBench();
  bench.permit = () => false;
  const { errorCode } = await bench.call(unregisterBroker, 0, { brokerId: 2 });
  assert.equal(errorCode, Errors.CLUSTER_AUTHORIZATION_FAILED);
});

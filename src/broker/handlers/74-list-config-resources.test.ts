import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { listConfigResources } from './74-list-config-resources.ts';

async function listed(bench: BrokerBench, version: number, resourceTypes: number[] = []): Promise<unknown> {
  const body = version === 0 ? {} : { resourceTypes };
  const { errorCode, configResources } = await bench.call(listConfigResources, version, body);
  if (errorCode !== Errors.NONE) return errorCode;
  return (configResources as { resourceName: string; resourceType: number }[]).map(
    ({ resourceName, resourceType }) => `${resourceType} ${resourceName}`,
  );
}

async function configured(): Promise<BrokerBench> {
  const bench = await brokerBench();
  await bench.createTopic('t');
  await bench.controller.alterConfigs([
    {
      type: 'GROUP',
      name: 'g',
      changes: [{ name: 'share.auto.offset.reset', op: 'SET', value: 'earliest' }],
    },
    { type: 'CLIENT_METRICS', name: 'm', changes: [{ name: 'interval.ms', op: 'SET', value: '1000' }] },
  ]);
  return bench;
}

test('item 50: version 0 lists client metrics subscriptions only', async () => {
  assert.deepEqual(await listed(await configured(), 0), ['16 m']);
});

test('item 50: version 1 lists every type, or those asked for', async () => {
  const bench = await configured();
  assert.deepEqual(await listed(bench, 1), ['32 g', '16 m', '8 1', '4 1', '2 t']);
  assert.deepEqual(await listed(bench, 1, [2, 32]), ['32 g', '2 t']);
  assert.deepEqual(await listed(bench, 1, [2, 2]), ['2 t']);
});

test('a type that nobody knows is UNSUPPORTED_VERSION', async () => {
  assert.equal(await listed(await configured(), 1, [2, 3]), Errors.UNSUPPORTED_VERSION);
});

test('it needs DESCRIBE_CONFIGS on the cluster', async () => {
  const bench = await configured();
  bench.permit = (operation) => operation !== 'DESCRIBE_CONFIGS';
  assert.equal(await listed(bench, 1), Errors.CLUSTER_AUTHORIZATION_FAILED);
});

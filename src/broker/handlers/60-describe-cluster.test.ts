import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { describeCluster } from './60-describe-cluster.ts';

test('item 51: the cluster’s id and its brokers, in every version', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2, { rack: 'r2' });
  for (const version of [0, 1, 2]) {
    const { clusterId, brokers, errorCode, controllerId } = await bench.call(describeCluster, version, {});
    assert.deepEqual(
      { clusterId, brokers, errorCode },
      {
        clusterId: bench.image.clusterId,
        errorCode: Errors.NONE,
        brokers: [
          { brokerId: 1, host: 'host1', port: 9_001, rack: null, isFenced: false },
          { brokerId: 2, host: 'host2', port: 9_002, rack: 'r2', isFenced: false },
        ],
      },
    );
    assert.ok([1, 2].includes(controllerId));
  }
});

test('brokers that are gone are told of only when they are asked for', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2, { alive: false });
  const at = async (version: number, includeFencedBrokers: boolean) => {
    const { brokers } = await bench.call(describeCluster, version, { includeFencedBrokers });
    return (brokers as { brokerId: number; isFenced: boolean }[]).map(({ brokerId, isFenced }) => [
      brokerId,
      isFenced,
    ]);
  };
  assert.deepEqual(await at(2, false), [[1, false]]);
  assert.deepEqual(await at(2, true), [
    [1, false],
    [2, true],
  ]);
  assert.deepEqual(await at(1, true), [[1, false]]);
});

test('a broker is not a controller’s endpoint, and neither is it of a type that is not known', async () => {
  const bench = await brokerBench();
  const at = async (endpointType: number) => {
    const { errorCode, errorMessage, brokers } = await bench.call(describeCluster, 1, { endpointType });
    return [errorCode, errorMessage, brokers];
  };
  assert.deepEqual(
    [await at(2), await at(7)],
    [
      [
        Errors.MISMATCHED_ENDPOINT_TYPE,
        'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER',
        [],
      ],
      [Errors.UNSUPPORTED_ENDPOINT_TYPE, 'Unsupported endpoint type 7', []],
    ],
  );
});

test('authorized operations are told when asked for: 0 to those who may not describe the cluster', async () => {
  const bench = await brokerBench();
  const at = async (includeClusterAuthorizedOperations: boolean) =>
    (await bench.call(describeCluster, 0, { includeClusterAuthorizedOperations }))
      .clusterAuthorizedOperations;
  const before = [await at(false), await at(true)];
  bench.permit = () => false;
  assert.deepEqual([...before, await at(true)], [-2_147_483_648, 0b1_1111_1010_0000, 0]);
});

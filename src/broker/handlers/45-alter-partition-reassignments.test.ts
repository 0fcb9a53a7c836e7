import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { alterPartitionReassignments } from './45-alter-partition-reassignments.ts';
import { listPartitionReassignments } from './46-list-partition-reassignments.ts';

async function alter(bench: BrokerBench, replicas: number[] | null, more: object = {}): Promise<unknown> {
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, replicas }] }];
  const { responses } = await bench.call(alterPartitionReassignments, 1, { topics, ...more });
  const [{ errorCode, errorMessage }] = responses[0].partitions;
  return [errorCode, errorMessage];
}

test('a broker alone: its own id is no change, anything else cannot be, and there is nothing to stop', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  const before = bench.image.revision;
  assert.deepEqual(
    [
      await alter(bench, [1]),
      await alter(bench, [2]),
      await alter(bench, [1, 2]),
      await alter(bench, []),
      await alter(bench, null),
    ],
    [
      [0, null],
      [39, 'The manual partition assignment includes broker 2, but no such broker is registered.'],
      [39, 'The manual partition assignment includes broker 2, but no such broker is registered.'],
      [39, 'The manual partition assignment includes an empty replica list.'],
      [Errors.NO_REASSIGNMENT_IN_PROGRESS, null],
    ],
  );
  assert.equal(bench.image.revision, before);
  const { topics, errorCode } = await bench.call(listPartitionReassignments, 0, { topics: null });
  assert.deepEqual([topics, errorCode], [[], 0]);
});

test('a move under way is listed, by name or among all, until it is stopped', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2);
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, configs: [] };
  await bench.controller.createTopics([{ ...topic, assignments: [{ partitionIndex: 0, brokerIds: [1] }] }]);
  await bench.createTopic('still');
  const list = async (topics: object[] | null) =>
    (await bench.call(listPartitionReassignments, 0, { topics })).topics;
  assert.deepEqual(await alter(bench, [2]), [0, null]);
  const moving = [
    {
      name: 't',
      partitions: [{ partitionIndex: 0, replicas: [2, 1], addingReplicas: [2], removingReplicas: [1] }],
    },
  ];
  assert.deepEqual(await list(null), moving);
  assert.deepEqual(
    await list([
      { name: 't', partitionIndexes: [0, 9] },
      { name: 'x', partitionIndexes: [0] },
    ]),
    moving,
  );
  assert.deepEqual(
    await list([
      { name: 't', partitionIndexes: [1] },
      { name: 'still', partitionIndexes: [0] },
    ]),
    [],
  );
  assert.deepEqual(await alter(bench, null), [0, null]);
  assert.deepEqual(await list(null), []);
});

test('a change of the replication factor is refused to those who do not want it (KIP-860)', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2);
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, configs: [] };
  await bench.controller.createTopics([{ ...topic, assignments: [{ partitionIndex: 0, brokerIds: [1] }] }]);
  assert.deepEqual(await alter(bench, [1, 2], { allowReplicationFactorChange: false }), [
    Errors.INVALID_REPLICATION_FACTOR,
    'The replication factor is changed from 1 to 2',
  ]);
});

test('altering needs ALTER on the cluster, listing DESCRIBE', async () => {
  const bench = await brokerBench();
  bench.permit = () => false;
  const altered = await bench.call(alterPartitionReassignments, 1, { topics: [] });
  const listed = await bench.call(listPartitionReassignments, 0, { topics: null });
  const denied = Errors.CLUSTER_AUTHORIZATION_FAILED;
  assert.deepEqual([altered.errorCode, listed.errorCode], [denied, denied]);
});

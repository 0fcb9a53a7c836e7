import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { partitionKey } from '../../metadata/keys.ts';
import { encodeRecord, PartitionRecord } from '../../metadata/records.ts';
import { electLeaders } from './43-elect-leaders.ts';

async function withMovedLeader(): Promise<BrokerBench> {
  const bench = await brokerBench();
  await bench.addBroker(2);
  const assignments = [
    { partitionIndex: 0, brokerIds: [2, 1] },
    { partitionIndex: 1, brokerIds: [1, 2] },
  ];
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  await bench.controller.createTopics([topic]);
  // The preferred leader of partition 0 goes and comes back.
  await bench.store.txn([], [{ type: 'delete', key: 'brokers/2' }]);
  await bench.controller.reelect();
  await bench.addBroker(2);
  for (const n of [0, 1]) await backInSync(bench, n);
  assert.equal(bench.image.partition('t', 0)!.leader, 1);
  return bench;
}

/** As the leader says once the follower has caught up. */
async function backInSync({ image, store }: BrokerBench, n: number): Promise<void> {
  const partition = image.partition('t', n)!;
  const next = { ...partition, isr: partition.replicas, partitionEpoch: partition.partitionEpoch + 1 };
  const key = partitionKey(image.topics.get('t')!.id, n);
  await store.txn([], [{ type: 'put', key, value: encodeRecord(PartitionRecord, next) }]);
}

test('the preferred leader is elected, in every version, and nothing is done where it leads already', async () => {
  for (const version of [0, 1, 2]) {
    const bench = await withMovedLeader();
    const body = { topicPartitions: [{ topic: 't', partitions: [0, 1, 7] }] };
    const { errorCode, replicaElectionResults } = await bench.call(electLeaders, version, body);
    assert.equal(errorCode, Errors.NONE);
    assert.deepEqual(replicaElectionResults, [
      {
        topic: 't',
        partitionResult: [
          { partitionId: 0, errorCode: 0, errorMessage: null },
          { partitionId: 1, errorCode: 84, errorMessage: 'Leader election not needed for topic partition.' },
          { partitionId: 7, errorCode: 3, errorMessage: 'No such partition as t-7' },
        ],
      },
    ]);
    assert.equal(bench.image.partition('t', 0)!.leader, 2);
  }
});

test('of all partitions only those are told for which there was something to do', async () => {
  const bench = await withMovedLeader();
  const { replicaElectionResults } = await bench.call(electLeaders, 2, { topicPartitions: null });
  assert.deepEqual(replicaElectionResults, [
    { topic: 't', partitionResult: [{ partitionId: 0, errorCode: 0, errorMessage: null }] },
  ]);
});

test('on a broker alone there is never an election to hold', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  for (const electionType of [0, 1]) {
    const body = { electionType, topicPartitions: [{ topic: 't', partitions: [0] }] };
    const { replicaElectionResults } = await bench.call(electLeaders, 2, body);
    assert.equal(replicaElectionResults[0].partitionResult[0].errorCode, Errors.ELECTION_NOT_NEEDED);
  }
});

test('an unknown type, and who may not alter the cluster, fail the request', async () => {
  const bench = await brokerBench();
  const code = async (electionType: number) =>
    (await bench.call(electLeaders, 2, { electionType, topicPartitions: [] })).errorCode;
  const unknown = await code(2);
  bench.permit = (operation) => operation !== 'ALTER';
  assert.deepEqual([unknown, await code(0)], [Errors.INVALID_REQUEST, Errors.CLUSTER_AUTHORIZATION_FAILED]);
});

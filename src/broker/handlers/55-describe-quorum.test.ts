import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, directoryOf } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { describeQuorum } from './55-describe-quorum.ts';

const METADATA = { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] };

test('the answer tells of the controller and of the metadata’s revision', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2);
  for (const version of [0, 1, 2]) {
    const { errorCode, topics, nodes } = await bench.call(describeQuorum, version, METADATA);
    const [{ leaderId, leaderEpoch, highWatermark, currentVoters, observers }] = topics[0].partitions;
    assert.deepEqual(
      { errorCode, leaderId, leaderEpoch, highWatermark, observers },
      {
        errorCode: Errors.NONE,
        leaderId: 1,
        leaderEpoch: bench.image.controllerEpoch,
        highWatermark: bench.image.revision,
        observers: [],
      },
    );
    const [first, second] = currentVoters;
    assert.deepEqual(
      [first.replicaId, first.logEndOffset, second.replicaId, second.logEndOffset],
      [1, bench.image.revision, 2, -1],
    );
    if (version < 2) continue;
    assert.equal(first.replicaDirectoryId, directoryOf(1));
    assert.deepEqual(nodes[0], { nodeId: 1, listeners: [{ name: 'PLAINTEXT', host: 'host1', port: 9_001 }] });
  }
});

test('anything but the one metadata partition is unknown', async () => {
  const bench = await brokerBench();
  const code = async (body: object) => {
    const { topics } = await bench.call(describeQuorum, 2, body);
    return topics[0]?.partitions[0]?.errorCode;
  };
  const other = { topics: [{ topicName: 't', partitions: [{ partitionIndex: 0 }] }] };
  const second = { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 1 }] }] };
  const unknown = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  assert.deepEqual(
    [await code(other), await code(second), await code({ topics: [] })],
    [unknown, unknown, undefined],
  );
});

test('it needs DESCRIBE on the cluster', async () => {
  const bench = await brokerBench();
  bench.permit = () => false;
  assert.equal(
    (await bench.call(describeQuorum, 2, METADATA)).errorCode,
    Errors.CLUSTER_AUTHORIZATION_FAILED,
  );
});

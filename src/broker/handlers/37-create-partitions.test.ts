import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { createPartitions } from './37-create-partitions.ts';

test('item 48: the answer lists every topic, in every version, and the partitions are there', async () => {
  const bench = await brokerBench();
  for (const version of [0, 1, 2, 3]) {
    await bench.createTopic(`t${version}`);
    const topics = [
      { name: `t${version}`, count: 3, assignments: null },
      { name: 'missing', count: 2, assignments: null },
    ];
    const { results } = await bench.call(createPartitions, version, { topics });
    assert.deepEqual(results, [
      { name: `t${version}`, errorCode: Errors.NONE, errorMessage: null },
      { name: 'missing', errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null },
    ]);
    assert.equal(bench.image.topics.get(`t${version}`)!.partitions.length, 3);
  }
});

test('with validateOnly nothing is added', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  const topics = [{ name: 't', count: 3, assignments: [{ brokerIds: [1] }, { brokerIds: [1] }] }];
  const { results } = await bench.call(createPartitions, 3, { topics, validateOnly: true });
  assert.deepEqual([results[0].errorCode, bench.image.topics.get('t')!.partitions.length], [0, 1]);
});

test('S12: a topic that occurs twice is answered once and left alone; others are not held up', async () => {
  const bench = await brokerBench();
  for (const name of ['once', 'twice']) await bench.createTopic(name);
  const topics = ['twice', 'once', 'twice'].map((name) => ({ name, count: 2, assignments: null }));
  const { results } = await bench.call(createPartitions, 3, { topics });
  assert.deepEqual(results, [
    { name: 'twice', errorCode: Errors.INVALID_REQUEST, errorMessage: 'Duplicate topic name.' },
    { name: 'once', errorCode: Errors.NONE, errorMessage: null },
  ]);
  assert.equal(bench.image.topics.get('twice')!.partitions.length, 1);
});

test('it needs ALTER on the topic', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  bench.permit = (operation) => operation !== 'ALTER';
  const { results } = await bench.call(createPartitions, 3, {
    topics: [{ name: 't', count: 2, assignments: null }],
  });
  assert.deepEqual(results, [
    { name: 't', errorCode: Errors.TOPIC_AUTHORIZATION_FAILED, errorMessage: null },
  ]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { describeTopicPartitions } from './75-describe-topic-partitions.ts';

interface Cursor {
  readonly topicName: string;
  readonly partitionIndex: number;
}
interface Answer {
  readonly topics: { name: string; errorCode: number; partitions: { partitionIndex: number }[] }[];
  readonly nextCursor: Cursor | null;
}

async function page(bench: BrokerBench, body: object): Promise<[string[], Cursor | null]> {
  const { topics, nextCursor } = (await bench.call(describeTopicPartitions, 0, body)) as Answer;
  const shown = topics.map(({ name, errorCode, partitions }) => {
    const part = partitions.map(({ partitionIndex }) => partitionIndex).join();
    return errorCode === 0 ? `${name}:${part}` : `${name}!${errorCode}`;
  });
  return [shown, nextCursor];
}

async function threeTopics(): Promise<BrokerBench> {
  const bench = await brokerBench();
  await bench.createTopic('b', 3);
  await bench.createTopic('a', 2);
  await bench.createTopic('c', 1);
  return bench;
}

test('item 50: a client that follows the cursor sees every partition once, in order', async () => {
  const bench = await threeTopics();
  for (const limit of [1, 2, 3, 4, 5, 6, 7]) {
    const seen: string[] = [];
    let cursor: Cursor | null = null;
    do {
      const body: object = { responsePartitionLimit: limit, cursor };
      const [topics, next]: [string[], Cursor | null] = await page(bench, body);
      const partitions = topics.flatMap((one) => {
        const [name, list] = one.split(':');
        return list.split(',').map((n) => `${name}${n}`);
      });
      assert.ok(partitions.length <= limit);
      seen.push(...partitions);
      cursor = next;
    } while (cursor !== null);
    assert.deepEqual(seen, ['a0', 'a1', 'b0', 'b1', 'b2', 'c0'], `limit ${limit}`);
  }
});

test('item 50: the cursor points to the partition that comes next, also at the start of a topic', async () => {
  const bench = await threeTopics();
  assert.deepEqual(await page(bench, { responsePartitionLimit: 1 }), [
    ['a:0'],
    { topicName: 'a', partitionIndex: 1 },
  ]);
  assert.deepEqual(await page(bench, { responsePartitionLimit: 2 }), [
    ['a:0,1'],
    { topicName: 'b', partitionIndex: 0 },
  ]);
  assert.deepEqual(await page(bench, { responsePartitionLimit: 6 }), [['a:0,1', 'b:0,1,2', 'c:0'], null]);
});

test('item 50: the broker’s own limit holds, and at least one partition is answered', async () => {
  const bench = await brokerBench({ configs: { 'max.request.partition.size.limit': '2' } });
  await bench.createTopic('t', 5);
  const second = { topicName: 't', partitionIndex: 2 };
  assert.deepEqual(await page(bench, { responsePartitionLimit: 100 }), [['t:0,1'], second]);
  for (const responsePartitionLimit of [0, -1]) {
    assert.deepEqual(await page(bench, { responsePartitionLimit }), [
      ['t:0'],
      { ...second, partitionIndex: 1 },
    ]);
  }
});

test('topics asked for by name are answered sorted, each once, missing ones with an error', async () => {
  const bench = await threeTopics();
  const topics = ['c', 'no', 'a', 'n o', 'c'].map((name) => ({ name }));
  assert.deepEqual(await page(bench, { topics }), [['a:0,1', 'c:0', 'n o!17', 'no!3'], null]);
});

test('a cursor must name a topic of the list and a partition that can be', async () => {
  const bench = await threeTopics();
  const call = (body: object) =>
    describeTopicPartitions.handle(
      { topics: [{ name: 'a' }], responsePartitionLimit: 9, ...body },
      { apiVersion: 0, listener: 'PLAINTEXT' } as never,
      bench.services,
    );
  const invalid = (error: unknown): boolean =>
    error instanceof KafkaError && error.code === Errors.INVALID_REQUEST;
  assert.throws(() => call({ cursor: { topicName: 'b', partitionIndex: 0 } }), invalid);
  assert.throws(() => call({ cursor: { topicName: 'a', partitionIndex: -1 } }), invalid);
  const beyond = { topicName: 'a', partitionIndex: 99 };
  assert.deepEqual(await page(bench, { topics: [{ name: 'a' }], cursor: beyond }), [['a:'], null]);
});

test('a topic one may not describe is missing from all, and without its id when named', async () => {
  const bench = await threeTopics();
  bench.permit = (_operation, _resource, name) => name !== 'b';
  assert.deepEqual(await page(bench, {}), [['a:0,1', 'c:0'], null]);
  const { topics } = await bench.call(describeTopicPartitions, 0, { topics: [{ name: 'b' }, { name: 'c' }] });
  assert.deepEqual(
    [topics[1].name, topics[1].errorCode, topics[1].topicId, topics[1].partitions],
    ['b', Errors.TOPIC_AUTHORIZATION_FAILED, ZERO_UUID, []],
  );
});

test('a partition tells its replicas of every kind, and the topic what may be done with it', async () => {
  const bench = await threeTopics();
  bench.permit = (operation) => operation === 'DESCRIBE';
  const { topics } = await bench.call(describeTopicPartitions, 0, { topics: [{ name: 'c' }] });
  assert.deepEqual(topics, [
    {
      errorCode: 0,
      name: 'c',
      topicId: bench.image.topics.get('c')!.id,
      isInternal: false,
      partitions: [
        {
          errorCode: 0,
          partitionIndex: 0,
          leaderId: 1,
          leaderEpoch: 0,
          replicaNodes: [1],
          isrNodes: [1],
          eligibleLeaderReplicas: [],
          lastKnownElr: [],
          offlineReplicas: [],
        },
      ],
      topicAuthorizedOperations: 1 << 8,
    },
  ]);
});

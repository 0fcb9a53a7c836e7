import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { addPartitionsToTxn } from './24-add-partitions-to-txn.ts';

const CLIENT = {
  v3AndBelowTransactionalId: 'tx',
  v3AndBelowProducerId: 5,
  v3AndBelowProducerEpoch: 0,
  v3AndBelowTopics: [{ name: 't', partitions: [0] }],
};

/** The coordinator answers what the test says, and notes what it is asked. */
async function setUp(): Promise<{ bench: BrokerBench; asked: object[]; answer: { code: number } }> {
  const bench = await brokerBench();
  await bench.createTopic('t', 2);
  const asked: object[] = [];
  const answer = { code: Errors.NONE as number };
  Object.assign(bench.services, {
    transactions: {
      addPartitions(request: object) {
        asked.push(request);
        return Promise.resolve(answer.code);
      },
      verifyPartitions(request: { partitions: object[] }) {
        asked.push(request);
        return Promise.resolve(
          request.partitions.map((_, n) => (n === 0 ? 0 : Errors.TRANSACTION_ABORTABLE)),
        );
      },
    },
  });
  return { bench, asked, answer };
}

test('a client adds partitions to one transaction, which is of transactions v1', async () => {
  for (const version of [0, 1, 2, 3]) {
    const { bench, asked } = await setUp();
    const topics = [{ name: 't', partitions: [0, 1] }];
    const response = await bench.call(addPartitionsToTxn, version, { ...CLIENT, v3AndBelowTopics: topics });
    assert.deepEqual(response.resultsByTopicV3AndBelow, [
      {
        name: 't',
        resultsByPartition: [
          { partitionIndex: 0, partitionErrorCode: 0 },
          { partitionIndex: 1, partitionErrorCode: 0 },
        ],
      },
    ]);
    const partitions = [0, 1].map((partition) => ({ topic: 't', partition }));
    const of = { transactionalId: 'tx', producerId: 5, producerEpoch: 0, partitions };
    assert.deepEqual(asked, [{ ...of, clientVersion: 0 }]);
  }
});

test('all partitions or none: those that could be added are OPERATION_NOT_ATTEMPTED beside one that cannot', async () => {
  const { bench, asked } = await setUp();
  bench.permit = (_operation, _resource, name) => name !== 'secret';
  await bench.createTopic('secret');
  const topics = [
    { name: 't', partitions: [0, 7] },
    { name: 'secret', partitions: [0] },
    { name: '__consumer_offsets', partitions: [0] },
  ];
  const response = await bench.call(addPartitionsToTxn, 3, { ...CLIENT, v3AndBelowTopics: topics });
  const codes = response.resultsByTopicV3AndBelow.flatMap(
    ({ resultsByPartition }: { resultsByPartition: { partitionErrorCode: number }[] }) =>
      resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode),
  );
  assert.deepEqual(codes, [
    Errors.OPERATION_NOT_ATTEMPTED,
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
    Errors.TOPIC_AUTHORIZATION_FAILED,
    Errors.TOPIC_AUTHORIZATION_FAILED,
  ]);
  assert.deepEqual(asked, []);
});

test('a client needs WRITE on the transactional id, a broker CLUSTER_ACTION on the cluster', async () => {
  const { bench } = await setUp();
  bench.permit = (operation, resource) => resource === 'TOPIC' && operation === 'WRITE';
  const client = await bench.call(addPartitionsToTxn, 3, CLIENT);
  const [{ partitionErrorCode }] = client.resultsByTopicV3AndBelow[0].resultsByPartition;
  assert.equal(partitionErrorCode, Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  const broker = await bench.call(addPartitionsToTxn, 4, { transactions: [] });
  assert.equal(broker.errorCode, Errors.CLUSTER_AUTHORIZATION_FAILED);
});

test('item 17: before version 2 a fenced client is told INVALID_PRODUCER_EPOCH', async () => {
  const { bench, answer } = await setUp();
  answer.code = Errors.PRODUCER_FENCED;
  const code = async (version: number): Promise<number> => {
    const response = await bench.call(addPartitionsToTxn, version, CLIENT);
    return response.resultsByTopicV3AndBelow[0].resultsByPartition[0].partitionErrorCode;
  };
  assert.deepEqual(
    [await code(0), await code(1), await code(2), await code(3)],
    [
      Errors.INVALID_PRODUCER_EPOCH,
      Errors.INVALID_PRODUCER_EPOCH,
      Errors.PRODUCER_FENCED,
      Errors.PRODUCER_FENCED,
    ],
  );
});

test('item 20: brokers ask for several transactions at once, to add or only to verify', async () => {
  for (const version of [4, 5]) {
    const { bench, asked } = await setUp();
    const topics = [{ name: 't', partitions: [0, 1] }];
    const of = { producerId: 5, producerEpoch: 0, topics };
    const response = await bench.call(addPartitionsToTxn, version, {
      transactions: [
        { transactionalId: 'a', verifyOnly: false, ...of },
        { transactionalId: 'b', verifyOnly: true, ...of },
      ],
    });
    const results = response.resultsByTransaction as {
      transactionalId: string;
      topicResults: { resultsByPartition: { partitionErrorCode: number }[] }[];
    }[];
    assert.deepEqual(
      results.map(({ transactionalId, topicResults }) => [
        transactionalId,
        ...topicResults[0].resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode),
      ]),
      [
        ['a', 0, 0],
        ['b', 0, Errors.TRANSACTION_ABORTABLE],
      ],
    );
    assert.equal((asked[0] as { clientVersion: number }).clientVersion, 2);
    assert.equal('clientVersion' in asked[1], false);
  }
});

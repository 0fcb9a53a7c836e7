// What an administrator asks about brokers, replicas, features, users and transactions, of the real broker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scene } from './test-scene.ts';

test('replicas lie in log directories, and are where they are to be', async () => {
  const { client, admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a', partitions: 2 }]));
  await settle(client.producer().send({ topic: 'a', partition: 1, value: 'v'.repeat(100) }));
  const [broker] = await settle(admin.describeLogDirs());
  const [directory] = broker!.directories;
  assert.deepEqual([broker!.brokerId, broker!.directories.length, directory!.error], [1, 1, null]);
  const sizes = directory!.replicas
    .filter(({ topic }) => topic === 'a')
    .sort((a, b) => a.partition - b.partition);
  assert.deepEqual(
    sizes.map(({ partition, isFuture, offsetLag }) => [partition, isFuture, offsetLag]),
    [
      [0, false, 0],
      [1, false, 0],
    ],
  );
  assert.equal(sizes[0]!.sizeBytes, 0);
  assert.ok(sizes[1]!.sizeBytes > 100);
  const at = { topic: 'a', partition: 1 };
  const [only] = await settle(admin.describeLogDirs({ brokerIds: [1], partitions: [at] }));
  assert.deepEqual(
    only!.directories[0]!.replicas.map(({ partition }) => partition),
    [1],
  );
  await settle(admin.alterReplicaLogDirs([{ ...at, brokerId: 1, path: directory!.path }]));
  await assert.rejects(settle(admin.alterReplicaLogDirs([{ ...at, brokerId: 1, path: '/nowhere' }])), {
    errorName: 'LOG_DIR_NOT_FOUND',
  });
  await end();
});

test('partitions are reassigned to brokers that exist, and leaders elected where that is needed', async () => {
  const { admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a', partitions: 2 }]));
  const at = { topic: 'a', partition: 0 };
  await settle(admin.alterReassignments([{ ...at, replicas: [1] }]));
  await assert.rejects(settle(admin.alterReassignments([{ ...at, replicas: [1, 9] }])), {
    errorName: 'INVALID_REPLICA_ASSIGNMENT',
  });
  await assert.rejects(settle(admin.alterReassignments([{ ...at, replicas: null }])), {
    errorName: 'NO_REASSIGNMENT_IN_PROGRESS',
  });
  assert.deepEqual(await settle(admin.listReassignments()), []);
  assert.deepEqual(await settle(admin.listReassignments({ partitions: [at] })), []);
  const elected = await settle(admin.electLeaders({ partitions: [at] }));
  assert.deepEqual(elected, [{ ...at, isElected: false }]);
  assert.deepEqual(await settle(admin.electLeaders({ partitions: null })), []);
  await assert.rejects(settle(admin.electLeaders({ partitions: [{ topic: 'a', partition: 5 }] })), {
    errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
  });
  await end();
});

test('features are described, and changed to levels that exist', async () => {
  const { admin, settle, end } = await scene();
  const { finalized, supported } = await settle(admin.describeFeatures());
  const level = finalized['transaction.version']!.max;
  assert.ok(supported['transaction.version']!.max >= level);
  const change = { feature: 'transaction.version', level: 99 };
  await assert.rejects(settle(admin.updateFeatures([change])), { errorName: 'INVALID_UPDATE_VERSION' });
  const lower = { feature: 'transaction.version', level: level - 1, mode: 'safe-downgrade' } as const;
  await settle(admin.updateFeatures([lower]));
  assert.equal((await settle(admin.describeFeatures())).finalized['transaction.version']!.max, level - 1);
  await end();
});

test('SCRAM users get passwords and lose them', async () => {
  const { admin, settle, end } = await scene();
  const mechanism = 'SCRAM-SHA-512';
  await settle(admin.alterScramUsers([{ user: 'ada', mechanism, password: 'secret', iterations: 8_192 }]));
  assert.deepEqual(await settle(admin.describeScramUsers()), [
    { user: 'ada', credentials: [{ mechanism, iterations: 8_192 }] },
  ]);
  await assert.rejects(settle(admin.describeScramUsers({ users: ['ada', 'bob'] })), {
    errorName: 'RESOURCE_NOT_FOUND',
    results: [{ user: 'ada', credentials: [{ mechanism, iterations: 8_192 }] }],
  });
  const weak = { user: 'bob', mechanism, password: 'secret', iterations: 10 } as const;
  const changes = [weak, { user: 'ada', mechanism, password: null }] as const;
  await assert.rejects(settle(admin.alterScramUsers(changes)), { errorName: 'UNACCEPTABLE_CREDENTIAL' });
  assert.deepEqual(await settle(admin.describeScramUsers()), []);
  await end();
});

test('transactions are listed and described, producers seen, and fenced', async () => {
  const { client, admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a' }]));
  const at = { topic: 'a', partition: 0 };
  const producer = client.transactionalProducer({ transactionalId: 'pay', transactionTimeoutMs: 50_000 });
  const transaction = await settle(producer.begin());
  await settle(transaction.send({ ...at, value: 'v' }));
  const [listed] = await settle(admin.listTransactions({ states: ['Ongoing'] }));
  assert.deepEqual([listed!.transactionalId, listed!.state], ['pay', 'Ongoing']);
  assert.deepEqual(await settle(admin.listTransactions({ runningLongerThanMs: 1e9 })), []);
  await assert.rejects(settle(admin.listTransactions({ states: ['Sleeping'] })), {
    errorName: 'INVALID_ARGUMENT',
  });
  const [described] = await settle(admin.describeTransactions(['pay']));
  const { producerId, producerEpoch, timeoutMs, startTimeMs, partitions } = described!;
  assert.deepEqual([producerId, timeoutMs, partitions], [listed!.producerId, 50_000, [at]]);
  assert.ok(startTimeMs! > 0);
  const producersOf = async () => (await settle(admin.describeProducers([at])))[0]!.producers;
  const [open] = await producersOf();
  assert.deepEqual(
    [open!.producerId, open!.producerEpoch, open!.transactionStartOffset],
    [producerId, producerEpoch, 0],
  );
  const [fenced] = await settle(admin.fenceProducers(['pay']));
  assert.ok(fenced!.producerId !== producerId || fenced!.producerEpoch > producerEpoch);
  assert.equal((await producersOf())[0]!.transactionStartOffset, null);
  await assert.rejects(settle(transaction.commit()), { fatal: true });
  await assert.rejects(settle(admin.describeTransactions(['nobody'])), {
    errorName: 'TRANSACTIONAL_ID_NOT_FOUND',
  });
  await end();
});

test('a transaction that hangs in a partition is ended there', async () => {
  const { client, admin, settle, end } = await scene();
  await settle(admin.createTopics([{ topic: 'a' }]));
  const at = { topic: 'a', partition: 0 };
  const producer = client.transactionalProducer({ transactionalId: 'pay' });
  const transaction = await settle(producer.begin());
  await settle(transaction.send({ ...at, value: 'v' }));
  const [found] = await settle(admin.describeProducers([at]));
  const { producerId, producerEpoch } = found!.producers[0]!;
  const stable = async () =>
    (await settle(admin.listOffsets([{ ...at, at: 'latest' }], { isolation: 'committed' })))[0]!.offset;
  assert.equal(await stable(), 0);
  await assert.rejects(
    settle(admin.abortTransaction({ ...at, producerId, producerEpoch: producerEpoch - 1 })),
    {
      errorName: 'INVALID_PRODUCER_EPOCH',
    },
  );
  await settle(admin.abortTransaction({ ...at, producerId, producerEpoch }));
  assert.equal(await stable(), 2);
  await end();
});

/** What brokers ask of each other, asked by a client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../protocol/messages/24-add-partitions-to-txn.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../protocol/messages/27-write-txn-markers.ts';
import { Operations, type Authorizer } from '../security/authorizer.ts';
import type { TestClient } from './test-client.ts';
import { testCluster } from './test-cluster.ts';

const { NONE, CLUSTER_AUTHORIZATION_FAILED } = Errors;

/** Of a transaction that nobody has begun; there is a topic. */
async function askAll(client: TestClient) {
  const mark = async (transactionResult: boolean): Promise<number> => {
    const topics = [{ name: 't', partitionIndexes: [0] }];
    const marker = { producerId: 1, producerEpoch: 0, transactionResult, topics, coordinatorEpoch: 0 };
    const body = { markers: [marker] };
    const answer = await client.request(WriteTxnMarkersRequest, WriteTxnMarkersResponse, 1, body);
    return answer.markers[0]!.topics[0]!.partitions[0]!.errorCode;
  };
  const ids = { transactionalId: 'x', producerId: 1, producerEpoch: 0, verifyOnly: true };
  const transactions = [{ ...ids, topics: [{ name: 't', partitions: [0] }] }];
  const unused = {
    v3AndBelowTransactionalId: '',
    v3AndBelowProducerId: 0,
    v3AndBelowProducerEpoch: 0,
    v3AndBelowTopics: [],
  };
  const body = { transactions, ...unused };
  const added = await client.request(AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, 5, body);
  return { abort: await mark(false), commit: await mark(true), verify: added.errorCode };
}

async function asked(authorizer?: Authorizer) {
  const cluster = await testCluster(2, authorizer === undefined ? {} : { authorizer });
  const topic = { name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  const { controller, image } = cluster.member(1).broker.services;
  await cluster.settle(controller.createTopics([topic]));
  await cluster.pass(100);
  const answers = await askAll(await cluster.connect(image.partition('t', 0)!.leader));
  await cluster.stop();
  return answers;
}

test('in a cluster without an authorizer a client may end a hanging transaction, and nothing else that brokers do', async () => {
  assert.deepEqual(await asked(), {
    abort: NONE,
    commit: CLUSTER_AUTHORIZATION_FAILED,
    verify: CLUSTER_AUTHORIZATION_FAILED,
  });
});

test('an authorizer decides who may act as a broker, and who may end a hanging transaction', async () => {
  const allowing = (...allowed: number[]): Authorizer => ({
    authorize: (_principal, _host, operation) => allowed.includes(operation),
  });
  const denied = CLUSTER_AUTHORIZATION_FAILED;
  const acts = { abort: NONE, commit: NONE, verify: NONE };
  assert.deepEqual(await asked(allowing(Operations.CLUSTER_ACTION)), acts);
  const administers = { abort: NONE, commit: denied, verify: denied };
  assert.deepEqual(await asked(allowing(Operations.ALTER)), administers);
  assert.deepEqual(await asked(allowing()), { abort: denied, commit: denied, verify: denied });
});

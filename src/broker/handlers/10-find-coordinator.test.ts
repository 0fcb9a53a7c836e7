import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, LISTENER, type BrokerBench } from '../../../test/broker-bench.ts';
import { printUuid } from '../../base/uuid.ts';
import { GroupCoordinator } from '../../groups/group-coordinator.ts';
import { Errors } from '../../protocol/errors.ts';
import { findCoordinator, isSharePartitionKey } from './10-find-coordinator.ts';

async function setUp(): Promise<BrokerBench> {
  const bench = await brokerBench();
  const { ports, image, services } = bench;
  const { settings } = services;
  const partitionCount = () =>
    image.topics.get('__consumer_offsets')?.partitions.length ?? settings().offsets.topic.numPartitions;
  Object.assign(services, { groups: new GroupCoordinator({ ports, settings, partitionCount }) });
  return bench;
}

const GROUP = 0;
const TRANSACTION = 1;
const SHARE = 2;
const NOWHERE = { nodeId: -1, host: '', port: -1 };

test("a group's coordinator is the leader of its partition; the offsets topic is made for the first who asks", async () => {
  const bench = await setUp();
  const response = await bench.call(findCoordinator, 4, {
    keyType: GROUP,
    coordinatorKeys: ['orders', 'other'],
  });
  assert.deepEqual(
    response.coordinators,
    ['orders', 'other'].map((key) => ({
      key,
      nodeId: 1,
      host: 'host1',
      port: 9001,
      errorCode: 0,
      errorMessage: '',
    })),
  );
  const topic = bench.image.topics.get('__consumer_offsets')!;
  assert.equal(topic.partitions.length, 50);
  assert.equal(topic.isInternal, true);
  assert.equal(bench.image.configs('TOPIC', '__consumer_offsets').get('cleanup.policy'), 'compact');
});

test('before version 4 there is one key, and its coordinator stands at the top', async () => {
  const bench = await setUp();
  const { coordinators, ...response } = await bench.call(findCoordinator, 3, {
    key: 'orders',
    keyType: GROUP,
  });
  assert.deepEqual(response, {
    throttleTimeMs: 0,
    errorCode: 0,
    errorMessage: 'NONE',
    nodeId: 1,
    host: 'host1',
    port: 9001,
  });
  assert.deepEqual(coordinators, []);
  const oldest = await bench.call(findCoordinator, 0, { key: 'orders' });
  assert.deepEqual([oldest.errorCode, oldest.nodeId], [0, 1]);
});

test('a leader that is gone, or has no endpoint on this listener, is COORDINATOR_NOT_AVAILABLE', async () => {
  const bench = await setUp();
  const request = { keyType: GROUP, coordinatorKeys: ['orders'] };
  await bench.call(findCoordinator, 4, request);
  const [other] = (await bench.call(findCoordinator, 4, request, { listener: 'INTERNAL' })).coordinators;
  assert.deepEqual([other.errorCode, other.nodeId], [Errors.COORDINATOR_NOT_AVAILABLE, -1]);
  const [own] = (await bench.call(findCoordinator, 4, request, { listener: LISTENER })).coordinators;
  assert.equal(own.errorCode, 0);
});

test('an offsets topic that cannot be made is COORDINATOR_NOT_AVAILABLE', async () => {
  const bench = await setUp();
  const ensureInternal = () => Promise.reject(new Error('no brokers'));
  Object.assign(bench.services, { topicCreation: { ensureInternal } });
  const response = await bench.call(findCoordinator, 4, { keyType: GROUP, coordinatorKeys: ['orders'] });
  assert.equal(response.coordinators[0].errorCode, Errors.COORDINATOR_NOT_AVAILABLE);
});

test("a transactional id's coordinator is the leader of its partition of __transaction_state", async () => {
  const bench = await setUp();
  const response = await bench.call(findCoordinator, 6, { keyType: TRANSACTION, coordinatorKeys: ['tx'] });
  assert.deepEqual(response.coordinators, [
    { key: 'tx', nodeId: 1, host: 'host1', port: 9001, errorCode: 0, errorMessage: '' },
  ]);
  const topic = bench.image.topics.get('__transaction_state')!;
  assert.deepEqual([topic.partitions.length, topic.isInternal], [50, true]);
  assert.equal(bench.image.configs('TOPIC', '__transaction_state').get('cleanup.policy'), 'compact');
});

test('share groups have no coordinator here yet, and nobody is told otherwise', async () => {
  const bench = await setUp();
  const key = `g:${printUuid('0123456789abcdef')}:0`;
  const [found] = (await bench.call(findCoordinator, 6, { keyType: SHARE, coordinatorKeys: [key] }))
    .coordinators;
  const { errorCode, nodeId, host, port } = found;
  assert.deepEqual({ errorCode, nodeId, host, port }, { errorCode: Errors.UNSUPPORTED_VERSION, ...NOWHERE });
});

test('item 59: a share key that is not group:topicId:partition is INVALID_REQUEST, as is any before version 6', async () => {
  const bench = await setUp();
  const id = printUuid('0123456789abcdef');
  const codeOf = async (key: string, version = 6): Promise<number> => {
    const response = await bench.call(findCoordinator, version, { keyType: SHARE, coordinatorKeys: [key] });
    return response.coordinators[0].errorCode;
  };
  assert.equal(await codeOf('g'), Errors.INVALID_REQUEST);
  assert.equal(await codeOf(`g:${id}:1`), Errors.UNSUPPORTED_VERSION);
  assert.equal(await codeOf(`g:${id}:1`, 5), Errors.INVALID_REQUEST);
  const keys: [string, boolean][] = [
    [`g:${id}:0`, true],
    [`g:${id}:2147483647`, true],
    [`g:${id}:0:`, true],
    [`g:${id}:2147483648`, false],
    [`g:${id}:x`, false],
    [`g:${id}:`, false],
    [`g:${id}`, false],
    [`g:${id}:0:0`, false],
    [`g:t:0`, false],
    [` :${id}:0`, false],
    [`:${id}:0`, false],
    ['', false],
  ];
  assert.deepEqual(
    keys.map(([key]) => [key, isSharePartitionKey(key)]),
    keys,
  );
});

test('a coordinator type that does not exist is INVALID_REQUEST', async () => {
  const bench = await setUp();
  const response = await bench.call(findCoordinator, 4, { keyType: 3, coordinatorKeys: ['x'] });
  assert.equal(response.coordinators[0].errorCode, Errors.INVALID_REQUEST);
});

test('who may not describe the key is told so, and the topic is not made for them', async () => {
  const bench = await setUp();
  bench.permit = () => false;
  const codes = [];
  for (const [keyType, key] of [
    [GROUP, 'g'],
    [TRANSACTION, 'tx'],
    [SHARE, 'g:t:0'],
  ]) {
    codes.push(
      (await bench.call(findCoordinator, 6, { keyType, coordinatorKeys: [key] })).coordinators[0].errorCode,
    );
  }
  assert.deepEqual(codes, [
    Errors.GROUP_AUTHORIZATION_FAILED,
    Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    Errors.CLUSTER_AUTHORIZATION_FAILED,
  ]);
  assert.equal(bench.image.topics.has('__consumer_offsets'), false);
});

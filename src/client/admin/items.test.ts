// To whom an administrator's questions go, and what is asked again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, type Admin } from '../client.ts';
import { BREAK, TestCluster } from '../test-cluster.ts';
import { failureOf, namesOf } from './test-scene.ts';

const CREATE_TOPICS = 19;
const FIND_COORDINATOR = 10;
const LIST_GROUPS = 16;
const LIST_OFFSETS = 2;
const DELETE_GROUPS = 42;
const CREATE_ACLS = 30;
const DELETE_ACLS = 31;
const DESCRIBE_ACLS = 29;
const DESCRIBE_QUOTAS = 48;
const ALTER_QUOTAS = 49;
const NOT_CONTROLLER = 41;
const NOT_LEADER_OR_FOLLOWER = 6;
const NOT_COORDINATOR = 16;
const INVALID_PARTITIONS = 37;
const CLUSTER_AUTHORIZATION_FAILED = 31;

function administer(cluster: TestCluster): Admin {
  return new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() }).admin();
}

const namesAsked = (cluster: TestCluster): string[][] =>
  cluster.requests(CREATE_TOPICS).map(({ topics }) => topics.map(({ name }: { name: string }) => name));

test('what was done is not asked again with what was not', async () => {
  const cluster = new TestCluster({ brokerCount: 2 });
  const codes = new Map([
    ['late', [NOT_CONTROLLER, NOT_CONTROLLER]],
    ['wrong', [INVALID_PARTITIONS]],
  ]);
  cluster.handlers.set(CREATE_TOPICS, ({ body }) => ({
    throttleTimeMs: 0,
    topics: body.topics.map(({ name }: { name: string }) => ({
      name,
      topicId: '\0'.repeat(16),
      errorCode: codes.get(name)?.shift() ?? 0,
      errorMessage: null,
      configs: null,
    })),
  }));
  const making = administer(cluster).createTopics([{ topic: 'done' }, { topic: 'late' }, { topic: 'wrong' }]);
  const failure = await cluster.settle(failureOf(making));
  assert.deepEqual(namesOf(failure), [['wrong', 'INVALID_PARTITIONS']]);
  assert.deepEqual(
    failure.results.map((one) => (one as { topic: string }).topic),
    ['done', 'late'],
  );
  assert.deepEqual(namesAsked(cluster), [['done', 'late', 'wrong'], ['late'], ['late']]);
});

test('an answer that leaves something out is no success', async () => {
  const cluster = new TestCluster();
  cluster.handlers.set(CREATE_TOPICS, () => ({ throttleTimeMs: 0, topics: [] }));
  const making = administer(cluster).createTopics([{ topic: 'a' }]);
  assert.deepEqual(namesOf(await cluster.settle(failureOf(making))), [['a', 'INVALID_ANSWER']]);
});

test('a leader that has moved is looked for again, for its partitions alone', async () => {
  const cluster = new TestCluster({ brokerCount: 3 });
  cluster.topics.set('a', { id: 'a'.repeat(16), leaders: [1, 2], leaderEpoch: 0 });
  let isMoved = false;
  cluster.handlers.set(LIST_OFFSETS, ({ nodeId, body }) => ({
    throttleTimeMs: 0,
    topics: body.topics.map(
      ({ name, partitions }: { name: string; partitions: { partitionIndex: number }[] }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => {
          if (nodeId === 1 && !isMoved) {
            isMoved = true;
            cluster.topics.set('a', { id: 'a'.repeat(16), leaders: [0, 2], leaderEpoch: 1 });
            return {
              partitionIndex,
              errorCode: NOT_LEADER_OR_FOLLOWER,
              timestamp: -1,
              offset: -1,
              leaderEpoch: -1,
            };
          }
          return { partitionIndex, errorCode: 0, timestamp: -1, offset: 10 + nodeId, leaderEpoch: 1 };
        }),
      }),
    ),
  }));
  const offsets = await cluster.settle(
    administer(cluster).listOffsets([
      { topic: 'a', partition: 1, at: 'latest' },
      { topic: 'a', partition: 0, at: 'latest' },
    ]),
  );
  assert.deepEqual(
    offsets.map(({ partition, offset }) => [partition, offset]),
    [
      [1, 12],
      [0, 10],
    ],
  );
  const asked = cluster.asked.filter(({ key }) => key === LIST_OFFSETS).map(({ nodeId }) => nodeId);
  assert.deepEqual(asked.sort(), [0, 1, 2]);
});

test('a coordinator that has moved is found again', async () => {
  const cluster = new TestCluster({ brokerCount: 2 });
  let coordinator = 0;
  cluster.handlers.set(FIND_COORDINATOR, ({ body }) => {
    const nodeId = coordinator;
    const own = { key: body.coordinatorKeys[0], nodeId, host: `b${nodeId}`, port: 9092, errorCode: 0 };
    return { throttleTimeMs: 0, coordinators: [{ ...own, errorMessage: null }] };
  });
  cluster.handlers.set(DELETE_GROUPS, ({ nodeId, body }) => {
    coordinator = 1;
    const errorCode = nodeId === 1 ? 0 : NOT_COORDINATOR;
    return { throttleTimeMs: 0, results: [{ groupId: body.groupsNames[0], errorCode, errorMessage: null }] };
  });
  await cluster.settle(administer(cluster).deleteGroup('g'));
  const asked = cluster.asked.filter(({ key }) => key === DELETE_GROUPS).map(({ nodeId }) => nodeId);
  assert.deepEqual(asked, [0, 1]);
});

test('a broker that does not answer hides nothing of the others', async () => {
  const cluster = new TestCluster({ brokerCount: 3 });
  cluster.handlers.set(LIST_GROUPS, ({ nodeId }) =>
    nodeId === 1
      ? BREAK
      : {
          throttleTimeMs: 0,
          errorCode: 0,
          groups: [{ groupId: `g${nodeId}`, protocolType: '', groupState: 'Empty', groupType: 'Classic' }],
        },
  );
  const listing = administer(cluster).listGroups();
  const failure = await cluster.settle(failureOf(listing));
  assert.deepEqual(namesOf(failure), [['1', 'NETWORK_EXCEPTION']]);
  const found = failure.results.flat() as { groupId: string }[];
  assert.deepEqual(
    found.map(({ groupId }) => groupId),
    ['g0', 'g2'],
  );
  const others = cluster.asked.filter(({ key, nodeId }) => key === LIST_GROUPS && nodeId !== 1);
  assert.equal(others.length, 2);
});

test('a question that the broker is too old for is refused, not turned into another', async () => {
  const cluster = new TestCluster();
  cluster.topics.set('a', { id: 'a'.repeat(16), leaders: [0], leaderEpoch: 0 });
  cluster.versionMax.set(LIST_OFFSETS, 6);
  cluster.versionMax.set(LIST_GROUPS, 3);
  const admin = administer(cluster);
  const tooOld = { errorName: 'UNSUPPORTED_API' };
  const question = { topic: 'a', partition: 0, at: 'max-timestamp' } as const;
  await assert.rejects(cluster.settle(admin.listOffsets([question])), tooOld);
  await assert.rejects(cluster.settle(admin.listGroups({ states: ['Empty'] })), tooOld);
  assert.deepEqual([cluster.requests(LIST_OFFSETS), cluster.requests(LIST_GROUPS)], [[], []]);
});

test('rules of access go out as numbers and come back as words', async () => {
  const cluster = new TestCluster();
  const wire = { resourceType: 2, resourceName: 'pay', principal: 'User:ada', host: '*' };
  const acl = { ...wire, patternType: 4, operation: 3, permissionType: 2 };
  const done = { errorCode: 0, errorMessage: null };
  cluster.handlers.set(CREATE_ACLS, () => ({
    throttleTimeMs: 0,
    results: [done, { errorCode: CLUSTER_AUTHORIZATION_FAILED, errorMessage: 'no' }],
  }));
  cluster.handlers.set(DESCRIBE_ACLS, () => ({
    throttleTimeMs: 0,
    ...done,
    resources: [{ resourceType: 2, resourceName: 'pay', patternType: 4, acls: [acl] }],
  }));
  cluster.handlers.set(DELETE_ACLS, () => ({
    throttleTimeMs: 0,
    filterResults: [{ ...done, matchingAcls: [{ ...acl, ...done }] }],
  }));
  const admin = administer(cluster);
  const rule = {
    resourceType: 'topic',
    resourceName: 'pay',
    patternType: 'prefixed',
    principal: 'User:ada',
    host: '*',
    operation: 'read',
    permission: 'deny',
  } as const;
  const { patternType: _pattern, permission: _permission, ...plain } = rule;
  await assert.rejects(cluster.settle(admin.createAcls([rule, plain])), {
    errorName: 'CLUSTER_AUTHORIZATION_FAILED',
    message: /creating ACL allow User:ada read topic pay: no/,
  });
  assert.deepEqual(cluster.requests(CREATE_ACLS)[0].creations, [
    { ...wire, resourcePatternType: 4, operation: 3, permissionType: 2 },
    { ...wire, resourcePatternType: 3, operation: 3, permissionType: 3 },
  ]);
  assert.deepEqual(await cluster.settle(admin.describeAcls({ resourceName: 'pay' })), [rule]);
  const filter = {
    resourceTypeFilter: 1,
    resourceNameFilter: 'pay',
    patternTypeFilter: 1,
    principalFilter: null,
  };
  const rest = { hostFilter: null, operation: 1, permissionType: 1 };
  assert.deepEqual(cluster.requests(DESCRIBE_ACLS)[0], { ...filter, ...rest });
  assert.deepEqual(await cluster.settle(admin.deleteAcls([{ resourceName: 'pay' }])), [[rule]]);
  assert.deepEqual(cluster.requests(DELETE_ACLS)[0].filters, [{ ...filter, ...rest }]);
});

test('quotas are of users, client ids and addresses, by name or by default', async () => {
  const cluster = new TestCluster();
  const entity = [
    { entityType: 'user', entityName: 'ada' },
    { entityType: 'client-id', entityName: null },
  ];
  const done = { errorCode: 0, errorMessage: null };
  cluster.handlers.set(DESCRIBE_QUOTAS, () => ({
    throttleTimeMs: 0,
    ...done,
    entries: [{ entity, values: [{ key: 'producer_byte_rate', value: 1024 }] }],
  }));
  // Entities may come back in another order.
  cluster.handlers.set(ALTER_QUOTAS, () => ({
    throttleTimeMs: 0,
    entries: [{ ...done, entity: entity.toReversed() }],
  }));
  const admin = administer(cluster);
  const own = { user: 'ada', 'client-id': null };
  await cluster.settle(
    admin.alterQuotas([{ entity: own, quotas: { producer_byte_rate: 1024, consumer_byte_rate: null } }]),
  );
  assert.deepEqual(cluster.requests(ALTER_QUOTAS)[0].entries, [
    {
      entity,
      ops: [
        { key: 'producer_byte_rate', value: 1024, remove: false },
        { key: 'consumer_byte_rate', value: 0, remove: true },
      ],
    },
  ]);
  const found = await cluster.settle(
    admin.describeQuotas({ entity: { user: { any: true }, 'client-id': null } }),
  );
  assert.deepEqual(found, [{ entity: own, quotas: { producer_byte_rate: 1024 } }]);
  assert.deepEqual(cluster.requests(DESCRIBE_QUOTAS)[0].components, [
    { entityType: 'user', matchType: 2, match: null },
    { entityType: 'client-id', matchType: 1, match: null },
  ]);
});

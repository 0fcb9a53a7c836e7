// KafkaJS's administrator against the real broker, on simulated ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestCluster } from '../client/test-cluster.ts';
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ConfigResourceTypes,
  ConfigSource,
  Kafka,
  KafkaJSAggregateError,
  KafkaJSAlterPartitionReassignmentsError,
  KafkaJSDeleteGroupsError,
  KafkaJSDeleteTopicRecordsError,
  KafkaJSNonRetriableError,
  logLevel,
  ResourcePatternTypes,
  type AclEntry,
  type Admin,
} from './kafkajs.ts';
import { kafkaScene, type KafkaScene } from './test-scene.ts';

async function administrator(
  settings: Record<string, string> = {},
): Promise<KafkaScene & { kafkaAdmin: Admin }> {
  const scene = await kafkaScene(settings);
  const kafkaAdmin = scene.kafka.admin();
  await scene.settle(kafkaAdmin.connect());
  return {
    ...scene,
    kafkaAdmin,
    async end() {
      await scene.settle(kafkaAdmin.disconnect());
      await scene.end();
    },
  };
}

/** What a call rejects with. */
async function failure(call: Promise<unknown>): Promise<Error> {
  try {
    await call;
  } catch (error) {
    return error as Error;
  }
  return assert.fail('nothing has failed');
}

test('topics are made, described, enlarged and removed', async () => {
  const { kafkaAdmin: admin, settle, end } = await administrator();
  const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
  const topics = [
    { topic: 'a', numPartitions: 2, configEntries },
    { topic: 'b', replicaAssignment: [{ partition: 0, replicas: [1] }] },
  ];
  assert.equal(await settle(admin.createTopics({ topics, validateOnly: true })), true);
  assert.deepEqual(await settle(admin.listTopics()), []);
  assert.equal(await settle(admin.createTopics({ topics })), true);
  assert.equal(await settle(admin.createTopics({ topics })), false);
  assert.equal(await settle(admin.createPartitions({ topicPartitions: [{ topic: 'b', count: 3 }] })), true);
  const partition = (partitionId: number) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 1,
    replicas: [1],
    isr: [1],
    offlineReplicas: [],
  });
  assert.deepEqual(await settle(admin.fetchTopicMetadata({ topics: ['a'] })), {
    topics: [{ name: 'a', partitions: [partition(0), partition(1)] }],
  });
  const all = await settle(admin.fetchTopicMetadata());
  assert.deepEqual(
    all.topics.map(({ name, partitions }) => [name, partitions.length]),
    [
      ['a', 2],
      ['b', 3],
    ],
  );
  await settle(admin.deleteTopics({ topics: ['a'] }));
  assert.deepEqual(await settle(admin.listTopics()), ['b']);
  const { brokers, controller, clusterId } = await settle(admin.describeCluster());
  assert.deepEqual(
    [brokers, controller, clusterId.length],
    [[{ nodeId: 1, host: 'broker', port: 19092 }], 1, 22],
  );
  await end();
});

test('what fails is told by topic, and what makes no sense is refused', async () => {
  const { kafkaAdmin: admin, settle, end } = await administrator();
  const wrong = await failure(
    settle(
      admin.createTopics({
        topics: [{ topic: 'fine' }, { topic: 'not/fine' }, { topic: 'many', replicationFactor: 9 }],
      }),
    ),
  );
  assert.ok(wrong instanceof KafkaJSAggregateError);
  assert.deepEqual(
    wrong.errors
      .map((error) => Object.assign({ name: '', type: '', topic: '' }, error))
      .map(({ name, type, topic }) => [name, type, topic]),
    [
      ['KafkaJSCreateTopicError', 'INVALID_TOPIC_EXCEPTION', 'not/fine'],
      ['KafkaJSCreateTopicError', 'INVALID_REPLICATION_FACTOR', 'many'],
    ],
  );
  const calls: (() => Promise<unknown>)[] = [
    () => admin.createTopics({ topics: 'a' as never }),
    () => admin.createTopics({ topics: [{ topic: 'a' }, { topic: 'a' }] }),
    () => admin.createTopics({ topics: [{ topic: 'a', configEntries: [{ name: 'x' } as never] }] }),
    () => admin.createPartitions({ topicPartitions: [] }),
    () => admin.deleteTopics({ topics: 'a' as never }),
    () => admin.fetchTopicMetadata({ topics: [''] }),
    () => admin.fetchTopicOffsets(''),
    () => admin.fetchOffsets({ groupId: '' }),
    () => admin.setOffsets({ groupId: 'g', topic: 't', partitions: [] }),
    () => admin.resetOffsets({ groupId: 'g', topic: '' }),
    () => admin.describeConfigs({ resources: [] }),
    () => admin.describeConfigs({ resources: [{ type: 1 as never, name: 'x' }] }),
    () =>
      admin.alterConfigs({
        resources: [{ type: ConfigResourceTypes.TOPIC, name: 't', configEntries: 'x' as never }],
      }),
    () => admin.deleteGroups('g' as never),
    () => admin.deleteTopicRecords({ topic: 't', partitions: [] }),
    () => admin.createAcls({ acl: [] }),
    () => admin.describeAcls({ resourceType: 99 as never } as never),
    () => admin.deleteAcls({ filters: [{ principal: 7 } as never] }),
  ];
  for (const call of calls) {
    const refused = await failure(settle(call()));
    assert.ok(refused instanceof KafkaJSNonRetriableError, `${refused.name}: ${refused.message}`);
  }
  const unknown = await failure(settle(admin.fetchTopicOffsets('missing')));
  assert.equal((unknown as { type?: string }).type, 'UNKNOWN_TOPIC_OR_PARTITION');
  await end();
});

test('offsets of topics, and records that are removed', async () => {
  const { kafkaAdmin: admin, settle, send, kafka, end, admin: broker } = await administrator();
  await broker.createTopic('t', { numPartitions: 2 });
  await send('t', 0, ['a', 'b', 'c']);
  const producer = kafka.producer();
  await settle(producer.connect());
  const messages = ['1000', '2000', '3000'].map((timestamp) => ({
    partition: 1,
    value: timestamp,
    timestamp,
  }));
  await settle(producer.send({ topic: 't', messages }));
  await settle(admin.deleteTopicRecords({ topic: 't', partitions: [{ partition: 0, offset: '2' }] }));
  assert.deepEqual(await settle(admin.fetchTopicOffsets('t')), [
    { partition: 0, offset: '3', high: '3', low: '2' },
    { partition: 1, offset: '3', high: '3', low: '0' },
  ]);
  assert.deepEqual(await settle(admin.fetchTopicOffsetsByTimestamp('t', 1_500)), [
    { partition: 0, offset: '2' },
    { partition: 1, offset: '1' },
  ]);
  assert.deepEqual(await settle(admin.fetchTopicOffsetsByTimestamp('t', 10 ** 14)), [
    { partition: 0, offset: '3' },
    { partition: 1, offset: '3' },
  ]);
  const beyond = await failure(
    settle(admin.deleteTopicRecords({ topic: 't', partitions: [{ partition: 0, offset: '99' }] })),
  );
  assert.ok(beyond instanceof KafkaJSDeleteTopicRecordsError);
  assert.deepEqual(
    beyond.partitions.map(({ partition, offset, error }) => [
      partition,
      offset,
      (error as { type?: string }).type,
    ]),
    [[0, '99', 'OFFSET_OUT_OF_RANGE']],
  );
  await settle(producer.disconnect());
  await end();
});

test('groups: offsets are set, reset and fetched while nobody is in them; they are listed, described, removed', async () => {
  const { kafkaAdmin: admin, settle, send, kafka, end, admin: broker } = await administrator();
  await broker.createTopic('t', { numPartitions: 2 });
  await send('t', 0, ['a', 'b', 'c']);
  const of = async (topics?: string[]): Promise<unknown> =>
    settle(admin.fetchOffsets({ groupId: 'g', ...(topics === undefined ? {} : { topics }) }));
  const offsets = (...list: string[]): unknown => [
    { topic: 't', partitions: list.map((offset, partition) => ({ partition, offset, metadata: null })) },
  ];
  assert.deepEqual(await of(['t']), offsets('-1', '-1'));
  await settle(admin.setOffsets({ groupId: 'g', topic: 't', partitions: [{ partition: 0, offset: '2' }] }));
  assert.deepEqual(await of(['t']), offsets('2', '-1'));
  assert.deepEqual(await of(), offsets('2'));
  await settle(admin.resetOffsets({ groupId: 'g', topic: 't', earliest: true }));
  assert.deepEqual(await of(['t']), offsets('0', '0'));
  await settle(admin.resetOffsets({ groupId: 'g', topic: 't' }));
  assert.deepEqual(await of(['t']), offsets('3', '0'));
  const resolved = await settle(admin.fetchOffsets({ groupId: 'new', topics: ['t'], resolveOffsets: true }));
  assert.deepEqual(resolved, offsets('3', '0'));

  const consumer = kafka.consumer({ groupId: 'g' });
  await settle(consumer.subscribe({ topic: 't' }));
  await settle(consumer.run({ eachMessage: async () => {} }));
  const taken = await failure(settle(admin.resetOffsets({ groupId: 'g', topic: 't' })));
  assert.match(taken.message, /no running instances, current state: Stable/);
  const { groups } = await settle(admin.describeGroups(['g', 'nobody']));
  assert.deepEqual(
    groups.map(({ groupId, state, members }) => [groupId, state, members.length]),
    [
      ['g', 'Stable', 1],
      ['nobody', 'Dead', 0],
    ],
  );
  const kept = await failure(settle(admin.deleteGroups(['g', 'new'])));
  assert.ok(kept instanceof KafkaJSDeleteGroupsError);
  assert.deepEqual(
    kept.groups.map(({ groupId, errorCode }) => [groupId, errorCode]),
    [['g', 68]],
  );
  await settle(consumer.disconnect());
  assert.deepEqual(await settle(admin.listGroups()), {
    groups: [{ groupId: 'g', protocolType: 'consumer' }],
  });
  assert.deepEqual(await settle(admin.deleteGroups(['g'])), [{ groupId: 'g', errorCode: 0 }]);
  await end();
});

test('settings are described, and changed as a whole', async () => {
  const { kafkaAdmin: admin, settle, end, admin: broker } = await administrator();
  await broker.createTopic('t', { configs: { 'cleanup.policy': 'compact' } });
  const resource = { type: ConfigResourceTypes.TOPIC, name: 't' };
  const described = async (name: string): Promise<unknown> => {
    const { resources } = await settle(
      admin.describeConfigs({ resources: [{ ...resource, configNames: [name] }] }),
    );
    const { configEntries, ...rest } = resources[0]!;
    assert.deepEqual(rest, { errorCode: 0, errorMessage: null, resourceName: 't', resourceType: 2 });
    return configEntries.map(({ configName, configValue, configSource, isDefault }) => [
      configName,
      configValue,
      configSource,
      isDefault,
    ]);
  };
  assert.deepEqual(await described('cleanup.policy'), [
    ['cleanup.policy', 'compact', ConfigSource.TOPIC_CONFIG, false],
  ]);
  const altered = await settle(
    admin.alterConfigs({
      resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '60000' }] }],
    }),
  );
  assert.deepEqual(altered.resources, [
    { errorCode: 0, errorMessage: null, resourceName: 't', resourceType: 2 },
  ]);
  assert.deepEqual(await described('retention.ms'), [
    ['retention.ms', '60000', ConfigSource.TOPIC_CONFIG, false],
  ]);
  assert.deepEqual(await described('cleanup.policy'), [
    ['cleanup.policy', 'delete', ConfigSource.DEFAULT_CONFIG, true],
  ]);
  const synonyms = await settle(
    admin.describeConfigs({
      includeSynonyms: true,
      resources: [{ type: ConfigResourceTypes.BROKER, name: '1' }, resource],
    }),
  );
  assert.ok(synonyms.resources[0]!.configEntries.length > 50);
  assert.ok(synonyms.resources[1]!.configEntries.some(({ configSynonyms }) => configSynonyms.length > 0));
  const wrong = await failure(
    settle(
      admin.alterConfigs({
        resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: 'x' }] }],
      }),
    ),
  );
  assert.equal((wrong as { type?: string }).type, 'INVALID_CONFIG');
  await end();
});

test('rules of access are made, found and removed', async () => {
  const cluster = new TestCluster();
  const [config, ports] = [{ brokers: [cluster.bootstrap] }, cluster.clientPorts()];
  const admin = new Kafka({ ...config, logLevel: logLevel.NOTHING }, ports).admin();
  const settle = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
  const done = { errorCode: 0, errorMessage: null };
  const [DESCRIBE, CREATE, DELETE] = [29, 30, 31];
  const wire = { resourceType: 5, resourceName: 'x', patternType: 4, principal: 'User:ada', host: '*' };
  const [operation, permissionType] = [10, 2];
  cluster.handlers.set(CREATE, () => ({ throttleTimeMs: 0, results: [done, done] }));
  cluster.handlers.set(DESCRIBE, () => {
    const { principal, host, ...resource } = wire;
    const acls = [principal, 'User:bob'].map((one) => ({ principal: one, host, operation, permissionType }));
    return { throttleTimeMs: 0, ...done, resources: [{ ...resource, acls }] };
  });
  cluster.handlers.set(DELETE, () => ({
    throttleTimeMs: 0,
    filterResults: [{ ...done, matchingAcls: [{ ...wire, operation, permissionType, ...done }] }],
  }));
  const entry: AclEntry = {
    resourceType: AclResourceTypes.TRANSACTIONAL_ID,
    resourceName: 'x',
    resourcePatternType: ResourcePatternTypes.PREFIXED,
    principal: 'User:ada',
    host: '*',
    operation: AclOperationTypes.DESCRIBE_CONFIGS,
    permissionType: AclPermissionTypes.DENY,
  };
  const filter = {
    resourceType: AclResourceTypes.ANY,
    resourcePatternType: ResourcePatternTypes.MATCH,
    operation: AclOperationTypes.ALL,
    permissionType: AclPermissionTypes.ALLOW,
  };
  assert.equal(await settle(admin.createAcls({ acl: [entry, { ...entry, principal: 'User:bob' }] })), true);
  assert.deepEqual(cluster.requests(CREATE)[0].creations[0], {
    resourceType: 5,
    resourceName: 'x',
    resourcePatternType: 4,
    principal: 'User:ada',
    host: '*',
    operation,
    permissionType,
  });
  const { resources } = await settle(admin.describeAcls(filter));
  assert.deepEqual(cluster.requests(DESCRIBE)[0], {
    resourceTypeFilter: 1,
    resourceNameFilter: null,
    patternTypeFilter: 2,
    principalFilter: null,
    hostFilter: null,
    operation: 2,
    permissionType: 3,
  });
  const { resourceType, resourceName, resourcePatternType } = entry;
  assert.deepEqual(
    resources.map(({ acls, ...rest }) => [rest, acls.map(({ principal }) => principal)]),
    [[{ resourceType, resourceName, resourcePatternType }, ['User:ada', 'User:bob']]],
  );
  const { filterResponses } = await settle(
    admin.deleteAcls({ filters: [{ ...filter, principal: 'User:ada' }] }),
  );
  assert.deepEqual(filterResponses, [{ errorCode: 0, matchingAcls: [{ errorCode: 0, ...entry }] }]);
  await settle(admin.disconnect());
});

test('partitions are moved, as far as there are brokers', async () => {
  const { kafkaAdmin: admin, settle, end, admin: broker } = await administrator();
  await broker.createTopic('t');
  const topics = [{ topic: 't', partitionAssignment: [{ partition: 0, replicas: [1] }] }];
  await settle(admin.alterPartitionReassignments({ topics }));
  assert.deepEqual(await settle(admin.listPartitionReassignments()), { topics: [] });
  const nowhere = await failure(
    settle(
      admin.alterPartitionReassignments({
        topics: [{ topic: 't', partitionAssignment: [{ partition: 0, replicas: [7] }] }],
      }),
    ),
  );
  assert.ok(nowhere instanceof KafkaJSAggregateError);
  const [first] = nowhere.errors;
  assert.ok(first instanceof KafkaJSAlterPartitionReassignmentsError);
  assert.deepEqual([first.type, first.topic, first.partition], ['INVALID_REPLICA_ASSIGNMENT', 't', 0]);
  await end();
});

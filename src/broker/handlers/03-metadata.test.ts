import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, LISTENER, type BrokerBench } from '../../../test/broker-bench.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import { metadata } from './03-metadata.ts';

const ALL_VERSIONS = Array.from({ length: 14 }, (_, n) => n);

interface Topic {
  readonly name: string | null;
  readonly errorCode: number;
}

async function names(bench: BrokerBench, version: number, body: object): Promise<[string | null, number][]> {
  const { topics } = await bench.call(metadata, version, body);
  return (topics as Topic[]).map(({ name, errorCode }) => [name, errorCode]);
}

const named = (...list: string[]) => list.map((name) => ({ name }));

test('item 42: in version 0 no topics means all, later it means none and null means all', async () => {
  const bench = await brokerBench();
  await bench.createTopic('a');
  await bench.createTopic('b');
  const all = [
    ['a', 0],
    ['b', 0],
  ];
  assert.deepEqual(await names(bench, 0, { topics: [] }), all);
  for (const version of ALL_VERSIONS.slice(1)) {
    assert.deepEqual(await names(bench, version, { topics: [] }), [], `version ${version}`);
    assert.deepEqual(await names(bench, version, { topics: null }), all, `version ${version}`);
  }
});

test('item 42: a topic that does not exist is made on the way, and the client asks again', async () => {
  const bench = await brokerBench({ configs: { 'num.partitions': '3' } });
  const first = await names(bench, 13, { topics: named('fresh'), allowAutoTopicCreation: true });
  assert.deepEqual(first, [['fresh', Errors.UNKNOWN_TOPIC_OR_PARTITION]]);
  await bench.ports.time.advance(1);
  const { topics } = await bench.call(metadata, 13, { topics: named('fresh') });
  assert.deepEqual([topics[0].errorCode, topics[0].partitions.length], [Errors.NONE, 3]);
});

test('item 42: versions without the flag make topics; later only where the client and the broker allow it', async () => {
  const made = async (version: number, configs: Record<string, string>, flag?: boolean): Promise<boolean> => {
    const bench = await brokerBench({ configs });
    const allow = flag === undefined ? {} : { allowAutoTopicCreation: flag };
    const answer = await names(bench, version, { topics: named('t'), ...allow });
    assert.deepEqual(answer, [['t', Errors.UNKNOWN_TOPIC_OR_PARTITION]]);
    await bench.ports.time.advance(1);
    return bench.image.topics.has('t');
  };
  assert.deepEqual(
    [
      await made(1, {}),
      await made(4, {}, true),
      await made(4, {}, false),
      await made(13, { 'auto.create.topics.enable': 'false' }, true),
    ],
    [true, true, false, false],
  );
});

test('item 42: invalid names are told as such, whether or not topics may be made', async () => {
  const bench = await brokerBench();
  for (const allowAutoTopicCreation of [true, false]) {
    assert.deepEqual(await names(bench, 13, { topics: named('n o'), allowAutoTopicCreation }), [
      ['n o', Errors.INVALID_TOPIC_EXCEPTION],
    ]);
  }
  await bench.ports.time.advance(1);
  assert.equal(bench.image.topics.size, 0);
});

test('asking for all topics makes none', async () => {
  const bench = await brokerBench();
  assert.deepEqual(await names(bench, 1, { topics: null }), []);
  await bench.ports.time.advance(1);
  assert.equal(bench.image.topics.size, 0);
});

test('the broker’s own topics are made with the partitions and configurations that they need', async () => {
  const bench = await brokerBench();
  await names(bench, 13, {
    topics: named('__consumer_offsets', '__transaction_state', '__share_group_state'),
  });
  await bench.services.topicCreation.ensureInternal('__consumer_offsets');
  await bench.ports.time.advance(1);
  const shape = (name: string) => {
    const { partitions, isInternal } = bench.image.topics.get(name)!;
    return [
      partitions.length,
      partitions[0].replicas,
      isInternal,
      Object.fromEntries(bench.image.configs('TOPIC', name)),
    ];
  };
  assert.deepEqual(
    [shape('__consumer_offsets'), shape('__transaction_state'), shape('__share_group_state')],
    [
      [
        50,
        [1],
        true,
        { 'cleanup.policy': 'compact', 'compression.type': 'producer', 'segment.bytes': '104857600' },
      ],
      [
        50,
        [1],
        true,
        {
          'unclean.leader.election.enable': 'false',
          'compression.type': 'uncompressed',
          'cleanup.policy': 'compact',
          'min.insync.replicas': '1',
          'segment.bytes': '104857600',
        },
      ],
      [
        50,
        [1],
        true,
        {
          'cleanup.policy': 'delete',
          'compression.type': 'producer',
          'segment.bytes': '104857600',
          'min.insync.replicas': '1',
          'retention.ms': '-1',
        },
      ],
    ],
  );
});

test('a replication factor that somebody configured is taken at its word', async () => {
  const bench = await brokerBench({ configs: { 'offsets.topic.replication.factor': '3' } });
  await assert.rejects(bench.services.topicCreation.ensureInternal('__consumer_offsets'), {
    code: Errors.INVALID_REPLICATION_FACTOR,
  });
});

test('a topic is asked for by id from version 12 on, and an unknown id is told', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t', 2);
  const { id } = bench.image.topics.get('t')!;
  const other = 'another id ####!';
  const { topics } = await bench.call(metadata, 12, {
    topics: [
      { topicId: id, name: null },
      { topicId: other, name: null },
    ],
  });
  assert.deepEqual(
    (topics as { name: string; topicId: string; errorCode: number; partitions: unknown[] }[]).map((one) => [
      one.name,
      one.topicId,
      one.errorCode,
      one.partitions.length,
    ]),
    [
      ['t', id, Errors.NONE, 2],
      [null, other, Errors.UNKNOWN_TOPIC_ID, 0],
    ],
  );
});

test('ids and names without a value are refused where the version does not have them', async () => {
  const bench = await brokerBench();
  const invalid = Errors.INVALID_REQUEST;
  for (const version of [10, 11]) {
    const withId = { topics: [{ name: 't', topicId: 'another id ####!' }, { name: 'u' }] };
    const nameless = { topics: [{ name: null, topicId: ZERO_UUID }, { name: 'u' }] };
    assert.deepEqual(await names(bench, version, withId), [
      ['t', invalid],
      ['u', invalid],
    ]);
    assert.deepEqual(await names(bench, version, nameless), [
      ['', invalid],
      ['u', invalid],
    ]);
  }
});

test('a topic that is named twice is answered once', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  assert.deepEqual(await names(bench, 13, { topics: named('t', 't', 'x y', 't', 'x y') }), [
    ['t', 0],
    ['x y', Errors.INVALID_TOPIC_EXCEPTION],
  ]);
});

test('item 43: a leader without this listener is LEADER_NOT_AVAILABLE up to version 5, then LISTENER_NOT_FOUND', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2, { listener: 'INTERNAL' });
  const assignments = [{ partitionIndex: 0, brokerIds: [2] }];
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  await bench.controller.createTopics([topic]);
  for (const version of ALL_VERSIONS) {
    const { topics, brokers } = await bench.call(metadata, version, { topics: named('t') });
    const { errorCode, leaderId, offlineReplicas } = topics[0].partitions[0];
    const expected = version <= 5 ? Errors.LEADER_NOT_AVAILABLE : Errors.LISTENER_NOT_FOUND;
    assert.deepEqual([errorCode, leaderId], [expected, -1], `version ${version}`);
    if (version >= 5) assert.deepEqual(offlineReplicas, [2]);
    assert.deepEqual(
      (brokers as { nodeId: number }[]).map(({ nodeId }) => nodeId),
      [1],
    );
  }
});

test('item 43: without a leader the answer is LEADER_NOT_AVAILABLE in every version, with the epoch that holds', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2, { alive: true });
  const assignments = [{ partitionIndex: 0, brokerIds: [2] }];
  await bench.controller.createTopics([
    { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] },
  ]);
  for (const entry of (await bench.store.range('brokers/2')).entries) {
    await bench.store.txn([], [{ type: 'delete', key: entry.key }]);
  }
  await bench.controller.reelect();
  for (const version of [7, 13]) {
    const { topics } = await bench.call(metadata, version, { topics: named('t') });
    const { errorCode, leaderId, leaderEpoch, replicaNodes, offlineReplicas } = topics[0].partitions[0];
    assert.deepEqual(
      { errorCode, leaderId, leaderEpoch, replicaNodes, offlineReplicas },
      {
        errorCode: Errors.LEADER_NOT_AVAILABLE,
        leaderId: -1,
        leaderEpoch: 1,
        replicaNodes: [2],
        offlineReplicas: [2],
      },
    );
  }
});

test('version 0 leaves out replicas that cannot be reached, and says so', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2, { alive: false });
  const assignments = [{ partitionIndex: 0, brokerIds: [1, 2] }];
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  await bench.controller.createTopics([topic]);
  const at = async (version: number) => {
    const { topics } = await bench.call(metadata, version, { topics: named('t') });
    const { errorCode, replicaNodes, isrNodes } = topics[0].partitions[0];
    return { errorCode, replicaNodes, isrNodes };
  };
  assert.deepEqual(await at(0), {
    errorCode: Errors.REPLICA_NOT_AVAILABLE,
    replicaNodes: [1],
    isrNodes: [1],
  });
  assert.deepEqual(await at(1), { errorCode: Errors.NONE, replicaNodes: [1, 2], isrNodes: [1] });
});

test('item 43: authorized operations are Int.MIN unless they are asked for', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  const at = async (version: number, topicsAsked: boolean, clusterAsked: boolean) => {
    const body = {
      topics: named('t'),
      includeTopicAuthorizedOperations: topicsAsked,
      includeClusterAuthorizedOperations: clusterAsked,
    };
    const { topics, clusterAuthorizedOperations } = await bench.call(metadata, version, body);
    return [topics[0].topicAuthorizedOperations, clusterAuthorizedOperations];
  };
  const none = -2_147_483_648;
  // READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS.
  const topicBits = 0b1101_1111_1000;
  // CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE.
  const clusterBits = 0b1_1111_1010_0000;
  assert.deepEqual(
    [await at(7, true, true), await at(8, false, false), await at(8, true, true), await at(11, true, true)],
    [
      [none, none],
      [none, none],
      [topicBits, clusterBits],
      [topicBits, none],
    ],
  );
});

test('item 43: the operations told are those allowed, and 0 for a cluster one may not describe', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t');
  bench.permit = (operation, resource) => resource === 'TOPIC' && ['DESCRIBE', 'READ'].includes(operation);
  const body = {
    topics: named('t'),
    includeTopicAuthorizedOperations: true,
    includeClusterAuthorizedOperations: true,
  };
  const { topics, clusterAuthorizedOperations } = await bench.call(metadata, 8, body);
  assert.deepEqual(
    [topics[0].topicAuthorizedOperations, clusterAuthorizedOperations],
    [(1 << 3) | (1 << 8), 0],
  );
});

test('item 43: topics one may not describe are missing from all, and without their id when named', async () => {
  const bench = await brokerBench();
  for (const name of ['mine', 'secret']) await bench.createTopic(name);
  bench.permit = (_operation, resource, name) => resource !== 'TOPIC' || name === 'mine';
  assert.deepEqual(await names(bench, 13, { topics: null }), [['mine', 0]]);
  const body = { topics: named('mine', 'secret', 'unknown'), includeTopicAuthorizedOperations: true };
  const { topics } = await bench.call(metadata, 13, body);
  const hidden = (name: string) => ({
    errorCode: Errors.TOPIC_AUTHORIZATION_FAILED,
    name,
    topicId: ZERO_UUID,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: -2_147_483_648,
  });
  assert.deepEqual(topics.slice(1), [hidden('secret'), hidden('unknown')], 'existing or not looks the same');
  const { id } = bench.image.topics.get('secret')!;
  const byId = await bench.call(metadata, 13, { topics: [{ topicId: id, name: null }] });
  assert.deepEqual(
    [byId.topics[0].errorCode, byId.topics[0].name, byId.topics[0].topicId],
    [Errors.TOPIC_AUTHORIZATION_FAILED, null, id],
  );
});

test('a topic that one may describe but not create is not made', async () => {
  const bench = await brokerBench();
  bench.permit = (operation) => operation !== 'CREATE';
  assert.deepEqual(await names(bench, 13, { topics: named('t') }), [
    ['t', Errors.TOPIC_AUTHORIZATION_FAILED],
  ]);
  bench.permit = (operation, resource) => operation !== 'CREATE' || resource === 'TOPIC';
  assert.deepEqual(await names(bench, 13, { topics: named('t') }), [
    ['t', Errors.UNKNOWN_TOPIC_OR_PARTITION],
  ]);
});

test('item 43: the controller told is a broker that is alive, any of them', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2);
  await bench.addBroker(3, { alive: false });
  const told = new Set<number>();
  for (let n = 0; n < 50; n++) told.add((await bench.call(metadata, 13, { topics: [] })).controllerId);
  assert.deepEqual(told, new Set([1, 2]));
});

test('item 51: the cluster id is there from version 2 on and is always the same', async () => {
  const bench = await brokerBench();
  const ids = new Set<string>();
  for (const version of ALL_VERSIONS.slice(2))
    ids.add((await bench.call(metadata, version, { topics: [] })).clusterId);
  assert.deepEqual([...ids], [bench.image.clusterId]);
  assert.match(bench.image.clusterId, /^[A-Za-z0-9_-]{22}$/);
});

test('item 51: endpoints are those of the listener that was asked', async () => {
  const bench = await brokerBench();
  await bench.addBroker(2, { listener: 'INTERNAL' });
  const at = async (listener: string) =>
    (await bench.call(metadata, 13, { topics: [] }, { listener })).brokers;
  assert.deepEqual(await at(LISTENER), [{ nodeId: 1, host: 'host1', port: 9_001, rack: null }]);
  assert.deepEqual(await at('INTERNAL'), [{ nodeId: 2, host: 'host2', port: 9_002, rack: null }]);
});

test('S12: ten thousand unknown names begin a bounded number of topics', async () => {
  const bench = await brokerBench();
  const topics = named(...Array.from({ length: 10_000 }, (_, n) => `t${n}`));
  const answers = await names(bench, 13, { topics });
  assert.equal(answers.length, 10_000);
  await bench.ports.time.advance(1);
  assert.ok(bench.image.topics.size <= 1_000, `${bench.image.topics.size} topics`);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, clusterImage, effects, idOf } from '../../../test/cluster-images.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import { SimulatedRandom } from '../../runtime/simulated-random.ts';
import { NO_BROKER_CONFIGS } from '../configs/resolve.ts';
import type { ClusterImage } from '../image.ts';
import { deleteOrphans } from './orphans.ts';
import { createTopics, createTopicsProblem, deleteTopics, type NewTopic } from './topics.ts';

const defaults = { numPartitions: 1, replicationFactor: 1, broker: NO_BROKER_CONFIGS };

function decide(image: ClusterImage, ...topics: (Partial<NewTopic> & { name: string })[]) {
  const whole = topics.map((topic) => ({
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
    ...topic,
  }));
  return createTopics(image, whole, { defaults, random: new SimulatedRandom(1) });
}

/** The code and message of each topic. */
function outcomes(image: ClusterImage, ...topics: (Partial<NewTopic> & { name: string })[]) {
  return decide(image, ...topics).result.map(({ name, errorCode, errorMessage }) => [
    name,
    errorCode,
    errorMessage,
  ]);
}

test('a topic is one key with all its partitions, and one with its configurations', () => {
  const image = clusterImage({});
  const configs = [{ name: 'retention.ms', value: '1' }];
  const decision = decide(image, { name: 'orders', numPartitions: 2, configs });
  const [{ topicId }] = decision.result;
  const partition = { replicas: [1], isr: [1], directories: [ZERO_UUID] };
  assert.deepEqual(
    { compares: decision.compares, effects: effects(decision), result: decision.result },
    {
      compares: [
        { key: 'topics/orders', modRevision: 0 },
        { key: 'configs/TOPIC/orders', modRevision: 0 },
      ],
      effects: {
        'topics/orders': { topicId, partitions: [partition, partition] },
        'configs/TOPIC/orders': { entries: [{ name: 'retention.ms', value: '1' }] },
      },
      result: [
        {
          errorCode: Errors.NONE,
          errorMessage: null,
          name: 'orders',
          topicId,
          numPartitions: 2,
          replicationFactor: 1,
          configs: new Map([['retention.ms', '1']]),
        },
      ],
    },
  );
});

test('item 40: a new partition begins at leader epoch 0 and partition epoch 0', () => {
  const image = clusterImage({});
  const { leader, leaderEpoch, partitionEpoch } = after(image, decide(image, { name: 't' })).partition(
    't',
    0,
  )!;
  assert.deepEqual({ leader, leaderEpoch, partitionEpoch }, { leader: 1, leaderEpoch: 0, partitionEpoch: 0 });
});

test('item 40: a topic that is deleted and created again has another id and begins anew', () => {
  const random = new SimulatedRandom(7);
  const image = clusterImage({ topics: { t: [[1]] }, changed: { 't-0': { leader: 1, leaderEpoch: 8 } } });
  const before = image.topics.get('t')!.id;
  after(image, deleteTopics(image, [before]));
  const topic = { name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  after(image, createTopics(image, [topic], { defaults, random }));
  const { id, partitions } = image.topics.get('t')!;
  assert.notEqual(id, before);
  assert.equal(partitions[0].leaderEpoch, 0);
  assert.equal(image.topicById(before), undefined);
});

test('what a request gets wrong is told in Kafka’s words', () => {
  const image = clusterImage({ alive: [1, 2], fenced: [3], topics: { old: [[1]], 'a.b': [[1]] } });
  const long = 'x'.repeat(250);
  const hand = (...assignments: (readonly number[])[]) => ({
    assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
  });
  assert.deepEqual(
    outcomes(
      image,
      { name: '' },
      { name: '..' },
      { name: 'a/b' },
      { name: 'naïve' },
      { name: long },
      { name: 'old' },
      { name: 'a_b' },
      { name: 'p0', numPartitions: 0 },
      { name: 'p-2', numPartitions: -2 },
      { name: 'r0', replicationFactor: 0 },
      { name: 'r-2', replicationFactor: -2 },
      { name: 'r4', replicationFactor: 4 },
      { name: 'h1', ...hand([1]), replicationFactor: 1 },
      { name: 'h2', ...hand([1]), numPartitions: 1 },
      { name: 'h3', ...hand([]) },
      { name: 'h4', ...hand([9]) },
      { name: 'h5', ...hand([1, 1]) },
      { name: 'h6', ...hand([1, 2], [1]) },
      { name: 'h7', ...hand([3]) },
      { name: 'h8', assignments: [{ partitionIndex: 1, brokerIds: [1] }] },
      { name: 'h9', assignments: [0, 0].map((partitionIndex) => ({ partitionIndex, brokerIds: [1] })) },
      { name: 'c1', configs: [{ name: 'retention.ms', value: null }] },
      { name: 'c2', configs: [{ name: 'retention.days', value: '1' }] },
      { name: 'c3', configs: [{ name: 'cleanup.policy', value: 'shrink' }] },
    ),
    [
      ['', 17, 'Topic name is invalid: the empty string is not allowed'],
      ['..', 17, "Topic name is invalid: '..' is not allowed"],
      [
        'a/b',
        17,
        "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
      ],
      [
        'naïve',
        17,
        "Topic name is invalid: 'naïve' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
      ],
      [long, 17, `Topic name is invalid: the length of '${long}' is longer than the max allowed length 249`],
      ['old', 36, "Topic 'old' already exists."],
      ['a_b', 17, "Topic 'a_b' collides with existing topic: a.b"],
      ['p0', 37, 'Number of partitions was set to an invalid non-positive value.'],
      ['p-2', 37, 'Number of partitions was set to an invalid non-positive value.'],
      ['r0', 38, 'Replication factor must be larger than 0, or -1 to use the default value.'],
      ['r-2', 38, 'Replication factor must be larger than 0, or -1 to use the default value.'],
      [
        'r4',
        38,
        'Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot be reached ' +
          'because only 3 broker(s) are registered or some brokers have all their log directories cordoned.',
      ],
      ['h1', 42, 'A manual partition assignment was specified, but replication factor was not set to -1.'],
      ['h2', 42, 'A manual partition assignment was specified, but numPartitions was not set to -1.'],
      ['h3', 39, 'The manual partition assignment includes an empty replica list.'],
      ['h4', 39, 'The manual partition assignment includes broker 9, but no such broker is registered.'],
      ['h5', 39, 'The manual partition assignment includes the broker 1 more than once.'],
      [
        'h6',
        39,
        'The manual partition assignment includes a partition with 1 replica(s), but this is not consistent ' +
          'with previous partitions, which have 2 replica(s).',
      ],
      [
        'h7',
        39,
        'All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown.',
      ],
      ['h8', 39, 'partitions should be a consecutive 0-based integer sequence'],
      ['h9', 39, 'Found multiple manual partition assignments for partition 0'],
      ['c1', 40, 'Null value not supported for topic configs: retention.ms'],
      ['c2', 40, 'Unknown topic config name: retention.days'],
      [
        'c3',
        40,
        'Invalid value shrink for configuration cleanup.policy: String must be one of: compact, delete',
      ],
    ],
  );
});

test('one topic that is refused does not hold up the others', () => {
  const decision = decide(clusterImage({}), { name: 'good' }, { name: 'not good' }, { name: 'fine' });
  assert.deepEqual(Object.keys(effects(decision)), ['topics/good', 'topics/fine']);
});

test('topics of one request collide as with those that exist', () => {
  assert.deepEqual(outcomes(clusterImage({}), { name: 'a.b' }, { name: 'a_b' }), [
    ['a.b', 0, null],
    ['a_b', 17, "Topic 'a_b' collides with existing topic: a.b"],
  ]);
});

test('without a broker that is alive nothing can be created', () => {
  assert.deepEqual(outcomes(clusterImage({ alive: [], fenced: [1] }), { name: 't' }), [
    ['t', 38, 'Unable to replicate the partition 1 time(s): All brokers are currently fenced.'],
  ]);
});

test('replicas given by hand are kept, and those on fenced brokers begin out of sync', () => {
  const image = clusterImage({ alive: [1, 2], fenced: [3] });
  const decision = decide(image, {
    name: 't',
    assignments: [
      { partitionIndex: 1, brokerIds: [2, 1] },
      { partitionIndex: 0, brokerIds: [3, 2] },
    ],
  });
  const partitions = after(image, decision).topics.get('t')!.partitions;
  assert.deepEqual(
    partitions.map(({ replicas, isr, leader }) => ({ replicas, isr, leader })),
    [
      { replicas: [3, 2], isr: [2], leader: 2 },
      { replicas: [2, 1], isr: [2, 1], leader: 2 },
    ],
  );
});

test('a request for more than 10,000 partitions is refused as a whole', () => {
  const topic = { replicationFactor: 1, assignments: [], configs: [] };
  const topics = [
    { name: 'a', numPartitions: 9_999, ...topic },
    { name: 'b', numPartitions: -1, ...topic },
  ];
  assert.equal(createTopicsProblem(topics, defaults), undefined);
  assert.deepEqual(createTopicsProblem(topics, { ...defaults, numPartitions: 2 }), {
    errorCode: Errors.POLICY_VIOLATION,
    errorMessage: 'Excessively large number of partitions per request.',
  });
});

test('a broker holds a bounded number of replicas, but internal topics are still possible', () => {
  const image = clusterImage({});
  after(image, decide(image, { name: 'many', numPartitions: 9_999 }));
  assert.deepEqual(outcomes(image, { name: 'one' }, { name: 'two' }, { name: '__consumer_offsets' }), [
    ['one', 0, null],
    ['two', Errors.POLICY_VIOLATION, 'The cluster would hold more than 10000 replicas per broker.'],
    ['__consumer_offsets', 0, null],
  ]);
});

test('deleting removes the topic and its configurations, and an unknown id is told', () => {
  const image = clusterImage({ topics: { t: [[1]] }, configs: [['TOPIC', 't', { 'retention.ms': '1' }]] });
  const decision = deleteTopics(image, [idOf('t'), idOf('nobody')]);
  assert.deepEqual(
    [effects(decision), decision.result],
    [
      { 'topics/t': undefined, 'configs/TOPIC/t': undefined },
      [
        { errorCode: Errors.NONE, errorMessage: null, topicId: idOf('t') },
        {
          errorCode: Errors.UNKNOWN_TOPIC_ID,
          errorMessage: 'This server does not host this topic ID.',
          topicId: idOf('nobody'),
        },
      ],
    ],
  );
});

test('what a deleted topic leaves behind is removed a part at a time', () => {
  const image = clusterImage({
    topics: { t: [[1], [1], [1]], other: [[1]] },
    changed: { 't-0': {}, 't-1': {}, 't-2': {}, 'other-0': {} },
  });
  after(image, deleteTopics(image, [idOf('t')]));
  const first = deleteOrphans(image, 2);
  const second = deleteOrphans(after(image, first), 2);
  const third = deleteOrphans(after(image, second), 2);
  assert.deepEqual(
    [first, second, third].map(({ operations, result }) => [operations.length, result]),
    [
      [2, true],
      [1, false],
      [0, false],
    ],
  );
});

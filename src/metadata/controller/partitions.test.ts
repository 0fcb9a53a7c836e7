import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, clusterImage } from '../../../test/cluster-images.ts';
import { SimulatedRandom } from '../../runtime/simulated-random.ts';
import { createPartitions, type MorePartitions } from './partitions.ts';

const random = new SimulatedRandom(1);

test('partitions are added, and those that there are stay as they have become', () => {
  const image = clusterImage({
    alive: [1, 2],
    topics: {
      t: [
        [1, 2],
        [2, 1],
      ],
    },
    changed: { 't-0': { leader: 2, isr: [2], leaderEpoch: 4, partitionEpoch: 6 } },
  });
  const assignments = [{ brokerIds: [2, 1] }];
  const decision = createPartitions(image, [{ name: 't', count: 3, assignments }], random);
  assert.deepEqual(decision.compares, [
    { key: 'topics/t', modRevision: image.keyRevisions('topics/t').modRevision },
  ]);
  const partitions = after(image, decision).topics.get('t')!.partitions;
  assert.deepEqual(
    partitions.map(({ replicas, isr, leader, leaderEpoch }) => [replicas, isr, leader, leaderEpoch]),
    [
      [[1, 2], [2], 2, 4],
      [[2, 1], [2, 1], 2, 0],
      [[2, 1], [2, 1], 2, 0],
    ],
  );
});

test('without an assignment the new partitions have as many replicas as the first', () => {
  const image = clusterImage({ alive: [1, 2, 3], topics: { t: [[1, 2]] } });
  const decision = createPartitions(image, [{ name: 't', count: 7, assignments: null }], random);
  const partitions = after(image, decision).topics.get('t')!.partitions.slice(1);
  assert.deepEqual(
    partitions.map(({ replicas }) => new Set(replicas).size),
    [2, 2, 2, 2, 2, 2],
  );
  assert.deepEqual(new Set(partitions.map(({ leader }) => leader)), new Set([1, 2, 3]));
});

test('what a request gets wrong is told in Kafka’s words', () => {
  const image = clusterImage({ alive: [1], fenced: [2], topics: { t: [[1], [1]], wide: [[1, 2, 3]] } });
  const outcome = (request: Partial<MorePartitions>) => {
    const decision = createPartitions(
      image,
      [{ name: 't', count: 3, assignments: null, ...request }],
      random,
    );
    assert.equal(decision.operations.length, 0);
    return [decision.result[0].errorCode, decision.result[0].errorMessage];
  };
  assert.deepEqual(
    [
      outcome({ name: 'nobody' }),
      outcome({ count: 2 }),
      outcome({ count: 1 }),
      outcome({ count: -1 }),
      outcome({ count: 4, assignments: [{ brokerIds: [1] }] }),
      outcome({ assignments: [] }),
      outcome({ assignments: [{ brokerIds: [] }] }),
      outcome({ assignments: [{ brokerIds: [7] }] }),
      outcome({ assignments: [{ brokerIds: [2] }] }),
      outcome({ assignments: [{ brokerIds: [1, 2] }] }),
      outcome({ name: 'wide', count: 2 }),
      outcome({ count: 2_000_000_000 }),
    ],
    [
      [3, null],
      [37, 'Topic already has 2 partition(s).'],
      [37, 'The topic t currently has 2 partition(s); 1 would not be an increase.'],
      [37, 'The topic t currently has 2 partition(s); -1 would not be an increase.'],
      [39, 'Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.'],
      [39, 'Attempted to add 1 additional partition(s), but only 0 assignment(s) were specified.'],
      [39, 'The manual partition assignment includes an empty replica list.'],
      [39, 'The manual partition assignment includes broker 7, but no such broker is registered.'],
      [
        39,
        'All brokers specified in the manual partition assignment for partition 2 are fenced or in controlled shutdown.',
      ],
      [
        39,
        'The manual partition assignment includes a partition with 2 replica(s), but this is not consistent ' +
          'with previous partitions, which have 1 replica(s).',
      ],
      [
        38,
        'The target replication factor of 3 cannot be reached because only 2 broker(s) are registered or ' +
          'some brokers have all their log directories cordoned.',
      ],
      [44, 'Excessively large number of partitions per request.'],
    ],
  );
});

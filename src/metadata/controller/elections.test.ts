import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, clusterImage, type ClusterSketch } from '../../../test/cluster-images.ts';
import { Errors } from '../../protocol/errors.ts';
import type { ClusterImage } from '../image.ts';
import { NO_BROKER_CONFIGS } from '../configs/resolve.ts';
import {
  ELECTION_TYPE,
  electLeaders,
  imbalanced,
  ledBy,
  renewTerms,
  settle,
  unsettled,
  type ElectionType,
} from './elections.ts';
import { leadershipRules } from './leadership-rules.ts';

const rulesOf = (image: ClusterImage) => leadershipRules(image, NO_BROKER_CONFIGS);

/** Everything that there is to settle, at once. */
function reelect(image: ClusterImage) {
  const rules = rulesOf(image);
  const decision = settle(image, unsettled(image, rules), rules);
  after(image, decision);
  return decision.result;
}

function state(image: ClusterImage, topic: string, partition: number) {
  const { leader, isr, leaderEpoch, partitionEpoch } = image.partition(topic, partition)!;
  return { leader, isr, leaderEpoch, partitionEpoch };
}

function elect(sketch: ClusterSketch, type: ElectionType) {
  const image = clusterImage(sketch);
  const decision = electLeaders(image, [{ topic: 't', partition: 0 }], { type, rules: rulesOf(image) });
  after(image, decision);
  const [{ errorCode, errorMessage }] = decision.result;
  return { errorCode, errorMessage, ...state(image, 't', 0) };
}

test('the preferred leader leads again if it is in sync, at a higher epoch', () => {
  const sketch = { alive: [1, 2], topics: { t: [[1, 2]] } };
  const changed = { 't-0': { leader: 2, leaderEpoch: 3, partitionEpoch: 5 } };
  assert.deepEqual(elect({ ...sketch, changed }, ELECTION_TYPE.PREFERRED), {
    errorCode: Errors.NONE,
    errorMessage: null,
    leader: 1,
    isr: [1, 2],
    leaderEpoch: 4,
    partitionEpoch: 6,
  });
});

test('what leads already needs no election', () => {
  const unchanged = { leader: 1, isr: [1], leaderEpoch: 0, partitionEpoch: 0 };
  for (const type of [ELECTION_TYPE.PREFERRED, ELECTION_TYPE.UNCLEAN]) {
    assert.deepEqual(elect({ topics: { t: [[1]] } }, type), {
      errorCode: Errors.ELECTION_NOT_NEEDED,
      errorMessage: 'Leader election not needed for topic partition.',
      ...unchanged,
    });
  }
});

test('a preferred leader that is out of sync or gone cannot be elected', () => {
  const outOfSync = { alive: [1, 2], changed: { 't-0': { leader: 2, isr: [2] } }, topics: { t: [[1, 2]] } };
  const gone = { alive: [2], fenced: [1], changed: { 't-0': { leader: 2 } }, topics: { t: [[1, 2]] } };
  for (const sketch of [outOfSync, gone]) {
    const { errorCode, errorMessage, leader } = elect(sketch, ELECTION_TYPE.PREFERRED);
    assert.deepEqual(
      { errorCode, errorMessage, leader },
      {
        errorCode: Errors.PREFERRED_LEADER_NOT_AVAILABLE,
        errorMessage: 'The preferred leader was not available.',
        leader: 2,
      },
    );
  }
});

test('an unclean election takes a replica that is alive, and only it is in sync then', () => {
  const changed = { 't-0': { leader: -1, isr: [1], leaderEpoch: 2, partitionEpoch: 2 } };
  const sketch = { alive: [2], fenced: [1], topics: { t: [[1, 2]] }, changed };
  assert.deepEqual(elect(sketch, ELECTION_TYPE.UNCLEAN), {
    errorCode: Errors.NONE,
    errorMessage: null,
    leader: 2,
    isr: [2],
    leaderEpoch: 3,
    partitionEpoch: 3,
  });
});

test('an unclean election prefers a replica that has everything', () => {
  const changed = { 't-0': { leader: -1, isr: [3], elr: [2] } };
  const configs = [['TOPIC', 't', { 'min.insync.replicas': '2' }]] as const;
  const sketch = { alive: [1, 2], fenced: [3], topics: { t: [[1, 2, 3]] }, changed, configs };
  assert.equal(elect(sketch, ELECTION_TYPE.UNCLEAN).leader, 2);
});

test('an unclean election without a replica that is alive is refused', () => {
  const changed = { 't-0': { leader: -1, isr: [2] } };
  const { errorCode } = elect(
    { alive: [1], fenced: [2], topics: { t: [[2]] }, changed },
    ELECTION_TYPE.UNCLEAN,
  );
  assert.equal(errorCode, Errors.ELIGIBLE_LEADERS_NOT_AVAILABLE);
});

test('unknown topics and partitions are told, and a partition asked for twice is elected once', () => {
  const changed = { 't-0': { leader: 2 } };
  const image = clusterImage({ alive: [1, 2], topics: { t: [[1, 2]] }, changed });
  const requests = [
    { topic: 'x', partition: 0 },
    { topic: 't', partition: 1 },
    { topic: 't', partition: -1 },
    { topic: 't', partition: 0 },
    { topic: 't', partition: 0 },
  ];
  const decision = electLeaders(image, requests, { type: ELECTION_TYPE.PREFERRED, rules: rulesOf(image) });
  assert.deepEqual(
    [
      decision.operations.length,
      decision.result.map(({ errorCode, errorMessage }) => [errorCode, errorMessage]),
    ],
    [
      1,
      [
        [3, 'No such topic as x'],
        [3, 'No such partition as t-1'],
        [3, 'No such partition as t--1'],
        [0, null],
        [84, 'Leader election not needed for topic partition.'],
      ],
    ],
  );
});

test('when a broker goes, an in-sync replica takes over, and without one nobody leads', () => {
  const image = clusterImage({
    alive: [2],
    fenced: [1],
    topics: {
      t: [
        [1, 2],
        [1, 2],
        [2, 1],
      ],
    },
    changed: { 't-0': { leader: 1, isr: [1, 2] }, 't-1': { leader: 1, isr: [1] }, 't-2': { leader: 2 } },
  });
  reelect(image);
  assert.deepEqual(
    [0, 1, 2].map((n) => state(image, 't', n)),
    [
      { leader: 2, isr: [2], leaderEpoch: 1, partitionEpoch: 1 },
      { leader: -1, isr: [], leaderEpoch: 1, partitionEpoch: 1 },
      { leader: 2, isr: [2], leaderEpoch: 0, partitionEpoch: 1 },
    ],
  );
  assert.deepEqual(
    [0, 1, 2].map((n) => image.partition('t', n)!.elr),
    [[], [1], []],
  );
});

test('when a broker comes back, it leads what waited for it, at a higher epoch', () => {
  const changed = { 't-0': { leader: -1, isr: [1], leaderEpoch: 5, partitionEpoch: 7 } };
  const image = clusterImage({ alive: [1], topics: { t: [[1]] }, changed });
  reelect(image);
  assert.deepEqual(state(image, 't', 0), { leader: 1, isr: [1], leaderEpoch: 6, partitionEpoch: 8 });
});

test('what has changed since it was found unsettled is left alone', () => {
  const image = clusterImage({
    alive: [2],
    fenced: [1],
    topics: { t: [[1, 2]] },
    changed: { 't-0': { leader: 1 } },
  });
  const found = unsettled(image, rulesOf(image));
  assert.deepEqual(found, [{ topic: 't', partition: 0 }]);
  reelect(image);
  const gone = [...found, { topic: 'gone', partition: 0 }, { topic: 't', partition: 9 }];
  assert.equal(settle(image, gone, rulesOf(image)).operations.length, 0);
});

test('unclean elections are told, clean ones are not', () => {
  const configs = [['TOPIC', 't', { 'unclean.leader.election.enable': 'true' }]] as const;
  const image = clusterImage({
    alive: [2],
    fenced: [1],
    topics: {
      t: [
        [1, 2],
        [1, 2],
      ],
    },
    changed: { 't-0': { leader: 1, isr: [1] }, 't-1': { leader: 1, isr: [1, 2] } },
    configs,
  });
  assert.deepEqual(reelect(image), [{ topic: 't', partition: 0, leader: 2 }]);
});

test('partitions are found that their preferred replicas could lead', () => {
  const image = clusterImage({
    alive: [1, 2],
    fenced: [3],
    topics: {
      t: [
        [1, 2],
        [1, 2],
        [1, 2],
        [3, 2],
        [1, 2],
      ],
    },
    changed: {
      't-0': { leader: 2, isr: [1, 2] },
      't-1': { leader: 2, isr: [2] },
      't-2': { leader: 1 },
      't-3': { leader: 2 },
      't-4': { leader: -1 },
    },
  });
  assert.deepEqual(imbalanced(image), [{ topic: 't', partition: 0 }]);
});

test('item 40: after an unclean stop the leader begins a new term, and epochs only ever rise', () => {
  const image = clusterImage({
    alive: [1, 2],
    topics: { t: [[1], [2]] },
    changed: { 't-0': { leader: 1, leaderEpoch: 4, partitionEpoch: 9 }, 't-1': { leader: 2 } },
  });
  assert.deepEqual(ledBy(image, 1), [{ topic: 't', partition: 0 }]);
  const everything = [0, 1, 2].map((partition) => ({ topic: 't', partition }));
  after(image, renewTerms(image, 1, everything));
  assert.deepEqual(
    [0, 1].map((n) => state(image, 't', n)),
    [
      { leader: 1, isr: [1], leaderEpoch: 5, partitionEpoch: 10 },
      { leader: 2, isr: [2], leaderEpoch: 0, partitionEpoch: 0 },
    ],
  );
});

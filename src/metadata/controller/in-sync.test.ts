import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, clusterImage, effects, idOf, type ClusterSketch } from '../../../test/cluster-images.ts';
import type { ClusterImage, PartitionImage } from '../image.ts';
import { brokerKey, configsKey, partitionKey, topicKey } from '../keys.ts';
import { changeInSync, eligibleAfter, type InSyncChange } from './in-sync.ts';

const KEY = partitionKey(idOf('t'), 0);

/** Replicas 1, 2 and 3, all alive, led by 1 at epoch 4. */
function cluster(changed: Partial<PartitionImage> = {}, sketch: ClusterSketch = {}): ClusterImage {
  return clusterImage({
    alive: [1, 2, 3],
    topics: { t: [[1, 2, 3]] },
    changed: { 't-0': { leader: 1, leaderEpoch: 4, partitionEpoch: 7, ...changed } },
    ...sketch,
  });
}

/** As the leader asks, with the epochs that the image knows. */
function asked(
  image: ClusterImage,
  isr: readonly number[],
  change: Partial<InSyncChange> = {},
): InSyncChange {
  const { leader, leaderEpoch, partitionEpoch } = image.partition('t', 0)!;
  return {
    topicId: idOf('t'),
    partition: 0,
    leader,
    leaderEpoch,
    partitionEpoch,
    isr: isr.map((nodeId) => ({ nodeId, brokerEpoch: image.brokers.get(nodeId)?.epoch ?? -1 })),
    ...change,
  };
}

function applied(image: ClusterImage, isr: readonly number[], minInsyncReplicas: number): PartitionImage {
  const decision = changeInSync(image, asked(image, isr), minInsyncReplicas);
  assert.equal(decision.result, 'done');
  after(image, decision);
  return image.partition('t', 0)!;
}

test('a replica leaves and comes back: the partition epoch rises, the leader epoch stays, replicas keep their order', () => {
  const image = cluster();
  const without = applied(image, [3, 1], 1);
  assert.deepEqual([without.isr, without.leaderEpoch, without.partitionEpoch], [[1, 3], 4, 8]);
  const again = applied(image, [2, 3, 1], 1);
  assert.deepEqual([again.isr, again.leaderEpoch, again.partitionEpoch], [[1, 2, 3], 4, 9]);
});

test('the decision holds only for the partition, the topic, the minimum and the brokers that it rests on', () => {
  const image = cluster({ isr: [1, 2] });
  const { compares } = changeInSync(image, asked(image, [1, 2, 3]), 1);
  const created = (key: string) => ({ key, createRevision: image.keyRevisions(key).createRevision });
  const changed = (key: string) => ({ key, modRevision: image.keyRevisions(key).modRevision });
  // That 2 is alive is nobody's concern: it is in the set already.
  assert.deepEqual(compares, [
    created(topicKey('t')),
    created(brokerKey(1)),
    created(brokerKey(3)),
    changed(configsKey('TOPIC', 't')),
    changed(configsKey('BROKER', '1')),
    changed(configsKey('BROKER', '')),
    changed(KEY),
  ]);
});

test('a partition that never changed is compared by the absence of its key', () => {
  const image = clusterImage({ alive: [1, 2], topics: { t: [[1, 2]] } });
  const { compares, result } = changeInSync(image, asked(image, [1]), 1);
  assert.equal(result, 'done');
  assert.deepEqual(compares.at(-1), { key: KEY, modRevision: 0 });
});

test('whoever is not the leader of this epoch, or has not seen the last change, changes nothing', () => {
  const image = cluster();
  const stale: Partial<InSyncChange>[] = [
    { leader: 2 },
    { leaderEpoch: 3 },
    { leaderEpoch: 5 },
    { partitionEpoch: 6 },
    { partitionEpoch: 8 },
    { topicId: idOf('another') },
    { partition: 1 },
  ];
  for (const change of stale) {
    const decision = changeInSync(image, asked(image, [1, 2], change), 1);
    assert.equal(decision.result, 'stale', JSON.stringify(change));
    assert.deepEqual(effects(decision), {});
  }
});

test('who is added must be the broker that fetched, and alive; the leader must be alive', () => {
  const image = cluster({ isr: [1] }, { alive: [1, 2], fenced: [3] });
  const epochOf2 = image.brokers.get(2)!.epoch;
  const epochOf1 = image.brokers.get(1)!.epoch;
  const isr = (...members: [number, number][]) => ({
    isr: members.map(([nodeId, brokerEpoch]) => ({ nodeId, brokerEpoch })),
  });
  const refused = [
    isr([1, epochOf1], [2, epochOf2 - 1]),
    isr([1, epochOf1], [2, epochOf2 + 1]),
    isr([1, epochOf1], [3, -1]),
    isr([1, epochOf1 + 1], [2, epochOf2]),
  ];
  for (const change of refused) {
    const decision = changeInSync(image, asked(image, [], change), 1);
    assert.equal(decision.result, 'refused', JSON.stringify(change));
    assert.deepEqual(effects(decision), {});
  }
  const fine = changeInSync(image, asked(image, [], isr([1, epochOf1], [2, epochOf2])), 1);
  assert.equal(fine.result, 'done');
});

test('a set without the leader, with a stranger or with a member twice is refused', () => {
  const image = cluster({}, { alive: [1, 2, 3, 4] });
  for (const isr of [[2, 3], [1, 4], [1, 2, 2], []]) {
    assert.equal(changeInSync(image, asked(image, isr), 1).result, 'refused', isr.join());
  }
});

test('who leaves a set that falls below the minimum stays eligible until the set is large enough again', () => {
  const image = cluster();
  // Three, then two: the two go on without 3.
  assert.deepEqual(applied(image, [1, 2], 2).elr, []);
  assert.deepEqual(applied(image, [1], 2).elr, [2]);
  const grown = applied(image, [1, 3], 2);
  assert.deepEqual([grown.isr, grown.elr], [[1, 3], []]);
  // All at once: both have everything that is committed.
  applied(image, [1, 2, 3], 2);
  assert.deepEqual(applied(image, [1], 2).elr, [2, 3]);
});

test('who comes back in sync is not eligible besides, and others stay so below the minimum', () => {
  const image = cluster({ isr: [1], elr: [2, 3] });
  const partition = applied(image, [1, 3], 3);
  assert.deepEqual([partition.isr, partition.elr], [[1, 3], [2]]);
});

test('eligible is who was so since the set became too small; what is left from before means nothing', () => {
  const partition = { replicas: [1, 2, 3, 4], isr: [1], elr: [2] };
  assert.deepEqual(eligibleAfter(partition, [1, 3], 3), [2]);
  assert.deepEqual(eligibleAfter(partition, [1, 2, 3], 3), []);
  // More than there are replicas nobody can ask for.
  assert.deepEqual(eligibleAfter(partition, [1, 2, 3, 4], 9), []);
  assert.deepEqual(eligibleAfter({ ...partition, isr: [1, 3], elr: [2] }, [1], 2), [3]);
});

test('a change by the leader ends its recovery after an unclean election', () => {
  const image = cluster({ isr: [1], isLeaderRecovering: true });
  assert.equal(applied(image, [1, 2], 1).isLeaderRecovering, false);
});

test('a reassignment ends with the change that brings its last replica in sync', () => {
  const directories = ['A', 'B', 'C'].map((letter) => letter.repeat(16));
  const moving = { isr: [2, 3], addingReplicas: [1], removingReplicas: [3], leader: 2, directories };
  const image = cluster(moving);
  const still = applied(image, [2], 1);
  assert.deepEqual([still.replicas, still.addingReplicas, still.removingReplicas], [[1, 2, 3], [1], [3]]);
  const done = applied(image, [1, 2], 1);
  assert.deepEqual([done.replicas, done.isr, done.leader], [[1, 2], [1, 2], 2]);
  assert.deepEqual([done.addingReplicas, done.removingReplicas], [[], []]);
  assert.deepEqual(done.directories, directories.slice(0, 2));
  // The replica that was taken away is fenced by a new epoch.
  assert.equal(done.leaderEpoch, 5);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KeyValue, WatchEvent } from '../base/ports.ts';
import { clusterImage, idOf } from '../../test/cluster-images.ts';
import { ClusterImage, type ImageChange } from './image.ts';
import {
  brokerKey,
  configsKey,
  CONTROLLER_KEY,
  FEATURES_KEY,
  nodeKey,
  parseKey,
  partitionKey,
  topicKey,
} from './keys.ts';
import {
  BrokerRecord,
  ConfigsRecord,
  ControllerRecord,
  decodeRecord,
  encodeRecord,
  FeaturesRecord,
  NodeRecord,
  PartitionRecord,
  TopicRecord,
} from './records.ts';

/** Everything that the image shows. */
function shown(image: ClusterImage): unknown {
  const configs = (['TOPIC', 'BROKER', 'GROUP', 'CLIENT_METRICS'] as const).map((type) =>
    image.configuredNames(type).map((name) => [type, name, [...image.configs(type, name)]]),
  );
  return {
    revision: image.revision,
    controller: [image.controllerId, image.controllerEpoch],
    brokers: sorted(image.brokers),
    topics: sorted(image.topics).map(([, { name, id, isInternal, partitions }]) => ({
      name,
      id,
      isInternal,
      partitions,
    })),
    ids: [...image.topics.values()].map((topic) => image.topicById(topic.id)?.name).sort(),
    configs: configs.map((one) => one.sort()),
    features: { ...image.features, finalized: sorted(image.features.finalized) },
    replicaCount: image.replicaCount,
    orphans: image.orphanedTopicIds().sort(),
    collisions: ['a.b', 'a_b', 'c'].map((name) => image.collidingTopic(name)),
  };
}

function sorted<K, V>(map: ReadonlyMap<K, V>): [K, V][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** One step of a history: a value for a key, or its removal. */
interface Step {
  readonly key: string;
  readonly value: Buffer | undefined;
}

const nodeId = fc.integer({ min: 1, max: 3 });
const topicName = fc.constantFrom('a.b', 'a_b', 'c');
const replicas = fc.uniqueArray(nodeId, { minLength: 1, maxLength: 3 });

const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .record({ name: topicName, life: fc.integer({ min: 1, max: 2 }), count: fc.integer({ min: 1, max: 3 }) })
    .map(({ name, life, count }) => {
      // Partitions of one life of a topic are only ever added to.
      const partitions = Array.from({ length: count }, (_, n) => [(n % 3) + 1]).map((ids) => ({
        replicas: ids,
        isr: ids,
        directories: [],
      }));
      return {
        key: topicKey(name),
        value: encodeRecord(TopicRecord, { topicId: idOf(name + life), partitions }),
      };
    }),
  topicName.map((name) => ({ key: topicKey(name), value: undefined })),
  fc
    .record({
      name: topicName,
      life: fc.integer({ min: 1, max: 2 }),
      n: fc.integer({ min: 0, max: 2 }),
      replicas,
      epoch: fc.nat(9),
    })
    .map(({ name, life, n, replicas: ids, epoch }) => ({
      key: partitionKey(idOf(name + life), n),
      value: encodeRecord(PartitionRecord, {
        replicas: ids,
        isr: ids,
        elr: [],
        lastKnownElr: [],
        addingReplicas: [],
        removingReplicas: [],
        directories: [],
        leader: ids[0],
        leaderEpoch: epoch,
        partitionEpoch: epoch,
        isLeaderRecovering: false,
      }),
    })),
  fc
    .record({ name: topicName, life: fc.integer({ min: 1, max: 2 }), n: fc.integer({ min: 0, max: 2 }) })
    .map(({ name, life, n }) => ({ key: partitionKey(idOf(name + life), n), value: undefined })),
  nodeId.map((id) => ({
    key: nodeKey(id),
    value: encodeRecord(NodeRecord, { rack: `rack${id}`, endpoints: [], directories: [] }),
  })),
  nodeId.map((id) => ({ key: nodeKey(id), value: undefined })),
  nodeId.map((id) => ({
    key: brokerKey(id),
    value: encodeRecord(BrokerRecord, { incarnationId: idOf('x') }),
  })),
  nodeId.map((id) => ({ key: brokerKey(id), value: undefined })),
  nodeId.map((id) => ({ key: CONTROLLER_KEY, value: encodeRecord(ControllerRecord, { nodeId: id }) })),
  fc.constant({ key: CONTROLLER_KEY, value: undefined }),
  fc.tuple(topicName, fc.option(fc.constantFrom('1', '2'), { nil: undefined })).map(([name, value]) => ({
    key: configsKey('TOPIC', name),
    value:
      value === undefined
        ? undefined
        : encodeRecord(ConfigsRecord, { entries: [{ name: 'retention.ms', value }] }),
  })),
  fc.nat(9).map((level) => ({
    key: FEATURES_KEY,
    value: encodeRecord(FeaturesRecord, { levels: [{ name: 'metadata.version', level }] }),
  })),
);

interface Revision {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
  /** Everything in the store at this revision. */
  readonly entries: readonly KeyValue[];
}

/** What a store would deliver. A topic's record never shrinks: there is no way to remove partitions. */
function history(steps: readonly (readonly Step[])[]): Revision[] {
  const held = new Map<string, KeyValue>();
  const longest = new Map<string, number>();
  return steps.map((one, n) => {
    const revision = n + 1;
    const events = new Map<string, WatchEvent>();
    for (const { key, value } of one) {
      const before = held.get(key);
      if (events.has(key) || (value === undefined && before === undefined)) continue;
      if (value === undefined) {
        held.delete(key);
        events.set(key, { key, value, createRevision: 0, modRevision: revision });
        continue;
      }
      if (parseKey(key)?.kind === 'topic') {
        const { topicId } = decodeRecord(TopicRecord, value);
        if (value.length < (longest.get(topicId) ?? 0)) continue;
        longest.set(topicId, value.length);
      }
      const entry = { key, value, createRevision: before?.createRevision ?? revision, modRevision: revision };
      held.set(key, entry);
      events.set(key, entry);
    }
    return {
      revision,
      events: [...events.values()],
      entries: [...held.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
    };
  });
}

/** More than fast-check's 100: what these found first took 500. */
const RUNS = { numRuns: 1_000 };

const steps = fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 14 });

function replay(revisions: readonly Revision[], image = new ClusterImage()): ClusterImage {
  for (const { revision, events } of revisions) image.apply(revision, events);
  return image;
}

test('applying each revision twice is applying it once', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const revisions = history(all);
      const twice = new ClusterImage();
      for (const one of revisions) {
        twice.apply(one.revision, one.events);
        twice.apply(one.revision, one.events);
      }
      assert.deepEqual(shown(twice), shown(replay(revisions)));
    }),
    RUNS,
  );
});

test('a range at any revision and the events after it give the same image as all events', () => {
  fc.assert(
    fc.property(steps, fc.nat(13), (all, at) => {
      const revisions = history(all);
      if (revisions.length === 0) return;
      const split = revisions[at % revisions.length];
      const image = new ClusterImage();
      image.reset({ revision: split.revision, entries: split.entries });
      replay(revisions.slice(split.revision), image);
      assert.deepEqual(shown(image), shown(replay(revisions)));
    }),
    RUNS,
  );
});

test('an image that missed events becomes right with the next range, and tells its listeners of the difference', () => {
  fc.assert(
    fc.property(steps, fc.nat(13), (all, at) => {
      const revisions = history(all);
      if (revisions.length === 0) return;
      const image = replay(revisions.slice(0, at % revisions.length));
      const known = new Set([...image.topics.values()].map((topic) => topic.id));
      image.onChange((change) => {
        for (const topic of change.topicsDeleted) assert.ok(known.delete(topic.id), topic.name);
        for (const topic of change.topicsCreated) known.add(topic.id);
      });
      const last = revisions.at(-1)!;
      image.reset({ revision: last.revision, entries: last.entries });
      assert.deepEqual(shown(image), shown(replay(revisions)));
      assert.deepEqual(known, new Set([...image.topics.values()].map((topic) => topic.id)));
    }),
    RUNS,
  );
});

test('listeners are told of exactly what a revision changed', () => {
  const image = clusterImage({ topics: { old: [[1]], kept: [[1], [1]] } });
  const changes: ImageChange[] = [];
  const stop = image.onChange((change) => changes.push(change));
  const revision = image.revision + 1;
  const put = (key: string, value: Buffer | undefined): WatchEvent => ({
    key,
    value,
    createRevision: 1,
    modRevision: revision,
  });
  const partition = { replicas: [1], isr: [1], directories: [] };
  image.apply(revision, [
    put(topicKey('old'), undefined),
    put(topicKey('fresh'), encodeRecord(TopicRecord, { topicId: idOf('fresh'), partitions: [partition] })),
    put(
      topicKey('kept'),
      encodeRecord(TopicRecord, { topicId: idOf('kept'), partitions: [partition, partition, partition] }),
    ),
    put(configsKey('TOPIC', 'kept'), encodeRecord(ConfigsRecord, { entries: [] })),
  ]);
  stop();
  image.apply(revision + 1, [put(topicKey('fresh'), undefined)]);
  assert.equal(changes.length, 1);
  const [{ topicsCreated, topicsDeleted, partitionsChanged, configsChanged, ...flags }] = changes;
  assert.deepEqual(
    {
      created: topicsCreated.map((topic) => topic.name),
      deleted: topicsDeleted.map((topic) => topic.name),
      partitionsChanged,
      configsChanged,
      ...flags,
    },
    {
      revision,
      created: ['fresh'],
      deleted: ['old'],
      partitionsChanged: [{ topic: 'kept', partition: 2 }],
      configsChanged: [{ type: 'TOPIC', name: 'kept' }],
      brokersChanged: false,
      featuresChanged: false,
      controllerChanged: false,
    },
  );
});

test('whoever waits for a revision goes on when it and everything before it is in the image', async () => {
  const image = new ClusterImage();
  const order: string[] = [];
  image.onChange((change) => order.push(`listener ${change.revision}`));
  const waiting = [
    image.waitFor(2).then(() => order.push('waited for 2')),
    image.waitFor(3).then(() => order.push('waited for 3')),
  ];
  image.apply(2, []);
  await waiting[0];
  image.apply(5, []);
  await Promise.all(waiting);
  await image.waitFor(4).then(() => order.push('had 4'));
  assert.deepEqual(order, ['listener 2', 'waited for 2', 'listener 5', 'waited for 3', 'had 4']);
});

test('a value from a later release stops the image instead of being misread', () => {
  const value = encodeRecord(FeaturesRecord, { levels: [] });
  value.writeInt16BE(1, 0);
  const event = { key: FEATURES_KEY, value, createRevision: 1, modRevision: 1 };
  assert.throws(() => new ClusterImage().apply(1, [event]), /FeaturesRecord version 1 is not known/);
});

test('keys that this release does not know are left alone', () => {
  const image = new ClusterImage();
  const event = { key: 'quotas/user', value: Buffer.from('x'), createRevision: 1, modRevision: 1 };
  image.apply(1, [event]);
  assert.deepEqual(
    [image.revision, image.keyRevisions('quotas/user')],
    [1, { createRevision: 1, modRevision: 1 }],
  );
});

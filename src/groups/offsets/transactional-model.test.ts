/**
 * Any mix of plain and transactional commits, markers, deletions, expiry, failed appends and failovers against a model
 * that only knows the order of what is in the log: of a partition's commits after its last tombstone, the latest one
 * counts that is plain or whose producer's next marker commits; those without a next marker are pending.
 */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import { Scene } from '../group-scene-contract.ts';

const GROUPS = ['g', 'h'];
const TOPICS = ['t', 'u'];
const PARTITIONS = [0, 1];
const KEYS = GROUPS.flatMap((groupId) =>
  TOPICS.flatMap((topic) => PARTITIONS.map((partition) => ({ groupId, topic, partition }))),
);
const HOUR_MS = 3_600_000;
const NEVER_MS = 1e15;

type Key = (typeof KEYS)[number];
const same = (a: Key, b: Key): boolean =>
  a.groupId === b.groupId && a.topic === b.topic && a.partition === b.partition;

type Action =
  | { readonly type: 'commit'; readonly key: Key; readonly offset: number; readonly producerId: number }
  | { readonly type: 'marker'; readonly producerId: number; readonly isCommit: boolean }
  | { readonly type: 'delete'; readonly of: (key: Key) => boolean; readonly what: Deletion };

type Deletion =
  | { readonly kind: 'offset'; readonly key: Key }
  | { readonly kind: 'group'; readonly groupId: string }
  | { readonly kind: 'topic'; readonly topic: string };

type Round =
  | { readonly type: 'actions'; readonly actions: readonly Action[]; readonly appendError: number }
  | { readonly type: 'failover' }
  | { readonly type: 'expiry' };

class Model {
  #log: Action[] = [];

  add(actions: readonly Action[]): void {
    this.#log.push(...actions);
  }

  #sinceTombstone(key: Key): { readonly offset: number; readonly outcome: boolean | undefined }[] {
    let commits: { offset: number; outcome: boolean | undefined }[] = [];
    this.#log.forEach((action, position) => {
      if (action.type === 'delete' && action.of(key)) commits = [];
      if (action.type !== 'commit' || !same(action.key, key)) return;
      const { offset, producerId } = action;
      commits.push({ offset, outcome: producerId < 0 ? true : this.#outcomeOf(producerId, position) });
    });
    return commits;
  }

  #outcomeOf(producerId: number, position: number): boolean | undefined {
    for (const action of this.#log.slice(position)) {
      if (action.type === 'marker' && action.producerId === producerId) return action.isCommit;
    }
    return undefined;
  }

  offset(key: Key): number {
    return this.#sinceTombstone(key).findLast(({ outcome }) => outcome === true)?.offset ?? -1;
  }

  isPending(key: Key): boolean {
    return this.#sinceTombstone(key).some(({ outcome }) => outcome === undefined);
  }

  /** What no open transaction holds on to goes. */
  expire(): void {
    const expired = KEYS.filter((key) => !this.isPending(key));
    const of = (key: Key): boolean => expired.includes(key);
    this.#log.push({ type: 'delete', of, what: { kind: 'topic', topic: '' } });
  }
}

function start(scene: Scene, action: Action): Promise<unknown> | undefined {
  const context = { apiVersion: 5, clientId: 'c', clientHost: 'h' };
  const { coordinator } = scene;
  if (action.type === 'marker') {
    const { producerId, isCommit } = action;
    const marker = { producerId, producerEpoch: 0, coordinatorEpoch: 0, isCommit, transactionVersion: 1 };
    return coordinator.writeTxnMarker(0, marker);
  }
  if (action.type === 'delete') {
    const { what } = action;
    if (what.kind === 'group') return coordinator.deleteGroups([what.groupId]);
    if (what.kind === 'topic') {
      coordinator.onTopicsDeleted([what.topic]);
      return undefined;
    }
    const { groupId, topic, partition } = what.key;
    const topics = [{ name: topic, partitions: [{ partitionIndex: partition }] }];
    return coordinator.deleteOffsets({ groupId, topics });
  }
  const { key, offset, producerId } = action;
  const { groupId, topic, partition } = key;
  const one = { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1 };
  const request = {
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [{ name: topic, topicId: ZERO_UUID, partitions: [{ ...one, committedMetadata: '' }] }],
  };
  if (producerId < 0) return coordinator.commitOffsets(context, { ...request, retentionTimeMs: -1 });
  const ofTransaction = { ...request, transactionalId: 'x', producerId, producerEpoch: 0 };
  return coordinator.commitOffsetsInTransaction(context, ofTransaction, 'ongoing');
}

const aKey = fc.constantFrom(...KEYS);
const aProducer = fc.constantFrom(1, 2, 3);
const anAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('commit' as const),
      key: aKey,
      offset: fc.nat(1000),
      producerId: fc.oneof(fc.constant(-1), aProducer),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('marker' as const),
      producerId: aProducer,
      isCommit: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.oneof(
      aKey.map((key): Action => ({ type: 'delete', of: (k) => same(k, key), what: { kind: 'offset', key } })),
      fc.constantFrom(...GROUPS).map((groupId): Action => ({
        type: 'delete',
        of: (k) => k.groupId === groupId,
        what: { kind: 'group', groupId },
      })),
      fc.constantFrom(...TOPICS).map((topic): Action => ({
        type: 'delete',
        of: (k) => k.topic === topic,
        what: { kind: 'topic', topic },
      })),
    ),
  },
);
const aRound: fc.Arbitrary<Round> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('actions' as const),
      actions: fc.array(anAction, { minLength: 1, maxLength: 5 }),
      appendError: fc.oneof(
        { weight: 5, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.constant<number>(Errors.NOT_ENOUGH_REPLICAS) },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'failover' as const }) },
  { weight: 1, arbitrary: fc.constant({ type: 'expiry' as const }) },
);

async function check(scene: Scene, model: Model): Promise<void> {
  for (const key of KEYS) {
    const expected = model.offset(key);
    const stable = model.isPending(key) ? `UNSTABLE` : expected;
    const topics = [{ name: key.topic, topicId: ZERO_UUID, partitionIndexes: [key.partition] }];
    const request = { groupId: key.groupId, memberId: null, memberEpoch: -1, topics };
    const group = await scene.time.settle(scene.coordinator.fetchOffsets(request, true));
    const { committedOffset, errorCode } = group.topics[0].partitions[0];
    const found = errorCode === Errors.UNSTABLE_OFFSET_COMMIT ? 'UNSTABLE' : committedOffset;
    assert.deepEqual([await scene.fetch(key), found], [expected, stable], JSON.stringify(key));
  }
}

test('item 23: pending offsets are what the order of the log says, whatever happens', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aRound, { maxLength: 25 }), async (rounds) => {
      let scene = await Scene.begin();
      scene.settings.offsets.retentionMs = NEVER_MS;
      scene.settings.offsets.retentionCheckIntervalMs = HOUR_MS;
      scene = await scene.failover();
      const model = new Model();
      for (const round of rounds) {
        if (round.type === 'failover') {
          const next = await scene.failover();
          scene.coordinator.shutdown();
          scene = next;
        } else if (round.type === 'expiry') {
          scene.settings.offsets.retentionMs = 0;
          await scene.time.advance(HOUR_MS + 1);
          scene.settings.offsets.retentionMs = NEVER_MS;
          model.expire();
          for (const groupId of GROUPS) {
            const isGone = !KEYS.some((key) => key.groupId === groupId && model.isPending(key));
            assert.equal(scene.state(groupId), isGone ? 'Dead' : 'Empty', groupId);
          }
        } else {
          scene.log.appendError = round.appendError;
          const answers = round.actions.map((action) => start(scene, action));
          await scene.time.settle(Promise.all(answers));
          await scene.time.advance(1);
          scene.log.appendError = 0;
          if (round.appendError === 0) model.add(round.actions);
        }
        await check(scene, model);
      }
      await check(await scene.failover(), model);
      scene.coordinator.shutdown();
    }),
    { numRuns: 150 },
  );
});

/** A partition with followers, on the broker that leads it: what is committed, and who is in sync. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, clusterImage, idOf } from '../../test/cluster-images.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import { testLog, type TestLog } from '../log/test-log.ts';
import type { LogSettings } from '../log/settings.ts';
import { changeInSync, type InSyncChange, type InSyncOutcome } from '../metadata/controller/in-sync.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { brokerKey } from '../metadata/keys.ts';
import { BrokerRecord, encodeRecord } from '../metadata/records.ts';
import { Errors } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import { InSyncChanges } from './in-sync-changes.ts';
import { Partition } from './partition.ts';

const LAG_MS = 30_000;

interface Options {
  readonly minInsyncReplicas?: number;
  readonly isr?: readonly number[];
  readonly settings?: Partial<LogSettings>;
}

/** Broker 1 leads `t-0` with the replicas 1, 2 and 3, in relaxed mode unless the settings say otherwise. */
class World {
  readonly on: TestLog;
  readonly image: ClusterImage;
  readonly partition: Partition;
  readonly asked: number[][] = [];
  /** What the store says instead of deciding. */
  outcome: 'stale' | 'refused' | 'retry' | 'later' | undefined;
  readonly #changes: InSyncChanges;

  constructor(on: TestLog, { minInsyncReplicas = 1, isr = [1, 2, 3] }: Options) {
    this.on = on;
    this.image = clusterImage({
      alive: [1, 2, 3],
      topics: { t: [[1, 2, 3]] },
      changed: { 't-0': { leader: 1, isr, leaderEpoch: 4, partitionEpoch: 7 } },
    });
    this.partition = new Partition({
      topic: 't',
      topicId: idOf('t'),
      partition: 0,
      nodeId: 1,
      log: on.log,
      state: this.image.partition('t', 0)!,
      monotonicMs: () => on.ports.clock.monotonicMs(),
      minInsyncReplicas,
    });
    const change = (asked: InSyncChange): Promise<InSyncOutcome | 'retry'> => {
      this.asked.push(asked.isr.map(({ nodeId }) => nodeId));
      if (this.outcome === 'later') return new Promise(() => {});
      if (this.outcome !== undefined) return Promise.resolve(this.outcome);
      const decision = changeInSync(this.image, asked, minInsyncReplicas);
      after(this.image, decision);
      this.refresh();
      return Promise.resolve(decision.result);
    };
    this.#changes = new InSyncChanges({
      nodeId: 1,
      image: this.image,
      ports: on.ports,
      partitions: () => [this.partition],
      changeInSync: change,
      lagTimeMaxMs: () => LAG_MS,
      record: { shrinks: 0, expands: 0, failures: 0 },
    });
    this.#changes.start();
    this.partition.onFollowerProgress = (of, follower) => this.#changes.onProgress(of, follower);
  }

  refresh(): void {
    this.partition.apply(this.image.partition('t', 0)!);
  }

  append(acks = -1): number {
    const nowMs = this.on.ports.clock.nowMs();
    const records = buildBatch({ records: [{ key: null, value: Buffer.from('v'), timestamp: nowMs }] });
    return this.partition.append(records, { acks, origin: 'client', nowMs }).errorCode;
  }

  fetch(nodeId: number, offset: number, brokerEpoch = this.image.brokers.get(nodeId)!.epoch): number {
    const nowMs = this.on.ports.clock.monotonicMs();
    return this.partition.noteFetch({ nodeId, brokerEpoch, offset, logStartOffset: 0, nowMs });
  }

  get watermark(): number {
    return this.partition.highWatermark;
  }
  get isr(): readonly number[] {
    return this.partition.state.isr;
  }
}

async function world(options: Options = {}): Promise<World> {
  return new World(await testLog({ durability: 'relaxed', ...options.settings }), options);
}

test('the watermark is what all in-sync replicas have, the leader among them', async () => {
  const w = await world();
  for (let n = 0; n < 5; n++) assert.equal(w.append(), Errors.NONE);
  assert.equal(w.watermark, 0);
  w.fetch(2, 4);
  assert.equal(w.watermark, 0, 'nothing was heard of 3');
  w.fetch(3, 2);
  assert.equal(w.watermark, 2);
  w.fetch(3, 5);
  assert.equal(w.watermark, 4);
  // A follower that comes back with less takes nothing back.
  w.fetch(2, 1);
  assert.equal(w.watermark, 4);
  assert.equal(w.append(), Errors.NONE);
  w.fetch(3, 6);
  assert.equal(w.watermark, 4);
  w.fetch(2, 6);
  assert.equal(w.watermark, 6);
});

test('in fsync mode the leader counts with what its disk has made durable', async () => {
  const w = await world({ settings: { durability: 'fsync' } });
  w.append();
  w.fetch(2, 1);
  w.fetch(3, 1);
  assert.equal(w.watermark, 0);
  await w.on.pass(50);
  assert.equal(w.watermark, 1);
});

test('a follower that is not in sync holds up nobody', async () => {
  const w = await world({ isr: [1, 2] });
  w.append();
  w.fetch(2, 1);
  assert.equal(w.watermark, 1);
});

test('nothing is committed while the in-sync replicas are fewer than the minimum, whatever the acks', async () => {
  const w = await world({ isr: [1], minInsyncReplicas: 2 });
  assert.equal(w.append(-1), Errors.NOT_ENOUGH_REPLICAS);
  assert.equal(w.append(1), Errors.NONE);
  assert.equal(w.append(0), Errors.NONE);
  assert.equal(w.watermark, 0);
  // Back in sync, as the store knows: what was appended meanwhile is committed.
  w.fetch(2, 2);
  await w.on.pass(1);
  assert.deepEqual([w.isr, w.watermark], [[1, 2], 2]);
  assert.equal(w.append(-1), Errors.NONE);
});

test('a lower minimum lets the watermark go on; more than there are replicas nobody has to wait for', async () => {
  const w = await world({ isr: [1], minInsyncReplicas: 2 });
  w.append(1);
  w.partition.minInsyncReplicas = 1;
  assert.equal(w.watermark, 1);
  const all = await world({ minInsyncReplicas: 9 });
  assert.equal(all.append(), Errors.NONE);
  all.fetch(2, 1);
  all.fetch(3, 1);
  assert.equal(all.watermark, 1);
});

test('with acks=all a batch that was committed before the set became too small is reported as such', async () => {
  const w = await world({ minInsyncReplicas: 2 });
  w.append();
  const told: unknown[] = [];
  w.partition.whenCommitted(1, (outcome) => told.push(outcome, w.partition.checkCommitted()));
  w.fetch(2, 1);
  assert.deepEqual(told, []);
  w.fetch(3, 1);
  assert.deepEqual(told, ['committed', Errors.NONE]);
  w.partition.apply({ ...w.partition.state, isr: [1], partitionEpoch: 8 });
  assert.equal(w.partition.checkCommitted(), Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND);
});

test('each epoch begins anew: what followers had acknowledged before does not count', async () => {
  const w = await world();
  w.append();
  w.append();
  w.fetch(2, 2);
  w.fetch(3, 1);
  assert.equal(w.watermark, 1);
  const { state } = w.partition;
  w.partition.apply({ ...state, leaderEpoch: state.leaderEpoch + 1, partitionEpoch: 8 });
  assert.deepEqual([w.watermark, w.partition.isHighWatermarkKnown], [1, false]);
  w.fetch(3, 2);
  assert.equal(w.watermark, 1, '2 has not been heard of in this epoch');
  w.fetch(2, 2);
  assert.deepEqual([w.watermark, w.partition.isHighWatermarkKnown], [2, true]);
});

test('a former life of a follower, a stranger, and whoever asks the wrong broker say nothing', async () => {
  const w = await world();
  w.append();
  const epoch = w.image.brokers.get(2)!.epoch;
  assert.equal(w.fetch(2, 0, epoch + 1), Errors.NONE);
  assert.equal(w.fetch(2, 1, epoch), Errors.STALE_BROKER_EPOCH);
  assert.equal(w.fetch(4, 1, 99), Errors.NOT_LEADER_OR_FOLLOWER);
  w.fetch(3, 1);
  assert.equal(w.watermark, 0);
  w.partition.apply({ ...w.partition.state, leader: 2, leaderEpoch: 5, partitionEpoch: 8 });
  assert.equal(w.fetch(3, 1), Errors.NOT_LEADER_OR_FOLLOWER);
});

test('a follower without progress for the lag time leaves, and comes back when it has everything', async () => {
  const w = await world();
  w.append();
  w.fetch(2, 1);
  for (let ms = 0; ms < 2 * LAG_MS; ms += 500) {
    await w.on.pass(500);
    w.append();
    w.fetch(2, w.partition.logEndOffset);
  }
  assert.deepEqual(w.isr, [1, 2]);
  assert.equal(w.watermark, w.partition.logEndOffset, 'nobody waits for 3 any more');
  w.fetch(3, w.watermark - 1);
  await w.on.pass(1);
  assert.deepEqual(w.isr, [1, 2]);
  w.fetch(3, w.watermark);
  await w.on.pass(1);
  assert.deepEqual(w.isr, [1, 2, 3]);
  assert.equal(w.asked.length, 2);
});

test('without appends nobody lags, and a follower that is always a little behind does not either', async () => {
  const w = await world({ isr: [1, 2] });
  w.append();
  w.fetch(2, 1);
  await w.on.pass(3 * LAG_MS);
  assert.deepEqual(w.isr, [1, 2]);
  for (let ms = 0; ms < 3 * LAG_MS; ms += 1_000) {
    const end = w.partition.logEndOffset;
    w.append();
    w.fetch(2, end);
    await w.on.pass(1_000);
  }
  assert.deepEqual([w.isr, w.asked], [[1, 2], []]);
});

test('who joins must have reached the start of the epoch, though the watermark is lower', async () => {
  const w = await world({ isr: [1, 2] });
  for (let n = 0; n < 3; n++) w.append();
  w.partition.apply({ ...w.partition.state, leaderEpoch: 5, partitionEpoch: 8 });
  assert.deepEqual([w.watermark, w.partition.leaderEpochStartOffset], [0, 3]);
  w.fetch(3, 2);
  assert.deepEqual(w.asked, []);
  w.fetch(3, 3);
  assert.deepEqual(w.asked, [[1, 2, 3]]);
});

test('a follower that is fenced, or lives under an epoch that the image does not know, does not join', async () => {
  const w = await world({ isr: [1] });
  w.fetch(2, 0, w.image.brokers.get(2)!.epoch + 1);
  const revision = w.image.revision + 1;
  const gone = { key: brokerKey(3), value: undefined, createRevision: 0, modRevision: revision };
  const epoch = w.image.brokers.get(3)!.epoch;
  w.image.apply(revision, [gone]);
  w.fetch(3, 0, epoch);
  assert.deepEqual(w.asked, []);
});

test('a follower that is about to stop does not join: it would be refused', async () => {
  const w = await world({ isr: [1] });
  const value = encodeRecord(BrokerRecord, { incarnationId: ZERO_UUID, isStopping: true });
  const { createRevision } = w.image.keyRevisions(brokerKey(2));
  const revision = w.image.revision + 1;
  w.image.apply(revision, [{ key: brokerKey(2), value, createRevision, modRevision: revision }]);
  w.fetch(2, 0);
  assert.deepEqual(w.asked, []);
  w.fetch(3, 0);
  assert.deepEqual(w.asked, [[1, 3]]);
});

test('while a change is under way the watermark waits for both sets, and nothing else is asked', async () => {
  const w = await world({ isr: [1] });
  w.outcome = 'later';
  w.fetch(2, 0);
  w.fetch(3, 0);
  assert.deepEqual(w.asked, [[1, 2]]);
  w.append();
  assert.equal(w.watermark, 0, 'the store may already count on 2');
  w.fetch(2, 1);
  assert.equal(w.watermark, 1);
  // The image brings it.
  w.partition.apply({ ...w.partition.state, isr: [1, 2], partitionEpoch: 8 });
  w.append();
  w.fetch(2, 2);
  assert.equal(w.watermark, 2);
  w.fetch(3, 2);
  assert.deepEqual(w.asked, [
    [1, 2],
    [1, 2, 3],
  ]);
});

test('a refused change is over at once, and asked for again a little later', async () => {
  const w = await world({ isr: [1] });
  w.outcome = 'refused';
  w.fetch(2, 0);
  w.append();
  assert.equal(w.watermark, 0);
  await w.on.pass(1);
  assert.equal(w.watermark, 1);
  w.outcome = undefined;
  w.fetch(2, 1);
  assert.equal(w.asked.length, 1);
  await w.on.pass(100);
  w.fetch(2, 1);
  assert.deepEqual([w.isr, w.asked.length], [[1, 2], 2]);
});

test('a change of unknown fate binds the watermark until the same change has an answer', async () => {
  const w = await world({ isr: [1] });
  w.outcome = 'retry';
  w.fetch(2, 0);
  w.append();
  await w.on.pass(10_000);
  assert.equal(w.watermark, 0);
  assert.ok(w.asked.length > 5 && w.asked.every((isr) => isr.join() === '1,2'), `${w.asked.length}`);
  w.outcome = undefined;
  await w.on.pass(1_000);
  assert.deepEqual([w.isr, w.watermark], [[1, 2], 0]);
  w.fetch(2, 1);
  assert.equal(w.watermark, 1);
});

test('whoever watches the log end is woken by an append, others by what is committed', async () => {
  const w = await world({ isr: [1, 2] });
  const woken: string[] = [];
  w.partition.watch({ wake: () => woken.push('follower') }, 'log end');
  w.partition.watch({ wake: () => woken.push('consumer') }, 'uncommitted');
  w.append();
  assert.deepEqual(woken, ['follower']);
  w.fetch(2, 1);
  assert.deepEqual(woken, ['follower', 'follower', 'consumer']);
});

/** A follower and what it makes of its leader's answers; the leader is a script. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testLog, type TestLog } from '../log/test-log.ts';
import type { LogSettings } from '../log/settings.ts';
import { codec } from '../protocol/compile.ts';
import { Errors } from '../protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import * as header from '../protocol/record-batch.ts';
import { buildBatch } from '../protocol/records.ts';
import type { Write } from '../protocol/schema.ts';
import { Reader, Writer } from '../protocol/wire.ts';
import { PeerUnavailable, type PeerRequest, type Peers } from '../rpc/peers.ts';
import { FollowerFetcher } from './follower-fetcher.ts';
import { FollowerSession, type WantedPartition } from './follower-session.ts';
import { truncationOffset } from './follower-truncation.ts';
import { Partition } from './partition.ts';
import { ReplicationTraffic } from './replication-traffic.ts';

const TOPIC_ID = 'T'.repeat(16);
const SETTINGS = {
  fetchMaxBytes: 1_000,
  fetchMinBytes: 1,
  fetchResponseMaxBytes: 10_000,
  fetchWaitMaxMs: 500,
  fetchBackoffMs: 1_000,
  socketTimeoutMs: 30_000,
};

type Answer = Write<typeof FetchResponse>;
type PartitionAnswer = Answer['responses'][number]['partitions'][number];

/** Batches of one record each, as a leader sends them: `epochs[n]` is that of offset `from + n`. */
function batches(from: number, epochs: readonly number[]): Buffer {
  return Buffer.concat(
    epochs.map((epoch, n) => {
      const batch = buildBatch({
        records: [{ key: null, value: Buffer.from(`v${from + n}`), timestamp: 0 }],
      });
      header.setBaseOffset(batch, 0, from + n);
      header.setPartitionLeaderEpoch(batch, 0, epoch);
      return batch;
    }),
  );
}

/** Broker 2 follows broker 1. */
class World implements Peers {
  readonly on: TestLog;
  readonly partition: Partition;
  readonly fetcher: FollowerFetcher;
  readonly asked: { atMs: number; to: number; request: FetchRequest }[] = [];
  /** What the leader says next; without an entry it keeps silent. */
  readonly answers: (Partial<PartitionAnswer> | Error | { readonly whole: number })[] = [];
  readonly limits = {
    leaderThrottledRate: Infinity,
    followerThrottledRate: Infinity,
    quotaWindows: 11,
    quotaWindowMs: 1_000,
  };
  #sessions = 0;
  #waiting: (() => void) | undefined;

  constructor(on: TestLog) {
    this.on = on;
    this.partition = new Partition({
      topic: 't',
      topicId: TOPIC_ID,
      partition: 0,
      nodeId: 2,
      log: on.log,
      state: { replicas: [1, 2, 3], isr: [1, 2, 3], leader: 1, leaderEpoch: 5, partitionEpoch: 5 },
      monotonicMs: () => on.ports.clock.monotonicMs(),
      minInsyncReplicas: 1,
    });
    this.fetcher = new FollowerFetcher({
      rows: () => 1,
      traffic: new ReplicationTraffic(on.ports.clock, () => this.limits),
      nodeId: 2,
      peers: this,
      ports: on.ports,
      settings: () => SETTINGS,
      brokerEpoch: () => 77,
    });
  }

  async request<W, R>(to: number, { body, onAnswer }: PeerRequest<W, R>): Promise<R> {
    const answer = (await this.#answer(to, body)) as R;
    onAnswer?.(answer);
    return answer;
  }

  async #answer(to: number, body: unknown): Promise<unknown> {
    const request = through(FetchRequest, body) as FetchRequest;
    this.asked.push({ atMs: this.on.ports.clock.monotonicMs(), to, request });
    if (this.answers.length === 0) await new Promise<void>((resolve) => (this.#waiting = resolve));
    const answer = this.answers.shift()!;
    if (answer instanceof Error) throw answer;
    if ('whole' in answer) {
      return through(FetchResponse, { throttleTimeMs: 0, errorCode: answer.whole, responses: [] });
    }
    if (request.sessionEpoch === 0) this.#sessions += 1;
    const partition = {
      partitionIndex: 0,
      errorCode: Errors.NONE,
      highWatermark: 0,
      logStartOffset: 0,
      abortedTransactions: null,
      records: [],
      ...answer,
    };
    return through(FetchResponse, {
      throttleTimeMs: 0,
      errorCode: 0,
      sessionId: this.#sessions,
      responses: [{ topic: '', topicId: TOPIC_ID, partitions: [partition] }],
    });
  }

  /** The leader speaks, and a little time passes. */
  async say(...answers: World['answers']): Promise<void> {
    this.answers.push(...answers);
    this.#waiting?.();
    this.#waiting = undefined;
    await this.on.pass(5);
  }

  follow(): void {
    this.fetcher.onReplica(this.partition);
  }

  lead(leader: number, leaderEpoch: number): void {
    const { state } = this.partition;
    this.partition.apply({ ...state, leader, leaderEpoch, partitionEpoch: state.partitionEpoch + 1 });
    this.follow();
  }

  /** What was asked last of the partition. */
  get last(): FetchRequest['topics'][number]['partitions'][number] {
    return this.asked.at(-1)!.request.topics[0]!.partitions[0]!;
  }
}

function through(message: typeof FetchRequest | typeof FetchResponse, value: unknown): unknown {
  const version = 18;
  const writer = new Writer();
  codec(message as typeof FetchRequest, version).write(writer, value as never);
  return codec(message as typeof FetchRequest, version).read(new Reader(writer.toBuffer()));
}

/** `epochs`: of what the follower has already. */
async function world(epochs: readonly number[] = [], settings: Partial<LogSettings> = {}): Promise<World> {
  const on = await testLog({ durability: 'relaxed', ...settings });
  if (epochs.length > 0) assert.equal(on.log.appendAsFollower(batches(0, epochs), 0).errorCode, Errors.NONE);
  return new World(on);
}

test('a follower asks from its end, with the epoch of its last record, and goes on with what it gets', async () => {
  const w = await world([1, 1, 4]);
  w.follow();
  await w.on.pass(5);
  const { request, to } = w.asked[0]!;
  assert.deepEqual(request.replicaState, { replicaId: 2, replicaEpoch: 77 });
  assert.deepEqual([to, request.sessionEpoch, request.maxWaitMs, request.maxBytes], [1, 0, 500, 10_000]);
  const { fetchOffset, lastFetchedEpoch, currentLeaderEpoch, partitionMaxBytes } = w.last;
  assert.deepEqual([fetchOffset, lastFetchedEpoch, currentLeaderEpoch, partitionMaxBytes], [3, 4, 5, 1_000]);
  await w.say({ records: [batches(3, [4, 5])], highWatermark: 4 });
  assert.deepEqual([w.partition.logEndOffset, w.partition.highWatermark], [5, 4]);
  assert.deepEqual([w.last.fetchOffset, w.last.lastFetchedEpoch], [5, 5]);
  assert.deepEqual([w.asked.at(-1)!.request.sessionId, w.asked.at(-1)!.request.sessionEpoch], [1, 1]);
  // The watermark of the leader may be beyond what is here.
  await w.say({ records: [batches(5, [5])], highWatermark: 100 });
  assert.equal(w.partition.highWatermark, 6);
  w.fetcher.stop();
});

test('in fsync mode it asks for more when what it has is durable, not before', async () => {
  const on = await testLog({ durability: 'fsync' }, { disk: { syncLatencyMs: 40 } });
  const w = new World(on);
  w.follow();
  await on.pass(100);
  assert.equal(w.asked.length, 1);
  await w.say({ records: [batches(0, [5, 5])] });
  assert.deepEqual([w.partition.logEndOffset, w.asked.length], [2, 1]);
  await on.pass(100);
  assert.deepEqual([w.asked.length, w.last.fetchOffset, on.log.durableEndOffset], [2, 2, 2]);
  w.fetcher.stop();
});

test('a log that differs is cut by epoch, as often as it takes, and never by the watermark', async () => {
  // The leader has 1 1 2 5, this broker 1 1 1 3 3 4.
  const w = await world([1, 1, 1, 3, 3, 4]);
  w.follow();
  await w.on.pass(5);
  // The leader knows no epoch 4 nor 3: the one below is 2, which ends at 3.
  await w.say({ divergingEpoch: { epoch: 2, endOffset: 3 }, highWatermark: 2 });
  assert.deepEqual([w.last.fetchOffset, w.last.lastFetchedEpoch, w.partition.highWatermark], [3, 1, 0]);
  await w.say({ divergingEpoch: { epoch: 1, endOffset: 2 } });
  assert.deepEqual([w.last.fetchOffset, w.last.lastFetchedEpoch], [2, 1]);
  await w.say({ records: [batches(2, [2, 5])], highWatermark: 2 });
  assert.deepEqual([w.partition.logEndOffset, w.partition.highWatermark, w.on.log.latestEpoch], [4, 2, 5]);
  w.fetcher.stop();
});

test('an answer that changes nothing is not asked for over and over', async () => {
  const w = await world([1, 1]);
  w.follow();
  await w.on.pass(5);
  for (let n = 0; n < 50; n++) w.answers.push({ divergingEpoch: { epoch: 1, endOffset: 9 } });
  await w.say();
  await w.on.pass(1_000);
  assert.ok(w.asked.length < 10, `${w.asked.length} requests`);
  w.fetcher.stop();
});

test('where the leader has deleted what comes next the log begins anew, also within a batch of the leader', async () => {
  const w = await world([1, 1]);
  w.follow();
  await w.on.pass(5);
  await w.say({ errorCode: Errors.OFFSET_OUT_OF_RANGE, logStartOffset: 11, highWatermark: 14 });
  assert.deepEqual([w.partition.logStartOffset, w.partition.logEndOffset], [11, 11]);
  assert.deepEqual([w.last.fetchOffset, w.last.lastFetchedEpoch], [11, -1]);
  const values = ['a', 'b', 'c'].map((value) => ({ key: null, value: Buffer.from(value), timestamp: 0 }));
  const batch = buildBatch({ records: values });
  header.setBaseOffset(batch, 0, 10);
  header.setPartitionLeaderEpoch(batch, 0, 5);
  await w.say({ records: [batch], logStartOffset: 11, highWatermark: 13 });
  const { logStartOffset, highWatermark, logEndOffset } = w.partition;
  assert.deepEqual([logStartOffset, highWatermark, logEndOffset], [11, 13, 13]);
  w.fetcher.stop();
});

test('what the leader deletes at its start is deleted here, up to the watermark', async () => {
  const w = await world([5, 5, 5, 5]);
  w.follow();
  await w.on.pass(5);
  await w.say({ highWatermark: 2, logStartOffset: 3 });
  assert.equal(w.partition.logStartOffset, 2);
  await w.say({ highWatermark: 4, logStartOffset: 3 });
  assert.equal(w.partition.logStartOffset, 3);
  w.fetcher.stop();
});

test('a damaged batch is not appended, and asked for again after a while', async () => {
  const w = await world();
  w.follow();
  await w.on.pass(5);
  const damaged = batches(0, [5, 5]);
  damaged[damaged.length - 1]! ^= 1;
  await w.say({ records: [damaged], highWatermark: 2 });
  assert.deepEqual([w.partition.logEndOffset, w.partition.highWatermark, w.asked.length], [0, 0, 1]);
  await w.on.pass(50);
  await w.say({ records: [batches(0, [5, 5])], highWatermark: 2 });
  assert.deepEqual([w.partition.logEndOffset, w.partition.highWatermark], [2, 2]);
  w.fetcher.stop();
});

test('an answer that comes when the epoch is over, or this broker leads, is dropped', async () => {
  const w = await world([5]);
  w.follow();
  await w.on.pass(5);
  w.lead(1, 6);
  await w.say({ records: [batches(1, [5])], highWatermark: 2, divergingEpoch: { epoch: -1, endOffset: -1 } });
  assert.deepEqual([w.partition.logEndOffset, w.partition.highWatermark], [1, 0]);
  assert.equal(w.last.currentLeaderEpoch, 6);
  w.lead(2, 7);
  await w.say({ divergingEpoch: { epoch: 4, endOffset: 0 } });
  assert.equal(w.partition.logEndOffset, 1);
  assert.equal(w.fetcher.count, 0);
  w.fetcher.stop();
});

test('with another leader the requests go there, in a session of their own', async () => {
  const w = await world([5]);
  w.follow();
  await w.on.pass(5);
  w.lead(3, 6);
  await w.on.pass(5);
  assert.deepEqual(
    w.asked.map(({ to, request }) => [to, request.sessionEpoch]),
    [
      [1, 0],
      [3, 0],
    ],
  );
  w.fetcher.stop();
});

test('a leader that refuses, or is not there, is asked again with growing patience', async () => {
  const w = await world([5]);
  w.follow();
  await w.on.pass(5);
  const gone = new PeerUnavailable(1, 'gone', { wasSent: false });
  for (let n = 0; n < 20; n++) w.answers.push(n % 2 === 0 ? gone : { whole: Errors.UNKNOWN_SERVER_ERROR });
  await w.say();
  await w.on.pass(4_000);
  const gaps = w.asked.map(({ atMs }, n) => atMs - (w.asked[n - 1]?.atMs ?? 0)).slice(2);
  assert.ok(gaps.length >= 5 && gaps.length < 12, gaps.join());
  for (let n = 1; n < gaps.length; n++) assert.ok(gaps[n]! >= gaps[n - 1]!, gaps.join());
  assert.ok(w.asked.slice(1).every(({ request }) => request.sessionEpoch === 0));
  w.fetcher.stop();
});

test('a session that the leader has forgotten is begun again at once', async () => {
  const w = await world([5]);
  w.follow();
  await w.on.pass(5);
  await w.say({ highWatermark: 1 });
  await w.say({ whole: Errors.FETCH_SESSION_ID_NOT_FOUND });
  assert.deepEqual(
    w.asked.map(({ request }) => request.sessionEpoch),
    [0, 1, 0],
  );
  assert.equal(w.last.fetchOffset, 1);
  w.fetcher.stop();
});

function wanted(partition: number, change: Partial<WantedPartition> = {}): WantedPartition {
  return {
    topicId: TOPIC_ID,
    partition,
    leaderEpoch: 1,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    logStartOffset: 0,
    highWatermark: 0,
    maxBytes: 10,
    ...change,
  };
}

test('a session names what is new or has changed, and what is no longer wanted', () => {
  const session = new FollowerSession();
  const named = (wants: WantedPartition[], forgets: WantedPartition[] = []) => {
    for (const one of wants) session.want(one);
    for (const one of forgets) session.forget(one);
    const { topics, forgottenTopicsData } = session.next();
    return [
      topics.flatMap(({ partitions }) => partitions.map(({ partition }) => partition)),
      forgottenTopicsData.flatMap(({ partitions }) => partitions),
    ];
  };
  assert.deepEqual(named([wanted(0), wanted(1)]), [[0, 1], []]);
  session.answered({ sessionId: 9 });
  assert.deepEqual(named([wanted(0), wanted(1, { fetchOffset: 3 })]), [[1], []]);
  session.answered({ sessionId: 9 });
  const changed = [wanted(2), wanted(1, { fetchOffset: 3, leaderEpoch: 2 })];
  assert.deepEqual(named(changed, [wanted(0)]), [[2, 1], [0]]);
  assert.equal(session.askedOf(TOPIC_ID, 0), undefined);
  session.answered({ sessionId: 9 });
  // Nobody is told twice, nor of what came and went in between.
  assert.deepEqual(named([wanted(2), wanted(5)], [wanted(0), wanted(5)]), [[], [5]]);
  session.answered({ sessionId: 9 });
  assert.deepEqual(named([wanted(0)], []), [[0], []]);
  session.fail();
  const anew = session.next();
  assert.deepEqual([anew.sessionId, anew.sessionEpoch, anew.topics.length], [9, 0, 1]);
  assert.deepEqual(
    anew.topics[0]!.partitions.map(({ partition }) => partition),
    [1, 2, 0],
  );
  // A leader without room for sessions.
  session.answered({ sessionId: 0 });
  assert.deepEqual(session.next().sessionEpoch, 0);
  assert.equal(session.isEmpty, false);
  for (const one of [0, 1, 2]) session.forget(wanted(one));
  assert.equal(session.isEmpty, true);
});

test('what the leader still holds is forgotten there, also when it was wanted anew in between', () => {
  const session = new FollowerSession();
  session.want(wanted(0));
  session.next();
  session.answered({ sessionId: 9 });
  session.forget(wanted(0));
  session.want(wanted(0));
  const { topics, forgottenTopicsData } = session.next();
  assert.deepEqual([topics.length, forgottenTopicsData.length], [1, 0]);
});

test('a log is cut to the end of the common epoch, or of the one below where there is none', () => {
  const of = (logEndOffset: number, own: { epoch: number; endOffset: number }) => ({
    logEndOffset,
    endOffsetForEpoch: () => own,
  });
  // Both know epoch 3: the shorter counts.
  assert.equal(truncationOffset(of(9, { epoch: 3, endOffset: 7 }), { epoch: 3, endOffset: 5 }), 5);
  assert.equal(truncationOffset(of(9, { epoch: 3, endOffset: 4 }), { epoch: 3, endOffset: 5 }), 4);
  // We have only 2, which ended before: what the leader has of 3 is not here.
  assert.equal(truncationOffset(of(9, { epoch: 2, endOffset: 6 }), { epoch: 3, endOffset: 5 }), 6);
  assert.equal(truncationOffset(of(4, { epoch: -1, endOffset: -1 }), { epoch: 3, endOffset: 5 }), 4);
});

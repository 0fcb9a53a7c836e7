/** What readers and administrators see of a partition's transactions (behaviour items 21, 22, 24), through a whole broker. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildEndTransactionMarker } from '../protocol/control-records.ts';
import { errorName, Errors } from '../protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../protocol/messages/21-delete-records.ts';
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../protocol/messages/23-offset-for-leader-epoch.ts';
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../protocol/messages/61-describe-producers.ts';
import * as header from '../protocol/record-batch.ts';
import {
  batchOf,
  fetchBody,
  START_MS,
  testWorld,
  type FetchOptions,
  type TestClient,
  type TestWorld,
} from './test-client.ts';

type FetchAnswer = FetchResponse['responses'][number]['partitions'][number];
const COMMITTED = { isolationLevel: 1 };

class Scene {
  readonly world: TestWorld;
  client: TestClient;
  readonly #sequences = new Map<string, number>();

  constructor(world: TestWorld, client: TestClient) {
    this.world = world;
    this.client = client;
  }

  static async begin(configs: Readonly<Record<string, string>> = {}): Promise<Scene> {
    const { world, client } = await testWorld();
    await client.createTopic('t', { configs });
    return new Scene(world, client);
  }

  /** One record of a producer's transaction. Advances the clock so that it is durable. */
  async write(producerId: number, options: { epoch?: number; timestamp?: number } = {}): Promise<string> {
    const { epoch = 0, timestamp = START_MS } = options;
    const key = `${producerId}/${epoch}`;
    const baseSequence = this.#sequences.get(key) ?? 0;
    const of = { producerId, producerEpoch: epoch, baseSequence, isTransactional: true };
    const nowMs = this.world.ports.clock.nowMs();
    const result = this.#partition.append(batchOf(['x'], { ...of, timestamp }), {
      acks: -1,
      origin: 'client',
      nowMs,
    });
    if (result.errorCode === 0) this.#sequences.set(key, baseSequence + 1);
    await this.world.ports.time.advance(10);
    return errorName(result.errorCode);
  }

  async end(
    producerId: number,
    options: { isCommit?: boolean; epoch?: number; coordinatorEpoch?: number; version?: number } = {},
  ): Promise<string> {
    const { isCommit = true, epoch: producerEpoch = 0, coordinatorEpoch = 0, version = 1 } = options;
    const timestamp = this.world.ports.clock.nowMs();
    const marker = { producerId, producerEpoch, coordinatorEpoch, isCommit, timestamp };
    const append = { acks: -1, origin: 'marker', nowMs: timestamp, transactionVersion: version } as const;
    const result = this.#partition.append(buildEndTransactionMarker(marker), append);
    await this.world.ports.time.advance(10);
    return errorName(result.errorCode);
  }

  async plain(timestamp = START_MS): Promise<void> {
    await this.client.produce('t', batchOf(['plain'], { timestamp }));
  }

  fetch(offset: number, options: Partial<FetchOptions> = COMMITTED): Promise<FetchAnswer> {
    return this.client.fetch('t', offset, options);
  }

  async list(timestamp: number, isolationLevel = 1): Promise<number> {
    const found = await this.client.listOffset('t', timestamp, { isolationLevel });
    assert.equal(found.errorCode, 0);
    return found.offset;
  }

  async producers(): Promise<Record<number, number>> {
    const body = { topics: [{ name: 't', partitionIndexes: [0] }] };
    const answer = await this.client.request(DescribeProducersRequest, DescribeProducersResponse, 0, body);
    const { activeProducers } = answer.topics[0].partitions[0];
    return Object.fromEntries(activeProducers.map((one) => [one.producerId, one.currentTxnStartOffset]));
  }

  /** So long that the connection is closed for being idle. */
  async pass(ms: number): Promise<void> {
    await this.world.ports.time.advance(ms);
    this.client = await this.world.connect();
  }

  async restart(options: { kill?: boolean } = {}): Promise<void> {
    await this.world.restart(options);
    this.client = await this.world.connect();
  }

  stop(): Promise<void> {
    return this.world.stop();
  }

  get #partition() {
    return this.world.broker.services.partitions.get('t', 0)!;
  }
}

function batches(answer: FetchAnswer): number[] {
  const records = Buffer.concat(answer.records ?? []);
  return header.batchPositions(records).map((at) => header.baseOffset(records, at));
}

/** Producer id and first offset. */
function aborted(answer: FetchAnswer): [number, number][] | null {
  return answer.abortedTransactions?.map(({ producerId, firstOffset }) => [producerId, firstOffset]) ?? null;
}

test('item 21: an empty log is answered in both isolation levels, at once and without an error', async () => {
  const scene = await Scene.begin();
  const committed = await scene.fetch(0);
  assert.deepEqual(
    [committed.errorCode, committed.lastStableOffset, committed.highWatermark, aborted(committed)],
    [0, 0, 0, []],
  );
  assert.deepEqual(aborted(await scene.fetch(0, {})), null);
  assert.deepEqual([await scene.list(-1), await scene.list(-2), await scene.list(0)], [0, 0, -1]);
  await scene.stop();
});

test('item 21: aborted transactions that overlap what is sent are listed, all others not', async () => {
  const scene = await Scene.begin({ 'segment.bytes': '1048576' });
  await scene.write(1); // 0
  await scene.end(1, { isCommit: false }); // 1
  await scene.write(2); // 2
  await scene.end(2); // 3
  await scene.write(3); // 4
  await scene.write(1); // 5
  await scene.end(3, { isCommit: false }); // 6
  await scene.plain(); // 7
  await scene.end(1, { isCommit: false }); // 8
  assert.deepEqual(aborted(await scene.fetch(0)), [
    [1, 0],
    [3, 4],
    [1, 5],
  ]);
  assert.deepEqual(aborted(await scene.fetch(2)), [
    [3, 4],
    [1, 5],
  ]);
  assert.deepEqual(aborted(await scene.fetch(7)), [[1, 5]]);
  const first = await scene.fetch(0, { ...COMMITTED, partitionMaxBytes: 1 });
  assert.deepEqual([batches(first), aborted(first)], [[0], [[1, 0]]]);
  await scene.stop();
});

test('item 21: transactions, open, committed and aborted, are the same after a restart and after a kill', async () => {
  const scene = await Scene.begin({ 'segment.bytes': '1048576' });
  await scene.write(1); // 0
  await scene.write(2); // 1
  await scene.write(3); // 2
  await scene.end(1, { isCommit: false }); // 3
  await scene.end(3); // 4
  for (const kill of [false, true, false]) {
    const open = await scene.fetch(0);
    assert.deepEqual(
      [batches(open), open.lastStableOffset, aborted(open)],
      [[0], 1, [[1, 0]]],
      `kill ${kill}`,
    );
    assert.deepEqual(await scene.producers(), { 1: -1, 2: 1, 3: -1 });
    await scene.restart({ kill });
  }
  assert.equal(await scene.end(2, { isCommit: false }), 'NONE'); // 5
  for (const kill of [false, true]) {
    await scene.restart({ kill });
    const all = await scene.fetch(0);
    assert.deepEqual([batches(all), all.lastStableOffset], [[0, 1, 2, 3, 4, 5], 6]);
    assert.deepEqual(aborted(all), [
      [1, 0],
      [2, 1],
    ]);
  }
  await scene.stop();
});

test('item 21: min.bytes counts committed bytes only', async () => {
  const scene = await Scene.begin();
  await scene.plain(); // 0
  const size = (await scene.fetch(0)).records!.reduce((sum, { length }) => sum + length, 0);
  const consumer = await scene.world.connect();
  let answer: FetchResponse | undefined;
  const body = fetchBody('t', 0, { ...COMMITTED, minBytes: size + 1, maxWaitMs: 60_000 });
  void consumer.send(FetchRequest, FetchResponse, 12, body).answer.then((one) => (answer = one));
  await scene.write(1); // 1
  await scene.plain(); // 2
  await scene.world.ports.time.advance(1000);
  assert.equal(answer, undefined);
  await scene.end(1); // 3
  await scene.world.ports.time.advance(20);
  assert.deepEqual(batches(answer!.responses[0].partitions[0]), [0, 1, 2, 3]);
  await scene.stop();
});

test('item 21: the last stable offset is never below the start of the log', async () => {
  const scene = await Scene.begin();
  await scene.write(1); // 0
  await scene.plain(); // 1
  await scene.plain(); // 2
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset: 2 }] }];
  const body = { topics, timeoutMs: 1000 };
  const deleted = await scene.client.request(DeleteRecordsRequest, DeleteRecordsResponse, 2, body);
  assert.equal(deleted.topics[0].partitions[0].lowWatermark, 2);
  const open = await scene.fetch(2);
  assert.deepEqual([open.lastStableOffset, open.logStartOffset, batches(open)], [2, 2, []]);
  assert.equal(await scene.list(-1), 2);
  await scene.end(1, { isCommit: false }); // 3
  const done = await scene.fetch(2);
  assert.deepEqual([batches(done), done.lastStableOffset], [[2, 3], 4]);
  await scene.stop();
});

test('item 22: what lies beyond the last stable offset is hidden from lookups by time and for the largest time', async () => {
  const scene = await Scene.begin();
  await scene.plain(START_MS + 1); // 0
  await scene.write(1, { timestamp: START_MS + 3 }); // 1
  await scene.plain(START_MS + 2); // 2
  const later = [START_MS + 1, START_MS + 2, -3, -1];
  const offsets = async (isolation: number): Promise<number[]> => {
    const found = [];
    for (const timestamp of later) found.push(await scene.list(timestamp, isolation));
    return found;
  };
  assert.deepEqual(
    [await offsets(1), await offsets(0)],
    [
      [0, -1, -1, 1],
      [0, 1, 1, 3],
    ],
  );
  await scene.end(1, { isCommit: false }); // 3, written later than all
  assert.deepEqual(await offsets(1), await offsets(0));
  assert.equal(await scene.list(-1), 4);
  await scene.stop();
});

test('item 24: markers take offsets: the end lies beyond the last record, and a fetch of a marker gets it', async () => {
  const scene = await Scene.begin();
  await scene.write(1); // 0
  await scene.end(1); // 1
  assert.deepEqual([await scene.list(-1), await scene.list(-1, 0)], [2, 2]);
  for (const options of [COMMITTED, {}]) {
    const answer = await scene.fetch(1, options);
    assert.deepEqual([batches(answer), answer.highWatermark], [[1], 2]);
    assert.equal(header.isControl(Buffer.concat(answer.records!)), true);
  }
  assert.deepEqual(
    [(await scene.fetch(2)).errorCode, (await scene.fetch(3)).errorCode],
    [0, Errors.OFFSET_OUT_OF_RANGE],
  );
  const topics = [{ topic: 't', partitions: [{ partition: 0, currentLeaderEpoch: -1, leaderEpoch: 0 }] }];
  const ends = await scene.client.request(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, 4, {
    replicaId: -1,
    topics,
  });
  assert.equal(ends.topics[0].partitions[0].endOffset, 2);
  await scene.stop();
});

test('DescribeProducers shows where a transaction began, as long as it is open', async () => {
  const scene = await Scene.begin();
  await scene.plain(); // 0
  await scene.write(7); // 1
  await scene.write(7); // 2
  assert.deepEqual(await scene.producers(), { 7: 1 });
  await scene.end(7, { coordinatorEpoch: 4 }); // 3
  assert.deepEqual(await scene.producers(), { 7: -1 });
  await scene.write(7); // 4
  assert.deepEqual(await scene.producers(), { 7: 4 });
  await scene.stop();
});

test('item 20: markers of an older coordinator or epoch change nothing, nor do those of v2 without a higher epoch', async () => {
  const scene = await Scene.begin();
  await scene.write(1, { epoch: 2 });
  assert.equal(await scene.end(1, { epoch: 1 }), 'INVALID_PRODUCER_EPOCH');
  assert.equal(await scene.end(1, { epoch: 2, version: 2 }), 'INVALID_PRODUCER_EPOCH');
  assert.equal((await scene.fetch(0)).lastStableOffset, 0);
  assert.equal(await scene.end(1, { epoch: 3, version: 2, coordinatorEpoch: 5 }), 'NONE');
  assert.equal((await scene.fetch(0)).lastStableOffset, 2);
  assert.equal(await scene.write(1, { epoch: 2 }), 'INVALID_PRODUCER_EPOCH');
  await scene.write(1, { epoch: 3 });
  assert.equal(
    await scene.end(1, { epoch: 4, version: 2, coordinatorEpoch: 4 }),
    'TRANSACTION_COORDINATOR_FENCED',
  );
  assert.equal((await scene.fetch(0)).lastStableOffset, 2);
  await scene.stop();
});

test('item 15: an open transaction keeps its producer from expiring, and its end starts the clock', async () => {
  const scene = await Scene.begin();
  const day = 86_400_000;
  await scene.write(1);
  await scene.write(2);
  await scene.end(2);
  await scene.pass(day + 600_000);
  assert.deepEqual(await scene.producers(), { 1: 0 });
  assert.equal((await scene.fetch(0)).lastStableOffset, 0);
  await scene.restart();
  assert.equal((await scene.producers())[1], 0);
  await scene.end(1);
  await scene.pass(day - 600_000);
  assert.equal((await scene.producers())[1], -1);
  await scene.pass(1_200_000);
  assert.deepEqual(await scene.producers(), {});
  await scene.stop();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorageError } from '../log/log.ts';
import { Errors } from '../protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../protocol/messages/20-delete-topics.ts';
import * as header from '../protocol/record-batch.ts';
import { buildBatch } from '../protocol/records.ts';
import type { Write } from '../protocol/schema.ts';
import { batchOf, fetchBody, START_MS, testWorld, type TestClient, type TestWorld } from './test-client.ts';

type FetchAnswer = FetchResponse['responses'][number]['partitions'][number];

function sizeOf(answer: FetchAnswer): number {
  return (answer.records ?? []).reduce((size, { length }) => size + length, 0);
}

/** Base offsets of the whole batches. */
function batches(answer: FetchAnswer): number[] {
  const records = Buffer.concat(answer.records ?? []);
  return header.batchPositions(records).map((at) => header.baseOffset(records, at));
}

function marker(world: TestWorld, kind: 'commit' | 'abort', producerId: number): void {
  const key = Buffer.from([0, 0, 0, kind === 'commit' ? 1 : 0]);
  const records = [{ key, value: Buffer.alloc(6), timestamp: START_MS }];
  const batch = buildBatch({ records, producerId, producerEpoch: 0, isTransactional: true, isControl: true });
  const partition = world.broker.services.partitions.get('t', 0)!;
  const result = partition.append(batch, { acks: -1, origin: 'marker', nowMs: START_MS });
  assert.equal(result.errorCode, Errors.NONE);
}

function transactional(world: TestWorld, producerId: number, baseSequence: number): void {
  const batch = batchOf(['x'], { producerId, producerEpoch: 0, baseSequence, isTransactional: true });
  const partition = world.broker.services.partitions.get('t', 0)!;
  const result = partition.append(batch, {
    acks: -1,
    origin: 'client',
    nowMs: START_MS,
    transactionVersion: 0,
  });
  assert.equal(result.errorCode, Errors.NONE);
}

async function withTopic(options: { numPartitions?: number; configs?: Record<string, string> } = {}) {
  const { client, world } = await testWorld();
  const topicId = await client.createTopic('t', options);
  return { client, world, topicId };
}

/** Sends a fetch without waiting for it; tells whether it was answered. */
function poll(client: TestClient, body: Write<typeof FetchRequest>, version = 12) {
  const state: { answer: FetchResponse | undefined } = { answer: undefined };
  void client.send(FetchRequest, FetchResponse, version, body).answer.then((answer) => {
    state.answer = answer;
  });
  return state;
}

test('item 26: the batch that holds the offset comes whole', async () => {
  const { client, world } = await withTopic();
  await client.produce('t', batchOf(['a', 'b', 'c']));
  await client.produce('t', batchOf(['d', 'e']));
  assert.deepEqual(batches(await client.fetch('t', 1)), [0, 3]);
  assert.deepEqual(batches(await client.fetch('t', 4)), [3]);
  await world.stop();
});

test('item 26: all versions answer the same records', async () => {
  const { client, world, topicId } = await withTopic();
  await client.produce('t', batchOf(['a', 'b', 'c']));
  for (let version = 4; version <= 18; version++) {
    const body = fetchBody('t', 0);
    const topics = body.topics.map((topic) => ({ ...topic, topicId }));
    const answer = await client.request(FetchRequest, FetchResponse, version, { ...body, topics });
    assert.deepEqual(batches(answer.responses[0]!.partitions[0]!), [0], `version ${version}`);
  }
  await world.stop();
});

test('item 27: the first batch comes whatever the limits, then the limits hold', async () => {
  const { client, world } = await withTopic({ numPartitions: 2 });
  const big = 'x'.repeat(10_000);
  for (const partition of [0, 0, 1, 1]) await client.produce('t', batchOf([big]), { partition });
  assert.deepEqual(batches(await client.fetch('t', 0, { partitionMaxBytes: 100 })), [0]);
  assert.deepEqual(batches(await client.fetch('t', 0, { maxBytes: 100 })), [0]);
  const one = fetchBody('t', 0, { maxBytes: 15_000 });
  const partitions = [0, 1].map((partition) => ({ ...one.topics[0]!.partitions[0]!, partition }));
  const both = { ...one, topics: [{ ...one.topics[0]!, partitions }] };
  const answer = await client.request(FetchRequest, FetchResponse, 12, both);
  const sizes = answer.responses[0]!.partitions.map(sizeOf);
  assert.ok(sizes[0]! > 10_000 && sizes[0]! < 15_000, String(sizes));
  assert.equal(sizes[1], 0);
  await world.stop();
});

test('item 27: fetch.max.bytes bounds what a client may ask for', async () => {
  const { client, world } = await testWorld({ 'fetch.max.bytes': '20000' });
  await client.createTopic('t');
  for (let n = 0; n < 5; n++) await client.produce('t', batchOf(['x'.repeat(9_000)]));
  assert.ok(sizeOf(await client.fetch('t', 0)) <= 20_000);
  await world.stop();
});

test('item 28: a session is told of what changed only, and partitions take turns', async () => {
  const { client, world } = await withTopic({ numPartitions: 3 });
  const first = fetchBody('t', 0);
  const partitions = [0, 1, 2].map((partition) => ({ ...first.topics[0]!.partitions[0]!, partition }));
  const full = { ...first, sessionEpoch: 0, topics: [{ ...first.topics[0]!, partitions }] };
  const granted = await client.request(FetchRequest, FetchResponse, 12, full);
  assert.ok(granted.sessionId > 0);
  assert.deepEqual(
    granted.responses[0]!.partitions.map(({ partitionIndex }) => partitionIndex),
    [0, 1, 2],
  );
  let epoch = 0;
  const next = async (maxBytes = 1 << 20) => {
    epoch += 1;
    const body = {
      ...fetchBody('t', 0, { maxBytes }),
      sessionId: granted.sessionId,
      sessionEpoch: epoch,
      topics: [],
    };
    const answer = await client.request(FetchRequest, FetchResponse, 12, body);
    assert.equal(answer.errorCode, Errors.NONE);
    return answer.responses.flatMap((topic) => topic.partitions.map(({ partitionIndex }) => partitionIndex));
  };
  assert.deepEqual(await next(), []);
  await client.produce('t', batchOf(['a']), { partition: 1 });
  assert.deepEqual(await next(), [1]);
  await client.produce('t', batchOf(['a']), { partition: 2 });
  // The session still asks for offset 0 of partition 1, which has had its turn.
  assert.deepEqual(await next(1), [2]);
  assert.deepEqual(await next(1), [1]);
  await world.stop();
});

test('item 29: session errors are those of KIP-227, and an empty answer still moves the epoch', async () => {
  const { client, world, topicId } = await withTopic();
  const ask = (version: number, sessionId: number, sessionEpoch: number, withTopics: boolean) => {
    const body = fetchBody('t', 0);
    const topics = withTopics ? body.topics.map((topic) => ({ ...topic, topicId })) : [];
    return client.request(FetchRequest, FetchResponse, version, { ...body, topics, sessionId, sessionEpoch });
  };
  assert.equal((await ask(12, 4711, 1, false)).errorCode, Errors.FETCH_SESSION_ID_NOT_FOUND);
  const { sessionId } = await ask(12, 0, 0, true);
  assert.equal((await ask(12, sessionId, 2, false)).errorCode, Errors.INVALID_FETCH_SESSION_EPOCH);
  assert.equal((await ask(13, sessionId, 1, false)).errorCode, Errors.FETCH_SESSION_TOPIC_ID_ERROR);
  assert.equal((await ask(12, sessionId, 1, false)).errorCode, Errors.NONE);
  assert.equal((await ask(12, sessionId, 1, false)).errorCode, Errors.INVALID_FETCH_SESSION_EPOCH);
  assert.equal((await ask(12, sessionId, 2, false)).errorCode, Errors.NONE);
  const closed = await ask(12, sessionId, -1, true);
  assert.deepEqual([closed.errorCode, closed.sessionId], [Errors.NONE, 0]);
  assert.equal((await ask(12, sessionId, 3, false)).errorCode, Errors.FETCH_SESSION_ID_NOT_FOUND);
  await world.stop();
});

test('item 29: forgotten partitions leave the session, and a session without any ends', async () => {
  const { client, world } = await withTopic();
  const { sessionId } = await client.request(FetchRequest, FetchResponse, 12, {
    ...fetchBody('t', 0),
    sessionEpoch: 0,
  });
  const forgottenTopicsData = [{ topic: 't', topicId: '\0'.repeat(16), partitions: [0] }];
  const body = { ...fetchBody('t', 0), topics: [], sessionId, sessionEpoch: 1, forgottenTopicsData };
  const answer = await client.request(FetchRequest, FetchResponse, 12, body);
  assert.deepEqual([answer.errorCode, answer.sessionId, answer.responses], [Errors.NONE, 0, []]);
  assert.equal(world.broker.services.fetchSessions.count(), 0);
  await world.stop();
});

test('item 29: no more sessions than slots are granted', async () => {
  const { client, world } = await testWorld({ 'max.incremental.fetch.session.cache.slots': '2' });
  await client.createTopic('t');
  const ids = [];
  for (let n = 0; n < 3; n++) {
    const body = { ...fetchBody('t', 0), sessionEpoch: 0 };
    ids.push((await client.request(FetchRequest, FetchResponse, 12, body)).sessionId);
  }
  assert.deepEqual(
    ids.map((id) => id > 0),
    [true, true, false],
  );
  await world.ports.time.advance(121_000);
  const body = { ...fetchBody('t', 0), sessionEpoch: 0 };
  assert.ok((await client.request(FetchRequest, FetchResponse, 12, body)).sessionId > 0);
  await world.stop();
});

test('item 30: a fetch without data waits for its time, and not longer', async () => {
  const { client, world } = await withTopic();
  const waiting = poll(client, fetchBody('t', 0, { maxWaitMs: 500 }));
  await world.ports.time.advance(490);
  assert.equal(waiting.answer, undefined);
  await world.ports.time.advance(30);
  assert.deepEqual(batches(waiting.answer!.responses[0]!.partitions[0]!), []);
  await world.stop();
});

test('item 30: new data wakes a waiting fetch', async () => {
  const { client, world } = await withTopic();
  const consumer = await world.connect();
  const waiting = poll(consumer, fetchBody('t', 0, { maxWaitMs: 60_000 }));
  await world.ports.time.advance(1_000);
  await client.produce('t', batchOf(['a']));
  await world.ports.time.advance(20);
  assert.deepEqual(batches(waiting.answer!.responses[0]!.partitions[0]!), [0]);
  await world.stop();
});

test('item 30: a waiting fetch wakes when minBytes are there, counted over its partitions', async () => {
  const { client, world } = await withTopic({ numPartitions: 2 });
  const consumer = await world.connect();
  const body = fetchBody('t', 0, { maxWaitMs: 60_000, minBytes: 2_000 });
  const partitions = [0, 1].map((partition) => ({ ...body.topics[0]!.partitions[0]!, partition }));
  const waiting = poll(consumer, { ...body, topics: [{ ...body.topics[0]!, partitions }] });
  await client.produce('t', batchOf(['x'.repeat(1_200)]));
  await world.ports.time.advance(100);
  assert.equal(waiting.answer, undefined);
  await client.produce('t', batchOf(['x'.repeat(1_200)]), { partition: 1 });
  await world.ports.time.advance(20);
  assert.deepEqual(waiting.answer!.responses[0]!.partitions.map(batches), [[0], [0]]);
  await world.stop();
});

test('item 30: a waiting fetch is told when what came cannot be read', async () => {
  const { client, world } = await withTopic();
  const consumer = await world.connect();
  const waiting = poll(consumer, fetchBody('t', 0, { maxWaitMs: 60_000, minBytes: 2_000 }));
  await world.ports.time.advance(10);
  world.broker.services.partitions.get('t', 0)!.log!.read = () => {
    throw new StorageError('the disk is broken');
  };
  await client.produce('t', batchOf(['a']));
  await world.ports.time.advance(20);
  assert.equal(waiting.answer!.responses[0]!.partitions[0]!.errorCode, Errors.KAFKA_STORAGE_ERROR);
  await world.stop();
});

test('item 30: deletion of the topic wakes a waiting fetch', async () => {
  const { client, world } = await withTopic();
  const consumer = await world.connect();
  const waiting = poll(consumer, fetchBody('t', 0, { maxWaitMs: 60_000 }));
  await world.ports.time.advance(10);
  const topics = [{ name: 't', topicId: '\0'.repeat(16) }];
  await client.request(DeleteTopicsRequest, DeleteTopicsResponse, 6, {
    topics,
    topicNames: [],
    timeoutMs: 1000,
  });
  await world.ports.time.advance(20);
  assert.equal(waiting.answer!.responses[0]!.partitions[0]!.errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION);
  await world.stop();
});

test('item 30: a change of leadership or epoch wakes a waiting fetch', async () => {
  const { world } = await withTopic();
  const partition = world.broker.services.partitions.get('t', 0)!;
  for (const leader of [1, 2]) {
    const consumer = await world.connect();
    const options = { maxWaitMs: 60_000, currentLeaderEpoch: partition.leaderEpoch };
    const waiting = poll(consumer, fetchBody('t', 0, options));
    await world.ports.time.advance(10);
    const { state } = partition;
    partition.apply({
      ...state,
      leader,
      leaderEpoch: state.leaderEpoch + 1,
      partitionEpoch: state.partitionEpoch + 1,
    });
    await world.ports.time.advance(20);
    assert.equal(waiting.answer!.responses[0]!.partitions[0]!.errorCode, Errors.FENCED_LEADER_EPOCH);
  }
  await world.stop();
});

test('item 30: a waiting fetch whose client has gone is forgotten', async () => {
  const { world } = await withTopic();
  const consumer = await world.connect();
  poll(consumer, fetchBody('t', 0, { maxWaitMs: 2_000_000_000 }));
  await world.ports.time.advance(10);
  const partition = world.broker.services.partitions.get('t', 0)!;
  assert.equal(partition.watcherCount(), 1);
  consumer.connection.destroy();
  await world.ports.time.advance(10);
  assert.equal(partition.watcherCount(), 0);
  await world.stop();
});

test('item 5: requests behind a long poll are answered after it, in order', async () => {
  const { client, world } = await withTopic();
  const waiting = client.send(FetchRequest, FetchResponse, 12, fetchBody('t', 0, { maxWaitMs: 500 }));
  const next = client.send(FetchRequest, FetchResponse, 12, fetchBody('t', 0));
  await world.ports.time.advance(100);
  assert.equal(client.answered.includes(next.correlationId), false);
  await world.ports.time.settle(next.answer);
  assert.deepEqual(client.answered.slice(-2), [waiting.correlationId, next.correlationId]);
  await world.stop();
});

test('item 31: an offset out of range has no offsets beside its error, as in 4.4; one at the end is empty', async () => {
  const { client, world } = await withTopic();
  await client.produce('t', batchOf(['a', 'b']));
  for (const offset of [3, 100, -1]) {
    const answer = await client.fetch('t', offset);
    const { errorCode, highWatermark, logStartOffset } = answer;
    assert.deepEqual(
      [errorCode, highWatermark, logStartOffset],
      [Errors.OFFSET_OUT_OF_RANGE, -1, -1],
      String(offset),
    );
  }
  const atEnd = await client.fetch('t', 2);
  assert.deepEqual([atEnd.errorCode, batches(atEnd)], [Errors.NONE, []]);
  await world.stop();
});

test('item 33: an epoch that ended before the offset is answered with where it diverged', async () => {
  const { client, world } = await withTopic();
  await client.produce('t', batchOf(['a', 'b']));
  const partition = world.broker.services.partitions.get('t', 0)!;
  const { state } = partition;
  const first = state.leaderEpoch;
  partition.apply({ ...state, leaderEpoch: first + 3, partitionEpoch: state.partitionEpoch + 1 });
  await client.produce('t', batchOf(['c']));
  const diverging = await client.fetch('t', 3, { lastFetchedEpoch: first });
  assert.deepEqual(diverging.divergingEpoch, { epoch: first, endOffset: 2 });
  assert.deepEqual(batches(diverging), []);
  const fine = await client.fetch('t', 2, { lastFetchedEpoch: first });
  assert.deepEqual(batches(fine), [2]);
  await world.stop();
});

test('item 34: a storage error is NOT_LEADER_OR_FOLLOWER up to version 5', async () => {
  const { client, world } = await withTopic();
  world.broker.services.partitions.get('t', 0)!.fail();
  assert.equal((await client.fetch('t', 0, { version: 5 })).errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
  assert.equal((await client.fetch('t', 0, { version: 6 })).errorCode, Errors.KAFKA_STORAGE_ERROR);
  assert.equal((await client.produce('t', batchOf(['a']))).errorCode, Errors.KAFKA_STORAGE_ERROR);
  await world.stop();
});

test('item 11: version 16 tells with NOT_LEADER_OR_FOLLOWER who leads and where', async () => {
  const { client, world, topicId } = await withTopic();
  const partition = world.broker.services.partitions.get('t', 0)!;
  partition.apply({ ...partition.state, leader: 2, partitionEpoch: partition.state.partitionEpoch + 1 });
  const body = fetchBody('t', 0);
  const topics = body.topics.map((topic) => ({ ...topic, topicId }));
  const answer = await client.request(FetchRequest, FetchResponse, 16, { ...body, topics });
  const [one] = answer.responses[0]!.partitions;
  assert.equal(one!.errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
  const { port } = world.broker.address;
  assert.equal(one!.currentLeader.leaderId, 1);
  assert.deepEqual(answer.nodeEndpoints, [{ nodeId: 1, host: '127.0.0.1', port, rack: null }]);
  await world.stop();
});

test('item 12: a topic id that nobody has is UNKNOWN_TOPIC_ID for its partition', async () => {
  const { client, world } = await withTopic();
  const body = fetchBody('t', 0);
  const topics = body.topics.map((topic) => ({ ...topic, topicId: 'x'.repeat(16) }));
  const answer = await client.request(FetchRequest, FetchResponse, 13, { ...body, topics });
  assert.equal(answer.responses[0]!.partitions[0]!.errorCode, Errors.UNKNOWN_TOPIC_ID);
  await world.stop();
});

test('S31: a client that claims to be a replica gets no records', async () => {
  const { client, world } = await withTopic();
  await client.produce('t', batchOf(['a']));
  const answer = await client.fetch('t', 0, { replicaId: 2 });
  assert.deepEqual([answer.errorCode, batches(answer)], [Errors.TOPIC_AUTHORIZATION_FAILED, []]);
  await world.stop();
});

test('S12: a partition that is named twice is answered once', async () => {
  const { client, world } = await withTopic();
  const body = fetchBody('t', 0);
  const [topic] = body.topics;
  const partitions = [...topic!.partitions, ...topic!.partitions];
  const answer = await client.request(FetchRequest, FetchResponse, 12, {
    ...body,
    topics: [{ ...topic!, partitions }],
  });
  assert.equal(answer.responses.flatMap((one) => one.partitions).length, 1);
  await world.stop();
});

test('item 21: read_committed ends at the last stable offset and lists the aborted transactions by offset', async () => {
  const { client, world } = await withTopic();
  transactional(world, 20, 0); // 0
  transactional(world, 10, 0); // 1
  await client.produce('t', batchOf(['plain'])); // 2
  await world.ports.time.advance(10);
  const open = await client.fetch('t', 0, { isolationLevel: 1 });
  assert.deepEqual(
    [batches(open), open.lastStableOffset, open.highWatermark, open.abortedTransactions],
    [[], 0, 3, []],
  );
  const uncommitted = await client.fetch('t', 0);
  assert.deepEqual([batches(uncommitted), uncommitted.abortedTransactions], [[0, 1, 2], null]);
  marker(world, 'abort', 10); // 3
  marker(world, 'abort', 20); // 4
  await world.ports.time.advance(10);
  const done = await client.fetch('t', 0, { isolationLevel: 1 });
  assert.deepEqual(batches(done), [0, 1, 2, 3, 4]);
  assert.deepEqual(done.abortedTransactions, [
    { producerId: 20, firstOffset: 0 },
    { producerId: 10, firstOffset: 1 },
  ]);
  await world.stop();
});

test('item 21: a marker wakes a read_committed fetch, for which open transactions count nothing', async () => {
  const { client, world } = await withTopic();
  const consumer = await world.connect();
  const waiting = poll(consumer, fetchBody('t', 0, { maxWaitMs: 60_000, isolationLevel: 1 }));
  transactional(world, 20, 0);
  await client.produce('t', batchOf(['plain']));
  await world.ports.time.advance(100);
  assert.equal(waiting.answer, undefined);
  marker(world, 'commit', 20);
  await world.ports.time.advance(20);
  assert.deepEqual(batches(waiting.answer!.responses[0]!.partitions[0]!), [0, 1, 2]);
  await world.stop();
});

test('item 22: ListOffsets in read_committed ends at the last stable offset', async () => {
  const { client, world } = await withTopic();
  await client.produce('t', batchOf(['plain']));
  transactional(world, 20, 0);
  await world.ports.time.advance(10);
  assert.equal((await client.listOffset('t', -1)).offset, 2);
  assert.equal((await client.listOffset('t', -1, { isolationLevel: 1 })).offset, 1);
  marker(world, 'commit', 20);
  await world.ports.time.advance(10);
  assert.equal((await client.listOffset('t', -1, { isolationLevel: 1 })).offset, 3);
  await world.stop();
});

test('a broker that stops answers whoever waits for data, and does not wait for them', async () => {
  const { client, world } = await withTopic();
  const waiting = poll(client, fetchBody('t', 0, { maxWaitMs: 60_000 }));
  await world.ports.time.advance(10);
  const before = world.ports.clock.monotonicMs();
  await world.stop();
  assert.ok(world.ports.clock.monotonicMs() - before < 1_000);
  await world.ports.time.advance(10);
  assert.equal(waiting.answer!.errorCode, Errors.NONE);
});

test('a consumer at the end of the log waits for no other thread', async () => {
  const { client, world } = await testWorld();
  const { disk } = world.ports;
  const open = disk.open.bind(disk);
  let reads = 0;
  let waits = 0;
  disk.open = (path, mode) => {
    const file = open(path, mode);
    const { read, readAsync } = file;
    file.read = (...of) => {
      reads += path.includes('/t-0/') ? 1 : 0;
      return read.apply(file, of);
    };
    file.readAsync = (...of) => {
      waits += path.includes('/t-0/') ? 1 : 0;
      return readAsync.apply(file, of);
    };
    return file;
  };
  await client.createTopic('t');
  for (let offset = 0; offset < 50; offset++) {
    const waiting = poll(client, fetchBody('t', offset, { maxWaitMs: 5000 }));
    await world.ports.time.advance(300);
    assert.equal(waiting.answer, undefined);
    await (await world.connect()).produce('t', batchOf([`${offset}`]));
    await world.ports.time.advance(300);
    assert.deepEqual(batches(waiting.answer!.responses[0]!.partitions[0]!), [offset]);
  }
  assert.equal(waits, 0);
  // One for each answer: where the reader goes on is known.
  assert.equal(reads, 50);
  await world.stop();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../protocol/messages/02-list-offsets.ts';
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../protocol/messages/21-delete-records.ts';
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../protocol/messages/23-offset-for-leader-epoch.ts';
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../protocol/messages/34-alter-replica-log-dirs.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../protocol/messages/35-describe-log-dirs.ts';
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../protocol/messages/61-describe-producers.ts';
import { buildBatch } from '../protocol/records.ts';
import { batchOf, START_MS, testWorld, type TestClient, type TestWorld } from './test-client.ts';

async function withTopic(configs: Record<string, string> = {}, broker: Record<string, string> = {}) {
  const { client, world } = await testWorld(broker);
  await client.createTopic('t', { configs });
  return { client, world };
}

function epochs(client: TestClient, leaderEpoch: number, currentLeaderEpoch = -1) {
  const topics = [{ topic: 't', partitions: [{ partition: 0, currentLeaderEpoch, leaderEpoch }] }];
  return client
    .request(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, 4, { replicaId: -1, topics })
    .then((answer) => answer.topics[0]!.partitions[0]!);
}

function deleteBefore(client: TestClient, offset: number, topic = 't', partitionIndex = 0) {
  const topics = [{ name: topic, partitions: [{ partitionIndex, offset }] }];
  return client
    .request(DeleteRecordsRequest, DeleteRecordsResponse, 2, { topics, timeoutMs: 1000 })
    .then((answer) => answer.topics[0]!.partitions[0]!);
}

/** The cluster decides on a new epoch. */
function elect(world: TestWorld, leaderEpoch: number, leader = 1): void {
  const partition = world.broker.services.partitions.get('t', 0)!;
  const { state } = partition;
  partition.apply({ ...state, leader, leaderEpoch, partitionEpoch: state.partitionEpoch + 1 });
}

test('item 36: special timestamps exist from their version on, everything else negative is UNSUPPORTED_VERSION', async () => {
  const { client, world } = await withTopic();
  const first = new Map([
    [-1, 1],
    [-2, 1],
    [-3, 7],
    [-4, 8],
    [-5, 9],
    [-6, 11],
    [-7, 99],
    [-100, 99],
  ]);
  for (const [timestamp, versionMin] of first) {
    for (let version = 1; version <= 11; version++) {
      const { errorCode } = await client.listOffset('t', timestamp, { version });
      const expected = version < versionMin ? Errors.UNSUPPORTED_VERSION : Errors.NONE;
      assert.equal(errorCode, expected, `timestamp ${timestamp} version ${version}`);
    }
  }
  await world.stop();
});

test('with durability=fsync, what acks=1 has answered is before the end that is asked for next', async () => {
  const { client, world } = await testWorld(
    { 'log.message.timestamp.after.max.ms': '100000' },
    { syncLatencyMs: 10 },
  );
  await client.createTopic('t');
  const cases = [
    { asked: -1, answered: 1 },
    { asked: -3, answered: 1 },
    { asked: START_MS + 2, answered: 2 },
  ];
  for (const [at, { asked, answered }] of cases.entries()) {
    await client.produce('t', batchOf(['a'], { timestamp: START_MS + at }), { acks: 1 });
    assert.ok(world.broker.services.partitions.get('t', 0)!.highWatermark <= at, 'it is not durable yet');
    assert.equal((await client.listOffset('t', asked)).offset, answered);
  }
  await world.stop();
});

test('with durability=fsync, what acks=1 has answered can be deleted at once', async () => {
  const { client, world } = await testWorld({}, { syncLatencyMs: 10 });
  await client.createTopic('t');
  for (const [end, asked] of [1, -1].entries()) {
    await client.produce('t', batchOf(['a']), { acks: 1 });
    const { errorCode, lowWatermark } = await deleteBefore(client, asked);
    assert.deepEqual({ errorCode, lowWatermark }, { errorCode: Errors.NONE, lowWatermark: end + 1 });
  }
  await world.stop();
});

test('item 36: a partition that is named twice is INVALID_REQUEST, and answered once', async () => {
  const { client, world } = await withTopic();
  const partition = { partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 };
  const answer = await client.request(ListOffsetsRequest, ListOffsetsResponse, 8, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 't', partitions: [partition, partition] }],
    timeoutMs: 0,
  });
  const codes = answer.topics[0]!.partitions.map(({ errorCode }) => errorCode);
  assert.deepEqual(codes, [Errors.INVALID_REQUEST]);
  await world.stop();
});

test('item 36: MAX_TIMESTAMP gives offset and timestamp of the newest record, -1 and -1 for an empty log', async () => {
  const { client, world } = await withTopic();
  const { errorCode, offset, timestamp } = await client.listOffset('t', -3);
  assert.deepEqual([errorCode, offset, timestamp], [Errors.NONE, -1, -1]);
  await client.produce('t', batchOf(['a'], { timestamp: START_MS + 1 }));
  await client.produce('t', batchOf(['b'], { timestamp: START_MS + 9 }));
  await client.produce('t', batchOf(['c'], { timestamp: START_MS + 5 }));
  const newest = await client.listOffset('t', -3);
  assert.deepEqual([newest.offset, newest.timestamp], [1, START_MS + 9]);
  await world.stop();
});

test('item 37: a search by time finds the first record at or after it, also inside a compressed batch', async () => {
  const { client, world } = await withTopic();
  for (const compression of ['none', 'gzip'] as const) {
    const records = [10, 20, 30].map((ms) => ({
      key: null,
      value: Buffer.from('x'),
      timestamp: START_MS + ms,
    }));
    await client.produce('t', buildBatch({ records, compression }));
  }
  const at = async (ms: number) => {
    const { errorCode, offset, timestamp } = await client.listOffset('t', START_MS + ms);
    return [errorCode, offset, timestamp];
  };
  assert.deepEqual(await at(0), [Errors.NONE, 0, START_MS + 10]);
  assert.deepEqual(await at(11), [Errors.NONE, 1, START_MS + 20]);
  assert.deepEqual(await at(30), [Errors.NONE, 2, START_MS + 30]);
  assert.deepEqual(await at(31), [Errors.NONE, -1, -1]);
  await client.produce('t', buildBatch({ records: [{ key: null, value: null, timestamp: START_MS + 50 }] }));
  assert.deepEqual(await at(31), [Errors.NONE, 6, START_MS + 50]);
  await world.stop();
});

test('item 38: after an election nothing is told before the watermark has reached the start of the epoch', async () => {
  const { client, world } = await withTopic();
  await client.produce('t', batchOf(['a']));
  const partition = world.broker.services.partitions.get('t', 0)!;
  partition.leaderEpochStartOffset = 5;
  assert.equal((await client.listOffset('t', -1, { version: 5 })).errorCode, Errors.OFFSET_NOT_AVAILABLE);
  assert.equal((await client.listOffset('t', -1, { version: 4 })).errorCode, Errors.LEADER_NOT_AVAILABLE);
  assert.equal((await client.listOffset('t', START_MS + 99)).errorCode, Errors.OFFSET_NOT_AVAILABLE);
  assert.equal((await client.listOffset('t', START_MS)).offset, 0);
  assert.equal((await client.listOffset('t', -2)).errorCode, Errors.NONE);
  await world.stop();
});

test('item 39: OffsetForLeaderEpoch answers for the current, an older, an unknown and a future epoch', async () => {
  const { client, world } = await withTopic();
  await client.produce('t', batchOf(['a', 'b']));
  const first = world.broker.services.partitions.get('t', 0)!.leaderEpoch;
  elect(world, first + 5);
  await client.produce('t', batchOf(['c']));
  const at = async (epoch: number) => {
    const { errorCode, leaderEpoch, endOffset } = await epochs(client, epoch);
    assert.equal(errorCode, Errors.NONE);
    return [leaderEpoch, endOffset];
  };
  assert.deepEqual(await at(first + 5), [first + 5, 3]);
  assert.deepEqual(await at(first), [first, 2]);
  assert.deepEqual(await at(first + 2), [first, 2]);
  assert.deepEqual(await at(first + 6), [-1, -1]);
  assert.deepEqual(await at(-1), [-1, -1]);
  await world.stop();
});

test('item 40: an older epoch is fenced, a newer one unknown, -1 is not checked; everywhere the same', async () => {
  const { client, world } = await withTopic();
  const epoch = world.broker.services.partitions.get('t', 0)!.leaderEpoch + 3;
  elect(world, epoch);
  const expected = new Map([
    [epoch - 1, Errors.FENCED_LEADER_EPOCH],
    [epoch, Errors.NONE],
    [epoch + 1, Errors.UNKNOWN_LEADER_EPOCH],
    [-1, Errors.NONE],
  ]);
  for (const [currentLeaderEpoch, errorCode] of expected) {
    assert.equal((await client.fetch('t', 0, { currentLeaderEpoch })).errorCode, errorCode);
    assert.equal((await client.listOffset('t', -1, { currentLeaderEpoch })).errorCode, errorCode);
    assert.equal((await epochs(client, epoch, currentLeaderEpoch)).errorCode, errorCode);
  }
  await world.stop();
});

test('item 40: an older decision of the cluster does not take the epoch back', async () => {
  const { world } = await withTopic();
  const partition = world.broker.services.partitions.get('t', 0)!;
  const before = partition.state;
  elect(world, before.leaderEpoch + 3);
  partition.apply(before);
  assert.equal(partition.leaderEpoch, before.leaderEpoch + 3);
  await world.stop();
});

test('item 41: DeleteRecords moves the start, -1 means the watermark, and producing goes on', async () => {
  const { client, world } = await withTopic();
  for (const value of ['a', 'b', 'c']) await client.produce('t', batchOf([value]));
  assert.deepEqual(await deleteBefore(client, 2), {
    partitionIndex: 0,
    lowWatermark: 2,
    errorCode: Errors.NONE,
  });
  assert.equal((await client.listOffset('t', -2)).offset, 2);
  assert.equal((await client.fetch('t', 1)).errorCode, Errors.OFFSET_OUT_OF_RANGE);
  assert.equal((await deleteBefore(client, 4)).errorCode, Errors.OFFSET_OUT_OF_RANGE);
  assert.equal((await deleteBefore(client, -2)).errorCode, Errors.OFFSET_OUT_OF_RANGE);
  assert.equal((await deleteBefore(client, 1)).lowWatermark, 2);
  assert.equal((await deleteBefore(client, -1)).lowWatermark, 3);
  assert.equal((await client.produce('t', batchOf(['d']))).baseOffset, 3);
  assert.equal((await deleteBefore(client, -1, 'nowhere')).errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal((await deleteBefore(client, -1, 't', 9)).errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION);
  await world.restart();
  const again = await world.connect();
  assert.equal((await again.listOffset('t', -2)).offset, 3);
  await world.stop();
});

test('item 41: records of a topic that is only compacted, or internal, cannot be deleted', async () => {
  const { client, world } = await withTopic({ 'cleanup.policy': 'compact' });
  assert.equal((await deleteBefore(client, -1)).errorCode, Errors.POLICY_VIOLATION);
  await client.createTopic('__consumer_offsets');
  assert.equal(
    (await deleteBefore(client, -1, '__consumer_offsets')).errorCode,
    Errors.INVALID_TOPIC_EXCEPTION,
  );
  await world.stop();
});

test('DescribeLogDirs lists directories with sizes in every version, whole or for some partitions', async () => {
  const { client, world } = await withTopic();
  await client.createTopic('u', { numPartitions: 3 });
  await client.produce('t', batchOf(['x'.repeat(500)]));
  for (let version = 1; version <= 5; version++) {
    const all = await client.request(DescribeLogDirsRequest, DescribeLogDirsResponse, version, {
      topics: null,
    });
    const [directory] = all.results;
    assert.equal(directory!.errorCode, Errors.NONE);
    const sizes = new Map(directory!.topics.map(({ name, partitions }) => [name, partitions.length]));
    assert.deepEqual([...sizes].sort(), [
      ['t', 1],
      ['u', 3],
    ]);
    assert.ok(directory!.topics.find(({ name }) => name === 't')!.partitions[0]!.partitionSize > 500);
    const topics = [{ topic: 'u', partitions: [1] }];
    const some = await client.request(DescribeLogDirsRequest, DescribeLogDirsResponse, version, { topics });
    const named = some.results[0]!.topics.map(({ name, partitions }) => [
      name,
      partitions[0]!.partitionIndex,
    ]);
    assert.deepEqual(named, [['u', 1]]);
  }
  await world.stop();
});

test('AlterReplicaLogDirs moves a replica with its records, and refuses directories it does not know', async () => {
  const { client, world } = await withTopic({}, { 'log.dirs': 'one,two' });
  await client.produce('t', batchOf(['kept']));
  const partition = world.broker.services.partitions.get('t', 0)!;
  const move = async (path: string, name = 't') => {
    const dirs = [{ path, topics: [{ name, partitions: [0] }] }];
    const answer = await client.request(AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, 2, { dirs });
    return answer.results[0]!.partitions[0]!.errorCode;
  };
  assert.equal(await move('three'), Errors.LOG_DIR_NOT_FOUND);
  assert.equal(await move('one', 'nowhere'), Errors.REPLICA_NOT_AVAILABLE);
  const directories = world.broker.services.logDirectories.directories().map(({ path }) => path);
  const from = partition.log!.directory;
  const to = directories.find((path) => path !== from)!;
  assert.equal(await move(to), Errors.NONE);
  await world.ports.time.advance(5_000);
  assert.equal(partition.log!.directory, to);
  assert.equal((await client.produce('t', batchOf(['next']))).baseOffset, 1);
  assert.equal((await client.fetch('t', 0)).highWatermark, 2);
  await world.stop();
});

test('DescribeProducers tells who produces and where their transactions began', async () => {
  const { client, world } = await withTopic();
  await client.produce('t', batchOf(['a', 'b'], { producerId: 9, producerEpoch: 2, baseSequence: 0 }));
  const topics = [{ name: 't', partitionIndexes: [0, 4] }];
  const answer = await client.request(DescribeProducersRequest, DescribeProducersResponse, 0, { topics });
  const [known, unknown] = answer.topics[0]!.partitions;
  const { lastTimestamp: _, ...producer } = known!.activeProducers[0]!;
  assert.deepEqual(producer, {
    producerId: 9,
    producerEpoch: 2,
    lastSequence: 1,
    coordinatorEpoch: -1,
    currentTxnStartOffset: -1,
  });
  assert.equal(unknown!.errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION);
  await world.stop();
});

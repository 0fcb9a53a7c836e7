import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../protocol/messages/00-produce.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../protocol/messages/10-find-coordinator.ts';
import * as header from '../protocol/record-batch.ts';
import { batchOf, produceBody, START_MS, testWorld } from './test-client.ts';

test('item 4: with acks=0 there is no response, and the next request is answered', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  client.send(ProduceRequest, ProduceResponse, 9, produceBody('t', [[0, batchOf(['a'])]], 0));
  const next = client.send(ProduceRequest, ProduceResponse, 9, produceBody('t', [[0, batchOf(['b'])]], -1));
  const answer = await world.ports.time.settle(next.answer);
  assert.equal(answer.responses[0]!.partitionResponses[0]!.baseOffset, 1);
  assert.deepEqual(client.answered.slice(-1), [next.correlationId]);
  assert.equal(client.answered.includes(next.correlationId - 1), false);
  await world.stop();
});

test('item 4: with acks=0 an error closes the connection', async () => {
  const { client, world } = await testWorld();
  client.send(ProduceRequest, ProduceResponse, 9, produceBody('unknown', [[0, batchOf(['a'])]], 0));
  await world.ports.time.advance(100);
  assert.equal(client.isClosed, true);
  await world.stop();
});

test('item 6: acks other than 0, 1 and -1 are refused for every partition', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const answer = await client.produce('t', batchOf(['a']), { acks: 2 });
  assert.deepEqual([answer.errorCode, answer.baseOffset], [Errors.INVALID_REQUIRED_ACKS, -1]);
  await world.stop();
});

test('item 6: a partition must have exactly one batch', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const two = Buffer.concat([batchOf(['a']), batchOf(['b'])]);
  for (const records of [null, Buffer.alloc(0), batchOf(['a']).subarray(0, 40), two]) {
    const answer = await client.produce('t', records);
    assert.equal(answer.errorCode, Errors.INVALID_RECORD);
  }
  assert.equal((await client.listOffset('t', -1)).offset, 0);
  await world.stop();
});

test('S13: magic 0 and 1, control batches, damage, lying counts and sequences without reason are refused', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const changed = (at: number, value: number, keepCrc = false): Buffer => {
    const batch = batchOf(['a', 'b']);
    batch[at] = value;
    if (!keepCrc) header.updateCrc(batch);
    return batch;
  };
  const cases: readonly (readonly [string, Buffer, number])[] = [
    ['magic 0', changed(16, 0), Errors.INVALID_RECORD],
    ['magic 1', changed(16, 1), Errors.INVALID_RECORD],
    ['control bit', changed(22, 0x20), Errors.INVALID_RECORD],
    ['checksum', changed(60, 9, true), Errors.CORRUPT_MESSAGE],
    ['count', changed(60, 9), Errors.INVALID_RECORD],
    ['base offset', batchOf(['a'], { baseOffset: 5 }), Errors.INVALID_RECORD],
    [
      'negative sequence',
      batchOf(['a'], { producerId: 9, producerEpoch: 0, baseSequence: -1 }),
      Errors.INVALID_RECORD,
    ],
    ['unknown codec', changed(22, 7), Errors.INVALID_RECORD],
  ];
  for (const [name, records, errorCode] of cases) {
    assert.equal((await client.produce('t', records)).errorCode, errorCode, name);
  }
  assert.equal((await client.produce('t', batchOf(['fine']))).baseOffset, 0);
  await world.stop();
});

test('S13: a transactional batch without a transactional id is refused', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const batch = batchOf(['a'], { producerId: 9, producerEpoch: 0, baseSequence: 0, isTransactional: true });
  const { errorCode } = await client.produce('t', batch);
  assert.equal(errorCode, Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  await world.stop();
});

test('S13: a transactional batch of no transaction is refused and does not hold up readers', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const batch = batchOf(['a'], { producerId: 9, producerEpoch: 0, baseSequence: 0, isTransactional: true });
  const body = { ...produceBody('t', [[0, batch]]), transactionalId: 'mine' };
  const code = async (): Promise<number> => {
    const answer = await client.request(ProduceRequest, ProduceResponse, 11, body);
    return answer.responses[0]!.partitionResponses[0]!.errorCode;
  };
  // As long as nobody coordinates transactions the client is to ask again.
  assert.equal(await code(), Errors.NOT_ENOUGH_REPLICAS);
  const find = { key: '', keyType: 1, coordinatorKeys: ['mine'] };
  await client.request(FindCoordinatorRequest, FindCoordinatorResponse, 4, find);
  assert.equal(await code(), Errors.INVALID_PRODUCER_ID_MAPPING);
  await client.produce('t', batchOf(['b']));
  assert.equal((await client.listOffset('t', -1, { isolationLevel: 1 })).offset, 1);
  await world.stop();
});

test('item 7: the maximum timestamp is computed anew, so a search by time finds the record', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  await client.produce('t', batchOf(['a'], { timestamp: START_MS, maxTimestamp: -1 }));
  assert.equal((await client.listOffset('t', START_MS)).offset, 0);
  const [stored] = (await client.fetch('t', 0)).records!;
  assert.equal(header.maxTimestamp(stored!), START_MS);
  assert.equal(header.isCrcValid(stored!), true);
  await world.stop();
});

test('item 7: LogAppendTime sets the bit and the timestamp, and the answer tells it', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t', { configs: { 'message.timestamp.type': 'LogAppendTime' } });
  const answer = await client.produce('t', batchOf(['a'], { timestamp: 1000 }));
  assert.ok(answer.logAppendTimeMs >= START_MS);
  const [stored] = (await client.fetch('t', 0)).records!;
  assert.equal(header.hasLogAppendTime(stored!), true);
  assert.equal(header.maxTimestamp(stored!), answer.logAppendTimeMs);
  await world.stop();
});

test('item 8: a batch larger than max.message.bytes of its topic is MESSAGE_TOO_LARGE', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t', { configs: { 'max.message.bytes': '1000' } });
  assert.equal((await client.produce('t', batchOf(['x'.repeat(1000)]))).errorCode, Errors.MESSAGE_TOO_LARGE);
  assert.equal((await client.produce('t', batchOf(['x'.repeat(800)]))).errorCode, Errors.NONE);
  await world.stop();
});

test('item 9: records without a key are refused one by one on a compacted topic', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t', { configs: { 'cleanup.policy': 'compact' } });
  const answer = await client.produce('t', batchOf(['a', 'b']));
  assert.equal(answer.errorCode, Errors.INVALID_RECORD);
  assert.deepEqual(
    answer.recordErrors.map(({ batchIndex }) => batchIndex),
    [0, 1],
  );
  await world.stop();
});

test('item 9: a timestamp out of bounds is INVALID_TIMESTAMP with the record that has it', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const answer = await client.produce('t', batchOf(['a'], { timestamp: START_MS + 7_200_000 }));
  assert.equal(answer.errorCode, Errors.INVALID_TIMESTAMP);
  assert.deepEqual(
    answer.recordErrors.map(({ batchIndex }) => batchIndex),
    [0],
  );
  await world.stop();
});

test('item 10: zstd needs Produce 7', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const batch = batchOf(['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'], { compression: 'zstd' });
  assert.equal(
    (await client.produce('t', batch, { version: 6 })).errorCode,
    Errors.UNSUPPORTED_COMPRESSION_TYPE,
  );
  assert.equal((await client.produce('t', batch, { version: 7 })).errorCode, Errors.NONE);
  await world.stop();
});

test('item 10: a topic with a compression type of its own stores every batch in it', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t', { configs: { 'compression.type': 'gzip' } });
  await client.produce('t', batchOf(['a', 'b']));
  const [stored] = (await client.fetch('t', 0)).records!;
  assert.equal(header.compressionType(stored!), 'gzip');
  await world.stop();
});

test('item 12: unknown names, ids and partitions have errors of their own', async () => {
  const { client, world } = await testWorld();
  const topicId = await client.createTopic('t');
  assert.equal(
    (await client.produce('nowhere', batchOf(['a']))).errorCode,
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
  );
  const byIndex = await client.produce('t', batchOf(['a']), { partition: 7 });
  assert.equal(byIndex.errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION);
  const body = produceBody('', [[0, batchOf(['a'])]]);
  const withId = async (id: string) => {
    const topicData = body.topicData.map((topic) => ({ ...topic, topicId: id }));
    const answer = await client.request(ProduceRequest, ProduceResponse, 13, { ...body, topicData });
    return answer.responses[0]!.partitionResponses[0]!.errorCode;
  };
  assert.equal(await withId('x'.repeat(16)), Errors.UNKNOWN_TOPIC_ID);
  assert.equal(await withId(topicId), Errors.NONE);
  await world.stop();
});

test('item 13: internal topics take no records but from the admin client', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('__consumer_offsets');
  assert.equal(
    (await client.produce('__consumer_offsets', batchOf(['a']))).errorCode,
    Errors.INVALID_TOPIC_EXCEPTION,
  );
  await world.stop();
});

test('item 14: base offsets follow each other without a gap, also within one request and pipelined', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t', { numPartitions: 2 });
  const answers = [];
  for (let n = 0; n < 5; n++) {
    const body = produceBody('t', [
      [0, batchOf(['a', 'b', 'c'])],
      [1, batchOf(['d'])],
    ]);
    answers.push(client.send(ProduceRequest, ProduceResponse, 9, body).answer);
  }
  const offsets = [];
  for (const answer of answers) {
    const { partitionResponses } = (await world.ports.time.settle(answer)).responses[0]!;
    offsets.push(
      partitionResponses.map(({ errorCode, baseOffset, logAppendTimeMs }) => [
        errorCode,
        baseOffset,
        logAppendTimeMs,
      ]),
    );
  }
  assert.deepEqual(
    offsets,
    [0, 1, 2, 3, 4].map((n) => [
      [0, 3 * n, -1],
      [0, n, -1],
    ]),
  );
  await world.stop();
});

test('S12: of a partition that is named twice in one request the last batch counts, and it is answered once', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t', { numPartitions: 2 });
  const body = produceBody('t', [
    [0, batchOf(['a'])],
    [1, batchOf(['b'])],
    [0, batchOf(['c'])],
  ]);
  const answer = await client.request(ProduceRequest, ProduceResponse, 9, body);
  const codes = answer.responses[0]!.partitionResponses.map(({ index, errorCode }) => [index, errorCode]);
  assert.deepEqual(codes, [
    [0, Errors.NONE],
    [1, Errors.NONE],
  ]);
  assert.deepEqual(await client.listOffset('t', -1).then(({ offset }) => offset), 1);
  await world.stop();
});

test('item 15: the last five batches of a producer are recognised and get their first offset again', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const batch = (sequence: number, epoch = 0) =>
    batchOf(['a'], { producerId: 9, producerEpoch: epoch, baseSequence: sequence });
  for (let n = 0; n < 6; n++) assert.equal((await client.produce('t', batch(n))).baseOffset, n);
  for (let n = 1; n < 6; n++) {
    const again = await client.produce('t', batch(n));
    assert.deepEqual([again.errorCode, again.baseOffset], [Errors.NONE, n]);
  }
  assert.equal((await client.produce('t', batch(9))).errorCode, Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
  assert.equal((await client.produce('t', batch(3, 1))).errorCode, Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
  assert.equal((await client.produce('t', batch(0, 1))).errorCode, Errors.NONE);
  assert.equal((await client.produce('t', batch(6, 0))).errorCode, Errors.INVALID_PRODUCER_EPOCH);
  await world.stop();
});

test('item 15: producer state outlives a clean restart and a crash', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const batch = (sequence: number) =>
    batchOf(['a'], { producerId: 9, producerEpoch: 0, baseSequence: sequence });
  await client.produce('t', batch(0));
  for (const kill of [false, true]) {
    await world.restart({ kill });
    const again = await world.connect();
    assert.deepEqual((await again.produce('t', batch(0))).baseOffset, 0);
    assert.equal((await again.produce('t', batch(5))).errorCode, Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
  }
  await world.stop();
});

test('item 15: producer state outlives changes of the leader, and is that of the log when this broker leads again', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const batch = (sequence: number) =>
    batchOf(['a'], { producerId: 9, producerEpoch: 0, baseSequence: sequence });
  await client.produce('t', batch(0));
  const partition = world.broker.services.partitions.get('t', 0)!;
  const own = partition.state.leader;
  let next = 1;
  for (const leaders of [[own], [own + 1, own], [own + 1, own + 2, own]]) {
    for (const leader of leaders) {
      const { state } = partition;
      const epochs = { leaderEpoch: state.leaderEpoch + 1, partitionEpoch: state.partitionEpoch + 1 };
      partition.apply({ ...state, leader, ...epochs });
      await world.ports.time.advance(10);
      const expected = leader === own ? Errors.NONE : Errors.NOT_LEADER_OR_FOLLOWER;
      assert.equal((await client.produce('t', batch(next - 1))).errorCode, expected);
    }
    assert.equal((await client.produce('t', batch(next - 1))).baseOffset, next - 1, 'a retry');
    assert.equal((await client.produce('t', batch(next + 1))).errorCode, Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert.equal((await client.produce('t', batch(next))).baseOffset, next);
    next += 1;
  }
  await world.stop();
});

test('item 16: an unknown idempotent producer is accepted at any sequence', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const batch = batchOf(['a'], { producerId: 77, producerEpoch: 3, baseSequence: 41 });
  assert.equal((await client.produce('t', batch)).errorCode, Errors.NONE);
  await world.stop();
});

test('what was acknowledged with acks=all is there after a crash', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  assert.equal((await client.produce('t', batchOf(['kept']))).errorCode, Errors.NONE);
  await world.restart({ kill: true });
  const again = await world.connect();
  const { records, errorCode } = await again.fetch('t', 0);
  assert.equal(errorCode, Errors.NONE);
  assert.equal(header.recordCount(records![0]!), 1);
  assert.equal((await again.produce('t', batchOf(['next']))).baseOffset, 1);
  await world.stop();
});

test('a batch that is not committed in time is REQUEST_TIMED_OUT, and acks=1 does not wait for it', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const partition = world.broker.services.partitions.get('t', 0)!;
  partition.log!.onDurable = () => {};
  const before = world.ports.clock.monotonicMs();
  assert.equal((await client.produce('t', batchOf(['a']), { acks: 1 })).errorCode, Errors.NONE);
  assert.ok(world.ports.clock.monotonicMs() - before < 1_000);
  partition.log!.onDurable = () => {};
  assert.equal((await client.produce('t', batchOf(['b']))).errorCode, Errors.REQUEST_TIMED_OUT);
  const waitedMs = world.ports.clock.monotonicMs() - before;
  assert.ok(waitedMs >= 10_000 && waitedMs < 11_000, String(waitedMs));
  await world.stop();
});

test('item 11: who waits when the leader changes is told who leads now and where', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const partition = world.broker.services.partitions.get('t', 0)!;
  partition.log!.onDurable = () => {};
  const { answer } = client.send(
    ProduceRequest,
    ProduceResponse,
    10,
    produceBody('t', [[0, batchOf(['a'])]]),
  );
  await world.ports.time.advance(100);
  const { state } = partition;
  const { leaderEpoch, partitionEpoch } = state;
  partition.apply({ ...state, leader: 2, leaderEpoch: leaderEpoch + 1, partitionEpoch: partitionEpoch + 1 });
  const { responses, nodeEndpoints } = await world.ports.time.settle(answer);
  const [one] = responses[0]!.partitionResponses;
  assert.equal(one!.errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
  assert.equal(one!.currentLeader.leaderId, 1);
  assert.deepEqual(nodeEndpoints, [{ nodeId: 1, host: '127.0.0.1', port: 19092, rack: null }]);
  await world.stop();
});

test('acks=all needs min.insync.replicas, as far as there are replicas', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t', { configs: { 'min.insync.replicas': '2' } });
  assert.equal((await client.produce('t', batchOf(['a']))).errorCode, Errors.NONE);
  const partition = world.broker.services.partitions.get('t', 0)!;
  partition.state = { ...partition.state, replicas: [1, 2] };
  assert.equal((await client.produce('t', batchOf(['b']))).errorCode, Errors.NOT_ENOUGH_REPLICAS);
  assert.equal((await client.produce('t', batchOf(['b']), { acks: 1 })).errorCode, Errors.NONE);
  await world.stop();
});

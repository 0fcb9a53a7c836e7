import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { baseSequence, producerEpoch, producerId, recordCount } from '../../protocol/record-batch.ts';
import { forEachRecord } from '../../protocol/records.ts';
import { Client, type Producer, type ProducerOptions } from '../client.ts';
import { KafkaError } from '../errors.ts';
import { BREAK, SILENCE, TestCluster, type Asked } from '../test-cluster.ts';

const PRODUCE = 0;
const METADATA = 3;

interface Written {
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly values: string[];
}

/** What a Produce request holds, by partition. */
function written({ body }: Pick<Asked, 'body'>): Map<number, Written> {
  const partitions = new Map<number, Written>();
  for (const topic of body.topicData) {
    for (const { index, records } of topic.partitionData) {
      const values: string[] = [];
      forEachRecord(records, (one) => values.push(String(one.value)), { maxDecompressedBytes: 1 << 20 });
      partitions.set(index, {
        producerId: producerId(records),
        epoch: producerEpoch(records),
        sequence: baseSequence(records),
        values,
      });
    }
  }
  return partitions;
}

interface PartitionAnswer {
  readonly errorCode?: number;
  readonly baseOffset?: number;
  readonly currentLeader?: { leaderId: number; leaderEpoch: number };
}

/** An answer for all partitions of a request. */
function answerTo({ body }: Asked, of: (partition: number, records: Buffer) => PartitionAnswer): object {
  return {
    throttleTimeMs: 0,
    responses: body.topicData.map((topic: { name: string; topicId: string; partitionData: [] }) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map(
        ({ index, records }: { index: number; records: Buffer }) => ({
          index,
          errorCode: 0,
          baseOffset: 0,
          logAppendTimeMs: -1,
          recordErrors: [],
          ...of(index, records),
        }),
      ),
    })),
  };
}

/** A log for each partition, which gives offsets. */
function logs(cluster: TestCluster): string[][] {
  const all: string[][] = [];
  cluster.handlers.set(PRODUCE, (asked) => {
    const parts = written(asked);
    return answerTo(asked, (partition) => {
      const log = (all[partition] ??= []);
      const baseOffset = log.length;
      log.push(...parts.get(partition)!.values);
      return { baseOffset };
    });
  });
  return all;
}

function start(
  options: ProducerOptions = {},
  leaders: number[] = [0],
  brokerCount = 1,
): { cluster: TestCluster; client: Client; producer: Producer } {
  const cluster = new TestCluster({ brokerCount });
  cluster.topic('t', leaders);
  const client = new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() });
  return { cluster, client, producer: client.producer(options) };
}

test('a record that is sent alone waits for nobody', async () => {
  const { cluster, producer } = start({ lingerMs: 10_000 });
  logs(cluster);
  await cluster.settle(producer.send({ topic: 't', value: 'first' }));
  const before = cluster.time.nowMs();
  const sent = await cluster.settle(producer.send({ topic: 't', value: 'second' }));
  assert.equal(sent.offset, 1);
  assert.ok(cluster.time.nowMs() - before < 100);
});

test('what is sent while a request is under way shares the next one', async () => {
  const { cluster, producer } = start({ lingerMs: 10_000 });
  const [log] = [logs(cluster)];
  await cluster.settle(producer.send({ topic: 't', value: 'known' }));
  const values = Array.from({ length: 500 }, (_, n) => `v${n}`);
  const sends: Promise<{ offset: number }>[] = [];
  for (const value of values) {
    sends.push(producer.send({ topic: 't', value }));
    await Promise.resolve();
  }
  const all = await cluster.settle(Promise.all(sends));
  assert.deepEqual(
    all.map(({ offset }) => offset),
    values.map((_, n) => n + 1),
  );
  assert.deepEqual(log[0], ['known', ...values]);
  assert.equal(cluster.requests(PRODUCE).length, 3);
});

test('keys go where Java puts them, records without one fill one partition after the other', async () => {
  const { cluster, producer } = start({ batchBytes: 1000 }, [0, 0, 0, 0]);
  const all = logs(cluster);
  const keyed = await cluster.settle(producer.send({ topic: 't', key: 'foobar', value: '' }));
  assert.equal(keyed.partition, (-790332482 & 0x7fff_ffff) % 4);
  const values = Array.from({ length: 400 }, (_, n) => `${n}`.padStart(50, '0'));
  await cluster.settle(producer.sendAll(values.map((value) => ({ topic: 't', value }))));
  const counts = all.map((log) => log.length);
  assert.equal(
    counts.reduce((a, b) => a + b),
    401,
  );
  assert.ok(
    counts.every((count) => count >= 40),
    String(counts),
  );
});

test('sendAll tells where its records are', async () => {
  const { cluster, producer } = start({ batchBytes: 300 }, [0, 0]);
  const all = logs(cluster);
  const records = Array.from({ length: 20 }, (_, n) => ({
    topic: 't',
    partition: n % 2,
    value: `value-${n}`,
  }));
  const other = producer.send({ topic: 't', partition: 0, value: 'other' });
  const ranges = await cluster.settle(producer.sendAll(records));
  await cluster.settle(other);
  for (const partition of [0, 1]) {
    const mine = ranges.filter((range) => range.partition === partition);
    const values = mine.flatMap(({ baseOffset, count }) =>
      all[partition]!.slice(baseOffset, baseOffset + count),
    );
    assert.deepEqual(
      values,
      records.filter((one) => one.partition === partition).map(({ value }) => value),
    );
  }
});

test('a refused batch is sent again with the same sequence, before those that were behind it', async () => {
  const { cluster, producer } = start({ batchBytes: 100, requestsInFlightMax: 5 });
  const log: Written[] = [];
  let next = 0;
  let requests = 0;
  cluster.handlers.set(PRODUCE, (asked) => {
    requests += 1;
    const one = written(asked).get(0)!;
    if (requests === 2) return answerTo(asked, () => ({ errorCode: Errors.NOT_ENOUGH_REPLICAS }));
    if (one.sequence !== next)
      return answerTo(asked, () => ({ errorCode: Errors.OUT_OF_ORDER_SEQUENCE_NUMBER }));
    next += one.values.length;
    log.push(one);
    return answerTo(asked, () => ({ baseOffset: one.sequence }));
  });
  const values = Array.from({ length: 12 }, (_, n) => `value-${n}`.padEnd(70, '.'));
  const sent = await cluster.settle(Promise.all(values.map((value) => producer.send({ topic: 't', value }))));
  assert.deepEqual(
    log.flatMap((one) => one.values),
    values,
  );
  assert.deepEqual(
    sent.map(({ offset }) => offset),
    values.map((_, n) => n),
  );
  assert.deepEqual(new Set(log.map((one) => one.epoch)), new Set([0]));
  assert.ok(requests > values.length);
});

test('a broken connection repeats the request, and a duplicate counts as written', async () => {
  const { cluster, producer } = start();
  let requests = 0;
  cluster.handlers.set(PRODUCE, (asked) => {
    requests += 1;
    if (requests === 1) return BREAK;
    return answerTo(asked, () => ({ errorCode: Errors.DUPLICATE_SEQUENCE_NUMBER, baseOffset: -1 }));
  });
  const sent = await cluster.settle(producer.send({ topic: 't', value: 'v' }));
  assert.equal(sent.offset, -1);
  const [one, again] = cluster.asked
    .filter(({ key }) => key === PRODUCE)
    .map((asked) => written(asked).get(0));
  assert.deepEqual(one, again);
});

test('a producer that the broker has forgotten goes on with another epoch, from sequence 0 (KIP-360)', async () => {
  const { cluster, producer } = start();
  const seen: Written[] = [];
  cluster.handlers.set(PRODUCE, (asked) => {
    const one = written(asked).get(0)!;
    seen.push(one);
    const isForgotten = seen.length === 2;
    return answerTo(asked, () => ({ errorCode: isForgotten ? Errors.UNKNOWN_PRODUCER_ID : 0 }));
  });
  for (const value of ['a', 'b', 'c']) await cluster.settle(producer.send({ topic: 't', value }));
  assert.deepEqual(
    seen.map(({ epoch, sequence, values }) => [epoch, sequence, ...values]),
    [
      [0, 0, 'a'],
      [0, 1, 'b'],
      [1, 0, 'b'],
      [1, 1, 'c'],
    ],
  );
});

test('a batch that is given up leaves no hole: what follows has another epoch', async () => {
  const { cluster, producer } = start();
  const seen: Written[] = [];
  cluster.handlers.set(PRODUCE, (asked) => {
    const one = written(asked).get(0)!;
    seen.push(one);
    return answerTo(asked, () => ({ errorCode: one.values[0] === 'bad' ? Errors.INVALID_RECORD : 0 }));
  });
  await cluster.settle(producer.send({ topic: 't', value: 'a' }));
  await assert.rejects(cluster.settle(producer.send({ topic: 't', value: 'bad' })), {
    errorName: 'INVALID_RECORD',
  });
  await cluster.settle(producer.send({ topic: 't', value: 'b' }));
  assert.deepEqual(
    seen.map(({ epoch, sequence, values }) => [epoch, sequence, ...values]),
    [
      [0, 0, 'a'],
      [0, 1, 'bad'],
      [1, 0, 'b'],
    ],
  );
});

test('a named new leader is asked at once, without asking for metadata (KIP-951)', async () => {
  const { cluster, producer } = start({}, [0], 2);
  cluster.handlers.set(PRODUCE, (asked) => {
    if (asked.nodeId === 1) return answerTo(asked, () => ({ baseOffset: 7 }));
    const currentLeader = { leaderId: 1, leaderEpoch: 6 };
    return answerTo(asked, () => ({ errorCode: Errors.NOT_LEADER_OR_FOLLOWER, currentLeader }));
  });
  const sent = await cluster.settle(producer.send({ topic: 't', value: 'v' }));
  assert.equal(sent.offset, 7);
  assert.equal(cluster.requests(METADATA).length, 1);
});

test('without a hint the leader is looked for', async () => {
  const { cluster, producer } = start({}, [0], 2);
  cluster.handlers.set(PRODUCE, (asked) => {
    if (asked.nodeId === 1) return answerTo(asked, () => ({ baseOffset: 7 }));
    cluster.topics.set('t', { ...cluster.topics.get('t')!, leaders: [1], leaderEpoch: 6 });
    return answerTo(asked, () => ({ errorCode: Errors.NOT_LEADER_OR_FOLLOWER }));
  });
  assert.equal((await cluster.settle(producer.send({ topic: 't', value: 'v' }))).offset, 7);
});

test('records wait for a partition without leader', async () => {
  const { cluster, producer } = start({}, [-1]);
  logs(cluster);
  const sent = producer.send({ topic: 't', value: 'v' });
  await cluster.time.advance(3_000);
  cluster.topics.set('t', { ...cluster.topics.get('t')!, leaders: [0], leaderEpoch: 6 });
  assert.equal((await cluster.settle(sent)).offset, 0);
});

test('after deliveryTimeoutMs a record is given up, with the reason', async () => {
  const { cluster, producer } = start({ deliveryTimeoutMs: 5_000 });
  cluster.handlers.set(PRODUCE, (asked) =>
    answerTo(asked, () => ({ errorCode: Errors.NOT_ENOUGH_REPLICAS })),
  );
  await assert.rejects(cluster.settle(producer.send({ topic: 't', value: 'v' })), (error) => {
    assert.ok(error instanceof KafkaError);
    assert.equal(error.errorName, 'DELIVERY_TIMEOUT');
    assert.match(String(error.cause), /NOT_ENOUGH_REPLICAS/);
    return true;
  });
});

test('a broker that does not answer is left, and what it may have is sent again', async () => {
  const { cluster, producer } = start();
  let requests = 0;
  cluster.handlers.set(PRODUCE, (asked) => {
    requests += 1;
    return requests === 1 ? SILENCE : answerTo(asked, () => ({ baseOffset: 3 }));
  });
  assert.equal((await cluster.settle(producer.send({ topic: 't', value: 'v' }))).offset, 3);
});

test('a topic that nobody knows fails after its time, and may be created', async () => {
  const { cluster, producer } = start();
  logs(cluster);
  const lost = producer.send({ topic: 'nowhere', value: 'v' });
  await assert.rejects(cluster.settle(lost), { errorName: 'UNKNOWN_TOPIC_OR_PARTITION' });
  const asked = cluster.requests(METADATA).filter(({ topics }) => topics[0]?.name === 'nowhere');
  assert.ok(asked.every((one) => one.allowAutoTopicCreation));
  const later = producer.send({ topic: 'later', value: 'v' });
  await cluster.time.advance(1_000);
  cluster.topic('later');
  assert.equal((await cluster.settle(later)).topic, 'later');
});

test('used up memory holds up who sends, in order, and nothing is lost', async () => {
  const { cluster, producer } = start({ bufferBytes: 2_000, batchBytes: 500 });
  const all = logs(cluster);
  const values = Array.from({ length: 300 }, (_, n) => `${n}`.padStart(100, '0'));
  const sends = values.map((value) => producer.send({ topic: 't', value }));
  await cluster.settle(Promise.all(sends));
  assert.deepEqual(all[0], values);
});

test('write says when to wait, and flush what went wrong', async () => {
  const { cluster, producer } = start({ bufferBytes: 2_000, batchBytes: 500 });
  const all = logs(cluster);
  await cluster.settle(producer.send({ topic: 't', value: 'known' }));
  const fill = async (): Promise<number> => {
    let waits = 0;
    for (let n = 0; n < 100; n++) {
      if (producer.write({ topic: 't', value: 'x'.repeat(100) })) continue;
      waits += 1;
      await producer.ready();
    }
    await producer.flush();
    return waits;
  };
  assert.ok((await cluster.settle(fill())) > 3);
  assert.equal(all[0]!.length, 101);
  cluster.handlers.set(PRODUCE, (asked) =>
    answerTo(asked, () => ({ errorCode: Errors.TOPIC_AUTHORIZATION_FAILED })),
  );
  producer.write({ topic: 't', value: 'v' });
  await assert.rejects(cluster.settle(producer.flush()), { errorName: 'TOPIC_AUTHORIZATION_FAILED' });
  await cluster.settle(producer.flush());
});

test('with acks=0 a record is sent when it has left', async () => {
  const { cluster, producer } = start({ acks: 0 });
  cluster.handlers.set(PRODUCE, () => SILENCE);
  assert.equal((await cluster.settle(producer.send({ topic: 't', value: 'v' }))).offset, -1);
  await cluster.time.advance(100);
  const [request] = cluster.asked.filter(({ key }) => key === PRODUCE);
  assert.equal(request!.body.acks, 0);
  assert.equal(recordCount(request!.body.topicData[0].partitionData[0].records), 1);
});

test('closing sends what is there; afterwards nothing is taken', async () => {
  const { cluster, client, producer } = start({ lingerMs: 60_000 });
  const all = logs(cluster);
  const sends = ['a', 'b', 'c'].map((value) => producer.send({ topic: 't', value }));
  await cluster.settle(client.close());
  await Promise.all(sends);
  assert.deepEqual(all[0], ['a', 'b', 'c']);
  await assert.rejects(producer.send({ topic: 't', value: 'd' }), { errorName: 'CLOSED' });
  await cluster.time.advance(60_000);
  assert.equal(cluster.time.pendingEvents(), 0, 'no timer is left');
});

test('a close that cannot finish gives up in its time', async () => {
  const { cluster, producer } = start();
  cluster.handlers.set(PRODUCE, () => SILENCE);
  const sent = producer.send({ topic: 't', value: 'v' });
  const failed = assert.rejects(sent, { errorName: 'CLOSED' });
  await cluster.settle(producer.close({ timeoutMs: 1_000 }));
  await cluster.settle(failed);
});

test('an AbortSignal ends the waiting', async () => {
  const { cluster, producer } = start();
  const controller = new AbortController();
  const sent = producer.send({ topic: 'nowhere', value: 'v' }, { signal: controller.signal });
  await cluster.time.advance(10);
  controller.abort(new Error('enough'));
  await assert.rejects(cluster.settle(sent), /enough/);
});

test('what makes no sense is refused at once', async () => {
  const { cluster, producer } = start();
  logs(cluster);
  await cluster.settle(producer.send({ topic: 't', value: 'v' }));
  await assert.rejects(producer.send({ topic: 't', partition: 4, value: 'v' }), {
    errorName: 'INVALID_ARGUMENT',
  });
  await assert.rejects(producer.send({ topic: 't', value: Buffer.alloc(2 << 20) }), {
    errorName: 'MESSAGE_TOO_LARGE',
  });
  await assert.rejects(cluster.settle(producer.sendAll([{ topic: 't', partition: -1, value: 'v' }])));
  assert.throws(() => start({ acks: 1, idempotent: true }), TypeError);
});

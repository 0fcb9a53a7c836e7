// A consumer against brokers that answer what a test says: sessions, leaders that change, logs that are cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { buildBatch } from '../../protocol/records.ts';
import { Client, type Consumer, type ConsumerOptions } from '../client.ts';
import { BREAK, SILENCE, TestCluster, type Asked } from '../test-cluster.ts';

const FETCH = 1;
const LIST_OFFSETS = 2;
const METADATA = 3;
const EPOCHS = 23;

/** A log of one partition: the value at each offset, and the epoch that wrote it. */
interface Log {
  records: { value: string; epoch: number }[];
}

class Scene {
  readonly cluster: TestCluster;
  readonly client: Client;
  readonly logs: Log[];
  sessions = 0;

  constructor(leaders: number[], brokerCount = 1) {
    this.cluster = new TestCluster({ brokerCount });
    this.cluster.topic('t', leaders);
    this.logs = leaders.map(() => ({ records: [] }));
    this.client = new Client({
      bootstrap: this.cluster.bootstrap,
      ports: this.cluster.clientPorts(),
      rack: 'here',
    });
    this.cluster.handlers.set(FETCH, (asked) => this.fetch(asked));
  }

  consumer(options: Partial<ConsumerOptions> = {}): Consumer {
    return this.client.consumer({ assign: [{ topic: 't' }], from: 0, maxWaitMs: 50, ...options });
  }

  write(partition: number, epoch: number, values: readonly string[]): void {
    this.logs[partition]!.records.push(...values.map((value) => ({ value, epoch })));
  }

  /** An answer for each partition that was named; empty ones when nothing is new. */
  async fetch(
    asked: Asked,
    change: (partition: number) => object | undefined = () => undefined,
  ): Promise<object> {
    const { topics, sessionEpoch, maxWaitMs } = asked.body;
    const partitions = [];
    for (const { topicId, partitions: list } of topics) {
      for (const { partition, fetchOffset } of list) {
        partitions.push({ topicId, ...this.answer(partition, fetchOffset), ...change(partition) });
      }
    }
    const isEmpty = partitions.every((one) => one.records === null && one.errorCode === 0);
    if (isEmpty) await new Promise<void>((resolve) => this.cluster.time.schedule(maxWaitMs, resolve));
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      sessionId: sessionEpoch === 0 ? ++this.sessions : asked.body.sessionId,
      responses: partitions.map(({ topicId, ...one }) => ({ topicId, topic: '', partitions: [one] })),
    };
  }

  answer(partition: number, fetchOffset: number) {
    const { records } = this.logs[partition]!;
    const rest = records.slice(fetchOffset, fetchOffset + 2);
    const bytes = rest.map(({ value, epoch }, n) =>
      buildBatch({
        records: [{ key: null, value: Buffer.from(value), timestamp: 1 }],
        baseOffset: fetchOffset + n,
        leaderEpoch: epoch,
      }),
    );
    return {
      partitionIndex: partition,
      errorCode: 0,
      highWatermark: records.length,
      lastStableOffset: records.length,
      logStartOffset: 0,
      abortedTransactions: null as null | object[],
      preferredReadReplica: -1,
      records: bytes.length === 0 ? null : bytes,
    };
  }

  async take(consumer: Consumer, count: number): Promise<string[]> {
    const values: string[] = [];
    const read = async (): Promise<void> => {
      for await (const record of consumer) if (values.push(record.text!) === count) return;
    };
    await this.cluster.settle(read());
    return values;
  }
}

test('in a session only what has changed is asked for (KIP-227)', async () => {
  const scene = new Scene([0, 0]);
  scene.write(0, 5, ['a', 'b', 'c']);
  assert.deepEqual(await scene.take(scene.consumer(), 3), ['a', 'b', 'c']);
  await scene.cluster.time.advance(20);
  const asked = scene.cluster
    .requests(FETCH)
    .map(({ sessionId, sessionEpoch, topics }) => [
      sessionId,
      sessionEpoch,
      topics.flatMap((topic: { partitions: { partition: number; fetchOffset: number }[] }) =>
        topic.partitions.map(({ partition, fetchOffset }) => `${partition}@${fetchOffset}`),
      ),
    ]);
  assert.deepEqual(asked.slice(0, 3), [
    [0, 0, ['0@0', '1@0']],
    [1, 1, ['0@2']],
    [1, 2, ['0@3']],
  ]);
});

test('a session that the broker has forgotten begins anew, and so does one after a broken connection', async () => {
  const scene = new Scene([0]);
  scene.write(0, 5, ['a', 'b', 'c', 'd', 'e']);
  let requests = 0;
  scene.cluster.handlers.set(FETCH, (asked) => {
    requests += 1;
    if (requests === 2)
      return { throttleTimeMs: 0, errorCode: Errors.FETCH_SESSION_ID_NOT_FOUND, responses: [] };
    if (requests === 4) return BREAK as never;
    return scene.fetch(asked);
  });
  assert.deepEqual(await scene.take(scene.consumer(), 5), ['a', 'b', 'c', 'd', 'e']);
  const epochs = scene.cluster.requests(FETCH).map(({ sessionEpoch }) => sessionEpoch);
  assert.deepEqual(epochs.slice(0, 5), [0, 1, 0, 1, 0]);
});

test('a leader that moved is followed, by its hint at once (KIP-951)', async () => {
  const scene = new Scene([0], 2);
  scene.write(0, 5, ['a', 'b', 'c', 'd']);
  scene.cluster.handlers.set(EPOCHS, (asked) => epochs(asked, 4));
  scene.cluster.handlers.set(FETCH, (asked) => {
    if (asked.nodeId === 1) return scene.fetch(asked);
    if (asked.body.topics[0].partitions[0].fetchOffset === 0) return scene.fetch(asked);
    const currentLeader = { leaderId: 1, leaderEpoch: 6 };
    return scene.fetch(asked, () => ({
      errorCode: Errors.NOT_LEADER_OR_FOLLOWER,
      currentLeader,
      records: null,
    }));
  });
  assert.deepEqual(await scene.take(scene.consumer(), 4), ['a', 'b', 'c', 'd']);
  assert.equal(scene.cluster.requests(METADATA).length, 1);
});

function epochs({ body }: Asked, endOffset: number): object {
  return {
    throttleTimeMs: 0,
    topics: body.topics.map(
      ({ topic, partitions }: { topic: string; partitions: { partition: number }[] }) => ({
        topic,
        partitions: partitions.map(({ partition }) => ({
          errorCode: 0,
          partition,
          leaderEpoch: 5,
          endOffset,
        })),
      }),
    ),
  };
}

/** The leader changes after two records were read, and the log of the next one ends at `end` for their epoch. */
async function changeLeader(end: number, options: Partial<ConsumerOptions> = {}) {
  const scene = new Scene([0], 2);
  scene.write(0, 5, ['a', 'b']);
  const consumer = scene.consumer(options);
  assert.deepEqual(await scene.take(consumer, 2), ['a', 'b']);
  scene.cluster.topics.set('t', { ...scene.cluster.topics.get('t')!, leaders: [1], leaderEpoch: 6 });
  scene.logs[0]!.records.length = end;
  scene.write(0, 6, ['x', 'y', 'z']);
  scene.cluster.handlers.set(EPOCHS, (asked) => epochs(asked, end));
  scene.cluster.handlers.set(FETCH, (asked) => {
    if (asked.nodeId === 1) return scene.fetch(asked);
    return scene.fetch(asked, () => ({ errorCode: Errors.FENCED_LEADER_EPOCH, records: null }));
  });
  return { scene, consumer };
}

test('a new leader is asked whether it has what was read (KIP-320)', async () => {
  const { scene, consumer } = await changeLeader(2);
  assert.deepEqual(await scene.take(consumer, 3), ['x', 'y', 'z']);
  assert.equal(scene.cluster.requests(EPOCHS)[0].topics[0].partitions[0].leaderEpoch, 5);
});

test('a log that was cut below the position is read again from there', async () => {
  const { scene, consumer } = await changeLeader(1);
  assert.deepEqual(await scene.take(consumer, 3), ['x', 'y', 'z']);
  assert.equal(consumer.position({ topic: 't', partition: 0 }), 4);
});

test('or it is told, if that is wanted', async () => {
  const { scene, consumer } = await changeLeader(1, { onOutOfRange: 'error' });
  await assert.rejects(scene.take(consumer, 1), { errorName: 'LOG_TRUNCATION' });
  consumer.seek({ topic: 't', partition: 0 }, 1);
  assert.deepEqual(await scene.take(consumer, 1), ['x']);
});

test('the replica that the leader names is read, until it has no answer (KIP-392)', async () => {
  const scene = new Scene([0], 2);
  scene.write(0, 5, ['a', 'b', 'c', 'd']);
  const nodes: number[] = [];
  scene.cluster.handlers.set(FETCH, (asked) => {
    nodes.push(asked.nodeId);
    assert.equal(asked.body.rackId, 'here');
    const { fetchOffset } = asked.body.topics[0]?.partitions[0] ?? { fetchOffset: 0 };
    if (asked.nodeId === 0 && fetchOffset < 2) {
      return scene.fetch(asked, () => ({ preferredReadReplica: 1, records: null, errorCode: 0 }));
    }
    if (asked.nodeId === 1 && fetchOffset >= 2) {
      return scene.fetch(asked, () => ({ errorCode: Errors.OFFSET_OUT_OF_RANGE, records: null }));
    }
    return scene.fetch(asked);
  });
  assert.deepEqual(await scene.take(scene.consumer(), 4), ['a', 'b', 'c', 'd']);
  assert.deepEqual(nodes.slice(0, 4), [0, 1, 1, 0]);
});

test('what a partition is refused for good is thrown, for as long as nothing is done about it', async () => {
  const scene = new Scene([0, 0]);
  scene.write(1, 5, ['a']);
  scene.cluster.handlers.set(FETCH, (asked) =>
    scene.fetch(asked, (partition) =>
      partition === 0 ? { errorCode: Errors.TOPIC_AUTHORIZATION_FAILED } : undefined,
    ),
  );
  const consumer = scene.consumer();
  for (const _ of [1, 2]) {
    await assert.rejects(scene.take(consumer, 2), { errorName: 'TOPIC_AUTHORIZATION_FAILED' });
  }
  await scene.cluster.settle(consumer.assign([{ topic: 't', partition: 1 }]));
  consumer.seek({ topic: 't', partition: 1 }, 0);
  assert.deepEqual(await scene.take(consumer, 1), ['a']);
});

test('while quiet partitions are waited for, others are fetched', async () => {
  const scene = new Scene([0, 0]);
  scene.write(0, 5, ['a']);
  const consumer = scene.consumer({ maxWaitMs: 20_000, partitionBytesMax: 100 });
  // One answer is enough to be ahead: partition 0 is not asked for while it waits, partition 1 is.
  assert.deepEqual(await scene.take(consumer, 1), ['a']);
  await scene.cluster.time.advance(100);
  scene.write(0, 5, ['b']);
  consumer.seek({ topic: 't', partition: 0 }, 1);
  const before = scene.cluster.time.nowMs();
  assert.deepEqual(await scene.take(consumer, 1), ['b']);
  assert.ok(scene.cluster.time.nowMs() - before < 25_000);
});

test('a broker that is silent does not keep the consumer from closing', async () => {
  const scene = new Scene([0]);
  scene.cluster.handlers.set(FETCH, () => SILENCE);
  scene.cluster.handlers.set(LIST_OFFSETS, () => SILENCE);
  const consumer = scene.consumer();
  const read = scene.take(consumer, 1);
  await scene.cluster.time.advance(1_000);
  await scene.cluster.settle(scene.client.close());
  assert.deepEqual(await read, []);
  await scene.cluster.time.advance(100_000);
  assert.equal(scene.cluster.time.pendingEvents(), 0, 'no timer is left');
});

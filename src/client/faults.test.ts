// Connections that end anywhere in an answer, brokers that are slow, and coordinators that move. `CLIENT_CUT_STEP=1` cuts at
// each byte, in place of each seventh.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../base/ports.ts';
import { testWorld } from '../broker/test-client.ts';
import { Errors } from '../protocol/errors.ts';
import { Client } from './client.ts';
import type { ClientPorts } from './options.ts';
import { clientPorts, SILENCE, TestCluster } from './test-cluster.ts';

const CUT_STEP = Number(process.env['CLIENT_CUT_STEP'] ?? 7);
const PRODUCE = 0;
const FETCH = 1;
const COMMIT = 8;
const FIND = 10;

/** Counts what a client receives, and ends the connection on which byte `cutAt` would come, once. */
class Scissors {
  seenBytes = 0;
  hasCut = false;
  readonly #cutAt: number;

  constructor(cutAt: number) {
    this.#cutAt = cutAt;
  }

  around(ports: ClientPorts): ClientPorts {
    const connect: ClientPorts['network']['connect'] = async (...to) =>
      this.#watch(await ports.network.connect(...to));
    return { ...ports, network: { connect } };
  }

  #watch(connection: Connection): Connection {
    let onData = (_chunk: Buffer): void => {};
    const take = (chunk: Buffer): void => {
      const roomBytes = this.#cutAt - this.seenBytes;
      this.seenBytes += chunk.length;
      if (this.hasCut || roomBytes >= chunk.length) {
        onData(chunk);
        return;
      }
      this.hasCut = true;
      if (roomBytes > 0) onData(chunk.subarray(0, roomBytes));
      const { onClose } = connection;
      connection.destroy();
      onClose(new Error('cut'));
    };
    Object.defineProperty(connection, 'onData', {
      get: () => take,
      set: (handler: (chunk: Buffer) => void) => {
        onData = handler;
      },
    });
    return connection;
  }
}

async function start() {
  const { world, client: admin } = await testWorld({
    'advertised.listeners': 'PLAINTEXT://broker:19092',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
  });
  const { time, wires } = world.ports;
  let clients = 0;
  const settle = <T>(promise: Promise<T>): Promise<T> => time.settle(promise);
  return {
    world,
    admin,
    settle,
    client: (scissors = new Scissors(Infinity)) =>
      new Client({
        bootstrap: 'broker:19092',
        ports: scissors.around(clientPorts({ time, wires }, `client${clients++}`)),
      }),
  };
}

test('wherever the answers are cut off, a record is written once', async () => {
  const { world, admin, settle, client } = await start();
  await admin.createTopic('t');
  const sent: string[] = [];
  for (let cutAt = 0; ; cutAt += CUT_STEP) {
    const scissors = new Scissors(cutAt);
    const one = client(scissors);
    const producer = one.producer();
    const value = `cut at ${cutAt}`;
    sent.push(value);
    const { partition } = await settle(producer.send({ topic: 't', value }));
    assert.equal(partition, 0);
    await settle(one.close());
    if (!scissors.hasCut) break;
  }
  assert.ok(sent.length * CUT_STEP > 500, `${sent.length} cuts`);
  const reader = client().consumer({ assign: [{ topic: 't' }], from: 'earliest', maxWaitMs: 50 });
  const log: (string | null)[] = [];
  for (;;) {
    const batch = await settle(reader.poll({ timeoutMs: 1_000 }));
    if (batch === undefined) break;
    log.push(...batch.records.map(({ text }) => text));
  }
  assert.deepEqual(log, sent);
  await settle(reader.close());
  await world.stop();
});

test('wherever the answers are cut off, a member of a group reads and commits everything', async () => {
  const { world, admin, settle, client } = await start();
  await admin.createTopic('t');
  const values = ['a', 'b', 'c'];
  const whole = client();
  await settle(whole.producer().sendAll(values.map((value) => ({ topic: 't', value }))));
  let cuts = 0;
  for (let cutAt = 0; ; cutAt += CUT_STEP) {
    const scissors = new Scissors(cutAt);
    const one = client(scissors);
    const group = `g${cutAt}`;
    const consumer = one.consumer({ group, topics: ['t'], from: 'earliest', maxWaitMs: 50 });
    const seen: string[] = [];
    while (seen.length < values.length) {
      const batch = await settle(consumer.poll({ timeoutMs: 120_000 }));
      assert.ok(batch !== undefined, `stuck when cut at ${cutAt}`);
      seen.push(...batch.records.map(({ text }) => text!));
    }
    assert.deepEqual(seen, values, `cut at ${cutAt}`);
    await settle(consumer.commit());
    const [committed] = await settle(consumer.committed());
    assert.equal(committed?.offset, values.length, `cut at ${cutAt}`);
    await settle(one.close());
    if (!scissors.hasCut) break;
    cuts += 1;
  }
  assert.ok(cuts * CUT_STEP > 1_500, `${cuts} cuts`);
  await settle(whole.close());
  await world.stop();
});

test('a slow broker is waited for, gets no more than five requests at a time, and each record once', async () => {
  const cluster = new TestCluster();
  cluster.topic('t');
  let requests = 0;
  cluster.handlers.set(PRODUCE, async ({ body }) => {
    requests += 1;
    await new Promise<void>((resolve) => void cluster.time.schedule(5_000, resolve));
    return {
      throttleTimeMs: 0,
      responses: body.topicData.map(({ name, topicId }: { name: string; topicId: string }) => ({
        name,
        topicId,
        partitionResponses: [
          { index: 0, errorCode: 0, baseOffset: 0, logAppendTimeMs: -1, recordErrors: [] },
        ],
      })),
    };
  });
  const client = new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() });
  const producer = client.producer({ batchBytes: 1_000, deliveryTimeoutMs: 600_000 });
  const sends = Array.from({ length: 40 }, () => producer.send({ topic: 't', value: 'x'.repeat(400) }));
  await cluster.time.advance(40_000);
  assert.equal(producer.metrics().requestsInFlight, 5);
  await cluster.settle(Promise.all(sends));
  assert.equal(requests, 20);
  assert.equal(producer.metrics().retriedBatches, 0);
  await cluster.settle(client.close());
});

test('a group whose coordinator moves commits with the new one', async () => {
  const cluster = new TestCluster({ brokerCount: 3 });
  cluster.topic('t');
  let coordinator = 1;
  const commits: [nodeId: number, errorCode: number][] = [];
  cluster.handlers.set(FIND, () => {
    const at = { nodeId: coordinator, host: `b${coordinator}`, port: 9092, errorCode: 0, errorMessage: null };
    return { throttleTimeMs: 0, ...at, coordinators: [{ key: 'g', ...at }] };
  });
  cluster.handlers.set(COMMIT, ({ nodeId, body }) => {
    const errorCode = nodeId === coordinator ? 0 : Errors.NOT_COORDINATOR;
    commits.push([nodeId, errorCode]);
    return {
      throttleTimeMs: 0,
      topics: body.topics.map((topic: object) => ({
        ...topic,
        partitions: [{ partitionIndex: 0, errorCode }],
      })),
    };
  });
  const client = new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() });
  const consumer = client.consumer({ group: 'g', assign: [] });
  const commit = (offset: number) => cluster.settle(consumer.commit([{ topic: 't', partition: 0, offset }]));
  await commit(1);
  coordinator = 2;
  await commit(2);
  await commit(3);
  assert.deepEqual(commits, [
    [1, 0],
    [1, Errors.NOT_COORDINATOR],
    [2, 0],
    [2, 0],
  ]);
  await cluster.settle(client.close());
});

test('what a coordinator does not answer in its time is asked again before the call gives up', async () => {
  const cluster = new TestCluster();
  cluster.topic('t');
  let silences = 0;
  let commits = 0;
  const at = { nodeId: 0, host: 'b0', port: 9092, errorCode: 0, errorMessage: null };
  cluster.handlers.set(FIND, () => ({ throttleTimeMs: 0, ...at, coordinators: [{ key: 'g', ...at }] }));
  cluster.handlers.set(COMMIT, ({ body }) => {
    commits += 1;
    if (commits <= silences) return SILENCE;
    const topics = body.topics.map((topic: object) => ({
      ...topic,
      partitions: [{ partitionIndex: 0, errorCode: 0 }],
    }));
    return { throttleTimeMs: 0, topics };
  });
  const client = new Client({
    bootstrap: cluster.bootstrap,
    ports: cluster.clientPorts(),
    requestTimeoutMs: 1_000,
  });
  const consumer = client.consumer({ group: 'g', assign: [] });
  const commit = () => cluster.settle(consumer.commit([{ topic: 't', partition: 0, offset: 1 }]));
  silences = 1;
  await commit();
  assert.equal(commits, 2);
  [commits, silences] = [0, Infinity];
  await assert.rejects(commit(), { errorName: 'REQUEST_TIMED_OUT' });
  assert.equal(commits, 2);
  await cluster.settle(client.close());
});

test('the last commit of a consumer that closes takes its time and no more, though nobody answers', async () => {
  const cluster = new TestCluster();
  cluster.topic('t');
  const at = { nodeId: 0, host: 'b0', port: 9092, errorCode: 0, errorMessage: null };
  cluster.handlers.set(FIND, () => ({ throttleTimeMs: 0, ...at, coordinators: [{ key: 'g', ...at }] }));
  cluster.handlers.set(COMMIT, () => SILENCE);
  cluster.handlers.set(FETCH, () => SILENCE);
  const client = new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() });
  const consumer = client.consumer({ group: 'g', autoCommit: true });
  await cluster.settle(consumer.assign([{ topic: 't', partition: 0, from: 7 }]));
  let isClosed = false;
  const closing = consumer.close().then(() => (isClosed = true));
  await cluster.time.advance(6_000);
  assert.ok(isClosed);
  assert.equal(cluster.asked.filter(({ key }) => key === COMMIT).length, 1);
  await cluster.settle(closing);
  await cluster.settle(client.close());
});

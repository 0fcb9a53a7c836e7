/**
 * A producer and the members of a group under a broker that dies, restarts and is cut off, from a seed: what was
 * acknowledged is in the log once and in order, and the group has read all of it. `CLIENT_SEEDS=from-to` runs others.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testWorld } from '../broker/test-client.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { Client, type Consumer } from './client.ts';
import { clientPorts } from './test-cluster.ts';

const PARTITIONS = 3;
const STEPS = 40;
const [FROM = 1, TO = 3] = (process.env['CLIENT_SEEDS'] ?? '').split('-').filter(Boolean).map(Number);

async function simulate(seed: number): Promise<void> {
  const random = new SimulatedRandom(`client ${seed}`);
  const { world, client: raw } = await testWorld({
    'advertised.listeners': 'PLAINTEXT://broker:19092',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
  });
  const { time, wires } = world.ports;
  await raw.createTopic('t', { numPartitions: PARTITIONS });
  let clients = 0;
  const newClient = (): Client =>
    new Client({
      bootstrap: 'broker:19092',
      ports: clientPorts({ time, wires }, `client${clients++}`),
      requestTimeoutMs: 3_000,
      connectTimeoutMs: 2_000,
    });

  const sender = newClient();
  const producer = sender.producer({ batchBytes: 300 });
  const acknowledged: string[][] = Array.from({ length: PARTITIONS }, () => []);
  const offsets: number[][] = Array.from({ length: PARTITIONS }, () => []);
  const sends: Promise<void>[] = [];
  let sent = 0;
  const send = (): void => {
    const partition = random.integer(PARTITIONS);
    const value = `${sent++}`;
    acknowledged[partition]!.push(value);
    const at = acknowledged[partition]!.length - 1;
    sends.push(
      producer
        .send({ topic: 't', partition, value })
        .then(({ offset }) => void (offsets[partition]![at] = offset)),
    );
  };

  const read = new Set<string>();
  const members: { readonly consumer: Consumer; readonly client: Client; readonly ended: Promise<void> }[] =
    [];
  const join = (): void => {
    const client = newClient();
    const consumer = client.consumer({
      group: 'g',
      topics: ['t'],
      from: 'earliest',
      maxWaitMs: 50,
      sessionTimeoutMs: 3_000,
      heartbeatIntervalMs: 300,
      autoCommitIntervalMs: 500,
    });
    const run = async (): Promise<void> => {
      for await (const { partition, text } of consumer) read.add(`${partition}:${text}`);
    };
    members.push({ consumer, client, ended: run() });
  };

  join();
  for (let step = 0; step < STEPS; step++) {
    for (let n = random.integer(20); n > 0; n--) send();
    await time.advance(random.integer(400));
    const dice = random.integer(12);
    if (dice === 0) await world.restart({ kill: true });
    if (dice === 1) await world.restart();
    if (dice === 2) {
      const host = `client${random.integer(clients)}`;
      if (random.integer(2) === 0) wires.block(host, 'broker');
      else wires.block('broker', host);
      await time.advance(random.integer(5_000));
      wires.heal();
    }
    if (dice === 3 && members.length < 4) join();
    if (dice === 4 && members.length > 1) {
      const [gone] = members.splice(random.integer(members.length), 1);
      await time.settle(gone!.consumer.close());
      await time.settle(gone!.ended);
    }
  }
  wires.heal();
  await time.settle(Promise.all(sends));
  const wanted = acknowledged.flatMap((values, partition) => values.map((value) => `${partition}:${value}`));
  const isRead = await time.runUntil(() => wanted.every((one) => read.has(one)), 120_000);
  assert.ok(
    isRead,
    `${wanted.filter((one) => !read.has(one)).length} of ${wanted.length} records were not read`,
  );
  await time.settle(Promise.all(members.map(({ client }) => client.close())));

  // The whole log, as it is: each record once, in the order of the calls, where its acknowledgement says.
  const auditor = sender.consumer({ assign: [{ topic: 't' }], from: 'earliest', maxWaitMs: 50 });
  const log: string[][] = Array.from({ length: PARTITIONS }, () => []);
  for (let seen = 0; seen < wanted.length;) {
    const batch = (await time.settle(auditor.poll({ timeoutMs: 10_000 })))!;
    for (const record of batch) log[record.partition]![record.offset] = record.text!;
    seen += batch.records.length;
  }
  assert.deepEqual(log, acknowledged);
  for (const list of offsets) {
    for (const [at, offset] of list.entries())
      assert.ok(offset === at || offset === -1, `${offset} for ${at}`);
  }
  await time.settle(sender.close());
  await world.stop();
}

for (let seed = FROM; seed <= TO; seed++) {
  test(`seed ${seed}: what was acknowledged is written once, in order, and read`, () => simulate(seed));
}

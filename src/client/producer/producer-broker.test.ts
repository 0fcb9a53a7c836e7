// The producer against the real broker, on simulated ports: what was acknowledged is in the log, once and in order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testWorld, type TestClient, type TestWorld } from '../../broker/test-client.ts';
import { COMPRESSION_TYPES, compressionType, forEachBatch } from '../../protocol/record-batch.ts';
import { forEachRecord } from '../../protocol/records.ts';
import { Client, type ClientOptions } from '../client.ts';
import { clientPorts } from '../test-cluster.ts';
import { partitionOfKey } from './murmur2.ts';

const ADVERTISED = { 'advertised.listeners': 'PLAINTEXT://broker:19092' };

function clientOf(world: TestWorld, options: Partial<ClientOptions> = {}): Client {
  const { time, wires } = world.ports;
  return new Client({
    bootstrap: `broker:${world.broker.address.port}`,
    ports: clientPorts({ time, wires }, 'producer'),
    ...options,
  });
}

async function valuesOf(client: TestClient, topic: string, partition = 0): Promise<string[]> {
  const values: string[] = [];
  for (let offset = 0; ; offset = values.length) {
    const { records } = await client.fetch(topic, offset, { partition });
    const bytes = Buffer.concat(records ?? []);
    if (bytes.length === 0) return values;
    forEachBatch(bytes, (at, size) => {
      const batch = bytes.subarray(at, at + size);
      forEachRecord(batch, (one) => values.push(String(one.value)), { maxDecompressedBytes: 1 << 24 });
    });
  }
}

test('every codec is written as brokers want it', async () => {
  const { world, client: reader } = await testWorld(ADVERTISED);
  const client = clientOf(world);
  for (const compression of COMPRESSION_TYPES) {
    await reader.createTopic(compression);
    const producer = client.producer({ compression });
    const values = Array.from({ length: 2_000 }, (_, n) => `value ${n}`);
    const sent = producer.sendAll(
      values.map((value) => ({ topic: compression, value, headers: { a: 'b' } })),
    );
    await world.ports.time.settle(sent);
    assert.deepEqual(await valuesOf(reader, compression), values);
  }
  await world.ports.time.settle(client.close());
  await world.stop();
});

test('acknowledged records survive kills of the broker, once and in order', async () => {
  const { world } = await testWorld(ADVERTISED);
  const port = world.broker.address.port;
  const time = world.ports.time;
  let reader = await world.connect();
  await reader.createTopic('t', { numPartitions: 2 });
  const client = clientOf(world);
  const producer = client.producer({ batchBytes: 200 });
  const sent: Promise<unknown>[] = [];
  const values: string[][] = [[], []];
  for (let round = 0; round < 4; round++) {
    for (let n = 0; n < 100; n++) {
      const value = `${round}-${n}`;
      values[n % 2]!.push(value);
      sent.push(producer.send({ topic: 't', partition: n % 2, value }));
      if (n % 10 === 0) await time.advance(1);
    }
    await world.restart({ kill: true });
    assert.equal(world.broker.address.port, port);
  }
  await time.settle(Promise.all(sent));
  reader = await world.connect();
  assert.deepEqual(await valuesOf(reader, 't', 0), values[0]);
  assert.deepEqual(await valuesOf(reader, 't', 1), values[1]);
  await time.settle(client.close());
  await world.stop();
});

test("a user's own choice of partitions is asked, and compression may differ by topic", async () => {
  const { world, client: reader } = await testWorld(ADVERTISED);
  const client = clientOf(world);
  for (const topic of ['plain', 'small']) await reader.createTopic(topic, { numPartitions: 3 });
  const seen: string[] = [];
  const producer = client.producer({
    compression: (topic) => (topic === 'small' ? 'gzip' : 'none'),
    partitioner: ({ topic, value }, partitions) => {
      seen.push(`${topic} ${partitions.map(({ leader }) => leader).join()}`);
      if (value === 'nobody knows') throw new RangeError('no such partition');
      return value === 'by key' ? undefined : 2;
    },
  });
  const send = (topic: string, value: string, key?: string): Promise<{ partition: number }> =>
    world.ports.time.settle(producer.send({ topic, value, key }));
  assert.equal((await send('plain', 'a', 'k')).partition, 2);
  assert.equal((await send('small', 'a'.repeat(500))).partition, 2);
  assert.equal((await send('plain', 'by key', 'k')).partition, partitionOfKey(Buffer.from('k'), 1, 3));
  await assert.rejects(send('plain', 'nobody knows'), RangeError);
  const given = world.ports.time.settle(producer.send({ topic: 'plain', value: 'a', partition: 0 }));
  assert.equal((await given).partition, 0);
  assert.deepEqual([...new Set(seen)], ['plain 1,1,1', 'small 1,1,1']);
  const kindOf = async (topic: string): Promise<string | undefined> => {
    const { records } = await reader.fetch(topic, 0, { partition: 2 });
    return compressionType(Buffer.concat(records!));
  };
  assert.deepEqual([await kindOf('plain'), await kindOf('small')], ['none', 'gzip']);
  await world.ports.time.settle(client.close());
  await world.stop();
});

/** Fetch answers whose records leave from the file are the same bytes as those that are read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { SimulatedRegion } from '../runtime/simulated-region.ts';
import { batchOf, fetchBody, testWorld, type TestClient } from './test-client.ts';

const PARTITIONS = 3;

function bodyOf(offsets: readonly number[], options: Parameters<typeof fetchBody>[2]) {
  const body = fetchBody('t', 0, options);
  const one = body.topics[0]!.partitions[0]!;
  const partitions = offsets.map((fetchOffset, partition) => ({ ...one, partition, fetchOffset }));
  return { ...body, topics: [{ ...body.topics[0]!, partitions }] };
}

async function fill(client: TestClient): Promise<void> {
  await client.createTopic('t', { numPartitions: PARTITIONS });
  for (let n = 0; n < 60; n++) {
    const values = Array.from({ length: 1 + (n % 4) }, (_, index) => 'x'.repeat(200 + n * 30 + index));
    await client.produce('t', batchOf(values), { partition: n % PARTITIONS });
  }
}

/** All answers of readers with different limits, and how many regions were asked for and let go of. */
async function answersWith(regionBytesMin: number, isolationLevel: number) {
  const { world, client } = await testWorld({}, { regionBytesMin });
  await fill(client);
  const answers: FetchResponse[] = [];
  for (const version of [4, 11, 12]) {
    for (const maxBytes of [1, 3_000, 20_000, 1_000_000]) {
      let offsets = [0, 0, 0];
      for (let turn = 0; turn < 8; turn++) {
        const body = bodyOf(offsets, { maxBytes, partitionMaxBytes: maxBytes, isolationLevel });
        const answer = await client.request(FetchRequest, FetchResponse, version, body);
        answers.push(answer);
        const next = [...offsets];
        for (const { partitionIndex, records } of answer.responses[0]!.partitions) {
          const bytes = Buffer.concat(records ?? []);
          for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8))
            next[partitionIndex] = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23) + 1;
        }
        offsets = next;
      }
    }
  }
  await world.stop();
  return answers;
}

for (const isolationLevel of [0, 1]) {
  test(`answers are the same with and without regions, isolation level ${isolationLevel}`, async (t) => {
    const read = t.mock.method(SimulatedRegion.prototype, 'read');
    const release = t.mock.method(SimulatedRegion.prototype, 'release');
    const plain = await answersWith(Infinity, isolationLevel);
    assert.equal(read.mock.callCount(), 0);
    const sent = await answersWith(1, isolationLevel);
    assert.ok(read.mock.callCount() > 50, `${read.mock.callCount()} reads of regions`);
    const users = new Set(read.mock.calls.map((call) => call.this));
    const released = release.mock.calls.map((call) => call.this);
    assert.equal(new Set(released).size, released.length);
    for (const region of users) assert.ok(released.includes(region));
    assert.deepEqual(sent, plain);
  });
}

test('regions that were read for nothing are let go of: a client that has gone, one that waits for more', async (t) => {
  const made: SimulatedRegion[] = [];
  const released = t.mock.method(SimulatedRegion.prototype, 'release');
  const { world, client } = await testWorld({}, { regionBytesMin: 1 });
  await fill(client);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const log = world.broker.services.partitions.get('t', partition)!.log!;
    const { read } = log;
    t.mock.method(log, 'read', function (this: typeof log, ...options: Parameters<typeof read>) {
      const found = read.apply(this, options);
      if (!(found instanceof Promise) && found.region !== undefined)
        made.push(found.region as SimulatedRegion);
      return found;
    });
  }
  // More than there is: it waits, and looks again whenever something is appended.
  const waits = client.request(
    FetchRequest,
    FetchResponse,
    12,
    bodyOf([0, 0, 0], { maxBytes: 900_000, partitionMaxBytes: 900_000, minBytes: 500_000, maxWaitMs: 2_000 }),
  );
  const producer = await world.connect();
  for (let n = 0; n < 3; n++) await producer.produce('t', batchOf(['y'.repeat(10_000)]), { partition: n });
  await waits;
  assert.ok(made.length > PARTITIONS, `${made.length} regions`);
  // Answers that never leave: the peer does not read, and then goes.
  const stopped = await world.connect();
  stopped.connection.pause();
  for (let n = 0; n < 5; n++) void stopped.send(FetchRequest, FetchResponse, 12, bodyOf([0, 0, 0], {}));
  await world.ports.time.advance(200);
  stopped.connection.destroy();
  await world.ports.time.advance(200);
  assert.ok(made.length > 2 * PARTITIONS);
  const gone = new Set(released.mock.calls.map((call) => call.this));
  assert.deepEqual([gone.size, released.mock.callCount()], [made.length, made.length]);
  await world.stop();
});

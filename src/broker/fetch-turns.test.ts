/** What a Fetch request reads of many partitions: how much, which first, and how many at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import * as header from '../protocol/record-batch.ts';
import { batchOf, fetchBody, testWorld, type FetchOptions, type TestClient } from './test-client.ts';

const MIB = 1024 * 1024;

function bodyOf(offsets: readonly number[], options: Partial<FetchOptions> = {}) {
  const body = fetchBody('t', 0, options);
  const one = body.topics[0]!.partitions[0]!;
  const partitions = offsets.map((fetchOffset, partition) => ({ ...one, partition, fetchOffset }));
  return { ...body, topics: [{ ...body.topics[0]!, partitions }] };
}

/** Fetches all partitions from these offsets; the bytes of each, and where it goes on. */
async function fetchAll(client: TestClient, offsets: readonly number[], options: Partial<FetchOptions> = {}) {
  const answer = await client.request(FetchRequest, FetchResponse, 12, bodyOf(offsets, options));
  const next = [...offsets];
  const sizes = offsets.map(() => 0);
  for (const { partitionIndex, records } of answer.responses[0]!.partitions) {
    const bytes = Buffer.concat(records ?? []);
    sizes[partitionIndex] = bytes.length;
    header.forEachBatch(bytes, (at) => {
      assert.equal(header.baseOffset(bytes, at), next[partitionIndex]);
      next[partitionIndex] = header.lastOffset(bytes, at) + 1;
    });
  }
  return { sizes, next, total: sizes.reduce((sum, size) => sum + size, 0) };
}

async function filled(partitions: number, batchesEach: number, value: string) {
  const { client, world } = await testWorld();
  await client.createTopic('t', { numPartitions: partitions });
  for (let partition = 0; partition < partitions; partition++) {
    for (let n = 0; n < batchesEach; n++) await client.produce('t', batchOf([value]), { partition });
  }
  return { client, world };
}

test('an answer is of a size that leaves time for others, and without a session partitions take turns', async () => {
  const { client, world } = await filled(8, 4, 'x'.repeat(400_000));
  let offsets = Array.from({ length: 8 }, () => 0);
  const first = await fetchAll(client, offsets);
  assert.ok(first.total > 0.7 * MIB && first.total <= MIB, String(first.sizes));
  // Always from the same offsets: every partition gets its turn nevertheless.
  const seen = new Set<number>();
  for (let n = 0; n < 8; n++) {
    const { sizes } = await fetchAll(client, offsets);
    sizes.forEach((size, partition) => size > 0 && seen.add(partition));
  }
  assert.equal(seen.size, 8);
  let rounds = 0;
  for (; offsets.some((offset) => offset < 4); rounds++) offsets = (await fetchAll(client, offsets)).next;
  assert.ok(rounds >= 12 && rounds < 24, `${rounds} answers`);
  await world.stop();
});

test('fetch.min.bytes may ask for more, and a smaller fetch.max.bytes is kept to in the order of the request', async () => {
  const { client, world } = await filled(8, 4, 'x'.repeat(400_000));
  const offsets = Array.from({ length: 8 }, () => 0);
  const large = await fetchAll(client, offsets, { minBytes: 6 * MIB, maxWaitMs: 1000 });
  assert.ok(large.total >= 6 * MIB, String(large.sizes));
  for (let n = 0; n < 3; n++) {
    const { sizes } = await fetchAll(client, offsets, { maxBytes: MIB / 2 });
    assert.ok(sizes[0]! > 400_000 && sizes[7] === 0, String(sizes));
  }
  await world.stop();
});

test('cold partitions of one request are read side by side, and the first batch comes whatever its size', async () => {
  const { world } = await filled(6, 3, 'x'.repeat(50_000));
  // After a restart nothing counts as recent.
  await world.restart();
  let atOnce = 0;
  let atOnceMax = 0;
  for (let partition = 0; partition < 6; partition++) {
    const log = world.broker.services.partitions.get('t', partition)!.log!;
    const read = log.read.bind(log);
    log.read = (options) => {
      const result = read(options);
      if (!(result instanceof Promise)) return result;
      atOnce += 1;
      atOnceMax = Math.max(atOnceMax, atOnce);
      return result.finally(() => (atOnce -= 1));
    };
  }
  const again = await world.connect();
  const all = await fetchAll(again, [0, 0, 0, 0, 0, 0], { partitionMaxBytes: 200_000 });
  assert.deepEqual(all.next, [3, 3, 3, 3, 3, 3]);
  assert.ok(atOnceMax >= 4, `${atOnceMax} at once`);
  // Nothing in the first ones: the first batch of a later one comes although it is larger than what it may be.
  const late = await fetchAll(again, [3, 3, 0, 0, 0, 0], { partitionMaxBytes: 1000 });
  assert.deepEqual(late.next, [3, 3, 1, 0, 0, 0]);
  const none = await fetchAll(again, [3, 3, 3, 3, 3, 3]);
  assert.equal(none.total, 0);
  await world.stop();
});

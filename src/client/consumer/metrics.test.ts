// What a consumer counts, and what interceptors do to it, against the real broker on simulated ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConsumerRecord, OffsetToCommit } from '../client.ts';
import { scene } from '../test-scene.ts';

const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);

test('a consumer counts what it fetches, hands out and commits', async () => {
  const { client, admin, send, settle, end } = await scene();
  await admin.createTopic('t', { numPartitions: 1 });
  await send('t', 0, numbered(10));
  const consumer = client.consumer({ group: 'g', topics: ['t'], from: 'earliest', autoCommit: false });
  assert.equal(consumer.metrics().requests, 0);
  const batch = await settle(consumer.poll());
  await settle(consumer.commit());
  const metrics = consumer.metrics();
  assert.equal(metrics.receivedRecords, batch!.records.length);
  assert.deepEqual(
    [metrics.receivedBatches, metrics.commits, metrics.failedCommits, metrics.assignments],
    [1, 1, 0, 1],
  );
  assert.ok(metrics.requests >= 1 && metrics.fetchedBytes > 10 && metrics.requestMs > 0);
  assert.equal(metrics.failedRequests, 0);
  await settle(consumer.close());
  await end();
});

test('interceptors change what is handed out, in their order, and hear of commits', async () => {
  const { client, admin, send, settle, end } = await scene();
  await admin.createTopic('t', { numPartitions: 1 });
  await send('t', 0, numbered(10));
  await send('t', 0, ['10', '11']);
  const committed: OffsetToCommit[] = [];
  const asked: number[] = [];
  const even = (records: readonly ConsumerRecord[]) =>
    records.filter(({ offset }) => offset % 2 === 0 && offset < 10);
  const consumer = client.consumer({
    group: 'g',
    topics: ['t'],
    from: 'earliest',
    interceptors: [
      { onReceived: even, onCommitted: (offsets) => void committed.push(...offsets) },
      {
        onReceived(records) {
          asked.push(...records.map(({ offset }) => offset));
          return records.filter(({ offset }) => offset !== 4);
        },
      },
    ],
  });
  const seen: number[] = [];
  const reading = async (): Promise<void> => {
    for await (const { offset } of consumer) {
      seen.push(offset);
      if (offset === 8) break;
    }
  };
  await settle(reading());
  assert.deepEqual(seen, [0, 2, 6, 8]);
  assert.deepEqual(asked.slice(0, 5), [0, 2, 4, 6, 8]);
  assert.equal(
    await settle(consumer.poll({ timeoutMs: 200 })),
    undefined,
    'all of the last batch was left out',
  );
  await settle(consumer.close());
  assert.deepEqual(
    committed.map(({ offset }) => offset),
    [12],
  );
  await end();
});

test('what an interceptor throws is told, and its batch comes again', async () => {
  const { client, admin, send, settle, end } = await scene();
  await admin.createTopic('t', { numPartitions: 1 });
  await send('t', 0, numbered(3));
  let times = 0;
  const onReceived = (records: readonly ConsumerRecord[]) => {
    times += 1;
    if (times === 1) throw new Error('not now');
    return records;
  };
  const consumer = client.consumer({
    assign: [{ topic: 't', from: 'earliest' }],
    interceptors: [{ onReceived }],
  });
  await assert.rejects(settle(consumer.poll()), /^Error: not now$/);
  const batch = await settle(consumer.poll());
  assert.deepEqual(
    batch!.records.map(({ text }) => text),
    numbered(3),
  );
  await settle(consumer.close());
  await end();
});

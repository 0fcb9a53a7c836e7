// Topics that take smaller batches than the producer makes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { baseSequence, producerEpoch, producerId, recordCount } from '../../protocol/record-batch.ts';
import { forEachRecord } from '../../protocol/records.ts';
import { Client, type ProducerOptions, type SentRange } from '../client.ts';
import { TestCluster } from '../test-cluster.ts';
import { scene } from '../test-scene.ts';

const PRODUCE = 0;

interface Written {
  readonly text: string;
  readonly headers: string[];
}

/** A broker that takes batches up to a size, in the order of their sequence numbers. */
function start(bytesMax: number, options: ProducerOptions) {
  const cluster = new TestCluster();
  cluster.topic('t', [0]);
  const log: Written[] = [];
  const errors: number[] = [];
  /** By producer epoch. */
  const sequences = new Map<string, number>();
  const append = (records: Buffer): { errorCode: number; baseOffset: number } => {
    if (records.length > bytesMax) return { errorCode: Errors.MESSAGE_TOO_LARGE, baseOffset: -1 };
    const producer = `${producerId(records)} ${producerEpoch(records)}`;
    const sequence = sequences.get(producer) ?? 0;
    if (baseSequence(records) !== sequence) {
      return { errorCode: Errors.OUT_OF_ORDER_SEQUENCE_NUMBER, baseOffset: -1 };
    }
    sequences.set(producer, sequence + recordCount(records));
    const baseOffset = log.length;
    forEachRecord(
      records,
      ({ key, value, headers, timestamp }) =>
        log.push({
          text: `${key?.toString() ?? null}=${value?.toString() ?? null}@${timestamp}`,
          headers: headers.map((one) => `${one.key}:${one.value?.toString() ?? null}`),
        }),
      { maxDecompressedBytes: 1 << 20 },
    );
    return { errorCode: 0, baseOffset };
  };
  cluster.handlers.set(PRODUCE, ({ body }) => ({
    throttleTimeMs: 0,
    responses: body.topicData.map((topic: { name: string; topicId: string; partitionData: [] }) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map(
        ({ index, records }: { index: number; records: Buffer }) => {
          const { errorCode, baseOffset } = append(records);
          errors.push(errorCode);
          return { index, errorCode, baseOffset, logAppendTimeMs: -1, recordErrors: [] };
        },
      ),
    })),
  }));
  const client = new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() });
  return { cluster, client, producer: client.producer(options), log, errors };
}

for (const compression of ['none', 'gzip'] as const) {
  test(`a batch that is too large goes on as two, in order, for all who wait (${compression})`, async () => {
    const { cluster, producer, log, errors } = start(300, { compression, batchBytes: 4_000 });
    await cluster.settle(producer.send({ topic: 't', value: 'known', timestamp: 0 }));
    // What does not compress, in all ways of sending, with more than one request under way.
    const value = (n: number): string =>
      Buffer.from(`${n * 7919 * 104_729}`)
        .toString('base64')
        .repeat(2) + n;
    const record = (n: number) => ({
      topic: 't',
      key: n % 3 === 0 ? null : `k${n}`,
      value: n % 5 === 0 ? null : value(n),
      headers: n % 4 === 0 ? [['h', `${n}`] as const, ['h', null] as const] : [],
      timestamp: 1_000 - n,
    });
    const sends: Promise<{ offset: number }>[] = [];
    const groups: Promise<SentRange[]>[] = [];
    for (let n = 0; n < 300; n++) {
      if (n % 10 < 4) sends.push(producer.send(record(n)));
      else if (n % 10 === 4) groups.push(producer.sendAll([5, 6, 7].map((more) => record(n - 4 + more))));
      else if (n % 10 === 8) producer.write(record(n));
    }
    await cluster.settle(producer.flush());
    const offsets = await Promise.all(sends);
    const ranges = (await Promise.all(groups)).flat();
    const order = Array.from({ length: 300 }, (_, n) => n).filter((n) => n % 10 !== 4 && n % 10 !== 9);
    const wanted = order.map((n) => {
      const one = record(n);
      return {
        text: `${one.key}=${one.value}@${one.timestamp}`,
        headers: one.headers.map(([key, text]) => `${key}:${text}`),
      };
    });
    assert.deepEqual(log.slice(1), wanted);
    const sent = order.filter((n) => n % 10 < 4);
    assert.deepEqual(
      offsets.map(({ offset }) => offset),
      sent.map((n) => 1 + order.indexOf(n)),
    );
    assert.equal(
      ranges.reduce((sum, { count }) => sum + count, 0),
      90,
    );
    for (const { baseOffset, count } of ranges) {
      for (let n = 0; n < count; n++) assert.match(log[baseOffset + n]!.text, /@/);
    }
    const { splitBatches, bufferedBytes, sentRecords } = producer.metrics();
    assert.ok(splitBatches > 0);
    assert.equal(splitBatches, errors.filter((code) => code === Errors.MESSAGE_TOO_LARGE).length);
    assert.deepEqual([bufferedBytes, sentRecords], [0, 241]);
    // From now on batches have the right size at once.
    await cluster.settle(producer.sendAll(order.map(record)));
    assert.equal(producer.metrics().splitBatches, splitBatches);
  });
}

test('a record that is too large on its own fails alone, those beside it do not', async () => {
  const { cluster, client, producer, log } = start(300, { batchBytes: 100_000 });
  await cluster.settle(producer.send({ topic: 't', value: 'known' }));
  const values = ['a', 'b', 'c'.repeat(1_000), 'd', 'e'];
  const results = await cluster.settle(
    Promise.allSettled(values.map((value) => producer.send({ topic: 't', value }))),
  );
  assert.deepEqual(
    results.map((one) =>
      one.status === 'fulfilled' ? 'sent' : (one.reason as { errorName: string }).errorName,
    ),
    ['sent', 'sent', 'MESSAGE_TOO_LARGE', 'sent', 'sent'],
  );
  assert.deepEqual(
    log.map(({ text }) => text.split('@')[0]),
    ['null=known', 'null=a', 'null=b', 'null=d', 'null=e'],
  );
  await cluster.settle(client.close());
});

test('a real topic with a small max.message.bytes gets everything, within a transaction too', async () => {
  const { admin, client, settle, end } = await scene();
  await admin.createTopic('t', { configs: { 'max.message.bytes': '500' } });
  const values = Array.from({ length: 500 }, (_, n) => `value ${n}`);
  await settle(client.producer().sendAll(values.map((value) => ({ topic: 't', value }))));
  const transactional = client.transactionalProducer({ transactionalId: 'x' });
  const transaction = await settle(transactional.begin());
  await settle(transaction.sendAll(values.map((value) => ({ topic: 't', value }))));
  await settle(transaction.commit());
  const consumer = client.consumer({ assign: [{ topic: 't' }], from: 'earliest' });
  const seen: string[] = [];
  while (seen.length < 1_000) {
    const batch = await settle(consumer.poll());
    seen.push(...batch!.records.map(({ text }) => text!));
  }
  assert.deepEqual(seen, [...values, ...values]);
  await end();
});

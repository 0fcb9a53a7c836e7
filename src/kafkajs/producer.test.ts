// KafkaJS's producer against the real broker, on simulated ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConsumerRecord } from '../client/client.ts';
import {
  CompressionCodecs,
  CompressionTypes,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSNotImplemented,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
  Partitioners,
  type Message,
  type Producer,
} from './kafkajs.ts';
import { kafkaScene, type KafkaScene } from './test-scene.ts';

async function connected(
  scene: KafkaScene,
  config: Parameters<KafkaScene['kafka']['producer']>[0] = {},
): Promise<Producer> {
  const producer = scene.kafka.producer(config);
  await scene.settle(producer.connect());
  return producer;
}

async function recordsOf(scene: KafkaScene, topic: string, count: number): Promise<ConsumerRecord[]> {
  const reader = scene.client.consumer({ assign: [{ topic, from: 'earliest' }] });
  const records: ConsumerRecord[] = [];
  while (records.length < count) records.push(...(await scene.settle(reader.poll()))!.records);
  await scene.settle(reader.close());
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

test('messages go as they are: keys, values, headers, times, partitions', async () => {
  const scene = await kafkaScene();
  await scene.admin.createTopic('t', { numPartitions: 2 });
  const producer = await connected(scene);
  const messages: Message[] = [
    {
      partition: 1,
      key: 'k',
      value: 'text',
      timestamp: '1600000000000',
      headers: { one: 'x', many: ['a', Buffer.from('b')] },
    },
    { partition: 1, key: Buffer.from('k'), value: null },
    { partition: 0, value: Buffer.from([0, 255]) },
  ];
  const sent = await scene.settle(producer.send({ topic: 't', messages }));
  assert.deepEqual(sent, [
    { topicName: 't', partition: 0, errorCode: 0, baseOffset: '0', logAppendTime: '-1' },
    { topicName: 't', partition: 1, errorCode: 0, baseOffset: '0', logAppendTime: '-1' },
  ]);
  const again = await scene.settle(producer.send({ topic: 't', messages: messages.slice(0, 2) }));
  assert.deepEqual(again, [
    { topicName: 't', partition: 1, errorCode: 0, baseOffset: '2', logAppendTime: '-1' },
  ]);
  await scene.admin.createTopic('stamped', { configs: { 'message.timestamp.type': 'LogAppendTime' } });
  const stamped = await scene.settle(
    producer.send({ topic: 'stamped', messages: [{ value: 'x', timestamp: '5' }] }),
  );
  const [{ timestamp }] = (await recordsOf(scene, 'stamped', 1)) as [ConsumerRecord];
  assert.ok(timestamp > 5 && stamped[0]!.logAppendTime === `${timestamp}`);
  const [binary, first, tombstone] = await recordsOf(scene, 't', 5);
  assert.deepEqual([binary!.key, binary!.value], [null, Buffer.from([0, 255])]);
  assert.deepEqual([first!.keyText, first!.text, first!.timestamp], ['k', 'text', 1_600_000_000_000]);
  assert.deepEqual(
    first!.headers.map(({ key, value }) => `${key}=${String(value)}`),
    ['one=x', 'many=a', 'many=b'],
  );
  assert.deepEqual([tombstone!.keyText, tombstone!.value], ['k', null]);
  await scene.settle(producer.disconnect());
  await scene.end();
});

test('a batch goes to several topics; each acks has its answer; all codecs work without others', async () => {
  const scene = await kafkaScene();
  const producer = await connected(scene);
  CompressionCodecs[CompressionTypes.Snappy] = () => {
    throw new Error('codecs are not called');
  };
  const sent: string[] = [];
  for (const compression of Object.values(CompressionTypes)) {
    for (const acks of [-1, 1, 0]) {
      const topicMessages = ['a', 'b', 'a'].map((topic) => ({
        topic,
        messages: [{ value: `${compression} ${acks}` }],
      }));
      const answer = await scene.settle(producer.sendBatch({ acks, compression, topicMessages }));
      sent.push(answer.map(({ topicName, baseOffset }) => `${topicName}${baseOffset}`).join());
    }
  }
  assert.deepEqual(sent.slice(0, 4), ['a0,b0', 'a2,b1', '', 'a6,b3']);
  assert.equal((await recordsOf(scene, 'a', 30)).length, 30);
  await scene.settle(producer.disconnect());
  await scene.end();
});

test('partitions: by key as everybody does, in turns without one, or by a partitioner of the application', async () => {
  const scene = await kafkaScene();
  await scene.admin.createTopic('t', { numPartitions: 3 });
  const producer = await connected(scene);
  const messages = Array.from({ length: 9 }, (_, n) => ({ value: `${n}` }));
  const sent = await scene.settle(producer.send({ topic: 't', messages }));
  assert.deepEqual(
    sent.map(({ partition }) => partition),
    [0, 1, 2],
  );
  assert.equal((await recordsOf(scene, 't', 9)).filter(({ partition }) => partition === 2).length, 3);
  const [keyed] = await scene.settle(producer.send({ topic: 't', messages: [{ key: 'k', value: 'v' }] }));
  const java = Partitioners.JavaCompatiblePartitioner();
  const partitionMetadata = [0, 1, 2].map((partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 1,
    replicas: [1],
    isr: [1],
  }));
  assert.equal(keyed!.partition, java({ topic: 't', partitionMetadata, message: { key: 'k', value: 'v' } }));
  const seen: unknown[] = [];
  const own = await connected(scene, {
    createPartitioner:
      () =>
      ({ topic, partitionMetadata: shown, message }) => {
        seen.push([topic, shown.map(({ partitionId, leader }) => [partitionId, leader]), message.value]);
        return 1;
      },
  });
  const [chosen] = await scene.settle(own.send({ topic: 't', messages: [{ key: 'k', value: 'v' }] }));
  assert.equal(chosen!.partition, 1);
  assert.deepEqual(seen, [
    [
      't',
      [
        [0, 1],
        [1, 1],
        [2, 1],
      ],
      'v',
    ],
  ]);
  await scene.settle(Promise.all([producer.disconnect(), own.disconnect()]));
  await scene.end();
});

test('what makes no sense is refused before anything is sent', async () => {
  const scene = await kafkaScene();
  const producer = scene.kafka.producer({ idempotent: true });
  const refuses = (send: Promise<unknown>, kind: typeof KafkaJSError, message: RegExp) =>
    assert.rejects(send, (error: Error) => {
      assert.ok(error instanceof kind, error.name);
      assert.match(error.message, message);
      return true;
    });
  await refuses(producer.send({ topic: 't', messages: [] }), KafkaJSError, /disconnected/);
  await scene.settle(producer.connect());
  await refuses(producer.send({ topic: '', messages: [] }), KafkaJSNonRetriableError, /Invalid topic/);
  await refuses(producer.send({ topic: 't' } as never), KafkaJSNonRetriableError, /Invalid messages array/);
  await refuses(
    producer.send({ topic: 't', messages: [{} as Message] }),
    KafkaJSNonRetriableError,
    /without value/,
  );
  await refuses(producer.send({ topic: 't', acks: 1, messages: [] }), KafkaJSNonRetriableError, /EoS/);
  await refuses(producer.transaction(), KafkaJSNonRetriableError, /transactional id/);
  await refuses(
    producer.send({ topic: 't', compression: 7 as never, messages: [{ value: 'x' }] }),
    KafkaJSNotImplemented,
    /compression/,
  );
  assert.equal(producer.isIdempotent(), true);
  assert.throws(
    () => scene.kafka.producer({ idempotent: true, retry: { retries: 0 } }),
    KafkaJSNonRetriableError,
  );
  await scene.settle(producer.disconnect());
  await scene.end();
});

test('what a broker says no to has its type and code; nobody there is a connection error after so many tries', async () => {
  const scene = await kafkaScene();
  await scene.admin.createTopic('t', { configs: { 'max.message.bytes': '200' } });
  const producer = await connected(scene);
  await assert.rejects(
    scene.settle(producer.send({ topic: 't', messages: [{ value: 'x'.repeat(1_000) }] })),
    (error: KafkaJSProtocolError) => {
      assert.ok(error instanceof KafkaJSProtocolError);
      assert.deepEqual([error.type, error.code, error.retriable], ['MESSAGE_TOO_LARGE', 10, false]);
      return true;
    },
  );
  const nobody = scene.newKafka({
    brokers: async () => Promise.resolve(['nowhere:1']),
    retry: { retries: 2 },
  });
  await assert.rejects(scene.settle(nobody.producer().connect()), (error: KafkaJSNumberOfRetriesExceeded) => {
    assert.ok(error instanceof KafkaJSNumberOfRetriesExceeded);
    assert.equal(error.retryCount, 2);
    assert.equal(error.cause!.name, 'KafkaJSConnectionError');
    return true;
  });
  for (const brokers of [[], undefined, ['']] as string[][]) {
    await assert.rejects(
      scene.settle(scene.newKafka({ brokers }).admin().connect()),
      KafkaJSNonRetriableError,
    );
  }
  await scene.settle(producer.disconnect());
  await scene.end();
});

test('events tell of connections and requests, until their listener is removed', async () => {
  const scene = await kafkaScene();
  const producer = scene.kafka.producer();
  const told: string[] = [];
  producer.on('producer.connect', ({ type, payload }) => told.push(`${type} ${payload}`));
  producer.on(producer.events.DISCONNECT, ({ type }) => told.push(type));
  const remove = producer.on(producer.events.REQUEST, ({ payload }) => {
    told.push(`${payload.apiName} ${payload.broker} ${payload.clientId}`);
    throw new Error('listeners harm nobody');
  });
  assert.throws(() => producer.on('producer.nothing' as never, () => {}), KafkaJSNonRetriableError);
  await scene.settle(producer.connect());
  await scene.settle(producer.send({ topic: 't', messages: [{ value: 'x' }] }));
  remove();
  await scene.settle(producer.send({ topic: 't', messages: [{ value: 'x' }] }));
  await scene.settle(producer.disconnect());
  assert.equal(told[0], 'Metadata broker:19092 app');
  assert.equal(told.filter((one) => one.startsWith('Produce ')).length, 1);
  assert.ok(told.includes('producer.connect null') && told.at(-1) === 'producer.disconnect');
  assert.ok(scene.log.some(({ log }) => /listeners harm nobody/.test(log.message)));
  await scene.end();
});

test('a transaction is seen whole or not at all, with the offsets that belong to it', async () => {
  const scene = await kafkaScene();
  await scene.admin.createTopic('t');
  const producer = await connected(scene, { transactionalId: 'x', idempotent: true, maxInFlightRequests: 1 });
  const lost = await scene.settle(producer.transaction());
  await scene.settle(lost.send({ topic: 't', messages: [{ value: 'lost' }] }));
  await assert.rejects(scene.settle(producer.transaction()), /ongoing transaction/);
  await scene.settle(lost.abort());
  assert.equal(lost.isActive(), false);
  await assert.rejects(lost.send({ topic: 't', messages: [{ value: 'late' }] }), /once ended/);
  const kept = await scene.settle(producer.transaction());
  assert.equal(kept.isActive(), true);
  await scene.settle(kept.sendBatch({ topicMessages: [{ topic: 't', messages: [{ value: 'kept' }] }] }));
  await scene.settle(
    kept.sendOffsets({
      consumerGroupId: 'g',
      topics: [{ topic: 't', partitions: [{ partition: 0, offset: '7' }] }],
    }),
  );
  await scene.settle(kept.commit());
  assert.deepEqual(
    (await recordsOf(scene, 't', 1)).map(({ text }) => text),
    ['kept'],
  );
  const admin = scene.kafka.admin();
  const [offsets] = await scene.settle(admin.fetchOffsets({ groupId: 'g', topics: ['t'] }));
  assert.equal(offsets!.partitions[0]!.offset, '7');
  await scene.settle(Promise.all([producer.disconnect(), admin.disconnect()]));
  await scene.end();
});

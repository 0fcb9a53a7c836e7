// One program, with KafkaJS and with headrace/kafkajs in its place: what it sees is the same. And both in one group.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import kafkajs from 'kafkajs';
import * as facade from '../../src/kafkajs/kafkajs.ts';
import { startTarget, type Target } from './target.ts';
import { until } from './until.ts';

process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1';

/** KafkaJS's types are not ours by name, so each is used as the other. */
type Library = typeof facade;
const LIBRARIES: Readonly<Record<string, Library>> = { kafkajs: kafkajs as unknown as Library, facade };

let target: Target;
before(async () => {
  target = await startTarget();
});
after(() => target?.discard());

const kafkaOf = (library: Library): facade.Kafka =>
  new library.Kafka({ clientId: 'one', brokers: [target.bootstrap], logLevel: library.logLevel.NOTHING });

/** Runs a program with each; what comes back is asserted to be the same, and yielded. */
async function same<T>(program: (library: Library, prefix: string) => Promise<T>): Promise<T> {
  const seen: [string, T][] = [];
  for (const [name, library] of Object.entries(LIBRARIES)) {
    const prefix = `${name}-${process.hrtime.bigint()}`;
    const text = JSON.stringify(await program(library, prefix)).replaceAll(prefix, 'prefix');
    seen.push([name, JSON.parse(text) as T]);
  }
  assert.deepEqual(seen[1]![1], seen[0]![1]);
  return seen[0]![1];
}

const failureOf = (call: Promise<unknown>): Promise<Error> =>
  call.then(
    () => assert.fail('nothing has failed'),
    (error: Error) => error,
  );

test('what is sent and what is read are the same, with headers, keys, partitions and tombstones', async () => {
  const seen = await same(async (library, topic) => {
    const kafka = kafkaOf(library);
    const [admin, producer] = [kafka.admin(), kafka.producer()];
    const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 });
    await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
    await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
    const messages = Array.from({ length: 30 }, (_, n) => ({
      key: `key ${n}`,
      value: n % 7 === 0 ? null : `value ${n}`,
      timestamp: `${1_700_000_000_000 + n}`,
      headers: { one: `${n}`, many: ['a', 'b'], bytes: Buffer.from([n]) },
    }));
    const sent = await producer.send({ topic, messages, compression: library.CompressionTypes.GZIP });
    const read: unknown[] = [];
    const joined: unknown[] = [];
    consumer.on(consumer.events.GROUP_JOIN, ({ payload: { isLeader, groupProtocol, memberAssignment } }) => {
      joined.push([isLeader, groupProtocol, memberAssignment]);
    });
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        const { key, value, offset, timestamp, attributes, headers } = message;
        read.push([partition, Number(offset), { key, value, timestamp, attributes, headers }]);
      },
    });
    await until('all are read', () => read.length === messages.length);
    const described = await consumer.describeGroup();
    await consumer.disconnect();
    const offsets = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
    const bounds = await admin.fetchTopicOffsets(topic);
    const times = await admin.fetchTopicOffsetsByTimestamp(topic, 1_700_000_000_015);
    await Promise.all([admin.disconnect(), producer.disconnect()]);
    const place = ([partition, offset]: [number, number]): number => partition * 1e6 + offset;
    return {
      sent: sent
        .map(({ topicName, partition, errorCode, baseOffset }) => ({
          topicName,
          partition,
          errorCode,
          baseOffset,
        }))
        .sort((a, b) => a.partition - b.partition),
      read: (read as [number, number][]).sort((a, b) => place(a) - place(b)),
      joined,
      group: [described.state, described.protocol, described.protocolType, described.members.length],
      offsets: offsets.map(({ topic: name, partitions }) => [name, partitions]),
      bounds: [...bounds].sort((a, b) => a.partition - b.partition),
      times: [...times].sort((a, b) => a.partition - b.partition),
    };
  });
  assert.equal(seen.read.length, 30);
});

test('batches, what is resolved of them, and seeking are the same', async () => {
  await same(async (library, topic) => {
    const kafka = kafkaOf(library);
    const [producer, consumer] = [kafka.producer(), kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 })];
    await Promise.all([producer.connect(), consumer.connect()]);
    for (let n = 0; n < 5; n++) {
      await producer.send({
        topic,
        messages: Array.from({ length: 4 }, (_, at) => ({ value: `${n}.${at}` })),
      });
    }
    await consumer.subscribe({ topic, fromBeginning: true });
    const batches: unknown[] = [];
    let hasSought = false;
    const running = consumer.run({
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat, uncommittedOffsets, isStale }) => {
        const values = batch.messages.map(({ value }) => String(value));
        batches.push([
          batch.firstOffset(),
          batch.lastOffset(),
          batch.offsetLag(),
          batch.highWatermark,
          values,
        ]);
        for (const { offset } of batch.messages.slice(0, 12)) {
          resolveOffset(offset);
          await heartbeat();
        }
        batches.push(uncommittedOffsets().topics[0]!.partitions.map(({ offset }) => offset));
        if (!hasSought && batch.messages.length < 12) {
          hasSought = true;
          consumer.seek({ topic, partition: 0, offset: '18' });
          batches.push(isStale());
        }
      },
    });
    await running;
    await until('it has read on after seeking', () => batches.length === 7);
    await Promise.all([producer.disconnect(), consumer.disconnect()]);
    return batches;
  });
});

test('errors have the same names, types, codes, and say the same of trying again', async () => {
  const seen = await same(async (library, prefix) => {
    const kafka = kafkaOf(library);
    const [admin, producer] = [kafka.admin(), kafka.producer()];
    const of = async (call: Promise<unknown>): Promise<unknown> => {
      const error = (await failureOf(call)) as Error & { type?: string; code?: unknown; retriable?: boolean };
      const { name, type, code, retriable } = error;
      const classes = ['KafkaJSError', 'KafkaJSNonRetriableError', 'KafkaJSProtocolError'] as const;
      return [name, type, code, retriable, classes.map((one) => error instanceof library[one])];
    };
    const disconnected = await of(producer.send({ topic: prefix, messages: [{ value: 'x' }] }));
    await Promise.all([admin.connect(), producer.connect()]);
    await admin.createTopics({
      topics: [{ topic: prefix, configEntries: [{ name: 'max.message.bytes', value: '100' }] }],
    });
    try {
      const consumer = kafka.consumer({ groupId: prefix });
      const aggregate = (await failureOf(
        admin.createTopics({ topics: [{ topic: 'not/fine' }] }),
      )) as Error & {
        errors: { name: string; type: string; topic: string }[];
      };
      return [
        disconnected,
        await of(producer.send({ topic: prefix, messages: [{ value: 'x'.repeat(500) }] })),
        await of(producer.send({ topic: prefix, messages: undefined as never })),
        await of(producer.send({ topic: '', messages: [] })),
        await of(producer.transaction()),
        await of(admin.createPartitions({ topicPartitions: [{ topic: prefix, count: 1 }] })),
        await of(admin.fetchTopicMetadata({ topics: [`${prefix}-missing`] })),
        await of(consumer.commitOffsets([{ topic: prefix, partition: 0, offset: '1' }])),
        await of(consumer.subscribe({ topics: 'x' as never })),
        await of(admin.deleteGroups([`${prefix}-missing`])),
        [aggregate.name, aggregate.errors.map(({ name, type, topic }) => [name, type, topic])],
      ];
    } finally {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    }
  });
  assert.ok(seen.length > 10);
});

test('members with KafkaJS and members with headrace/kafkajs share a topic, whoever leads the group', async () => {
  for (const order of [
    ['kafkajs', 'facade', 'kafkajs'],
    ['facade', 'kafkajs', 'facade'],
  ]) {
    const topic = `mixed-${order[0]}`;
    const [admin, producer] = [kafkaOf(facade).admin(), kafkaOf(facade).producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    await admin.createTopics({ topics: [{ topic, numPartitions: 6 }] });
    const read: string[] = [];
    const shares = new Map<number, number[]>();
    const members: facade.Consumer[] = [];
    for (const [index, name] of order.entries()) {
      const groupId = topic;
      const member = kafkaOf(LIBRARIES[name]!).consumer({
        groupId,
        heartbeatInterval: 300,
        maxWaitTimeInMs: 100,
      });
      members.push(member);
      member.on(member.events.GROUP_JOIN, ({ payload }) =>
        shares.set(index, payload.memberAssignment[topic] ?? []),
      );
      await member.connect();
      await member.subscribe({ topic, fromBeginning: true });
      await member.run({ eachMessage: async ({ message }) => void read.push(String(message.value)) });
      await until(`${index + 1} members share`, () => {
        const all = [...shares.values()];
        return all.length === index + 1 && all.flat().sort().join() === '0,1,2,3,4,5';
      });
    }
    const values = Array.from({ length: 60 }, (_, n) => `${n}`);
    await producer.send({ topic, messages: values.map((value) => ({ value })) });
    await until('all are read', () => read.length === values.length);
    assert.deepEqual([...read].sort(), [...values].sort());
    assert.deepEqual(
      [...shares.values()].map(({ length }) => length),
      [2, 2, 2],
    );
    await Promise.all([...members.map((one) => one.disconnect()), producer.disconnect(), admin.disconnect()]);
  }
});

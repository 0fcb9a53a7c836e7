// kafkajs as a Peer, in this process. The library brings gzip only; its own registry takes zstd from Node.
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import kafkajs from 'kafkajs';
import type { IHeaders, KafkaMessage } from 'kafkajs';
import type {
  CommittedOffset,
  Compression,
  Lack,
  Member,
  Peer,
  ReadRecord,
  Start,
  TakenRecord,
} from './peer.ts';
import { until } from './until.ts';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;

/** It has no snappy and no lz4 of its own, and cannot send a header without value. */
export const KAFKAJS_LACKS: Lack[] = ['snappy', 'lz4', 'nullHeader', 'commitMetadata'];

const TOPIC_RESOURCE = 2;
const READ_MS_MAX = 60_000;
const CODECS: Partial<Record<Compression, number>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  zstd: CompressionTypes.ZSTD,
};

export async function startKafkajs(bootstrap: string): Promise<Peer> {
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder: { buffer: Buffer }) => zstdCompressSync(encoder.buffer),
    decompress: async (buffer: Buffer) => zstdDecompressSync(buffer),
  });
  const debug = process.env['HEADRACE_INTEROP_DEBUG'] !== undefined;
  const kafka = new Kafka({
    clientId: 'kafkajs',
    brokers: [bootstrap],
    logLevel: debug ? logLevel.DEBUG : logLevel.NOTHING,
    retry: { retries: 10, initialRetryTime: 100 },
  });
  const admin = kafka.admin();
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, retry: { retries: 10 } });
  await admin.connect();
  await producer.connect();
  const consumers: kafkajs.Consumer[] = [];
  let readers = 0;

  const offsetAt = async (topic: string, partition: number, timestamp: number): Promise<number> => {
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp);
    return Number(found.find((each) => each.partition === partition)!.offset);
  };
  const firstOffset = async (topic: string, partition: number, start: Start): Promise<number> => {
    if (typeof start === 'number') return start;
    if (start !== 'earliest') return offsetAt(topic, partition, start.timestamp);
    const found = await admin.fetchTopicOffsets(topic);
    return Number(found.find((each) => each.partition === partition)!.low);
  };

  return {
    createTopic: async (topic, partitions, configs) => {
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
      await admin.createTopics({
        topics: [{ topic, numPartitions: partitions, configEntries }],
        waitForLeaders: true,
      });
    },
    deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
    topics: () => admin.listTopics(),
    partitionCount: async (topic) =>
      (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions.length,
    topicConfigs: async (topic) => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: true,
        resources: [{ type: TOPIC_RESOURCE, name: topic }],
      });
      return Object.fromEntries(
        resources[0]!.configEntries.map((entry) => [entry.configName, entry.configValue]),
      );
    },
    alterTopicConfig: async (topic, name, value) => {
      const resources = [{ type: TOPIC_RESOURCE, name: topic, configEntries: [{ name, value }] }];
      await admin.alterConfigs({ validateOnly: false, resources });
    },
    produce: async (topic, records, { compression = 'none' } = {}) => {
      await producer.send({
        topic,
        acks: -1,
        compression: CODECS[compression]!,
        messages: records.map((record) => ({
          partition: record.partition,
          key: record.key,
          value: record.value,
          headers: Object.fromEntries(record.headers) as IHeaders,
          timestamp: String(record.timestamp),
        })),
      });
    },
    read: async (topic, partition, start, count) => {
      readers += 1;
      const consumer = kafka.consumer({
        groupId: `kafkajs-reader-${process.pid}-${readers}`,
        maxWaitTimeInMs: 100,
      });
      const offset = String(await firstOffset(topic, partition, start));
      const read: ReadRecord[] = [];
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      let sought = false;
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          if (!sought || batch.partition !== partition || read.length >= count) return;
          if (read.length === 0 && batch.messages[0]?.offset !== offset) return;
          read.push(...batch.messages.map((message) => decode(message, partition)));
        },
      });
      consumer.seek({ topic, partition, offset });
      sought = true;
      await until(`${count} records are read`, () => read.length >= count, { timeoutMs: READ_MS_MAX });
      await consumer.disconnect();
      return read.slice(0, count);
    },
    offsetAt,
    join: async (group, topic) => {
      const consumer = kafka.consumer({
        groupId: group,
        sessionTimeout: 10_000,
        heartbeatInterval: 300,
        maxWaitTimeInMs: 100,
        retry: { retries: 20 },
      });
      consumers.push(consumer);
      return joinKafkajs(consumer, topic);
    },
    commit: async (group, topic, offsets) => {
      const partitions = offsets.map(({ partition, offset }) => ({ partition, offset: String(offset) }));
      await admin.setOffsets({ groupId: group, topic, partitions });
    },
    committed: async (group, topic) => {
      const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      return (found?.partitions ?? [])
        .map((each): CommittedOffset => ({
          partition: each.partition,
          offset: Number(each.offset),
          metadata: each.metadata ?? '',
        }))
        .filter((each) => each.offset >= 0)
        .sort((one, other) => one.partition - other.partition);
    },
    close: async () => {
      // those of a test that failed half way; a second time does nothing
      for (const consumer of consumers) await consumer.disconnect();
      await producer.disconnect();
      await admin.disconnect();
    },
  };
}

/** A member that commits each batch; what it has taken is what it has committed. */
async function joinKafkajs(consumer: kafkajs.Consumer, topic: string): Promise<Member> {
  const taken: TakenRecord[] = [];
  let held: number[] = [];
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    held = payload.memberAssignment[topic] ?? [];
  });
  consumer.on(consumer.events.REBALANCING, () => {
    held = [];
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      const { partition } = batch;
      await consumer.commitOffsets([{ topic, partition, offset: String(Number(batch.lastOffset()) + 1) }]);
      for (const message of batch.messages) {
        taken.push({ partition, offset: Number(message.offset), value: String(message.value) });
      }
    },
  });
  return {
    assignment: async () => held.slice().sort((a, b) => a - b),
    taken: async () => taken.slice(),
    leave: () => consumer.disconnect(),
  };
}

function decode(message: KafkaMessage, partition: number): ReadRecord {
  return {
    partition,
    offset: Number(message.offset),
    key: message.key,
    value: message.value,
    headers: Object.entries(message.headers ?? {}).flatMap(([name, value]) =>
      [value]
        .flat()
        .map((each): [string, Buffer | null] => [name, each === undefined ? null : Buffer.from(each)]),
    ),
    timestamp: Number(message.timestamp),
  };
}

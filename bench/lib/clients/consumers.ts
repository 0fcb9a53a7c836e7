/**
 * The same work for the consumer of each JavaScript client: all partitions of a topic from the beginning, until so
 * many messages have come, looking at each value. Answers of up to 1 MiB a partition, at least one byte, at most 100
 * ms of waiting; nothing is committed.
 */
import { Consumer as PlatformaticConsumer, MessagesStreamModes } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import { Client } from '../../../src/client/client.ts';

/** Reads until `onMessage` says that it is enough. */
export type BenchConsumer = (
  bootstrap: string,
  topic: string,
  onMessage: (value: Buffer | null) => boolean,
) => Promise<void>;

const MAX_WAIT_MS = 100;
const PARTITION_BYTES_MAX = 1024 * 1024;
const FETCH = { from: 'earliest', maxWaitMs: MAX_WAIT_MS, partitionBytesMax: PARTITION_BYTES_MAX } as const;

const headraceBatches: BenchConsumer = async (bootstrap, topic, onMessage) => {
  await using client = new Client({ bootstrap });
  const consumer = client.consumer({ assign: [{ topic }], ...FETCH });
  for await (const batch of consumer.batches()) {
    for (const record of batch.records) if (onMessage(record.value)) return;
  }
};

const headraceRecords: BenchConsumer = async (bootstrap, topic, onMessage) => {
  await using client = new Client({ bootstrap });
  const consumer = client.consumer({ assign: [{ topic }], ...FETCH });
  for await (const record of consumer) if (onMessage(record.value)) return;
};

const kafkajs =
  (way: 'eachBatch' | 'eachMessage'): BenchConsumer =>
  async (bootstrap, topic, onMessage) => {
    const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
    const consumer = kafka.consumer({
      groupId: `bench-${process.pid}`,
      minBytes: 1,
      maxBytesPerPartition: PARTITION_BYTES_MAX,
      maxWaitTimeInMs: MAX_WAIT_MS,
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const { promise, resolve } = Promise.withResolvers<void>();
    const take = (value: Buffer | null): void => {
      if (onMessage(value)) resolve();
    };
    const handlers = {
      eachBatch: {
        eachBatch: async ({ batch }: { batch: { messages: { value: Buffer | null }[] } }) => {
          for (const { value } of batch.messages) take(value);
        },
      },
      eachMessage: {
        eachMessage: async ({ message }: { message: { value: Buffer | null } }) => take(message.value),
      },
    };
    await consumer.run({ autoCommit: false, ...handlers[way] });
    await promise;
    await consumer.disconnect();
  };

const platformatic: BenchConsumer = async (bootstrap, topic, onMessage) => {
  const consumer = new PlatformaticConsumer({
    clientId: 'bench',
    groupId: `bench-${process.pid}`,
    bootstrapBrokers: [bootstrap],
  });
  const stream = await consumer.consume({
    topics: [topic],
    mode: MessagesStreamModes.EARLIEST,
    autocommit: false,
    minBytes: 1,
    maxBytes: PARTITION_BYTES_MAX,
    maxWaitTime: MAX_WAIT_MS,
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.on('data', (message) => {
    if (onMessage(message.value ?? null)) resolve();
  });
  await promise;
  await stream.close();
  await consumer.close(true);
};

export const CONSUMERS: Readonly<Record<string, BenchConsumer>> = {
  'headrace/batches': headraceBatches,
  'headrace/records': headraceRecords,
  'kafkajs/eachBatch': kafkajs('eachBatch'),
  'kafkajs/eachMessage': kafkajs('eachMessage'),
  'platformatic/stream': platformatic,
};

/**
 * The same work for the producer of each JavaScript client, with the same settings: acks=all, no compression, no
 * idempotence.
 */
import { Producer as PlatformaticProducer } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import { Client } from '../../../src/client/client.ts';

export interface BenchProducer {
  /** Sends one message; resolves when it is acknowledged. */
  send(topic: string, partition: number, value: Buffer): Promise<unknown>;
  /** Sends many to one partition; resolves when all are acknowledged. */
  sendMany(topic: string, partition: number, values: readonly Buffer[]): Promise<unknown>;
  close(): Promise<void>;
}

async function headrace(bootstrap: string, idempotent: boolean): Promise<BenchProducer> {
  const client = new Client({ bootstrap });
  const producer = client.producer({ idempotent });
  return {
    send: (topic, partition, value) => producer.send({ topic, partition, value }),
    sendMany: (topic, partition, values) =>
      producer.sendAll(values.map((value) => ({ topic, partition, value }))),
    close: () => client.close(),
  };
}

async function kafkajs(bootstrap: string): Promise<BenchProducer> {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  return {
    send: (topic, partition, value) => producer.send({ topic, acks: -1, messages: [{ partition, value }] }),
    sendMany: (topic, partition, values) =>
      producer.send({ topic, acks: -1, messages: values.map((value) => ({ partition, value })) }),
    close: () => producer.disconnect(),
  };
}

async function platformatic(bootstrap: string): Promise<BenchProducer> {
  const producer = new PlatformaticProducer({
    clientId: 'bench',
    bootstrapBrokers: [bootstrap],
    acks: -1,
    autocreateTopics: false,
  });
  return {
    send: (topic, partition, value) => producer.send({ messages: [{ topic, partition, value }] }),
    sendMany: (topic, partition, values) =>
      producer.send({ messages: values.map((value) => ({ topic, partition, value })) }),
    close: () => producer.close(),
  };
}

export const PRODUCERS: Readonly<Record<string, (bootstrap: string) => Promise<BenchProducer>>> = {
  headrace: (bootstrap) => headrace(bootstrap, false),
  'headrace-idempotent': (bootstrap) => headrace(bootstrap, true),
  kafkajs,
  platformatic,
};

// @platformatic/kafka as a Peer, in this process. Also the observer of most other suites.
import { Admin, Consumer, Producer } from '@platformatic/kafka';
import type {
  CommittedOffset,
  Lack,
  Member,
  Peer,
  ReadRecord,
  SentRecord,
  Start,
  TakenRecord,
} from './peer.ts';
import { until } from './until.ts';

/** Its commits carry no metadata, it cannot send a header without value, and a rebalance makes it repeat records. */
export const PLATFORMATIC_LACKS: Lack[] = ['commitMetadata', 'nullHeader', 'cleanHandover'];

const TOPIC_RESOURCE = 2;
const SET_OPERATION = 0 as const;
const CLASSIC = { sessionTimeout: 10_000, heartbeatInterval: 500 };
const READ_MS_MAX = 60_000;

export async function startPlatformatic(bootstrap: string): Promise<Peer> {
  const base = { clientId: 'platformatic', bootstrapBrokers: [bootstrap], retries: 20, retryDelay: 200 };
  const admin = new Admin(base);
  const producer = new Producer({ ...base, idempotent: true });
  const consumers: Consumer[] = [];
  let readers = 0;

  const describeTopic = async (topic: string): Promise<{ partitionsCount: number }> => {
    const metadata = await admin.metadata({ topics: [topic], forceUpdate: true });
    return metadata.topics.get(topic)!;
  };
  const offsetsAt = async (topic: string, partition: number, timestamp: bigint): Promise<number> => {
    const partitions = [{ partitionIndex: partition, timestamp }];
    const listed = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
    return Number(listed[0]!.partitions[0]!.offset);
  };
  const firstOffset = async (topic: string, partition: number, start: Start): Promise<number> => {
    if (typeof start === 'number') return start;
    return offsetsAt(topic, partition, start === 'earliest' ? -2n : BigInt(start.timestamp));
  };

  return {
    createTopic: async (topic, partitions, configs) => {
      const entries = Object.entries(configs).map(([name, value]) => ({ name, value }));
      await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: entries });
    },
    deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
    topics: () => admin.listTopics({}),
    partitionCount: async (topic) => (await describeTopic(topic)).partitionsCount,
    topicConfigs: async (topic) => {
      const [described] = await admin.describeConfigs({
        resources: [{ resourceType: TOPIC_RESOURCE, resourceName: topic }],
      });
      return Object.fromEntries(described!.configs.map((config) => [config.name, config.value ?? null]));
    },
    alterTopicConfig: async (topic, name, value) => {
      const configs = [{ name, value, configOperation: SET_OPERATION }];
      await admin.incrementalAlterConfigs({
        resources: [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configs }],
      });
    },
    produce: async (topic, records, { compression = 'none' } = {}) => {
      await producer.send({
        acks: -1,
        compression,
        messages: records.map((record) => encode(topic, record)),
      });
    },
    read: async (topic, partition, start, count) => {
      const { partitionsCount } = await describeTopic(topic);
      const offset = BigInt(await firstOffset(topic, partition, start));
      readers += 1;
      const consumer = new Consumer({ ...base, groupId: `platformatic-reader-${process.pid}-${readers}` });
      const offsets = Array.from({ length: partitionsCount }, (_, each) => ({
        topic,
        partition: each,
        offset: each === partition ? offset : 0n,
      }));
      const stream = await consumer.consume({
        topics: [topic],
        mode: 'manual',
        offsets,
        autocommit: false,
        maxWaitTime: 100,
      });
      const timer = setTimeout(() => {
        stream.destroy(new Error(`fewer than ${count} records within ${READ_MS_MAX} ms`));
      }, READ_MS_MAX);
      const read: ReadRecord[] = [];
      for await (const message of stream) {
        if (message.partition === partition) read.push(decode(message));
        if (read.length === count) break;
      }
      clearTimeout(timer);
      await consumer.close(true);
      return read;
    },
    offsetAt: (topic, partition, timestamp) => offsetsAt(topic, partition, BigInt(timestamp)),
    join: (group, topic, { protocol = 'classic' } = {}) => {
      const style = protocol === 'consumer' ? { groupProtocol: protocol } : CLASSIC;
      const consumer = new Consumer({ ...base, ...style, groupId: group });
      consumers.push(consumer);
      return joinPlatformatic(consumer, topic);
    },
    commit: async (group, topic, offsets) => {
      const partitionOffsets = offsets.map(({ partition, offset }) => ({
        partition,
        offset: BigInt(offset),
      }));
      await admin.alterConsumerGroupOffsets({ groupId: group, topics: [{ name: topic, partitionOffsets }] });
    },
    committed: async (group, topic) => {
      const [listed] = await admin.listConsumerGroupOffsets({ groups: [group] });
      const partitions = listed?.topics.find((each) => each.name === topic)?.partitions ?? [];
      return partitions
        .map((each): CommittedOffset => ({
          partition: each.partitionIndex,
          offset: Number(each.committedOffset),
          metadata: each.metadata ?? '',
        }))
        .filter((each) => each.offset >= 0)
        .sort((one, other) => one.partition - other.partition);
    },
    close: async () => {
      // those of a test that failed half way
      for (const consumer of consumers) if (!consumer.closed) await consumer.close(true);
      await producer.close();
      await admin.close();
    },
  };
}

/** A member that commits each record; what it has taken is what it has committed. */
async function joinPlatformatic(consumer: Consumer, topic: string): Promise<Member> {
  const taken: TakenRecord[] = [];
  let pending = 0;
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'committed',
    fallbackMode: 'earliest',
    autocommit: false,
    maxWaitTime: 100,
  });
  stream.on('data', (message) => {
    const { partition, offset, value } = message;
    pending += 1;
    Promise.resolve(message.commit())
      .then(
        () => taken.push({ partition, offset: Number(offset), value: String(value) }),
        () => {},
      )
      .finally(() => {
        pending -= 1;
      });
  });
  return {
    assignment: async () =>
      (consumer.assignments?.find((each) => each.topic === topic)?.partitions ?? [])
        .slice()
        .sort((a, b) => a - b),
    taken: async () => taken.slice(),
    leave: async () => {
      await until('its commits are answered', () => pending === 0);
      await stream.close();
      await consumer.close(true);
    },
  };
}

function encode(
  topic: string,
  record: SentRecord,
): {
  topic: string;
  partition: number;
  timestamp: bigint;
  key?: Buffer;
  value?: Buffer;
  headers: Map<Buffer, Buffer>;
} {
  return {
    topic,
    partition: record.partition,
    timestamp: BigInt(record.timestamp),
    ...(record.key === null ? {} : { key: record.key }),
    ...(record.value === null ? {} : { value: record.value }),
    headers: new Map(record.headers.map(([name, value]) => [Buffer.from(name), value!])),
  };
}

function decode(message: {
  partition: number;
  offset: bigint;
  key: Buffer | undefined | null;
  value: Buffer | undefined | null;
  headerEntries: [Buffer, Buffer | undefined | null][];
  timestamp: bigint;
}): ReadRecord {
  return {
    partition: message.partition,
    offset: Number(message.offset),
    key: message.key ?? null,
    value: message.value ?? null,
    headers: message.headerEntries.map(([name, value]) => [String(name), value ?? null]),
    timestamp: Number(message.timestamp),
  };
}

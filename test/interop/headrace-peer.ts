// Our own client as a Peer, in this process.
import { Client, type Consumer, type ConsumerOptions, type ConsumerRecord } from '../../src/client/client.ts';
import type { JoinOptions, Member, Peer, ReadRecord, SentRecord, Start, TakenRecord } from './peer.ts';

const READ_MS_MAX = 60_000;
const MEMBER = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 500, maxWaitMs: 100 };

export async function startHeadraceClient(bootstrap: string): Promise<Peer> {
  const client = new Client({ bootstrap, clientId: 'headrace-peer' });
  const admin = client.admin();
  const read = async (
    topic: string,
    partition: number,
    { start, count }: { start: Start; count: number },
  ): Promise<ReadRecord[]> => {
    const consumer = client.consumer({ assign: [{ topic, partition, from: start }], maxWaitMs: 100 });
    try {
      const records: ReadRecord[] = [];
      for await (const record of consumer.records({ signal: AbortSignal.timeout(READ_MS_MAX) })) {
        records.push(decode(record));
        if (records.length === count) break;
      }
      return records;
    } finally {
      await consumer.close();
    }
  };
  return {
    createTopic: (topic, partitions, configs) =>
      admin.createTopics([{ topic, partitions, replicationFactor: 1, configs }]).then(() => {}),
    deleteTopic: (topic) => admin.deleteTopics([topic]),
    topics: () => admin.listTopics(),
    partitionCount: async (topic) => (await admin.describeTopics([topic]))[0]!.partitions.length,
    topicConfigs: async (topic) => {
      const entries = await admin.describeConfigs({ type: 'topic', name: topic });
      return Object.fromEntries(entries.map(({ name, value }) => [name, value]));
    },
    alterTopicConfig: (topic, name, value) =>
      admin.alterConfigs({ type: 'topic', name: topic }, { [name]: value }),
    produce: async (topic, records, { compression = 'none' } = {}) => {
      await using producer = client.producer({ compression });
      await producer.sendAll(records.map((record) => encode(topic, record)));
    },
    read: (topic, partition, start, count) => read(topic, partition, { start, count }),
    offsetAt: async (topic, partition, timestamp) => {
      const [found] = await admin.listOffsets([{ topic, partition, at: { timestamp } }]);
      return found!.offset;
    },
    join: async (group, topic, options = {}) =>
      new HeadraceMember(client, { group, topics: [topic], ...style(options) }),
    commit: (group, topic, offsets) =>
      admin.alterGroupOffsets(
        group,
        offsets.map((one) => ({ topic, ...one })),
      ),
    committed: async (group, topic) =>
      (await admin.groupOffsets(group))
        .filter((one) => one.topic === topic)
        .map(({ partition, offset, metadata }) => ({ partition, offset, metadata }))
        .sort((one, other) => one.partition - other.partition),
    close: () => client.close(),
  };
}

function style({
  strategy,
  instance,
  protocol = 'classic',
  assignor,
}: JoinOptions): Partial<ConsumerOptions> {
  return {
    ...MEMBER,
    from: 'earliest',
    protocol,
    ...(assignor === undefined ? {} : { serverAssignor: assignor }),
    ...(strategy === undefined ? {} : { assignors: [strategy as 'range'] }),
    ...(instance === undefined ? {} : { instanceId: instance }),
  };
}

/** Commits each record before it is told as taken. */
class HeadraceMember implements Member {
  readonly #consumer: Consumer;
  readonly #taken: TakenRecord[] = [];
  readonly #ended: Promise<void>;

  constructor(client: Client, options: ConsumerOptions) {
    this.#consumer = client.consumer({ ...options, autoCommit: false });
    this.#ended = this.#run();
  }

  async assignment(): Promise<number[]> {
    return this.#consumer.assignment().map(({ partition }) => partition);
  }

  async taken(): Promise<TakenRecord[]> {
    return this.#taken.slice();
  }

  async leave(): Promise<void> {
    await this.#consumer.close();
    await this.#ended;
  }

  async #run(): Promise<void> {
    for await (const { partition, offset, text } of this.#consumer) {
      await this.#consumer.commit();
      this.#taken.push({ partition, offset, value: text! });
    }
  }
}

function encode(topic: string, record: SentRecord): SentRecord & { topic: string } {
  return { topic, ...record };
}

function decode({ partition, offset, key, value, headers, timestamp }: ConsumerRecord): ReadRecord {
  return {
    partition,
    offset,
    key,
    value,
    headers: headers.map((header): [string, Buffer | null] => [header.key, header.value]),
    timestamp,
  };
}

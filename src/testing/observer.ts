/** What tests do with a broker besides what they test: make topics, write, read what was written, and wait for groups. */
import { setTimeout as delay } from 'node:timers/promises';
import type {
  Admin,
  Client,
  ConsumerRecord,
  NewTopic,
  ProducerRecord,
  SentRange,
  TopicPartition,
} from '../client/client.ts';

export interface WaitOptions {
  /** In real time. Default: 10 s; then the promise is rejected, and says what was seen instead. */
  readonly timeoutMs?: number;
}

/** What to write: a value alone, or all of a record but its topic. */
export type TestRecord = string | Uint8Array | null | Omit<ProducerRecord, 'topic'>;

const TIMEOUT_MS_DEFAULT = 10_000;
const LOOK_AGAIN_MS = 10;

export class Observer {
  readonly #client: Client;
  readonly #admin: Admin;

  constructor(client: Client) {
    this.#client = client;
    this.#admin = client.admin();
  }

  async createTopic(topic: string, options: Omit<NewTopic, 'topic'> = {}): Promise<void> {
    await this.#admin.createTopics([{ topic, ...options }]);
  }

  async produce(topic: string, records: readonly TestRecord[]): Promise<SentRange[]> {
    await using producer = this.#client.producer();
    return await producer.sendAll(
      records.map((one) =>
        one === null || typeof one === 'string' || one instanceof Uint8Array
          ? { topic, value: one }
          : { topic, ...one },
      ),
    );
  }

  async records(
    topic: string,
    options: WaitOptions & { readonly count?: number; readonly partition?: number } = {},
  ): Promise<ConsumerRecord[]> {
    const { count = 1, partition, timeoutMs = TIMEOUT_MS_DEFAULT } = options;
    const found: ConsumerRecord[] = [];
    const assignment = partition === undefined ? { topic } : { topic, partition };
    await using consumer = this.#client.consumer({ assign: [assignment], from: 'earliest' });
    const endMs = performance.now() + timeoutMs;
    while (found.length < count) {
      const leftMs = endMs - performance.now();
      const batch = leftMs > 0 ? await consumer.poll({ timeoutMs: leftMs }) : undefined;
      if (batch === undefined) {
        throw new Error(`${found.length} records in ${topic} after ${timeoutMs} ms, not ${count}`);
      }
      found.push(...batch);
    }
    return found;
  }

  /** How many records of the topic the group has not committed yet, over all partitions. */
  async lag(group: string, topic: string): Promise<number> {
    const [described] = await this.#admin.describeTopics([topic]);
    const partitions = described!.partitions.map(({ partition }): TopicPartition => ({ topic, partition }));
    const [starts, ends, committed] = await Promise.all([
      this.#admin.listOffsets(partitions.map((one) => ({ ...one, at: 'earliest' as const }))),
      this.#admin.listOffsets(partitions.map((one) => ({ ...one, at: 'latest' as const }))),
      this.#admin.groupOffsets(group, { partitions }),
    ]);
    return partitions.reduce((sum, { partition }, at) => {
      const own = committed.find((one) => one.partition === partition);
      return sum + ends[at]!.offset - (own?.offset ?? starts[at]!.offset);
    }, 0);
  }

  async untilLag(
    group: string,
    options: WaitOptions & { readonly topic: string; readonly lag?: number },
  ): Promise<void> {
    const { topic, lag = 0 } = options;
    await until(options, async () => {
      const seen = await this.lag(group, topic);
      return seen <= lag ? undefined : `group ${group} is ${seen} records behind in ${topic}, not ${lag}`;
    });
  }

  async untilCommitted(
    group: string,
    options: WaitOptions & TopicPartition & { readonly offset: number },
  ): Promise<void> {
    const { topic, partition, offset } = options;
    await until(options, async () => {
      const [own] = await this.#admin.groupOffsets(group, { partitions: [{ topic, partition }] });
      const seen = own?.offset ?? 'nothing';
      const isThere = own !== undefined && own.offset >= offset;
      return isThere
        ? undefined
        : `group ${group} has committed ${seen} in ${topic}-${partition}, not ${offset}`;
    });
  }

  async untilMembers(group: string, count: number, options: WaitOptions = {}): Promise<void> {
    await until(options, async () => {
      const found = (await this.#admin.listGroups()).find((one) => one.group === group);
      if (found === undefined) return count === 0 ? undefined : `there is no group ${group}`;
      const { state, members } = await this.#admin.describeGroup(group);
      const isThere = members.length === count && (state === 'Stable' || state === 'Empty');
      return isThere ? undefined : `group ${group} is ${state} with ${members.length} members, not ${count}`;
    });
  }
}

/** Looks again and again until nothing is missing. */
async function until(
  { timeoutMs = TIMEOUT_MS_DEFAULT }: WaitOptions,
  missing: () => Promise<string | undefined>,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const seen = await missing();
    if (seen === undefined) return;
    if (performance.now() > endMs) throw new Error(`${seen}, after ${timeoutMs} ms`);
    await delay(LOOK_AGAIN_MS);
  }
}

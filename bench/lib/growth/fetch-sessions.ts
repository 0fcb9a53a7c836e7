/**
 * What idle partitions cost in a fetch session: a consumer of many partitions, of which one is written to. Its requests name
 * that one alone, the session stands for the others (KIP-227), and still the broker must know that they have nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { WireClient } from '../../wire-client.ts';
import { spread } from '../figures.ts';
import { oneRecord, produce } from '../partitions.ts';
import { NAMES, type BySide, type Context, type Kind } from '../question.ts';
import { HOST, start, type Server } from '../servers.ts';
import { createTopics } from '../topics.ts';
import type { Growth } from './chart.ts';

const OPTIONS = { durability: 'relaxed' } as const;
const ACTIVE = 'active';
const IDLE = 'idle';
const WARM_UP_MS = 3000;
const WINDOW_MS = 3000;
const QUICK_MS = 300;
const MAX_WAIT_MS = 5000;

export interface FetchSample {
  /** From sending a record until it was fetched; the median of the window. */
  readonly cycleMs: number;
  /** Processor time of the broker for one record, produced and fetched. */
  readonly cpuMs: number;
}

/** One broker a round: the smallest session first. */
export async function fetchSessions(
  context: Context,
  sizes: readonly number[],
): Promise<Growth<FetchSample>[]> {
  const rounds: BySide<FetchSample[]> = await context.alternate(async (kind) => {
    context.log(`fetch sessions, ${NAMES[kind]}`);
    const server = await start(kind, OPTIONS);
    try {
      const client = await WireClient.connect(HOST, server.port);
      const idle = { topic: IDLE, partitions: Math.max(...sizes) };
      await createTopics(server.port, [{ topic: ACTIVE, partitions: 1 }, idle]);
      // All are served once each has taken a record; they are idle from then on.
      const all = Array.from({ length: idle.partitions }, (_, index) => index);
      await produce(client, { topic: IDLE, partitions: all, batch: oneRecord() });
      const samples: FetchSample[] = [];
      for (const size of sizes) samples.push(await session(server, client, { size, quick: context.quick }));
      client.close();
      return samples;
    } finally {
      await server.discard();
    }
  });
  return sizes.map((size, index) => {
    const at = (kind: Kind): FetchSample[] => rounds[kind].map((samples) => samples[index]!);
    return { size, samples: { headrace: at('headrace'), kafka: at('kafka') } };
  });
}

async function session(
  server: Server,
  producer: WireClient,
  { size, quick }: { size: number; quick: boolean },
): Promise<FetchSample> {
  const consumer = await Consumer.open(server.port, { idlePartitions: size });
  const batch = oneRecord();
  const cycle = async (): Promise<number> => {
    const fetched = consumer.next();
    const startedAt = performance.now();
    const offsets = await produce(producer, { topic: ACTIVE, partitions: [0], batch });
    const offset = await fetched;
    const tookMs = performance.now() - startedAt;
    if (offsets.get(0) !== offset)
      throw new Error(`record ${offsets.get(0)} was produced, ${offset} fetched`);
    return tookMs;
  };
  for (const until = performance.now() + (quick ? QUICK_MS : WARM_UP_MS); performance.now() < until;) {
    await cycle();
  }
  await delay(100);
  const cycles: number[] = [];
  const before = server.usage().cpuSeconds;
  for (const until = performance.now() + (quick ? QUICK_MS : WINDOW_MS); performance.now() < until;) {
    cycles.push(await cycle());
  }
  const cpuMs = (1000 * (server.usage().cpuSeconds - before)) / cycles.length;
  consumer.close();
  return { cycleMs: spread(cycles)!.median, cpuMs };
}

/** Holds a session with the active partition and so many idle ones, at the end of each. */
class Consumer {
  readonly #client: WireClient;
  #sessionId = 0;
  #epoch = 0;
  /** Of the active partition. */
  #offset = 0;

  private constructor(client: WireClient) {
    this.#client = client;
  }

  static async open(port: number, options: { idlePartitions: number }): Promise<Consumer> {
    const consumer = new Consumer(await WireClient.connect(HOST, port));
    // Each idle partition has one record, which is passed by.
    const idle = Array.from({ length: options.idlePartitions }, (_, partition) => at(partition, 1));
    const first = { topic: IDLE, topicId: '', partitions: idle };
    const { responses } = await consumer.#fetch(0, [consumer.#active(), first]);
    const active = responses.find(({ topic }) => topic === ACTIVE)?.partitions[0];
    consumer.#offset = active?.highWatermark ?? 0;
    if (consumer.#sessionId === 0) throw new Error('the broker gave no fetch session');
    return consumer;
  }

  /** The offset of the next record, when it comes. */
  async next(): Promise<number> {
    for (;;) {
      const { responses } = await this.#fetch(MAX_WAIT_MS, [this.#active()]);
      const active = responses.find(({ topic }) => topic === ACTIVE)?.partitions[0];
      if (active === undefined || active.records === null || active.records.length === 0) continue;
      if (responses.length > 1) throw new Error('an idle partition was in the answer');
      return this.#offset++;
    }
  }

  close(): void {
    this.#client.close();
  }

  #active() {
    return { topic: ACTIVE, topicId: '', partitions: [at(0, this.#offset)] };
  }

  async #fetch(maxWaitMs: number, topics: FetchRequest['topics'] | readonly unknown[]) {
    const session = { sessionId: this.#sessionId, sessionEpoch: this.#epoch };
    const body = {
      maxWaitMs,
      minBytes: 1,
      maxBytes: 52_428_800,
      ...session,
      topics,
      forgottenTopicsData: [],
    };
    const options = { version: 12, body: body as never };
    const answer = await this.#client.call(FetchRequest, FetchResponse, options);
    const errorCode =
      answer.errorCode ||
      answer.responses.flatMap(({ partitions }) => partitions).find((one) => one.errorCode !== 0)?.errorCode;
    if (errorCode) throw new Error(`Fetch failed with ${errorCode}`);
    this.#sessionId = answer.sessionId;
    this.#epoch++;
    return answer;
  }
}

function at(partition: number, fetchOffset: number) {
  return { partition, fetchOffset, partitionMaxBytes: 1_048_576 };
}

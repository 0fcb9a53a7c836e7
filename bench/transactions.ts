/** How many transactions a second, and what each costs: from the first record to the answer that it is committed. */
import { setTimeout as delay } from 'node:timers/promises';
import { spreadOf, type Spread } from './lib/percentiles.ts';
import { row, type BySide, type Context, type Kind, type Question } from './lib/question.ts';
import { describe, start, type Durability, type Server } from './lib/servers.ts';
import { createTopics, endOffsets } from './lib/topics.ts';
import { TransactionalProducer, type TransactionShape } from './lib/transactional-producer.ts';

const RECORDS = 100;
const PARTITIONS = 4;
const VALUE_BYTES = 100;
const TABLE = 'Transactions committed';

interface Case {
  readonly label: string;
  readonly durability: Durability;
  readonly producers: number;
}

const CASES: readonly Case[] = [
  { producers: 1, durability: 'relaxed' },
  { producers: 8, durability: 'relaxed' },
  { producers: 32, durability: 'relaxed' },
  { producers: 8, durability: 'fsync' },
].map((one) => ({
  ...one,
  durability: one.durability as Durability,
  label: `${one.producers} ${one.producers === 1 ? 'producer' : 'producers'}, ${one.durability}`,
}));

interface Sample {
  readonly transactionsPerSecond: number;
  readonly latencyMs: Spread;
  readonly brokerCpuMsPerTransaction: number;
  /** Requests that had to be sent again, for 100 transactions. */
  readonly retries: number;
}

interface Window {
  readonly warmUpMs: number;
  readonly windowMs: number;
}

/** Every producer has a transactional id of its own and a topic with the others in common. */
async function measure(server: Server, topic: string, { producers }: Case, window: Window): Promise<Sample> {
  const shape: TransactionShape = {
    topic,
    partitions: PARTITIONS,
    recordsPerPartition: RECORDS / PARTITIONS,
    valueBytes: VALUE_BYTES,
  };
  await createTopics(server.port, [{ topic, partitions: PARTITIONS }]);
  const all: TransactionalProducer[] = [];
  let latencies: number[] = [];
  let committed = 0;
  let isOver = false;
  const produce = async (producer: TransactionalProducer): Promise<void> => {
    while (!isOver) {
      const beganAt = performance.now();
      await producer.commitOne();
      latencies.push(performance.now() - beganAt);
      committed += 1;
    }
  };
  try {
    for (let index = 0; index < producers; index++) {
      all.push(await TransactionalProducer.start(server.port, `${topic}-${index}`, shape));
    }
    const running = Promise.all(all.map(produce));
    await Promise.race([running, delay(window.warmUpMs)]);
    latencies = [];
    for (const producer of all) producer.retries = 0;
    const before = server.usage().cpuSeconds;
    const beganAt = performance.now();
    await Promise.race([running, delay(window.windowMs)]);
    const seconds = (performance.now() - beganAt) / 1000;
    const cpuSeconds = server.usage().cpuSeconds - before;
    const counted = latencies;
    const retries = all.reduce((sum, producer) => sum + producer.retries, 0);
    latencies = [];
    isOver = true;
    await running;
    await mustHold(server, topic, committed);
    return {
      transactionsPerSecond: counted.length / seconds,
      latencyMs: spreadOf(counted),
      brokerCpuMsPerTransaction: (1000 * cpuSeconds) / counted.length,
      retries: (100 * retries) / counted.length,
    };
  } finally {
    isOver = true;
    for (const producer of all) producer.close();
  }
}

/** In each partition lie the records of all transactions and a marker for each: a count that is wrong fails the run. */
async function mustHold(server: Server, topic: string, committed: number): Promise<void> {
  const wanted = committed * (RECORDS + PARTITIONS);
  const late = performance.now() + 10_000;
  for (;;) {
    // The last markers are written after the answer.
    const stored = (await endOffsets(server, topic, PARTITIONS)).reduce((sum, end) => sum + end, 0);
    if (stored === wanted) return;
    if (performance.now() > late)
      throw new Error(`${wanted} records and markers are due, ${stored} are in the log`);
    await delay(20);
  }
}

async function run(context: Context) {
  const found = new Map<Case, BySide<Sample>>();
  for (const one of CASES) found.set(one, { headrace: [], kafka: [] });
  for (const durability of ['relaxed', 'fsync'] as const) {
    const servers = {} as Record<Kind, Server>;
    try {
      for (const kind of context.kinds) servers[kind] = await start(kind, { durability });
      for (const one of CASES.filter((each) => each.durability === durability)) {
        const samples = await context.alternate((kind, round) => {
          const warmUpMs = context.quick ? 300 : round === 0 ? 8_000 : 2_000;
          const window = { warmUpMs, windowMs: context.quick ? 500 : 4_000 };
          return measure(servers[kind], `${durability}-${one.producers}-${round}`, one, window);
        });
        found.set(one, samples);
        const rates = context.kinds.map(
          (kind) => `${kind} ${samples[kind].map((each) => each.transactionsPerSecond.toFixed(0)).join(' ')}`,
        );
        context.log(`${one.label}: ${rates.join(', ')} transactions/s`);
      }
    } finally {
      for (const kind of context.kinds) await servers[kind]?.discard();
    }
  }
  const rows = (pick: (sample: Sample) => number, unit: string, better: 'higher' | 'lower', goal?: number) =>
    [...found].map(([{ label }, samples]) =>
      row(samples, pick, { label, unit, better, ...(goal === undefined ? undefined : { goal }) }),
    );
  return {
    settings: [
      `A transaction: one Produce request (version 12) with ${RECORDS} records of ${VALUE_BYTES} B, in one batch for each of ` +
        `${PARTITIONS} partitions, then EndTxn (version 5), whose answer raises the epoch: transactions of version 2 ` +
        '(KIP-890). A producer has a connection and a transactional id of its own, and begins the next transaction when the ' +
        'last one is answered; what the broker asks to try again it sends again after 100 ms, as the Java producer does.',
      'All producers write to the same partitions, acks=all with one replica. After each window the log must hold every ' +
        'record and one marker for each transaction and partition.',
      context.quick
        ? 'SMOKE RUN: windows of half a second; the figures mean nothing.'
        : 'Warmed up for 8 s before the first window of a row and 2 s before the next; a window is 4 s.',
      ...context.kinds.flatMap((kind) => [
        describe(kind, { durability: 'relaxed' }),
        describe(kind, { durability: 'fsync' }),
      ]),
    ],
    tables: [
      { title: TABLE, rows: rows((one) => one.transactionsPerSecond, 'transactions/s', 'higher', 1) },
      {
        title: 'From the first record to the answer of the commit: half within',
        rows: rows((one) => one.latencyMs.p50, 'ms', 'lower'),
      },
      {
        title: 'From the first record to the answer of the commit: 99 of 100 within',
        rows: rows((one) => one.latencyMs.p99, 'ms', 'lower'),
      },
      {
        title: "Broker's processor time for a transaction",
        rows: rows((one) => one.brokerCpuMsPerTransaction, 'ms', 'lower'),
      },
      {
        title: 'Requests sent again, for 100 transactions',
        isInformation: true,
        rows: rows((one) => one.retries, 'requests', 'lower'),
      },
    ],
  };
}

export const question: Question = {
  name: 'transactions',
  title: 'Transactions',
  asks:
    'How many transactions of 100 records does the broker commit in a second? Whoever processes streams exactly once pays ' +
    'this price at every commit: a state to keep, a marker in every partition, an epoch to raise.',
  minutes: 4,
  answers: [
    { says: 'commits', where: '8 producers, from the page cache', table: TABLE, row: '8 producers, relaxed' },
  ],
  run,
};

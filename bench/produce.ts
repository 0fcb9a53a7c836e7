/** How much can be written, and what it costs: by size of records, partitions, clients, codec, acks and device. */
import { loadLabel } from './lib/figures.ts';
import {
  BASE_LOAD,
  limits,
  limitsText,
  produceWindow,
  withSides,
  type ProduceLoad,
} from './lib/load/sides.ts';
import { throughputChart } from './lib/load/chart.ts';
import type { Sample } from './lib/load/measure.ts';
import { REMOVE_SOON } from './lib/topics.ts';
import {
  KINDS,
  row,
  type BySide,
  type Context,
  type Question,
  type Row,
  type Table,
} from './lib/question.ts';
import { describe, type Durability } from './lib/servers.ts';

interface Case {
  readonly label: string;
  readonly durability: Durability;
  readonly load: ProduceLoad;
  /** Whether the goals are about it. */
  readonly hasGoal: boolean;
}

/** What the goals name. */
const GOAL_CASES: Case[] = [100, 1024].flatMap((valueBytes) =>
  [1, 16].flatMap((partitions) =>
    [1, 8].map((clients) => ({
      label: loadLabel(valueBytes, partitions, clients),
      durability: 'relaxed' as const,
      load: { ...BASE_LOAD, valueBytes, partitions, clients },
      hasGoal: true,
    })),
  ),
);

/** One thing apart from the base: 1 KiB, 16 partitions, 8 clients, uncompressed, acks=all. */
const OTHER_CASES: Case[] = [
  other('10 KiB', { valueBytes: 10_240 }),
  other('100 partitions', { partitions: 100 }),
  other('lz4', { compression: 'lz4' }),
  other('zstd', { compression: 'zstd' }),
  other('acks=1', { acks: 1 }),
  other('each acknowledged record on the device (fsync)', {}, 'fsync'),
  other('defaults: Headrace on the device, Kafka in the page cache', {}, 'default'),
];

export const question: Question = {
  name: 'produce',
  title: 'Produce throughput',
  asks:
    'How many bytes a second does the broker take from producers that always have more to send, and how much processor time ' +
    'and memory does it take for them? Who pays for the machine wants much of the first and little of the others.',
  minutes: 13,
  answers: [
    {
      says: 'takes in',
      where: '8 producers, records of 1 KiB, 16 partitions',
      table: 'Record batches taken',
      row: '1 KiB, 16 partitions, 8 clients',
    },
    {
      says: 'needs',
      where: 'processor time for a gigabyte taken in, the same load',
      table: "Broker's processor time for a gigabyte produced",
      row: '1 KiB, 16 partitions, 8 clients',
    },
  ],
  async run(context) {
    const found = new Map<Case, BySide<Sample>>();
    for (const durability of ['relaxed', 'fsync', 'default'] as const) {
      const cases = [...GOAL_CASES, ...OTHER_CASES].filter((one) => one.durability === durability);
      await withSides(context, { durability }, async (sides) => {
        for (const one of cases) found.set(one, await measured(context, one, sides));
      });
    }
    const bars = GOAL_CASES.map((one) => ({ ...one.load, samples: found.get(one)! }));
    const charts = [throughputChart('Record batches taken', bars)];
    return { settings: settings(context), tables: tables(found), charts };
  },
};

async function measured(
  context: Context,
  { label, load }: Case,
  sides: Parameters<Parameters<typeof withSides>[2]>[0],
): Promise<BySide<Sample>> {
  const samples = await context.alternate((kind, round) =>
    produceWindow(sides[kind], load, { ...limits(context, round), quick: context.quick }),
  );
  const rates = KINDS.map((kind) => samples[kind].map((one) => one.megabytesPerSecond.toFixed(0)).join(' '));
  context.log(`${label}: Headrace ${rates[0]}, Kafka ${rates[1]} MB/s`);
  return samples;
}

function settings(context: Context): string[] {
  const settingsOf = (durability: Durability): string =>
    KINDS.map((kind) => describe(kind, { durability, settings: REMOVE_SOON })).join(' ');
  return [
    'Requests as a Java producer under load makes them: a batch of up to 16 KiB (`batch.size`) for each partition, requests of ' +
      'up to 1 MiB (`max.request.size`), 5 in flight on each connection, no idempotence. A client is a connection; each ' +
      'writes to all partitions. Values are JSON-like text; batches are built and compressed beforehand. Bytes are those of ' +
      'the batches as they are sent and stored: compressed, where a row names a codec.',
    'Unless a row says otherwise: 1 KiB values, 16 partitions, 8 clients, no compression, acks=all with one replica, ' +
      'acknowledged from the page cache.',
    limitsText(context),
    'After each window the records in the log are compared with those acknowledged; the topic is then deleted, and its files ' +
      'are gone before the next window.',
    settingsOf('relaxed'),
    `With fsync: ${settingsOf('fsync')}`,
    `As they come, in the row of the defaults: ${settingsOf('default')}`,
  ];
}

function tables(found: ReadonlyMap<Case, BySide<Sample>>): Table[] {
  const rows = (pick: (sample: Sample) => number, about: Pick<Row, 'unit' | 'better' | 'goal'>): Row[] =>
    [...found].map(([{ label, hasGoal }, samples]) => {
      const { goal, ...rest } = about;
      return row(samples, pick, { label, ...rest, ...(hasGoal && goal !== undefined ? { goal } : {}) });
    });
  return [
    {
      title: 'Record batches taken',
      rows: rows((one) => one.megabytesPerSecond, { unit: 'MB/s', better: 'higher', goal: 1.2 }),
    },
    {
      title: "Broker's processor time for a gigabyte produced",
      text: 'User and system time of the whole process: also what it did in the background meanwhile.',
      rows: rows((one) => one.brokerCpuSecondsPerGigabyte, { unit: 's/GB', better: 'lower', goal: 0.4 }),
    },
    {
      title: 'Most memory resident while producing',
      text: 'One broker served all rows of one durability, from top to bottom.',
      rows: rows((one) => one.rssPeakMiB, { unit: 'MiB', better: 'lower', goal: 0.4 }),
    },
    {
      title: 'Who was the bottleneck: processors busy in the broker',
      isInformation: true,
      rows: rows((one) => one.brokerCores, { unit: 'cores', better: 'lower' }),
    },
    {
      title: 'Who was the bottleneck: processors busy in the load generator',
      text: 'Near the number of its processes, the generator limits what the table at the top shows.',
      isInformation: true,
      rows: rows((one) => one.loadCores, { unit: 'cores', better: 'lower' }),
    },
  ];
}

function other(label: string, change: Partial<ProduceLoad>, durability: Durability = 'relaxed'): Case {
  return { label, durability, load: { ...BASE_LOAD, ...change }, hasGoal: false };
}

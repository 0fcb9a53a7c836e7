/** How fast the broker hands out what is in the page cache, and what it costs. */
import { loadLabel } from './lib/figures.ts';
import { throughputChart } from './lib/load/chart.ts';
import { startConsumers } from './lib/load/consumers.ts';
import { measure, type Sample } from './lib/load/measure.ts';
import {
  BASE_LOAD,
  filledTopic,
  limits,
  limitsText,
  removeTopic,
  withSides,
  type ProduceLoad,
  type Sides,
} from './lib/load/sides.ts';
import { REMOVE_SOON } from './lib/topics.ts';
import {
  KINDS,
  row,
  type BySide,
  type Context,
  type Kind,
  type Question,
  type Row,
  type Table,
} from './lib/question.ts';
import { describe } from './lib/servers.ts';

/** Several times what either side keeps in its own memory, and far less than the page cache holds. */
const TOPIC_BYTES = 1e9;
const TOPIC_BYTES_QUICK = 0.1e9;

interface Case {
  readonly label: string;
  readonly clients: number;
  readonly hasGoal: boolean;
}

/** What is written once and then read by different numbers of clients. */
interface Content {
  readonly load: ProduceLoad;
  readonly cases: readonly Case[];
}

const CONTENTS: readonly Content[] = [
  ...[100, 1024].flatMap((valueBytes) =>
    [1, 16].map((partitions) => ({
      load: { ...BASE_LOAD, valueBytes, partitions },
      cases: [1, 8].map((clients) => ({
        label: loadLabel(valueBytes, partitions, clients),
        clients,
        hasGoal: true,
      })),
    })),
  ),
  other({ valueBytes: 10_240 }),
  other({ partitions: 100 }),
  other({ compression: 'lz4' }),
];

export const question: Question = {
  name: 'consume',
  title: 'Consume throughput',
  asks:
    'How many bytes a second do consumers get that read what was written a moment ago, which is still in the page cache, and ' +
    'how much processor time does the broker take for it? It decides how many consumers one broker can feed.',
  minutes: 9,
  answers: [
    {
      says: 'hands out',
      where: '8 consumers, records of 1 KiB, 16 partitions, from memory',
      table: 'Record batches handed out',
      row: '1 KiB, 16 partitions, 8 clients',
    },
    {
      says: 'needs',
      where: 'processor time for a gigabyte handed out, the same load',
      table: "Broker's processor time for a gigabyte consumed",
      row: '1 KiB, 16 partitions, 8 clients',
    },
  ],
  async run(context) {
    const found = new Map<Case, BySide<Sample>>();
    await withSides(context, { durability: 'relaxed' }, async (sides) => {
      for (const one of CONTENTS) await read(context, sides, { content: one, found });
    });
    const bars = CONTENTS.flatMap(({ load, cases }) =>
      cases
        .filter(({ hasGoal }) => hasGoal)
        .map((one) => ({ ...load, clients: one.clients, samples: found.get(one)! })),
    );
    const charts = [throughputChart('Record batches handed out', bars)];
    return { settings: settings(context), tables: tables(found), charts };
  },
};

async function read(
  context: Context,
  sides: Sides,
  { content: { load, cases }, found }: { content: Content; found: Map<Case, BySide<Sample>> },
): Promise<void> {
  const bytes = context.quick ? TOPIC_BYTES_QUICK : TOPIC_BYTES;
  const filled = {} as Record<Kind, Awaited<ReturnType<typeof filledTopic>>>;
  for (const kind of context.kinds) filled[kind] = await filledTopic(sides[kind], load, bytes);
  for (const one of cases) {
    const samples = await context.alternate(async (kind, round) => {
      const { topic, ends } = filled[kind];
      const running = await startConsumers(sides[kind], one.clients, {
        topic,
        endOffsets: ends,
        atEnd: 'again',
      });
      // What is read again and again is in the page cache: nothing fills the disk, so only time ends the window.
      const sample = await measure(running, sides[kind], { ...limits(context, round), bytesMax: Infinity });
      await running.stop();
      return sample;
    });
    found.set(one, samples);
    const rates = KINDS.map((kind) =>
      samples[kind].map((each) => each.megabytesPerSecond.toFixed(0)).join(' '),
    );
    context.log(`${one.label}: Headrace ${rates[0]}, Kafka ${rates[1]} MB/s`);
  }
  for (const kind of context.kinds) await removeTopic(sides[kind], filled[kind].topic, context);
}

function settings(context: Context): string[] {
  return [
    'Fetches as the Java consumer makes them by default: one at a time on each connection, in a fetch session, up to 50 MiB ' +
      '(`fetch.max.bytes`) and 1 MiB a partition (`max.partition.fetch.bytes`), at least one byte. A client is a connection. ' +
      'Clients share the partitions; several clients on one partition read all of it each, as different groups do.',
    `Topics of ${TOPIC_BYTES / 1e9} GB, written before in batches of up to 16 KiB, uncompressed unless a row names a codec. ` +
      'Bytes are those of the batches as they are stored and sent, so after compression. ' +
      'Who is at the end begins again. Clients check that no batch is missing and read no further than the batches’ headers.',
    limitsText(context),
    ...KINDS.map((kind) => describe(kind, { durability: 'relaxed', settings: REMOVE_SOON })),
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
      title: 'Record batches handed out',
      text: 'To all clients together.',
      rows: rows((one) => one.megabytesPerSecond, { unit: 'MB/s', better: 'higher', goal: 1.2 }),
    },
    {
      title: "Broker's processor time for a gigabyte consumed",
      rows: rows((one) => one.brokerCpuSecondsPerGigabyte, { unit: 's/GB', better: 'lower', goal: 0.8 }),
    },
    {
      title: 'Most memory resident while consuming',
      rows: rows((one) => one.rssPeakMiB, { unit: 'MiB', better: 'lower', goal: 0.4 }),
    },
    {
      title: 'Who was the bottleneck: processors busy in the broker',
      isInformation: true,
      rows: rows((one) => one.brokerCores, { unit: 'cores', better: 'lower' }),
    },
    {
      title: 'Who was the bottleneck: processors busy in the load generator',
      isInformation: true,
      rows: rows((one) => one.loadCores, { unit: 'cores', better: 'lower' }),
    },
  ];
}

/** One thing apart from the base: 1 KiB, 16 partitions, 8 clients, uncompressed. */
function other(change: Partial<Pick<ProduceLoad, 'valueBytes' | 'partitions' | 'compression'>>): Content {
  const load = { ...BASE_LOAD, ...change };
  const { valueBytes, partitions, clients, compression } = load;
  const codec = compression === 'none' ? '' : `, ${compression}`;
  const label = `${loadLabel(valueBytes, partitions, clients)}${codec}`;
  return { load, cases: [{ label, clients, hasGoal: false }] };
}

/** How each cost grows while something grows by a factor of 100: partitions, connections, the size of records. */
import { fetchSessions, type FetchSample } from './lib/growth/fetch-sessions.ts';
import { startsByPartitions, memoryByConnections } from './lib/growth/standing.ts';
import { growthChart, type Growth } from './lib/growth/chart.ts';
import { BASE_LOAD, produceWindow, withSides, type ProduceLoad, type Sides } from './lib/load/sides.ts';
import type { Sample } from './lib/load/measure.ts';
import { row, type Context, type Question, type Row, type Table } from './lib/question.ts';
import { describe } from './lib/servers.ts';
import { REMOVE_SOON } from './lib/topics.ts';

const OPTIONS = { durability: 'relaxed' } as const;
const WARM_UP_MS = 1500;
const WINDOW_MS = 2000;
const WINDOW_BYTES_MAX = 1e9;
/** A slope needs fewer than a figure. */
const LOAD_ROUNDS_MAX = 2;

interface Sizes {
  readonly startPartitions: readonly number[];
  readonly connections: readonly number[];
  readonly recordBytes: readonly number[];
  readonly producePartitions: readonly number[];
  readonly fetchPartitions: readonly number[];
}
const FULL: Sizes = {
  startPartitions: [50, 500, 5000],
  connections: [20, 200, 2000],
  recordBytes: [100, 1000, 10_000],
  producePartitions: [1, 30, 1000],
  fetchPartitions: [10, 100, 1000],
};
const QUICK: Sizes = {
  startPartitions: [50, 150],
  connections: [10, 50],
  recordBytes: [100, 10_000],
  producePartitions: [1, 10],
  fetchPartitions: [10, 100],
};

/** A load for each size, on two brokers that take turns. */
async function produceGrowth(
  context: Context,
  sides: Sides,
  options: { what: string; sizes: readonly number[]; load: (size: number) => ProduceLoad },
): Promise<Growth<Sample>[]> {
  const found: Growth<Sample>[] = [];
  const within = context.quick
    ? { warmUpMs: 200, windowMs: 300, bytesMax: 0.2e9 }
    : { warmUpMs: WARM_UP_MS, windowMs: WINDOW_MS, bytesMax: WINDOW_BYTES_MAX };
  for (const size of options.sizes) {
    context.log(`${options.what}: ${size}`);
    const samples = await context.alternate(
      (kind) => produceWindow(sides[kind], options.load(size), { ...within, quick: context.quick }),
      { roundsMax: LOAD_ROUNDS_MAX },
    );
    found.push({ size, samples });
  }
  return found;
}

/** A figure of each size: rows of a table, and the same as a line. */
interface Figure<T> {
  readonly name: string;
  readonly title: string;
  readonly text?: string;
  /** What grows, as the x axis says it. */
  readonly xTitle: string;
  /** A size in words, as the row says it. */
  readonly label: (size: number) => string;
  readonly growth: readonly Growth<T>[];
  readonly pick: (sample: T) => number;
  /** What is measured, in a word or two, as the y axis says it. */
  readonly quantity: string;
  readonly unit: string;
  readonly better: Row['better'];
}

function table<T>({ title, text, label, growth, pick, unit, better }: Figure<T>): Table {
  return {
    title,
    ...(text === undefined ? {} : { text }),
    rows: growth.map(({ size, samples }) => row(samples, pick, { label: label(size), unit, better })),
  };
}

const chart = <T>({ name, title, xTitle, growth, pick, quantity, unit, better }: Figure<T>) =>
  growthChart({
    name,
    title,
    xTitle,
    yTitle: `${quantity} (${unit}), ${better === 'higher' ? 'more' : 'less'} is better`,
    growth,
    pick,
  });

const counted =
  (noun: string) =>
  (size: number): string =>
    `${size.toLocaleString('en-US')} ${noun}${size === 1 ? '' : 's'}`;

async function run(context: Context) {
  const sizes = context.quick ? QUICK : FULL;
  const starts = await startsByPartitions(context, sizes.startPartitions);
  const memory = await memoryByConnections(context, sizes.connections);
  const fetches = await fetchSessions(context, sizes.fetchPartitions);
  const loads = await withSides(context, OPTIONS, async (sides) => ({
    bySize: await produceGrowth(context, sides, {
      what: 'bytes of a record',
      sizes: sizes.recordBytes,
      load: (valueBytes) => ({ ...BASE_LOAD, valueBytes }),
    }),
    byPartitions: await produceGrowth(context, sides, {
      what: 'partitions of a load',
      sizes: sizes.producePartitions,
      load: (partitions) => ({ ...BASE_LOAD, partitions }),
    }),
    wide: await produceGrowth(context, sides, {
      what: 'partitions of a request',
      sizes: sizes.producePartitions,
      load: (partitions) => ({
        ...BASE_LOAD,
        partitions,
        valueBytes: 100,
        recordsPerBatch: 1,
        clients: 1,
        inFlight: 1,
      }),
    }),
  }));
  const partitions = { xTitle: 'partitions', label: counted('partition') };
  const records = { xTitle: 'bytes of a record', label: counted('byte'), growth: loads.bySize };
  const wide = { xTitle: 'partitions in a request', label: counted('partition'), growth: loads.wide };
  const session = { xTitle: 'idle partitions in the session', label: counted('idle partition') };
  const lower = { better: 'lower' } as const;
  const ready: Figure<(typeof starts)[number]['samples']['kafka'][number]> = {
    name: 'ready-by-partitions',
    title: 'Process start to ready',
    ...partitions,
    growth: starts,
    pick: ({ readyMs }) => readyMs,
    quantity: 'time',
    unit: 'ms',
    ...lower,
  };
  const startMemory = {
    ...ready,
    name: 'memory-by-partitions',
    title: 'Resident memory after a start',
    pick: ({ rssMiB }: { rssMiB: number }) => rssMiB,
    quantity: 'resident memory',
    unit: 'MiB',
  };
  const connectionMemory: Figure<number> = {
    name: 'memory-by-connections',
    title: 'Resident memory with connections',
    xTitle: 'connections',
    label: counted('connection'),
    growth: memory,
    pick: (rssMiB) => rssMiB,
    quantity: 'resident memory',
    unit: 'MiB',
    ...lower,
  };
  const produced: Figure<Sample>[] = [
    {
      name: 'throughput-by-record-size',
      title: 'Produce throughput by record size',
      ...records,
      pick: ({ megabytesPerSecond }) => megabytesPerSecond,
      quantity: 'throughput',
      unit: 'MB/s',
      better: 'higher',
    },
    {
      name: 'cpu-by-record-size',
      title: "Broker's processor time by record size",
      ...records,
      pick: ({ brokerCpuSecondsPerGigabyte }) => brokerCpuSecondsPerGigabyte,
      quantity: 'processor time',
      unit: 's/GB',
      ...lower,
    },
    {
      name: 'throughput-by-partitions',
      title: 'Produce throughput by partitions',
      ...partitions,
      growth: loads.byPartitions,
      pick: ({ megabytesPerSecond }) => megabytesPerSecond,
      quantity: 'throughput',
      unit: 'MB/s',
      better: 'higher',
    },
    {
      name: 'request-time-by-partitions',
      title: 'Mean time of a produce request with a record for each partition',
      ...wide,
      pick: ({ requestsPerSecond }) => 1000 / requestsPerSecond,
      quantity: 'time',
      unit: 'ms',
      ...lower,
    },
    {
      name: 'request-cpu-by-partitions',
      title: "Broker's processor time for such a request",
      ...wide,
      pick: ({ brokerCpuSecondsPerThousandRequests }) => brokerCpuSecondsPerThousandRequests,
      quantity: 'processor time',
      unit: 'ms of CPU',
      ...lower,
    },
  ];
  const fetched: Figure<FetchSample>[] = [
    {
      name: 'fetch-time-by-idle-partitions',
      title: 'From produce to fetch, beside idle partitions',
      text: 'One record is produced and its acknowledgement awaited while a fetch waits for it, one after the other.',
      ...session,
      growth: fetches,
      pick: ({ cycleMs }) => cycleMs,
      quantity: 'time',
      unit: 'ms',
      ...lower,
    },
    {
      name: 'fetch-cpu-by-idle-partitions',
      title: "Broker's processor time for that",
      ...session,
      growth: fetches,
      pick: ({ cpuMs }) => cpuMs,
      quantity: 'processor time',
      unit: 'ms of CPU',
      ...lower,
    },
  ];
  return {
    settings: [
      'Starts: on the folder of a clean stop, one record in each partition, 50 partitions a topic; memory 1 s after ' +
        'the first answer; with 5,000 partitions one round.',
      'Connections: each has asked for ApiVersions and Metadata; memory 1 s after the last of them.',
      'Produce: 8 clients with 5 requests of up to 1 MiB in flight each, 16 partitions and 1 KiB values where they do not ' +
        'grow; requests for many partitions: one client, one request in flight, one record of 100 bytes for each partition. ' +
        `Warmed up for ${WARM_UP_MS / 1000} s before each window of ${WINDOW_MS / 1000} s; ${LOAD_ROUNDS_MAX} rounds at most.`,
      'Fetch: one session (Fetch 12) holds all partitions; each request names only the active one.',
      ...context.kinds.map((kind) => describe(kind, OPTIONS)),
      `For the produce loads both have ${Object.entries(REMOVE_SOON)
        .map(([name, value]) => `\`${name}=${value}\``)
        .join(', ')} too.`,
    ],
    tables: [
      table(ready),
      table(startMemory),
      table(connectionMemory),
      ...produced.map(table),
      ...fetched.map(table),
    ],
    charts: [
      chart(ready),
      chart(startMemory),
      chart(connectionMemory),
      ...produced.map(chart),
      ...fetched.map(chart),
    ],
  };
}

export const question: Question = {
  name: 'growth',
  title: 'Growth',
  asks:
    'How does each cost grow when there is a hundred times as much of something? On these logarithmic axes a cost that is ' +
    'proportional is a straight line that climbs as the axis does, and a line that climbs faster is where a broker will end.',
  minutes: 11,
  answers: [
    {
      says: 'is ready within',
      where: 'after the start of its process, with the most partitions that were tried',
      table: 'Process start to ready',
    },
  ],
  run,
};

/** What three brokers take in when each record is held three times, what it costs, and what they then give to consumers. */
import {
  clusterConsumeWindow,
  clusterLimits,
  clusterLimitsText,
  clusterProduceWindow,
  withClusters,
  type Clusters,
  type ClusterSample,
} from './lib/cluster-load.ts';
import { describeCluster } from './lib/cluster-servers.ts';
import { loadLabel } from './lib/figures.ts';
import { throughputChart } from './lib/load/chart.ts';
import { BASE_LOAD, type ProduceLoad } from './lib/load/sides.ts';
import {
  KINDS,
  row,
  type BySide,
  type Context,
  type Question,
  type Row,
  type Table,
} from './lib/question.ts';
import { REMOVE_SOON } from './lib/topics.ts';

type Waited = 'relaxed' | 'fsync';

interface Case {
  readonly label: string;
  readonly durability: Waited;
  readonly load: ProduceLoad;
}

const RELAXED: Case[] = [1024, 100].flatMap((valueBytes) =>
  [1, 16, 100].flatMap((partitions) =>
    [1, 8].map((clients) => caseOf('relaxed', { valueBytes, partitions, clients })),
  ),
);
const FSYNC: Case[] = [
  caseOf('fsync', { partitions: 1 }),
  caseOf('fsync', { partitions: 16, clients: 1 }),
  caseOf('fsync', { partitions: 16 }),
  caseOf('fsync', { partitions: 100 }),
];
const CONSUME: Case[] = [caseOf('relaxed', {}), caseOf('relaxed', { valueBytes: 100 })];
const FILL_BYTES = 0.3e9;
const FILL_BYTES_QUICK = 0.03e9;

const TAKEN = 'Record batches taken in, each held three times';
const COST = 'Processor time of all processes for a gigabyte taken in';

interface Found {
  readonly produced: Map<Case, BySide<ClusterSample>>;
  readonly consumed: Map<Case, BySide<ClusterSample>>;
  /** MiB of all processes, once a durability. */
  readonly idle: {
    readonly durability: Waited;
    readonly brokers: BySide<number>;
    readonly all: BySide<number>;
  }[];
}

export const question: Question = {
  name: 'cluster',
  title: 'Three brokers: throughput and cost',
  asks:
    'How many bytes a second do three brokers take in when every record must be on all that are in sync before it is ' +
    'acknowledged, and how much processor time and memory do all processes of the cluster take for it?',
  minutes: 18,
  answers: [
    {
      says: 'takes in',
      where: 'three brokers, 8 producers, records of 1 KiB, 16 partitions, acks=all',
      table: TAKEN,
      row: '1 KiB, 16 partitions, 8 clients',
    },
    {
      says: 'needs',
      where: 'processor time of all processes for a gigabyte, the same load',
      table: COST,
      row: '1 KiB, 16 partitions, 8 clients',
    },
  ],
  async run(context) {
    const found: Found = { produced: new Map(), consumed: new Map(), idle: [] };
    for (const [durability, cases] of [
      ['relaxed', RELAXED],
      ['fsync', FSYNC],
    ] as const) {
      await withClusters(context, { durability }, async (clusters) => {
        found.idle.push(idleOf(context, durability, clusters));
        for (const one of cases) found.produced.set(one, await produced(context, one, clusters));
        if (durability !== 'relaxed') return;
        for (const one of CONSUME) found.consumed.set(one, await consumed(context, one, clusters));
      });
    }
    const bars = RELAXED.map((one) => ({ ...one.load, samples: found.produced.get(one)! }));
    return {
      settings: settings(context),
      tables: tables(found),
      charts: [throughputChart('Record batches taken in by three brokers', bars)],
    };
  },
};

async function produced(context: Context, one: Case, clusters: Clusters): Promise<BySide<ClusterSample>> {
  const samples = await context.alternate((kind, round) =>
    clusterProduceWindow(clusters[kind], one.load, {
      ...clusterLimits(context, round),
      quick: context.quick,
    }),
  );
  report(context, one.label, samples);
  return samples;
}

async function consumed(context: Context, one: Case, clusters: Clusters): Promise<BySide<ClusterSample>> {
  const fillBytes = context.quick ? FILL_BYTES_QUICK : FILL_BYTES;
  const samples = await context.alternate((kind, round) => {
    const within = { ...clusterLimits(context, round), bytesMax: Infinity, quick: context.quick, fillBytes };
    return clusterConsumeWindow(clusters[kind], one.load, within);
  });
  report(context, `consume ${one.label}`, samples);
  return samples;
}

function report(context: Context, label: string, samples: BySide<ClusterSample>): void {
  const texts = context.kinds.map((kind) => {
    const rates = samples[kind].map((one) => one.megabytesPerSecond.toFixed(0)).join(' ');
    const costs = samples[kind].map((one) => one.brokerCpuSecondsPerGigabyte.toFixed(2)).join(' ');
    return `${kind} ${rates} MB/s, ${costs} s/GB`;
  });
  context.log(`${label}: ${texts.join('; ')}`);
}

/** After the warm-up load: what lies there when nothing comes. */
function idleOf({ kinds }: Context, durability: Waited, clusters: Clusters): Found['idle'][number] {
  const brokers: BySide<number> = { headrace: [], kafka: [] };
  const all: BySide<number> = { headrace: [], kafka: [] };
  for (const kind of kinds) {
    const usage = clusters[kind].usage();
    brokers[kind].push(usage.brokers.reduce((sum, { rssMiB }) => sum + rssMiB, 0));
    all[kind].push(usage.rssMiB);
  }
  return { durability, brokers, all };
}

function settings(context: Context): string[] {
  return [
    'Requests as a Java producer under load makes them: a connection to each broker, a batch of up to 16 KiB (`batch.size`) ' +
      'for each partition that it leads, requests of up to 1 MiB, 5 in flight on each connection, acks=all, no idempotence, ' +
      'uncompressed.',
    'Topics have three replicas; partition p is led by broker p % 3 on both sides. All processes and the load run on one ' +
      'machine, so who needs less processor time is faster, too.',
    'Consumers have a connection to each broker and read from the leaders what is in the page cache.',
    clusterLimitsText(context),
    'After each window the committed records are compared with those acknowledged; the topic is then deleted, and its files ' +
      'are gone from all brokers before the next window.',
    ...(['relaxed', 'fsync'] as const).flatMap((durability) =>
      KINDS.map((kind) => `${durability}: ${describeCluster(kind, { durability, settings: REMOVE_SOON })}`),
    ),
  ];
}

function tables({ produced: taken, consumed: given, idle }: Found): Table[] {
  const rows = (
    from: ReadonlyMap<Case, BySide<ClusterSample>>,
    pick: (sample: ClusterSample) => number,
    about: Pick<Row, 'unit' | 'better' | 'goal'>,
  ): Row[] => [...from].map(([{ label }, samples]) => row(samples, pick, { label, ...about }));
  const etcdRows = (pick: (etcd: NonNullable<ClusterSample['etcd']>) => number, unit: string): Row[] =>
    [...taken].map(([{ label }, { headrace }]) => {
      const values = headrace.map(({ etcd }) => pick(etcd!));
      return { label, unit, better: 'lower', headrace: values, kafka: [] };
    });
  const cpu = (one: ClusterSample): number => one.brokerCpuSecondsPerGigabyte;
  return [
    {
      title: TAKEN,
      rows: rows(taken, (one) => one.megabytesPerSecond, { unit: 'MB/s', better: 'higher', goal: 1 }),
    },
    {
      title: COST,
      text: 'User and system time of the three brokers, and of etcd with Headrace.',
      rows: rows(taken, cpu, { unit: 's/GB', better: 'lower', goal: 1 }),
    },
    {
      title: 'Most memory resident while producing, all processes',
      text: 'The three brokers, and etcd with Headrace. One cluster served all rows of one durability, from top to bottom.',
      rows: rows(taken, (one) => one.rssPeakMiB, { unit: 'MiB', better: 'lower', goal: 1 }),
    },
    {
      title: 'Memory resident after the warm-up, while nothing happens',
      rows: idle.flatMap(({ durability, brokers, all }): Row[] => [
        { label: `${durability}, all processes`, unit: 'MiB', better: 'lower', ...all, goal: 1 },
        { label: `${durability}, the brokers`, unit: 'MiB', better: 'lower', ...brokers, goal: 1 },
      ]),
    },
    {
      title: 'Given to consumers',
      rows: rows(given, (one) => one.megabytesPerSecond, { unit: 'MB/s', better: 'higher', goal: 1 }),
    },
    {
      title: 'Processor time of all processes for a gigabyte consumed',
      rows: rows(given, cpu, { unit: 's/GB', better: 'lower', goal: 1 }),
    },
    {
      title: "etcd's part of the processor time while producing",
      isInformation: true,
      rows: etcdRows((etcd) => etcd.cpuSecondsPerGigabyte, 's/GB'),
    },
    {
      title: "etcd's part of the memory while producing",
      isInformation: true,
      rows: etcdRows((etcd) => etcd.rssPeakMiB, 'MiB'),
    },
    {
      title: 'Who was the bottleneck: processors busy in the cluster',
      isInformation: true,
      rows: rows(taken, (one) => one.brokerCores, { unit: 'cores', better: 'lower' }),
    },
    {
      title: 'Who was the bottleneck: processors busy in the load generator',
      isInformation: true,
      rows: rows(taken, (one) => one.loadCores, { unit: 'cores', better: 'lower' }),
    },
  ];
}

function caseOf(durability: Waited, change: Partial<ProduceLoad>): Case {
  const load = { ...BASE_LOAD, ...change };
  const label = loadLabel(load.valueBytes, load.partitions, load.clients);
  return { label: durability === 'fsync' ? `${label}, each on the device (fsync)` : label, durability, load };
}

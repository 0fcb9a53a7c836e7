/** How long a single record takes until it is acknowledged by all that are in sync, and until a consumer has it. */
import { withClusters } from './lib/cluster-load.ts';
import { describeCluster, type Cluster } from './lib/cluster-servers.ts';
import { createReplicated, leaderPorts } from './lib/cluster-topics.ts';
import {
  latenciesOf,
  latencyRows,
  latencyText,
  latenessRow,
  type Latencies,
} from './lib/open-loop/latency-rows.ts';
import { OpenLoop } from './lib/open-loop/open-loop.ts';
import {
  KINDS,
  NAMES,
  type BySide,
  type Context,
  type Question,
  type QuestionResult,
  type Table,
} from './lib/question.ts';
import { quietDisk } from './lib/quiet-disk.ts';
import { REMOVE_SOON } from './lib/topics.ts';

/** Requests a second: what both have room for on a machine of two cores, which holds all brokers and the load. */
const RATES = { relaxed: [500, 1_000], fsync: [100, 300] } as const;
const DURABILITIES = ['relaxed', 'fsync'] as const;
type Waited = (typeof DURABILITIES)[number];
const PARTITIONS = 16;
const CONNECTIONS = 8;
const SHAPE = { recordBytes: 1024, recordsPerBatch: 1, batchesPerRequest: 1, isStamped: true };
const GOALS = { p50: 1, p99: 1 };

interface Durations {
  /** Not counted. */
  readonly warmupSeconds: number;
  readonly seconds: number;
}

/** The first round of each rate warms up for longer. */
const FULL: Durations = { warmupSeconds: 2, seconds: 8 };
const FIRST_WARM_UP_SECONDS = 6;
const QUICK: Durations = { warmupSeconds: 1, seconds: 2 };

let topics = 0;

/** A new topic for each run, so that its consumer begins at the beginning; on a device that has finished the run before. */
async function runRate(
  loop: OpenLoop,
  { cluster, rate, ...durations }: { readonly cluster: Cluster; readonly rate: number } & Durations,
): Promise<Latencies> {
  const topic = `rate-${rate}-${++topics}`;
  await createReplicated(cluster, [{ topic, partitions: PARTITIONS }]);
  const leaders = await leaderPorts(cluster, topic);
  await quietDisk(cluster.dataDir);
  const result = await loop.run({
    port: leaders[0],
    targets: [{ topic, partitions: PARTITIONS, leaders }],
    connections: CONNECTIONS,
    shape: SHAPE,
    requestsPerSecond: rate,
    ...durations,
    consumers: 1,
  });
  if (result.produceMs.length === 0) throw new Error(`${cluster.kind} acknowledged nothing at ${rate}/s`);
  return latenciesOf(result);
}

async function measured(
  context: Context,
  durability: Waited,
  loop: OpenLoop,
): Promise<Map<number, BySide<Latencies>>> {
  const found = new Map<number, BySide<Latencies>>();
  await withClusters(context, { durability }, async (clusters) => {
    for (const rate of RATES[durability]) {
      const samples = await context.alternate(async (kind, round) => {
        const { warmupSeconds, seconds } = context.quick ? QUICK : FULL;
        const isFirst = round === 0 && !context.quick;
        const one = await runRate(loop, {
          cluster: clusters[kind],
          rate,
          warmupSeconds: isFirst ? FIRST_WARM_UP_SECONDS : warmupSeconds,
          seconds,
        });
        context.log(`${durability} ${NAMES[kind]} ${rate}/s: ${latencyText(one)}`);
        return one;
      });
      found.set(rate, samples);
    }
  });
  return found;
}

const perSecond = (rate: number): string => `${rate.toLocaleString('en-US')}/s`;
const titleOf = (durability: Waited): string => `Latency with three replicas, ${durability}`;

/** Rates at which a side fell behind have latencies that say for how long the test went on, and the reader is told so. */
function heldText(found: ReadonlyMap<number, BySide<Latencies>>): string {
  const notes = [...found].flatMap(([rate, samples]) =>
    KINDS.flatMap((kind) => {
      const fell = samples[kind].filter(({ isHeld }) => !isHeld).length;
      return fell === 0
        ? []
        : [`${NAMES[kind]} at ${perSecond(rate)} in ${fell} of ${samples[kind].length} rounds`];
    }),
  );
  return notes.length === 0 ? 'Both kept up at all rates.' : `Did not keep up: ${notes.join('; ')}.`;
}

function tables(durability: Waited, found: ReadonlyMap<number, BySide<Latencies>>): Table[] {
  return [
    {
      title: titleOf(durability),
      text: heldText(found),
      rows: [...found].flatMap(([rate, samples]) =>
        latencyRows(`${perSecond(rate)}, `, { samples, goals: GOALS }),
      ),
    },
    {
      title: `The generator's own delay with three replicas, ${durability}`,
      text: 'How late requests left, p99. It is part of the latencies above, on both sides.',
      isInformation: true,
      rows: [...found].map(([rate, samples]) => latenessRow(perSecond(rate), samples)),
    },
  ];
}

async function run(context: Context): Promise<QuestionResult> {
  const loop = new OpenLoop();
  try {
    const found: Table[] = [];
    for (const durability of DURABILITIES) {
      found.push(...tables(durability, await measured(context, durability, loop)));
    }
    return { settings: settings(), tables: found };
  } finally {
    loop.close();
  }
}

function settings(): string[] {
  const { warmupSeconds, seconds } = FULL;
  return [
    `Records of ${SHAPE.recordBytes} bytes, one a request, acks=all, ${PARTITIONS} partitions with three replicas each, ` +
      `${CONNECTIONS} producers and one consumer, each with a connection to every broker.`,
    'Open loop: when each request is to leave is settled before the first one; latency counts from then.',
    'Both clusters are alive, warmed up with 15 s of full load, and take turns; each turn has ' +
      `${FIRST_WARM_UP_SECONDS} s (the first one) or ${warmupSeconds} s that are not counted and ${seconds} s that are.`,
    ...DURABILITIES.flatMap((durability) =>
      KINDS.map((kind) => `${durability}: ${describeCluster(kind, { durability, settings: REMOVE_SOON })}`),
    ),
  ];
}

export const question: Question = {
  name: 'cluster-latency',
  title: 'Three brokers: latency of single records',
  asks:
    'How long does a record take until all replicas in sync have it, and until a consumer has it, at rates that leave room? ' +
    'This is what a service waits for that writes to a cluster.',
  minutes: 18,
  answers: [
    {
      says: 'acknowledges 99 of 100 records within',
      where: 'three brokers, acks=all, 1,000 records a second, from the page cache',
      table: titleOf('relaxed'),
      row: '1,000/s, produce p99',
    },
    {
      says: 'acknowledges 99 of 100 records within',
      where: 'three brokers, acks=all, 300 records a second, each on three devices first',
      table: titleOf('fsync'),
      row: '300/s, produce p99',
    },
  ],
  run,
};

/** The question of latency: how long a record takes to be acknowledged, and to reach a consumer, at rates that leave room. */
import { latenciesOf, latencyRows, latencyText, latenessRow } from './lib/open-loop/latency-rows.ts';
import type { Goals, Latencies } from './lib/open-loop/latency-rows.ts';
import { OpenLoop } from './lib/open-loop/open-loop.ts';
import { createTopics } from './lib/topics.ts';
import {
  KINDS,
  NAMES,
  type BySide,
  type Chart,
  type Context,
  type Kind,
  type Question,
  type QuestionResult,
  type Table,
} from './lib/question.ts';
import { quietDisk } from './lib/quiet-disk.ts';
import { describe, start, type Durability, type Server } from './lib/servers.ts';

/** Requests a second: what both have room for, and more where nobody waits for the device. */
const RATES = { relaxed: [2_000, 5_000], fsync: [500, 2_000] } as const;
const RATE_COLD = 2_000;
const DURABILITIES = ['relaxed', 'fsync'] as const satisfies readonly Durability[];
type Waited = (typeof DURABILITIES)[number];
const PARTITIONS = 16;
const CONNECTIONS = 8;
const SHAPE = { recordBytes: 1024, recordsPerBatch: 1, batchesPerRequest: 1, isStamped: true };

/** By requests a second. Twice as fast where a service would run; nowhere behind. */
const GOALS: Readonly<Record<number, Goals>> = { 2_000: { p99: 0.5, p999: 0.5 } };
const GOALS_ELSEWHERE: Goals = { p99: 1 };

interface Durations {
  readonly coldSeconds: number;
  /** At `RATE_COLD`, then at half as much again, not counted: a JVM takes so long to compile what it runs. */
  readonly warmupSeconds: number;
  /** Before each rate, not counted either. */
  readonly settleSeconds: number;
  readonly seconds: number;
}

const FULL: Durations = { coldSeconds: 5, warmupSeconds: 20, settleSeconds: 3, seconds: 20 };
const QUICK: Durations = { coldSeconds: 2, warmupSeconds: 3, settleSeconds: 1, seconds: 2 };

interface Round {
  readonly cold: Latencies;
  /** By rate; those after one that was too much are missing. */
  readonly warm: ReadonlyMap<number, Latencies>;
}

/** A new topic for each run, so that its consumer begins at the beginning; on a device that has finished the run before. */
async function runRate(
  loop: OpenLoop,
  options: { server: Server; topic: string; rate: number; warmupSeconds: number; seconds: number },
): Promise<Latencies | undefined> {
  const { server, topic, rate, warmupSeconds, seconds } = options;
  const targets = [{ topic, partitions: PARTITIONS }];
  await createTopics(server.port, targets);
  await quietDisk(server.dataDir);
  const result = await loop.run({
    port: server.port,
    targets,
    connections: CONNECTIONS,
    shape: SHAPE,
    requestsPerSecond: rate,
    warmupSeconds,
    seconds,
    consumers: 1,
  });
  return result.produceMs.length === 0 ? undefined : latenciesOf(result);
}

async function runRound(
  context: Context,
  { kind, durability, loop }: { kind: Kind; durability: Waited; loop: OpenLoop },
): Promise<Round> {
  const durations = context.quick ? QUICK : FULL;
  const server = await start(kind, { durability });
  try {
    const { coldSeconds, warmupSeconds, settleSeconds, seconds } = durations;
    const cold = await runRate(loop, {
      server,
      topic: 'cold',
      rate: RATE_COLD,
      warmupSeconds: 0,
      seconds: coldSeconds,
    });
    if (cold === undefined) throw new Error(`${kind} acknowledged nothing`);
    context.log(`${durability} ${NAMES[kind]} cold: ${latencyText(cold)}`);
    const half = { warmupSeconds: 0, seconds: warmupSeconds / 2 };
    await runRate(loop, { server, topic: 'warm-1', rate: RATE_COLD, ...half });
    await runRate(loop, { server, topic: 'warm-2', rate: RATE_COLD * 1.5, ...half });
    const warm = new Map<number, Latencies>();
    for (const rate of RATES[durability]) {
      const topic = `rate-${rate}`;
      const found = await runRate(loop, { server, topic, rate, warmupSeconds: settleSeconds, seconds });
      if (found === undefined) break;
      warm.set(rate, found);
      context.log(`${durability} ${NAMES[kind]} ${rate}/s: ${latencyText(found)}`);
      if (!found.isHeld) break;
    }
    return { cold, warm };
  } finally {
    await server.discard();
  }
}

/** The generators compile their own code on a broker that is not measured. */
async function warmUpLoad(loop: OpenLoop, quick: boolean): Promise<void> {
  const server = await start('headrace', { durability: 'relaxed' });
  try {
    const seconds = quick ? 2 : 5;
    await runRate(loop, { server, topic: 'generators', rate: RATE_COLD, warmupSeconds: 0, seconds });
  } finally {
    await server.discard();
  }
}

function atRate(rounds: BySide<Round>, rate: number): BySide<Latencies> {
  const pick = (all: readonly Round[]): Latencies[] => all.flatMap(({ warm }) => warm.get(rate) ?? []);
  return { headrace: pick(rounds.headrace), kafka: pick(rounds.kafka) };
}

/** Rates at which a side fell behind have latencies that say for how long the test went on, and the reader is told so. */
function heldText(durability: Waited, rounds: BySide<Round>): string {
  const notes = RATES[durability].flatMap((rate) =>
    KINDS.flatMap((kind) => {
      const fell = rounds[kind].filter(({ warm }) => !(warm.get(rate)?.isHeld ?? false)).length;
      return fell === 0
        ? []
        : [`${NAMES[kind]} at ${perSecond(rate)} in ${fell} of ${rounds[kind].length} rounds`];
    }),
  );
  if (notes.length === 0) return 'Both kept up at all rates.';
  return `Did not keep up (or had not at a lower rate): ${notes.join('; ')}.`;
}

const perSecond = (rate: number): string => `${rate.toLocaleString('en-US')}/s`;

function titleOf(state: 'warm' | 'cold', durability: Waited): string {
  return `${state === 'warm' ? 'Latency when warm' : 'Latency right after the start'}, ${durability}`;
}

function tables(durability: Waited, rounds: BySide<Round>): Table[] {
  const rates = RATES[durability];
  const cold: BySide<Latencies> = {
    headrace: rounds.headrace.map((round) => round.cold),
    kafka: rounds.kafka.map((round) => round.cold),
  };
  return [
    {
      title: titleOf('warm', durability),
      text: heldText(durability, rounds),
      rows: rates.flatMap((rate) => {
        const goals = GOALS[rate] ?? GOALS_ELSEWHERE;
        return latencyRows(`${perSecond(rate)}, `, { samples: atRate(rounds, rate), goals });
      }),
    },
    {
      title: titleOf('cold', durability),
      text: `The first seconds after the start at ${RATE_COLD.toLocaleString('en-US')} records a second, nothing left out.`,
      rows: latencyRows('', { samples: cold, goals: GOALS_ELSEWHERE }),
    },
    {
      title: `The generator's own delay, ${durability}`,
      text: 'How late requests left, p99. It is part of the latencies above, on both sides.',
      isInformation: true,
      rows: rates.map((rate) => latenessRow(perSecond(rate), atRate(rounds, rate))),
    },
  ];
}

function chart(durability: Waited, rounds: BySide<Round>): Chart {
  const bar = (rate: number, name: 'p50' | 'p99' | 'p999') =>
    `${perSecond(rate)}\n${name === 'p999' ? 'p99.9' : name}`;
  return {
    name: durability,
    title: `Produce latency, ${durability}: half, 99 % and 99.9 % of the records within`,
    kind: 'bar',
    xTitle: 'records a second, percentile',
    yTitle: 'ms, less is better',
    series: KINDS.map((kind) => ({
      name: NAMES[kind],
      kind,
      points: RATES[durability].flatMap((rate) =>
        (['p50', 'p99', 'p999'] as const).flatMap((name) =>
          atRate(rounds, rate)[kind].map(({ produce }) => [bar(rate, name), produce[name]] as const),
        ),
      ),
    })),
  };
}

async function run(context: Context): Promise<QuestionResult> {
  const durations = context.quick ? QUICK : FULL;
  const loop = new OpenLoop();
  try {
    await warmUpLoad(loop, context.quick);
    const found: Table[] = [];
    const charts: Chart[] = [];
    for (const durability of DURABILITIES) {
      const rounds = await context.alternate((kind) => runRound(context, { kind, durability, loop }));
      found.push(...tables(durability, rounds));
      charts.push(chart(durability, rounds));
    }
    return { settings: settings(durations), tables: found, charts };
  } finally {
    loop.close();
  }
}

function settings({ coldSeconds, warmupSeconds, settleSeconds, seconds }: Durations): string[] {
  return [
    `Records of ${SHAPE.recordBytes} bytes, one a request, acks=all, ${PARTITIONS} partitions, ${CONNECTIONS} producing ` +
      'connections, one consuming connection that fetches as the Java consumer does (500 ms, 1 byte at least).',
    'Open loop: when each request is to leave is settled before the first one; latency counts from then, so a broker that ' +
      'stops for a while has that in the latency of all requests that were due. The generator wakes at most every 0.2 ms.',
    `Each round starts the broker anew on an empty folder: ${coldSeconds} s cold, ${warmupSeconds} s of warm-up that are not ` +
      `counted, then for each rate ${settleSeconds} s not counted and ${seconds} s counted.`,
    ...DURABILITIES.flatMap((durability) =>
      KINDS.map((kind) => `${durability}: ${describe(kind, { durability })}`),
    ),
  ];
}

export const question: Question = {
  name: 'latency',
  title: 'Latency of single records',
  asks:
    'How long does a record take until it is acknowledged, and until a consumer has it, while the broker has time to spare? ' +
    'A service that waits for its broker waits for the slow ones too: so p99, p99.9 and the slowest of all, at fixed rates.',
  minutes: 17,
  answers: [
    {
      says: 'acknowledges 99 of 100 records within',
      where: '2,000 records a second, from the page cache',
      table: titleOf('warm', 'relaxed'),
      row: '2,000/s, produce p99',
    },
    {
      says: 'acknowledges 99 of 100 records within',
      where: 'the same with each record on the device first',
      table: titleOf('warm', 'fsync'),
      row: '2,000/s, produce p99',
    },
  ],
  run,
};

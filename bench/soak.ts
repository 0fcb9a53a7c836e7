/**
 * The soak: half an hour at 70 % of what the broker could carry, and whether it is the same broker at the end as at the
 * beginning. Headrace alone, unless `--only` asks for the
 * other side or both. HEADRACE_BENCH_MINUTES sets how long.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BASE_LOAD, startProducers } from './lib/load/sides.ts';
import { startLoad } from './lib/load/load.ts';
import { Buckets, bucketText, type Bucket } from './lib/open-loop/buckets.ts';
import { OpenLoop } from './lib/open-loop/open-loop.ts';
import { batchBytesOf } from './lib/open-loop/produce-frame.ts';
import { createTopics } from './lib/topics.ts';
import { lookText, watch, type Look } from './lib/open-loop/watch.ts';
import { KINDS, NAMES, row, type BySide, type Chart, type Context, type Kind } from './lib/question.ts';
import type { Question, QuestionResult, Row, Table } from './lib/question.ts';
import { describe, start, type Server, type ServerOptions } from './lib/servers.ts';

const MINUTES_DEFAULT = 30;
const MINUTES_QUICK = 0.3;
const SHARE_OF_PEAK = 0.7;
const { partitions: PARTITIONS, clients: CONNECTIONS, inFlight: IN_FLIGHT } = BASE_LOAD;
/** As the closed loop of the peak: a batch of 16 KiB for each partition in one request. */
const SHAPE = {
  recordBytes: BASE_LOAD.valueBytes,
  recordsPerBatch: 15,
  batchesPerRequest: PARTITIONS,
  isStamped: true,
};
const OPTIONS: ServerOptions = {
  durability: 'relaxed',
  settings: {
    'log.segment.bytes': String(128 * 2 ** 20),
    'log.retention.bytes': String(384 * 2 ** 20),
    'log.retention.check.interval.ms': '1000',
    'log.initial.task.delay.ms': '1000',
    'log.segment.delete.delay.ms': '1000',
  },
};
const LOOK_SECONDS = 5;
/** The beginning and the end that are compared, and how much of a short run they are at most. */
const COMPARED_MINUTES = 5;
const COMPARED_SHARE_MAX = 1 / 3;
const MEMORY_GROWTH_MAX = 0.05;
const DESCRIPTORS_GROWTH_MAX = 0.02;
/** Minutes differ; what grows does so without end, and by more than that in half an hour. */
const P99_GROWTH_MAX = 0.5;

interface Durations {
  readonly minutes: number;
  readonly peakSeconds: number;
  readonly settleSeconds: number;
  /** Latencies are told for each of these. */
  readonly bucketSeconds: number;
}

interface Measured {
  readonly peakMegabytesPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly isHeld: boolean;
  readonly buckets: readonly Bucket[];
  readonly looks: readonly Look[];
  readonly comparedMinutes: number;
}

/**
 * MB/s with producers in a closed loop and a consumer beside them, of which the slower counts: what nobody has read by the end
 * was not carried. Warmed up for as long as it is measured.
 */
async function measurePeak(server: Server, peakSeconds: number): Promise<number> {
  const topic = 'peak';
  await createTopics(server.port, [{ topic, partitions: PARTITIONS }]);
  const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  const endOffsets = all.map(() => 0);
  const consume = { does: 'consume', port: server.port, topic, clients: [all], endOffsets } as const;
  const consumer = await startLoad([{ ...consume, atEnd: 'wait' }]);
  const producers = await startProducers(server, topic, BASE_LOAD);
  await delay(peakSeconds * 1_000);
  const before = [await producers.counters(), await consumer.counters()];
  await delay(peakSeconds * 1_000);
  const after = [await producers.counters(), await consumer.counters()];
  await producers.stop();
  await consumer.stop();
  const rates = before.map(
    ({ bytes, atMs }, side) => (after[side].bytes - bytes) / 1e3 / (after[side].atMs - atMs),
  );
  if (rates.some((rate) => rate === 0))
    throw new Error('at the peak nothing was produced, or nothing consumed');
  return Math.min(...rates);
}

async function soak(
  context: Context,
  { kind, durations }: { kind: Kind; durations: Durations },
): Promise<Measured> {
  const { minutes, peakSeconds, settleSeconds, bucketSeconds } = durations;
  const server = await start(kind, OPTIONS);
  const loop = new OpenLoop();
  try {
    const peak = await measurePeak(server, peakSeconds);
    const requestBytes = batchBytesOf(SHAPE) * SHAPE.batchesPerRequest;
    const requestsPerSecond = Math.round((peak * 1e6 * SHARE_OF_PEAK) / requestBytes);
    const megabytesPerSecond = (requestsPerSecond * requestBytes) / 1e6;
    const rate = `${peak.toFixed(0)} MB/s, soaked at ${megabytesPerSecond.toFixed(0)} MB/s`;
    context.log(`${NAMES[kind]}: peak ${rate}`);
    const targets = [{ topic: 'soak', partitions: PARTITIONS }];
    await createTopics(server.port, targets);
    const looking = watch(server, LOOK_SECONDS);
    const buckets = new Buckets(bucketSeconds, (bucket) => {
      context.log(`${NAMES[kind]}: ${bucketText(bucket)}; ${lookText(looking.looks.at(-1)!)}`);
    });
    const result = await loop.run({
      port: server.port,
      targets,
      connections: CONNECTIONS,
      shape: SHAPE,
      requestsPerSecond,
      warmupSeconds: settleSeconds,
      seconds: minutes * 60,
      consumers: 1,
      onProduced: (samples) => buckets.produced(samples),
      onConsumed: (samples) => buckets.consumed(samples),
    });
    looking.stop();
    const { unanswered } = result.producer;
    if (unanswered > 0)
      throw new Error(`${NAMES[kind]} left ${unanswered} requests unanswered: peak ${rate}`);
    const looks = looking.looks.filter(({ minute }) => minute * 60 >= settleSeconds);
    return {
      peakMegabytesPerSecond: peak,
      megabytesPerSecond,
      isHeld: result.isHeld,
      buckets: buckets.done,
      looks,
      comparedMinutes: Math.min(COMPARED_MINUTES, minutes * COMPARED_SHARE_MAX),
    };
  } finally {
    loop.close();
    await server.discard();
  }
}

interface Compared {
  readonly first: number;
  readonly last: number;
}

/** The mean at the beginning and at the end. */
function compare<T extends { readonly minute: number }>(
  all: readonly T[],
  minutes: number,
  pick: (one: T) => number,
): Compared {
  const mean = (some: readonly T[]): number => {
    if (some.length === 0) throw new Error('the run was too short to compare its beginning with its end');
    return some.reduce((sum, one) => sum + pick(one), 0) / some.length;
  };
  const from = all[0]?.minute ?? 0;
  const to = all.at(-1)?.minute ?? 0;
  return {
    first: mean(all.filter(({ minute }) => minute <= from + minutes)),
    last: mean(all.filter(({ minute }) => minute >= to - minutes)),
  };
}

const memory = ({ looks, comparedMinutes }: Measured): Compared =>
  compare(looks, comparedMinutes, ({ rssMiB }) => rssMiB);
const descriptors = ({ looks, comparedMinutes }: Measured): Compared =>
  compare(looks, comparedMinutes, (look) => look.descriptors);
const produceP99 = ({ buckets, comparedMinutes }: Measured): Compared =>
  compare(buckets, comparedMinutes, (bucket) => bucket.produceP99);
const latenessP99 = ({ buckets, comparedMinutes }: Measured): Compared =>
  compare(buckets, comparedMinutes, (bucket) => bucket.latenessP99);
const endToEndP99 = ({ buckets, comparedMinutes }: Measured): Compared =>
  compare(buckets, comparedMinutes, (bucket) => bucket.endToEndP99);

function verdicts(measured: Measured): string[] {
  const say = (name: string, { first, last }: Compared, growthMax: number): string => {
    const growth = last / first - 1;
    const verdict = growth <= growthMax ? 'not grown' : 'GROWN';
    return `${name} moved by ${(growth * 100).toFixed(1)} %: ${verdict}.`;
  };
  return [
    measured.isHeld ? 'Kept up to the end.' : 'DID NOT KEEP UP.',
    say('Memory', memory(measured), MEMORY_GROWTH_MAX),
    say('Descriptors', descriptors(measured), DESCRIPTORS_GROWTH_MAX),
    say('Produce p99', produceP99(measured), P99_GROWTH_MAX),
  ];
}

function tables(found: BySide<Measured>): Table[] {
  const pair = (label: string, unit: string, of: (one: Measured) => Compared): Row[] => [
    row(found, (one) => of(one).first, { label: `${label}, at the beginning`, unit, better: 'lower' }),
    row(found, (one) => of(one).last, { label: `${label}, at the end`, unit, better: 'lower' }),
  ];
  const higher = (label: string, pick: (one: Measured) => number): Row =>
    row(found, pick, { label, unit: 'MB/s', better: 'higher' });
  const text = KINDS.flatMap((kind) =>
    found[kind].map((one) => `${NAMES[kind]}: ${verdicts(one).join(' ')}`),
  ).join('\n\n');
  return [
    {
      title: 'From the beginning to the end',
      text: `Each side carries 70 % of its own peak, so the one with the higher peak has more to do.\n\n${text}`,
      rows: [
        higher('peak, produced and consumed', (one) => one.peakMegabytesPerSecond),
        higher('soaked at', (one) => one.megabytesPerSecond),
        ...pair('resident memory', 'MiB', memory),
        ...pair('descriptors', 'files and sockets', descriptors),
        ...pair('produce p99', 'ms', produceP99),
        ...pair('end to end p99', 'ms', endToEndP99),
      ],
    },
    {
      title: "The generator's own delay",
      text: 'How late requests left, p99. It is part of the latencies above.',
      isInformation: true,
      rows: pair('left late p99', 'ms', latenessP99),
    },
  ];
}

function charts(found: BySide<Measured>): Chart[] {
  const series = (points: (one: Measured) => readonly (readonly [number, number])[]): Chart['series'] =>
    KINDS.flatMap((kind) => found[kind].map((one) => ({ name: NAMES[kind], kind, points: points(one) })));
  return [
    {
      name: 'memory',
      title: 'Resident memory during the soak',
      kind: 'line',
      xTitle: 'minutes',
      yTitle: 'MiB',
      series: series(({ looks }) => looks.map(({ minute, rssMiB }) => [minute, rssMiB] as const)),
    },
    {
      name: 'p99',
      title: 'Produce p99 of each minute',
      kind: 'line',
      xTitle: 'minutes',
      yTitle: 'ms',
      yScale: 'log',
      series: series(({ buckets }) => buckets.map((one) => [one.minute, one.produceP99] as const)),
    },
  ];
}

function durationsOf({ quick }: Context): Durations {
  const minutes = Number(process.env['HEADRACE_BENCH_MINUTES'] ?? (quick ? MINUTES_QUICK : MINUTES_DEFAULT));
  if (!(minutes > 0)) throw new Error('HEADRACE_BENCH_MINUTES takes a number above 0');
  const bucketSeconds = Math.min(60, (minutes * 60) / 6);
  if (quick) return { minutes, peakSeconds: 2, settleSeconds: 2, bucketSeconds };
  return { minutes, peakSeconds: 20, settleSeconds: 60, bucketSeconds };
}

async function run(context: Context): Promise<QuestionResult> {
  const durations = durationsOf(context);
  const found: BySide<Measured> = { headrace: [], kafka: [] };
  for (const kind of context.kinds) {
    const measured = await soak(context, { kind, durations });
    found[kind].push(measured);
    for (const text of verdicts(measured)) context.log(`${NAMES[kind]}: ${text}`);
  }
  return { settings: settings(durations, context.kinds), tables: tables(found), charts: charts(found) };
}

function settings({ minutes, peakSeconds, settleSeconds }: Durations, kinds: readonly Kind[]): string[] {
  return [
    `Records of ${SHAPE.recordBytes} bytes, batches of ${SHAPE.recordsPerBatch}, one for each of ${PARTITIONS} partitions in a ` +
      `request, acks=all, ${CONNECTIONS} producing connections, one consuming all of it as it comes.`,
    `The peak: ${IN_FLIGHT} requests in flight on each connection, ${peakSeconds} s after as long a warm-up; what is produced ` +
      'or consumed, whichever is less.',
    `The soak: open loop at ${SHARE_OF_PEAK * 100} % of that, ${settleSeconds} s not counted, then ${minutes} minutes; one run.`,
    ...kinds.map((kind) => describe(kind, OPTIONS)),
  ];
}

export const question: Question = {
  name: 'soak',
  title: 'The soak',
  asks:
    'Is a broker after half an hour of heavy load what it was at its beginning? Memory that grows, descriptors that are not ' +
    'closed and a p99 that rises do not show in a test of seconds.',
  minutes: 34,
  isLong: true,
  kinds: ['headrace'],
  answers: [
    {
      says: 'holds',
      where: 'resident memory at the end of the soak',
      table: 'From the beginning to the end',
      row: 'resident memory, at the end',
    },
  ],
  run,
};

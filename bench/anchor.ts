/**
 * The anchor: the load that Headrace promises to carry on a machine of two cores, all of it at once and for ten minutes.
 * Headrace alone, unless `--only` asks for the other side or both. HEADRACE_BENCH_MINUTES sets how long.
 */
import { statfsSync } from 'node:fs';
import { Buckets, bucketText, type Bucket } from './lib/open-loop/buckets.ts';
import { nowMicros } from './lib/open-loop/clock.ts';
import { LoadProcess } from './lib/open-loop/load-process.ts';
import type { GroupRun, ProduceRun, Samples, Summary } from './lib/open-loop/messages.ts';
import { CONSUMER_WAIT_MS_MAX, LEAD_MICROS, within } from './lib/open-loop/open-loop.ts';
import { createTopics } from './lib/topics.ts';
import { lookText, trendOf, watch, type Look, type Watch } from './lib/open-loop/watch.ts';
import { joinSamples, spreadOf, type Spread } from './lib/percentiles.ts';
import { NAMES, row, type BySide, type Context, type Kind, type Question } from './lib/question.ts';
import type { Chart, QuestionResult, Table } from './lib/question.ts';
import { benchFolder, describe, start, type Server, type ServerOptions } from './lib/servers.ts';

const MINUTES_DEFAULT = 10;
const MINUTES_QUICK = 0.25;
const MIB = 2 ** 20;

const CONNECTIONS = 2_000;
const GROUPS = 20;
const MEMBERS_PER_GROUP = 35;
const PARTITIONS = 250;
/** One topic for each group: 250 partitions in topics of 13 and 12. */
const TARGETS = Array.from({ length: GROUPS }, (_, index) => ({
  topic: `anchor-${index}`,
  partitions: Math.floor(PARTITIONS / GROUPS) + (index < PARTITIONS % GROUPS ? 1 : 0),
}));
/** A member has a connection to its coordinator, and one more for its partition. */
const PRODUCER_CONNECTIONS = CONNECTIONS - GROUPS * MEMBERS_PER_GROUP - PARTITIONS;
/** Records of 3.3 KB; four fill a batch of the Java producer (16 KiB). */
const SHAPE = { recordBytes: 3_333, recordsPerBatch: 4, batchesPerRequest: 2, isStamped: true };
const RECORDS_PER_SECOND = 30_000;
const REQUESTS_PER_SECOND = RECORDS_PER_SECOND / (SHAPE.recordsPerBatch * SHAPE.batchesPerRequest);

const SEGMENT_BYTES = 16 * MIB;
const RETENTION_BYTES = 16 * MIB;
const CHECK_MS = 5_000;
const DELETE_DELAY_MS = 1_000;
const SETTINGS = {
  'log.segment.bytes': String(SEGMENT_BYTES),
  'log.retention.bytes': String(RETENTION_BYTES),
  'log.retention.check.interval.ms': String(CHECK_MS),
  'log.initial.task.delay.ms': String(CHECK_MS),
  'log.segment.delete.delay.ms': String(DELETE_DELAY_MS),
};
const OPTIONS: ServerOptions = { durability: 'relaxed', settings: SETTINGS };
/**
 * A partition keeps up to the retention and a segment, and has one that is being written; then what comes until somebody
 * looks and until it is gone, and some for indexes and the groups' offsets.
 */
const DISK_MIB_MAX = (PARTITIONS * (RETENTION_BYTES + 2 * SEGMENT_BYTES)) / MIB + 2_000;

const P99_MS_MAX = 50;
/** In the second half, as a share: no more than noise. */
const MEMORY_GROWTH_MAX = 0.05;
const DESCRIPTORS_GROWTH_MAX = 0.02;
const LOOK_SECONDS = 5;
const PROGRESS_SECONDS = 10;

interface Measured {
  readonly produce: Spread;
  readonly endToEnd: Spread;
  readonly lateness: Spread;
  readonly looks: readonly Look[];
  readonly megabytesPerSecond: number;
  readonly brokerCores: number;
  readonly loadCores: number;
  readonly buckets: readonly Bucket[];
}

async function measure(
  context: Context,
  options: { kind: Kind; server: Server; minutes: number },
): Promise<Measured> {
  const { kind, server, minutes } = options;
  const { port } = server;
  const warmupSeconds = context.quick ? 5 : 30;
  const seconds = minutes * 60;
  const batches = Math.round((warmupSeconds + seconds) * REQUESTS_PER_SECOND) * SHAPE.batchesPerRequest;
  const producer = new LoadProcess<ProduceRun>('produce-worker.ts');
  const groups = new LoadProcess<GroupRun>('group-worker.ts');
  const produced: Samples[] = [];
  const consumed: Samples[] = [];
  let watching: Watch | undefined;
  try {
    await createTopics(port, TARGETS);
    const run = { port, targets: TARGETS, shape: SHAPE };
    const schedule = { requestsPerSecond: REQUESTS_PER_SECOND, warmupSeconds, seconds };
    await groups.prepare({ ...run, membersPerGroup: MEMBERS_PER_GROUP, batches, warmupSeconds });
    await producer.prepare({ ...run, connections: PRODUCER_CONNECTIONS, schedule });
    const open = server.usage().descriptors;
    context.log(`${NAMES[kind]}: ${CONNECTIONS} connections, ${GROUPS} groups stand; ${open} descriptors`);
    if (open < CONNECTIONS) throw new Error(`the broker has only ${open} descriptors open`);
    watching = watch(server, LOOK_SECONDS);
    const { looks } = watching;
    const buckets = new Buckets(PROGRESS_SECONDS, (bucket) => {
      context.log(`${NAMES[kind]}: ${bucketText(bucket)}; ${lookText(looks.at(-1)!)}`);
    });
    producer.onSamples = (samples) => {
      produced.push(samples);
      buckets.produced(samples);
    };
    groups.onSamples = (samples) => {
      consumed.push(samples);
      buckets.consumed(samples);
    };
    const before = server.usage();
    const startMicros = nowMicros() + LEAD_MICROS;
    const consuming = groups.start(startMicros);
    const producing = producer.start(startMicros).then((summary) => {
      if (summary.unanswered > 0) throw new Error(`${summary.unanswered} requests were never answered`);
      return summary;
    });
    const ended = await Promise.race([producing, consuming.then(() => producing)]);
    // What follows is clients that go, and no load.
    watching.stop();
    const consumer: Summary = await within(consuming, CONSUMER_WAIT_MS_MAX);
    const took = (nowMicros() - startMicros) / 1e6;
    const used = server.usage().cpuSeconds - before.cpuSeconds;
    return {
      produce: spreadOf(joinSamples(produced.map(({ latencyMs }) => latencyMs))),
      endToEnd: spreadOf(joinSamples(consumed.map(({ latencyMs }) => latencyMs))),
      lateness: spreadOf(joinSamples(produced.map(({ latenessMs }) => latenessMs))),
      looks,
      megabytesPerSecond: buckets.batchBytes / 1e6 / (warmupSeconds + seconds + ended.drainMs / 1_000),
      brokerCores: used / took,
      loadCores: (ended.cpuSeconds + consumer.cpuSeconds) / took,
      buckets: buckets.done,
    };
  } catch (error) {
    producer.kill();
    groups.kill();
    throw error;
  } finally {
    watching?.stop();
    producer.close();
    groups.close();
  }
}

/** What is promised, and whether it was kept. */
function verdicts(measured: Measured): string[] {
  const memory = trendOf(measured.looks, ({ rssMiB }) => rssMiB);
  const descriptors = trendOf(measured.looks, (look) => look.descriptors);
  const disk = Math.max(...measured.looks.map(({ diskMiB }) => diskMiB));
  const say = (isKept: boolean, text: string): string => `${text}: ${isKept ? 'kept' : 'MISSED'}.`;
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const { p99 } = measured.produce;
  return [
    say(p99 < P99_MS_MAX, `Produce p99 below ${P99_MS_MAX} ms, was ${p99.toFixed(1)} ms`),
    say(
      memory.growth < MEMORY_GROWTH_MAX,
      `Memory flat in the second half, moved ${percent(memory.growth)} (${memory.perMinute.toFixed(1)} MiB a minute)`,
    ),
    say(
      Math.abs(descriptors.growth) < DESCRIPTORS_GROWTH_MAX,
      `Descriptors constant in the second half, moved ${percent(descriptors.growth)} ` +
        `(${descriptors.min} to ${descriptors.max})`,
    ),
    say(
      disk < DISK_MIB_MAX,
      `Disk bounded by retention to ${DISK_MIB_MAX.toFixed(0)} MiB, was ${disk.toFixed(0)} MiB at most`,
    ),
  ];
}

function tables(found: BySide<Measured>): Table[] {
  const spreadRows = (name: 'produce' | 'endToEnd' | 'lateness', title: string) =>
    (['p50', 'p99', 'p999', 'max'] as const).map((part) =>
      row(found, (one) => one[name][part], {
        label: `${title} ${part === 'p999' ? 'p99.9' : part}`,
        unit: 'ms',
        better: 'lower',
      }),
    );
  const lower = (label: string, unit: string, pick: (one: Measured) => number) =>
    row(found, pick, { label, unit, better: 'lower' });
  const rssRow = lower('resident memory, mean of the second half', 'MiB', ({ looks }) => {
    return trendOf(looks, ({ rssMiB }) => rssMiB).mean;
  });
  const text = (['headrace', 'kafka'] as const)
    .flatMap((kind) => found[kind].map((one) => `${NAMES[kind]}. ${verdicts(one).join(' ')}`))
    .join('\n\n');
  return [
    {
      title: 'All of it at once',
      text,
      rows: [
        ...spreadRows('produce', 'produce'),
        ...spreadRows('endToEnd', 'end to end'),
        row(found, ({ megabytesPerSecond }) => megabytesPerSecond, {
          label: 'produced, and consumed once',
          unit: 'MB/s',
          better: 'higher',
        }),
        rssRow,
        lower('broker processors busy', 'cores', ({ brokerCores }) => brokerCores),
      ],
    },
    {
      title: 'The load itself',
      text: 'Processors that the clients took from the broker, and how late requests left (part of the latencies above).',
      isInformation: true,
      rows: [
        lower('client processors busy', 'cores', ({ loadCores }) => loadCores),
        ...spreadRows('lateness', 'left late'),
      ],
    },
  ];
}

function charts(found: BySide<Measured>): Chart[] {
  const line = (
    about: Pick<Chart, 'name' | 'title' | 'yTitle'>,
    points: (one: Measured) => readonly (readonly [number, number])[],
  ): Chart => ({
    ...about,
    kind: 'line',
    xTitle: 'minutes',
    series: (['headrace', 'kafka'] as const).flatMap((kind) =>
      found[kind].map((one) => ({ name: NAMES[kind], kind, points: points(one) })),
    ),
  });
  return [
    line({ name: 'memory', title: 'Resident memory under the anchor load', yTitle: 'MiB' }, ({ looks }) =>
      looks.map(({ minute, rssMiB }) => [minute, rssMiB] as const),
    ),
    line({ name: 'p99', title: 'Produce p99 of each ten seconds', yTitle: 'ms' }, ({ buckets }) =>
      buckets.map((one) => [one.minute, one.produceP99] as const),
    ),
  ];
}

function minutesOf(quick: boolean): number {
  const minutes = Number(process.env['HEADRACE_BENCH_MINUTES'] ?? (quick ? MINUTES_QUICK : MINUTES_DEFAULT));
  if (!(minutes > 0)) throw new Error('HEADRACE_BENCH_MINUTES takes a number above 0');
  return minutes;
}

async function run(context: Context): Promise<QuestionResult> {
  const minutes = minutesOf(context.quick);
  const { bavail, bsize } = statfsSync(benchFolder());
  const freeMiB = (bavail * bsize) / MIB;
  if (freeMiB < DISK_MIB_MAX * 1.2) {
    throw new Error(`${benchFolder()} has ${freeMiB.toFixed(0)} MiB; ${DISK_MIB_MAX * 1.2} are needed`);
  }
  const { kinds } = context;
  const found: BySide<Measured> = { headrace: [], kafka: [] };
  for (const kind of kinds) {
    const server = await start(kind, OPTIONS);
    try {
      const measured = await measure(context, { kind, server, minutes });
      found[kind].push(measured);
      for (const text of verdicts(measured)) context.log(`${NAMES[kind]}: ${text}`);
    } finally {
      await server.discard();
    }
  }
  return {
    settings: [...settings(minutes), ...kinds.map((kind) => describe(kind, OPTIONS))],
    tables: tables(found),
    charts: charts(found),
  };
}

function settings(minutes: number): string[] {
  return [
    `${PARTITIONS} partitions in ${GROUPS} topics; ${CONNECTIONS} connections, all in use: ${PRODUCER_CONNECTIONS} producers, ` +
      `${GROUPS * MEMBERS_PER_GROUP} members of ${GROUPS} groups, and one more for each of the ${PARTITIONS} members that have ` +
      'a partition; the others stand by and heartbeat.',
    'Each group reads one topic, so that everything is consumed once. Members join, synchronize, heartbeat every 3 s, fetch ' +
      'as the Java consumer does and commit every 5 s; a rebalance, an error or a lost record ends the benchmark.',
    `${RECORDS_PER_SECOND} records of ${SHAPE.recordBytes} bytes a second, 100 MB/s: ${SHAPE.recordsPerBatch} in a batch, ` +
      `${SHAPE.batchesPerRequest} partitions a request, acks=all; open loop, one run of ${minutes} minutes.`,
  ];
}

export const question: Question = {
  name: 'anchor',
  title: 'The anchor: everything at once',
  asks:
    'Is one small machine enough for a company of usual size? 250 partitions, 2,000 connections, 20 consumer groups, 30,000 ' +
    'records and 100 MB a second, for ten minutes, with a p99 below 50 ms and without memory, descriptors or disk growing.',
  minutes: 12,
  isLong: true,
  kinds: ['headrace'],
  answers: [
    {
      says: 'acknowledges 99 of 100 records within',
      where: 'all of this load at once',
      table: 'All of it at once',
      row: 'produce p99',
    },
  ],
  run,
};

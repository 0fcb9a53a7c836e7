/**
 * How long from the start of the process until a broker answers, and until it has acknowledged a first record; and how long
 * it takes to stop.
 */
import { rmSync, statfsSync } from 'node:fs';
import { copyCrashed, loadForCrash, releaseCrashed, type Crashed } from './lib/crashed-log.ts';
import { formatStep } from './lib/format-step.ts';
import {
  NAMES,
  row,
  type BySide,
  type Context,
  type Kind,
  type Question,
  type Table,
} from './lib/question.ts';
import { benchFolder, describe, HOST, start, type Server } from './lib/servers.ts';
import { createTopics } from './lib/topics.ts';
import {
  growPartitions,
  manyName,
  oneRecord,
  produce,
  ROUNDS_TEXT,
  roundsWith,
  touchPartitions,
} from './lib/partitions.ts';
import { WireClient } from './wire-client.ts';

const OPTIONS = { durability: 'relaxed' } as const;
/**
 * For starts after SIGKILL. Kafka's controller takes a broker's new registration only when the session of the killed one is
 * over, 9 s by default: that wait would hide what recovery takes.
 */
const AFTER_KILL = {
  ...OPTIONS,
  settings: { 'broker.session.timeout.ms': '2000', 'broker.heartbeat.interval.ms': '500' },
} as const;
const GOAL_EMPTY = 0.15;
const GOAL_PARTITIONS = 0.3;
const COUNTS = [1000, 5000];
const COUNTS_QUICK = [100];
const LOG_BYTES = 5e9;
const LOG_BYTES_QUICK = 0.2e9;
const LOG_PARTITIONS = 16;
/** The logs of both sides, and as much again for whoever else uses the disk. */
const DISK_SHARE = 1 / 4;

interface Sample {
  readonly readyMs: number;
  readonly firstAckMs: number;
  readonly stopMs: number;
}

/** From the start of the process to the acknowledgement of a first record in partition 0 of this topic. */
async function firstAck(server: Server, topic: string, before?: () => Promise<void>) {
  const startedAt = performance.now() - server.readyMs;
  const client = await WireClient.connect(HOST, server.port);
  await before?.();
  await produce(client, { topic, partitions: [0], batch: oneRecord() });
  const firstAckMs = performance.now() - startedAt;
  client.close();
  return firstAckMs;
}

async function empty(context: Context): Promise<{ fresh: BySide<Sample>; existing: BySide<Sample> }> {
  context.log('empty folders');
  const both = await context.alternate(async (kind) => {
    const first = await start(kind, OPTIONS);
    const make = () => createTopics(first.port, [{ topic: 'first', partitions: 1 }]);
    const freshAckMs = await firstAck(first, 'first', make);
    const fresh = { readyMs: first.readyMs, firstAckMs: freshAckMs, stopMs: await first.stop() };
    const again = await start(kind, { ...OPTIONS, dataDir: first.dataDir });
    const firstAckMs = await firstAck(again, 'first');
    const existing = { readyMs: again.readyMs, firstAckMs, stopMs: await again.stop() };
    await again.discard();
    return { fresh, existing };
  });
  const pick = (which: 'fresh' | 'existing'): BySide<Sample> => ({
    headrace: both.headrace.map((sample) => sample[which]),
    kafka: both.kafka.map((sample) => sample[which]),
  });
  return { fresh: pick('fresh'), existing: pick('existing') };
}

/** Each side's data folder, grown from one number of partitions to the next. */
type Folders = Partial<Record<Kind, string>>;

async function grow(
  context: Context,
  folders: Folders,
  options: { from: number; to: number },
): Promise<void> {
  for (const kind of context.kinds) {
    const dataDir = folders[kind];
    const server = await start(kind, { ...OPTIONS, ...(dataDir === undefined ? {} : { dataDir }) });
    await growPartitions(server.port, options);
    await server.stop();
    folders[kind] = server.dataDir;
  }
}

/** Starts on the folder, writes a record to each partition, ends as told. */
async function partitionsOnce(
  kind: Kind,
  options: { dataDir: string; count: number; end: 'stop' | 'kill' },
): Promise<Sample> {
  const server = await start(kind, {
    ...(options.end === 'kill' ? AFTER_KILL : OPTIONS),
    dataDir: options.dataDir,
  });
  const firstAckMs = await firstAck(server, manyName(0));
  await touchPartitions(server.port, options.count);
  const { readyMs } = server;
  if (options.end === 'stop') return { readyMs, firstAckMs, stopMs: await server.stop() };
  await server.kill();
  return { readyMs, firstAckMs, stopMs: 0 };
}

interface PartitionsResult {
  readonly count: number;
  readonly clean: BySide<Sample>;
  readonly killed: BySide<Sample>;
}

async function partitions(context: Context, folders: Folders, count: number): Promise<PartitionsResult> {
  context.log(`${count} partitions, clean stops`);
  const once = async (kind: Kind, end: 'stop' | 'kill'): Promise<Sample> => {
    const sample = await partitionsOnce(kind, { dataDir: folders[kind]!, count, end });
    context.log(`${NAMES[kind]} was ready after ${Math.round(sample.readyMs)} ms`);
    return sample;
  };
  const within = roundsWith(count);
  const clean = await context.alternate((kind) => once(kind, 'stop'), within);
  context.log(`${count} partitions, SIGKILL`);
  for (const kind of context.kinds) await once(kind, 'kill');
  const killed = await context.alternate((kind) => once(kind, 'kill'), within);
  return { count, clean, killed };
}

async function bigLog(context: Context): Promise<{ gigabytes: number; samples: BySide<Sample> }> {
  const { bavail, bsize } = statfsSync(benchFolder());
  const wanted = context.quick ? LOG_BYTES_QUICK : LOG_BYTES;
  const logBytes = Math.min(wanted, Math.floor(bavail * bsize * DISK_SHARE));
  const gigabytes = Math.round(logBytes / 1e8) / 10;
  const crashed: Partial<Record<Kind, Crashed>> = {};
  try {
    for (const kind of context.kinds) {
      context.log(`writing ${gigabytes} GB to ${kind}`);
      crashed[kind] = await loadForCrash(kind, { ...OPTIONS, logBytes, partitions: LOG_PARTITIONS });
    }
    context.log('starts on them');
    const samples = await context.alternate(async (kind) => {
      const server = await start(kind, { ...AFTER_KILL, dataDir: copyCrashed(crashed[kind]!) });
      const { readyMs } = server;
      const firstAckMs = await firstAck(server, crashed[kind]!.topic);
      await server.kill();
      await server.discard();
      return { readyMs, firstAckMs, stopMs: 0 };
    });
    return { gigabytes, samples };
  } finally {
    for (const one of Object.values(crashed)) releaseCrashed(one);
  }
}

function table(
  title: string,
  pick: (sample: Sample) => number,
  found: readonly { label: string; samples: BySide<Sample>; goal?: number }[],
): Table {
  return {
    title,
    rows: found.map(({ label, samples, goal }) =>
      row(samples, pick, {
        label,
        unit: 'ms',
        better: 'lower',
        ...(goal === undefined ? {} : { goal }),
      }),
    ),
  };
}

async function run(context: Context) {
  const { fresh, existing } = await empty(context);
  const folders: Folders = {};
  const counted: PartitionsResult[] = [];
  try {
    let from = 0;
    for (const count of context.quick ? COUNTS_QUICK : COUNTS) {
      context.log(`making ${count} partitions`);
      await grow(context, folders, { from, to: count });
      counted.push(await partitions(context, folders, count));
      from = count;
    }
  } finally {
    for (const folder of Object.values(folders)) rmSync(folder, { recursive: true, force: true });
  }
  const big = await bigLog(context);
  const format = await formatStep(context);
  const all = [
    { label: 'nothing there yet', samples: fresh, goal: GOAL_EMPTY, isClean: true },
    { label: 'one topic', samples: existing, goal: GOAL_EMPTY, isClean: true },
    ...counted.flatMap(({ count, clean, killed }) => {
      const goal = count <= 1000 ? { goal: GOAL_PARTITIONS } : {};
      const name = `${count.toLocaleString('en-US')} partitions`;
      return [
        { label: `${name}, after a clean stop`, samples: clean, ...goal, isClean: true },
        { label: `${name}, after SIGKILL`, samples: killed, ...goal, isClean: false },
      ];
    }),
    {
      label: `${big.gigabytes} GB in ${LOG_PARTITIONS} partitions, after SIGKILL`,
      samples: big.samples,
      isClean: false,
    },
  ];
  const withoutGoal = all.map(({ label, samples, isClean }) => ({ label, samples, isClean }));
  return {
    settings: [
      'Both answer an acknowledged record from the page cache; segments of 1 GiB, one directory, defaults of each for threads.',
      'Ready is the first answer to ApiVersions, tried every 5 ms. The first record goes to one partition with acks=all; ' +
        'where nothing is there yet, its topic is created first.',
      'With many partitions (50 a topic), a record is written to each before the broker is stopped or killed; ' +
        `${ROUNDS_TEXT}. ` +
        'The big log is killed right after its last acknowledged batch of 64 KiB, flushed by the kernel and in the page cache; ' +
        'each start is on a copy of that state.',
      "Kafka's storage is formatted beforehand; that step is shown for itself and not counted. Headrace has none.",
      ...context.kinds.map((kind) => describe(kind, OPTIONS)),
      "After SIGKILL both have `broker.session.timeout.ms=2000` and `broker.heartbeat.interval.ms=500`: Kafka's controller " +
        'waits for the session of the killed broker to end, with its defaults 9 s.',
    ],
    tables: [
      table('Process start to ready', ({ readyMs }) => readyMs, all),
      table('Process start to first acknowledged record', ({ firstAckMs }) => firstAckMs, withoutGoal),
      table(
        'SIGTERM to the end of the process',
        ({ stopMs }) => stopMs,
        withoutGoal.filter(({ isClean }) => isClean),
      ),
      {
        title: 'Before the first start',
        isInformation: true,
        rows: [
          {
            label: 'formatting the storage',
            unit: 'ms',
            better: 'lower' as const,
            headrace: [],
            kafka: format,
          },
        ],
      },
    ],
  };
}

export const question: Question = {
  name: 'start-up',
  title: 'Start-up',
  asks:
    'How long does a broker take from the start of its process until it serves? It decides how long a deployment, a ' +
    'crash or a test waits: with nothing there, with many partitions, and when it was killed and has logs to recover.',
  minutes: 12,
  answers: [
    {
      says: 'is ready within',
      where: 'after the start of its process, with one topic',
      table: 'Process start to ready',
      row: 'one topic',
    },
  ],
  run,
};

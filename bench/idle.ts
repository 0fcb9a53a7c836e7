/** What a broker holds and does when nobody asks anything of it: memory and processor time, empty and with much to look after. */
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { connectMany } from './lib/connections.ts';
import { Group } from './lib/group.ts';
import { NAMES, row, type BySide, type Context, type Kind, type Question, type Row } from './lib/question.ts';
import { describe, start, type Server } from './lib/servers.ts';
import { growPartitions, ROUNDS_TEXT, roundsWith } from './lib/partitions.ts';
import type { WireClient } from './wire-client.ts';

const OPTIONS = { durability: 'relaxed', settings: { 'group.initial.rebalance.delay.ms': '0' } } as const;
const GOAL_MEMORY = 0.25;
/** The interval that Java's consumers have by default. */
const HEARTBEAT_MS = 3000;

interface Size {
  readonly connections: number;
  /** Of the connections, members of a group that send heartbeats. */
  readonly members: number;
  readonly partitions: readonly number[];
  readonly settleMs: number;
  readonly windowMs: number;
}
const FULL: Size = {
  connections: 2000,
  members: 200,
  partitions: [1000, 5000],
  settleMs: 3000,
  windowMs: 10_000,
};
const QUICK: Size = { connections: 60, members: 10, partitions: [100], settleMs: 500, windowMs: 1000 };

interface Sample {
  readonly rssMiB: number;
  /** Processor time in a minute. */
  readonly cpuSeconds: number;
  readonly threads: number;
  readonly descriptors: number;
}

/** Waits, then watches for the window. */
async function idle(server: Server, { settleMs, windowMs }: Size): Promise<Sample> {
  await delay(settleMs);
  const before = server.usage().cpuSeconds;
  const startedAt = performance.now();
  await delay(windowMs);
  const { cpuSeconds, rssMiB, threads, descriptors } = server.usage();
  const minutes = (performance.now() - startedAt) / 60_000;
  return { rssMiB, threads, descriptors, cpuSeconds: (cpuSeconds - before) / minutes };
}

/** Members of a group send heartbeats until `end` is called, spread evenly as those of real clients are. */
function beat(group: Group): { end(): Promise<void> } {
  const ending = new AbortController();
  const beats = group.heartbeatsEvery(HEARTBEAT_MS, ending.signal);
  beats.catch(() => {});
  return {
    end: async () => {
      ending.abort();
      await beats;
    },
  };
}

interface Alone {
  readonly empty: Sample;
  readonly connected: Sample;
  readonly beating: Sample;
}

/** One broker from an empty folder: alone, then with connections, then with members among them. */
async function connections(kind: Kind, size: Size): Promise<Alone> {
  const server = await start(kind, OPTIONS);
  const clients: WireClient[] = [];
  try {
    const empty = await idle(server, size);
    clients.push(...(await connectMany(server.port, size.connections - size.members)));
    const group = await Group.connect(server.port, { groupId: 'idle', members: size.members });
    const connected = await idle(server, size);
    await group.form();
    const heartbeats = beat(group);
    const beating = await idle(server, size);
    await heartbeats.end();
    group.close();
    return { empty, connected, beating };
  } finally {
    for (const client of clients) client.close();
    await server.discard();
  }
}

/** Each side's folder, grown to the number of partitions, then watched from a new start in each round. */
async function partitions(
  context: Context,
  size: Size,
): Promise<{ count: number; samples: BySide<Sample> }[]> {
  const folders: Partial<Record<Kind, string>> = {};
  const found: { count: number; samples: BySide<Sample> }[] = [];
  try {
    let from = 0;
    for (const count of size.partitions) {
      context.log(`making ${count} partitions`);
      for (const kind of context.kinds) {
        const dataDir = folders[kind];
        const server = await start(kind, { ...OPTIONS, ...(dataDir === undefined ? {} : { dataDir }) });
        folders[kind] = server.dataDir;
        await growPartitions(server.port, { from, to: count });
        await server.stop();
      }
      const samples = await context.alternate(async (kind, round) => {
        context.log(`${count} partitions, round ${round + 1}, ${NAMES[kind]}`);
        const server = await start(kind, { ...OPTIONS, dataDir: folders[kind]! });
        const sample = await idle(server, size);
        await server.stop();
        return sample;
      }, roundsWith(count));
      found.push({ count, samples });
      from = count;
    }
    return found;
  } finally {
    for (const folder of Object.values(folders)) rmSync(folder, { recursive: true, force: true });
  }
}

async function run(context: Context) {
  const size = context.quick ? QUICK : FULL;
  const alone = await context.alternate(async (kind, round) => {
    context.log(`empty and connections, round ${round + 1}, ${NAMES[kind]}`);
    return connections(kind, size);
  });
  const counted = await partitions(context, size);
  const of = (pick: (one: Alone) => Sample): BySide<Sample> => ({
    headrace: alone.headrace.map(pick),
    kafka: alone.kafka.map(pick),
  });
  const connectionsText = size.connections.toLocaleString('en-US');
  const all = [
    { label: 'empty', samples: of(({ empty }) => empty) },
    { label: `${connectionsText} connections`, samples: of(({ connected }) => connected) },
    {
      label: `${connectionsText} connections, ${size.members} of them members with heartbeats`,
      samples: of(({ beating }) => beating),
    },
    ...counted.map(({ count, samples }) => ({
      label: `${count.toLocaleString('en-US')} partitions`,
      samples,
    })),
  ];
  const rows = (pick: (one: Sample) => number, about: Omit<Row, 'label' | 'headrace' | 'kafka'>): Row[] =>
    all.map(({ label, samples }) => row(samples, pick, { label, ...about }));
  return {
    settings: [
      `Watched for ${size.windowMs / 1000} s, ${size.settleMs / 1000} s after the last thing that happened. Processor time is ` +
        'counted in steps of 0.01 s.',
      'Empty, with connections and with members is one broker, in this order, from an empty folder. Each connection has ' +
        `asked for ApiVersions and Metadata; members send a heartbeat every ${HEARTBEAT_MS / 1000} s.`,
      `With partitions (50 a topic, one record in each): after a start on the folder that a clean stop left; ${ROUNDS_TEXT}.`,
      ...context.kinds.map((kind) => describe(kind, OPTIONS)),
    ],
    tables: [
      {
        title: 'Resident memory when idle',
        rows: rows(({ rssMiB }) => rssMiB, { unit: 'MiB', better: 'lower', goal: GOAL_MEMORY }),
      },
      {
        title: 'Processor time when idle, in a minute',
        rows: rows(({ cpuSeconds }) => cpuSeconds, { unit: 's', better: 'lower' }),
      },
      {
        title: 'Threads',
        isInformation: true,
        rows: rows(({ threads }) => threads, { unit: 'threads', better: 'lower' }),
      },
      {
        title: 'Open file descriptors',
        isInformation: true,
        rows: rows(({ descriptors }) => descriptors, { unit: 'descriptors', better: 'lower' }),
      },
    ],
  };
}

export const question: Question = {
  name: 'idle',
  title: 'Idle',
  asks:
    'What does a broker take when nobody asks anything of it? Most brokers are idle most of the time, on laptops, in tests and ' +
    'in small deployments; memory that is held then is not there for others.',
  minutes: 10,
  answers: [
    {
      says: 'holds',
      where: 'resident memory, empty and asked for nothing',
      table: 'Resident memory when idle',
      row: 'empty',
    },
  ],
  run,
};

/** Consumers that have fallen behind, whose records come from the device; and consumers that keep up with full producers. */
import { setTimeout as delay } from 'node:timers/promises';
import { makeCold } from './lib/load/cold.ts';
import { startConsumers } from './lib/load/consumers.ts';
import {
  BASE_LOAD,
  filledTopic,
  finish,
  freshTopic,
  limits,
  limitsText,
  removeTopic,
  startProducers,
  withSides,
  type Sides,
} from './lib/load/sides.ts';
import { createTopics, REMOVE_SOON } from './lib/topics.ts';
import { KINDS, NAMES, row, type BySide, type Context, type Kind, type Question } from './lib/question.ts';
import { describe, type Server } from './lib/servers.ts';
import { diskUsageOf } from './lib/usage.ts';

const COLD_BYTES = 2.5e9;
const COLD_BYTES_QUICK = 0.2e9;
/** Of what was read, so much must have come from the device, or it was no cold read. */
const FROM_DEVICE_MIN = 0.9;
const CONSUMERS = [1, 8];
const GIGABYTE = 1e9;

interface ColdSample {
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
  readonly fromDevice: number;
  readonly rssPeakMiB: number;
}

interface TailSample {
  readonly producedPerSecond: number;
  readonly consumedPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
}

export const question: Question = {
  name: 'catch-up',
  title: 'Catching up and keeping up',
  asks:
    'How fast does a consumer that was away for long get what lies on the device and in no cache? And when producers write as ' +
    'fast as they can, do consumers at the end of the log keep up, and what does the broker take for both together?',
  minutes: 3,
  answers: [
    {
      says: 'hands out',
      where: 'one consumer reading what is on the device and in no cache',
      table: 'Cold records handed out',
      row: '1 consumer',
    },
  ],
  async run(context) {
    return withSides(context, { durability: 'relaxed' }, async (sides) => {
      const cold = await coldReads(context, sides);
      const tail = await tailReads(context, sides);
      return { settings: settings(context), tables: [...coldTables(cold), tailTable(tail)] };
    });
  },
};

async function coldReads(context: Context, sides: Sides): Promise<Map<number, BySide<ColdSample>>> {
  const bytes = context.quick ? COLD_BYTES_QUICK : COLD_BYTES;
  const filled = {} as Record<Kind, Awaited<ReturnType<typeof filledTopic>>>;
  for (const kind of context.kinds) filled[kind] = await filledTopic(sides[kind], BASE_LOAD, bytes);
  const found = new Map<number, BySide<ColdSample>>();
  for (const clients of CONSUMERS) {
    const samples = await context.alternate(async (kind) => {
      const { topic, ends, bytes: written } = filled[kind];
      makeCold(sides[kind], topic);
      return coldRead(sides[kind], clients, { topic, endOffsets: ends, bytes: written });
    });
    const rates = KINDS.map((kind) =>
      samples[kind].map((one) => one.megabytesPerSecond.toFixed(0)).join(' '),
    );
    context.log(`cold, ${clients} at once: Headrace ${rates[0]}, Kafka ${rates[1]} MB/s`);
    found.set(clients, samples);
  }
  for (const kind of context.kinds) await removeTopic(sides[kind], filled[kind].topic, context);
  return found;
}

/** Reads a topic once from its beginning to its end. */
async function coldRead(
  server: Server,
  clients: number,
  { topic, endOffsets, bytes }: { topic: string; endOffsets: readonly number[]; bytes: number },
): Promise<ColdSample> {
  server.resetPeak();
  const usedBefore = server.usage();
  const diskBefore = diskUsageOf(server.pid);
  const load = await startConsumers(server, clients, { topic, endOffsets, atEnd: 'done' });
  const through = await load.done;
  const used = server.usage();
  const fromDevice = (diskUsageOf(server.pid).readBytes - diskBefore.readBytes) / through.bytes;
  await load.stop();
  if (through.bytes !== bytes) throw new Error(`${bytes} bytes were written, ${through.bytes} were read`);
  if (fromDevice < FROM_DEVICE_MIN) {
    const percent = Math.round(fromDevice * 100);
    throw new Error(`${NAMES[server.kind]} read ${percent} % from the device: the files were not cold`);
  }
  return {
    megabytesPerSecond: through.bytes / 1000 / (through.atMs - through.begunMs),
    cpuSecondsPerGigabyte: (used.cpuSeconds - usedBefore.cpuSeconds) / (through.bytes / GIGABYTE),
    fromDevice,
    rssPeakMiB: used.rssPeakMiB,
  };
}

async function tailReads(context: Context, sides: Sides): Promise<BySide<TailSample>> {
  const samples = await context.alternate((kind, round) => tailRead(sides[kind], context, round));
  const rates = KINDS.map((kind) =>
    samples[kind]
      .map((one) => `${one.producedPerSecond.toFixed(0)} in ${one.consumedPerSecond.toFixed(0)} out`)
      .join(', '),
  );
  context.log(`producers and consumers at once: Headrace ${rates[0]}, Kafka ${rates[1]} MB/s`);
  return samples;
}

async function tailRead(server: Server, context: Context, round: number): Promise<TailSample> {
  const { warmUpMs, windowMs } = limits(context, round);
  const topic = freshTopic();
  const { partitions, clients } = BASE_LOAD;
  await createTopics(server.port, [{ topic, partitions }]);
  const endOffsets = new Array<number>(partitions).fill(0);
  const consumers = await startConsumers(server, clients, { topic, endOffsets, atEnd: 'wait' });
  const producers = await startProducers(server, topic, BASE_LOAD);
  const look = async () => ({
    producers: await producers.counters(),
    consumers: await consumers.counters(),
    cpuSeconds: server.usage().cpuSeconds,
  });
  await delay(warmUpMs);
  const before = await look();
  await delay(windowMs);
  const after = await look();
  await finish(server, producers, { topic, partitions });
  await consumers.stop();
  await removeTopic(server, topic, context);
  const produced = after.producers.bytes - before.producers.bytes;
  const consumed = after.consumers.bytes - before.consumers.bytes;
  return {
    producedPerSecond: produced / 1000 / (after.producers.atMs - before.producers.atMs),
    consumedPerSecond: consumed / 1000 / (after.consumers.atMs - before.consumers.atMs),
    cpuSecondsPerGigabyte: (after.cpuSeconds - before.cpuSeconds) / (produced / GIGABYTE),
  };
}

function settings(context: Context): string[] {
  return [
    '1 KiB values, 16 partitions, batches of 16 KiB, uncompressed; consumers fetch with the Java consumer’s defaults and ' +
      'share the partitions.',
    `Cold: a topic of ${COLD_BYTES / GIGABYTE} GB, written back and dropped from the page cache before each reading. ` +
      'It is read once. The bytes that the broker’s process took from the device are compared with those that the consumers got.',
    'Keeping up: 8 producers as in `produce` (acks=all, 5 in flight) and 8 consumers at the end of the same topic.',
    limitsText(context),
    ...KINDS.map((kind) => describe(kind, { durability: 'relaxed', settings: REMOVE_SOON })),
  ];
}

function coldTables(cold: ReadonlyMap<number, BySide<ColdSample>>) {
  const label = (clients: number): string => `${clients} ${clients === 1 ? 'consumer' : 'consumers'}`;
  const rows = (pick: (sample: ColdSample) => number, unit: string, better: 'higher' | 'lower') =>
    [...cold].map(([clients, samples]) => row(samples, pick, { label: label(clients), unit, better }));
  return [
    {
      title: 'Cold records handed out',
      text: 'At most what the device gives: where both sides are near it, it is the device that is measured.',
      rows: rows((one) => one.megabytesPerSecond, 'MB/s', 'higher'),
    },
    {
      title: "Broker's processor time for a gigabyte of cold records",
      rows: rows((one) => one.cpuSecondsPerGigabyte, 's/GB', 'lower'),
    },
    {
      title: 'Most memory resident meanwhile',
      rows: rows((one) => one.rssPeakMiB, 'MiB', 'lower'),
    },
    {
      title: 'Were they cold: bytes from the device for each byte handed out',
      isInformation: true,
      rows: rows((one) => one.fromDevice, 'bytes', 'lower'),
    },
  ];
}

function tailTable(tail: BySide<TailSample>) {
  return {
    title: 'Producers and consumers at once',
    text:
      'Consumers that get less than is produced fall behind; more than 100 % is what they had missed before. Processor time ' +
      'is for a gigabyte that was written, and handed out as far as the consumers kept up.',
    rows: [
      row(tail, (one) => one.producedPerSecond, { label: 'produced', unit: 'MB/s', better: 'higher' }),
      row(tail, (one) => one.consumedPerSecond, { label: 'consumed', unit: 'MB/s', better: 'higher' }),
      row(tail, (one) => (100 * one.consumedPerSecond) / one.producedPerSecond, {
        label: 'consumed, of what was produced meanwhile',
        unit: '%',
        better: 'higher',
      }),
      row(tail, (one) => one.cpuSecondsPerGigabyte, {
        label: "broker's processor time",
        unit: 's/GB',
        better: 'lower',
      }),
    ],
  };
}

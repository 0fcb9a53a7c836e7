/** The question of the noisy neighbour: what becomes of a calm topic's latency while another one is read or written in bulk. */
import type { Counters } from './lib/load/job.ts';
import { startLoad, type Load } from './lib/load/load.ts';
import { nowMicros } from './lib/open-loop/clock.ts';
import { latenciesOf, latencyRows, latencyText, latenessRow } from './lib/open-loop/latency-rows.ts';
import type { Latencies } from './lib/open-loop/latency-rows.ts';
import { LoadProcess } from './lib/open-loop/load-process.ts';
import type { ProduceRun } from './lib/open-loop/messages.ts';
import { LEAD_MICROS, OpenLoop } from './lib/open-loop/open-loop.ts';
import { keepCold, segmentFiles } from './lib/open-loop/page-cache.ts';
import { batchBytesOf } from './lib/open-loop/produce-frame.ts';
import { createTopics, endOffsets } from './lib/topics.ts';
import {
  KINDS,
  NAMES,
  row,
  type BySide,
  type Context,
  type Kind,
  type Question,
  type QuestionResult,
  type Table,
} from './lib/question.ts';
import { describe, start, type Server, type ServerOptions } from './lib/servers.ts';
import { diskUsageOf } from './lib/usage.ts';

const RATE = 2_000;
const PARTITIONS = 16;
const CONNECTIONS = 8;
const SHAPE = { recordBytes: 1024, recordsPerBatch: 1, batchesPerRequest: 1, isStamped: true };
const BULK_PARTITIONS = 4;
const BULK_RECORD_BYTES = 1024;
/** Batches of about 250 KB, four of them in a request. */
const BULK_RECORDS_PER_BATCH = 240;
const BULK_IN_FLIGHT = 5;
/** The faster broker is the noisier one at full speed; at this rate both have the same to do. */
const PACED_MEGABYTES = 100;
/** It begins earlier than what is measured, and has to end later. */
const PACED_LONGER_SECONDS = 3;
const BULK_SHAPE = {
  recordBytes: BULK_RECORD_BYTES,
  recordsPerBatch: BULK_RECORDS_PER_BATCH,
  batchesPerRequest: BULK_PARTITIONS,
  isStamped: false,
};
/** What is written at full speed is not kept, or a fast broker would have to have a larger disk. */
const BULK_CONFIGS = { 'retention.bytes': '268435456', 'segment.bytes': '134217728' };
const OPTIONS: ServerOptions = {
  durability: 'relaxed',
  settings: { 'log.retention.check.interval.ms': '2000', 'log.segment.delete.delay.ms': '1000' },
};
/** Less than this from the device, and the cold read was not cold. */
const COLD_SHARE_MIN = 0.5;

const PHASES = ['alone', 'warm', 'cold', 'paced', 'writer'] as const;
type Phase = (typeof PHASES)[number];
const TITLES: Readonly<Record<Phase, string>> = {
  alone: 'Alone',
  warm: 'While a consumer catches up, from the page cache',
  cold: 'While a consumer catches up, from the device',
  paced: `While a producer writes large batches at ${PACED_MEGABYTES} MB/s`,
  writer: 'While a producer writes large batches at full speed',
};

interface Durations {
  readonly historyBytes: number;
  readonly warmupSeconds: number;
  readonly settleSeconds: number;
  readonly seconds: number;
}
const FULL: Durations = { historyBytes: 2.5e9, warmupSeconds: 20, settleSeconds: 3, seconds: 15 };
const QUICK: Durations = { historyBytes: 0.25e9, warmupSeconds: 3, settleSeconds: 1, seconds: 3 };

interface Measured {
  readonly latencies: Latencies;
  /** Of the neighbour; 0 when there is none. */
  readonly megabytesPerSecond: number;
}
type Round = Readonly<Record<Phase, Measured>>;

function bulkJob(server: Server, topic: string) {
  return {
    does: 'produce',
    port: server.port,
    topic,
    partitions: BULK_PARTITIONS,
    clients: 1,
    inFlight: BULK_IN_FLIGHT,
    acks: -1,
    valueBytes: BULK_RECORD_BYTES,
    recordsPerBatch: BULK_RECORDS_PER_BATCH,
    compression: 'none',
    seed: 1,
  } as const;
}

async function fill(server: Server, historyBytes: number): Promise<void> {
  const targets = [{ topic: 'history', partitions: BULK_PARTITIONS }];
  await createTopics(server.port, targets);
  const load = await startLoad([bulkJob(server, 'history')]);
  while ((await load.counters()).bytes < historyBytes)
    await new Promise((resolve) => setTimeout(resolve, 20));
  await load.stop();
}

/** Reads the history, again and again: catching up takes longer than a measurement. */
async function startReader(server: Server): Promise<Load> {
  const ends = await endOffsets(server, 'history', BULK_PARTITIONS);
  const partitions = Array.from({ length: BULK_PARTITIONS }, (_, partition) => partition);
  const job = {
    does: 'consume',
    port: server.port,
    topic: 'history',
    clients: [partitions],
    endOffsets: ends,
    atEnd: 'again',
  } as const;
  return startLoad([job]);
}

/** A load of any kind. */
interface Neighbour {
  counters(): Promise<Pick<Counters, 'bytes' | 'atMs'>>;
  stop(): Promise<unknown>;
}

/** Writes at a rate, for at least as long as the phase takes; ends by itself. */
async function startPaced(server: Server, seconds: number): Promise<Neighbour> {
  const targets = [{ topic: 'paced', partitions: BULK_PARTITIONS, configs: BULK_CONFIGS }];
  await createTopics(server.port, targets);
  const writer = new LoadProcess<ProduceRun>('produce-worker.ts');
  let bytes = 0;
  writer.onSamples = ({ batchBytes }) => (bytes += batchBytes);
  const requestBytes = batchBytesOf(BULK_SHAPE) * BULK_PARTITIONS;
  const requestsPerSecond = (PACED_MEGABYTES * 1e6) / requestBytes;
  const schedule = { requestsPerSecond, warmupSeconds: 0, seconds };
  await writer.prepare({ port: server.port, targets, connections: 1, shape: BULK_SHAPE, schedule });
  const done = writer.start(nowMicros() + LEAD_MICROS);
  const counters = async () => ({ bytes, atMs: performance.now() });
  const stop = async () => {
    const { unanswered } = await done;
    writer.close();
    if (unanswered > 0) throw new Error(`the neighbour's ${PACED_MEGABYTES} MB/s were too much`);
  };
  return { counters, stop };
}

async function startNeighbour(
  phase: Phase,
  { server, durations }: PhaseOptions,
): Promise<Neighbour | undefined> {
  if (phase === 'alone') return undefined;
  if (phase === 'warm' || phase === 'cold') return startReader(server);
  if (phase === 'paced') {
    return startPaced(server, durations.settleSeconds + durations.seconds + PACED_LONGER_SECONDS);
  }
  const targets = [{ topic: 'bulk', partitions: BULK_PARTITIONS, configs: BULK_CONFIGS }];
  await createTopics(server.port, targets);
  return startLoad([bulkJob(server, 'bulk')]);
}

interface PhaseOptions {
  readonly server: Server;
  readonly loop: OpenLoop;
  readonly durations: Durations;
}

async function runPhase(phase: Phase, { server, loop, durations }: PhaseOptions): Promise<Measured> {
  const targets = [{ topic: `calm-${phase}`, partitions: PARTITIONS }];
  await createTopics(server.port, targets);
  const stopEvicting = phase === 'cold' ? keepCold(segmentFiles(server, 'history')) : undefined;
  try {
    const neighbour = await startNeighbour(phase, { server, loop, durations });
    const before = await neighbour?.counters();
    const readBefore = diskUsageOf(server.pid).readBytes;
    const result = await loop.run({
      port: server.port,
      targets,
      connections: CONNECTIONS,
      shape: SHAPE,
      requestsPerSecond: RATE,
      warmupSeconds: durations.settleSeconds,
      seconds: durations.seconds,
      consumers: 1,
    });
    const after = await neighbour?.counters();
    const readBytes = diskUsageOf(server.pid).readBytes - readBefore;
    await neighbour?.stop();
    const latencies = latenciesOf(result);
    if (before === undefined || after === undefined) return { latencies, megabytesPerSecond: 0 };
    const bytes = after.bytes - before.bytes;
    if (phase === 'cold' && readBytes < bytes * COLD_SHARE_MIN) {
      throw new Error(`only ${readBytes} of ${bytes} bytes came from the device: the read was not cold`);
    }
    return { latencies, megabytesPerSecond: bytes / 1e3 / (after.atMs - before.atMs) };
  } finally {
    stopEvicting?.();
  }
}

async function runRound(context: Context, kind: Kind, loop: OpenLoop): Promise<Round> {
  const durations = context.quick ? QUICK : FULL;
  const server = await start(kind, OPTIONS);
  try {
    const { warmupSeconds, historyBytes } = durations;
    const targets = [{ topic: 'warm-up', partitions: PARTITIONS }];
    await createTopics(server.port, targets);
    const load = { connections: CONNECTIONS, shape: SHAPE, requestsPerSecond: RATE, consumers: 1 };
    await loop.run({ ...load, port: server.port, targets, warmupSeconds: 0, seconds: warmupSeconds });
    await fill(server, historyBytes);
    const found = {} as Record<Phase, Measured>;
    for (const phase of PHASES) {
      found[phase] = await runPhase(phase, { server, loop, durations });
      const { latencies, megabytesPerSecond } = found[phase];
      const text = `${latencyText(latencies)}; neighbour ${megabytesPerSecond.toFixed(0)} MB/s`;
      context.log(`${NAMES[kind]} ${phase}: ${text}`);
    }
    return found;
  } finally {
    await server.discard();
  }
}

function tables(rounds: BySide<Round>): Table[] {
  const latencies = (phase: Phase): BySide<Latencies> => ({
    headrace: rounds.headrace.map((round) => round[phase].latencies),
    kafka: rounds.kafka.map((round) => round[phase].latencies),
  });
  const found = PHASES.map((phase): Table => {
    const rows = latencyRows('', { samples: latencies(phase), goals: { p99: 1 } });
    // Alone there is no neighbour, and the paced one has its rate by what it is.
    if (phase === 'alone' || phase === 'paced') return { title: TITLES[phase], rows };
    const label = phase === 'warm' || phase === 'cold' ? 'the neighbour reads' : 'the neighbour writes';
    const about = { label, unit: 'MB/s', better: 'higher' } as const;
    return {
      title: TITLES[phase],
      rows: [...rows, row(rounds, (round) => round[phase].megabytesPerSecond, about)],
    };
  });
  const lateness: Table = {
    title: "The generator's own delay",
    text: 'How late requests left, p99. It is part of the latencies above, on both sides.',
    isInformation: true,
    rows: PHASES.map((phase) => latenessRow(TITLES[phase], latencies(phase))),
  };
  return [...found, lateness];
}

async function run(context: Context): Promise<QuestionResult> {
  const loop = new OpenLoop();
  try {
    const rounds = await context.alternate((kind) => runRound(context, kind, loop));
    return { settings: settings(context.quick ? QUICK : FULL), tables: tables(rounds) };
  } finally {
    loop.close();
  }
}

function settings({ historyBytes, warmupSeconds, settleSeconds, seconds }: Durations): string[] {
  return [
    `The calm topic: ${RATE} records of ${SHAPE.recordBytes} bytes a second, one a request, acks=all, ${PARTITIONS} ` +
      `partitions; ${CONNECTIONS} producing connections, one consuming.`,
    'Open loop: latency counts from when a request was meant to leave.',
    `The neighbour that reads: one consuming connection, ${historyBytes / 1e9} GB in ${BULK_PARTITIONS} partitions, from the ` +
      'start and again from there; Java defaults (50 MiB at most, 1 MiB a partition). From the device: the page cache of its ' +
      'files is emptied before and twice a second, and at least half of what it read must have come from the device.',
    `The neighbour that writes: one connection, ${BULK_IN_FLIGHT} requests in flight (or so many a second that they ` +
      `are ${PACED_MEGABYTES} MB/s), each ${BULK_PARTITIONS} batches of ` +
      `${BULK_RECORDS_PER_BATCH} records of ${BULK_RECORD_BYTES} bytes; the topic keeps 256 MiB a partition.`,
    `Each round: a new broker, ${warmupSeconds} s of the calm topic as warm-up, the history written; then for each case ` +
      `${settleSeconds} s not counted and ${seconds} s counted.`,
    ...KINDS.map((kind) => describe(kind, OPTIONS)),
  ];
}

export const question: Question = {
  name: 'noisy-neighbour',
  title: 'Latency beside a noisy neighbour',
  asks:
    'A broker serves more than one team. What becomes of the latency of calm, single records while somebody else reads a log ' +
    'from its beginning, from memory or from the disk, or writes as fast as the broker takes it?',
  minutes: 14,
  answers: [
    {
      says: 'acknowledges 99 of 100 records of a calm topic within',
      where: 'while a neighbour writes 100 MB/s',
      table: TITLES.paced,
      row: 'produce p99',
    },
  ],
  run,
};

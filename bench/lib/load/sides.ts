/** Both brokers of a question, alive at once and taking turns; and what is done to them before anything is timed. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Context, type Kind, NAMES } from '../question.ts';
import { start, type Server, type ServerOptions } from '../servers.ts';
import type { ProduceJob } from './job.ts';
import { split, startLoad, type Load } from './load.ts';
import { measure, type Sample, type WindowLimits } from './measure.ts';
import { createTopics, deleteTopic, endOffsets, REMOVE_SOON } from '../topics.ts';

export type Sides = Readonly<Record<Kind, Server>>;

/** What sets one produce load apart from another; the rest is the same everywhere. */
export type ProduceLoad = Pick<ProduceJob, 'partitions' | 'acks' | 'valueBytes' | 'compression'> & {
  readonly recordsPerBatch?: number;
  readonly clients: number;
  readonly inFlight: number;
};

/** The load that other loads differ from in one thing each. */
export const BASE_LOAD: ProduceLoad = {
  valueBytes: 1024,
  partitions: 16,
  clients: 8,
  inFlight: 5,
  acks: -1,
  compression: 'none',
};

const WARM_UP_MS = 10_000;
const WINDOW_MS = 3_000;
/** More than that one does not warm up: a broker that moves as much is warm. */
const WARM_UP_BYTES_MAX = 4e9;
const FIRST_WARM_UP_MS = 5_000;
const NEXT_WARM_UP_MS = 1_500;
/** Less than the kernel lets lie dirty in memory on a machine of some size before it makes writers wait. */
const WINDOW_BYTES_MAX = 1.5e9;

/** How long a window and its warm-up are; the first round of a load warms up for longer. */
export function limits({ quick }: Context, round: number): WindowLimits {
  if (quick) return { warmUpMs: 300, windowMs: 400, bytesMax: 0.3e9 };
  const warmUpMs = round === 0 ? FIRST_WARM_UP_MS : NEXT_WARM_UP_MS;
  return { warmUpMs, windowMs: WINDOW_MS, bytesMax: WINDOW_BYTES_MAX };
}

/** As a sentence for the document. */
export function limitsText({ quick }: Context): string {
  if (quick) return 'SMOKE RUN: windows of less than a second, hardly warmed up; the figures mean nothing.';
  return (
    `Each broker was warmed up after its start with ${WARM_UP_MS / 1000} s or ${WARM_UP_BYTES_MAX / 1e9} GB of the base load ` +
    `(8 clients, 16 partitions, 1 KiB), and before each window with the window’s own load, ${FIRST_WARM_UP_MS / 1000} s for ` +
    `the first and ${NEXT_WARM_UP_MS / 1000} s for the next, ${WINDOW_BYTES_MAX / 2e9} GB at most; none of it is counted. ` +
    `A window is ${WINDOW_MS / 1000} s or, with producers, ${WINDOW_BYTES_MAX / 1e9} GB.`
  );
}

/** Starts the brokers, warms them up with the base load, and removes them at the end, whatever happens. */
export async function withSides<T>(
  context: Context,
  options: ServerOptions,
  use: (sides: Sides) => Promise<T>,
): Promise<T> {
  const sides = {} as Record<Kind, Server>;
  try {
    for (const kind of context.kinds) {
      const settings = { ...REMOVE_SOON, ...options.settings };
      sides[kind] = await start(kind, { ...options, settings });
      context.log(`${NAMES[kind]} is ready, ${sides[kind].settingsText}`);
      const warmUpMs = context.quick ? 500 : WARM_UP_MS;
      // A window's warm-up takes half of its bytes at most.
      const bytesMax = context.quick ? 0.2e9 : 2 * WARM_UP_BYTES_MAX;
      await produceWindow(sides[kind], BASE_LOAD, { ...context, warmUpMs, windowMs: 100, bytesMax });
    }
    return await use(sides);
  } finally {
    for (const kind of context.kinds) await sides[kind]?.discard();
  }
}

let topics = 0;
/** A name that no topic had before in this run. */
export function freshTopic(): string {
  return `bench-${++topics}`;
}

/**
 * Makes a topic, loads it, measures, removes it. What the log then holds must be what was acknowledged to the clients: a
 * generator or a broker that counts wrong fails the run.
 */
export async function produceWindow(
  server: Server,
  load: ProduceLoad,
  within: WindowLimits & { readonly quick: boolean },
): Promise<Sample> {
  const topic = freshTopic();
  await createTopics(server.port, [{ topic, partitions: load.partitions }]);
  const running = await startProducers(server, topic, load);
  const sample = await measure(running, server, within);
  await finish(server, running, { topic, partitions: load.partitions });
  await removeTopic(server, topic, within);
  return sample;
}

/** A smoke run does not wait until the files are gone. */
export async function removeTopic(
  server: Server,
  topic: string,
  { quick }: { quick: boolean },
): Promise<void> {
  await deleteTopic(server, topic, { isAwaited: !quick });
}

export function startProducers(server: Server, topic: string, load: ProduceLoad): Promise<Load> {
  const jobs = split(load.clients, (clients, index): ProduceJob => ({
    ...load,
    does: 'produce',
    port: server.port,
    topic,
    clients,
    seed: 1 + index * 1000,
  }));
  return startLoad(jobs);
}

/**
 * Stops producers; the end offset of each partition, and all bytes of their batches. Throws unless the log has as many records
 * as were acknowledged.
 */
export async function finish(
  server: Server,
  load: Load,
  { topic, partitions }: { topic: string; partitions: number },
): Promise<{ readonly ends: number[]; readonly bytes: number }> {
  const { records, bytes } = await load.stop();
  const ends = await endOffsets(server, topic, partitions);
  const stored = ends.reduce((sum, end) => sum + end, 0);
  if (stored !== records) throw new Error(`${records} records were acknowledged, ${stored} are in the log`);
  return { ends, bytes };
}

/** Writes about so many bytes to a new topic, as the base load does but for what `load` says; its name and end offsets. */
export async function filledTopic(
  server: Server,
  load: ProduceLoad,
  bytes: number,
): Promise<{ readonly topic: string; readonly ends: number[]; readonly bytes: number }> {
  const topic = freshTopic();
  await createTopics(server.port, [{ topic, partitions: load.partitions }]);
  const running = await startProducers(server, topic, load);
  for (let written = 0; written < bytes; await delay(5)) written = (await running.counters()).bytes;
  return { topic, ...(await finish(server, running, { topic, partitions: load.partitions })) };
}

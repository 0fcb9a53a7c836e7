// Kafka Streams with exactly_once_v2 over real flights: counts with a changelog, windows behind a repartition, a join. What
// comes out, read with read_committed, is what the input says: every count of an airport once and in order, without a gap,
// the sums of the windows, and each flight joined once; also when broker and application are killed in between.
// HEADRACE_STREAMS_RECORDS (up to 3,000,000, each another flight), _KILLS and _SEED set how much, how often and when.
// The input stays only so far ahead of what the application has committed, so that the kills fall all over the run.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { installKafkaClients, installKafkaStreams, JVM_FLAGS } from '../../scripts/peer-java.ts';
import { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import { startJava } from './java-peer.ts';
import { obtain, type SentRecord } from './peer.ts';
import type { ProcessPeer } from './process-peer.ts';
import { served } from './served.ts';
import { startTarget, type Target } from './target.ts';
import { until } from './until.ts';

const RECORDS = Number(process.env['HEADRACE_STREAMS_RECORDS'] ?? 8_000);
const KILLS = Number(process.env['HEADRACE_STREAMS_KILLS'] ?? 2);
const SEED = process.env['HEADRACE_STREAMS_SEED'] ?? String(Date.now());
const QUIET_RECORDS = 2_000;
const PARTITIONS = 4;
const THREADS = 2;
const CHUNK_RECORDS = 5_000;
/** By how much the input may be ahead of the application. */
const AHEAD_RECORDS_MAX = 20_000;
const GROUP = 'flights';
const KILLED: readonly string[][] = [['broker'], ['application'], ['application', 'broker']];
/** The application's, from when it is killed until it has taken up its work again, and a chunk more. */
const PROGRESS_MS_MAX = 120_000;
const SAID_RECORDS = 50_000;
const STDERR_CHARACTERS_MAX = 20_000;
const DAY_MS = 86_400_000;
/** The flights of 2001 as if they were of the last 100 days: what is older than a topic's retention would be deleted. */
const AGE_MS = 100 * DAY_MS;
const DATA = join(import.meta.dirname, '..', '..', 'node_modules', 'vega-datasets', 'data');
/** Three million flights of the first half of 2001, by time. */
const FLIGHTS = join(DATA, 'flights-3m.parquet');

const { installed, skip } = await obtain(async () => ({
  clients: await installKafkaClients(),
  streams: await installKafkaStreams(),
}));
const serves = await served();

interface Flight {
  readonly date: Date;
  readonly distance: number;
  readonly origin: string;
}

async function readFlights(count: number): Promise<Flight[]> {
  const rows = await parquetReadObjects({
    file: await asyncBufferFromFile(FLIGHTS),
    columns: ['date', 'distance', 'origin'],
    rowEnd: count,
    compressors: { ZSTD: (bytes) => zstdDecompressSync(bytes) },
  });
  assert.equal(rows.length, count, 'so many flights there are not');
  return rows.map(({ date, distance, origin }) => ({ date, distance: Number(distance), origin }));
}

/** The application in a JVM of its own, which is started anew after each kill with what lies in its folder. */
class Application {
  readonly #bootstrap: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'streams-'));
  #child: ChildProcess | undefined;
  #errors = '';

  constructor(bootstrap: string) {
    this.#bootstrap = bootstrap;
  }

  start(): void {
    const logging = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
    const args = [...JVM_FLAGS, '-Xmx512m', logging, '-cp', installed!.streams, 'Application'];
    const child = spawn('java', [...args, this.#bootstrap, this.#folder, String(THREADS)], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    process.once('exit', () => child.kill('SIGKILL'));
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-STDERR_CHARACTERS_MAX);
    });
    this.#child = child;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async discard(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get errors(): string {
    return this.#errors;
  }
}

/** What the flights amount to, worked out here. */
class Expected {
  readonly counts = new Map<string, number>();
  readonly distances = new Map<string, number>();
  readonly joined = new Map<string, number>();
  records = 0;

  add({ origin, distance }: Flight, { hour, timestamp }: { hour: number; timestamp: number }): void {
    this.records += 1;
    increase(this.counts, origin, 1);
    increase(this.distances, `hour ${hour} @${timestamp - (timestamp % DAY_MS)}`, distance);
    increase(this.joined, `${origin} ${nameOf(origin)} ${distance}`, 1);
  }
}

function increase(sums: Map<string, number>, key: string, by: number): void {
  sums.set(key, (sums.get(key) ?? 0) + by);
}

function nameOf(airport: string): string {
  return `airport ${airport}`;
}

function textRecord(key: string, value: string, at: { partition: number; timestamp: number }): SentRecord {
  return { key: Buffer.from(key), value: Buffer.from(value), headers: [], ...at };
}

/** Flights and airports lie together: the same key in the same partition of both topics. */
function partitionOf(key: string): number {
  let sum = 0;
  for (const byte of Buffer.from(key)) sum += byte;
  return sum % PARTITIONS;
}

async function run({
  target,
  java,
  application,
  records,
  kills,
  say,
}: {
  target: Target;
  java: ProcessPeer;
  application: Application;
  records: number;
  kills: number;
  say: (what: string) => void;
}): Promise<void> {
  const random = new SimulatedRandom(`streams ${SEED}`);
  const flights = await readFlights(records);
  const shiftMs = Math.floor((Date.now() - AGE_MS - flights[0]!.date.getTime()) / DAY_MS) * DAY_MS;
  const outputs = ['counts', 'distances', 'joined'];
  for (const topic of ['flights', 'airports', ...outputs]) {
    await java.createTopic(topic, PARTITIONS, { 'retention.ms': '-1' });
  }
  const airports = [...new Set(flights.map(({ origin }) => origin))];
  await java.produce(
    'airports',
    airports.map((key) => textRecord(key, nameOf(key), { partition: partitionOf(key), timestamp: 1 })),
  );
  application.start();

  const expected = new Expected();
  const caughtUp = (ahead: number): Promise<unknown> =>
    until(
      `the application is at most ${ahead} records behind`,
      async () => expected.records - (await committedRecords(java)) <= ahead,
      { timeoutMs: PROGRESS_MS_MAX, intervalMs: 250, seen: () => application.errors.slice(-3000) },
    );
  /** After so many records each, broker or application is killed. */
  const killsAfter = Array.from({ length: kills }, () => random.integer(records)).sort((a, b) => a - b);
  let said = 0;
  const send = async (upTo: number): Promise<void> => {
    while (expected.records < upTo) {
      const chunk: SentRecord[] = [];
      while (chunk.length < CHUNK_RECORDS && expected.records < upTo) {
        const flight = flights[expected.records]!;
        const timestamp = flight.date.getTime() + shiftMs;
        const hour = new Date(timestamp).getUTCHours();
        expected.add(flight, { hour, timestamp });
        const value = JSON.stringify({ hour, distance: flight.distance });
        chunk.push(textRecord(flight.origin, value, { partition: partitionOf(flight.origin), timestamp }));
      }
      await java.produce('flights', chunk);
      await caughtUp(AHEAD_RECORDS_MAX);
      if (expected.records - said < SAID_RECORDS) continue;
      said = expected.records;
      say(`${said} of ${records} flights are sent`);
    }
  };
  for (const [index, after] of killsAfter.entries()) {
    await send(after);
    await delay(random.between(0, 4_000));
    const what = KILLED[random.integer(KILLED.length)]!;
    say(`kill ${index + 1} of ${kills} at ${after}: ${what.join(' and ')}`);
    if (what.includes('application')) await application.kill();
    if (what.includes('broker')) {
      await target.kill();
      await target.restart();
    }
    if (what.includes('application')) application.start();
  }
  await send(records);
  await caughtUp(0);
  say('all flights are counted and joined');
  await finished({ java, outputs, records, application });

  const read = async (topic: string): Promise<[offset: number, value: string, key: string][]> => {
    const all: [number, string, string][] = [];
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const keys = [`${topic}-${partition}`];
      const found = await java.call('readAll', { keys, isolation: 'read_committed' });
      for (const record of found[keys[0]!] ?? []) all.push(record);
    }
    return all;
  };
  const counts = new Map<string, number>();
  for (const [offset, value, key] of await read('counts')) {
    const before = counts.get(key) ?? 0;
    assert.equal(Number(value), before + 1, `the count of ${key} at ${offset} comes after ${before}`);
    counts.set(key, Number(value));
  }
  assert.deepEqual(sorted(counts), sorted(expected.counts));
  const distances = new Map<string, number>();
  for (const [, value, key] of await read('distances')) distances.set(key, Number(value));
  assert.deepEqual(sorted(distances), sorted(expected.distances));
  const joined = new Map<string, number>();
  for (const [, value, key] of await read('joined')) increase(joined, `${key} ${value}`, 1);
  assert.deepEqual(sorted(joined), sorted(expected.joined));
}

/** How many flights the application has taken for good. Until a transaction has ended, it is asked again. */
async function committedRecords(java: ProcessPeer): Promise<number> {
  const offsets = await java.committed(GROUP, 'flights').catch(() => []);
  let sum = 0;
  for (const { offset } of offsets) sum += offset;
  return sum;
}

/** Each record makes one of each output. */
async function finished(options: {
  java: ProcessPeer;
  outputs: string[];
  records: number;
  application: Application;
}): Promise<void> {
  const { java, outputs, records, application } = options;
  let seen = '';
  for (const topic of outputs) {
    const keys = Array.from({ length: PARTITIONS }, (_, partition) => `${topic}-${partition}`);
    await until(
      `${topic} has ${records} records`,
      async () => {
        const count = await java.call('readAll', { keys, isolation: 'read_committed', count: true });
        seen = `${count}`;
        return count >= records;
      },
      {
        timeoutMs: 60_000 + records / 10,
        intervalMs: 300 + records / 100,
        seen: () => `(${seen})\n${application.errors.slice(-3000)}`,
      },
    );
  }
  // What came twice would come now.
  await delay(1_000);
}

function sorted(map: ReadonlyMap<string, number>): [string, number][] {
  return [...map].sort(([one], [other]) => (one < other ? -1 : 1));
}

for (const { records, kills } of [
  { records: QUIET_RECORDS, kills: 0 },
  { records: RECORDS, kills: KILLS },
].filter(({ kills }) => serves('transactions', `Kafka Streams with exactly_once_v2, ${kills} kills`))) {
  test(
    `${records} flights through Kafka Streams, ${kills} kills of broker or application, seed ${SEED}: the output is exact`,
    { skip: skip ?? false },
    async () => {
      const begunMs = Date.now();
      // Not a diagnostic, which would come when it is over.
      const say = (what: string): void =>
        console.log(`streams: ${Math.round((Date.now() - begunMs) / 1000)} s: ${what}`);
      const target = await startTarget({
        settings: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500' },
      });
      const java = await startJava(installed!.clients, target.bootstrap);
      const application = new Application(target.bootstrap);
      try {
        await run({ target, java, application, records, kills, say });
      } finally {
        await application.discard();
        await java.close();
        await target.discard();
      }
    },
  );
}

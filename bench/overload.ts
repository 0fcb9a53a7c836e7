/**
 * What the broker holds, and how others fare, while clients ask for too much. `node bench/overload.ts [scenario...]
 * [--set name=value]`; without scenarios, all of them. Each starts its own broker with an empty temporary folder, on
 * loopback, and lasts a bounded time. Prints a table. Memory is read from /proc: Linux only.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { apiOf } from '../src/protocol/apis.ts';
import { encodeRequest } from '../src/protocol/frame.ts';
import { ProduceRequest, ProduceResponse } from '../src/protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../src/protocol/messages/01-fetch.ts';
import { MetadataRequest, MetadataResponse } from '../src/protocol/messages/03-metadata.ts';
import { buildBatch } from '../src/protocol/records.ts';
import type { Message } from '../src/protocol/schema.ts';
import { createTopics } from './lib/topics.ts';
import { WireClient } from './wire-client.ts';

const MIB = 1024 ** 2;
const TOPIC = 'overload';
const FRAME_BYTES_MAX = 100 * MIB;

interface Broker {
  readonly process: ChildProcess;
  readonly port: number;
}

interface Scenario {
  readonly name: string;
  readonly settings: readonly string[];
  /** Facts for the table. */
  run(broker: Broker): Promise<Record<string, string>>;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { set: { type: 'string', multiple: true, default: [] } },
});

async function start(dataDir: string, settings: readonly string[]): Promise<Broker> {
  const sets = [...settings, ...values.set].flatMap((one) => ['--set', one]);
  const args = ['start', '--port', '0', '--data', dataDir, ...sets];
  const child = spawn('bin/headrace', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const match = /headrace ready on \S+:(\d+)/.exec(text);
      if (match !== null) resolve(Number(match[1]));
    });
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)));
  });
  return { process: child, port };
}

function memoryMiB({ process: child }: Broker, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)![1]) / 1024;
}

function connect(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject).on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function encode<Q>(request: Message<unknown, Q>, version: number, body: Q): Buffer {
  const options = { version, correlationId: 1, clientId: 'overload', body };
  return Buffer.concat(encodeRequest(apiOf(request.key)!, options));
}

function metadataBody() {
  return {
    topics: null,
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
}

async function makeTopics(port: number, topics: number, partitions: number): Promise<void> {
  for (let n = 0; n < topics; n++) {
    await createTopics(port, [{ topic: topics === 1 ? TOPIC : `${TOPIC}-${n}`, partitions }]);
  }
}

function produceBody(valueBytes: number) {
  const records = buildBatch({
    records: [{ key: null, value: Buffer.alloc(valueBytes, 'x'), timestamp: Date.now() }],
  });
  const topicData = [{ name: TOPIC, topicId: '', partitionData: [{ index: 0, records }] }];
  return { acks: -1, timeoutMs: 60_000, topicData };
}

function fetchBody(fetchOffset: number, maxBytes: number) {
  const partition = {
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: maxBytes,
  };
  return {
    replicaId: -1,
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic: TOPIC, topicId: '', partitions: [partition] }],
    forgottenTopicsData: [],
    rackId: '',
  };
}

/** Asks for all metadata over and over; ms of each answer. */
async function probe(port: number, forMs: number): Promise<number[]> {
  const client = await WireClient.connect('127.0.0.1', port);
  const took: number[] = [];
  for (const until = performance.now() + forMs; performance.now() < until;) {
    const before = performance.now();
    await client.call(MetadataRequest, MetadataResponse, { version: 9, body: metadataBody() });
    took.push(performance.now() - before);
    await sleep(10);
  }
  client.close();
  return took;
}

function times(took: readonly number[]): string {
  if (took.length === 0) return 'none';
  const sorted = [...took].sort((a, b) => a - b);
  const at = (part: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))].toFixed(1);
  return `p50 ${at(0.5)}  p99 ${at(0.99)}  max ${sorted.at(-1)!.toFixed(1)} ms of ${sorted.length}`;
}

/** The error codes of 32 connections that each send a frame of 100 MiB at once. */
async function largeFrames(broker: Broker): Promise<Record<string, string>> {
  await makeTopics(broker.port, 1, 1);
  const frame = encode(ProduceRequest, 9, produceBody(FRAME_BYTES_MAX - 1024));
  const before = performance.now();
  const codes = new Map<string, number>();
  const one = async (): Promise<void> => {
    const socket = await connect(broker.port);
    const answer = await new Promise<string>((resolve) => {
      socket.once('data', (bytes: Buffer) => {
        // Size, correlation id, tags, topics, name, partitions, index; then the error code.
        const at = 4 + 4 + 1 + 1 + 1 + TOPIC.length + 1 + 4;
        resolve(`error ${bytes.readInt16BE(at)}`);
      });
      socket.once('close', () => resolve('closed'));
      socket.write(frame);
    });
    codes.set(answer, (codes.get(answer) ?? 0) + 1);
    socket.destroy();
  };
  let isOver = false;
  const others = (async () => {
    const took: number[] = [];
    while (!isOver) took.push(...(await probe(broker.port, 200)));
    return took;
  })();
  await Promise.race([Promise.all(Array.from({ length: 32 }, one)), sleep(120_000)]);
  isOver = true;
  const seconds = (performance.now() - before) / 1000;
  const answers = [...codes].map(([code, count]) => `${count} x ${code}`).join(', ');
  return { answers, seconds: seconds.toFixed(1), others: times(await others) };
}

const scenarios: readonly Scenario[] = [
  {
    name: 'idle',
    settings: [],
    async run(broker) {
      await sleep(500);
      const before = memoryMiB(broker, 'VmRSS');
      const sockets: net.Socket[] = [];
      for (let n = 0; n < 2_000; n++) {
        const socket = await connect(broker.port);
        // A client that has said hello: the connection is in use, then idle.
        socket.write(encode(MetadataRequest, 9, metadataBody()));
        await new Promise((resolve) => socket.once('data', resolve));
        sockets.push(socket);
      }
      await sleep(1_000);
      const kib = ((memoryMiB(broker, 'VmRSS') - before) * 1024) / sockets.length;
      const others = times(await probe(broker.port, 1_000));
      for (const socket of sockets) socket.destroy();
      return { connections: '2000', 'KiB each': kib.toFixed(1), others };
    },
  },
  { name: 'large-default', settings: [], run: largeFrames },
  { name: 'large-raised', settings: [`message.max.bytes=${FRAME_BYTES_MAX}`], run: largeFrames },
  {
    name: 'stopped-consumers',
    settings: [],
    async run(broker) {
      await makeTopics(broker.port, 1, 1);
      const producer = await WireClient.connect('127.0.0.1', broker.port);
      const body = produceBody(900_000);
      for (let n = 0; n < 200; n++) {
        await producer.call(ProduceRequest, ProduceResponse, { version: 9, body });
      }
      producer.close();
      const calm = await consume(broker.port, 3_000);
      const stopped: net.Socket[] = [];
      const request = encode(FetchRequest, 11, fetchBody(0, 50 * MIB));
      for (let n = 0; n < 500; n++) {
        const socket = await connect(broker.port);
        socket.pause();
        socket.write(request);
        stopped.push(socket);
      }
      const [first, others] = await Promise.all([consume(broker.port, 10_000), probe(broker.port, 10_000)]);
      await sleep(28_000);
      const after = await consume(broker.port, 3_000);
      for (const socket of stopped) socket.destroy();
      const rates = [calm, first, after].map((rate) => rate.toFixed(0)).join(' / ');
      return { 'reader MiB/s before / during / after 40 s': rates, others: times(others) };
    },
  },
  {
    name: 'pipelined',
    settings: [],
    async run(broker) {
      await makeTopics(broker.port, 20, 100);
      const before = memoryMiB(broker, 'VmRSS');
      const socket = await connect(broker.port);
      socket.pause();
      const request = encode(MetadataRequest, 9, metadataBody());
      socket.write(Buffer.concat(Array.from({ length: 10_000 }, () => request)));
      const others = times(await probe(broker.port, 5_000));
      const grown = memoryMiB(broker, 'VmRSS') - before;
      socket.destroy();
      return { requests: '10000', 'grown MiB': grown.toFixed(0), others };
    },
  },
  {
    name: 'metadata-storm',
    settings: [],
    async run(broker) {
      await makeTopics(broker.port, 20, 50);
      const alone = times(await probe(broker.port, 2_000));
      const storm = Promise.all(Array.from({ length: 100 }, () => probe(broker.port, 8_000)));
      const took = (await storm).flat();
      return {
        partitions: '1000',
        alone,
        'each of 100': times(took),
        'answers/s': (took.length / 8).toFixed(0),
      };
    },
  },
];

/** Reads the topic from its beginning over and over; MiB/s. */
async function consume(port: number, forMs: number): Promise<number> {
  const client = await WireClient.connect('127.0.0.1', port);
  let bytes = 0;
  let offset = 0;
  const before = performance.now();
  while (performance.now() - before < forMs) {
    const body = fetchBody(offset, MIB);
    const { responses } = await client.call(FetchRequest, FetchResponse, { version: 11, body });
    const partition = responses[0].partitions[0];
    const size = (partition.records ?? []).reduce((sum: number, { length }: Buffer) => sum + length, 0);
    bytes += size;
    // One record a batch.
    if (size > 0) offset += Math.max(1, Math.round(size / 900_000));
    if (offset >= 200) offset = 0;
  }
  client.close();
  return bytes / MIB / ((performance.now() - before) / 1000);
}

for (const scenario of scenarios) {
  if (positionals.length > 0 && !positionals.includes(scenario.name)) continue;
  const dataDir = mkdtempSync(path.join(tmpdir(), 'headrace-overload-'));
  const broker = await start(dataDir, scenario.settings);
  try {
    const idleMiB = memoryMiB(broker, 'VmRSS');
    const facts = await scenario.run(broker);
    console.log(`\n${scenario.name}`);
    const rss = `${idleMiB.toFixed(0)} at first, ${memoryMiB(broker, 'VmHWM').toFixed(0)} at most`;
    for (const [name, value] of Object.entries({ 'resident MiB': rss, ...facts })) {
      console.log(`  ${`${name}:`.padEnd(44)}${value}`);
    }
  } finally {
    const gone = new Promise((resolve) => broker.process.once('exit', resolve));
    broker.process.kill('SIGTERM');
    await gone;
    rmSync(dataDir, { recursive: true, force: true });
  }
}

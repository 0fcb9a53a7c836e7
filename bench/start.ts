/**
 * How long from the start of the process to the first acknowledged produce, and what the broker then holds: resident
 * memory and file descriptors; and how long it takes to stop. `node bench/start.ts [--partitions 1000] [--connections 1000]
 * [--rounds 5] [--kill]`. The data folder is made first (topics, one record each); every round starts on it, writes one
 * record to each partition, and stops: with SIGTERM, or with `--kill` by SIGKILL, so that the next start recovers.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildBatch } from '../src/protocol/records.ts';
import { MetadataRequest, MetadataResponse } from '../src/protocol/messages/03-metadata.ts';
import { ProduceRequest, ProduceResponse } from '../src/protocol/messages/00-produce.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../src/protocol/messages/19-create-topics.ts';
import { WireClient } from './wire-client.ts';

const { values } = parseArgs({
  options: {
    partitions: { type: 'string', default: '1' },
    connections: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '5' },
    durability: { type: 'string', default: 'fsync' },
    kill: { type: 'boolean', default: false },
  },
});
const partitions = Number(values.partitions);
const connections = Number(values.connections);
const TOPIC = 'bench-start';
const PARTITIONS_PER_TOPIC = 100;

interface Broker {
  readonly process: ChildProcess;
  readonly port: number;
  readonly readyMs: number;
  readonly startedAt: number;
}

async function start(dataDir: string, port: number): Promise<Broker> {
  const startedAt = performance.now();
  const args = [
    'start',
    '--port',
    String(port),
    '--data',
    dataDir,
    '--set',
    `durability=${values.durability}`,
  ];
  const child = spawn('bin/headrace', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const match = /headrace ready on (\S+)/.exec(text);
      if (match !== null) resolve(match[1]);
    });
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)));
  });
  const readyMs = performance.now() - startedAt;
  return { process: child, port: Number(line.split(':').at(-1)), readyMs, startedAt };
}

/** Milliseconds from the signal until the process is gone. */
async function stop(broker: Broker): Promise<number> {
  const gone = new Promise((resolve) => broker.process.once('exit', resolve));
  const startedAt = performance.now();
  broker.process.kill(values.kill ? 'SIGKILL' : 'SIGTERM');
  await gone;
  return performance.now() - startedAt;
}

async function produce(client: WireClient, topic: string, partition: number): Promise<void> {
  const records = buildBatch({
    records: [{ key: null, value: Buffer.from('first'), timestamp: Date.now() }],
  });
  const partitionData = [{ index: partition, records }];
  const body = { acks: -1, timeoutMs: 10_000, topicData: [{ name: topic, topicId: '', partitionData }] };
  const response = await client.call(ProduceRequest, ProduceResponse, { version: 9, body });
  const { errorCode } = response.responses[0].partitionResponses[0];
  if (errorCode !== 0) throw new Error(`produce to ${topic}-${partition} failed with ${errorCode}`);
}

/** Resident MiB and open descriptors; from /proc, so on Linux only. */
function usage(pid: number): { residentMiB: number; descriptors: number } | undefined {
  if (process.platform !== 'linux') return undefined;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
  return { residentMiB: Math.round(kib / 1024), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

function spread(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((a, b) => a - b);
  const [min, median, max] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)!];
  return `min ${min.toFixed(0)}  median ${median.toFixed(0)}  max ${max.toFixed(0)}`;
}

const dataDir = mkdtempSync(path.join(tmpdir(), 'headrace-start-'));
try {
  const first = await start(dataDir, 0);
  const client = await WireClient.connect('127.0.0.1', first.port);
  const topics = Math.ceil(partitions / PARTITIONS_PER_TOPIC);
  const count = (topic: number): number =>
    Math.min(PARTITIONS_PER_TOPIC, partitions - topic * PARTITIONS_PER_TOPIC);
  for (let topic = 0; topic < topics; topic++) {
    const one = { name: `${TOPIC}-${topic}`, numPartitions: count(topic), replicationFactor: 1 };
    const body = {
      topics: [{ ...one, assignments: [], configs: [] }],
      timeoutMs: 60_000,
      validateOnly: false,
    };
    const response = await client.call(CreateTopicsRequest, CreateTopicsResponse, { version: 5, body });
    if (response.topics[0].errorCode !== 0) throw new Error(response.topics[0].errorMessage ?? 'not created');
    for (let partition = 0; partition < count(topic); partition++) {
      await produce(client, `${TOPIC}-${topic}`, partition);
    }
  }
  client.close();
  const firstStopMs = await stop(first);

  const ready: number[] = [];
  const acknowledged: number[] = [];
  const stopped: number[] = [];
  const used: { residentMiB: number; descriptors: number }[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const broker = await start(dataDir, 0);
    const probe = await WireClient.connect('127.0.0.1', broker.port);
    await produce(probe, `${TOPIC}-0`, 0);
    acknowledged.push(performance.now() - broker.startedAt);
    ready.push(broker.readyMs);
    const idle: net.Socket[] = [];
    for (let i = 0; i < connections; i++) {
      const socket = net.connect(broker.port, '127.0.0.1');
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      idle.push(socket);
    }
    // With every connection open each partition still answers.
    const body = {
      topics: null,
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    };
    const options = { version: 5, body } as const;
    const metadata = await probe.call(MetadataRequest, MetadataResponse, options);
    const served = metadata.topics.reduce((sum, topic) => sum + topic.partitions.length, 0);
    if (served < partitions) throw new Error(`${served} of ${partitions} partitions are served`);
    for (let topic = 0; topic < topics; topic++) {
      for (let partition = 0; partition < count(topic); partition++) {
        await produce(probe, `${TOPIC}-${topic}`, partition);
      }
    }
    const now = usage(broker.process.pid!);
    if (now !== undefined) used.push(now);
    for (const socket of idle) socket.destroy();
    probe.close();
    stopped.push(await stop(broker));
  }
  console.log(`${partitions} partitions, ${connections} idle connections, durability=${values.durability}`);
  console.log(`process start to ready, ms:                 ${spread(ready)}`);
  console.log(`process start to first acked produce, ms:   ${spread(acknowledged)}`);
  console.log(`the first stop, all partitions new, ms:     ${firstStopMs.toFixed(0)}`);
  console.log(
    `${values.kill ? 'SIGKILL' : 'SIGTERM'} to gone, ms:                        ${spread(stopped)}`,
  );
  if (used.length > 0) {
    console.log(`resident after a produce to each, MiB:      ${spread(used.map((one) => one.residentMiB))}`);
    console.log(`open file descriptors:                      ${spread(used.map((one) => one.descriptors))}`);
  }
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}

/**
 * Real clients that produce records at fixed times, whatever the brokers do, each as it comes but for acks=all: Java's, and
 * librdkafka's, franz-go's and kafkajs's. Each tells how long its records took from when they were due until they were
 * acknowledged, and what it gave up.
 */
import { setTimeout as delay } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { installGo } from '../../scripts/peer-go.ts';
import { installKafkaClients } from '../../scripts/peer-java.ts';
import { installPython } from '../../scripts/peer-python.ts';
import { startJava } from '../../test/interop/java-peer.ts';
import { startProcessPeer, type ProcessPeer } from '../../test/interop/process-peer.ts';
import { startPython } from '../../test/interop/python-peer.ts';

export const CLIENTS = ['Java', 'librdkafka', 'franz-go', 'kafkajs'] as const;
export type ClientName = (typeof CLIENTS)[number];

const FAULTS_MAX = 20;
const RESUMED_POLL_MS = 50;

export interface Stream {
  readonly topic: string;
  readonly partitions: number;
  readonly recordsPerSecond: number;
  readonly valueBytes: number;
}

/** What there was since the last time it was asked for. */
export interface StreamPart {
  /** Of every acknowledged record, from when it was due. */
  readonly latenciesMs: readonly number[];
  /** Records that were given up, from the beginning. */
  readonly failed: number;
  /** What was said of the first of them. */
  readonly faults: readonly string[];
}

export interface SteadyClient {
  readonly name: ClientName;
  /** Begins to produce. */
  start(stream: Stream): Promise<void>;
  take(): Promise<StreamPart>;
  /** From now on a partition counts as going on when a record that is due later is acknowledged. Java only. */
  mark(): Promise<void>;
  /** Milliseconds from the mark to that, by partition in no order; waits until each has one. */
  resumed(limitMs: number): Promise<number[]>;
  /** Waits for what is under way. */
  stop(): Promise<StreamPart>;
  close(): Promise<void>;
}

/** Errors: PeerMissing. */
export async function openClient(name: ClientName, bootstrap: string): Promise<SteadyClient> {
  switch (name) {
    case 'Java':
      return ofProcess(name, await startJava(await installKafkaClients(), bootstrap));
    case 'librdkafka':
      return ofProcess(
        name,
        await startPython({ python: await installPython(), client: 'confluent' }, bootstrap),
      );
    case 'franz-go':
      return ofProcess(name, startProcessPeer([await installGo('franz-go')], bootstrap));
    case 'kafkajs':
      return ofKafkaJs(bootstrap);
  }
}

function ofProcess(name: ClientName, peer: ProcessPeer): SteadyClient {
  let partitions = 0;
  return {
    name,
    start: async (stream) => {
      ({ partitions } = stream);
      await peer.call('steadyStart', { ...stream });
    },
    mark: async () => void (await peer.call('steadyMark', {})),
    resumed: async (limitMs) => {
      for (const endMs = performance.now() + limitMs; ; await delay(RESUMED_POLL_MS)) {
        const resumed = (await peer.call('steadyResumed', {})) as number[];
        if (resumed.length === partitions) return resumed;
        if (performance.now() > endMs) {
          throw new Error(
            `${name} writes to ${resumed.length} of ${partitions} partitions after ${limitMs} ms`,
          );
        }
      }
    },
    take: () => peer.call('steadyTake', {}),
    stop: () => peer.call('steadyStop', {}),
    close: () => peer.close(),
  };
}

/** In this process: it has nothing else to do meanwhile. */
function ofKafkaJs(bootstrap: string): SteadyClient {
  const { Kafka, logLevel } = kafkajs;
  const producer = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING }).producer();
  const latenciesMs: number[] = [];
  const faults: string[] = [];
  let failed = 0;
  let isOver = false;
  let sending: Promise<void> = Promise.resolve();
  const under = new Set<Promise<void>>();

  async function send({ topic, partitions, recordsPerSecond, valueBytes }: Stream): Promise<void> {
    const value = Buffer.alloc(valueBytes);
    const beganMs = performance.now();
    for (let number = 0; !isOver; number++) {
      const dueMs = beganMs + (number * 1000) / recordsPerSecond;
      await delay(Math.max(0, dueMs - performance.now()));
      const sent = producer
        .send({ topic, acks: -1, messages: [{ value, partition: number % partitions }] })
        .then(
          () => void latenciesMs.push(performance.now() - dueMs),
          (error: unknown) => {
            failed += 1;
            if (faults.length < FAULTS_MAX) faults.push(String(error));
          },
        )
        .finally(() => under.delete(sent));
      under.add(sent);
    }
  }

  const take = (): StreamPart => ({ latenciesMs: latenciesMs.splice(0), failed, faults: [...faults] });
  return {
    name: 'kafkajs',
    mark: unknownHere,
    resumed: unknownHere,
    start: async (stream) => {
      await producer.connect();
      sending = send(stream);
    },
    take: async () => take(),
    stop: async () => {
      isOver = true;
      await sending;
      await Promise.all(under);
      return take();
    },
    close: () => producer.disconnect(),
  };
}

async function unknownHere(): Promise<never> {
  throw new Error('this client does not tell partitions apart');
}

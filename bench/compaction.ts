/** How fast a log is compacted, and with how much memory and processor time. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../src/protocol/messages/44-incremental-alter-configs.ts';
import { giveDirtyLog, recordsBelow, writeDirtyLog, type DirtyLog } from './lib/dirty-log.ts';
import { NAMES, row, type Context, type Kind, type Question } from './lib/question.ts';
import { benchFolder, describe, HOST, start, type Server } from './lib/servers.ts';
import { createTopics } from './lib/topics.ts';
import { WireClient } from './wire-client.ts';

const TOPIC = 'compacted';
const PARTITION = `${TOPIC}-0`;
const OPTIONS = { durability: 'relaxed', settings: { 'log.cleaner.backoff.ms': '100' } } as const;
const SIZE = { records: 50_000_000, keys: 1_000_000, segmentBytes: 256 * 1024 ** 2 };
const SIZE_QUICK = { records: 500_000, keys: 20_000, segmentBytes: 8 * 1024 ** 2 };
/** No log is dirtier than that: the cleaner waits until it is told otherwise. */
const NEVER = '1';
const POLL_MS = 10;
const CLEANED_MS_MAX = 30 * 60_000;
const GOAL_MEMORY_MIB = 256;

interface Sample {
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly cpuSeconds: number;
  readonly rssPeakMiB: number;
}

async function once(kind: Kind, log: DirtyLog, context: Context): Promise<Sample> {
  const first = await start(kind, OPTIONS);
  const configs = {
    'cleanup.policy': 'compact',
    'min.cleanable.dirty.ratio': NEVER,
    'segment.bytes': String(context.quick ? SIZE_QUICK.segmentBytes : SIZE.segmentBytes),
  };
  await createTopics(first.port, [{ topic: TOPIC, partitions: 1, configs }]);
  await first.stop();
  giveDirtyLog(log, first.logDir, PARTITION);
  const server = await start(kind, { ...OPTIONS, dataDir: first.dataDir });
  try {
    await createTopics(server.port, [{ topic: 'other', partitions: 1 }]);
    server.resetPeak();
    const cpuBefore = server.usage().cpuSeconds;
    const startedAt = performance.now();
    await allowCleaning(server);
    await cleaned(server, log.activeOffset);
    const seconds = (performance.now() - startedAt) / 1000;
    const { cpuSeconds, rssPeakMiB } = server.usage();
    const kept = recordsBelow(path.join(server.logDir, PARTITION), log.activeOffset);
    if (kept !== log.keys) throw new Error(`${kind} kept ${kept} records of ${log.keys} keys`);
    context.log(`${NAMES[kind]} took ${seconds.toFixed(1)} s and ${Math.round(rssPeakMiB)} MiB`);
    return {
      seconds,
      recordsPerSecond: log.records / seconds,
      megabytesPerSecond: log.sizeBytes / 1e6 / seconds,
      cpuSeconds: cpuSeconds - cpuBefore,
      rssPeakMiB,
    };
  } finally {
    await server.discard();
  }
}

async function allowCleaning(server: Server): Promise<void> {
  const client = await WireClient.connect(HOST, server.port);
  const configs = [{ name: 'min.cleanable.dirty.ratio', configOperation: 0, value: '0.01' }];
  const body = { resources: [{ resourceType: 2, resourceName: TOPIC, configs }], validateOnly: false };
  const types = [IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse] as const;
  const { responses } = await client.call(...types, { version: 1, body });
  client.close();
  if (responses[0]!.errorCode !== 0) throw new Error(`refused: ${responses[0]!.errorMessage}`);
}

/** Resolves when the cleaner's checkpoint says that the log is clean up to `offset`. */
async function cleaned(server: Server, offset: number): Promise<void> {
  const checkpoint = path.join(server.logDir, 'cleaner-offset-checkpoint');
  for (const late = performance.now() + CLEANED_MS_MAX; performance.now() < late; await delay(POLL_MS)) {
    const lines = existsSync(checkpoint) ? readFileSync(checkpoint, 'utf8').split('\n') : [];
    if (lines.includes(`${TOPIC} 0 ${offset}`)) return;
  }
  throw new Error(`${server.kind} did not clean the log within ${CLEANED_MS_MAX} ms`);
}

async function run(context: Context) {
  const size = context.quick ? SIZE_QUICK : SIZE;
  const folder = mkdtempSync(path.join(benchFolder(), 'headrace-bench-dirty-'));
  try {
    context.log(`writing ${size.records.toLocaleString('en-US')} records`);
    const log = writeDirtyLog(folder, size);
    const samples = await context.alternate((kind) => once(kind, log, context));
    const label = `${size.records / 1e6} million records, ${size.keys.toLocaleString('en-US')} keys`;
    return {
      settings: [
        `One partition of ${(log.sizeBytes / 1e9).toFixed(2)} GB in segments of ${size.segmentBytes / 1024 ** 2} MiB, ` +
          'uncompressed batches of 1,000 records with values of 64 bytes; keys are drawn evenly. Both clean the same files.',
        'Time runs from the request that sets `min.cleanable.dirty.ratio` until `cleaner-offset-checkpoint` says that all but ' +
          'the active segment is clean. The records that are left are counted: one for each key.',
        'Both may use 128 MiB for their table of keys (`log.cleaner.dedupe.buffer.size`) and one thread. Memory is that of the ' +
          'whole process at its peak during the cleaning; that of Kafka includes its heap of 1 GiB.',
        ...context.kinds.map((kind) => describe(kind, OPTIONS)),
      ],
      tables: [
        {
          title: 'Records cleaned a second',
          rows: [
            row(samples, (sample) => sample.recordsPerSecond / 1e6, {
              label,
              unit: 'million',
              better: 'higher',
            }),
          ],
        },
        {
          title: 'Bytes cleaned a second',
          rows: [
            row(samples, (sample) => sample.megabytesPerSecond, { label, unit: 'MB/s', better: 'higher' }),
          ],
        },
        {
          title: 'Processor time for all of it',
          rows: [row(samples, (sample) => sample.cpuSeconds, { label, unit: 's', better: 'lower' })],
        },
        {
          title: 'Memory at the peak',
          text: `The aim for Headrace is less than ${GOAL_MEMORY_MIB} MiB.`,
          rows: [row(samples, (sample) => sample.rssPeakMiB, { label, unit: 'MiB', better: 'lower' })],
        },
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const question: Question = {
  name: 'compaction',
  title: 'Compaction',
  asks:
    'How fast is a compacted topic cleaned, and what does it take? Change logs and the state of connectors and streams are ' +
    'such topics: what cannot be cleaned as fast as it is written grows without end.',
  minutes: 12,
  answers: [
    {
      says: 'cleans',
      where: 'records a second of a log with few keys, in one partition',
      table: 'Records cleaned a second',
    },
  ],
  run,
};

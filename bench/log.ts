/**
 * How fast is the log? Appends of 16 KiB batches to one partition and to 16 (fsync and relaxed), reads of the tail and
 * of cold segments, and the start with 1,000 partitions after a clean shutdown and after a kill. On the real disk, in
 * a folder that is removed afterwards.
 *
 *     node bench/log.ts [folder]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogDirectories } from '../src/log/log-directories.ts';
import type { Log } from '../src/log/log.ts';
import { DEFAULT_LOG_SETTINGS, type LogSettings } from '../src/log/settings.ts';
import * as header from '../src/protocol/record-batch.ts';
import { buildBatch } from '../src/protocol/records.ts';
import { silentLogger } from '../src/runtime/logger.ts';
import { realPorts } from '../src/runtime/ports.ts';

const PARTITIONS = 1000;
const BYTES = 512 * 1024 ** 2;
const root = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'log-bench-'));
const ports = realPorts({ logger: silentLogger() });
const open = (folder: string): Promise<LogDirectories> =>
  LogDirectories.open({
    ports,
    directories: [join(root, folder)],
    nodeId: 1,
    clusterId: 'bench',
    settingsFor: () => DEFAULT_LOG_SETTINGS,
  });
const make = (directories: LogDirectories, topic: string, partition: number, settings: LogSettings): Log =>
  directories.create({ topic, partition, topicId: 'B'.repeat(16), settings });

function batchOf(recordBytes: number, sizeBytes: number): Buffer {
  const value = Buffer.alloc(recordBytes, 'x');
  const count = Math.floor(sizeBytes / (recordBytes + 8));
  const timestamp = Date.now();
  return buildBatch({ records: Array.from({ length: count }, () => ({ key: null, value, timestamp })) });
}

async function appends(
  name: string,
  options: { partitions: number; recordBytes: number; settings: LogSettings },
): Promise<void> {
  const directories = await open('appends');
  const logs = Array.from({ length: options.partitions }, (_, index) =>
    make(directories, name, index, options.settings),
  );
  const batch = batchOf(options.recordBytes, 16 * 1024);
  const records = header.recordCount(batch);
  const count = Math.floor(BYTES / batch.length);
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let index = 0; index < count; index++) {
    header.setBaseOffset(batch, 0, 0);
    const nowMs = Date.now();
    const result = logs[index % logs.length]!.appendAsLeader(batch, {
      leaderEpoch: 0,
      origin: 'client',
      nowMs,
    });
    if (result.errorCode !== 0) throw new Error(result.errorMessage);
    // The event loop of a broker turns after some requests; here after 16.
    if (index % 16 === 15) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const ms = performance.now() - start;
  const used = process.cpuUsage(cpu);
  await Promise.all(logs.map((log) => log.flush()));
  const flushedMs = performance.now() - start;
  const perSecond = Math.round(count / (ms / 1000));
  const cpuPerGb = (used.user + used.system) / 1e6 / ((count * batch.length) / 1e9);
  console.log(
    `${name}: ${perSecond} appends/s, ${Math.round((perSecond * records) / 1000)}k records/s, ` +
      `${Math.round((perSecond * batch.length) / 1e6)} MB/s, ${cpuPerGb.toFixed(2)} CPU-s per GB, ` +
      `all durable after ${Math.round(flushedMs)} ms`,
  );
  const log = logs[0]!;
  await reads(log, `${name}, tail`, Math.max(log.logStartOffset, log.logEndOffset - 200 * records));
  await reads(log, `${name}, cold`, log.logStartOffset);
  await directories.shutdown();
  rmSync(join(root, 'appends'), { recursive: true });
}

async function reads(log: Log, name: string, from: number): Promise<void> {
  const start = performance.now();
  let bytes = 0;
  let calls = 0;
  for (let offset = from; offset < log.logEndOffset && bytes < BYTES / 2; calls++) {
    const read = log.read({ offset, maxBytes: 1024 ** 2, upTo: log.logEndOffset, minOneMessage: true });
    const { sizeBytes, nextOffset } = read instanceof Promise ? await read : read;
    bytes += sizeBytes;
    offset = nextOffset;
  }
  const ms = performance.now() - start;
  console.log(`  read ${name}: ${calls} reads, ${Math.round(bytes / 1e6 / (ms / 1000))} MB/s`);
}

async function starts(): Promise<void> {
  let directories = await open('starts');
  const batch = batchOf(100, 4096);
  for (let index = 0; index < PARTITIONS; index++) {
    header.setBaseOffset(batch, 0, 0);
    make(directories, 'start', index, DEFAULT_LOG_SETTINGS).appendAsLeader(batch, {
      leaderEpoch: 0,
      origin: 'client',
      nowMs: Date.now(),
    });
  }
  const stopping = performance.now();
  await directories.shutdown();
  console.log(`shutdown with ${PARTITIONS} partitions: ${Math.round(performance.now() - stopping)} ms`);
  for (let run = 1; run <= 3; run++) {
    const start = performance.now();
    directories = await open('starts');
    const ms = performance.now() - start;
    console.log(`start ${run} with ${PARTITIONS} partitions after a clean shutdown: ${Math.round(ms)} ms`);
    await directories.shutdown();
  }
  directories = await open('starts');
  directories.release();
  const start = performance.now();
  directories = await open('starts');
  console.log(
    `start with ${PARTITIONS} partitions after a kill: ${Math.round(performance.now() - start)} ms`,
  );
  await directories.shutdown();
}

try {
  await starts();
  const relaxed: LogSettings = { ...DEFAULT_LOG_SETTINGS, durability: 'relaxed' };
  await appends('fsync', { partitions: 1, recordBytes: 100, settings: DEFAULT_LOG_SETTINGS });
  await appends('fsync-16-partitions', { partitions: 16, recordBytes: 100, settings: DEFAULT_LOG_SETTINGS });
  await appends('relaxed', { partitions: 1, recordBytes: 100, settings: relaxed });
  await appends('relaxed-1KiB-records', { partitions: 1, recordBytes: 1024, settings: relaxed });
} finally {
  rmSync(root, { recursive: true, force: true });
}

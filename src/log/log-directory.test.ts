/** Checkpoints of one log directory that overlap: with each other, and with a rewrite that cannot wait. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildBatch } from '../protocol/records.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import { readOffsetCheckpoint } from './checkpoint-file.ts';
import * as names from './file-names.ts';
import type { LogDirectories } from './log-directories.ts';
import type { Log } from './log.ts';
import { DEFAULT_LOG_SETTINGS } from './settings.ts';
import { openDirectories } from './test-log.ts';

const SYNC_MS = 3;
const LOG_STARTS = `/a/${names.LOG_START_CHECKPOINT}`;
const HIGH_WATERMARKS = `/a/${names.HIGH_WATERMARK_CHECKPOINT}`;
const settings = { ...DEFAULT_LOG_SETTINGS, segmentBytes: 500 };

/** One directory whose syncs take their time, and what was asked of its disk. */
async function bench(
  fault?: (operation: { readonly kind: string; readonly path: string }) => string | undefined,
): Promise<{ p: SimulatedPorts; directories: LogDirectories; operations: string[] }> {
  const operations: string[] = [];
  const p = simulatedPorts({
    seed: 1,
    disk: {
      syncLatencyMs: SYNC_MS,
      ...(fault === undefined ? undefined : { fault }),
      onOperation: ({ kind, path }) => void operations.push(`${kind} ${path}`),
    },
  });
  const options = { directories: ['/a'], settingsFor: () => settings };
  return { p, directories: await openDirectories(p, options), operations };
}

async function fill(p: SimulatedPorts, log: Log, count: number): Promise<void> {
  const nowMs = p.clock.nowMs();
  for (let left = count; left > 0; left--) {
    const records = [{ key: null, value: Buffer.alloc(50), timestamp: nowMs }];
    const result = log.appendAsLeader(buildBatch({ records }), { leaderEpoch: 0, origin: 'client', nowMs });
    assert.equal(result.errorCode, 0, result.errorMessage ?? '');
  }
  await p.time.advance(100);
  assert.equal(log.durableEndOffset, count);
}

test('of high watermark checkpoints that overlap the last one stays, and the directory is online', async () => {
  for (const gapMs of [0, 1, SYNC_MS - 1]) {
    const { p, directories, operations } = await bench();
    await fill(p, directories.create({ topic: 't', partition: 0, topicId: 'I'.repeat(16), settings }), 9);
    const failed: string[] = [];
    directories.onDirectoryFailure = (_, error) => failed.push(error.message);
    operations.length = 0;
    const writes: Promise<void>[] = [];
    for (const highWatermark of [5, 7, 6]) {
      writes.push(directories.checkpointHighWatermarks(new Map([['t-0', highWatermark]])));
      if (gapMs > 0) await p.time.advance(gapMs);
    }
    await p.time.settle(Promise.all(writes));
    assert.deepEqual(failed, [], `${gapMs} ms apart`);
    assert.equal(directories.directories()[0]!.isOnline, true);
    assert.equal(readOffsetCheckpoint(p.disk, HIGH_WATERMARKS).get('t-0'), 6, `${gapMs} ms apart`);
    assert.equal(p.disk.stat(`${HIGH_WATERMARKS}.tmp`), undefined);
    // They did overlap: none had its name before the last one began.
    const opened = operations.lastIndexOf(`open ${HIGH_WATERMARKS}.tmp`);
    const renamed = operations.findIndex((one) => one.startsWith(`rename ${HIGH_WATERMARKS}`));
    assert.ok(opened < renamed, operations.join());
    await p.time.settle(directories.shutdown());
  }
});

test('a checkpoint that finds the file as it should be stops an older one that is under way', async () => {
  const { p, directories } = await bench();
  await fill(p, directories.create({ topic: 't', partition: 0, topicId: 'I'.repeat(16), settings }), 9);
  await p.time.settle(directories.checkpointHighWatermarks(new Map([['t-0', 5]])));
  const writes = [7, 5].map((offset) => directories.checkpointHighWatermarks(new Map([['t-0', offset]])));
  await p.time.settle(Promise.all(writes));
  assert.equal(readOffsetCheckpoint(p.disk, HIGH_WATERMARKS).get('t-0'), 5);
  await p.time.settle(directories.shutdown());
});

test('a log start whose checkpoint was superseded is not durable, and its segments stay', async () => {
  const { p, directories, operations } = await bench();
  const log = directories.create({ topic: 't', partition: 0, topicId: 'I'.repeat(16), settings });
  const other = directories.create({ topic: 'u', partition: 0, topicId: 'J'.repeat(16), settings });
  await fill(p, log, 30);
  await fill(p, other, 5);
  other.deleteRecordsBefore(2);
  await p.time.settle(directories.checkpoint());
  assert.deepEqual([...readOffsetCheckpoint(p.disk, LOG_STARTS)], [['u-0', 2]]);

  log.deleteRecordsBefore(25);
  operations.length = 0;
  const checkpoint = directories.checkpoint();
  for (let ms = 0; ms < 10 && !operations.includes(`sync ${LOG_STARTS}.tmp`); ms++) await p.time.advance(1);
  assert.ok(operations.includes(`sync ${LOG_STARTS}.tmp`), operations.join());
  // The entry of `u-0` must go before there is another log of that name: the file is written at once, as it was else.
  directories.create({ topic: 'u', partition: 0, topicId: 'K'.repeat(16), settings });
  await p.time.settle(checkpoint);
  assert.deepEqual([...readOffsetCheckpoint(p.disk, LOG_STARTS)], []);
  const before = log.segmentCount;
  assert.ok(before > 3);
  const clean = (): number => log.deleteOldSegments(p.clock.nowMs(), 30);
  assert.deepEqual([clean(), log.segmentCount], [0, before]);

  await p.time.settle(directories.checkpoint());
  assert.deepEqual([...readOffsetCheckpoint(p.disk, LOG_STARTS)], [['t-0', 25]]);
  assert.ok(clean() > 0);
  assert.ok(log.segmentCount < before);
  await p.time.settle(directories.shutdown());
});

test('checkpoints that find the disk full leave the directory online, and succeed when there is room', async () => {
  for (const kind of ['open', 'write', 'sync']) {
    let isFull = false;
    const { p, directories } = await bench((operation) =>
      isFull && operation.kind === kind && operation.path.endsWith('.tmp') ? 'ENOSPC' : undefined,
    );
    const log = directories.create({ topic: 't', partition: 0, topicId: 'I'.repeat(16), settings });
    await fill(p, log, 30);
    log.deleteRecordsBefore(25);
    isFull = true;
    await p.time.settle(directories.checkpoint());
    await p.time.settle(directories.checkpointHighWatermarks(new Map([['t-0', 30]])));
    assert.equal(directories.directories()[0]!.isOnline, true, kind);
    assert.equal(readCheckpoint(p, HIGH_WATERMARKS), undefined);
    isFull = false;
    await p.time.settle(directories.checkpoint());
    await p.time.settle(directories.checkpointHighWatermarks(new Map([['t-0', 30]])));
    assert.deepEqual([readCheckpoint(p, LOG_STARTS), readCheckpoint(p, HIGH_WATERMARKS)], [25, 30]);
    await p.time.settle(directories.shutdown());
  }
});

function readCheckpoint(p: SimulatedPorts, path: string): number | undefined {
  return p.disk.stat(path) === undefined ? undefined : readOffsetCheckpoint(p.disk, path).get('t-0');
}

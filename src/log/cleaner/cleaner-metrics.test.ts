import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CleanerRecord } from './cleaner-metrics.ts';
import { emptyStats, type CleaningStats } from './cleaning-job.ts';
import { CleanerWorld, DIRECTORY } from './test-cleaner-world.ts';

const VALUE = 'v'.repeat(100);

function stats(of: Partial<CleaningStats>): CleaningStats {
  return { ...emptyStats(), ...of };
}

test('before anything was cleaned all is 0, and no run has been', () => {
  assert.deepEqual(new CleanerRecord().metrics([], 1_000), {
    cleaner: {
      'max-buffer-utilization-percent': 0,
      'cleaner-recopy-percent': 0,
      'max-clean-time-secs': 0,
      'max-compaction-delay-secs': 0,
      DeadThreadCount: 0,
    },
    manager: { 'max-dirty-percent': 0, 'time-since-last-run-ms': -1, directories: [] },
  });
});

test('the last cleanings count, as many as there are threads: the largest of each figure, bytes together', () => {
  const record = new CleanerRecord();
  record.cleaned(stats({ tookMs: 90_000, bytesRead: 10, bytesKept: 10, mapUtilization: 0.9 }), 2);
  record.cleaned(stats({ tookMs: 5_999, bytesRead: 1_000, bytesKept: 100, mapUtilization: 0.25 }), 2);
  record.cleaned(stats({ tookMs: 1_000, bytesRead: 1_000, bytesKept: 400, mapUtilization: 0.5 }), 2);
  const { cleaner } = record.metrics([], 0);
  assert.equal(cleaner['max-clean-time-secs'], 5);
  assert.equal(cleaner['cleaner-recopy-percent'], 25);
  assert.equal(cleaner['max-buffer-utilization-percent'], 50);
});

test('a look forgets what the one before found', () => {
  const record = new CleanerRecord();
  const one = { firstDirtyOffset: 0, firstUncleanableOffset: 1, cleanableBytes: 1 };
  record.looking(1_000);
  record.found({ ...one, dirtyRatio: 0.25, compactionDelayMs: 12_345 });
  record.found({ ...one, dirtyRatio: 0.75, compactionDelayMs: 0 });
  const before = record.metrics([], 1_500);
  assert.equal(before.manager['max-dirty-percent'], 75);
  assert.equal(before.cleaner['max-compaction-delay-secs'], 12);
  assert.equal(before.manager['time-since-last-run-ms'], 500);
  record.looking(2_000);
  const after = record.metrics([], 2_000);
  assert.equal(after.manager['max-dirty-percent'], 0);
  assert.equal(after.cleaner['max-compaction-delay-secs'], 0);
});

test('a broker’s cleaner keeps them: what is dirty, what was copied, how long ago it looked', async () => {
  const log = new CleanerWorld('metrics', { settings: { minCleanableDirtyRatio: 0.9 } });
  await log.open();
  const { cleaner } = log.directories;
  for (let batch = 0; batch < 10; batch++) log.append([`a=${VALUE}`]);
  await log.rollAndClean();
  const first = cleaner.metrics();
  assert.equal(first.cleaner['cleaner-recopy-percent'], 10);
  assert.equal(first.manager['max-dirty-percent'], 0, 'nothing is left');
  // Three quarters of it are dirty, which is not enough.
  for (let key = 0; key < 3; key++) log.append([`b${key}=${VALUE}`]);
  await log.roll();
  await log.clean();
  assert.equal(cleaner.metrics().manager['max-dirty-percent'], 75);
  await log.pass(700);
  const { manager } = cleaner.metrics();
  assert.ok(manager['time-since-last-run-ms'] >= 700 && manager['time-since-last-run-ms'] < 800);
  assert.deepEqual(manager.directories, [
    { logDirectory: DIRECTORY, 'uncleanable-partitions-count': 0, 'uncleanable-bytes': 0 },
  ]);
});

test('what waits longer than max.compaction.lag.ms says so', async () => {
  const log = new CleanerWorld('delay', {
    settings: { maxCompactionLagMs: 60_000, minCleanableDirtyRatio: 1 },
  });
  await log.open();
  log.append(['a=1']);
  await log.roll();
  await log.pass(90_000);
  // It began to clean it, and the next look has not been yet.
  log.directories.cleaner.cleanDue();
  assert.equal(log.directories.cleaner.metrics().cleaner['max-compaction-delay-secs'], 30);
  await log.clean();
  log.append(['a=2']);
  await log.roll();
  log.directories.cleaner.cleanDue();
  assert.equal(log.directories.cleaner.metrics().cleaner['max-compaction-delay-secs'], 0);
});

/** The cleaner at work: what it chooses, what it merges, and what comes between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { segmentFileName } from '../file-names.ts';
import { UncleanableLog } from './cleaning-job.ts';
import { SLOT_BYTES } from './offset-map.ts';
import { CleanerWorld, COMPACTED, DIRECTORY } from './test-cleaner-world.ts';

async function world(settings: Partial<typeof COMPACTED> = {}): Promise<CleanerWorld> {
  const made = new CleanerWorld('cleaner', { settings });
  await made.open();
  return made;
}

const value = 'v'.repeat(200);

function textOf(log: CleanerWorld, path: string): string {
  const file = log.ports.disk.open(path, 'read');
  const bytes = Buffer.alloc(file.sizeBytes());
  file.read(0, bytes);
  file.close();
  return bytes.toString();
}

test('segments that have shrunk become one, and the old files go after file.delete.delay.ms', async () => {
  const log = await world();
  for (let round = 0; round < 6; round++) {
    log.append(['a', 'b', 'c', 'd', 'e', 'f'].map((key) => `${key}${round}=${value}`));
    await log.roll();
  }
  assert.equal(log.log.segmentCount, 7);
  await log.clean();
  // 1.3 KB each, 4 KiB at most: three of them fit.
  assert.deepEqual(log.log.segmentBaseOffsets(), [0, 18, 36]);
  assert.ok(log.files().some((name) => name.endsWith('.deleted')));
  await log.pass(1_100);
  assert.ok(!log.files().some((name) => /\.(deleted|cleaned|swap)$/.test(name)));
  assert.ok(!log.files().includes(segmentFileName(6, '.snapshot')));
  assert.equal((await log.texts()).length, 36);
  // Twice the same gives the same.
  const before = await log.batches();
  log.append(['z=1']);
  await log.rollAndClean();
  assert.deepEqual((await log.batches()).slice(0, -1), before);
});

test('what does not fit into the map is cleaned in several passes', async () => {
  const log = await world();
  log.cleanerSettings = {
    ...log.cleanerSettings,
    dedupeBufferBytes: 5 * SLOT_BYTES,
    ioBufferLoadFactor: 0.8,
  };
  for (let round = 0; round < 5; round++) {
    for (let key = 0; key < 10; key++) log.append([`key${key}=${round}`]);
    await log.roll();
  }
  await log.clean();
  assert.deepEqual(
    (await log.records()).map(({ key, value: text }) => `${key}=${text}`),
    Array.from({ length: 10 }, (_, key) => `key${key}=4`),
  );
});

test('a log with a batch of more keys than fit is reported and left alone; others are cleaned', async () => {
  const log = await world();
  log.cleanerSettings = { ...log.cleanerSettings, dedupeBufferBytes: 4 * SLOT_BYTES };
  const other = log.otherLog;
  log.append(['a=1', 'b=1', 'c=1', 'd=1', 'e=1']);
  await log.roll();
  log.directories.cleaner.cleanDue();
  await log.pass(1_000);
  assert.match(log.directories.cleaner.problemOf(log.log) ?? '', /log.cleaner.dedupe.buffer.size/);
  assert.equal(log.directories.cleaner.problemOf(other), undefined);
  assert.equal((await log.texts()).length, 5);
});

test('a damaged batch ends the cleaning of its log, and nothing of it is lost', async () => {
  const log = await world();
  log.append([`a=${value}`]);
  log.append([`a=${value}`]);
  await log.roll();
  const file = log.ports.disk.open(`${DIRECTORY}/topic-0/${segmentFileName(0, '.log')}`, 'write');
  file.write(100, [Buffer.from('damage')]);
  file.close();
  log.directories.cleaner.cleanDue();
  await log.pass(1_000);
  assert.match(log.directories.cleaner.problemOf(log.log) ?? '', /is damaged at 0/);
  assert.ok(!log.files().some((name) => name.endsWith('.cleaned')));
  assert.ok(new UncleanableLog('') instanceof Error);
});

test('a log is cleaned once enough of it is dirty, by itself', async () => {
  const log = await world({ minCleanableDirtyRatio: 0.5 });
  log.cleanerSettings = { ...log.cleanerSettings, backoffMs: 100 };
  await log.restartCleanly();
  log.append([`a=${value}`, `b=${value}`, `c=${value}`, `d=${value}`]);
  await log.roll();
  await log.pass(500);
  assert.equal(log.log.cleanedTo, 4);
  log.append([`a=${value}`]);
  await log.roll();
  await log.pass(500);
  assert.equal(log.log.cleanedTo, 4);
  log.append([`a=${value}`, `b=${value}`, `c=${value}`, `d=${value}`]);
  await log.roll();
  await log.pass(500);
  assert.equal(log.log.cleanedTo, 9);
  assert.equal((await log.texts()).length, 4);
});

test('min.compaction.lag.ms keeps young records as they are', async () => {
  const log = await world({ minCompactionLagMs: 60_000 });
  log.append(['a=1', 'a=2']);
  await log.rollAndClean();
  assert.equal((await log.texts()).length, 2);
  await log.pass(61_000);
  log.append(['a=3']);
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['1:a=2', '2:a=3']);
});

test('max.compaction.lag.ms has records cleaned in time: in the active segment too, below any ratio', async () => {
  const log = await world({ maxCompactionLagMs: 30_000, minCleanableDirtyRatio: 1 });
  log.cleanerSettings = { ...log.cleanerSettings, backoffMs: 1_000 };
  await log.restartCleanly();
  log.append(['a=1', 'a=2']);
  await log.pass(29_000);
  assert.equal((await log.texts()).length, 2);
  await log.pass(5_000);
  assert.deepEqual(await log.texts(), ['1:a=2']);
});

test('the checkpoint is in Kafka’s format, and the next start goes on from it', async () => {
  const log = await world();
  log.append(['a=1', 'a=2']);
  await log.rollAndClean();
  assert.equal(textOf(log, `${DIRECTORY}/cleaner-offset-checkpoint`), '0\n1\ntopic 0 2\n');
  await log.restart('lose');
  assert.equal(log.log.cleanedTo, 2);
  await log.restartCleanly();
  assert.equal(log.log.cleanedTo, 2);
});

test('a log that was compacted and is not any more has gaps, and opens and is read nevertheless', async () => {
  const log = await world();
  for (let round = 0; round < 4; round++) {
    log.append(['a=1', `b=${round}`]);
    log.append(['a=2']);
    await log.roll();
  }
  await log.clean();
  log.settings = { ...COMPACTED, cleanupPolicy: { compact: false, delete: true } };
  for (const restart of [() => log.restart('lose'), () => log.restart('keep'), () => log.restartCleanly()]) {
    await restart();
    assert.equal(log.directories.offlineReason('topic', 0), undefined);
    assert.deepEqual(
      (await log.texts()).map((text) => text.split(':')[1]),
      ['b=3', 'a=2'],
    );
  }
});

test('bytes per second are limited, as the setting says at each moment', async () => {
  const log = await world();
  for (let batch = 0; batch < 60; batch++) log.append([`a${batch % 2}=${'x'.repeat(3_000)}`]);
  await log.roll();
  log.cleanerSettings = { ...log.cleanerSettings, ioMaxBytesPerSecond: 10_000 };
  log.directories.cleaner.cleanDue();
  await log.pass(10_000);
  assert.equal(log.directories.cleaner.runningCount, 1);
  log.cleanerSettings = { ...log.cleanerSettings, ioMaxBytesPerSecond: 10_000_000 };
  await log.pass(2_000);
  assert.equal(log.directories.cleaner.runningCount, 0);
  assert.equal((await log.texts()).length, 2);
});

const INTERRUPTIONS: Record<string, (log: CleanerWorld) => unknown> = {
  truncation: (log) => log.log.truncateTo(5),
  deletion: (log) => log.directories.remove({ topic: 'topic', partition: 0 }),
  DeleteRecords: (log) => {
    log.log.deleteRecordsBefore(8);
    return log.ports.time.settle(log.directories.deleteOldSegments());
  },
  'a clean stop': (log) => log.restartCleanly(),
};

for (const [name, interrupt] of Object.entries(INTERRUPTIONS)) {
  test(`${name} in the middle of a cleaning, at any moment, leaves a log that is whole`, async () => {
    for (let moment = 0; moment < 60; moment++) {
      const log = new CleanerWorld(`${name} ${moment}`, {
        settings: { segmentBytes: 500 },
        disk: { readLatencyMs: 2, syncLatencyMs: 2 },
      });
      await log.open();
      for (let batch = 0; batch < 12; batch++) log.append([`a=${batch}`, `b${batch}=1`]);
      await log.roll();
      await log.ports.time.settle(log.directories.checkpoint());
      log.directories.cleaner.cleanDue();
      await log.pass(moment);
      await interrupt(log);
      await log.pass(500);
      if (name !== 'a clean stop') await log.restart('lose');
      assert.equal(log.directories.offlineReason('topic', 0), undefined, `after ${moment} ms`);
      const seen = await log.texts();
      const offsets = seen.map((text) => Number(text.split(':')[0]));
      assert.deepEqual(
        offsets,
        [...new Set(offsets)].sort((a, b) => a - b),
      );
      if (name === 'deletion') assert.deepEqual(seen, []);
      else if (name === 'truncation') assert.equal(log.log.logEndOffset, 4);
      else assert.ok(seen.includes('22:a=11'), `after ${moment} ms: ${seen.join(' ')}`);
      assert.ok(!log.files().some((file) => /\.(cleaned|swap)/.test(file)), log.files().join(' '));
      log.append(['again=1']);
      await log.rollAndClean();
    }
  });
}

test('readers that go on while it is cleaned see every record that stays, and no offset twice', async () => {
  const log = new CleanerWorld('readers', {
    settings: { segmentBytes: 500, fileDeleteDelayMs: 0 },
    disk: { readLatencyMs: 3, syncLatencyMs: 2 },
  });
  await log.open();
  for (let batch = 0; batch < 60; batch++) log.append([`a=${batch}`, `b${batch % 7}=${batch}`]);
  await log.roll();
  await log.restartCleanly();
  const { log: read } = log;
  const readAll = async (): Promise<number[]> => {
    const ends: number[] = [];
    for (let offset = 0; offset < read.logEndOffset;) {
      const part = await read.read({ offset, maxBytes: 1, upTo: read.logEndOffset, minOneMessage: true });
      assert.ok(part.nextOffset > offset);
      offset = part.nextOffset;
      ends.push(offset);
    }
    return ends;
  };
  const readers: Promise<number[]>[] = [];
  log.directories.cleaner.cleanDue();
  for (let begun = 0; begun < 40; begun++) {
    readers.push(readAll());
    await log.pass(2);
  }
  const all = await log.ports.time.settle(Promise.all(readers));
  await log.clean();
  const kept = (await log.records()).map(({ offset }) => offset);
  for (const ends of all) {
    assert.equal(ends.at(-1), read.logEndOffset);
    for (const offset of kept) assert.ok(ends.some((end) => end > offset));
  }
});

test('a cleaned segment counts as written when its last source was: retention.ms of records without timestamps', async () => {
  const log = await world({ cleanupPolicy: { compact: true, delete: true }, retentionMs: 60_000 });
  for (let round = 0; round < 3; round++) {
    log.append(['a=1', `b${round}=1`], { timestamp: -1 });
    await log.roll();
    await log.pass(10_000);
  }
  const modified = log.modifiedMs(segmentFileName(4, '.log'));
  await log.pass(20_000);
  await log.clean();
  assert.deepEqual(log.log.segmentBaseOffsets(), [0, 6]);
  assert.equal(log.modifiedMs(segmentFileName(0, '.log')), modified);
  // Written 30 s ago, as far as retention can tell.
  await log.pass(29_000);
  await log.ports.time.settle(log.directories.deleteOldSegments());
  assert.equal(log.log.logStartOffset, 0);
  await log.pass(2_000);
  await log.ports.time.settle(log.directories.deleteOldSegments());
  assert.equal(log.log.logStartOffset, 6);
});

test('cleanup.policy=compact,delete: old segments go as a whole, and the rest has each key once', async () => {
  const log = await world({
    cleanupPolicy: { compact: true, delete: true },
    retentionMs: 60_000,
    segmentBytes: 500,
  });
  const retain = () => log.ports.time.settle(log.directories.deleteOldSegments());
  const written = new Map<number, number>();
  for (let round = 0; round < 20; round++) {
    // Each key comes again, but for one of this round alone.
    const { baseOffset } = log.append([`a=${round}`, `b=${round}`, `of-${round}=1`]);
    for (const offset of [0, 1, 2]) written.set(baseOffset + offset, log.ports.clock.nowMs());
    await log.roll();
    await log.clean();
    await retain();
    await log.pass(10_000);
    const { logStartOffset } = log.log;
    const seen = await log.records();
    const offsets = seen.map(({ offset }) => offset);
    const nowMs = log.ports.clock.nowMs();
    // Nothing goes before its time; a segment goes with its youngest record, and has those of three rounds at most.
    for (const [offset, atMs] of written) {
      if (nowMs - atMs <= 60_000)
        assert.ok(offset >= logStartOffset, `${offset} went after ${nowMs - atMs} ms`);
      if (nowMs - atMs > 60_000 + 6 * 10_000) assert.ok(offset < logStartOffset, `${offset} is there still`);
    }
    // Of what is there, each round's own key stays, and of the others the last.
    for (const offset of written.keys()) {
      const isLatest = offset % 3 === 2 || offset >= log.log.logEndOffset - 3;
      assert.equal(
        offsets.includes(offset),
        isLatest && offset >= logStartOffset,
        `${offset} in ${offsets.join()}`,
      );
    }
  }
  assert.ok(log.log.logStartOffset > 0 && log.log.cleanedTo === log.log.logEndOffset);
  const before = await log.texts();
  await log.restart('lose');
  assert.deepEqual(await log.texts(), before);
});

test('retention.bytes counts what compaction has left', async () => {
  const log = await world({
    cleanupPolicy: { compact: true, delete: true },
    retentionBytes: 3_000,
    segmentBytes: 2_000,
  });
  for (let round = 0; round < 40; round++) log.append([`a=${value}`]);
  await log.rollAndClean();
  await log.ports.time.settle(log.directories.deleteOldSegments());
  assert.equal(log.log.logStartOffset, 0, 'one record is left, far below the limit');
  for (let round = 0; round < 40; round++) log.append([`b${round}=${value}`]);
  await log.rollAndClean();
  await log.ports.time.settle(log.directories.deleteOldSegments());
  assert.ok(log.log.logStartOffset > 40);
  assert.ok(log.log.sizeBytes > 3_000 && log.log.sizeBytes < 5_500);
  assert.ok((await log.texts()).at(-1)!.startsWith('79:b39='));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorName } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import { LogDirectoryError, StorageError } from './log-directories.ts';
import { append, ID, open, ports, settings } from './test-directories.ts';

test('new logs go where there are the fewest, or where they are told', async () => {
  const p = ports();
  const directories = await open(p);
  const where = [0, 1, 2, 3].map((partition) => {
    return directories.create({ topic: 't', partition, topicId: ID, settings }).directory;
  });
  assert.deepEqual(where, ['/a', '/b', '/a', '/b']);
  const told = directories.create({ topic: 'u', partition: 0, topicId: ID, settings, directory: '/b' });
  assert.equal(told.directory, '/b');
  assert.throws(
    () => directories.create({ topic: 'u', partition: 1, topicId: ID, settings, directory: '/x' }),
    StorageError,
  );
});

test('logs come back after a clean shutdown, with topic id, offsets and directory', async () => {
  const p = ports();
  const first = await open(p);
  assert.equal(first.wasCleanShutdown, false);
  const log = first.create({ topic: 'a-topic.with_dots', partition: 12, topicId: ID, settings });
  append(log, 20, p.clock.nowMs());
  log.deleteRecordsBefore(7);
  await p.time.settle(first.shutdown());
  const second = await open(p);
  assert.equal(second.wasCleanShutdown, true);
  const back = second.get({ topic: 'a-topic.with_dots', partition: 12 })!;
  assert.deepEqual([back.topicId, back.logStartOffset, back.logEndOffset, back.directory], [ID, 7, 20, '/a']);
  assert.deepEqual(second.directories(), first.directories());
});

test('R08, R09: directories tell how the last life ended, and under which registration it was', async () => {
  const p = ports();
  const first = await open(p);
  assert.deepEqual(
    first.formerLives().map(({ brokerEpoch, wasClean }) => [brokerEpoch, wasClean]),
    [
      [-1, false],
      [-1, false],
    ],
  );
  first.beginLife({ brokerEpoch: 5, bootId: 'boot' });
  await p.time.settle(first.shutdown({ brokerEpoch: 5 }));
  const [a, b] = first.directories().map(({ id }) => id);
  const second = await open(p);
  const life = { brokerEpoch: 5, bootId: 'boot', wasClean: true };
  assert.deepEqual(second.formerLives(), [
    { directoryId: a, ...life },
    { directoryId: b, ...life },
  ]);
  second.beginLife({ brokerEpoch: 9, bootId: 'boot' });
  second.release();
  const third = await open(p);
  const crashed = { brokerEpoch: 9, bootId: 'boot', wasClean: false };
  assert.deepEqual(third.formerLives(), [
    { directoryId: a, ...crashed },
    { directoryId: b, ...crashed },
  ]);
  third.release();
});

test('a directory that has failed knows of no life: what it lost is gone for this system too', async () => {
  let isBroken = false;
  const p = ports({
    fault: ({ kind, path }) => (isBroken && kind === 'sync' && path.startsWith('/a') ? 'EIO' : undefined),
  });
  const first = await open(p);
  first.beginLife({ brokerEpoch: 5, bootId: 'boot' });
  const log = first.create({ topic: 't', partition: 0, topicId: ID, settings });
  isBroken = true;
  append(log, 1, p.clock.nowMs());
  await p.time.advance(1_000);
  assert.equal(first.directories()[0].isOnline, false);
  first.release();
  isBroken = false;
  const second = await open(p);
  assert.deepEqual(
    second.formerLives().map(({ brokerEpoch }) => brokerEpoch),
    [-1, 5],
  );
  second.release();
});

test('a start after a clean shutdown opens no log file', async () => {
  const opened: string[] = [];
  const p = ports({
    fault: ({ kind, path }) => {
      if (kind === 'open' && path.endsWith('.log')) opened.push(path);
      return undefined;
    },
  });
  const first = await open(p);
  for (let partition = 0; partition < 5; partition++) {
    append(first.create({ topic: 't', partition, topicId: ID, settings }), 20, p.clock.nowMs());
  }
  await p.time.settle(first.shutdown());
  opened.length = 0;
  const second = await open(p);
  assert.equal([...second.logs()].length, 5);
  assert.deepEqual(opened, []);
});

test('a directory that is in use, of another cluster or of another broker is refused by name', async () => {
  const p = ports();
  const first = await open(p, { holder: 'process 4711 on host x' });
  await assert.rejects(
    open(p),
    (error) => error instanceof LogDirectoryError && /process 4711 on host x/.test(error.message),
  );
  await p.time.settle(first.shutdown());
  await assert.rejects(open(p, { clusterId: 'd' }), /belongs to cluster c, this is cluster d/);
  await assert.rejects(open(p, { nodeId: 2 }), /belongs to broker 1, this is broker 2/);
  await p.time.settle((await open(p)).shutdown());
});

test('a directory that fails takes its logs along, others go on', async () => {
  let fails = false;
  const p = ports({
    fault: ({ kind, path }) => (fails && kind === 'sync' && path.startsWith('/a/') ? 'EIO' : undefined),
  });
  const directories = await open(p);
  const failed: string[] = [];
  directories.onDirectoryFailure = (path) => failed.push(path);
  const a = directories.create({ topic: 't', partition: 0, topicId: ID, settings });
  const b = directories.create({ topic: 't', partition: 1, topicId: ID, settings });
  fails = true;
  append(a, 1, p.clock.nowMs());
  append(b, 1, p.clock.nowMs());
  await p.time.advance(10);
  assert.deepEqual([failed, a.durableEndOffset, b.durableEndOffset], [['/a'], 0, 1]);
  assert.match(directories.offlineReason('t', 0) ?? '', /EIO/);
  assert.equal(directories.offlineReason('t', 1), undefined);
  assert.deepEqual(
    directories
      .describe()
      .map(({ path, errorCode, totalBytes }) => [path, errorName(errorCode), totalBytes > 0]),
    [
      ['/a', 'KAFKA_STORAGE_ERROR', false],
      ['/b', 'NONE', true],
    ],
  );
  assert.throws(() => directories.create({ topic: 't', partition: 0, topicId: ID, settings }), StorageError);
  assert.equal(directories.create({ topic: 't', partition: 2, topicId: ID, settings }).directory, '/b');
  await p.time.settle(directories.shutdown());
});

test('a directory that cannot be opened is offline; if none can, the start is refused', async () => {
  let broken = /^\/a/;
  const p = ports({
    fault: ({ kind, path }) => (kind === 'open' && broken.test(path) ? 'EACCES' : undefined),
  });
  const directories = await open(p);
  assert.deepEqual(
    directories.directories().map(({ isOnline }) => isOnline),
    [false, true],
  );
  await p.time.settle(directories.shutdown());
  broken = /./;
  await assert.rejects(open(p), /No log directory is usable/);
});

test('a log that is removed is renamed at once and gone later; one of another topic id takes its place', async () => {
  const p = ports();
  const directories = await open(p, { directories: ['/a'] });
  append(directories.create({ topic: 't', partition: 0, topicId: ID, settings }), 3, p.clock.nowMs());
  const again = directories.create({ topic: 't', partition: 0, topicId: 'J'.repeat(16), settings });
  assert.equal(again.logEndOffset, 0);
  const marked = (): number => p.disk.list('/a').filter((name) => name.endsWith('-delete')).length;
  assert.equal(marked(), 1);
  await p.time.advance(1001);
  assert.equal(marked(), 0);
  directories.remove({ topic: 't', partition: 0 });
  assert.equal(directories.get({ topic: 't', partition: 0 }), undefined);
});

test('high watermarks are kept by directory and read back', async () => {
  const p = ports();
  const first = await open(p);
  for (const partition of [0, 1])
    append(first.create({ topic: 't', partition, topicId: ID, settings }), 9, p.clock.nowMs());
  await p.time.settle(
    first.checkpointHighWatermarks(
      new Map([
        ['t-0', 5],
        ['t-1', 8],
        ['gone-0', 1],
      ]),
    ),
  );
  await p.time.settle(first.shutdown());
  const second = await open(p);
  assert.deepEqual(
    [...second.readHighWatermarks()].sort(([a], [b]) => (a < b ? -1 : 1)),
    [
      ['t-0', 5],
      ['t-1', 8],
    ],
  );
});

test('descriptors of closed segments are limited and opened again', async () => {
  const p = ports();
  const directories = await open(p, { openFilesMax: 3, directories: ['/a'], recentBytesMax: 0 });
  const log = directories.create({ topic: 't', partition: 0, topicId: ID, settings });
  append(log, 60, p.clock.nowMs());
  await p.time.advance(50);
  assert.ok(log.segmentCount > 5);
  let count = 0;
  for (let offset = 0; offset < 60;) {
    const read = await p.time.settle(
      Promise.resolve(log.read({ offset, maxBytes: 200, upTo: 60, minOneMessage: true })),
    );
    count += read.nextOffset - offset;
    offset = read.nextOffset;
  }
  assert.equal(count, 60);
});

test('a stop syncs per directory, not per log, and what was not written since the start costs nothing', async () => {
  const operations: string[] = [];
  const p = ports({ onOperation: ({ kind, path }) => void operations.push(`${kind} ${path}`) });
  const first = await open(p, { directories: ['/a'] });
  const logs = [0, 1, 2, 3].map((partition) =>
    first.create({ topic: 't', partition, topicId: ID, settings }),
  );
  for (const log of logs) append(log, 3, p.clock.nowMs());
  await p.time.advance(50);
  operations.length = 0;
  await p.time.settle(first.shutdown());
  const syncs = operations.filter((one) => one.startsWith('sync'));
  assert.deepEqual(
    syncs.filter((one) => one.includes('/t-')),
    [],
  );
  assert.ok(syncs.length <= 6, syncs.join());
  const second = await open(p, { directories: ['/a'] });
  operations.length = 0;
  await p.time.settle(second.shutdown());
  assert.deepEqual(
    operations.filter((one) => one.includes('/t-')),
    [],
  );
});

test('power lost right after a clean stop takes nothing, though small files were not synced', async () => {
  const sent = {
    records: [{ key: null, value: Buffer.alloc(50), timestamp: 1 }],
    producerId: 7,
    producerEpoch: 0,
  };
  const options = { leaderEpoch: 3, origin: 'client' } as const;
  for (let seed = 0; seed < 60; seed++) {
    let p = ports({ seed });
    const directories = ['/a'];
    const wide = { ...settings, segmentBytes: 5000, indexIntervalBytes: 100 };
    const before = await open(p, { directories, settingsFor: () => wide });
    const log = before.create({ topic: 't', partition: 0, topicId: ID, settings: wide });
    append(log, 1 + (seed % 40), p.clock.nowMs());
    const nowMs = p.clock.nowMs();
    assert.equal(
      log.appendAsLeader(buildBatch({ ...sent, baseSequence: 0 }), { ...options, nowMs }).errorCode,
      0,
    );
    await p.time.advance(50);
    await p.time.settle(before.shutdown());
    p.kill({ powerCut: true });
    p = p.restart(seed % 3 === 0 ? 'lose' : 'random');
    const after = await open(p, { directories, settingsFor: () => wide });
    const back = after.get({ topic: 't', partition: 0 })!;
    assert.deepEqual([back.logEndOffset, back.latestEpoch], [log.logEndOffset, 3], `seed ${seed}`);
    assert.deepEqual(back.endOffsetForEpoch(0), { epoch: 0, endOffset: log.logEndOffset - 1 });
    assert.deepEqual(back.activeProducers(), log.activeProducers(), `seed ${seed}`);
    const retry = back.appendAsLeader(buildBatch({ ...sent, baseSequence: 0 }), { ...options, nowMs });
    assert.deepEqual([retry.duplicate, retry.baseOffset], [true, log.logEndOffset - 1]);
    const found = await p.time.settle(back.offsetForTimestamp(nowMs));
    assert.equal(found?.offset, 0);
    const next = back.appendAsLeader(buildBatch({ ...sent, baseSequence: 1 }), { ...options, nowMs });
    assert.equal(next.baseOffset, log.logEndOffset);
    await p.time.settle(after.shutdown());
  }
});

test('logs are recovered, and searched by time, although the limit on open files closes theirs meanwhile', async () => {
  const p = ports({ readLatencyMs: 1 });
  const large = { ...settings, segmentBytes: 10_000_000, indexIntervalBytes: 10_000_000 };
  const options = { directories: ['/a'], openFilesMax: 1, settingsFor: () => large };
  const first = await open(p, options);
  const value = Buffer.alloc(100_000);
  for (let partition = 0; partition < 3; partition++) {
    const log = first.create({ topic: 't', partition, topicId: ID, settings: large });
    for (let nowMs = 1; nowMs <= 10; nowMs++) {
      const batch = buildBatch({ records: [{ key: null, value, timestamp: nowMs }] });
      assert.equal(log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', nowMs }).errorCode, 0);
    }
  }
  await p.time.advance(100);
  p.kill();
  const q = p.restart('lose');
  const second = await open(q, options);
  const logs = [...second.logs()];
  assert.deepEqual(
    logs.map(({ logEndOffset }) => logEndOffset),
    [10, 10, 10],
  );
  const found = await q.time.settle(Promise.all(logs.map((log) => log.offsetForTimestamp(9))));
  assert.deepEqual(
    found.map((one) => one?.offset),
    [8, 8, 8],
  );
});

test('a partition that no clean stop knew is looked at as after a crash', async () => {
  const p = ports();
  const first = await open(p, { directories: ['/a'] });
  append(first.create({ topic: 't', partition: 0, topicId: ID, settings }), 3, p.clock.nowMs());
  await p.time.settle(first.shutdown());
  const path = '/a/t-0/00000000000000000000.log';
  p.disk.rename('/a/t-0', '/a/u-0');
  p.disk.corrupt(path.replace('t-0', 'u-0'), 300, Buffer.from('x'));
  const second = await open(p, { directories: ['/a'] });
  assert.equal(second.get({ topic: 'u', partition: 0 })?.logEndOffset, 2);
});

test('of a topic made again while a directory was away the new log stays, however long the old one is', async () => {
  for (const [away, stays] of [
    ['/a', '/b'],
    ['/b', '/a'],
  ] as const) {
    const [oldId, newId] = ['I'.repeat(16), 'J'.repeat(16)];
    let isAway = false;
    const p = ports({
      fault: ({ kind, path }) =>
        isAway && kind === 'open' && path.startsWith(`${away}/`) ? 'EACCES' : undefined,
    });
    const first = await open(p);
    append(
      first.create({ topic: 't', partition: 0, topicId: oldId, settings, directory: away }),
      30,
      p.clock.nowMs(),
    );
    await p.time.settle(first.shutdown());

    isAway = true;
    const second = await open(p);
    const live = second.create({ topic: 't', partition: 0, topicId: newId, settings });
    assert.equal(live.directory, stays);
    append(live, 3, p.clock.nowMs());
    await p.time.settle(second.shutdown());

    isAway = false;
    const third = await open(p, { topicIdOf: (topic) => (topic === 't' ? newId : undefined) });
    const kept = third.get({ topic: 't', partition: 0 })!;
    assert.deepEqual([kept.topicId, kept.directory, kept.logEndOffset], [newId, stays, 3]);
    assert.deepEqual(
      third.describe().map(({ path, partitions }) => [path, partitions.length]),
      [
        ['/a', stays === '/a' ? 1 : 0],
        ['/b', stays === '/b' ? 1 : 0],
      ],
    );
    append(kept, 1, p.clock.nowMs());
    await p.time.advance(1001);
    assert.equal(kept.durableEndOffset, 4);
    const folders = (path: string): string[] => p.disk.list(path).filter((name) => name.startsWith('t'));
    assert.deepEqual([folders(away), folders(stays)], [[], ['t-0']]);
    await p.time.settle(third.shutdown());
  }
});

test('producers that are silent for too long are forgotten as often as is said', async () => {
  const p = ports();
  const directories = await open(p, {
    producerIdExpirationMs: 60_000,
    producerIdExpirationCheckIntervalMs: 5_000,
  });
  const log = directories.create({ topic: 't', partition: 0, topicId: ID, settings });
  const nowMs = p.clock.nowMs();
  const records = [{ key: null, value: Buffer.from('v'), timestamp: nowMs }];
  const batch = buildBatch({ records, producerId: 7, producerEpoch: 0, baseSequence: 0 });
  assert.equal(log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', nowMs }).errorCode, 0);
  await p.time.advance(59_000);
  assert.equal(log.activeProducers().length, 1);
  await p.time.advance(6_000);
  assert.equal(log.activeProducers().length, 0);
});

test('a log that was emptied knows no epoch any more, also after a power cut', async () => {
  const p = ports();
  const directories = await open(p);
  const log = directories.create({ topic: 't', partition: 0, topicId: ID, settings, directory: '/a' });
  append(log, 30, p.clock.nowMs());
  await p.time.settle(log.flush());
  log.truncateFullyAndStartAt(50);
  await p.time.settle(log.flush());
  const after = p.restart('lose');
  const again = (await open(after)).get({ topic: 't', partition: 0 })!;
  assert.deepEqual([again.logStartOffset, again.logEndOffset, again.latestEpoch], [50, 50, -1]);
});

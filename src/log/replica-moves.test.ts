import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as header from '../protocol/record-batch.ts';
import { buildBatch } from '../protocol/records.ts';
import type { Log } from './log.ts';
import { append, ID, open, ports, settings } from './test-directories.ts';

test('a log moves to another directory while it is written to, and is the same object there', async () => {
  const p = ports({ syncLatencyMs: 3, readLatencyMs: 2 });
  const directories = await open(p);
  const log = directories.create({ topic: 't', partition: 0, topicId: ID, settings });
  append(log, 30, p.clock.nowMs());
  await p.time.advance(50);
  log.deleteRecordsBefore(4);
  const moved: string[] = [];
  directories.onMoved = (one) => moved.push(one.directory);
  directories.moveTo({ topic: 't', partition: 0 }, '/b');
  append(log, 5, p.clock.nowMs());
  const future = directories.describe()[1].partitions.filter(({ isFuture }) => isFuture);
  assert.deepEqual([future.length, future[0].offsetLag], [1, 31]);
  await p.time.advance(200);
  assert.deepEqual([moved, log.directory, log.logStartOffset, log.logEndOffset], [['/b'], '/b', 4, 35]);
  assert.equal(directories.get({ topic: 't', partition: 0 }), log);
  append(log, 5, p.clock.nowMs());
  await p.time.advance(50);
  assert.equal(log.durableEndOffset, 40);
  const read = await p.time.settle(
    Promise.resolve(log.read({ offset: 4, maxBytes: 1e6, upTo: 40, minOneMessage: true })),
  );
  assert.equal(read.firstOffset, 4);
  await p.time.advance(2000);
  assert.deepEqual(
    p.disk.list('/a').filter((name) => name.startsWith('t-')),
    [],
  );
  assert.deepEqual(
    directories.describe().map(({ partitions }) => partitions.length),
    [0, 1],
  );
  // And a kill finds it there.
  p.kill();
  const after = await open(p.restart('lose'));
  const back = after.get({ topic: 't', partition: 0 })!;
  assert.deepEqual([back.directory, back.logStartOffset, back.logEndOffset], ['/b', 4, 40]);
});

test('moves together keep within their limit, as it is at each moment', async () => {
  const p = ports();
  let limit = 400_000;
  const directories = await open(p, { moveBytesPerSecond: () => limit });
  const moved: Log[] = [];
  directories.onMoved = (log) => moved.push(log);
  const begin = (partition: number): void => {
    const larger = { ...settings, segmentBytes: 1 << 22 };
    const log = directories.create({ topic: 't', partition, topicId: ID, settings: larger, directory: '/a' });
    const nowMs = p.clock.nowMs();
    const records = [{ key: null, value: Buffer.alloc(10_000), timestamp: nowMs }];
    for (let n = 0; n < 200; n++) {
      log.appendAsLeader(buildBatch({ records }), { leaderEpoch: 0, origin: 'client', nowMs });
    }
    directories.moveTo({ topic: 't', partition }, '/b');
  };
  begin(0);
  begin(1);
  // 4 MB in all.
  await p.time.advance(9_500);
  assert.ok(moved.length < 2);
  await p.time.advance(1_500);
  assert.equal(moved.length, 2);
  limit = 1;
  begin(2);
  await p.time.advance(60_000);
  assert.equal(moved.length, 2);
  limit = 1e9;
  await p.time.advance(1_000);
  assert.equal(moved.length, 3);
});

test('a move that is called back leaves the log where it was and no copy behind', async () => {
  const p = ports({ syncLatencyMs: 3, readLatencyMs: 2 });
  const directories = await open(p);
  const log = directories.create({ topic: 't', partition: 0, topicId: ID, settings });
  append(log, 30, p.clock.nowMs());
  directories.moveTo({ topic: 't', partition: 0 }, '/b');
  directories.moveTo({ topic: 't', partition: 0 }, '/a');
  await p.time.advance(2000);
  assert.equal(log.directory, '/a');
  assert.deepEqual(
    p.disk.list('/b').filter((name) => name.startsWith('t-')),
    [],
  );
  append(log, 1, p.clock.nowMs());
  await p.time.advance(50);
  assert.equal(log.durableEndOffset, 31);
});

test('a log that is cut and goes on with other records while it is copied arrives as it is', async () => {
  for (const cutTo of [20, 3, 0]) {
    const p = ports({ syncLatencyMs: 20 });
    const directories = await open(p);
    const log = directories.create({ topic: 't', partition: 0, topicId: ID, settings, directory: '/a' });
    append(log, 30, p.clock.nowMs());
    directories.moveTo({ topic: 't', partition: 0 }, '/b');
    // The copy has everything and waits for its disk.
    await p.time.advance(5);
    assert.equal(log.directory, '/a');
    if (cutTo === 0) log.truncateFullyAndStartAt(25);
    else log.truncateTo(cutTo);
    const from = log.logEndOffset;
    for (let n = 0; n < 40; n++) {
      const records = [{ key: null, value: Buffer.alloc(50, 'x'), timestamp: 0 }];
      const options = { leaderEpoch: 7, origin: 'client', nowMs: p.clock.nowMs() } as const;
      assert.equal(log.appendAsLeader(buildBatch({ records }), options).errorCode, 0);
    }
    await p.time.advance(1_000);
    assert.deepEqual([log.directory, log.logEndOffset], ['/b', from + 40]);
    const epochs: number[] = [];
    for (let offset = log.logStartOffset; offset < log.logEndOffset; offset++) {
      const read = await p.time.settle(
        Promise.resolve(log.read({ offset, maxBytes: 1, upTo: offset + 1, minOneMessage: true })),
      );
      epochs.push(header.partitionLeaderEpoch(read.buffers[0]!));
    }
    const before = cutTo === 0 ? 0 : cutTo;
    assert.deepEqual(epochs, [...Array<number>(before).fill(0), ...Array<number>(40).fill(7)]);
    directories.release();
  }
});

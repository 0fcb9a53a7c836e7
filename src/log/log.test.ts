import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorName, Errors } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import type { DiskOperation } from '../runtime/simulated-disk.ts';
import { testLog } from './test-log.ts';

test('an append answers with its offsets at once and is durable a round later', async () => {
  const f = await testLog();
  const told: number[] = [];
  f.log.onDurable = (end) => told.push(end);
  const result = f.append();
  assert.deepEqual(result, {
    errorCode: 0,
    recordErrors: [],
    baseOffset: 0,
    lastOffset: 0,
    logAppendTimeMs: -1,
    logStartOffset: 0,
    duplicate: false,
  });
  f.append();
  assert.deepEqual([f.log.logEndOffset, f.log.durableEndOffset, told], [2, 0, []]);
  await f.pass();
  assert.deepEqual([f.log.durableEndOffset, told], [2, [2]]);
});

test('all appends of a tick share one sync, and appends during a sync share the next', async () => {
  const syncs: string[] = [];
  const f = await testLog(
    {},
    {
      disk: {
        syncLatencyMs: 10,
        onOperation: ({ kind, path }) => void (kind === 'sync' && path.endsWith('.log') && syncs.push(path)),
      },
    },
  );
  // The first round makes the names durable as well.
  f.append();
  await f.pass(30);
  for (let count = 0; count < 5; count++) f.append();
  await f.pass(5);
  assert.equal(syncs.length, 2);
  for (let count = 0; count < 5; count++) f.append();
  await f.pass(4);
  assert.deepEqual([syncs.length, f.log.durableEndOffset], [2, 1]);
  await f.pass(2);
  assert.deepEqual([syncs.length, f.log.durableEndOffset], [3, 6]);
  await f.pass(20);
  assert.deepEqual([syncs.length, f.log.durableEndOffset], [3, 11]);
});

test('in relaxed mode everything counts as durable and nothing is synced until flush.messages says so', async () => {
  const syncs: DiskOperation[] = [];
  const disk = {
    onOperation: (one: DiskOperation) =>
      void (one.kind === 'sync' && one.path.endsWith('.log') && syncs.push(one)),
  };
  const f = await testLog({ durability: 'relaxed', flushMessages: 3 }, { disk });
  const told: number[] = [];
  f.log.onDurable = (end) => told.push(end);
  f.append();
  assert.equal(f.log.durableEndOffset, 1);
  assert.deepEqual(told, []);
  await f.pass();
  assert.deepEqual([told, syncs.length], [[1], 0]);
  f.append();
  f.append();
  await f.pass();
  assert.deepEqual([told, syncs.length], [[1, 3], 1]);
});

test('in relaxed mode flush.ms syncs after that time', async () => {
  let syncs = 0;
  const disk = {
    onOperation: ({ kind, path }: DiskOperation) =>
      void (kind === 'sync' && path.endsWith('.log') && syncs++),
  };
  const f = await testLog({ durability: 'relaxed', flushMs: 1000 }, { disk });
  f.append();
  await f.pass(999);
  assert.equal(syncs, 0);
  await f.pass(10);
  assert.equal(syncs, 1);
});

test('item 15: a retry gets the offsets of the original and is not appended', async () => {
  const f = await testLog();
  const producer = { producerId: 5, producerEpoch: 0, baseSequence: 0 };
  assert.equal(f.append(producer).baseOffset, 0);
  const retry = f.append(producer);
  assert.deepEqual([retry.errorCode, retry.baseOffset, retry.duplicate, f.log.logEndOffset], [0, 0, true, 1]);
  const gap = f.append({ ...producer, baseSequence: 7 });
  assert.equal(errorName(gap.errorCode), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  assert.equal(gap.baseOffset, -1);
});

test('a batch that was refused can be offered again as it is', async () => {
  const f = await testLog();
  f.append({ producerId: 5, producerEpoch: 1, baseSequence: 0 });
  const records = [{ key: null, value: null, timestamp: f.ports.clock.nowMs() }];
  const batch = buildBatch({ records, producerId: 5, producerEpoch: 0, baseSequence: 0 });
  const options = { leaderEpoch: 0, origin: 'client', nowMs: f.ports.clock.nowMs() } as const;
  for (let attempt = 0; attempt < 2; attempt++) {
    assert.equal(errorName(f.log.appendAsLeader(batch, options).errorCode), 'INVALID_PRODUCER_EPOCH');
  }
});

test('a batch larger than a segment is RECORD_LIST_TOO_LARGE', async () => {
  const f = await testLog({ segmentBytes: 100 });
  assert.equal(f.append({ sizeBytes: 100 }).errorCode, Errors.RECORD_LIST_TOO_LARGE);
});

test('an older leader epoch than the log has is refused', async () => {
  const f = await testLog();
  f.append({ epoch: 4 });
  assert.equal(errorName(f.append({ epoch: 3 }).errorCode), 'NOT_LEADER_OR_FOLLOWER');
});

test('segments roll by size, by the time of the records, when the index is full and when offsets would overflow', async () => {
  const bySize = await testLog({ segmentBytes: 300 });
  for (let count = 0; count < 7; count++) bySize.append();
  assert.deepEqual(bySize.log.segmentBaseOffsets(), [0, 3, 6]);

  const byTime = await testLog({ segmentMs: 1000 });
  const now = byTime.ports.clock.nowMs();
  for (const timestamp of [now, now + 1000, now + 1001, now + 2000]) byTime.append({ timestamp });
  assert.deepEqual(byTime.log.segmentBaseOffsets(), [0, 2]);

  const byIndex = await testLog({ segmentIndexBytes: 36, indexIntervalBytes: 0 });
  for (let count = 0; count < 7; count++) byIndex.append({ timestamp: now });
  assert.deepEqual(byIndex.log.segmentBaseOffsets(), [0, 5]);

  const byOffset = await testLog();
  byOffset.append();
  const records = [{ key: null, value: null, timestamp: now }];
  const far = buildBatch({ records, baseOffset: 2 ** 31, leaderEpoch: 0 });
  assert.equal(byOffset.log.appendAsFollower(far, now).errorCode, 0);
  assert.deepEqual(byOffset.log.segmentBaseOffsets(), [0, 2 ** 31]);
});

test('what the caller does with its buffer after an append changes nothing in the log', async () => {
  const f = await testLog();
  const batch = buildBatch({
    records: [{ key: null, value: Buffer.from('kept'), timestamp: f.ports.clock.nowMs() }],
  });
  f.log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', nowMs: f.ports.clock.nowMs() });
  const before = Buffer.from(batch);
  batch.fill(0);
  const read = await f.settle(f.log.read({ offset: 0, maxBytes: 1e6, upTo: 1, minOneMessage: true }));
  assert.deepEqual(read.buffers[0], before);
});

test('times are looked up to the record, inside compressed batches too', async () => {
  const f = await testLog({ segmentBytes: 400, indexIntervalBytes: 0 });
  const t = f.ports.clock.nowMs();
  const of = (...times: number[]) =>
    times.map((at) => ({ key: null, value: Buffer.alloc(40), timestamp: t + at }));
  f.append({ records: of(10, 30, 20), compression: 'gzip' });
  f.append({ records: of(5) });
  f.append({ records: of(40, 60), compression: 'zstd', epoch: 2 });
  f.append({ records: of(60, 50), epoch: 2 });
  const at = async (time: number, upTo?: number) => {
    const found = await f.settle(f.log.offsetForTimestamp(t + time, upTo));
    return found === undefined ? undefined : [found.offset, found.timestamp - t, found.leaderEpoch];
  };
  assert.deepEqual(await at(-5), [0, 10, 0]);
  assert.deepEqual(await at(10), [0, 10, 0]);
  assert.deepEqual(await at(11), [1, 30, 0]);
  assert.deepEqual(await at(31), [4, 40, 2]);
  assert.deepEqual(await at(41), [5, 60, 2]);
  assert.equal(await at(61), undefined);
  assert.equal(await at(41, 5), undefined);
  const max = await f.settle(f.log.offsetOfMaxTimestamp());
  assert.deepEqual(max, { offset: 5, timestamp: t + 60, leaderEpoch: 2 });
  const empty = await testLog();
  assert.equal(await empty.settle(empty.log.offsetOfMaxTimestamp()), undefined);
  assert.equal(await empty.settle(empty.log.offsetForTimestamp(0)), undefined);
});

test('item 21: open transactions hold the stable offset back, aborted ones are listed by first offset', async () => {
  const f = await testLog({ segmentBytes: 400 });
  const of = (producerId: number, baseSequence: number) => ({
    producerId,
    producerEpoch: 0,
    baseSequence,
    isTransactional: true,
  });
  f.append(of(1, 0));
  f.append(of(2, 0));
  f.append();
  assert.equal(f.log.firstUnstableOffset, 0);
  f.mark(2, true);
  f.mark(1, true);
  assert.equal(f.log.firstUnstableOffset, 0);
  await f.pass();
  assert.equal(f.log.firstUnstableOffset, undefined);
  assert.deepEqual(f.log.abortedTransactions(0, 5), [
    { producerId: 1, firstOffset: 0 },
    { producerId: 2, firstOffset: 1 },
  ]);
  assert.deepEqual(f.log.abortedTransactions(4, 5), [{ producerId: 1, firstOffset: 0 }]);
  assert.deepEqual(f.log.abortedTransactions(0, 1), [{ producerId: 1, firstOffset: 0 }]);
  f.append(of(1, 1));
  assert.equal(f.log.hasOngoingTransaction(1, 0), true);
  assert.equal(f.log.hasOngoingTransaction(1, 1), false);
});

test('retention goes by size and by time, keeps the active segment and what is above the high watermark', async () => {
  const f = await testLog({ segmentBytes: 300, fileDeleteDelayMs: 1000 });
  for (let count = 0; count < 9; count++) f.append();
  await f.pass();
  assert.deepEqual(f.log.segmentBaseOffsets(), [0, 3, 6]);
  f.log.configure({ ...f.log.settings, retentionBytes: 300 });
  assert.equal(f.log.deleteOldSegments(f.ports.clock.nowMs(), 2), 0);
  await f.settle(f.directories.deleteOldSegments());
  assert.deepEqual([f.log.segmentBaseOffsets(), f.log.logStartOffset], [[3, 6], 3]);
  const names = (): string[] => f.ports.disk.list('/d/t-0').filter((name) => name.endsWith('.deleted'));
  assert.equal(names().length, 3);
  await f.pass(1001);
  assert.equal(names().length, 0);
  f.log.configure({ ...f.log.settings, retentionBytes: -1, retentionMs: 1000 });
  await f.settle(f.directories.deleteOldSegments());
  assert.deepEqual([f.log.segmentBaseOffsets(), f.log.logStartOffset, f.log.logEndOffset], [[9], 9, 9]);
  assert.equal(f.append().baseOffset, 9);
});

test('a topic that is only compacted loses nothing to retention but what DeleteRecords took', async () => {
  const f = await testLog({
    segmentBytes: 300,
    retentionMs: 1,
    cleanupPolicy: { compact: true, delete: false },
  });
  const records = [{ key: Buffer.from('k'), value: null, timestamp: f.ports.clock.nowMs() }];
  for (let count = 0; count < 12; count++) f.append({ records });
  await f.pass(1000);
  await f.settle(f.directories.deleteOldSegments());
  assert.equal(f.log.logStartOffset, 0);
  const [, second] = f.log.segmentBaseOffsets();
  f.log.deleteRecordsBefore(second + 1);
  await f.settle(f.directories.deleteOldSegments());
  assert.deepEqual([f.log.segmentBaseOffsets()[0], f.log.logStartOffset], [second, second + 1]);
});

test('truncation forgets batches, epochs and producers from the offset on', async () => {
  const f = await testLog({ segmentBytes: 300 });
  for (let sequence = 0; sequence < 9; sequence++) {
    f.append({ producerId: 3, producerEpoch: 0, baseSequence: sequence, epoch: sequence >> 2 });
  }
  await f.pass();
  assert.equal(f.log.truncateTo(9), false);
  assert.equal(f.log.truncateTo(4), true);
  assert.deepEqual([f.log.logEndOffset, f.log.durableEndOffset, f.log.latestEpoch], [4, 4, 0]);
  assert.equal(f.log.activeProducers()[0]!.lastSequence, 3);
  assert.deepEqual(await f.read(0), [0, 1, 2, 3].slice(0, (await f.read(0)).length));
  assert.equal(f.append({ producerId: 3, producerEpoch: 0, baseSequence: 4, epoch: 5 }).baseOffset, 4);
  await f.pass();
  assert.equal(f.log.durableEndOffset, 5);
  f.log.truncateFullyAndStartAt(100);
  assert.deepEqual([f.log.logStartOffset, f.log.logEndOffset, f.log.activeProducers()], [100, 100, []]);
  assert.equal(f.append({ epoch: 6 }).baseOffset, 100);
});

test('a follower takes batches as they are and refuses damaged, overlapping and older ones', async () => {
  const f = await testLog();
  const records = [{ key: null, value: null, timestamp: 1e12 }];
  const at = (baseOffset: number, leaderEpoch = 1): Buffer =>
    buildBatch({ records, baseOffset, leaderEpoch });
  const append = (...batches: Buffer[]): string =>
    errorName(f.log.appendAsFollower(Buffer.concat(batches), 1e12).errorCode);
  assert.equal(append(at(0), at(1), at(5)), 'NONE');
  assert.deepEqual([f.log.logEndOffset, f.log.latestEpoch], [6, 1]);
  assert.equal(append(at(5)), 'UNKNOWN_SERVER_ERROR');
  assert.equal(append(at(6, 0)), 'UNKNOWN_SERVER_ERROR');
  const damaged = at(7);
  damaged[damaged.length - 1] ^= 1;
  assert.equal(append(at(6), damaged), 'CORRUPT_MESSAGE');
  assert.equal(f.log.logEndOffset, 6);
  assert.equal(append(at(6), at(7).subarray(0, 40)), 'NONE');
  assert.equal(f.log.logEndOffset, 7);
});

test('a cut while a sync is under way takes back what that sync would have made durable', async () => {
  const f = await testLog({}, { disk: { syncLatencyMs: 10 } });
  for (let count = 0; count < 5; count++) f.append();
  await f.pass(5);
  f.log.truncateTo(2);
  f.append({ epoch: 1 });
  await f.pass(6);
  assert.equal(f.log.durableEndOffset, 0);
  const told: number[] = [];
  f.log.onDurable = (end) => told.push(end);
  await f.pass(30);
  assert.deepEqual([f.log.durableEndOffset, told], [3, [3]]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorName, Errors } from '../protocol/errors.ts';
import * as header from '../protocol/record-batch.ts';
import { buildBatch, type NewBatch } from '../protocol/records.ts';
import type { DiskOperation, SimulatedDiskOptions } from '../runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import { buildEndTransactionMarker } from '../protocol/control-records.ts';
import { LogDirectories } from './log-directories.ts';
import { OffsetOutOfRange, StorageError, type AppendResult, type Log } from './log.ts';
import { DEFAULT_LOG_SETTINGS, type LogSettings } from './settings.ts';

const TOPIC = { topic: 't', partition: 0 };

class Fixture {
  readonly ports: SimulatedPorts;
  readonly directories: LogDirectories;
  readonly log: Log;

  constructor(ports: SimulatedPorts, directories: LogDirectories, settings: LogSettings) {
    this.ports = ports;
    this.directories = directories;
    this.log = directories.create({ ...TOPIC, topicId: 'I'.repeat(16), settings });
  }

  append(
    change: Partial<NewBatch> & { epoch?: number; sizeBytes?: number; timestamp?: number } = {},
  ): AppendResult {
    const value = Buffer.alloc(change.sizeBytes ?? 10, 'v');
    const timestamp = change.timestamp ?? this.ports.clock.nowMs();
    const batch = buildBatch({ records: [{ key: null, value, timestamp }], ...change });
    const { epoch: leaderEpoch = 0 } = change;
    return this.log.appendAsLeader(batch, { leaderEpoch, origin: 'client', nowMs: this.ports.clock.nowMs() });
  }

  mark(producerId: number, isAbort: boolean): AppendResult {
    const timestamp = this.ports.clock.nowMs();
    const batch = buildEndTransactionMarker({
      producerId,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      isCommit: !isAbort,
      timestamp,
    });
    return this.log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'marker', nowMs: timestamp });
  }

  pass(ms = 5): Promise<void> {
    return this.ports.time.advance(ms);
  }

  settle<T>(promise: T | Promise<T>): Promise<T> {
    return this.ports.time.settle(Promise.resolve(promise));
  }

  /** Base offsets of the batches that a read gives. */
  async read(
    offset: number,
    options: { maxBytes?: number; upTo?: number; minOneMessage?: boolean } = {},
  ): Promise<number[]> {
    const { maxBytes = 1e6, upTo = this.log.logEndOffset, minOneMessage = true } = options;
    const read = await this.settle(this.log.read({ offset, maxBytes, upTo, minOneMessage }));
    const bases: number[] = [];
    for (const buffer of read.buffers) {
      for (const at of header.batchPositions(buffer)) bases.push(header.baseOffset(buffer, at));
    }
    assert.equal(
      read.sizeBytes,
      read.buffers.reduce((sum, buffer) => sum + buffer.length, 0),
    );
    return bases;
  }
}

async function fixture(
  settings: Partial<LogSettings> = {},
  options: { disk?: Partial<SimulatedDiskOptions>; recentBytesMax?: number } = {},
): Promise<Fixture> {
  const all = { ...DEFAULT_LOG_SETTINGS, ...settings };
  const ports = simulatedPorts({ seed: 1, ...(options.disk === undefined ? {} : { disk: options.disk }) });
  const directories = await ports.time.settle(
    LogDirectories.open({
      ports,
      directories: ['/d'],
      nodeId: 1,
      clusterId: 'c',
      settingsFor: () => all,
      ...(options.recentBytesMax === undefined ? {} : { recentBytesMax: options.recentBytesMax }),
    }),
  );
  return new Fixture(ports, directories, all);
}

test('an append answers with its offsets at once and is durable a round later', async () => {
  const f = await fixture();
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
  const f = await fixture(
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
  const f = await fixture({ durability: 'relaxed', flushMessages: 3 }, { disk });
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
  const f = await fixture({ durability: 'relaxed', flushMs: 1000 }, { disk });
  f.append();
  await f.pass(999);
  assert.equal(syncs, 0);
  await f.pass(10);
  assert.equal(syncs, 1);
});

test('a retry gets the offsets of the original and is not appended', async () => {
  const f = await fixture();
  const producer = { producerId: 5, producerEpoch: 0, baseSequence: 0 };
  assert.equal(f.append(producer).baseOffset, 0);
  const retry = f.append(producer);
  assert.deepEqual([retry.errorCode, retry.baseOffset, retry.duplicate, f.log.logEndOffset], [0, 0, true, 1]);
  const gap = f.append({ ...producer, baseSequence: 7 });
  assert.equal(errorName(gap.errorCode), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  assert.equal(gap.baseOffset, -1);
});

test('a batch that was refused can be offered again as it is', async () => {
  const f = await fixture();
  f.append({ producerId: 5, producerEpoch: 1, baseSequence: 0 });
  const records = [{ key: null, value: null, timestamp: f.ports.clock.nowMs() }];
  const batch = buildBatch({ records, producerId: 5, producerEpoch: 0, baseSequence: 0 });
  const options = { leaderEpoch: 0, origin: 'client', nowMs: f.ports.clock.nowMs() } as const;
  for (let attempt = 0; attempt < 2; attempt++) {
    assert.equal(errorName(f.log.appendAsLeader(batch, options).errorCode), 'INVALID_PRODUCER_EPOCH');
  }
});

test('a batch larger than a segment is RECORD_LIST_TOO_LARGE', async () => {
  const f = await fixture({ segmentBytes: 100 });
  assert.equal(f.append({ sizeBytes: 100 }).errorCode, Errors.RECORD_LIST_TOO_LARGE);
});

test('an older leader epoch than the log has is refused', async () => {
  const f = await fixture();
  f.append({ epoch: 4 });
  assert.equal(errorName(f.append({ epoch: 3 }).errorCode), 'NOT_LEADER_OR_FOLLOWER');
});

test('segments roll by size, by the time of the records, when the index is full and when offsets would overflow', async () => {
  const bySize = await fixture({ segmentBytes: 300 });
  for (let count = 0; count < 7; count++) bySize.append();
  assert.deepEqual(bySize.log.segmentBaseOffsets(), [0, 3, 6]);

  const byTime = await fixture({ segmentMs: 1000 });
  const now = byTime.ports.clock.nowMs();
  for (const timestamp of [now, now + 1000, now + 1001, now + 2000]) byTime.append({ timestamp });
  assert.deepEqual(byTime.log.segmentBaseOffsets(), [0, 2]);

  const byIndex = await fixture({ segmentIndexBytes: 36, indexIntervalBytes: 0 });
  for (let count = 0; count < 7; count++) byIndex.append({ timestamp: now });
  assert.deepEqual(byIndex.log.segmentBaseOffsets(), [0, 5]);

  const byOffset = await fixture();
  byOffset.append();
  const records = [{ key: null, value: null, timestamp: now }];
  const far = buildBatch({ records, baseOffset: 2 ** 31, leaderEpoch: 0 });
  assert.equal(byOffset.log.appendAsFollower(far, now).errorCode, 0);
  assert.deepEqual(byOffset.log.segmentBaseOffsets(), [0, 2 ** 31]);
});

test('reads give whole batches from the one that holds the offset, within maxBytes and below upTo', async () => {
  for (const recentBytesMax of [0, 1e6]) {
    const f = await fixture({ segmentBytes: 1000, indexIntervalBytes: 100 }, { recentBytesMax });
    const records = [0, 1, 2].map(() => ({ key: null, value: Buffer.alloc(20), timestamp: 1e12 }));
    for (let count = 0; count < 20; count++) {
      assert.equal(f.append({ records }).errorCode, 0);
    }
    const size = buildBatch({ records }).length;
    assert.deepEqual(await f.read(0, { maxBytes: size * 2 }), [0, 3]);
    assert.deepEqual(await f.read(4, { maxBytes: size * 2 }), [3, 6]);
    assert.deepEqual(await f.read(5, { maxBytes: size * 2 - 1 }), [3]);
    assert.deepEqual(await f.read(5, { maxBytes: 1 }), [3]);
    assert.deepEqual(await f.read(5, { maxBytes: 1, minOneMessage: false }), []);
    assert.deepEqual(await f.read(6, { upTo: 9 }), [6]);
    assert.deepEqual(await f.read(6, { upTo: 8 }), []);
    assert.deepEqual(await f.read(6, { upTo: 6 }), []);
    assert.deepEqual(await f.read(60), []);
    const all: number[] = [];
    for (let offset = 0; offset < 60; offset = all.at(-1)! + 3)
      all.push(...(await f.read(offset, { maxBytes: 400 })));
    assert.deepEqual(
      all,
      Array.from({ length: 20 }, (_, index) => index * 3),
    );
    assert.throws(
      () => f.log.read({ offset: 61, maxBytes: 1, upTo: 60, minOneMessage: true }),
      OffsetOutOfRange,
    );
    assert.throws(
      () => f.log.read({ offset: -1, maxBytes: 1, upTo: 60, minOneMessage: true }),
      OffsetOutOfRange,
    );
  }
});

test('a batch much larger than maxBytes is read from the disk in one piece', async () => {
  const f = await fixture({}, { recentBytesMax: 0 });
  f.append({ sizeBytes: 10 });
  f.append({ sizeBytes: 300_000 });
  f.append({ sizeBytes: 300_000 });
  assert.deepEqual(await f.read(1, { maxBytes: 1000 }), [1]);
  assert.deepEqual(await f.read(2, { maxBytes: 1000 }), [2]);
});

test('what was appended lately is read at once, the rest without blocking', async () => {
  const f = await fixture({ segmentBytes: 2000 }, { recentBytesMax: 5_000 });
  for (let offset = 0; offset < 200; offset++) {
    f.append();
    const read = f.log.read({ offset, maxBytes: 1e6, upTo: offset + 1, minOneMessage: true });
    assert.ok(!(read instanceof Promise));
    assert.deepEqual([read.firstOffset, read.nextOffset, read.buffers.length], [offset, offset + 1, 1]);
  }
  assert.ok(f.log.segmentCount > 3);
  const old = f.log.read({ offset: 3, maxBytes: 1, upTo: 200, minOneMessage: true });
  assert.ok(old instanceof Promise);
  assert.equal((await f.settle(old)).firstOffset, 3);
});

test('readers that go on where they stopped, at once and later, in any order, get what the log holds', async () => {
  for (const recentBytesMax of [0, 20_000, 1e6]) {
    const f = await fixture({ segmentBytes: 4000, indexIntervalBytes: 300 }, { recentBytesMax });
    for (let offset = 0; offset < 300; offset++) f.append({ sizeBytes: 10 + ((offset * 37) % 150) });
    const readers = Array.from({ length: 12 }, (_, index) => ({
      next: index * 20,
      maxBytes: 100 + index * 333,
    }));
    while (readers.some(({ next }) => next < 300)) {
      for (const reader of readers) {
        if (reader.next >= 300) continue;
        const options = { offset: reader.next, maxBytes: reader.maxBytes, upTo: 300, minOneMessage: true };
        const read = await f.settle(Promise.resolve(f.log.read(options)));
        assert.equal(read.firstOffset, reader.next);
        const bytes = Buffer.concat(read.buffers);
        header.forEachBatch(bytes, (at) => {
          assert.equal(header.baseOffset(bytes, at), reader.next);
          reader.next += 1;
        });
        assert.equal(reader.next, read.nextOffset);
      }
    }
    f.log.truncateTo(150);
    f.append({ sizeBytes: 500 });
    const read = await f.settle(
      Promise.resolve(f.log.read({ offset: 150, maxBytes: 1, upTo: 151, minOneMessage: true })),
    );
    assert.equal(read.sizeBytes > 500, true);
  }
});

test('what the caller does with its buffer after an append changes nothing in the log', async () => {
  const f = await fixture();
  const batch = buildBatch({
    records: [{ key: null, value: Buffer.from('kept'), timestamp: f.ports.clock.nowMs() }],
  });
  f.log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', nowMs: f.ports.clock.nowMs() });
  const before = Buffer.from(batch);
  batch.fill(0);
  const read = await f.settle(f.log.read({ offset: 0, maxBytes: 1e6, upTo: 1, minOneMessage: true }));
  assert.deepEqual(read.buffers[0], before);
});

test('a full disk refuses the append, takes it back, and goes on when there is room', async () => {
  let isFull = false;
  const f = await fixture(
    {},
    {
      disk: {
        fault: ({ kind, path }) =>
          isFull && kind === 'write' && path.endsWith('.log') ? 'ENOSPC' : undefined,
      },
    },
  );
  f.append();
  isFull = true;
  const refused = f.append();
  assert.equal(errorName(refused.errorCode), 'KAFKA_STORAGE_ERROR');
  assert.match(refused.errorMessage!, /ENOSPC/);
  assert.equal(f.log.failure, undefined);
  isFull = false;
  assert.equal(f.append().baseOffset, 1);
  await f.pass();
  assert.equal(f.log.durableEndOffset, 2);
  f.log.roll();
  assert.deepEqual(await f.read(0), [0, 1]);
});

test('what was in flight behind a batch that found the disk full waits for it, though the producer has no state', async () => {
  let isFull = false;
  const f = await fixture(
    {},
    {
      disk: {
        fault: ({ kind, path }) =>
          isFull && kind === 'write' && path.endsWith('.log') ? 'ENOSPC' : undefined,
      },
    },
  );
  const nowMs = f.ports.clock.nowMs();
  const send = (baseSequence: number): string => {
    const records = [{ key: null, value: Buffer.from('x'), timestamp: nowMs }];
    const batch = buildBatch({ records, producerId: 7, producerEpoch: 0, baseSequence });
    return errorName(f.log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', nowMs }).errorCode);
  };
  isFull = true;
  assert.equal(send(0), 'KAFKA_STORAGE_ERROR');
  isFull = false;
  assert.equal(send(1), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  assert.deepEqual([send(0), send(1), send(2)], ['NONE', 'NONE', 'NONE']);
});

test('a full disk while a segment rolls leaves the old one in use', async () => {
  let isFull = false;
  const f = await fixture(
    { segmentBytes: 300 },
    {
      disk: {
        fault: ({ kind, path }) =>
          isFull && kind === 'open' && path.endsWith('3.log') ? 'ENOSPC' : undefined,
      },
    },
  );
  for (let count = 0; count < 3; count++) f.append();
  isFull = true;
  assert.equal(errorName(f.append().errorCode), 'KAFKA_STORAGE_ERROR');
  isFull = false;
  assert.equal(f.append().baseOffset, 3);
  assert.deepEqual(f.log.segmentBaseOffsets(), [0, 3]);
});

for (const kind of ['sync', 'write'] as const) {
  test(`a failed ${kind} ends the directory: nothing more is acknowledged, waiting callers are told`, async () => {
    let fails = false;
    const f = await fixture(
      {},
      {
        disk: {
          fault: (one) => (fails && one.kind === kind && one.path.endsWith('.log') ? 'EIO' : undefined),
        },
      },
    );
    const failures: Error[] = [];
    const directories: string[] = [];
    f.log.onFailure = (error) => failures.push(error);
    f.directories.onDirectoryFailure = (path) => directories.push(path);
    f.append();
    await f.pass();
    fails = true;
    const result = f.append();
    const flushed = f.log.flush().then(
      () => 'durable',
      (error: unknown) => error,
    );
    await f.pass();
    fails = false;
    assert.ok((await flushed) instanceof StorageError);
    assert.equal(errorName(result.errorCode), kind === 'write' ? 'KAFKA_STORAGE_ERROR' : 'NONE');
    assert.deepEqual([failures.length, directories], [1, ['/d']]);
    assert.equal(f.log.durableEndOffset, 1);
    assert.equal(errorName(f.append().errorCode), 'KAFKA_STORAGE_ERROR');
    assert.throws(() => f.log.read({ offset: 0, maxBytes: 1, upTo: 1, minOneMessage: true }), StorageError);
    await f.pass(1000);
    assert.equal(f.log.durableEndOffset, 1);
  });
}

test('times are looked up to the record, inside compressed batches too', async () => {
  const f = await fixture({ segmentBytes: 400, indexIntervalBytes: 0 });
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
  const empty = await fixture();
  assert.equal(await empty.settle(empty.log.offsetOfMaxTimestamp()), undefined);
  assert.equal(await empty.settle(empty.log.offsetForTimestamp(0)), undefined);
});

test('open transactions hold the stable offset back, aborted ones are listed by first offset', async () => {
  const f = await fixture({ segmentBytes: 400 });
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
  const f = await fixture({ segmentBytes: 300, fileDeleteDelayMs: 1000 });
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
  const f = await fixture({
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
  const f = await fixture({ segmentBytes: 300 });
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
  const f = await fixture();
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
  const f = await fixture({}, { disk: { syncLatencyMs: 10 } });
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

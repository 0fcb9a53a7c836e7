import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildBatch } from '../protocol/records.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import { LogDirectories } from './log-directories.ts';
import type { Log, LogRead } from './log.ts';
import { DEFAULT_LOG_SETTINGS, type LogSettings } from './settings.ts';

const TIMESTAMP = 1e12;

async function emptyLog(
  settings: Partial<LogSettings>,
  regionBytesMin = 1,
): Promise<{ ports: SimulatedPorts; log: Log }> {
  const all = { ...DEFAULT_LOG_SETTINGS, ...settings };
  const ports = simulatedPorts({ seed: 1, disk: { regionBytesMin } });
  const options = { ports, directories: ['/d'], nodeId: 1, clusterId: 'c', settingsFor: () => all };
  const directories = await ports.time.settle(LogDirectories.open(options));
  const log = directories.create({ topic: 't', partition: 0, topicId: 'I'.repeat(16), settings: all });
  return { ports, log };
}

function append(log: Log, sizeBytes: number, records = 1): void {
  const value = Buffer.alloc(sizeBytes, log.logEndOffset);
  const batch = buildBatch({
    records: Array.from({ length: records }, () => ({ key: null, value, timestamp: TIMESTAMP })),
  });
  assert.equal(
    log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', nowMs: TIMESTAMP }).errorCode,
    0,
  );
}

/** The bytes of a read, wherever they are. What was held for it is let go. */
function bytesOf({ buffers, region, sizeBytes }: LogRead): Buffer {
  if (region === undefined) return Buffer.concat(buffers);
  assert.equal(buffers.length, 0);
  const bytes = Buffer.alloc(region.sizeBytes);
  assert.equal(region.read(0, bytes), sizeBytes);
  region.release();
  return bytes;
}

function readNow(log: Log, options: Parameters<Log['read']>[0]): LogRead {
  const read = log.read(options);
  assert.ok(!(read instanceof Promise));
  return read;
}

test('a region holds the bytes that a read gives, whatever the batches, the index and the limits', async () => {
  let regions = 0;
  const batches = fc.array(
    fc.record({ sizeBytes: fc.integer({ min: 0, max: 3_000 }), records: fc.integer({ min: 1, max: 4 }) }),
    {
      minLength: 1,
      maxLength: 60,
    },
  );
  const steps = fc.array(
    fc.record({
      maxBytes: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 40_000 })),
      behind: fc.integer({ min: 0, max: 30 }),
      minOneMessage: fc.boolean(),
    }),
    { minLength: 1, maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(
      batches,
      steps,
      fc.constantFrom(0, 500, 4096, 100_000),
      fc.constantFrom(15_000, 60_000, 1e9),
      async (appended, limits, indexIntervalBytes, segmentBytes) => {
        const { ports, log } = await emptyLog({ indexIntervalBytes, segmentBytes });
        for (const { sizeBytes, records } of appended) append(log, sizeBytes, records);
        let offset = 0;
        for (const { maxBytes, behind, minOneMessage } of limits) {
          if (offset >= log.logEndOffset) offset = 0;
          const upTo = Math.max(offset, log.logEndOffset - behind);
          const options = { offset, maxBytes, upTo, minOneMessage };
          const plain = readNow(log, options);
          const sent = readNow(log, { ...options, isForSending: true });
          if (sent.region !== undefined) regions += 1;
          const expected = bytesOf(plain);
          const bytes = bytesOf(sent);
          // Where the index has next to nothing a region may end earlier, at a batch.
          if (indexIntervalBytes > 4096 && sent.region !== undefined) {
            assert.ok(bytes.length > 0);
            assert.deepEqual(bytes, expected.subarray(0, bytes.length));
          } else {
            assert.deepEqual(bytes, expected);
            assert.equal(sent.nextOffset, plain.nextOffset);
          }
          offset = sent.nextOffset;
        }
        ports.kill();
      },
    ),
    { numRuns: 150 },
  );
  assert.ok(regions > 50, `${regions} regions`);
});

test('readers get all of a log by regions, one after the other', async () => {
  const { log } = await emptyLog({ segmentBytes: 40_000 });
  for (let n = 0; n < 200; n++) append(log, 700);
  let regions = 0;
  const parts: Buffer[] = [];
  for (let offset = 0; offset < 200;) {
    const read = readNow(log, {
      offset,
      maxBytes: 10_000,
      upTo: 200,
      minOneMessage: true,
      isForSending: true,
    });
    if (read.region !== undefined) regions += 1;
    parts.push(bytesOf(read));
    offset = read.nextOffset;
  }
  const whole: Buffer[] = [];
  for (let offset = 0; offset < 200;) {
    const read = readNow(log, { offset, maxBytes: 10_000, upTo: 200, minOneMessage: true });
    whole.push(bytesOf(read));
    offset = read.nextOffset;
  }
  assert.equal(regions, parts.length);
  assert.deepEqual(Buffer.concat(parts), Buffer.concat(whole));
});

test('what is too small to be sent from the file, or not read for sending, is read', async () => {
  const { log } = await emptyLog({}, 5_000);
  for (let n = 0; n < 20; n++) append(log, 1_000);
  const options = { offset: 0, maxBytes: 100_000, upTo: 20, minOneMessage: true };
  const read = (change: object): LogRead => readNow(log, { ...options, isForSending: true, ...change });
  const large = read({});
  assert.ok(large.region !== undefined && large.sizeBytes > 20_000);
  large.region.release();
  assert.equal(readNow(log, options).region, undefined);
  assert.equal(read({ maxBytes: 4_999 }).region, undefined);
  assert.equal(read({ upTo: 3 }).region, undefined);
  // Nobody has stopped there: it would have to be searched.
  const between = read({ offset: 7 });
  assert.deepEqual([between.region, between.firstOffset, between.nextOffset], [undefined, 7, 20]);
});

test('a region can be read though its segment was removed, and one that was cut off shows as too short', async () => {
  const { log } = await emptyLog({ segmentBytes: 5_000 });
  for (let n = 0; n < 20; n++) append(log, 1_000);
  const options = { offset: 0, maxBytes: 100_000, upTo: 20, minOneMessage: true, isForSending: true };
  const first = readNow(log, options).region!;
  const before = Buffer.alloc(first.sizeBytes);
  first.read(0, before);
  const last = readNow(log, { ...options, offset: log.segmentBaseOffsets().at(-1)! }).region!;
  log.truncateTo(log.logEndOffset - 1);
  assert.ok(last.read(0, Buffer.alloc(last.sizeBytes)) < last.sizeBytes);
  last.release();
  log.truncateFullyAndStartAt(100);
  const after = Buffer.alloc(first.sizeBytes);
  assert.equal(first.read(0, after), first.sizeBytes);
  assert.deepEqual(after, before);
  first.release();
});

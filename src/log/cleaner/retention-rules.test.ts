/** What stays and what goes when a log is cleaned: one test a rule. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as header from '../../protocol/record-batch.ts';
import { testProducer } from '../test-log.ts';
import { CleanerWorld, COMPACTED } from './test-cleaner-world.ts';

async function world(settings: Partial<typeof COMPACTED> = {}): Promise<CleanerWorld> {
  const made = new CleanerWorld('rules', { settings });
  await made.open();
  return made;
}

test('the latest record of each key stays, under its offset', async () => {
  const log = await world();
  log.append(['a=1', 'b=1', 'a=2']);
  log.append(['c=1', 'b=2']);
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['2:a=2', '3:c=1', '4:b=2']);
  assert.equal(log.log.logEndOffset, 5);
});

test('what is in the active segment stays, and counts only once it is closed', async () => {
  const log = await world();
  log.append(['a=1']);
  await log.roll();
  log.append(['a=2']);
  await log.clean();
  assert.deepEqual(await log.texts(), ['0:a=1', '1:a=2']);
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['1:a=2']);
});

test('a second cleaning takes what the first one kept when the key was written again', async () => {
  const log = await world();
  log.append(['a=1', 'b=1']);
  await log.rollAndClean();
  log.append(['a=2']);
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['1:b=1', '2:a=2']);
});

test('records without a key, from before the topic was compacted, go', async () => {
  const log = await world({ cleanupPolicy: { compact: false, delete: true } });
  log.append(['=nothing', 'a=1', '=more']);
  log.settings = COMPACTED;
  log.log.configure(COMPACTED);
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['1:a=1']);
});

test('a batch that loses nothing is the same bytes; another keeps offsets, times, sequence and compression', async () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const log = await world();
    const producer = testProducer(7);
    log.append(['a=1', 'b=1', 'c=1', 'd=1'], { producer, compression, timestamp: 1_700_000_000_000 });
    log.append(['e=1', 'f=1'], { producer, compression });
    const before = await log.batches();
    log.append(['b=2', 'd=2']);
    await log.rollAndClean();
    const after = await log.batches();
    assert.deepEqual(await log.texts(), ['0:a=1', '2:c=1', '4:e=1', '5:f=1', '6:b=2', '7:d=2']);
    assert.ok(after[1].equals(before[1]), compression);
    const [old, cleaned] = [before[0], after[0]];
    assert.equal(header.lastOffset(cleaned), header.lastOffset(old));
    assert.equal(header.baseSequence(cleaned), header.baseSequence(old));
    assert.equal(header.lastSequence(cleaned), header.lastSequence(old));
    assert.equal(header.compressionType(cleaned), compression);
    assert.equal(header.maxTimestamp(cleaned), 1_700_000_000_000);
    assert.equal(header.recordCount(cleaned), 2);
    assert.equal(header.partitionLeaderEpoch(cleaned), header.partitionLeaderEpoch(old));
  }
});

test('the largest timestamp of a batch is that of the records that stay, unless the broker set it', async () => {
  const log = await world();
  log.append(['a=1'], { timestamp: 1_700_000_000_005 });
  const batchOf = async (): Promise<Buffer> => (await log.batches())[0];
  assert.equal(header.maxTimestamp(await batchOf()), 1_700_000_000_005);
  log.append(['a=2', 'b=1'], { timestamp: 1_700_000_000_001 });
  await log.rollAndClean();
  assert.equal(header.maxTimestamp(await batchOf()), 1_700_000_000_001);
  const found = await log.ports.time.settle(log.log.offsetForTimestamp(1_700_000_000_000));
  assert.equal(found?.offset, 1);
});

test('a tombstone stays until delete.retention.ms after it was first cleaned; its timestamps stay readable', async () => {
  const log = await world();
  const timestamp = log.ports.clock.nowMs();
  log.append(['a=1', 'b=1']);
  log.append(['a', 'c=1']);
  await log.pass(60_000);
  const cleanedMs = log.ports.clock.nowMs();
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['1:b=1', '2:a', '3:c=1']);
  const horizonMs = header.deleteHorizonMs((await log.batches())[1]);
  assert.ok(horizonMs !== undefined && horizonMs >= cleanedMs + 10_000 && horizonMs < cleanedMs + 11_000);
  assert.deepEqual(new Set((await log.records()).map((record) => record.timestamp)), new Set([timestamp]));

  await log.pass(5_000);
  log.append(['x=1']);
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['1:b=1', '2:a', '3:c=1', '4:x=1']);
  assert.equal(header.deleteHorizonMs((await log.batches())[1]), horizonMs, 'the horizon is set once');

  await log.pass(6_000);
  log.append(['x=2']);
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['1:b=1', '3:c=1', '5:x=2']);
  assert.deepEqual((await log.records())[1].timestamp, timestamp);
});

test('a tombstone that was overwritten goes at once', async () => {
  const log = await world();
  log.append(['a=1']);
  log.append(['a']);
  log.append(['a=2']);
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['2:a=2']);
});

test('item 35: the last batch of an active producer stays, empty, so that its sequence is known after a restart', async () => {
  const log = await world();
  const producer = testProducer(7);
  log.append(['a=1'], { producer });
  log.append(['a=2', 'b=1'], { producer });
  log.append(['a=3', 'b=2', 'c=1']);
  await log.rollAndClean();
  assert.deepEqual(await log.shapes(), ['1-2(0)', '3-5(3)']);
  const [empty] = await log.batches();
  assert.equal(empty.length, header.BATCH_HEADER_BYTES);
  assert.equal(header.baseTimestamp(empty), -1);
  assert.equal(header.baseSequence(empty), 1);
  // Without its snapshots, from the batches alone.
  await log.restart('keep');
  for (const file of log.files()) {
    if (file.endsWith('.snapshot')) log.ports.disk.remove(`/data/topic-0/${file}`);
  }
  await log.restart('keep');
  const [known] = log.log.activeProducers();
  assert.equal(known.producerId, 7);
  assert.equal(known.lastSequence, 2);
  const again = log.append(['b=3'], { producer });
  assert.equal(again.baseOffset, 6);
});

test('the time of an empty batch is in no index, neither in one that cleaning writes nor in one that is made anew', async () => {
  const log = await world();
  const timestamp = 1_700_000_000_000;
  log.append(['a=1'], { producer: testProducer(7), timestamp: timestamp + 1_000 });
  log.append(['a=2'], { timestamp });
  await log.rollAndClean();
  assert.deepEqual(await log.shapes(), ['0-0(0)', '1-1(1)']);
  assert.equal(header.maxTimestamp((await log.batches())[0]!), timestamp + 1_000);
  const path = '/data/topic-0/00000000000000000000.timeindex';
  const lastEntry = (): [number, number] => {
    const file = log.ports.disk.open(path, 'read');
    const entry = Buffer.alloc(12);
    file.read(file.sizeBytes() - entry.length, entry);
    file.close();
    return [Number(entry.readBigInt64BE(0)), entry.readInt32BE(8)];
  };
  assert.deepEqual(lastEntry(), [timestamp, 1]);
  log.ports.disk.remove(path);
  await log.restart('keep');
  assert.deepEqual(lastEntry(), [timestamp, 1]);
});

test('item 35: the last batch of what was cleaned stays, empty, so that a reader reaches the end', async () => {
  const log = await world();
  log.append(['a=1']);
  await log.roll();
  log.append(['a=2']);
  await log.rollAndClean();
  assert.deepEqual(await log.shapes(), ['1-1(1)']);
  log.append(['a=3']);
  await log.roll();
  log.append(['b=1']);
  await log.clean();
  assert.deepEqual(await log.shapes(), ['2-2(1)', '3-3(1)']);
  // All of a segment's records are of a transaction that was aborted.
  const producer = testProducer(8, true);
  log.append(['z=1'], { producer });
  log.mark(producer, 'abort');
  await log.rollAndClean();
  const shapes = await log.shapes();
  assert.equal(shapes.at(-1), 'marker 5-5(1)');
  const read = await log.ports.time.settle(
    Promise.resolve(log.log.read({ offset: 4, maxBytes: 1000, upTo: 6, minOneMessage: true })),
  );
  assert.equal(read.nextOffset, 6);
});

test('item 35: a marker is not compacted, though all markers have one key', async () => {
  const log = await world();
  const [one, other] = [testProducer(8, true), testProducer(9, true)];
  log.append(['a=1'], { producer: one });
  log.append(['b=1'], { producer: other });
  log.mark(one, 'commit');
  log.mark(other, 'commit');
  await log.rollAndClean();
  assert.deepEqual(await log.shapes(), ['0-0(1)', '1-1(1)', 'marker 2-2(1)', 'marker 3-3(1)']);
});

test('records of an aborted transaction go at once, and count for no key', async () => {
  const log = await world();
  const producer = testProducer(8, true);
  log.append(['a=1', 'b=1']);
  log.append(['a=never', 'c=never'], { producer });
  log.mark(producer, 'abort');
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['0:a=1', '1:b=1']);
  assert.deepEqual(await log.texts('committed'), ['0:a=1', '1:b=1']);
});

test('a marker stays while anything of its transaction does, and then until its own horizon', async () => {
  const log = await world();
  const producer = testProducer(8, true);
  log.append(['a=1', 'b=1'], { producer });
  log.mark(producer, 'commit');
  // Another epoch has taken over: the producer's last batch is elsewhere.
  producer.epoch += 1;
  producer.sequence = 0;
  log.append(['z=1'], { producer });
  log.mark(producer, 'commit');
  await log.rollAndClean();
  await log.pass(20_000);
  log.append(['a=2', 'b=2']);
  await log.rollAndClean();
  // Its records have gone in this cleaning; it has seen them, so the marker has no horizon yet.
  assert.deepEqual(await log.shapes(), ['marker 2-2(1)', '3-3(1)', 'marker 4-4(1)', '5-6(2)']);
  const horizonOf = async (): Promise<number | undefined> => header.deleteHorizonMs((await log.batches())[0]);
  assert.equal(await horizonOf(), undefined);
  log.append(['x=1']);
  await log.rollAndClean();
  assert.notEqual(await horizonOf(), undefined);
  await log.pass(9_000);
  log.append(['x=2']);
  await log.rollAndClean();
  assert.equal((await log.shapes())[0], 'marker 2-2(1)');
  await log.pass(2_000);
  log.append(['x=3']);
  await log.rollAndClean();
  assert.equal((await log.shapes())[0], '3-3(1)');
});

test('nothing at or beyond the first open transaction is touched', async () => {
  const log = await world();
  const producer = testProducer(8, true);
  log.append(['a=1', 'a=2']);
  await log.roll();
  log.append(['b=1'], { producer });
  log.append(['a=3', 'a=4']);
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['1:a=2', '2:b=1', '3:a=3', '4:a=4']);
  log.mark(producer, 'commit');
  await log.rollAndClean();
  assert.deepEqual(await log.texts(), ['2:b=1', '4:a=4']);
});

test('nothing at or beyond the high watermark is touched', async () => {
  const log = await world();
  log.append(['a=1', 'a=2']);
  await log.roll();
  log.append(['a=3']);
  await log.roll();
  log.log.updateHighWatermark(2);
  Object.defineProperty(log.log, 'durableEndOffset', { get: () => 2 });
  await log.clean();
  assert.deepEqual(await log.texts(), ['1:a=2', '2:a=3']);
});

test('the index of aborted transactions keeps what readers must skip, and no more', async () => {
  const log = await world();
  const producer = testProducer(8, true);
  log.append(['a=1'], { producer });
  log.mark(producer, 'abort');
  await log.rollAndClean();
  // The producer's last batch stays, empty, and with it the marker and its entry.
  assert.deepEqual(await log.shapes(), ['0-0(0)', 'marker 1-1(1)']);
  assert.deepEqual(log.log.abortedTransactions(0, 10), [{ producerId: 8, firstOffset: 0 }]);
  await log.restartCleanly();
  assert.deepEqual(log.log.abortedTransactions(0, 10), [{ producerId: 8, firstOffset: 0 }]);
  producer.epoch += 1;
  producer.sequence = 0;
  log.append(['b=1'], { producer });
  log.mark(producer, 'commit');
  await log.rollAndClean();
  log.append(['c=1']);
  await log.rollAndClean();
  assert.deepEqual(log.log.abortedTransactions(0, 10), []);
});

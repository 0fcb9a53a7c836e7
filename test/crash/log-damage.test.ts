/**
 * What the log makes of files that are not as it left them (L03-L10): torn and zero-filled tails, indexes too long and
 * too short, missing segments, wrong offsets, snapshots from the future, empty files, flipped bits.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as header from '../../src/protocol/record-batch.ts';
import { bytesOf, testProducer } from '../../src/log/test-log.ts';
import { DIRECTORY, World } from './log-world.ts';

const FOLDER = `${DIRECTORY}/topic-0`;

function file(baseOffset: number, suffix: string): string {
  return `${FOLDER}/${String(baseOffset).padStart(20, '0')}${suffix}`;
}

/** A log with some segments, all durable; the process then dies. */
async function written(seed: string, rounds = 6): Promise<World> {
  const world = new World(seed);
  await world.open();
  const who = testProducer(7);
  for (let round = 0; round < rounds; round++) {
    world.append(`a${round}`, { producer: who });
    world.append(`b${round}`, { count: 2 });
    await world.pass(5);
  }
  await world.pass(61_000);
  return world;
}

/** Changes files between two lives. */
function write(world: World, path: string, position: number, bytes: Uint8Array): void {
  const handle = world.ports.disk.open(path, 'create');
  handle.write(position, [bytes]);
  handle.syncNow();
  handle.close();
}

function truncate(world: World, path: string, sizeBytes: number): void {
  const handle = world.ports.disk.open(path, 'write');
  handle.truncate(sizeBytes);
  handle.syncNow();
  handle.close();
}

async function restartAfter(world: World, change: (world: World) => void): Promise<void> {
  world.ports.kill();
  world.ports = world.ports.restart('keep');
  change(world);
  await world.open();
}

test('a last batch that is torn at any byte is cut off, and what comes before it stays', async () => {
  const probe = await written('torn');
  const active = probe.log.activeSegmentBaseOffset;
  const bytes = bytesOf(probe.ports.disk, file(active, '.log'));
  const lastAt = header.batchPositions(bytes).at(-1)!;
  const lastOffset = header.baseOffset(bytes, lastAt);
  for (let size = lastAt; size < bytes.length; size++) {
    const world = await written('torn');
    world.history.durableEnd = lastOffset;
    await restartAfter(world, () => truncate(world, file(active, '.log'), size));
    await world.check();
    assert.equal(world.log.logEndOffset, lastOffset, `torn at ${size}`);
    assert.equal(world.log.activeSegmentSizeBytes, lastAt);
  }
});

test('any byte that changes in the last batch cuts it off, but for the offset and epoch outside of the checksum', async () => {
  const probe = await written('flip');
  const active = probe.log.activeSegmentBaseOffset;
  const bytes = bytesOf(probe.ports.disk, file(active, '.log'));
  const lastAt = header.batchPositions(bytes).at(-1)!;
  const lastOffset = header.baseOffset(bytes, lastAt);
  for (let position = lastAt; position < bytes.length; position++) {
    const isEpoch = position >= lastAt + 12 && position < lastAt + 16;
    if (isEpoch) continue;
    const world = await written('flip');
    await restartAfter(world, () => {
      write(world, file(active, '.log'), position, Buffer.of(bytes[position] ^ 0x40));
    });
    assert.equal(world.log.logEndOffset, lastOffset, `byte ${position - lastAt} of the batch`);
  }
});

test('a zero-filled tail is cut off', async () => {
  for (const size of [1, 11, 12, 60, 61, 4096]) {
    const world = await written(`zeros ${size}`);
    const active = world.log.activeSegmentBaseOffset;
    const before = world.log.logEndOffset;
    const at = world.log.activeSegmentSizeBytes;
    await restartAfter(world, () => write(world, file(active, '.log'), at, Buffer.alloc(size)));
    await world.check();
    assert.equal(world.log.logEndOffset, before);
    assert.equal(world.log.activeSegmentSizeBytes, at);
  }
});

test('a batch whose offset repeats an earlier one ends the log before it', async () => {
  const world = await written('duplicate');
  const active = world.log.activeSegmentBaseOffset;
  const before = world.log.logEndOffset;
  const bytes = bytesOf(world.ports.disk, file(active, '.log'));
  await restartAfter(world, () => write(world, file(active, '.log'), bytes.length, bytes));
  await world.check();
  assert.equal(world.log.logEndOffset, before);
});

for (const [name, change] of Object.entries<(bytes: Buffer) => Buffer>({
  'longer than the log': (bytes) => Buffer.concat([bytes, Buffer.from('7000000070000000', 'hex')]),
  'not whole entries long': (bytes) => bytes.subarray(0, bytes.length - 3),
  'not rising': (bytes) => Buffer.concat([bytes, bytes]),
  empty: () => Buffer.alloc(0),
})) {
  test(`an offset index that is ${name} serves reads as before`, async () => {
    const world = await written(`index ${name}`);
    const whole = await world.readAll(world.log);
    const [, second] = world.log.segmentBaseOffsets();
    await world.ports.time.settle(world.directories.shutdown());
    const bytes = change(bytesOf(world.ports.disk, file(second, '.index')));
    truncate(world, file(second, '.index'), 0);
    write(world, file(second, '.index'), 0, bytes);
    await world.open();
    assert.deepEqual(await world.readAll(world.log), whole);
  });
}

test('missing index files are made anew', async () => {
  const world = await written('no index');
  const whole = await world.readAll(world.log);
  const [first, second] = world.log.segmentBaseOffsets();
  await world.ports.time.settle(world.directories.shutdown());
  world.ports.disk.remove(file(first, '.index'));
  world.ports.disk.remove(file(second, '.timeindex'));
  await world.open();
  assert.deepEqual(await world.readAll(world.log), whole);
  assert.notEqual(await world.ports.time.settle(world.log.offsetOfMaxTimestamp()), undefined);
});

for (const wasClean of [true, false]) {
  const how = wasClean ? 'a clean shutdown' : 'a kill';
  test(`a partition without one of its middle segments is offline after ${how}, others serve`, async () => {
    const world = await written(`missing ${how}`);
    const { settings } = world;
    const other = world.directories.create({
      topic: 'other',
      partition: 0,
      topicId: 'O'.repeat(16),
      settings,
    });
    assert.equal(other.logEndOffset, 0);
    const middle = world.log.segmentBaseOffsets()[1];
    const remove = (): void => {
      for (const suffix of ['.log', '.index', '.timeindex', '.snapshot']) {
        world.ports.disk.remove(file(middle, suffix));
      }
    };
    await world.pass(61_000);
    if (wasClean) {
      await world.ports.time.settle(world.directories.shutdown());
      remove();
      await world.open();
    } else {
      await restartAfter(world, remove);
    }
    assert.match(world.directories.offlineReason('topic', 0) ?? '', /missing/);
    assert.throws(() => world.log, /offline/);
    assert.notEqual(world.directories.get({ topic: 'other', partition: 0 }), undefined);
  });
}

test('a flipped bit below the recovery point takes the partition offline instead of cutting it', async () => {
  const world = await written('below');
  await world.ports.time.settle(world.directories.shutdown());
  await world.open();
  // The recovery point is the end now, in the middle of the active segment.
  await world.pass(61_000);
  const active = world.log.activeSegmentBaseOffset;
  await restartAfter(world, () => write(world, file(active, '.log'), 70, Buffer.of(0xff)));
  assert.match(world.directories.offlineReason('topic', 0) ?? '', /below the recovery point/);
});

test('a producer snapshot from beyond the end of the log is removed', async () => {
  const world = await written('snapshot');
  const before = world.log.activeProducers();
  await restartAfter(world, () => write(world, file(900, '.snapshot'), 0, Buffer.from('nonsense')));
  await world.check();
  assert.equal(world.ports.disk.stat(file(900, '.snapshot')), undefined);
  assert.deepEqual(world.log.activeProducers(), before);
});

test('a damaged producer snapshot is removed and the state made from the batches', async () => {
  const world = await written('bad snapshot');
  const before = world.log.activeProducers();
  assert.equal(before.length, 1);
  const active = world.log.activeSegmentBaseOffset;
  await restartAfter(world, () => write(world, file(active, '.snapshot'), 6, Buffer.of(9, 9, 9)));
  await world.check();
  assert.deepEqual(world.log.activeProducers(), before);
});

test('empty files in a new folder make an empty log', async () => {
  const world = new World('empty');
  await world.open();
  await world.ports.time.settle(world.directories.shutdown());
  await restartAfter(world, () => {
    world.ports.disk.makeDirectory(FOLDER);
    for (const suffix of ['.log', '.index', '.timeindex']) truncate1(world, file(0, suffix));
    truncate1(world, `${FOLDER}/partition.metadata`);
  });
  assert.equal(world.log.logEndOffset, 0);
  assert.equal(world.append('first').baseOffset, 0);
});

function truncate1(world: World, path: string): void {
  const handle = world.ports.disk.open(path, 'create');
  handle.truncate(0);
  handle.syncNow();
  handle.close();
}

test('a leader epoch checkpoint that makes no sense is made anew from the batches', async () => {
  const world = new World('epochs');
  await world.open();
  for (let epoch = 0; epoch < 4; epoch++) {
    world.append(`e${epoch}`, { epoch, count: 3 });
    await world.pass(5);
  }
  const ends = [0, 1, 2, 3].map((epoch) => world.log.endOffsetForEpoch(epoch));
  await restartAfter(world, () => write(world, `${FOLDER}/leader-epoch-checkpoint`, 0, Buffer.from('???')));
  await world.check();
  assert.deepEqual(
    [0, 1, 2, 3].map((epoch) => world.log.endOffsetForEpoch(epoch)),
    ends,
  );
});

test('leftovers of an interrupted compaction are finished or removed', async () => {
  const world = await written('swap');
  const whole = await world.readAll(world.log);
  const [first, second] = world.log.segmentBaseOffsets();
  const log = bytesOf(world.ports.disk, file(first, '.log'));
  await restartAfter(world, () => {
    // The first segment was rewritten and its original not yet removed; the second was being rewritten.
    write(world, file(first, '.log.swap'), 0, log);
    write(world, file(second, '.log.cleaned'), 0, Buffer.from('half'));
    write(world, file(second, '.index.deleted'), 0, Buffer.from('old'));
  });
  assert.deepEqual(await world.readAll(world.log), whole);
  const left = world.ports.disk.list(FOLDER).filter((name) => /(swap|cleaned|deleted)$/.test(name));
  assert.deepEqual(left, []);
});

test('names that are no partition are left alone', async () => {
  const world = new World('foreign');
  await world.open();
  world.ports.disk.makeDirectory(`${DIRECTORY}/lost+found`);
  world.ports.disk.makeDirectory(`${DIRECTORY}/notes-01`);
  world.append('one');
  await world.pass(5);
  await restartAfter(world, () => write(world, `${DIRECTORY}/backup.tar`, 0, Buffer.from('mine')));
  await world.check();
  assert.deepEqual(
    [...world.directories.logs()].map((log) => log.topic),
    ['topic'],
  );
  assert.ok(world.ports.disk.list(DIRECTORY).includes('notes-01'));
});

test('a folder that only looks like a partition is not made one', async () => {
  const world = new World('photos');
  await world.open();
  world.ports.disk.makeDirectory(`${DIRECTORY}/photos-2020`);
  await restartAfter(world, () => write(world, `${DIRECTORY}/photos-2020/beach.jpg`, 0, Buffer.from('jpg')));
  assert.deepEqual([...world.directories.logs()], []);
  assert.deepEqual(world.ports.disk.list(`${DIRECTORY}/photos-2020`), ['beach.jpg']);
});

test('a clean shutdown by Kafka, which notes nothing of the logs, is believed', async () => {
  const world = await written('kafka');
  const end = world.log.logEndOffset;
  const producers = world.log.activeProducers();
  await world.ports.time.settle(world.directories.shutdown());
  truncate(world, `${DIRECTORY}/.kafka_cleanshutdown`, 0);
  write(world, `${DIRECTORY}/.kafka_cleanshutdown`, 0, Buffer.from('{"version":0,"brokerEpoch":12}'));
  await world.open();
  assert.equal(world.directories.wasCleanShutdown, true);
  assert.deepEqual([world.log.logEndOffset, world.log.activeProducers()], [end, producers]);
  assert.equal(world.append('after').baseOffset, end);
  await world.pass(100);
  await world.restart('lose');
  await world.check();
});

test('a shutdown leaves no timer behind', async () => {
  const world = await written('timers');
  world.log.deleteRecordsBefore(8);
  await world.ports.time.settle(world.directories.deleteOldSegments());
  await world.ports.time.settle(world.directories.shutdown());
  assert.equal(world.ports.time.pendingEvents(), 0);
});

test('item 21: a damaged transaction index is made anew from the batches, also across segments, and written again', async () => {
  const world = new World('txnindex');
  await world.open();
  const [long, short] = [testProducer(4, true), testProducer(5, true)];
  world.append('begins in the first segment', { producer: long });
  for (let round = 0; round < 8; round++) {
    world.append(`t${round}`, { producer: short });
    world.mark(short, round % 3 === 0);
  }
  world.mark(long, true);
  await world.pass(5);
  assert.ok(world.log.segmentCount > 2);
  const { logEndOffset } = world.log;
  const before = world.log.abortedTransactions(0, logEndOffset);
  assert.deepEqual([before.length, before[0]], [4, { producerId: 4, firstOffset: 0 }]);
  const damage = (): void => {
    for (const base of world.log.segmentBaseOffsets()) {
      const path = file(base, '.txnindex');
      if (world.ports.disk.stat(path) !== undefined) write(world, path, 0, Buffer.of(9));
    }
  };
  await world.ports.time.settle(world.directories.shutdown());
  damage();
  await world.open();
  assert.deepEqual(world.log.abortedTransactions(0, logEndOffset), before);
  assert.equal(world.append('goes on').errorCode, 0);
  await world.pass(5);
  for (const base of world.log.segmentBaseOffsets()) {
    const path = file(base, '.txnindex');
    if (world.ports.disk.stat(path) !== undefined) assert.equal(bytesOf(world.ports.disk, path)[0], 0, path);
  }
  await world.restart('lose');
  assert.deepEqual(world.log.abortedTransactions(0, logEndOffset), before);
});

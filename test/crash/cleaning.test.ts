/**
 * Compaction against a model: producers of all kinds, transactions, tombstones, several segments and cleanings with time
 * between them, readers that go on while it works, and a crash at every disk operation of a cleaning.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CleanerWorld, COMPACTED } from '../../src/log/cleaner/test-cleaner-world.ts';
import { LOG_SUFFIX, OFFSET_INDEX_SUFFIX, segmentFileName } from '../../src/log/file-names.ts';
import { OffsetIndex } from '../../src/log/offset-index.ts';
import { readThrough } from '../../src/log/test-log.ts';
import * as header from '../../src/protocol/record-batch.ts';
import { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import type { Unsynced } from '../../src/runtime/simulated-disk.ts';
import { CleaningModel } from './cleaning-model.ts';

const SEEDS = 25;
const KINDS: readonly Unsynced[] = ['lose', 'random', 'keep'];
const RETENTION_MS = COMPACTED.deleteRetentionMs;
const SMALL = { segmentBytes: 700, indexIntervalBytes: 150 };

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`seed ${seed}: after any cleanings the latest value of each key is there, under its offset`, async () => {
    const random = new SimulatedRandom(`cleaning ${seed}`);
    // Readers wait for the disk, and what they read may be swapped, or removed, meanwhile.
    const [fileDeleteDelayMs, readLatencyMs] = [random.integer(2) * 1_000, random.integer(3)];
    const world = new CleanerWorld(seed, {
      settings: { ...SMALL, fileDeleteDelayMs },
      disk: { readLatencyMs, syncLatencyMs: 1 },
    });
    world.recentBytesMax = 0;
    await world.open();
    // Small maps: some cleanings take several passes.
    const keysMax = random.integer(2) === 0 ? 6 : 1000;
    world.cleanerSettings = {
      ...world.cleanerSettings,
      dedupeBufferBytes: Math.ceil((keysMax / 0.9) * 24) + 24,
    };
    const model = new CleaningModel(world, random.fork('model'));
    let readersCount = 0;
    for (let round = 0; round < 6; round++) {
      for (let steps = 10 + random.integer(30); steps > 0; steps--) {
        model.step();
        await world.pass(random.integer(100));
      }
      if (random.integer(3) === 0) model.endAll();
      if (random.integer(2) === 0) await world.roll();
      const endOffset = world.log.logEndOffset;
      readersCount += await cleanWithReaders(world, model);
      assert.equal(world.log.logEndOffset, endOffset);
      await model.check({ retentionMs: RETENTION_MS });
      const next = random.integer(4);
      if (next === 0) await world.restartCleanly();
      else if (next === 1) await settled(world).then(() => world.restart(KINDS[random.integer(3)]));
      else await world.pass(random.integer(2 * RETENTION_MS));
      await model.check({ retentionMs: RETENTION_MS });
    }
    model.endAll();
    await world.rollAndClean();
    await model.check({ retentionMs: RETENTION_MS });
    await model.checkClean();
    // What was deleted vanishes when its time has come and a cleaning comes by.
    await world.pass(RETENTION_MS + 1);
    world.append(['another=1']);
    await world.rollAndClean();
    await mustHaveVanished(world);
    assert.ok(readersCount > 0);
  });
}

async function mustHaveVanished(world: CleanerWorld): Promise<void> {
  assert.ok((await world.records()).every(({ value }) => value !== null));
}

const READERS_MAX = 12;

/** Cleans while readers begin one after the other; how many there were. */
async function cleanWithReaders(world: CleanerWorld, model: CleaningModel): Promise<number> {
  const { cleaner } = world.directories;
  const readers: Promise<{ batches: Buffer[]; endOffset: number }>[] = [];
  cleaner.cleanDue();
  while (cleaner.runningCount > 0 && readers.length < READERS_MAX) {
    const { logEndOffset: endOffset } = world.log;
    readers.push(readThrough(world.log, 1).then(({ batches }) => ({ batches, endOffset })));
    await world.pass(1);
  }
  const seen = await world.ports.time.settle(Promise.all(readers));
  await world.clean();
  await model.checkReaders(seen);
  return seen.length;
}

async function settled(world: CleanerWorld): Promise<void> {
  await world.ports.time.settle(world.log.flush());
}

/** Some rounds of appends and cleanings; what was appended is durable before each cleaning begins. */
async function scenario(world: CleanerWorld, model: CleaningModel, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let steps = 0; steps < 14; steps++) model.step();
    await world.pass(5);
    model.endAll();
    await world.roll();
    await world.ports.time.settle(world.directories.checkpoint());
    await world.clean();
    await world.pass(1_500);
  }
}

async function crashedAt(
  crashAt: number | undefined,
  seed: number,
  rounds: number,
): Promise<{ world: CleanerWorld; model: CleaningModel }> {
  const world = new CleanerWorld(`crash ${seed}`, {
    settings: SMALL,
    ...(crashAt === undefined ? {} : { disk: { crashAt } }),
  });
  const model = new CleaningModel(world, new SimulatedRandom(`crash ${seed}`));
  try {
    await world.open();
    await scenario(world, model, rounds);
  } catch (error) {
    if (!world.ports.disk.isCrashed) throw error;
  }
  return { world, model };
}

for (const seed of [1, 2]) {
  // The longer time only with the kind of crash that has many outcomes.
  const [rounds, kinds] = seed === 1 ? [1, KINDS] : [2, ['random'] as const];
  test(`seed ${seed}: a crash at any disk operation of a cleaning leaves the old log or the new one`, async () => {
    const { world: whole } = await crashedAt(undefined, seed, rounds);
    const { operations } = whole.ports.disk;
    assert.ok(operations > 100, `${operations} operations`);
    for (let crashAt = 1; crashAt <= operations; crashAt++) {
      for (const unsynced of kinds) {
        try {
          await crashAndCheck(crashAt, { seed, rounds, unsynced });
        } catch (error) {
          throw new Error(`crash at operation ${crashAt} of ${operations}, unsynced: ${unsynced}`, {
            cause: error,
          });
        }
      }
    }
  });
}

test('a crash in the recovery from a crash in a swap leaves the old log or the new one', async () => {
  const { world: whole } = await crashedAt(undefined, 1, 1);
  let swaps = 0;
  for (let crashAt = 1; crashAt <= whole.ports.disk.operations; crashAt++) {
    const { world } = await crashedAt(crashAt, 1, 1);
    world.ports.kill({ powerCut: false });
    world.ports = world.ports.restart('keep');
    if (!world.files().some((name) => name.endsWith('.log.swap'))) continue;
    swaps += 1;
    const before = world.ports.disk.operations;
    await world.open();
    const operations = world.ports.disk.operations - before;
    for (let second = 1; second <= operations; second++) await crashTwice(crashAt, second);
  }
  assert.ok(swaps > 5, `${swaps} crashes in swaps`);
});

async function crashTwice(crashAt: number, second: number): Promise<void> {
  for (const unsynced of ['lose', 'random'] as const) {
    const { world, model } = await crashedAt(crashAt, 1, 1);
    world.ports.kill({ powerCut: false });
    world.ports = world.ports.restart('keep', { crashAt: second });
    await world.open().catch((error: unknown) => {
      if (!world.ports.disk.isCrashed) throw error;
    });
    try {
      await checkAfterCrash(world, { model, unsynced });
    } catch (error) {
      throw new Error(`crash at operation ${crashAt}, then at ${second}: ${unsynced}`, { cause: error });
    }
  }
}

async function crashAndCheck(
  crashAt: number,
  options: { readonly seed: number; readonly rounds: number; readonly unsynced: Unsynced },
): Promise<void> {
  const { world, model } = await crashedAt(crashAt, options.seed, options.rounds);
  await checkAfterCrash(world, { model, unsynced: options.unsynced });
  // The log can be cleaned again, and restarted once more.
  const check = { retentionMs: RETENTION_MS, alsoThere: new Set(['another']) };
  model.abortOpen();
  world.append(['another=1']);
  await world.rollAndClean();
  await model.check(check);
  assert.equal((await world.readThrough()).nextOffset, world.log.logEndOffset, 'readers reach the end');
  await world.restart('lose');
  await model.check(check);
  // One kind is enough for what takes long.
  if (options.unsynced !== 'random') return;
  // Whatever the crash has interrupted, what was deleted vanishes in the end, and nothing else does.
  await world.pass(RETENTION_MS + 1);
  world.append(['another=2']);
  await world.rollAndClean();
  await model.check(check);
  await mustHaveVanished(world);
}

async function checkAfterCrash(
  world: CleanerWorld,
  { model, unsynced }: { readonly model: CleaningModel; readonly unsynced: Unsynced },
): Promise<void> {
  await world.restart(unsynced);
  assert.equal(world.directories.offlineReason('topic', 0), undefined);
  const { logEndOffset } = world.log;
  assert.equal((await world.readThrough()).nextOffset, logEndOffset, 'readers reach the end');
  model.forgetFrom(logEndOffset);
  await model.check({ retentionMs: RETENTION_MS });
  const marks = world.files().filter((name) => /\.(cleaned|swap|deleted)$/.test(name));
  assert.deepEqual(marks, []);
  checkSegments(world);
}

/** No offset is in two segments, as where a part of the old log is beside the new one; indexes are those of the batches. */
function checkSegments(world: CleanerWorld): void {
  let next = 0;
  for (const baseOffset of world.log.segmentBaseOffsets()) {
    assert.ok(baseOffset >= next, `the segment at ${baseOffset} begins before ${next}`);
    const bytes = world.bytesOf(segmentFileName(baseOffset, LOG_SUFFIX));
    const positions = new Map<number, number>();
    for (const at of header.batchPositions(bytes)) {
      assert.ok(
        header.baseOffset(bytes, at) >= next,
        `offset ${header.baseOffset(bytes, at)} is there twice`,
      );
      next = header.lastOffset(bytes, at) + 1;
      positions.set(header.lastOffset(bytes, at), at);
    }
    const name = segmentFileName(baseOffset, OFFSET_INDEX_SUFFIX);
    // The active segment's index is in memory.
    if (baseOffset === world.log.activeSegmentBaseOffset || !world.files().includes(name)) continue;
    const index = new OffsetIndex(baseOffset, world.bytesOf(name));
    for (let entry = 0; entry < index.count; entry++) {
      assert.equal(positions.get(index.offsetAt(entry)), index.positionAt(entry), name);
    }
  }
  assert.ok(world.log.logEndOffset >= next);
}

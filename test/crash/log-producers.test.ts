/**
 * What a log knows of its producers outlives the segments that taught it: a batch that was durable is known as a retry
 * after two crashes in a row, at any disk operation, although retention, DeleteRecords or a move has taken the records.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../src/protocol/errors.ts';
import type { Unsynced } from '../../src/runtime/simulated-disk.ts';
import { testProducer } from '../../src/log/test-log.ts';
import { SETTINGS, World } from './log-world.ts';

/** Everything before it is durable. */
type Scenario = (world: World) => Promise<void>;

const ALL = 1_000;

const retention: Scenario = async (world) => {
  world.log.configure({ ...SETTINGS, retentionMs: 1 });
  await world.pass(5);
  await world.ports.time.settle(world.directories.deleteOldSegments());
  await world.pass(2_000);
};

/** The start is durable before the segment that begins there is. */
const retentionDuringCheckpoint: Scenario = async (world) => {
  world.log.configure({ ...SETTINGS, retentionMs: 1 });
  await world.pass(5);
  const checkpointed = world.directories.checkpoint();
  await world.pass(0.5);
  await world.ports.time.settle(world.directories.deleteOldSegments());
  await checkpointed;
  await world.pass(2_000);
};

const deleteRecords: Scenario = async (world) => {
  world.log.deleteRecordsBefore(world.log.logEndOffset);
  await world.ports.time.settle(world.directories.deleteOldSegments());
  await world.pass(2_000);
};

const deleteRecordsAndStop: Scenario = async (world) => {
  world.log.deleteRecordsBefore(world.log.logEndOffset);
  await world.ports.time.settle(world.directories.shutdown());
  await world.open();
  await world.pass(2_000);
};

const stop: Scenario = async (world) => {
  await world.ports.time.settle(world.directories.shutdown());
  await world.open();
  await world.pass(2_000);
};

const SCENARIOS: Record<string, Scenario> = {
  'a clean stop': stop,
  'retention by time': retention,
  'retention while a checkpoint is written': retentionDuringCheckpoint,
  DeleteRecords: deleteRecords,
  'DeleteRecords and a clean stop': deleteRecordsAndStop,
};

/** How the first and the second life end; the second may go on. */
const ENDINGS: readonly (readonly [Unsynced, Unsynced?])[] = [
  ['lose'],
  ['random'],
  ['keep', 'lose'],
  ['keep', 'random'],
  ['random', 'lose'],
  ['lose', 'keep'],
];

async function begin(crashAt?: number): Promise<World> {
  const disk = { syncLatencyMs: 1, ...(crashAt === undefined ? {} : { crashAt }) };
  const world = new World(`producers ${crashAt}`, { disk });
  await world.open();
  const who = testProducer(7);
  for (let round = 0; round < 5; round++) {
    world.append(`a${round}`, { producer: who });
    await world.pass(5);
  }
  world.history.startMax = ALL;
  assert.equal(world.history.durableEnd, 5);
  return world;
}

async function retryIsKnown(world: World): Promise<void> {
  await world.check();
  // All that a client may have had in flight: a wrong answer to the first, and it sends them under a new epoch.
  for (let sequence = 0; sequence < 5; sequence++) {
    const result = world.append(`a${sequence}`, { producer: { ...testProducer(7), sequence } });
    assert.equal(result.errorCode, Errors.NONE, `batch ${sequence}: ${result.errorMessage}`);
    assert.ok(result.duplicate, `batch ${sequence} was written again, at ${result.baseOffset}`);
    assert.equal(result.baseOffset, sequence);
  }
}

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  test(`item 15: after ${name} and two crashes a retry is still known for what it is`, async () => {
    const count = await begin();
    const from = count.ports.disk.operations;
    await scenario(count);
    const operations = count.ports.disk.operations;
    assert.ok(operations - from > 5, `${operations - from} operations`);
    for (let crashAt = from + 1; crashAt <= operations + 1; crashAt++) {
      for (const [first, second] of ENDINGS) {
        const world = await begin(crashAt);
        try {
          await scenario(world).catch((error: unknown) => {
            if (!world.ports.disk.isCrashed) throw error;
          });
          await world.restart(first);
          await world.pass(crashAt % 2 === 0 ? 0 : 100);
          if (second !== undefined) await world.restart(second);
          await retryIsKnown(world);
        } catch (error) {
          const where = `operation ${crashAt - from} of ${operations - from}`;
          throw new Error(`crash at ${where}, then ${first}, then ${second ?? 'nothing'}`, { cause: error });
        }
      }
    }
  });
}

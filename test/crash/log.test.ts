/**
 * A log crashed at every disk operation of everything it does (L01, L02), with three kinds of crash: the machine loses
 * all that was not synced, some of it, or nothing (only the process died). After recovery nothing that was said to be
 * durable is missing or changed, and indexes, epochs and producers are what the batches say.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Unsynced } from '../../src/runtime/simulated-disk.ts';
import { testProducer } from '../../src/log/test-log.ts';
import { SETTINGS, TOPIC_ID, World } from './log-world.ts';

type Scenario = (world: World) => Promise<void>;

/** Appends, with a roll now and then, in rounds; some appends share a round. */
const appendAndRoll: Scenario = async (world) => {
  for (let round = 0; round < 6; round++) {
    world.append(`a${round}`, { epoch: round >> 1 });
    world.append(`b${round}`, { count: 2, epoch: round >> 1 });
    await world.pass(5);
  }
};

const idempotentAndTransactional: Scenario = async (world) => {
  const plain = testProducer(7);
  const transactional = testProducer(8, true);
  for (let round = 0; round < 5; round++) {
    world.append(`p${round}`, { producer: plain });
    world.append(`t${round}`, { producer: transactional });
    if (round % 2 === 1) world.mark(transactional, round === 1);
    await world.pass(5);
  }
};

const checkpoint: Scenario = async (world) => {
  await appendAndRoll(world);
  await world.pass(61_000);
  world.append('after', { epoch: 3 });
  await world.pass(61_000);
};

const deleteRecords: Scenario = async (world) => {
  await appendAndRoll(world);
  world.history.startMax = 9;
  world.log.deleteRecordsBefore(9);
  await world.ports.time.settle(world.directories.deleteOldSegments());
  await world.pass(2000);
  world.append('after', { epoch: 3 });
  await world.pass(61_000);
};

const retention: Scenario = async (world) => {
  await appendAndRoll(world);
  world.history.startMax = 100;
  world.log.configure({ ...SETTINGS, retentionBytes: 700 });
  await world.ports.time.settle(world.directories.deleteOldSegments());
  world.append('after', { epoch: 3 });
  await world.pass(5);
  world.log.configure({ ...SETTINGS, retentionMs: 1 });
  await world.pass(5);
  await world.ports.time.settle(world.directories.deleteOldSegments());
  await world.pass(2000);
  world.append('at the end', { epoch: 3 });
  await world.pass(5);
};

const truncate: Scenario = async (world) => {
  await appendAndRoll(world);
  await world.pass(61_000);
  world.history.cutAt = 6;
  world.log.truncateTo(6);
  world.append('instead', { epoch: 5 });
  await world.pass(5);
  world.append('and more', { count: 3, epoch: 5 });
  await world.pass(61_000);
};

const cleanRestart: Scenario = async (world) => {
  await appendAndRoll(world);
  await world.ports.time.settle(world.directories.shutdown());
  await world.open();
  world.append('after the restart', { epoch: 9 });
  await world.pass(5);
};

const cleanRestartWithProducers: Scenario = async (world) => {
  await idempotentAndTransactional(world);
  await world.ports.time.settle(world.directories.shutdown());
  await world.open();
  await world.ports.time.settle(world.directories.shutdown());
  await world.open();
  world.log.roll();
  await world.pass(5);
  world.append('after the restart', { epoch: 9 });
  await world.pass(5);
};

const deleteAndMakeAgain: Scenario = async (world) => {
  await appendAndRoll(world);
  await world.pass(61_000);
  world.directories.remove({ topic: 'topic', partition: 0 });
  world.history.cutAt = 0;
  world.history.appended.clear();
  const log = world.directories.create({
    topic: 'topic',
    partition: 0,
    topicId: 'U'.repeat(16),
    settings: SETTINGS,
  });
  assert.equal(log.logEndOffset, 0);
  log.appendAsLeader(
    (await import('../../src/protocol/records.ts')).buildBatch({
      records: [{ key: null, value: Buffer.from('new'), timestamp: 1_767_225_600_000 }],
    }),
    {
      leaderEpoch: 0,
      origin: 'client',
      nowMs: world.ports.clock.nowMs(),
    },
  );
  await world.pass(2000);
};

const SCENARIOS: Record<string, Scenario> = {
  'appending and rolling': appendAndRoll,
  'idempotent and transactional appends': idempotentAndTransactional,
  checkpoints: checkpoint,
  DeleteRecords: deleteRecords,
  'retention by size and time': retention,
  truncation: truncate,
  'a clean shutdown and the start after it': cleanRestart,
  'clean shutdowns with producers, and a roll': cleanRestartWithProducers,
};

const KINDS: readonly Unsynced[] = ['lose', 'random', 'keep'];

/** Runs until the crash, which surfaces as whatever the code under test makes of it. */
async function runUntilCrash(world: World, scenario: Scenario): Promise<void> {
  try {
    await world.open();
    await scenario(world);
  } catch (error) {
    if (!world.ports.disk.isCrashed) throw error;
  }
}

async function operationsOf(scenario: Scenario): Promise<number> {
  const world = new World('count');
  await world.open();
  await scenario(world);
  return world.ports.disk.operations;
}

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  test(`a crash at any disk operation of ${name} loses nothing durable`, async () => {
    const operations = await operationsOf(scenario);
    assert.ok(operations > 20, `${operations} operations`);
    for (let crashAt = 1; crashAt <= operations; crashAt++) {
      for (const unsynced of KINDS) {
        const world = new World(`${name} ${crashAt}`, { disk: { crashAt } });
        try {
          await runUntilCrash(world, scenario);
          await world.restart(unsynced);
          await world.check();
          // And the log goes on: what is appended now survives a clean restart and another crash.
          await world.forgetThePast();
          assert.equal(world.append('afterwards', { epoch: 10 }).errorCode, 0);
          await world.pass(100);
          await world.restart('lose');
          await world.check();
          assert.equal(world.history.durableEnd, world.log.logEndOffset);
        } catch (error) {
          throw new Error(`crash at operation ${crashAt} of ${operations}, unsynced: ${unsynced}`, {
            cause: error,
          });
        }
      }
    }
  });
}

test('a topic that is deleted and made again never inherits anything, wherever it crashes', async () => {
  const operations = await operationsOf(deleteAndMakeAgain);
  for (let crashAt = 1; crashAt <= operations; crashAt++) {
    for (const unsynced of KINDS) {
      const world = new World(`again ${crashAt}`, { disk: { crashAt } });
      await runUntilCrash(world, deleteAndMakeAgain);
      await world.restart(unsynced);
      assert.equal(world.directories.offlineReason('topic', 0), undefined, `${crashAt} ${unsynced}`);
      const log = world.directories.get({ topic: 'topic', partition: 0 });
      if (log === undefined || log.topicId === TOPIC_ID) continue;
      assert.ok(log.logEndOffset <= 1, `crash at ${crashAt}: the new topic ends at ${log.logEndOffset}`);
    }
  }
});

test('in relaxed mode a dying process loses nothing, and a power cut leaves a whole log', async () => {
  const settings = { ...SETTINGS, durability: 'relaxed', flushMessages: 7 } as const;
  const probe = new World('relaxed', { settings });
  await probe.open();
  await appendAndRoll(probe);
  const { operations } = probe.ports.disk;
  for (let crashAt = 1; crashAt <= operations; crashAt++) {
    for (const unsynced of KINDS) {
      const world = new World(`relaxed ${crashAt}`, { settings, disk: { crashAt } });
      try {
        await runUntilCrash(world, appendAndRoll);
        if (unsynced !== 'keep') world.history.durableEnd = 0;
        // What was rolled before the power went may have outlived what came before it.
        world.history.startMax = unsynced === 'keep' ? 0 : Infinity;
        await world.restart(unsynced);
        await world.check();
      } catch (error) {
        throw new Error(`crash at operation ${crashAt} of ${operations}, unsynced: ${unsynced}`, {
          cause: error,
        });
      }
    }
  }
});

/** Groups: how far they are, where they are moved to, and who may not be moved. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandScene, type CommandScene } from '../test-world.ts';
import { deleteGroups, describeGroups, listGroups } from './groups.ts';
import { placeIn, resetOffsets, targetOf, type ResetFlags, type ResetTarget } from './reset-offsets.ts';

const MEMBERS = { members: false };

/** A topic with two partitions of ten records each, and a group that is at 4 in the first. */
async function filled(): Promise<CommandScene> {
  const scene = await commandScene();
  const client = scene.client();
  const admin = client.admin();
  await scene.settle(admin.createTopics([{ topic: 't', partitions: 2 }]));
  const producer = client.producer();
  for (let n = 0; n < 10; n++) {
    const records = [0, 1].map((partition) => ({
      topic: 't',
      partition,
      value: `${n}`,
      timestamp: 1_000 * (n + 1),
    }));
    await scene.settle(producer.sendAll(records));
  }
  await scene.settle(admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 4 }]));
  return scene;
}

interface Described {
  readonly group: string;
  readonly state: string;
  readonly lag: number;
  readonly partitions: readonly { partition: number; committed: number | null; end: number; lag: number }[];
}

async function described(scene: CommandScene): Promise<Described> {
  const [found] = await scene.data<Described[]>((world) => describeGroups(['g'], MEMBERS, world));
  return found!;
}

test('a group is listed, described with its lag, and deleted', async () => {
  const scene = await filled();
  const listed = await scene.data<{ group: string; state: string }[]>((world) =>
    listGroups({ states: [] }, world),
  );
  assert.deepEqual(
    listed.map(({ group, state }) => [group, state]),
    [['g', 'Empty']],
  );
  const { state, lag, partitions } = await described(scene);
  assert.deepEqual([state, lag, partitions.length], ['Empty', 6, 1]);
  assert.deepEqual([partitions[0]!.committed, partitions[0]!.end], [4, 10]);
  const text = await scene.run((world) => describeGroups(['g'], MEMBERS, world));
  assert.match(text.text, /^g: Empty \(classic\), 0 members, lag 6\n.*\n  t +0 +4 +10 +6 /);
  await scene.run((world) => deleteGroups(['g'], world));
  const gone = await scene.run((world) => describeGroups(['g'], MEMBERS, world));
  assert.match(gone.failure!.advice!, /headrace groups list/);
  await scene.end();
});

test('offsets are only moved with --apply, to wherever is asked for, within what there is', async () => {
  const scene = await filled();
  const reset = async (target: ResetTarget, flags: Partial<ResetFlags> = {}): Promise<number[]> => {
    const all = { topics: ['t'], allTopics: false, target, apply: true, ...flags };
    const { partitions } = await scene.data<{ partitions: { after: number }[] }>((world) =>
      resetOffsets('g', all, world),
    );
    return partitions.map(({ after }) => after);
  };
  const dry = { topics: ['t'], allTopics: false, target: 'earliest', apply: false } as const;
  const shown = await scene.run((world) => resetOffsets('g', dry, world));
  assert.match(shown.text, /t +0 +4 +0 +10\n +t +1 +- +0 +10\n2 partitions would move; --apply does it\n$/);
  assert.equal((await described(scene)).lag, 6);

  assert.deepEqual(await reset('earliest'), [0, 0]);
  assert.equal((await described(scene)).lag, 20);
  assert.deepEqual(await reset({ timestamp: 3_500 }, { topics: ['t:1'] }), [3]);
  assert.deepEqual(await reset({ shift: 2 }, { topics: [], allTopics: true }), [2, 5]);
  assert.deepEqual(await reset({ timestamp: 99_000 }), [10, 10]);
  assert.deepEqual(await reset({ shift: -3 }), [7, 7]);
  assert.deepEqual(await reset({ offset: 500 }), [10, 10]);
  assert.deepEqual(
    (await described(scene)).partitions.map(({ committed }) => committed),
    [10, 10],
  );
  await scene.end();
});

test('a group with members is not moved, and says who they are', async () => {
  const scene = await filled();
  const consumer = scene.client().consumer({ group: 'g', topics: ['t'] });
  const polling = consumer.poll({ timeoutMs: 20_000 });
  await scene.settle(polling);
  const flags = { topics: ['t'], allTopics: false, target: 'earliest', apply: true } as const;
  const refused = await scene.run((world) => resetOffsets('g', flags, world));
  assert.match(refused.failure!.problems[0]!, /g has 1 member \(headrace at .*\): stop them first/);
  const deleted = await scene.run((world) => deleteGroups(['g'], world));
  assert.match(deleted.failure!.problems[0]!, /NON_EMPTY_GROUP/);
  const shown = await scene.run((world) => describeGroups(['g'], { members: true }, world));
  assert.match(shown.text, /Stable \(classic, cooperative-sticky\), 1 member, lag/);
  assert.match(shown.text, /t-0 t-1\n$/);
  await scene.settle(consumer.close());
  await scene.end();
});

test('a target is exactly one, and an unclear request is wrong usage', async () => {
  assert.deepEqual(targetOf({ toEarliest: true }), 'earliest');
  assert.deepEqual(targetOf({ toOffset: 0 }), { offset: 0 });
  assert.throws(() => targetOf({}), /where to/);
  assert.throws(() => targetOf({ toLatest: true, shiftBy: 1 }), /where to/);
  assert.equal(placeIn({ begin: 5, end: 9 }, { target: { shift: -9 }, now: null, atTime: -1 }), 5);
  const scene = await filled();
  for (const flags of [
    { topics: [], allTopics: false },
    { topics: ['t'], allTopics: true },
    { topics: ['t:5'], allTopics: false },
    { topics: ['t:x'], allTopics: false },
  ]) {
    const { failure } = await scene.run((world) =>
      resetOffsets('g', { ...flags, target: 'latest', apply: true }, world),
    );
    assert.equal(failure?.exitCode, 2, JSON.stringify(flags));
  }
  await scene.end();
});

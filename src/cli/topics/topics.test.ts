/** Topics from making to removal, as people and as scripts see them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandScene } from '../test-world.ts';
import {
  alterTopic,
  createTopic,
  deleteTopics,
  describeTopics,
  listTopics,
  type CreateFlags,
} from './topics.ts';

const CREATE: CreateFlags = { configs: {}, ifNotExists: false, dryRun: false };
const LIST = { internal: false };

test('a topic is created, listed, described, altered and deleted', async () => {
  const scene = await commandScene();
  const empty = await scene.run((world) => listTopics(LIST, world));
  assert.match(empty.text, /headrace topics create/);
  const dry = await scene.run((world) => createTopic('t', { ...CREATE, partitions: 3, dryRun: true }, world));
  assert.equal(dry.text, 'would create t: 3 partitions, 1 replica each\n');
  const flags = { ...CREATE, partitions: 3, configs: { 'retention.ms': '1000' } };
  const made = await scene.run((world) => createTopic('t', flags, world));
  assert.equal(made.text, 'created t: 3 partitions, 1 replica each\n');
  const listed = await scene.run((world) => listTopics(LIST, world));
  assert.deepEqual(listed.text.trim().split(/\s+/).slice(4), ['t', '3', '1', 'ok']);

  // The first thing that its client asks is of a leader whose cluster has not told its id yet.
  const shown = await scene.run((world) => describeTopics(['t'], world));
  assert.match(shown.text, /^t: 3 partitions, 0 offsets in use, id .{22}\n/);
  assert.match(shown.text, /retention\.ms=1000\n$/);

  const change = { partitions: 5, set: { 'segment.bytes': '2000000' }, unset: ['retention.ms'] };
  const altered = await scene.run((world) => alterTopic('t', change, world));
  assert.match(
    altered.text,
    /3 -> 5 partitions\n.*segment\.bytes=2000000\n.*retention\.ms is back at its default/,
  );
  const [described] = await scene.data<{ partitions: unknown[]; configs: object }[]>((world) =>
    describeTopics(['t'], world),
  );
  assert.equal(described!.partitions.length, 5);
  assert.deepEqual(described!.configs, { 'segment.bytes': '2000000' });

  const deleted = await scene.run((world) => deleteTopics(['t'], { ifExists: false }, world));
  assert.equal(deleted.text, 'deleted t\n');
  assert.deepEqual(await scene.data((world) => listTopics(LIST, world)), []);
  await scene.end();
});

test('what cannot be done is told with what to do next', async () => {
  const scene = await commandScene();
  await scene.run((world) => createTopic('t', { ...CREATE, partitions: 2 }, world));
  const again = await scene.run((world) => createTopic('t', CREATE, world));
  assert.equal(again.failure?.exitCode, 1);
  assert.match(again.failure.problems.join(), /TOPIC_ALREADY_EXISTS/);
  assert.match(again.failure.advice!, /topics alter/);
  const tolerated = await scene.run((world) => createTopic('t', { ...CREATE, ifNotExists: true }, world));
  assert.deepEqual([tolerated.failure, tolerated.text], [null, 't is there already\n']);
  const fewer = await scene.run((world) => alterTopic('t', { partitions: 1, set: {}, unset: [] }, world));
  assert.match(fewer.failure!.problems[0]!, /t has 2 partitions; .* more of them/);
  const nothing = await scene.run((world) => alterTopic('t', { set: {}, unset: [] }, world));
  assert.equal(nothing.failure?.exitCode, 2);
  const unknown = await scene.run((world) => describeTopics(['t', 'x', 'y'], world));
  assert.equal(unknown.failure?.problems.length, 2);
  assert.match(unknown.failure.advice!, /headrace topics list/);
  const gone = await scene.run((world) => deleteTopics(['x', 't'], { ifExists: true }, world));
  assert.equal(gone.text, 'deleted t\n');
  await scene.end();
});

test('the internal topics are shown when they are asked for, and names can be chosen', async () => {
  const scene = await commandScene();
  for (const name of ['a1', 'a2', 'b1']) await scene.run((world) => createTopic(name, CREATE, world));
  const names = async (flags: Parameters<typeof listTopics>[0]): Promise<string[]> =>
    (await scene.data<{ topic: string }[]>((world) => listTopics(flags, world))).map(({ topic }) => topic);
  assert.deepEqual(await names({ internal: false, match: '^a' }), ['a1', 'a2']);
  const wrong = await scene.run((world) => listTopics({ internal: false, match: '(' }, world));
  assert.equal(wrong.failure?.exitCode, 2);
  await scene.end();
});

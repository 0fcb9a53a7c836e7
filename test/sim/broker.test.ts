import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstNewSeed, mustBeFine } from './seeds.ts';
import { simulate, type Report } from './world.ts';

/** Worlds in which something was wrong once, or that go through much. They stay. */
const KEPT_SEEDS: readonly string[] = [
  // Two high watermark checkpoints at once used one temporary file, and the directory counted as failed.
  '6011',
  '6042',
  '6085',
  // All batches in flight were written, the answers came too late, and the broker was stopped cleanly in between.
  '162',
  // A log directory had failed at the start, and its replicas were made anew, empty, in another one.
  '7011',
  '7013',
  '7040',
  '7050',
  // A topic was deleted and made again while a directory was away; its old log came back and was kept for being longer.
  '199415017',
  // Full and broken disks, and power cuts while logs are recovered.
  '134',
  '2070',
  '2089',
  // Retention had raised a log's start, a kill came before the producer snapshot there was synced, and recovery removed
  // what it repeats: after a power cut nobody knew the producers, and a retry was written twice.
  '500000612',
  // Logs of some size were recovered at once under a small limit on open files, which closed the files being read.
  '500000544',
  // The same at the last start; the directory that was lost by it held a coordinator's partition, which was then taken to
  // be empty and led all the same.
  '500000748',
  // Thousands of records in small segments: the group read all the time, but not as fast as the world wanted it to.
  '400000204',
  // A log without records, all of them deleted, was moved: after a power cut its copy began at 0 and gave offsets again.
  '400001480',
  // A fetch that waited for more looked at what had come on a disk that had just broken: the error ended the broker.
  '710001983',
  // Nothing but jumps of the clock, 69 in one life: added up they took it hours behind, where records are refused.
  '400000466',
];
const NEW_WORLDS = 30;

test('what was promised is kept in the worlds that once showed that it was not', async () => {
  const reports: Report[] = [];
  for (const seed of KEPT_SEEDS) reports.push(await simulate(seed));
  mustBeFine(reports);
});

test('what was promised is kept whatever fails, in worlds that nobody has seen before', async (t) => {
  const first = firstNewSeed();
  t.diagnostic(`seeds ${first} to ${first + NEW_WORLDS - 1}`);
  const reports: Report[] = [];
  for (let index = 0; index < NEW_WORLDS; index++) reports.push(await simulate(first + index));
  mustBeFine(reports);
  const acked = reports.reduce((sum, { counts }) => sum + counts.acked, 0);
  const lives = reports.reduce((sum, report) => sum + report.lives, 0);
  // Worlds in which nothing happens would prove nothing.
  assert.ok(acked > 100 * NEW_WORLDS, `only ${acked} records were acknowledged`);
  assert.ok(lives > 2 * NEW_WORLDS, `the broker had only ${lives} lives`);
});

test('a seed decides everything that happens', async () => {
  const [once, again] = [await simulate('twice'), await simulate('twice')];
  assert.equal(again.traceHash, once.traceHash);
  assert.deepEqual([...again.answers], [...once.answers]);
  assert.deepEqual(again.counts, once.counts);
});

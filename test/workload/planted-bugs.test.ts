/** The checks against a broker that is right, and against one that is wrong in one way: each bug is found by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHistory, summary } from './checks.ts';
import { type Bug, BUGS } from './model/broker.ts';
import { runModel } from './model/run.ts';

const RIGHT_SEEDS = 60;
const BUG_SEEDS = 10;
/** A step of the model is a millisecond. */
const LAG_MS_MAX = 1_500;

/** By bug what must be found in most runs in which it showed itself, and what else may follow from it. */
const EXPECTED: Readonly<Record<Bug, readonly string[]>> = {
  'a restart loses a record': ['lost-write'],
  'a restart gives an offset again': ['inconsistent-offsets'],
  'aborted records are read': ['G1a'],
  'open transactions are read': ['uncommitted-read', 'precommitted-read', 'G1a', 'G1c'],
  'a producer reads its own open transaction': ['precommitted-read'],
  'a retry is appended again': ['duplicate'],
  'a record goes to another partition': ['phantom'],
  'a partition aborts what the others commit': ['torn-transaction'],
  'a partition forgets to commit': ['lost-write'],
  'older producers are not fenced': ['zombie'],
  'a late EndTxn ends the next transaction': ['G1a'],
  'a transaction stays open after it has ended': ['stuck-lso', 'unseen'],
  'markers are written very late': ['lag'],
  'a fetch begins too early': ['nonmonotonic-poll'],
  'a fetch leaves out a record': ['int-poll-skip', 'poll-skip'],
  'records are appended in reverse order': ['int-nonmonotonic-send'],
  'offsets of aborted transactions count': ['group-offset-phantom', 'never-processed'],
  'offsets of committed transactions are forgotten': ['group-offset-back', 'processed-twice'],
  'a restart takes group offsets back': ['group-offset-back', 'processed-twice'],
};

test(`${RIGHT_SEEDS} runs of a right broker have no anomaly, and are no empty runs`, () => {
  const all = { committed: 0, aborted: 0, unknown: 0, seen: 0, withOffsets: 0, outages: 0 };
  for (let seed = 1; seed <= RIGHT_SEEDS; seed++) {
    const { anomalies, counts } = checkHistory(runModel(seed).lines, { lagMsMax: LAG_MS_MAX });
    assert.deepEqual(summary(anomalies), [], `seed ${seed}`);
    for (const name of Object.keys(all) as (keyof typeof all)[]) all[name] += counts[name];
  }
  for (const [name, count] of Object.entries(all)) assert.ok(count > RIGHT_SEEDS, `${name}: ${count}`);
});

for (const bug of BUGS) {
  test(`found: ${bug}`, () => {
    const found = new Map<string, number>();
    let shown = 0;
    for (let seed = 1; seed <= BUG_SEEDS; seed++) {
      const { lines, bugCount } = runModel(seed, bug);
      if (bugCount === 0) continue;
      shown += 1;
      const kinds = checkHistory(lines, { lagMsMax: LAG_MS_MAX }).anomalies.map(({ kind }) => kind);
      for (const kind of new Set(kinds)) found.set(kind, (found.get(kind) ?? 0) + 1);
    }
    const seen = JSON.stringify(Object.fromEntries(found));
    assert.ok(shown > BUG_SEEDS / 2, `the bug shows itself in ${shown} of ${BUG_SEEDS} runs only`);
    for (const kind of EXPECTED[bug]) {
      const times = found.get(kind) ?? 0;
      assert.ok(times > shown / 2, `${kind} in ${times} of ${shown} runs; found ${seen}`);
    }
  });
}

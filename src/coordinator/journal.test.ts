import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { Journal, VersionedMap } from './journal.ts';

function setUp(): { journal: Journal; map: VersionedMap<string, number> } {
  const journal = new Journal();
  return { journal, map: new VersionedMap<string, number>(journal) };
}

test('a change is in the latest view at once and in the committed view when its offset is committed', () => {
  const { journal, map } = setUp();
  journal.at(0);
  map.set('a', 1);
  assert.deepEqual([map.get('a'), map.getCommitted('a')], [1, undefined]);
  journal.commitTo(1);
  assert.deepEqual([map.get('a'), map.getCommitted('a')], [1, 1]);
});

test('the committed view goes through every value of a key, one commit at a time', () => {
  const { journal, map } = setUp();
  for (let offset = 0; offset < 3; offset++) {
    journal.at(offset);
    map.set('a', offset);
  }
  journal.at(3);
  map.delete('a');
  const seen = [0, 1, 2, 3, 4].map((offset) => {
    journal.commitTo(offset);
    return map.getCommitted('a');
  });
  assert.deepEqual(seen, [undefined, 0, 1, 2, undefined]);
  assert.equal(map.isVacant, true);
});

test('rolling back restores the values from before the offset, deletions included', () => {
  const { journal, map } = setUp();
  journal.at(0);
  map.set('a', 1);
  map.set('b', 2);
  journal.at(1);
  map.delete('a');
  map.set('b', 3);
  map.set('c', 4);
  journal.rollBackTo(1);
  assert.deepEqual([...map.entries()].sort(), [
    ['a', 1],
    ['b', 2],
  ]);
  assert.equal(journal.size, 2);
});

test('changes below the committed offset leave no note behind: loading costs no journal', () => {
  const { journal, map } = setUp();
  journal.commitTo(10);
  journal.at(9);
  map.set('a', 1);
  assert.equal(journal.size, 0);
  assert.equal(map.getCommitted('a'), 1);
});

test('a mark stays good when notes before it are committed and cut off', () => {
  const { journal, map } = setUp();
  for (let offset = 0; offset < 3000; offset++) {
    journal.at(offset);
    map.set(`k${offset}`, offset);
  }
  const mark = journal.mark();
  journal.at(3000);
  map.set('x', 1);
  journal.commitTo(2999);
  journal.undoTo(mark);
  assert.equal(map.has('x'), false);
  assert.equal(map.get('k2999'), 2999);
  assert.equal(journal.size, 1);
});

test('rolling back what is committed is a fault of ours', () => {
  const { journal } = setUp();
  journal.commitTo(5);
  assert.throws(() => journal.rollBackTo(4), /committed changes are never undone/);
});

test('any mix of changes, commits and rollbacks gives what applying the surviving changes gives', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new SimulatedRandom(seed);
    const { journal, map } = setUp();
    let log: { offset: number; key: string; value: number | undefined }[] = [];
    let committed = 0;
    let next = 0;
    const view = (upTo: number): Map<string, number> => {
      const model = new Map<string, number>();
      for (const { offset, key, value } of log) {
        if (offset >= upTo) continue;
        if (value === undefined) model.delete(key);
        else model.set(key, value);
      }
      return model;
    };
    for (let step = 0; step < 60; step++) {
      const chance = random.integer(10);
      if (chance < 7) {
        journal.at(next);
        for (let n = random.between(1, 3); n > 0; n--) {
          const change = {
            offset: next,
            key: `k${random.integer(4)}`,
            value: random.chance(0.3) ? undefined : random.integer(100),
          };
          log.push(change);
          map.set(change.key, change.value);
        }
        next++;
      } else if (chance < 9) {
        committed = random.between(committed, next);
        journal.commitTo(committed);
      } else {
        next = random.between(committed, next);
        journal.rollBackTo(next);
        log = log.filter(({ offset }) => offset < next);
      }
      const sorted = (entries: Iterable<[string, number]>): [string, number][] => [...entries].sort();
      assert.deepEqual(sorted(map.entries()), sorted(view(next)), `latest, seed ${seed}, step ${step}`);
      assert.deepEqual(
        sorted(map.committedEntries()),
        sorted(view(committed)),
        `committed, seed ${seed}, step ${step}`,
      );
    }
  }
});

/**
 * Three replicas of one partition under faults: after each event what is committed is the same on all that count. Seeds:
 * REPLICATION_SEEDS=17,18 looks at these alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstNewSeed } from '../seeds.ts';
import { WEAKENINGS } from './weakenings.ts';
import { simulateReplication, type Result } from './world.ts';

const OLD_SEEDS = 200;
const NEW_SEEDS = 40;
/** Seeds that have found something. */
const TELLING = [3, 15, 17, 33, 37, 81, 301, 398, 100_085, 100_494];
/** Of a weakened protocol: in fewer worlds than this there is one that shows it. */
const WEAK_SEEDS = 100;

function seeds(): number[] {
  const asked = process.env['REPLICATION_SEEDS'];
  if (asked !== undefined) return asked.split(',').map(Number);
  const first = firstNewSeed();
  return [
    ...new Set([...Array.from({ length: OLD_SEEDS }, (_, n) => n + 1), ...TELLING]),
    ...Array.from({ length: NEW_SEEDS }, (_, n) => first + n),
  ];
}

function describe({ seed, anomaly, plan }: Result): string {
  return `${anomaly}\n  ${JSON.stringify(plan)}\n  again: REPLICATION_SEEDS=${seed} node --test test/sim/replication/*.test.ts`;
}

test('whatever happens, nothing that is committed is lost, and three replicas become one again', async (t) => {
  const total = { worlds: 0, acked: 0, committed: 0, epochs: 0 };
  const bad: string[] = [];
  for (const seed of seeds()) {
    const result = await simulateReplication(seed);
    if (result.anomaly !== undefined) bad.push(describe(result));
    total.worlds += 1;
    total.acked += result.acked;
    total.committed += result.committed;
    total.epochs += result.leaderEpochs;
  }
  t.diagnostic(JSON.stringify(total));
  assert.deepEqual(bad, []);
  assert.ok(total.acked > 50 * total.worlds && total.epochs > 5 * total.worlds, JSON.stringify(total));
});

test('a world is a function of its seed', async () => {
  const [once, twice] = [await simulateReplication(5), await simulateReplication(5)];
  assert.deepEqual(once, twice);
});

for (const { name, firstSeed = 1, plant } of WEAKENINGS) {
  test(`a mistake is seen: ${name}`, async (t) => {
    plant(t.mock);
    for (let seed = firstSeed; seed < firstSeed + WEAK_SEEDS; seed++) {
      const { anomaly } = await simulateReplication(seed);
      if (anomaly === undefined) continue;
      t.diagnostic(`seed ${seed}: ${anomaly.split('\n')[0]!.slice(0, 200)}`);
      return;
    }
    assert.fail(`${WEAK_SEEDS} worlds show nothing of it`);
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clusterImage } from '../../test/cluster-images.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { placeReplicas } from './placement.ts';

function place(
  sketch: Parameters<typeof clusterImage>[0],
  partitionCount: number,
  replicationFactor: number,
  seed = 1,
) {
  const brokers = clusterImage(sketch).brokers.values();
  const placed = placeReplicas(brokers, { partitionCount, replicationFactor }, new SimulatedRandom(seed));
  if (typeof placed === 'string') throw new Error(placed);
  return placed;
}

test('replicas of a partition are on different brokers, and leaders are spread evenly', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(),
      (count, partitions, seed) => {
        const alive = Array.from({ length: count }, (_, n) => n + 1);
        for (let factor = 1; factor <= count; factor++) {
          const placed = place({ alive }, partitions, factor, seed);
          const leaders = new Map<number, number>(alive.map((id) => [id, 0]));
          for (const replicas of placed) {
            assert.equal(new Set(replicas).size, factor);
            leaders.set(replicas[0], leaders.get(replicas[0])! + 1);
          }
          assert.ok(Math.max(...leaders.values()) - Math.min(...leaders.values()) <= 1, 'leaders are spread');
        }
      },
    ),
  );
});

test('no rack has two replicas while another has none', () => {
  const racks = { 1: 'a', 2: 'a', 3: 'b', 4: 'b', 5: 'c', 6: 'c' };
  for (const replicas of place({ alive: [1, 2, 3, 4, 5, 6], racks }, 60, 3)) {
    assert.equal(new Set(replicas.map((id) => racks[id as keyof typeof racks])).size, 3);
  }
});

test('followers are not always on the same neighbour', () => {
  const placed = place({ alive: [1, 2, 3, 4] }, 40, 2);
  const pairs = new Set(placed.map((replicas) => replicas.join()));
  assert.equal(pairs.size, 12);
});

test('a broker without a log directory is taken only when the others do not suffice, and never leads', () => {
  const sketch = { alive: [1, 2, 3], directories: { 3: [] } };
  for (const replicas of place(sketch, 12, 2)) assert.ok(!replicas.includes(3));
  for (const replicas of place(sketch, 12, 3)) assert.equal(replicas[2], 3);
});

test('fenced brokers are taken only when the others do not suffice, and never lead', () => {
  for (const replicas of place({ alive: [1, 2], fenced: [3] }, 12, 2)) assert.ok(!replicas.includes(3));
  for (const replicas of place({ alive: [1, 2], fenced: [3] }, 12, 3)) assert.equal(replicas[2], 3);
});

test('a broker that is about to stop is taken last, too: it would not begin in sync, and the partition have no leader', () => {
  const brokers = [...clusterImage({ alive: [1, 2, 3] }).brokers.values()];
  const sketch = brokers.map((broker) => (broker.id === 2 ? { ...broker, isStopping: true } : broker));
  for (let seed = 1; seed <= 20; seed++) {
    const request = { partitionCount: 3, replicationFactor: 1 };
    const placed = placeReplicas(sketch, request, new SimulatedRandom(seed));
    assert.ok(typeof placed !== 'string' && placed.every(([leader]) => leader !== 2), String(placed));
  }
});

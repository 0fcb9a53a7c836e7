import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ClusterState, PartitionPlace } from './cluster-state.ts';
import { plan, PlanProblem, type Plan, type PlanOptions } from './plan.ts';
import { rackPairs } from './racks.ts';

const MB = 1024 ** 2;

interface Sketch {
  readonly brokers: readonly number[];
  readonly racks?: Readonly<Record<number, string>>;
  readonly away?: readonly number[];
  readonly partitions: readonly {
    readonly replicas: readonly number[];
    readonly mb?: number;
    readonly mbps?: number;
  }[];
}

function stateOf({ brokers, racks = {}, away = [], partitions }: Sketch): ClusterState {
  return {
    brokers: brokers.map((id) => ({
      id,
      rack: racks[id] ?? null,
      isAlive: !away.includes(id),
      usableBytes: Infinity,
    })),
    partitions: partitions.map(({ replicas, mb = 0, mbps = 0 }, partition): PartitionPlace => {
      return { topic: 't', partition, replicas, sizeBytes: mb * MB, bytesPerSecond: mbps * MB };
    }),
  };
}

/** Partitions of one size, in turn over the first brokers. */
const inTurn = (count: number, brokers: number, factor: number, mb: number) =>
  Array.from({ length: count }, (_, n) => ({
    replicas: Array.from({ length: factor }, (_, r) => 1 + ((n + r) % brokers)),
    mb,
  }));

const column = ({ after }: Plan, resource: 'bytes' | 'replicas' | 'leaders') =>
  [...after.values()].map((load) => load[resource] / (resource === 'bytes' ? MB : 1));
const total = ({ moves }: Plan) => moves.reduce((sum, { bytes }) => sum + bytes, 0) / MB;

test('what is even already stays where it is', () => {
  const even = plan(stateOf({ brokers: [1, 2, 3], partitions: inTurn(30, 3, 3, 100) }));
  assert.deepEqual([even.moves, even.costBefore, even.costAfter], [[], 0, 0]);
  const nearly = inTurn(30, 3, 2, 100);
  nearly[0]!.mb = 150;
  assert.deepEqual(plan(stateOf({ brokers: [1, 2, 3], partitions: nearly })).moves, []);
});

test('new brokers get their share, and no more is copied than that', () => {
  const grown = plan(stateOf({ brokers: [1, 2, 3, 4, 5], partitions: inTurn(60, 3, 3, 10) }));
  // 180 replicas on 5 brokers: 36 each, with a tolerance of a tenth.
  for (const replicas of column(grown, 'replicas')) assert.ok(Math.abs(replicas - 36) <= 4, `${replicas}`);
  for (const leaders of column(grown, 'leaders')) assert.ok(Math.abs(leaders - 12) <= 1.2, `${leaders}`);
  assert.equal(grown.costAfter, 0);
  assert.ok(total(grown) >= 640 && total(grown) <= 720, `${total(grown)} MB`);
});

test('brokers that are to go are empty afterwards, and the others have the same load', () => {
  const options = { removing: new Set([4, 5]) };
  const shrunk = plan(stateOf({ brokers: [1, 2, 3, 4, 5], partitions: inTurn(50, 5, 3, 10) }), options);
  assert.deepEqual(column(shrunk, 'replicas').slice(3), [0, 0]);
  assert.deepEqual(column(shrunk, 'replicas').slice(0, 3), [50, 50, 50]);
  assert.equal(total(shrunk), 600);
  for (const leaders of column(shrunk, 'leaders').slice(0, 3)) assert.ok(Math.abs(leaders - 50 / 3) <= 1.7);
});

test('a broker that is gone already can be removed, too, and one that is only away keeps what it has', () => {
  const sketch = { brokers: [1, 2, 3, 4], away: [4], partitions: inTurn(40, 4, 2, 10) };
  assert.equal(column(plan(stateOf(sketch), { removing: new Set([4]) }), 'replicas')[3], 0);
  assert.equal(column(plan(stateOf(sketch)), 'replicas')[3], 20);
});

test('a few large partitions are evened out by their size, not by their number', () => {
  const partitions = [
    ...[1000, 1000, 1000, 1000].map((mb) => ({ replicas: [1], mb })),
    ...Array.from({ length: 40 }, (_, n) => ({ replicas: [2 + (n % 3)], mb: 1 })),
  ];
  const spread = plan(stateOf({ brokers: [1, 2, 3, 4], partitions }));
  for (const mb of column(spread, 'bytes')) assert.ok(mb > 950 && mb < 1150, `${mb} MB`);
});

test('traffic is evened out where it is known', () => {
  const partitions = Array.from({ length: 16 }, (_, n) => ({
    replicas: [1 + (n % 4)],
    mb: 1,
    mbps: n % 4 === 0 ? 40 : 0,
  }));
  const { after } = plan(stateOf({ brokers: [1, 2, 3, 4], partitions }));
  for (const { bytesPerSecond } of after.values()) assert.equal(bytesPerSecond, 40 * MB);
});

test('leaders are handed on along a chain where two brokers share nothing', () => {
  const partitions = [
    ...Array.from({ length: 12 }, () => ({ replicas: [1, 2] })),
    ...Array.from({ length: 6 }, () => ({ replicas: [2, 3] })),
    ...Array.from({ length: 6 }, () => ({ replicas: [3, 1], mb: 0 })),
  ];
  // 1 leads 12, 2 leads 6, 3 leads 6.
  const { moves, after } = plan(stateOf({ brokers: [1, 2, 3], partitions }));
  assert.ok(moves.every(({ bytes }) => bytes === 0));
  for (const { leaders } of after.values()) assert.ok(Math.abs(leaders - 8) <= 1, `${leaders}`);
});

test('replicas that share a rack are parted once there is another one', () => {
  const racks = { 1: 'a', 2: 'a', 3: 'b' };
  const { moves, after } = plan(
    stateOf({ brokers: [1, 2, 3], racks, partitions: [{ replicas: [1, 2], mb: 5 }] }),
  );
  assert.equal(moves.length, 1);
  assert.ok(moves[0]!.to.includes(3));
  assert.equal(after.get(3)!.replicas, 1);
});

test('internal topics get the replicas that there are brokers for', () => {
  const state = stateOf({ brokers: [1, 2], partitions: [{ replicas: [1] }, { replicas: [1] }] });
  const { moves } = plan(state, { factors: new Map([['t', 3]]) });
  assert.deepEqual(
    moves.map(({ to }) => [...to].sort()),
    [
      [1, 2],
      [1, 2],
    ],
  );
});

test('there is no plan where replicas would be lost or disks overflow', () => {
  const three = stateOf({ brokers: [1, 2, 3], partitions: [{ replicas: [1, 2, 3] }] });
  assert.throws(() => plan(three, { removing: new Set([3]) }), PlanProblem);
  assert.throws(() => plan(three, { removing: new Set([1, 2, 3]) }), /no broker would be left/);
  const full = stateOf({ brokers: [1, 2, 3], partitions: [{ replicas: [1, 2], mb: 100 }] });
  const brokers = full.brokers.map((one) => ({ ...one, usableBytes: 50 * MB }));
  assert.throws(() => plan({ ...full, brokers }, { removing: new Set([2]) }), /no broker has room/);
});

const clusters = fc
  .record({
    brokers: fc.integer({ min: 1, max: 7 }),
    racks: fc.integer({ min: 0, max: 3 }),
    fresh: fc.integer({ min: 0, max: 3 }),
    removed: fc.integer({ min: 0, max: 2 }),
    partitions: fc.array(
      fc.record({
        start: fc.nat(100),
        step: fc.integer({ min: 1, max: 6 }),
        factor: fc.integer({ min: 1, max: 4 }),
        mb: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2_000 })),
        mbps: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50 })),
      }),
      { maxLength: 60 },
    ),
  })
  .map(({ brokers: old, racks, fresh, removed, partitions }) => {
    const brokers = Array.from({ length: old + fresh }, (_, n) => n + 1);
    const rackOf = Object.fromEntries(racks === 0 ? [] : brokers.map((id) => [id, `r${id % racks}`]));
    const sketch: Sketch = {
      brokers,
      racks: rackOf,
      partitions: partitions.map(({ start, step, factor, mb, mbps }) => {
        const replicas = new Set<number>();
        for (let n = 0; n < 50 && replicas.size < Math.min(factor, old); n++) {
          replicas.add(1 + ((start + n * step + Math.floor(n / old)) % old));
        }
        return { replicas: [...replicas], mb, mbps };
      }),
    };
    return { state: stateOf(sketch), removing: new Set(brokers.slice(0, removed)) };
  });

/** Undefined: there is none, for a good reason. */
function planned(state: ClusterState, options: PlanOptions): Plan | undefined {
  try {
    return plan(state, options);
  } catch (error) {
    assert.ok(error instanceof PlanProblem, String(error));
    const left = state.brokers.filter(({ id }) => options.removing?.has(id) !== true).length;
    assert.ok(left === 0 || state.partitions.some(({ replicas }) => replicas.length > left), error.message);
    return undefined;
  }
}

test('every plan keeps replicas and racks, empties who goes, and makes nothing less even', () => {
  const property = fc.property(clusters, fc.boolean(), ({ state, removing: some }, isRemoving) => {
    const removing = isRemoving ? some : new Set<number>();
    const result = planned(state, { removing });
    if (result === undefined) return;
    const racks = new Map(state.brokers.map(({ id, rack }) => [id, rack]));
    const pairs = (replicas: readonly number[]) => rackPairs(replicas, (id) => racks.get(id) ?? null);
    const sum = (of: (one: readonly number[]) => number, side: 'from' | 'to') =>
      result.moves.reduce((all, move) => all + of(move[side]), 0);
    for (const { topic, partition, from, to, bytes, sizeBytes } of result.moves) {
      const place = state.partitions.find((one) => one.topic === topic && one.partition === partition)!;
      assert.deepEqual(place.replicas, from);
      assert.equal(to.length, from.length);
      assert.equal(new Set(to).size, to.length);
      assert.ok(to.every((id) => !removing.has(id) && racks.has(id)));
      assert.equal(bytes, to.filter((id) => !from.includes(id)).length * sizeBytes);
      if (removing.size === 0) assert.ok(pairs(to) <= pairs(from), `${from.join()} to ${to.join()}`);
    }
    for (const id of removing) assert.equal(result.after.get(id)?.replicas ?? 0, 0);
    const isRackRepaired = sum(pairs, 'to') !== sum(pairs, 'from');
    if (removing.size === 0 && !isRackRepaired) {
      assert.ok(result.costAfter <= result.costBefore + 1e-9, `${result.costBefore} to ${result.costAfter}`);
    }
  });
  fc.assert(property, { numRuns: 400 });
});

test('what has been evened out is even: a second plan finds nothing to do', () => {
  const property = fc.property(clusters, ({ state }) => {
    const first = plan(state);
    const moved = new Map(first.moves.map(({ partition, to }) => [partition, to]));
    const partitions = state.partitions.map((one) => ({
      ...one,
      replicas: moved.get(one.partition) ?? one.replicas,
    }));
    const second = plan({ ...state, partitions });
    assert.ok(second.costAfter <= first.costAfter + 1e-9);
    const bytes = second.moves.reduce((sum, move) => sum + move.bytes, 0);
    const all = state.partitions.reduce((sum, one) => sum + one.sizeBytes * one.replicas.length, 0);
    assert.ok(bytes <= 0.2 * all, `${bytes} of ${all} again`);
  });
  fc.assert(property, { numRuns: 200 });
});

test('thousands of partitions are planned in little time', () => {
  const grown = plan(stateOf({ brokers: [1, 2, 3, 4, 5, 6], partitions: inTurn(4_000, 4, 3, 1) }));
  assert.equal(grown.costAfter, 0);
});

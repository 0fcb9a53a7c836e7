import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  COOPERATIVE_STICKY,
  RANGE,
  ROUND_ROBIN,
  type GroupAssignment,
  type MemberSubscription,
} from './assignors.ts';

function member(
  memberId: string,
  topics: string[],
  more: Partial<MemberSubscription> = {},
): MemberSubscription {
  return {
    memberId,
    topics,
    owned: [],
    generation: -1,
    rack: null,
    instanceId: null,
    userData: null,
    ...more,
  };
}

/** As `a: t0 t1`. */
function shown(assignment: GroupAssignment): Record<string, string> {
  const names = ([id, list]: [string, { topic: string; partition: number }[]]): [string, string] => [
    id,
    list.map(({ topic, partition }) => `${topic}${partition}`).join(' '),
  ];
  return Object.fromEntries([...assignment].map(names));
}

const COUNTS = new Map([
  ['t', 3],
  ['u', 3],
]);

test('range and roundrobin give what Java gives', () => {
  // The examples of the documentation of RangeAssignor and RoundRobinAssignor.
  const two = [member('C1', ['t', 'u']), member('C0', ['t', 'u'])];
  assert.deepEqual(shown(RANGE.assign(two, COUNTS)), { C1: 't2 u2', C0: 't0 t1 u0 u1' });
  assert.deepEqual(shown(ROUND_ROBIN.assign(two, COUNTS)), { C1: 't1 u0 u2', C0: 't0 t2 u1' });
  const counts = new Map([
    ['x', 1],
    ['y', 2],
    ['z', 3],
  ]);
  const uneven = [member('C0', ['x']), member('C1', ['x', 'y']), member('C2', ['x', 'y', 'z'])];
  assert.deepEqual(shown(ROUND_ROBIN.assign(uneven, counts)), { C0: 'x0', C1: 'y0', C2: 'y1 z0 z1 z2' });
});

test('static members come first, in the order of their names', () => {
  const members = [
    member('a', ['t']),
    member('z', ['t'], { instanceId: 'one' }),
    member('b', ['t'], { instanceId: 'two' }),
  ];
  assert.deepEqual(shown(RANGE.assign(members, COUNTS)), { a: 't2', z: 't0', b: 't1' });
});

test('topics that do not exist are nobody’s', () => {
  for (const assignor of [RANGE, ROUND_ROBIN, COOPERATIVE_STICKY]) {
    assert.deepEqual(shown(assignor.assign([member('a', ['nowhere'])], COUNTS)), { a: '' });
  }
});

test('a newcomer gets only what nobody has; the rest follows when it is free (KIP-429)', () => {
  const owned = [0, 1, 2].map((partition) => ({ topic: 't', partition }));
  const first = [member('a', ['t'], { owned, generation: 4 }), member('b', ['t'])];
  const withheld = shown(COOPERATIVE_STICKY.assign(first, COUNTS));
  assert.deepEqual(withheld, { a: 't0 t1', b: '' });
  const second = [
    member('a', ['t'], { owned: owned.slice(0, 2), generation: 5 }),
    member('b', ['t'], { generation: 5 }),
  ];
  assert.deepEqual(shown(COOPERATIVE_STICKY.assign(second, COUNTS)), { a: 't0 t1', b: 't2' });
});

test('of two that claim a partition the later generation has it', () => {
  const owned = [{ topic: 't', partition: 0 }];
  const members = [
    member('a', ['t'], { owned, generation: 3 }),
    member('b', ['t'], { owned, generation: 4 }),
  ];
  assert.ok(shown(COOPERATIVE_STICKY.assign(members, new Map([['t', 2]])))['b']!.includes('t0'));
});

const groups = fc.record({
  counts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
  wants: fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 1 }), {
    minLength: 1,
    maxLength: 6,
  }),
  leaves: fc.integer({ min: 0, max: 5 }),
});

/** Lets the group settle: rounds until nothing is withheld. */
function settle(members: MemberSubscription[], counts: ReadonlyMap<string, number>): MemberSubscription[] {
  let now = members;
  for (let round = 0; round < 6; round++) {
    const before = new Map(
      now.map((one) => [one.memberId, new Set(one.owned.map((o) => `${o.topic}${o.partition}`))]),
    );
    const assignment = COOPERATIVE_STICKY.assign(now, counts);
    for (const [id, list] of assignment) {
      for (const { topic, partition } of list) {
        for (const [other, owned] of before) {
          assert.ok(other === id || !owned.has(`${topic}${partition}`), 'what another has is not given away');
        }
      }
    }
    now = now.map((one) => ({ ...one, owned: assignment.get(one.memberId)!, generation: round }));
  }
  return now;
}

test('cooperative-sticky: everything is shared, evenly, and stays where it is', () => {
  fc.assert(
    fc.property(groups, ({ counts, wants, leaves }) => {
      const partitionCounts = new Map(counts.map((count, n) => [`t${n}`, count]));
      const topics = [...partitionCounts.keys()];
      const members = wants.map((list, n) =>
        member(
          `m${n}`,
          list.map((topic) => `t${topic}`),
        ),
      );
      const settled = settle(members, partitionCounts);
      for (const topic of topics) {
        const takers = settled.filter((one) => one.topics.includes(topic));
        const given = settled.flatMap((one) => one.owned.filter((o) => o.topic === topic));
        assert.equal(given.length, takers.length === 0 ? 0 : partitionCounts.get(topic));
        assert.equal(new Set(given.map((o) => o.partition)).size, given.length);
        for (const one of settled) {
          if (!one.owned.some((o) => o.topic === topic)) continue;
          for (const other of takers) assert.ok(one.owned.length - other.owned.length <= 1, 'it is even');
        }
      }
      // One goes: the others keep what they have.
      const rest = settled.filter((_, n) => n !== leaves % settled.length);
      if (rest.length === 0) return;
      const all = rest.every((one) => topics.every((topic) => one.topics.includes(topic)));
      const after = settle(rest, partitionCounts);
      if (!all) return;
      for (const one of after) {
        const before = rest.find(({ memberId }) => memberId === one.memberId)!;
        for (const o of before.owned) {
          assert.ok(
            one.owned.some((x) => x.topic === o.topic && x.partition === o.partition),
            'it stays',
          );
        }
      }
    }),
    { numRuns: 300 },
  );
});

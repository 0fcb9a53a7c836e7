import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { after, clusterImage, type ClusterSketch } from '../../../test/cluster-images.ts';
import { NO_BROKER_CONFIGS } from '../configs/resolve.ts';
import type { PartitionImage } from '../image.ts';
import { depart, departing } from './departure.ts';
import { settle, unsettled } from './elections.ts';
import { leadershipRules } from './leadership-rules.ts';
import { eligibleByMinimum, endEligibility } from './minimum-change.ts';

interface Case {
  readonly withoutDirectory?: number;
  readonly alive: readonly number[];
  readonly minimum?: number;
  readonly isUncleanAllowed?: boolean;
  readonly before: Partial<PartitionImage>;
}

/** A topic t of one partition with replicas 1, 2 and 3. */
function imageOf({ alive, withoutDirectory = -1, minimum = 1, isUncleanAllowed = false, before }: Case) {
  const sketch: ClusterSketch = {
    alive,
    fenced: [1, 2, 3].filter((id) => !alive.includes(id)),
    directories: { [withoutDirectory]: [] },
    topics: { t: [[1, 2, 3]] },
    changed: { 't-0': before },
    configs: [
      [
        'TOPIC',
        't',
        {
          'min.insync.replicas': String(minimum),
          'unclean.leader.election.enable': String(isUncleanAllowed),
        },
      ],
    ],
  };
  return clusterImage(sketch);
}

function shown(image: ReturnType<typeof clusterImage>) {
  const { leader, isr, elr, lastKnownElr } = image.partition('t', 0)!;
  return { leader, isr, elr, lastKnownElr };
}

function settledCase(one: Case) {
  const image = imageOf(one);
  const rules = leadershipRules(image, NO_BROKER_CONFIGS);
  after(image, settle(image, unsettled(image, rules), rules));
  return shown(image);
}

function departed(one: Case, nodeId: number, hasLost: boolean) {
  const image = imageOf(one);
  const rules = leadershipRules(image, NO_BROKER_CONFIGS);
  const departure = { rules, hasLost: () => hasLost };
  const partitions = departing(image, nodeId, departure);
  const decision = depart(image, { ...departure, nodeId, partitions });
  after(image, decision);
  return { ...shown(image), compares: decision.compares.length };
}

test('R07: whoever leaves while fewer than the minimum are in sync stays eligible', () => {
  const before = { leader: 1, isr: [1, 2, 3] };
  assert.deepEqual(settledCase({ alive: [2, 3], minimum: 2, before }), {
    leader: 2,
    isr: [2, 3],
    elr: [],
    lastKnownElr: [],
  });
  assert.deepEqual(settledCase({ alive: [2], minimum: 2, before }), {
    leader: 2,
    isr: [2],
    elr: [1, 3],
    lastKnownElr: [],
  });
  assert.deepEqual(settledCase({ alive: [], minimum: 2, before }), {
    leader: -1,
    isr: [],
    elr: [1, 2, 3],
    lastKnownElr: [1],
  });
});

test('R07: the last replica standing is not the only one that may lead when all come back', () => {
  // 3 was the last, with nothing committed since; it is gone for good, and 2 has everything.
  const before = { leader: -1, isr: [], elr: [2, 3], lastKnownElr: [3] };
  assert.deepEqual(settledCase({ alive: [1], minimum: 2, before }), {
    leader: -1,
    isr: [],
    elr: [2, 3],
    lastKnownElr: [3],
  });
  assert.deepEqual(settledCase({ alive: [1, 2], minimum: 2, before }), {
    leader: 2,
    isr: [2],
    elr: [3],
    lastKnownElr: [],
  });
});

test('a leader that commits alone leaves nobody else eligible', () => {
  const before = { leader: -1, isr: [], elr: [2, 3], lastKnownElr: [3] };
  assert.deepEqual(settledCase({ alive: [2], minimum: 1, before }), {
    leader: 2,
    isr: [2],
    elr: [],
    lastKnownElr: [],
  });
});

test('eligible replicas of a time with a higher minimum are not elected after it was lowered', () => {
  const before = { leader: 1, isr: [1], elr: [2] };
  assert.deepEqual(settledCase({ alive: [2], minimum: 1, before }), {
    leader: -1,
    isr: [],
    elr: [1],
    lastKnownElr: [1],
  });
});

test('with nobody eligible the last leader leads again, and others only where the topic allows it', () => {
  const before = { leader: -1, isr: [], elr: [], lastKnownElr: [2] };
  const none = { leader: -1, isr: [], elr: [], lastKnownElr: [2] };
  assert.deepEqual(settledCase({ alive: [1, 3], before }), none);
  const led = (leader: number) => ({ leader, isr: [leader], elr: [], lastKnownElr: [] });
  assert.deepEqual(settledCase({ alive: [1, 2, 3], before }), led(2));
  assert.deepEqual(settledCase({ alive: [1, 3], isUncleanAllowed: true, before }), led(1));
});

test('a broker without a log directory does not lead, be it the last leader, or an unclean one', () => {
  const before = { leader: -1, isr: [], elr: [], lastKnownElr: [1] };
  const one = { alive: [1, 2], withoutDirectory: 1, before };
  assert.deepEqual(settledCase(one), before);
  assert.equal(settledCase({ ...one, isUncleanAllowed: true }).leader, 2);
  const led = { leader: 1, isr: [1, 2], elr: [] };
  assert.deepEqual(settledCase({ ...one, minimum: 2, before: led }), {
    leader: 2,
    isr: [2],
    elr: [1],
    lastKnownElr: [],
  });
});

test('R11: an unclean election waits neither for the in-sync replicas nor for the eligible ones, and tells', () => {
  const before = { leader: 3, isr: [3], elr: [2] };
  const one = { alive: [1], minimum: 2, isUncleanAllowed: true, before };
  assert.deepEqual(settledCase(one), { leader: 1, isr: [1], elr: [], lastKnownElr: [] });
  assert.deepEqual(settledCase({ ...one, isUncleanAllowed: false }).leader, -1);
});

test('R08: a broker that may have lost records is neither in sync nor eligible when it registers', () => {
  const before = { leader: 2, isr: [1, 2], elr: [] };
  assert.deepEqual(departed({ alive: [2], minimum: 2, before }, 1, true), {
    leader: 2,
    isr: [2],
    elr: [],
    lastKnownElr: [],
    compares: 5,
  });
  const eligible = { leader: 2, isr: [2], elr: [1, 3] };
  assert.deepEqual(departed({ alive: [2], minimum: 2, before: eligible }, 1, true).elr, [3]);
});

test('R08: one that has lost nothing stays eligible, and the one that led last leads when nobody is', () => {
  const before = { leader: 2, isr: [1, 2], elr: [] };
  assert.deepEqual(departed({ alive: [2], minimum: 2, before }, 1, false).elr, [1]);
  const alone = { leader: 1, isr: [1], elr: [] };
  assert.deepEqual(departed({ alive: [], before: alone }, 1, true), {
    leader: -1,
    isr: [],
    elr: [],
    lastKnownElr: [1],
    compares: 5,
  });
});

test('R08: who departs as the last that was eligible elects nobody who may lack records: the controller does, and tells', () => {
  const before = { leader: -1, isr: [], elr: [1], lastKnownElr: [2] };
  for (const isUncleanAllowed of [false, true]) {
    const one = { alive: [2, 3], minimum: 2, isUncleanAllowed, before };
    assert.deepEqual(departed(one, 1, true), {
      leader: -1,
      isr: [],
      elr: [],
      lastKnownElr: [2],
      compares: 5,
    });
    const image = imageOf({ ...one, before: { ...before, elr: [] } });
    const rules = leadershipRules(image, NO_BROKER_CONFIGS);
    const { result } = settle(image, unsettled(image, rules), rules);
    assert.deepEqual(result, [{ topic: 't', partition: 0, leader: 2 }]);
  }
});

test('a broker that has lost nothing leaves what it led to nobody rather than to one that may lack records', () => {
  const before = { leader: 1, isr: [1], elr: [] };
  const { leader, elr } = departed({ alive: [2, 3], isUncleanAllowed: true, before }, 1, false);
  assert.deepEqual({ leader, elr }, { leader: -1, elr: [1] });
});

test('a broker has nothing to depart from where it is neither in sync nor eligible', () => {
  const before = { leader: 2, isr: [2, 3], elr: [] };
  assert.equal(departed({ alive: [2, 3], minimum: 2, before }, 1, true).compares, 0);
});

test('a change of the minimum ends eligibility, except where it is all that is left', () => {
  const change = { type: 'TOPIC', name: 't', changes: [{ name: 'min.insync.replicas', op: 0, value: '1' }] };
  const other = { type: 'TOPIC', name: 't', changes: [{ name: 'retention.ms', op: 0, value: '1' }] };
  const ended = (before: Partial<PartitionImage>, resource: object) => {
    const image = imageOf({ alive: [1], minimum: 2, before });
    after(image, endEligibility(image, eligibleByMinimum(image, [resource as never])));
    return image.partition('t', 0)!.elr;
  };
  assert.deepEqual(ended({ leader: 1, isr: [1], elr: [2] }, change), []);
  assert.deepEqual(ended({ leader: 1, isr: [1], elr: [2] }, { ...change, type: 'BROKER', name: '' }), []);
  assert.deepEqual(
    ended({ leader: 1, isr: [1], elr: [2] }, { type: 'TOPIC', name: 't', replacement: [] }),
    [],
  );
  assert.deepEqual(ended({ leader: 1, isr: [1], elr: [2] }, other), [2]);
  assert.deepEqual(ended({ leader: -1, isr: [], elr: [2] }, change), [2]);
});

test('whatever brokers do: leaders are in sync and alive, sets do not overlap, and a second look finds nothing', () => {
  const subset = fc.subarray([1, 2, 3]);
  const state = fc.record({
    alive: subset,
    minimum: fc.integer({ min: 1, max: 4 }),
    isUncleanAllowed: fc.boolean(),
    isr: subset,
    elr: subset,
    lastKnownElr: fc.subarray([1, 2, 3], { maxLength: 1 }),
    leader: fc.constantFrom(-1, 1, 2, 3),
  });
  fc.assert(
    fc.property(state, ({ alive, minimum, isUncleanAllowed, isr, elr, lastKnownElr, leader }) => {
      const outside = elr.filter((id) => !isr.includes(id));
      const before = { isr, elr: outside, lastKnownElr, leader: isr.includes(leader) ? leader : -1 };
      const image = imageOf({ alive, minimum, isUncleanAllowed, before });
      const rules = leadershipRules(image, NO_BROKER_CONFIGS);
      const unclean = settle(image, unsettled(image, rules), rules);
      after(image, unclean);
      const now = image.partition('t', 0)!;
      assert.ok(now.leader === -1 || (now.isr.includes(now.leader) && alive.includes(now.leader)));
      assert.ok(now.isr.every((id) => alive.includes(id)));
      assert.ok(now.elr.every((id) => !now.isr.includes(id)));
      const hasChanged = now.partitionEpoch > 0;
      if (hasChanged && now.isr.length >= Math.min(minimum, 3)) assert.deepEqual(now.elr, []);
      const isClean = isr.includes(now.leader) || outside.includes(now.leader);
      assert.equal(now.leader >= 0 && !isClean, unclean.result.length > 0);
      assert.deepEqual(unsettled(image, rules), []);
    }),
    { numRuns: 2_000 },
  );
});

/**
 * Who gets which partition in a classic group: decided by the member that leads it. `range` and `roundrobin` give what Java's
 * assignors of these names give. `cooperative-sticky` leaves partitions where they are as far as the balance allows,
 * and never gives away what another member still has (KIP-429): that is first taken back, and given in the next
 * round.
 */
import type { TopicPartition } from '../consumer/options.ts';
import type { Subscription } from './subscription.ts';

export interface MemberSubscription extends Subscription {
  readonly memberId: string;
  /** Of a static member (KIP-345). */
  readonly instanceId: string | null;
}

/** By member id. */
export type GroupAssignment = Map<string, TopicPartition[]>;

export interface Assignor {
  /** As the members of the group name it to each other. */
  readonly name: string;
  /** Members keep what they have while the group is balanced anew. */
  readonly isCooperative: boolean;
  /** `partitionCounts` has the topics that exist. Every member is in the result. */
  assign(
    members: readonly MemberSubscription[],
    partitionCounts: ReadonlyMap<string, number>,
  ): GroupAssignment | Promise<GroupAssignment>;
  /** What this member tells the one that assigns, each time it joins: its `userData`. */
  userData?(topics: readonly string[]): Buffer | null;
}

/** One that decides at once. */
interface PromptAssignor extends Assignor {
  assign(
    members: readonly MemberSubscription[],
    partitionCounts: ReadonlyMap<string, number>,
  ): GroupAssignment;
}

/** Static members first, by their instance ids, which outlive restarts; as in Java. */
function inOrder(members: readonly MemberSubscription[]): MemberSubscription[] {
  return [...members].sort((a, b) => {
    if (a.instanceId !== null && b.instanceId !== null) return compare(a.instanceId, b.instanceId);
    if (a.instanceId !== null) return -1;
    return b.instanceId !== null ? 1 : compare(a.memberId, b.memberId);
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function nothing(members: readonly MemberSubscription[]): GroupAssignment {
  return new Map(members.map(({ memberId }) => [memberId, []]));
}

/** The topics that somebody wants and that exist, in order. */
function wantedTopics(
  members: readonly MemberSubscription[],
  partitionCounts: ReadonlyMap<string, number>,
): string[] {
  const topics = new Set(members.flatMap(({ topics: wanted }) => wanted));
  return [...topics].filter((topic) => partitionCounts.has(topic)).sort(compare);
}

export const RANGE: PromptAssignor = {
  name: 'range',
  isCooperative: false,
  assign(members, partitionCounts) {
    const assignment = nothing(members);
    const ordered = inOrder(members);
    for (const topic of wantedTopics(members, partitionCounts)) {
      const takers = ordered.filter(({ topics }) => topics.includes(topic));
      const count = partitionCounts.get(topic)!;
      const each = Math.floor(count / takers.length);
      const extra = count % takers.length;
      let next = 0;
      for (const [place, { memberId }] of takers.entries()) {
        const end = next + each + (place < extra ? 1 : 0);
        for (; next < end; next++) assignment.get(memberId)!.push({ topic, partition: next });
      }
    }
    return assignment;
  },
};

export const ROUND_ROBIN: PromptAssignor = {
  name: 'roundrobin',
  isCooperative: false,
  assign(members, partitionCounts) {
    const assignment = nothing(members);
    const ordered = inOrder(members);
    let turn = 0;
    for (const topic of wantedTopics(members, partitionCounts)) {
      for (let partition = 0; partition < partitionCounts.get(topic)!; partition++) {
        while (!ordered[turn % ordered.length]!.topics.includes(topic)) turn += 1;
        assignment.get(ordered[turn % ordered.length]!.memberId)!.push({ topic, partition });
        turn += 1;
      }
    }
    return assignment;
  },
};

export const COOPERATIVE_STICKY: PromptAssignor = {
  name: 'cooperative-sticky',
  isCooperative: true,
  assign(members, partitionCounts) {
    const owners = ownersOf(members);
    const assignment = balanced(members, partitionCounts, owners);
    for (const [memberId, partitions] of assignment) {
      const kept = partitions.filter((one) => {
        const owner = owners.get(keyOf(one));
        return owner === undefined || owner === memberId;
      });
      assignment.set(memberId, kept);
    }
    return assignment;
  },
};

export const ASSIGNORS: readonly Assignor[] = [RANGE, ROUND_ROBIN, COOPERATIVE_STICKY];

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition} ${topic}`;
}

/** Who has what: of two that claim a partition the one of the later generation, of two of one generation neither. */
function ownersOf(members: readonly MemberSubscription[]): Map<string, string> {
  const claims = new Map<string, { memberId: string | undefined; generation: number }>();
  for (const { memberId, owned, generation } of members) {
    for (const one of owned) {
      const key = keyOf(one);
      const claim = claims.get(key);
      if (claim === undefined || generation > claim.generation) claims.set(key, { memberId, generation });
      else if (generation === claim.generation) claim.memberId = undefined;
    }
  }
  const owners = new Map<string, string>();
  for (const [key, { memberId }] of claims) if (memberId !== undefined) owners.set(key, memberId);
  return owners;
}

interface Load {
  readonly memberId: string;
  readonly topics: ReadonlySet<string>;
  readonly partitions: TopicPartition[];
}

/** Everybody keeps what is theirs; what is nobody's goes to who has least; then partitions move while that evens things out. */
function balanced(
  members: readonly MemberSubscription[],
  partitionCounts: ReadonlyMap<string, number>,
  owners: ReadonlyMap<string, string>,
): GroupAssignment {
  const loads: Load[] = inOrder(members).map(({ memberId, topics }) => ({
    memberId,
    topics: new Set(topics),
    partitions: [],
  }));
  const byId = new Map(loads.map((load) => [load.memberId, load]));
  const free: TopicPartition[] = [];
  for (const topic of wantedTopics(members, partitionCounts)) {
    for (let partition = 0; partition < partitionCounts.get(topic)!; partition++) {
      const one = { topic, partition };
      const owner = byId.get(owners.get(keyOf(one)) ?? '');
      if (owner?.topics.has(topic) === true) owner.partitions.push(one);
      else free.push(one);
    }
  }
  // What few can take is given first, so that it does not find them full.
  const takers = (topic: string): Load[] => loads.filter(({ topics }) => topics.has(topic));
  const takersOf = new Map([...partitionCounts.keys()].map((topic) => [topic, takers(topic)]));
  free.sort((a, b) => takersOf.get(a.topic)!.length - takersOf.get(b.topic)!.length);
  for (const one of free) least(takersOf.get(one.topic)!).partitions.push(one);
  evenOut(loads, takersOf);
  return new Map(loads.map(({ memberId, partitions }) => [memberId, partitions]));
}

function least(loads: readonly Load[]): Load {
  let found = loads[0]!;
  for (const load of loads) if (load.partitions.length < found.partitions.length) found = load;
  return found;
}

function evenOut(loads: readonly Load[], takersOf: ReadonlyMap<string, readonly Load[]>): void {
  for (let hasMoved = true; hasMoved;) {
    hasMoved = false;
    const fullestFirst = [...loads].sort((a, b) => b.partitions.length - a.partitions.length);
    for (const from of fullestFirst) {
      for (let at = from.partitions.length - 1; at >= 0; at--) {
        const to = least(takersOf.get(from.partitions[at]!.topic)!);
        if (from.partitions.length - to.partitions.length < 2) continue;
        to.partitions.push(...from.partitions.splice(at, 1));
        hasMoved = true;
      }
    }
  }
}

/**
 * Members of one classic consumer group. They join, share the partitions out, read, commit, leave, fall silent and come
 * back. What the group promises is checked here: a commit that was acknowledged is never moved back or forgotten, a
 * generation has one owner for each partition, and generations only rise.
 */
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { codec } from '../../src/protocol/compile.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../src/protocol/messages/08-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import { JoinGroupRequest, JoinGroupResponse } from '../../src/protocol/messages/11-join-group.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../src/protocol/messages/12-heartbeat.ts';
import { LeaveGroupRequest, LeaveGroupResponse } from '../../src/protocol/messages/13-leave-group.ts';
import { SyncGroupRequest, SyncGroupResponse } from '../../src/protocol/messages/14-sync-group.ts';
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription,
} from '../../src/protocol/records/consumer-protocol.ts';
import { Reader, Writer } from '../../src/protocol/wire.ts';
import type { Message } from '../../src/protocol/schema.ts';
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import type { Asking } from './asking.ts';
import { fetchOnce, positionAtStart, type Position } from './fetching.ts';
import type { PartitionHistory, SimTopic } from './history.ts';
import type { Stage } from './stage.ts';

const SESSION_TIMEOUT_MS = 6_000;
const HEARTBEAT_MS = 1_500;

/** What was promised about one group's offsets and generations. */
export class GroupHistory {
  readonly id: string;
  /** The members' topics; fsync ones, so that positions never have to go back. */
  readonly topics: readonly SimTopic[];
  /** The offsets survive a power cut: the broker's own durability is fsync. */
  readonly survivesPower: boolean;
  readonly committed = new Map<PartitionHistory, number>();
  readonly #owners = new Map<string, string>();
  #generation = -1;
  readonly #stage: Stage;

  constructor(stage: Stage, options: Pick<GroupHistory, 'id' | 'topics' | 'survivesPower'>) {
    this.#stage = stage;
    this.id = options.id;
    this.topics = options.topics;
    this.survivesPower = options.survivesPower;
  }

  get #isLossy(): boolean {
    return !this.survivesPower && this.#stage.history.powerCuts > 0;
  }

  commitAcked(partition: PartitionHistory, offset: number): void {
    this.committed.set(partition, Math.max(offset, this.committed.get(partition) ?? -1));
  }

  /** `least`: what had been acknowledged when the question was asked. */
  offsetFetched(partition: PartitionHistory, offset: number, least: number): void {
    if (offset >= least || this.#isLossy) return;
    this.#stage.history.anomaly(
      'commit lost',
      `${this.id}: ${partition.name} at ${offset}, committed ${least}`,
    );
  }

  synced(generation: number, member: string, owned: readonly PartitionHistory[]): void {
    if (this.#isLossy) return;
    if (generation < this.#generation) {
      this.#stage.history.anomaly(
        'generation went back',
        `${this.id}: ${this.#generation}, then ${generation}`,
      );
    }
    this.#generation = Math.max(generation, this.#generation);
    for (const partition of owned) {
      const key = `${generation} ${partition.name}`;
      const owner = this.#owners.get(key) ?? member;
      this.#owners.set(key, member);
      if (owner !== member) {
        this.#stage.history.anomaly('two owners', `${this.id} ${key}: ${owner} and ${member}`);
      }
    }
  }
}

interface Membership {
  readonly generationId: number;
  readonly memberId: string;
  readonly positions: Position[];
}

export async function runGroupMember(
  stage: Stage,
  group: GroupHistory,
  { name, random }: { readonly name: string; readonly random: SimulatedRandom },
): Promise<void> {
  const client = stage.client(name);
  let memberId = '';
  while (stage.phase !== 'over') {
    let membership: Membership | undefined;
    try {
      const joined = await join(stage, client, { group, memberId });
      memberId = joined.memberId;
      membership = joined.membership;
      if (membership !== undefined)
        memberId = await participate(stage, client, { group, membership, random });
    } catch (error) {
      stage.unknown('group', error);
    }
    await stage.sleep(random.between(50, 500));
    if (stage.phase === 'drain') continue;
    // Falls silent for so long that the group goes on without it, or comes back as somebody new.
    if (random.chance(0.1)) await stage.sleep(random.between(1_000, 2 * SESSION_TIMEOUT_MS));
    if (random.chance(0.2)) {
      client.disconnect();
      memberId = '';
    }
  }
}

async function join(
  stage: Stage,
  client: Asking,
  { group, memberId }: { group: GroupHistory; memberId: string },
): Promise<{ memberId: string; membership?: Membership }> {
  const { id: groupId } = group;
  const found = await client.request(FindCoordinatorRequest, FindCoordinatorResponse, 3, {
    key: groupId,
    coordinatorKeys: [],
  });
  stage.note('FindCoordinator', found.errorCode);
  if (found.errorCode !== Errors.NONE) return { memberId };
  const body = {
    groupId,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    rebalanceTimeoutMs: SESSION_TIMEOUT_MS,
    memberId,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription(group) }],
  };
  const joined = await client.request(JoinGroupRequest, JoinGroupResponse, 7, body, 3 * SESSION_TIMEOUT_MS);
  stage.note('JoinGroup', joined.errorCode);
  if (joined.errorCode === Errors.MEMBER_ID_REQUIRED) return { memberId: joined.memberId };
  if (joined.errorCode === Errors.UNKNOWN_MEMBER_ID) return { memberId: '' };
  if (joined.errorCode !== Errors.NONE) return { memberId };
  const { generationId, members } = joined;
  const isLeader = joined.leader === joined.memberId;
  const assignments = isLeader
    ? shareOut(
        group,
        members.map((member) => member.memberId),
      )
    : [];
  const synced = await client.request(SyncGroupRequest, SyncGroupResponse, 4, {
    groupId,
    generationId,
    memberId: joined.memberId,
    groupInstanceId: null,
    assignments,
  });
  stage.note('SyncGroup', synced.errorCode);
  if (synced.errorCode !== Errors.NONE) {
    return { memberId: synced.errorCode === Errors.UNKNOWN_MEMBER_ID ? '' : joined.memberId };
  }
  const owned = ownedBy(stage, group, synced.assignment);
  group.synced(generationId, joined.memberId, owned);
  const positions = owned.map((partition) => positionAtStart(partition));
  return { memberId: joined.memberId, membership: { generationId, memberId: joined.memberId, positions } };
}

/** Reads and commits until the group changes. The member id to come back with. */
async function participate(
  stage: Stage,
  client: Asking,
  { group, membership, random }: { group: GroupHistory; membership: Membership; random: SimulatedRandom },
): Promise<string> {
  const { memberId, generationId, positions } = membership;
  if (!(await fetchOffsets(stage, client, { group, positions }))) return memberId;
  let heartbeatAtMs = stage.time.nowMs() + HEARTBEAT_MS;
  while (stage.phase !== 'over') {
    if (positions.length > 0) await fetchOnce(stage, client, positions, random);
    else await stage.sleep(HEARTBEAT_MS);
    if (positions.length > 0 && random.chance(0.5)) {
      const errorCode = await commit(stage, client, { group, membership });
      if (errorCode === Errors.UNKNOWN_MEMBER_ID) return '';
      if (errorCode === Errors.ILLEGAL_GENERATION || errorCode === Errors.REBALANCE_IN_PROGRESS)
        return memberId;
    }
    if (stage.time.nowMs() >= heartbeatAtMs) {
      heartbeatAtMs = stage.time.nowMs() + HEARTBEAT_MS;
      const body = { groupId: group.id, generationId, memberId, groupInstanceId: null };
      const { errorCode } = await client.request(HeartbeatRequest, HeartbeatResponse, 4, body);
      stage.note('Heartbeat', errorCode);
      if (errorCode === Errors.UNKNOWN_MEMBER_ID) return '';
      if (errorCode !== Errors.NONE && errorCode !== Errors.COORDINATOR_LOAD_IN_PROGRESS) return memberId;
    }
    if (stage.phase === 'faults' && random.chance(0.01)) {
      await leave(stage, client, group.id, memberId);
      return '';
    }
    await stage.sleep(random.between(1, 300));
  }
  return memberId;
}

async function fetchOffsets(
  stage: Stage,
  client: Asking,
  { group, positions }: { group: GroupHistory; positions: readonly Position[] },
): Promise<boolean> {
  const least = new Map(positions.map(({ partition }) => [partition, group.committed.get(partition) ?? -1]));
  const answer = await client.request(OffsetFetchRequest, OffsetFetchResponse, 7, {
    groupId: group.id,
    topics: positions.map(({ partition }) => ({
      name: partition.topic.name,
      partitionIndexes: [partition.partition],
    })),
    groups: [],
    requireStable: true,
  });
  stage.note('OffsetFetch', answer.errorCode);
  if (answer.errorCode !== Errors.NONE) return false;
  for (const { name, partitions } of answer.topics) {
    for (const { partitionIndex, committedOffset, errorCode } of partitions) {
      if (errorCode !== Errors.NONE) return false;
      const position = positions.find(
        ({ partition }) => partition.topic.name === name && partition.partition === partitionIndex,
      )!;
      group.offsetFetched(position.partition, committedOffset, least.get(position.partition)!);
      position.offset = committedOffset >= 0 ? committedOffset : undefined;
    }
  }
  return true;
}

async function commit(
  stage: Stage,
  client: Asking,
  { group, membership }: { group: GroupHistory; membership: Membership },
): Promise<number> {
  const ready = membership.positions.filter(({ offset }) => offset !== undefined);
  const offsets = ready.map(({ offset }) => offset!);
  const answer = await client.request(OffsetCommitRequest, OffsetCommitResponse, 8, {
    groupId: group.id,
    generationIdOrMemberEpoch: membership.generationId,
    memberId: membership.memberId,
    groupInstanceId: null,
    topics: group.topics.map(({ name }) => ({
      name,
      topicId: ZERO_UUID,
      partitions: ready.flatMap(({ partition }, index) =>
        partition.topic.name === name
          ? [
              {
                partitionIndex: partition.partition,
                committedOffset: offsets[index]!,
                committedMetadata: null,
              },
            ]
          : [],
      ),
    })),
  });
  let worst: number = Errors.NONE;
  for (const { name, partitions } of answer.topics) {
    for (const { partitionIndex, errorCode } of partitions) {
      stage.note('OffsetCommit', errorCode);
      const index = ready.findIndex(
        ({ partition }) => partition.topic.name === name && partition.partition === partitionIndex,
      );
      if (errorCode === Errors.NONE) group.commitAcked(ready[index]!.partition, offsets[index]!);
      else worst = errorCode;
    }
  }
  return worst;
}

async function leave(stage: Stage, client: Asking, groupId: string, memberId: string): Promise<void> {
  const body = { groupId, memberId: '', members: [{ memberId, groupInstanceId: null, reason: null }] };
  const { errorCode } = await client.request(LeaveGroupRequest, LeaveGroupResponse, 4, body);
  stage.note('LeaveGroup', errorCode);
}

// --- What members say to each other

function shareOut(group: GroupHistory, memberIds: readonly string[]) {
  const shares = memberIds.map((memberId) => ({ memberId, topics: new Map<string, number[]>() }));
  let next = 0;
  for (const topic of group.topics) {
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      const { topics } = shares[next++ % shares.length]!;
      topics.set(topic.name, [...(topics.get(topic.name) ?? []), partition]);
    }
  }
  return shares.map(({ memberId, topics }) => {
    const assignedPartitions = [...topics].map(([topic, partitions]) => ({ topic, partitions }));
    return { memberId, assignment: encode(ConsumerProtocolAssignment, { assignedPartitions }) };
  });
}

function ownedBy(stage: Stage, group: GroupHistory, assignment: Buffer): PartitionHistory[] {
  if (assignment.length === 0) return [];
  const reader = new Reader(assignment);
  reader.int16();
  const { assignedPartitions } = codec(ConsumerProtocolAssignment, 0).read(reader);
  return assignedPartitions.flatMap(({ topic, partitions }) => {
    const known = group.topics.find(({ name }) => name === topic)!;
    return partitions.map((partition) => stage.history.partition(known, partition));
  });
}

function subscription(group: GroupHistory): Buffer {
  return encode(ConsumerProtocolSubscription, {
    topics: group.topics.map(({ name }) => name),
    ownedPartitions: [],
  });
}

function encode<R, W>(message: Message<R, W>, value: W): Buffer {
  const writer = new Writer();
  writer.int16(0);
  codec(message, 0).write(writer, value);
  return writer.toBuffer();
}

/**
 * A classic group (the rebalance protocol of JoinGroup and SyncGroup) and its members, as Kafka's ClassicGroup. Its
 * generation, members and assignment are written to the log when a generation is complete; what goes on between two
 * complete generations is soft: members join again after a failover.
 */
import { assert } from '../../base/assert.ts';
import type { Ticket } from '../../coordinator/machine.ts';
import { Errors } from '../../protocol/errors.ts';
import type { JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { GroupMetadataValue } from '../../protocol/records/group.ts';
import { CONSUMER_PROTOCOL_TYPE, subscribedTopics } from './consumer-subscription.ts';

/** As DescribeGroups and ListGroups name them. A group that is not known counts as Dead. */
export type ClassicGroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

export interface ClassicMember {
  readonly memberId: string;
  /** Null: a dynamic member. */
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly protocolType: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  /** In order of preference; copies, not views of a request. */
  protocols: readonly MemberProtocol[];
  assignment: Buffer;
  /** True until its first JoinGroup is answered: such a member cannot send heartbeats yet. */
  isNew: boolean;
  awaitingJoin: Ticket<JoinGroupResponse> | undefined;
  awaitingSync: Ticket<SyncGroupResponse> | undefined;
}

export const NO_ASSIGNMENT: Buffer = Buffer.alloc(0);

export class ClassicGroup {
  readonly groupType = 'classic';
  readonly groupId: string;
  generationId = 0;
  /** Undefined until the first member joins; a group without one only has offsets (a "simple" group). */
  protocolType: string | undefined = undefined;
  protocolName: string | undefined = undefined;
  leaderId: string | undefined = undefined;
  /** When the state was entered, ms since the epoch; undefined in groups that old brokers have written. */
  stateTimestampMs: number | undefined;
  readonly members = new Map<string, ClassicMember>();
  /** Member ids that were handed out with MEMBER_ID_REQUIRED and have not come back yet. */
  readonly pendingJoins = new Set<string>();
  /** Members of this generation that have not sent SyncGroup. */
  readonly pendingSyncs = new Set<string>();
  /** Somebody came during the initial rebalance delay: it is prolonged. */
  newMemberAdded = false;
  /** Undefined: not known, for this is no consumer group or its subscriptions could not be read. */
  subscribedTopics: ReadonlySet<string> | undefined = undefined;
  #state: ClassicGroupState = 'Empty';
  #previousState: ClassicGroupState = 'Dead';
  readonly #staticMembers = new Map<string, string>();
  readonly #supporters = new Map<string, number>();
  #awaitingJoins = 0;

  constructor(groupId: string, nowMs: number | undefined) {
    this.groupId = groupId;
    this.stateTimestampMs = nowMs;
  }

  get state(): ClassicGroupState {
    return this.#state;
  }

  get previousState(): ClassicGroupState {
    return this.#previousState;
  }

  get isEmpty(): boolean {
    return this.#state === 'Empty';
  }

  get awaitingJoins(): number {
    return this.#awaitingJoins;
  }

  get hasAllMembersJoined(): boolean {
    return this.members.size === this.#awaitingJoins && this.pendingJoins.size === 0;
  }

  /** The longest that any member asks for. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
    return longest;
  }

  get usesConsumerProtocol(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL_TYPE;
  }

  isSubscribedTo(topic: string): boolean {
    return this.subscribedTopics?.has(topic) ?? this.usesConsumerProtocol;
  }

  enter(state: ClassicGroupState, nowMs: number): void {
    assert(FROM[state].includes(this.#state), `a group goes from ${this.#state} to ${state}`);
    this.#previousState = this.#state;
    this.#state = state;
    this.stateTimestampMs = nowMs;
  }

  canRebalance(): boolean {
    return FROM.PreparingRebalance.includes(this.#state);
  }

  staticMemberId(groupInstanceId: string): string | undefined {
    return this.#staticMembers.get(groupInstanceId);
  }

  add(member: ClassicMember): void {
    const { memberId, groupInstanceId } = member;
    if (groupInstanceId !== null) {
      assert(!this.#staticMembers.has(groupInstanceId), 'a group instance id has one member');
      this.#staticMembers.set(groupInstanceId, memberId);
    }
    if (this.members.size === 0) this.protocolType = member.protocolType;
    assert(this.protocolType === member.protocolType, 'a member has the protocol type of its group');
    this.leaderId ??= memberId;
    this.members.set(memberId, member);
    this.#support(member, 1);
    if (member.awaitingJoin !== undefined) this.#awaitingJoins++;
    this.pendingJoins.delete(memberId);
  }

  /** Takes a member, or one that is only pending, out of everything. Who waits has been answered before. */
  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member !== undefined) {
      assert(member.awaitingJoin === undefined && member.awaitingSync === undefined, 'nobody goes who waits');
      this.members.delete(memberId);
      this.#support(member, -1);
      if (member.groupInstanceId !== null) this.#staticMembers.delete(member.groupInstanceId);
    }
    if (this.leaderId === memberId) this.leaderId = this.members.keys().next().value;
    this.pendingJoins.delete(memberId);
    this.pendingSyncs.delete(memberId);
  }

  /** A static member came back under a new member id: the same member otherwise. Its old self no longer waits. */
  replaceStaticMember(oldMemberId: string, newMemberId: string): ClassicMember {
    const old = this.members.get(oldMemberId);
    assert(old !== undefined && old.groupInstanceId !== null, 'a static member is replaced by itself');
    assert(old.awaitingJoin === undefined, 'the old self has been answered');
    const member: ClassicMember = { ...old, memberId: newMemberId, awaitingSync: undefined, isNew: false };
    this.members.delete(oldMemberId);
    this.members.set(newMemberId, member);
    if (this.leaderId === oldMemberId) this.leaderId = newMemberId;
    if (this.pendingSyncs.delete(oldMemberId)) this.pendingSyncs.add(newMemberId);
    this.#staticMembers.set(old.groupInstanceId, newMemberId);
    return member;
  }

  update(
    member: ClassicMember,
    to: Pick<ClassicMember, 'protocols' | 'rebalanceTimeoutMs' | 'sessionTimeoutMs'>,
  ): void {
    this.#support(member, -1);
    member.protocols = to.protocols;
    member.rebalanceTimeoutMs = to.rebalanceTimeoutMs;
    member.sessionTimeoutMs = to.sessionTimeoutMs;
    this.#support(member, 1);
  }

  awaitJoin(member: ClassicMember, ticket: Ticket<JoinGroupResponse> | undefined): void {
    this.#awaitingJoins += Number(ticket !== undefined) - Number(member.awaitingJoin !== undefined);
    member.awaitingJoin = ticket;
  }

  /** The current leader if it has joined, else one that has. False: nobody has joined. */
  electJoinedLeader(): boolean {
    if (this.leaderId === undefined) return false;
    if (this.members.get(this.leaderId)!.awaitingJoin !== undefined) return true;
    for (const member of this.members.values()) {
      if (member.awaitingJoin === undefined) continue;
      this.leaderId = member.memberId;
      return true;
    }
    return false;
  }

  supportsProtocols(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.isEmpty) return protocolType !== '' && protocols.length > 0;
    if (this.protocolType !== protocolType) return false;
    return protocols.some(({ name }) => (this.#supporters.get(name) ?? 0) === this.members.size);
  }

  /** The protocol that all members support and most of them prefer. */
  selectProtocol(): string {
    const votes = new Map<string, number>();
    for (const { protocols } of this.members.values()) {
      const vote = protocols.find(({ name }) => this.#supporters.get(name) === this.members.size);
      assert(vote !== undefined, 'all members have a protocol in common');
      votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1);
    }
    let selected = '';
    for (const [name, count] of votes) if (count > (votes.get(selected) ?? 0)) selected = name;
    assert(selected !== '', 'a group with members selects a protocol');
    return selected;
  }

  nextGeneration(nowMs: number): void {
    this.generationId++;
    this.protocolName = this.members.size > 0 ? this.selectProtocol() : undefined;
    this.computeSubscribedTopics();
    this.enter(this.members.size > 0 ? 'CompletingRebalance' : 'Empty', nowMs);
    this.pendingSyncs.clear();
  }

  computeSubscribedTopics(): void {
    this.subscribedTopics = this.usesConsumerProtocol ? this.#topicsOfMembers() : undefined;
  }

  #topicsOfMembers(): ReadonlySet<string> | undefined {
    if (this.members.size > 0 && this.protocolName === undefined) return undefined;
    const topics = new Set<string>();
    for (const member of this.members.values()) {
      const own = subscribedTopics(metadataFor(member, this.protocolName!));
      if (own === undefined) return undefined;
      for (const topic of own) topics.add(topic);
    }
    return topics;
  }

  #support(member: ClassicMember, change: number): void {
    for (const name of new Set(member.protocols.map((protocol) => protocol.name))) {
      this.#supporters.set(name, (this.#supporters.get(name) ?? 0) + change);
    }
  }

  /** What is written when a generation is complete, with these assignments by member id. */
  toMetadata(assignments: ReadonlyMap<string, Buffer>): GroupMetadataValue {
    return {
      protocolType: this.protocolType ?? '',
      generation: this.generationId,
      protocol: this.protocolName ?? null,
      leader: this.leaderId ?? null,
      currentStateTimestamp: this.stateTimestampMs ?? -1,
      members: [...this.members.values()].map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: metadataFor(member, this.protocolName!),
        assignment: assignments.get(member.memberId) ?? NO_ASSIGNMENT,
      })),
    };
  }

  static fromMetadata(groupId: string, value: GroupMetadataValue): ClassicGroup {
    const timestampMs = value.currentStateTimestamp;
    const group = new ClassicGroup(groupId, timestampMs === -1 ? undefined : timestampMs);
    group.generationId = value.generation;
    group.protocolType = value.protocolType === '' ? undefined : value.protocolType;
    group.protocolName = value.protocol ?? undefined;
    group.leaderId = value.leader ?? undefined;
    for (const member of value.members) {
      group.add({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        protocolType: value.protocolType,
        rebalanceTimeoutMs: member.rebalanceTimeout === -1 ? member.sessionTimeout : member.rebalanceTimeout,
        sessionTimeoutMs: member.sessionTimeout,
        protocols: [{ name: value.protocol ?? '', metadata: Buffer.from(member.subscription) }],
        assignment: Buffer.from(member.assignment),
        isNew: false,
        awaitingJoin: undefined,
        awaitingSync: undefined,
      });
    }
    if (value.members.length > 0) group.#state = 'Stable';
    group.computeSubscribedTopics();
    return group;
  }
}

/** From which states a state can be entered. */
const FROM: Readonly<Record<ClassicGroupState, readonly ClassicGroupState[]>> = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Stable', 'CompletingRebalance', 'Empty'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: ['Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable', 'Dead'],
};

/** What the member said under this protocol name. */
export function metadataFor(member: ClassicMember, protocolName: string): Buffer {
  const protocol = member.protocols.find(({ name }) => name === protocolName);
  assert(protocol !== undefined, "a member supports its group's protocol");
  return protocol.metadata;
}

export function haveSameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, metadata }, i) => name === b[i].name && metadata.equals(b[i].metadata))
  );
}

/** 0, or why this is not a member: UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID when its instance id has another one by now. */
export function checkMember(group: ClassicGroup, memberId: string, groupInstanceId: string | null): number {
  if (groupInstanceId !== null) {
    const existing = group.staticMemberId(groupInstanceId);
    if (existing === undefined) return Errors.UNKNOWN_MEMBER_ID;
    if (existing !== memberId) return Errors.FENCED_INSTANCE_ID;
  }
  return group.members.has(memberId) ? Errors.NONE : Errors.UNKNOWN_MEMBER_ID;
}

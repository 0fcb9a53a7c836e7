/**
 * How a classic group gets from one generation to the next: all members are asked to join again, those who do form the
 * next generation, its leader assigns, and the assignment is written. The steps and their order are those of Kafka's
 * GroupMetadataManager.
 */
import { Errors } from '../../protocol/errors.ts';
import { groupMetadataRecord } from '../group-records.ts';
import type { GroupTurn } from '../events.ts';
import type { GroupState } from '../group-state.ts';
import { NO_ASSIGNMENT, type ClassicGroup, type ClassicMember } from './classic-group.ts';
import { answerJoin, answerSync, joined, joinRefused, syncRefused, synced } from './responses.ts';

/** How long a member that has joined for the first time is kept without a sign of life: its JoinGroup may be waiting. */
export const NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000;

export function sessionKey(groupId: string, memberId: string): string {
  return `session/${groupId}/${memberId}`;
}
export function joinKey(groupId: string): string {
  return `join/${groupId}`;
}
export function syncKey(groupId: string): string {
  return `sync/${groupId}`;
}

/** A sign of life: the member's session begins anew. */
export function renewSession(
  turn: GroupTurn,
  group: ClassicGroup,
  member: ClassicMember,
  timeoutMs = member.sessionTimeoutMs,
): void {
  const { groupId } = group;
  const { memberId } = member;
  turn.schedule(sessionKey(groupId, memberId), timeoutMs, { type: 'session', groupId, memberId });
}

/** Members have changed: a rebalance begins, or one that is under way may be complete by now. */
export function rebalanceOrCompleteJoin(state: GroupState, turn: GroupTurn, group: ClassicGroup): void {
  if (group.canRebalance()) prepareRebalance(state, turn, group);
  else completeJoinIfAllJoined(turn, group);
}

export function prepareRebalance(state: GroupState, turn: GroupTurn, group: ClassicGroup): void {
  const { groupId } = group;
  if (group.state === 'CompletingRebalance') resetAssignment(turn, group, Errors.REBALANCE_IN_PROGRESS);
  group.pendingSyncs.clear();
  turn.cancel(syncKey(groupId));
  const isInitial = group.isEmpty;
  group.enter('PreparingRebalance', turn.nowMs);
  if (isInitial) {
    // The group is new or has been empty: others are likely to come soon, so wait for them.
    const { initialRebalanceDelayMs: delayMs } = state.settings().groups.classic;
    const remainingMs = Math.max(group.rebalanceTimeoutMs - delayMs, 0);
    turn.schedule(joinKey(groupId), delayMs, { type: 'initialJoin', groupId, delayMs, remainingMs });
  } else if (group.hasAllMembersJoined) {
    completeJoin(turn, group);
  } else {
    turn.schedule(joinKey(groupId), group.rebalanceTimeoutMs, { type: 'join', groupId });
  }
}

/** After a change while members are joining. An initial rebalance waits for its delay, whoever comes or goes. */
export function completeJoinIfAllJoined(turn: GroupTurn, group: ClassicGroup): void {
  if (group.state !== 'PreparingRebalance' || group.previousState === 'Empty') return;
  if (group.hasAllMembersJoined) completeJoin(turn, group);
}

/** The initial rebalance delay is over: once more if somebody came meanwhile and the rebalance timeout allows. */
export function initialDelayOver(
  state: GroupState,
  turn: GroupTurn,
  group: ClassicGroup,
  delay: { readonly delayMs: number; readonly remainingMs: number },
): void {
  if (!group.newMemberAdded || delay.remainingMs === 0) {
    completeJoin(turn, group);
    return;
  }
  group.newMemberAdded = false;
  const { groupId } = group;
  const delayMs = Math.min(state.settings().groups.classic.initialRebalanceDelayMs, delay.remainingMs);
  const remainingMs = Math.max(delay.remainingMs - delay.delayMs, 0);
  turn.schedule(joinKey(groupId), delayMs, { type: 'initialJoin', groupId, delayMs, remainingMs });
}

/** Ends the join phase: those who have joined form the next generation. */
export function completeJoin(turn: GroupTurn, group: ClassicGroup): void {
  const { groupId } = group;
  turn.cancel(joinKey(groupId));
  // Static members may be away for a while without losing their place: only their session removes them.
  for (const member of group.members.values()) {
    if (member.awaitingJoin !== undefined || member.groupInstanceId !== null) continue;
    group.remove(member.memberId);
    turn.cancel(sessionKey(groupId, member.memberId));
  }
  if (!group.electJoinedLeader() && group.members.size > 0) {
    // Only static members are left, and none has joined: wait until one does or their sessions end.
    turn.schedule(joinKey(groupId), group.rebalanceTimeoutMs, { type: 'join', groupId });
    return;
  }
  group.newMemberAdded = false;
  group.nextGeneration(turn.nowMs);
  if (group.isEmpty) {
    turn.append(groupMetadataRecord(groupId, group.toMetadata(new Map())));
    turn.withoutReplay();
    return;
  }
  for (const member of group.members.values()) {
    answerJoin(turn, group, member, joined(group, member.memberId));
    renewSession(turn, group, member);
    member.isNew = false;
    group.pendingSyncs.add(member.memberId);
  }
  const { generationId } = group;
  turn.schedule(syncKey(groupId), group.rebalanceTimeoutMs, { type: 'sync', groupId, generationId });
}

/** Members of this generation have not sent SyncGroup within the rebalance timeout: they are out. */
export function pendingSyncsExpired(
  state: GroupState,
  turn: GroupTurn,
  group: ClassicGroup,
  generationId: number,
): void {
  if (generationId !== group.generationId || group.pendingSyncs.size === 0) return;
  if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return;
  for (const memberId of group.pendingSyncs) {
    removeMember(turn, group, memberId);
    turn.cancel(sessionKey(group.groupId, memberId));
  }
  prepareRebalance(state, turn, group);
}

/** Nobody heard of this member for its session timeout. */
export function sessionExpired(
  state: GroupState,
  turn: GroupTurn,
  group: ClassicGroup,
  memberId: string,
): void {
  if (group.pendingJoins.has(memberId)) {
    group.remove(memberId);
    completeIfRestHasJoined(turn, group);
    return;
  }
  const member = group.members.get(memberId);
  if (member === undefined) return;
  // A member whose request is waiting here is alive, except before its first answer: it may have been given up long ago.
  if (!member.isNew && (member.awaitingJoin !== undefined || member.awaitingSync !== undefined)) return;
  removeMember(turn, group, memberId);
  if (group.state === 'Stable' || group.state === 'CompletingRebalance') {
    rebalanceOrCompleteJoin(state, turn, group);
  } else {
    completeIfRestHasJoined(turn, group);
  }
}

function completeIfRestHasJoined(turn: GroupTurn, group: ClassicGroup): void {
  if (group.state === 'PreparingRebalance' && group.hasAllMembersJoined) completeJoin(turn, group);
}

/** Takes a member out. Whatever it waits for is answered: it may well be alive, and will join again. */
export function removeMember(turn: GroupTurn, group: ClassicGroup, memberId: string): void {
  const member = group.members.get(memberId);
  if (member !== undefined) {
    answerJoin(turn, group, member, joinRefused(Errors.UNKNOWN_MEMBER_ID, ''));
    answerSync(turn, member, syncRefused(Errors.UNKNOWN_MEMBER_ID));
  }
  group.remove(memberId);
}

/** The generation is not to be: members that wait for their assignment get the error. */
export function resetAssignment(turn: GroupTurn, group: ClassicGroup, errorCode: number): void {
  for (const member of group.members.values()) {
    member.assignment = NO_ASSIGNMENT;
    if (answerSync(turn, member, syncRefused(errorCode))) renewSession(turn, group, member);
  }
}

/** The leader's assignment is committed: all members get theirs. */
export function distributeAssignment(
  turn: GroupTurn,
  group: ClassicGroup,
  assignments: ReadonlyMap<string, Buffer>,
): void {
  for (const member of group.members.values()) {
    member.assignment = assignments.get(member.memberId) ?? NO_ASSIGNMENT;
    // While it waited its session was not watched, so it begins now.
    if (answerSync(turn, member, synced(group, member.assignment))) renewSession(turn, group, member);
  }
  group.enter('Stable', turn.nowMs);
}

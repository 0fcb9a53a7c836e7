/** JoinGroup for classic groups (KIP-62, KIP-345 static members, KIP-394 member ids, KIP-814 skipped assignments). */
import { assert } from '../../base/assert.ts';
import type { Ticket } from '../../coordinator/machine.ts';
import { Errors } from '../../protocol/errors.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { GroupEvent, GroupTurn } from '../events.ts';
import { groupMetadataRecord } from '../group-records.ts';
import type { GroupState } from '../group-state.ts';
import {
  checkMember,
  ClassicGroup,
  haveSameProtocols,
  NO_ASSIGNMENT,
  type ClassicMember,
} from './classic-group.ts';
import {
  completeJoinIfAllJoined,
  joinKey,
  NEW_MEMBER_JOIN_TIMEOUT_MS,
  prepareRebalance,
  rebalanceOrCompleteJoin,
  renewSession,
  sessionKey,
} from './rebalance.ts';
import { answerJoin, answerSync, joined, joinRefused, syncRefused } from './responses.ts';

/** From this version on a dynamic member must come back with the id it is given (KIP-394). */
const KNOWN_MEMBER_ID_SINCE = 4;
/** From this version on a static leader can be told to keep its assignment (KIP-814). */
const SKIP_ASSIGNMENT_SINCE = 9;

/** Member ids of one group that were handed out and may still come back; each is kept for its session timeout. */
export const PENDING_JOINS_MAX = 10_000;

/** One JoinGroup: the request as it came, who sent it, and who is to be answered, now or when the group is complete. */
export interface Joining {
  readonly request: JoinGroupRequest;
  readonly apiVersion: number;
  readonly clientId: string;
  readonly clientHost: string;
  readonly ticket: Ticket<JoinGroupResponse>;
}

/**
 * Errors: UNKNOWN_MEMBER_ID, MEMBER_ID_REQUIRED, FENCED_INSTANCE_ID, INCONSISTENT_GROUP_PROTOCOL, GROUP_MAX_SIZE_REACHED.
 * The caller has checked the group id and the session timeout.
 */
export function joinGroup(state: GroupState, turn: GroupTurn, joining: Joining): void {
  const { request, ticket } = joining;
  const { groupId, memberId } = request;
  const existing = state.groups.get(groupId);
  if (existing === undefined && memberId !== '') {
    turn.answer(ticket, joinRefused(Errors.UNKNOWN_MEMBER_ID, memberId));
    return;
  }
  const group = existing ?? new ClassicGroup(groupId, turn.nowMs);
  if (!hasRoomFor(group, memberId, state.settings().groups.classic.maxSize)) {
    group.remove(memberId);
    turn.answer(ticket, joinRefused(Errors.GROUP_MAX_SIZE_REACHED, ''));
    completeJoinIfAllJoined(turn, group);
  } else if (!group.supportsProtocols(request.protocolType, request.protocols)) {
    turn.answer(ticket, joinRefused(Errors.INCONSISTENT_GROUP_PROTOCOL, memberId));
  } else {
    if (existing === undefined) create(state, turn, group, ticket);
    if (memberId === '') joinNewMember(state, turn, group, joining);
    else joinKnownMember(state, turn, group, joining);
  }
}

/** The group is known from here on, and after a failover too: an empty generation 0 says so. */
function create(
  state: GroupState,
  turn: GroupTurn,
  group: ClassicGroup,
  ticket: Ticket<JoinGroupResponse>,
): void {
  state.groups.set(group.groupId, group);
  turn.append(
    groupMetadataRecord(group.groupId, {
      protocolType: '',
      generation: 0,
      protocol: null,
      leader: null,
      currentStateTimestamp: turn.nowMs,
      members: [],
    }),
  );
  turn.withoutReplay();
  turn.whenSettled({ type: 'groupCreated', group, ticket });
}

/** The record of a new group is committed, or not: then the group is gone again, and all who joined it have to know. */
export function groupCreated(
  state: GroupState,
  turn: GroupTurn,
  event: GroupEvent & { readonly type: 'groupCreated' },
  errorCode: number,
): void {
  const { group, ticket } = event;
  // Not committed in time is not the same as not written: then the group stays, and its members go on.
  if (errorCode === Errors.NONE || state.groups.get(group.groupId) === group) return;
  turn.cancel(joinKey(group.groupId));
  for (const memberId of group.pendingJoins) turn.cancel(sessionKey(group.groupId, memberId));
  for (const member of group.members.values()) {
    turn.cancel(sessionKey(group.groupId, member.memberId));
    answerJoin(turn, group, member, joinRefused(errorCode, ''));
  }
  turn.answer(ticket, joinRefused(errorCode, ''));
}

/**
 * Members that are in keep their place; others get one while the group is below its maximum. While members are joining
 * those who wait are counted instead of the members, so that the last to come are turned away when the maximum shrinks.
 */
function hasRoomFor(group: ClassicGroup, memberId: string, maxSize: number): boolean {
  if (group.isEmpty) return true;
  if (group.state === 'PreparingRebalance') {
    return group.members.get(memberId)?.awaitingJoin !== undefined || group.awaitingJoins < maxSize;
  }
  return group.members.has(memberId) || group.members.size < maxSize;
}

function joinNewMember(state: GroupState, turn: GroupTurn, group: ClassicGroup, joining: Joining): void {
  const { request, clientId, ticket } = joining;
  const { groupInstanceId } = request;
  const newMemberId = `${groupInstanceId ?? clientId}-${state.newId()}`;
  if (groupInstanceId !== null) {
    const existing = group.staticMemberId(groupInstanceId);
    if (existing === undefined) addMember(state, turn, group, joining, newMemberId);
    else replaceStaticMember(state, turn, group, joining, { oldMemberId: existing, newMemberId });
  } else if (joining.apiVersion >= KNOWN_MEMBER_ID_SINCE) {
    if (group.pendingJoins.size >= PENDING_JOINS_MAX) {
      turn.answer(ticket, joinRefused(Errors.GROUP_MAX_SIZE_REACHED, ''));
      return;
    }
    const { groupId } = group;
    group.pendingJoins.add(newMemberId);
    turn.schedule(sessionKey(groupId, newMemberId), request.sessionTimeoutMs, {
      type: 'session',
      groupId,
      memberId: newMemberId,
    });
    turn.answer(ticket, joinRefused(Errors.MEMBER_ID_REQUIRED, newMemberId));
  } else {
    addMember(state, turn, group, joining, newMemberId);
  }
}

function joinKnownMember(state: GroupState, turn: GroupTurn, group: ClassicGroup, joining: Joining): void {
  const { request, ticket } = joining;
  const { memberId, groupInstanceId, protocols } = request;
  if (group.pendingJoins.has(memberId) && groupInstanceId === null) {
    addMember(state, turn, group, joining, memberId);
    return;
  }
  const errorCode = checkMember(group, memberId, groupInstanceId);
  if (errorCode !== Errors.NONE) {
    turn.answer(ticket, joinRefused(errorCode, memberId));
    return;
  }
  const member = group.members.get(memberId)!;
  const isUnchanged = haveSameProtocols(member.protocols, protocols);
  switch (group.state) {
    case 'CompletingRebalance':
      // Most likely the answer to its JoinGroup was lost: the generation stands.
      if (isUnchanged) turn.answer(ticket, joined(group, memberId));
      else rejoin(state, turn, group, joining, member);
      return;
    case 'Stable':
      // The leader joins again when something that no metadata shows calls for another assignment.
      if (isUnchanged && group.leaderId !== memberId) turn.answer(ticket, joined(group, memberId));
      else rejoin(state, turn, group, joining, member);
      return;
    case 'PreparingRebalance':
      rejoin(state, turn, group, joining, member);
      return;
    default:
      turn.answer(ticket, joinRefused(Errors.UNKNOWN_MEMBER_ID, memberId));
  }
}

function rejoin(
  state: GroupState,
  turn: GroupTurn,
  group: ClassicGroup,
  joining: Joining,
  member: ClassicMember,
): void {
  group.update(member, membership(joining));
  // The client gave up an earlier JoinGroup of the same member if it sends another one.
  answerJoin(turn, group, member, joinRefused(Errors.REBALANCE_IN_PROGRESS, member.memberId));
  group.awaitJoin(member, joining.ticket);
  rebalanceOrCompleteJoin(state, turn, group);
}

function addMember(
  state: GroupState,
  turn: GroupTurn,
  group: ClassicGroup,
  joining: Joining,
  memberId: string,
): void {
  const { request, ticket } = joining;
  if (group.state === 'PreparingRebalance' && group.previousState === 'Empty') group.newMemberAdded = true;
  const member: ClassicMember = {
    memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: joining.clientId,
    clientHost: joining.clientHost,
    protocolType: request.protocolType,
    ...membership(joining),
    assignment: NO_ASSIGNMENT,
    isNew: true,
    awaitingJoin: ticket,
    awaitingSync: undefined,
  };
  group.add(member);
  // It sends no heartbeats until it is answered, which may take as long as others need to join.
  renewSession(turn, group, member, NEW_MEMBER_JOIN_TIMEOUT_MS);
  rebalanceOrCompleteJoin(state, turn, group);
}

/** What a JoinGroup says of the member, in copies: the request's bytes are views of its frame. */
function membership({
  request,
  apiVersion,
}: Joining): Pick<ClassicMember, 'protocols' | 'rebalanceTimeoutMs' | 'sessionTimeoutMs'> {
  const { sessionTimeoutMs } = request;
  return {
    protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
    rebalanceTimeoutMs: apiVersion === 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
    sessionTimeoutMs,
  };
}

/** A static member came back without its member id, most likely restarted (KIP-345). Its old self is fenced. */
function replaceStaticMember(
  state: GroupState,
  turn: GroupTurn,
  group: ClassicGroup,
  joining: Joining,
  ids: { readonly oldMemberId: string; readonly newMemberId: string },
): void {
  assert(!group.isEmpty, 'an empty group has no static members');
  const { oldMemberId, newMemberId } = ids;
  const leaderId = group.leaderId!;
  const old = group.members.get(oldMemberId)!;
  const before = {
    protocols: old.protocols,
    rebalanceTimeoutMs: old.rebalanceTimeoutMs,
    sessionTimeoutMs: old.sessionTimeoutMs,
  };
  answerJoin(turn, group, old, joinRefused(Errors.FENCED_INSTANCE_ID, oldMemberId));
  answerSync(turn, old, syncRefused(Errors.FENCED_INSTANCE_ID));
  const member = group.replaceStaticMember(oldMemberId, newMemberId);
  turn.cancel(sessionKey(group.groupId, oldMemberId));
  renewSession(turn, group, member);
  group.update(member, membership(joining));
  group.awaitJoin(member, joining.ticket);
  if (group.state === 'Stable') {
    if (group.selectProtocol() !== group.protocolName) {
      rebalanceOrCompleteJoin(state, turn, group);
      return;
    }
    // No rebalance, but the new id is written (KAFKA-9801): after a failover the member would be unknown otherwise.
    const assignments = new Map([...group.members.values()].map((each) => [each.memberId, each.assignment]));
    turn.append(groupMetadataRecord(group.groupId, group.toMetadata(assignments)));
    turn.withoutReplay();
    const canSkipAssignment = joining.apiVersion >= SKIP_ASSIGNMENT_SINCE;
    turn.whenSettled({
      type: 'staticMemberReplaced',
      group,
      oldMemberId,
      newMemberId,
      leaderId,
      before,
      canSkipAssignment,
    });
  } else if (group.state === 'CompletingRebalance') {
    // The leader may be assigning to the old id right now: the new one would come away empty-handed.
    prepareRebalance(state, turn, group);
  } else {
    completeJoinIfAllJoined(turn, group);
  }
}

/** The new member id is committed, or it is not: then the old one is back. */
export function staticMemberReplaced(
  turn: GroupTurn,
  event: GroupEvent & { readonly type: 'staticMemberReplaced' },
  errorCode: number,
): void {
  const { group, oldMemberId, newMemberId } = event;
  const member = group.members.get(newMemberId);
  // Something else may have happened to the group meanwhile: a rebalance answers the member when it is complete, and
  // writes its id then.
  if (member === undefined || group.state !== 'Stable') return;
  if (errorCode !== Errors.NONE) {
    const failed = { ...joined(group, ''), errorCode, leader: event.leaderId, members: [] };
    answerJoin(turn, group, member, failed);
    answerSync(turn, member, syncRefused(errorCode));
    group.update(member, event.before);
    renewSession(turn, group, group.replaceStaticMember(newMemberId, oldMemberId));
    turn.cancel(sessionKey(group.groupId, newMemberId));
    return;
  }
  if (event.canSkipAssignment) {
    const skipAssignment = group.leaderId === newMemberId;
    answerJoin(turn, group, member, joined(group, newMemberId, { skipAssignment }));
  } else {
    // Clients before v9 would assign anew when told that they lead, so they are told of the leader's old id.
    answerJoin(turn, group, member, { ...joined(group, newMemberId), leader: event.leaderId, members: [] });
  }
}

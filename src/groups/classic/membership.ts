/** Heartbeat and LeaveGroup for classic groups. */
import { Errors } from '../../protocol/errors.ts';
import type { HeartbeatRequest } from '../../protocol/messages/12-heartbeat.ts';
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/13-leave-group.ts';
import type { GroupTurn } from '../events.ts';
import type { GroupState } from '../group-state.ts';
import { checkMember, type ClassicGroup } from './classic-group.ts';
import { rebalanceOrCompleteJoin, removeMember, renewSession, sessionKey } from './rebalance.ts';

/** The error code. Errors: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS. */
export function heartbeat(state: GroupState, turn: GroupTurn, request: HeartbeatRequest): number {
  const group = state.groups.get(request.groupId);
  if (group === undefined) return Errors.UNKNOWN_MEMBER_ID;
  const errorCode = checkMember(group, request.memberId, request.groupInstanceId);
  if (errorCode !== Errors.NONE) return errorCode;
  if (request.generationId !== group.generationId) return Errors.ILLEGAL_GENERATION;
  renewSession(turn, group, group.members.get(request.memberId)!);
  return group.state === 'PreparingRebalance' ? Errors.REBALANCE_IN_PROGRESS : Errors.NONE;
}

export type LeavingMember = LeaveGroupRequest['members'][number];
export type LeftMember = LeaveGroupResponse['members'][number];

/** What became of each member. Errors: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
export function leaveGroup(
  state: GroupState,
  turn: GroupTurn,
  groupId: string,
  members: readonly LeavingMember[],
): LeftMember[] {
  const group = state.groups.get(groupId);
  const left = members.map(({ memberId, groupInstanceId }) => ({
    memberId,
    groupInstanceId,
    errorCode: group === undefined ? Errors.UNKNOWN_MEMBER_ID : leave(turn, group, memberId, groupInstanceId),
  }));
  if (group === undefined || left.every(({ errorCode }) => errorCode !== Errors.NONE)) return left;
  if (!group.isEmpty) rebalanceOrCompleteJoin(state, turn, group);
  return left;
}

function leave(turn: GroupTurn, group: ClassicGroup, memberId: string, instanceId: string | null): number {
  let leavingId = memberId;
  if (memberId === '') {
    // An administrator removes a static member, whose member id only the member itself knows (KIP-345).
    const current = instanceId === null ? undefined : group.staticMemberId(instanceId);
    if (current === undefined) return Errors.UNKNOWN_MEMBER_ID;
    leavingId = current;
  } else if (!group.pendingJoins.has(memberId)) {
    const errorCode = checkMember(group, memberId, instanceId);
    if (errorCode !== Errors.NONE) return errorCode;
  }
  removeMember(turn, group, leavingId);
  turn.cancel(sessionKey(group.groupId, leavingId));
  return Errors.NONE;
}

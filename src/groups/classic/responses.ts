/** The answers of the rebalance protocol, and who gets which. */
import { Errors } from '../../protocol/errors.ts';
import type { JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { GroupTurn } from '../events.ts';
import { metadataFor, NO_ASSIGNMENT, type ClassicGroup, type ClassicMember } from './classic-group.ts';

export function joinRefused(errorCode: number, memberId: string): JoinGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  };
}

/** Tells a member what generation it is in; the leader also hears of all members, to assign them. */
export function joined(
  group: ClassicGroup,
  memberId: string,
  options: { readonly skipAssignment?: boolean } = {},
): JoinGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode: Errors.NONE,
    generationId: group.generationId,
    protocolType: group.protocolType ?? null,
    protocolName: group.protocolName ?? null,
    leader: group.leaderId ?? '',
    skipAssignment: options.skipAssignment ?? false,
    memberId,
    members: group.leaderId === memberId ? membersFor(group) : [],
  };
}

function membersFor(group: ClassicGroup): JoinGroupResponse['members'] {
  return [...group.members.values()].map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    metadata: metadataFor(member, group.protocolName!),
  }));
}

export function syncRefused(errorCode: number): SyncGroupResponse {
  return { throttleTimeMs: 0, errorCode, protocolType: null, protocolName: null, assignment: NO_ASSIGNMENT };
}

export function synced(group: ClassicGroup, assignment: Buffer): SyncGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode: Errors.NONE,
    protocolType: group.protocolType ?? null,
    protocolName: group.protocolName ?? null,
    assignment,
  };
}

/** Answers the member's JoinGroup if one is waiting. */
export function answerJoin(
  turn: GroupTurn,
  group: ClassicGroup,
  member: ClassicMember,
  response: JoinGroupResponse,
): void {
  if (member.awaitingJoin === undefined) return;
  turn.answer(member.awaitingJoin, response);
  group.awaitJoin(member, undefined);
}

/** Answers the member's SyncGroup if one is waiting. */
export function answerSync(turn: GroupTurn, member: ClassicMember, response: SyncGroupResponse): boolean {
  if (member.awaitingSync === undefined) return false;
  turn.answer(member.awaitingSync, response);
  member.awaitingSync = undefined;
  return true;
}

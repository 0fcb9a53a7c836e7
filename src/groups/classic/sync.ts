/** SyncGroup for classic groups: the leader brings the assignment, everybody takes their part of it home. */
import type { Ticket } from '../../coordinator/machine.ts';
import { Errors } from '../../protocol/errors.ts';
import type { SyncGroupRequest, SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { GroupEvent, GroupTurn } from '../events.ts';
import { groupMetadataRecord } from '../group-records.ts';
import type { GroupState } from '../group-state.ts';
import { checkMember, NO_ASSIGNMENT, type ClassicGroup } from './classic-group.ts';
import { distributeAssignment, rebalanceOrCompleteJoin, resetAssignment, syncKey } from './rebalance.ts';
import { answerSync, syncRefused, synced } from './responses.ts';

/**
 * Errors: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL, REBALANCE_IN_PROGRESS.
 */
export function syncGroup(
  state: GroupState,
  turn: GroupTurn,
  request: SyncGroupRequest,
  ticket: Ticket<SyncGroupResponse>,
): void {
  const group = state.groups.get(request.groupId);
  const errorCode = checkSync(group, request);
  if (group === undefined || errorCode !== Errors.NONE) {
    turn.answer(ticket, syncRefused(errorCode));
    return;
  }
  const member = group.members.get(request.memberId)!;
  group.pendingSyncs.delete(member.memberId);
  if (group.pendingSyncs.size === 0) turn.cancel(syncKey(group.groupId));
  if (group.state === 'Stable') {
    turn.answer(ticket, synced(group, member.assignment));
    return;
  }
  answerSync(turn, member, syncRefused(Errors.REBALANCE_IN_PROGRESS)); // an earlier one, which its client has given up
  member.awaitingSync = ticket;
  if (group.leaderId === member.memberId) writeAssignment(turn, group, request);
}

function checkSync(group: ClassicGroup | undefined, request: SyncGroupRequest): number {
  if (group === undefined || group.isEmpty) return Errors.UNKNOWN_MEMBER_ID;
  const errorCode = checkMember(group, request.memberId, request.groupInstanceId);
  if (errorCode !== Errors.NONE) return errorCode;
  if (request.generationId !== group.generationId) return Errors.ILLEGAL_GENERATION;
  if (
    differs(request.protocolType, group.protocolType) ||
    differs(request.protocolName, group.protocolName)
  ) {
    return Errors.INCONSISTENT_GROUP_PROTOCOL;
  }
  return group.state === 'PreparingRebalance' ? Errors.REBALANCE_IN_PROGRESS : Errors.NONE;
}

/** Versions before 5 do not say, and a group in its first rebalance has not chosen. */
function differs(said: string | null, chosen: string | undefined): boolean {
  return said !== null && chosen !== undefined && said !== chosen;
}

/** Members the leader forgot get nothing, those it made up are ignored. */
function writeAssignment(turn: GroupTurn, group: ClassicGroup, request: SyncGroupRequest): void {
  const assignments = new Map<string, Buffer>();
  for (const memberId of group.members.keys()) assignments.set(memberId, NO_ASSIGNMENT);
  for (const { memberId, assignment } of request.assignments) {
    if (assignments.has(memberId)) assignments.set(memberId, Buffer.from(assignment));
  }
  turn.append(groupMetadataRecord(group.groupId, group.toMetadata(assignments)));
  turn.withoutReplay();
  turn.whenSettled({ type: 'assigned', group, generationId: group.generationId, assignments });
}

/** The assignment is committed, or it is not: then all members have to join again. */
export function assigned(
  state: GroupState,
  turn: GroupTurn,
  event: GroupEvent & { readonly type: 'assigned' },
  errorCode: number,
): void {
  const { group } = event;
  // Another member may have joined in the meantime, or the leader sent its assignment twice.
  if (group.state !== 'CompletingRebalance' || group.generationId !== event.generationId) return;
  if (errorCode === Errors.NONE) {
    distributeAssignment(turn, group, event.assignments);
  } else {
    resetAssignment(turn, group, errorCode);
    rebalanceOrCompleteJoin(state, turn, group);
  }
}

/** DescribeGroups, ListGroups and DeleteGroups: groups seen from outside, as of the committed offset. */
import { Errors } from '../protocol/errors.ts';
import type { DescribeGroupsResponse } from '../protocol/messages/15-describe-groups.ts';
import type { ListGroupsRequest, ListGroupsResponse } from '../protocol/messages/16-list-groups.ts';
import type { DeleteGroupsResponse } from '../protocol/messages/42-delete-groups.ts';
import { metadataFor, NO_ASSIGNMENT } from './classic/classic-group.ts';
import type { GroupTurn } from './events.ts';
import { groupTombstone } from './group-records.ts';
import type { GroupState } from './group-state.ts';
import { removeAllOffsets } from './offsets/expiry.ts';

export type DescribedGroup = DescribeGroupsResponse['groups'][number];
export type ListedGroup = ListGroupsResponse['groups'][number];
export type DeletedGroup = DeleteGroupsResponse['results'][number];

/** From this version on a group that does not exist is an error instead of Dead (KIP-1043). */
const GROUP_ID_NOT_FOUND_SINCE = 6;
/** Kafka's "not asked for". */
const NO_AUTHORIZED_OPERATIONS = -2147483648;

/** What nobody knows anything about; also the shape of errors. */
export function undescribedGroup(
  groupId: string,
  errorCode: number,
  errorMessage: string | null = null,
): DescribedGroup {
  return {
    errorCode,
    errorMessage,
    groupId,
    groupState: '',
    protocolType: '',
    protocolData: '',
    members: [],
    authorizedOperations: NO_AUTHORIZED_OPERATIONS,
  };
}

export function describeGroup(state: GroupState, groupId: string, apiVersion: number): DescribedGroup {
  const group = state.groups.getCommitted(groupId);
  if (group === undefined) {
    const isError = apiVersion >= GROUP_ID_NOT_FOUND_SINCE;
    const described = isError
      ? undescribedGroup(groupId, Errors.GROUP_ID_NOT_FOUND, `Group ${groupId} not found.`)
      : undescribedGroup(groupId, Errors.NONE);
    return { ...described, groupState: 'Dead' };
  }
  const isStable = group.state === 'Stable';
  return {
    ...undescribedGroup(groupId, Errors.NONE),
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? group.protocolName! : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? metadataFor(member, group.protocolName!) : NO_ASSIGNMENT,
      memberAssignment: member.assignment,
    })),
  };
}

/** Filters ignore case; an empty one lets all through, a name that nobody has lets none through. */
export function listGroups(
  state: GroupState,
  filters: Pick<ListGroupsRequest, 'statesFilter' | 'typesFilter'>,
): ListedGroup[] {
  const states = lowerCase(filters.statesFilter);
  const types = lowerCase(filters.typesFilter);
  const listed: ListedGroup[] = [];
  for (const [groupId, group] of state.groups.committedEntries()) {
    if (states.size > 0 && !states.has(group.state.toLowerCase())) continue;
    if (types.size > 0 && !types.has(group.groupType.toLowerCase())) continue;
    const { protocolType = '', state: groupState, groupType } = group;
    listed.push({ groupId, protocolType, groupState, groupType });
  }
  return listed;
}

function lowerCase(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.trim().toLowerCase()));
}

/** Errors: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
export function deleteGroup(state: GroupState, turn: GroupTurn, groupId: string): DeletedGroup {
  const group = state.groups.get(groupId);
  if (group === undefined) return deletedGroup(groupId, Errors.GROUP_ID_NOT_FOUND);
  if (!group.isEmpty) return deletedGroup(groupId, Errors.NON_EMPTY_GROUP);
  removeAllOffsets(state, turn, groupId);
  turn.append(groupTombstone(groupId));
  return deletedGroup(groupId, Errors.NONE);
}

export function deletedGroup(groupId: string, errorCode: number): DeletedGroup {
  return { groupId, errorCode, errorMessage: null };
}

/** An administrator's questions about groups: which there are, removing them, and their members. */
import { Errors } from '../../protocol/errors.ts';
import { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/13-leave-group.ts';
import { ListGroupsRequest, ListGroupsResponse } from '../../protocol/messages/16-list-groups.ts';
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../protocol/messages/42-delete-groups.ts';
import { ownError } from '../errors.ts';
import { describeGroup } from './group-descriptions.ts';
import { apart, eachItem, matched, outcomeOf } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

export interface GroupListing {
  readonly group: string;
  /** `consumer`, `connect`...; empty for one that has only committed offsets. */
  readonly protocolType: string;
  /** As Kafka names it: Stable, Empty...; empty from brokers before 2.6. */
  readonly state: string;
  /** `classic`, `consumer`, `share`, `streams`; empty from brokers before 3.7. */
  readonly type: string;
}

/** From here on brokers choose by state (KIP-518), and by type (KIP-848). */
const STATES_VERSION = 4;
const TYPES_VERSION = 5;

export async function listGroups(
  routes: Routes,
  options: AskOptions & { readonly states?: readonly string[]; readonly types?: readonly string[] } = {},
): Promise<GroupListing[]> {
  const { states = [], types = [] } = options;
  const answers = await eachItem(routes, await routes.nodeIds(), {
    ...options,
    nameOf: String,
    ask: (nodeIds) =>
      apart(nodeIds, async (nodeId) => {
        const answer = await routes.askBroker(nodeId, {
          request: ListGroupsRequest,
          response: ListGroupsResponse,
          body: (version) => {
            const isTooOld =
              (states.length > 0 && version < STATES_VERSION) ||
              (types.length > 0 && version < TYPES_VERSION);
            if (!isTooOld) return { statesFilter: states, typesFilter: types };
            throw ownError('UNSUPPORTED_API', 'the broker is too old to choose groups by state or type');
          },
        });
        return outcomeOf(answer, `groups of broker ${nodeId}`, () => answer.groups);
      }),
  });
  return answers
    .flat()
    .map(({ groupId, protocolType, groupState, groupType }) => ({
      group: groupId,
      protocolType,
      state: groupState,
      type: groupType.toLowerCase(),
    }))
    .sort((a, b) => (a.group < b.group ? -1 : 1));
}

export function deleteGroup(routes: Routes, group: string, options?: AskOptions): Promise<void> {
  return deleteGroups(routes, [group], options);
}

export async function deleteGroups(
  routes: Routes,
  groups: readonly string[],
  options: AskOptions = {},
): Promise<void> {
  await eachItem(routes, groups, {
    ...options,
    nameOf: (group) => group,
    ask: (asked) =>
      apart(asked, async (group) => {
        const { results } = await routes.coordinator(group).ask(
          {
            request: DeleteGroupsRequest,
            response: DeleteGroupsResponse,
            body: () => ({ groupsNames: [group] }),
          },
          (answer) => answer.results[0]?.errorCode ?? Errors.NONE,
        );
        const answers = new Map(results.map((one) => [one.groupId, one]));
        return matched([group], answers, {
          keyOf: () => group,
          outcome: (one) => outcomeOf(one, `deleting group ${group}`, () => undefined),
        })[0]!;
      }),
  });
}

/** A member by the id that the coordinator gave it, or a static one by `group.instance.id` (KIP-345). */
export type MemberRef = { readonly memberId: string } | { readonly instanceId: string };

/** From here on several members leave in one request, and by instance id. */
const LEAVE_SEVERAL_VERSION = 3;

export async function removeMembers(
  routes: Routes,
  from: {
    readonly group: string;
    /** All of them unless given. */
    readonly members?: readonly MemberRef[];
    /** Shown in the coordinator's log (KIP-800). */
    readonly reason?: string;
  },
  options: AskOptions = {},
): Promise<void> {
  const { group, reason = 'removed by an administrator' } = from;
  const members = from.members ?? (await membersOf(routes, group, options));
  await eachItem(routes, members, {
    ...options,
    nameOf: memberKey,
    ask: async (asked) => {
      if (asked.length === 0) return [];
      const answer = await routes.coordinator(group).ask(
        {
          request: LeaveGroupRequest,
          response: LeaveGroupResponse,
          body: (version) => {
            if (version < LEAVE_SEVERAL_VERSION) {
              throw ownError(
                'UNSUPPORTED_API',
                'the broker is too old to let an administrator remove members',
              );
            }
            return {
              groupId: group,
              memberId: '',
              members: asked.map((member) => ({
                memberId: 'memberId' in member ? member.memberId : '',
                groupInstanceId: 'instanceId' in member ? member.instanceId : null,
                reason,
              })),
            };
          },
        },
        ({ errorCode }) => errorCode,
      );
      const whole = outcomeOf(answer, `removing members of group ${group}`, () => undefined);
      if ('error' in whole) return asked.map(() => whole);
      const answers = answer.members.map((one) => [one.groupInstanceId ?? one.memberId, one] as const);
      return matched(asked, new Map(answers), {
        keyOf: memberKey,
        outcome: (one, member) =>
          outcomeOf(one, `member ${memberKey(member)} of group ${group}`, () => undefined),
      });
    },
  });
}

function memberKey(member: MemberRef): string {
  return 'memberId' in member ? member.memberId : member.instanceId;
}

async function membersOf(routes: Routes, group: string, options: AskOptions): Promise<MemberRef[]> {
  const { members } = await describeGroup(routes, group, options);
  return members.map(({ memberId, instanceId }) => (instanceId === null ? { memberId } : { instanceId }));
}

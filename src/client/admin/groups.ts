/** An administrator's questions about groups and their offsets. */
import { Errors } from '../../protocol/errors.ts';
import { DescribeGroupsRequest, DescribeGroupsResponse } from '../../protocol/messages/15-describe-groups.ts';
import { ListGroupsRequest, ListGroupsResponse } from '../../protocol/messages/16-list-groups.ts';
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../protocol/messages/42-delete-groups.ts';
import { OffsetDeleteRequest, OffsetDeleteResponse } from '../../protocol/messages/47-offset-delete.ts';
import { ProtocolError } from '../../protocol/wire.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { decodeAssignment } from '../group/subscription.ts';
import { firstFault, type AskOptions, type Routes } from './routes.ts';

export interface GroupListing {
  readonly group: string;
  /** `consumer`, `connect`...; empty for one that has only committed offsets. */
  readonly protocolType: string;
  /** As Kafka names it: Stable, Empty...; empty from brokers that are too old to say. */
  readonly state: string;
  /** `classic`, `consumer`, `share`...; empty from brokers that are too old to say. */
  readonly type: string;
}

export interface GroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly partitions: readonly TopicPartition[];
}

export interface GroupDescription {
  readonly group: string;
  readonly state: string;
  readonly protocolType: string;
  /** The assignor in use. */
  readonly protocol: string;
  readonly members: readonly GroupMember[];
}

export async function listGroups(
  routes: Routes,
  options: AskOptions & { readonly states?: readonly string[]; readonly types?: readonly string[] } = {},
): Promise<GroupListing[]> {
  const { metadata, brokers } = routes.core;
  await metadata.refresh();
  const all = brokers.nodeIds.map((nodeId) =>
    routes.broker(
      nodeId,
      {
        request: ListGroupsRequest,
        response: ListGroupsResponse,
        body: () => ({ statesFilter: options.states ?? [], typesFilter: options.types ?? [] }),
      },
      ({ errorCode: code }) => (code === Errors.NONE ? undefined : { code, about: 'listing groups' }),
      options,
    ),
  );
  return (await Promise.all(all))
    .flatMap(({ groups }) => groups)
    .map(({ groupId, protocolType, groupState, groupType }) => ({
      group: groupId,
      protocolType,
      state: groupState,
      type: groupType.toLowerCase(),
    }))
    .sort((a, b) => (a.group < b.group ? -1 : 1));
}

/** A group of the classic protocol. One that nobody knows is described as `Dead`, or refused with GROUP_ID_NOT_FOUND. */
export async function describeGroup(
  routes: Routes,
  group: string,
  options?: AskOptions,
): Promise<GroupDescription> {
  const answer = await routes.group(
    group,
    {
      request: DescribeGroupsRequest,
      response: DescribeGroupsResponse,
      body: () => ({ groups: [group], includeAuthorizedOperations: false }),
    },
    ({ groups }) => firstFault(groups, () => `group ${group}`),
    options,
  );
  const { groupState, protocolType, protocolData, members } = answer.groups[0]!;
  return {
    group,
    state: groupState,
    protocolType,
    protocol: protocolData,
    members: members.map(({ memberId, groupInstanceId, clientId, clientHost, memberAssignment }) => ({
      memberId,
      instanceId: groupInstanceId,
      clientId,
      host: clientHost,
      partitions: protocolType === 'consumer' ? readAssignment(memberAssignment) : [],
    })),
  };
}

/** Members of foreign protocols write what they like. */
function readAssignment(bytes: Buffer): TopicPartition[] {
  try {
    return decodeAssignment(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return [];
  }
}

/** With its offsets. Errors: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND. */
export async function deleteGroup(routes: Routes, group: string, options?: AskOptions): Promise<void> {
  await routes.group(
    group,
    { request: DeleteGroupsRequest, response: DeleteGroupsResponse, body: () => ({ groupsNames: [group] }) },
    ({ results }) => firstFault(results, () => `deleting group ${group}`),
    options,
  );
}

/** Errors: GROUP_SUBSCRIBED_TO_TOPIC while members read the topic. */
export async function deleteGroupOffsets(
  routes: Routes,
  of: { readonly group: string; readonly partitions: readonly TopicPartition[] },
  options?: AskOptions,
): Promise<void> {
  const { group, partitions } = of;
  const about = `deleting offsets of group ${group}`;
  await routes.group(
    group,
    {
      request: OffsetDeleteRequest,
      response: OffsetDeleteResponse,
      body: () => ({
        groupId: group,
        topics: [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, list]) => ({
          name,
          partitions: list.map(({ partition }) => ({ partitionIndex: partition })),
        })),
      }),
    },
    (answer) =>
      answer.errorCode === Errors.NONE
        ? firstFault(
            answer.topics.flatMap((topic) => topic.partitions),
            () => about,
          )
        : { code: answer.errorCode, about },
    options,
  );
}

/** Streams groups (KIP-1071) as an administrator sees them: what they compute, and which of its tasks each member has. */
import { Errors } from '../../protocol/errors.ts';
import {
  StreamsGroupDescribeRequest,
  StreamsGroupDescribeResponse,
} from '../../protocol/messages/89-streams-group-describe.ts';
import { apart, eachItem, matched, outcomeOf, type Outcome } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

type Answer = StreamsGroupDescribeResponse['groups'][number];

/** One instance of a part of the topology for one partition of its sources. */
export interface StreamsTask {
  readonly subtopology: string;
  readonly partition: number;
}

export interface StreamsTasks {
  readonly active: readonly StreamsTask[];
  readonly standby: readonly StreamsTask[];
  readonly warmup: readonly StreamsTask[];
}

export interface StreamsGroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly rack: string | null;
  readonly epoch: number;
  /** The process that the member is a thread of. */
  readonly processId: string;
  readonly tasks: StreamsTasks;
  /** What the member is to have once the rebalance is over. */
  readonly targetTasks: StreamsTasks;
}

export interface StreamsSubtopology {
  readonly subtopology: string;
  readonly sourceTopics: readonly string[];
  readonly repartitionSinkTopics: readonly string[];
  readonly repartitionSourceTopics: readonly string[];
  readonly changelogTopics: readonly string[];
}

export interface StreamsGroupDescription {
  readonly group: string;
  /** As Kafka names it: Stable, Empty, NotReady, Assigning, Reconciling... */
  readonly state: string;
  readonly epoch: number;
  readonly assignmentEpoch: number;
  /** -1 before any member has told its topology. */
  readonly topologyEpoch: number;
  readonly subtopologies: readonly StreamsSubtopology[];
  readonly members: readonly StreamsGroupMember[];
}

/** Errors: GROUP_ID_NOT_FOUND, also for groups of another kind. */
export function describeStreamsGroups(
  routes: Routes,
  groups: readonly string[],
  options: AskOptions = {},
): Promise<StreamsGroupDescription[]> {
  return eachItem(routes, groups, {
    ...options,
    nameOf: (group) => group,
    ask: (asked) => apart(asked, (group) => describeStreamsGroup(routes, group)),
  });
}

/** Once. */
export async function describeStreamsGroup(
  routes: Routes,
  group: string,
): Promise<Outcome<StreamsGroupDescription>> {
  const { groups } = await routes.coordinator(group).ask(
    {
      request: StreamsGroupDescribeRequest,
      response: StreamsGroupDescribeResponse,
      body: () => ({ groupIds: [group], includeAuthorizedOperations: false }),
    },
    (one) => one.groups[0]?.errorCode ?? Errors.NONE,
  );
  return matched([group], new Map(groups.map((one) => [one.groupId, one])), {
    keyOf: () => group,
    outcome: (one) => outcomeOf(one, `streams group ${group}`, () => described(one)),
  })[0]!;
}

function described({
  groupId: group,
  groupState: state,
  topology,
  ...answer
}: Answer): StreamsGroupDescription {
  return {
    group,
    state,
    epoch: answer.groupEpoch,
    assignmentEpoch: answer.assignmentEpoch,
    topologyEpoch: topology?.epoch ?? -1,
    subtopologies: (topology?.subtopologies ?? []).map((one) => ({
      subtopology: one.subtopologyId,
      sourceTopics: one.sourceTopics,
      repartitionSinkTopics: one.repartitionSinkTopics,
      repartitionSourceTopics: one.repartitionSourceTopics.map(({ name }) => name),
      changelogTopics: one.stateChangelogTopics.map(({ name }) => name),
    })),
    members: answer.members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      host: member.clientHost,
      rack: member.rackId,
      epoch: member.memberEpoch,
      processId: member.processId,
      tasks: tasksOf(member.assignment),
      targetTasks: tasksOf(member.targetAssignment),
    })),
  };
}

function tasksOf({
  activeTasks,
  standbyTasks,
  warmupTasks,
}: Answer['members'][number]['assignment']): StreamsTasks {
  const flat = (list: typeof activeTasks): StreamsTask[] =>
    list.flatMap(({ subtopologyId: subtopology, partitions }) =>
      partitions.map((partition) => ({ subtopology, partition })),
    );
  return { active: flat(activeTasks), standby: flat(standbyTasks), warmup: flat(warmupTasks) };
}

/** What a group looks like from outside, whichever protocol its members speak: state, members, and what each of them has. */
import { Errors } from '../../protocol/errors.ts';
import { DescribeGroupsRequest, DescribeGroupsResponse } from '../../protocol/messages/15-describe-groups.ts';
import {
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse,
} from '../../protocol/messages/69-consumer-group-describe.ts';
import {
  ShareGroupDescribeRequest,
  ShareGroupDescribeResponse,
} from '../../protocol/messages/77-share-group-describe.ts';
import { ProtocolError } from '../../protocol/wire.ts';
import type { Call } from '../connection/broker-link.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { brokerError, isKafkaError } from '../errors.ts';
import { decodeAssignment } from '../group/subscription.ts';
import { describeStreamsGroup } from './streams-groups.ts';
import { apart, eachItem, outcomeOf, type Answered, type Outcome } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

export interface GroupMember {
  readonly memberId: string;
  /** Of a static member (KIP-345). */
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly rack: string | null;
  /** -1 in classic groups. */
  readonly epoch: number;
  readonly partitions: readonly TopicPartition[];
  /** What the member is to have once the rebalance is over; as `partitions` in classic groups. */
  readonly targetPartitions: readonly TopicPartition[];
  /** Of a classic group: what the member said of itself when it joined, as its protocol writes it. */
  readonly metadata?: Buffer;
  /** Of a classic group: what the leader gave it, as the protocol writes it. */
  readonly assignment?: Buffer;
}

export interface GroupDescription {
  readonly group: string;
  /** `classic` (JoinGroup), `consumer` (KIP-848), `share` (KIP-932) or `streams` (KIP-1071: see `describeStreamsGroups`). */
  readonly type: 'classic' | 'consumer' | 'share' | 'streams';
  /** As Kafka names it: Stable, Empty, PreparingRebalance, Reconciling... */
  readonly state: string;
  /** `consumer`, `connect`...; `share`, `streams`; empty for a classic group that has only committed offsets. */
  readonly protocolType: string;
  /** The assignor in use. */
  readonly protocol: string;
  /** -1 in classic groups. */
  readonly epoch: number;
  readonly members: readonly GroupMember[];
}

export async function describeGroup(
  routes: Routes,
  group: string,
  options?: AskOptions,
): Promise<GroupDescription> {
  const [found] = await describeGroups(routes, [group], options);
  return found!;
}

export function describeGroups(
  routes: Routes,
  groups: readonly string[],
  options: AskOptions = {},
): Promise<GroupDescription[]> {
  return eachItem(routes, groups, {
    ...options,
    nameOf: (group) => group,
    ask: (asked) => apart(asked, (group) => describeOne(routes, group)),
  });
}

/** Only the coordinator knows which kind a group is of: each question is refused for groups of another kind. */
async function describeOne(routes: Routes, group: string): Promise<Outcome<GroupDescription>> {
  let refusal: Outcome<GroupDescription> | undefined;
  for (const question of [newGroup, classicGroup, shareGroup, streamsGroup]) {
    try {
      const outcome = await question(routes, group);
      if ('value' in outcome || outcome.error.code !== Errors.GROUP_ID_NOT_FOUND) return outcome;
      refusal = outcome;
    } catch (error) {
      if (!isKafkaError(error, 'UNSUPPORTED_API')) throw error;
    }
  }
  return refusal ?? { error: brokerError(Errors.GROUP_ID_NOT_FOUND, `group ${group}`) };
}

async function askAbout<W, R extends { readonly groups: readonly G[] }, G extends Answered>(
  routes: Routes,
  question: { readonly group: string; readonly call: Call<W, R> },
  describe: (answer: R['groups'][number]) => GroupDescription,
): Promise<Outcome<GroupDescription>> {
  const { group, call } = question;
  const codeOf = ({ groups }: R): number => groups[0]?.errorCode ?? Errors.NONE;
  const { groups } = await routes.coordinator(group).ask(call, codeOf);
  const answer = groups[0]!;
  return outcomeOf(answer, `group ${group}`, () => describe(answer));
}

const newGroup = (routes: Routes, group: string): Promise<Outcome<GroupDescription>> => {
  const call = {
    request: ConsumerGroupDescribeRequest,
    response: ConsumerGroupDescribeResponse,
    body: () => ({ groupIds: [group], includeAuthorizedOperations: false }),
  };
  return askAbout(routes, { group, call }, (answer) => ({
    group,
    type: 'consumer',
    state: answer.groupState,
    protocolType: 'consumer',
    protocol: answer.assignorName,
    epoch: answer.groupEpoch,
    members: answer.members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      host: member.clientHost,
      rack: member.rackId,
      epoch: member.memberEpoch,
      partitions: partitionsOf(member.assignment),
      targetPartitions: partitionsOf(member.targetAssignment),
    })),
  }));
};

const classicGroup = (routes: Routes, group: string): Promise<Outcome<GroupDescription>> => {
  const call = {
    request: DescribeGroupsRequest,
    response: DescribeGroupsResponse,
    body: () => ({ groups: [group], includeAuthorizedOperations: false }),
  };
  return askAbout(routes, { group, call }, ({ groupState: state, protocolType, protocolData, members }) => ({
    group,
    type: 'classic',
    state,
    protocolType,
    protocol: protocolData,
    epoch: -1,
    members: members.map((member) => {
      const partitions = protocolType === 'consumer' ? readAssignment(member.memberAssignment) : [];
      return {
        memberId: member.memberId,
        instanceId: member.groupInstanceId,
        clientId: member.clientId,
        host: member.clientHost,
        rack: null,
        epoch: -1,
        partitions,
        targetPartitions: partitions,
        metadata: member.memberMetadata,
        assignment: member.memberAssignment,
      };
    }),
  }));
};

const shareGroup = (routes: Routes, group: string): Promise<Outcome<GroupDescription>> => {
  const call = {
    request: ShareGroupDescribeRequest,
    response: ShareGroupDescribeResponse,
    body: () => ({ groupIds: [group], includeAuthorizedOperations: false }),
  };
  return askAbout(routes, { group, call }, (answer) => ({
    group,
    type: 'share',
    state: answer.groupState,
    protocolType: 'share',
    protocol: answer.assignorName,
    epoch: answer.groupEpoch,
    members: answer.members.map((member) => {
      const partitions = partitionsOf(member.assignment);
      return {
        memberId: member.memberId,
        instanceId: null,
        clientId: member.clientId,
        host: member.clientHost,
        rack: member.rackId,
        epoch: member.memberEpoch,
        partitions,
        targetPartitions: partitions,
      };
    }),
  }));
};

/** Its members have tasks in place of partitions. */
const streamsGroup = async (routes: Routes, group: string): Promise<Outcome<GroupDescription>> => {
  const outcome = await describeStreamsGroup(routes, group);
  if ('error' in outcome) return outcome;
  const { state, epoch, members } = outcome.value;
  return {
    value: {
      group,
      type: 'streams',
      state,
      protocolType: 'streams',
      protocol: '',
      epoch,
      members: members.map(({ tasks: _tasks, targetTasks: _targets, processId: _process, ...member }) => ({
        ...member,
        partitions: [],
        targetPartitions: [],
      })),
    },
  };
};

function partitionsOf(assignment: {
  readonly topicPartitions: readonly { readonly topicName: string; readonly partitions: readonly number[] }[];
}): TopicPartition[] {
  return assignment.topicPartitions.flatMap(({ topicName: topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition })),
  );
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

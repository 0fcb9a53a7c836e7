/** Keys and bodies of the group requests. */
import type { Answer, Side } from '../two-brokers.ts';

export const [OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN, HEARTBEAT, LEAVE, SYNC] = [
  8, 9, 10, 11, 12, 13, 14,
];
export const [DESCRIBE, LIST, DELETE_GROUPS, OFFSET_DELETE] = [15, 16, 42, 47];

/** A member by the name under which its id was kept; or `'?…'` for an id as it is. */
export function idOf(side: Side, member: string): string {
  return member.startsWith('?') ? member.slice(1) : side.the(member);
}

export const protocols = (...names: string[]) =>
  names.map((name) => ({ name, metadata: Buffer.from(`${name} metadata`) }));

export interface JoinOptions {
  readonly member?: string;
  readonly instance?: string;
  readonly protocols?: readonly string[];
  readonly metadata?: string;
  readonly type?: string;
  readonly sessionMs?: number;
  readonly rebalanceMs?: number;
}

export function joinBody(groupId: string, options: JoinOptions = {}) {
  const {
    member = '?',
    instance = null,
    type = 'consumer',
    sessionMs = 30_000,
    rebalanceMs = 30_000,
  } = options;
  return (side: Side): object => ({
    groupId,
    sessionTimeoutMs: sessionMs,
    rebalanceTimeoutMs: rebalanceMs,
    memberId: idOf(side, member),
    groupInstanceId: instance,
    protocolType: type,
    protocols: (options.protocols ?? ['range']).map((name) => ({
      name,
      metadata: Buffer.from(options.metadata ?? `${name} metadata`),
    })),
  });
}

export interface MemberOptions {
  readonly instance?: string | null;
  readonly generation?: number;
}

export function syncBody(
  groupId: string,
  member: string,
  options: MemberOptions & {
    readonly assignments?: Readonly<Record<string, string>>;
    readonly type?: string | null;
    readonly protocol?: string | null;
  } = {},
) {
  return (side: Side): object => ({
    groupId,
    generationId: options.generation ?? 1,
    memberId: idOf(side, member),
    groupInstanceId: options.instance ?? null,
    protocolType: options.type === undefined ? 'consumer' : options.type,
    protocolName: options.protocol === undefined ? 'range' : options.protocol,
    assignments: Object.entries(options.assignments ?? {}).map(([to, assignment]) => ({
      memberId: idOf(side, to),
      assignment: Buffer.from(assignment),
    })),
  });
}

export function heartbeatBody(groupId: string, member: string, options: MemberOptions = {}) {
  return (side: Side): object => ({
    groupId,
    generationId: options.generation ?? 1,
    memberId: idOf(side, member),
    groupInstanceId: options.instance ?? null,
  });
}

export function leaveBody(
  groupId: string,
  ...members: (readonly [member: string, instance: string | null])[]
) {
  return (side: Side): object => ({
    groupId,
    memberId: members.length === 0 ? '' : idOf(side, members[0]![0]),
    members: members.map(([member, groupInstanceId]) => ({ memberId: idOf(side, member), groupInstanceId })),
  });
}

export interface CommitOptions extends MemberOptions {
  readonly member?: string;
  readonly metadata?: string | null;
  readonly epoch?: number;
}

export function commitBody(
  groupId: string,
  offsets: readonly (readonly [topic: string, partition: number, offset: number])[],
  options: CommitOptions = {},
) {
  return (side: Side): object => ({
    groupId,
    generationIdOrMemberEpoch: options.generation ?? -1,
    memberId: idOf(side, options.member ?? '?'),
    groupInstanceId: options.instance ?? null,
    topics: offsets.map(([topic, partitionIndex, committedOffset]) => ({
      name: topic,
      topicId: side.kept.get(`id of ${topic}`) ?? 'an id of nothing',
      partitions: [
        {
          partitionIndex,
          committedOffset,
          committedLeaderEpoch: options.epoch ?? -1,
          committedMetadata: options.metadata === undefined ? 'meta' : options.metadata,
        },
      ],
    })),
  });
}

/** In the old form and in the new one (version 8 and later), so that each version finds its own. */
export function offsetsBody(
  groupId: string,
  topics: readonly (readonly [topic: string, ...partitions: number[]])[] | null,
  options: { readonly member?: string | null; readonly epoch?: number; readonly stable?: boolean } = {},
) {
  return (side: Side): object => {
    const asked =
      topics?.map(([name, ...partitionIndexes]) => ({
        name,
        topicId: side.kept.get(`id of ${name}`) ?? 'an id of nothing',
        partitionIndexes,
      })) ?? null;
    const { member = null, epoch = -1, stable = false } = options;
    const memberId = member === null ? null : idOf(side, member);
    return {
      groupId,
      topics: asked,
      groups: [{ groupId, memberId, memberEpoch: epoch, topics: asked }],
      requireStable: stable,
    };
  };
}

export const isGroup =
  (groupState: string, memberCount: number) =>
  (answer: Answer): boolean =>
    answer.groups[0].groupState === groupState && answer.groups[0].members.length === memberCount;

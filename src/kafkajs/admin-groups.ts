/** An administrator's calls about groups and their offsets, as KafkaJS has them. */
import { describeGroups } from '../client/admin/group-descriptions.ts';
import { alterGroupOffsets, groupOffsets } from '../client/admin/group-offsets.ts';
import { deleteGroups, listGroups } from '../client/admin/groups.ts';
import { AdminError } from '../client/admin/items.ts';
import { listOffsets, type OffsetSpec } from '../client/admin/records.ts';
import type { Routes } from '../client/admin/routes.ts';
import { describeTopics } from '../client/admin/topics.ts';
import type { OffsetToCommit } from '../client/group/offsets.ts';
import { encodeAssignment } from '../client/group/subscription.ts';
import { isKafkaError } from '../client/errors.ts';
import type {
  DeleteGroupsResult,
  FetchOffsetsPartition,
  GroupDescriptions,
  GroupOverview,
  SeekEntry,
} from './admin-types.ts';
import { offsetOf } from './consumer-arguments.ts';
import { KafkaJSDeleteGroupsError, KafkaJSNonRetriableError, type KafkaJSError } from './errors.ts';
import { translated } from './translate.ts';
import type { ConsumerGroupState, GroupDescription } from './types.ts';

/** KafkaJS's number for an offset that is not there. */
const NO_OFFSET = '-1';
const EARLIEST = -2;
const LATEST = -1;

export async function listGroupsAs(routes: Routes): Promise<{ groups: GroupOverview[] }> {
  const groups = await listGroups(routes);
  return { groups: groups.map(({ group: groupId, protocolType }) => ({ groupId, protocolType })) };
}

/** One that is not there is dead, as brokers before 4.0 put it. */
export async function describeGroupsAs(
  routes: Routes,
  groupIds: readonly string[],
): Promise<GroupDescriptions> {
  return { groups: await Promise.all(groupIds.map((groupId) => describeOne(routes, groupId))) };
}

async function describeOne(
  routes: Routes,
  groupId: string,
): Promise<GroupDescription & { errorCode: number }> {
  const about = { errorCode: 0, groupId };
  try {
    const [found] = await describeGroups(routes, [groupId]);
    const { state, protocolType, protocol, members } = found!;
    return {
      ...about,
      protocolType,
      protocol,
      state: state as ConsumerGroupState,
      members: members.map((member) => ({
        memberId: member.memberId,
        clientId: member.clientId,
        clientHost: member.host,
        memberMetadata: member.metadata ?? Buffer.alloc(0),
        memberAssignment: member.assignment ?? encodeAssignment(member.partitions),
      })),
    };
  } catch (error) {
    if (!isKafkaError(error, 'GROUP_ID_NOT_FOUND')) throw error;
    return { ...about, state: 'Dead', protocolType: '', protocol: '', members: [] };
  }
}

export async function deleteGroupsAs(
  routes: Routes,
  groupIds: readonly string[],
): Promise<DeleteGroupsResult[]> {
  if (!Array.isArray(groupIds) || groupIds.some((one) => typeof one !== 'string')) {
    throw new KafkaJSNonRetriableError(`Invalid groupIds array ${JSON.stringify(groupIds)}`);
  }
  try {
    await deleteGroups(routes, groupIds);
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    const failed = error.failures.map(({ item: groupId, error: why }) => ({
      groupId,
      errorCode: why.code ?? -1,
      error: translated(why) as KafkaJSError,
    }));
    throw new KafkaJSDeleteGroupsError('Error in DeleteGroups', failed);
  }
  return groupIds.map((groupId) => ({ groupId, errorCode: 0 }));
}

/** With all partitions of the topics that are named: -1 where nothing is committed. */
export async function fetchOffsetsAs(
  routes: Routes,
  {
    groupId,
    topics = [],
    resolveOffsets = false,
  }: { groupId: string; topics?: readonly string[]; resolveOffsets?: boolean },
): Promise<{ topic: string; partitions: FetchOffsetsPartition[] }[]> {
  if (!groupId) throw new KafkaJSNonRetriableError(`Invalid groupId ${groupId}`);
  if (!Array.isArray(topics)) throw new KafkaJSNonRetriableError('Expected topics array to be set');
  const wanted = topics.length === 0 ? undefined : await partitionsOf(routes, topics);
  const found = await groupOffsets(routes, groupId, wanted === undefined ? {} : { partitions: wanted });
  const known = new Map(found.map((one) => [`${one.partition} ${one.topic}`, one]));
  const listed = (wanted ?? found).map(({ topic, partition }) => {
    const one = known.get(`${partition} ${topic}`);
    const metadata = one === undefined || one.metadata === '' ? null : one.metadata;
    return { topic, partition, offset: one === undefined ? NO_OFFSET : `${one.offset}`, metadata };
  });
  if (resolveOffsets) await resolveEnds(routes, groupId, listed);
  return [...Map.groupBy(listed, ({ topic }) => topic)].map(([topic, list]) => ({
    topic,
    partitions: list
      .map(({ partition, offset, metadata }) => ({ partition, offset, metadata }))
      .sort((a, b) => a.partition - b.partition),
  }));
}

/** Where nothing is committed, the end of the partition is: in the answer, and for the group. */
async function resolveEnds(
  routes: Routes,
  groupId: string,
  listed: { readonly topic: string; readonly partition: number; offset: string }[],
): Promise<void> {
  const open = listed.filter(({ offset }) => Number(offset) < 0);
  if (open.length === 0) return;
  const ends = await listOffsets(
    routes,
    open.map(({ topic, partition }) => ({ topic, partition, at: 'latest' as const })),
  );
  ends.forEach(({ offset }, at) => {
    open[at]!.offset = `${offset}`;
  });
  await alterGroupOffsets(routes, groupId, ends);
}

/** Errors: KafkaJSNonRetriableError while the group has members. */
export async function setOffsetsAs(
  routes: Routes,
  { groupId, topic, partitions }: { groupId: string; topic: string; partitions: readonly SeekEntry[] },
): Promise<void> {
  if (!groupId) throw new KafkaJSNonRetriableError(`Invalid groupId ${groupId}`);
  if (!topic) throw new KafkaJSNonRetriableError(`Invalid topic ${topic}`);
  if (!Array.isArray(partitions) || partitions.length === 0) {
    throw new KafkaJSNonRetriableError('Invalid partitions');
  }
  const { state } = await describeOne(routes, groupId);
  if (state !== 'Empty' && state !== 'Dead') {
    throw new KafkaJSNonRetriableError(
      `The consumer group must have no running instances, current state: ${state}`,
    );
  }
  const wanted = partitions.map(({ partition, offset }) => ({ topic, partition, offset: offsetOf(offset) }));
  const ends = wanted.filter(({ offset }) => offset < 0);
  const found = await listOffsets(
    routes,
    ends.map((one) => ({ ...one, at: endOf(one.offset) })),
  );
  const offsets: OffsetToCommit[] = [...wanted.filter(({ offset }) => offset >= 0), ...found];
  await alterGroupOffsets(
    routes,
    groupId,
    offsets.map(({ topic: name, partition, offset }) => ({ topic: name, partition, offset })),
  );
}

function endOf(offset: number): OffsetSpec {
  if (offset === EARLIEST) return 'earliest';
  if (offset === LATEST) return 'latest';
  throw new KafkaJSNonRetriableError('Offset must not be a negative number');
}

export async function resetOffsetsAs(
  routes: Routes,
  { groupId, topic, earliest = false }: { groupId: string; topic: string; earliest?: boolean },
): Promise<void> {
  if (!groupId) throw new KafkaJSNonRetriableError(`Invalid groupId ${groupId}`);
  if (!topic) throw new KafkaJSNonRetriableError(`Invalid topic ${topic}`);
  const offset = `${earliest ? EARLIEST : LATEST}`;
  const partitions = (await partitionsOf(routes, [topic])).map(({ partition }) => ({ partition, offset }));
  await setOffsetsAs(routes, { groupId, topic, partitions });
}

async function partitionsOf(
  routes: Routes,
  topics: readonly string[],
): Promise<{ topic: string; partition: number }[]> {
  const described = await describeTopics(routes, topics);
  return described.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition }) => ({ topic, partition })),
  );
}

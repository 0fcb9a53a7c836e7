/** OffsetFetch: what a group has committed. An unknown group or partition is no error: its offset is -1. */
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../protocol/messages/09-offset-fetch.ts';
import type { GroupState } from '../group-state.ts';
import type { CommittedOffset } from './offset-store.ts';

export type FetchGroup = OffsetFetchRequest['groups'][number];
export type FetchedGroup = OffsetFetchResponse['groups'][number];
type FetchedPartition = FetchedGroup['topics'][number]['partitions'][number];

/**
 * `isStable` (KIP-447): the caller waits until what is written now has committed, so the latest state is looked at, and
 * partitions that an open transaction is about to change are UNSTABLE_OFFSET_COMMIT. Otherwise the answer is what is
 * committed now. Topics come with their names (and ids, from v10 on); null asks for all.
 */
export function fetchOffsets(state: GroupState, request: FetchGroup, isStable: boolean): FetchedGroup {
  const { groupId } = request;
  const fetched = (topic: string, topicId: string, partition: number): FetchedPartition => {
    const of = { groupId, topic, partition };
    if (isStable && state.offsets.hasPending(of)) return noOffset(partition, Errors.UNSTABLE_OFFSET_COMMIT);
    const found = isStable ? state.offsets.get(of) : state.offsets.getCommitted(of);
    if (found === undefined || isOfAnotherTopic(found, topicId)) return noOffset(partition, Errors.NONE);
    return {
      partitionIndex: partition,
      committedOffset: found.offset,
      committedLeaderEpoch: found.leaderEpoch,
      metadata: found.metadata,
      errorCode: Errors.NONE,
    };
  };
  const topics =
    request.topics === null
      ? allTopics(state, groupId, isStable).map(({ name, partitions }) => ({
          name,
          topicId: ZERO_UUID,
          partitions: partitions.map((partition) => fetched(name, ZERO_UUID, partition)),
        }))
      : request.topics.map(({ name, topicId, partitionIndexes }) => ({
          name,
          topicId,
          partitions: partitionIndexes.map((partition) => fetched(name, topicId, partition)),
        }));
  return { groupId, topics, errorCode: Errors.NONE };
}

function allTopics(
  state: GroupState,
  groupId: string,
  isStable: boolean,
): { readonly name: string; readonly partitions: readonly number[] }[] {
  const topics = [];
  for (const [name, offsets] of state.offsets.topicsOf(groupId)) {
    const partitions = isStable ? [...offsets.keys()] : [...offsets.committedEntries()].map(([key]) => key);
    if (partitions.length > 0) topics.push({ name, partitions: partitions.sort((a, b) => a - b) });
  }
  return topics;
}

/** The topic was deleted and made again since the commit: that offset means nothing in the new one. */
function isOfAnotherTopic(found: CommittedOffset, topicId: string): boolean {
  return found.topicId !== ZERO_UUID && topicId !== ZERO_UUID && found.topicId !== topicId;
}

export function noOffset(partitionIndex: number, errorCode: number): FetchedPartition {
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode };
}

/** OffsetCommit, TxnOffsetCommit and OffsetDelete: who may change which offsets of a group. */
import { Errors } from '../../protocol/errors.ts';
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import type { TxnOffsetCommitRequest } from '../../protocol/messages/28-txn-offset-commit.ts';
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../../protocol/messages/47-offset-delete.ts';
import { checkMember } from '../classic/classic-group.ts';
import { renewSession } from '../classic/rebalance.ts';
import type { GroupTurn } from '../events.ts';
import { offsetCommitRecord, offsetTombstone } from '../group-records.ts';
import type { GroupState } from '../group-state.ts';

/** From these versions on a group that does not exist is named as such. */
const GROUP_ID_NOT_FOUND_SINCE = 9;
const GROUP_ID_NOT_FOUND_SINCE_IN_TRANSACTION = 6;

type CommitTopics = OffsetCommitResponse['topics'];

/** What both ways of committing say of the group and the member. */
interface Committer {
  readonly groupId: string;
  readonly generationIdOrMemberEpoch: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}
interface Commit extends Pick<Committer, 'groupId'> {
  readonly topics: OffsetCommitRequest['topics'];
}

/**
 * Commits offsets, of topics that the caller knows to exist. One error for all: UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION,
 * FENCED_INSTANCE_ID, REBALANCE_IN_PROGRESS, GROUP_ID_NOT_FOUND. By partition: OFFSET_METADATA_TOO_LARGE.
 */
export function commitOffsets(
  state: GroupState,
  turn: GroupTurn,
  request: OffsetCommitRequest,
  apiVersion: number,
): CommitTopics {
  const isNamed = apiVersion >= GROUP_ID_NOT_FOUND_SINCE;
  const refusal = checkCommit(state, request, { isInTransaction: false, isNamed });
  if (refusal !== Errors.NONE) return commitRefused(request, refusal);
  const group = state.groups.get(request.groupId);
  const member = group?.members.get(request.memberId);
  // A commit is a sign of life (of members; an admin's commit is none).
  if (group !== undefined && member !== undefined) renewSession(turn, group, member);
  const { retentionTimeMs } = request;
  return appendOffsets(state, turn, request, retentionTimeMs === -1 ? -1 : turn.nowMs + retentionTimeMs);
}

/**
 * TxnOffsetCommit: the same for offsets that count when the producer's transaction commits. A rebalance under way is no
 * obstacle: member and generation keep zombies out, and clients that do not say who they are (before version 3, KIP-447)
 * are believed.
 */
export function commitOffsetsInTransaction(
  state: GroupState,
  turn: GroupTurn,
  request: TxnOffsetCommitRequest,
  apiVersion: number,
): CommitTopics {
  const isNamed = apiVersion >= GROUP_ID_NOT_FOUND_SINCE_IN_TRANSACTION;
  const refusal = checkCommit(state, request, { isInTransaction: true, isNamed });
  return refusal === Errors.NONE ? appendOffsets(state, turn, request, -1) : commitRefused(request, refusal);
}

function appendOffsets(
  state: GroupState,
  turn: GroupTurn,
  { groupId, topics }: Commit,
  expireTimestampMs: number,
): CommitTopics {
  const { metadataMaxBytes } = state.settings().offsets;
  return topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map((partition) => {
      const { partitionIndex, committedMetadata } = partition;
      const metadata = committedMetadata ?? '';
      if (metadata.length > metadataMaxBytes) {
        return { partitionIndex, errorCode: Errors.OFFSET_METADATA_TOO_LARGE };
      }
      const of = { groupId, topic: name, partition: partitionIndex };
      turn.append(
        offsetCommitRecord(of, {
          offset: partition.committedOffset,
          leaderEpoch: partition.committedLeaderEpoch,
          metadata,
          commitTimestampMs: turn.nowMs,
          expireTimestampMs,
          topicId,
          recordOffset: -1,
        }),
      );
      return { partitionIndex, errorCode: Errors.NONE };
    }),
  }));
}

/** The same error for all partitions. */
export function commitRefused(request: Pick<Commit, 'topics'>, errorCode: number): CommitTopics {
  return request.topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }));
}

function checkCommit(
  state: GroupState,
  request: Committer,
  options: { readonly isInTransaction: boolean; readonly isNamed: boolean },
): number {
  const { memberId, groupInstanceId, generationIdOrMemberEpoch: generationId } = request;
  const group = state.groups.get(request.groupId);
  if (group === undefined) {
    // Without generation this is an admin client, or a consumer that assigns its partitions itself: the group comes into
    // being with its first offset.
    if (generationId < 0) return Errors.NONE;
    return options.isNamed ? Errors.GROUP_ID_NOT_FOUND : Errors.ILLEGAL_GENERATION;
  }
  if (generationId < 0 && group.isEmpty) return Errors.NONE;
  if (generationId < 0 && memberId === '' && groupInstanceId === null) {
    return options.isInTransaction || group.isEmpty ? Errors.NONE : Errors.UNKNOWN_MEMBER_ID;
  }
  const errorCode = checkMember(group, memberId, groupInstanceId);
  if (errorCode !== Errors.NONE) return errorCode;
  if (generationId !== group.generationId) return Errors.ILLEGAL_GENERATION;
  // A commit between JoinGroup and SyncGroup is early: the consumer sends it again after the rebalance. It is committing
  // what it read in the generation before, and does not know yet whether the partitions are still its own.
  const isEarly = !options.isInTransaction && group.state === 'CompletingRebalance';
  return isEarly ? Errors.REBALANCE_IN_PROGRESS : Errors.NONE;
}

/**
 * Deletes offsets. One error for all: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP for groups with members whose subscriptions
 * cannot be read. By partition: GROUP_SUBSCRIBED_TO_TOPIC. Deleting an offset that does not exist is no error.
 */
export function deleteOffsets(
  state: GroupState,
  turn: GroupTurn,
  request: OffsetDeleteRequest,
): OffsetDeleteResponse {
  const { groupId } = request;
  const group = state.groups.get(groupId);
  if (group === undefined) return deleteOffsetsRefused(Errors.GROUP_ID_NOT_FOUND);
  if (!group.isEmpty && !group.usesConsumerProtocol) return deleteOffsetsRefused(Errors.NON_EMPTY_GROUP);
  const topics = request.topics.map(({ name, partitions }) => {
    const isSubscribed = group.isSubscribedTo(name);
    const errorCode = isSubscribed ? Errors.GROUP_SUBSCRIBED_TO_TOPIC : Errors.NONE;
    for (const { partitionIndex } of isSubscribed ? [] : partitions) {
      const of = { groupId, topic: name, partition: partitionIndex };
      if (state.offsets.get(of) !== undefined || state.offsets.hasPending(of))
        turn.append(offsetTombstone(of));
    }
    return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) };
  });
  return { throttleTimeMs: 0, errorCode: Errors.NONE, topics };
}

export function deleteOffsetsRefused(errorCode: number): OffsetDeleteResponse {
  return { throttleTimeMs: 0, errorCode, topics: [] };
}

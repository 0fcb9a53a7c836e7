/** A group's committed offsets: stored and asked for, with topic ids or names as the broker's version wants it. */
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../protocol/messages/09-offset-fetch.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { brokerError } from '../errors.ts';
import type { Coordinator, Patience } from './coordinator.ts';

export interface OffsetToCommit extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number;
  /** Of the last record that was read; -1 or nothing when it is not known. */
  readonly leaderEpoch?: number;
  readonly metadata?: string;
}

export interface CommittedOffset extends TopicPartition {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
}

/** Who commits: the empty member of generation -1 is nobody in particular. */
export interface Committer {
  readonly memberId: string;
  readonly generation: number;
  readonly instanceId: string | null;
}

/** Whose offsets are committed with a transaction: a group's, and by which member. */
export interface OffsetOwner {
  readonly group: string;
  /** Left out: nobody in particular. */
  readonly committer?: Committer;
}

export const NO_MEMBER: Committer = { memberId: '', generation: -1, instanceId: null };

/** Topics by name, which all versions but the newest speak. */
const COMMIT_VERSION_MAX = 9;
const FETCH_VERSION_MAX = 9;
/** From here on several groups share a request (KIP-709). */
const FETCH_GROUPS_VERSION = 8;

function byTopic<T extends TopicPartition>(list: readonly T[]): Map<string, T[]> {
  const topics = new Map<string, T[]>();
  for (const one of list) {
    const ofTopic = topics.get(one.topic);
    if (ofTopic === undefined) topics.set(one.topic, [one]);
    else ofTopic.push(one);
  }
  return topics;
}

export interface CommitOptions extends Patience {
  readonly group: string;
  readonly committer: Committer;
}

/** Rejects with the first partition's error; the others may be stored. */
export async function commitOffsets(
  coordinator: Coordinator,
  offsets: readonly OffsetToCommit[],
  options: CommitOptions,
): Promise<void> {
  if (offsets.length === 0) return;
  const { group, committer } = options;
  const topics = [...byTopic(offsets)].map(([name, list]) => ({
    name,
    topicId: ZERO_UUID,
    partitions: list.map(({ partition, offset, leaderEpoch = -1, metadata = '' }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      committedMetadata: metadata,
    })),
  }));
  await coordinator.askUntilDone(
    {
      request: OffsetCommitRequest,
      response: OffsetCommitResponse,
      versionMax: COMMIT_VERSION_MAX,
      body: () => ({
        groupId: group,
        generationIdOrMemberEpoch: committer.generation,
        memberId: committer.memberId,
        groupInstanceId: committer.instanceId,
        topics,
      }),
    },
    (answer) => {
      for (const { partitions } of answer.topics) {
        for (const { errorCode } of partitions) if (errorCode !== Errors.NONE) return errorCode;
      }
      return Errors.NONE;
    },
    options,
  );
}

export interface FetchOffsetsOptions extends Patience {
  readonly group: string;
  /** Waits for transactions that are open (KIP-447). */
  readonly requireStable: boolean;
}

/** Those that have a committed offset; `partitions` undefined asks for all of the group. */
export async function fetchOffsets(
  coordinator: Coordinator,
  partitions: readonly TopicPartition[] | undefined,
  options: FetchOffsetsOptions,
): Promise<CommittedOffset[]> {
  const { group, requireStable } = options;
  const topics =
    partitions === undefined
      ? null
      : [...byTopic(partitions)].map(([name, list]) => ({
          name,
          topicId: ZERO_UUID,
          partitionIndexes: list.map(({ partition }) => partition),
        }));
  const answer = await coordinator.askUntilDone(
    {
      request: OffsetFetchRequest,
      response: OffsetFetchResponse,
      versionMax: FETCH_VERSION_MAX,
      body: (version) =>
        version >= FETCH_GROUPS_VERSION
          ? { groupId: '', topics: [], groups: [{ groupId: group, topics }], requireStable }
          : { groupId: group, topics, groups: [], requireStable },
    },
    (one) => {
      const answered = one.groups[0] ?? one;
      if (answered.errorCode !== Errors.NONE) return answered.errorCode;
      for (const topic of answered.topics) {
        for (const { errorCode } of topic.partitions) {
          if (errorCode === Errors.UNSTABLE_OFFSET_COMMIT) return errorCode;
        }
      }
      return Errors.NONE;
    },
    options,
  );
  const found: CommittedOffset[] = [];
  for (const topic of (answer.groups[0] ?? answer).topics) {
    for (const one of topic.partitions) {
      const { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: leaderEpoch } = one;
      if (one.errorCode !== Errors.NONE && one.errorCode !== Errors.UNKNOWN_TOPIC_OR_PARTITION) {
        throw brokerError(one.errorCode, `committed offset of ${topic.name}-${partition} in group ${group}`);
      }
      if (offset < 0) continue;
      found.push({ topic: topic.name, partition, offset, leaderEpoch, metadata: one.metadata ?? '' });
    }
  }
  return found;
}

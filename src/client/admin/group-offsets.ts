/** An administrator's questions about the offsets of a group. */
import { Errors } from '../../protocol/errors.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import { OffsetDeleteRequest, OffsetDeleteResponse } from '../../protocol/messages/47-offset-delete.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { fetchOffsets, NO_MEMBER, type CommittedOffset, type OffsetToCommit } from '../group/offsets.ts';
import { eachItem, grouped, matched, outcomeOf, partitionName } from './items.ts';
import { byPartition } from './records.ts';
import type { AskOptions, Routes } from './routes.ts';

/** Topics by name, which all versions but the newest speak. */
const COMMIT_VERSION_MAX = 9;

export function groupOffsets(
  routes: Routes,
  group: string,
  options: AskOptions & {
    /** Of these; of all that the group has unless given. */
    readonly partitions?: readonly TopicPartition[];
    /** Waits for the transactions that commit offsets of the group (KIP-447). Default: false. */
    readonly requireStable?: boolean;
  } = {},
): Promise<CommittedOffset[]> {
  const { partitions, requireStable = false, signal } = options;
  return fetchOffsets(routes.coordinator(group), partitions, { group, requireStable, signal });
}

export async function alterGroupOffsets(
  routes: Routes,
  group: string,
  offsets: readonly OffsetToCommit[],
  options: AskOptions = {},
): Promise<void> {
  await eachItem(routes, offsets, {
    ...options,
    nameOf: partitionName,
    ask: async (asked) => {
      const answer = await routes.coordinator(group).ask(
        {
          request: OffsetCommitRequest,
          response: OffsetCommitResponse,
          versionMax: COMMIT_VERSION_MAX,
          body: () => ({
            groupId: group,
            generationIdOrMemberEpoch: NO_MEMBER.generation,
            memberId: NO_MEMBER.memberId,
            groupInstanceId: NO_MEMBER.instanceId,
            topics: grouped(asked, ({ partition, offset, leaderEpoch = -1, metadata = '' }) => ({
              partitionIndex: partition,
              committedOffset: offset,
              committedLeaderEpoch: leaderEpoch,
              committedMetadata: metadata,
            })).map(([name, partitions]) => ({ name, topicId: ZERO_UUID, partitions })),
          }),
        },
        ({ topics }) => topics[0]?.partitions[0]?.errorCode ?? Errors.NONE,
      );
      return matched(asked, byPartition(answer.topics), {
        keyOf: partitionName,
        outcome: (one, of) =>
          outcomeOf(one, `offset of ${partitionName(of)} in group ${group}`, () => undefined),
      });
    },
  });
}

export async function deleteGroupOffsets(
  routes: Routes,
  of: { readonly group: string; readonly partitions: readonly TopicPartition[] },
  options: AskOptions = {},
): Promise<void> {
  const { group, partitions } = of;
  await eachItem(routes, partitions, {
    ...options,
    nameOf: partitionName,
    ask: async (asked) => {
      const answer = await routes.coordinator(group).ask(
        {
          request: OffsetDeleteRequest,
          response: OffsetDeleteResponse,
          body: () => ({
            groupId: group,
            topics: grouped(asked, ({ partition }) => ({ partitionIndex: partition })).map(
              ([name, list]) => ({
                name,
                partitions: list,
              }),
            ),
          }),
        },
        ({ errorCode }) => errorCode,
      );
      const whole = outcomeOf(answer, `deleting offsets of group ${group}`, () => undefined);
      if ('error' in whole) return asked.map(() => whole);
      return matched(asked, byPartition(answer.topics), {
        keyOf: partitionName,
        outcome: (one, at) =>
          outcomeOf(one, `offset of ${partitionName(at)} in group ${group}`, () => undefined),
      });
    },
  });
}

/**
 * When offsets go (KIP-186, KIP-211): those of an Empty group, the retention after it became empty; those of topics that a
 * Stable consumer group no longer subscribes to, and of groups that only have offsets, the retention after their commit.
 * A group goes with its last offset; offsets go with their topic.
 */
import type { ClassicGroup } from '../classic/classic-group.ts';
import type { GroupTurn } from '../events.ts';
import { groupTombstone, offsetTombstone } from '../group-records.ts';
import type { GroupState } from '../group-state.ts';
import type { CommittedOffset } from './offset-store.ts';

/** Groups looked at in one turn, before others have theirs. */
export const EXPIRY_GROUPS_MAX = 1000;

/** Looks at the first of these groups, and returns those that are left for another turn. */
export function expireOffsets(
  state: GroupState,
  turn: GroupTurn,
  groupIds: readonly string[],
): readonly string[] {
  const { retentionMs } = state.settings().offsets;
  turn.inAnyBatches();
  for (const groupId of groupIds.slice(0, EXPIRY_GROUPS_MAX)) {
    const group = state.groups.get(groupId);
    if (group === undefined || !expireOffsetsOf(state, turn, group, retentionMs)) continue;
    if (group.isEmpty && group.pendingJoins.size === 0) turn.append(groupTombstone(groupId));
  }
  return groupIds.slice(EXPIRY_GROUPS_MAX);
}

/** True when nothing keeps the group's offsets any longer. */
function expireOffsetsOf(
  state: GroupState,
  turn: GroupTurn,
  group: ClassicGroup,
  retentionMs: number,
): boolean {
  const { groupId } = group;
  const retainedSinceMs = retention(group);
  let allExpired = !state.offsets.hasPendingOf(groupId);
  for (const [topic, partitions] of state.offsets.topicsOf(groupId)) {
    const isKept = retainedSinceMs === undefined || group.isSubscribedTo(topic);
    for (const [partition, offset] of partitions.entries()) {
      const of = { groupId, topic, partition };
      if (
        isKept ||
        state.offsets.hasPending(of) ||
        !isExpired(turn.nowMs, offset, retainedSinceMs, retentionMs)
      ) {
        allExpired = false;
      } else {
        turn.append(offsetTombstone(of));
      }
    }
  }
  return allExpired;
}

function isExpired(
  nowMs: number,
  offset: CommittedOffset,
  retainedSinceMs: (offset: CommittedOffset) => number,
  retentionMs: number,
): boolean {
  if (offset.expireTimestampMs !== -1) return nowMs >= offset.expireTimestampMs;
  return nowMs - retainedSinceMs(offset) >= retentionMs;
}

/** From when on the retention of an offset counts; undefined: this group's offsets do not expire now. */
function retention(group: ClassicGroup): ((offset: CommittedOffset) => number) | undefined {
  const sinceCommit = (offset: CommittedOffset): number => offset.commitTimestampMs;
  if (group.protocolType === undefined) return sinceCommit;
  if (group.isEmpty) {
    const { stateTimestampMs } = group;
    return stateTimestampMs === undefined ? sinceCommit : () => stateTimestampMs;
  }
  const isKnown = group.usesConsumerProtocol && group.subscribedTopics !== undefined;
  return isKnown && group.state === 'Stable' ? sinceCommit : undefined;
}

/** The topics are gone: so are their offsets, whatever the group. */
export function removeTopics(state: GroupState, turn: GroupTurn, deleted: ReadonlySet<string>): void {
  turn.inAnyBatches();
  for (const groupId of state.offsets.groupIds()) {
    for (const topic of deleted) {
      const partitions = state.offsets.topicsOf(groupId).get(topic);
      for (const partition of partitions?.keys() ?? [])
        turn.append(offsetTombstone({ groupId, topic, partition }));
    }
  }
  for (const of of state.offsets.pendingOfTopics(deleted)) {
    if (state.offsets.get(of) === undefined) turn.append(offsetTombstone(of));
  }
}

/** DeleteGroups: everything of the group, pending transactions included. */
export function removeAllOffsets(state: GroupState, turn: GroupTurn, groupId: string): void {
  for (const [topic, partitions] of state.offsets.topicsOf(groupId)) {
    for (const partition of partitions.keys()) turn.append(offsetTombstone({ groupId, topic, partition }));
  }
  for (const of of state.offsets.pendingOf(groupId)) {
    if (state.offsets.get(of) === undefined) turn.append(offsetTombstone(of));
  }
}

/** The state machine of one partition of __consumer_offsets: replay, timers and settled records, by kind. */
import { ZERO_UUID } from '../base/uuid.ts';
import { coordinatorError } from '../coordinator/append-errors.ts';
import type { RecordPosition, TransactionMarker } from '../coordinator/machine.ts';
import type { CoordinatorRecord } from '../coordinator/record.ts';
import { Errors } from '../protocol/errors.ts';
import type {
  GroupMetadataKey,
  GroupMetadataValue,
  LegacyOffsetCommitValue,
  OffsetCommitKey,
  OffsetCommitValue,
} from '../protocol/records/group.ts';
import { ClassicGroup } from './classic/classic-group.ts';
import { groupCreated, staticMemberReplaced } from './classic/join.ts';
import {
  completeJoin,
  initialDelayOver,
  pendingSyncsExpired,
  prepareRebalance,
  renewSession,
  sessionExpired,
} from './classic/rebalance.ts';
import { answerJoin, answerSync, joinRefused, syncRefused } from './classic/responses.ts';
import { assigned } from './classic/sync.ts';
import type { GroupEvent, GroupStateMachine, GroupTurn } from './events.ts';
import {
  GROUP_METADATA,
  GROUP_RECORD_FORMATS,
  LEGACY_OFFSET_COMMIT,
  OFFSET_COMMIT,
} from './group-records.ts';
import type { GroupState } from './group-state.ts';
import { expireOffsets } from './offsets/expiry.ts';

const EXPIRY_KEY = 'expire-offsets';

export class GroupMachine implements GroupStateMachine {
  readonly formats = GROUP_RECORD_FORMATS;
  readonly state: GroupState;

  constructor(state: GroupState) {
    this.state = state;
  }

  replay(record: CoordinatorRecord, position: RecordPosition): void {
    switch (record.type) {
      case LEGACY_OFFSET_COMMIT: {
        const value = record.value as LegacyOffsetCommitValue | null;
        const since = { leaderEpoch: -1, expireTimestamp: -1, topicId: ZERO_UUID };
        this.#replayOffset(record.key as OffsetCommitKey, value && { ...value, ...since }, position);
        return;
      }
      case OFFSET_COMMIT:
        this.#replayOffset(record.key as OffsetCommitKey, record.value as OffsetCommitValue | null, position);
        return;
      case GROUP_METADATA: {
        const { group: groupId } = record.key as GroupMetadataKey;
        const value = record.value as GroupMetadataValue | null;
        this.state.groups.set(
          groupId,
          value === null ? undefined : ClassicGroup.fromMetadata(groupId, value),
        );
        return;
      }
      default:
    }
  }

  #replayOffset(key: OffsetCommitKey, value: OffsetCommitValue | null, position: RecordPosition): void {
    const { group: groupId, topic, partition } = key;
    const of = { groupId, topic, partition };
    if (value === null) {
      this.state.offsets.replayTombstone(of);
      return;
    }
    // Offsets without a group are a group too, a "simple" one: an Empty classic group without protocol type.
    if (!this.state.groups.has(groupId)) this.state.groups.set(groupId, new ClassicGroup(groupId, undefined));
    this.state.offsets.replayCommit(of, value, position);
  }

  replayMarker(marker: TransactionMarker): void {
    this.state.offsets.replayMarker(marker);
  }

  loaded(turn: GroupTurn): void {
    const { state } = this;
    const { maxSize } = state.settings().groups.classic;
    for (const group of state.groups.values()) {
      for (const member of group.members.values()) renewSession(turn, group, member);
      // The maximum has been lowered: all join again, and the last to come are turned away.
      if (group.members.size > maxSize) prepareRebalance(state, turn, group);
    }
    this.#scheduleExpiry(turn);
  }

  unloaded(turn: GroupTurn): void {
    for (const group of this.state.groups.values()) {
      for (const member of group.members.values()) {
        answerJoin(turn, group, member, joinRefused(Errors.NOT_COORDINATOR, member.memberId));
        answerSync(turn, member, syncRefused(Errors.NOT_COORDINATOR));
      }
    }
  }

  expired(turn: GroupTurn, event: GroupEvent): void {
    const { state } = this;
    if (event.type === 'expireOffsets') {
      if (event.groupIds === undefined) state.offsets.sweep();
      const rest = expireOffsets(state, turn, event.groupIds ?? [...state.groups.keys()]);
      if (rest.length === 0) this.#scheduleExpiry(turn);
      else turn.schedule(EXPIRY_KEY, 0, { type: 'expireOffsets', groupIds: rest });
      return;
    }
    if (!('groupId' in event)) return;
    const group = state.groups.get(event.groupId);
    if (group === undefined) return;
    switch (event.type) {
      case 'session':
        sessionExpired(state, turn, group, event.memberId);
        return;
      case 'join':
        if (group.state === 'PreparingRebalance') completeJoin(turn, group);
        return;
      case 'initialJoin':
        if (group.state === 'PreparingRebalance') initialDelayOver(state, turn, group, event);
        return;
      case 'sync':
        pendingSyncsExpired(state, turn, group, event.generationId);
        return;
      default:
    }
  }

  settled(turn: GroupTurn, event: GroupEvent, appendError: number): void {
    const errorCode = coordinatorError(appendError);
    switch (event.type) {
      case 'groupCreated':
        groupCreated(this.state, turn, event, errorCode);
        return;
      case 'assigned':
        assigned(this.state, turn, event, errorCode);
        return;
      case 'staticMemberReplaced':
        staticMemberReplaced(turn, event, errorCode);
        return;
      default:
    }
  }

  #scheduleExpiry(turn: GroupTurn): void {
    const { retentionCheckIntervalMs } = this.state.settings().offsets;
    turn.schedule(EXPIRY_KEY, retentionCheckIntervalMs, { type: 'expireOffsets', groupIds: undefined });
  }
}

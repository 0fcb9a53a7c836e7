/**
 * The group coordinator of one broker: the partitions of __consumer_offsets that it leads, a shard for each, and the group
 * APIs on top. Each request goes to the shard of its group; what the request means is decided in the files beside.
 */
import type { Clock, Logger, Random, Timers } from '../base/ports.ts';
import { hexUuid, randomUuid } from '../base/uuid.ts';
import { coordinatorError } from '../coordinator/append-errors.ts';
import { Journal } from '../coordinator/journal.ts';
import type { CoordinatorLog, Verification } from '../coordinator/log.ts';
import { LedShards } from '../coordinator/led-shards.ts';
import { Shard, type EndOfTransaction } from '../coordinator/shard.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import type { OffsetCommitRequest, OffsetCommitResponse } from '../protocol/messages/08-offset-commit.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../protocol/messages/11-join-group.ts';
import type { HeartbeatRequest, HeartbeatResponse } from '../protocol/messages/12-heartbeat.ts';
import type { LeaveGroupRequest, LeaveGroupResponse } from '../protocol/messages/13-leave-group.ts';
import type { SyncGroupRequest, SyncGroupResponse } from '../protocol/messages/14-sync-group.ts';
import type { ListGroupsRequest, ListGroupsResponse } from '../protocol/messages/16-list-groups.ts';
import type { TxnOffsetCommitRequest } from '../protocol/messages/28-txn-offset-commit.ts';
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../protocol/messages/47-offset-delete.ts';
import { joinGroup } from './classic/join.ts';
import { heartbeat, leaveGroup, type LeavingMember, type LeftMember } from './classic/membership.ts';
import { joinRefused, syncRefused } from './classic/responses.ts';
import { syncGroup } from './classic/sync.ts';
import type { GroupEvent, GroupTurn } from './events.ts';
import {
  deletedGroup,
  deleteGroup,
  describeGroup,
  listGroups,
  undescribedGroup,
  type DeletedGroup,
  type DescribedGroup,
} from './group-admin.ts';
import { GroupMachine } from './group-machine.ts';
import { newGroupState, type GroupCoordinatorSettings, type GroupState } from './group-state.ts';
import {
  commitOffsets,
  commitOffsetsInTransaction,
  commitRefused,
  deleteOffsets,
  deleteOffsetsRefused,
} from './offsets/commit.ts';
import { removeTopics } from './offsets/expiry.ts';
import { fetchOffsets, noOffset, type FetchedGroup, type FetchGroup } from './offsets/fetch.ts';

export interface GroupCoordinatorOptions {
  readonly ports: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly random: Random;
    readonly logger: Logger;
  };
  /** Asked anew for each operation. */
  readonly settings: () => GroupCoordinatorSettings;
  /** Partitions that __consumer_offsets has; those it will have while it does not exist. */
  readonly partitionCount: () => number;
}

/** Who asks. */
export interface GroupRequestContext {
  readonly apiVersion: number;
  readonly clientId: string | null;
  readonly clientHost: string;
}

/** Before this version SyncGroup did not name the protocol, from it on it must. */
const SYNC_NAMES_PROTOCOL_SINCE = 5;
/** Before this version the protocol name in a JoinGroup response was never null. */
const JOIN_PROTOCOL_NULLABLE_SINCE = 7;
/** From this version on LeaveGroup has a list of members. */
const LEAVE_MEMBERS_SINCE = 3;

export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions;
  readonly #led: LedShards<GroupEvent, GroupMachine>;

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options;
    this.#led = new LedShards(options.partitionCount);
  }

  /** The partition of __consumer_offsets whose leader coordinates the group. */
  partitionFor(groupId: string): number {
    return this.#led.partitionFor(groupId);
  }

  /** This broker leads the partition from now on. Resolves when its groups are loaded, or will not be. */
  onElection(partition: number, leaderEpoch: number, log: CoordinatorLog): Promise<void> {
    const { ports, settings } = this.#options;
    const newId = (): string => hexUuid(randomUuid(ports.random));
    return this.#led.elect(partition, leaderEpoch, () => {
      const journal = new Journal();
      const machine = new GroupMachine(newGroupState(journal, { settings, newId }));
      const shard = new Shard<GroupEvent, GroupMachine>({
        machine,
        journal,
        log,
        leaderEpoch,
        ports: { ...ports, logger: ports.logger.child({ coordinator: 'group', partition }) },
        writeTimeoutMs: () => settings().offsets.commitTimeoutMs,
      });
      return { shard };
    });
  }

  /** This broker does not lead the partition any more. */
  onResignation(partition: number): void {
    this.#led.resign(partition);
  }

  /** Offsets of topics that do not exist any more are removed from all groups. */
  onTopicsDeleted(topics: readonly string[]): void {
    const deleted = new Set(topics);
    this.#led.forEachLoaded((shard) =>
      shard.write((turn) => removeTopics(shard.machine.state, turn, deleted), NOBODY),
    );
  }

  /** Whoever waits is told to look for another coordinator. */
  shutdown(): void {
    this.#led.resignAll();
  }

  async joinGroup(context: GroupRequestContext, request: JoinGroupRequest): Promise<JoinGroupResponse> {
    const response = await this.#joinGroup(context, request);
    const isNullable = context.apiVersion >= JOIN_PROTOCOL_NULLABLE_SINCE;
    return response.protocolName === null && !isNullable ? { ...response, protocolName: '' } : response;
  }

  #joinGroup(context: GroupRequestContext, request: JoinGroupRequest): Promise<JoinGroupResponse> {
    const { groupId, memberId, sessionTimeoutMs } = request;
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#options.settings().groups.classic;
    if (groupId === '') return Promise.resolve(joinRefused(Errors.INVALID_GROUP_ID, memberId));
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
      return Promise.resolve(joinRefused(Errors.INVALID_SESSION_TIMEOUT, memberId));
    }
    const { apiVersion, clientHost } = context;
    const clientId = context.clientId ?? '';
    return this.#park<JoinGroupResponse>(
      groupId,
      (state, turn, respond) => {
        joinGroup(state, turn, { request, apiVersion, clientId, clientHost, ticket: { respond } });
      },
      (errorCode) => joinRefused(errorCode, memberId),
    );
  }

  syncGroup(context: GroupRequestContext, request: SyncGroupRequest): Promise<SyncGroupResponse> {
    const { groupId, protocolType, protocolName } = request;
    if (context.apiVersion >= SYNC_NAMES_PROTOCOL_SINCE && (protocolType === null || protocolName === null)) {
      return Promise.resolve(syncRefused(Errors.INCONSISTENT_GROUP_PROTOCOL));
    }
    if (groupId === '') return Promise.resolve(syncRefused(Errors.INVALID_GROUP_ID));
    return this.#park<SyncGroupResponse>(
      groupId,
      (state, turn, respond) => syncGroup(state, turn, request, { respond }),
      syncRefused,
    );
  }

  heartbeat(request: HeartbeatRequest): Promise<HeartbeatResponse> {
    const answer = (errorCode: number): HeartbeatResponse => ({ throttleTimeMs: 0, errorCode });
    if (request.groupId === '') return Promise.resolve(answer(Errors.INVALID_GROUP_ID));
    return this.#write(
      request.groupId,
      (state, turn) => answer(heartbeat(state, turn, request)),
      // Sessions begin anew once the group is loaded, so all is well.
      (errorCode) => answer(errorCode === Errors.COORDINATOR_LOAD_IN_PROGRESS ? Errors.NONE : errorCode),
    );
  }

  async leaveGroup(context: GroupRequestContext, request: LeaveGroupRequest): Promise<LeaveGroupResponse> {
    const answer = (errorCode: number, members: LeftMember[] = []): LeaveGroupResponse => ({
      throttleTimeMs: 0,
      errorCode,
      members,
    });
    const { groupId } = request;
    if (groupId === '') return answer(Errors.INVALID_GROUP_ID);
    const hasList = context.apiVersion >= LEAVE_MEMBERS_SINCE;
    const one: LeavingMember = { memberId: request.memberId, groupInstanceId: null, reason: null };
    const response = await this.#write(
      groupId,
      (state, turn) =>
        answer(Errors.NONE, leaveGroup(state, turn, groupId, hasList ? request.members : [one])),
      answer,
    );
    return hasList || response.errorCode !== Errors.NONE ? response : answer(response.members[0].errorCode);
  }

  /** One for each group id, in order. */
  describeGroups(context: GroupRequestContext, groupIds: readonly string[]): DescribedGroup[] {
    return groupIds.map((groupId) =>
      this.#led.read(
        groupId,
        ({ state }) => describeGroup(state, groupId, context.apiVersion),
        (errorCode) => undescribedGroup(groupId, errorCode),
      ),
    );
  }

  /** The groups that this broker coordinates. */
  listGroups(request: ListGroupsRequest): ListGroupsResponse {
    const groups: ListGroupsResponse['groups'] = [];
    for (const shard of this.#led.shards()) {
      if (shard.unavailable === Errors.COORDINATOR_LOAD_IN_PROGRESS) {
        return { throttleTimeMs: 0, errorCode: shard.unavailable, groups: [] };
      }
      if (shard.unavailable === Errors.NONE) groups.push(...listGroups(shard.machine.state, request));
    }
    return { throttleTimeMs: 0, errorCode: Errors.NONE, groups };
  }

  /** One for each group id, in order of partitions. */
  async deleteGroups(groupIds: readonly string[]): Promise<DeletedGroup[]> {
    const byPartition = Map.groupBy(groupIds, (groupId) => this.partitionFor(groupId));
    const results = await Promise.all(
      [...byPartition.values()].map((ids) =>
        this.#write(
          ids[0],
          (state, turn) => {
            turn.inAnyBatches();
            return ids.map((groupId) => deleteGroup(state, turn, groupId));
          },
          (errorCode) => ids.map((groupId) => deletedGroup(groupId, errorCode)),
        ),
      ),
    );
    return results.flat();
  }

  /** The caller has made sure that the topics and partitions exist, and put their names in. */
  commitOffsets(
    context: GroupRequestContext,
    request: OffsetCommitRequest,
  ): Promise<OffsetCommitResponse['topics']> {
    return this.#write(
      request.groupId,
      (state, turn) => commitOffsets(state, turn, request, context.apiVersion),
      (errorCode) => commitRefused(request, errorCode),
    );
  }

  /**
   * Likewise, in the transaction of the request's producer, of whom `verification` says what the log may check. Errors
   * beside those of other commits: INVALID_TXN_STATE, INVALID_PRODUCER_EPOCH.
   */
  commitOffsetsInTransaction(
    context: GroupRequestContext,
    request: TxnOffsetCommitRequest,
    verification: Verification | undefined,
  ): Promise<OffsetCommitResponse['topics']> {
    const { groupId, producerId, producerEpoch } = request;
    const refuse = (errorCode: number) => commitRefused(request, errorCode);
    const shard = this.#led.of(groupId);
    if (shard === undefined) return Promise.resolve(refuse(Errors.NOT_COORDINATOR));
    return new Promise((resolve) => {
      shard.writeInTransaction(
        (turn) => commitOffsetsInTransaction(shard.machine.state, turn, request, context.apiVersion),
        { producerId, producerEpoch, verification },
        { reply: resolve, fail: (errorCode) => resolve(refuse(coordinatorError(errorCode))) },
      );
    });
  }

  /** `request.topics` null asks for all. The topics carry names, and ids where the request had them. */
  fetchOffsets(request: FetchGroup, requireStable: boolean): Promise<FetchedGroup> {
    const { groupId } = request;
    const refuse = (errorCode: number): FetchedGroup => ({
      groupId,
      topics: [],
      // Consumers before 3.9 do not know what to do with COORDINATOR_NOT_AVAILABLE here.
      errorCode: errorCode === Errors.COORDINATOR_NOT_AVAILABLE ? Errors.NOT_COORDINATOR : errorCode,
    });
    if (requireStable) return this.#write(groupId, (state) => fetchOffsets(state, request, true), refuse);
    const fetched = this.#led.read(groupId, ({ state }) => fetchOffsets(state, request, false), refuse);
    return Promise.resolve(fetched);
  }

  deleteOffsets(request: OffsetDeleteRequest): Promise<OffsetDeleteResponse> {
    if (request.groupId === '') return Promise.resolve(deleteOffsetsRefused(Errors.INVALID_GROUP_ID));
    return this.#write(
      request.groupId,
      (state, turn) => deleteOffsets(state, turn, request),
      deleteOffsetsRefused,
    );
  }

  /**
   * Ends a producer's transaction on a partition of __consumer_offsets. NOT_LEADER_OR_FOLLOWER: not, or not yet, here;
   * whoever sends markers asks again, as for any other partition.
   */
  writeTxnMarker(partition: number, marker: EndOfTransaction): Promise<ErrorCode> {
    const shard = this.#led.at(partition);
    if (shard === undefined) return Promise.resolve(Errors.NOT_LEADER_OR_FOLLOWER);
    return new Promise((resolve) => {
      shard.completeTransaction(marker, {
        reply: () => resolve(Errors.NONE),
        fail: (errorCode) =>
          resolve(isNotReady(errorCode) ? Errors.NOT_LEADER_OR_FOLLOWER : (errorCode as ErrorCode)),
      });
    });
  }

  /** An operation that is answered when its records are committed. */
  #write<R>(
    groupId: string,
    operation: (state: GroupState, turn: GroupTurn) => R,
    refuse: (errorCode: number) => R,
  ): Promise<R> {
    return this.#led.write(groupId, ({ state }, turn) => operation(state, turn), refuse);
  }

  /** An operation after which the state machine holds the answer, or who waits for it: only it knows when to answer. */
  #park<R>(
    groupId: string,
    operation: (state: GroupState, turn: GroupTurn, respond: (response: R) => void) => void,
    refuse: (errorCode: number) => R,
  ): Promise<R> {
    const shard = this.#led.of(groupId);
    if (shard === undefined) return Promise.resolve(refuse(Errors.NOT_COORDINATOR));
    if (shard.unavailable !== Errors.NONE) return Promise.resolve(refuse(shard.unavailable));
    return new Promise((resolve) => {
      shard.write((turn) => operation(shard.machine.state, turn, resolve), NOBODY);
    });
  }
}

function isNotReady(errorCode: number): boolean {
  return errorCode === Errors.COORDINATOR_LOAD_IN_PROGRESS || errorCode === Errors.NOT_COORDINATOR;
}

const NOBODY = { reply: (): void => undefined, fail: (): void => undefined };

/** The answer for a group that cannot be asked: in versions before 2 an error has to stand at each partition. */
export function fetchRefused(request: FetchGroup, errorCode: number, apiVersion: number): FetchedGroup {
  const { groupId, topics } = request;
  if (apiVersion >= 2 || topics === null) return { groupId, topics: [], errorCode };
  return {
    groupId,
    errorCode: Errors.NONE,
    topics: topics.map(({ name, topicId, partitionIndexes }) => ({
      name,
      topicId,
      partitions: partitionIndexes.map((partition) => noOffset(partition, errorCode)),
    })),
  };
}

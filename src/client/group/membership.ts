/**
 * A consumer as a member of a classic group: it joins, learns what it is given, says that it lives, and joins again
 * when the group is balanced anew. All of that but the heartbeats happens in `attend`, which the consumer calls
 * between two batches.
 */
import type { Timer } from '../../base/ports.ts';
import { Errors } from '../../protocol/errors.ts';
import { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../protocol/messages/12-heartbeat.ts';
import { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/13-leave-group.ts';
import { SyncGroupRequest, SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { brokerError, ownError, type KafkaError } from '../errors.ts';
import { Attendance, without } from './attendance.ts';
import type { GroupMembership, MembershipOptions } from './group-membership.ts';
import { NO_MEMBER, type Committer } from './offsets.ts';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './subscription.ts';

const PROTOCOL_TYPE = 'consumer';
/** On top of the time that the group gives its members. */
const JOIN_SLACK_MS = 5_000;
const LEAVE_MS_MAX = 5_000;
const NO_GENERATION = -1;

export class Membership implements GroupMembership {
  readonly #options: MembershipOptions;
  #memberId = '';
  #generation = NO_GENERATION;
  /**
   * Who it was when it last joined, also when it has been lost since: nobody in particular may commit for a group
   * without members, whoever has read on meanwhile.
   */
  #committer: Committer = NO_MEMBER;
  #mustJoin = true;
  #heardMs: number;
  #heartbeat: Timer | undefined;
  #isBeating = false;
  readonly #attendance: Attendance;
  /** Partition counts on which the assignment of this leader was made; undefined for others. */
  #counted: ReadonlyMap<string, number> | undefined;
  readonly #unlisten: () => void;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#heardMs = options.core.ports.clock.monotonicMs();
    this.#attendance = new Attendance(options, {
      isDue: () => this.#mustJoin,
      step: () => this.#step(),
      mayRepeat: (failure) => this.#mayRepeat(failure),
    });
    this.#unlisten = options.core.metadata.onChange(() => this.#onMetadata());
  }

  get needsAttention(): boolean {
    return this.#attendance.needsAttention;
  }

  get heardMs(): number {
    return this.#heardMs;
  }

  get committer(): Committer {
    return this.#committer;
  }

  attend(signal?: AbortSignal): Promise<void> {
    return this.#attendance.attend(signal);
  }

  noteError(code: number | undefined): void {
    switch (code) {
      case Errors.UNKNOWN_MEMBER_ID:
        this.#memberId = '';
        this.#lose();
        return;
      case Errors.ILLEGAL_GENERATION:
        this.#lose();
        return;
      case Errors.REBALANCE_IN_PROGRESS:
        if (!this.#mustJoin) this.#options.settings.observer.onRebalance?.();
        this.#mustJoin = true;
        this.#options.host.onAttention();
        return;
      case Errors.FENCED_INSTANCE_ID:
        this.#lose(brokerError(code, `group ${this.#options.group}`));
    }
  }

  rejoin(): void {
    this.#mustJoin = true;
    this.#options.host.onAttention();
  }

  async close(): Promise<void> {
    const closed = this.#attendance.close();
    this.#unlisten();
    this.#heartbeat?.cancel();
    if (!(await closed)) return;
    if (this.#options.settings.instanceId === null) await this.#leave('the consumer is closed');
  }

  #lose(fatal?: KafkaError): void {
    this.#mustJoin = true;
    this.#generation = NO_GENERATION;
    this.#heartbeat?.cancel();
    this.#attendance.lose(fatal);
  }

  // --- Joining

  async #step(): Promise<void> {
    const { host, settings } = this.#options;
    if (!settings.isCooperative && host.owned().length > 0) await host.onRevoked(host.owned());
    await host.topicsKnown();
    await this.#joinOnce();
  }

  /** Whether joining again may help. */
  #mayRepeat(failure: KafkaError): boolean {
    switch (failure.code) {
      case Errors.UNKNOWN_MEMBER_ID:
        this.#memberId = '';
        if (this.#options.host.owned().length > 0) this.#attendance.lose();
        return true;
      case Errors.ILLEGAL_GENERATION:
      case Errors.REBALANCE_IN_PROGRESS:
        return true;
      default:
        return false;
    }
  }

  async #joinOnce(): Promise<void> {
    const { host, settings } = this.#options;
    this.#heartbeat?.cancel();
    this.#mustJoin = false;
    try {
      const joined = await this.#join();
      this.#memberId = joined.memberId;
      this.#generation = joined.generationId;
      this.#committer = {
        memberId: joined.memberId,
        generation: joined.generationId,
        instanceId: settings.instanceId,
      };
      const isLeader = joined.leader === joined.memberId && joined.members.length > 0;
      const assignments = isLeader ? await this.#share(joined) : [];
      if (!isLeader) this.#counted = undefined;
      const assigned = await this.#sync(joined, assignments);
      this.#beatLater();
      this.#options.settings.observer.onJoined?.({
        memberId: joined.memberId,
        leaderId: joined.leader,
        generation: joined.generationId,
        protocol: joined.protocolName ?? '',
        partitions: assigned,
      });
      await this.#take(assigned, host.owned());
    } catch (error) {
      this.#mustJoin = true;
      throw error;
    }
  }

  async #join(): Promise<JoinGroupResponse> {
    const { coordinator, settings, group, host, core } = this.#options;
    const owned = settings.isCooperative ? host.owned() : [];
    const generation = owned.length > 0 ? this.#generation : NO_GENERATION;
    const rack = core.settings.rack ?? null;
    const topics = host.topics();
    const protocols = settings.assignors.map((assignor) => {
      const userData = assignor.userData?.(topics) ?? null;
      const metadata = encodeSubscription({ topics, owned, generation, rack, userData });
      return { name: assignor.name, metadata };
    });
    for (;;) {
      const answer = await coordinator.ask(
        {
          request: JoinGroupRequest,
          response: JoinGroupResponse,
          timeoutMs: settings.pollIntervalMsMax + JOIN_SLACK_MS,
          body: () => ({
            groupId: group,
            sessionTimeoutMs: settings.sessionTimeoutMs,
            rebalanceTimeoutMs: settings.pollIntervalMsMax,
            memberId: this.#memberId,
            groupInstanceId: settings.instanceId,
            protocolType: PROTOCOL_TYPE,
            protocols,
          }),
        },
        ({ errorCode }) => errorCode,
      );
      this.#attendance.signal.throwIfAborted();
      if (answer.errorCode === Errors.NONE) {
        this.#heard();
        return answer;
      }
      if (answer.errorCode !== Errors.MEMBER_ID_REQUIRED) throw this.#error('joining', answer.errorCode);
      this.#memberId = answer.memberId;
    }
  }

  /** As the leader: who gets what. */
  async #share(joined: JoinGroupResponse): Promise<{ memberId: string; assignment: Buffer }[]> {
    const { core, settings, group } = this.#options;
    const assignor = settings.assignors.find(({ name }) => name === joined.protocolName);
    if (assignor === undefined) {
      throw ownError(
        'INVALID_ANSWER',
        `group ${group} has chosen ${joined.protocolName}, which was not offered`,
      );
    }
    const members = joined.members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      instanceId: groupInstanceId,
      ...decodeSubscription(metadata),
    }));
    const topics = new Set(members.flatMap((member) => member.topics));
    for (const topic of topics) core.metadata.want(topic, { mayCreate: false });
    try {
      const areKnown = [...topics].every((topic) => core.metadata.view.get(topic) !== undefined);
      if (!areKnown) await core.metadata.refresh();
      this.#counted = this.#count(topics);
      if (joined.skipAssignment) return [];
      return [...(await assignor.assign(members, this.#counted))].map(([memberId, partitions]) => ({
        memberId,
        assignment: encodeAssignment(partitions),
      }));
    } finally {
      for (const topic of topics) core.metadata.unwant(topic);
    }
  }

  #count(topics: Iterable<string>): Map<string, number> {
    const counts = new Map<string, number>();
    for (const topic of topics) {
      const info = this.#options.core.metadata.view.get(topic);
      if (info !== undefined) counts.set(topic, info.partitions.length);
    }
    return counts;
  }

  async #sync(
    { protocolName, generationId, memberId }: JoinGroupResponse,
    assignments: readonly { memberId: string; assignment: Buffer }[],
  ): Promise<TopicPartition[]> {
    const { coordinator, settings, group } = this.#options;
    const answer = await coordinator.ask(
      {
        request: SyncGroupRequest,
        response: SyncGroupResponse,
        timeoutMs: settings.pollIntervalMsMax + JOIN_SLACK_MS,
        body: () => ({
          groupId: group,
          generationId,
          memberId,
          groupInstanceId: settings.instanceId,
          protocolType: PROTOCOL_TYPE,
          protocolName,
          assignments,
        }),
      },
      ({ errorCode }) => errorCode,
    );
    if (answer.errorCode !== Errors.NONE) throw this.#error('being told the assignment', answer.errorCode);
    return decodeAssignment(answer.assignment);
  }

  /** From what this member has to what it is given. What it gives away must be free before another round can give it on. */
  async #take(assigned: readonly TopicPartition[], owned: readonly TopicPartition[]): Promise<void> {
    const { host } = this.#options;
    const revoked = without(owned, assigned);
    const added = without(assigned, owned);
    if (revoked.length > 0) {
      await host.onRevoked(revoked);
      this.#mustJoin = true;
    }
    if (added.length > 0) await host.onAssigned(added);
  }

  #error(doing: string, code: number): KafkaError {
    const { group } = this.#options;
    if (code === Errors.FENCED_INSTANCE_ID) this.noteError(code);
    return brokerError(code, `${doing} in group ${group}`);
  }

  // --- Staying

  #beatLater(): void {
    const { core, settings } = this.#options;
    this.#heartbeat?.cancel();
    if (this.#attendance.signal.aborted) return;
    this.#heartbeat = core.ports.timers.after(settings.heartbeatIntervalMs, () => void this.#beat());
  }

  #heard(): void {
    this.#heardMs = this.#options.core.ports.clock.monotonicMs();
  }

  async #beat(): Promise<void> {
    const { coordinator, settings, group, core, host } = this.#options;
    if (this.#isBeating || this.#generation === NO_GENERATION) return;
    const sincePollMs = core.ports.clock.monotonicMs() - host.lastPolledMs();
    if (sincePollMs > settings.pollIntervalMsMax) {
      core.ports.logger?.warn({ group, sincePollMs }, 'leaving the group: records are not asked for');
      this.#lose();
      await this.#leave('records are not asked for');
      return;
    }
    // Topics that do not exist yet are looked for, so that their partitions are shared soon after they do.
    if (host.topics().some((topic) => core.metadata.view.get(topic) === undefined)) core.metadata.stale();
    const generationId = this.#generation;
    this.#isBeating = true;
    try {
      const { errorCode } = await coordinator.ask(
        {
          request: HeartbeatRequest,
          response: HeartbeatResponse,
          timeoutMs: settings.sessionTimeoutMs,
          body: () => ({
            groupId: group,
            generationId,
            memberId: this.#memberId,
            groupInstanceId: settings.instanceId,
          }),
        },
        (answer) => answer.errorCode,
      );
      if (errorCode === Errors.NONE) {
        this.#heard();
        settings.observer.onHeartbeat?.();
      }
      if (generationId === this.#generation) this.noteError(errorCode);
    } catch (error) {
      core.ports.logger?.debug({ group, error }, 'a heartbeat has failed');
    } finally {
      this.#isBeating = false;
    }
    // Also while a rebalance waits for the user: the session goes on until the member joins again.
    if (this.#generation !== NO_GENERATION && !this.#attendance.isUnderWay) this.#beatLater();
  }

  async #leave(reason: string): Promise<void> {
    const { coordinator, settings, group, core } = this.#options;
    const memberId = this.#memberId;
    this.#memberId = '';
    this.#generation = NO_GENERATION;
    if (memberId === '') return;
    try {
      await coordinator.ask(
        {
          request: LeaveGroupRequest,
          response: LeaveGroupResponse,
          timeoutMs: LEAVE_MS_MAX,
          body: () => ({
            groupId: group,
            memberId,
            members: [{ memberId, groupInstanceId: settings.instanceId, reason }],
          }),
        },
        ({ errorCode }) => errorCode,
      );
    } catch (error) {
      core.ports.logger?.debug({ group, error }, 'leaving the group has failed: its session will end');
    }
  }

  /** A leader shares anew when there are more partitions, or topics, than it has shared. */
  #onMetadata(): void {
    if (this.#counted === undefined || this.#mustJoin) return;
    const topics = new Set([...this.#counted.keys(), ...this.#options.host.topics()]);
    const now = this.#count(topics);
    const isSame =
      now.size === this.#counted.size && [...now].every(([topic, n]) => this.#counted!.get(topic) === n);
    if (!isSame) this.rejoin();
  }
}

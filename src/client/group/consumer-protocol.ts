/**
 * A consumer as a member of a group in the consumer protocol (KIP-848): the broker decides who reads what, and everything goes
 * through one request, the heartbeat. What it brings (another assignment) is carried out in `attend`, between two
 * batches; heartbeats go on meanwhile, and the next one tells what this member has then.
 */
import type { Timer } from '../../base/ports.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from '../../protocol/messages/68-consumer-group-heartbeat.ts';
import { unlessAborted } from '../backoff.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { brokerError, type KafkaError } from '../errors.ts';
import { Attendance, without } from './attendance.ts';
import type { GroupMembership, MembershipOptions } from './group-membership.ts';
import type { Committer } from './offsets.ts';

type TopicIds = NonNullable<ConsumerGroupHeartbeatResponse['assignment']>['topicPartitions'];

/** In place of an epoch. */
const JOINING = 0;
const LEAVING = -1;
/** A static member that means to come back. */
const LEAVING_FOR_NOW = -2;
const LEAVE_MS_MAX = 5_000;
const MEMBER_ID_BYTES = 16;
/** After these the member joins anew. */
const REJOIN: ReadonlySet<number> = new Set([Errors.UNKNOWN_MEMBER_ID, Errors.FENCED_MEMBER_EPOCH]);

export class ConsumerProtocolMembership implements GroupMembership {
  readonly #options: MembershipOptions;
  #memberId: string;
  #epoch = JOINING;
  #intervalMs: number;
  #heardMs: number;
  /** What the group wants this member to have; undefined once it is so. */
  #target: TopicIds | undefined;
  /** Parts of an assignment whose topics are not known here yet. */
  #unnamed: TopicIds | undefined;
  /** What the group knows of this member, as text; undefined: nothing. */
  #toldTopics: string | undefined;
  #toldOwned: string | undefined;
  readonly #ids = new Map<string, string>();
  /** The last heartbeat: the next one comes after its answer. */
  #turn: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  readonly #attendance: Attendance;
  readonly #unlisten: () => void;

  constructor(options: MembershipOptions) {
    const { random, clock } = options.core.ports;
    this.#options = options;
    this.#memberId = random.bytes(MEMBER_ID_BYTES).toString('base64url');
    this.#intervalMs = options.settings.heartbeatIntervalMs;
    this.#heardMs = clock.monotonicMs();
    this.#attendance = new Attendance(options, {
      isDue: () => this.#epoch === JOINING || this.#target !== undefined,
      step: () => this.#step(),
      mayRepeat: ({ code }) => REJOIN.has(code ?? Errors.NONE),
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
    const { instanceId } = this.#options.settings;
    return { memberId: this.#memberId, generation: this.#epoch, instanceId };
  }

  attend(signal?: AbortSignal): Promise<void> {
    return this.#attendance.attend(signal);
  }

  noteError(code: number | undefined): void {
    if (code === undefined || this.#attendance.signal.aborted) return;
    if (REJOIN.has(code)) this.#lose();
    else if (code === Errors.STALE_MEMBER_EPOCH) this.#beatSoon();
    else if (code === Errors.FENCED_INSTANCE_ID || code === Errors.UNRELEASED_INSTANCE_ID) {
      this.#lose(brokerError(code, `group ${this.#options.group}`, { fatal: true }));
    }
  }

  rejoin(): void {
    if (this.#epoch > JOINING) this.#beatSoon();
  }

  async close(): Promise<void> {
    const closed = this.#attendance.close();
    this.#unlisten();
    this.#timer?.cancel();
    if (!(await closed)) return;
    await this.#turn;
    await this.#leave(this.#options.settings.instanceId === null ? LEAVING : LEAVING_FOR_NOW);
  }

  #lose(fatal?: KafkaError): void {
    this.#epoch = JOINING;
    this.#target = this.#unnamed = this.#toldTopics = this.#toldOwned = undefined;
    this.#timer?.cancel();
    this.#attendance.lose(fatal);
  }

  // --- Joining, and taking what is given

  async #step(): Promise<void> {
    if (this.#epoch > JOINING) {
      await this.#reconcile();
      return;
    }
    await this.#options.host.topicsKnown();
    await this.#beat();
    this.#beatLater();
  }

  /** From what this member has to what it is given. The group gives on what was given away once it hears of it. */
  async #reconcile(): Promise<void> {
    const { host, core, group } = this.#options;
    const target = this.#target!;
    const wanted = await this.#named(target);
    const owned = host.owned();
    const revoked = without(owned, wanted);
    if (revoked.length > 0) await host.onRevoked(revoked);
    if (this.#target !== target) return;
    const added = without(wanted, owned);
    if (added.length > 0) await host.onAssigned(added);
    if (this.#target === target) this.#target = undefined;
    if (this.#epoch === JOINING) return;
    try {
      await this.#beat();
    } catch (error) {
      core.ports.logger?.debug({ group, error }, 'the group does not know yet what this member has');
    }
  }

  /** Topics come by their ids. Those that are not known here wait for the metadata. */
  async #named(target: TopicIds): Promise<TopicPartition[]> {
    const { metadata } = this.#options.core;
    const { signal } = this.#attendance;
    if (target.some(({ topicId }) => metadata.view.byId(topicId) === undefined)) {
      await unlessAborted(metadata.refresh(), signal);
    }
    const partitions: TopicPartition[] = [];
    this.#unnamed = undefined;
    for (const { topicId, partitions: list } of target) {
      const topic = metadata.view.byId(topicId);
      if (topic === undefined) {
        this.#unnamed = target;
        continue;
      }
      this.#ids.set(topic.name, topicId);
      for (const partition of list) partitions.push({ topic: topic.name, partition });
    }
    return partitions;
  }

  #onMetadata(): void {
    const { view } = this.#options.core.metadata;
    const unnamed = this.#unnamed;
    if (unnamed === undefined || this.#target !== undefined) return;
    if (unnamed.some(({ topicId }) => view.byId(topicId) === undefined)) return;
    this.#unnamed = undefined;
    this.#target = unnamed;
    this.#options.host.onAttention();
  }

  // --- Heartbeats

  #beatLater(): void {
    this.#timer?.cancel();
    if (this.#attendance.signal.aborted || this.#epoch === JOINING) return;
    this.#timer = this.#options.core.ports.timers.after(this.#intervalMs, () => void this.#onTimer());
  }

  #beatSoon(): void {
    this.#timer?.cancel();
    if (this.#epoch > JOINING) void this.#onTimer();
  }

  async #onTimer(): Promise<void> {
    const { core, host, settings, group } = this.#options;
    const sincePollMs = core.ports.clock.monotonicMs() - host.lastPolledMs();
    if (sincePollMs > settings.pollIntervalMsMax) {
      core.ports.logger?.warn({ group, sincePollMs }, 'leaving the group: records are not asked for');
      const left = this.#leave(LEAVING);
      this.#lose();
      await left;
      return;
    }
    if (host.topics().some((topic) => core.metadata.view.get(topic) === undefined)) core.metadata.stale();
    try {
      await this.#beat();
    } catch (error) {
      core.ports.logger?.debug({ group, error }, 'a heartbeat has failed');
    }
    this.#beatLater();
  }

  /** One at a time. Errors: KafkaError; what follows from them is noted. */
  #beat(): Promise<void> {
    const turn = this.#turn.then(() => this.#exchange());
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #exchange(): Promise<void> {
    const { host, group, core } = this.#options;
    const epoch = this.#epoch;
    const topics = JSON.stringify(host.topics());
    const owned = epoch === JOINING ? [] : this.#owned();
    const ownedText = JSON.stringify(owned);
    const answer = await this.#ask({
      epoch,
      topics: topics === this.#toldTopics ? null : [...host.topics()],
      owned: ownedText === this.#toldOwned ? null : owned,
    });
    // The group was left, or has lost this member, while the answer was on its way.
    if (this.#epoch !== epoch || this.#attendance.signal.aborted) return;
    if (answer.errorCode !== Errors.NONE) {
      this.noteError(answer.errorCode);
      const why = answer.errorMessage === null ? '' : `: ${answer.errorMessage}`;
      throw this.#attendance.fatal ?? brokerError(answer.errorCode, `heartbeat in group ${group}${why}`);
    }
    this.#heardMs = core.ports.clock.monotonicMs();
    this.#toldTopics = topics;
    this.#toldOwned = ownedText;
    this.#memberId = answer.memberId ?? this.#memberId;
    this.#epoch = answer.memberEpoch;
    if (answer.heartbeatIntervalMs > 0) this.#intervalMs = answer.heartbeatIntervalMs;
    if (answer.assignment === null) return;
    this.#target = answer.assignment.topicPartitions;
    host.onAttention();
  }

  #owned(): { topicId: string; partitions: number[] }[] {
    const byId = new Map<string, number[]>();
    for (const { topic, partition } of this.#options.host.owned()) {
      const id = this.#ids.get(topic)!;
      const list = byId.get(id);
      if (list === undefined) byId.set(id, [partition]);
      else list.push(partition);
    }
    return [...byId].map(([topicId, partitions]) => ({ topicId, partitions }));
  }

  #ask(
    {
      epoch,
      topics,
      owned,
    }: {
      readonly epoch: number;
      readonly topics: string[] | null;
      readonly owned: { topicId: string; partitions: number[] }[] | null;
    },
    timeoutMs?: number,
  ): Promise<ConsumerGroupHeartbeatResponse> {
    const { coordinator, group, settings, core } = this.#options;
    const isJoining = epoch === JOINING;
    return coordinator.ask(
      {
        request: ConsumerGroupHeartbeatRequest,
        response: ConsumerGroupHeartbeatResponse,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        body: () => ({
          groupId: group,
          memberId: this.#memberId,
          memberEpoch: epoch,
          instanceId: settings.instanceId,
          rackId: isJoining ? (core.settings.rack ?? null) : null,
          rebalanceTimeoutMs: isJoining ? settings.pollIntervalMsMax : -1,
          subscribedTopicNames: topics,
          subscribedTopicRegex: null,
          serverAssignor: isJoining ? settings.serverAssignor : null,
          topicPartitions: owned,
        }),
      },
      ({ errorCode }) => errorCode,
    );
  }

  async #leave(epoch: number): Promise<void> {
    const { group, core } = this.#options;
    if (this.#epoch === JOINING) return;
    this.#epoch = JOINING;
    try {
      await this.#ask({ epoch, topics: null, owned: null }, LEAVE_MS_MAX);
    } catch (error) {
      core.ports.logger?.debug({ group, error }, 'leaving the group has failed: its session will end');
    }
  }
}

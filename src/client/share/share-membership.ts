/**
 * A member of a share group (KIP-932): everything goes through one request, the heartbeat, and what it brings takes effect
 * at once, as nobody loses by it: a partition may be several members'. So all of it happens beside the user, who hears of it
 * only when it cannot go on.
 */
import type { Timer } from '../../base/ports.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  ShareGroupHeartbeatRequest,
  ShareGroupHeartbeatResponse,
} from '../../protocol/messages/76-share-group-heartbeat.ts';
import { backoffMs } from '../backoff.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, connectionError, type KafkaError } from '../errors.ts';
import type { Coordinator } from '../group/coordinator.ts';
import type { SharePartition } from './share-session.ts';

type TopicIds = NonNullable<ShareGroupHeartbeatResponse['assignment']>['topicPartitions'];

export interface ShareMembershipHost {
  /** The topics that this member wants. */
  topics(): readonly string[];
  /** Resolves when `topics` says something. */
  topicsKnown(): Promise<void>;
  /** The user waits for records at this moment, or asked for them last at this time (monotonic ms). */
  lastPolledMs(): number;
  /** What this member reads from now on. */
  onAssigned(partitions: readonly SharePartition[]): void;
  /** The member is none any more; `start` tries again. */
  onError(error: KafkaError): void;
}

export interface ShareMembershipOptions {
  readonly core: ClientCore;
  readonly coordinator: Coordinator;
  readonly group: string;
  readonly memberId: string;
  readonly pollIntervalMsMax: number;
  readonly host: ShareMembershipHost;
}

/** In place of an epoch. */
const JOINING = 0;
const LEAVING = -1;
const LEAVE_MS_MAX = 5_000;
/** Until the broker says it. */
const INTERVAL_MS = 5_000;
/** After these the member joins anew. */
const REJOIN: ReadonlySet<number> = new Set([Errors.UNKNOWN_MEMBER_ID, Errors.FENCED_MEMBER_EPOCH]);

export class ShareMembership {
  readonly #options: ShareMembershipOptions;
  #epoch = JOINING;
  #isStarted = false;
  #isClosed = false;
  #intervalMs = INTERVAL_MS;
  #failures = 0;
  /** What the group knows of this member's wishes, as text; undefined: nothing. */
  #toldTopics: string | undefined;
  /** Parts of an assignment whose topics are not known here yet. */
  #unnamed: TopicIds | undefined;
  #timer: Timer | undefined;
  #turn: Promise<void> | undefined;
  readonly #unlisten: () => void;

  constructor(options: ShareMembershipOptions) {
    this.#options = options;
    this.#unlisten = options.core.metadata.onChange(() => this.#onMetadata());
  }

  /** The group counts on this member. */
  get isMember(): boolean {
    return this.#epoch > JOINING;
  }

  /** Joins, and stays; unless it does already. */
  start(): void {
    if (this.#isStarted || this.#isClosed) return;
    this.#isStarted = true;
    this.#failures = 0;
    this.#beat();
  }

  /** The topics that this member wants have changed. */
  rejoin(): void {
    if (this.#isStarted) this.#beat();
  }

  /** Leaves the group. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unlisten();
    this.#timer?.cancel();
    const { core, coordinator } = this.#options;
    const late = core.ports.timers.after(LEAVE_MS_MAX, () => coordinator.close());
    await this.#turn;
    late.cancel();
    await this.#leave();
  }

  #beatAfter(ms: number): void {
    this.#timer?.cancel();
    if (this.#isClosed || !this.#isStarted) return;
    this.#timer = this.#options.core.ports.timers.after(ms, () => this.#beat());
  }

  /** One at a time. */
  #beat(): void {
    if (this.#turn !== undefined || this.#isClosed) return;
    this.#timer?.cancel();
    this.#turn = this.#beatOnce().then((ms) => {
      this.#turn = undefined;
      this.#beatAfter(ms);
    });
  }

  /** Resolves with the time until the next, in ms. Never rejects. */
  async #beatOnce(): Promise<number> {
    const { core, group, host, pollIntervalMsMax } = this.#options;
    const sincePollMs = core.ports.clock.monotonicMs() - host.lastPolledMs();
    if (sincePollMs > pollIntervalMsMax) {
      core.ports.logger?.warn({ group, sincePollMs }, 'leaving the group: records are not asked for');
      this.#isStarted = false;
      host.onAssigned([]);
      await this.#leave();
      return 0;
    }
    try {
      await host.topicsKnown();
      if (host.topics().some((topic) => core.metadata.view.get(topic) === undefined)) core.metadata.stale();
      if (host.topics().length > 0 || this.isMember) await this.#exchange();
      this.#failures = 0;
      return this.#intervalMs;
    } catch (error) {
      return this.#failed(connectionError(error, `heartbeat in share group ${group}`));
    }
  }

  #failed(failure: KafkaError): number {
    const { core, group, host } = this.#options;
    this.#toldTopics = undefined;
    const isFenced = REJOIN.has(failure.code ?? Errors.NONE);
    core.ports.logger?.debug({ group, error: failure }, 'a heartbeat has failed');
    if (isFenced || !failure.retriable) {
      this.#epoch = JOINING;
      host.onAssigned([]);
    }
    if (!isFenced && !failure.retriable) {
      this.#isStarted = false;
      if (!this.#isClosed) host.onError(failure);
      return 0;
    }
    this.#failures += 1;
    return isFenced && this.#failures === 1 ? 0 : backoffMs(this.#failures, core.settings, core.ports.random);
  }

  async #exchange(): Promise<void> {
    const { host, group } = this.#options;
    const topics = [...host.topics()].sort();
    const text = JSON.stringify(topics);
    const answer = await this.#ask({ epoch: this.#epoch, topics: text === this.#toldTopics ? null : topics });
    if (answer.errorCode !== Errors.NONE) {
      const why = answer.errorMessage === null ? '' : `: ${answer.errorMessage}`;
      throw brokerError(answer.errorCode, `heartbeat in share group ${group}${why}`);
    }
    this.#toldTopics = text;
    this.#epoch = answer.memberEpoch;
    if (answer.heartbeatIntervalMs > 0) this.#intervalMs = answer.heartbeatIntervalMs;
    if (answer.assignment !== null) this.#take(answer.assignment.topicPartitions);
  }

  /** Topics come by their ids. Those that are not known here wait for the metadata. */
  #take(given: TopicIds): void {
    const { core, host } = this.#options;
    const partitions: SharePartition[] = [];
    this.#unnamed = undefined;
    for (const { topicId, partitions: list } of given) {
      const topic = core.metadata.view.byId(topicId)?.name;
      if (topic === undefined) this.#unnamed = given;
      else for (const partition of list) partitions.push({ topic, topicId, partition });
    }
    if (this.#unnamed !== undefined) core.metadata.stale();
    host.onAssigned(partitions);
  }

  #onMetadata(): void {
    const { view } = this.#options.core.metadata;
    const unnamed = this.#unnamed;
    if (unnamed === undefined || unnamed.some(({ topicId }) => view.byId(topicId) === undefined)) return;
    this.#take(unnamed);
  }

  #ask(
    { epoch, topics }: { readonly epoch: number; readonly topics: string[] | null },
    timeoutMs?: number,
  ): Promise<ShareGroupHeartbeatResponse> {
    const { coordinator, group, memberId, core } = this.#options;
    return coordinator.ask(
      {
        request: ShareGroupHeartbeatRequest,
        response: ShareGroupHeartbeatResponse,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        body: () => ({
          groupId: group,
          memberId,
          memberEpoch: epoch,
          rackId: epoch === JOINING ? (core.settings.rack ?? null) : null,
          subscribedTopicNames: topics,
        }),
      },
      ({ errorCode }) => errorCode,
    );
  }

  async #leave(): Promise<void> {
    const { group, core } = this.#options;
    if (this.#epoch === JOINING) return;
    this.#epoch = JOINING;
    this.#toldTopics = undefined;
    try {
      await this.#ask({ epoch: LEAVING, topics: null }, LEAVE_MS_MAX);
    } catch (error) {
      core.ports.logger?.debug({ group, error }, 'leaving the group has failed: its session will end');
    }
  }
}

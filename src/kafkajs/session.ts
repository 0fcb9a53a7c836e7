/**
 * One membership of a KafkaJS consumer in its group, from joining to leaving: it hands batches to the application's handler,
 * keeps account of what is dealt with, and commits as `run` was told.
 */
import type { TopicPartition } from '../client/consumer/options.ts';
import { Consumer as CoreConsumer } from '../client/consumer/consumer.ts';
import type { ConsumerBatch } from '../client/consumer/record.ts';
import type { RunContext } from '../client/consumer/runner.ts';
import type { ClientCore } from '../client/core.ts';
import { isKafkaError } from '../client/errors.ts';
import type { OffsetToCommit } from '../client/group/offsets.ts';
import type { JoinedGroup } from '../client/group/options.ts';
import { ConsumedOffsets } from './consumed-offsets.ts';
import type { ConnectionHost } from './connection.ts';
import { CONSUMER_EVENTS } from './events.ts';
import { Handling, type HandlingHost } from './handling.ts';
import { MessageBatch } from './messages.ts';
import { assignmentOf, keyOf, topicOffsetsOf } from './partition-key.ts';
import type { Pauses } from './pauses.ts';
import { FOREVER_MS } from './retry.ts';
import { membershipOptions, type MembershipPlan } from './membership-plan.ts';
import { translated } from './translate.ts';
import type { ConsumerRunConfig } from './types.ts';

/** After these the group has gone on without this member, or is about to: it joins again by itself. */
const REJOINS = [
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'FENCED_INSTANCE_ID',
] as const;

export interface SessionOptions {
  readonly host: ConnectionHost;
  readonly core: ClientCore;
  readonly plan: MembershipPlan;
  readonly run: ConsumerRunConfig;
  readonly pauses: Pauses;
  /** Where the application wants to go on, by partition: of before the partitions were given. */
  readonly seeks: Map<string, number>;
}

/** Where the coordinator does not answer. */
const LAST_COMMIT_MS_MAX = 5_000;
/** KafkaJS's numbers for the ends of a partition. */
const EARLIEST = -2;
const LATEST = -1;

export class Session implements HandlingHost {
  readonly offsets = new ConsumedOffsets();
  /** Settles when the group has let this member in. */
  readonly joined = Promise.withResolvers<void>();
  readonly #options: SessionOptions;
  readonly #consumer: CoreConsumer;
  readonly #handlings = new Map<string, Handling>();
  readonly #ending = new AbortController();
  #looping: Promise<void> | undefined;
  #joiningMs: number;
  #committedMs: number;
  #handled = 0;
  #hasJoined = false;

  constructor(options: SessionOptions) {
    const { core, plan, run, host } = options;
    this.#options = options;
    this.#joiningMs = this.#committedMs = this.#nowMs;
    this.#consumer = new CoreConsumer(core, {
      ...membershipOptions(plan, core),
      autoCommit: false,
      joinsBatches: true,
      stallTimeoutMs: plan.sessionTimeoutMs,
      onStall: ({ reason, partition, forMs }) =>
        host.logger.warn('The consumer gets no further', { groupId: plan.groupId, reason, partition, forMs }),
      observer: {
        onRebalance: () => this.#onRebalance(),
        onJoined: (joined) => this.#onJoined(joined),
        onHeartbeat: () => this.#onHeartbeat(),
      },
      onAssigned: (partitions) => this.#onAssigned(partitions),
      onRevoked: (partitions) => this.#onRevoked(partitions),
      onLost: (partitions) => this.offsets.forget(partitions),
    });
    this.joined.promise.catch(() => {});
    this.isAutoCommitted = run.autoCommit ?? true;
  }

  readonly isAutoCommitted: boolean;

  get run(): ConsumerRunConfig {
    return this.#options.run;
  }

  get logger(): ConnectionHost['logger'] {
    return this.#options.host.logger;
  }

  get isRunning(): boolean {
    return !this.ending.aborted;
  }

  /** Aborted by `stop`. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Batches that were dealt with to their end, so far. */
  get handled(): number {
    return this.#handled;
  }

  /**
   * Hands out batches until `stop`. Rejects with what a handler throws, once the others are done; then it may be called
   * again.
   */
  async loop(): Promise<void> {
    const { partitionsConsumedConcurrently: concurrency = 1 } = this.#options.run;
    const looping = this.#consumer.run({
      concurrency,
      byProgress: true,
      signal: this.#ending.signal,
      onBatch: (batch, context) => this.#handle(batch, context),
    });
    this.#looping = looping.catch(() => {});
    try {
      await looping;
    } catch (error) {
      if (!this.isRunning) return;
      throw translated(error);
    }
  }

  /** Waits for handlers, commits what they have done, and leaves the group. */
  async stop(): Promise<void> {
    if (this.isRunning) this.#ending.abort(new Error('the consumer is to stop'));
    this.joined.resolve();
    await this.#looping;
    this.#skipped();
    const late = new AbortController();
    const timer = this.#options.core.ports.timers.after(LAST_COMMIT_MS_MAX, () => late.abort());
    try {
      if (this.isAutoCommitted) await this.commit(this.offsets.uncommitted(), late.signal);
    } catch (error) {
      this.logger.warn('Offsets could not be committed at the stop', { error: String(error) });
    } finally {
      timer.cancel();
    }
    await this.#consumer.close({ timeoutMs: FOREVER_MS });
  }

  // --- What the application asks for

  seek(at: TopicPartition, offset: number): void {
    if (!this.#isAssigned(at)) {
      // Whoever seeks right after `run` does so before there is anything to seek in.
      if (!this.#hasJoined) this.#options.seeks.set(keyOf(at), offset);
      return;
    }
    this.#handlings.get(keyOf(at))?.makeStale();
    this.#consumer.seek(at, offset === EARLIEST ? 'earliest' : offset === LATEST ? 'latest' : offset);
    if (offset >= 0) this.offsets.resolve(at, offset);
  }

  /** Brings the partitions in line with what is paused. */
  applyPauses(): void {
    const assigned = this.#consumer.assignment();
    this.#consumer.pause(assigned.filter((at) => this.isPaused(at)));
    this.#consumer.resume(assigned.filter((at) => !this.isPaused(at)));
  }

  isPaused(at: TopicPartition): boolean {
    // What nobody here has subscribed to is not read, though an assigner may give it.
    return this.#options.pauses.has(at) || !this.#options.plan.topics.has(at.topic);
  }

  pause(at: TopicPartition): () => void {
    const request = [{ topic: at.topic, partitions: [at.partition] }];
    this.#options.pauses.pause(request);
    this.applyPauses();
    return () => {
      this.#options.pauses.resume(request);
      this.applyPauses();
    };
  }

  assignment(): TopicPartition[] {
    return this.#consumer.assignment();
  }

  // --- Commits

  /** Commits these, or what is dealt with. Errors: KafkaJSError; none where the member is to join again anyway. */
  async commit(
    offsets: readonly OffsetToCommit[] = this.offsets.uncommitted(),
    signal?: AbortSignal,
  ): Promise<void> {
    if (offsets.length === 0) return;
    this.#committedMs = this.#nowMs;
    try {
      await this.#consumer.commit(offsets, signal === undefined ? {} : { signal });
    } catch (error) {
      if (!isKafkaError(error, ...REJOINS)) throw translated(error);
      this.logger.warn('Offsets could not be committed: the group is balanced anew', {
        error: error.message,
      });
      return;
    }
    this.offsets.noteCommitted(offsets);
    const topics = topicOffsetsOf(offsets);
    this.#options.host.events.emit(CONSUMER_EVENTS.COMMIT_OFFSETS, { ...this.#inGeneration(), topics });
  }

  async autoCommit(): Promise<void> {
    if (this.isAutoCommitted) await this.commit();
  }

  /** Whether as much time, or as many records, have passed as `run` was told. */
  get isCommitDue(): boolean {
    const { autoCommitInterval = null, autoCommitThreshold = null } = this.#options.run;
    if (autoCommitInterval !== null && this.#nowMs >= this.#committedMs + autoCommitInterval) return true;
    return autoCommitThreshold !== null && this.offsets.uncommittedCount >= autoCommitThreshold;
  }

  // --- Batches

  async #handle(source: ConsumerBatch, context: RunContext): Promise<void> {
    const { events } = this.#options.host;
    const batch = new MessageBatch(source);
    const handling = new Handling(this, { source, batch, context });
    const key = keyOf(source);
    this.#handlings.set(key, handling);
    this.offsets.begin(source, source.records[0]!.offset);
    const beganMs = this.#nowMs;
    const about = {
      topic: batch.topic,
      partition: batch.partition,
      highWatermark: batch.highWatermark,
      offsetLag: batch.offsetLag(),
      offsetLagLow: batch.offsetLagLow(),
      batchSize: batch.messages.length,
      firstOffset: batch.firstOffset(),
      lastOffset: batch.lastOffset(),
    };
    events.emit(CONSUMER_EVENTS.START_BATCH_PROCESS, about);
    try {
      await handling.work();
      this.#handled += 1;
    } finally {
      this.#handlings.delete(key);
    }
    const duration = Math.round(this.#nowMs - beganMs);
    events.emit(CONSUMER_EVENTS.END_BATCH_PROCESS, { ...about, duration });
    await this.autoCommit();
  }

  /** Yields what nobody is told of behind what was dealt with: markers, and records of aborted transactions. */
  #skipped(): OffsetToCommit[] {
    return this.#consumer.assignment().flatMap((at) => {
      const offset = this.#handlings.has(keyOf(at)) ? undefined : this.#consumer.position(at);
      return offset !== undefined && this.offsets.skip(at, offset) ? [{ ...at, offset }] : [];
    });
  }

  // --- The group

  #onHeartbeat(): void {
    this.#options.host.events.emit(CONSUMER_EVENTS.HEARTBEAT, this.#inGeneration());
    const skipped = this.#skipped();
    if (!this.isAutoCommitted || skipped.length === 0) return;
    this.commit(skipped).catch((error: unknown) =>
      this.logger.warn('Offsets could not be committed', { error: String(error) }),
    );
  }

  #onRebalance(): void {
    const { host, plan } = this.#options;
    this.#joiningMs = this.#nowMs;
    const { memberId } = this.#inGeneration();
    host.logger.warn('The group is rebalancing, re-joining', { groupId: plan.groupId, memberId });
    host.events.emit(CONSUMER_EVENTS.REBALANCING, { groupId: plan.groupId, memberId });
  }

  #onJoined({ memberId, leaderId, generation, protocol, partitions }: JoinedGroup): void {
    const { host, plan } = this.#options;
    const { groupId } = plan;
    const memberAssignment = assignmentOf(partitions);
    const about = {
      groupId,
      memberId,
      leaderId,
      isLeader: leaderId === memberId,
      memberAssignment,
      groupProtocol: protocol,
      duration: Math.round(this.#nowMs - this.#joiningMs),
    };
    this.#hasJoined = true;
    host.logger.info('Consumer has joined the group', about);
    host.events.emit(CONSUMER_EVENTS.GROUP_JOIN, about);
    const strange = Object.keys(memberAssignment).filter((topic) => !plan.topics.has(topic));
    if (strange.length > 0) {
      host.logger.warn('Consumer group received unsubscribed topics', {
        groupId,
        topicsNotSubscribed: strange,
      });
      host.events.emit(CONSUMER_EVENTS.RECEIVED_UNSUBSCRIBED_TOPICS, {
        groupId,
        generationId: generation,
        memberId,
        assignedTopics: Object.keys(memberAssignment),
        topicsSubscribed: [...plan.topics.keys()],
        topicsNotSubscribed: strange,
      });
    }
    this.joined.resolve();
  }

  #onAssigned(partitions: readonly TopicPartition[]): void {
    const { plan, seeks } = this.#options;
    for (const at of partitions) {
      const wanted = seeks.get(keyOf(at));
      seeks.delete(keyOf(at));
      if (wanted !== undefined) this.seek(at, wanted);
      else if (this.#consumer.position(at) === undefined) {
        this.#consumer.seek(at, plan.topics.get(at.topic) === true ? 'earliest' : 'latest');
      }
    }
    this.#consumer.pause(partitions.filter((at) => this.isPaused(at)));
  }

  async #onRevoked(partitions: readonly TopicPartition[]): Promise<void> {
    try {
      await this.autoCommit();
    } catch (error) {
      this.logger.warn('Offsets could not be committed before a rebalance', { error: String(error) });
    }
    this.offsets.forget(partitions);
  }

  #inGeneration(): { groupId: string; memberId: string; groupGenerationId: number } {
    const { group: groupId, committer } = this.#consumer.offsetOwner;
    const { memberId = '', generation = -1 } = committer ?? {};
    return { groupId, memberId, groupGenerationId: generation };
  }

  #isAssigned({ topic, partition }: TopicPartition): boolean {
    return this.#consumer.assignment().some((one) => one.topic === topic && one.partition === partition);
  }

  get #nowMs(): number {
    return this.#options.core.ports.clock.monotonicMs();
  }
}

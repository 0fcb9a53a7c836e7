/**
 * The consumer that users hold: it reads the partitions that it was given, or those that its group assigns to it, record by
 * record or batch by batch. Asking for the next is the beat of everything: what was handed out before counts as dealt
 * with, and a rebalance of the group takes place between two of them, never under the user's hands.
 */
import type { ClientCore } from '../core.ts';
import { callBack, ownError } from '../errors.ts';
import type { OffsetStore } from '../group/offset-store.ts';
import { NO_MEMBER, type CommittedOffset, type OffsetOwner, type OffsetToCommit } from '../group/offsets.ts';
import type { GroupOptions } from '../group/options.ts';
import { AssignedPartitions } from './assigned-partitions.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import { Fetcher } from './fetcher.ts';
import { GroupPart } from './group-part.ts';
import type { ConsumerHealth } from './health.ts';
import type { ConsumerInterceptor } from './interceptors.ts';
import { KeyedRunner } from './keyed-runner.ts';
import { newConsumerCounters, type ConsumerCounters, type ConsumerMetrics } from './metrics.ts';
import { NextBatch, type NextOptions, type PollOptions } from './next-batch.ts';
import {
  fetchSettings,
  type Assignment,
  type FetchOptions,
  type Start,
  type TopicPartition,
} from './options.ts';
import type { ConsumerBatch, ConsumerRecord } from './record.ts';
import { RecordIterator } from './record-iterator.ts';
import { Runner, type HandlerRunner, type RunOptions } from './runner.ts';
import { Watchdog, type WatchdogOptions } from './watchdog.ts';

export interface ConsumerOptions extends FetchOptions, GroupOptions, WatchdogOptions {
  /**
   * The topics to read, shared with the other members of the group. A pattern stands for all topics whose name it finds
   * itself in, internal ones excepted; new ones are noticed within `metadataMaxAgeMs`.
   */
  readonly topics?: readonly (string | RegExp)[];
  /** In place of `topics`: the partitions to read, whoever else reads them. */
  readonly assign?: readonly Assignment[];
  /** The group whose offsets `commit` stores, and from which reading goes on where it was left. */
  readonly group?: string;
  /** What is between this consumer and whoever uses it, the first one first. */
  readonly interceptors?: readonly ConsumerInterceptor[];
}

/** Where handlers that do not come back are left at the close. */
const CLOSE_MS_MAX = 30_000;

export class Consumer implements AsyncDisposable, AsyncIterable<ConsumerRecord> {
  readonly #core: ClientCore;
  readonly #options: ConsumerOptions;
  readonly #fetcher: Fetcher;
  readonly #partitions: AssignedPartitions;
  readonly #watchdog: Watchdog;
  /** With a group. */
  readonly #group: GroupPart | undefined;
  readonly #nextBatch: NextBatch;
  /** The topics that are part of each refresh of the metadata because they were assigned here. */
  readonly #topics = new Set<string>();
  /** What the user gave and has not taken effect. */
  #toAssign: readonly Assignment[] | undefined;
  #runner: HandlerRunner | undefined;
  readonly #counters: ConsumerCounters = newConsumerCounters();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  /** Users get theirs from `Client.consumer`. Throws TypeError for what does not go together. */
  constructor(core: ClientCore, options: ConsumerOptions) {
    const { group, topics, assign } = options;
    if (topics !== undefined && assign !== undefined) throw new TypeError('either topics or assign');
    if (topics !== undefined && group === undefined)
      throw new TypeError('topics are shared in a group: name one');
    this.#core = core;
    this.#options = options;
    const settings = fetchSettings(options);
    this.#toAssign = assign;
    const counters = this.#counters;
    this.#fetcher = new Fetcher({ core, settings, counters, onReady: () => this.#nextBatch.wake() });
    this.#partitions = new AssignedPartitions({
      core,
      fetcher: this.#fetcher,
      from: settings.from,
      offsets: () => this.#group?.offsets,
      onBegun: (partitions) => {
        counters.assignments += 1;
        return topics === undefined
          ? undefined
          : callBack('onAssigned', () => options.onAssigned?.(partitions));
      },
    });
    this.#nextBatch = new NextBatch({
      core,
      group,
      fetcher: this.#fetcher,
      partitions: this.#partitions,
      membership: () => this.#group?.membership,
      interceptors: options.interceptors ?? [],
      counters,
      closing: this.#closing.signal,
      takeAssignments: () => (this.#toAssign === undefined ? undefined : this.#takeAssignments()),
    });
    if (group !== undefined) {
      this.#group = new GroupPart({
        core,
        group,
        topics,
        options,
        partitions: this.#partitions,
        lastPolledMs: () => this.#busySinceMs() ?? core.ports.clock.monotonicMs(),
        onAttention: () => this.#nextBatch.wake(),
        drain: async (partitions) => this.#runner?.drain(partitions),
        onCommit: (offsets, error) => {
          counters[error === undefined ? 'commits' : 'failedCommits'] += 1;
          if (error === undefined) for (const one of options.interceptors ?? []) one.onCommitted?.(offsets);
        },
      });
    }
    this.#watchdog = new Watchdog(
      {
        core,
        partitions: () => this.#partitions.all(),
        busySinceMs: (partition) =>
          partition === undefined ? this.#busySinceMs() : this.#runner?.partitionBusySinceMs(partition),
        membership: this.#group?.membership,
      },
      options,
    );
  }

  /**
   * The records, one by one, until the consumer is closed. Leaving the loop keeps the place: a later loop goes on
   * behind it.
   */
  [Symbol.asyncIterator](): AsyncIterator<ConsumerRecord> {
    return this.records()[Symbol.asyncIterator]();
  }

  /** As iterating the consumer, with a signal that ends the loop by its reason. */
  records(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<ConsumerRecord> {
    const poll = (): Promise<ConsumerBatch | undefined> => this.#next(options);
    const source = {
      poll,
      partitionOf: (batch: ConsumerBatch) => this.#partitions.get(batch),
      rewind: (partition: FetchedPartition) => this.#fetcher.rewind(partition),
      isInterrupted: () => this.#group?.membership?.needsAttention === true,
    };
    return { [Symbol.asyncIterator]: () => new RecordIterator(source) };
  }

  /** Batch by batch: the cheaper way when there are many records. A batch counts as dealt with when the next is asked for. */
  async *batches(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<ConsumerBatch, void, void> {
    for (;;) {
      const batch = await this.#next(options);
      if (batch === undefined) return;
      yield batch;
    }
  }

  /**
   * Gives records or batches to a handler until the consumer is closed: each partition's in their order, `concurrency`
   * partitions at a time; or, with `order: 'key'`, `concurrency` records at a time, those of one key in their order. Only
   * what a handler has finished is committed, by itself or by `commit`. What a handler throws ends the run, once the others
   * have finished what they have, and the run rejects with it; a later run begins with what that handler had. Offsets go on
   * in order in each partition, so nothing is passed over.
   *
   * Errors: what the handler throws; KafkaError of a partition that cannot go on; the signal's reason.
   */
  async run(options: RunOptions): Promise<void> {
    this.#throwIfClosed();
    if (this.#runner !== undefined) throw ownError('INVALID_ARGUMENT', 'one run at a time');
    this.#nextBatch.finishLast();
    const Chosen = options.order === 'key' ? KeyedRunner : Runner;
    this.#runner = new Chosen(
      {
        clock: this.#core.ports.clock,
        group: this.#options.group,
        clientId: this.#core.settings.clientId,
        poll: (one) => this.#next({ ...one, isCounted: true }),
        partitionOf: (batch) => this.#partitions.get(batch),
        rewind: (partition) => this.#fetcher.rewind(partition),
        release: (partition) => this.#fetcher.release(partition),
        wake: () => this.#nextBatch.wake(),
      },
      options,
    );
    try {
      await this.#runner.run();
    } finally {
      this.#runner = undefined;
      this.#nextBatch.touch();
    }
  }

  /** What has been done since the consumer was made, and what waits. */
  metrics(): ConsumerMetrics {
    const { requestsInFlight, bufferedBytes } = this.#fetcher;
    return { ...this.#counters, requestsInFlight, bufferedBytes };
  }

  /** What holds this consumer up, if anything does, and how far it is. */
  health(): ConsumerHealth {
    const stalls = this.#watchdog.stalls();
    return {
      isHealthy: stalls.length === 0,
      stalls,
      isMember: this.#group?.membership?.needsAttention !== true,
      bufferedBytes: this.bufferedBytes,
      partitions: this.assignment().map((at) => ({
        ...at,
        position: this.position(at),
        lag: this.lag(at),
        isPaused: this.#partitions.require(at).isPaused,
      })),
    };
  }

  /**
   * The next batch; undefined when `timeoutMs` pass without one, or the consumer is closed meanwhile. Errors: KafkaError. What
   * concerns one partition is thrown again until that is sought, paused or given up.
   */
  poll(options: PollOptions = {}): Promise<ConsumerBatch | undefined> {
    return this.#next(options);
  }

  /** Reads these partitions from now on, instead of those before. Where a partition stays, so does its position. */
  async assign(assignments: readonly Assignment[]): Promise<void> {
    this.#throwIfClosed();
    this.#toAssign = assignments;
    await this.#takeAssignments();
  }

  /** What is read at present, sorted. */
  assignment(): TopicPartition[] {
    return this.#partitions.list();
  }

  /** The offset of the next record to be handed out; undefined until it is known. */
  position(at: TopicPartition): number | undefined {
    const { position } = this.#partitions.require(at);
    return position < 0 ? undefined : position;
  }

  /** Records between the position and the partition's end, as of the last answer; undefined until there was one. */
  lag(at: TopicPartition): number | undefined {
    const { position, highWatermark } = this.#partitions.require(at);
    return position < 0 || highWatermark < 0 ? undefined : Math.max(0, highWatermark - position);
  }

  /** Bytes that were fetched ahead and wait to be handed out. */
  get bufferedBytes(): number {
    return this.#fetcher.bufferedBytes;
  }

  /** Goes on at another place: an offset, an end, or a time. */
  seek(at: TopicPartition, to: Start): void {
    this.#fetcher.seek(this.#partitions.require(at), to);
  }

  /** Nothing of these is handed out or fetched until `resume`; what was fetched stays. */
  pause(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const at of partitions) this.#fetcher.pause(this.#partitions.require(at));
  }

  resume(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const at of partitions) this.#fetcher.resume(this.#partitions.require(at));
  }

  paused(): TopicPartition[] {
    return this.assignment().filter((at) => this.#partitions.require(at).isPaused);
  }

  /**
   * Stores, for the group, that everything which was handed out is dealt with, including the record or batch that the user has
   * at this moment; or the offsets that are given. During a `run`: what its handlers have finished. Errors: KafkaError.
   */
  async commit(
    offsets?: readonly OffsetToCommit[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    this.#throwIfClosed();
    await this.#store().commit(
      offsets ?? this.#partitions.reached((partition) => partition.position),
      options.signal,
    );
  }

  /** What `commit` would store: behind everything that was handed out. For offsets that go with a transaction. */
  handedOut(): OffsetToCommit[] {
    return this.#partitions.reached((partition) => partition.position);
  }

  /** In whose name offsets go with a transaction: the group, and this member of it as it is now. */
  get offsetOwner(): OffsetOwner {
    this.#store();
    return { group: this.#options.group!, committer: this.#group?.membership?.committer ?? NO_MEMBER };
  }

  /** What the group has committed, of those that are read or are named. Partitions without are left out. */
  committed(partitions: readonly TopicPartition[] = this.assignment()): Promise<CommittedOffset[]> {
    return this.#store().committed(partitions);
  }

  /**
   * Ends all loops, lets handlers of `run` finish what they have, commits what was dealt with if that goes by itself, leaves the
   * group, and closes the connections. Handlers are waited for `timeoutMs` at most (default: 30 s); what they have comes
   * again. A handler that waits for this itself waits in vain.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.timeoutMs ?? CLOSE_MS_MAX);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#watchdog.close();
    if (this.#runner !== undefined) {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = this.#core.ports.timers.after(timeoutMs, resolve);
      await Promise.race([this.#runner.stop(), late]);
      timer.cancel();
    }
    this.#closing.abort(ownError('CLOSED', 'the consumer has been closed'));
    this.#nextBatch.wake();
    try {
      await this.#group?.close();
    } finally {
      this.#fetcher.close();
      this.#group?.disconnect();
      for (const topic of this.#topics) this.#core.metadata.unwant(topic);
    }
  }

  /** Since when the user has what was handed out; undefined while records are waited for. */
  #busySinceMs(): number | undefined {
    if (this.#runner !== undefined) return this.#runner.busySinceMs;
    return this.#nextBatch.idleSinceMs;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #next(options: NextOptions): Promise<ConsumerBatch | undefined> {
    if (this.#runner !== undefined && options.isCounted !== true) {
      throw ownError('INVALID_ARGUMENT', 'one poll, loop or run at a time');
    }
    return this.#nextBatch.next(options);
  }

  async #takeAssignments(): Promise<void> {
    const assignments = this.#toAssign ?? [];
    for (const { topic } of assignments) {
      if (this.#topics.has(topic)) continue;
      this.#topics.add(topic);
      this.#core.metadata.want(topic, { mayCreate: false });
    }
    await this.#partitions.replace(assignments, this.#closing.signal);
    if (this.#toAssign === assignments) this.#toAssign = undefined;
  }

  #store(): OffsetStore {
    if (this.#group !== undefined) return this.#group.offsets;
    throw ownError('INVALID_ARGUMENT', 'offsets are committed for a group: name one');
  }

  #throwIfClosed(): void {
    if (this.#isClosed) throw this.#closing.signal.reason;
  }
}

/**
 * The consumer that users hold: it reads the partitions that it was given, or those that its group assigns to it, record by
 * record or batch by batch. Asking for the next is the beat of everything: what was handed out before counts as dealt
 * with, and a rebalance of the group takes place between two of them, never under the user's hands.
 */
import type { Timer } from '../../base/ports.ts';
import { unlessAborted } from '../backoff.ts';
import type { ClientCore } from '../core.ts';
import { ownError } from '../errors.ts';
import { Coordinator } from '../group/coordinator.ts';
import { Membership } from '../group/membership.ts';
import { OffsetStore } from '../group/offset-store.ts';
import { NO_MEMBER, type CommittedOffset, type OffsetOwner, type OffsetToCommit } from '../group/offsets.ts';
import { groupSettings, type GroupOptions } from '../group/options.ts';
import { FetchedPartition } from './fetched-partition.ts';
import { Fetcher } from './fetcher.ts';
import {
  fetchSettings,
  type Assignment,
  type FetchOptions,
  type FetchSettings,
  type Start,
  type TopicPartition,
} from './options.ts';
import type { ConsumerBatch, ConsumerRecord } from './record.ts';
import { RecordIterator } from './record-iterator.ts';

export interface ConsumerOptions extends FetchOptions, GroupOptions {
  /** The topics to read, shared with the other members of the group. */
  readonly topics?: readonly string[];
  /** In place of `topics`: the partitions to read, whoever else reads them. */
  readonly assign?: readonly Assignment[];
  /** The group whose offsets `commit` stores, and from which reading goes on where it was left. */
  readonly group?: string;
}

export interface PollOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for records; default: as long as it takes. */
  readonly timeoutMs?: number;
}

export class Consumer implements AsyncDisposable, AsyncIterable<ConsumerRecord> {
  readonly #core: ClientCore;
  readonly #settings: FetchSettings;
  readonly #options: ConsumerOptions;
  readonly #fetcher: Fetcher;
  /** With a group. */
  readonly #offsets: OffsetStore | undefined;
  /** With a group and topics. */
  readonly #membership: Membership | undefined;
  #lastPolledMs: number;
  readonly #partitions = new Map<string, FetchedPartition>();
  /** The topics that are part of each refresh of the metadata because of this consumer. */
  readonly #topics = new Set<string>();
  /** What the user gave and has not taken effect. */
  #toAssign: readonly Assignment[] | undefined;
  /** Where the last batch came from; dealt with when the next is asked for. */
  #last: FetchedPartition | undefined;
  #wakeUp: (() => void) | undefined;
  #isPolling = false;
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
    this.#settings = fetchSettings(options);
    this.#toAssign = assign;
    this.#lastPolledMs = core.ports.clock.monotonicMs();
    this.#fetcher = new Fetcher({ core, settings: this.#settings, onReady: () => this.#wakeUp?.() });
    if (group === undefined) return;
    const coordinator = new Coordinator({ core, kind: 'group', key: group, lane: core.newLane('group') });
    if (topics !== undefined) {
      this.#membership = this.#member({ coordinator, group, topics });
      for (const topic of topics) this.#want(topic);
    }
    this.#offsets = new OffsetStore({
      core,
      coordinator,
      group,
      membership: this.#membership,
      autoCommitIntervalMs:
        (options.autoCommit ?? topics !== undefined) ? (options.autoCommitIntervalMs ?? 5_000) : undefined,
      processed: () => this.#reached((partition) => partition.processed),
    });
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
      partitionOf: (batch: ConsumerBatch) => this.#partitions.get(keyOf(batch)),
      rewind: (partition: FetchedPartition) => this.#fetcher.rewind(partition),
      isInterrupted: () => this.#membership?.needsAttention === true,
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
    return [...this.#partitions.values()]
      .map(({ topic, index }) => ({ topic, partition: index }))
      .sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
  }

  /** The offset of the next record to be handed out; undefined until it is known. */
  position(at: TopicPartition): number | undefined {
    const { position } = this.#partition(at);
    return position < 0 ? undefined : position;
  }

  /** Records between the position and the partition's end, as of the last answer; undefined until there was one. */
  lag(at: TopicPartition): number | undefined {
    const { position, highWatermark } = this.#partition(at);
    return position < 0 || highWatermark < 0 ? undefined : Math.max(0, highWatermark - position);
  }

  /** Bytes that were fetched ahead and wait to be handed out. */
  get bufferedBytes(): number {
    return this.#fetcher.bufferedBytes;
  }

  /** Goes on at another place: an offset, an end, or a time. */
  seek(at: TopicPartition, to: Start): void {
    this.#fetcher.seek(this.#partition(at), to);
  }

  /** Nothing of these is handed out or fetched until `resume`; what was fetched stays. */
  pause(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const at of partitions) this.#fetcher.pause(this.#partition(at));
  }

  resume(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const at of partitions) this.#fetcher.resume(this.#partition(at));
  }

  paused(): TopicPartition[] {
    return this.assignment().filter((at) => this.#partition(at).isPaused);
  }

  /**
   * Stores, for the group, that everything which was handed out is dealt with, including the record or batch that the user has
   * at this moment; or the offsets that are given. Errors: KafkaError.
   */
  async commit(
    offsets?: readonly OffsetToCommit[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    this.#throwIfClosed();
    await this.#store().commit(offsets ?? this.#reached((partition) => partition.position), options.signal);
  }

  /** What `commit` would store: behind everything that was handed out. For offsets that go with a transaction. */
  handedOut(): OffsetToCommit[] {
    return this.#reached((partition) => partition.position);
  }

  /** In whose name offsets go with a transaction: the group, and this member of it as it is now. */
  get offsetOwner(): OffsetOwner {
    this.#store();
    return { group: this.#options.group!, committer: this.#membership?.committer ?? NO_MEMBER };
  }

  /** What the group has committed, of those that are read or are named. Partitions without are left out. */
  committed(partitions: readonly TopicPartition[] = this.assignment()): Promise<CommittedOffset[]> {
    return this.#store().committed(partitions);
  }

  /** Ends all loops, commits what was dealt with if that goes by itself, leaves the group, and closes the connections. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closing.abort(ownError('CLOSED', 'the consumer has been closed'));
    this.#wakeUp?.();
    try {
      await this.#offsets?.close();
      await this.#membership?.close();
    } finally {
      this.#fetcher.close();
      this.#offsets?.disconnect();
      for (const topic of this.#topics) this.#core.metadata.unwant(topic);
    }
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #next(options: PollOptions): Promise<ConsumerBatch | undefined> {
    if (this.#isPolling) throw ownError('INVALID_ARGUMENT', 'one poll or loop at a time');
    this.#isPolling = true;
    try {
      this.#finishLast();
      this.#lastPolledMs = this.#core.ports.clock.monotonicMs();
      if (this.#toAssign !== undefined) await unlessAborted(this.#takeAssignments(), options.signal);
      const isReady = this.#membership?.needsAttention !== true;
      const batch = (isReady ? this.#fetcher.take() : undefined) ?? (await this.#wait(options));
      if (batch !== undefined) this.#last = this.#partitions.get(keyOf(batch));
      return batch;
    } catch (error) {
      if (this.#isClosed) return undefined;
      throw error;
    } finally {
      this.#isPolling = false;
      this.#lastPolledMs = this.#core.ports.clock.monotonicMs();
    }
  }

  async #wait({ signal, timeoutMs }: PollOptions): Promise<ConsumerBatch | undefined> {
    let isLate = false;
    let timer: Timer | undefined;
    if (timeoutMs !== undefined) {
      timer = this.#core.ports.timers.after(timeoutMs, () => {
        isLate = true;
        this.#wakeUp?.();
      });
    }
    try {
      while (!isLate && !this.#isClosed) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wakeUp = resolve;
        if (this.#membership?.needsAttention === true) {
          // A join may take long: who waits no longer leaves it to itself, and finds it further at the next poll.
          const attended = this.#membership.attend(signal);
          attended.catch(() => {});
          await Promise.race([attended, promise]);
          continue;
        }
        const batch = this.#fetcher.take();
        if (batch !== undefined) return batch;
        await unlessAborted(promise, signal);
      }
      return undefined;
    } finally {
      this.#wakeUp = undefined;
      timer?.cancel();
    }
  }

  /** The user has asked for more, so what came before is dealt with. */
  #finishLast(): void {
    const last = this.#last;
    this.#last = undefined;
    if (last !== undefined && !last.isRemoved) last.processed = last.position;
  }

  async #takeAssignments(): Promise<void> {
    const assignments = this.#toAssign ?? [];
    const wanted = new Map<string, { readonly at: TopicPartition; readonly from: Start | undefined }>();
    for (const { topic, partition, from } of assignments) {
      this.#want(topic);
      const info = await this.#core.metadata.topic(topic, this.#closing.signal);
      const count = info.partitions.length;
      if (partition !== undefined && (partition < 0 || partition >= count)) {
        throw ownError('INVALID_ARGUMENT', `topic ${topic} has ${count} partitions, none is ${partition}`);
      }
      for (const index of partition === undefined ? info.partitions.keys() : [partition]) {
        const at = { topic, partition: index };
        wanted.set(keyOf(at), { at, from });
      }
    }
    this.#give([...this.#partitions.keys()].filter((key) => !wanted.has(key)));
    await this.#begin([...wanted.values()]);
    if (this.#toAssign === assignments) this.#toAssign = undefined;
  }

  /** Reads these as well, unless it does already: from where they say, else from where the group was, else from `from`. */
  async #begin(
    wanted: readonly { readonly at: TopicPartition; readonly from: Start | undefined }[],
  ): Promise<void> {
    const added = wanted.filter(({ at }) => !this.#partitions.has(keyOf(at)));
    const unsaid = added.filter(({ from }) => from === undefined).map(({ at }) => at);
    const committed = new Map<string, CommittedOffset>();
    if (this.#offsets !== undefined && unsaid.length > 0) {
      for (const one of await this.#offsets.committed(unsaid)) committed.set(keyOf(one), one);
    }
    const begun = added.map(({ at, from }) => {
      const partition = new FetchedPartition(at.topic, at.partition);
      const stored = committed.get(keyOf(at));
      if (stored === undefined) partition.seek(from ?? this.#settings.from);
      else partition.seek(stored.offset, stored.leaderEpoch);
      this.#partitions.set(keyOf(at), partition);
      return partition;
    });
    if (this.#membership !== undefined) await this.#options.onAssigned?.(added.map(({ at }) => at));
    for (const partition of begun) if (!partition.isRemoved) this.#fetcher.add(partition);
  }

  /** No longer read. */
  #give(keys: readonly string[]): void {
    for (const key of keys) {
      const partition = this.#partitions.get(key);
      this.#partitions.delete(key);
      if (partition !== undefined) this.#fetcher.remove(partition);
    }
  }

  #member({
    coordinator,
    group,
    topics,
  }: {
    coordinator: Coordinator;
    group: string;
    topics: readonly string[];
  }): Membership {
    const { onRevoked, onLost } = this.#options;
    return new Membership({
      core: this.#core,
      coordinator,
      group,
      settings: groupSettings(this.#options),
      host: {
        topics: () => topics,
        owned: () => this.assignment(),
        lastPolledMs: () => (this.#isPolling ? this.#core.ports.clock.monotonicMs() : this.#lastPolledMs),
        onAttention: () => this.#wakeUp?.(),
        onAssigned: (partitions) => this.#begin(partitions.map((at) => ({ at, from: undefined }))),
        onRevoked: async (partitions) => {
          await this.#offsets!.autoCommitNow();
          await onRevoked?.(partitions);
          this.#give(partitions.map(keyOf));
        },
        onLost: async (partitions) => {
          this.#give(partitions.map(keyOf));
          await onLost?.(partitions);
        },
      },
    });
  }

  /** From now on the topic is part of each refresh of the metadata. */
  #want(topic: string): void {
    if (this.#topics.has(topic)) return;
    this.#topics.add(topic);
    this.#core.metadata.want(topic, { mayCreate: false });
  }

  #reached(of: (partition: FetchedPartition) => number): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = [];
    for (const partition of this.#partitions.values()) {
      const { topic, index, positionEpoch: leaderEpoch } = partition;
      const offset = of(partition);
      if (offset >= 0) offsets.push({ topic, partition: index, offset, leaderEpoch });
    }
    return offsets;
  }

  #partition(at: TopicPartition): FetchedPartition {
    const partition = this.#partitions.get(keyOf(at));
    if (partition !== undefined) return partition;
    throw ownError('INVALID_ARGUMENT', `${at.topic}-${at.partition} is not assigned to this consumer`);
  }

  #store(): OffsetStore {
    if (this.#offsets !== undefined) return this.#offsets;
    throw ownError('INVALID_ARGUMENT', 'offsets are committed for a group: name one');
  }

  #throwIfClosed(): void {
    if (this.#isClosed) throw this.#closing.signal.reason;
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition} ${topic}`;
}

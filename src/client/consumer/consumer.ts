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
import {
  commitOffsets,
  fetchOffsets,
  NO_MEMBER,
  type CommittedOffset,
  type OffsetToCommit,
} from '../group/offsets.ts';
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

export interface ConsumerOptions extends FetchOptions {
  /** The partitions to read. */
  readonly assign?: readonly Assignment[];
  /** The group whose offsets `commit` stores and from which reading goes on where it was left. */
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
  readonly #group: string | undefined;
  readonly #coordinator: Coordinator | undefined;
  readonly #fetcher: Fetcher;
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

  /** Users get theirs from `Client.consumer`. */
  constructor(core: ClientCore, options: ConsumerOptions) {
    this.#core = core;
    this.#settings = fetchSettings(options);
    this.#group = options.group;
    this.#toAssign = options.assign;
    if (options.group !== undefined) {
      const lane = core.newLane('group');
      this.#coordinator = new Coordinator({ core, kind: 'group', key: options.group, lane });
    }
    this.#fetcher = new Fetcher({ core, settings: this.#settings, onReady: () => this.#wakeUp?.() });
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
    const group = this.#needGroup();
    await commitOffsets(this.#coordinator!, offsets ?? this.#positions(), {
      group,
      committer: NO_MEMBER,
      signal: options.signal,
    });
  }

  /** What the group has committed, of those that are read or are named. Partitions without are left out. */
  committed(partitions: readonly TopicPartition[] = this.assignment()): Promise<CommittedOffset[]> {
    const group = this.#needGroup();
    return fetchOffsets(this.#coordinator!, partitions, { group, requireStable: true });
  }

  /** Ends all loops and connections. */
  close(): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    this.#closing.abort(ownError('CLOSED', 'the consumer has been closed'));
    this.#fetcher.close();
    this.#coordinator?.close();
    for (const topic of this.#topics) this.#core.metadata.unwant(topic);
    this.#wakeUp?.();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #next(options: PollOptions): Promise<ConsumerBatch | undefined> {
    if (this.#isPolling) throw ownError('INVALID_ARGUMENT', 'one poll or loop at a time');
    this.#isPolling = true;
    try {
      this.#finishLast();
      if (this.#toAssign !== undefined) await unlessAborted(this.#takeAssignments(), options.signal);
      const batch = this.#fetcher.take() ?? (await this.#wait(options));
      if (batch !== undefined) this.#last = this.#partitions.get(keyOf(batch));
      return batch;
    } catch (error) {
      if (this.#isClosed) return undefined;
      throw error;
    } finally {
      this.#isPolling = false;
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
      if (!this.#topics.has(topic)) {
        this.#topics.add(topic);
        this.#core.metadata.want(topic, { mayCreate: false });
      }
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
    await this.#begin(wanted);
    if (this.#toAssign === assignments) this.#toAssign = undefined;
  }

  async #begin(
    wanted: ReadonlyMap<string, { readonly at: TopicPartition; readonly from: Start | undefined }>,
  ): Promise<void> {
    const added = [...wanted].filter(([key]) => !this.#partitions.has(key));
    const unsaid = added.filter(([, { from }]) => from === undefined).map(([, { at }]) => at);
    const committed = new Map<string, CommittedOffset>();
    if (this.#group !== undefined && unsaid.length > 0) {
      for (const one of await this.committed(unsaid)) committed.set(keyOf(one), one);
    }
    for (const [key, partition] of this.#partitions) {
      if (wanted.has(key)) continue;
      this.#partitions.delete(key);
      this.#fetcher.remove(partition);
    }
    for (const [key, { at, from }] of added) {
      const partition = new FetchedPartition(at.topic, at.partition);
      const stored = committed.get(key);
      if (stored === undefined) partition.seek(from ?? this.#settings.from);
      else partition.seek(stored.offset, stored.leaderEpoch);
      this.#partitions.set(key, partition);
      this.#fetcher.add(partition);
    }
  }

  #positions(): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = [];
    for (const { topic, index, position, positionEpoch } of this.#partitions.values()) {
      if (position < 0) continue;
      offsets.push({ topic, partition: index, offset: position, leaderEpoch: positionEpoch });
    }
    return offsets;
  }

  #partition(at: TopicPartition): FetchedPartition {
    const partition = this.#partitions.get(keyOf(at));
    if (partition !== undefined) return partition;
    throw ownError('INVALID_ARGUMENT', `${at.topic}-${at.partition} is not assigned to this consumer`);
  }

  #needGroup(): string {
    if (this.#group === undefined)
      throw ownError('INVALID_ARGUMENT', 'offsets are committed for a group: name one');
    return this.#group;
  }

  #throwIfClosed(): void {
    if (this.#isClosed) throw this.#closing.signal.reason;
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition} ${topic}`;
}

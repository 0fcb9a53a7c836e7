/**
 * The consumer of a share group (KIP-932) that users hold. The members of such a group share records rather than partitions: each
 * record is locked for one of them, who says what became of it, and what nothing good is said of comes again. So there is
 * no order, no position, and nothing to rebalance.
 *
 *     await using consumer = client.shareConsumer({ group: 'mails', topics: ['to-send'] });
 *     await consumer.run({ concurrency: 20, onRecord: (record) => send(record.text) });
 */
import type { Timer } from '../../base/ports.ts';
import { printUuid, randomUuid } from '../../base/uuid.ts';
import { unlessAborted } from '../backoff.ts';
import { SubscribedTopics } from '../consumer/subscribed-topics.ts';
import type { TopicPartition } from '../consumer/options.ts';
import type { ClientCore } from '../core.ts';
import { ownError, type KafkaError } from '../errors.ts';
import { Coordinator } from '../group/coordinator.ts';
import { shareSettings, type ShareConsumerOptions, type ShareSettings } from './options.ts';
import { ShareFetcher } from './share-fetcher.ts';
import { ShareMembership } from './share-membership.ts';
import type { ShareConsumerMetrics } from './share-metrics.ts';
import type { ShareRecord } from './share-record.ts';
import { ShareRunner, type ShareRunOptions } from './share-runner.ts';
import type { SharePartition } from './share-session.ts';

export interface SharePollOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for records; default: as long as it takes. */
  readonly timeoutMs?: number;
}

interface NextOptions extends SharePollOptions {
  /** Nothing is handed out while it says no. */
  readonly mayTake?: () => boolean;
  /** What came before is not accepted by that: somebody else sees to it. */
  readonly isRun?: boolean;
}

/** Where handlers that do not come back are left at the close. */
const CLOSE_MS_MAX = 30_000;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class ShareConsumer implements AsyncDisposable, AsyncIterable<ShareRecord> {
  readonly #core: ClientCore;
  readonly #settings: ShareSettings;
  readonly #topics: SubscribedTopics;
  readonly #coordinator: Coordinator;
  readonly #membership: ShareMembership;
  readonly #fetcher: ShareFetcher;
  #assigned: readonly SharePartition[] = [];
  /** Handed out, and nothing was said of them. */
  readonly #handedOut = new Set<ShareRecord>();
  #error: KafkaError | undefined;
  #runner: ShareRunner | undefined;
  #lastPolledMs: number;
  #isPolling = false;
  #wakeUp: (() => void) | undefined;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  /** Users get theirs from `Client.shareConsumer`. Throws TypeError for what makes no sense. */
  constructor(core: ClientCore, options: ShareConsumerOptions) {
    const settings = shareSettings(options);
    const { group, pollIntervalMsMax } = settings;
    this.#core = core;
    this.#settings = settings;
    this.#lastPolledMs = this.#nowMs;
    const memberId = printUuid(randomUuid(core.ports.random));
    this.#fetcher = new ShareFetcher({
      core,
      settings,
      memberId,
      onReady: () => this.#wakeUp?.(),
      onDone: (record) => this.#handedOut.delete(record),
    });
    this.#coordinator = new Coordinator({ core, kind: 'group', key: group, lane: core.newLane('group') });
    this.#topics = new SubscribedTopics({
      metadata: core.metadata,
      topics: options.topics,
      onChange: () => this.#membership.rejoin(),
    });
    this.#membership = new ShareMembership({
      core,
      coordinator: this.#coordinator,
      group,
      memberId,
      pollIntervalMsMax,
      host: {
        topics: () => this.#topics.names,
        topicsKnown: () => this.#topics.known(),
        lastPolledMs: () => this.#busySinceMs() ?? this.#nowMs,
        onAssigned: (partitions) => {
          this.#assigned = partitions;
          this.#fetcher.assign(partitions);
        },
        onError: (error) => {
          this.#error = error;
          this.#wakeUp?.();
        },
      },
    });
  }

  /**
   * The records, one by one, until the consumer is closed. Leaving the loop keeps the place; the record that it was left with
   * is open until something is said of it, more is asked for, or the consumer is closed, which gives it back.
   */
  [Symbol.asyncIterator](): AsyncIterator<ShareRecord, undefined> {
    return this.records()[Symbol.asyncIterator]();
  }

  /** As iterating the consumer, with a signal that ends the loop by its reason. */
  records(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<ShareRecord, undefined> {
    const wait = async (): Promise<IteratorResult<ShareRecord, undefined>> => {
      const record = await this.#next(options);
      return record === undefined ? END : { done: false, value: record };
    };
    const next = (): Promise<IteratorResult<ShareRecord, undefined>> => {
      const value = options.signal?.aborted === true ? undefined : this.#takeOpened();
      return value === undefined ? wait() : Promise.resolve({ done: false, value });
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: () => Promise.resolve(END) }) };
  }

  /**
   * The next records, of one partition and as many as are there at once; undefined when `timeoutMs` pass without any, or the
   * consumer is closed meanwhile. Errors: KafkaError.
   */
  async poll(options: SharePollOptions = {}): Promise<ShareRecord[] | undefined> {
    const first = await this.#next(options);
    if (first === undefined) return undefined;
    const records = [first];
    for (let one = this.#fetcher.takeOpened(); one !== undefined; one = this.#fetcher.takeOpened()) {
      this.#handedOut.add(one);
      records.push(one);
    }
    return records;
  }

  /**
   * Gives records to a handler until the consumer is closed, `concurrency` of them at a time, in no order. A record is
   * accepted when its handler is done, unless the handler has said something itself or `acknowledgement` is `explicit`, and
   * released when it throws: then `onFailed` hears of it, and without one the run ends with that error.
   *
   * Errors: what a handler throws; KafkaError of what cannot go on; the signal's reason.
   */
  async run(options: ShareRunOptions): Promise<void> {
    this.#throwIfClosed();
    if (this.#runner !== undefined) throw ownError('INVALID_ARGUMENT', 'one run at a time');
    this.#acceptRest();
    this.#runner = new ShareRunner(
      {
        clock: this.#core.ports.clock,
        group: this.#settings.group,
        clientId: this.#core.settings.clientId,
        isImplicit: this.#settings.isImplicit,
        next: (one) => this.#next({ ...one, isRun: true }),
        wake: () => this.#wakeUp?.(),
      },
      options,
    );
    try {
      await this.#runner.run();
    } finally {
      this.#runner = undefined;
      this.#lastPolledMs = this.#nowMs;
    }
  }

  /**
   * Resolves when the brokers have answered to all that was said of records, which includes, unless `acknowledgement` is
   * `explicit`, that those which were handed out are accepted; not those that handlers of a `run` have. Without a call it is
   * said all the same, a moment later. Errors: KafkaError, the first one; `onAcknowledged` tells of each.
   */
  async commit(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#throwIfClosed();
    if (this.#runner === undefined) this.#acceptRest();
    const error = await unlessAborted(this.#fetcher.flush(), options.signal);
    if (error !== undefined) throw error;
  }

  /** Of which partitions this member gets records at present, sorted. Others may get records of them, too. */
  assignment(): TopicPartition[] {
    return this.#assigned
      .map(({ topic, partition }) => ({ topic, partition }))
      .sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
  }

  /** The group counts on this consumer as one of its members. */
  get isMember(): boolean {
    return this.#membership.isMember;
  }

  /** Bytes that were fetched ahead and wait to be handed out. */
  get bufferedBytes(): number {
    return this.#fetcher.bufferedBytes;
  }

  /** What has been done since the consumer was made, and what waits. */
  metrics(): ShareConsumerMetrics {
    const { counters, requestsInFlight, bufferedBytes } = this.#fetcher;
    return { ...counters, requestsInFlight, bufferedBytes };
  }

  /**
   * Ends all loops, lets handlers of `run` finish what they have, sends what was said of records, gives back all others, and
   * leaves the group. What was handed out counts as delivered for the group's limit on deliveries; whether the rest does is
   * the broker's matter (with Kafka 4.3 it does). Handlers are waited for `timeoutMs` at most (default: 30 s). A handler that
   * waits for this itself waits in vain.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.timeoutMs ?? CLOSE_MS_MAX);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    if (this.#runner !== undefined) {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = this.#core.ports.timers.after(timeoutMs, resolve);
      await Promise.race([this.#runner.stop(), late]);
      timer.cancel();
    }
    this.#closing.abort(ownError('CLOSED', 'the consumer has been closed'));
    this.#wakeUp?.();
    for (const record of this.#handedOut) record.release();
    try {
      await this.#fetcher.close();
      await this.#membership.close();
    } finally {
      this.#coordinator.close();
      this.#topics.close();
    }
  }

  get #nowMs(): number {
    return this.#core.ports.clock.monotonicMs();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Since when the user has what was handed out; undefined while records are waited for. */
  #busySinceMs(): number | undefined {
    if (this.#runner !== undefined) return this.#runner.busySinceMs;
    return this.#isPolling ? undefined : this.#lastPolledMs;
  }

  /** As `#next`, for a record that is there without waiting; undefined: nothing has happened. */
  #takeOpened(): ShareRecord | undefined {
    if (this.#isPolling || this.#runner !== undefined || this.#isClosed || !this.#fetcher.isOpened)
      return undefined;
    this.#acceptRest();
    this.#lastPolledMs = this.#nowMs;
    const record = this.#fetcher.takeOpened();
    if (record !== undefined) this.#handedOut.add(record);
    return record;
  }

  async #next(options: NextOptions): Promise<ShareRecord | undefined> {
    const { isRun = false } = options;
    if (this.#isPolling || (this.#runner !== undefined && !isRun)) {
      throw ownError('INVALID_ARGUMENT', 'one poll, loop or run at a time');
    }
    if (this.#isClosed) return undefined;
    options.signal?.throwIfAborted();
    this.#isPolling = true;
    try {
      if (!isRun) this.#acceptRest();
      this.#membership.start();
      const record = this.#take(options) ?? (await this.#wait(options));
      if (record !== undefined) this.#handedOut.add(record);
      return record;
    } finally {
      this.#isPolling = false;
      this.#lastPolledMs = this.#nowMs;
    }
  }

  #take({ mayTake }: NextOptions): ShareRecord | undefined {
    if (mayTake?.() === false) return undefined;
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error;
    this.#forgetLate();
    return this.#fetcher.take();
  }

  async #wait(options: NextOptions): Promise<ShareRecord | undefined> {
    const { signal, timeoutMs, mayTake } = options;
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
        this.#membership.start();
        const record = this.#take(options);
        if (record !== undefined) return record;
        this.#fetcher.await(mayTake?.() !== false);
        await unlessAborted(promise, signal);
      }
      return undefined;
    } finally {
      this.#fetcher.await(false);
      this.#wakeUp = undefined;
      timer?.cancel();
    }
  }

  /** The user has asked for more, so what came before is accepted, unless something else was said. */
  #acceptRest(): void {
    if (this.#settings.isImplicit) for (const record of this.#handedOut) record.accept();
  }

  /** Those whose locks have ended, from the oldest on: others may have them. */
  #forgetLate(): void {
    const nowMs = this.#nowMs;
    for (const record of this.#handedOut) {
      if (record.lockedUntilMs > nowMs) return;
      this.#handedOut.delete(record);
    }
  }

  #throwIfClosed(): void {
    if (this.#isClosed) throw this.#closing.signal.reason;
  }
}

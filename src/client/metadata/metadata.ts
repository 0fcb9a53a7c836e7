/**
 * Keeps the picture of the cluster fresh: asks any broker that answers for the topics that somebody needs, when it is told that
 * the picture is wrong, when it gets old, and when a topic is asked for that is not in it. Requests for a refresh that come
 * together are one; failures are repeated with growing pauses, and a cluster that cannot be reached at all is looked for at the
 * bootstrap addresses again (KIP-899).
 */
import type { Timer } from '../../base/ports.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors, isRetriable } from '../../protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import { backoffMs, pause, unlessAborted } from '../backoff.ts';
import type { Brokers } from '../connection/brokers.ts';
import { wantsRebootstrap, type BrokerLink, type LinkWorld } from '../connection/broker-link.ts';
import { brokerError, connectionError, ownError, type KafkaError } from '../errors.ts';
import { ClusterView, type TopicInfo } from './cluster-view.ts';

/** An answer may not take longer than this when there are others to ask. */
const ANSWER_MS_MAX = 10_000;

export interface Interest {
  /** The broker may create the topic if its settings let it. */
  readonly mayCreate: boolean;
}

interface Waiter {
  readonly name: string;
  readonly resolve: (topic: TopicInfo) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

export interface MetadataOptions {
  readonly world: LinkWorld;
  readonly brokers: Brokers;
}

export class Metadata {
  readonly view = new ClusterView();
  readonly #world: LinkWorld;
  readonly #brokers: Brokers;
  /** Topics that are asked for in each refresh, with how often they are wanted. */
  readonly #wanted = new Map<string, { count: number; mayCreate: boolean }>();
  #wantedAll = 0;
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<() => void>();
  #controllerId = -1;
  #refreshing: PromiseWithResolvers<void> | undefined;
  /** A refresh was asked for while one was under way: what that one asks may be too little. */
  #isAgainWanted = false;
  #failures = 0;
  #lastError: KafkaError | undefined;
  #lastTriedMs = -Infinity;
  #ageTimer: Timer | undefined;
  readonly #closing = new AbortController();

  constructor(options: MetadataOptions) {
    this.#world = options.world;
    this.#brokers = options.brokers;
  }

  /** -1 until it is known. */
  get controllerId(): number {
    return this.#controllerId;
  }

  /** Calls back after each change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** From now on the topic is part of each refresh. */
  want(name: string, { mayCreate }: Interest): void {
    const wanted = this.#wanted.get(name);
    if (wanted === undefined) this.#wanted.set(name, { count: 1, mayCreate });
    else {
      wanted.count += 1;
      wanted.mayCreate ||= mayCreate;
    }
  }

  unwant(name: string): void {
    const wanted = this.#wanted.get(name);
    if (wanted !== undefined && --wanted.count === 0) this.#wanted.delete(name);
  }

  /** From now on each refresh asks for all topics; until the returned function is called. */
  wantAll(): () => void {
    this.#wantedAll += 1;
    return () => {
      this.#wantedAll -= 1;
    };
  }

  /**
   * The topic, as soon as it is known; it must be wanted. Errors: KafkaError after `topicTimeoutMs`, at once when the
   * broker says that waiting is of no use.
   */
  topic(name: string, signal?: AbortSignal): Promise<TopicInfo> {
    const known = this.view.get(name);
    if (known !== undefined && known.partitions.length > 0) return Promise.resolve(known);
    if (this.#isClosed) return Promise.reject(this.#closing.signal.reason as Error);
    const { promise, resolve, reject } = Promise.withResolvers<TopicInfo>();
    const { ports, settings } = this.#world;
    const timer = ports.timers.after(settings.topicTimeoutMs, () => {
      this.#waiters.delete(waiter);
      reject(this.#lateError(name));
    });
    const waiter: Waiter = { name, resolve, reject, timer };
    this.#waiters.add(waiter);
    this.stale();
    return unlessAborted(promise, signal);
  }

  /** The picture is wrong or too small: it is asked for again soon. */
  stale(): void {
    void this.refresh().catch(() => {});
  }

  /** Resolves after an answer that was asked for after this call. Rejects only when trying on is of no use, or at the close. */
  refresh(): Promise<void> {
    if (this.#isClosed) return Promise.reject(this.#closing.signal.reason as Error);
    if (this.#refreshing !== undefined) {
      this.#isAgainWanted = true;
      return this.#refreshing.promise;
    }
    const refreshing = Promise.withResolvers<void>();
    refreshing.promise.catch(() => {});
    this.#refreshing = refreshing;
    void this.#run(refreshing);
    return refreshing.promise;
  }

  /** A leader that a broker named in its refusal; the broker may be new, too (KIP-951). */
  noteLeader(
    topic: TopicInfo,
    hint: { readonly partition: number; readonly leader: number; readonly leaderEpoch: number },
  ): boolean {
    if (!this.#brokers.isKnown(hint.leader)) return false;
    return this.view.noteLeader(topic, hint);
  }

  /**
   * One question to whichever broker answers first, with failures passed on to the next. Errors: KafkaError of the
   * last one.
   */
  async askAny<T>(ask: (link: BrokerLink) => Promise<T>): Promise<T> {
    let last: KafkaError | undefined;
    for (const link of this.#brokers.candidates()) {
      try {
        return await ask(link);
      } catch (error) {
        if (this.#isClosed) throw this.#closing.signal.reason;
        last = connectionError(error, 'asking the cluster');
        if (wantsRebootstrap(last)) this.#brokers.forget();
        else if (!last.retriable && last.errorName !== 'CLOSED') throw last;
      }
    }
    throw last ?? brokerError(Errors.BROKER_NOT_AVAILABLE, 'no broker can be reached', { retriable: true });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#closing.abort(ownError('CLOSED', 'the client has been closed'));
    this.#ageTimer?.cancel();
    for (const waiter of this.#waiters) this.#reject(waiter, this.#closing.signal.reason as Error);
    this.#listeners.clear();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #run(refreshing: PromiseWithResolvers<void>): Promise<void> {
    const { ports, settings } = this.#world;
    const { signal } = this.#closing;
    try {
      do {
        // What comes in the same turn belongs to the same question; and nobody is asked more often than the first pause allows.
        await Promise.resolve();
        const sinceMs = ports.clock.monotonicMs() - this.#lastTriedMs;
        const restMs = settings.retryBackoffMs - sinceMs;
        const waitMs = this.#failures > 0 ? backoffMs(this.#failures, settings, ports.random) : restMs;
        if (waitMs > 0) await pause(ports.timers, waitMs, signal);
        this.#isAgainWanted = false;
        this.#lastTriedMs = ports.clock.monotonicMs();
        await this.#askOnce();
      } while (this.#isAgainWanted || this.#failures > 0 || this.#isTopicMissing());
      this.#refreshing = undefined;
      refreshing.resolve();
    } catch (error) {
      this.#refreshing = undefined;
      refreshing.reject(error);
      if (this.#isClosed) return;
      for (const waiter of this.#waiters) this.#reject(waiter, error as Error);
    }
    this.#armAge();
  }

  /** Throws only what makes trying again useless. */
  async #askOnce(): Promise<void> {
    try {
      for (const { topics, mayCreate } of this.#questions()) {
        const body = {
          topics: topics?.map((name) => ({ topicId: ZERO_UUID, name })) ?? null,
          allowAutoTopicCreation: mayCreate,
          includeClusterAuthorizedOperations: false,
          includeTopicAuthorizedOperations: false,
        };
        const timeoutMs = Math.min(ANSWER_MS_MAX, this.#world.settings.requestTimeoutMs);
        const call = { request: MetadataRequest, response: MetadataResponse, body: () => body, timeoutMs };
        const answer = await this.askAny(async (link) => {
          const one = await link.ask(call);
          if (one.errorCode !== Errors.NONE) throw brokerError(one.errorCode, 'asking for metadata');
          return one;
        });
        this.#take(answer, topics === null);
      }
      this.#failures = 0;
    } catch (error) {
      if (this.#isClosed) throw error;
      this.#failures += 1;
      this.#lastError = connectionError(error, 'asking for metadata');
      if (!this.#lastError.retriable && !wantsRebootstrap(this.#lastError)) {
        this.#failures = 0;
        throw this.#lastError;
      }
    }
  }

  /** What has to be asked: topics that a broker may create apart from those that it may not. */
  #questions(): { topics: string[] | null; mayCreate: boolean }[] {
    const [plain, creatable]: [string[], string[]] = [[], []];
    for (const [name, { mayCreate }] of this.#wanted) {
      (mayCreate && this.view.get(name) === undefined ? creatable : plain).push(name);
    }
    const questions: { topics: string[] | null; mayCreate: boolean }[] = [];
    if (creatable.length > 0) questions.push({ topics: creatable, mayCreate: true });
    if (this.#wantedAll > 0) questions.push({ topics: null, mayCreate: false });
    else if (plain.length > 0 || questions.length === 0) questions.push({ topics: plain, mayCreate: false });
    return questions;
  }

  #take(answer: MetadataResponse, isAll: boolean): void {
    this.#world.clusterId = answer.clusterId ?? this.#world.clusterId;
    this.#controllerId = answer.controllerId;
    if (answer.brokers.length > 0) {
      this.#brokers.update(answer.brokers);
      this.#brokers.leaveBootstrap();
    }
    const named = new Set<string>();
    for (const topic of answer.topics) {
      const { name, errorCode } = topic;
      if (name === null) continue;
      named.add(name);
      if (errorCode === Errors.NONE) this.view.put({ ...topic, name });
      else if (errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION) this.view.remove(name);
      else if (!isRetriable(errorCode)) this.#refuse(name, brokerError(errorCode, `topic ${name}`));
    }
    if (isAll) for (const name of this.view.names()) if (!named.has(name)) this.view.remove(name);
    for (const waiter of this.#waiters) this.#wake(waiter);
    for (const listener of this.#listeners) listener();
  }

  #wake(waiter: Waiter): void {
    const topic = this.view.get(waiter.name);
    if (topic === undefined || topic.partitions.length === 0) return;
    this.#waiters.delete(waiter);
    waiter.timer.cancel();
    waiter.resolve(topic);
  }

  #refuse(name: string, error: KafkaError): void {
    for (const waiter of this.#waiters) if (waiter.name === name) this.#reject(waiter, error);
  }

  #reject(waiter: Waiter, error: Error): void {
    this.#waiters.delete(waiter);
    waiter.timer.cancel();
    waiter.reject(error);
  }

  /** Somebody waits for a topic that is being made, or that the broker that answered does not know yet. */
  #isTopicMissing(): boolean {
    return this.#waiters.size > 0;
  }

  #lateError(name: string): KafkaError {
    const { topicTimeoutMs } = this.#world.settings;
    if (this.#failures > 0 || this.#lastTriedMs === -Infinity) {
      const message = `no broker could be asked for topic ${name} in ${topicTimeoutMs} ms`;
      return ownError('TIMEOUT', message, { retriable: true, cause: this.#lastError });
    }
    return brokerError(
      Errors.UNKNOWN_TOPIC_OR_PARTITION,
      `topic ${name} is not there after ${topicTimeoutMs} ms`,
    );
  }

  /** Partitions move without anybody being refused: a picture that is used is renewed from time to time. */
  #armAge(): void {
    this.#ageTimer?.cancel();
    if (this.#isClosed) return;
    this.#ageTimer = this.#world.ports.timers.after(this.#world.settings.metadataMaxAgeMs, () =>
      this.stale(),
    );
  }
}

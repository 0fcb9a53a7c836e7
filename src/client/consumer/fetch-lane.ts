/**
 * One Fetch request at a time to one broker, on a connection and in a session of its own; and its answer, partition
 * by partition.
 */
import { FetchRequest, FetchResponse } from '../../protocol/messages/01-fetch.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import type { Lane } from '../connection/brokers.ts';
import type { ClientCore } from '../core.ts';
import { connectionError } from '../errors.ts';
import { FetchSession, type Wanted } from './fetch-session.ts';
import type { ConsumerCounters } from './metrics.ts';
import type { FetchSettings } from './options.ts';

export type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number];

/** Without topic ids (KIP-516). */
const NAMES_VERSION_MAX = 12;

/** Why partitions that were asked for have no answer of their own. */
export interface LaneFailure {
  /** The request has failed as a whole: they may be asked for again after a pause. */
  readonly isRefused: boolean;
  /** There is nothing new about them. */
  readonly isQuiet: boolean;
}

export interface LaneHost {
  onAnswer(wanted: Wanted, answer: PartitionAnswer): void;
  /** Of these the answer says nothing: they may be asked for again. */
  onFailure(wanted: readonly Wanted[], failure: LaneFailure): void;
  /** After all of an answer, or a failure: the lane is free. */
  onFree(): void;
}

export class FetchLane {
  readonly #core: ClientCore;
  readonly #settings: FetchSettings;
  readonly #counters: ConsumerCounters;
  readonly #host: LaneHost;
  readonly #nodeId: number;
  readonly lane: Lane;
  readonly #session = new FetchSession();
  isBusy = false;
  /** Bytes that the answer under way may have. */
  reservedBytes = 0;

  constructor(
    options: {
      readonly core: ClientCore;
      readonly settings: FetchSettings;
      readonly counters: ConsumerCounters;
      readonly nodeId: number;
      readonly lane: Lane;
    },
    host: LaneHost,
  ) {
    this.#core = options.core;
    this.#settings = options.settings;
    this.#counters = options.counters;
    this.#nodeId = options.nodeId;
    this.lane = options.lane;
    this.#host = host;
  }

  /** Asks for these; the host hears of each once. */
  async fetch(wanted: readonly Wanted[], bytesMax: number): Promise<void> {
    this.isBusy = true;
    this.reservedBytes = bytesMax;
    let isRefused = false;
    let isQuiet = false;
    let rest: readonly Wanted[] = wanted;
    try {
      const sinceMs = this.#core.ports.clock.monotonicMs();
      const answer = await this.#ask(wanted, bytesMax);
      this.#counters.requestMs += this.#core.ports.clock.monotonicMs() - sinceMs;
      if (this.#session.take(answer)) {
        for (const endpoint of answer.nodeEndpoints) this.#core.brokers.learn(endpoint);
        rest = this.#deliver(wanted, answer);
        isQuiet = true;
      }
    } catch (error) {
      this.#session.reset();
      this.#counters.failedRequests += 1;
      isRefused = true;
      const failure = connectionError(error, 'fetching');
      this.#core.ports.logger?.debug({ error: failure }, 'a fetch has failed');
      if (failure.errorName !== 'CLOSED') this.#core.metadata.stale();
    }
    this.#counters.requests += 1;
    this.isBusy = false;
    this.reservedBytes = 0;
    if (rest.length > 0) this.#host.onFailure(rest, { isRefused, isQuiet });
    this.#host.onFree();
  }

  #ask(wanted: readonly Wanted[], bytesMax: number): Promise<FetchResponse> {
    const { minBytes, maxWaitMs, isCommittedOnly } = this.#settings;
    const { requestTimeoutMs, rack } = this.#core.settings;
    const isNamed = wanted.some(({ topicId }) => topicId === ZERO_UUID);
    return this.#core.brokers.link(this.#nodeId, this.lane).ask({
      request: FetchRequest,
      response: FetchResponse,
      ...(isNamed ? { versionMax: NAMES_VERSION_MAX } : {}),
      timeoutMs: requestTimeoutMs + maxWaitMs,
      body: (version) => ({
        maxWaitMs,
        minBytes,
        maxBytes: bytesMax,
        isolationLevel: isCommittedOnly ? 1 : 0,
        ...this.#session.build(wanted, version),
        rackId: rack ?? '',
      }),
    });
  }

  /** Yields those that the answer says nothing about: in a session they are as they were. */
  #deliver(wanted: readonly Wanted[], answer: FetchResponse): Wanted[] {
    const rest = new Set(wanted);
    const byName = new Map<string, Wanted[]>();
    for (const { topic, topicId, partitions } of answer.responses) {
      const key = topic === '' ? topicId : topic;
      let ofTopic = byName.get(key);
      if (ofTopic === undefined) {
        ofTopic = [];
        for (const one of wanted) {
          if (topic === '' ? one.topicId === topicId : one.partition.topic === topic) {
            ofTopic[one.partition.index] = one;
          }
        }
        byName.set(key, ofTopic);
      }
      for (const partition of partitions) {
        const one = ofTopic[partition.partitionIndex];
        if (one === undefined || !rest.delete(one)) continue;
        this.#host.onAnswer(one, partition);
      }
    }
    return [...rest];
  }
}

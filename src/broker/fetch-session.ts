/**
 * Fetch sessions (KIP-227): the broker remembers which partitions a client fetches and what it was told last, so that
 * requests name only what changes and answers hold only what changed. Sessions are kept in a cache of limited size; a
 * client that finds its own gone begins anew.
 */
import type { Clock, Random } from '../base/ports.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';

/** Session epochs with a meaning of their own. */
export const INITIAL_EPOCH = 0;
export const FINAL_EPOCH = -1;
export const NO_SESSION = 0;
const EPOCH_MAX = 2 ** 31 - 1;
const SESSION_ID_MAX = 2 ** 31 - 1;
/** A session that nobody used for this long makes room for a new one. */
const EVICTION_MS = 120_000;

/** What a client wants of one partition. */
export interface FetchPartition {
  /** Empty in requests with topic ids. */
  readonly topic: string;
  /** Zero in requests with names. */
  readonly topicId: string;
  readonly partition: number;
  currentLeaderEpoch: number;
  fetchOffset: number;
  lastFetchedEpoch: number;
  maxBytes: number;
  /** A follower's; -1: of a consumer. */
  logStartOffset: number;
  /** What the session's client was told last, or a follower says that it knows; -1: nothing, so tell it. */
  toldHighWatermark: number;
  toldLogStartOffset: number;
}

interface Told {
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly hasRecords: boolean;
  /** Something else that the client has to be told: a divergence, another replica to read from. */
  readonly mustTell: boolean;
}

export interface FetchSession {
  readonly id: number;
  readonly usesTopicIds: boolean;
  readonly createdMs: number;
  /** The epoch that the next request must have. */
  epoch: number;
  lastUsedMs: number;
  /** In the order in which they are read: a partition that gave records goes to the end. */
  readonly partitions: Map<string, FetchPartition>;
}

export interface FetchSessionRequest {
  readonly version: number;
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly partitions: readonly FetchPartition[];
  readonly forgotten: readonly { topic: string; topicId: string; partition: number }[];
}

/** How a request is to be served. */
export type FetchContext =
  | { readonly kind: 'refused'; readonly errorCode: ErrorCode }
  | { readonly kind: 'sessionless'; readonly partitions: readonly FetchPartition[] }
  | { readonly kind: 'full'; readonly partitions: readonly FetchPartition[]; readonly usesTopicIds: boolean }
  | {
      readonly kind: 'incremental';
      readonly partitions: readonly FetchPartition[];
      readonly session: FetchSession;
    };

const TOPIC_ID_VERSION_MIN = 13;

export class FetchSessions {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Kafka's max.incremental.fetch.session.cache.slots. */
  readonly #slots: () => number;
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>();

  constructor(options: { readonly clock: Clock; readonly random: Random; readonly slots: () => number }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#slots = options.slots;
  }

  count(): number {
    return this.#sessions.size;
  }

  /** Reads what the request says about its session, and changes the session accordingly. */
  open(request: FetchSessionRequest): FetchContext {
    const { sessionId, sessionEpoch, partitions } = request;
    const usesTopicIds = request.version >= TOPIC_ID_VERSION_MIN;
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      if (sessionId !== NO_SESSION) this.#sessions.delete(sessionId);
      if (sessionEpoch === FINAL_EPOCH) return { kind: 'sessionless', partitions };
      return { kind: 'full', partitions, usesTopicIds };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return { kind: 'refused', errorCode: Errors.FETCH_SESSION_ID_NOT_FOUND };
    if (session.epoch !== sessionEpoch) {
      return { kind: 'refused', errorCode: Errors.INVALID_FETCH_SESSION_EPOCH };
    }
    if (session.usesTopicIds !== usesTopicIds) {
      return { kind: 'refused', errorCode: Errors.FETCH_SESSION_TOPIC_ID_ERROR };
    }
    update(session, request);
    if (session.partitions.size === 0) {
      this.#sessions.delete(session.id);
      return { kind: 'sessionless', partitions: [] };
    }
    session.epoch = nextEpoch(session.epoch);
    session.lastUsedMs = this.#clock.monotonicMs();
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
    return { kind: 'incremental', partitions: [...session.partitions.values()], session };
  }

  /** A session that owns these partitions, or undefined when there is no room for it. */
  create(partitions: readonly FetchPartition[], usesTopicIds: boolean): FetchSession | undefined {
    const now = this.#clock.monotonicMs();
    if (partitions.length === 0 || !this.#makeRoom(partitions.length, now)) return undefined;
    const session: FetchSession = {
      id: this.#newId(),
      usesTopicIds,
      createdMs: now,
      epoch: nextEpoch(INITIAL_EPOCH),
      lastUsedMs: now,
      partitions: new Map(partitions.map((one) => [keyOf(one), one])),
    };
    this.#sessions.set(session.id, session);
    return session;
  }

  /** The least recently used session goes when it is idle; otherwise an old one that is smaller than the new. */
  #makeRoom(size: number, now: number): boolean {
    const slots = this.#slots();
    if (this.#sessions.size < slots) return true;
    const [oldest] = this.#sessions.values();
    if (oldest === undefined) return false;
    if (now - oldest.lastUsedMs > EVICTION_MS) {
      this.#sessions.delete(oldest.id);
      return true;
    }
    let smallest: FetchSession | undefined;
    for (const session of this.#sessions.values()) {
      if (now - session.createdMs <= EVICTION_MS) continue;
      if (smallest === undefined || session.partitions.size < smallest.partitions.size) smallest = session;
    }
    if (smallest === undefined || smallest.partitions.size >= size) return false;
    this.#sessions.delete(smallest.id);
    return true;
  }

  #newId(): number {
    for (;;) {
      const id = 1 + this.#random.integer(SESSION_ID_MAX);
      if (!this.#sessions.has(id)) return id;
    }
  }
}

/** Whether an incremental answer has to name the partition; notes what the client knows then. */
export function mustTell(session: FetchSession, partition: FetchPartition, told: Told): boolean {
  const isNews =
    told.hasRecords ||
    told.mustTell ||
    told.errorCode !== 0 ||
    partition.toldHighWatermark !== told.highWatermark ||
    partition.toldLogStartOffset !== told.logStartOffset;
  partition.toldHighWatermark = told.highWatermark;
  partition.toldLogStartOffset = told.logStartOffset;
  if (told.errorCode !== 0) partition.toldHighWatermark = -1;
  if (told.hasRecords) {
    const key = keyOf(partition);
    if (session.partitions.delete(key)) session.partitions.set(key, partition);
  }
  return isNews;
}

function update(session: FetchSession, request: FetchSessionRequest): void {
  for (const wanted of request.partitions) {
    const key = keyOf(wanted);
    const known = session.partitions.get(key);
    if (known === undefined) {
      session.partitions.set(key, wanted);
      continue;
    }
    known.currentLeaderEpoch = wanted.currentLeaderEpoch;
    known.fetchOffset = wanted.fetchOffset;
    known.lastFetchedEpoch = wanted.lastFetchedEpoch;
    known.maxBytes = wanted.maxBytes;
    known.logStartOffset = wanted.logStartOffset;
    // A follower says itself what it knows.
    if (wanted.toldHighWatermark >= 0) known.toldHighWatermark = wanted.toldHighWatermark;
  }
  for (const forgotten of request.forgotten) session.partitions.delete(keyOf(forgotten));
}

function keyOf(of: { readonly topic: string; readonly topicId: string; readonly partition: number }): string {
  return `${of.topicId}${of.topic}/${of.partition}`;
}

/** Epochs go on at 1: 0 begins a session. */
function nextEpoch(epoch: number): number {
  return epoch === EPOCH_MAX ? 1 : epoch + 1;
}

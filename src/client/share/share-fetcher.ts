/**
 * Keeps a member of a share group supplied: asks the leaders of its partitions for records, holds what has come until it is
 * handed out, and sees that acknowledgements leave: with the next fetch, or by themselves when none is due. While nobody
 * waits here, a broker is asked ahead of time only for what it has at once, and only when nothing of it is held back: what
 * is held runs against the time of its locks, and against the number of deliveries. Where the broker can renew locks,
 * those of held records are renewed as long as the user goes on taking some.
 */
import type { Timer } from '../../base/ports.ts';
import { Errors, isRetriable } from '../../protocol/errors.ts';
import { backoffMs } from '../backoff.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, ownError, type KafkaError } from '../errors.ts';
import { NO_BROKER } from '../metadata/cluster-view.ts';
import { AcknowledgeType, lockLost } from './acknowledgements.ts';
import { AcquiredPart, type OffsetRange, type PartKeeper, type Unseen } from './acquired-part.ts';
import { HeldParts } from './held-parts.ts';
import type { ShareOutcome, ShareSettings } from './options.ts';
import {
  ShareLane,
  type Acquired,
  type LeaderAnswer,
  type ShareFetchAnswer,
  type ShareLaneHost,
} from './share-lane.ts';
import { newShareCounters, type ShareCounters } from './share-metrics.ts';
import type { ShareRecord } from './share-record.ts';
import { keyOf, type SharePartition } from './share-session.ts';

/** An answer takes at most this part of the memory for answers, so that others have room beside it. */
const ANSWER_PART = 4;
/** Acknowledgements that nobody waits for, and that no fetch takes along, leave after so long. */
const ACKNOWLEDGE_MS = 100;

const NO_BYTES = Buffer.alloc(0);
const UNSEEN: Readonly<Record<Unseen, AcknowledgeType>> = {
  gap: AcknowledgeType.GAP,
  cut: AcknowledgeType.RELEASE,
  damaged: AcknowledgeType.REJECT,
};
const OUTCOMES = {
  accept: { type: AcknowledgeType.ACCEPT, counter: 'acceptedRecords' },
  release: { type: AcknowledgeType.RELEASE, counter: 'releasedRecords' },
  reject: { type: AcknowledgeType.REJECT, counter: 'rejectedRecords' },
} as const;

export interface ShareFetcherOptions {
  readonly core: ClientCore;
  readonly settings: ShareSettings;
  readonly memberId: string;
  /** There is something to take. */
  readonly onReady: () => void;
  /** Something was said of a record. */
  readonly onDone: (record: ShareRecord) => void;
}

interface Backoff {
  retryAtMs: number;
  failures: number;
}

export class ShareFetcher implements ShareLaneHost, PartKeeper {
  readonly #options: ShareFetcherOptions;
  readonly #core: ClientCore;
  readonly counters: ShareCounters = newShareCounters();
  #assigned: readonly SharePartition[] = [];
  readonly #backoffs = new Map<string, Backoff>();
  readonly #lanes = new Map<number, ShareLane>();
  readonly #held: HeldParts;
  /** Thrown when the user comes for more. */
  #error: KafkaError | undefined;
  #isAwaited = false;
  /** When the oldest acknowledgement that waits was given (monotonic ms). */
  #acknowledgeAtMs = Infinity;
  #isScheduled = false;
  #isClosed = false;
  #timer: Timer | undefined;
  readonly #unlisten: () => void;

  constructor(options: ShareFetcherOptions) {
    this.#options = options;
    this.#core = options.core;
    this.#held = new HeldParts({
      nowMs: () => this.nowMs(),
      onChange: () => this.wake(),
      renewableMs: (nodeId) => {
        const lane = this.#lanes.get(nodeId);
        return lane?.knowsRenewal === true ? lane.lockMs : undefined;
      },
    });
    this.#unlisten = this.#core.metadata.onChange(() => this.wake());
  }

  /** Held, and not handed out. */
  get bufferedBytes(): number {
    return this.#held.sizeBytes;
  }

  /** Requests without an answer at this moment. */
  get requestsInFlight(): number {
    return [...this.#lanes.values()].filter((lane) => lane.isBusy).length;
  }

  nowMs(): number {
    return this.#core.ports.clock.monotonicMs();
  }

  /** Fetches these from now on, and no others; what is held of others is handed out nevertheless: it is this member's. */
  assign(partitions: readonly SharePartition[]): void {
    this.#assigned = partitions;
    this.wake();
  }

  /** Somebody waits for records, or does not any more. */
  await(isAwaited: boolean): void {
    this.#isAwaited = isAwaited;
    if (isAwaited) this.wake();
  }

  /** The next record; undefined: none is here. Throws KafkaError for what cannot go on, once. */
  take(): ShareRecord | undefined {
    const error = this.#error;
    if (error !== undefined) {
      this.#error = undefined;
      throw error;
    }
    const record = this.#held.take();
    if (record !== undefined) this.counters.receivedRecords += 1;
    return record;
  }

  /** A record is there, of the batch that was opened last. */
  get isOpened(): boolean {
    return this.#error === undefined && this.#held.isOpened;
  }

  /** As `take`, if `isOpened`. */
  takeOpened(): ShareRecord | undefined {
    return this.isOpened ? this.take() : undefined;
  }

  /** Sends what is to be acknowledged, and resolves when it is answered: with the first error. */
  async flush(): Promise<KafkaError | undefined> {
    const answers = [...this.#lanes.values()].map((lane) => lane.acknowledgements.whenAnswered());
    this.wake();
    return (await Promise.all(answers)).find((error) => error !== undefined);
  }

  /** Sends what is to be acknowledged; what was acquired and is not is given back by the brokers. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#unlisten();
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
    this.#held.clear();
  }

  /** Something has changed; what follows from it is decided before anything else happens. */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#drive());
  }

  // --- What is said about records

  acknowledge(record: ShareRecord, outcome: ShareOutcome): void {
    const { offset, part, lockedUntilMs } = record;
    const { type, counter } = OUTCOMES[outcome];
    this.counters[counter] += 1;
    this.#options.onDone(record);
    this.#acknowledge(part, { first: offset, last: offset }, { type, lockedUntilMs });
  }

  onUnseen(part: AcquiredPart, range: OffsetRange, why: Unseen): void {
    const { lockedUntilMs } = part;
    this.#acknowledge(part, range, { type: UNSEEN[why], lockedUntilMs });
  }

  renew(record: ShareRecord): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { part, offset } = record;
    const lane = this.#lanes.get(part.nodeId);
    if (lane === undefined || this.#isClosed || record.lockedUntilMs <= this.nowMs()) {
      return Promise.reject(lockLost(part.at));
    }
    if (lane.knowsRenewal === false) {
      const message = `broker ${part.nodeId} cannot renew locks`;
      return Promise.reject(ownError('UNSUPPORTED_API', message, { code: Errors.UNSUPPORTED_VERSION }));
    }
    lane.addRenewal({
      part,
      first: offset,
      last: offset,
      onAnswer(error, lockedUntilMs) {
        if (error !== undefined) reject(error);
        else {
          record.lockUntil(lockedUntilMs);
          resolve();
        }
      },
    });
    this.counters.renewedRecords += 1;
    this.wake();
    return promise;
  }

  #acknowledge(
    part: AcquiredPart,
    { first, last }: OffsetRange,
    { type, lockedUntilMs }: { readonly type: AcknowledgeType; readonly lockedUntilMs: number },
  ): void {
    this.#lanes.get(part.nodeId)?.acknowledgements.add(part, { first, last, type, lockedUntilMs });
    if (this.#acknowledgeAtMs !== Infinity) return;
    this.#acknowledgeAtMs = this.nowMs() + ACKNOWLEDGE_MS;
    this.wake();
  }

  // --- Asking

  #drive(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    const nowMs = this.nowMs();
    const byNode = new Map<number, SharePartition[]>();
    let dueMs = Infinity;
    let lacksLeader = false;
    for (const at of this.#assigned) {
      const { retryAtMs = 0 } = this.#backoffs.get(keyOf(at)) ?? {};
      if (retryAtMs > nowMs) {
        dueMs = Math.min(dueMs, retryAtMs);
        continue;
      }
      const nodeId = this.#leaderOf(at);
      if (nodeId === NO_BROKER) {
        lacksLeader = true;
        continue;
      }
      const wanted = byNode.get(nodeId);
      if (wanted === undefined) byNode.set(nodeId, [at]);
      else wanted.push(at);
    }
    if (lacksLeader) this.#core.metadata.stale();
    this.#renewHeld();
    for (const nodeId of byNode.keys()) if (!this.#lanes.has(nodeId)) this.#addLane(nodeId);
    const isDue = this.#acknowledgeAtMs <= nowMs;
    for (const lane of this.#lanes.values()) {
      if (lane.isBusy) continue;
      if (lane.retryAtMs > nowMs) dueMs = Math.min(dueMs, lane.retryAtMs);
      else this.#ask(lane, { wanted: byNode.get(lane.nodeId) ?? [], isDue });
    }
    this.#noteWaiting();
    this.#arm([dueMs, this.#acknowledgeAtMs, this.#held.renewAtMs], nowMs);
  }

  #ask(
    lane: ShareLane,
    { wanted, isDue }: { readonly wanted: readonly SharePartition[]; readonly isDue: boolean },
  ): void {
    const { acknowledgements } = lane;
    if (!lane.isOpen && (!acknowledgements.isEmpty || lane.hasRenewals)) lane.dropAcknowledgements();
    if (lane.hasRenewals) {
      this.counters.requests += 1;
      lane.renew();
      return;
    }
    const roomBytes = this.#roomFor(lane, wanted);
    const isFetching = roomBytes > 0;
    if (!acknowledgements.isEmpty) {
      const keys = new Set(wanted.map(keyOf));
      // A fetch may be answered late: who waits for an answer does not wait for that.
      const goAlong = isFetching && !acknowledgements.isUrgent && acknowledgements.areOf(keys);
      if (!goAlong && (isDue || isFetching || acknowledgements.isUrgent)) {
        this.counters.requests += 1;
        lane.acknowledge();
        return;
      }
    }
    if (!isFetching) return;
    this.counters.requests += 1;
    const maxWaitMs = this.#isAwaited ? this.#options.settings.maxWaitMs : 0;
    lane.fetch(wanted, { bytesMax: roomBytes, maxWaitMs });
  }

  /** How many bytes are to be fetched from the broker; 0: nothing now. */
  #roomFor(lane: ShareLane, wanted: readonly SharePartition[]): number {
    if (wanted.length === 0) return 0;
    // What the user is taking records from does not count: meanwhile the next comes.
    if (this.#held.hasWaiting(lane.nodeId)) return 0;
    const isAhead = !this.#isAwaited;
    if (isAhead && (!lane.hasMore || lane.knowsRenewal === false)) return 0;
    const { bufferBytes } = this.#options.settings;
    let roomBytes = bufferBytes - this.#held.sizeBytes;
    for (const { reservedBytes } of this.#lanes.values()) roomBytes -= reservedBytes;
    return Math.max(0, Math.min(roomBytes, Math.ceil(bufferBytes / ANSWER_PART)));
  }

  #renewHeld(): void {
    for (const part of this.#held.dueForRenewal()) {
      part.renewal = 'asked';
      const onAnswer = (error: KafkaError | undefined, lockedUntilMs: number): void => {
        part.renewal = error === undefined ? 'none' : 'refused';
        if (error === undefined) part.lockedUntilMs = lockedUntilMs;
      };
      for (const range of part.rest) this.#lanes.get(part.nodeId)!.addRenewal({ part, ...range, onAnswer });
    }
  }

  /** A timer would do nothing for acknowledgements that all have left, or wait for their lane. */
  #noteWaiting(): void {
    const isWaiting = [...this.#lanes.values()].some((lane) => !lane.acknowledgements.isEmpty);
    if (!isWaiting) this.#acknowledgeAtMs = Infinity;
  }

  #leaderOf({ topicId, partition }: SharePartition): number {
    const { metadata, brokers } = this.#core;
    const leader = metadata.view.byId(topicId)?.partitions[partition]?.leader ?? NO_BROKER;
    return leader !== NO_BROKER && brokers.isKnown(leader) ? leader : NO_BROKER;
  }

  #addLane(nodeId: number): void {
    const { core, settings, memberId } = this.#options;
    this.#lanes.set(nodeId, new ShareLane({ core, settings, nodeId, memberId }, this));
  }

  // --- Answers

  onFree(): void {
    this.wake();
  }

  onFatal(error: KafkaError): void {
    this.#error = error;
    this.#options.onReady();
  }

  onFetched(at: SharePartition, answer: ShareFetchAnswer, acquired: Acquired): void {
    if (this.#isClosed) return;
    this.#backoffs.delete(keyOf(at));
    const { checksCrcs, batchBytesMax } = this.#options.settings;
    const bytes = answer.records?.[0] ?? NO_BYTES;
    const { acquiredRecords } = answer;
    const part = new AcquiredPart(
      { at, bytes, acquired: acquiredRecords, ...acquired, checksCrcs, batchBytesMax },
      this,
    );
    this.#held.add(part);
    this.counters.fetchedBytes += part.sizeBytes;
    this.#options.onReady();
  }

  onRefused(at: SharePartition, { errorCode, currentLeader }: LeaderAnswer): void {
    const key = keyOf(at);
    const { metadata, settings, ports } = this.#core;
    this.#held.lose(at);
    if (!isRetriable(errorCode)) this.onFatal(brokerError(errorCode, `fetching ${at.topic}-${at.partition}`));
    const topic = metadata.view.byId(at.topicId);
    const { leaderId: leader, leaderEpoch } = currentLeader;
    const hint = { partition: at.partition, leader, leaderEpoch };
    if (topic !== undefined && metadata.noteLeader(topic, hint)) return;
    metadata.stale();
    const failures = (this.#backoffs.get(key)?.failures ?? 0) + 1;
    const retryAtMs = this.nowMs() + backoffMs(failures, settings, ports.random);
    this.#backoffs.set(key, { failures, retryAtMs });
  }

  onAcknowledged(
    { topic, partition }: SharePartition,
    ranges: readonly OffsetRange[],
    error: KafkaError | undefined,
  ): void {
    if (error !== undefined) {
      for (const { first, last } of ranges) this.counters.failedAcknowledgements += last - first + 1;
      this.#core.ports.logger?.debug({ topic, partition, error }, 'acknowledgements do not count');
    }
    const { onAcknowledged } = this.#options.settings;
    onAcknowledged?.({ topic, partition, ranges: ranges.map(({ first, last }) => [first, last]), error });
  }

  /** What is due already waits for a lane, which wakes us. */
  #arm(times: readonly number[], nowMs: number): void {
    const dueMs = Math.min(Infinity, ...times.filter((ms) => ms > nowMs));
    this.#timer?.cancel();
    this.#timer = undefined;
    if (dueMs === Infinity) return;
    this.#timer = this.#core.ports.timers.after(dueMs - nowMs, () => this.wake());
  }
}

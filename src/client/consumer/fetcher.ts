/**
 * Keeps a consumer supplied: finds out where to begin, fetches ahead of the user within the limit on memory, follows
 * leaders, and hands out what has come, a batch of each partition in turn, so that a partition with much does not
 * hold up one with little. What is to be asked is decided in `#drive`, once for all changes of a turn. Two requests
 * to a broker may be under way, on a connection each: while one waits for news of quiet partitions, the other fetches
 * those that have become due meanwhile.
 */
import type { Timer } from '../../base/ports.ts';
import { CompressionError } from '../../protocol/compression.ts';
import { Errors, isRetriable } from '../../protocol/errors.ts';
import { ProtocolError } from '../../protocol/wire.ts';
import { backoffMs } from '../backoff.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, ownError } from '../errors.ts';
import { NO_BROKER, type PartitionInfo, type TopicInfo } from '../metadata/cluster-view.ts';
import { Fetched, joined } from './fetched.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import { FetchLane, type LaneFailure, type LaneHost, type PartitionAnswer } from './fetch-lane.ts';
import type { Wanted } from './fetch-session.ts';
import type { FetchSettings } from './options.ts';
import type { ConsumerCounters } from './metrics.ts';
import { PositionFinder } from './position-finder.ts';
import type { ConsumerBatch } from './record.ts';

/** Requests to one broker at a time. */
const LANES_PER_BROKER = 2;
/** An answer takes at most this part of the memory for answers, so that others have room beside it. */
const ANSWER_PART = 4;
/** A partition is fetched again when less than this part of an answer's most is left of it. */
const LOW_PART = 2;

export interface FetcherOptions {
  readonly core: ClientCore;
  readonly settings: FetchSettings;
  readonly counters: ConsumerCounters;
  /** There is something to take. */
  readonly onReady: () => void;
}

export class Fetcher implements LaneHost {
  readonly #core: ClientCore;
  readonly #settings: FetchSettings;
  readonly #counters: ConsumerCounters;
  readonly #onReady: () => void;
  readonly #finder: PositionFinder;
  readonly #partitions = new Set<FetchedPartition>();
  /** Those with something to hand out; the first is next. */
  #queue: FetchedPartition[] = [];
  readonly #lanes = new Map<number, FetchLane[]>();
  #bufferedBytes = 0;
  #isScheduled = false;
  #isClosed = false;
  #timer: Timer | undefined;
  #timerDueMs = Infinity;
  readonly #unlisten: () => void;

  constructor(options: FetcherOptions) {
    this.#core = options.core;
    this.#settings = options.settings;
    this.#counters = options.counters;
    this.#onReady = options.onReady;
    this.#finder = new PositionFinder(options, (partition) => this.#changed(partition));
    this.#unlisten = this.#core.metadata.onChange(() => this.wake());
  }

  get partitions(): ReadonlySet<FetchedPartition> {
    return this.#partitions;
  }

  /** Fetched and not handed out. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Fetch requests without an answer. */
  get requestsInFlight(): number {
    let count = 0;
    for (const lanes of this.#lanes.values()) for (const lane of lanes) if (lane.isBusy) count += 1;
    return count;
  }

  add(partition: FetchedPartition): void {
    this.#partitions.add(partition);
    this.wake();
  }

  remove(partition: FetchedPartition): void {
    this.#partitions.delete(partition);
    this.#bufferedBytes -= partition.remove();
    this.wake();
  }

  seek(partition: FetchedPartition, ...to: Parameters<FetchedPartition['seek']>): void {
    this.#bufferedBytes -= partition.seek(...to);
    this.wake();
  }

  /** What was fetched behind the position is fetched again. */
  rewind(partition: FetchedPartition): void {
    this.#bufferedBytes -= partition.rewind();
    this.wake();
  }

  pause(partition: FetchedPartition): void {
    partition.isPaused = true;
  }

  resume(partition: FetchedPartition): void {
    partition.isPaused = false;
    this.#offer(partition);
  }

  /** A handler has the partition no more. */
  release(partition: FetchedPartition): void {
    partition.isHeld = false;
    this.#offer(partition);
  }

  #offer(partition: FetchedPartition): void {
    if (partition.buffered.length > 0 || partition.error !== undefined) this.#enqueue(partition);
    this.wake();
  }

  /** Something has changed; what follows from it is decided before anything else happens. */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#drive());
  }

  /** The next batch with records; undefined: nothing is there. Throws KafkaError for a partition that cannot go on. */
  take(): ConsumerBatch | undefined {
    for (let partition = this.#queue.shift(); partition !== undefined; partition = this.#queue.shift()) {
      if (partition.isRemoved || partition.isPaused || partition.isHeld) continue;
      if (partition.error !== undefined) throw this.#failed(partition);
      const batch = this.#open(partition);
      if (partition.buffered.length > 0) this.#queue.push(partition);
      if (batch !== undefined) return batch;
    }
    return undefined;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#unlisten();
    for (const partition of this.#partitions) partition.remove();
    this.#partitions.clear();
    for (const lanes of this.#lanes.values()) {
      for (const { lane } of lanes) this.#core.brokers.closeLane(lane);
    }
  }

  // --- Handing out

  /** It stays in the row: the user is told again unless something is done about it. */
  #failed(partition: FetchedPartition): Error {
    this.#queue.push(partition);
    return partition.error!;
  }

  #open(partition: FetchedPartition): ConsumerBatch | undefined {
    while (partition.buffered.length > 0) {
      let batch: ConsumerBatch | undefined;
      try {
        const [fetched] = partition.buffered;
        batch = this.#settings.joinsBatches
          ? joined(fetched!, partition.nextOffset)
          : fetched!.next(partition.nextOffset);
      } catch (error) {
        if (!(error instanceof ProtocolError) && !(error instanceof CompressionError)) throw error;
        const text = `${partition.name} at offset ${partition.position}: ${error.message}`;
        partition.error = brokerError(Errors.CORRUPT_MESSAGE, text, { retriable: false, cause: error });
        throw this.#failed(partition);
      }
      if (batch === undefined) {
        this.#bufferedBytes -= partition.shift();
        this.wake();
        continue;
      }
      partition.handOut(batch);
      if (batch.records.length > 0) return batch;
      if (partition.inFlight === 0) partition.processed = partition.position;
    }
    return undefined;
  }

  #enqueue(partition: FetchedPartition): void {
    if (!this.#queue.includes(partition)) this.#queue.push(partition);
    this.#onReady();
  }

  // --- Asking

  #drive(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    const nowMs = this.#core.ports.clock.monotonicMs();
    const lowBytes = this.#settings.partitionBytesMax / LOW_PART;
    const byNode = new Map<number, Wanted[]>();
    let dueMs = Infinity;
    let lacksLeader = false;
    for (const partition of this.#partitions) {
      if (partition.isAsking || partition.error !== undefined) continue;
      if (partition.retryAtMs > nowMs) {
        dueMs = Math.min(dueMs, partition.retryAtMs);
        continue;
      }
      const topic = this.#core.metadata.view.get(partition.topic);
      const info = partition.infoIn(topic);
      if (topic === undefined || info === undefined || !this.#isKnown(info.leader)) {
        lacksLeader = true;
        continue;
      }
      if (this.#finder.take(partition, info)) continue;
      if (partition.fetchOffset < 0 || partition.isPaused || partition.bufferedBytes >= lowBytes) continue;
      const nodeId = this.#nodeFor(partition, info, nowMs);
      let wanted = byNode.get(nodeId);
      if (wanted === undefined) byNode.set(nodeId, (wanted = []));
      wanted.push(this.#wanted(partition, topic, info));
    }
    this.#finder.ask();
    if (lacksLeader) this.#core.metadata.stale();
    for (const [nodeId, wanted] of byNode) this.#fetch(nodeId, wanted);
    this.#arm(dueMs, nowMs);
  }

  #isKnown(nodeId: number): boolean {
    return nodeId !== NO_BROKER && this.#core.brokers.isKnown(nodeId);
  }

  #nodeFor(partition: FetchedPartition, { leader }: PartitionInfo, nowMs: number): number {
    const { preferredReplica, preferredUntilMs } = partition;
    return preferredUntilMs > nowMs && this.#isKnown(preferredReplica) ? preferredReplica : leader;
  }

  #wanted(partition: FetchedPartition, topic: TopicInfo, info: PartitionInfo): Wanted {
    return {
      partition,
      topicId: topic.id,
      fetchOffset: partition.fetchOffset,
      leaderEpoch: info.leaderEpoch,
      bytesMax: this.#settings.partitionBytesMax,
      turn: partition.turn,
    };
  }

  #fetch(nodeId: number, wanted: readonly Wanted[]): void {
    let lanes = this.#lanes.get(nodeId);
    if (lanes === undefined) this.#lanes.set(nodeId, (lanes = []));
    let free = lanes.find((lane) => !lane.isBusy);
    if (free === undefined && lanes.length < LANES_PER_BROKER) {
      const lane = this.#core.newLane('fetch');
      free = new FetchLane(
        { core: this.#core, settings: this.#settings, counters: this.#counters, nodeId, lane },
        this,
      );
      lanes.push(free);
    }
    const { bufferBytes, partitionBytesMax } = this.#settings;
    const roomBytes = bufferBytes - this.#bufferedBytes - this.#reservedBytes();
    if (free === undefined || roomBytes <= 0) return;
    for (const { partition } of wanted) partition.isAsking = true;
    const mostBytes = Math.ceil(bufferBytes / ANSWER_PART);
    void free.fetch(wanted, Math.min(roomBytes, mostBytes, wanted.length * partitionBytesMax));
  }

  #reservedBytes(): number {
    let bytes = 0;
    for (const lanes of this.#lanes.values()) for (const lane of lanes) bytes += lane.reservedBytes;
    return bytes;
  }

  // --- Answers

  onFree(): void {
    this.wake();
  }

  onFailure(wanted: readonly Wanted[], { isRefused, isQuiet }: LaneFailure): void {
    for (const { partition } of wanted) {
      partition.isAsking = false;
      if (isQuiet) partition.answeredMs = this.#core.ports.clock.monotonicMs();
      if (isRefused) this.#retryLater(partition);
    }
  }

  onAnswer({ partition, turn, topicId }: Wanted, answer: PartitionAnswer): void {
    partition.isAsking = false;
    if (partition.turn !== turn || partition.isRemoved) return;
    if (answer.errorCode !== Errors.NONE) {
      this.#refused(partition, topicId, answer);
      return;
    }
    partition.failures = 0;
    partition.answeredMs = this.#core.ports.clock.monotonicMs();
    const { isCommittedOnly } = this.#settings;
    partition.highWatermark = isCommittedOnly ? answer.lastStableOffset : answer.highWatermark;
    if (answer.preferredReadReplica >= 0) {
      partition.preferredReplica = answer.preferredReadReplica;
      const { metadataMaxAgeMs } = this.#core.settings;
      partition.preferredUntilMs = this.#core.ports.clock.monotonicMs() + metadataMaxAgeMs;
    }
    const bytes = answer.records?.[0];
    if (bytes === undefined || bytes.length === 0) return;
    this.#keep(partition, bytes, answer);
  }

  #keep(partition: FetchedPartition, bytes: Buffer, { abortedTransactions }: PartitionAnswer): void {
    const { isCommittedOnly, checksCrcs, batchBytesMax } = this.#settings;
    const fetched = new Fetched({
      topic: partition.topic,
      partition: partition.index,
      bytes,
      highWatermark: partition.highWatermark,
      aborted: isCommittedOnly ? (abortedTransactions ?? []) : undefined,
      checksCrcs,
      batchBytesMax,
    });
    let end: { offset: number; epoch: number } | undefined;
    try {
      end = fetched.end;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const text = `${partition.name}: ${error.message}`;
      partition.error = brokerError(Errors.CORRUPT_MESSAGE, text, { retriable: false, cause: error });
    }
    if (end === undefined && partition.error === undefined) {
      const text = `${partition.name}: no whole batch in ${bytes.length} bytes`;
      partition.error = ownError('INVALID_ANSWER', text);
    }
    if (end !== undefined) {
      partition.add(fetched, end);
      this.#counters.fetchedBytes += fetched.sizeBytes;
      this.#bufferedBytes += fetched.sizeBytes;
    }
    this.#enqueue(partition);
  }

  #refused(
    partition: FetchedPartition,
    topicId: string,
    { errorCode, currentLeader }: PartitionAnswer,
  ): void {
    const { metadata } = this.#core;
    if (errorCode === Errors.OFFSET_OUT_OF_RANGE) {
      this.#outOfRange(partition);
      return;
    }
    partition.preferredUntilMs = 0;
    if (!isRetriable(errorCode)) {
      partition.error = brokerError(errorCode, `fetching ${partition.name}`);
      this.#enqueue(partition);
      return;
    }
    const topic = metadata.view.byId(topicId) ?? metadata.view.get(partition.topic);
    const { leaderId: leader, leaderEpoch } = currentLeader;
    const hint = { partition: partition.index, leader, leaderEpoch };
    if (topic !== undefined && metadata.noteLeader(topic, hint)) return;
    metadata.stale();
    this.#retryLater(partition);
  }

  /** A replica may lag behind its leader: it is asked first. What lies before the end is handed out first. */
  #outOfRange(partition: FetchedPartition): void {
    const nowMs = this.#core.ports.clock.monotonicMs();
    if (partition.preferredUntilMs > nowMs) partition.preferredUntilMs = 0;
    else if (partition.buffered.length > 0) this.#retryLater(partition);
    else this.#finder.outOfRange(partition);
    if (partition.error !== undefined) this.#enqueue(partition);
  }

  /** Its position was found, or cannot be found. */
  #changed(partition: FetchedPartition): void {
    let bytes = 0;
    for (const one of this.#partitions) bytes += one.bufferedBytes;
    this.#bufferedBytes = bytes;
    if (partition.error !== undefined) this.#enqueue(partition);
    this.wake();
  }

  #retryLater(partition: FetchedPartition): void {
    const { clock, random } = this.#core.ports;
    partition.failures += 1;
    partition.retryAtMs = clock.monotonicMs() + backoffMs(partition.failures, this.#core.settings, random);
  }

  #arm(dueMs: number, nowMs: number): void {
    if (dueMs === this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerDueMs = dueMs;
    if (dueMs === Infinity) return;
    this.#timer = this.#core.ports.timers.after(Math.max(0, dueMs - nowMs), () => {
      this.#timerDueMs = Infinity;
      this.wake();
    });
  }
}

/**
 * A partition that a consumer reads: where it is, what was fetched and waits, and what has to be found out first. `position` is
 * where the user is; `fetchOffset` runs ahead of it. Whatever moves the position by force raises `turn`, so that an
 * answer which was asked for before finds that it is of no use any more.
 */
import type { KafkaError } from '../errors.ts';
import { NO_BROKER, type PartitionInfo, type TopicInfo } from '../metadata/cluster-view.ts';
import type { Fetched } from './fetched.ts';
import type { Start } from './options.ts';
import type { ConsumerBatch } from './record.ts';

export class FetchedPartition {
  readonly topic: string;
  readonly index: number;
  /** Topic and index. */
  readonly name: string;
  /** The next offset that the user gets. -1 until it is known. */
  position = -1;
  /** Everything before it has been dealt with by the user: what may be committed without being asked. -1 as `position`. */
  processed = -1;
  /** The leader epoch of the last record before the position; -1 for none. For KIP-320, and for commits. */
  positionEpoch = -1;
  /** The next offset to fetch. */
  fetchOffset = -1;
  /** The epoch of the last record that was fetched. */
  fetchEpoch = -1;
  /** Where to begin has to be asked: at an offset nothing has to. */
  seeking: Exclude<Start, number> | undefined;
  /** The leader has changed: does its log still have what was read? */
  needsValidation = false;
  /** The leader epoch under which the position was last known to be good. */
  validEpoch = -1;
  isPaused = false;
  /** A handler works on a batch of it: the next one waits. */
  isHeld = false;
  /** Records that handlers have, or wait for: while there are any, whoever gave them to handlers moves the position. */
  inFlight = 0;
  /** Behind the batch that was handed out last. */
  handedTo = -1;
  /** When the leader last answered for it, with records or without (monotonic ms). */
  answeredMs = -Infinity;
  /** No longer this consumer's: what still comes of it is dropped. */
  isRemoved = false;
  /** Thrown when the user comes to it. */
  error: KafkaError | undefined;
  turn = 0;
  bufferedBytes = 0;
  readonly buffered: Fetched[] = [];
  /** A question about it is under way: Fetch, ListOffsets or OffsetForLeaderEpoch. */
  isAsking = false;
  /** Not before this (monotonic ms). */
  retryAtMs = 0;
  failures = 0;
  highWatermark = -1;
  /** A replica nearer than the leader (KIP-392); until when (monotonic ms). */
  preferredReplica = NO_BROKER;
  preferredUntilMs = 0;

  constructor(topic: string, index: number) {
    this.topic = topic;
    this.index = index;
    this.name = `${topic}-${index}`;
  }

  infoIn(topic: TopicInfo | undefined): PartitionInfo | undefined {
    return topic?.partitions[this.index];
  }

  /** Where the next batch to be handed out begins. */
  get nextOffset(): number {
    return this.inFlight > 0 ? this.handedTo : this.position;
  }

  /** From now on at this place; what was fetched is let go. Yields the bytes that are free by that. */
  seek(to: Start, epoch = -1): number {
    const freed = this.#drop();
    if (typeof to === 'number') {
      this.position = this.fetchOffset = this.processed = to;
      this.positionEpoch = this.fetchEpoch = epoch;
      this.seeking = undefined;
      this.needsValidation = epoch >= 0;
    } else {
      this.position = this.fetchOffset = this.processed = -1;
      this.positionEpoch = this.fetchEpoch = -1;
      this.seeking = to;
      this.needsValidation = false;
    }
    return freed;
  }

  /** What was fetched behind the position is let go: it is to be asked for again, of another log perhaps. */
  rewind(): number {
    const freed = this.#drop();
    this.fetchOffset = this.position;
    this.fetchEpoch = this.positionEpoch;
    return freed;
  }

  remove(): number {
    this.isRemoved = true;
    return this.#drop();
  }

  #drop(): number {
    const freed = this.bufferedBytes;
    this.turn += 1;
    this.inFlight = 0;
    this.buffered.length = 0;
    this.bufferedBytes = 0;
    this.error = undefined;
    this.retryAtMs = 0;
    return freed;
  }

  add(fetched: Fetched, end: { readonly offset: number; readonly epoch: number }): void {
    this.buffered.push(fetched);
    this.bufferedBytes += fetched.sizeBytes;
    this.fetchOffset = end.offset;
    this.fetchEpoch = end.epoch;
  }

  /** The first answer that waits is used up. Yields its bytes. */
  shift(): number {
    const { sizeBytes } = this.buffered.shift()!;
    this.bufferedBytes -= sizeBytes;
    return sizeBytes;
  }

  /** The batch is the user's now. */
  handOut(batch: ConsumerBatch): void {
    this.handedTo = batch.nextOffset;
    if (this.inFlight > 0) return;
    this.position = batch.nextOffset;
    this.positionEpoch = batch.leaderEpoch;
  }
}

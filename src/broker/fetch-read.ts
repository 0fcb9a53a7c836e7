/**
 * Reading for one Fetch request: which partitions it means, what of each may be read, and how the request's limits are
 * shared out among them. Waiting is fetch-wait's matter, sessions are fetch-session's.
 */
import { DiskError } from '../base/ports.ts';
import type { FileRegion } from '../base/ports.ts';
import type { LogRead } from '../log/log.ts';
import { OffsetOutOfRange } from '../log/storage-error.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import type { RecordsPart } from '../protocol/wire.ts';
import type { Isolation, Partition } from '../replication/partition.ts';
import { mayTopic } from './authorization.ts';
import type { RequestContext } from './context.ts';
import type { FetchPartition } from './fetch-session.ts';
import type { Services } from './services.ts';

/** One partition of a request with what it stands for here. */
export interface FetchTarget {
  readonly wanted: FetchPartition;
  /** Undefined: unknown, or not to be had by this principal. */
  readonly topic: string | undefined;
  /** Undefined: not held here, with the reason in `errorCode`. */
  readonly partition: Partition | undefined;
  readonly errorCode: ErrorCode;
  /** The replica that the consumer should read from instead. */
  readonly preferred?: number;
  /** The replica is throttled: it gets no records for now. */
  readonly isHeldBack?: boolean;
}

export interface FetchLimits {
  readonly isolation: Isolation;
  readonly maxBytes: number;
  /** Once there is something: less room than this is not worth another read. 0 when not given. */
  readonly slackBytes?: number;
  /** The index of the target that is read first; the first one when not given. */
  readonly first?: number;
  /** No records are read, not even the first batch. */
  readonly isDry?: boolean;
  /** Consumers may read from any replica (KIP-392); debugging reads as well. */
  readonly leaderOnly: boolean;
  /** What is read may be sent as regions of files. */
  readonly sendsRegions: boolean;
  /** Another broker may lead, and have more (`Services.mayBeFenced`). Asked when it matters. */
  readonly mayBeFenced: () => boolean;
}

export interface PartitionRead {
  readonly errorCode: ErrorCode;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly divergingEpoch: { readonly epoch: number; readonly endOffset: number } | undefined;
  readonly records: readonly RecordsPart[];
  /** Holds the records; given back once nobody looks at them any more. */
  readonly slab: Buffer | undefined;
  /** The records, when they are to be sent from the file; released once they have left. */
  readonly region: FileRegion | undefined;
  readonly sizeBytes: number;
  readonly abortedTransactions: { producerId: number; firstOffset: number }[] | null;
}

/** Cold partitions of one request that are read side by side. */
const READS_AT_ONCE_MAX = 8;
const NO_RECORDS: readonly RecordsPart[] = [];
const NO_OFFSET = -1;

/** Finds each partition's place. Of a partition named twice the last mention counts, as in Kafka. */
export function findTargets(
  partitions: readonly FetchPartition[],
  usesTopicIds: boolean,
  context: RequestContext,
  services: Services,
): FetchTarget[] {
  const targets: FetchTarget[] = [];
  const places = new Map<Partition, number>();
  const topics = new Map<string, { topic: string | undefined; errorCode: ErrorCode }>();
  for (const wanted of partitions) {
    const key = usesTopicIds ? wanted.topicId : wanted.topic;
    let found = topics.get(key);
    if (found === undefined) topics.set(key, (found = findTopic(wanted, usesTopicIds, context, services)));
    const target = findTarget(wanted, found, services);
    const place = target.partition === undefined ? undefined : places.get(target.partition);
    if (place !== undefined) {
      targets[place] = target;
      continue;
    }
    if (target.partition !== undefined) places.set(target.partition, targets.length);
    targets.push(target);
  }
  return targets.every(isHeld)
    ? targets
    : [...targets.filter(isHeld), ...targets.filter((one) => !isHeld(one))];
}

/** Of what this broker knows; the others come last in the answer, as in Kafka. */
function isHeld({ errorCode }: FetchTarget): boolean {
  return errorCode === Errors.NONE || errorCode === Errors.NOT_LEADER_OR_FOLLOWER;
}

function findTopic(
  wanted: FetchPartition,
  usesTopicIds: boolean,
  context: RequestContext,
  services: Services,
): { topic: string | undefined; errorCode: ErrorCode } {
  const { image } = services;
  const topic = usesTopicIds ? image.topicById(wanted.topicId)?.name : wanted.topic;
  if (topic === undefined) return { topic, errorCode: Errors.UNKNOWN_TOPIC_ID };
  if (!mayTopic(services, context, 'READ', topic)) {
    return { topic, errorCode: Errors.TOPIC_AUTHORIZATION_FAILED };
  }
  const exists = image.topics.has(topic);
  return { topic, errorCode: exists ? Errors.NONE : Errors.UNKNOWN_TOPIC_OR_PARTITION };
}

function findTarget(
  wanted: FetchPartition,
  found: { readonly topic: string | undefined; readonly errorCode: ErrorCode },
  services: Services,
): FetchTarget {
  const { topic, errorCode } = found;
  if (errorCode !== Errors.NONE) return { wanted, topic, partition: undefined, errorCode };
  const partition = services.partitions.get(topic!, wanted.partition);
  if (partition !== undefined) return { wanted, topic, partition, errorCode };
  const exists = services.image.topics.get(topic!)?.partitions[wanted.partition] !== undefined;
  const reason = exists ? Errors.NOT_LEADER_OR_FOLLOWER : Errors.UNKNOWN_TOPIC_OR_PARTITION;
  return { wanted, topic, partition, errorCode: reason };
}

/**
 * Reads the targets in order, from the one at `limits.first` on and around, until `limits.maxBytes` are there. The first
 * batch of the first partition that has any is read whatever its size, so that a consumer gets on. A promise only when
 * the disk has to be asked: then of several partitions at once, as many as fit into the limit whatever they hold.
 */
export function readTargets(
  targets: readonly FetchTarget[],
  limits: FetchLimits,
): PartitionRead[] | Promise<PartitionRead[]> {
  const run = new ReadRun(targets, limits);
  const fail = (error: unknown): never => {
    run.release();
    throw error;
  };
  try {
    return run.goOn()?.catch(fail) ?? run.reads;
  } catch (error) {
    return fail(error);
  }
}

class ReadRun {
  readonly reads: PartitionRead[];
  readonly #targets: readonly FetchTarget[];
  readonly #limits: FetchLimits;
  /** How many targets have been read or are being read. */
  #begun = 0;
  #bytesLeft: number;
  #minOneMessage: boolean;
  /** Of all reads so far. */
  readonly #regions: FileRegion[] = [];

  constructor(targets: readonly FetchTarget[], limits: FetchLimits) {
    this.#targets = targets;
    this.#limits = limits;
    this.reads = new Array<PartitionRead>(targets.length);
    this.#bytesLeft = limits.maxBytes;
    this.#minOneMessage = limits.isDry !== true;
  }

  /** Undefined: all is read. */
  goOn(): Promise<PartitionRead[]> | undefined {
    while (this.#begun < this.#targets.length) {
      const place = this.#placeOf(this.#begun);
      this.#begun += 1;
      const read = this.#read(place, this.#bytesLeft, this.#minOneMessage);
      if (read instanceof Promise) return this.#wait(place, read);
      this.#take(place, read);
    }
    return undefined;
  }

  /** While the first is being read, others are as well: no more than there is room for if each gives all it may. */
  async #wait(place: number, first: Promise<PartitionRead>): Promise<PartitionRead[]> {
    const places = [place];
    const reads = [first];
    let room = this.#bytesLeft - this.#maxBytesOf(place);
    while (this.#begun < this.#targets.length && reads.length < READS_AT_ONCE_MAX) {
      const next = this.#placeOf(this.#begun);
      const maxBytes = this.#maxBytesOf(next);
      if (maxBytes > room) break;
      room -= maxBytes;
      this.#begun += 1;
      places.push(next);
      reads.push(Promise.resolve(this.#read(next, maxBytes, false)));
    }
    const settled = await Promise.all(reads);
    for (let index = 0; index < settled.length; index++) {
      let read = settled[index]!;
      if (index > 0 && this.#minOneMessage && read.sizeBytes === 0) {
        // Perhaps there is a batch, too large for the limit: it is this one's turn to get it all the same.
        read = await this.#read(places[index]!, this.#bytesLeft, true);
      }
      this.#take(places[index]!, read);
    }
    return (await this.goOn()) ?? this.reads;
  }

  #placeOf(index: number): number {
    return (index + (this.#limits.first ?? 0)) % this.#targets.length;
  }

  #maxBytesOf(place: number): number {
    return Math.max(0, this.#targets[place]!.wanted.maxBytes);
  }

  #read(place: number, bytesLeft: number, minOneMessage: boolean): PartitionRead | Promise<PartitionRead> {
    const target = this.#targets[place]!;
    const maxBytes = Math.min(target.wanted.maxBytes, bytesLeft);
    const read = readTarget(target, { ...this.#limits, maxBytes, minOneMessage });
    // What is read later never is one.
    if (!(read instanceof Promise) && read.region !== undefined) this.#regions.push(read.region);
    return read;
  }

  /** Nobody gets what was read. */
  release(): void {
    for (const region of this.#regions) region.release();
  }

  #take(place: number, read: PartitionRead): void {
    this.reads[place] = read;
    if (read.sizeBytes === 0) return;
    this.#minOneMessage = false;
    const left = this.#bytesLeft - read.sizeBytes;
    this.#bytesLeft = left <= (this.#limits.slackBytes ?? 0) ? 0 : left;
  }
}

function readTarget(
  target: FetchTarget,
  limits: FetchLimits & { readonly minOneMessage: boolean },
): PartitionRead | Promise<PartitionRead> {
  const { wanted, partition } = target;
  if (partition === undefined) {
    const { errorCode } = target;
    // Kafka's list is empty, not null, where no partition was asked.
    return {
      ...failed(errorCode),
      abortedTransactions: errorCode === Errors.NOT_LEADER_OR_FOLLOWER ? null : [],
    };
  }
  const errorCode = partition.check(wanted.currentLeaderEpoch, limits);
  if (errorCode !== Errors.NONE) return failed(errorCode);
  const log = partition.log!;
  if (target.preferred !== undefined || target.isHeldBack === true) return empty(partition, limits.isolation);
  const diverging = divergence(wanted, partition);
  if (diverging === 'out of range') return failed(beyond(partition, limits));
  const before = empty(partition, limits.isolation);
  if (diverging !== undefined) return { ...before, divergingEpoch: diverging };
  // A follower begins anew from where the log does.
  if (limits.isolation === 'log end' && mustBeginAnew(wanted, partition)) {
    return { ...before, errorCode: Errors.OFFSET_OUT_OF_RANGE };
  }
  if (isOutOfRange(wanted.fetchOffset, partition)) {
    return failed(
      wanted.fetchOffset > log.logEndOffset ? beyond(partition, limits) : Errors.OFFSET_OUT_OF_RANGE,
    );
  }
  const upTo = partition.endOffset(limits.isolation);
  if (wanted.fetchOffset >= upTo || (limits.maxBytes <= 0 && !limits.minOneMessage)) return before;
  const finish = (read: LogRead): PartitionRead => {
    const { sizeBytes, slab, region } = read;
    const records = region === undefined ? read.buffers : [region];
    const found = { ...before, records, sizeBytes, slab, region };
    if (limits.isolation !== 'committed' || sizeBytes === 0) return found;
    const end = Math.min(read.nextOffset ?? upTo, upTo);
    const aborted = log.abortedTransactions(wanted.fetchOffset, end);
    const abortedTransactions = aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
    return { ...found, abortedTransactions };
  };
  try {
    const { maxBytes, minOneMessage } = limits;
    const read = log.read({
      offset: wanted.fetchOffset,
      maxBytes: Math.max(0, maxBytes),
      upTo,
      minOneMessage,
      // What is not committed may be cut off, and other batches written in its place, before a region of it has left.
      isForSending: limits.sendsRegions && limits.isolation !== 'log end',
    });
    if (!(read instanceof Promise)) return finish(read);
    return read.then(finish).catch(readFailure);
  } catch (error) {
    return readFailure(error);
  }
}

/**
 * What the leader gave a consumer may not have come to this follower yet, or to a leader of before that does not know of the
 * next one: that is no reason to begin anew.
 */
function beyond({ isLeader }: Partition, { isolation, mayBeFenced }: FetchLimits): ErrorCode {
  if (!isLeader) return Errors.OFFSET_NOT_AVAILABLE;
  return isolation !== 'log end' && mayBeFenced()
    ? Errors.NOT_LEADER_OR_FOLLOWER
    : Errors.OFFSET_OUT_OF_RANGE;
}

/** Retention may have moved the start, or the disk may have failed, between the check and the read. */
function readFailure(error: unknown): PartitionRead {
  if (error instanceof OffsetOutOfRange) return failed(Errors.OFFSET_OUT_OF_RANGE);
  if (error instanceof DiskError) return failed(Errors.KAFKA_STORAGE_ERROR);
  throw error;
}

/**
 * A follower's log ends before ours begins; or just there, in an epoch of which nothing is left here, so that nobody can
 * tell whether its records ever were the ones that were deleted.
 */
export function mustBeginAnew(
  { fetchOffset, lastFetchedEpoch }: Pick<FetchPartition, 'fetchOffset' | 'lastFetchedEpoch'>,
  partition: Partition,
): boolean {
  if (isOutOfRange(fetchOffset, partition)) return true;
  const { logStartOffset } = partition;
  if (logStartOffset === 0 || lastFetchedEpoch < 0) return false;
  const earliest = partition.log!.epochAt(logStartOffset);
  return earliest !== undefined && lastFetchedEpoch < earliest;
}

function isOutOfRange(offset: number, partition: Partition): boolean {
  return offset < partition.logStartOffset || offset > partition.logEndOffset;
}

/** Where the client's log and ours part, when the epoch it fetched last says that they do (KIP-595). */
export function divergence(
  wanted: FetchPartition,
  partition: Partition,
): { epoch: number; endOffset: number } | 'out of range' | undefined {
  if (wanted.lastFetchedEpoch < 0) return undefined;
  const { epoch, endOffset } = partition.log!.endOffsetForEpoch(wanted.lastFetchedEpoch);
  if (epoch < 0 || endOffset < 0) return 'out of range';
  if (epoch < wanted.lastFetchedEpoch || endOffset < wanted.fetchOffset) return { epoch, endOffset };
  return undefined;
}

/**
 * A follower learns soon of each rise of the watermark (KIP-1166), or what it serves to consumers, and what it knows when
 * it is elected, would be old. Nobody waits for it, so it may go with the next records. One that is held back has time.
 */
export function isWatermarkNews(target: FetchTarget, isolation: Isolation): boolean {
  const { wanted, partition } = target;
  if (isolation !== 'log end' || partition === undefined || target.isHeldBack === true) return false;
  return partition.highWatermark > wanted.toldHighWatermark;
}

/** It learns at once where the log begins now: whoever deletes records waits for that. */
export function isStartNews(target: FetchTarget, isolation: Isolation): boolean {
  const { wanted, partition } = target;
  if (isolation !== 'log end' || partition === undefined || target.isHeldBack === true) return false;
  const { logStartOffset } = partition;
  if (wanted.logStartOffset < 0) return false;
  return logStartOffset > wanted.logStartOffset && logStartOffset !== wanted.toldLogStartOffset;
}

/** What is said of a partition when nothing of it is sent. */
function empty(partition: Partition, isolation: Isolation): PartitionRead {
  return {
    errorCode: Errors.NONE,
    highWatermark: partition.highWatermark,
    // Replicas find out for themselves, and have many partitions in each request.
    lastStableOffset: isolation === 'log end' ? NO_OFFSET : partition.lastStableOffset,
    logStartOffset: partition.logStartOffset,
    divergingEpoch: undefined,
    records: NO_RECORDS,
    slab: undefined,
    region: undefined,
    sizeBytes: 0,
    abortedTransactions: isolation === 'committed' ? [] : null,
  };
}

function failed(errorCode: ErrorCode): PartitionRead {
  return {
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    divergingEpoch: undefined,
    records: NO_RECORDS,
    slab: undefined,
    region: undefined,
    sizeBytes: 0,
    abortedTransactions: null,
  };
}

/** Nobody looks at what was read any more. */
export function giveBack(services: Services, reads: readonly PartitionRead[]): void {
  for (const { slab, region } of reads) {
    if (slab !== undefined) services.slabs.give(slab);
    region?.release();
  }
}

/**
 * What a ShareFetch answer holds of one partition: batches as they lie in the log, and which offsets of them are this
 * member's. Records that are not acquired are passed over; acquired offsets without a record (markers, what compaction took)
 * are gaps, which have to be acknowledged as well. What was handed out is everything up to `handedTo`.
 */
import {
  baseOffset,
  baseTimestamp,
  batchSizeBytes,
  checkBatch,
  hasLogAppendTime,
  isControl,
  lastOffset,
  lastOffsetDelta,
  LOG_OVERHEAD_BYTES,
  magic,
  MAGIC_CURRENT,
  MAGIC_POSITION,
  maxTimestamp,
  partitionLeaderEpoch,
  recordCount,
} from '../../protocol/record-batch.ts';
import { CompressionError } from '../../protocol/compression.ts';
import { Errors } from '../../protocol/errors.ts';
import { openRecords } from '../../protocol/records.ts';
import { ProtocolError } from '../../protocol/wire.ts';
import { parseRecords } from '../consumer/parse.ts';
import { brokerError, type KafkaError } from '../errors.ts';
import { ShareRecord, type RecordKeeper } from './share-record.ts';
import type { SharePartition } from './share-session.ts';

/** Offsets from `first` to `last`, both included. */
export interface OffsetRange {
  readonly first: number;
  readonly last: number;
}

interface AcquiredRange {
  first: number;
  readonly last: number;
  readonly deliveryCount: number;
}

/** What all parts share that were acquired in one session with a broker. */
export interface Hold {
  /** The session has ended: the broker gives the records to others. */
  isLost: boolean;
}

export interface AcquiredPartOptions {
  readonly at: SharePartition;
  readonly nodeId: number;
  readonly bytes: Buffer;
  readonly acquired: readonly { firstOffset: number; lastOffset: number; deliveryCount: number }[];
  /** Monotonic ms. */
  readonly lockedUntilMs: number;
  readonly hold: Hold;
  readonly batchBytesMax: number;
  readonly checksCrcs: boolean;
}

/**
 * Why no user sees acquired offsets: there is no record, or the broker did not send it whole, or it cannot be read.
 */
export type Unseen = 'gap' | 'cut' | 'damaged';

export interface PartKeeper extends RecordKeeper {
  onUnseen(part: AcquiredPart, range: OffsetRange, why: Unseen): void;
}

export class AcquiredPart {
  readonly #options: AcquiredPartOptions;
  readonly #keeper: PartKeeper;
  /** In their order; what was handed out or passed over is cut off. */
  readonly #ranges: AcquiredRange[];
  #at = 0;
  /** Of the batch that was opened last: those that are acquired and not handed out. */
  #opened: ShareRecord[] = [];
  #nextOpened = 0;
  lockedUntilMs: number;
  /** Something was handed out. */
  isStarted = false;
  /** Of the locks of what is not handed out. */
  renewal: 'none' | 'asked' | 'refused' = 'none';
  #isGone = false;

  constructor(options: AcquiredPartOptions, keeper: PartKeeper) {
    this.#options = options;
    this.#keeper = keeper;
    this.lockedUntilMs = options.lockedUntilMs;
    this.#ranges = options.acquired
      .map(({ firstOffset: first, lastOffset: last, deliveryCount }) => ({ first, last, deliveryCount }))
      .filter(({ first, last }) => first <= last)
      .sort((a, b) => a.first - b.first);
  }

  /** The records are others', or will be: nothing said about them counts. */
  get isLost(): boolean {
    return this.#isGone || this.#options.hold.isLost;
  }

  /** Another broker leads the partition now, and knows nothing of this. */
  lose(): void {
    this.#isGone = true;
  }

  get at(): SharePartition {
    return this.#options.at;
  }
  get nodeId(): number {
    return this.#options.nodeId;
  }
  /** Bytes that are held. */
  get sizeBytes(): number {
    return this.#options.bytes.length;
  }

  /** Acquired offsets that are not handed out. */
  get rest(): OffsetRange[] {
    return this.#ranges.map(({ first, last }) => ({ first, last }));
  }

  /**
   * The next record; undefined at the end, when all that was acquired is handed out or a gap. Throws KafkaError for a batch that
   * cannot be read, and goes on behind it when it is asked again.
   */
  next(): ShareRecord | undefined {
    for (;;) {
      const record = this.#opened[this.#nextOpened];
      if (record !== undefined) {
        this.#nextOpened += 1;
        this.isStarted = true;
        this.#pass(record.offset, 'gap');
        this.#takeFirst();
        record.lockUntil(this.lockedUntilMs);
        return record;
      }
      if (this.#ranges.length === 0) return undefined;
      if (!this.#open()) {
        this.#passRest();
        return undefined;
      }
    }
  }

  /** Whether `next` has a record without opening another batch. */
  get isOpened(): boolean {
    return this.#nextOpened < this.#opened.length;
  }

  /** Opens the next batch that has something acquired in it; false: there is none. Throws KafkaError. */
  #open(): boolean {
    const { bytes, at } = this.#options;
    // Behind what cannot be read: without a batch's end nothing behind it can be read either.
    let end = Infinity;
    try {
      while (this.#ranges.length > 0 && isWholeBatch(bytes, this.#at)) {
        const start = this.#at;
        end = lastOffset(bytes, start) + 1;
        this.#at += batchSizeBytes(bytes, start);
        if (end > this.#ranges[0]!.first && !isControl(bytes, start)) {
          this.#opened = this.#parse(bytes.subarray(start, this.#at));
          this.#nextOpened = 0;
          if (this.#opened.length > 0) return true;
        }
        end = Infinity;
      }
      return false;
    } catch (error) {
      if (!(error instanceof ProtocolError) && !(error instanceof CompressionError)) throw error;
      const first = this.#ranges[0]!.first;
      this.#pass(end, 'damaged');
      throw damaged(`${at.topic}-${at.partition} from offset ${first} on: ${error.message}`, error);
    }
  }

  #parse(batch: Buffer): ShareRecord[] {
    const { at, checksCrcs, batchBytesMax } = this.#options;
    if (magic(batch) !== MAGIC_CURRENT) throw new ProtocolError(`records of magic ${magic(batch)}`);
    const fault = checksCrcs ? checkBatch(batch) : undefined;
    if (fault !== undefined) throw new ProtocolError(`${fault} in the batch at offset ${baseOffset(batch)}`);
    const { topic, partition } = at;
    const records = parseRecords(
      { topic, partition, leaderEpoch: partitionLeaderEpoch(batch) },
      {
        bytes: openRecords(batch, { maxDecompressedBytes: batchBytesMax }),
        count: recordCount(batch),
        baseOffset: baseOffset(batch),
        lastOffsetDelta: lastOffsetDelta(batch),
        baseTimestamp: baseTimestamp(batch),
        appendTimestamp: hasLogAppendTime(batch) ? maxTimestamp(batch) : undefined,
        fromOffset: this.#ranges[0]!.first,
      },
    );
    const acquired: ShareRecord[] = [];
    let index = 0;
    for (const record of records) {
      while (index < this.#ranges.length && this.#ranges[index]!.last < record.offset) index += 1;
      const range = this.#ranges[index];
      if (range === undefined) break;
      if (record.offset < range.first) continue;
      const { deliveryCount } = range;
      acquired.push(new ShareRecord(record, { part: this, deliveryCount, keeper: this.#keeper }));
    }
    return acquired;
  }

  /** At the end of what was sent. Nothing that was left out there is taken for a gap, which would lose it. */
  #passRest(): void {
    const { bytes } = this.#options;
    if (this.#at < bytes.length && bytes.length - this.#at > LOG_OVERHEAD_BYTES) {
      this.#pass(baseOffset(bytes, this.#at), 'gap');
    }
    const isWhole = bytes.length > 0 && this.#at === bytes.length;
    this.#pass(Infinity, isWhole ? 'gap' : 'cut');
  }

  /** Cuts off what lies before `offset`. */
  #pass(offset: number, why: Unseen): void {
    for (let range = this.#ranges[0]; range !== undefined && range.first < offset; range = this.#ranges[0]) {
      const last = Math.min(range.last, offset - 1);
      const { first } = range;
      if (last < range.last) range.first = offset;
      else this.#ranges.shift();
      this.#keeper.onUnseen(this, { first, last }, why);
    }
  }

  /** Cuts off the first offset. */
  #takeFirst(): void {
    const range = this.#ranges[0]!;
    if (range.first === range.last) this.#ranges.shift();
    else range.first += 1;
  }
}

function damaged(message: string, cause: Error): KafkaError {
  return brokerError(Errors.CORRUPT_MESSAGE, message, { retriable: false, cause });
}

/** Brokers may cut answers anywhere. */
function isWholeBatch(bytes: Buffer, at: number): boolean {
  if (bytes.length - at <= MAGIC_POSITION) return false;
  const size = batchSizeBytes(bytes, at);
  if (size <= LOG_OVERHEAD_BYTES) throw new ProtocolError(`a batch of ${size} bytes`);
  return size <= bytes.length - at;
}

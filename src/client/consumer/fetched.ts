/**
 * What a Fetch answer holds of one partition, until it is handed out batch by batch. Markers, what belongs to aborted
 * transactions, and what lies before the position are left out (KIP-98); batches are checked and opened only when it is their
 * turn, so what waits is still compressed.
 */
import {
  batchSizeBytes,
  baseOffset,
  baseTimestamp,
  checkBatch,
  hasLogAppendTime,
  isControl,
  isTransactional,
  lastOffset,
  lastOffsetDelta,
  magic,
  MAGIC_CURRENT,
  maxTimestamp,
  partitionLeaderEpoch,
  producerId,
  recordCount,
  LOG_OVERHEAD_BYTES,
  MAGIC_POSITION,
} from '../../protocol/record-batch.ts';
import { endedTransaction } from '../../protocol/control-records.ts';
import { openRecords } from '../../protocol/records.ts';
import { ProtocolError } from '../../protocol/wire.ts';
import { parseRecords } from './parse.ts';
import { ConsumerBatch } from './record.ts';

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface FetchedOptions {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
  readonly highWatermark: number;
  /** Undefined with isolation `uncommitted`: then all is handed out. */
  readonly aborted: readonly AbortedTransaction[] | undefined;
  readonly checksCrcs: boolean;
  readonly batchBytesMax: number;
}

export class Fetched {
  readonly #options: FetchedOptions;
  readonly #aborted: AbortedTransaction[];
  readonly #abortedProducers = new Set<number>();
  #at = 0;

  constructor(options: FetchedOptions) {
    this.#options = options;
    this.#aborted = [...(options.aborted ?? [])].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Bytes that are held. */
  get sizeBytes(): number {
    return this.#options.bytes.length;
  }

  /** Behind the last whole batch: where the next Fetch begins. Undefined when there is none. Throws ProtocolError. */
  get end(): { readonly offset: number; readonly epoch: number } | undefined {
    const { bytes } = this.#options;
    let last = -1;
    for (let at = 0; isWhole(bytes, at); at += batchSizeBytes(bytes, at)) last = at;
    if (last < 0) return undefined;
    return { offset: lastOffset(bytes, last) + 1, epoch: partitionLeaderEpoch(bytes, last) };
  }

  /** The next batch with records from `position` on; undefined at the end. Throws ProtocolError and CompressionError. */
  next(position: number): ConsumerBatch | undefined {
    const { bytes, topic, partition, highWatermark } = this.#options;
    while (isWhole(bytes, this.#at)) {
      const at = this.#at;
      const size = batchSizeBytes(bytes, at);
      if (magic(bytes, at) !== MAGIC_CURRENT) throw new ProtocolError(`records of magic ${magic(bytes, at)}`);
      const end = lastOffset(bytes, at) + 1;
      if (end <= position || this.#isLeftOut(at)) {
        this.#at += size;
        if (end > position) return this.#empty(end, at);
        continue;
      }
      const batch = bytes.subarray(at, at + size);
      if (this.#options.checksCrcs) {
        const fault = checkBatch(batch);
        if (fault !== undefined)
          throw new ProtocolError(`${fault} in the batch at offset ${baseOffset(batch)}`);
      }
      const facts = { topic, partition, leaderEpoch: partitionLeaderEpoch(batch) };
      const records = parseRecords(facts, {
        bytes: openRecords(batch, { maxDecompressedBytes: this.#options.batchBytesMax }),
        count: recordCount(batch),
        baseOffset: baseOffset(batch),
        lastOffsetDelta: lastOffsetDelta(batch),
        baseTimestamp: baseTimestamp(batch),
        appendTimestamp: hasLogAppendTime(batch) ? maxTimestamp(batch) : undefined,
        fromOffset: position,
      });
      this.#at += size;
      return new ConsumerBatch({ ...facts, records, nextOffset: end, highWatermark });
    }
    return undefined;
  }

  /** The position moves over what is left out. */
  #empty(nextOffset: number, at: number): ConsumerBatch {
    const { topic, partition, highWatermark, bytes } = this.#options;
    const leaderEpoch = partitionLeaderEpoch(bytes, at);
    return new ConsumerBatch({ topic, partition, leaderEpoch, records: [], nextOffset, highWatermark });
  }

  #isLeftOut(at: number): boolean {
    const { bytes, aborted } = this.#options;
    if (aborted !== undefined) {
      const last = lastOffset(bytes, at);
      while (this.#aborted.length > 0 && this.#aborted[0]!.firstOffset <= last) {
        this.#abortedProducers.add(this.#aborted.shift()!.producerId);
      }
    }
    if (isControl(bytes, at)) {
      const ended = endedTransaction(bytes, at);
      if (ended?.isCommit === false) this.#abortedProducers.delete(ended.producerId);
      return true;
    }
    return isTransactional(bytes, at) && this.#abortedProducers.has(producerId(bytes, at));
  }
}

/**
 * All batches that are left, as one; undefined at the end. Damage that lies behind a batch comes out when that has been handed
 * out. Throws as `next`.
 */
export function joined(fetched: Fetched, position: number): ConsumerBatch | undefined {
  const first = fetched.next(position);
  if (first === undefined) return undefined;
  const records = [...first.records];
  let last = first;
  try {
    for (;;) {
      const batch = fetched.next(last.nextOffset);
      if (batch === undefined) break;
      last = batch;
      for (const record of batch.records) records.push(record);
    }
  } catch (error) {
    if (records.length === 0) throw error;
  }
  if (last === first) return first;
  const { topic, partition, leaderEpoch, nextOffset, highWatermark } = last;
  return new ConsumerBatch({ topic, partition, leaderEpoch, nextOffset, highWatermark, records });
}

/** Brokers cut answers anywhere: what is not whole is fetched again. */
function isWhole(bytes: Buffer, at: number): boolean {
  if (bytes.length - at <= MAGIC_POSITION) return false;
  const size = batchSizeBytes(bytes, at);
  if (size <= LOG_OVERHEAD_BYTES) throw new ProtocolError(`a batch of ${size} bytes`);
  return size <= bytes.length - at;
}

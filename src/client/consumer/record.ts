/**
 * What a consumer hands out: batches, as the producer made them, and the records in them. A record looks at the bytes that came
 * from the broker: key, value and headers are made when they are asked for, as views, so what nobody looks at costs nothing.
 */
import { Reader } from '../../protocol/wire.ts';

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** What all records of a batch share. */
export interface BatchFacts {
  readonly topic: string;
  readonly partition: number;
  /** Of the leader that wrote it; -1 when it is not known. */
  readonly leaderEpoch: number;
}

export class ConsumerRecord {
  readonly #batch: BatchFacts;
  readonly #bytes: Buffer;
  readonly offset: number;
  /** ms since the epoch: the producer's time, or the broker's with LogAppendTime; -1 for none. */
  readonly timestamp: number;
  readonly #keyAt: number;
  /** -1 for null. */
  readonly #keySize: number;
  readonly #valueAt: number;
  readonly #valueSize: number;
  readonly #end: number;

  /** Made by `parseRecords`, which has checked the positions. */
  constructor(
    batch: BatchFacts,
    bytes: Buffer,
    offset: number,
    timestamp: number,
    keyAt: number,
    keySize: number,
    valueAt: number,
    valueSize: number,
    end: number,
  ) {
    this.#batch = batch;
    this.#bytes = bytes;
    this.offset = offset;
    this.timestamp = timestamp;
    this.#keyAt = keyAt;
    this.#keySize = keySize;
    this.#valueAt = valueAt;
    this.#valueSize = valueSize;
    this.#end = end;
  }

  get topic(): string {
    return this.#batch.topic;
  }
  get partition(): number {
    return this.#batch.partition;
  }
  get leaderEpoch(): number {
    return this.#batch.leaderEpoch;
  }

  /** A view of the bytes that were received: copy what is to be kept long, or the whole answer stays in memory. */
  get key(): Buffer | null {
    return this.#keySize < 0 ? null : this.#bytes.subarray(this.#keyAt, this.#keyAt + this.#keySize);
  }

  /** A view, as `key`. Null is a tombstone when there is a key. */
  get value(): Buffer | null {
    return this.#valueSize < 0 ? null : this.#bytes.subarray(this.#valueAt, this.#valueAt + this.#valueSize);
  }

  /** The value as UTF-8, without making a view of it first. */
  get text(): string | null {
    if (this.#valueSize < 0) return null;
    return this.#bytes.toString('utf8', this.#valueAt, this.#valueAt + this.#valueSize);
  }

  get keyText(): string | null {
    if (this.#keySize < 0) return null;
    return this.#bytes.toString('utf8', this.#keyAt, this.#keyAt + this.#keySize);
  }

  /** Bytes of key and value. */
  get sizeBytes(): number {
    return Math.max(0, this.#keySize) + Math.max(0, this.#valueSize);
  }

  /** In the producer's order; a key may occur more than once. Throws ProtocolError when they are damaged. */
  get headers(): RecordHeader[] {
    const reader = new Reader(this.#bytes, this.#valueAt + Math.max(0, this.#valueSize), this.#end);
    const count = reader.varint();
    const headers: RecordHeader[] = [];
    for (let n = 0; n < count; n++) {
      const key = reader.view(reader.varint()).toString('utf8');
      const size = reader.varint();
      headers.push({ key, value: size < 0 ? null : reader.view(size) });
    }
    return headers;
  }

  /** For printing: text in place of bytes. */
  toJSON(): object {
    const { topic, partition, offset, timestamp } = this;
    const headers = this.headers.map(({ key, value }) => [key, value?.toString() ?? null]);
    return { topic, partition, offset, timestamp, key: this.keyText, value: this.text, headers };
  }
}

/** Records that follow each other in a partition. Iterating it yields the records. */
export class ConsumerBatch implements BatchFacts, Iterable<ConsumerRecord> {
  readonly topic: string;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly records: readonly ConsumerRecord[];
  /** Where the consumer goes on after this batch. Larger than the last offset + 1 where compaction has left a gap. */
  readonly nextOffset: number;
  /** The partition's end for this consumer, when the batch was fetched: nextOffset - highWatermark is the lag. */
  readonly highWatermark: number;

  constructor(facts: Omit<ConsumerBatch, typeof Symbol.iterator>) {
    this.topic = facts.topic;
    this.partition = facts.partition;
    this.leaderEpoch = facts.leaderEpoch;
    this.records = facts.records;
    this.nextOffset = facts.nextOffset;
    this.highWatermark = facts.highWatermark;
  }

  [Symbol.iterator](): Iterator<ConsumerRecord> {
    return this.records[Symbol.iterator]();
  }
}

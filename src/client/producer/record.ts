/** What a producer is given, and what it gives back. */

/** Text goes as UTF-8. Null is a value of its own: with a key it is a tombstone. */
export type Data = string | Uint8Array | null;

export type Headers = Readonly<Record<string, Data>> | readonly (readonly [string, Data])[];

export interface ProducerRecord {
  readonly topic: string;
  readonly key?: Data | undefined;
  readonly value: Data;
  readonly headers?: Headers | undefined;
  /** Default: by the key's hash as Java's clients do, or without a key wherever a batch is being filled (KIP-480, KIP-794). */
  readonly partition?: number | undefined;
  /** ms since the epoch. Default: now. */
  readonly timestamp?: number | undefined;
}

/** Where a record is. */
export interface RecordMetadata {
  readonly topic: string;
  readonly partition: number;
  /** -1 when the broker does not say: with acks=0, or for what it had already from an earlier try. */
  readonly offset: number;
  /** ms since the epoch: the record's own, or the broker's when the topic has LogAppendTime. */
  readonly timestamp: number;
}

/** Records of one call that went together: `count` of them, with offsets from `baseOffset` on. */
export interface SentRange {
  readonly topic: string;
  readonly partition: number;
  readonly baseOffset: number;
  readonly count: number;
  /** Where the topic has LogAppendTime: when the broker appended them, in ms since the epoch. */
  readonly appendTimestamp?: number;
}

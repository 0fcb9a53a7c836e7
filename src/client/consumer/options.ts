/** How a consumer works, and the defaults. */

/** Where to begin: the oldest record, behind the newest, an offset, or the first record at or after a time (ms). */
export type Start = 'earliest' | 'latest' | number | { readonly timestamp: number };

export interface Assignment {
  readonly topic: string;
  /** Left out: all partitions that the topic has. */
  readonly partition?: number;
  /** Default: the consumer's `from`. */
  readonly from?: Start;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface FetchOptions {
  /**
   * Which records of transactions are seen: those of committed ones (the default), or all as they come.
   */
  readonly isolation?: 'committed' | 'uncommitted';
  /** Where to begin in a partition for which nothing else says it. Default: `latest`. */
  readonly from?: Start;
  /**
   * When the position is no longer in the log. `nearest` (the default) goes to the oldest record if it lies before it, else to
   * the end: it skips only what is gone. `error` makes the iteration throw OFFSET_OUT_OF_RANGE.
   */
  readonly onOutOfRange?: 'nearest' | 'earliest' | 'latest' | 'error';
  /** The broker waits for so much, but not longer than `maxWaitMs`. Default: 1 byte. */
  readonly minBytes?: number;
  /** Default: 500 ms. */
  readonly maxWaitMs?: number;
  /** Of one partition in one answer; a larger batch still comes. Default: 1 MiB. */
  readonly partitionBytesMax?: number;
  /**
   * Fetched and not yet handed out, over all partitions, as the brokers sent it. A consumer that does not keep up holds no more
   * than this and one answer. Default: 32 MiB.
   */
  readonly bufferBytes?: number;
  /** Of one batch, once decompressed. Default: 128 MiB. */
  readonly batchBytesMax?: number;
  /** Batches are checked for damage on the way. Default: true. */
  readonly checksCrcs?: boolean;
  /** What one answer has of a partition is handed out as one batch, however many the producers made of it. Default: false. */
  readonly joinsBatches?: boolean;
}

export interface FetchSettings {
  readonly isCommittedOnly: boolean;
  readonly from: Start;
  readonly onOutOfRange: 'nearest' | 'earliest' | 'latest' | 'error';
  readonly minBytes: number;
  readonly maxWaitMs: number;
  readonly partitionBytesMax: number;
  readonly bufferBytes: number;
  readonly batchBytesMax: number;
  readonly checksCrcs: boolean;
  readonly joinsBatches: boolean;
}

export function fetchSettings(options: FetchOptions): FetchSettings {
  return {
    isCommittedOnly: options.isolation !== 'uncommitted',
    from: options.from ?? 'latest',
    onOutOfRange: options.onOutOfRange ?? 'nearest',
    minBytes: options.minBytes ?? 1,
    maxWaitMs: options.maxWaitMs ?? 500,
    partitionBytesMax: options.partitionBytesMax ?? 1024 * 1024,
    bufferBytes: options.bufferBytes ?? 32 * 1024 * 1024,
    batchBytesMax: options.batchBytesMax ?? 128 * 1024 * 1024,
    checksCrcs: options.checksCrcs ?? true,
    joinsBatches: options.joinsBatches ?? false,
  };
}

/** The log of one partition of an internal topic, as a coordinator sees it. The broker adapts a led Partition to it. */

export interface CoordinatorAppend {
  /** 0, or the error with which nothing was appended. */
  readonly errorCode: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
}

export interface CoordinatorLog {
  /** Appends one record batch as the leader. The batch may be patched in place. */
  append(batch: Buffer): CoordinatorAppend;
  highWatermark(): number;
  logStartOffset(): number;
  logEndOffset(): number;
  /** The topic's max.message.bytes: a larger batch is refused. */
  maxBatchBytes(): number;
  /** Calls back once when the high watermark is at least `offset`, at once if it is. Returns a way to call it off. */
  whenCommitted(offset: number, callback: () => void): () => void;
  /** Whole batches from the one that holds `fromOffset` on, up to the log end; at least one batch unless at the end. */
  read(fromOffset: number): Promise<readonly Buffer[]>;
}

/** The log of one partition of an internal topic, as a coordinator sees it. The broker adapts a led Partition to it. */

export interface CoordinatorAppend {
  /** 0, or the error with which nothing was appended. */
  readonly errorCode: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
}

/** What is known of a transaction that is about to write here: see log/verification.ts. */
export type Verification = { readonly producerId: number } | 'ongoing';

/** The producer in whose transaction records are written. */
export interface ProducerOfWrite {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Undefined: nobody has asked whether the transaction goes on. */
  readonly verification?: Verification | undefined;
}

export interface CoordinatorAppendOptions {
  readonly verification?: Verification | undefined;
  /** Set: the batch is a transaction marker. */
  readonly markerTransactionVersion?: number | undefined;
}

export interface CoordinatorLog {
  /** Appends one record batch as the leader. The batch may be patched in place. */
  append(batch: Buffer, options?: CoordinatorAppendOptions): CoordinatorAppend;
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

/** What a producer has done since it was made. Counted by batch and request, not by record. */

export interface ProducerMetrics {
  /** Records that were acknowledged, or left with acks=0 (`messaging.client.sent.messages`). */
  readonly sentRecords: number;
  /** Of their batches, before compression. */
  readonly sentBytes: number;
  readonly sentBatches: number;
  /** Records that were given up. */
  readonly failedRecords: number;
  /** Produce requests, repeated ones included. */
  readonly requests: number;
  /** Batches that had to be sent once more. */
  readonly retriedBatches: number;
  /** Batches that the broker found too large, and that went on as two. */
  readonly splitBatches: number;
  /** Requests without an answer at this moment. */
  readonly requestsInFlight: number;
  /** Memory of records that are not acknowledged. */
  readonly bufferedBytes: number;
  /** Time from the sending of answered requests to their answers, all together, in ms. */
  readonly requestMs: number;
}

/** `ProducerMetrics`, while they are counted. */
export type ProducerCounters = {
  -readonly [K in Exclude<keyof ProducerMetrics, 'requestsInFlight' | 'bufferedBytes'>]: number;
};

export function newCounters(): ProducerCounters {
  return {
    sentRecords: 0,
    sentBytes: 0,
    sentBatches: 0,
    failedRecords: 0,
    requests: 0,
    retriedBatches: 0,
    splitBatches: 0,
    requestMs: 0,
  };
}

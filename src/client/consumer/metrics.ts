/** What a consumer has done since it was made. Counted by batch and request, not by record. */

export interface ConsumerMetrics {
  /** Records that were handed out (`messaging.client.consumed.messages`). */
  readonly receivedRecords: number;
  readonly receivedBatches: number;
  /** Of the batches of partitions, as the brokers sent them. */
  readonly fetchedBytes: number;
  /** Fetch requests that were answered, or failed. */
  readonly requests: number;
  readonly failedRequests: number;
  /** Time from the sending of answered requests to their answers, all together, in ms: brokers wait for records meanwhile. */
  readonly requestMs: number;
  /** Of offsets, by itself or when asked to. */
  readonly commits: number;
  readonly failedCommits: number;
  /** How often partitions were given to this member of a group, or assigned. */
  readonly assignments: number;
  /** Fetch requests without an answer at this moment. */
  readonly requestsInFlight: number;
  /** Fetched, and not handed out. */
  readonly bufferedBytes: number;
}

/** `ConsumerMetrics`, while they are counted. */
export type ConsumerCounters = {
  -readonly [K in Exclude<keyof ConsumerMetrics, 'requestsInFlight' | 'bufferedBytes'>]: number;
};

export function newConsumerCounters(): ConsumerCounters {
  return {
    receivedRecords: 0,
    receivedBatches: 0,
    fetchedBytes: 0,
    requests: 0,
    failedRequests: 0,
    requestMs: 0,
    commits: 0,
    failedCommits: 0,
    assignments: 0,
  };
}

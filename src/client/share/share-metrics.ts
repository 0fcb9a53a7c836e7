/** What a consumer of a share group has done since it was made. */

export interface ShareConsumerMetrics {
  /** Records that were handed out. */
  readonly receivedRecords: number;
  /** Records of which the user, or the consumer in its place, has said so. */
  readonly acceptedRecords: number;
  readonly releasedRecords: number;
  readonly rejectedRecords: number;
  /** Renewals that were asked for. */
  readonly renewedRecords: number;
  /** Acquired offsets whose acknowledgement was refused, or came too late. */
  readonly failedAcknowledgements: number;
  /** ShareFetch and ShareAcknowledge. */
  readonly requests: number;
  /** As the brokers sent them. */
  readonly fetchedBytes: number;
  /** Requests without an answer at this moment. */
  readonly requestsInFlight: number;
  /** Fetched, and not handed out. */
  readonly bufferedBytes: number;
}

/** `ShareConsumerMetrics`, while they are counted. */
export type ShareCounters = {
  -readonly [K in Exclude<keyof ShareConsumerMetrics, 'requestsInFlight' | 'bufferedBytes'>]: number;
};

export function newShareCounters(): ShareCounters {
  return {
    receivedRecords: 0,
    acceptedRecords: 0,
    releasedRecords: 0,
    rejectedRecords: 0,
    renewedRecords: 0,
    failedAcknowledgements: 0,
    requests: 0,
    fetchedBytes: 0,
  };
}

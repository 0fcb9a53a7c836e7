/** How a consumer of a share group works (KIP-932), and the defaults. */
import type { KafkaError } from '../errors.ts';

/** What became of a record: it is done; it is to come again, here or elsewhere; it is never to come again. */
export type ShareOutcome = 'accept' | 'release' | 'reject';

/** What a broker has said to acknowledgements of one partition. */
export interface AcknowledgedOffsets {
  readonly topic: string;
  readonly partition: number;
  /** First and last offsets, both included, in their order. Offsets without a record are acknowledged, too. */
  readonly ranges: readonly (readonly [first: number, last: number])[];
  /** Undefined: they count. With an error the records come again, unless they had been counted nevertheless. */
  readonly error: KafkaError | undefined;
}

export interface ShareConsumerOptions {
  /** The share group. Its members have no partitions of their own: the broker gives each record to one of them at a time. */
  readonly group: string;
  /** As for `ConsumerOptions.topics`. */
  readonly topics: readonly (string | RegExp)[];
  /**
   * `implicit` (the default): a record that nothing was said about is accepted when the next is asked for, by `commit`, or when
   * its handler is done. `explicit`: each record waits for its `accept`, `release` or `reject` until its lock ends.
   */
  readonly acknowledgement?: 'implicit' | 'explicit';
  /** Records of one fetch. Default: 500. */
  readonly recordsMax?: number;
  /**
   * Whether an answer may have more than `recordsMax` records, so that batches stay whole: `batch` (the default), or not:
   * `record`, which needs Kafka from 4.2 on.
   */
  readonly limit?: 'batch' | 'record';
  /** The broker waits for records for so long, while somebody here waits for them. Default: 500 ms. */
  readonly maxWaitMs?: number;
  /** The broker waits for so much, but not longer than `maxWaitMs`. Default: 1 byte. */
  readonly minBytes?: number;
  /** Fetched and not yet handed out, as the brokers sent it: so much, and one answer. Default: 32 MiB. */
  readonly bufferBytes?: number;
  /** Of one batch, once decompressed. Default: 128 MiB. */
  readonly batchBytesMax?: number;
  /** Batches are checked for damage on the way. Default: true. A damaged one is rejected, and the next poll says so. */
  readonly checksCrcs?: boolean;
  /** The user asks for records at least so often, or the member leaves its group until it does. Default: 5 min. */
  readonly pollIntervalMsMax?: number;
  /** Called with each answer to acknowledgements. It must not throw. */
  readonly onAcknowledged?: (result: AcknowledgedOffsets) => void;
}

export interface ShareSettings {
  readonly group: string;
  readonly isImplicit: boolean;
  readonly recordsMax: number;
  readonly isRecordLimit: boolean;
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly bufferBytes: number;
  readonly batchBytesMax: number;
  readonly checksCrcs: boolean;
  readonly pollIntervalMsMax: number;
  readonly onAcknowledged: ((result: AcknowledgedOffsets) => void) | undefined;
}

/** Throws TypeError for what makes no sense. */
export function shareSettings(options: ShareConsumerOptions): ShareSettings {
  const { group, recordsMax = 500 } = options;
  if (group === '') throw new TypeError('a share group has a name');
  if (!Number.isInteger(recordsMax) || recordsMax < 1) {
    throw new TypeError(`recordsMax is a whole number from 1 on, not ${recordsMax}`);
  }
  return {
    group,
    isImplicit: options.acknowledgement !== 'explicit',
    recordsMax,
    isRecordLimit: options.limit === 'record',
    maxWaitMs: options.maxWaitMs ?? 500,
    minBytes: options.minBytes ?? 1,
    bufferBytes: options.bufferBytes ?? 32 * 1024 * 1024,
    batchBytesMax: options.batchBytesMax ?? 128 * 1024 * 1024,
    checksCrcs: options.checksCrcs ?? true,
    pollIntervalMsMax: options.pollIntervalMsMax ?? 300_000,
    onAcknowledged: options.onAcknowledged,
  };
}

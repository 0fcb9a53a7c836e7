/**
 * What decides how one log behaves: the part of a topic's settings that the log needs, under the names that
 * metadata/configs gives them. Kafka's "no limit" (Long.MAX) is any number too large to be reached.
 */

export type TimestampType = 'CreateTime' | 'LogAppendTime';
export type CompressionSetting = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
/** `fsync`: durable means covered by an fdatasync. `relaxed`: durable means handed to the kernel, as in Kafka. */
export type Durability = 'fsync' | 'relaxed';

export interface LogSettings {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentJitterMs: number;
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  /** -1: for ever. */
  readonly retentionMs: number;
  /** -1: no limit. */
  readonly retentionBytes: number;
  readonly maxMessageBytes: number;
  readonly maxDecompressedMessageBytes: number;
  readonly fileDeleteDelayMs: number;
  readonly flushMessages: number;
  readonly flushMs: number;
  readonly timestampType: TimestampType;
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  readonly compressionType: CompressionSetting;
  readonly gzipLevel: number;
  readonly lz4Level: number;
  readonly zstdLevel: number;
  readonly cleanupPolicy: { readonly compact: boolean; readonly delete: boolean };
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
  readonly minCleanableDirtyRatio: number;
  /** How long tombstones and markers stay after they were first cleaned. */
  readonly deleteRetentionMs: number;
  /** Accepted and without effect: the end of a file is where its data ends. */
  readonly preallocate: boolean;
  readonly durability: Durability;
}

/** Kafka's defaults; durability is ours. */
export const DEFAULT_LOG_SETTINGS: LogSettings = {
  segmentBytes: 1024 ** 3,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10 * 1024 ** 2,
  indexIntervalBytes: 4096,
  retentionMs: 604_800_000,
  retentionBytes: -1,
  maxMessageBytes: 1_048_588,
  maxDecompressedMessageBytes: 2_147_483_639,
  fileDeleteDelayMs: 60_000,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  compressionType: 'producer',
  gzipLevel: -1,
  lz4Level: 9,
  zstdLevel: 3,
  cleanupPolicy: { compact: false, delete: true },
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  minCleanableDirtyRatio: 0.5,
  deleteRetentionMs: 86_400_000,
  preallocate: false,
  durability: 'fsync',
};

/**
 * What a topic is configured to do, as typed values with units: the view the log, the cleaner, replication
 * and the produce path work with. Computed when a topic's or the broker's configurations change, never per
 * request.
 */
import type { ConfigValue } from './definition.ts';
import { defaultValue, parseConfig } from './parse.ts';
import { resolveTopicConfig } from './resolve.ts';
import type { BrokerConfigSources, ConfigTexts } from './resolve.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';

export type CompressionChoice = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

export type Durability = 'fsync' | 'relaxed';

/** "No limit" is 2^53 - 1 where Kafka has the largest int64, and -1 for retention. */
export interface TopicSettings {
  /** Of `internal.segment.bytes` when that is set. */
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentJitterMs: number;
  readonly segmentIndexBytes: number;
  /** -1: for ever. */
  readonly retentionMs: number;
  /** -1: no limit. */
  readonly retentionBytes: number;
  /** Of a whole batch, as sent. */
  readonly maxMessageBytes: number;
  /** Of one record. */
  readonly maxDecompressedMessageBytes: number;
  readonly indexIntervalBytes: number;
  readonly fileDeleteDelayMs: number;
  readonly flushMessages: number;
  readonly flushMs: number;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  readonly compressionType: CompressionChoice;
  /** -1: the codec's own choice. */
  readonly gzipLevel: number;
  readonly lz4Level: number;
  readonly zstdLevel: number;
  /** Neither: segments are kept for ever. */
  readonly cleanupPolicy: { readonly compact: boolean; readonly delete: boolean };
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
  /** From 0 to 1. */
  readonly minCleanableDirtyRatio: number;
  readonly deleteRetentionMs: number;
  readonly preallocate: boolean;
  readonly minInsyncReplicas: number;
  readonly uncleanLeaderElection: boolean;
  readonly durability: Durability;
  /** `partition:broker` pairs, or `*`. */
  readonly leaderThrottledReplicas: readonly string[];
  readonly followerThrottledReplicas: readonly string[];
  /** May share groups write their dead letters here? (KIP-1191) */
  readonly deadLetterQueue: boolean;
}

/** The settings of a topic with these overrides on a broker with these configurations. */
export function topicSettings(overrides: ConfigTexts, broker: BrokerConfigSources): TopicSettings {
  const value = (name: string): ConfigValue => topicValue(name, overrides, broker);
  const number = (name: string): number => value(name) as number;
  const policy = value('cleanup.policy') as readonly string[];
  return {
    segmentBytes: (value('internal.segment.bytes') as number | null) ?? number('segment.bytes'),
    segmentMs: number('segment.ms'),
    segmentJitterMs: number('segment.jitter.ms'),
    segmentIndexBytes: number('segment.index.bytes'),
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
    maxMessageBytes: number('max.message.bytes'),
    maxDecompressedMessageBytes: number('max.decompressed.message.bytes'),
    indexIntervalBytes: number('index.interval.bytes'),
    fileDeleteDelayMs: number('file.delete.delay.ms'),
    flushMessages: number('flush.messages'),
    flushMs: number('flush.ms'),
    timestampType: value('message.timestamp.type') as TopicSettings['timestampType'],
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    compressionType: value('compression.type') as CompressionChoice,
    gzipLevel: number('compression.gzip.level'),
    lz4Level: number('compression.lz4.level'),
    zstdLevel: number('compression.zstd.level'),
    cleanupPolicy: { compact: policy.includes('compact'), delete: policy.includes('delete') },
    minCompactionLagMs: number('min.compaction.lag.ms'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
    deleteRetentionMs: number('delete.retention.ms'),
    preallocate: value('preallocate') as boolean,
    minInsyncReplicas: number('min.insync.replicas'),
    uncleanLeaderElection: value('unclean.leader.election.enable') as boolean,
    durability: value('durability') as Durability,
    leaderThrottledReplicas: value('leader.replication.throttled.replicas') as readonly string[],
    followerThrottledReplicas: value('follower.replication.throttled.replicas') as readonly string[],
    deadLetterQueue: value('errors.deadletterqueue.group.enable') as boolean,
  };
}

/** A value that does not parse (it was stored by an older version, say) gives way to the default. */
function topicValue(name: string, overrides: ConfigTexts, broker: BrokerConfigSources): ConfigValue {
  const definition = TOPIC_CONFIGS.get(name)!;
  const text = resolveTopicConfig(name, overrides, broker).value;
  if (text === null) return null;
  const parsed = parseConfig(definition, text);
  return parsed.ok ? parsed.value : defaultValue(definition);
}

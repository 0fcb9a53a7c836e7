/**
 * What a group is configured to do, as typed values with units: its own configurations, cut to the bounds the
 * broker sets, else the broker's. The coordinators ask for it when a group's or the broker's configurations
 * change.
 */
import { effectiveGroupValue } from './group-rules.ts';
import type { BrokerConfigSources, ConfigTexts } from './resolve.ts';

/** What consumer, share and streams groups have in common. */
export interface MemberSettings {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly assignmentIntervalMs: number;
}

export interface GroupSettings {
  readonly consumer: MemberSettings;
  readonly share: ShareGroupSettings;
  readonly streams: StreamsGroupSettings;
}

export interface ShareGroupSettings extends MemberSettings {
  readonly recordLockDurationMs: number;
  /** Deliveries of a record before it is given up. */
  readonly deliveryCountLimit: number;
  readonly partitionMaxRecordLocks: number;
  /** `latest`, `earliest`, or how far before now the group begins, in ms (KIP-1106). */
  readonly autoOffsetReset: 'latest' | 'earliest' | { readonly byDurationMs: number };
  readonly isolationLevel: 'read_committed' | 'read_uncommitted';
  readonly renewAcknowledgeEnable: boolean;
  /** Undefined: the group has none. */
  readonly deadLetterTopic: string | undefined;
  readonly deadLetterCopyRecord: boolean;
}

export interface StreamsGroupSettings extends MemberSettings {
  readonly initialRebalanceDelayMs: number;
  readonly numStandbyReplicas: number;
  readonly numWarmupReplicas: number;
  /** Offsets a client may lag behind and still count as caught up. */
  readonly acceptableRecoveryLag: number;
  readonly taskOffsetIntervalMs: number;
  readonly assignorName: string;
  readonly rackAwareAssignmentTags: readonly string[];
}

/** The settings of a group with these overrides on a broker with these configurations. */
export function groupSettings(overrides: ConfigTexts, broker: BrokerConfigSources): GroupSettings {
  const value = (name: string): unknown => effectiveGroupValue(name, overrides, broker);
  const number = (name: string): number => value(name) as number;
  const members = (type: 'consumer' | 'share' | 'streams'): MemberSettings => ({
    sessionTimeoutMs: number(`${type}.session.timeout.ms`),
    heartbeatIntervalMs: number(`${type}.heartbeat.interval.ms`),
    assignmentIntervalMs: number(`${type}.assignment.interval.ms`),
  });
  const deadLetterTopic = value('errors.deadletterqueue.topic.name') as string;
  return {
    consumer: members('consumer'),
    share: {
      ...members('share'),
      recordLockDurationMs: number('share.record.lock.duration.ms'),
      deliveryCountLimit: number('share.delivery.count.limit'),
      partitionMaxRecordLocks: number('share.partition.max.record.locks'),
      autoOffsetReset: offsetReset(value('share.auto.offset.reset') as string),
      isolationLevel: value('share.isolation.level') as ShareGroupSettings['isolationLevel'],
      renewAcknowledgeEnable: value('share.renew.acknowledge.enable') as boolean,
      deadLetterTopic: deadLetterTopic === '' ? undefined : deadLetterTopic,
      deadLetterCopyRecord: value('errors.deadletterqueue.copy.record.enable') as boolean,
    },
    streams: {
      ...members('streams'),
      initialRebalanceDelayMs: number('streams.initial.rebalance.delay.ms'),
      numStandbyReplicas: number('streams.num.standby.replicas'),
      numWarmupReplicas: number('streams.num.warmup.replicas'),
      acceptableRecoveryLag: number('streams.acceptable.recovery.lag'),
      taskOffsetIntervalMs: number('streams.task.offset.interval.ms'),
      assignorName: value('streams.assignor.name') as string,
      rackAwareAssignmentTags: value('streams.rack.aware.assignment.tags') as readonly string[],
    },
  };
}

function offsetReset(text: string): ShareGroupSettings['autoOffsetReset'] {
  if (text === 'latest' || text === 'earliest') return text;
  return { byDurationMs: durationMs(text.slice('by_duration:'.length)) };
}

/** Milliseconds of a checked ISO 8601 span of days to seconds; parts of a millisecond are dropped. */
function durationMs(text: string): number {
  const part = (unit: string): number => {
    const match = new RegExp(`([\\d.,]+)${unit}`, 'i').exec(text);
    return match === null ? 0 : Number(match[1]!.replace(',', '.'));
  };
  const wholeMs = ((part('D') * 24 + part('H')) * 60 + part('M')) * 60_000;
  return wholeMs + Math.floor(part('S') * 1000);
}

/** How the topics that the broker itself keeps are made: Kafka's partition counts and configurations. */
import type { BrokerSettings } from '../metadata/configs/broker-settings.ts';
import type { BrokerConfigSources } from '../metadata/configs/resolve.ts';
import type { NewTopic } from '../metadata/controller/topics.ts';
import { OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTIONS_TOPIC } from '../metadata/topic-names.ts';

export interface InternalTopicOptions {
  readonly settings: BrokerSettings;
  readonly sources: BrokerConfigSources;
  /** Registered brokers. */
  readonly brokerCount: number;
}

/**
 * The internal topic of this name, or undefined. Kafka's default of three replicas, two of them in sync, cannot be had
 * on fewer brokers, and a broker alone has to work without any configuration: so a default is cut to what there is,
 * while a value that somebody set is taken at its word.
 */
export function internalTopic(name: string, options: InternalTopicOptions): NewTopic | undefined {
  const { settings } = options;
  switch (name) {
    case OFFSETS_TOPIC: {
      const { numPartitions, replicationFactor, segmentBytes } = settings.offsets.topic;
      const factor = cut(replicationFactor, 'offsets.topic.replication.factor', options);
      return topic(name, numPartitions, factor, {
        'cleanup.policy': 'compact',
        'compression.type': 'producer',
        'segment.bytes': segmentBytes,
      });
    }
    case TRANSACTIONS_TOPIC: {
      const own = settings.transactions.topic;
      const factor = cut(own.replicationFactor, 'transaction.state.log.replication.factor', options);
      return topic(name, own.numPartitions, factor, {
        'unclean.leader.election.enable': 'false',
        'compression.type': 'uncompressed',
        'cleanup.policy': 'compact',
        'min.insync.replicas': cut(own.minInsyncReplicas, 'transaction.state.log.min.isr', options),
        'segment.bytes': own.segmentBytes,
      });
    }
    case SHARE_STATE_TOPIC: {
      const own = settings.shareState.topic;
      const prefix = 'share.coordinator.state.topic';
      const factor = cut(own.replicationFactor, `${prefix}.replication.factor`, options);
      return topic(name, own.numPartitions, factor, {
        'cleanup.policy': 'delete',
        'compression.type': 'producer',
        'segment.bytes': own.segmentBytes,
        'min.insync.replicas': cut(own.minInsyncReplicas, `${prefix}.min.isr`, options),
        'retention.ms': -1,
      });
    }
    default:
      return undefined;
  }
}

function cut(value: number, name: string, { sources, brokerCount }: InternalTopicOptions): number {
  const isSet = [sources.static, sources.dynamicDefault, sources.dynamicBroker].some((one) => one.has(name));
  return isSet ? value : Math.max(1, Math.min(value, brokerCount));
}

function topic(
  name: string,
  numPartitions: number,
  replicationFactor: number,
  configs: Readonly<Record<string, string | number>>,
): NewTopic {
  return {
    name,
    numPartitions,
    replicationFactor,
    assignments: [],
    configs: Object.entries(configs).map(([config, value]) => ({ name: config, value: String(value) })),
  };
}

/** What elections depend on besides the state of partitions and brokers: topics' settings. */
import { resolveTopicConfig, type BrokerConfigSources } from '../configs/resolve.ts';
import type { ClusterImage } from '../image.ts';

export interface LeadershipRules {
  /** The topic's min.insync.replicas. */
  minInsyncReplicas(topic: string): number;
  /** unclean.leader.election.enable: may a replica lead that lacks committed records, when nobody has them? */
  mayElectUncleanly(topic: string): boolean;
}

/** The rules as they are now: for one decision, not to be kept. */
export function leadershipRules(image: ClusterImage, broker: BrokerConfigSources): LeadershipRules {
  const values = new Map<string, string | null>();
  const value = (topic: string, config: string): string | null => {
    const overrides = image.configs('TOPIC', topic);
    // Most topics have none of their own: they share one answer.
    const key = overrides.has(config) ? `${config} ${topic}` : config;
    let known = values.get(key);
    if (known === undefined) values.set(key, (known = resolveTopicConfig(config, overrides, broker).value));
    return known;
  };
  return {
    minInsyncReplicas: (topic) => Number(value(topic, 'min.insync.replicas')),
    mayElectUncleanly: (topic) => value(topic, 'unclean.leader.election.enable') === 'true',
  };
}

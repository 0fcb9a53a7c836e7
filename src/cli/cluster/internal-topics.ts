/**
 * Topics that the brokers keep for themselves are made with as many replicas as there are brokers at that time, which may be
 * one. Once there are more they are to have what the brokers are configured to give them.
 */
import type { ClusterAdmin, ConfigChange } from './cluster-admin.ts';
import type { ClusterState } from './cluster-state.ts';

const TOPICS = [
  { topic: '__consumer_offsets', factor: 'offsets.topic.replication.factor', minimum: undefined },
  {
    topic: '__transaction_state',
    factor: 'transaction.state.log.replication.factor',
    minimum: 'transaction.state.log.min.isr',
  },
  {
    topic: '__share_group_state',
    factor: 'share.coordinator.state.topic.replication.factor',
    minimum: 'share.coordinator.state.topic.min.isr',
  },
] as const;

const MINIMUM = 'min.insync.replicas';

export interface InternalTopics {
  /** Replicas by topic, where there are fewer now than there can be. */
  readonly factors: ReadonlyMap<string, number>;
  /** What to change once they are there. */
  readonly minimums: readonly ConfigChange[];
}

/** `brokerCount`: how many will share. */
export async function internalTopics(
  admin: ClusterAdmin,
  state: ClusterState,
  brokerCount: number,
): Promise<InternalTopics> {
  const factors = new Map<string, number>();
  const minimums: ConfigChange[] = [];
  const asked = state.brokers.find(({ isAlive }) => isAlive);
  const present = TOPICS.filter(({ topic }) => state.partitions.some((one) => one.topic === topic));
  if (asked === undefined || present.length === 0) return { factors, minimums };
  const names = present.flatMap(({ factor, minimum }) =>
    minimum === undefined ? [factor] : [factor, minimum],
  );
  const configured = await admin.brokerConfigs(asked.id, names);
  for (const { topic, factor, minimum } of present) {
    const wanted = Math.min(Number(configured.get(factor) ?? 0), brokerCount);
    const fewest = Math.min(
      ...state.partitions.filter((one) => one.topic === topic).map(({ replicas }) => replicas.length),
    );
    if (!(wanted > fewest)) continue;
    factors.set(topic, wanted);
    const value = Math.min(Number(configured.get(minimum ?? '') ?? 0), wanted);
    if (minimum === undefined || !(value > 1)) continue;
    const current = (await admin.topicConfigs([topic], [MINIMUM])).get(topic)?.get(MINIMUM);
    if (Number(current ?? 1) < value) {
      const change = { name: topic, config: MINIMUM, value: String(value) };
      minimums.push({ resource: 'topic', operation: 'set', ...change });
    }
  }
  return { factors, minimums };
}

/** A limit on what moves copy (KIP-73): rates at the brokers, and the replicas that they are for at the topics. */
import type { ConfigChange } from './cluster-admin.ts';

export const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'] as const;
const LEADER_REPLICAS = 'leader.replication.throttled.replicas';
const FOLLOWER_REPLICAS = 'follower.replication.throttled.replicas';

export const REPLICA_LISTS = [LEADER_REPLICAS, FOLLOWER_REPLICAS] as const;

export interface ThrottledMove {
  readonly topic: string;
  readonly partition: number;
  /** Who has the records, and may have to give them. */
  readonly from: readonly number[];
  /** Who is to get them. */
  readonly adding: readonly number[];
}

export function throttleRates(brokerIds: readonly number[], bytesPerSecond: number): ConfigChange[] {
  return brokerIds.flatMap((id) =>
    RATES.map((config): ConfigChange => {
      const value = String(bytesPerSecond);
      return { resource: 'broker', name: String(id), config, operation: 'set', value };
    }),
  );
}

export function unthrottleRates(brokerIds: readonly number[]): ConfigChange[] {
  return brokerIds.flatMap((id) =>
    RATES.map((config): ConfigChange => {
      return { resource: 'broker', name: String(id), config, operation: 'delete', value: null };
    }),
  );
}

/** `lists`: what topics have, by topic and configuration. */
export function unthrottleReplicas(lists: ReadonlyMap<string, ReadonlyMap<string, string>>): ConfigChange[] {
  return [...lists].flatMap(([name, values]) =>
    [...values.keys()].map((config): ConfigChange => {
      return { resource: 'topic', name, config, operation: 'delete', value: null };
    }),
  );
}

/** Adds the replicas of these moves to what topics have, or takes them away again. */
export function throttleReplicas(
  moves: readonly ThrottledMove[],
  operation: 'append' | 'subtract',
): ConfigChange[] {
  const topics = new Map<string, { leaders: string[]; followers: string[] }>();
  for (const { topic, partition, from, adding } of moves) {
    if (adding.length === 0) continue;
    let lists = topics.get(topic);
    if (lists === undefined) topics.set(topic, (lists = { leaders: [], followers: [] }));
    lists.leaders.push(...from.map((id) => `${partition}:${id}`));
    lists.followers.push(...adding.map((id) => `${partition}:${id}`));
  }
  return [...topics].flatMap(([name, { leaders, followers }]): ConfigChange[] => [
    { resource: 'topic', name, config: LEADER_REPLICAS, operation, value: leaders.join() },
    { resource: 'topic', name, config: FOLLOWER_REPLICAS, operation, value: followers.join() },
  ]);
}

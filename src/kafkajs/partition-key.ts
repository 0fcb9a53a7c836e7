/** A partition as a key of maps, and lists of partitions by topic, as KafkaJS's calls want them. */
import type { TopicPartition } from '../client/consumer/options.ts';
import type { Assignment, TopicOffsets } from './types.ts';

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition} ${topic}`;
}

export function assignmentOf(partitions: readonly TopicPartition[]): Assignment {
  const topics: Assignment = {};
  for (const { topic, partition } of partitions) (topics[topic] ??= []).push(partition);
  for (const list of Object.values(topics)) list.sort((a, b) => a - b);
  return topics;
}

export function topicOffsetsOf(
  offsets: readonly (TopicPartition & { readonly offset: number })[],
): TopicOffsets[] {
  const topics = Map.groupBy(offsets, ({ topic }) => topic);
  return [...topics].map(([topic, list]) => ({
    topic,
    partitions: list.map(({ partition, offset }) => ({ partition, offset: `${offset}` })),
  }));
}

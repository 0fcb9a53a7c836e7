/** What an application has paused, whole topics or partitions of them, whether this consumer has them at present or not. */
import type { TopicPartition } from '../client/consumer/options.ts';
import { KafkaJSNonRetriableError } from './errors.ts';
import type { TopicPartitions } from './types.ts';

interface TopicPauses {
  /** All partitions but `resumed`. */
  isWhole: boolean;
  readonly paused: Set<number>;
  readonly resumed: Set<number>;
}

/** A topic, or partitions of it. */
export interface PauseRequest {
  readonly topic: string;
  readonly partitions?: readonly number[];
}

export class Pauses {
  readonly #topics = new Map<string, TopicPauses>();

  has({ topic, partition }: TopicPartition): boolean {
    const pauses = this.#topics.get(topic);
    if (pauses === undefined) return false;
    return pauses.paused.has(partition) || (pauses.isWhole && !pauses.resumed.has(partition));
  }

  pause(requests: readonly PauseRequest[]): void {
    for (const { topic, partitions } of requests) {
      const pauses = this.#of(topic);
      if (partitions === undefined) {
        reset(pauses, true);
        continue;
      }
      for (const partition of partitions) {
        pauses.paused.add(partition);
        pauses.resumed.delete(partition);
      }
    }
  }

  resume(requests: readonly PauseRequest[]): void {
    for (const { topic, partitions } of requests) {
      const pauses = this.#of(topic);
      if (partitions === undefined) {
        reset(pauses, false);
        continue;
      }
      for (const partition of partitions) {
        pauses.paused.delete(partition);
        if (pauses.isWhole) pauses.resumed.add(partition);
      }
    }
  }

  #of(topic: string): TopicPauses {
    let pauses = this.#topics.get(topic);
    if (pauses === undefined) {
      pauses = { isWhole: false, paused: new Set(), resumed: new Set() };
      this.#topics.set(topic, pauses);
    }
    return pauses;
  }
}

function reset(pauses: TopicPauses, isWhole: boolean): void {
  pauses.isWhole = isWhole;
  pauses.paused.clear();
  pauses.resumed.clear();
}

/** Those of a list that are paused, by topic. */
export function pausedOf(pauses: Pauses, assigned: readonly TopicPartition[]): TopicPartitions[] {
  const paused = Map.groupBy(
    assigned.filter((at) => pauses.has(at)),
    ({ topic }) => topic,
  );
  return [...paused].map(([topic, list]) => ({ topic, partitions: list.map(({ partition }) => partition) }));
}

/** Throws KafkaJSNonRetriableError for what is no list of topics and partitions. */
export function checkPauseRequests(requests: readonly PauseRequest[], doing: 'pause' | 'resume'): void {
  for (const request of requests) {
    if (!request?.topic) {
      throw new KafkaJSNonRetriableError(`Invalid topic ${String(request?.topic ?? request)}`);
    }
    const { partitions } = request;
    if (partitions !== undefined && (!Array.isArray(partitions) || partitions.some(Number.isNaN))) {
      throw new KafkaJSNonRetriableError(
        `Array of valid partitions required to ${doing} specific partitions instead of ${String(partitions)}`,
      );
    }
  }
}

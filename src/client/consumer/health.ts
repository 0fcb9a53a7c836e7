/** What a consumer tells of how it is. */
import type { TopicPartition } from './options.ts';
import type { Stall } from './watchdog.ts';

/** What `Consumer.health` tells. */
export interface ConsumerHealth {
  /** Nothing is stalled. */
  readonly isHealthy: boolean;
  readonly stalls: readonly Stall[];
  /** The group counts on this consumer as one of its members; true without a group. */
  readonly isMember: boolean;
  /** Fetched, and not handed out. */
  readonly bufferedBytes: number;
  readonly partitions: readonly PartitionHealth[];
}

export interface PartitionHealth extends TopicPartition {
  /** As `Consumer.position` and `Consumer.lag`. */
  readonly position: number | undefined;
  readonly lag: number | undefined;
  readonly isPaused: boolean;
}

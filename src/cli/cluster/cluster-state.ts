/** A cluster as the planner of `headrace cluster rebalance` sees it: plain values, without anything that can be asked. */

export interface BrokerState {
  readonly id: number;
  /** Null: it names none, and then it is in one of its own. */
  readonly rack: string | null;
  /** False: registered, but not there. It gets nothing. */
  readonly isAlive: boolean;
  /** Free on all its log directories together; Infinity when it does not say. */
  readonly usableBytes: number;
}

export interface PartitionPlace {
  readonly topic: string;
  readonly partition: number;
  /** The first is the preferred leader. Of a partition that is moving: where it is to be. */
  readonly replicas: readonly number[];
  /** Of the largest replica. */
  readonly sizeBytes: number;
  /** What is written to it; 0 when it was not measured. */
  readonly bytesPerSecond: number;
}

export interface ClusterState {
  readonly brokers: readonly BrokerState[];
  readonly partitions: readonly PartitionPlace[];
}

export interface Move {
  readonly topic: string;
  readonly partition: number;
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Of one replica. */
  readonly sizeBytes: number;
  /** What has to be copied; 0 where only the order, and so the preferred leader, is another. */
  readonly bytes: number;
}

export function nameOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`;
}

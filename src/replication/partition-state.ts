/** What the cluster has decided about a partition, as its replicas need to know it. */

export interface PartitionState {
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** -1: none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  /** Those that a reassignment brings. */
  readonly addingReplicas?: readonly number[];
}

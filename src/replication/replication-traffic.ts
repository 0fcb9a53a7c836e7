/**
 * What goes from leaders to followers through this broker: counted for the metrics, and held back where the replicas are
 * throttled (KIP-73). A replica that is in sync is never held back, or it would leave the in-sync set for it; what it moves
 * counts towards the limit all the same.
 */
import type { Clock } from '../base/ports.ts';
import type { Partition } from './partition.ts';
import { ReplicationQuota } from './replication-quota.ts';

export interface TrafficSettings {
  /** leader.replication.throttled.rate and follower.replication.throttled.rate, in bytes per second. */
  readonly leaderThrottledRate: number;
  readonly followerThrottledRate: number;
  readonly quotaWindows: number;
  readonly quotaWindowMs: number;
}

/** Bytes since the start of the process. */
export interface TrafficTotals {
  readonly inBytes: number;
  readonly outBytes: number;
  /** The part of it that goes to replicas which a reassignment adds. */
  readonly reassignmentInBytes: number;
  readonly reassignmentOutBytes: number;
}

export class ReplicationTraffic {
  readonly #leader: ReplicationQuota;
  readonly #follower: ReplicationQuota;
  #inBytes = 0;
  #outBytes = 0;
  #reassignmentInBytes = 0;
  #reassignmentOutBytes = 0;

  constructor(clock: Pick<Clock, 'monotonicMs'>, settings: () => TrafficSettings) {
    const windows = () => {
      const { quotaWindows, quotaWindowMs } = settings();
      return { windows: quotaWindows, windowMs: quotaWindowMs };
    };
    this.#leader = new ReplicationQuota(clock, () => ({
      bytesPerSecond: settings().leaderThrottledRate,
      ...windows(),
    }));
    this.#follower = new ReplicationQuota(clock, () => ({
      bytesPerSecond: settings().followerThrottledRate,
      ...windows(),
    }));
  }

  get totals(): TrafficTotals {
    return {
      inBytes: this.#inBytes,
      outBytes: this.#outBytes,
      reassignmentInBytes: this.#reassignmentInBytes,
      reassignmentOutBytes: this.#reassignmentOutBytes,
    };
  }

  /** Whether a follower gets nothing of the partition now, which is led here. */
  mustHoldBack(partition: Partition, followerId: number): boolean {
    return (
      partition.isThrottledAsLeader && !partition.state.isr.includes(followerId) && this.#leader.isExceeded
    );
  }

  sent(partition: Partition, followerId: number, bytes: number): void {
    this.#outBytes += bytes;
    if (partition.state.addingReplicas?.includes(followerId) === true) this.#reassignmentOutBytes += bytes;
    if (partition.isThrottledAsLeader) this.#leader.record(bytes);
  }

  /** Whether this broker does not ask for the partition now, which it follows. */
  mustWait(partition: Partition): boolean {
    const { state, nodeId, isThrottledAsFollower } = partition;
    return isThrottledAsFollower && !state.isr.includes(nodeId) && this.#follower.isExceeded;
  }

  /** How long until what must wait need not wait any more. */
  waitMs(): number {
    return this.#follower.waitMs();
  }

  received(partition: Partition, bytes: number): void {
    this.#inBytes += bytes;
    const { state, nodeId, isThrottledAsFollower } = partition;
    if (state.addingReplicas?.includes(nodeId) === true) this.#reassignmentInBytes += bytes;
    if (isThrottledAsFollower) this.#follower.record(bytes);
  }
}

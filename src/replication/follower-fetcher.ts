/**
 * Follows the leaders of all partitions that this broker holds and does not lead: for each leader one row of requests
 * (leader-fetches.ts). Which partitions these are the image says; a partition whose leader changes goes from one row to
 * another, and what was under way for it is dropped when its answer comes.
 */
import { LeaderFetches, type FetcherOptions } from './leader-fetches.ts';
import type { Partition } from './partition.ts';
import type { ReplicaListener } from './partitions.ts';

export class FollowerFetcher implements ReplicaListener {
  readonly #options: FetcherOptions;
  readonly #leaders = new Map<number, LeaderFetches>();
  readonly #places = new Map<Partition, number>();
  #isStopped = false;

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  onReplica(partition: Partition): void {
    if (this.#isStopped) return;
    if (!partition.isFollowing(partition.leaderEpoch)) {
      this.onReplicaGone(partition);
      return;
    }
    const { leaderId } = partition;
    const before = this.#places.get(partition);
    if (before !== undefined && before !== leaderId) this.onReplicaGone(partition);
    this.#places.set(partition, leaderId);
    let leader = this.#leaders.get(leaderId);
    if (leader === undefined) {
      leader = new LeaderFetches(leaderId, this.#options);
      this.#leaders.set(leaderId, leader);
    }
    leader.follow(partition);
  }

  onReplicaGone(partition: Partition): void {
    const place = this.#places.get(partition);
    if (place === undefined) return;
    this.#places.delete(partition);
    this.#leaders.get(place)?.forget(partition);
  }

  /** Partitions that are followed, whoever leads them. */
  get count(): number {
    return this.#places.size;
  }

  stop(): void {
    this.#isStopped = true;
    for (const leader of this.#leaders.values()) leader.stop();
    this.#leaders.clear();
    this.#places.clear();
  }
}

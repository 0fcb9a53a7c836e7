/**
 * Follows the leaders of all partitions that this broker holds and does not lead: for each leader up to `num.replica.fetchers`
 * rows of requests (leader-fetches.ts), among which its partitions are spread evenly. Which partitions these are the image
 * says; a partition whose leader changes goes from one row to another, and what was under way for it is dropped when its
 * answer comes.
 */
import { LeaderFetches, type FetcherOptions } from './leader-fetches.ts';
import type { Partition } from './partition.ts';
import type { ReplicaListener } from './partitions.ts';

export interface FollowerFetcherOptions extends FetcherOptions {
  /** num.replica.fetchers, as it is now. */
  readonly rows: () => number;
}

interface Place {
  readonly leaderId: number;
  readonly row: LeaderFetches;
}

export class FollowerFetcher implements ReplicaListener {
  readonly #options: FollowerFetcherOptions;
  readonly #leaders = new Map<number, LeaderFetches[]>();
  readonly #places = new Map<Partition, Place>();
  #rows: number;
  #isStopped = false;

  constructor(options: FollowerFetcherOptions) {
    this.#options = options;
    this.#rows = options.rows();
  }

  onReplica(partition: Partition): void {
    if (this.#isStopped) return;
    const before = this.#places.get(partition);
    const isFollowing = partition.isFollowing(partition.leaderEpoch);
    if (!isFollowing || before?.leaderId !== partition.leaderId) this.onReplicaGone(partition);
    if (!isFollowing) return;
    const place = this.#places.get(partition) ?? this.#place(partition);
    place.row.follow(partition);
  }

  onReplicaGone(partition: Partition): void {
    this.#places.get(partition)?.row.forget(partition);
    this.#places.delete(partition);
  }

  /** The number of rows may be another now: then all partitions are spread anew. */
  settingsChanged(): void {
    const rows = this.#options.rows();
    if (rows === this.#rows || this.#isStopped) return;
    this.#rows = rows;
    const partitions = [...this.#places.keys()];
    for (const partition of partitions) this.onReplicaGone(partition);
    for (const partition of partitions) this.onReplica(partition);
  }

  /** Partitions that are followed, whoever leads them. */
  get count(): number {
    return this.#places.size;
  }

  stop(): void {
    this.#isStopped = true;
    for (const rows of this.#leaders.values()) for (const row of rows) row.stop();
    this.#leaders.clear();
    this.#places.clear();
  }

  /** In the row of its leader that has the fewest. */
  #place(partition: Partition): Place {
    const { leaderId } = partition;
    let rows = this.#leaders.get(leaderId);
    if (rows === undefined) this.#leaders.set(leaderId, (rows = []));
    while (rows.length < this.#rows)
      rows.push(new LeaderFetches({ leaderId, row: rows.length }, this.#options));
    let row = rows[0]!;
    for (const other of rows.slice(1, this.#rows)) if (other.count < row.count) row = other;
    const place = { leaderId, row };
    this.#places.set(partition, place);
    return place;
  }
}

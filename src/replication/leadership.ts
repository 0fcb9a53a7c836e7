/**
 * One leader epoch of a partition, on the broker that leads it: its followers, the in-sync replicas, and the change of
 * these that is under way. What is committed follows from it by rules that no clock has a part in (KIP-320, KIP-966):
 *
 *   - an offset is committed when every replica of the maximal in-sync set has acknowledged it in this epoch. Maximal: with
 *     those whose coming the store may already hold while we do not know; those whose going is not known yet count too;
 *   - nothing is committed while the set in the store is smaller than min.insync.replicas, whatever acks the producers want;
 *   - a follower joins when it has everything that is committed, and everything from before this epoch: only then no
 *     election among the set can lose a committed record.
 */
import { FollowerProgress, type FollowerFetch } from './follower-progress.ts';
import type { PartitionState } from './partition-state.ts';

/** A change of the in-sync replicas that the store may or may not hold. */
export interface PendingInSync {
  readonly isr: readonly number[];
  readonly partitionEpoch: number;
}

export class Leadership {
  readonly leaderEpoch: number;
  /** The log's end at the election. */
  readonly startOffset: number;
  /** What all followers of the maximal set have acknowledged: -1 when one has not fetched yet, Infinity without any. */
  followersEnd = Infinity;
  readonly #nodeId: number;
  readonly #followers = new Map<number, FollowerProgress>();
  #state: PartitionState;
  #pending: PendingInSync | undefined;

  constructor(
    state: PartitionState,
    options: { readonly nodeId: number; readonly startOffset: number; readonly nowMs: number },
  ) {
    this.leaderEpoch = state.leaderEpoch;
    this.startOffset = options.startOffset;
    this.#nodeId = options.nodeId;
    this.#state = state;
    this.#setFollowers(options.nowMs);
  }

  get pending(): PendingInSync | undefined {
    return this.#pending;
  }

  get isr(): readonly number[] {
    return this.#state.isr;
  }

  follower(nodeId: number): FollowerProgress | undefined {
    return this.#followers.get(nodeId);
  }

  followers(): Iterable<FollowerProgress> {
    return this.#followers.values();
  }

  /** A later state of the same epoch. What was asked for on an earlier one is decided by it: done, or never to be. */
  apply(state: PartitionState, nowMs: number): void {
    if (this.#pending !== undefined && state.partitionEpoch > this.#pending.partitionEpoch) {
      this.#pending = undefined;
    }
    this.#state = state;
    this.#setFollowers(nowMs);
  }

  /** From now on the store may hold `isr`. */
  begin(isr: readonly number[]): PendingInSync {
    this.#pending = { isr, partitionEpoch: this.#state.partitionEpoch };
    this.#count();
    return this.#pending;
  }

  /** It is certain that the store does not hold the pending change and never will. */
  abandon(): void {
    this.#pending = undefined;
    this.#count();
  }

  /** Undefined: the request is of a former life of the broker, or of one that is no replica. */
  noteFetch(fetch: FollowerFetch, leaderEndOffset: number): FollowerProgress | undefined {
    const follower = this.#followers.get(fetch.nodeId);
    if (follower === undefined || fetch.brokerEpoch < follower.brokerEpoch) return undefined;
    follower.fetched(fetch, leaderEndOffset);
    this.#count();
    return follower;
  }

  /** Whether the follower may join the in-sync replicas. */
  isCaughtUp(follower: FollowerProgress, highWatermark: number): boolean {
    return follower.endOffset >= highWatermark && follower.endOffset >= this.startOffset;
  }

  /** Whether the replica is, or may be, in the in-sync set. */
  isMaximal(nodeId: number): boolean {
    return this.#state.isr.includes(nodeId) || this.#pending?.isr.includes(nodeId) === true;
  }

  /** Progress begins anew with each epoch; who is in sync gets the whole lag time to make some. */
  #setFollowers(nowMs: number): void {
    const { replicas } = this.#state;
    for (const nodeId of this.#followers.keys()) {
      if (!replicas.includes(nodeId)) this.#followers.delete(nodeId);
    }
    for (const nodeId of replicas) {
      if (nodeId === this.#nodeId || this.#followers.has(nodeId)) continue;
      this.#followers.set(nodeId, new FollowerProgress(nodeId, nowMs));
    }
    this.#count();
  }

  #count(): void {
    let end = Infinity;
    for (const { nodeId, endOffset } of this.#followers.values()) {
      if (endOffset < end && this.isMaximal(nodeId)) end = endOffset;
    }
    this.followersEnd = end;
  }
}

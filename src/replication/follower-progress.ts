/**
 * How far one follower has come in this leader's epoch, as its Fetch requests tell. A follower asks for what comes after
 * everything it holds (in fsync mode: holds durably), so the offset it fetches from is what it acknowledges.
 */

/** What a follower's Fetch says of itself. The caller has seen that its log agrees with the leader's up to `offset`. */
export interface FollowerFetch {
  readonly nodeId: number;
  readonly brokerEpoch: number;
  readonly offset: number;
  /** Where its log begins. */
  readonly logStartOffset: number;
  /** Monotonic. */
  readonly nowMs: number;
}

export class FollowerProgress {
  readonly nodeId: number;
  /** Of the life that fetched last; -1: it has not fetched in this epoch. */
  brokerEpoch = -1;
  /** Everything before it is on the follower's disk; -1: unknown. */
  endOffset = -1;
  /** Where its log begins; -1: unknown. */
  logStartOffset = -1;
  /** Fetches of this epoch so far. */
  fetches = 0;
  /** When the follower had everything that the leader had, by the leader's monotonic clock. */
  #caughtUpMs: number;
  #lastFetchMs = -Infinity;
  #leaderEndAtLastFetch = Infinity;

  /** `caughtUpMs`: from when on its silence counts. */
  constructor(nodeId: number, caughtUpMs: number) {
    this.nodeId = nodeId;
    this.#caughtUpMs = caughtUpMs;
  }

  /**
   * One that is behind but asks from where the log ended at its last fetch had caught up then: so a follower under a steady
   * stream of appends stays in sync.
   */
  fetched({ brokerEpoch, offset, logStartOffset, nowMs }: FollowerFetch, leaderEndOffset: number): void {
    if (brokerEpoch !== this.brokerEpoch) this.#leaderEndAtLastFetch = Infinity;
    if (offset >= leaderEndOffset) this.#caughtUpMs = Math.max(this.#caughtUpMs, nowMs);
    else if (offset >= this.#leaderEndAtLastFetch) {
      this.#caughtUpMs = Math.max(this.#caughtUpMs, this.#lastFetchMs);
    }
    this.fetches += 1;
    this.brokerEpoch = brokerEpoch;
    this.endOffset = offset;
    this.logStartOffset = logStartOffset;
    this.#lastFetchMs = nowMs;
    this.#leaderEndAtLastFetch = leaderEndOffset;
  }

  /** While nothing is appended a follower that has everything lags behind nobody, however long it is silent. */
  isLagging(leaderEndOffset: number, nowMs: number, lagTimeMaxMs: number): boolean {
    return this.endOffset !== leaderEndOffset && nowMs - this.#caughtUpMs > lagTimeMaxMs;
  }
}

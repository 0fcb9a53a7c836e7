/**
 * After an election the followers come to another leader. One that follows other partitions there already has a request under
 * way that names the new ones not yet, and that may wait for half a second; nothing is committed meanwhile. So the new leader
 * answers what waits, and for a moment lets no request of these followers wait for long: the next one, or the one after it,
 * names what they follow now.
 */
import type { Clock, Timers } from '../base/ports.ts';
import type { Partition } from '../replication/partition.ts';
import type { LeadershipListener } from '../replication/partitions.ts';
import type { DelayedFetches } from './delayed-fetch.ts';

/** A follower has heard of the election by then, unless the store is slow. */
const EXPECTED_MS = 500;
/** What a request may wait meanwhile. */
const WAIT_MS_MAX = 10;

export class ExpectedFollowers implements LeadershipListener {
  readonly #ports: { readonly clock: Clock; readonly timers: Timers };
  readonly #delayedFetches: DelayedFetches;
  /** Monotonic, by node id: until when a follower is expected to come anew. */
  readonly #untilMs = new Map<number, number>();
  /** Elected in this turn. */
  #news = new Set<number>();

  constructor(ports: { readonly clock: Clock; readonly timers: Timers }, delayedFetches: DelayedFetches) {
    this.#ports = ports;
    this.#delayedFetches = delayedFetches;
  }

  onElected({ state, nodeId: own }: Partition): void {
    const { clock, timers } = this.#ports;
    const untilMs = clock.monotonicMs() + EXPECTED_MS;
    for (const nodeId of state.replicas) {
      if (nodeId === own) continue;
      this.#untilMs.set(nodeId, untilMs);
      // Many partitions in one turn: what waits is answered once.
      if (this.#news.size === 0) timers.soon(() => this.#tell());
      this.#news.add(nodeId);
    }
  }

  onResigned(): void {}

  /** How long a request of this follower may wait that would wait for `maxWaitMs`. */
  waitMs(nodeId: number, maxWaitMs: number): number {
    const untilMs = this.#untilMs.get(nodeId);
    if (untilMs === undefined) return maxWaitMs;
    if (this.#ports.clock.monotonicMs() < untilMs) return Math.min(maxWaitMs, WAIT_MS_MAX);
    this.#untilMs.delete(nodeId);
    return maxWaitMs;
  }

  #tell(): void {
    const news = this.#news;
    this.#news = new Set();
    this.#delayedFetches.finishOf(news);
  }
}

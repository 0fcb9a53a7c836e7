/**
 * A limit on the bytes of throttled replicas, on one side of replication (KIP-73): what was moved in the last samples, as a
 * rate. Traffic is counted after it has happened and refused while the rate is above the limit, so a short burst of one
 * answer's size may pass. Time is monotonic.
 */
import type { Clock } from '../base/ports.ts';

export interface QuotaSettings {
  readonly bytesPerSecond: number;
  /** replication.quota.window.num and .size.seconds */
  readonly windows: number;
  readonly windowMs: number;
}

interface Sample {
  readonly startMs: number;
  bytes: number;
}

/** Limits that nothing reaches: the default is the largest int64. */
const UNLIMITED_BYTES_PER_SECOND = 2 ** 53 - 1;

export class ReplicationQuota {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #settings: () => QuotaSettings;
  #samples: Sample[] = [];
  #totalBytes = 0;

  constructor(clock: Pick<Clock, 'monotonicMs'>, settings: () => QuotaSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Of replicas that the quota is for, whether in sync or not. */
  record(bytes: number): void {
    const nowMs = this.#forget();
    let last = this.#samples.at(-1);
    if (last === undefined || nowMs - last.startMs >= this.#settings().windowMs) {
      last = { startMs: nowMs, bytes: 0 };
      this.#samples.push(last);
    }
    last.bytes += bytes;
    this.#totalBytes += bytes;
  }

  /** In bytes per second, over the samples that are kept. */
  rate(): number {
    const nowMs = this.#forget();
    return (this.#totalBytes * 1000) / this.#elapsedMs(nowMs);
  }

  get isExceeded(): boolean {
    const { bytesPerSecond } = this.#settings();
    return bytesPerSecond < UNLIMITED_BYTES_PER_SECOND && this.rate() > bytesPerSecond;
  }

  /** How long until the rate is within the limit, if nothing is moved meanwhile. */
  waitMs(): number {
    const { bytesPerSecond, windows, windowMs } = this.#settings();
    const nowMs = this.#forget();
    const neededMs = bytesPerSecond > 0 ? (this.#totalBytes * 1000) / bytesPerSecond : Infinity;
    if (neededMs <= windowMs) return 0;
    const elapsedMs = nowMs - (this.#samples[0]?.startMs ?? nowMs);
    return Math.max(0, Math.min(neededMs - elapsedMs, windows * windowMs));
  }

  /** The time since the oldest sample, or one window where that is longer. */
  #elapsedMs(nowMs: number): number {
    const { windowMs } = this.#settings();
    return Math.max(windowMs, nowMs - (this.#samples[0]?.startMs ?? nowMs));
  }

  #forget(): number {
    const nowMs = this.#clock.monotonicMs();
    const { windows, windowMs } = this.#settings();
    while (this.#samples.length > 0 && nowMs - this.#samples[0]!.startMs >= windows * windowMs) {
      this.#totalBytes -= this.#samples.shift()!.bytes;
    }
    return nowMs;
  }
}

/** Which replicas of a topic on this broker `leader.` or `follower.replication.throttled.replicas` names. */
export function throttledPartitions(
  pairs: readonly string[],
  nodeId: number,
): (partition: number) => boolean {
  if (pairs.length === 0) return () => false;
  if (pairs.includes('*')) return () => true;
  const suffix = `:${nodeId}`;
  const named = new Set<number>();
  for (const pair of pairs) if (pair.endsWith(suffix)) named.add(Number(pair.slice(0, -suffix.length)));
  return (partition) => named.has(partition);
}

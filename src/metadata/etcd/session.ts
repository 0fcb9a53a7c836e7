/**
 * A session: a lease, and the time up to which this process may trust it. That time runs from when a keep-alive was sent,
 * not from when its answer came, on the monotonic clock, and ends a little before the lease can end at etcd.
 */
import type { Clock, Session, Timer, Timers } from '../../base/ports.ts';

/** Of the time to live: what the two clocks may differ in pace, and what it takes to stop. */
const MARGIN = 0.1;

export interface EtcdSessionOptions {
  readonly leaseId: number;
  readonly ttlMs: number;
  /** When the request for the lease was sent. */
  readonly sentMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly revoke: () => Promise<void>;
  /** Closed or lost. */
  readonly onEnd: () => void;
}

export class EtcdSession implements Session {
  readonly id: string;
  onLost: () => void = () => {};
  readonly #options: EtcdSessionOptions;
  #aliveMs: number;
  #limit: Timer;
  #isOver = false;

  constructor(options: EtcdSessionOptions) {
    this.id = String(options.leaseId);
    this.#options = options;
    this.#aliveMs = options.sentMs;
    this.#limit = this.#arm();
  }

  isAlive(): boolean {
    return !this.#isOver && this.#leftMs() > 0;
  }

  /** A keep-alive that left then, or later, was answered. */
  alive(sentMs: number): void {
    this.#aliveMs = Math.max(this.#aliveMs, sentMs);
  }

  lose(): void {
    if (this.#isOver) return;
    this.stop();
    this.onLost();
  }

  /** Its keys vanish at once. Rejects when etcd cannot be told: then they vanish when the time is over. */
  async close(): Promise<void> {
    if (this.#isOver) return;
    this.stop();
    await this.#options.revoke();
  }

  stop(): void {
    this.#isOver = true;
    this.#limit.cancel();
    this.#options.onEnd();
  }

  #arm(): Timer {
    const { timers } = this.#options;
    // One turn more: after a standstill the word that all is well may be waiting to be read.
    return timers.after(this.#leftMs(), () => timers.soon(() => this.#timeIsOver()));
  }

  #timeIsOver(): void {
    if (this.#isOver) return;
    if (this.#leftMs() > 0) this.#limit = this.#arm();
    else this.lose();
  }

  #leftMs(): number {
    const { clock, ttlMs } = this.#options;
    return Math.max(0, this.#aliveMs + ttlMs * (1 - MARGIN) - clock.monotonicMs());
  }
}

/** Undefined: no session of ours has such an id. */
export function leaseIdOf(sessionId: string): number | undefined {
  const leaseId = /^\d{1,16}$/.test(sessionId) ? Number(sessionId) : 0;
  return leaseId > 0 && Number.isSafeInteger(leaseId) ? leaseId : undefined;
}

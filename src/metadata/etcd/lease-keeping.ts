/** Who keeps the leases of a store: a thread, or, without one or once it has died, the main loop itself. */
import type { Clock, Logger, Thread, Timer, Timers } from '../../base/ports.ts';
import type { EtcdAccess, EtcdClient } from './client.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { FromLeaseThread, ToLeaseThread } from './lease-messages.ts';

/** Beats of the main loop within a lease's time to live. */
const BEATS_PER_TTL = 12;

export interface LeaseHandlers {
  /** At `sentMs`, on the main loop's monotonic clock, or later a keep-alive left that was answered since. */
  readonly onAlive: (sentMs: number) => void;
  readonly onGone: () => void;
}

interface KeptLease extends LeaseHandlers {
  readonly leaseId: number;
  readonly ttlMs: number;
}

export interface LeaseKeepingOptions {
  /** For leases that the main loop keeps. */
  readonly client: EtcdClient;
  readonly access: EtcdAccess;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Called when the first lease is there. */
  readonly startThread?: (() => Thread) | undefined;
}

export class LeaseKeeping {
  readonly #options: LeaseKeepingOptions;
  readonly #leases = new Map<number, KeptLease>();
  /** Of the leases that the main loop keeps. */
  readonly #keepers = new Map<number, LeaseKeeper>();
  #thread: Thread | undefined;
  #beat: Timer | undefined;
  #isThreadWanted: boolean;

  constructor(options: LeaseKeepingOptions) {
    this.#options = options;
    this.#isThreadWanted = options.startThread !== undefined;
  }

  keep(lease: KeptLease): void {
    this.#leases.set(lease.leaseId, lease);
    if (this.#isThreadWanted) this.#thread ??= this.#start();
    if (this.#thread === undefined) {
      this.#keepHere(lease);
      return;
    }
    this.#goRound();
    this.#tell({ type: 'keep', leaseId: lease.leaseId, ttlMs: lease.ttlMs });
  }

  drop(leaseId: number): void {
    this.#leases.delete(leaseId);
    this.#keepers.get(leaseId)?.stop();
    this.#keepers.delete(leaseId);
    if (this.#thread !== undefined) this.#tell({ type: 'drop', leaseId });
  }

  close(): void {
    for (const leaseId of this.#leases.keys()) this.drop(leaseId);
    this.#beat?.cancel();
    this.#thread?.terminate();
    this.#thread = undefined;
    this.#isThreadWanted = false;
  }

  #start(): Thread {
    const thread = this.#options.startThread!();
    thread.onMessage = (received) => {
      const message = received as FromLeaseThread;
      const lease = this.#leases.get(message.leaseId);
      if (message.type === 'alive') lease?.onAlive(message.atMs);
      else this.#gone(message.leaseId);
    };
    thread.onExit = (error) => this.#threadDied(error);
    thread.post({ type: 'open', access: this.#options.access } satisfies ToLeaseThread);
    return thread;
  }

  /** Its leases live for a while yet: the main loop takes them over. */
  #threadDied(error: Error | undefined): void {
    this.#options.logger.error(
      { error: error?.message },
      'the thread that keeps the etcd leases has ended; the main loop keeps them from now on',
    );
    this.#thread = undefined;
    this.#isThreadWanted = false;
    this.#beat?.cancel();
    for (const lease of this.#leases.values()) this.#keepHere(lease);
  }

  #keepHere(lease: KeptLease): void {
    const { client, timers, clock } = this.#options;
    const { leaseId, ttlMs, onAlive } = lease;
    const keeper = new LeaseKeeper({
      client,
      timers,
      leaseId,
      ttlMs,
      stamp: () => clock.monotonicMs(),
      onAlive,
      onGone: () => this.#gone(leaseId),
    });
    this.#keepers.set(leaseId, keeper);
  }

  #gone(leaseId: number): void {
    const lease = this.#leases.get(leaseId);
    this.#leases.delete(leaseId);
    this.#keepers.delete(leaseId);
    lease?.onGone();
  }

  /** Tells the thread that the main loop goes round, and again, as long as there are leases. */
  #goRound(): void {
    this.#beat?.cancel();
    this.#beat = undefined;
    if (this.#thread === undefined || this.#leases.size === 0) return;
    const { clock, timers } = this.#options;
    this.#tell({ type: 'beat', atMs: clock.monotonicMs() });
    const ttlMs = Math.min(...[...this.#leases.values()].map((lease) => lease.ttlMs));
    this.#beat = timers.after(ttlMs / BEATS_PER_TTL, () => this.#goRound());
  }

  #tell(message: ToLeaseThread): void {
    this.#thread?.post(message);
  }
}

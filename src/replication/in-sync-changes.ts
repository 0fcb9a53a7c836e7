/**
 * The in-sync replicas of the partitions that this broker leads: who has not caught up for too long leaves, who has comes
 * in. One timer looks at all of them; for each partition at most one change is under way.
 *
 * A change whose fate is unknown is asked for again as it is, until the store has said yes or no: a follower that may be in
 * the set must be waited for as if it were.
 */
import type { Clock, Logger, Timer, Timers } from '../base/ports.ts';
import type { InSyncChange, InSyncOutcome } from '../metadata/controller/in-sync.ts';
import { isAlive } from '../metadata/controller/partition-change.ts';
import type { ClusterImage } from '../metadata/image.ts';
import type { FollowerProgress } from './follower-progress.ts';
import type { Leadership } from './leadership.ts';
import type { Partition } from './partition.ts';

/** 'retry': the store does not answer, and what became of the change is unknown. */
export type ChangeInSync = (change: InSyncChange) => Promise<InSyncOutcome | 'retry'>;

/** After a refusal, and after an outcome that is unknown. */
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;

/** Since the start of the process. */
export interface InSyncRecord {
  shrinks: number;
  expands: number;
  /** Refused, or overtaken by another change. */
  failures: number;
}

export interface InSyncChangesOptions {
  readonly nodeId: number;
  readonly image: ClusterImage;
  readonly ports: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger };
  /** Of partitions that this broker holds. */
  readonly partitions: () => Iterable<Partition>;
  readonly changeInSync: ChangeInSync;
  /** replica.lag.time.max.ms */
  readonly lagTimeMaxMs: () => number;
  readonly record: InSyncRecord;
}

export class InSyncChanges {
  readonly #options: InSyncChangesOptions;
  /** Refused changes: by partition, until when (monotonic) none is asked for. */
  readonly #quiet = new WeakMap<Leadership, number>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: InSyncChangesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** The follower has fetched: it may come in. */
  onProgress(partition: Partition, follower: FollowerProgress): void {
    const { leadership } = partition;
    if (leadership === undefined || leadership.isMaximal(follower.nodeId)) return;
    if (leadership.pending !== undefined || !this.#mayJoin(partition, leadership, follower)) return;
    this.#propose(partition, leadership, [...leadership.isr, follower.nodeId]);
  }

  /** Twice in the time that is allowed, so that nobody stays in for much longer than that. */
  #arm(): void {
    this.#timer = this.#options.ports.timers.after(this.#options.lagTimeMaxMs() / 2, () => {
      this.#dropLagging();
      if (!this.#isStopped) this.#arm();
    });
  }

  #dropLagging(): void {
    const nowMs = this.#options.ports.clock.monotonicMs();
    const lagTimeMaxMs = this.#options.lagTimeMaxMs();
    for (const partition of this.#options.partitions()) {
      const { leadership, log } = partition;
      if (leadership === undefined || leadership.pending !== undefined || log === undefined) continue;
      if (leadership.isr.length < 2) continue;
      const isr = leadership.isr.filter((nodeId) => {
        const follower = leadership.follower(nodeId);
        return follower === undefined || !follower.isLagging(log.logEndOffset, nowMs, lagTimeMaxMs);
      });
      if (isr.length < leadership.isr.length) this.#propose(partition, leadership, isr);
    }
  }

  #mayJoin(partition: Partition, leadership: Leadership, follower: FollowerProgress): boolean {
    const { image } = this.#options;
    // Asking for one that would be refused would only bind the watermark meanwhile.
    if (!isAlive(image, follower.nodeId)) return false;
    if (image.brokers.get(follower.nodeId)?.epoch !== follower.brokerEpoch) return false;
    return leadership.isCaughtUp(follower, partition.highWatermark);
  }

  #propose(partition: Partition, leadership: Leadership, isr: readonly number[]): void {
    const { image, nodeId, ports } = this.#options;
    if (this.#isStopped || ports.clock.monotonicMs() < (this.#quiet.get(leadership) ?? 0)) return;
    const change: InSyncChange = {
      topicId: partition.topicId,
      partition: partition.partition,
      leader: nodeId,
      leaderEpoch: leadership.leaderEpoch,
      partitionEpoch: partition.state.partitionEpoch,
      isr: isr.map((id) => ({
        nodeId: id,
        brokerEpoch:
          id === nodeId
            ? (image.brokers.get(nodeId)?.epoch ?? -1)
            : (leadership.follower(id)?.brokerEpoch ?? -1),
      })),
    };
    const pending = leadership.begin(isr);
    const { topic, partition: index } = partition;
    const fields = { topic, partition: index, from: leadership.isr, to: isr };
    ports.logger.info(fields, 'in-sync replicas are to change');
    const isStill = (): boolean =>
      !this.#isStopped && partition.leadership === leadership && leadership.pending === pending;
    const isExpansion = isr.length > leadership.isr.length;
    void this.#carryOut(change, isStill).then((outcome) => {
      this.#count(outcome, isExpansion);
      // Once it is done the image brings it, and the change is over by that.
      if (outcome === 'done' || !isStill()) return;
      this.#quiet.set(leadership, ports.clock.monotonicMs() + BACKOFF_MS_MIN);
      leadership.abandon();
      partition.inSyncChanged();
    });
  }

  #count(outcome: InSyncOutcome, isExpansion: boolean): void {
    const { record } = this.#options;
    if (outcome !== 'done') record.failures += 1;
    else if (isExpansion) record.expands += 1;
    else record.shrinks += 1;
  }

  async #carryOut(change: InSyncChange, isStill: () => boolean): Promise<InSyncOutcome> {
    const { changeInSync, ports } = this.#options;
    for (let backoffMs = BACKOFF_MS_MIN; ; backoffMs = Math.min(2 * backoffMs, BACKOFF_MS_MAX)) {
      let outcome: InSyncOutcome | 'retry' = 'retry';
      try {
        outcome = await changeInSync(change);
      } catch (error) {
        const { partition } = change;
        ports.logger.warn({ error, partition }, 'a change of in-sync replicas failed');
      }
      if (outcome !== 'retry') return outcome;
      if (!isStill()) return 'stale';
      await new Promise<void>((resolve) => ports.timers.after(backoffMs, resolve));
      if (!isStill()) return 'stale';
    }
  }
}

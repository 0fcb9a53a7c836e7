/**
 * Notices when a consumer gets no further although there is, or may be, something to read, and names what holds it up. A consumer
 * whose partitions are read to their ends, or are paused, gets no further either and is well.
 */
import type { Timer } from '../../base/ports.ts';
import type { ClientCore } from '../core.ts';
import type { KafkaError } from '../errors.ts';
import { NO_BROKER } from '../metadata/cluster-view.ts';
import { noteStall } from '../telemetry/channels.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import type { TopicPartition } from './options.ts';

/**
 * What holds a consumer up. `handler`: records are there, and nobody asks for them: a handler or the body of a loop has not
 * come back. `group`: the group has not let this member in, or its coordinator cannot be reached. `heartbeat`: the group
 * does not answer that it still counts on this member. `leader`: the partition has none. `fetch`: the leader does not
 * answer, or refuses. `error`: the partition cannot go on until it is sought.
 */
export type StallReason = 'handler' | 'group' | 'heartbeat' | 'leader' | 'fetch' | 'error';

export interface Stall {
  readonly reason: StallReason;
  /** Undefined when it concerns the consumer as a whole. */
  readonly partition: TopicPartition | undefined;
  /** How long there has been no progress, in ms. */
  readonly forMs: number;
  /** The next offset to be handed out; undefined as long as it is not known. */
  readonly position: number | undefined;
  readonly error: KafkaError | undefined;
}

export interface WatchdogOptions {
  /** Without progress for so long the consumer counts as stalled. Default: 60 s; 0: nobody watches. */
  readonly stallTimeoutMs?: number;
  /** Called once when something begins to stall, and again if it did go on meanwhile. It must not throw. */
  readonly onStall?: (stall: Stall) => void;
}

export interface WatchdogHost {
  readonly core: ClientCore;
  partitions(): Iterable<FetchedPartition>;
  /** Since when the user has what was handed out last; undefined while records are waited for. Monotonic ms. */
  busySinceMs(partition?: FetchedPartition): number | undefined;
  /** With a group. */
  readonly membership: { readonly needsAttention: boolean; readonly heardMs: number } | undefined;
}

const STALL_MS_DEFAULT = 60_000;
/** Looks in one stall. */
const LOOKS = 4;

interface Mark {
  position: number;
  /** When it last got further, or had nothing to do. */
  wellMs: number;
}

export class Watchdog {
  readonly #host: WatchdogHost;
  readonly #stallMs: number;
  readonly #onStall: ((stall: Stall) => void) | undefined;
  readonly #marks = new WeakMap<FetchedPartition, Mark>();
  /** What has been told and lasts. */
  #told = new Set<string>();
  #attendedMs: number;
  #timer: Timer | undefined;

  constructor(host: WatchdogHost, options: WatchdogOptions) {
    this.#host = host;
    this.#stallMs = options.stallTimeoutMs ?? STALL_MS_DEFAULT;
    this.#onStall = options.onStall;
    this.#attendedMs = this.#nowMs;
    this.#arm();
  }

  /** What is stalled at this moment. */
  stalls(): Stall[] {
    if (this.#stallMs <= 0) return [];
    const nowMs = this.#nowMs;
    const stalls: Stall[] = [];
    const note = (reason: StallReason, sinceMs: number, partition?: FetchedPartition): void => {
      const forMs = nowMs - sinceMs;
      if (forMs < this.#stallMs) return;
      const at = partition === undefined ? undefined : { topic: partition.topic, partition: partition.index };
      const position = partition === undefined || partition.position < 0 ? undefined : partition.position;
      stalls.push({ reason, partition: at, forMs, position, error: partition?.error });
    };
    const { membership } = this.#host;
    const busySinceMs = this.#host.busySinceMs();
    if (membership?.needsAttention !== true || busySinceMs !== undefined) this.#attendedMs = nowMs;
    if (busySinceMs !== undefined) note('handler', busySinceMs);
    else note('group', this.#attendedMs);
    if (membership?.needsAttention === false) note('heartbeat', membership.heardMs);
    for (const partition of this.#host.partitions()) {
      const wellMs = this.#wellMs(partition, nowMs);
      const ownSinceMs = this.#host.busySinceMs(partition);
      if (partition.error !== undefined) note('error', wellMs, partition);
      else if (ownSinceMs !== undefined && ownSinceMs !== busySinceMs) note('handler', ownSinceMs, partition);
      else if (partition.buffered.length === 0) {
        const reason = this.#reason(partition);
        // While the user is at work a partition may be left alone because memory is used up.
        if (busySinceMs === undefined || partition.isAsking || reason === 'leader')
          note(reason, wellMs, partition);
      }
    }
    return stalls;
  }

  close(): void {
    this.#timer?.cancel();
  }

  get #nowMs(): number {
    return this.#host.core.ports.clock.monotonicMs();
  }

  #wellMs(partition: FetchedPartition, nowMs: number): number {
    const { position, isPaused, buffered, error, answeredMs } = partition;
    let mark = this.#marks.get(partition);
    if (mark === undefined) this.#marks.set(partition, (mark = { position, wellMs: nowMs }));
    if (mark.position !== position || (isPaused && error === undefined)) mark.wellMs = nowMs;
    // Nothing waits, and the leader says that nothing has come.
    if (buffered.length === 0 && error === undefined) mark.wellMs = Math.max(mark.wellMs, answeredMs);
    mark.position = position;
    return mark.wellMs;
  }

  #reason(partition: FetchedPartition): StallReason {
    const { brokers, metadata } = this.#host.core;
    const leader = partition.infoIn(metadata.view.get(partition.topic))?.leader ?? NO_BROKER;
    return leader === NO_BROKER || !brokers.isKnown(leader) ? 'leader' : 'fetch';
  }

  #look(): void {
    const told = new Set<string>();
    for (const stall of this.stalls()) {
      const { reason, partition } = stall;
      const name = partition === undefined ? reason : `${reason} ${partition.topic}-${partition.partition}`;
      told.add(name);
      if (this.#told.has(name)) continue;
      this.#host.core.ports.logger?.warn({ ...stall }, 'the consumer gets no further');
      noteStall(stall);
      this.#onStall?.(stall);
    }
    this.#told = told;
  }

  #arm(): void {
    if (this.#stallMs <= 0) return;
    this.#timer = this.#host.core.ports.timers.after(this.#stallMs / LOOKS, () => {
      this.#look();
      this.#arm();
    });
  }
}

/**
 * Asking for the next batch, the beat of a consumer: what was handed out before counts as dealt with, the group's wishes are
 * carried out, and then it waits until there is a batch, the time is over, or the consumer is closed.
 */
import type { Timer } from '../../base/ports.ts';
import { unlessAborted } from '../backoff.ts';
import type { ClientCore } from '../core.ts';
import { ownError } from '../errors.ts';
import type { GroupMembership } from '../group/group-membership.ts';
import { noteReceived } from '../telemetry/channels.ts';
import type { AssignedPartitions } from './assigned-partitions.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import type { Fetcher } from './fetcher.ts';
import { intercepted, type ConsumerInterceptor } from './interceptors.ts';
import type { ConsumerCounters } from './metrics.ts';
import type { ConsumerBatch } from './record.ts';

export interface PollOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for records; default: as long as it takes. */
  readonly timeoutMs?: number;
}

export interface NextOptions extends PollOptions {
  /** Nothing is handed out while it says no. */
  readonly mayTake?: () => boolean;
  /** What came before does not count as dealt with by that: somebody keeps account of it. */
  readonly isCounted?: boolean;
}

export interface NextBatchOptions {
  readonly core: ClientCore;
  readonly group: string | undefined;
  readonly fetcher: Fetcher;
  readonly partitions: AssignedPartitions;
  readonly membership: () => GroupMembership | undefined;
  readonly interceptors: readonly ConsumerInterceptor[];
  readonly counters: ConsumerCounters;
  /** Aborted by the close. */
  readonly closing: AbortSignal;
  /** What the user has given and has not taken effect; undefined: nothing. */
  readonly takeAssignments: () => Promise<void> | undefined;
}

export class NextBatch {
  readonly #options: NextBatchOptions;
  /** Where the last batch came from; dealt with when the next is asked for. */
  #last: FetchedPartition | undefined;
  #wakeUp: (() => void) | undefined;
  #isAsked = false;
  #askedMs: number;

  constructor(options: NextBatchOptions) {
    this.#options = options;
    this.#askedMs = this.#nowMs;
  }

  /** Since when nobody has asked for more (monotonic ms); undefined while somebody waits. */
  get idleSinceMs(): number | undefined {
    return this.#isAsked ? undefined : this.#askedMs;
  }

  /** Whoever waits is to look again. */
  wake(): void {
    this.#wakeUp?.();
  }

  /** The user shows that it is there. */
  touch(): void {
    this.#askedMs = this.#nowMs;
  }

  /** The user has asked for more, so what came before is dealt with. */
  finishLast(): void {
    const last = this.#last;
    this.#last = undefined;
    if (last !== undefined && !last.isRemoved) last.processed = last.position;
  }

  /** Undefined when the time is over, or the consumer closed. Errors: KafkaError, the signal's reason, an interceptor's. */
  async next(options: NextOptions): Promise<ConsumerBatch | undefined> {
    const { core, group, partitions, counters, takeAssignments } = this.#options;
    if (this.#isAsked) throw ownError('INVALID_ARGUMENT', 'one poll, loop or run at a time');
    this.#isAsked = true;
    try {
      this.finishLast();
      const taken = takeAssignments();
      if (taken !== undefined) await unlessAborted(taken, options.signal);
      const batch = this.#take(options) ?? (await this.#wait(options));
      if (batch === undefined) return undefined;
      counters.receivedBatches += 1;
      counters.receivedRecords += batch.records.length;
      if (options.isCounted !== true) this.#last = partitions.get(batch);
      noteReceived(batch, { group, clientId: core.settings.clientId });
      return batch;
    } catch (error) {
      if (this.#isClosed) return undefined;
      throw error;
    } finally {
      this.#isAsked = false;
      this.touch();
    }
  }

  get #nowMs(): number {
    return this.#options.core.ports.clock.monotonicMs();
  }

  get #isClosed(): boolean {
    return this.#options.closing.aborted;
  }

  #take({ mayTake }: NextOptions): ConsumerBatch | undefined {
    const { membership, fetcher, partitions, interceptors } = this.#options;
    if (membership()?.needsAttention === true || mayTake?.() === false) return undefined;
    for (;;) {
      const batch = fetcher.take();
      if (batch === undefined || interceptors.length === 0) return batch;
      const left = this.#intercepted(batch);
      if (left.records.length > 0) return left;
      const partition = partitions.get(batch);
      if (partition !== undefined && partition.inFlight === 0) partition.processed = partition.position;
    }
  }

  #intercepted(batch: ConsumerBatch): ConsumerBatch {
    const { fetcher, partitions, interceptors } = this.#options;
    try {
      return intercepted(interceptors, batch);
    } catch (error) {
      const partition = partitions.get(batch);
      if (partition !== undefined && partition.inFlight === 0) partition.position = batch.records[0]!.offset;
      if (partition !== undefined) fetcher.rewind(partition);
      throw error;
    }
  }

  async #wait(options: NextOptions): Promise<ConsumerBatch | undefined> {
    const { signal, timeoutMs } = options;
    let isLate = false;
    let timer: Timer | undefined;
    if (timeoutMs !== undefined) {
      timer = this.#options.core.ports.timers.after(timeoutMs, () => {
        isLate = true;
        this.wake();
      });
    }
    try {
      while (!isLate && !this.#isClosed) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wakeUp = resolve;
        const membership = this.#options.membership();
        if (membership?.needsAttention === true) {
          // A join may take long: who waits no longer leaves it to itself, and finds it further at the next poll.
          const attended = membership.attend(signal);
          attended.catch(() => {});
          await Promise.race([attended, promise]);
          continue;
        }
        const batch = this.#take(options);
        if (batch !== undefined) return batch;
        await unlessAborted(promise, signal);
      }
      return undefined;
    } finally {
      this.#wakeUp = undefined;
      timer?.cancel();
    }
  }
}

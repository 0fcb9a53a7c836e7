/**
 * Gives what a consumer reads to a handler, several partitions at a time, each in its order. A partition is held while one of
 * its batches is worked on; what is done is counted record by record (or batch by batch), and nothing else is
 * committed: whatever a handler has not finished comes again.
 */
import type { Clock } from '../../base/ports.ts';
import { traceProcess } from '../telemetry/channels.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import type { TopicPartition } from './options.ts';
import type { ConsumerBatch, ConsumerRecord } from './record.ts';

/** What a handler is told besides the records. */
export interface RunContext {
  /**
   * Aborted when the result is wanted soon: the partition is to be given away, or the consumer is to close. What the handler
   * finishes nevertheless is committed, unless the partition was lost.
   */
  readonly signal: AbortSignal;
  /**
   * A sign of life from a handler that takes long: the time in which records must be asked for begins anew. With an offset, what
   * lies before it in the partition is dealt with, whatever becomes of the rest.
   */
  progress(nextOffset?: number): void;
}

interface RunLimits {
  /** Partitions that are worked on at the same time, 1 or more. Default: 1. */
  readonly concurrency?: number;
  /** A batch is dealt with only as far as its handler has said by `progress`: the rest comes again. Default: false. */
  readonly byProgress?: boolean;
  /** Ends the run: handlers finish what they have, then it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** One handler: for records, or for batches as the producers made them. */
export type RunOptions = RunLimits &
  (
    | {
        readonly onRecord: (record: ConsumerRecord, context: RunContext) => void | Promise<void>;
        readonly onBatch?: never;
      }
    | {
        readonly onBatch: (batch: ConsumerBatch, context: RunContext) => void | Promise<void>;
        readonly onRecord?: never;
      }
  );

/** What a runner needs of its consumer. */
export interface RunnerHost {
  readonly clock: Clock;
  readonly group: string | undefined;
  readonly clientId: string;
  /** The next batch, once `mayTake` agrees; undefined when the consumer is closed. Partitions that are held are passed over. */
  poll(options: {
    readonly mayTake: () => boolean;
    readonly signal: AbortSignal;
  }): Promise<ConsumerBatch | undefined>;
  partitionOf(batch: ConsumerBatch): FetchedPartition | undefined;
  /** What was handed out behind the position comes again. */
  rewind(partition: FetchedPartition): void;
  /** The partition may be handed out again. */
  release(partition: FetchedPartition): void;
  /** `mayTake` may have another opinion. */
  wake(): void;
}

interface Worker {
  readonly partition: FetchedPartition;
  readonly turn: number;
  readonly stopping: AbortController;
  /** Behind the batch. */
  readonly nextOffset: number;
  /** When what the handler has now began (monotonic ms). */
  sinceMs: number;
  ended: Promise<void>;
}

export class Runner {
  readonly #host: RunnerHost;
  readonly #options: RunOptions;
  readonly #concurrency: number;
  readonly #workers = new Map<string, Worker>();
  readonly #stopping = new AbortController();
  #failure: { readonly error: unknown } | undefined;

  /** Throws TypeError for a concurrency that is none. */
  constructor(host: RunnerHost, options: RunOptions) {
    this.#host = host;
    this.#options = options;
    this.#concurrency = options.concurrency ?? 1;
    if (!Number.isInteger(this.#concurrency) || this.#concurrency < 1) {
      throw new TypeError(`concurrency is a whole number from 1 on, not ${this.#concurrency}`);
    }
  }

  /** Resolves when the consumer has been closed; rejects with what a handler has thrown, or the partition's error. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const onAbort = (): void => this.#stop({ error: signal!.reason });
    if (signal?.aborted === true) throw signal.reason;
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await this.#loop();
    } catch (error) {
      // A poll that was left because the run ends has nothing to say.
      if (!this.#stopping.signal.aborted) this.#stop({ error });
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    await this.#idle([...this.#workers.values()]);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Nothing more is begun; resolves when the handlers have finished what they have. */
  stop(): Promise<void> {
    this.#stop(undefined);
    return this.#idle([...this.#workers.values()]);
  }

  /** These partitions are to be given away: resolves when nobody works on them. */
  drain(partitions: readonly TopicPartition[]): Promise<void> {
    const names = new Set(partitions.map(({ topic, partition }) => `${topic}-${partition}`));
    const workers = [...this.#workers.values()].filter(({ partition }) => names.has(partition.name));
    for (const { stopping } of workers) stopping.abort(new Error('the partition is to be given away'));
    return this.#idle(workers);
  }

  /** Since when the handler that has worked longest is at what it has; undefined when all are idle. Monotonic ms. */
  get busySinceMs(): number | undefined {
    let oldestMs: number | undefined;
    for (const { sinceMs } of this.#workers.values()) oldestMs = Math.min(oldestMs ?? sinceMs, sinceMs);
    return oldestMs;
  }

  /** As `busySinceMs`, of one partition. */
  partitionBusySinceMs({ name }: FetchedPartition): number | undefined {
    return this.#workers.get(name)?.sinceMs;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    const mayTake = (): boolean => this.#workers.size < this.#concurrency;
    while (!signal.aborted) {
      const batch = await this.#host.poll({ mayTake, signal });
      if (batch === undefined) return;
      const partition = this.#host.partitionOf(batch);
      if (partition === undefined) continue;
      partition.position = partition.processed = batch.records[0]!.offset;
      if (signal.aborted) this.#host.rewind(partition);
      else this.#begin(partition, batch);
    }
  }

  #begin(partition: FetchedPartition, batch: ConsumerBatch): void {
    partition.isHeld = true;
    const worker: Worker = {
      partition,
      turn: partition.turn,
      nextOffset: batch.nextOffset,
      stopping: new AbortController(),
      sinceMs: this.#host.clock.monotonicMs(),
      ended: Promise.resolve(),
    };
    this.#workers.set(partition.name, worker);
    worker.ended = this.#work(worker, batch)
      .catch((error: unknown) => this.#stop({ error }))
      .finally(() => this.#end(worker));
  }

  async #work(worker: Worker, batch: ConsumerBatch): Promise<void> {
    const { partition, turn } = worker;
    const context: RunContext = {
      signal: worker.stopping.signal,
      progress: (nextOffset) => this.#progress(worker, nextOffset),
    };
    const { onRecord, onBatch, byProgress = false } = this.#options;
    if (onBatch !== undefined) {
      await this.#traced(batch, () => onBatch(batch, context));
      if (byProgress) return;
    } else {
      for (const record of batch.records) {
        if (partition.turn !== turn || partition.isPaused || worker.stopping.signal.aborted) return;
        worker.sinceMs = this.#host.clock.monotonicMs();
        await this.#traced(record, () => onRecord(record, context));
        if (partition.turn === turn) partition.position = partition.processed = record.offset + 1;
      }
    }
    if (partition.turn === turn) partition.position = partition.processed = batch.nextOffset;
  }

  #progress(worker: Worker, nextOffset: number | undefined): void {
    const { partition, turn } = worker;
    worker.sinceMs = this.#host.clock.monotonicMs();
    if (nextOffset !== undefined && partition.turn === turn) {
      partition.position = partition.processed = Math.min(nextOffset, worker.nextOffset);
    }
  }

  #traced(of: ConsumerRecord | ConsumerBatch, handle: () => void | Promise<void>): void | Promise<void> {
    return traceProcess(handle, { of, group: this.#host.group, clientId: this.#host.clientId });
  }

  #end(worker: Worker): void {
    const { partition, turn } = worker;
    this.#workers.delete(partition.name);
    partition.isHeld = false;
    if (!partition.isRemoved) {
      // What was not finished is fetched again; behind the whole batch it is there already.
      if (partition.turn === turn && partition.position < worker.nextOffset) this.#host.rewind(partition);
      this.#host.release(partition);
    }
    this.#host.wake();
  }

  #stop(failure: { readonly error: unknown } | undefined): void {
    this.#failure ??= failure;
    if (this.#stopping.signal.aborted) return;
    const reason = new Error('the run has ended');
    this.#stopping.abort(reason);
    for (const { stopping } of this.#workers.values()) stopping.abort(reason);
    this.#host.wake();
  }

  async #idle(workers: readonly Worker[]): Promise<void> {
    await Promise.all(workers.map(({ ended }) => ended));
  }
}

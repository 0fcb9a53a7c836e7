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
import { concurrencyOf, RunEnd } from './run-end.ts';

/** What a handler is told besides the records. */
export interface RunContext {
  /**
   * Aborted when the result is wanted soon: the partition is to be given away, or the consumer is to close. What the handler
   * finishes nevertheless is committed, unless the partition was lost.
   */
  readonly signal: AbortSignal;
  /**
   * A sign of life from a handler that takes long: the time in which records must be asked for begins anew. With an offset,
   * what lies before it in the partition is dealt with, whatever becomes of the rest; not with `order: 'key'`, where that is
   * counted.
   */
  progress(nextOffset?: number): void;
}

interface RunLimits {
  /** Partitions, or with `order: 'key'` records, that are worked on at the same time, 1 or more. Default: 1. */
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
        /**
         * What is done one after the other: the records of a partition (the default), or only those of a partition that
         * have the same key. With `key`, records without one have no order; what is committed ends before the first record
         * that is not done, so that after a failure some that are done behind it come again.
         */
        readonly order?: 'partition' | 'key';
      }
    | {
        readonly onBatch: (batch: ConsumerBatch, context: RunContext) => void | Promise<void>;
        readonly onRecord?: never;
        readonly order?: never;
      }
  );

/** What a consumer needs of whoever runs its handlers. */
export interface HandlerRunner {
  run(): Promise<void>;
  stop(): Promise<void>;
  drain(partitions: readonly TopicPartition[]): Promise<void>;
  readonly busySinceMs: number | undefined;
  partitionBusySinceMs(partition: FetchedPartition): number | undefined;
}

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

export class Runner implements HandlerRunner {
  readonly #host: RunnerHost;
  readonly #options: RunOptions;
  readonly #concurrency: number;
  readonly #workers = new Map<string, Worker>();
  readonly #end: RunEnd;

  /** Throws TypeError for a concurrency that is none. */
  constructor(host: RunnerHost, options: RunOptions) {
    this.#host = host;
    this.#options = options;
    this.#concurrency = concurrencyOf(options);
    this.#end = new RunEnd((reason) => {
      for (const { stopping } of this.#workers.values()) stopping.abort(reason);
      host.wake();
    });
  }

  /** Resolves when the consumer has been closed; rejects with what a handler has thrown, or the partition's error. */
  run(): Promise<void> {
    const { signal } = this.#options;
    return this.#end.run({ loop: () => this.#loop(), whenIdle: () => this.#whenIdle(), signal });
  }

  /** Nothing more is begun; resolves when the handlers have finished what they have. */
  stop(): Promise<void> {
    this.#end.stop();
    return this.#whenIdle();
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
    const { signal } = this.#end;
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
      .catch((error: unknown) => this.#end.stop({ error }))
      .finally(() => this.#ended(worker));
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

  #ended(worker: Worker): void {
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

  #whenIdle(): Promise<void> {
    return this.#idle([...this.#workers.values()]);
  }

  async #idle(workers: readonly Worker[]): Promise<void> {
    await Promise.all(workers.map(({ ended }) => ended));
  }
}

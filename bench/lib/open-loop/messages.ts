/** What the process that asks a question and its load processes tell each other. Times are of `clock.ts`. */
import type { ProduceShape } from './produce-frame.ts';

export interface Target {
  readonly topic: string;
  readonly partitions: number;
  /** In a cluster: the port of each partition's leader; a run's `port` is not used then. */
  readonly leaders?: readonly number[];
}

interface Schedule {
  readonly requestsPerSecond: number;
  /** These seconds come first and leave no samples. */
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface ProduceRun {
  readonly port: number;
  /** Client n writes to target n, modulo their number. */
  readonly targets: readonly Target[];
  /** Clients, that is: in a cluster each has one to each leader, and a request is one batch. */
  readonly connections: number;
  readonly shape: ProduceShape;
  readonly schedule: Schedule;
}

export interface ConsumeRun {
  readonly port: number;
  readonly targets: readonly Target[];
  readonly connections: number;
  readonly shape: ProduceShape;
  /** The run is over when so many batches have come. */
  readonly batches: number;
  /** Batches that were meant to leave earlier than so long after the start leave no samples. */
  readonly warmupSeconds: number;
}

/** A group for each target, of so many members; those without a partition stand by. */
export interface GroupRun extends Omit<ConsumeRun, 'connections'> {
  readonly membersPerGroup: number;
}

export type ToWorker<Run> =
  | { readonly kind: 'prepare'; readonly run: Run }
  | { readonly kind: 'start'; readonly startMicros: number };

/** Samples in ms, of what was completed since the last ones. */
export interface Samples {
  readonly latencyMs: Float64Array;
  /** How late requests left: the generator's own delays. Empty for consumers. */
  readonly latenessMs: Float64Array;
  /** Of all that was completed, measured or not. */
  readonly requests: number;
  readonly batchBytes: number;
}

/** What the load process itself took, from the start to the end of the run. */
export interface Summary {
  readonly requests: number;
  /** Never answered, although the generator waited long after the last one. */
  readonly unanswered: number;
  /** From the time at which the last request was meant to leave until the last answer. */
  readonly drainMs: number;
  readonly cpuSeconds: number;
}

export type FromWorker =
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'samples' } & Samples)
  | ({ readonly kind: 'done' } & Summary)
  | { readonly kind: 'failed'; readonly message: string };

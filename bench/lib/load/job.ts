/** What a load process is told, and what it tells back: plain values, as they cross between processes. */
import type { FrameOptions } from './frames.ts';

export interface ProduceJob extends FrameOptions {
  readonly does: 'produce';
  readonly port: number;
  /** In a cluster: the port of each partition's leader; `port` is not used then. */
  readonly leaders?: readonly number[];
  /** Of this process. A client has a connection to each leader. */
  readonly clients: number;
  /** Requests in flight on each, to each leader. */
  readonly inFlight: number;
}

export interface ConsumeJob {
  readonly does: 'consume';
  readonly port: number;
  /** As above. */
  readonly leaders?: readonly number[];
  readonly topic: string;
  /** The partitions of each connection. */
  readonly clients: readonly (readonly number[])[];
  /** The log's end, by partition. */
  readonly endOffsets: readonly number[];
  /** What to do there: begin again, be done, or wait for more. */
  readonly atEnd: 'again' | 'done' | 'wait';
}

export type Job = ProduceJob | ConsumeJob;

/** Since the process began its job. */
export interface Counters {
  readonly requests: number;
  /** Acknowledged, or received. */
  readonly records: number;
  /** Of whole record batches. */
  readonly bytes: number;
  readonly cpuSeconds: number;
  /** When its clients were connected and began to ask, in ms since the epoch with fractions. */
  readonly begunMs: number;
  /** The time of the counters, in ms since the epoch with fractions. */
  readonly atMs: number;
}

export type Order = { readonly order: 'run'; readonly job: Job } | { readonly order: 'count' | 'stop' };

export type Report =
  | { readonly report: 'running' }
  | { readonly report: 'counters'; readonly counters: Counters }
  /** All that was sent is answered, or all that was asked for is read; nothing more comes. */
  | { readonly report: 'done'; readonly counters: Counters }
  | { readonly report: 'failed'; readonly reason: string };

/** What a producer or a consumer adds up. */
export interface Tally {
  requests: number;
  records: number;
  bytes: number;
}

export interface Client {
  /** Asks for nothing more; resolves once everything is answered. */
  stop(): Promise<void>;
}

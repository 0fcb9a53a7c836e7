/** Gives the records of a share group to a handler, as many at a time as wanted. */
import type { Clock } from '../../base/ports.ts';
import { traceProcess } from '../telemetry/channels.ts';
import { concurrencyOf, RunEnd } from '../consumer/run-end.ts';
import type { RunContext } from '../consumer/runner.ts';
import type { ShareRecord } from './share-record.ts';

export interface ShareRunOptions {
  /** What the handler of a record says of it counts; see `ShareConsumer.run` for what counts when it says nothing. */
  readonly onRecord: (record: ShareRecord, context: Pick<RunContext, 'signal'>) => void | Promise<void>;
  /** A handler has thrown this, and its record comes again. What this throws ends the run. */
  readonly onFailed?: (error: unknown, record: ShareRecord) => void;
  /** Records that are worked on at the same time, 1 or more. Default: 1. */
  readonly concurrency?: number;
  /** Ends the run: handlers finish what they have, then it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What a runner needs of its consumer. */
export interface ShareRunnerHost {
  readonly clock: Clock;
  readonly group: string;
  readonly clientId: string;
  readonly isImplicit: boolean;
  /** The next record, once `mayTake` agrees; undefined when the consumer is closed. */
  next(options: {
    readonly mayTake: () => boolean;
    readonly signal: AbortSignal;
  }): Promise<ShareRecord | undefined>;
  /** `mayTake` may have another opinion. */
  wake(): void;
}

export class ShareRunner {
  readonly #host: ShareRunnerHost;
  readonly #options: ShareRunOptions;
  readonly #concurrency: number;
  /** What handlers have, with when they began (monotonic ms). */
  readonly #active = new Map<ShareRecord, number>();
  #idle: PromiseWithResolvers<void> | undefined;
  readonly #end = new RunEnd(() => this.#host.wake());

  /** Throws TypeError for a concurrency that is none. */
  constructor(host: ShareRunnerHost, options: ShareRunOptions) {
    this.#host = host;
    this.#options = options;
    this.#concurrency = concurrencyOf(options);
  }

  /** Resolves when the consumer has been closed; rejects with what a handler has thrown, or what cannot go on. */
  run(): Promise<void> {
    const { signal } = this.#options;
    return this.#end.run({ loop: () => this.#loop(), whenIdle: () => this.#whenIdle(), signal });
  }

  /** Nothing more is begun; resolves when the handlers have finished what they have. */
  stop(): Promise<void> {
    this.#end.stop();
    return this.#whenIdle();
  }

  /** Since when the handler that has worked longest is at what it has; undefined when all are idle. Monotonic ms. */
  get busySinceMs(): number | undefined {
    return this.#active.values().next().value;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#end;
    const mayTake = (): boolean => this.#active.size < this.#concurrency;
    while (!signal.aborted) {
      const record = await this.#host.next({ mayTake, signal });
      if (record === undefined) return;
      if (signal.aborted) record.release();
      else this.#begin(record);
    }
  }

  #begin(record: ShareRecord): void {
    this.#active.set(record, this.#host.clock.monotonicMs());
    void this.#work(record).finally(() => {
      this.#active.delete(record);
      if (this.#active.size === 0) this.#idle?.resolve();
      this.#host.wake();
    });
  }

  /** Never rejects. */
  async #work(record: ShareRecord): Promise<void> {
    const { group, clientId, isImplicit } = this.#host;
    const context: Pick<RunContext, 'signal'> = { signal: this.#end.signal };
    const handle = (): void | Promise<void> => this.#options.onRecord(record, context);
    try {
      await traceProcess(handle, { of: record.record, group, clientId });
      if (isImplicit && record.outcome === undefined) record.accept();
    } catch (error) {
      if (record.outcome === undefined) record.release();
      this.#failed(error, record);
    }
  }

  #failed(error: unknown, record: ShareRecord): void {
    const { onFailed } = this.#options;
    if (onFailed === undefined) {
      this.#end.stop({ error });
      return;
    }
    try {
      onFailed(error, record);
    } catch (thrown) {
      this.#end.stop({ error: thrown });
    }
  }

  #whenIdle(): Promise<void> {
    if (this.#active.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }
}

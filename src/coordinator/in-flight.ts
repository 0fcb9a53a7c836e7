/** A shard's batches that are in the log and not committed, oldest first, and how long somebody waits for each. */
import type { Logger, Timers } from '../base/ports.ts';
import { Errors } from '../protocol/errors.ts';
import type { CoordinatorLog } from './log.ts';
import { stopFollowing, type Batch, type Waiting } from './shard-batch.ts';

export interface InFlightOptions<E> {
  readonly log: CoordinatorLog;
  readonly ports: { readonly timers: Timers; readonly logger: Logger };
  readonly writeTimeoutMs: () => number;
  /** Everything below `offset` is committed; called before those who waited for it hear of it. */
  readonly committed: (offset: number) => void;
  readonly finish: (waiting: Waiting<E>, errorCode: number) => void;
}

export class InFlight<E> {
  readonly #options: InFlightOptions<E>;
  #batches: Batch<E>[] = [];

  constructor(options: InFlightOptions<E>) {
    this.#options = options;
  }

  get latest(): Batch<E> | undefined {
    return this.#batches.at(-1);
  }

  /** Waits until the high watermark has passed the batch. */
  follow(batch: Batch<E>): void {
    this.#batches.push(batch);
    if (batch.waiting.length > 0) this.#startTimeout(batch);
    let isCommitted = false;
    const callOff = this.#options.log.whenCommitted(batch.endOffset, () => {
      isCommitted = true;
      this.#committed(batch);
    });
    if (!isCommitted) batch.callOff = callOff;
  }

  /** Somebody has seen what the batch says. */
  wait(batch: Batch<E>, waiting: Waiting<E>): void {
    batch.waiting.push(waiting);
    if (batch.timeout === undefined) this.#startTimeout(batch);
  }

  /** Nothing is followed any more. Returns what was. */
  abandon(): Batch<E>[] {
    const batches = this.#batches;
    this.#batches = [];
    for (const batch of batches) stopFollowing(batch);
    return batches;
  }

  /** Those who wait for the batch by now wait no longer than the write timeout; who comes later starts it again. */
  #startTimeout(batch: Batch<E>): void {
    const { ports, writeTimeoutMs } = this.#options;
    batch.timeout = ports.timers.after(writeTimeoutMs(), () => {
      batch.timeout = undefined;
      const { endOffset } = batch;
      ports.logger.warn({ endOffset }, 'a coordinator record has not been committed in time');
      this.finishAll(batch, Errors.REQUEST_TIMED_OUT);
    });
  }

  #committed(batch: Batch<E>): void {
    const position = this.#batches.indexOf(batch);
    if (position < 0) return;
    batch.callOff = undefined;
    const committed = this.#batches.splice(0, position + 1);
    this.#options.committed(batch.endOffset);
    for (const each of committed) {
      stopFollowing(each);
      this.finishAll(each, Errors.NONE);
    }
  }

  finishAll(batch: Batch<E>, errorCode: number): void {
    const { waiting } = batch;
    batch.waiting = [];
    for (const each of waiting) this.#options.finish(each, errorCode);
  }
}

/** How a run of handlers ends: by itself, by what a handler throws, by a signal, or because its consumer is closed. */

export interface RunToEnd {
  /** Hands out until there is no more, or the run is to end. */
  readonly loop: () => Promise<void>;
  /** Resolves when no handler has anything. */
  readonly whenIdle: () => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

export class RunEnd {
  readonly #onStop: (reason: Error) => void;
  readonly #stopping = new AbortController();
  #failure: { readonly error: unknown } | undefined;

  constructor(onStop: (reason: Error) => void) {
    this.#onStop = onStop;
  }

  /** Aborted as soon as nothing more is to be begun. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Nothing more is begun. With a failure, unless there was one before, the run rejects with it. */
  stop(failure?: { readonly error: unknown }): void {
    this.#failure ??= failure;
    if (this.signal.aborted) return;
    const reason = new Error('the run has ended');
    this.#stopping.abort(reason);
    this.#onStop(reason);
  }

  /** Resolves, or rejects with the failure, when handlers have finished what they have. */
  async run({ loop, whenIdle, signal }: RunToEnd): Promise<void> {
    const onAbort = (): void => this.stop({ error: signal!.reason });
    if (signal?.aborted === true) throw signal.reason;
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await loop();
    } catch (error) {
      // A wait that was left because the run ends has nothing to say.
      if (!this.signal.aborted) this.stop({ error });
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    await whenIdle();
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** Throws TypeError for a concurrency that is none. */
export function concurrencyOf({ concurrency = 1 }: { readonly concurrency?: number }): number {
  if (Number.isInteger(concurrency) && concurrency >= 1) return concurrency;
  throw new TypeError(`concurrency is a whole number from 1 on, not ${concurrency}`);
}

/** Waiting, with an end: pauses that grow and scatter (KIP-580), deadlines, and promises that an AbortSignal can leave. */
import type { Random, Timers } from '../base/ports.ts';

export interface Backoff {
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
}

const JITTER = 0.2;
/** 2 ** 20 times the first pause is beyond any longest one. */
const DOUBLINGS_MAX = 20;

/** The pause before try number `failures` + 1, in ms: doubled for each failure, a fifth more or less. */
export function backoffMs(failures: number, backoff: Backoff, random: Random): number {
  const grown = backoff.retryBackoffMs * 2 ** Math.min(DOUBLINGS_MAX, Math.max(0, failures - 1));
  const scatter = 1 + JITTER * (2 * random.float() - 1);
  return Math.min(grown, backoff.retryBackoffMaxMs) * scatter;
}

/** Resolves after the time; rejects with the signal's reason when it is aborted before. */
export function pause(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => {
    timer.cancel();
    reject(signal!.reason as Error);
  };
  const timer = timers.after(ms, () => {
    signal?.removeEventListener('abort', onAbort);
    resolve();
  });
  signal?.addEventListener('abort', onAbort, { once: true });
  return promise;
}

/** `promise`, unless the signal is aborted first: then its reason. What `promise` does is not stopped by that. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => {});
    return Promise.reject(signal.reason as Error);
  }
  const { promise: result, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  return result;
}

/** `promise`, unless `ms` pass first: then the error that `late` makes. */
export function within<T>(
  timers: Timers,
  promise: Promise<T>,
  limit: { readonly ms: number; readonly late: () => Error },
): Promise<T> {
  const { promise: result, resolve, reject } = Promise.withResolvers<T>();
  const timer = timers.after(limit.ms, () => reject(limit.late()));
  promise.then(resolve, reject).finally(() => timer.cancel());
  return result;
}

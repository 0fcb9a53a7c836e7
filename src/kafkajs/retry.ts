/** KafkaJS's retries: so many, with pauses that grow and scatter. */
import type { Random, Timers } from '../base/ports.ts';
import { pause } from '../client/backoff.ts';
import { KafkaJSError, KafkaJSNumberOfRetriesExceeded } from './errors.ts';
import { translated } from './translate.ts';
import type { RetryOptions } from './types.ts';

export interface RetrySettings {
  readonly maxRetryTime: number;
  readonly initialRetryTime: number;
  readonly factor: number;
  readonly multiplier: number;
  readonly retries: number;
  readonly restartOnFailure?: ((error: Error) => Promise<boolean>) | undefined;
}

/** The longest time that timers measure: 24 days. */
export const FOREVER_MS = 2 ** 31 - 1;

/** What the later options say counts. */
export function retrySettings(...options: readonly (RetryOptions | undefined)[]): RetrySettings {
  const given: RetryOptions = Object.assign({}, ...options);
  return {
    maxRetryTime: given.maxRetryTime ?? 30_000,
    initialRetryTime: given.initialRetryTime ?? 300,
    factor: given.factor ?? 0.2,
    multiplier: given.multiplier ?? 2,
    retries: given.retries ?? 5,
    restartOnFailure: given.restartOnFailure,
  };
}

/** All pauses together, in ms: what headrace/client, which counts time and not tries, is given for them. */
export function patienceMs(settings: RetrySettings): number {
  const { initialRetryTime, multiplier, maxRetryTime, retries } = settings;
  let totalMs = 0;
  let waitMs = initialRetryTime;
  for (let n = 0; n < retries && totalMs < FOREVER_MS; n++) {
    totalMs += Math.min(waitMs, maxRetryTime);
    waitMs *= multiplier;
    // Pauses of no length can be as many as they like.
    if (totalMs === 0) return 0;
    if (n > 10_000) return FOREVER_MS;
  }
  return Math.min(totalMs, FOREVER_MS);
}

/** The pauses of one call. */
export class Pauses {
  readonly #settings: RetrySettings;
  readonly #random: Random;
  #nextMs: number;

  constructor(settings: RetrySettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
    this.#nextMs = this.#scattered(settings.initialRetryTime);
  }

  next(): number {
    const waitMs = Math.min(this.#nextMs, this.#settings.maxRetryTime);
    this.#nextMs = this.#scattered(waitMs) * this.#settings.multiplier;
    return waitMs;
  }

  #scattered(ms: number): number {
    return Math.ceil(ms * (1 + this.#settings.factor * (2 * this.#random.float() - 1)));
  }
}

/** Tries until it works. Rejects with KafkaJSNumberOfRetriesExceeded, at once with what cannot pass, or the signal's reason. */
export async function retrying<T>(
  attempt: () => Promise<T>,
  options: {
    readonly settings: RetrySettings;
    readonly random: Random;
    readonly timers: Timers;
    readonly signal?: AbortSignal;
    readonly onFailure?: (error: Error, retryCount: number, retryTime: number) => void;
  },
): Promise<T> {
  const { settings, random, timers, signal, onFailure } = options;
  const pauses = new Pauses(settings, random);
  for (let retryCount = 0; ; retryCount++) {
    const retryTime = pauses.next();
    try {
      return await attempt();
    } catch (error) {
      const named = translated(error);
      if (signal?.aborted === true || !(named instanceof KafkaJSError && named.retriable)) throw named;
      onFailure?.(named, retryCount, retryTime);
      if (retryCount >= settings.retries) {
        throw new KafkaJSNumberOfRetriesExceeded(named, { retryCount, retryTime });
      }
    }
    await pause(timers, retryTime, signal);
  }
}

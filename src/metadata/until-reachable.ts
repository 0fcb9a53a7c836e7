/** A start while the metadata store cannot be reached: after a power cut the brokers may well be up before it. */
import type { Clock, Logger, Timers } from '../base/ports.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { MetadataStoreError } from './store-error.ts';

const RETRY_DELAY_MS = 500;

export interface UntilReachableOptions {
  /** Counted from the call; 0: one attempt. */
  readonly limitMs: number;
  readonly ports: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger };
}

/**
 * Does the work, and does it again while it rejects because the store cannot be reached, did not say what it has done, or
 * has ended a session meanwhile. Rejects as the work did at last, or with the first error of another kind.
 */
export async function untilReachable<T>(
  work: () => Promise<T>,
  { limitMs, ports: { clock, timers, logger } }: UntilReachableOptions,
): Promise<T> {
  const endMs = clock.monotonicMs() + limitMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || clock.monotonicMs() >= endMs) throw error;
      const leftMs = Math.round(endMs - clock.monotonicMs());
      if (attempt === 1)
        logger.warn({ error: (error as Error).message, leftMs }, 'the start waits for the metadata store');
      await new Promise<void>((resolve) => timers.after(RETRY_DELAY_MS, resolve));
    }
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof KafkaError) return error.code === Errors.REQUEST_TIMED_OUT;
  if (!(error instanceof MetadataStoreError)) return false;
  return error.code === 'unavailable' || error.code === 'indeterminate' || error.code === 'sessionNotFound';
}

/** The real clock. */
import type { Clock } from '../base/ports.ts';

export function realClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
  };
}

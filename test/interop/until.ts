// Waiting on foreign processes: they have clocks of their own, so a suite can only look again until it sees what it expects.
import { setTimeout as delay } from 'node:timers/promises';

const TIMEOUT_MS = 60_000;
const INTERVAL_MS = 100;

/** Asks `look` until it answers something other than undefined or false. `what` names the expectation in the error. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  {
    timeoutMs = TIMEOUT_MS,
    intervalMs = INTERVAL_MS,
    seen = () => '',
  }: {
    timeoutMs?: number;
    intervalMs?: number;
    /** what to add to the error: the last state that was looked at */
    seen?: () => string;
  } = {},
): Promise<Exclude<T, undefined | false>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    if (Date.now() >= deadline) throw new Error(`not within ${timeoutMs} ms: ${what} ${seen()}`);
    await delay(intervalMs);
  }
}

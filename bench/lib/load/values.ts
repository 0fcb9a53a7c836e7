/**
 * Record values like those that services send: small JSON events, whose keys repeat and whose values mostly do not, so that
 * codecs find about as much to save as in practice. The same seed gives the same values.
 */

const FIRST = ['amber', 'birch', 'cedar', 'delta', 'ember', 'flint', 'grove', 'harbor', 'islet', 'juniper'];
const SECOND = ['lane', 'market', 'street', 'yard', 'quay', 'works', 'square', 'mill', 'row', 'terrace'];
const ACTIONS = ['viewed', 'added', 'removed', 'ordered', 'paid', 'shipped', 'returned', 'reviewed'];
const CURRENCIES = ['EUR', 'USD', 'GBP', 'JPY'];

/** Numbers from 0 to `below` - 1; good enough to vary text, for nothing else. */
export function sequence(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A value of exactly `sizeBytes`: as many events as it takes, the last one cut. */
export function textValue(sizeBytes: number, next: (below: number) => number): Buffer {
  let text = '';
  while (text.length < sizeBytes) text += event(next);
  return Buffer.from(text.slice(0, sizeBytes), 'latin1');
}

function event(next: (below: number) => number): string {
  const pick = (from: readonly string[]): string => from[next(from.length)];
  const customer = next(0x7fffffff).toString(16).padStart(8, '0');
  return JSON.stringify({
    order: next(100_000_000),
    customer: `c-${customer}`,
    action: pick(ACTIONS),
    amount: next(100_000) / 100,
    currency: pick(CURRENCIES),
    address: `${1 + next(400)} ${pick(FIRST)} ${pick(SECOND)}`,
    session: `${next(0x7fffffff).toString(36)}${next(0x7fffffff).toString(36)}`,
  });
}

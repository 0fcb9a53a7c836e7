/**
 * One clock for all processes of a machine: microseconds of CLOCK_MONOTONIC. `performance.now()` runs with it and is cheap;
 * only where it began differs from process to process.
 */
const READINGS = 100;

/**
 * What `performance.now()` lacks. Between reading the one clock and the other something may come in between (the first
 * reading of all loads code, which takes ms), and makes the difference smaller than it is; the largest is the truest.
 */
function measureBeginMicros(): number {
  let begin = -Infinity;
  for (let reading = 0; reading < READINGS; reading++) {
    const monotonicMicros = Number(process.hrtime.bigint()) / 1_000;
    begin = Math.max(begin, monotonicMicros - performance.now() * 1_000);
  }
  return begin;
}

const beginMicros = measureBeginMicros();

export function nowMicros(): number {
  return beginMicros + performance.now() * 1_000;
}

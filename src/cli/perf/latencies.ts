/** How long things took, counted in buckets that are 1 % wide: percentiles of any number of them in little memory. */

const SMALLEST_MS = 0.01;
const WIDTH = Math.log(1.01);
/** Up to some 20 minutes. */
const BUCKETS = 1_900;

export class Latencies {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    const bucket = Math.floor(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / WIDTH);
    this.#counts[Math.min(BUCKETS - 1, bucket)]! += 1;
    this.#count += 1;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  /** `part` in 0 to 1; 0 while there is nothing. Not above the greatest that there was. */
  percentileMs(part: number): number {
    let left = Math.ceil(part * this.#count);
    if (left === 0) return 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.#counts[bucket]!;
      if (left <= 0) return Math.min(this.#maxMs, SMALLEST_MS * Math.exp(WIDTH * (bucket + 1)));
    }
    return this.#maxMs;
  }

  summary(): Percentiles {
    const at = (part: number): number => Number(this.percentileMs(part).toPrecision(3));
    return {
      count: this.#count,
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      p999Ms: at(0.999),
      maxMs: Number(this.#maxMs.toPrecision(3)),
    };
  }
}

export interface Percentiles {
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export function percentilesText({ p50Ms, p95Ms, p99Ms, p999Ms, maxMs }: Percentiles): string {
  return `50 %: ${p50Ms} ms, 95 %: ${p95Ms} ms, 99 %: ${p99Ms} ms, 99.9 %: ${p999Ms} ms, longest: ${maxMs} ms`;
}

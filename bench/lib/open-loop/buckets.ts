/** The latencies of a long run, told for one stretch of time after the other, so that those of half an hour are not kept. */
import { joinSamples, spreadOf } from '../percentiles.ts';
import type { Samples } from './messages.ts';

export interface Bucket {
  /** Its end, since the first measured latency. */
  readonly minute: number;
  readonly produceP99: number;
  readonly produceMax: number;
  /** 0 when nothing was consumed meanwhile. */
  readonly endToEndP99: number;
  readonly megabytesPerSecond: number;
}

export class Buckets {
  readonly done: Bucket[] = [];
  /** Of batches that were acknowledged, measured or not. */
  batchBytes = 0;
  #produced: Float64Array[] = [];
  #consumed: Float64Array[] = [];
  #bytes = 0;
  #startedAt = 0;
  #since = 0;
  readonly #bucketSeconds: number;
  readonly #onBucket: (bucket: Bucket) => void;

  constructor(bucketSeconds: number, onBucket: (bucket: Bucket) => void) {
    this.#bucketSeconds = bucketSeconds;
    this.#onBucket = onBucket;
  }

  produced({ latencyMs, batchBytes }: Samples): void {
    this.batchBytes += batchBytes;
    if (this.#startedAt === 0) {
      // What comes with the first measured latencies is of the second before: the first bucket begins here.
      if (latencyMs.length > 0) this.#startedAt = this.#since = performance.now();
      return;
    }
    this.#produced.push(latencyMs);
    this.#bytes += batchBytes;
    if ((performance.now() - this.#since) / 1_000 >= this.#bucketSeconds) this.#close();
  }

  consumed({ latencyMs }: Samples): void {
    this.#consumed.push(latencyMs);
  }

  #close(): void {
    const produced = joinSamples(this.#produced);
    const consumed = joinSamples(this.#consumed);
    // A broker that stands still has no latencies to tell; they come when it goes on.
    if (produced.length === 0) return;
    const now = performance.now();
    const { p99, max } = spreadOf(produced);
    const bucket: Bucket = {
      minute: (now - this.#startedAt) / 60_000,
      produceP99: p99,
      produceMax: max,
      endToEndP99: consumed.length === 0 ? 0 : spreadOf(consumed).p99,
      megabytesPerSecond: this.#bytes / 1e3 / (now - this.#since),
    };
    this.done.push(bucket);
    this.#onBucket(bucket);
    this.#since = now;
    this.#bytes = 0;
    this.#produced = [];
    this.#consumed = [];
  }
}

/** For the progress lines. */
export function bucketText({
  minute,
  produceP99,
  produceMax,
  endToEndP99,
  megabytesPerSecond,
}: Bucket): string {
  const produce = `produce p99 ${produceP99.toFixed(1)} max ${produceMax.toFixed(1)}`;
  const ends = `end to end p99 ${endToEndP99.toFixed(1)} ms`;
  return `minute ${minute.toFixed(1)}: ${megabytesPerSecond.toFixed(1)} MB/s, ${produce}, ${ends}`;
}

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
  /** How late requests left the generator. */
  readonly latenessP99: number;
}

export class Buckets {
  readonly done: Bucket[] = [];
  /** Of batches that were acknowledged, measured or not. */
  batchBytes = 0;
  #produced: Float64Array[] = [];
  #consumed: Float64Array[] = [];
  #lateness: Float64Array[] = [];
  #bytes = 0;
  #startedAt = 0;
  #since = 0;
  readonly #bucketSeconds: number;
  readonly #onBucket: (bucket: Bucket) => void;

  constructor(bucketSeconds: number, onBucket: (bucket: Bucket) => void) {
    this.#bucketSeconds = bucketSeconds;
    this.#onBucket = onBucket;
  }

  produced({ latencyMs, latenessMs, batchBytes }: Samples): void {
    this.batchBytes += batchBytes;
    if (this.#startedAt === 0) {
      // What comes with the first measured latencies is of the second before: the first bucket begins here.
      if (latencyMs.length > 0) this.#startedAt = this.#since = performance.now();
      return;
    }
    this.#produced.push(latencyMs);
    this.#lateness.push(latenessMs);
    this.#bytes += batchBytes;
    if ((performance.now() - this.#since) / 1_000 >= this.#bucketSeconds) this.#close();
  }

  consumed({ latencyMs }: Samples): void {
    this.#consumed.push(latencyMs);
  }

  #close(): void {
    const produced = joinSamples(this.#produced);
    const consumed = joinSamples(this.#consumed);
    const late = joinSamples(this.#lateness);
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
      latenessP99: late.length === 0 ? 0 : spreadOf(late).p99,
    };
    this.done.push(bucket);
    this.#onBucket(bucket);
    this.#since = now;
    this.#bytes = 0;
    this.#produced = [];
    this.#consumed = [];
    this.#lateness = [];
  }
}

/** For the progress lines. */
export function bucketText(bucket: Bucket): string {
  const ms = (value: number): string => value.toFixed(1);
  return [
    `minute ${bucket.minute.toFixed(1)}: ${bucket.megabytesPerSecond.toFixed(1)} MB/s`,
    `produce p99 ${ms(bucket.produceP99)} max ${ms(bucket.produceMax)}`,
    `end to end p99 ${ms(bucket.endToEndP99)}`,
    `left late p99 ${ms(bucket.latenessP99)} ms`,
  ].join(', ');
}

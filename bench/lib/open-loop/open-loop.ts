/**
 * Open-loop load as a question asks for it: requests at a fixed rate whether or not the broker keeps up, the latency of
 * each acknowledgement, and with `consumers` the latency from end to end. The generators are processes that live as long
 * as the question, so both sides meet them equally warm.
 */
import { joinSamples } from '../percentiles.ts';
import { nowMicros } from './clock.ts';
import { LoadProcess } from './load-process.ts';
import type { ConsumeRun, ProduceRun, Samples, Summary, Target } from './messages.ts';
import type { ProduceShape } from './produce-frame.ts';

export interface OpenLoopRun {
  readonly port: number;
  readonly targets: readonly Target[];
  readonly connections: number;
  readonly shape: ProduceShape;
  readonly requestsPerSecond: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** Connections that read it all; 0 when only the acknowledgements matter. Needs stamped batches. */
  readonly consumers: number;
  /** Once a second. Samples are not kept then, so that a long run does not hold them all. */
  readonly onProduced?: (samples: Samples) => void;
  readonly onConsumed?: (samples: Samples) => void;
}

export interface OpenLoopResult {
  /** From when a request was meant to leave until it was acknowledged, in ms. */
  readonly produceMs: Float64Array;
  /** From then until a consumer had it, in ms. */
  readonly endToEndMs: Float64Array;
  /** How late requests left: the generator's part in the latencies. */
  readonly latenessMs: Float64Array;
  readonly producer: Summary;
  readonly consumer: Summary | undefined;
  /** All was answered, and soon after the last request: the broker kept up with the rate. */
  readonly isHeld: boolean;
}

/** The threads that keep the time need some ms to begin. */
export const LEAD_MICROS = 500_000;
const HELD_DRAIN_MS_MAX = 1_000;
export const CONSUMER_WAIT_MS_MAX = 60_000;

/** The load processes of one question. `close` lets them end. */
export class OpenLoop {
  readonly #producer = new LoadProcess<ProduceRun>('produce-worker.ts');
  #consumer = new LoadProcess<ConsumeRun>('consume-worker.ts');

  /** Errors: anything that the load met, such as an error code; the processes are of no use then. */
  async run(run: OpenLoopRun): Promise<OpenLoopResult> {
    try {
      return await this.#run(run);
    } catch (error) {
      this.#producer.kill();
      this.#consumer.kill();
      throw error;
    }
  }

  close(): void {
    this.#producer.close();
    this.#consumer.close();
  }

  async #run(run: OpenLoopRun): Promise<OpenLoopResult> {
    const { port, targets, connections, shape, requestsPerSecond, warmupSeconds, seconds } = run;
    const produced: Samples[] = [];
    const consumed: Samples[] = [];
    this.#producer.onSamples = run.onProduced ?? ((samples) => produced.push(samples));
    this.#consumer.onSamples = run.onConsumed ?? ((samples) => consumed.push(samples));
    const schedule = { requestsPerSecond, warmupSeconds, seconds };
    const hasConsumer = run.consumers > 0;
    await this.#producer.prepare({ port, targets, connections, shape, schedule });
    if (hasConsumer) {
      const batches = Math.round((warmupSeconds + seconds) * requestsPerSecond) * shape.batchesPerRequest;
      await this.#consumer.prepare({
        port,
        targets,
        connections: run.consumers,
        shape,
        batches,
        warmupSeconds,
      });
    }
    const startMicros = nowMicros() + LEAD_MICROS;
    const consuming = hasConsumer ? this.#consumer.start(startMicros) : Promise.resolve(undefined);
    // One that fails ends the other's wait too.
    const producer = await Promise.race([
      this.#producer.start(startMicros),
      consuming.then(() => new Promise<never>(() => {})),
    ]);
    const isLost = producer.unanswered > 0;
    const consumer = isLost ? undefined : await within(consuming, CONSUMER_WAIT_MS_MAX);
    if (isLost) this.#restartConsumer(consuming);
    return {
      produceMs: joinSamples(produced.map(({ latencyMs }) => latencyMs)),
      endToEndMs: joinSamples(consumed.map(({ latencyMs }) => latencyMs)),
      latenessMs: joinSamples(produced.map(({ latenessMs }) => latenessMs)),
      producer,
      consumer,
      isHeld: !isLost && producer.drainMs <= HELD_DRAIN_MS_MAX,
    };
  }

  /** It waits for records that do not come. */
  #restartConsumer(consuming: Promise<unknown>): void {
    consuming.catch(() => {});
    this.#consumer.kill();
    this.#consumer = new LoadProcess('consume-worker.ts');
  }
}

/** Errors: what the promise has, or that it took too long. */
export function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new Error(`records that were acknowledged did not come within ${ms} ms`));
    const timer = setTimeout(late, ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

// Writes numbered records with acks=all at a steady rate, each to a known partition, remembers where each was acknowledged, and
// reads everything back at the end: each acknowledged record is where it was said to be, once, and in the order of its partition.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../../src/client/client.ts';
import type { Producer } from '../../src/client/producer/producer.ts';

export interface WriterOptions {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly recordBytes: number;
}

export interface Latency {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const TICK_MS = 10;
/** Records that wait for their acknowledgement while the topic is being filled. */
const FILL_UNDER_WAY_MAX = 2_000;

export class SteadyWriter {
  readonly failures: string[] = [];
  readonly #options: WriterOptions;
  readonly #client: Client;
  readonly #producer: Producer;
  /** By number of the record: its offset; the partition follows from the number. -1: not acknowledged. */
  readonly #offsets: number[] = [];
  #latencies: number[] = [];
  #isOver = false;
  #flow: Promise<void> = Promise.resolve();

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#client = new Client({ bootstrap: options.bootstrap, clientId: 'steady-writer' });
    this.#producer = this.#client.producer({ acks: 'all', createTopics: false });
  }

  get acknowledged(): number {
    return this.#offsets.reduce((count, offset) => (offset >= 0 ? count + 1 : count), 0);
  }

  /** As fast as it goes. */
  async fill(bytes: number): Promise<void> {
    const under = new Set<Promise<void>>();
    for (let left = Math.ceil(bytes / this.#options.recordBytes); left > 0; left--) {
      const one = this.#write().finally(() => under.delete(one));
      under.add(one);
      if (under.size >= FILL_UNDER_WAY_MAX) await Promise.race(under);
    }
    await Promise.all(under);
    this.#latencies = [];
  }

  start(recordsPerSecond: number): void {
    this.#isOver = false;
    this.#flow = (async () => {
      const all = new Set<Promise<void>>();
      const began = performance.now();
      for (let count = 0; !this.#isOver;) {
        const due = ((performance.now() - began) * recordsPerSecond) / 1000;
        for (; count < due; count++) {
          const one = this.#write().finally(() => all.delete(one));
          all.add(one);
        }
        await delay(TICK_MS);
      }
      await Promise.all(all);
    })();
  }

  /** Resolves when all that was written is acknowledged. */
  async pause(): Promise<void> {
    this.#isOver = true;
    await this.#flow;
  }

  async #write(): Promise<void> {
    const { topic, partitions, recordBytes } = this.#options;
    const n = this.#offsets.length;
    this.#offsets.push(-1);
    const began = performance.now();
    try {
      const value = `${n} `.padEnd(recordBytes, 'x');
      const { partition, offset } = await this.#producer.send({ topic, partition: n % partitions, value });
      assert.equal(partition, n % partitions);
      // -1: acknowledged, but it was there already from an earlier try.
      this.#offsets[n] = Math.max(0, offset) + (offset < 0 ? 0.5 : 0);
      this.#latencies.push(performance.now() - began);
    } catch (error) {
      this.failures.push(String(error));
    }
  }

  /** Since the last time it was asked. */
  latency(): Latency {
    const sorted = this.#latencies.sort((a, b) => a - b);
    this.#latencies = [];
    const at = (part: number): number => Math.round(sorted[Math.floor(part * (sorted.length - 1))] ?? 0);
    return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  }

  /** Ends the flow and reads all back. Resolves with how many records are in the topic. */
  async finish(bootstrap: string): Promise<number> {
    await this.pause();
    await this.#producer.close();
    await this.#client.close();
    const client = new Client({ bootstrap, clientId: 'steady-reader' });
    try {
      return await this.#readBack(client);
    } finally {
      await client.close();
    }
  }

  async #readBack(client: Client): Promise<number> {
    const { topic, partitions } = this.#options;
    const consumer = client.consumer({ assign: [{ topic }], from: 'earliest' });
    const missing = new Set(this.#offsets.flatMap((offset, n) => (offset >= 0 ? [n] : [])));
    const last = new Map<number, number>();
    let count = 0;
    while (missing.size > 0) {
      const batch = await consumer.poll({ timeoutMs: 30_000 });
      assert.ok(
        batch !== undefined,
        `${missing.size} acknowledged records are not there, ${[...missing][0]} among them`,
      );
      for (const record of batch.records) {
        const n = Number(record.text!.split(' ', 1)[0]);
        const offset = this.#offsets[n]!;
        assert.equal(record.partition, n % partitions);
        if (Number.isInteger(offset) && offset >= 0) assert.equal(record.offset, offset, `record ${n}`);
        assert.ok(n > (last.get(record.partition) ?? -1), `record ${n} comes twice or too late`);
        last.set(record.partition, n);
        missing.delete(n);
        count += 1;
      }
    }
    return count;
  }
}

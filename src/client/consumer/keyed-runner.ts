/**
 * Gives what a consumer reads to a handler, several records of a partition at a time, those with the same key one after the
 * other. What is done counts up to the first record that is not: a partition's position stands before it, however many
 * are done behind it, so nothing is passed over by a commit.
 */
import { traceProcess } from '../telemetry/channels.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import type { TopicPartition } from './options.ts';
import type { ConsumerBatch, ConsumerRecord } from './record.ts';
import { concurrencyOf, RunEnd } from './run-end.ts';
import type { HandlerRunner, RunContext, RunnerHost, RunOptions } from './runner.ts';

/** Nothing more is taken while so many records, or bytes of them, wait behind others of their key. */
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

interface Slot {
  readonly record: ConsumerRecord;
  readonly row: Row;
  readonly key: string | undefined;
  /** The position once this and all before it are done. */
  readonly nextOffset: number;
  isDone: boolean;
}

/** A partition's records that are not counted as done, in the order of offsets. */
interface Row {
  readonly partition: FetchedPartition;
  readonly turn: number;
  readonly slots: Slot[];
  /** Those that wait for another of their key, which a handler has. */
  readonly byKey: Map<string, Slot[]>;
  readonly stopping: AbortController;
  active: number;
  waitingBytes: number;
  readonly ended: PromiseWithResolvers<void>;
}

export class KeyedRunner implements HandlerRunner {
  readonly #host: RunnerHost;
  readonly #options: RunOptions;
  readonly #concurrency: number;
  readonly #rows = new Map<string, Row>();
  /** Those that may begin. */
  #ready: Slot[] = [];
  /** What handlers have, with when they began (monotonic ms). */
  readonly #active = new Map<Slot, number>();
  readonly #end: RunEnd;

  /** Throws TypeError for a concurrency that is none. */
  constructor(host: RunnerHost, options: RunOptions) {
    this.#host = host;
    this.#options = options;
    this.#concurrency = concurrencyOf(options);
    this.#end = new RunEnd((reason) => {
      for (const row of this.#rows.values()) this.#stopRow(row, reason);
      host.wake();
    });
  }

  /** Resolves when the consumer has been closed; rejects with what a handler has thrown, or the partition's error. */
  run(): Promise<void> {
    const { signal } = this.#options;
    return this.#end.run({ loop: () => this.#loop(), whenIdle: () => this.#whenIdle(), signal });
  }

  /** Nothing more is begun; resolves when the handlers have finished what they have. */
  stop(): Promise<void> {
    this.#end.stop();
    return this.#whenIdle();
  }

  /** These partitions are to be given away: resolves when nobody works on them. */
  async drain(partitions: readonly TopicPartition[]): Promise<void> {
    const names = new Set(partitions.map(({ topic, partition }) => `${topic}-${partition}`));
    const rows = [...this.#rows.values()].filter(({ partition }) => names.has(partition.name));
    for (const row of rows) this.#stopRow(row, new Error('the partition is to be given away'));
    await Promise.all(rows.map(({ ended }) => ended.promise));
  }

  /** Since when the handler that has worked longest is at what it has; undefined when all are idle. Monotonic ms. */
  get busySinceMs(): number | undefined {
    return this.#active.values().next().value;
  }

  /** As `busySinceMs`, of one partition. */
  partitionBusySinceMs({ name }: FetchedPartition): number | undefined {
    for (const [{ row }, sinceMs] of this.#active) if (row.partition.name === name) return sinceMs;
    return undefined;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      const batch = await this.#host.poll({ mayTake: () => this.#mayTake(), signal });
      if (batch === undefined) return;
      const partition = this.#host.partitionOf(batch);
      if (partition === undefined) continue;
      if (partition.inFlight === 0) partition.position = partition.processed = batch.records[0]!.offset;
      if (signal.aborted) this.#host.rewind(partition);
      else this.#add(partition, batch);
    }
  }

  #mayTake(): boolean {
    if (this.#active.size + this.#ready.length >= this.#concurrency) return false;
    let waiting = 0;
    let waitingBytes = 0;
    for (const row of this.#rows.values()) {
      waiting += row.slots.length;
      waitingBytes += row.waitingBytes;
    }
    return waiting < WAITING_MAX && waitingBytes < WAITING_BYTES_MAX;
  }

  #add(partition: FetchedPartition, batch: ConsumerBatch): void {
    let row = this.#rows.get(partition.name);
    // Another turn: what came before has been moved away from, and its handlers end by themselves.
    if (row?.turn !== partition.turn) this.#rows.set(partition.name, (row = newRow(partition)));
    // It comes again once the row has ended.
    if (row.stopping.signal.aborted) return;
    const last = batch.records.at(-1);
    for (const record of batch.records) {
      const nextOffset = record === last ? batch.nextOffset : record.offset + 1;
      const key = record.key?.toString('latin1');
      const slot: Slot = { record, row, key, nextOffset, isDone: false };
      row.slots.push(slot);
      row.waitingBytes += record.sizeBytes;
      partition.inFlight += 1;
      const others = key === undefined ? undefined : row.byKey.get(key);
      if (others !== undefined) others.push(slot);
      else {
        if (key !== undefined) row.byKey.set(key, []);
        this.#ready.push(slot);
      }
    }
    this.#schedule();
  }

  #schedule(): void {
    let taken = 0;
    for (const slot of this.#ready) {
      if (this.#active.size >= this.#concurrency) break;
      taken += 1;
      const { row } = slot;
      if (row.partition.isPaused) this.#stopRow(row, new Error('the partition is paused'));
      if (row.stopping.signal.aborted || row.turn !== row.partition.turn) continue;
      this.#begin(slot);
    }
    if (taken > 0) this.#ready = this.#ready.slice(taken);
  }

  #begin(slot: Slot): void {
    const { row, record } = slot;
    this.#active.set(slot, this.#host.clock.monotonicMs());
    row.active += 1;
    const { group, clientId } = this.#host;
    const context: RunContext = {
      signal: row.stopping.signal,
      progress: () => this.#noteProgress(slot),
    };
    const handle = async (): Promise<void> => {
      await traceProcess(() => this.#options.onRecord!(record, context), { of: record, group, clientId });
    };
    void handle()
      .then(
        () => this.#done(slot),
        (error: unknown) => this.#end.stop({ error }),
      )
      .finally(() => {
        this.#active.delete(slot);
        row.active -= 1;
        this.#endIfIdle(row);
        this.#schedule();
        this.#host.wake();
      });
  }

  /** A sign of life: the slot begins anew, behind all that handlers have. */
  #noteProgress(slot: Slot): void {
    if (!this.#active.delete(slot)) return;
    this.#active.set(slot, this.#host.clock.monotonicMs());
  }

  /** The next of its key may begin, and the position moves if nothing before it is open. */
  #done(slot: Slot): void {
    const { row, key } = slot;
    const { partition, slots } = row;
    slot.isDone = true;
    row.waitingBytes -= slot.record.sizeBytes;
    if (key !== undefined) {
      const next = row.byKey.get(key)?.shift();
      if (next === undefined) row.byKey.delete(key);
      else this.#ready.push(next);
    }
    let count = 0;
    while (slots[count]?.isDone === true) count += 1;
    if (count === 0) return;
    const passed = slots.splice(0, count);
    if (partition.turn !== row.turn) return;
    const { nextOffset, record } = passed.at(-1)!;
    partition.inFlight -= count;
    partition.positionEpoch = record.leaderEpoch;
    // What was passed over without a record lies behind the last one.
    partition.position = partition.processed = partition.inFlight === 0 ? partition.handedTo : nextOffset;
  }

  /** Nothing more of it is begun. */
  #stopRow(row: Row, reason: Error): void {
    if (row.stopping.signal.aborted) return;
    row.stopping.abort(reason);
    this.#endIfIdle(row);
  }

  #endIfIdle(row: Row): void {
    const { partition, turn, slots } = row;
    const isLeft = row.stopping.signal.aborted || partition.turn !== turn;
    if (row.active > 0 || (slots.length > 0 && !isLeft)) return;
    if (this.#rows.get(partition.name) === row) this.#rows.delete(partition.name);
    // What is not done is fetched again.
    if (partition.turn === turn && !partition.isRemoved && slots.length > 0) this.#host.rewind(partition);
    row.ended.resolve();
  }

  async #whenIdle(): Promise<void> {
    await Promise.all(
      [...this.#rows.values(), ...[...this.#active.keys()].map(({ row }) => row)].map(
        ({ ended }) => ended.promise,
      ),
    );
  }
}

function newRow(partition: FetchedPartition): Row {
  return {
    partition,
    turn: partition.turn,
    slots: [],
    byKey: new Map(),
    stopping: new AbortController(),
    active: 0,
    waitingBytes: 0,
    ended: Promise.withResolvers(),
  };
}

/**
 * Batches as a row of records, with the position behind each one that is handed out. No promise is made by hand that
 * is not asked.
 */
import type { FetchedPartition } from './fetched-partition.ts';
import type { ConsumerBatch, ConsumerRecord } from './record.ts';

export interface RecordSource {
  /** Undefined: there is no more. */
  poll(): Promise<ConsumerBatch | undefined>;
  partitionOf(batch: ConsumerBatch): FetchedPartition | undefined;
  /** What was handed out of the partition and not used comes again. */
  rewind(partition: FetchedPartition): void;
  /** The group wants something before more is handed out. */
  isInterrupted(): boolean;
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class RecordIterator implements AsyncIterator<ConsumerRecord, undefined> {
  readonly #source: RecordSource;
  #batch: ConsumerBatch | undefined;
  #partition: FetchedPartition | undefined;
  /** The partition's turn when the batch came: another means that somebody has moved the position. */
  #turn = 0;
  #next = 0;

  constructor(source: RecordSource) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<ConsumerRecord, undefined>> {
    const partition = this.#partition;
    if (partition === undefined || partition.turn !== this.#turn) return this.#more();
    const record = this.#batch!.records[this.#next];
    if (record === undefined) {
      partition.position = this.#batch!.nextOffset;
      return this.#more();
    }
    if (partition.isPaused || this.#source.isInterrupted()) {
      this.#leave();
      return this.#more();
    }
    this.#next += 1;
    partition.processed = record.offset;
    partition.position = record.offset + 1;
    return Promise.resolve({ done: false, value: record });
  }

  return(): Promise<IteratorResult<ConsumerRecord, undefined>> {
    this.#leave();
    return Promise.resolve(END);
  }

  /** The rest of the batch is fetched again when somebody wants it. */
  #leave(): void {
    const partition = this.#partition;
    this.#partition = undefined;
    if (partition === undefined || partition.turn !== this.#turn) return;
    if (this.#next < this.#batch!.records.length) this.#source.rewind(partition);
    else partition.position = this.#batch!.nextOffset;
  }

  async #more(): Promise<IteratorResult<ConsumerRecord, undefined>> {
    for (;;) {
      this.#partition = undefined;
      const batch = await this.#source.poll();
      if (batch === undefined) return END;
      const partition = this.#source.partitionOf(batch);
      const first = batch.records[0];
      if (partition === undefined || first === undefined) continue;
      this.#batch = batch;
      this.#partition = partition;
      this.#turn = partition.turn;
      this.#next = 0;
      return this.next();
    }
  }
}

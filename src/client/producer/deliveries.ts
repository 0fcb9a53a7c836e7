/** Those who wait for records: one promise for a record that was sent alone, one for all records of a call that sent many. */
import type { Batch, Delivery } from './batch.ts';
import type { PartitionQueue } from './partition-queue.ts';
import type { RecordMetadata, SentRange } from './record.ts';

/** Of `send`. */
export class SingleDelivery implements Delivery {
  readonly promise: Promise<RecordMetadata>;
  readonly #queue: PartitionQueue;
  readonly #index: number;
  readonly #timestamp: number;
  readonly #resolve: (metadata: RecordMetadata) => void;
  readonly #reject: (error: Error) => void;

  constructor(queue: PartitionQueue, at: { readonly index: number; readonly timestamp: number }) {
    const { promise, resolve, reject } = Promise.withResolvers<RecordMetadata>();
    this.promise = promise;
    this.#queue = queue;
    this.#index = at.index;
    this.#timestamp = at.timestamp;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onAcknowledged(_batch: Batch, baseOffset: number, logAppendTimeMs: number): void {
    const { topic, index } = this.#queue;
    this.#resolve({
      topic: topic.name,
      partition: index,
      offset: baseOffset < 0 ? -1 : baseOffset + this.#index,
      timestamp: logAppendTimeMs >= 0 ? logAppendTimeMs : this.#timestamp,
    });
  }

  onFailed(error: Error): void {
    this.#reject(error);
  }
}

/** Of `sendAll`: resolves when the last of its batches is acknowledged, rejects with the first failure. */
export class GroupDelivery {
  readonly promise: Promise<SentRange[]>;
  readonly #ranges: SentRange[] = [];
  #waitingFor = 0;
  #isComplete = false;
  #last: GroupPart | undefined;
  readonly #resolve: (ranges: SentRange[]) => void;
  readonly #reject: (error: Error) => void;

  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<SentRange[]>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** The record that was just added to the batch is one of this call's. */
  add(queue: PartitionQueue, batch: Batch): void {
    if (this.#last?.batch === batch) {
      this.#last.count += 1;
      return;
    }
    // Records that come to a batch by turns with another's are found by asking for our part of it.
    const known = batch.deliveries.find((one) => one instanceof GroupPart && one.group === this);
    if (known instanceof GroupPart) {
      known.count += 1;
      this.#last = known;
      return;
    }
    this.#last = new GroupPart(this, queue, batch);
    batch.deliveries.push(this.#last);
    this.#waitingFor += 1;
  }

  /** No record follows. */
  complete(): Promise<SentRange[]> {
    this.#isComplete = true;
    this.#settle();
    return this.promise;
  }

  onPart(range: SentRange): void {
    this.#ranges.push(range);
    this.#waitingFor -= 1;
    this.#settle();
  }

  onFailed(error: Error): void {
    this.#reject(error);
  }

  #settle(): void {
    if (this.#isComplete && this.#waitingFor === 0) this.#resolve(this.#ranges);
  }
}

/** The records of one call in one batch: they follow each other. */
class GroupPart implements Delivery {
  readonly group: GroupDelivery;
  readonly batch: Batch;
  readonly #queue: PartitionQueue;
  readonly #first: number;
  count = 1;

  constructor(group: GroupDelivery, queue: PartitionQueue, batch: Batch) {
    this.group = group;
    this.batch = batch;
    this.#queue = queue;
    this.#first = batch.count - 1;
  }

  onAcknowledged(_batch: Batch, baseOffset: number): void {
    this.group.onPart({
      topic: this.#queue.topic.name,
      partition: this.#queue.index,
      baseOffset: baseOffset < 0 ? -1 : baseOffset + this.#first,
      count: this.count,
    });
  }

  onFailed(error: Error): void {
    this.group.onFailed(error);
  }
}

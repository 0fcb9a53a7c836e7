/**
 * Those who wait for records: one promise for a record that was sent alone, one for all records of a call that sent many, and
 * whoever flushes.
 */
import type { Batch, Delivery } from './batch.ts';
import type { PartitionQueue } from './partition-queue.ts';
import type { RecordMetadata, SentRange } from './record.ts';

/** Of `send`. */
export class SingleDelivery implements Delivery {
  readonly promise: Promise<RecordMetadata>;
  readonly #queue: PartitionQueue;
  #index: number;
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

  split(at: number): [Delivery | undefined, Delivery | undefined] {
    if (this.#index < at) return [this, undefined];
    this.#index -= at;
    return [undefined, this];
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
      this.#last.add();
      return;
    }
    // Records that come to a batch by turns with another's are found by asking for our part of it.
    const known = batch.deliveries.find((one) => one instanceof GroupPart && one.group === this);
    if (known instanceof GroupPart) {
      known.add();
      this.#last = known;
      return;
    }
    const first = batch.count - 1;
    this.#last = new GroupPart(this, queue, { batch, first, last: first, count: 1 });
    batch.deliveries.push(this.#last);
    this.#waitingFor += 1;
  }

  /** No record follows. */
  complete(): Promise<SentRange[]> {
    this.#isComplete = true;
    this.#settle();
    return this.promise;
  }

  /** A part goes on as two. */
  onSplit(): void {
    this.#waitingFor += 1;
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

interface PartRange {
  readonly batch: Batch;
  /** Indexes in the batch. Records of others may lie between them. */
  first: number;
  last: number;
  count: number;
}

/** The records of one call in one batch: they follow each other. */
class GroupPart implements Delivery {
  readonly group: GroupDelivery;
  readonly #queue: PartitionQueue;
  readonly #range: PartRange;

  constructor(group: GroupDelivery, queue: PartitionQueue, range: PartRange) {
    this.group = group;
    this.#queue = queue;
    this.#range = range;
  }

  get batch(): Batch {
    return this.#range.batch;
  }

  /** The record that was just added to the batch. */
  add(): void {
    this.#range.count += 1;
    this.#range.last = this.batch.count - 1;
  }

  onAcknowledged(_batch: Batch, baseOffset: number, logAppendTimeMs: number): void {
    const { first, count } = this.#range;
    this.group.onPart({
      topic: this.#queue.topic.name,
      partition: this.#queue.index,
      baseOffset: baseOffset < 0 ? -1 : baseOffset + first,
      count,
      ...(logAppendTimeMs >= 0 ? { appendTimestamp: logAppendTimeMs } : {}),
    });
  }

  onFailed(error: Error): void {
    this.group.onFailed(error);
  }

  split(at: number): [Delivery | undefined, Delivery | undefined] {
    const range = this.#range;
    const { batch, first, last, count } = range;
    if (last < at) return [this, undefined];
    if (first >= at) {
      range.first -= at;
      range.last -= at;
      return [undefined, this];
    }
    const before = Math.min(count - 1, at - first);
    range.last = at - 1;
    range.count = before;
    this.group.onSplit();
    const rest = { batch, first: 0, last: last - at, count: count - before };
    return [this, new GroupPart(this.group, this.#queue, rest)];
  }
}

/** Of `write`, whose failures are kept until somebody asks for them. */
export class WriteDelivery implements Delivery {
  #failure: Error | undefined;

  /** A record of `write` is in the batch. */
  mark({ deliveries }: Batch): void {
    if (deliveries[deliveries.length - 1] === this) return;
    if (!deliveries.includes(this)) deliveries.push(this);
  }

  onAcknowledged(): void {}

  onFailed(error: Error): void {
    this.#failure ??= error;
  }

  split(): [Delivery, Delivery] {
    return [this, this];
  }

  /** The first since the last time. */
  takeFailure(): Error | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }
}

/** Resolves when all of these are acknowledged or given up. */
export function whenDone(batches: readonly Batch[]): Promise<void> {
  if (batches.length === 0) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = batches.length;
  const onDone = (): void => {
    left -= 1;
    if (left === 0) resolve();
  };
  const delivery: Delivery = {
    onAcknowledged: onDone,
    onFailed: onDone,
    split() {
      left += 1;
      return [delivery, delivery];
    },
  };
  for (const batch of batches) batch.deliveries.push(delivery);
  return promise;
}

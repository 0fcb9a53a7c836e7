/** What users may put between themselves and a producer: to change what is sent, and to hear what became of it. */
import type { Batch, Delivery } from './batch.ts';
import type { PartitionQueue } from './partition-queue.ts';
import type { ProducerRecord, SentRange } from './record.ts';

export interface ProducerInterceptor {
  /** What is sent in place of the record. What it throws, the call that sends rejects with. */
  onSend?(record: ProducerRecord): ProducerRecord;
  /** A batch was acknowledged. It must not throw. */
  onAcknowledged?(range: SentRange): void;
  /** A batch was given up; baseOffset is -1. It must not throw. */
  onFailed?(range: SentRange, error: Error): void;
}

/** The record as all interceptors have left it, the first one first. */
export function intercepted(
  interceptors: readonly ProducerInterceptor[],
  record: ProducerRecord,
): ProducerRecord {
  let sent = record;
  for (const one of interceptors) sent = one.onSend?.(sent) ?? sent;
  return sent;
}

/** Tells the interceptors of one batch. */
export class InterceptedDelivery implements Delivery {
  readonly #interceptors: readonly ProducerInterceptor[];
  readonly #queue: PartitionQueue;

  constructor(interceptors: readonly ProducerInterceptor[], queue: PartitionQueue) {
    this.#interceptors = interceptors;
    this.#queue = queue;
  }

  onAcknowledged(batch: Batch, baseOffset: number): void {
    for (const one of this.#interceptors) one.onAcknowledged?.(this.#range(batch, baseOffset));
  }

  onFailed(error: Error, batch: Batch): void {
    for (const one of this.#interceptors) one.onFailed?.(this.#range(batch, -1), error);
  }

  split(): [Delivery, Delivery] {
    return [this, this];
  }

  #range(batch: Batch, baseOffset: number): SentRange {
    const { topic, index } = this.#queue;
    return { topic: topic.name, partition: index, baseOffset, count: batch.count };
  }
}

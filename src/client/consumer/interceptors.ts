/** What users may put between themselves and a consumer: to change what is handed out, and to hear what was committed. */
import type { OffsetToCommit } from '../group/offsets.ts';
import { ConsumerBatch, type ConsumerRecord } from './record.ts';

export interface ConsumerInterceptor {
  /**
   * What is handed out in place of a batch's records: some of them, in their order; those that are left out count as dealt with.
   * What it throws, whoever asks for records gets, and the batch comes again.
   */
  onReceived?(records: readonly ConsumerRecord[]): readonly ConsumerRecord[];
  /** Offsets were committed for the group. It must not throw. */
  onCommitted?(offsets: readonly OffsetToCommit[]): void;
}

/** The batch as all interceptors have left it, the first one first. */
export function intercepted(
  interceptors: readonly ConsumerInterceptor[],
  batch: ConsumerBatch,
): ConsumerBatch {
  let { records } = batch;
  for (const one of interceptors) records = one.onReceived?.(records) ?? records;
  if (records === batch.records) return batch;
  const { topic, partition, leaderEpoch, nextOffset, highWatermark } = batch;
  return new ConsumerBatch({ topic, partition, leaderEpoch, records, nextOffset, highWatermark });
}

/** Locks that are to begin anew: as a request has them, and who hears of its answer. */
import type { KafkaError } from '../errors.ts';
import { AcknowledgeType } from './acknowledgements.ts';
import type { AcquiredPart, OffsetRange } from './acquired-part.ts';
import { keyOf, type AcknowledgementBatch, type PartitionBatches } from './share-session.ts';

/** Offsets whose lock is to begin anew. */
export interface Renewal extends OffsetRange {
  readonly part: AcquiredPart;
  /** `lockedUntilMs` is monotonic ms. */
  readonly onAnswer: (error: KafkaError | undefined, lockedUntilMs: number) => void;
}

/** As a request has them: one entry for each partition, with its offsets in order. */
export function renewalBatches(renewals: readonly Renewal[]): PartitionBatches[] {
  const byKey = new Map<
    string,
    { readonly at: PartitionBatches['at']; readonly batches: AcknowledgementBatch[] }
  >();
  for (const { part, first, last } of renewals.toSorted((a, b) => a.first - b.first)) {
    const key = keyOf(part.at);
    let one = byKey.get(key);
    if (one === undefined) byKey.set(key, (one = { at: part.at, batches: [] }));
    one.batches.push({ firstOffset: first, lastOffset: last, acknowledgeTypes: [AcknowledgeType.RENEW] });
  }
  return [...byKey.values()];
}

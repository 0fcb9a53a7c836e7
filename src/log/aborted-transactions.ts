/**
 * Making a segment's index of aborted transactions anew. Where a transaction began may be in an earlier segment, so the
 * producer state as of the segment's base comes first, from the snapshots and the batches after them.
 */
import type { LogEnvironment } from './environment.ts';
import type { LogContents } from './log-contents.ts';
import { applyBatch, ProducerSnapshots } from './producer-snapshots.ts';
import { ProducerState } from './producer-state.ts';
import { scanBatches } from './scan.ts';
import type { Segment } from './segment.ts';
import type { AbortedTransaction } from './transaction-index.ts';

/** Throws what the disk throws. The segment then has the index in memory, to be written. */
export function rebuildAborted(environment: LogEnvironment, log: LogContents, segment: Segment): void {
  const { folder, segments } = log;
  const endOffset = segment.baseOffset;
  const offsets = log.snapshots.offsets.filter((offset) => offset <= endOffset);
  const state = new ProducerState();
  new ProducerSnapshots(environment, folder, offsets).load(state, segments, endOffset);
  const aborted: AbortedTransaction[] = [];
  scanBatches(segment.file(), { from: 0, to: segment.sizeBytes }, (buffer, at) => {
    const completed = applyBatch(state, buffer, at);
    if (completed?.isAbort) aborted.push(completed);
    return true;
  });
  segment.setAborted(aborted);
}

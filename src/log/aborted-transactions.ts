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
import { DamagedIndex } from './storage-error.ts';
import type { AbortedTransaction } from './transaction-index.ts';

/** The segment's index is in memory, made anew if its file is damaged. Throws what the disk throws. */
export function loadAborted(environment: LogEnvironment, log: LogContents, segment: Segment): void {
  try {
    segment.abortedTransactions();
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    environment.logger.warn({ problem: error.message }, 'an index is made anew by a scan');
    rebuild(environment, log, segment);
  }
}

function rebuild(environment: LogEnvironment, log: LogContents, segment: Segment): void {
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

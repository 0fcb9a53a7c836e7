/**
 * Where a follower's log has to be cut, so that it is a beginning of its leader's (KIP-101, KIP-279, KIP-595). The watermark
 * says nothing about that: it may be too low, and what lies above it may be committed.
 */
import type { Log } from '../log/log.ts';

/** The largest epoch, not above the one asked for, that the leader knows, and where it ends there. */
export interface DivergingEpoch {
  readonly epoch: number;
  readonly endOffset: number;
}

type EpochsOf = Pick<Log, 'endOffsetForEpoch' | 'logEndOffset'>;

/**
 * The new end of the log. It may still be too far: where we do not have the leader's epoch we cut to the end of the one
 * below, and the next fetch, with that epoch, tells whether the leader has it.
 */
export function truncationOffset(log: EpochsOf, diverging: DivergingEpoch): number {
  const own = log.endOffsetForEpoch(diverging.epoch);
  const known = own.endOffset < 0 ? log.logEndOffset : own.endOffset;
  const end = own.epoch >= 0 && own.epoch !== diverging.epoch ? known : Math.min(known, diverging.endOffset);
  return Math.max(0, Math.min(end, log.logEndOffset));
}

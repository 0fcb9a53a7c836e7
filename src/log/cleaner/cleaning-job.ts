/**
 * A cleaning as plain values: what is to be cleaned, and what came of it. They go to whoever does the work, which may be
 * another thread, and back.
 */
import type { AbortedTransaction } from '../transaction-index.ts';

export interface JobSegment {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  /** The base offset of the one after it. */
  readonly nextBaseOffset: number;
}

/** The last that an active producer wrote; it keeps the producer's epoch and sequence alive. */
export interface LastOfProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** -1: of its epoch there is only a marker. */
  readonly lastDataOffset: number;
}

export interface CleaningJob {
  /** `topic-partition` */
  readonly name: string;
  readonly folder: string;
  /** All that lie below `firstUncleanableOffset` and not wholly below the log's start, in order. */
  readonly segments: readonly JobSegment[];
  readonly firstDirtyOffset: number;
  /** The base offset of a segment. */
  readonly firstUncleanableOffset: number;
  /** Those that overlap the segments. */
  readonly aborted: readonly AbortedTransaction[];
  readonly lastOfProducers: readonly LastOfProducer[];
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  readonly maxDecompressedBytes: number;
  readonly mapBytesMax: number;
  readonly mapLoadFactor: number;
  readonly ioBufferBytes: number;
  /** For the fingerprints of keys. */
  readonly hashKey: Uint8Array;
}

/** Files with the mark `.cleaned`, durable but for their names, that are to take the place of `sources`. */
export interface CleanedGroup {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  readonly hasTransactionIndex: boolean;
  /** Base offsets. */
  readonly sources: readonly number[];
}

export interface CleaningStats {
  /** From here on the log is dirty. */
  endOffset: number;
  passSegments: number;
  mapBytesRead: number;
  mapRecordsRead: number;
  mapTookMs: number;
  mapKeys: number;
  mapUtilization: number;
  bytesRead: number;
  recordsRead: number;
  /** Records without a key, from a time when the topic was not compacted: they go. */
  recordsWithoutKey: number;
  bytesKept: number;
  recordsKept: number;
  /** The whole of it, with the waiting for the limit on bytes per second. */
  tookMs: number;
}

export function emptyStats(): CleaningStats {
  return {
    endOffset: 0,
    passSegments: 0,
    mapBytesRead: 0,
    mapRecordsRead: 0,
    mapTookMs: 0,
    mapKeys: 0,
    mapUtilization: 0,
    bytesRead: 0,
    recordsRead: 0,
    recordsWithoutKey: 0,
    bytesKept: 0,
    recordsKept: 0,
    tookMs: 0,
  };
}

/** Whoever does the work is told and asked by these. */
export interface CleaningControl {
  /** After each piece of work: so many bytes were read or written. Rejects with CleaningAborted when it is to end. */
  step(bytes: number): Promise<void>;
  /** Resolves when the segment has taken its place in the log. */
  swap(group: CleanedGroup): Promise<void>;
}

/** The log was deleted, moved or cut, or the broker stops: no failure. */
export class CleaningAborted extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'CleaningAborted';
  }
}

/** The log cannot be cleaned as it is: others go on, this one is left alone until the next start. */
export class UncleanableLog extends Error {
  constructor(problem: string, options?: { cause?: unknown }) {
    super(problem, options);
    this.name = 'UncleanableLog';
  }
}

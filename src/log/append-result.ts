/** What an append is told and what it answers. */
import type { AppendOrigin, BatchMetadata } from './producer-state.ts';
import type { RecordError } from './record-walker.ts';
import type { Verification } from './verification.ts';

export interface AppendOptions {
  readonly leaderEpoch: number;
  readonly origin: AppendOrigin;
  readonly nowMs: number;
  /** Version of the Produce request. */
  readonly produceVersion?: number;
  /** Of the producer or marker (KIP-890); 0 when unknown. */
  readonly transactionVersion?: number;
  /** Of a transactional batch: what came of asking for its transaction. Undefined: it is not to be checked. */
  readonly verification?: Verification | undefined;
}

export interface AppendResult {
  readonly errorCode: number;
  readonly errorMessage?: string;
  readonly recordErrors: readonly RecordError[];
  /** -1 after an error; those of the original batch for a duplicate. */
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** -1 unless the topic has LogAppendTime. */
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
  /** The batch was in the log already: nothing was appended. */
  readonly duplicate: boolean;
}

export const NO_RECORD_ERRORS: readonly RecordError[] = [];

export function refusal(
  why: { readonly errorCode: number; readonly errorMessage: string; readonly logStartOffset: number },
  recordErrors: readonly RecordError[] = NO_RECORD_ERRORS,
): AppendResult {
  return {
    errorCode: why.errorCode,
    errorMessage: why.errorMessage,
    recordErrors,
    baseOffset: -1,
    lastOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: why.logStartOffset,
    duplicate: false,
  };
}

/** The answer to a retry: where the original is. */
export function duplicate(original: BatchMetadata, logStartOffset: number): AppendResult {
  return {
    errorCode: 0,
    recordErrors: NO_RECORD_ERRORS,
    baseOffset: original.lastOffset - original.offsetDelta,
    lastOffset: original.lastOffset,
    // Whatever the topic's type of timestamps: the retry learns the original's.
    logAppendTimeMs: original.timestamp,
    logStartOffset,
    duplicate: true,
  };
}

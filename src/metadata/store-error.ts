/** What a metadata store rejects with, the same for every implementation. */

/**
 * `indeterminate`: the change may have happened, or may yet. `refused`: it did not happen and will not, the
 * request was wrong. `unavailable`: it did not happen and will not, the store could not be reached; it may be
 * tried again. `sessionNotFound`: it did not happen, its session has ended. `compacted`: the events
 * asked for are gone. `failed`: the store cannot be used any more; what was under way is indeterminate.
 * `inUse`: another process has it open. `closed`: closed by its user.
 */
export type StoreErrorCode =
  | 'indeterminate'
  | 'refused'
  | 'unavailable'
  | 'sessionNotFound'
  | 'compacted'
  | 'inUse'
  | 'failed'
  | 'closed';

export class MetadataStoreError extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'MetadataStoreError';
    this.code = code;
  }
}

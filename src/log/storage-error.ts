/** What the log throws to its callers. Everything else that goes wrong is an error code in a result. */
import { DiskError } from '../base/ports.ts';
import { Errors } from '../protocol/errors.ts';

/**
 * The log cannot be used: its directory failed, or its files are damaged. A DiskError for callers, who make
 * KAFKA_STORAGE_ERROR of each; the log itself must tell it from one that the disk has just thrown.
 */
export class StorageError extends DiskError {
  readonly errorCode = Errors.KAFKA_STORAGE_ERROR;
  constructor(message: string, options?: { cause?: unknown }) {
    super('EIO', '', options);
    this.name = 'StorageError';
    this.message = message;
  }
}

/** The offset lies outside of what the log holds. */
export class OffsetOutOfRange extends Error {
  readonly errorCode = Errors.OFFSET_OUT_OF_RANGE;
  constructor(offset: number, range: { readonly from: number; readonly to: number }) {
    super(`offset ${offset} is outside of the log, which holds ${range.from} to ${range.to}`);
    this.name = 'OffsetOutOfRange';
  }
}

/** Failures that say nothing against the device: the same call may succeed later. */
const PASSING = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN']);

export function isPassing(error: unknown): boolean {
  return error instanceof DiskError && !(error instanceof StorageError) && PASSING.has(error.code);
}

/** An index that can be made anew from the batches. */
export class DamagedIndex extends StorageError {}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

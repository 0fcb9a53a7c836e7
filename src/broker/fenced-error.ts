/** The error by which a producer learns that another one has taken its place. */
import { Errors, type ErrorCode } from '../protocol/errors.ts';

/** Clients from before KIP-588 know PRODUCER_FENCED by another name. */
export function fencedError(errorCode: ErrorCode, knowsFenced: boolean): ErrorCode {
  return errorCode === Errors.PRODUCER_FENCED && !knowsFenced ? Errors.INVALID_PRODUCER_EPOCH : errorCode;
}

/**
 * What a decision of the controller yields: a change of the store, given as compares and operations, and the answer for
 * whoever asked. A refusal is a value like any other; the messages are those that Kafka's clients show their users.
 */
import type { Compare, Operation } from '../base/ports.ts';
import { errorName, Errors, type ErrorCode } from '../protocol/errors.ts';

/** An error code and its message; NONE comes with null. */
export interface Outcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export const SUCCESS: Outcome = { errorCode: Errors.NONE, errorMessage: null };

/** Kafka's messages for errors that are reported without one of their own. */
const MESSAGES: ReadonlyMap<number, string> = new Map<ErrorCode, string>([
  [Errors.UNKNOWN_SERVER_ERROR, 'The server experienced an unexpected error when processing the request.'],
  [Errors.UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic-partition.'],
  [Errors.UNKNOWN_TOPIC_ID, 'This server does not host this topic ID.'],
  [Errors.REQUEST_TIMED_OUT, 'The request timed out.'],
  [Errors.NOT_CONTROLLER, 'This is not the correct controller for this cluster.'],
  [Errors.TOPIC_AUTHORIZATION_FAILED, 'Topic authorization failed.'],
  [Errors.GROUP_AUTHORIZATION_FAILED, 'Group authorization failed.'],
  [Errors.CLUSTER_AUTHORIZATION_FAILED, 'Cluster authorization failed.'],
  [Errors.TOPIC_DELETION_DISABLED, 'Topic deletion is disabled.'],
  [Errors.ELECTION_NOT_NEEDED, 'Leader election not needed for topic partition.'],
  [Errors.PREFERRED_LEADER_NOT_AVAILABLE, 'The preferred leader was not available.'],
  [Errors.ELIGIBLE_LEADERS_NOT_AVAILABLE, 'Eligible topic partition leaders are not available.'],
]);

/** Without a message: the error's own. Null where Kafka sends none. */
export function refusal(errorCode: number, message?: string | null): Outcome {
  if (message !== undefined) return { errorCode, errorMessage: message };
  return { errorCode, errorMessage: MESSAGES.get(errorCode) ?? errorName(errorCode) };
}

/** All or nothing: `operations` are applied at one revision if every compare holds. */
export interface Decision<T> {
  readonly compares: readonly Compare[];
  /** Empty: nothing changes, and `result` is the answer as it is. */
  readonly operations: readonly Operation[];
  /**
   * It puts a value that may be there already, under another session: what is read afterwards does not tell whether it was
   * done, so after an unknown outcome it is done again.
   */
  readonly isRenewal?: boolean;
  readonly result: T;
}

/** A decision that changes nothing. */
export function answer<T>(result: T): Decision<T> {
  return { compares: [], operations: [], result };
}

/** Collects the changes of one decision. */
export class Change {
  readonly compares: Compare[] = [];
  readonly operations: Operation[] = [];

  /** Writes `value`, provided that the key is still at `modRevision` (0: does not exist). */
  put(key: string, modRevision: number, value: Buffer): void {
    this.compares.push({ key, modRevision });
    this.operations.push({ type: 'put', key, value });
  }

  /** Removes the key, provided that it is still at `modRevision`. */
  delete(key: string, modRevision: number): void {
    this.compares.push({ key, modRevision });
    this.operations.push({ type: 'delete', key });
  }

  /** Another part of the image that the decision rests on. */
  expect(key: string, modRevision: number): void {
    this.compares.push({ key, modRevision });
  }

  decide<T>(result: T): Decision<T> {
    return { compares: this.compares, operations: this.operations, result };
  }
}

/** What a client is told when a coordinator's records could not be written: the log's errors mean nothing to it. */
import { Errors } from '../protocol/errors.ts';

/** The error for clients that stands for the error of an append (Kafka's CoordinatorOperationExceptionHelper). */
export function coordinatorError(appendError: number): number {
  switch (appendError) {
    case Errors.UNKNOWN_TOPIC_OR_PARTITION:
    case Errors.NOT_ENOUGH_REPLICAS:
    case Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case Errors.REQUEST_TIMED_OUT:
      return Errors.COORDINATOR_NOT_AVAILABLE;
    case Errors.NOT_LEADER_OR_FOLLOWER:
    case Errors.KAFKA_STORAGE_ERROR:
      return Errors.NOT_COORDINATOR;
    case Errors.MESSAGE_TOO_LARGE:
    case Errors.RECORD_LIST_TOO_LARGE:
    case Errors.INVALID_FETCH_SIZE:
      return Errors.UNKNOWN_SERVER_ERROR;
    default:
      return appendError;
  }
}

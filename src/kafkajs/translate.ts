/** What headrace/client throws, as KafkaJS throws it. */
import { KafkaError, isKafkaError } from '../client/errors.ts';
import { errorName } from '../protocol/errors.ts';
import {
  KafkaJSBrokerNotFound,
  KafkaJSConnectionError,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
  KafkaJSRequestTimeoutError,
  KafkaJSSASLAuthenticationError,
  KafkaJSServerDoesNotSupportApiKey,
  KafkaJSTimeout,
} from './errors.ts';

/** Where KafkaJS has kept the older of Kafka's two names. */
const OLDER_NAMES: Readonly<Record<string, string>> = {
  UNKNOWN_SERVER_ERROR: 'UNKNOWN',
  NOT_LEADER_OR_FOLLOWER: 'NOT_LEADER_FOR_PARTITION',
  COORDINATOR_LOAD_IN_PROGRESS: 'GROUP_LOAD_IN_PROGRESS',
  COORDINATOR_NOT_AVAILABLE: 'GROUP_COORDINATOR_NOT_AVAILABLE',
  NOT_COORDINATOR: 'NOT_COORDINATOR_FOR_GROUP',
};

/** The error as KafkaJS names it. What is no KafkaError, an application's own for example, stays as it is. */
export function translated(error: unknown): Error {
  if (!(error instanceof KafkaError)) return Error.isError(error) ? error : new Error(String(error));
  const { message, cause } = error;
  switch (error.errorName) {
    case 'NETWORK_EXCEPTION':
    case 'TLS_REFUSED':
      // What an authenticator of the application's own has thrown comes out of the attempt to connect.
      if (cause instanceof KafkaJSError) return cause;
      return new KafkaJSConnectionError(message, { code: systemCode(error), cause });
    case 'BROKER_NOT_AVAILABLE':
      return new KafkaJSBrokerNotFound(message, { cause });
    case 'REQUEST_TIMED_OUT':
      // A broker says that, too; what the client says has the connection's failure as its cause.
      return cause === undefined ? protocolError(error) : new KafkaJSRequestTimeoutError(message);
    case 'SASL_AUTHENTICATION_FAILED':
    case 'UNSUPPORTED_SASL_MECHANISM':
      return new KafkaJSSASLAuthenticationError(message, { cause });
    case 'UNSUPPORTED_API':
      return new KafkaJSServerDoesNotSupportApiKey(message);
    case 'DELIVERY_TIMEOUT':
      return new KafkaJSNumberOfRetriesExceeded(cause === undefined ? message : translated(cause));
    case 'TIMEOUT':
      return cause === undefined ? new KafkaJSTimeout(message) : translated(cause);
    case 'CALLBACK_FAILED':
      return cause === undefined ? new KafkaJSNonRetriableError(message) : translated(cause);
    default:
      if (error.code !== undefined) return protocolError(error);
      return new KafkaJSError(message, { retriable: error.retriable, cause });
  }
}

/**
 * As `translated`; what could have passed, and did not in all the tries, is KafkaJSNumberOfRetriesExceeded. That a topic is not
 * there is an answer.
 */
export function translatedAfterTries(error: unknown): Error {
  const named = translated(error);
  const isExhausted =
    named instanceof KafkaJSError &&
    named.retriable &&
    isKafkaError(error) &&
    error.errorName !== 'UNKNOWN_TOPIC_OR_PARTITION';
  return isExhausted ? new KafkaJSNumberOfRetriesExceeded(named) : named;
}

/** What a broker has answered, by its number. */
export function brokerAnswered(code: number, message: string, retriable = false): KafkaJSProtocolError {
  return new KafkaJSProtocolError(Object.assign(new Error(message), { type: typeOf(code), code, retriable }));
}

function protocolError(error: KafkaError): KafkaJSProtocolError {
  const code = error.code!;
  const { retriable } = error;
  return new KafkaJSProtocolError(
    Object.assign(new Error(error.message), { type: typeOf(code), code, retriable }),
    { cause: error.cause },
  );
}

function typeOf(code: number): string {
  const name = errorName(code);
  return OLDER_NAMES[name] ?? name;
}

function systemCode(error: Error): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
  }
  return undefined;
}

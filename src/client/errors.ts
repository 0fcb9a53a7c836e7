/**
 * What goes wrong for a user of the client, as one class: Kafka's name and code, whether trying again may help, and what to do
 * about it. What the client finds out by itself (a time that is over, a connection that broke) has a name of its own.
 */
import { AssertionError } from '../base/assert.ts';
import { TlsError } from '../base/ports.ts';
import { errorName, Errors, isRetriable } from '../protocol/errors.ts';
import { ClientConnectionError } from '../rpc/client-connection.ts';

/** Names of what no broker says. NETWORK_EXCEPTION and REQUEST_TIMED_OUT are Kafka's, and may come from both sides. */
export type OwnErrorName =
  /** The client, producer or consumer has been closed. */
  | 'CLOSED'
  /** A record was not acknowledged in `deliveryTimeoutMs`; it may have been written or not. */
  | 'DELIVERY_TIMEOUT'
  /** What was asked for did not happen in its time. */
  | 'TIMEOUT'
  /** The broker has no version of the API that this client knows. */
  | 'UNSUPPORTED_API'
  /** A broker's certificate is not believed, or it does not believe this client's; or it does not speak TLS. */
  | 'TLS_REFUSED'
  /** What the caller gave makes no sense. */
  | 'INVALID_ARGUMENT'
  /** The log was cut below the consumer's position (KIP-320). */
  | 'LOG_TRUNCATION'
  /** What a broker answered cannot be understood. */
  | 'INVALID_ANSWER'
  /** A key or value could not be turned into bytes, or bytes into a key or value. */
  | 'SERIALIZATION'
  /** A function of the user's, such as `onAssigned`, has thrown: see the cause. */
  | 'CALLBACK_FAILED'
  /** The consumer is no longer the owner of what it wants to commit. */
  | 'PARTITION_LOST'
  /** The lock of a share group's record ended, or its session, before anything was said of it: it comes again. */
  | 'ACQUISITION_LOST';

export interface KafkaErrorOptions {
  /** Kafka's number; undefined for the client's own errors. */
  readonly code?: number | undefined;
  readonly retriable?: boolean;
  /** The producer, consumer or client cannot be used any more. */
  readonly fatal?: boolean;
  /** The transaction must be aborted; the producer can go on afterwards. */
  readonly abortable?: boolean;
  readonly advice?: string | undefined;
  readonly cause?: unknown;
}

/** The one error that this client throws, besides the reason of an AbortSignal, with which an aborted call rejects. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError';
  /** Kafka's name, for example `NOT_LEADER_OR_FOLLOWER`, or one of the client's own. */
  readonly errorName: string;
  readonly code: number | undefined;
  /** The same call may succeed later. The client has tried that by itself before it gave up. */
  readonly retriable: boolean;
  readonly fatal: boolean;
  readonly abortable: boolean;
  /** What to do about it, in a sentence; undefined when there is nothing to say that the name does not. */
  readonly advice: string | undefined;

  constructor(name: string, message: string, options: KafkaErrorOptions = {}) {
    const advice = options.advice ?? ADVICE[name];
    const text = advice === undefined ? `${name}: ${message}` : `${name}: ${message} (${advice})`;
    super(text, options.cause === undefined ? undefined : { cause: options.cause });
    this.errorName = name;
    this.code = options.code;
    this.retriable = options.retriable ?? false;
    this.fatal = options.fatal ?? false;
    this.abortable = options.abortable ?? false;
    this.advice = advice;
  }
}

/** The message without the name before and the advice after it. */
export function textOf({ message, errorName, advice }: KafkaError): string {
  const end = advice === undefined ? message.length : message.length - advice.length - 3;
  return message.slice(errorName.length + 2, end);
}

/** The error that a broker answered; `what` says to which question, with names. */
export function brokerError(code: number, what: string, options: KafkaErrorOptions = {}): KafkaError {
  return new KafkaError(errorName(code), what, {
    code,
    retriable: isRetriable(code),
    fatal: FATAL.has(code),
    ...options,
  });
}

export function ownError(name: OwnErrorName, message: string, options: KafkaErrorOptions = {}): KafkaError {
  return new KafkaError(name, message, options);
}

/** Calls a function of the user's. Rejects with CALLBACK_FAILED, so that it is not taken for a failure of the network. */
export async function callBack(name: string, call: () => void | Promise<void>): Promise<void> {
  try {
    await call();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw ownError('CALLBACK_FAILED', `${name}: ${reason}`, { cause: error });
  }
}

/** A request that has no answer, as an error. What is a KafkaError already stays as it is. */
export function connectionError(error: unknown, what: string): KafkaError {
  if (error instanceof KafkaError) return error;
  if (error instanceof TypeError || error instanceof RangeError || error instanceof AssertionError) {
    return ownError('INVALID_ARGUMENT', `${what}: ${error.message}`, { cause: error });
  }
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof ClientConnectionError && error.failure === 'invalid') {
    return ownError('INVALID_ANSWER', `${what}: ${reason}`, { cause: error });
  }
  if (error instanceof TlsError && isTlsRefusal(error.cause)) {
    return ownError('TLS_REFUSED', `${what}: ${reason}`, { fatal: true, cause: error });
  }
  const isLate = error instanceof ClientConnectionError && error.failure === 'timedOut';
  const code = isLate ? Errors.REQUEST_TIMED_OUT : Errors.NETWORK_EXCEPTION;
  return brokerError(code, `${what}: ${reason}`, { retriable: true, cause: error });
}

/** The other side has gone in the middle of a handshake, which passes; anything else has to be put right. */
function isTlsRefusal(cause: unknown): boolean {
  const code = (cause as { code?: string } | undefined)?.code;
  return code !== undefined && code !== 'ECONNRESET';
}

export function isKafkaError(error: unknown, ...names: readonly string[]): error is KafkaError {
  return error instanceof KafkaError && (names.length === 0 || names.includes(error.errorName));
}

export function isRetriableError(error: unknown): boolean {
  return error instanceof KafkaError && error.retriable;
}

/** After these the object that got them is of no more use. */
const FATAL: ReadonlySet<number> = new Set([
  Errors.SASL_AUTHENTICATION_FAILED,
  Errors.UNSUPPORTED_SASL_MECHANISM,
  Errors.CLUSTER_AUTHORIZATION_FAILED,
  Errors.PRODUCER_FENCED,
  Errors.FENCED_INSTANCE_ID,
  Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  Errors.GROUP_AUTHORIZATION_FAILED,
]);

const ADVICE: Readonly<Record<string, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'create the topic first, or check its name and that you may see it',
  MESSAGE_TOO_LARGE: "raise the topic's max.message.bytes, or send smaller records",
  NOT_ENOUGH_REPLICAS: 'fewer replicas are in sync than min.insync.replicas asks for',
  TOPIC_AUTHORIZATION_FAILED: 'the principal needs an ACL for this topic',
  GROUP_AUTHORIZATION_FAILED: 'the principal needs an ACL for this group',
  CLUSTER_AUTHORIZATION_FAILED: 'the principal needs an ACL on the cluster',
  SASL_AUTHENTICATION_FAILED: 'check the user and the password, or the token',
  UNSUPPORTED_SASL_MECHANISM: 'the listener offers other mechanisms: see sasl.enabled.mechanisms',
  PRODUCER_FENCED: 'another producer uses the same transactional id',
  FENCED_INSTANCE_ID: 'another member uses the same group.instance.id',
  OFFSET_OUT_OF_RANGE: 'the records are gone by retention or truncation: seek, or set onOutOfRange',
  INCONSISTENT_GROUP_PROTOCOL: 'the members of the group share no assignor',
  ILLEGAL_SASL_STATE: 'the listener wants no authentication, or TLS: check the port',
  NON_EMPTY_GROUP: 'the group still has members',
  TLS_REFUSED: "check the port, the authorities, the host's name and the certificates",
  CLOSED: 'it was closed before or while this call ran',
  DELIVERY_TIMEOUT: 'the record may have been written or not; see the cause',
  UNSUPPORTED_API: 'the broker is too old for this call, or too new for this client',
};

/**
 * KafkaJS's error classes, with the fields that applications look at: `name`, `retriable`, and `type` and `code` where a broker
 * has said what is wrong. They are made by `translate.ts` from what headrace/client throws.
 */
import type { PartitionMetadata } from './types.ts';

export interface KafkaJSErrorMetadata {
  readonly retriable?: boolean | undefined;
  readonly topic?: string;
  readonly partitionId?: number;
  readonly metadata?: PartitionMetadata;
  readonly cause?: unknown;
}

/** What is known of a failure before it has a class. */
type Reason = Error | string;

function textOf(reason: Reason): string {
  return typeof reason === 'string' ? reason : reason.message;
}

export class KafkaJSError extends Error {
  override name = 'KafkaJSError';
  readonly retriable: boolean;
  declare readonly helpUrl?: string;
  declare readonly cause?: Error;

  constructor(reason: Reason, { retriable = true, cause }: KafkaJSErrorMetadata = {}) {
    super(textOf(reason), cause === undefined ? undefined : { cause });
    this.retriable = retriable;
  }
}

export class KafkaJSNonRetriableError extends KafkaJSError {
  override name = 'KafkaJSNonRetriableError';

  constructor(reason: Reason, { cause }: { readonly cause?: unknown } = {}) {
    super(reason, { retriable: false, cause });
  }
}

/** What a broker has answered. */
interface ProtocolReason extends Error {
  readonly type?: string;
  readonly code?: number | undefined;
  readonly retriable?: boolean;
}

export class KafkaJSProtocolError extends KafkaJSError {
  override name = 'KafkaJSProtocolError';
  /** The name of the broker's error, for example `UNKNOWN_TOPIC_OR_PARTITION`. */
  readonly type: string;
  readonly code: number;

  constructor(reason: ProtocolReason | string, { retriable, cause }: KafkaJSErrorMetadata = {}) {
    const given: Partial<ProtocolReason> = typeof reason === 'string' ? {} : reason;
    super(reason, { retriable: retriable ?? given.retriable, cause });
    this.type = given.type ?? 'UNKNOWN';
    this.code = given.code ?? -1;
  }
}

export interface KafkaJSOffsetOutOfRangeMetadata {
  readonly topic: string;
  readonly partition: number;
}

export class KafkaJSOffsetOutOfRange extends KafkaJSProtocolError {
  override name = 'KafkaJSOffsetOutOfRange';
  readonly topic: string;
  readonly partition: number;

  constructor(reason: ProtocolReason | string, { topic, partition }: KafkaJSOffsetOutOfRangeMetadata) {
    super(reason);
    this.topic = topic;
    this.partition = partition;
  }
}

export class KafkaJSMemberIdRequired extends KafkaJSProtocolError {
  override name = 'KafkaJSMemberIdRequired';
  readonly memberId: string;

  constructor(reason: ProtocolReason | string, { memberId }: { readonly memberId: string }) {
    super(reason);
    this.memberId = memberId;
  }
}

export class KafkaJSCreateTopicError extends KafkaJSProtocolError {
  override name = 'KafkaJSCreateTopicError';
  readonly topic: string;

  constructor(reason: ProtocolReason | string, topic: string) {
    super(reason);
    this.topic = topic;
  }
}

export class KafkaJSAlterPartitionReassignmentsError extends KafkaJSProtocolError {
  override name = 'KafkaJSAlterPartitionReassignmentsError';
  readonly topic: string | undefined;
  readonly partition: number | undefined;

  constructor(reason: ProtocolReason | string, topic?: string, partition?: number) {
    super(reason);
    this.topic = topic;
    this.partition = partition;
  }
}

/** Several things in one call failed. As in KafkaJS this one is no KafkaJSError. */
export class KafkaJSAggregateError extends Error {
  override name = 'KafkaJSAggregateError';
  readonly errors: readonly (Error | string)[];

  constructor(reason: Reason, errors: readonly (Error | string)[]) {
    super(textOf(reason));
    this.errors = errors;
  }
}

export interface KafkaJSNumberOfRetriesExceededMetadata {
  readonly retryCount: number;
  readonly retryTime: number;
}

export class KafkaJSNumberOfRetriesExceeded extends KafkaJSNonRetriableError {
  override name = 'KafkaJSNumberOfRetriesExceeded';
  readonly retryCount: number;
  /** ms. */
  readonly retryTime: number;

  constructor(reason: Reason, metadata: Partial<KafkaJSNumberOfRetriesExceededMetadata> = {}) {
    super(reason, typeof reason === 'string' ? {} : { cause: reason });
    this.retryCount = metadata.retryCount ?? 0;
    this.retryTime = metadata.retryTime ?? 0;
  }
}

export interface KafkaJSConnectionErrorMetadata {
  readonly broker?: string;
  readonly code?: string | undefined;
  readonly cause?: unknown;
}

export class KafkaJSConnectionError extends KafkaJSError {
  override name = 'KafkaJSConnectionError';
  readonly broker: string | undefined;
  /** The system's, such as ECONNREFUSED. */
  readonly code: string | undefined;

  constructor(reason: Reason, { broker, code, cause }: KafkaJSConnectionErrorMetadata = {}) {
    super(reason, { cause });
    this.broker = broker;
    this.code = code;
  }
}

export class KafkaJSConnectionClosedError extends KafkaJSConnectionError {
  override name = 'KafkaJSConnectionClosedError';
  readonly host: string | undefined;
  readonly port: number | undefined;

  constructor(reason: Reason, { host, port }: { readonly host?: string; readonly port?: number } = {}) {
    super(reason, { broker: `${host}:${port}` });
    this.host = host;
    this.port = port;
  }
}

export interface KafkaJSRequestTimeoutErrorMetadata {
  readonly broker: string;
  readonly clientId: string;
  readonly correlationId: number;
  readonly createdAt: number;
  readonly sentAt: number;
  readonly pendingDuration: number;
}

export class KafkaJSRequestTimeoutError extends KafkaJSError {
  override name = 'KafkaJSRequestTimeoutError';
  readonly broker: string | undefined;
  readonly correlationId: number | undefined;
  readonly createdAt: number | undefined;
  readonly sentAt: number | undefined;
  readonly pendingDuration: number | undefined;

  constructor(reason: Reason, metadata: Partial<KafkaJSRequestTimeoutErrorMetadata> = {}) {
    super(reason);
    this.broker = metadata.broker;
    this.correlationId = metadata.correlationId;
    this.createdAt = metadata.createdAt;
    this.sentAt = metadata.sentAt;
    this.pendingDuration = metadata.pendingDuration;
  }
}

export class KafkaJSMetadataNotLoaded extends KafkaJSError {
  override name = 'KafkaJSMetadataNotLoaded';
}

export interface KafkaJSTopicMetadataNotLoadedMetadata {
  readonly topic: string;
}

export class KafkaJSTopicMetadataNotLoaded extends KafkaJSMetadataNotLoaded {
  override name = 'KafkaJSTopicMetadataNotLoaded';
  readonly topic: string | undefined;

  constructor(reason: Reason, { topic }: Partial<KafkaJSTopicMetadataNotLoadedMetadata> = {}) {
    super(reason);
    this.topic = topic;
  }
}

export interface KafkaJSStaleTopicMetadataAssignmentMetadata {
  readonly topic: string;
  readonly unknownPartitions: PartitionMetadata[];
}

export class KafkaJSStaleTopicMetadataAssignment extends KafkaJSError {
  override name = 'KafkaJSStaleTopicMetadataAssignment';
  readonly topic: string | undefined;
  readonly unknownPartitions: PartitionMetadata[] | undefined;

  constructor(reason: Reason, metadata: Partial<KafkaJSStaleTopicMetadataAssignmentMetadata> = {}) {
    super(reason);
    this.topic = metadata.topic;
    this.unknownPartitions = metadata.unknownPartitions;
  }
}

export interface KafkaJSServerDoesNotSupportApiKeyMetadata {
  readonly apiKey: number;
  readonly apiName: string;
}

export class KafkaJSServerDoesNotSupportApiKey extends KafkaJSNonRetriableError {
  override name = 'KafkaJSServerDoesNotSupportApiKey';
  readonly apiKey: number | undefined;
  readonly apiName: string | undefined;

  constructor(reason: Reason, { apiKey, apiName }: Partial<KafkaJSServerDoesNotSupportApiKeyMetadata> = {}) {
    super(reason);
    this.apiKey = apiKey;
    this.apiName = apiName;
  }
}

export class KafkaJSBrokerNotFound extends KafkaJSError {
  override name = 'KafkaJSBrokerNotFound';
}

export class KafkaJSNoBrokerAvailableError extends KafkaJSError {
  override name = 'KafkaJSNoBrokerAvailableError';

  constructor() {
    super('No broker available');
  }
}

export class KafkaJSPartialMessageError extends KafkaJSNonRetriableError {
  override name = 'KafkaJSPartialMessageError';
}

export class KafkaJSSASLAuthenticationError extends KafkaJSNonRetriableError {
  override name = 'KafkaJSSASLAuthenticationError';
}

export class KafkaJSGroupCoordinatorNotFound extends KafkaJSNonRetriableError {
  override name = 'KafkaJSGroupCoordinatorNotFound';
}

export class KafkaJSNotImplemented extends KafkaJSNonRetriableError {
  override name = 'KafkaJSNotImplemented';
}

export class KafkaJSTimeout extends KafkaJSNonRetriableError {
  override name = 'KafkaJSTimeout';
}

export class KafkaJSLockTimeout extends KafkaJSTimeout {
  override name = 'KafkaJSLockTimeout';
}

export class KafkaJSUnsupportedMagicByteInMessageSet extends KafkaJSNonRetriableError {
  override name = 'KafkaJSUnsupportedMagicByteInMessageSet';
}

export class KafkaJSInvariantViolation extends KafkaJSNonRetriableError {
  override name = 'KafkaJSInvariantViolation';
}

export class KafkaJSInvalidVarIntError extends KafkaJSNonRetriableError {}

export class KafkaJSInvalidLongError extends KafkaJSNonRetriableError {}

export class KafkaJSFetcherRebalanceError extends Error {}

export interface KafkaJSDeleteGroupsErrorGroups {
  readonly groupId: string;
  readonly errorCode: number;
  readonly error: KafkaJSError;
}

export class KafkaJSDeleteGroupsError extends KafkaJSError {
  override name = 'KafkaJSDeleteGroupsError';
  readonly groups: readonly KafkaJSDeleteGroupsErrorGroups[];

  constructor(reason: Reason, groups: readonly KafkaJSDeleteGroupsErrorGroups[] = []) {
    super(reason);
    this.groups = groups;
  }
}

export interface KafkaJSDeleteTopicRecordsErrorPartition {
  readonly partition: number;
  readonly offset: string;
  readonly error: KafkaJSError;
}

export interface KafkaJSDeleteTopicRecordsErrorTopic {
  readonly topic: string;
  readonly partitions: readonly KafkaJSDeleteTopicRecordsErrorPartition[];
}

export class KafkaJSDeleteTopicRecordsError extends KafkaJSError {
  override name = 'KafkaJSDeleteTopicRecordsError';
  readonly partitions: readonly KafkaJSDeleteTopicRecordsErrorPartition[];

  constructor({ partitions }: KafkaJSDeleteTopicRecordsErrorTopic) {
    super('Error while deleting records', { retriable: partitions.every(({ error }) => error.retriable) });
    this.partitions = partitions;
  }
}

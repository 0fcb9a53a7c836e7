/**
 * The types of KafkaJS's API for producers, consumers, logging and events, under KafkaJS's names: what applications import.
 * Offsets and times are text, as 64 bits do not fit into a number; what administrators use is in `admin-types.ts`.
 */
import type { CompressionTypes, logLevel } from './constants.ts';

// --- Logging

export interface LoggerEntryContent {
  readonly timestamp: string;
  readonly message: string;
  // oxlint-disable-next-line typescript/no-explicit-any
  [key: string]: any;
}

export interface LogEntry {
  namespace: string;
  level: logLevel;
  label: string;
  log: LoggerEntryContent;
}

export type logCreator = (logLevel: logLevel) => (entry: LogEntry) => void;

export interface Logger {
  info(message: string, extra?: object): void;
  error(message: string, extra?: object): void;
  warn(message: string, extra?: object): void;
  debug(message: string, extra?: object): void;
  namespace(namespace: string, logLevel?: logLevel): Logger;
  setLogLevel(logLevel: logLevel): void;
}

// --- The client

export type BrokersFunction = () => string[] | Promise<string[]>;

export interface RetryOptions {
  /** The longest pause, in ms. Default: 30000. */
  maxRetryTime?: number;
  /** The first pause, in ms. Default: 300. */
  initialRetryTime?: number;
  /** How far pauses scatter. Default: 0.2. */
  factor?: number;
  /** Each pause is so many times the one before. Default: 2. */
  multiplier?: number;
  /** Default: 5. */
  retries?: number;
  /** Of consumers: whether to begin again after a crash. Default: yes. */
  restartOnFailure?: (error: Error) => Promise<boolean>;
}

export interface OauthbearerProviderResponse {
  value: string;
  extensions?: Record<string, string>;
}

interface SaslMechanisms {
  plain: { username: string; password: string };
  'scram-sha-256': { username: string; password: string };
  'scram-sha-512': { username: string; password: string };
  aws: {
    authorizationIdentity: string;
    accessKeyId: string;
    secretAccessKey: string;
    sessionToken?: string;
  };
  oauthbearer: { oauthBearerProvider: () => Promise<OauthbearerProviderResponse> };
}

export type SASLMechanism = keyof SaslMechanisms;
export type SASLOptions = {
  [M in SASLMechanism]: { mechanism: M } & SaslMechanisms[M];
}[SASLMechanism];

export interface Authenticator {
  authenticate(): Promise<void>;
}

export interface SaslAuthenticateArgs<ParseResult> {
  /** What to send, with its length (int32) in front. */
  request: { encode: () => Buffer | Promise<Buffer> };
  /** Left out where the answer says nothing. What comes has its length in front, too. */
  response?: {
    decode: (rawResponse: Buffer) => Buffer | Promise<Buffer>;
    parse: (data: Buffer) => ParseResult;
  };
}

export interface AuthenticationProviderArgs {
  host: string;
  port: number;
  logger: Logger;
  saslAuthenticate: <ParseResult>(args: SaslAuthenticateArgs<ParseResult>) => Promise<ParseResult | void>;
}

/** A mechanism of the application's own. */
export interface Mechanism {
  mechanism: string;
  authenticationProvider: (args: AuthenticationProviderArgs) => Authenticator;
}

type Pem = string | Buffer | readonly unknown[] | undefined;

/** Of Node's options for TLS those that have a meaning here; others are refused. */
export interface SslOptions {
  readonly ca?: Pem;
  readonly cert?: Pem;
  readonly key?: Pem;
  readonly passphrase?: string | undefined;
  /** False trusts whoever answers. */
  readonly rejectUnauthorized?: boolean | undefined;
  readonly servername?: string | undefined;
  /** With one, the name in the certificate is not looked at; it is not called. */
  readonly checkServerIdentity?: unknown;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

export interface ISocketFactoryArgs {
  host: string;
  port: number;
  ssl: SslOptions;
  onConnect: () => void;
}
/** Here for types alone: `Kafka` refuses it. */
export type ISocketFactory = (args: ISocketFactoryArgs) => unknown;

export interface KafkaConfig {
  brokers: string[] | BrokersFunction;
  ssl?: SslOptions | boolean | undefined;
  sasl?: SASLOptions | Mechanism | undefined;
  clientId?: string | undefined;
  connectionTimeout?: number | undefined;
  authenticationTimeout?: number | undefined;
  reauthenticationThreshold?: number | undefined;
  requestTimeout?: number | undefined;
  enforceRequestTimeout?: boolean | undefined;
  retry?: RetryOptions | undefined;
  socketFactory?: ISocketFactory | undefined;
  logLevel?: logLevel | undefined;
  logCreator?: logCreator | undefined;
}

// --- Events

export interface InstrumentationEvent<T> {
  id: string;
  type: string;
  timestamp: number;
  payload: T;
}

export type RemoveInstrumentationEventListener<_T> = () => void;

export type ConnectEvent = InstrumentationEvent<null>;
export type DisconnectEvent = InstrumentationEvent<null>;

interface AskedBroker {
  apiKey: number;
  apiName: string;
  apiVersion: number;
  broker: string;
  clientId: string;
  correlationId: number;
  createdAt: number;
  pendingDuration: number;
  sentAt: number;
}
export type RequestEvent = InstrumentationEvent<AskedBroker & { duration: number; size: number }>;
export type RequestTimeoutEvent = InstrumentationEvent<AskedBroker>;
export type RequestQueueSizeEvent = InstrumentationEvent<{
  broker: string;
  clientId: string;
  queueSize: number;
}>;

type NetworkEvents<Owner extends string> = {
  REQUEST: `${Owner}.network.request`;
  REQUEST_TIMEOUT: `${Owner}.network.request_timeout`;
  REQUEST_QUEUE_SIZE: `${Owner}.network.request_queue_size`;
};
type ConnectionEvents<Owner extends string> = {
  CONNECT: `${Owner}.connect`;
  DISCONNECT: `${Owner}.disconnect`;
};
export type ProducerEvents = ConnectionEvents<'producer'> & NetworkEvents<'producer'>;
export type AdminEvents = ConnectionEvents<'admin'> & NetworkEvents<'admin'>;
export type ConsumerEvents = ConnectionEvents<'consumer'> &
  NetworkEvents<'consumer'> & {
    HEARTBEAT: 'consumer.heartbeat';
    COMMIT_OFFSETS: 'consumer.commit_offsets';
    GROUP_JOIN: 'consumer.group_join';
    FETCH_START: 'consumer.fetch_start';
    FETCH: 'consumer.fetch';
    START_BATCH_PROCESS: 'consumer.start_batch_process';
    END_BATCH_PROCESS: 'consumer.end_batch_process';
    STOP: 'consumer.stop';
    CRASH: 'consumer.crash';
    REBALANCING: 'consumer.rebalancing';
    RECEIVED_UNSUBSCRIBED_TOPICS: 'consumer.received_unsubscribed_topics';
  };

interface EventMap {
  connect: ConnectEvent;
  disconnect: DisconnectEvent;
  'network.request': RequestEvent;
  'network.request_timeout': RequestTimeoutEvent;
  'network.request_queue_size': RequestQueueSizeEvent;
  heartbeat: ConsumerHeartbeatEvent;
  commit_offsets: ConsumerCommitOffsetsEvent;
  group_join: ConsumerGroupJoinEvent;
  fetch_start: ConsumerFetchStartEvent;
  fetch: ConsumerFetchEvent;
  start_batch_process: ConsumerStartBatchProcessEvent;
  end_batch_process: ConsumerEndBatchProcessEvent;
  stop: InstrumentationEvent<null>;
  crash: ConsumerCrashEvent;
  rebalancing: ConsumerRebalancingEvent;
  received_unsubscribed_topics: ConsumerReceivedUnsubcribedTopicsEvent;
}

/** What a listener of the event of this name gets. */
export type EventOf<Name extends string> = Name extends `${'producer' | 'consumer' | 'admin'}.${infer Kind}`
  ? Kind extends keyof EventMap
    ? EventMap[Kind]
    : never
  : never;

export interface HasEvents<Names extends Readonly<Record<string, string>>> {
  readonly events: Names;
  /** Yields the function that ends it. */
  on<Name extends Names[keyof Names]>(
    eventName: Name,
    listener: (event: EventOf<Name>) => unknown,
  ): RemoveInstrumentationEventListener<Name>;
  logger(): Logger;
}

// --- Producers

export interface IHeaders {
  [key: string]: Buffer | string | (Buffer | string)[] | undefined;
}

export interface Message {
  key?: Buffer | string | null;
  value: Buffer | string | null;
  partition?: number;
  headers?: IHeaders;
  /** ms since the epoch. */
  timestamp?: string;
}

export interface PartitionMetadata {
  partitionErrorCode: number;
  partitionId: number;
  /** -1 while there is none. */
  leader: number;
  replicas: number[];
  isr: number[];
  offlineReplicas?: number[];
}

export interface PartitionerArgs {
  topic: string;
  partitionMetadata: PartitionMetadata[];
  message: Message;
}

export type ICustomPartitioner = () => (args: PartitionerArgs) => number;
export type DefaultPartitioner = ICustomPartitioner;
export type LegacyPartitioner = ICustomPartitioner;

export interface ProducerConfig {
  createPartitioner?: ICustomPartitioner | undefined;
  retry?: RetryOptions | undefined;
  metadataMaxAge?: number | undefined;
  allowAutoTopicCreation?: boolean | undefined;
  idempotent?: boolean | undefined;
  transactionalId?: string | undefined;
  transactionTimeout?: number | undefined;
  maxInFlightRequests?: number | undefined;
}

interface SendOptions {
  /** -1: all in-sync replicas (the default), 1: the leader, 0: nobody. */
  acks?: number;
  timeout?: number;
  compression?: CompressionTypes;
}

export interface ProducerRecord extends SendOptions {
  topic: string;
  messages: Message[];
}

export interface TopicMessages {
  topic: string;
  messages: Message[];
}

export interface ProducerBatch extends SendOptions {
  topicMessages?: TopicMessages[];
}

export interface RecordMetadata {
  topicName: string;
  partition: number;
  errorCode: number;
  offset?: string;
  timestamp?: string;
  /** Of the first record of this call in the partition. */
  baseOffset?: string;
  logAppendTime?: string;
  logStartOffset?: string;
}

interface Sender {
  send(record: ProducerRecord): Promise<RecordMetadata[]>;
  sendBatch(batch: ProducerBatch): Promise<RecordMetadata[]>;
}

export interface Producer extends Sender, HasEvents<ProducerEvents> {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isIdempotent(): boolean;
  transaction(): Promise<Transaction>;
}

export interface Transaction extends Sender {
  sendOffsets(offsets: Offsets & { consumerGroupId: string }): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
  isActive(): boolean;
}

// --- Offsets

export interface PartitionOffset {
  partition: number;
  offset: string;
}

export interface TopicOffsets {
  topic: string;
  partitions: PartitionOffset[];
}

export interface Offsets {
  topics: TopicOffsets[];
}

export interface OffsetsByTopicPartition {
  topics: TopicOffsets[];
}

export interface TopicPartitions {
  topic: string;
  partitions: number[];
}

export interface TopicPartition {
  topic: string;
  partition: number;
}

export interface TopicPartitionOffset extends TopicPartition {
  offset: string;
}

export interface TopicPartitionOffsetAndMetadata extends TopicPartitionOffset {
  metadata?: string | null;
}

// --- Groups

export type Assignment = { [topic: string]: number[] };
export type IMemberAssignment = Assignment;

export interface GroupMember {
  memberId: string;
  memberMetadata: Buffer;
}

export interface GroupMemberAssignment {
  memberId: string;
  memberAssignment: Buffer;
}

export interface GroupState {
  name: string;
  metadata: Buffer;
}

export interface Assigner {
  name: string;
  version: number;
  assign(group: { members: GroupMember[]; topics: string[] }): Promise<GroupMemberAssignment[]>;
  protocol(subscription: { topics: string[] }): GroupState;
}

/** What an assigner sees of the cluster: the partitions of the topics that the group reads. */
export interface Cluster {
  findTopicPartitionMetadata(topic: string): PartitionMetadata[];
}

export type PartitionAssigner = (config: { cluster: Cluster; groupId: string; logger: Logger }) => Assigner;

export interface MemberMetadata {
  version: number;
  topics: string[];
  userData: Buffer;
}

export interface MemberAssignment {
  version: number;
  assignment: Assignment;
  userData: Buffer;
}

export interface ISerializer<T> {
  encode(value: T): Buffer;
  decode(buffer: Buffer): T | null;
}

export type ConsumerGroupState =
  | 'Unknown'
  | 'PreparingRebalance'
  | 'CompletingRebalance'
  | 'Stable'
  | 'Dead'
  | 'Empty';

export interface MemberDescription {
  clientHost: string;
  clientId: string;
  memberId: string;
  memberAssignment: Buffer;
  memberMetadata: Buffer;
}

export interface GroupDescription {
  groupId: string;
  members: MemberDescription[];
  protocol: string;
  protocolType: string;
  state: ConsumerGroupState;
}

// --- Consumers

export interface ConsumerConfig {
  groupId: string;
  partitionAssigners?: PartitionAssigner[] | undefined;
  metadataMaxAge?: number | undefined;
  sessionTimeout?: number | undefined;
  rebalanceTimeout?: number | undefined;
  heartbeatInterval?: number | undefined;
  maxBytesPerPartition?: number | undefined;
  minBytes?: number | undefined;
  maxBytes?: number | undefined;
  maxWaitTimeInMs?: number | undefined;
  retry?: RetryOptions | undefined;
  allowAutoTopicCreation?: boolean | undefined;
  maxInFlightRequests?: number | undefined;
  readUncommitted?: boolean | undefined;
  rackId?: string | undefined;
}

export interface KafkaMessage {
  key: Buffer | null;
  value: Buffer | null;
  /** ms since the epoch. */
  timestamp: string;
  attributes: number;
  offset: string;
  headers?: IHeaders;
  size?: never;
}

export interface Batch {
  topic: string;
  partition: number;
  highWatermark: string;
  messages: KafkaMessage[];
  isEmpty(): boolean;
  firstOffset(): string | null;
  lastOffset(): string;
  /** How many records lie behind the last of the batch. */
  offsetLag(): string;
  /** How many records lie behind the first of the batch. */
  offsetLagLow(): string;
}

export interface EachMessagePayload {
  topic: string;
  partition: number;
  message: KafkaMessage;
  heartbeat(): Promise<void>;
  /** Yields the function that resumes. */
  pause(): () => void;
}

export interface EachBatchPayload {
  batch: Batch;
  resolveOffset(offset: string): void;
  heartbeat(): Promise<void>;
  pause(): () => void;
  commitOffsetsIfNecessary(offsets?: Offsets): Promise<void>;
  uncommittedOffsets(): OffsetsByTopicPartition;
  isRunning(): boolean;
  isStale(): boolean;
}

export type ConsumerEachMessagePayload = EachMessagePayload;
export type ConsumerEachBatchPayload = EachBatchPayload;
export type EachMessageHandler = (payload: EachMessagePayload) => Promise<void>;
export type EachBatchHandler = (payload: EachBatchPayload) => Promise<void>;

export interface ConsumerRunConfig {
  autoCommit?: boolean | undefined;
  autoCommitInterval?: number | null | undefined;
  autoCommitThreshold?: number | null | undefined;
  eachBatchAutoResolve?: boolean | undefined;
  partitionsConsumedConcurrently?: number | undefined;
  eachBatch?: EachBatchHandler | undefined;
  eachMessage?: EachMessageHandler | undefined;
}

export interface ConsumerSubscribeTopic {
  topic: string | RegExp;
  fromBeginning?: boolean;
}
export interface ConsumerSubscribeTopics {
  topics: (string | RegExp)[];
  fromBeginning?: boolean;
}

export interface Consumer extends HasEvents<ConsumerEvents> {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  subscribe(subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic): Promise<void>;
  stop(): Promise<void>;
  run(config?: ConsumerRunConfig): Promise<void>;
  commitOffsets(topicPartitions: TopicPartitionOffsetAndMetadata[]): Promise<void>;
  seek(topicPartitionOffset: TopicPartitionOffset): void;
  describeGroup(): Promise<GroupDescription>;
  pause(topics: { topic: string; partitions?: number[] }[]): void;
  paused(): TopicPartitions[];
  resume(topics: { topic: string; partitions?: number[] }[]): void;
}

interface OfGroup {
  groupId: string;
  memberId: string;
}
interface InGeneration extends OfGroup {
  groupGenerationId: number;
}
interface BatchProcess {
  topic: string;
  partition: number;
  highWatermark: string;
  offsetLag: string;
  offsetLagLow: string;
  batchSize: number;
  firstOffset: string;
  lastOffset: string;
}

export type ConsumerHeartbeatEvent = InstrumentationEvent<InGeneration>;
export type ConsumerCommitOffsetsEvent = InstrumentationEvent<InGeneration & { topics: TopicOffsets[] }>;
export type ConsumerGroupJoinEvent = InstrumentationEvent<
  OfGroup & {
    duration: number;
    isLeader: boolean;
    leaderId: string;
    groupProtocol: string;
    memberAssignment: IMemberAssignment;
  }
>;
export type ConsumerFetchStartEvent = InstrumentationEvent<{ nodeId: number }>;
export type ConsumerFetchEvent = InstrumentationEvent<{
  numberOfBatches: number;
  duration: number;
  nodeId: number;
}>;
export type ConsumerStartBatchProcessEvent = InstrumentationEvent<BatchProcess>;
export type ConsumerEndBatchProcessEvent = InstrumentationEvent<BatchProcess & { duration: number }>;
export type ConsumerCrashEvent = InstrumentationEvent<{ error: Error; groupId: string; restart: boolean }>;
export type ConsumerRebalancingEvent = InstrumentationEvent<OfGroup>;
export type ConsumerReceivedUnsubcribedTopicsEvent = InstrumentationEvent<
  OfGroup & {
    generationId: number;
    assignedTopics: string[];
    topicsSubscribed: string[];
    topicsNotSubscribed: string[];
  }
>;

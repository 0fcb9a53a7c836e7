/**
 * What the package offers as `headrace/client`: a client of Headrace and of any Apache Kafka from 2.1 on.
 *
 *     import { Client } from 'headrace/client';
 *
 *     await using client = new Client({ bootstrap: 'localhost:9092' });
 *     await using producer = client.producer();
 *     await producer.send({ topic: 'orders', key: 'ada', value: '{"total":12}' });
 *
 * One `Client` stands for one cluster: it holds the picture of the cluster and how to connect. What it makes works on
 * its own connections, so that a long poll holds up nobody, and is closed by itself or with the client.
 *
 * Rules that hold everywhere: offsets and times are numbers (ms since the epoch); keys and values go in as text, bytes or
 * null and come out as bytes or null; whatever waits takes an AbortSignal and rejects with its reason; every other
 * failure is a KafkaError with Kafka's name. What can be repeated has been repeated by the time an error is seen.
 */
import { Admin } from './admin/admin.ts';
import { Consumer, type ConsumerOptions } from './consumer/consumer.ts';
import { ClientCore } from './core.ts';
import { settingsOf, type ClientPorts, type ConnectionOptions } from './options.ts';
import type { ProducerOptions } from './producer/options.ts';
import { Producer } from './producer/producer.ts';
import { realPorts } from './real-ports.ts';
import type { ShareConsumerOptions } from './share/options.ts';
import { ShareConsumer } from './share/share-consumer.ts';

import {
  TransactionalProducer,
  type TransactionalProducerOptions,
} from './transactions/transactional-producer.ts';

export { KafkaError, isKafkaError, type OwnErrorName } from './errors.ts';
export type {
  ClientPorts,
  ConnectionOptions,
  OnRequest,
  RequestOutcome,
  SentRequest,
  TlsOptions,
} from './options.ts';
export type { BearerToken, Sasl, SaslExchange, SaslMechanism } from './connection/sasl.ts';
export type { ProducerOptions } from './producer/options.ts';
export type { Data, Headers, ProducerRecord, RecordMetadata, SentRange } from './producer/record.ts';
export type { ProducerInterceptor } from './producer/interceptors.ts';
export type { Partitioner } from './producer/partitioner.ts';
export type { PartitionInfo } from './metadata/cluster-view.ts';
export type { ProducerMetrics } from './producer/metrics.ts';
export type { Producer } from './producer/producer.ts';
export type { Consumer, ConsumerOptions } from './consumer/consumer.ts';
export type { PollOptions } from './consumer/next-batch.ts';
export type { ConsumerHealth, PartitionHealth } from './consumer/health.ts';
export type { ConsumerInterceptor } from './consumer/interceptors.ts';
export type { ConsumerMetrics } from './consumer/metrics.ts';
export type { RunContext, RunOptions } from './consumer/runner.ts';
export type { Stall, StallReason, WatchdogOptions } from './consumer/watchdog.ts';
export type { ConsumerBatch, ConsumerRecord, RecordHeader } from './consumer/record.ts';
export type { Assignment, FetchOptions, Start, TopicPartition } from './consumer/options.ts';
export type { CommittedOffset, OffsetToCommit } from './group/offsets.ts';
export type { AssignorName, GroupObserver, GroupOptions, JoinedGroup } from './group/options.ts';
export type { Assignor, GroupAssignment, MemberSubscription } from './group/assignors.ts';
export type {
  Transaction,
  TransactionalProducer,
  TransactionalProducerOptions,
} from './transactions/transactional-producer.ts';
export type { AcknowledgedOffsets, ShareConsumerOptions, ShareOutcome } from './share/options.ts';
export type { ShareConsumer, SharePollOptions } from './share/share-consumer.ts';
export type { ShareConsumerMetrics } from './share/share-metrics.ts';
export type { ShareRecord } from './share/share-record.ts';
export type { ShareRunOptions } from './share/share-runner.ts';
export type { OffsetOwner } from './group/offsets.ts';
export type { Admin } from './admin/admin.ts';
export { AdminError, type ItemFailure } from './admin/items.ts';
export type { Acl, AclFilter } from './admin/acls.ts';
export type {
  BrokerDescription,
  ClusterDescription,
  FeatureChange,
  FeatureLevels,
  Features,
} from './admin/cluster.ts';
export type {
  ConfigChange,
  ConfigChanges,
  ConfigEntry,
  ConfigResource,
  DescribeConfigsOptions,
  ResourceConfigs,
} from './admin/configs.ts';
export type { DelegationToken } from './admin/delegation-tokens.ts';
export type { GroupDescription, GroupMember } from './admin/group-descriptions.ts';
export type { GroupListing, MemberRef } from './admin/groups.ts';
export type { ClientQuota, QuotaChange, QuotaEntity, QuotaEntityType, QuotaFilter } from './admin/quotas.ts';
export type { ElectionResult, OngoingReassignment, Reassignment } from './admin/reassignments.ts';
export type { LowWatermark, OffsetAtTime, OffsetSpec } from './admin/records.ts';
export type { BrokerLogDirs, LogDirDescription, ReplicaInLogDir, ReplicaMove } from './admin/replicas.ts';
export type { AskOptions } from './admin/routes.ts';
export type { ScramChange, ScramMechanismName, ScramUser } from './admin/scram.ts';
export type { ShareGroupOffset } from './admin/share-group-offsets.ts';
export type {
  StreamsGroupDescription,
  StreamsGroupMember,
  StreamsSubtopology,
  StreamsTask,
  StreamsTasks,
} from './admin/streams-groups.ts';
export type {
  CreatedTopic,
  MorePartitions,
  NewTopic,
  PartitionDescription,
  TopicDescription,
  TopicRef,
} from './admin/topics.ts';
export type {
  ActiveProducer,
  FencedProducer,
  HangingTransaction,
  ListTransactionsOptions,
  PartitionProducers,
  TransactionDescription,
  TransactionListing,
} from './admin/transactions.ts';
export { bytes, json, text, type Serde, type SerdeContext } from './serialization/serdes.ts';
export type { StandardIssue, StandardResult, StandardSchema } from './serialization/standard-schema.ts';
export { TypedTopic, type RecordToSend, type TypedRecord } from './serialization/typed-topic.ts';
export type { Attributes, ProcessMessage, SendMessage } from './telemetry/channels.ts';
export type { CompressionType } from '../protocol/record-batch.ts';

export interface ClientOptions extends ConnectionOptions {
  /** The world that the client lives in, in place of the real one: for tests and simulations. */
  readonly ports?: ClientPorts;
}

export class Client implements AsyncDisposable {
  readonly #core: ClientCore;
  readonly #parts = new Set<{ close(): Promise<void> }>();
  #closed: Promise<void> | undefined;

  /** Nothing is connected before it is needed. Throws TypeError for an address that is none. */
  constructor(options: ClientOptions) {
    this.#core = new ClientCore(options.ports ?? realPorts(), settingsOf(options));
  }

  producer(options?: ProducerOptions): Producer {
    return this.#keep(new Producer(this.#core, options));
  }

  /** A producer whose records, and the offsets of what they were made from, are seen all together or not at all. */
  transactionalProducer(options: TransactionalProducerOptions): TransactionalProducer {
    return this.#keep(new TransactionalProducer(this.#core, options));
  }

  consumer(options: ConsumerOptions): Consumer {
    return this.#keep(new Consumer(this.#core, options));
  }

  /** A member of a share group, whose members share records rather than partitions: Kafka from 4.2 on, where it is enabled. */
  shareConsumer(options: ShareConsumerOptions): ShareConsumer {
    return this.#keep(new ShareConsumer(this.#core, options));
  }

  admin(): Admin {
    return this.#keep(new Admin(this.#core));
  }

  /** Closes all that this client has made, in order, and then its connections. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #keep<T extends { close(): Promise<void> }>(part: T): T {
    this.#parts.add(part);
    return part;
  }

  async #close(): Promise<void> {
    const results = await Promise.allSettled([...this.#parts].map((part) => part.close()));
    this.#core.close();
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

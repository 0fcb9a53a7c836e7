/**
 * KafkaJS's producer. `acks` belongs to each call there and to a producer here, so there is one of headrace/client's for
 * each `acks` that is asked for; compression is looked up by topic when a request is made.
 */
import type { ClientCore } from '../client/core.ts';
import type { PartitionInfo } from '../client/metadata/cluster-view.ts';
import type { Partitioner } from '../client/producer/partitioner.ts';
import type { ProducerOptions } from '../client/producer/options.ts';
import { Producer as CoreProducer } from '../client/producer/producer.ts';
import type { ProducerRecord as CoreRecord, SentRange } from '../client/producer/record.ts';
import type { CompressionType } from '../protocol/record-batch.ts';
import { compressionOf } from './compression.ts';
import { Connection, type ConnectionHost } from './connection.ts';
import { KafkaJSError, KafkaJSNonRetriableError } from './errors.ts';
import { PRODUCER_EVENTS } from './events.ts';
import { partitionMetadataOf, recordMetadataOf, recordOf, type MessageRecord } from './messages.ts';
import { Partitioners } from './partitioners.ts';
import { FOREVER_MS, patienceMs } from './retry.ts';
import { OngoingTransaction, Transactions } from './transaction.ts';
import { translatedAfterTries } from './translate.ts';
import type {
  Logger,
  PartitionMetadata,
  Producer,
  ProducerBatch,
  ProducerConfig,
  ProducerRecord,
  RecordMetadata,
  TopicMessages,
  Transaction,
} from './types.ts';

type Acks = 'all' | 1 | 0;

const REQUESTS_IN_FLIGHT_MAX = 5;

export class KafkaProducer implements Producer {
  readonly events = PRODUCER_EVENTS;
  readonly #host: ConnectionHost;
  readonly #config: ProducerConfig;
  readonly #connection: Connection;
  readonly #partitioner: Partitioner;
  readonly #producers = new Map<Acks, CoreProducer>();
  /** By topic: as the last call wanted it. */
  readonly #compression = new Map<string, CompressionType>();
  readonly #transactions: Transactions | undefined;
  #isDisconnecting = false;

  /** Throws KafkaJSNonRetriableError for what does not go together. */
  constructor(host: ConnectionHost, config: ProducerConfig) {
    const { idempotent = false, transactionalId, createPartitioner } = config;
    if (idempotent && host.retry.retries < 1) {
      throw new KafkaJSNonRetriableError(
        'Idempotent producer must allow retries to protect against transient errors',
      );
    }
    this.#host = host;
    this.#config = config;
    this.#connection = new Connection(host);
    this.#partitioner = partitionerOf(createPartitioner);
    if (transactionalId !== undefined && transactionalId !== '') {
      this.#transactions = new Transactions({
        transactionalId,
        timeoutMs: config.transactionTimeout,
        options: () => this.#options(),
      });
    }
  }

  on: Producer['on'] = (name, listener) =>
    this.#host.events.on(name, listener as (event: unknown) => unknown);

  logger(): Logger {
    return this.#host.logger;
  }

  isIdempotent(): boolean {
    return this.#config.idempotent ?? false;
  }

  connect = async (): Promise<void> => {
    await this.#connection.connect();
    this.#host.events.emit(PRODUCER_EVENTS.CONNECT);
  };

  /** Waits for what was sent before. */
  disconnect = async (): Promise<void> => {
    this.#isDisconnecting = true;
    try {
      const closing = [...this.#producers.values()].map((producer) => producer.close());
      this.#producers.clear();
      await Promise.allSettled([...closing, this.#transactions?.close()]);
      this.#connection.disconnect();
    } finally {
      this.#isDisconnecting = false;
    }
    this.#host.events.emit(PRODUCER_EVENTS.DISCONNECT);
  };

  send = async ({ topic, messages, ...options }: ProducerRecord): Promise<RecordMetadata[]> =>
    this.sendBatch({ ...options, topicMessages: [{ topic, messages }] });

  sendBatch = async ({
    acks = -1,
    compression,
    topicMessages = [],
  }: ProducerBatch): Promise<RecordMetadata[]> => {
    this.#check(acks, topicMessages);
    const core = this.#connected();
    const records = this.#records(topicMessages, compression);
    if (records.length === 0) return [];
    const producer = this.#producerOf(core, acks);
    const ranges = await named(() => producer.sendAll(records));
    return acks === 0 ? [] : recordMetadataOf(ranges);
  };

  transaction = async (): Promise<Transaction> => {
    if (this.#transactions === undefined) {
      throw new KafkaJSNonRetriableError('Must provide transactional id for transactional producer');
    }
    const begun = await this.#transactions.begin(this.#connected());
    return new OngoingTransaction(begun, ({ acks = -1, compression, topicMessages = [] }) => {
      this.#check(acks, topicMessages, true);
      return this.#records(topicMessages, compression);
    });
  };

  #check(acks: number, topicMessages: readonly TopicMessages[], isTransactional = false): void {
    if ((this.isIdempotent() || isTransactional) && acks !== -1) {
      throw new KafkaJSNonRetriableError(
        "Not requiring ack for all messages invalidates the idempotent producer's EoS guarantees",
      );
    }
    for (const { topic, messages } of topicMessages) {
      if (!topic) throw new KafkaJSNonRetriableError('Invalid topic');
      if (!Array.isArray(messages)) {
        throw new KafkaJSNonRetriableError(
          `Invalid messages array [${String(messages)}] for topic "${topic}"`,
        );
      }
      const wrong = messages.find(({ value }) => value === undefined);
      if (wrong !== undefined) {
        throw new KafkaJSNonRetriableError(
          `Invalid message without value for topic "${topic}": ${JSON.stringify(wrong)}`,
        );
      }
    }
  }

  #connected(): ClientCore {
    if (this.#isDisconnecting) {
      throw new KafkaJSNonRetriableError('The producer is disconnecting and takes no more messages');
    }
    const { core } = this.#connection;
    if (core === undefined) throw new KafkaJSError('The producer is disconnected');
    return core;
  }

  #records(topicMessages: readonly TopicMessages[], compression: number | undefined): MessageRecord[] {
    const type = compressionOf(compression);
    return topicMessages.flatMap(({ topic, messages }) => {
      this.#compression.set(topic, type);
      return messages.map((message) => recordOf(topic, message));
    });
  }

  #producerOf(core: ClientCore, acks: number): CoreProducer {
    const name = acks === 0 || acks === 1 ? acks : 'all';
    let producer = this.#producers.get(name);
    if (producer === undefined) {
      const isIdempotent = name === 'all' && this.#config.idempotent !== false;
      producer = new CoreProducer(core, { ...this.#options(), acks: name, idempotent: isIdempotent });
      this.#producers.set(name, producer);
    }
    return producer;
  }

  #options(): ProducerOptions {
    const { maxInFlightRequests, allowAutoTopicCreation } = this.#config;
    const { retry } = this.#host;
    const deliveryTimeoutMs = Math.min(FOREVER_MS, this.#connection.requestTimeoutMs + patienceMs(retry));
    return {
      partitioner: this.#partitioner,
      compression: (topic) => this.#compression.get(topic) ?? 'none',
      requestsInFlightMax: Math.min(maxInFlightRequests ?? REQUESTS_IN_FLIGHT_MAX, REQUESTS_IN_FLIGHT_MAX),
      deliveryTimeoutMs,
      createTopics: allowAutoTopicCreation ?? true,
    };
  }
}

/**
 * A partitioner of KafkaJS's as headrace/client asks it. Keys by Java's hash are left to headrace/client, which has them as
 * bytes; who looks at all partitions for each record is shown them as they were, as long as no leader has changed.
 */
function partitionerOf(create: ProducerConfig['createPartitioner']): Partitioner {
  const isDefault = create === undefined || create === null || create === Partitioners.DefaultPartitioner;
  const choose = (isDefault ? Partitioners.DefaultPartitioner : create)();
  const shown = new WeakMap<readonly Readonly<PartitionInfo>[], PartitionMetadata[]>();
  return (record: CoreRecord, partitions: readonly Readonly<PartitionInfo>[]) => {
    const { topic, message } = record as MessageRecord;
    if (isDefault && message.key !== undefined && message.key !== null) return undefined;
    let partitionMetadata = shown.get(partitions);
    const isCurrent =
      partitionMetadata?.length === partitions.length &&
      partitions.every(({ leader }, at) => partitionMetadata![at]!.leader === leader);
    if (!isCurrent) shown.set(partitions, (partitionMetadata = partitionMetadataOf(partitions)));
    return choose({ topic, partitionMetadata: partitionMetadata!, message });
  };
}

async function named(send: () => Promise<SentRange[]>): Promise<SentRange[]> {
  try {
    return await send();
  } catch (error) {
    throw translatedAfterTries(error);
  }
}

/** KafkaJS's transactions: of one producer one at a time, begun by `Producer.transaction`. */
import type { ClientCore } from '../client/core.ts';
import type { ProducerOptions } from '../client/producer/options.ts';
import {
  TransactionalProducer,
  type Transaction as CoreTransaction,
} from '../client/transactions/transactional-producer.ts';
import { KafkaJSNonRetriableError } from './errors.ts';
import { recordMetadataOf, type MessageRecord } from './messages.ts';
import { translatedAfterTries } from './translate.ts';
import type { Offsets, ProducerBatch, ProducerRecord, RecordMetadata, Transaction } from './types.ts';

const TIMEOUT_MS = 60_000;

export interface TransactionsOptions {
  readonly transactionalId: string;
  /** Default: 1 min. */
  readonly timeoutMs?: number | undefined;
  readonly options: () => ProducerOptions;
}

/** All transactions of one transactional id. */
export class Transactions {
  readonly #options: TransactionsOptions;
  #producer: TransactionalProducer | undefined;
  #current: CoreTransaction | undefined;
  #isBeginning = false;

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  async begin(core: ClientCore): Promise<CoreTransaction> {
    if (this.#isBeginning || this.#current?.isOpen === true) {
      throw new KafkaJSNonRetriableError(
        'There is already an ongoing transaction for this producer. End it before beginning another.',
      );
    }
    const { transactionalId, timeoutMs = TIMEOUT_MS, options } = this.#options;
    this.#producer ??= new TransactionalProducer(core, {
      ...options(),
      transactionalId,
      transactionTimeoutMs: timeoutMs,
    });
    this.#isBeginning = true;
    try {
      this.#current = await named(this.#producer.begin());
      return this.#current;
    } finally {
      this.#isBeginning = false;
    }
  }

  /** Aborts what is open. */
  async close(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.close();
  }
}

export class OngoingTransaction implements Transaction {
  readonly #transaction: CoreTransaction;
  readonly #records: (batch: ProducerBatch) => MessageRecord[];

  constructor(transaction: CoreTransaction, records: (batch: ProducerBatch) => MessageRecord[]) {
    this.#transaction = transaction;
    this.#records = records;
  }

  isActive = (): boolean => this.#transaction.isOpen;

  send = async ({ topic, messages, ...options }: ProducerRecord): Promise<RecordMetadata[]> =>
    this.sendBatch({ ...options, topicMessages: [{ topic, messages }] });

  sendBatch = async (batch: ProducerBatch): Promise<RecordMetadata[]> => {
    this.#throwIfEnded();
    const records = this.#records(batch);
    if (records.length === 0) return [];
    return recordMetadataOf(await named(this.#transaction.sendAll(records)));
  };

  sendOffsets = async ({ consumerGroupId, topics }: Offsets & { consumerGroupId: string }): Promise<void> => {
    this.#throwIfEnded();
    const offsets = topics.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
    );
    await named(this.#transaction.sendOffsets({ group: consumerGroupId }, offsets));
  };

  commit = async (): Promise<void> => {
    this.#throwIfEnded();
    await named(this.#transaction.commit());
  };

  abort = async (): Promise<void> => {
    this.#throwIfEnded();
    await named(this.#transaction.abort());
  };

  #throwIfEnded(): void {
    if (!this.#transaction.isOpen) {
      throw new KafkaJSNonRetriableError('Cannot continue to use transaction once ended');
    }
  }
}

async function named<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw translatedAfterTries(error);
  }
}

/**
 * The producer of transactions that users hold: what is sent in one is seen by consumers of committed records all
 * together, with the offsets of what it was made from, or not at all.
 */
import { Errors } from '../../protocol/errors.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../../protocol/messages/25-add-offsets-to-txn.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../protocol/messages/28-txn-offset-commit.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, isKafkaError, ownError } from '../errors.ts';
import { Coordinator } from '../group/coordinator.ts';
import { NO_MEMBER, type OffsetOwner, type OffsetToCommit } from '../group/offsets.ts';
import type { ProducerOptions } from '../producer/options.ts';
import { Producer } from '../producer/producer.ts';
import type { ProducerRecord, RecordMetadata, SentRange } from '../producer/record.ts';
import { PRODUCE_VERSION_MAX_V1, TransactionState } from './transaction-state.ts';

export interface TransactionalProducerOptions extends Omit<ProducerOptions, 'acks' | 'idempotent'> {
  /** Names this producer over restarts: a later one of the same name ends its transactions and takes its place. */
  readonly transactionalId: string;
  /** How long a transaction may be open before the broker aborts it. Default: 1 min. */
  readonly transactionTimeoutMs?: number;
}

/** The last versions of TxnOffsetCommit without topic ids, and without adding the group by itself. */
const OFFSETS_VERSION_MAX = 5;
const OFFSETS_VERSION_MAX_V1 = 4;

export class TransactionalProducer implements AsyncDisposable {
  readonly #core: ClientCore;
  readonly #transactionalId: string;
  readonly #state: TransactionState;
  readonly #producer: Producer;
  readonly #coordinators = new Map<string, Coordinator>();
  #current: Transaction | undefined;
  #isClosed = false;

  /** Users get theirs from `Client.transactionalProducer`. */
  constructor(core: ClientCore, options: TransactionalProducerOptions) {
    const { transactionalId, transactionTimeoutMs = 60_000, ...rest } = options;
    this.#core = core;
    this.#transactionalId = transactionalId;
    const state = new TransactionState(core, { transactionalId, transactionTimeoutMs });
    this.#state = state;
    this.#producer = new Producer(core, rest, {
      transactionalId,
      get identity() {
        return state.identity;
      },
      get produceVersionMax() {
        return state.isV2 ? Infinity : PRODUCE_VERSION_MAX_V1;
      },
      mayProduceTo: (queue) => state.mayProduceTo(queue),
      onFailed: (error) => state.fail(error),
    });
    state.onAdded = () => this.#producer.wake();
    state.onFailure = (error) => this.#producer.drop(error);
  }

  /**
   * Begins a transaction. One at a time: for more at once make more producers, with ids of their own. Errors: KafkaError, fatal
   * when another producer has taken this one's place.
   */
  async begin(options: { readonly signal?: AbortSignal } = {}): Promise<Transaction> {
    if (this.#isClosed) throw ownError('CLOSED', 'the producer has been closed');
    if (this.#current?.isOpen === true) throw ownError('INVALID_ARGUMENT', 'a transaction is open already');
    await this.#state.begin(options.signal);
    this.#current = new Transaction(this.#producer, this.#state, (owner, offsets) =>
      this.#sendOffsets(owner, offsets),
    );
    return this.#current;
  }

  /** Begins a transaction, does the work, and commits; aborts it when the work or the commit fails, and throws why. */
  async run<T>(
    work: (transaction: Transaction) => Promise<T>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<T> {
    const transaction = await this.begin(options);
    try {
      const result = await work(transaction);
      await transaction.commit();
      return result;
    } catch (error) {
      if (transaction.isOpen) await transaction.abort().catch(() => {});
      throw error;
    }
  }

  /** Aborts what is open. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      if (this.#current?.isOpen === true) await this.#current.abort().catch(() => {});
      await this.#producer.close({ timeoutMs: 0 });
    } finally {
      this.#state.close();
      for (const coordinator of this.#coordinators.values()) coordinator.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #sendOffsets(owner: OffsetOwner, offsets: readonly OffsetToCommit[]): Promise<void> {
    const state = this.#state;
    const { group, committer = NO_MEMBER } = owner;
    const { producerId, producerEpoch } = state.identity;
    const transactionalId = this.#transactionalId;
    if (!state.isV2) {
      await state.coordinator.askUntilDone(
        {
          request: AddOffsetsToTxnRequest,
          response: AddOffsetsToTxnResponse,
          body: () => ({ transactionalId, producerId, producerEpoch, groupId: group }),
        },
        ({ errorCode }) => errorCode,
      );
    }
    state.noteStarted();
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, list]) => ({
      name,
      topicId: ZERO_UUID,
      partitions: list.map(({ partition, offset, leaderEpoch = -1, metadata = '' }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata,
      })),
    }));
    await this.#coordinatorOf(group).askUntilDone(
      {
        request: TxnOffsetCommitRequest,
        response: TxnOffsetCommitResponse,
        versionMax: state.isV2 ? OFFSETS_VERSION_MAX : OFFSETS_VERSION_MAX_V1,
        body: () => ({
          transactionalId,
          groupId: group,
          producerId,
          producerEpoch,
          generationIdOrMemberEpoch: committer.generation,
          memberId: committer.memberId,
          groupInstanceId: committer.instanceId,
          topics,
        }),
      },
      (answer) => {
        for (const { partitions } of answer.topics) {
          for (const { errorCode } of partitions) if (errorCode !== Errors.NONE) return errorCode;
        }
        return Errors.NONE;
      },
    );
  }

  #coordinatorOf(group: string): Coordinator {
    let coordinator = this.#coordinators.get(group);
    if (coordinator === undefined) {
      const lane = this.#core.newLane('group');
      coordinator = new Coordinator({ core: this.#core, kind: 'group', key: group, lane });
      this.#coordinators.set(group, coordinator);
    }
    return coordinator;
  }
}

/** From `begin` to `commit` or `abort`. Left alone, as `await using` leaves it, it is aborted. */
export class Transaction implements AsyncDisposable {
  readonly #producer: Producer;
  readonly #state: TransactionState;
  readonly #sendOffsets: (owner: OffsetOwner, offsets: readonly OffsetToCommit[]) => Promise<void>;
  #isOpen = true;

  constructor(
    producer: Producer,
    state: TransactionState,
    sendOffsets: (owner: OffsetOwner, offsets: readonly OffsetToCommit[]) => Promise<void>,
  ) {
    this.#producer = producer;
    this.#state = state;
    this.#sendOffsets = sendOffsets;
  }

  /** Neither committed nor aborted. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** As `Producer.send`. After a failure the transaction can only be aborted. */
  send(record: ProducerRecord): Promise<RecordMetadata> {
    const refused = this.#refusal();
    return refused === undefined ? this.#producer.send(record) : Promise.reject(refused);
  }

  /** As `Producer.sendAll`. */
  sendAll(records: Iterable<ProducerRecord>): Promise<SentRange[]> {
    const refused = this.#refusal();
    return refused === undefined ? this.#producer.sendAll(records) : Promise.reject(refused);
  }

  /** As `Producer.write`; a failure comes out of `commit`. */
  write(record: ProducerRecord): boolean {
    const refused = this.#refusal();
    if (refused !== undefined) throw refused;
    return this.#producer.write(record);
  }

  /**
   * Commits a group's offsets with the transaction. With `consumer.offsetOwner` a member that has lost its partitions
   * meanwhile is refused (KIP-447). Errors: KafkaError, and then the transaction can only be aborted.
   */
  async sendOffsets(owner: OffsetOwner, offsets: readonly OffsetToCommit[]): Promise<void> {
    const refused = this.#refusal();
    if (refused !== undefined) throw refused;
    try {
      await this.#sendOffsets(owner, offsets);
    } catch (error) {
      if (isKafkaError(error)) this.#state.fail(error);
      throw error;
    }
  }

  /** Resolves when it is decided: all that was sent is there for good. Errors: KafkaError; then abort. */
  async commit(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const refused = this.#refusal();
    if (refused !== undefined) throw refused;
    await this.#producer.flush(options);
    const { failure } = this.#state;
    if (failure !== undefined) throw failure;
    await this.#state.end(true, options.signal);
    this.#isOpen = false;
  }

  /** What has not left is dropped, what has is never seen by consumers of committed records. */
  async abort(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (!this.#isOpen) throw ownError('INVALID_ARGUMENT', 'the transaction has ended');
    this.#isOpen = false;
    const error = brokerError(Errors.TRANSACTION_ABORTABLE, 'the transaction was aborted');
    this.#producer.drop(error);
    await this.#producer.flush(options).catch(() => {});
    await this.#state.end(false, options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOpen) await this.abort();
  }

  #refusal(): Error | undefined {
    if (!this.#isOpen) return ownError('INVALID_ARGUMENT', 'the transaction has ended');
    return this.#state.failure;
  }
}

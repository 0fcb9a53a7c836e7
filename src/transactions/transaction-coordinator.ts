/**
 * The transaction coordinator of one broker: the partitions of __transaction_state that it leads, a shard and a sender of
 * markers for each, and the transaction APIs on top. What a request means is decided in the files beside.
 */
import type { Clock, Logger, Timers } from '../base/ports.ts';
import { Journal } from '../coordinator/journal.ts';
import { LedShards, type NewShard } from '../coordinator/led-shards.ts';
import type { CoordinatorLog } from '../coordinator/log.ts';
import { Shard } from '../coordinator/shard.ts';
import { Errors, KafkaError, type ErrorCode } from '../protocol/errors.ts';
import type {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../protocol/messages/66-list-transactions.ts';
import { addPartitions, verifyPartitions, type PartitionsOfProducer } from './add-partitions.ts';
import { completeTransaction, endTransaction, type EndTransaction } from './end-transaction.ts';
import { checkInitProducerId, initProducerId, type InitProducerId } from './init-producer-id.ts';
import { Completions } from './completions.ts';
import { MarkerSender, type MarkersDue, type MarkerWriter } from './marker-sender.ts';
import {
  NEEDS_PRODUCER_ID,
  newShardState,
  refused,
  type ProducerAnswer,
  type ShardState,
  type TransactionEvent,
  type TransactionSettings,
  type TransactionTurn,
} from './shard-state.ts';
import {
  describeTransaction,
  listTransactions,
  transactionFilter,
  undescribed,
  type DescribedTransaction,
} from './transaction-admin.ts';
import { TransactionMachine } from './transaction-machine.ts';

export interface TransactionCoordinatorOptions {
  readonly ports: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger };
  /** Asked anew for each operation. */
  readonly settings: () => TransactionSettings;
  /** Partitions that __transaction_state has; those it will have while it does not exist. */
  readonly partitionCount: () => number;
  /** The finalized level of transaction.version. */
  readonly transactionVersion: () => number;
  readonly producerIds: { generate(): number | Promise<number> };
  readonly markers: MarkerWriter;
}

type TransactionShard = Shard<TransactionEvent, TransactionMachine>;

type ProducerOperation<Q> = (
  state: ShardState,
  turn: TransactionTurn,
  request: Q & { readonly newProducerId?: number },
) => ProducerAnswer | typeof NEEDS_PRODUCER_ID;

export class TransactionCoordinator {
  readonly #options: TransactionCoordinatorOptions;
  readonly #led: LedShards<TransactionEvent, TransactionMachine>;
  readonly #completions: Completions;

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options;
    this.#led = new LedShards(options.partitionCount);
    this.#completions = new Completions(options.ports.timers);
  }

  /** The partition of __transaction_state whose leader coordinates the transactional id. */
  partitionFor(transactionalId: string): number {
    return this.#led.partitionFor(transactionalId);
  }

  /** This broker leads the partition from now on. Resolves when its transactions are loaded, or will not be. */
  onElection(partition: number, leaderEpoch: number, log: CoordinatorLog): Promise<void> {
    return this.#led.elect(partition, leaderEpoch, () => this.#begin(partition, leaderEpoch, log));
  }

  #begin(
    partition: number,
    leaderEpoch: number,
    log: CoordinatorLog,
  ): NewShard<TransactionEvent, TransactionMachine> {
    const { ports, settings, transactionVersion } = this.#options;
    const journal = new Journal();
    const logger = ports.logger.child({ coordinator: 'transaction', partition });
    const sender = new MarkerSender({
      writer: this.#options.markers,
      timers: ports.timers,
      logger,
      onDone: (due) => {
        complete(shard, due);
        this.#completions.wake(due.transactionalId);
      },
    });
    const state = newShardState(journal, {
      settings,
      transactionVersion,
      coordinatorEpoch: leaderEpoch,
      markers: { respond: (due) => sender.send(due) },
    });
    const shard: TransactionShard = new Shard({
      machine: new TransactionMachine(state),
      journal,
      log,
      leaderEpoch,
      ports: { ...ports, logger },
      writeTimeoutMs: () => settings().network.requestTimeoutMs,
    });
    return { shard, close: () => sender.close() };
  }

  /** This broker does not lead the partition any more. */
  onResignation(partition: number): void {
    this.#led.resign(partition);
  }

  /** Whoever waits is told to look for another coordinator. */
  shutdown(): void {
    this.#led.resignAll();
  }

  initProducerId(request: InitProducerId): Promise<ProducerAnswer> {
    const errorCode = checkInitProducerId(request, this.#options.settings().transactions);
    if (errorCode !== Errors.NONE && request.transactionalId !== '')
      return Promise.resolve(refused(errorCode));
    return this.#withProducerIds(request, initProducerId);
  }

  endTransaction(request: EndTransaction): Promise<ProducerAnswer> {
    return this.#withProducerIds(request, endTransaction);
  }

  addPartitions(request: PartitionsOfProducer & { readonly clientVersion: number }): Promise<ErrorCode> {
    return this.#write<ErrorCode>(
      request.transactionalId,
      (state, turn) => addPartitions(state, turn, request),
      (errorCode) => errorCode,
    );
  }

  /** An error for each partition, in their order. */
  verifyPartitions(request: PartitionsOfProducer): Promise<readonly ErrorCode[]> {
    return this.#write<readonly ErrorCode[]>(
      request.transactionalId,
      (state) => verifyPartitions(state, request),
      (errorCode) => request.partitions.map(() => errorCode),
    );
  }

  /**
   * Whether these partitions belong to the producer's transaction, as a leader asks before it appends; with `canAdd`
   * (transactions v2) they do from now on. An error for each, in their order: INVALID_PRODUCER_EPOCH, which producers
   * understand, in the place of PRODUCER_FENCED; TRANSACTION_ABORTABLE, which old ones do not. While the transaction
   * before is being completed, with transactions v2 the usual case, this waits for its end for a little while: the client
   * would wait longer.
   */
  async ensureAll(
    request: PartitionsOfProducer & { readonly canAdd: boolean },
  ): Promise<readonly ErrorCode[]> {
    const { clock } = this.#options.ports;
    const { addPartitionsRetryBackoffMs, addPartitionsRetryBackoffMaxMs } =
      this.#options.settings().transactions;
    const untilMs = clock.monotonicMs() + addPartitionsRetryBackoffMaxMs;
    for (;;) {
      const errorCodes = await this.#ensureOnce(request);
      const isBusy = request.canAdd && errorCodes.includes(Errors.CONCURRENT_TRANSACTIONS);
      if (!isBusy || clock.monotonicMs() >= untilMs) return errorCodes.map(asProduceError);
      await this.#completions.within(request.transactionalId, addPartitionsRetryBackoffMs);
    }
  }

  async #ensureOnce(
    request: PartitionsOfProducer & { readonly canAdd: boolean },
  ): Promise<readonly ErrorCode[]> {
    if (!request.canAdd) return this.verifyPartitions(request);
    const errorCode = await this.addPartitions({ ...request, clientVersion: 2 });
    return request.partitions.map(() => errorCode);
  }

  describe(transactionalId: string): DescribedTransaction {
    if (transactionalId === '') return undescribed(transactionalId, Errors.INVALID_REQUEST);
    return this.#led.read(
      transactionalId,
      ({ state }) => describeTransaction(state, transactionalId),
      (errorCode) => undescribed(transactionalId, errorCode),
    );
  }

  /** The transactions that this broker coordinates. Throws a KafkaError for a pattern that is none. */
  list(request: ListTransactionsRequest): ListTransactionsResponse {
    const { matches, unknownStateFilters } = transactionFilter(request, this.#options.ports.clock.nowMs());
    const transactionStates: ListTransactionsResponse['transactionStates'] = [];
    const answer = { throttleTimeMs: 0, errorCode: Errors.NONE, unknownStateFilters, transactionStates };
    for (const shard of this.#led.shards()) {
      if (shard.unavailable === Errors.COORDINATOR_LOAD_IN_PROGRESS) {
        return {
          throttleTimeMs: 0,
          errorCode: shard.unavailable,
          unknownStateFilters: [],
          transactionStates: [],
        };
      }
      if (shard.unavailable !== Errors.NONE) continue;
      for (const one of listTransactions(shard.machine.state, matches)) transactionStates.push(one);
    }
    return answer;
  }

  /** An operation that may turn out to need a producer id: it is fetched in between, and all is judged anew. */
  async #withProducerIds<Q extends { readonly transactionalId: string }>(
    request: Q,
    operation: ProducerOperation<Q>,
  ): Promise<ProducerAnswer> {
    const { transactionalId } = request;
    const answer = await this.#write<ReturnType<ProducerOperation<Q>>>(
      transactionalId,
      (state, turn) => operation(state, turn, request),
      refused,
    );
    if (answer !== NEEDS_PRODUCER_ID) return answer;
    let newProducerId: number;
    try {
      newProducerId = await this.#options.producerIds.generate();
    } catch (error) {
      if (error instanceof KafkaError) return refused(error.code);
      throw error;
    }
    return this.#write<ProducerAnswer>(
      transactionalId,
      (state, turn) => operation(state, turn, { ...request, newProducerId }) as ProducerAnswer,
      refused,
    );
  }

  /** An operation that is answered when its records are committed. Errors of all: INVALID_REQUEST for an empty id. */
  #write<R>(
    transactionalId: string,
    operation: (state: ShardState, turn: TransactionTurn) => R,
    refuse: (errorCode: ErrorCode) => R,
  ): Promise<R> {
    if (transactionalId === '') return Promise.resolve(refuse(Errors.INVALID_REQUEST));
    return this.#led.write(transactionalId, ({ state }, turn) => operation(state, turn), refuse);
  }
}

function complete(shard: TransactionShard, due: MarkersDue): void {
  shard.write((turn) => completeTransaction(shard.machine.state, turn, due), {
    reply: () => undefined,
    fail: () => undefined,
  });
}

function asProduceError(errorCode: ErrorCode): ErrorCode {
  return errorCode === Errors.PRODUCER_FENCED ? Errors.INVALID_PRODUCER_EPOCH : errorCode;
}

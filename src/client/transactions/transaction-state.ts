/**
 * A transactional producer's side of the transaction protocol (KIP-98): its id and epoch, which partitions are in,
 * and whether the transaction can still be committed. With transactions v2 (KIP-890) partitions come in by being
 * written to, and every end raises the epoch; with older brokers they are added first, and the epoch is raised only
 * after something has failed.
 */
import { Errors } from '../../protocol/errors.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../protocol/messages/22-init-producer-id.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../protocol/messages/24-add-partitions-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../../protocol/messages/26-end-txn.ts';
import { backoffMs, pause } from '../backoff.ts';
import type { Call } from '../connection/broker-link.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, connectionError, textOf, type KafkaError } from '../errors.ts';
import { Coordinator } from '../group/coordinator.ts';
import { NO_IDENTITY, type BatchIdentity } from '../producer/batch.ts';
import type { PartitionQueue } from '../producer/partition-queue.ts';

export interface TransactionOptions {
  readonly transactionalId: string;
  /** After so long the broker aborts what is open. */
  readonly transactionTimeoutMs: number;
}

/** Clients speak this version and older ones; what comes later is among brokers. */
const ADD_PARTITIONS_VERSION_MAX = 3;
/** The last version of EndTxn, and of Produce, in which the epoch stays and partitions are added first. */
const END_VERSION_MAX_V1 = 4;
export const PRODUCE_VERSION_MAX_V1 = 11;
const FEATURE = 'transaction.version';
const V2 = 2;
/** The end of the last transaction is still being written: soon it is not. */
const CONCURRENT_PAUSE_MS = 20;

/** The producer has been replaced, or may not do this at all: it is of no more use. */
const FATAL: ReadonlySet<number> = new Set([
  Errors.PRODUCER_FENCED,
  Errors.INVALID_PRODUCER_EPOCH,
  Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  Errors.CLUSTER_AUTHORIZATION_FAILED,
  Errors.INVALID_PRODUCER_ID_MAPPING,
  Errors.UNSUPPORTED_VERSION,
  Errors.INVALID_TRANSACTION_TIMEOUT,
]);

export class TransactionState {
  readonly #core: ClientCore;
  readonly #options: TransactionOptions;
  readonly coordinator: Coordinator;
  #identity: BatchIdentity = NO_IDENTITY;
  isV2 = false;
  isOpen = false;
  /** The broker knows of the transaction, or may. */
  #isStarted = false;
  /** Why the transaction can only be aborted. */
  #failure: KafkaError | undefined;
  #fatal: KafkaError | undefined;
  /** The epoch has to be raised before the next transaction. */
  #needsEpoch = false;
  readonly #added = new Set<PartitionQueue>();
  readonly #toAdd = new Set<PartitionQueue>();
  #adding: Promise<void> | undefined;
  /** Batches may leave that could not before. */
  onAdded: () => void = () => {};
  /** The transaction can only be aborted: what waits is not sent any more. */
  onFailure: (error: KafkaError) => void = () => {};
  readonly #closing = new AbortController();

  constructor(core: ClientCore, options: TransactionOptions) {
    this.#core = core;
    this.#options = options;
    const lane = core.newLane('transaction');
    this.coordinator = new Coordinator({ core, kind: 'transaction', key: options.transactionalId, lane });
  }

  get identity(): BatchIdentity {
    return this.#identity;
  }

  get failure(): KafkaError | undefined {
    return this.#fatal ?? this.#failure;
  }

  get fatal(): KafkaError | undefined {
    return this.#fatal;
  }

  /** Asks for id and epoch, which ends what an earlier producer of this id has left open. Errors: KafkaError. */
  async begin(signal?: AbortSignal): Promise<void> {
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#identity === NO_IDENTITY || this.#needsEpoch) await this.#initialize(signal);
    this.isOpen = true;
    this.#isStarted = false;
    this.#failure = undefined;
    this.#added.clear();
  }

  /** Whether the partition may be written to; if not, it is added, and `onAdded` tells. */
  mayProduceTo(queue: PartitionQueue): boolean {
    if (!this.isOpen || this.failure !== undefined) return false;
    if (this.isV2) {
      this.#isStarted = true;
      return true;
    }
    if (this.#added.has(queue)) return true;
    this.#toAdd.add(queue);
    this.#adding ??= this.#add().finally(() => {
      this.#adding = undefined;
    });
    return false;
  }

  /** Something was added to the transaction besides partitions. */
  noteStarted(): void {
    this.#isStarted = true;
  }

  /** The transaction cannot be committed any more; with a fatal error nothing can. */
  fail(error: KafkaError): void {
    this.#needsEpoch = true;
    if (error.fatal) this.#fatal ??= error;
    if (this.#failure !== undefined) return;
    this.#failure = asAbortable(error);
    this.onFailure(this.failure!);
  }

  /** Commits or aborts; all batches have been answered. Errors: KafkaError. */
  async end(isCommit: boolean, signal?: AbortSignal): Promise<void> {
    await this.#adding;
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#isStarted) {
      const answer = await this.#ask(
        {
          request: EndTxnRequest,
          response: EndTxnResponse,
          ...(this.isV2 ? {} : { versionMax: END_VERSION_MAX_V1 }),
          body: () => ({
            transactionalId: this.#options.transactionalId,
            ...this.#identity,
            committed: isCommit,
          }),
        },
        ({ errorCode }) => errorCode,
        signal,
      );
      if (this.isV2) {
        const { producerId, producerEpoch } = answer;
        this.#identity = { producerId, producerEpoch };
        this.#needsEpoch = false;
      }
    }
    this.isOpen = false;
  }

  close(): void {
    this.#closing.abort(new Error('the producer has been closed'));
    this.coordinator.close();
  }

  /** A question to the coordinator, repeated while that helps. What does not pass fails the transaction. */
  async #ask<W, R>(call: Call<W, R>, codeOf: (answer: R) => number, signal?: AbortSignal): Promise<R> {
    const { ports, settings } = this.#core;
    const endMs = ports.clock.monotonicMs() + settings.callTimeoutMs;
    for (let failures = 1; ; failures++) {
      let failure: KafkaError;
      try {
        const answer = await this.coordinator.ask(call, codeOf);
        const code = codeOf(answer);
        if (code === Errors.NONE) return answer;
        failure = this.error(code, call.request.name.replace(/Request$/, ''));
      } catch (error) {
        failure = connectionError(error, `asking the coordinator of ${this.#options.transactionalId}`);
      }
      const waitMs =
        failure.code === Errors.CONCURRENT_TRANSACTIONS
          ? CONCURRENT_PAUSE_MS
          : backoffMs(failures, settings, ports.random);
      if (!failure.retriable || ports.clock.monotonicMs() + waitMs > endMs) {
        this.fail(failure);
        throw this.failure!;
      }
      await pause(ports.timers, waitMs, signal ?? this.#closing.signal);
    }
  }

  /** An answer's error, about this transactional id. */
  error(code: number, doing: string): KafkaError {
    const { transactionalId } = this.#options;
    return brokerError(code, `${doing} of transactional id ${transactionalId}`, { fatal: FATAL.has(code) });
  }

  async #initialize(signal?: AbortSignal): Promise<void> {
    const { transactionalId, transactionTimeoutMs } = this.#options;
    const { producerId, producerEpoch } = this.#identity;
    const answer = await this.#ask(
      {
        request: InitProducerIdRequest,
        response: InitProducerIdResponse,
        body: () => ({ transactionalId, transactionTimeoutMs, producerId, producerEpoch }),
      },
      ({ errorCode }) => errorCode,
      signal,
    );
    this.isV2 = await this.#knowsV2();
    this.#identity = { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
    this.#needsEpoch = false;
  }

  async #knowsV2(): Promise<boolean> {
    const versions = await this.coordinator.versions();
    const end = versions.find(EndTxnRequest.key) ?? 0;
    return (versions.features.get(FEATURE) ?? 0) >= V2 && end > END_VERSION_MAX_V1;
  }

  /** With transactions v1: tells the coordinator before the first batch. Partitions that come together go together. */
  async #add(): Promise<void> {
    await Promise.resolve();
    while (this.#toAdd.size > 0 && this.failure === undefined) {
      const adding = [...this.#toAdd];
      this.#toAdd.clear();
      const topics = [...Map.groupBy(adding, ({ topic }) => topic.name)].map(([name, queues]) => ({
        name,
        partitions: queues.map(({ index }) => index),
      }));
      try {
        await this.#ask(
          {
            request: AddPartitionsToTxnRequest,
            response: AddPartitionsToTxnResponse,
            versionMax: ADD_PARTITIONS_VERSION_MAX,
            body: () => ({
              transactions: [],
              v3AndBelowTransactionalId: this.#options.transactionalId,
              v3AndBelowProducerId: this.#identity.producerId,
              v3AndBelowProducerEpoch: this.#identity.producerEpoch,
              v3AndBelowTopics: topics,
            }),
          },
          (answer) => {
            for (const { resultsByPartition } of answer.resultsByTopicV3AndBelow) {
              for (const one of resultsByPartition) {
                if (one.partitionErrorCode !== Errors.NONE) return one.partitionErrorCode;
              }
            }
            return Errors.NONE;
          },
        );
      } catch {
        return;
      }
      this.#isStarted = true;
      for (const queue of adding) this.#added.add(queue);
      this.onAdded();
    }
    this.#toAdd.clear();
  }
}

/** What the user sees of an error that leaves only an abort. */
function asAbortable(error: KafkaError): KafkaError {
  if (error.abortable) return error;
  const { code, retriable } = error;
  const options = {
    abortable: true,
    retriable,
    cause: error,
    advice: 'abort the transaction and begin again',
  };
  return code === undefined
    ? brokerError(Errors.TRANSACTION_ABORTABLE, error.message, options)
    : brokerError(code, textOf(error), options);
}

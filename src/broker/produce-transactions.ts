/**
 * The transactional side of a Produce request (KIP-98, KIP-890): a producer's first batch in a partition since its
 * transaction began is appended only when the transaction coordinator knows the partition, or, with transactions v2, has
 * just taken it into the transaction. The questions of a request go out together.
 */
import type { ProduceRequest } from '../protocol/messages/00-produce.ts';
import { Errors, errorName, type ErrorCode } from '../protocol/errors.ts';
import type { Verification } from '../log/log.ts';
import * as header from '../protocol/record-batch.ts';
import type { Partition, PartitionAppend } from '../replication/partition.ts';
import type { Services } from './services.ts';

/** From this version on producing to a partition adds it to the transaction. */
const ADDS_PARTITIONS_SINCE = 12;
/** From this version on producers know TRANSACTION_ABORTABLE. */
const ABORTABLE_SINCE = 11;
/** transaction.version of those producers. */
const TRANSACTIONS_V2 = 2;
const UNVERIFIED = 'Unable to verify the partition has been added to the transaction';

export interface Refusal {
  readonly errorCode: ErrorCode;
  readonly message: string | null;
}

/** A transactional batch that will be appended, if the coordinator agrees. */
export interface TransactionalBatch {
  readonly partition: Partition;
  readonly records: Buffer;
}

interface Verdict {
  errorCode: ErrorCode;
  /** Belongs into the append. */
  readonly verification: Verification | undefined;
}

/** For a batch that nobody asked for: the log takes it only into a transaction that it knows. */
const UNASKED: Verification = { producerId: -1 };

/** Whether the records can be looked at as a transactional batch of a producer. */
export function isOfTransaction(records: Buffer | null): records is Buffer {
  if (records === null || records.length < header.BATCH_HEADER_BYTES) return false;
  return header.isTransactional(records) && header.producerId(records) >= 0;
}

/** Whether any batch claims to be part of a transaction, so that the request needs a transactional id. */
export function hasTransactionalBatch(request: ProduceRequest): boolean {
  for (const { partitionData } of request.topicData) {
    for (const { records } of partitionData) {
      if (records === null || records.length < header.BATCH_HEADER_BYTES) continue;
      if (header.isTransactional(records)) return true;
    }
  }
  return false;
}

/** A transaction has one producer, and a request is about one transaction. */
export function hasSeveralProducers(request: ProduceRequest): boolean {
  let first: Buffer | undefined;
  for (const { partitionData } of request.topicData) {
    for (const { records } of partitionData) {
      if (!isOfTransaction(records)) continue;
      first ??= records;
      if (header.producerId(first) !== header.producerId(records)) return true;
      if (header.producerEpoch(first) !== header.producerEpoch(records)) return true;
    }
  }
  return false;
}

export class ProduceTransaction {
  readonly #services: Services;
  readonly #transactionalId: string;
  readonly #apiVersion: number;
  readonly #canAdd: boolean;
  readonly #verdicts = new Map<Partition, Verdict>();

  constructor(services: Services, transactionalId: string, apiVersion: number) {
    this.#services = services;
    this.#transactionalId = transactionalId;
    this.#apiVersion = apiVersion;
    this.#canAdd = apiVersion >= ADDS_PARTITIONS_SINCE;
  }

  /** Asks about those that the log does not know yet; undefined when there are none. Keeps no view of the batches. */
  ask(batches: readonly TransactionalBatch[]): Promise<void> | undefined {
    if (!this.#isVerifying()) return undefined;
    const nowMs = this.#services.ports.clock.nowMs();
    const asked: Partition[] = [];
    let producer: { readonly producerId: number; readonly producerEpoch: number } | undefined;
    for (const { partition, records } of batches) {
      const of = { producerId: header.producerId(records), producerEpoch: header.producerEpoch(records) };
      const firstSequence = header.baseSequence(records);
      const question = { ...of, firstSequence, hasEpochPerTransaction: this.#canAdd };
      const { errorCode, verification } = partition.beginVerification(question, nowMs);
      this.#verdicts.set(partition, { errorCode: errorCode as ErrorCode, verification });
      if (errorCode !== Errors.NONE || verification === 'ongoing') continue;
      asked.push(partition);
      producer ??= of;
    }
    return producer === undefined ? undefined : this.#ask(asked, producer);
  }

  async #ask(
    asked: readonly Partition[],
    producer: { readonly producerId: number; readonly producerEpoch: number },
  ): Promise<void> {
    const errorCodes = await this.#services.transactionVerifier.ensureAll({
      transactionalId: this.#transactionalId,
      ...producer,
      partitions: asked.map(({ topic, partition }) => ({ topic, partition })),
      canAdd: this.#canAdd,
    });
    for (const [index, partition] of asked.entries()) {
      this.#verdicts.get(partition)!.errorCode = errorCodes[index];
    }
  }

  /** Why a batch of this partition must not be appended; undefined: the log is to judge it. */
  refusal(partition: Partition): Refusal | undefined {
    const errorCode = this.#verdicts.get(partition)?.errorCode ?? Errors.NONE;
    return errorCode === Errors.NONE ? undefined : this.#refused(errorCode);
  }

  /** What the log needs to judge it. */
  appendOptions(partition: Partition): Pick<PartitionAppend, 'transactionVersion' | 'verification'> {
    const transactionVersion = this.#canAdd ? TRANSACTIONS_V2 : 0;
    if (!this.#isVerifying()) return { transactionVersion };
    return { transactionVersion, verification: this.#verdicts.get(partition)?.verification ?? UNASKED };
  }

  #isVerifying(): boolean {
    return this.#canAdd || this.#services.settings().transactions.partitionVerificationEnable;
  }

  /** What producers of this version can make something of. */
  #refused(errorCode: ErrorCode): Refusal {
    const unverified = `${UNVERIFIED}. Underlying error: ${errorName(errorCode)}`;
    switch (errorCode) {
      case Errors.NETWORK_EXCEPTION:
      case Errors.COORDINATOR_LOAD_IN_PROGRESS:
      case Errors.COORDINATOR_NOT_AVAILABLE:
      case Errors.NOT_COORDINATOR:
        return refused(Errors.NOT_ENOUGH_REPLICAS, unverified);
      case Errors.CONCURRENT_TRANSACTIONS:
        return this.#canAdd ? refused(errorCode) : refused(Errors.NOT_ENOUGH_REPLICAS, unverified);
      case Errors.TRANSACTION_ABORTABLE:
        if (this.#apiVersion >= ABORTABLE_SINCE) return refused(errorCode);
        return refused(Errors.INVALID_TXN_STATE, 'Partition was not added to the transaction');
      default:
        return refused(errorCode);
    }
  }
}

function refused(errorCode: ErrorCode, message: string | null = null): Refusal {
  return { errorCode, message };
}

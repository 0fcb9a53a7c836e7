/**
 * Brings the markers of decided transactions to the leaders of their partitions, each as often as it takes. A decision is
 * in the log before the first marker leaves, and the end of a transaction is written after the last one is in: so this
 * need not remember anything, and after a restart or on another broker it simply begins anew.
 */
import type { Logger, Timers } from '../base/ports.ts';
import { Errors, errorName, type ErrorCode } from '../protocol/errors.ts';
import type { PartitionsByTopic, TopicPartition } from './transaction.ts';

export interface TransactionEnd {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly isCommit: boolean;
  /** 2: leaders take the marker only if its epoch is above the producer's (KIP-1228). */
  readonly transactionVersion: number;
}

export interface MarkersDue extends TransactionEnd {
  readonly transactionalId: string;
  readonly partitions: PartitionsByTopic;
}

/** The way to the leaders. */
export interface MarkerWriter {
  /**
   * Answers when the marker is committed, or why it is not. UNKNOWN_TOPIC_OR_PARTITION only when the partition is gone for
   * good, INVALID_PRODUCER_EPOCH only when what is in the partition instead is committed.
   */
  write(partition: TopicPartition, end: TransactionEnd): Promise<ErrorCode>;
}

/** Between two attempts at the same partition. */
export const MARKER_RETRY_BACKOFF_MS = 100;

export interface MarkerSenderOptions {
  readonly writer: MarkerWriter;
  readonly timers: Timers;
  readonly logger: Logger;
  /** All markers of the transaction are in. */
  readonly onDone: (due: MarkersDue) => void;
}

export class MarkerSender {
  readonly #options: MarkerSenderOptions;
  /** Transactions under way; also guards against sending the same twice. */
  readonly #underWay = new Map<string, MarkersDue>();
  #isClosed = false;

  constructor(options: MarkerSenderOptions) {
    this.#options = options;
  }

  /** Transactions whose markers are not all in. */
  get pending(): number {
    return this.#underWay.size;
  }

  send(due: MarkersDue): void {
    const { transactionalId } = due;
    const before = this.#underWay.get(transactionalId);
    if (this.#isClosed || before?.producerEpoch === due.producerEpoch) return;
    this.#underWay.set(transactionalId, due);
    let left = 1;
    const one = (): void => {
      left -= 1;
      if (left > 0 || this.#underWay.get(transactionalId) !== due) return;
      this.#underWay.delete(transactionalId);
      this.#options.onDone(due);
    };
    for (const [topic, indexes] of due.partitions) {
      for (const partition of indexes) {
        left += 1;
        this.#attempt({ topic, partition }, due, one);
      }
    }
    one();
  }

  /** Another broker coordinates these transactions now, and begins anew. */
  close(): void {
    this.#isClosed = true;
    this.#underWay.clear();
  }

  #attempt(partition: TopicPartition, due: MarkersDue, done: () => void): void {
    if (this.#underWay.get(due.transactionalId) !== due) return;
    this.#options.writer.write(partition, due).then(
      (errorCode) => this.#answered(partition, due, { errorCode, done }),
      (error: unknown) => {
        this.#options.logger.error({ error, ...partition }, 'a transaction marker could not be written');
        this.#retry(partition, due, done);
      },
    );
  }

  #answered(
    partition: TopicPartition,
    due: MarkersDue,
    { errorCode, done }: { readonly errorCode: ErrorCode; readonly done: () => void },
  ): void {
    const { logger } = this.#options;
    const { transactionalId } = due;
    if (errorCode === Errors.NONE) {
      done();
      return;
    }
    const fields = { ...partition, transactionalId, error: errorName(errorCode) };
    switch (errorCode) {
      case Errors.UNKNOWN_TOPIC_OR_PARTITION:
        logger.info(fields, 'a partition of a transaction is gone; it needs no marker');
        done();
        return;
      case Errors.INVALID_PRODUCER_EPOCH:
        // Only a later end raises the epoch above the marker's, and it ended this transaction as well.
        logger.warn(fields, 'a partition is past a transaction that needs its marker; it is left as it is');
        done();
        return;
      case Errors.TRANSACTION_COORDINATOR_FENCED:
        logger.warn(
          fields,
          'another broker coordinates a transaction; no more markers of it are sent from here',
        );
        if (this.#underWay.get(transactionalId) === due) this.#underWay.delete(transactionalId);
        return;
      default:
        logger.debug(fields, 'a transaction marker was refused and will be sent again');
        this.#retry(partition, due, done);
    }
  }

  #retry(partition: TopicPartition, due: MarkersDue, done: () => void): void {
    if (this.#underWay.get(due.transactionalId) !== due) return;
    this.#options.timers.after(MARKER_RETRY_BACKOFF_MS, () => this.#attempt(partition, due, done));
  }
}

/**
 * What a pass over a log knows of transactions: which batches belong to an aborted one and go, and which markers still
 * have records of their transaction before them and stay. The rules are those of Kafka's CleanedTransactionMetadata.
 */
import { endedTransaction } from '../../protocol/control-records.ts';
import * as header from '../../protocol/record-batch.ts';
import type { AbortedTransaction } from '../transaction-index.ts';

interface OngoingAborted {
  readonly transaction: AbortedTransaction;
  /** A batch of it was met. It may be empty: kept for its producer's sake. */
  wasSeen: boolean;
}

export class CleanedTransactions {
  /** Called for each abort marker that stays because batches of its transaction are there: readers must skip them. */
  onAbortKept: (transaction: AbortedTransaction) => void = () => {};
  /** By first offset. */
  readonly #aborted: readonly AbortedTransaction[];
  #next = 0;
  /** By producer: those that have begun, and whose marker is still to come. */
  readonly #ongoing = new Map<number, OngoingAborted>();
  readonly #committed = new Set<number>();

  /** `aborted`: those that overlap the range that is about to be read. */
  constructor(aborted: readonly AbortedTransaction[]) {
    this.#aborted = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Notes a batch of records. True: its transaction was aborted, nobody may see them. */
  isAborted(buffer: Buffer, at: number): boolean {
    this.#beginUpTo(header.lastOffset(buffer, at));
    if (!header.isTransactional(buffer, at)) return false;
    const producerId = header.producerId(buffer, at);
    const ongoing = this.#ongoing.get(producerId);
    if (ongoing === undefined) {
      this.#committed.add(producerId);
      return false;
    }
    ongoing.wasSeen = true;
    return true;
  }

  /** Notes a control batch. True: nothing is left of the transaction that it ends. */
  isMarkerOfNothing(buffer: Buffer, at: number): boolean {
    this.#beginUpTo(header.lastOffset(buffer, at));
    if (header.recordCount(buffer, at) === 0) return true;
    const ended = endedTransaction(buffer, at);
    // Of another kind, or unreadable: not for us to judge.
    if (ended === undefined) return false;
    if (ended.isCommit) return !this.#committed.delete(ended.producerId);
    const ongoing = this.#ongoing.get(ended.producerId);
    this.#ongoing.delete(ended.producerId);
    if (ongoing === undefined || !ongoing.wasSeen) return true;
    this.onAbortKept(ongoing.transaction);
    return false;
  }

  #beginUpTo(offset: number): void {
    for (; this.#next < this.#aborted.length; this.#next++) {
      const transaction = this.#aborted[this.#next];
      if (transaction.firstOffset > offset) return;
      if (this.#ongoing.has(transaction.producerId)) continue;
      this.#ongoing.set(transaction.producerId, { transaction, wasSeen: false });
    }
  }
}

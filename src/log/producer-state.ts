/**
 * What a log knows of its idempotent and transactional producers (KIP-98, KIP-360, KIP-890): per producer id the epoch,
 * the last batches (to answer a retry with its first offset) and the open transaction; and which transactions keep
 * readers of committed data back. Checking is apart from changing: `check` says whether a batch may be appended,
 * `apply` notes one that was. The rules are those of Kafka's ProducerAppendInfo (behaviour items 15, 16, 20).
 */
import type { EndedTransaction } from '../protocol/control-records.ts';
import { Errors } from '../protocol/errors.ts';

/** Batches per producer that a retry is compared with; clients have at most so many in flight. */
export const BATCHES_RETAINED = 5;
export const NO_PRODUCER_EPOCH = -1;
const NO_SEQUENCE = -1;
/** Producers whose refused first batch is remembered. */
const TURNED_AWAY_MAX = 1_000;
const INT32_MAX = 2 ** 31 - 1;

export interface BatchMetadata {
  readonly lastSequence: number;
  readonly lastOffset: number;
  /** Last offset minus first; the first sequence follows from it. */
  readonly offsetDelta: number;
  readonly timestamp: number;
}

export interface ProducerEntry {
  readonly producerId: number;
  epoch: number;
  /** Of the last transaction marker; -1 before the first. */
  coordinatorEpoch: number;
  lastTimestamp: number;
  /** First offset of the open transaction; -1 without one. */
  transactionFirstOffset: number;
  /** The latest last, at most BATCHES_RETAINED, all of `epoch`. */
  readonly batches: BatchMetadata[];
}

/** Who appends: what a producer sent is checked in full, what a coordinator writes has no sequences, and what comes
 * from the leader or the log itself was checked before. */
export type AppendOrigin = 'client' | 'coordinator' | 'marker' | 'replication';

export interface DataBatch {
  readonly producerId: number;
  readonly epoch: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly timestamp: number;
  readonly isTransactional: boolean;
}

export interface CompletedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** The marker's. */
  readonly lastOffset: number;
  readonly isAbort: boolean;
  readonly lastStableOffset: number;
}

export interface Refusal {
  readonly errorCode: number;
  readonly errorMessage: string;
}

interface Transaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** A transaction whose marker is in the log but perhaps not yet below the high watermark. */
interface DecidedTransaction extends Transaction {
  readonly lastOffset: number;
}

export class ProducerState {
  readonly #producers = new Map<number, ProducerEntry>();
  /** By first offset; transactions begin in the order of offsets, so the first entry is the lowest. */
  readonly #ongoing = new Map<number, Transaction>();
  /** First batches of producers without state that a full disk refused; the oldest go when there are too many. */
  readonly #turnedAway = new Map<number, { readonly epoch: number; readonly firstSequence: number }>();
  /** In the order of the markers. */
  #decided: DecidedTransaction[] = [];
  /** The state covers the log up to here. */
  endOffset: number;

  constructor(endOffset = 0) {
    this.endOffset = endOffset;
  }

  get count(): number {
    return this.#producers.size;
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#producers.get(producerId);
  }

  entries(): IterableIterator<ProducerEntry> {
    return this.#producers.values();
  }

  /**
   * The disk had no room for a batch that `check` had passed. A producer without state may begin anywhere, but not with
   * what was in flight behind its first batch: that one will be sent again, and would come too late.
   */
  turnAway(batch: {
    readonly producerId: number;
    readonly epoch: number;
    readonly firstSequence: number;
  }): void {
    const { producerId, epoch, firstSequence } = batch;
    if (this.#producers.has(producerId) || this.#turnedAway.has(producerId)) return;
    if (this.#turnedAway.size >= TURNED_AWAY_MAX) {
      this.#turnedAway.delete(this.#turnedAway.keys().next().value!);
    }
    this.#turnedAway.set(producerId, { epoch, firstSequence });
  }

  /** Puts an entry in place, as it was in a snapshot. */
  restore(entry: ProducerEntry): void {
    this.#producers.set(entry.producerId, entry);
    if (entry.transactionFirstOffset >= 0) {
      this.#ongoing.set(entry.transactionFirstOffset, {
        producerId: entry.producerId,
        firstOffset: entry.transactionFirstOffset,
      });
    }
  }

  /** The log is empty and begins at `offset`: what `other` knows from batches before it. */
  inherit(other: ProducerState, offset: number): void {
    this.clear(offset);
    for (const entry of other.entries()) {
      const batches = entry.batches.filter(({ lastOffset }) => lastOffset < offset);
      // The batches that come will say it.
      if (batches.length === 0 && entry.batches.length > 0) continue;
      const isOpen = entry.transactionFirstOffset < offset;
      const transactionFirstOffset = isOpen ? entry.transactionFirstOffset : -1;
      this.restore({ ...entry, batches, transactionFirstOffset });
    }
    this.sortTransactions();
  }

  /** After `restore`: entries of a snapshot come in no order. */
  sortTransactions(): void {
    const sorted = [...this.#ongoing.values()].sort((a, b) => a.firstOffset - b.firstOffset);
    this.#ongoing.clear();
    for (const transaction of sorted) this.#ongoing.set(transaction.firstOffset, transaction);
  }

  /** The batch among the retained ones with the same sequences, if this is a retry of it. */
  findDuplicate(
    producerId: number,
    epoch: number,
    firstSequence: number,
    lastSequence: number,
  ): BatchMetadata | undefined {
    const entry = this.#producers.get(producerId);
    if (entry === undefined || entry.epoch !== epoch) return undefined;
    for (const batch of entry.batches) {
      if (batch.lastSequence === lastSequence && firstSequenceOf(batch) === firstSequence) return batch;
    }
    return undefined;
  }

  hasOngoingTransaction(producerId: number, epoch: number): boolean {
    const entry = this.#producers.get(producerId);
    return entry !== undefined && entry.transactionFirstOffset >= 0 && entry.epoch === epoch;
  }

  /**
   * Undefined, or why the batch must not be appended. `mustStartAtZero`: a producer of transactions v2 without state
   * here begins at sequence 0 (KIP-890).
   */
  check(
    batch: {
      readonly producerId: number;
      readonly epoch: number;
      readonly firstSequence: number;
      readonly isTransactional: boolean;
    },
    origin: AppendOrigin,
    mustStartAtZero = false,
  ): Refusal | undefined {
    if (origin === 'replication') return undefined;
    const entry = this.#producers.get(batch.producerId);
    if (entry === undefined) {
      if (batch.epoch < NO_PRODUCER_EPOCH) return staleEpoch(batch, { epoch: NO_PRODUCER_EPOCH });
      const first = origin === 'client' ? this.#turnedAway.get(batch.producerId) : undefined;
      if (first !== undefined && first.epoch === batch.epoch && first.firstSequence !== batch.firstSequence) {
        return outOfOrder(batch, `the disk had no room for ${first.firstSequence} before it`);
      }
      return origin === 'client' && mustStartAtZero && batch.firstSequence !== 0
        ? outOfOrder(batch, 'expected 0 of a producer without state')
        : undefined;
    }
    this.#turnedAway.delete(batch.producerId);
    if (batch.epoch < entry.epoch) return staleEpoch(batch, entry);
    if (origin === 'client') {
      const refusal = checkSequence(batch, entry, mustStartAtZero);
      if (refusal !== undefined) return refusal;
    }
    if (entry.transactionFirstOffset >= 0 && !batch.isTransactional) {
      return {
        errorCode: Errors.INVALID_TXN_STATE,
        errorMessage: `Producer ${batch.producerId} has an open transaction and must write within it`,
      };
    }
    return undefined;
  }

  /** Undefined, or why the marker must not be appended. An open transaction of v2 is ended by a higher epoch alone. */
  checkMarker(marker: EndedTransaction, transactionVersion: number): Refusal | undefined {
    const entry = this.#producers.get(marker.producerId);
    if (entry === undefined) return undefined;
    // The same marker once more, from a coordinator that has not heard of the first, does no harm.
    const mustBeHigher = transactionVersion >= 2 && entry.transactionFirstOffset >= 0;
    const isStale = mustBeHigher ? marker.producerEpoch <= entry.epoch : marker.producerEpoch < entry.epoch;
    if (isStale) return staleEpoch({ producerId: marker.producerId, epoch: marker.producerEpoch }, entry);
    if (entry.coordinatorEpoch > marker.coordinatorEpoch) {
      return {
        errorCode: Errors.TRANSACTION_COORDINATOR_FENCED,
        errorMessage: `Coordinator epoch ${marker.coordinatorEpoch} is older than ${entry.coordinatorEpoch}`,
      };
    }
    return undefined;
  }

  /** Notes a batch that is in the log. */
  apply(batch: DataBatch): void {
    const entry = this.#entryFor(batch.producerId);
    if (entry.epoch !== batch.epoch) {
      entry.epoch = batch.epoch;
      entry.batches.length = 0;
    }
    if (entry.batches.length === BATCHES_RETAINED) entry.batches.shift();
    entry.batches.push({
      lastSequence: batch.lastSequence,
      lastOffset: batch.lastOffset,
      offsetDelta: batch.lastOffset - batch.firstOffset,
      timestamp: batch.timestamp,
    });
    entry.lastTimestamp = batch.timestamp;
    if (batch.isTransactional && entry.transactionFirstOffset < 0) {
      entry.transactionFirstOffset = batch.firstOffset;
      this.#ongoing.set(batch.firstOffset, { producerId: batch.producerId, firstOffset: batch.firstOffset });
    }
  }

  /** Notes a marker that is in the log; the transaction it ended, unless it had written nothing here. */
  applyMarker(marker: EndedTransaction): CompletedTransaction | undefined {
    const entry = this.#entryFor(marker.producerId);
    const firstOffset = entry.transactionFirstOffset;
    if (entry.epoch !== marker.producerEpoch) {
      entry.epoch = marker.producerEpoch;
      entry.batches.length = 0;
    }
    entry.coordinatorEpoch = marker.coordinatorEpoch;
    entry.lastTimestamp = marker.timestamp;
    entry.transactionFirstOffset = -1;
    if (firstOffset < 0) return undefined;
    this.#ongoing.delete(firstOffset);
    const { producerId, offset: lastOffset } = marker;
    const isAbort = !marker.isCommit;
    this.#decided.push({ producerId, firstOffset, lastOffset });
    return {
      producerId,
      firstOffset,
      lastOffset,
      isAbort,
      lastStableOffset: this.#firstOngoing() ?? lastOffset + 1,
    };
  }

  /** Below this offset everything is decided, and the decisions lie below the high watermark; undefined: everything. */
  firstUnstableOffset(): number | undefined {
    let first = this.#firstOngoing();
    for (const { firstOffset } of this.#decided) {
      if (first === undefined || firstOffset < first) first = firstOffset;
    }
    return first;
  }

  /** Markers below the high watermark cannot be lost any more. */
  onHighWatermark(highWatermark: number): void {
    if (this.#decided.length === 0) return;
    this.#decided = this.#decided.filter((transaction) => transaction.lastOffset >= highWatermark);
  }

  /** Forgets producers that have been silent for `expirationMs` and have no open transaction. */
  removeExpired(nowMs: number, expirationMs: number): void {
    for (const entry of this.#producers.values()) {
      if (isExpired(entry, nowMs, expirationMs)) this.#producers.delete(entry.producerId);
    }
  }

  clear(endOffset: number): void {
    this.#producers.clear();
    this.#ongoing.clear();
    this.#decided = [];
    this.endOffset = endOffset;
  }

  #entryFor(producerId: number): ProducerEntry {
    let entry = this.#producers.get(producerId);
    if (entry === undefined) {
      entry = emptyEntry(producerId);
      this.#producers.set(producerId, entry);
    }
    return entry;
  }

  #firstOngoing(): number | undefined {
    for (const firstOffset of this.#ongoing.keys()) return firstOffset;
    return undefined;
  }
}

export function isExpired(entry: ProducerEntry, nowMs: number, expirationMs: number): boolean {
  return entry.transactionFirstOffset < 0 && nowMs - entry.lastTimestamp >= expirationMs;
}

export function emptyEntry(producerId: number): ProducerEntry {
  return {
    producerId,
    epoch: NO_PRODUCER_EPOCH,
    coordinatorEpoch: -1,
    lastTimestamp: -1,
    transactionFirstOffset: -1,
    batches: [],
  };
}

/** As DescribeProducers shows it. */
export interface ProducerDescription {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestamp: number;
  readonly coordinatorEpoch: number;
  /** -1 without an open transaction. */
  readonly currentTxnStartOffset: number;
}

export function describeProducer(entry: ProducerEntry): ProducerDescription {
  return {
    producerId: entry.producerId,
    producerEpoch: entry.epoch,
    lastSequence: lastSequenceOf(entry),
    lastTimestamp: entry.lastTimestamp,
    coordinatorEpoch: entry.coordinatorEpoch,
    currentTxnStartOffset: entry.transactionFirstOffset,
  };
}

/** Of the last retained batch; -1 without one. */
export function lastSequenceOf(entry: ProducerEntry): number {
  return entry.batches.length === 0 ? NO_SEQUENCE : entry.batches[entry.batches.length - 1].lastSequence;
}

/** `lastSequence` goes round from 2^31 - 1 to 0. */
function firstSequenceOf(batch: BatchMetadata): number {
  const first = batch.lastSequence - batch.offsetDelta;
  return first < 0 ? first + INT32_MAX + 1 : first;
}

function checkSequence(
  batch: { readonly producerId: number; readonly epoch: number; readonly firstSequence: number },
  entry: ProducerEntry,
  mustStartAtZero: boolean,
): Refusal | undefined {
  const { firstSequence } = batch;
  if (mustStartAtZero && firstSequence !== 0 && entry.batches.length === 0) {
    return outOfOrder(batch, 'expected 0 of a producer without state');
  }
  if (batch.epoch !== entry.epoch) {
    // Without a known epoch (all its records are gone) any sequence will do.
    return firstSequence !== 0 && entry.epoch !== NO_PRODUCER_EPOCH
      ? outOfOrder(batch, `a new epoch after ${entry.epoch} begins at 0`)
      : undefined;
  }
  const last = lastSequenceOf(entry);
  const isNext = firstSequence === last + 1 || (firstSequence === 0 && last === INT32_MAX);
  return isNext ? undefined : outOfOrder(batch, `the last one is ${last}`);
}

function outOfOrder(
  batch: { readonly producerId: number; readonly epoch: number; readonly firstSequence: number },
  expected: string,
): Refusal {
  const { producerId, epoch, firstSequence } = batch;
  return {
    errorCode: Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
    errorMessage: `Sequence ${firstSequence} of producer ${producerId}, epoch ${epoch}: ${expected}`,
  };
}

function staleEpoch(
  batch: { readonly producerId: number; readonly epoch: number },
  entry: Pick<ProducerEntry, 'epoch'>,
): Refusal {
  return {
    errorCode: Errors.INVALID_PRODUCER_EPOCH,
    errorMessage: `Epoch ${batch.epoch} of producer ${batch.producerId} is behind epoch ${entry.epoch}`,
  };
}

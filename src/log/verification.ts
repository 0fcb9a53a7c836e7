/**
 * Keeps a batch out of a transaction that has ended in the meantime (KIP-890, part 1). Before a producer's first batch of
 * a transaction the coordinator is asked whether this partition belongs to it. Until its answer is here a marker may come,
 * and a batch that is appended behind it would belong to a transaction which nobody ends. So a guard is made before the
 * question and must still be the current one at the append: the first batch and the marker take it away.
 */
import { Errors } from '../protocol/errors.ts';
import type { ProducerState, Refusal } from './producer-state.ts';

/** Stands for one question: it is the object itself that counts. */
export interface VerificationGuard {
  readonly producerId: number;
}

/** 'ongoing': there was nothing to ask, the transaction had written here before. */
export type Verification = VerificationGuard | 'ongoing';

/** 0 with what belongs to the batch, or the error that the batch would get. */
export interface BegunVerification {
  readonly errorCode: number;
  readonly verification: Verification | undefined;
}

export interface VerifiedProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Of the batch that is about to come; -1 for what a coordinator writes. */
  readonly firstSequence: number;
  /** A producer of transactions v2: each transaction has an epoch of its own. */
  readonly hasEpochPerTransaction: boolean;
}

/** Producers that asked and have not written; the oldest go when there are too many. */
export const VERIFICATIONS_MAX = 10_000;

interface Entry {
  readonly guard: VerificationGuard;
  readonly hasEpochPerTransaction: boolean;
  readonly sinceMs: number;
  epoch: number;
  /** The lowest that was asked for: what comes behind it in the epoch must not overtake it. */
  lowestSequence: number;
}

interface WaitingBatch {
  readonly producerId: number;
  readonly epoch: number;
  readonly firstSequence: number;
}

export class Verifications {
  readonly #entries = new Map<number, Entry>();

  get count(): number {
    return this.#entries.size;
  }

  /** Errors: INVALID_PRODUCER_EPOCH. */
  begin(state: ProducerState, producer: VerifiedProducer, nowMs: number): BegunVerification {
    const { producerId, producerEpoch: epoch, firstSequence, hasEpochPerTransaction } = producer;
    const known = state.get(producerId);
    if (known !== undefined && epoch < known.epoch) {
      return { errorCode: Errors.INVALID_PRODUCER_EPOCH, verification: undefined };
    }
    if (state.hasOngoingTransaction(producerId, epoch))
      return { errorCode: Errors.NONE, verification: 'ongoing' };
    let entry = this.#entries.get(producerId);
    if (entry === undefined) {
      if (this.#entries.size >= VERIFICATIONS_MAX) this.#entries.delete(this.#entries.keys().next().value!);
      const guard = { producerId };
      entry = { guard, hasEpochPerTransaction, sinceMs: nowMs, epoch, lowestSequence: firstSequence };
      this.#entries.set(producerId, entry);
    } else if (epoch > entry.epoch) {
      entry.epoch = epoch;
      entry.lowestSequence = firstSequence;
    } else if (epoch === entry.epoch) {
      entry.lowestSequence = Math.min(entry.lowestSequence, firstSequence);
    }
    return { errorCode: Errors.NONE, verification: entry.guard };
  }

  /** Undefined, or why a transactional batch must not be appended; its producer's state here is `state`. */
  check(state: ProducerState, batch: WaitingBatch, verification: Verification): Refusal | undefined {
    const { producerId, epoch, firstSequence } = batch;
    if (state.hasOngoingTransaction(producerId, epoch)) return undefined;
    const entry = this.#entries.get(producerId);
    const known = state.get(producerId);
    // What is behind the producer's epoch is refused for that, so that the client can go on.
    if (epoch < (known?.epoch ?? epoch)) return undefined;
    if (entry === undefined || entry.guard !== verification) {
      return {
        errorCode: Errors.INVALID_TXN_STATE,
        errorMessage: `The batch of producer ${producerId} is not part of an ongoing transaction`,
      };
    }
    // With batches of the epoch in the log their sequences say what comes next. What was asked for a late copy of one of
    // them must not: its batch never comes, and the transaction would be refused for it (as it is in Kafka).
    const isChecked = known?.epoch === epoch && known.batches.length > 0;
    if (!isChecked && firstSequence > entry.lowestSequence) {
      return {
        errorCode: Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
        errorMessage: `Sequence ${firstSequence} of producer ${producerId}: ${entry.lowestSequence} must come first`,
      };
    }
    return undefined;
  }

  /** A transactional batch is in the log: from here on the open transaction itself is the proof. */
  wrote(producerId: number): void {
    this.#entries.delete(producerId);
  }

  /** A marker is in the log. With an epoch for each transaction, one of this epoch has ended the transaction before. */
  ended(producerId: number, epoch: number): void {
    const entry = this.#entries.get(producerId);
    if (entry === undefined || (entry.hasEpochPerTransaction && entry.epoch === epoch)) return;
    this.#entries.delete(producerId);
  }

  /** Questions whose batch never came. */
  removeExpired(nowMs: number, expirationMs: number): void {
    for (const [producerId, { sinceMs }] of this.#entries) {
      if (nowMs - sinceMs >= expirationMs) this.#entries.delete(producerId);
    }
  }
}

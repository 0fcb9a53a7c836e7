/** A partition's leader as far as transactions go, with the rules of the log itself: for simulations. */
import { Verifications } from '../log/verification.ts';
import { ProducerState } from '../log/producer-state.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import type { TransactionEnd } from './marker-sender.ts';
import type { Producer } from './transaction-scene-contract.ts';

interface Entry {
  readonly producerId: number;
  /** Undefined for a marker. */
  readonly value: string | undefined;
  readonly isCommit: boolean;
}

export class SimulatedPartition {
  readonly topic = 't';
  readonly partition: number;
  readonly #state = new ProducerState();
  readonly #verifications = new Verifications();
  readonly #entries: Entry[] = [];

  constructor(partition: number) {
    this.partition = partition;
  }

  /** A producer of transactions v2 writes one value; `ensure` asks the coordinator. */
  async produce(
    of: Producer & { readonly sequence: number; readonly value: string },
    ensure: () => Promise<ErrorCode>,
  ): Promise<ErrorCode> {
    const { producerId, producerEpoch: epoch, sequence: firstSequence, value } = of;
    const question = { producerId, producerEpoch: epoch, firstSequence, hasEpochPerTransaction: true };
    const { errorCode, verification } = this.#verifications.begin(this.#state, question, 0);
    if (errorCode !== Errors.NONE) return errorCode as ErrorCode;
    if (verification !== 'ongoing') {
      const refusal = await ensure();
      if (refusal !== Errors.NONE) return refusal;
    }
    if (this.#state.findDuplicate(producerId, epoch, firstSequence, firstSequence) !== undefined)
      return Errors.NONE;
    const batch = { producerId, epoch, firstSequence, isTransactional: true };
    const refusal =
      this.#verifications.check(this.#state, batch, verification!) ??
      this.#state.check(batch, 'client', true);
    if (refusal !== undefined) return refusal.errorCode as ErrorCode;
    const offset = this.#entries.length;
    const places = { lastSequence: firstSequence, firstOffset: offset, lastOffset: offset, timestamp: 0 };
    this.#state.apply({ ...batch, ...places });
    this.#verifications.wrote(producerId);
    this.#entries.push({ producerId, value, isCommit: false });
    return Errors.NONE;
  }

  mark(end: TransactionEnd): ErrorCode {
    const { producerId, producerEpoch, transactionVersion, isCommit } = end;
    const marker = { ...end, offset: this.#entries.length, timestamp: 0 };
    const refusal = this.#state.checkMarker(marker, transactionVersion);
    if (refusal !== undefined) return refusal.errorCode as ErrorCode;
    this.#state.applyMarker(marker);
    this.#verifications.ended(producerId, producerEpoch);
    this.#entries.push({ producerId, value: undefined, isCommit });
    return Errors.NONE;
  }

  /** Whether a transaction is open here. */
  get isOpen(): boolean {
    return [...this.#state.entries()].some(({ transactionFirstOffset }) => transactionFirstOffset >= 0);
  }

  /** What a reader of committed data sees in the end, in order. */
  committed(): string[] {
    const values: string[] = [];
    for (const [at, { value, producerId }] of this.#entries.entries()) {
      if (value === undefined) continue;
      const end = this.#entries
        .slice(at)
        .find((one) => one.value === undefined && one.producerId === producerId);
      if (end?.isCommit === true) values.push(value);
    }
    return values;
  }
}

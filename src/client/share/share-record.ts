/**
 * A record as a member of a share group has it: nobody else gets it until its lock ends. What became of it is said once, by
 * `accept`, `release` or `reject`; whoever needs longer renews the lock before it ends.
 */
import { ownError } from '../errors.ts';
import type { ConsumerRecord, RecordHeader } from '../consumer/record.ts';
import type { AcquiredPart } from './acquired-part.ts';
import type { ShareOutcome } from './options.ts';

/** What a record needs of its consumer. */
export interface RecordKeeper {
  nowMs(): number;
  acknowledge(record: ShareRecord, outcome: ShareOutcome): void;
  renew(record: ShareRecord): Promise<void>;
}

export class ShareRecord {
  /** The record as any consumer has it: for whoever takes those, as `TypedTopic.read`. */
  readonly record: ConsumerRecord;
  /** How often the group's members were given it, this time included; a group has a limit on that. */
  readonly deliveryCount: number;
  /** Where it came from. For the client's own use. */
  readonly part: AcquiredPart;
  readonly #keeper: RecordKeeper;
  #outcome: ShareOutcome | undefined;
  /** Set when it is handed out; until then the part's holds. */
  #lockedUntilMs: number | undefined;

  /** Made by `AcquiredPart`. */
  constructor(
    record: ConsumerRecord,
    from: { readonly part: AcquiredPart; readonly deliveryCount: number; readonly keeper: RecordKeeper },
  ) {
    this.record = record;
    this.deliveryCount = from.deliveryCount;
    this.part = from.part;
    this.#keeper = from.keeper;
  }

  get topic(): string {
    return this.record.topic;
  }
  get partition(): number {
    return this.record.partition;
  }
  get offset(): number {
    return this.record.offset;
  }
  /** ms since the epoch; -1 for none. */
  get timestamp(): number {
    return this.record.timestamp;
  }
  /** A view, as `ConsumerRecord.key`. */
  get key(): Buffer | null {
    return this.record.key;
  }
  /** A view, as `ConsumerRecord.value`. */
  get value(): Buffer | null {
    return this.record.value;
  }
  get text(): string | null {
    return this.record.text;
  }
  get keyText(): string | null {
    return this.record.keyText;
  }
  get headers(): RecordHeader[] {
    return this.record.headers;
  }

  /** What was said about it; undefined: nothing yet. */
  get outcome(): ShareOutcome | undefined {
    return this.#outcome;
  }

  /** Until when it is this consumer's alone (monotonic ms): no later than the broker thinks. */
  get lockedUntilMs(): number {
    return this.part.isLost ? -Infinity : (this.#lockedUntilMs ?? this.part.lockedUntilMs);
  }

  /** For how long it is still this consumer's alone, in ms; 0: others may have it. */
  get lockRestMs(): number {
    return Math.max(0, this.lockedUntilMs - this.#keeper.nowMs());
  }

  /** It is done with: nobody gets it again. Throws INVALID_ARGUMENT when something was said about it before. */
  accept(): void {
    this.#acknowledge('accept');
  }

  /** It comes again, here or elsewhere, as often as the group's limit lets it. Throws as `accept`. */
  release(): void {
    this.#acknowledge('release');
  }

  /** Nobody can do anything with it: it never comes again. Throws as `accept`. */
  reject(): void {
    this.#acknowledge('reject');
  }

  /**
   * Begins the lock's time anew; resolves when the broker has done so. Errors: KafkaError, INVALID_RECORD_STATE or
   * ACQUISITION_LOST when it was too late, UNSUPPORTED_API with brokers before Kafka 4.2.
   */
  async renew(): Promise<void> {
    this.#requireOpen();
    await this.#keeper.renew(this);
  }

  /** For printing, as `ConsumerRecord.toJSON`. */
  toJSON(): object {
    return { ...this.record.toJSON(), deliveryCount: this.deliveryCount };
  }

  /** The client's own: the lock ends at this time (monotonic ms). */
  lockUntil(ms: number): void {
    this.#lockedUntilMs = ms;
  }

  #acknowledge(outcome: ShareOutcome): void {
    this.#requireOpen();
    this.#outcome = outcome;
    this.#keeper.acknowledge(this, outcome);
  }

  #requireOpen(): void {
    if (this.#outcome === undefined) return;
    const { topic, partition, offset } = this;
    const message = `${topic}-${partition} at offset ${offset} was acknowledged before: ${this.#outcome}`;
    throw ownError('INVALID_ARGUMENT', message);
  }
}

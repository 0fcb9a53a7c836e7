/**
 * What is to be said to one broker about acquired records, in ranges of offsets, and who waits for its answer. Records whose
 * lock has ended are left out when it is said: with one of them the broker refuses all of the partition.
 */
import { ownError, type KafkaError } from '../errors.ts';
import type { AcquiredPart, OffsetRange } from './acquired-part.ts';
import {
  keyOf,
  type AcknowledgementBatch,
  type PartitionBatches,
  type SharePartition,
} from './share-session.ts';

/** As the protocol has them. A gap is an acquired offset without a record. */
export const AcknowledgeType = { GAP: 0, ACCEPT: 1, RELEASE: 2, REJECT: 3, RENEW: 4 } as const;
export type AcknowledgeType = (typeof AcknowledgeType)[keyof typeof AcknowledgeType];

interface Entry {
  readonly part: AcquiredPart;
  readonly type: AcknowledgeType;
  readonly first: number;
  last: number;
  /** Monotonic ms; the earliest of all its records. */
  lockedUntilMs: number;
}

/** The acknowledgements of one request, until its answer. */
export interface Drained {
  readonly partitions: readonly DrainedPartition[];
  /** Who waits for the answer. */
  readonly waiting: Waiting[];
}

type Waiting = PromiseWithResolvers<KafkaError | undefined>;

export interface DrainedPartition extends PartitionBatches {
  readonly at: SharePartition;
  readonly entries: readonly Entry[];
}

export interface AcknowledgementsHost {
  onAcknowledged(at: SharePartition, ranges: readonly OffsetRange[], error: KafkaError | undefined): void;
}

export class Acknowledgements {
  readonly #host: AcknowledgementsHost;
  #pending = new Map<string, { readonly at: SharePartition; readonly entries: Entry[] }>();
  #waiting: Waiting[] = [];
  #inFlight: Drained | undefined;

  constructor(host: AcknowledgementsHost) {
    this.#host = host;
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  /** Somebody waits for their answer. */
  get isUrgent(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether all of them are of these partitions. */
  areOf(keys: { has(key: string): boolean }): boolean {
    for (const key of this.#pending.keys()) if (!keys.has(key)) return false;
    return true;
  }

  add(
    part: AcquiredPart,
    { first, last, type, lockedUntilMs }: Pick<Entry, 'first' | 'last' | 'type' | 'lockedUntilMs'>,
  ): void {
    const key = keyOf(part.at);
    let pending = this.#pending.get(key);
    if (pending === undefined) this.#pending.set(key, (pending = { at: part.at, entries: [] }));
    const before = pending.entries.at(-1);
    if (before !== undefined && before.part === part && before.type === type && before.last + 1 === first) {
      before.last = last;
      before.lockedUntilMs = Math.min(before.lockedUntilMs, lockedUntilMs);
    } else pending.entries.push({ part, type, first, last, lockedUntilMs });
  }

  /** Resolves with the first error in the answers to what was added before. */
  async whenAnswered(): Promise<KafkaError | undefined> {
    const rows: Waiting[][] = this.isEmpty ? [] : [this.#waiting];
    if (this.#inFlight !== undefined) rows.push(this.#inFlight.waiting);
    const answers = rows.map((row) => {
      const waiting: Waiting = Promise.withResolvers();
      row.push(waiting);
      return waiting.promise;
    });
    return (await Promise.all(answers)).find((error) => error !== undefined);
  }

  /** All there is to say at this time (monotonic ms); `settle` follows. */
  drain(nowMs: number): Drained {
    const partitions: DrainedPartition[] = [];
    let late: KafkaError | undefined;
    for (const { at, entries } of this.#pending.values()) {
      const isLate = (entry: Entry): boolean => entry.part.isLost || entry.lockedUntilMs <= nowMs;
      const lost = entries.filter(isLate);
      if (lost.length > 0) {
        late ??= lockLost(at);
        this.#host.onAcknowledged(at, lost, late);
      }
      const rest = entries.filter((entry) => !isLate(entry)).sort((a, b) => a.first - b.first);
      if (rest.length > 0) partitions.push({ at, entries: rest, batches: batchesOf(rest) });
    }
    const waiting = this.#waiting;
    if (late !== undefined) {
      // They are told of it at once; what is sent has its own answer.
      for (const one of waiting.splice(0)) one.resolve(late);
    }
    this.#pending = new Map();
    this.#waiting = [];
    if (partitions.length === 0) for (const one of waiting.splice(0)) one.resolve(late);
    const drained = { partitions, waiting };
    if (partitions.length > 0) this.#inFlight = drained;
    return drained;
  }

  /** The broker's answer, partition by partition; `retried` go out again. */
  settle(
    drained: Drained,
    answerOf: (at: SharePartition) => { readonly error: KafkaError | undefined; readonly isRetried: boolean },
  ): void {
    if (this.#inFlight === drained) this.#inFlight = undefined;
    const { partitions, waiting } = drained;
    let first: KafkaError | undefined;
    let isRetried = false;
    for (const { at, entries } of partitions) {
      const answer = answerOf(at);
      if (answer.isRetried) {
        isRetried = true;
        for (const entry of entries) this.add(entry.part, entry);
        continue;
      }
      first ??= answer.error;
      this.#host.onAcknowledged(at, entries, answer.error);
    }
    if (isRetried && first === undefined) this.#waiting.push(...waiting);
    else for (const one of waiting) one.resolve(first);
  }
}

/** What somebody has to hear whose record's lock has ended. */
export function lockLost({ topic, partition }: Pick<SharePartition, 'topic' | 'partition'>): KafkaError {
  return ownError('ACQUISITION_LOST', `${topic}-${partition}: the records come again, here or elsewhere`);
}

/** Entries that follow each other become one. */
function batchesOf(entries: readonly Entry[]): AcknowledgementBatch[] {
  const batches: { firstOffset: number; lastOffset: number; acknowledgeTypes: number[] }[] = [];
  for (const { first, last, type } of entries) {
    const before = batches.at(-1);
    if (before !== undefined && before.lastOffset + 1 === first && before.acknowledgeTypes[0] === type) {
      before.lastOffset = last;
    } else batches.push({ firstOffset: first, lastOffset: last, acknowledgeTypes: [type] });
  }
  return batches;
}

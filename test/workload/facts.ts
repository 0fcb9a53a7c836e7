/**
 * A history put in order for the checks: transactions with their outcome, who read what, and what is known of every
 * value and every offset. No judgement is made here.
 */
import type {
  CommitLine,
  CommittedLine,
  CommittedRange,
  EndsLine,
  Isolation,
  Line,
  OwnedLine,
  Polled,
  Step,
} from './history.ts';

export interface Anomaly {
  readonly kind: string;
  readonly what: string;
}

export interface Send {
  readonly transaction: Transaction;
  readonly key: string;
  readonly value: number;
  /** As acknowledged. */
  offset: number | undefined;
}

export interface Transaction {
  readonly process: string;
  /** False for plain sends, of which each counts by itself. */
  readonly isAtomic: boolean;
  readonly id: string | undefined;
  readonly producer: string | undefined;
  readonly invokedAtUs: number;
  /** Infinity where nothing was ever heard of it. */
  endedAtUs: number;
  outcome: 'ok' | 'fail' | 'info';
  /** When the client asked to commit, as far as known. */
  commitAtUs: number | undefined;
  readonly sends: Send[];
  /** By key, what it polled itself. */
  polls: Polled[];
  readonly consumer: string | undefined;
  readonly offsets: CommittedRange | undefined;
}

export interface Init {
  readonly id: string;
  readonly producer: string;
  readonly invokedAtUs: number;
  readonly endedAtUs: number;
}

/** What a consumer did, in its order. */
export type ConsumerStep =
  | { readonly what: 'assign'; readonly positions: Readonly<Record<string, number>> }
  | {
      readonly what: 'poll';
      readonly poll: Polled;
      readonly atUs: number;
      readonly transaction: Transaction | undefined;
    };

export interface Consumer {
  readonly name: string;
  isolation: Isolation;
  readonly steps: ConsumerStep[];
}

export interface KeyFacts {
  /** By offset, every value that anybody was told of, by an acknowledgement or a poll. */
  readonly told: Map<number, Set<number>>;
  /** Offsets that read_committed consumers have seen. */
  readonly seen: Set<number>;
  /** The highest of them, -1 when there is none. */
  seenMax: number;
}

export interface Facts {
  readonly transactions: readonly Transaction[];
  readonly sends: ReadonlyMap<number, Send>;
  readonly inits: readonly Init[];
  readonly consumers: ReadonlyMap<string, Consumer>;
  readonly keys: ReadonlyMap<string, KeyFacts>;
  /** By value: when a read_committed consumer first had it. */
  readonly seenAtUs: ReadonlyMap<number, number>;
  readonly committed: readonly CommittedLine[];
  /** By members, without transactions. */
  readonly commits: readonly CommitLine[];
  readonly owned: readonly OwnedLine[];
  readonly ends: readonly EndsLine[];
  /** Times at which the broker was not there. */
  readonly outages: readonly { readonly fromUs: number; readonly toUs: number }[];
  /** Everything was read to its end. */
  readonly isComplete: boolean;
}

export function gatherFacts(lines: readonly Line[]): Facts {
  const gathering = new Gathering();
  for (const line of lines) gathering.add(line);
  return gathering.facts();
}

/** Its writes must be read, all of them: it was acknowledged, or a part of it was read. */
export function isCommitted(facts: Facts, transaction: Transaction): boolean {
  if (transaction.outcome === 'ok') return true;
  return transaction.isAtomic && transaction.sends.some(({ value }) => facts.seenAtUs.has(value));
}

/** For messages. */
export function nameOf({ process, producer, invokedAtUs }: Transaction): string {
  return `${producer ?? 'plain send'} of ${process} at ${Math.round(invokedAtUs / 1000)} ms`;
}

class Gathering {
  readonly #transactions: Transaction[] = [];
  readonly #sends = new Map<number, Send>();
  readonly #inits: Init[] = [];
  readonly #consumers = new Map<string, Consumer>();
  readonly #keys = new Map<string, KeyFacts>();
  readonly #seenAtUs = new Map<number, number>();
  readonly #committed: CommittedLine[] = [];
  readonly #commits: CommitLine[] = [];
  readonly #owned: OwnedLine[] = [];
  readonly #ends: EndsLine[] = [];
  readonly #outages: { fromUs: number; toUs: number }[] = [];
  #isComplete = false;
  /** By process, what it has begun. */
  readonly #open = new Map<string, Transaction>();
  readonly #openInits = new Map<string, number>();

  add(line: Line): void {
    if (line.f === 'txn' || line.f === 'send') this.#addTransaction(line);
    else if (line.f === 'init') {
      if (line.type === 'invoke') this.#openInits.set(line.process, line.atUs);
      if (line.type !== 'ok') return;
      const invokedAtUs = this.#openInits.get(line.process) ?? line.atUs;
      this.#inits.push({ id: line.id, producer: line.producer, invokedAtUs, endedAtUs: line.atUs });
    } else if (line.f === 'assign') {
      const consumer = this.#consumer(line.consumer);
      consumer.isolation = line.isolation;
      consumer.steps.push({ what: 'assign', positions: line.positions });
    } else if (line.f === 'poll') this.#addPoll(line.consumer, line.poll, line.atUs);
    else if (line.f === 'committed') this.#committed.push(line);
    else if (line.f === 'commit') this.#commits.push(line);
    else if (line.f === 'owned') this.#owned.push(line);
    else if (line.f === 'ends') this.#ends.push(line);
    else if (line.f === 'complete') this.#isComplete = true;
    else if (line.what === 'down') this.#outages.push({ fromUs: line.atUs, toUs: Infinity });
    else for (const outage of this.#outages) if (outage.toUs === Infinity) outage.toUs = line.atUs;
  }

  facts(): Facts {
    return {
      transactions: this.#transactions,
      sends: this.#sends,
      inits: this.#inits,
      consumers: this.#consumers,
      keys: this.#keys,
      seenAtUs: this.#seenAtUs,
      committed: this.#committed,
      commits: this.#commits,
      owned: this.#owned,
      ends: this.#ends,
      outages: this.#outages,
      isComplete: this.#isComplete,
    };
  }

  #addTransaction(line: Line & { f: 'txn' | 'send' }): void {
    if (line.type === 'invoke') {
      const isAtomic = line.f === 'txn';
      const transaction: Transaction = {
        process: line.process,
        isAtomic,
        id: isAtomic ? line.id : undefined,
        producer: isAtomic ? line.producer : undefined,
        invokedAtUs: line.atUs,
        endedAtUs: Infinity,
        outcome: 'info',
        commitAtUs: isAtomic ? undefined : line.atUs,
        sends: [],
        polls: [],
        consumer: isAtomic ? line.consumer : undefined,
        offsets: isAtomic ? line.offsets : undefined,
      };
      for (const step of line.steps) {
        if (!('send' in step)) continue;
        const [key, value] = step.send;
        const send: Send = { transaction, key, value, offset: undefined };
        transaction.sends.push(send);
        if (this.#sends.has(value)) throw new Error(`the value ${value} is sent twice: no history`);
        this.#sends.set(value, send);
      }
      this.#transactions.push(transaction);
      this.#open.set(line.process, transaction);
      return;
    }
    const transaction = this.#open.get(line.process);
    if (transaction === undefined) throw new Error(`${line.process} ends what it never began: no history`);
    this.#open.delete(line.process);
    transaction.outcome = line.type;
    transaction.endedAtUs = line.atUs;
    if (line.f === 'txn') transaction.commitAtUs = line.commitAtUs;
    for (const step of line.steps) this.#addStep(transaction, step, line.atUs);
  }

  #addStep(transaction: Transaction, step: Step, atUs: number): void {
    if ('send' in step) {
      const [key, value, offset] = step.send;
      if (offset === undefined || offset === null) return;
      const send = this.#sends.get(value);
      if (send?.transaction !== transaction) throw new Error(`${value} was not announced: no history`);
      send.offset = offset;
      this.#told(key, offset, value);
    } else if (step.poll !== null) {
      transaction.polls.push(step.poll);
      if (transaction.consumer === undefined) throw new Error('a poll needs a consumer: no history');
      this.#addPoll(transaction.consumer, step.poll, atUs, transaction);
    }
  }

  #addPoll(name: string, poll: Polled, atUs: number, transaction?: Transaction): void {
    const consumer = this.#consumer(name);
    consumer.steps.push({ what: 'poll', poll, atUs, transaction });
    for (const [key, records] of Object.entries(poll)) {
      for (const [offset, value] of records) {
        const known = this.#told(key, offset, value);
        if (consumer.isolation !== 'read_committed') continue;
        known.seen.add(offset);
        known.seenMax = Math.max(known.seenMax, offset);
        if (!this.#seenAtUs.has(value)) this.#seenAtUs.set(value, atUs);
      }
    }
  }

  #told(key: string, offset: number, value: number): KeyFacts {
    let known = this.#keys.get(key);
    if (known === undefined) this.#keys.set(key, (known = { told: new Map(), seen: new Set(), seenMax: -1 }));
    const values = known.told.get(offset);
    if (values === undefined) known.told.set(offset, new Set([value]));
    else values.add(value);
    return known;
  }

  #consumer(name: string): Consumer {
    let consumer = this.#consumers.get(name);
    if (consumer === undefined) {
      consumer = { name, isolation: 'read_committed', steps: [] };
      this.#consumers.set(name, consumer);
    }
    return consumer;
  }
}

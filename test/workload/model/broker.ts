/**
 * A broker as small as can be: partitions, transactions and group offsets in memory, and a list of ways to break it. Right,
 * it does what Kafka promises with transactions of version 2; each bug breaks one promise. It is here to test the checks.
 */
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Isolation } from '../history.ts';

export const BUGS = [
  'a restart loses a record',
  'a restart gives an offset again',
  'aborted records are read',
  'open transactions are read',
  'a producer reads its own open transaction',
  'a retry is appended again',
  'a record goes to another partition',
  'a partition aborts what the others commit',
  'a partition forgets to commit',
  'older producers are not fenced',
  'a late EndTxn ends the next transaction',
  'a transaction stays open after it has ended',
  'markers are written very late',
  'a fetch begins too early',
  'a fetch leaves out a record',
  'records are appended in reverse order',
  'offsets of aborted transactions count',
  'offsets of committed transactions are forgotten',
  'a restart takes group offsets back',
] as const;
export type Bug = (typeof BUGS)[number];

/** Kafka's answers, as far as a client does something else about each. */
export class Refused extends Error {}

export interface Epoch {
  readonly id: string;
  readonly epoch: number;
}

interface Open {
  readonly id: string;
  readonly epoch: number;
  /** By key: what the marker there says. */
  readonly status: Map<string, 'open' | 'committed' | 'aborted'>;
  readonly offsets: Map<string, Map<string, number>>;
}

interface Entry {
  readonly value: number | undefined;
  readonly open: Open | undefined;
}

interface Producer {
  epoch: number;
  open: Open | undefined;
}

const LATE_STEPS = 3_000;

export class ModelBroker {
  readonly #logs = new Map<string, Entry[]>();
  readonly #producers = new Map<string, Producer>();
  readonly #groups = new Map<string, Map<string, number>>();
  /** By value, where it was appended: what a retry is told. */
  readonly #appended = new Map<number, number>();
  readonly #late: { readonly atStep: number; readonly write: () => void }[] = [];
  readonly #keys: readonly string[];
  readonly #random: SimulatedRandom;
  readonly #bug: Bug | undefined;
  #step = 0;
  /** How often the bug has shown itself. */
  bugCount = 0;

  constructor({
    keys,
    random,
    bug,
  }: {
    keys: readonly string[];
    random: SimulatedRandom;
    bug?: Bug | undefined;
  }) {
    this.#keys = keys;
    this.#random = random;
    this.#bug = bug;
    for (const key of keys) this.#logs.set(key, []);
  }

  /** Time goes on by one. */
  tick(): void {
    this.#step += 1;
    while (this.#late.length > 0 && this.#late[0]!.atStep <= this.#step) this.#late.shift()!.write();
  }

  /** A new epoch; what the older one has begun is aborted. */
  init(id: string): Epoch {
    let producer = this.#producers.get(id);
    if (producer === undefined) this.#producers.set(id, (producer = { epoch: -1, open: undefined }));
    if (producer.open !== undefined && this.#bug !== 'older producers are not fenced') {
      this.#finish(producer.open, false);
      producer.open = undefined;
    }
    producer.epoch += 1;
    return { id, epoch: producer.epoch };
  }

  /** Appends one record of a transaction and returns its offset. The same value again is a retry. */
  send(from: Epoch, key: string, value: number): number {
    const producer = this.#fenced(from);
    const before = this.#appended.get(value);
    if (before !== undefined && !this.#breaks('a retry is appended again')) return before;
    const open = this.#open(producer, from);
    const to = this.#breaks('a record goes to another partition', 0.05)
      ? this.#keys[(this.#keys.indexOf(key) + 1) % this.#keys.length]!
      : key;
    if (!open.status.has(to)) open.status.set(to, 'open');
    const log = this.#logs.get(to)!;
    log.push({ value, open });
    let offset = log.length - 1;
    const last = log.at(-2);
    if (last?.open === open && this.#breaks('records are appended in reverse order', 0.2)) {
      log.splice(-2, 2, { value, open }, last);
      offset -= 1;
    }
    this.#appended.set(value, offset);
    return offset;
  }

  addOffsets(from: Epoch, group: string, offsets: Readonly<Record<string, number>>): void {
    const open = this.#open(this.#fenced(from), from);
    open.offsets.set(group, new Map(Object.entries(offsets)));
  }

  /** Ends the transaction and answers with the epoch of the next one. */
  end(from: Epoch, isCommit: boolean): Epoch {
    const producer = this.#fenced(from);
    const { open } = producer;
    producer.open = undefined;
    if (open !== undefined) this.#finish(open, isCommit);
    if (this.#bug !== 'a late EndTxn ends the next transaction') producer.epoch += 1;
    return { id: from.id, epoch: Math.max(producer.epoch, from.epoch) };
  }

  /** An EndTxn that was on its way for long: the answer goes nowhere. */
  endLate(from: Epoch, isCommit: boolean): void {
    const producer = this.#producers.get(from.id)!;
    if (producer.epoch !== from.epoch || producer.open === undefined) return;
    if (this.#bug === 'a late EndTxn ends the next transaction') this.bugCount += 1;
    const { open } = producer;
    producer.open = undefined;
    this.#finish(open, isCommit);
  }

  fetch(key: string, from: number, { isolation, reader }: { isolation: Isolation; reader?: string }) {
    const log = this.#logs.get(key)!;
    const records: [offset: number, value: number][] = [];
    let start = from;
    if (from > 0 && this.#breaks('a fetch begins too early', 0.02)) start = from - 1;
    const end = isolation === 'read_uncommitted' ? log.length : this.#stableEnd(key, reader);
    for (let offset = start; offset < end; offset++) {
      const { value, open } = log[offset]!;
      if (value === undefined) continue;
      const status = open?.status.get(key);
      if (isolation === 'read_committed' && status === 'aborted' && !this.#breaks('aborted records are read'))
        continue;
      if (this.#breaks('a fetch leaves out a record', 0.02)) continue;
      records.push([offset, value]);
    }
    return { records, position: Math.max(start, end) };
  }

  /** The last stable offset, or the end of the log. */
  endOffset(key: string, isolation: Isolation): number {
    return isolation === 'read_uncommitted' ? this.#logs.get(key)!.length : this.#stableEnd(key);
  }

  committed(group: string, key: string): number {
    return this.#groups.get(group)?.get(key) ?? 0;
  }

  restart(): void {
    const key = this.#keys[this.#random.integer(this.#keys.length)]!;
    const log = this.#logs.get(key)!;
    if (log.length === 0) return;
    const last = log.length - 1;
    if (log[last]!.value !== undefined && this.#breaks('a restart loses a record')) {
      log[last] = { value: undefined, open: undefined };
    } else if (this.#breaks('a restart gives an offset again')) log.pop();
    for (const offsets of this.#groups.values()) {
      for (const [each, offset] of offsets) {
        if (offset > 0 && this.#breaks('a restart takes group offsets back', 0.5)) offsets.set(each, 0);
      }
    }
  }

  #fenced(from: Epoch): Producer {
    const producer = this.#producers.get(from.id)!;
    if (producer.epoch === from.epoch) return producer;
    if (!this.#breaks('older producers are not fenced')) throw new Refused('fenced');
    return producer;
  }

  #open(producer: Producer, { id, epoch }: Epoch): Open {
    producer.open ??= { id, epoch, status: new Map(), offsets: new Map() };
    return producer.open;
  }

  #finish(open: Open, isCommit: boolean): void {
    for (const key of open.status.keys()) this.#mark(open, key, isCommit);
    for (const [group, offsets] of open.offsets) {
      const counts = isCommit
        ? !this.#breaks('offsets of committed transactions are forgotten', 0.5)
        : this.#breaks('offsets of aborted transactions count');
      if (!counts) continue;
      let known = this.#groups.get(group);
      if (known === undefined) this.#groups.set(group, (known = new Map()));
      for (const [key, offset] of offsets) known.set(key, offset);
    }
  }

  #mark(open: Open, key: string, isCommit: boolean): void {
    if (this.#breaks('a transaction stays open after it has ended', 0.01)) return;
    let status: 'committed' | 'aborted' = isCommit ? 'committed' : 'aborted';
    if (isCommit && open.status.size > 1 && this.#breaks('a partition aborts what the others commit', 0.05)) {
      status = 'aborted';
    } else if (isCommit && this.#breaks('a partition forgets to commit', 0.05)) status = 'aborted';
    const write = (): void => {
      open.status.set(key, status);
      this.#logs.get(key)!.push({ value: undefined, open: undefined });
    };
    if (this.#breaks('markers are written very late', 0.05)) {
      this.#late.push({ atStep: this.#step + LATE_STEPS, write });
    } else write();
  }

  #stableEnd(key: string, reader?: string): number {
    const log = this.#logs.get(key)!;
    if (this.#breaks('open transactions are read')) return log.length;
    const first = log.findIndex(({ open }) => {
      if (open?.status.get(key) !== 'open') return false;
      return !(open.id === reader && this.#breaks('a producer reads its own open transaction'));
    });
    return first === -1 ? log.length : first;
  }

  #breaks(bug: Bug, probability = 1): boolean {
    if (this.#bug !== bug || !this.#random.chance(probability)) return false;
    this.bugCount += 1;
    return true;
  }
}

/**
 * What clients were told, and whether it agrees with itself: the checks of a Kafka history (Jepsen's names). Each record
 * that somebody was told of is held against what was known before, at once; what must have survived a fault is decided
 * here, from the topic's durability and from who was told what.
 */

export type Durability = 'fsync' | 'relaxed';
/** What may happen to records at the beginning of a topic's partitions. */
export type Trimming = 'never' | 'on request' | 'by retention';

export interface SimTopic {
  readonly name: string;
  readonly id: string;
  readonly durability: Durability;
  readonly trimming: Trimming;
  partitionCount: number;
  /** A request to delete it may have been sent. */
  isGoing: boolean;
}

export interface Anomaly {
  readonly kind: string;
  readonly what: string;
  readonly atMs: number;
}

export interface Sender {
  readonly name: string;
  readonly isIdempotent: boolean;
}

interface Sent {
  readonly sender: Sender;
  readonly partition: PartitionHistory;
  readonly number: number;
  /** The broker said that it did not write it, and nobody tried again. */
  isRefused: boolean;
}

interface Known {
  readonly value: string;
  /** `power`: survives everything. `process`: survives the end of the process only. */
  survives: 'power' | 'process';
}

/** A value without its padding. */
export function short(value: string | undefined): string {
  return (value ?? 'nothing').replace(/\.+$/, '');
}

const ANOMALIES_MAX = 50;

/** What is known of the records of one partition of one topic (by its id). */
export class PartitionHistory {
  readonly topic: SimTopic;
  readonly partition: number;
  /** By offset: whoever was told of it, all must be told the same. */
  readonly known = new Map<number, Known>();
  /** What a power cut may have taken: there as it was, or gone with all that follows. */
  readonly doubtful = new Map<number, string>();
  /** By epoch and offset: even what a power cut took is never replaced in the same epoch (KIP-101). */
  readonly written = new Map<string, string>();
  /** The highest start that was ever asked for; retention may go to any. */
  startMax: number;
  /** The highest leader epoch that metadata showed. */
  leaderEpoch = -1;

  constructor(topic: SimTopic, partition: number) {
    this.topic = topic;
    this.partition = partition;
    this.startMax = topic.trimming === 'by retention' ? Infinity : 0;
  }

  get name(): string {
    return `${this.topic.name}-${this.partition}`;
  }
}

export class History {
  readonly anomalies: Anomaly[] = [];
  readonly partitions = new Map<string, PartitionHistory>();
  readonly counts = { sent: 0, acked: 0, seen: 0, plainDuplicates: 0, reset: 0 };
  powerCuts = 0;
  /**
   * Of a cluster: what only a leader has, and has said so (acks=1), may be lost; what all have stays; and another leader may
   * at first know of less than the one before it (KIP-207).
   */
  readonly isReplicated: boolean;
  readonly #nowMs: () => number;
  readonly #sent = new Map<string, Sent>();
  readonly #offsets = new Map<string, number>();

  constructor(nowMs: () => number, options: { readonly isReplicated: boolean } = { isReplicated: false }) {
    this.#nowMs = nowMs;
    this.isReplicated = options.isReplicated;
  }

  anomaly(kind: string, what: string): void {
    if (this.anomalies.length >= ANOMALIES_MAX) return;
    this.anomalies.push({ kind, what, atMs: Math.round(this.#nowMs()) });
  }

  partition(topic: SimTopic, partition: number): PartitionHistory {
    const key = `${topic.id} ${partition}`;
    let found = this.partitions.get(key);
    if (found === undefined) this.partitions.set(key, (found = new PartitionHistory(topic, partition)));
    return found;
  }

  /** True where a power cut may have taken what clients were told of. */
  isLossy(topic: SimTopic): boolean {
    return !this.isReplicated && topic.durability === 'relaxed' && this.powerCuts > 0;
  }

  // --- What clients do and are told

  sent(value: string, sender: Sender, to: { partition: PartitionHistory; number: number }): void {
    this.counts.sent += 1;
    this.#sent.set(value, { sender, ...to, isRefused: false });
  }

  refused(value: string): void {
    this.#sent.get(value)!.isRefused = true;
  }

  acked(partition: PartitionHistory, offset: number, value: string, acks: number): void {
    this.counts.acked += 1;
    if (this.isReplicated && acks !== -1) return;
    this.#told(partition, offset, value);
    const isSafe = this.isReplicated || (partition.topic.durability === 'fsync' && acks === -1);
    const survives = isSafe ? 'power' : 'process';
    this.#know(partition, offset, value, survives);
  }

  /** Somebody polled it: it was committed. `epoch`: of the leader that wrote it, as its batch says. */
  seen(partition: PartitionHistory, offset: number, value: string, epoch = 0): void {
    this.counts.seen += 1;
    this.#told(partition, offset, value);
    const written = `${epoch} ${offset}`;
    const before = partition.written.get(written);
    partition.written.set(written, value);
    if (before !== undefined && before !== value) {
      const what = `${partition.name} @${offset} of epoch ${epoch}: ${short(before)}, then ${short(value)}`;
      this.anomaly('one epoch, two records', what);
    }
    const sent = this.#sent.get(value);
    if (sent === undefined) {
      this.anomaly('phantom', `${partition.name} @${offset}: ${short(value)} was never sent`);
    } else if (sent.partition !== partition) {
      this.anomaly(
        'wrong partition',
        `${short(value)}, sent to ${sent.partition.name}, is in ${partition.name} @${offset}`,
      );
    } else if (sent.isRefused) {
      this.anomaly('G1a', `${partition.name} @${offset}: ${short(value)} had been refused`);
    }
    this.#know(
      partition,
      offset,
      value,
      this.isReplicated || partition.topic.durability === 'fsync' ? 'power' : 'process',
    );
  }

  #told(partition: PartitionHistory, offset: number, value: string): void {
    const known = partition.known.get(offset);
    if (known !== undefined && known.value !== value) {
      this.anomaly(
        'inconsistent-offsets',
        `${partition.name} @${offset}: ${short(known.value)}, then ${short(value)}`,
      );
    }
    const before = this.#offsets.get(value);
    this.#offsets.set(value, offset);
    if (before === undefined || before === offset) return;
    // The copy that was told of before may have been lost with the power.
    if (partition.known.get(before)?.value !== value) return;
    if (this.#sent.get(value)?.sender.isIdempotent === true) {
      this.anomaly('duplicate', `${partition.name}: ${short(value)} is at ${before} and ${offset}`);
    } else this.counts.plainDuplicates += 1;
  }

  #know(partition: PartitionHistory, offset: number, value: string, survives: Known['survives']): void {
    const known = partition.known.get(offset);
    if (known === undefined) partition.known.set(offset, { value, survives });
    else if (survives === 'power') known.survives = 'power';
    const doubt = partition.doubtful.get(offset);
    if (doubt === undefined) return;
    if (doubt === value) partition.doubtful.delete(offset);
    else for (const other of partition.doubtful.keys()) if (other >= offset) partition.doubtful.delete(other);
  }

  // --- Faults

  powerCut(): void {
    this.powerCuts += 1;
    for (const partition of this.partitions.values()) {
      for (const [offset, { value, survives }] of partition.known) {
        if (survives === 'power') continue;
        partition.known.delete(offset);
        partition.doubtful.set(offset, value);
      }
    }
  }

  /** A clean stop makes everything durable. */
  stopped(): void {
    for (const { known } of this.partitions.values())
      for (const one of known.values()) one.survives = 'power';
  }

  // --- The end

  /** `values`: everything that a full scan of the partition found, from `start` on, without a gap. */
  scanned(partition: PartitionHistory, start: number, values: readonly string[]): void {
    if (start > partition.startMax) {
      this.anomaly(
        'early deletion',
        `${partition.name} starts at ${start}, allowed is ${partition.startMax}`,
      );
    }
    const end = start + values.length;
    for (const [offset, { value, survives }] of partition.known) {
      if (offset < start || values[offset - start] === value) continue;
      const found = offset < end ? short(values[offset - start]) : `nothing, the end is ${end}`;
      this.anomaly(
        'lost-write',
        `${partition.name} @${offset}: ${short(value)} (${survives}), found ${found}`,
      );
    }
    this.#checkOrder(partition, values);
  }

  #checkOrder(partition: PartitionHistory, values: readonly string[]): void {
    const latest = new Map<Sender, number>();
    for (const value of values) {
      const sent = this.#sent.get(value);
      if (sent === undefined || !sent.sender.isIdempotent) continue;
      const before = latest.get(sent.sender) ?? -1;
      if (sent.number <= before) {
        this.anomaly(
          'nonmonotonic-send',
          `${partition.name}: ${short(value)} is behind number ${before} of its sender`,
        );
      }
      latest.set(sent.sender, sent.number);
    }
  }
}

/**
 * What must hold of three replicas after each event (hachikuji/kafka-specification, KIP-320), checked against what is in
 * their logs: each log is shadowed batch by batch, as it is appended and cut.
 *
 *   log matching    the same offset and epoch are the same record everywhere, for ever; epochs never fall along a log
 *   StrongIsr       what lies below the watermark of whoever takes itself for the leader is the same on all members of the
 *                   in-sync set that the store holds
 *   committed       what once was below a leader's watermark never becomes anything else; what was acknowledged with
 *                   acks=all is there where it was said to be
 *   watermarks      never fall within an epoch of a replica's life, and no replica's is above all leaders' ever
 */
import type { Log } from '../../../src/log/log.ts';
import * as header from '../../../src/protocol/record-batch.ts';
import { recordsOf } from './values.ts';

/** One record: its epoch and its value. */
export interface Entry {
  readonly epoch: number;
  readonly value: string;
}

export class Anomaly extends Error {}

/** One log, as it should read. */
export class Shadow {
  readonly log: Log;
  readonly #ledger: Ledger;
  /** From offset 0; holes where a replica began later. */
  readonly entries: (Entry | undefined)[] = [];

  constructor(log: Log, ledger: Ledger) {
    this.log = log;
    this.#ledger = ledger;
    const { appendAsLeader, appendAsFollower, truncateTo, truncateFullyAndStartAt } = log;
    log.appendAsLeader = (records, options) => {
      const result = appendAsLeader.call(log, records, options);
      if (result.errorCode === 0 && !result.duplicate) this.add(records);
      return result;
    };
    log.appendAsFollower = (records, nowMs) => {
      const result = appendAsFollower.call(log, records, nowMs);
      if (result.errorCode === 0) this.add(records);
      return result;
    };
    log.truncateTo = (offset) => {
      const result = truncateTo.call(log, offset);
      this.#cut();
      return result;
    };
    log.truncateFullyAndStartAt = (offset) => {
      truncateFullyAndStartAt.call(log, offset);
      this.entries.length = 0;
      this.#cut();
    };
  }

  add(records: Buffer): void {
    this.#ledger.version += 1;
    for (const at of header.batchPositions(records)) {
      const epoch = header.partitionLeaderEpoch(records, at);
      const base = header.baseOffset(records, at);
      recordsOf(records, at).forEach((value, n) => this.#put(base + n, { epoch, value }));
    }
  }

  #put(offset: number, entry: Entry): void {
    const before = this.entries[offset - 1];
    if (before !== undefined && before.epoch > entry.epoch) {
      throw new Anomaly(`epoch ${entry.epoch} at ${offset} after ${before.epoch}`);
    }
    this.entries[offset] = entry;
    this.#ledger.match(offset, entry);
  }

  #cut(): void {
    this.entries.length = this.log.logEndOffset;
    this.#ledger.version += 1;
  }
}

export class Ledger {
  /** Counts what the invariants depend on. */
  version = 0;
  /** What was below a leader's watermark, by offset. */
  readonly committed: Entry[] = [];
  readonly #written = new Map<string, string>();
  readonly #acked: { readonly offset: number; readonly value: string }[] = [];

  get ackedCount(): number {
    return this.#acked.length;
  }

  match(offset: number, { epoch, value }: Entry): void {
    const key = `${offset}@${epoch}`;
    const before = this.#written.get(key);
    if (before !== undefined && before !== value) {
      throw new Anomaly(`log matching: ${before} and ${value} both at ${offset} in epoch ${epoch}`);
    }
    this.#written.set(key, value);
  }

  /** A producer was told that it is committed. */
  ack(offset: number, value: string): void {
    this.#acked.push({ offset, value });
    const { value: held } = this.committed[offset] ?? {};
    if (held !== value)
      throw new Anomaly(`${value} was acknowledged at ${offset}, where ${held} is committed`);
  }

  /** Whoever takes itself for the leader says that everything below `watermark` is committed. */
  commit(shadow: Shadow, watermark: number): void {
    for (let offset = shadow.log.logStartOffset; offset < watermark; offset++) {
      const entry = shadow.entries[offset];
      const before = this.committed[offset];
      if (entry === undefined)
        throw new Anomaly(`nothing at ${offset}, below the leader's watermark ${watermark}`);
      if (before === undefined) this.committed[offset] = entry;
      else if (!isSame(before, entry)) {
        throw new Anomaly(`committed ${show(before)} at ${offset} is ${show(entry)} on the leader`);
      }
    }
  }

  /** StrongIsr: `member` is in sync, so it has what its leader takes for committed. */
  mustHold(member: Shadow, leader: Shadow, watermark: number): void {
    const from = Math.max(member.log.logStartOffset, leader.log.logStartOffset);
    for (let offset = from; offset < watermark; offset++) {
      const [here, there] = [member.entries[offset], leader.entries[offset]];
      if (here === undefined || there === undefined || !isSame(here, there)) {
        throw new Anomaly(
          `StrongIsr: ${show(here)} at ${offset} of ${watermark}, the leader has ${show(there)}`,
        );
      }
    }
  }

  /** At the end: everything that was ever committed is in the log, from its start on. */
  mustHoldAll(shadow: Shadow): void {
    for (let offset = shadow.log.logStartOffset; offset < this.committed.length; offset++) {
      const [here, there] = [shadow.entries[offset], this.committed[offset]];
      if (there === undefined) continue;
      if (here === undefined || !isSame(here, there)) {
        throw new Anomaly(`lost: ${show(there)} was committed at ${offset}, now there is ${show(here)}`);
      }
    }
  }
}

function isSame(a: Entry, b: Entry): boolean {
  return a.epoch === b.epoch && a.value === b.value;
}

function show(entry: Entry | undefined): string {
  return entry === undefined ? 'nothing' : `${entry.value}@${entry.epoch}`;
}

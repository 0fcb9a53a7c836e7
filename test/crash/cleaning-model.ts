/**
 * What a compacted log must still say after any number of cleanings and crashes, told from what was appended: offsets and
 * values of all records, which of them a reader may miss, and which not.
 */
import assert from 'node:assert/strict';
import { recordsOf, type CleanerWorld, type SeenRecord } from '../../src/log/cleaner/test-cleaner-world.ts';
import { testProducer, type TestProducer } from '../../src/log/test-log.ts';
import * as header from '../../src/protocol/record-batch.ts';
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';

const KEYS = 12;
const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

interface Appended {
  readonly offset: number;
  readonly key: string;
  readonly value: string | null;
  readonly atMs: number;
  readonly producerId: number | undefined;
  /** Of a transaction: undefined while it is open. */
  outcome: 'commit' | 'abort' | undefined;
  /** The marker's. */
  endOffset?: number;
}

export class CleaningModel {
  readonly #world: CleanerWorld;
  readonly #random: SimulatedRandom;
  readonly #appended: Appended[] = [];
  readonly #plain: readonly TestProducer[] = [testProducer(1), testProducer(2)];
  readonly #transactional: readonly TestProducer[] = [testProducer(11, true), testProducer(12, true)];
  readonly #open = new Map<TestProducer, Appended[]>();
  #values = 0;

  constructor(world: CleanerWorld, random: SimulatedRandom) {
    this.#world = world;
    this.#random = random;
  }

  get appended(): readonly Appended[] {
    return this.#appended;
  }

  /** A batch of a producer of any kind, or the end of a transaction. */
  step(): void {
    const kind = this.#random.integer(10);
    if (kind < 4) this.#append(undefined);
    else if (kind < 6) this.#append(this.#plain[this.#random.integer(2)]);
    else if (kind < 8) this.#append(this.#transactional[this.#random.integer(2)]);
    else this.#end(this.#transactional[this.#random.integer(2)], this.#random.integer(3) === 0);
  }

  #append(producer: TestProducer | undefined): void {
    const texts = Array.from({ length: 1 + this.#random.integer(4) }, () => {
      const key = `key-${this.#random.integer(KEYS)}`;
      return this.#random.integer(5) === 0 ? key : `${key}=${this.#values++}`;
    });
    const compression = COMPRESSIONS[this.#random.integer(COMPRESSIONS.length)];
    const { baseOffset } = this.#world.append(texts, {
      compression,
      ...(producer === undefined ? {} : { producer }),
    });
    const isTransactional = producer?.isTransactional === true;
    for (const [index, text] of texts.entries()) {
      const [key, value] = text.split('=');
      const record: Appended = {
        offset: baseOffset + index,
        key,
        value: value ?? null,
        atMs: this.#world.ports.clock.nowMs(),
        producerId: producer?.id,
        outcome: isTransactional ? undefined : 'commit',
      };
      this.#appended.push(record);
      if (producer === undefined || !isTransactional) continue;
      const records = this.#open.get(producer) ?? [];
      records.push(record);
      this.#open.set(producer, records);
    }
  }

  #end(producer: TestProducer, isAbort: boolean): void {
    const records = this.#open.get(producer);
    if (records === undefined) return;
    const outcome = isAbort ? 'abort' : 'commit';
    const { baseOffset } = this.#world.mark(producer, outcome);
    for (const record of records) {
      record.outcome = outcome;
      record.endOffset = baseOffset;
    }
    this.#open.delete(producer);
  }

  endAll(): void {
    for (const producer of this.#transactional) this.#end(producer, this.#random.integer(2) === 0);
  }

  /** What a crash has left open is aborted, as their coordinator would do. */
  abortOpen(): void {
    for (const { producerId, producerEpoch, currentTxnStartOffset } of this.#world.log.activeProducers()) {
      if (currentTxnStartOffset < 0) continue;
      const producer = { ...testProducer(producerId, true), epoch: producerEpoch };
      const { baseOffset } = this.#world.mark(producer, 'abort');
      for (const record of this.#appended) {
        if (record.producerId !== producerId || record.outcome !== undefined) continue;
        record.outcome = 'abort';
        record.endOffset = baseOffset;
      }
    }
    this.#open.clear();
  }

  /**
   * Whatever has been cleaned: records that are there are as they were appended, and the latest committed one of each key
   * is there, unless it is a tombstone whose time is over.
   */
  async check(options: {
    readonly retentionMs: number;
    /** Keys that the model does not know. */
    readonly alsoThere?: ReadonlySet<string>;
  }): Promise<void> {
    const world = this.#world;
    const end = world.log.logEndOffset;
    const nowMs = world.ports.clock.nowMs();
    const isKnown = ({ key }: SeenRecord): boolean => !options.alsoThere?.has(key ?? '');
    const all = (await world.records()).filter(isKnown);
    const committed = (await world.records('committed')).filter(isKnown);
    const expected = new Map(this.#appended.map((record) => [record.offset, record]));
    for (const record of all) {
      const original = expected.get(record.offset);
      assert.ok(original !== undefined, `nothing was appended at ${record.offset}`);
      assert.deepEqual(shown(record), { key: original.key, value: original.value, timestamp: original.atMs });
    }
    assert.deepEqual(
      all.map(({ offset }) => offset),
      all.map(({ offset }) => offset).sort((a, b) => a - b),
      'offsets rise',
    );
    const stable = world.log.firstUnstableOffset ?? end;
    const latest = new Map<string, Appended>();
    for (const record of this.#appended) {
      if (record.offset < stable && record.outcome === 'commit') latest.set(record.key, record);
    }
    for (const { offset } of committed) {
      assert.equal(expected.get(offset)?.outcome, 'commit', `a reader of committed records sees ${offset}`);
    }
    const last = new Map(committed.map((record) => [record.key, record]));
    for (const [key, record] of latest) {
      const seen = last.get(key);
      if (seen?.offset === record.offset) continue;
      const mayBeGone = record.value === null && nowMs - record.atMs >= options.retentionMs;
      assert.ok(mayBeGone, `the latest of ${key} is at ${record.offset}, a reader sees ${seen?.offset}`);
      assert.equal(seen, undefined, `${key} was deleted at ${record.offset}, a reader sees ${seen?.offset}`);
    }
  }

  /**
   * What readers saw that began and ended while a log was cleaned, each with the log's end when it began: records as they
   * were appended, in order, and of what stays every one.
   */
  async checkReaders(
    readers: readonly { readonly batches: readonly Buffer[]; readonly endOffset: number }[],
  ): Promise<void> {
    const expected = new Map(this.#appended.map((record) => [record.offset, record]));
    const stayed = await this.#world.records();
    for (const { batches, endOffset } of readers) {
      let next = 0;
      const seen = new Set<number>();
      for (const batch of batches) {
        assert.ok(header.baseOffset(batch) >= next, `a reader comes back to ${header.baseOffset(batch)}`);
        next = header.lastOffset(batch) + 1;
        if (header.isControl(batch)) continue;
        for (const record of recordsOf(batch)) {
          const original = expected.get(record.offset)!;
          assert.deepEqual(shown(record), {
            key: original.key,
            value: original.value,
            timestamp: original.atMs,
          });
          seen.add(record.offset);
        }
      }
      assert.ok(next >= endOffset, `a reader ends at ${next}, the log at ${endOffset}`);
      for (const { offset } of stayed) {
        if (offset < endOffset) assert.ok(seen.has(offset), `a reader missed ${offset}`);
      }
    }
  }

  /** A crash has taken what was not durable yet, markers among it. */
  forgetFrom(offset: number): void {
    const kept = this.#appended.filter((record) => record.offset < offset);
    this.#appended.length = 0;
    this.#appended.push(...kept);
    for (const record of kept) {
      if (record.endOffset !== undefined && record.endOffset >= offset) record.outcome = undefined;
    }
  }

  /** Nothing is dirty: each key is there once, and no record of an aborted transaction is. */
  async checkClean(): Promise<void> {
    const all = await this.#world.records();
    const keys = all.map(({ key }) => key);
    assert.equal(new Set(keys).size, keys.length, `each key once: ${JSON.stringify(all)}`);
    const aborted = new Set(
      this.#appended.filter(({ outcome }) => outcome === 'abort').map(({ offset }) => offset),
    );
    assert.ok(all.every(({ offset }) => !aborted.has(offset)));
  }
}

function shown({ key, value, timestamp }: SeenRecord): object {
  return { key, value, timestamp };
}

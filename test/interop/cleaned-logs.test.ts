// Compacted logs as Kafka's own programs see them: the Java client reads topics with transactions and tombstones while they
// are cleaned and afterwards, and DumpLogSegments looks at the files that the cleaner leaves.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import { installKafkaClients, installKafkaTools } from '../../scripts/peer-java.ts';
import { startJava } from './java-peer.ts';
import { filesBelow, inspectSegments, kafkaTools } from './java-tools.ts';
import { obtain } from './peer.ts';
import type { ProcessPeer } from './process-peer.ts';
import { startTarget, type Target } from './target.ts';
import { Producer } from './transactions-peer.ts';
import { until } from './until.ts';

const { installed, skip } = await obtain(async () => ({
  tools: await installKafkaTools(),
  clients: await installKafkaClients(),
}));

const ROUNDS = 14;
const KEYS = 16;
const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const SEGMENT_MS = 300;
/** A record with this key closes the segment before it. */
const CLOSER = 'closer';
/**
 * Configurations by topic: tombstones and markers stay for a day, or go with the second cleaning; the last topic is
 * compacted only when all is sent, so once.
 */
const TOPICS = {
  kept: { 'cleanup.policy': 'compact', 'delete.retention.ms': '86400000' },
  vanishing: { 'cleanup.policy': 'compact', 'delete.retention.ms': '0' },
  once: { 'cleanup.policy': 'delete' },
} as const;
type Topic = keyof typeof TOPICS;
type Isolation = 'read_committed' | 'read_uncommitted';

interface Sent {
  readonly key: string;
  readonly value: string | null;
  readonly isCommitted: boolean;
}

/** As readAll gives it. */
type Read = [offset: number, value: string | null, key: string];

interface Records {
  readonly keys: string[];
  readonly values: (string | null)[];
}

/** Everything that was sent to a topic, and what readers must find of it whatever has been cleaned. */
class Model {
  readonly topic: Topic;
  readonly #java: ProcessPeer;
  /** By offset. */
  readonly #sent = new Map<number, Sent>();
  #values = 0;

  constructor(java: ProcessPeer, topic: Topic) {
    this.#java = java;
    this.topic = topic;
  }

  #some(count: number): Records {
    const numbers = Array.from({ length: count }, () => this.#values++);
    return {
      keys: numbers.map((number) => `key-${(number * 7) % KEYS}`),
      values: numbers.map((number) => (number % 5 === 3 ? null : `value ${number}`)),
    };
  }

  #note(offsets: readonly number[], { keys, values }: Records, isCommitted: boolean): void {
    for (const [index, offset] of offsets.entries()) {
      this.#sent.set(offset, { key: keys[index]!, value: values[index]!, isCommitted });
    }
  }

  async #send({ keys, values }: Records, compression: string): Promise<number[]> {
    const coded = (text: string | null): string | null =>
      text === null ? null : Buffer.from(text).toString('base64');
    const records = keys.map((key, index) => ({
      partition: 0,
      key: coded(key),
      value: coded(values[index]!),
      headers: [],
      timestamp: Date.now(),
    }));
    return this.#java.call('produce', { topic: this.topic, compression, records });
  }

  async send(compression: string): Promise<void> {
    const some = this.#some(6);
    this.#note(await this.#send(some, compression), some, true);
  }

  async transact(producer: Producer, how: 'commit' | 'abort'): Promise<void> {
    const some = this.#some(5);
    await producer.begin();
    const offsets = await producer.sendKeyed(this.topic, some);
    this.#note(offsets, some, how === 'commit');
    await producer.offsets('readers', this.topic, offsets.at(-1)!);
    await producer[how]();
  }

  async close(): Promise<void> {
    await this.#send({ keys: [CLOSER], values: ['-'] }, 'none');
  }

  /** Without the records that only close segments. */
  async read(isolation: Isolation): Promise<Read[]> {
    const partition = `${this.topic}-0`;
    const found = await this.#java.call('readAll', { keys: [partition], isolation });
    return ((found[partition] ?? []) as Read[]).filter(([, , key]) => key !== CLOSER);
  }

  async end(isolation: Isolation = 'read_uncommitted'): Promise<number> {
    const key = `${this.topic}-0`;
    return (await this.#java.call('ends', { keys: [key], isolation }))[key];
  }

  /** The answer to a commit comes before its markers are written. */
  async decided(): Promise<void> {
    const isDecided = async (): Promise<boolean> => (await this.end('read_committed')) === (await this.end());
    await until(`${this.topic} has its markers`, isDecided);
  }

  /** The latest committed record of each key, by offset; without tombstones where they vanish. */
  latest(): Read[] {
    const last = new Map<string, Read>();
    for (const [offset, { key, value, isCommitted }] of this.#sent) {
      if (isCommitted) last.set(key, [offset, value, key]);
    }
    return [...last.values()]
      .filter(([, value]) => value !== null || this.topic !== 'vanishing')
      .sort(([one], [other]) => one - other);
  }

  /** What must be so at any moment. */
  check(all: readonly Read[], committed: readonly Read[]): void {
    for (const [offset, value, key] of [...all, ...committed]) {
      const sent = this.#sent.get(offset);
      assert.deepEqual([key, value], [sent?.key, sent?.value], `${this.topic} at ${offset}`);
    }
    for (const list of [all, committed]) {
      const offsets = list.map(([offset]) => offset);
      assert.deepEqual(
        offsets,
        [...new Set(offsets)].sort((a, b) => a - b),
        'offsets rise',
      );
    }
    for (const [offset] of committed) assert.equal(this.#sent.get(offset)!.isCommitted, true, `at ${offset}`);
    const seen = new Set(committed.map(([offset]) => offset));
    for (const [offset, , key] of this.latest())
      assert.ok(seen.has(offset), `${key} at ${offset} is missing`);
  }
}

describe('cleaned logs', { skip: skip ?? false }, () => {
  let target: Target;
  let java: ProcessPeer;

  before(async () => {
    target = await startTarget({
      settings: {
        'log.cleaner.backoff.ms': '100',
        'log.cleaner.min.cleanable.ratio': '0.01',
        'log.roll.ms': String(SEGMENT_MS),
        'offsets.topic.num.partitions': '1',
        'transaction.state.log.num.partitions': '1',
      },
    });
    java = await startJava(installed!.clients, target.bootstrap);
  });
  after(async () => {
    await java?.close();
    await target?.discard();
  });

  test('the Java client finds the latest value of each key, under its offset, while and after a topic is cleaned', async () => {
    const models: Model[] = [];
    for (const [topic, configs] of Object.entries(TOPICS)) {
      await java.createTopic(topic, 1, configs);
      models.push(new Model(java, topic as Topic));
    }
    const [committing, aborting] = [new Producer(java, 'committing'), new Producer(java, 'aborting')];
    await committing.open('committing');
    await aborting.open('aborting');
    for (let round = 0; round < ROUNDS; round++) {
      for (const model of models) {
        await model.send(COMPRESSIONS[round % COMPRESSIONS.length]!);
        await model.transact(committing, 'commit');
        await model.transact(aborting, 'abort');
        if (round % 3 !== 2) continue;
        await model.decided();
        model.check(await model.read('read_uncommitted'), await model.read('read_committed'));
      }
      await delay(SEGMENT_MS / 2);
    }
    for (const model of models) {
      await model.decided();
      if (model.topic === 'once') {
        await model.close();
        await java.alterTopicConfig(model.topic, 'cleanup.policy', 'compact');
      }
      const cleaned = async (): Promise<boolean> => {
        if (model.topic !== 'once') await model.close();
        const end = await model.end();
        const [all, committed] = [await model.read('read_uncommitted'), await model.read('read_committed')];
        model.check(all, committed);
        assert.ok((await model.end()) >= end, 'the end stays');
        const expected = JSON.stringify(model.latest());
        return JSON.stringify(all) === expected && JSON.stringify(committed) === expected;
      };
      await until(`${model.topic} is clean`, cleaned, { intervalMs: SEGMENT_MS });
      // Where a record was, the next one is found.
      const latest = model.latest();
      const [found] = await java.read(model.topic, 0, latest[0]![0] + 1, 1);
      assert.equal(found!.offset, latest[1]![0]);
    }
  });

  test('DumpLogSegments accepts the segments and indexes that cleaning has left, also of the internal topics', async () => {
    await target.stop();
    const cleaned = readFileSync(join(target.dataDir, 'cleaner-offset-checkpoint'), 'utf8');
    for (const topic of [...Object.keys(TOPICS), '__consumer_offsets', '__transaction_state']) {
      assert.match(cleaned, new RegExp(`^${topic} 0 [1-9]`, 'm'));
    }
    const aborted = filesBelow(join(target.dataDir, 'once-0'), '.txnindex').filter(
      (path) => readFileSync(path).length > 0,
    );
    assert.ok(aborted.length > 0, 'an index of aborted transactions');
    const { faults, records } = await inspectSegments(kafkaTools(installed!.tools), target.dataDir);
    // Gaps are what a cleaned log has.
    const isGap = (line: string): boolean => /^Non-consecutive offsets in |is followed by/.test(line.trim());
    assert.deepEqual(
      faults.filter((line) => !isGap(line)),
      [],
    );
    assert.ok(faults.some(isGap), 'the tool saw logs with gaps');
    assert.ok(records >= 2 * KEYS, `${records} records`);
  });
});

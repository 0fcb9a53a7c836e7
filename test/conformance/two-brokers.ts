/**
 * Kafka 4.4.0 and Headrace side by side: each request goes to both as the same bytes, save ids that each made itself,
 * and every field of the answers is compared. A scenario collects all differences and fails with the list of them.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { ZERO_UUID } from '../../src/base/uuid.ts';
import { apiOf } from '../../src/protocol/apis.ts';
import { Headrace } from '../../src/testing/headrace.ts';
import { describeRecords } from './described-records.ts';
import { startKafka } from './kafka-broker.ts';
import { RawConnection, request } from './raw-connection.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Answer = any;
/** The same body for both, or one that holds what each side gave earlier. */
export type Body = object | ((side: Side) => object);

/** Times this near to now are the broker's own clock. */
const NOW_WITHIN_MS = 120_000;
const UNTIL_MS_MAX = 15_000;
const POLL_MS = 20;
const FETCH = 1;
const CREATE_TOPICS = 19;
const LIST_OFFSETS = 2;
/** Shorter strings could occur in others by chance. */
const REPLACED_LENGTH_MIN = 12;
const CLIPPED_LENGTH = 400;
/** Differences on purpose, wherever they are. */
const EXPECTED: readonly RegExp[] = [
  // Records' faults are told in words of our own: the codes and which records they are must agree.
  /\.batchIndexErrorMessage: Kafka "[^"]+", Headrace "/,
  /\.errorMessage: Kafka "One or more records have been rejected[^"]+", Headrace "One or more records have been/,
  /\.errorMessage: Kafka "(Record size|Invalid magic)[^"]+", Headrace "/,
  // Kafka explains INVALID_REQUEST in general, we say what is invalid.
  /\.errorMessage: Kafka "(This most likely occurs because of a request being malformed[^"]*)?", Headrace "[^"]+"/,
  // Where Kafka fails (UNKNOWN_SERVER_ERROR) over bytes that are no records, we refuse them (INVALID_RECORD).
  /\.errorCode: Kafka -1, Headrace 87$/,
  // Where Kafka has a code alone, we also say what is wrong.
  /\.errorMessage: Kafka null, Headrace "/,
];

/** One of the two brokers, its connections by name and what it said earlier. */
export class Side {
  readonly name: string;
  readonly port: number;
  readonly kept = new Map<string, unknown>();
  readonly #connections = new Map<string, Promise<RawConnection>>();

  constructor(name: string, port: number) {
    this.name = name;
    this.port = port;
  }

  /** What was kept under this name. */
  the(name: string): Answer {
    assert.ok(this.kept.has(name), `${this.name} has given no ${name}`);
    return this.kept.get(name);
  }

  async connection(name: string): Promise<RawConnection> {
    const open = await this.#connections.get(name);
    if (open !== undefined && !open.isClosed) return open;
    const opening = RawConnection.open(this.port);
    this.#connections.set(name, opening);
    return opening;
  }

  async close(): Promise<void> {
    for (const one of this.#connections.values()) (await one).close();
  }
}

export interface AskOptions {
  /** Whose connection: a name for each client of a scenario. */
  readonly by?: string;
  readonly clientId?: string | null;
  /** Ids in the answer to use later, and to compare by these names. */
  readonly keep?: Readonly<Record<string, (answer: Answer) => unknown>>;
  /** Why the answers differ on purpose: they are asked for, not compared. */
  readonly except?: string;
}

export class TwoBrokers {
  readonly kafka: Side;
  readonly headrace: Side;
  readonly sides: readonly [Side, Side];
  readonly #stop: () => Promise<void>;
  #differences: string[] = [];
  #compared = 0;

  private constructor(kafkaPort: number, headracePort: number, stop: () => Promise<void>) {
    this.kafka = new Side('Kafka', kafkaPort);
    this.headrace = new Side('Headrace', headracePort);
    this.sides = [this.kafka, this.headrace];
    this.#stop = stop;
  }

  /** Errors: PeerMissing. */
  static async start(settings: Readonly<Record<string, string>>): Promise<TwoBrokers> {
    const kafka = await startKafka(settings);
    try {
      const headrace = await Headrace.start({ settings: { 'node.id': '1', ...settings } });
      return new TwoBrokers(kafka.port, headrace.port, async () => {
        await kafka.stop();
        await headrace.stop();
      });
    } catch (error) {
      await kafka.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const side of this.sides) await side.close();
    await this.#stop();
  }

  get compared(): number {
    return this.#compared;
  }

  /** Runs one story; it fails with all differences that `same` and `equal` found. */
  async scenario(t: TestContext, name: string, run: () => Promise<void>): Promise<void> {
    await t.test(name, async () => {
      this.#differences = [];
      const found = this.#differences;
      let failure: unknown;
      await run().catch((error: unknown) => (failure = error));
      assert.equal(found.length, 0, `\n${found.join('\n')}`);
      if (failure !== undefined) throw failure;
    });
  }

  /** Asks both the same and compares the answers, [Kafka's, ours]. */
  async same(what: string, key: number, version: number, body: Body, options: AskOptions = {}) {
    const label = `${apiOf(key)!.name} v${version} ${what}`;
    const answers = await Promise.all(
      this.sides.map((side) =>
        this.#ask(side, key, version, body, options).catch((error: unknown) => String(error)),
      ),
    );
    this.keep(answers, options.keep);
    this.equal(label, answers, { ...options, key });
    return answers as [Answer, Answer];
  }

  /** The same in each of these versions. */
  async each(
    what: string,
    key: number,
    [from, to]: readonly [number, number],
    body: Body,
    options?: AskOptions,
  ) {
    for (let version = from; version <= to; version++) await this.same(what, key, version, body, options);
  }

  /** Sends the requests together on one connection; compares the order and the contents of the answers. */
  async samePipelined(
    what: string,
    requests: readonly { key: number; version: number; body: Body }[],
  ): Promise<void> {
    const answers = await Promise.all(
      this.sides.map(async (side) => {
        const connection = await RawConnection.open(side.port);
        const inOrder: unknown[] = [];
        await Promise.all(
          requests.map(async ({ key, version, body }, index) => {
            const answer = await connection.ask({ key, version, body: bodyFor(body, side) }).catch(String);
            inOrder.push({ index, answer });
          }),
        );
        connection.close();
        return inOrder;
      }),
    );
    this.equal(what, answers, { key: FETCH });
  }

  /** Sends these bytes to both; an answer is compared as bytes. */
  async sameBytes(what: string, bytes: Buffer): Promise<void> {
    const answers = await Promise.all(
      this.sides.map(async (side) => {
        const connection = await RawConnection.open(side.port);
        const answer = await connection.exchange(bytes).catch(String);
        connection.close();
        return typeof answer === 'string' ? answer : answer.toString('hex');
      }),
    );
    this.equal(what, answers);
  }

  /** Sends a request that has no answer, and on the same connection one that has; both are compared by the latter. */
  async sameAfterSilence(
    what: string,
    silent: { key: number; version: number; body: Body },
    asked: typeof silent,
  ) {
    const answers = await Promise.all(
      this.sides.map(async (side) => {
        const connection = await RawConnection.open(side.port);
        const bytes = (one: typeof silent) =>
          request(one.key, one.version, bodyFor(one.body, side), 'conformance');
        connection.tell({ ...silent, body: bodyFor(silent.body, side) });
        const frame = await connection.exchange(bytes(asked)).catch(String);
        connection.close();
        return typeof frame === 'string' ? frame : frame.toString('hex');
      }),
    );
    this.equal(what, answers);
  }

  /** Keeps what each side's answer gave, for later bodies and comparisons. */
  keep(answers: readonly unknown[], keep: AskOptions['keep'] = {}): void {
    for (const [name, pick] of Object.entries(keep)) {
      this.sides.forEach((side, n) => {
        try {
          side.kept.set(name, pick(answers[n]));
        } catch {
          // An answer without it is a difference, which the comparison tells.
        }
      });
    }
  }

  equal(
    label: string,
    answers: readonly unknown[],
    options: { key?: number; except?: AskOptions['except'] } = {},
  ) {
    const isOrdered = options.key === FETCH;
    const [theirs, ours] = this.sides.map((side, n) => comparable(answers[n], { side, isOrdered }));
    const found: string[] = [];
    differences(theirs, ours, '', found);
    this.#compared += 1;
    for (const one of found) {
      const isExpected = EXPECTED.some((pattern) => pattern.test(one));
      if (!isExpected && options.except === undefined) this.#differences.push(`${label}${one}`);
    }
  }

  /** Asks each side again and again, without comparing, until its answer is as wanted. */
  async until(
    key: number,
    version: number,
    body: Body,
    isWanted: (answer: Answer) => boolean,
  ): Promise<void> {
    await Promise.all(
      this.sides.map(async (side) => {
        let answer: unknown;
        for (const endMs = Date.now() + UNTIL_MS_MAX; Date.now() < endMs; await delay(POLL_MS)) {
          answer = await this.#ask(side, key, version, body, { by: 'until' });
          if (isWanted(answer)) return;
        }
        throw new Error(`${side.name} has not come to it: ${print(answer)}`);
      }),
    );
  }

  /** Creates topics; their ids are kept as `id of NAME`. Resolves when they can be read and written. */
  async createTopics(
    topics: Readonly<Record<string, { partitions?: number; configs?: Record<string, string> }>>,
  ) {
    const body = {
      timeoutMs: 10_000,
      topics: Object.entries(topics).map(([name, { partitions = 1, configs = {} }]) => ({
        name,
        numPartitions: partitions,
        replicationFactor: 1,
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      })),
    };
    for (const side of this.sides) {
      const answer = (await this.#ask(side, CREATE_TOPICS, 7, body, {})) as Answer;
      for (const { name, topicId, errorCode } of answer.topics) {
        assert.equal(errorCode, 0, `${side.name}: ${name}`);
        side.kept.set(`id of ${name}`, topicId);
      }
    }
    const every = Object.entries(topics).map(([name, { partitions = 1 }]) => ({
      name,
      partitions: Array.from({ length: partitions }, (_, n) => ({ partitionIndex: n, timestamp: -1 })),
    }));
    const isReady = (one: Answer): boolean =>
      one.topics.every((topic: Answer) => topic.partitions.every((at: Answer) => at.errorCode === 0));
    await this.until(LIST_OFFSETS, 8, { replicaId: -1, topics: every }, isReady);
  }

  async #ask(side: Side, key: number, version: number, body: Body, options: AskOptions): Promise<unknown> {
    const connection = await side.connection(options.by ?? 'main');
    const { clientId = 'conformance' } = options;
    return connection.ask({ key, version, body: bodyFor(body, side), clientId });
  }
}

const bodyFor = (body: Body, side: Side): object =>
  typeof body === 'function' ? (body as (side: Side) => object)(side) : body;

interface Reading {
  readonly side: Side;
  readonly isOrdered: boolean;
}

/** Makes alike what each broker chooses for itself; sorts lists unless their order is part of the answer. */
function comparable(value: unknown, reading: Reading, field = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map((one) => comparable(one, reading, field));
    if (reading.isOrdered) return items;
    return items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (Buffer.isBuffer(value)) {
    if (field !== 'records') return value.toString('latin1');
    return describeRecords(value, nearNow).map((one) => comparable(one, reading));
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([name, one]) => [name, comparable(one, reading, name)]));
  }
  // What the disks have is each broker's own; one in memory cannot tell.
  if (field === 'totalBytes' || field === 'usableBytes') return 'bytes';
  if (field === 'port') return value === reading.side.port ? 'the port' : value;
  if (typeof value === 'string') return named(value, field, reading.side);
  if (typeof value === 'number') {
    if (field === 'producerId' || (field === 'sessionId' && value > 0)) {
      return nameOf(value, reading.side) ?? value;
    }
    return /time/i.test(field) && !/throttle/i.test(field) ? nearNow(value) : value;
  }
  return value;
}

function named(value: string, field: string, side: Side): string {
  if (value === ZERO_UUID) return 'zero';
  if (field === 'logDir') return 'a directory';
  let text = value;
  for (const [name, kept] of side.kept) {
    if (typeof kept === 'string' && kept.length >= REPLACED_LENGTH_MIN)
      text = text.replaceAll(kept, `<${name}>`);
  }
  return text;
}

function nameOf(value: number, side: Side): string | undefined {
  for (const [name, kept] of side.kept) if (kept === value && value >= 0) return `<${name}>`;
  return undefined;
}

function nearNow(ms: number): number | string {
  return Math.abs(ms - Date.now()) < NOW_WITHIN_MS ? 'now' : ms;
}

function differences(theirs: unknown, ours: unknown, path: string, found: string[]): void {
  if (Object.is(theirs, ours)) return;
  const isSame = JSON.stringify(theirs) === JSON.stringify(ours);
  if (isSame) return;
  if (isContainer(theirs) && isContainer(ours) && Array.isArray(theirs) === Array.isArray(ours)) {
    const names = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
    const isList = Array.isArray(theirs);
    if (!isList || Object.keys(theirs).length === Object.keys(ours).length) {
      for (const name of names) {
        differences(theirs[name], ours[name], `${path}${isList ? `[${name}]` : `.${name}`}`, found);
      }
      return;
    }
  }
  found.push(`${path}: Kafka ${print(theirs)}, Headrace ${print(ours)}`);
}

const isContainer = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

function print(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > CLIPPED_LENGTH ? `${text.slice(0, CLIPPED_LENGTH)}…` : text;
}

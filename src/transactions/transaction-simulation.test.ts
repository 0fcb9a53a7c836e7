/**
 * Producers of transactions v2 at random, whose requests are delayed, lost and doubled, against a coordinator whose log
 * fails, lags behind and moves to another broker, and leaders that take markers late or not at all. What was committed is
 * seen whole and once, what was aborted never, and nothing stays open. A failing seed is printed; run it alone with
 * `run(seed)`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryLog } from '../coordinator/memory-log.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import { lastOffset } from '../protocol/record-batch.ts';
import { SimulatedTime } from '../runtime/simulated-clock.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import type { MarkerWriter, TransactionEnd } from './marker-sender.ts';
import { SimulatedPartition } from './simulated-partition-contract.ts';
import { Scene, type MarkerDesk, type Producer } from './transaction-scene-contract.ts';
import type { ProducerAnswer } from './shard-state.ts';
import type { TopicPartition } from './transaction.ts';

const SEEDS = 12;
const FAULTY_MS = 60_000;
const TRANSACTION_TIMEOUT_MS = 8_000;
/** After the faults: every open transaction has timed out, every marker is in. */
const CALM_MS = 30_000;
const REQUEST_TIMEOUT_MS = 1_500;
const TIMED_OUT = -1000;
const PARTITIONS = 4;
const PASSING: readonly number[] = [
  TIMED_OUT,
  Errors.CONCURRENT_TRANSACTIONS,
  Errors.NOT_COORDINATOR,
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
];

type Outcome = 'committed' | 'aborted' | 'unknown';

interface Sent {
  readonly outcome: Outcome;
  /** Acknowledged values, by partition. */
  readonly values: readonly (readonly [number, string])[];
}

class World implements MarkerWriter {
  readonly random: SimulatedRandom;
  readonly time: SimulatedTime;
  readonly partitions = Array.from({ length: PARTITIONS }, (_, n) => new SimulatedPartition(n));
  readonly sent: Sent[] = [];
  scene!: Scene;
  isFaulty = true;
  failovers = 0;
  #values = 0;

  constructor(seed: number) {
    this.random = new SimulatedRandom(seed);
    this.time = new SimulatedTime({ seed });
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.time.schedule(ms, resolve));
  }

  chance(p: number): boolean {
    return this.isFaulty && this.random.chance(p);
  }

  nextValue(): string {
    return `v${++this.#values}`;
  }

  /** Markers take their time; some are refused, and of some the answer is lost. */
  async write({ partition }: TopicPartition, end: TransactionEnd): Promise<ErrorCode> {
    await this.sleep(this.random.between(0, 40));
    if (this.chance(0.2)) return Errors.NOT_LEADER_OR_FOLLOWER;
    const errorCode = this.partitions[partition].mark(end);
    if (this.chance(0.1)) await this.sleep(2_000);
    return this.chance(0.1) ? Errors.REQUEST_TIMED_OUT : errorCode;
  }

  /** A request on its way: late, perhaps twice (the second time very late), perhaps without an answer. */
  async send<R>(request: () => Promise<R>): Promise<R | undefined> {
    if (this.chance(0.1)) void this.sleep(this.random.between(1, 20_000)).then(() => request());
    const answered = (async (): Promise<R | undefined> => {
      await this.sleep(this.random.between(0, 20));
      if (this.chance(0.03)) return undefined;
      const answer = await request();
      await this.sleep(this.random.between(0, 20));
      return this.chance(0.05) ? undefined : answer;
    })();
    const timeout = this.sleep(REQUEST_TIMEOUT_MS).then(() => undefined);
    return Promise.race([answered, timeout]);
  }
}

class SimulatedProducer implements Producer {
  producerId = -1;
  producerEpoch = -1;
  readonly #world: World;
  readonly #id: string;
  #sequences: number[] = [];

  constructor(world: World, id: string) {
    this.#world = world;
    this.#id = id;
  }

  /** Transactions one after the other, until told to stop; now and then another instance takes over. */
  async run(until: () => boolean): Promise<void> {
    const { random } = this.#world;
    let mustInit = true;
    while (!until()) {
      if (mustInit && !(await this.#init())) continue;
      const outcome = await this.#transaction();
      mustInit = outcome === 'unknown' || this.#world.chance(0.1);
      if (this.#world.chance(0.05)) await this.#world.sleep(random.between(1, 3 * TRANSACTION_TIMEOUT_MS));
    }
  }

  async #init(): Promise<boolean> {
    const { errorCode, ...identity } = await this.#ask(() =>
      this.#world.scene.coordinator.initProducerId({
        transactionalId: this.#id,
        transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
        enableTwoPhaseCommit: false,
        keepPreparedTransaction: false,
        expected: undefined,
      }),
    );
    if (errorCode === Errors.NONE) this.#become(identity);
    return errorCode === Errors.NONE;
  }

  async #transaction(): Promise<Outcome> {
    const { random, sent } = this.#world;
    const values: [number, string][] = [];
    let isFine = true;
    for (let count = random.between(0, 6); count > 0 && isFine; count--) {
      const partition = random.integer(PARTITIONS);
      const value = this.#world.nextValue();
      isFine = (await this.#produce(partition, value)) === Errors.NONE;
      // One that failed may be there all the same; only the whole counts.
      if (isFine) values.push([partition, value]);
    }
    if (this.#world.chance(0.05)) {
      sent.push({ outcome: 'unknown', values });
      return 'unknown';
    }
    const isCommit = isFine && values.length > 0 && random.chance(0.7);
    const { producerId, producerEpoch } = this;
    const request = { transactionalId: this.#id, producerId, producerEpoch, isCommit, clientVersion: 2 };
    const { errorCode, ...identity } = await this.#ask(() =>
      this.#world.scene.coordinator.endTransaction(request),
    );
    const isDone = errorCode === Errors.NONE;
    const outcome = isDone ? (isCommit ? 'committed' : 'aborted') : isCommit ? 'unknown' : 'aborted';
    sent.push({ outcome, values });
    if (isDone) this.#become(identity);
    return isDone ? outcome : 'unknown';
  }

  async #produce(partition: number, value: string): Promise<ErrorCode | undefined> {
    const { producerId, producerEpoch } = this;
    const leader = this.#world.partitions[partition];
    const sequence = this.#sequences[partition] ?? 0;
    const batch = { producerId, producerEpoch, sequence, value };
    const ensure = async (): Promise<ErrorCode> => {
      const [said] = await this.#world.scene.coordinator.ensureAll({
        transactionalId: this.#id,
        producerId,
        producerEpoch,
        partitions: [{ topic: leader.topic, partition }],
        canAdd: true,
      });
      return said;
    };
    const errorCode = await this.#retry(
      () => leader.produce(batch, ensure),
      (code) => code,
    );
    if (errorCode === Errors.NONE) this.#sequences[partition] = sequence + 1;
    return errorCode;
  }

  async #ask(request: () => Promise<ProducerAnswer>): Promise<ProducerAnswer> {
    const lost: ProducerAnswer = { errorCode: TIMED_OUT as ErrorCode, producerId: -1, producerEpoch: -1 };
    return (await this.#retry(request, ({ errorCode }) => errorCode)) ?? lost;
  }

  /** What passes is tried again, at most for as long as a transaction may last. Answers the last answer. */
  async #retry<R>(request: () => Promise<R>, errorOf: (answer: R) => number): Promise<R | undefined> {
    const untilMs = this.#world.time.nowMs() + TRANSACTION_TIMEOUT_MS;
    for (;;) {
      const answer = await this.#world.send(request);
      const errorCode = answer === undefined ? TIMED_OUT : errorOf(answer);
      if (!PASSING.includes(errorCode) || this.#world.time.nowMs() > untilMs) return answer;
      await this.#world.sleep(20);
    }
  }

  #become({ producerId, producerEpoch }: Producer): void {
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
    this.#sequences = [];
  }
}

/** The log lags, refuses, or goes over to another broker, with or without what was not committed. */
async function faults(world: World): Promise<void> {
  const { random } = world;
  while (world.isFaulty) {
    await world.sleep(random.between(1, 4_000));
    const { log } = world.scene;
    const kind = random.integer(3);
    if (kind === 0) {
      log.isCommittedAtOnce = false;
      await world.sleep(random.between(1, 2_000));
      log.isCommittedAtOnce = true;
      log.commit();
    } else if (kind === 1) {
      log.appendError = Errors.NOT_ENOUGH_REPLICAS;
      await world.sleep(random.between(1, 1_000));
      log.appendError = 0;
    } else {
      log.isCommittedAtOnce = random.chance(0.5);
      await world.sleep(random.between(0, 100));
      world.failovers += 1;
      world.scene = await world.scene.successor(random.chance(0.5) ? log.copy() : committedPart(log));
    }
  }
}

function committedPart(log: MemoryLog): MemoryLog {
  const part = new MemoryLog();
  for (const batch of log.batches)
    if (lastOffset(batch) < log.highWatermark()) part.append(Buffer.from(batch));
  return part;
}

async function run(seed: number): Promise<World> {
  const world = new World(seed);
  world.scene = new Scene({ time: world.time, desk: world as unknown as MarkerDesk });
  await world.scene.elect(0);
  const isOver = (): boolean => !world.isFaulty;
  for (const id of ['a', 'b', 'c']) void new SimulatedProducer(world, id).run(isOver);
  // Another instance of the first, which both believe to be the only one.
  void new SimulatedProducer(world, 'a').run(isOver);
  void faults(world);
  await world.time.advance(FAULTY_MS);
  world.isFaulty = false;
  await world.time.advance(CALM_MS);
  check(world);
  return world;
}

function check(world: World): void {
  const seen = world.partitions.map((partition) => partition.committed());
  const all = seen.flat();
  assert.equal(new Set(all).size, all.length, 'nothing is there twice');
  for (const { outcome, values } of world.sent) {
    const visible = values.filter(([partition, value]) => seen[partition].includes(value));
    if (outcome === 'committed') assert.equal(visible.length, values.length, 'what was committed is seen');
    else if (outcome === 'aborted') assert.equal(visible.length, 0, 'what was aborted is not');
    else assert.ok(visible.length === 0 || visible.length === values.length, 'all or nothing');
  }
  assert.ok(
    world.partitions.every((partition) => !partition.isOpen),
    'nothing stays open',
  );
  for (const id of ['a', 'b', 'c']) {
    assert.ok(
      ['Empty', 'CompleteCommit', 'CompleteAbort'].includes(world.scene.state(id)),
      world.scene.state(id),
    );
  }
}

test('G05, item 25: delayed, doubled and lost requests and a failing coordinator leave whole transactions', async () => {
  let committed = 0;
  let unknown = 0;
  let failovers = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      const world = await run(seed);
      committed += world.sent.filter(({ outcome }) => outcome === 'committed').length;
      unknown += world.sent.filter(({ outcome }) => outcome === 'unknown').length;
      failovers += world.failovers;
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  // So that it is not all idle.
  assert.ok(committed > SEEDS * 25, `${committed} committed`);
  assert.ok(unknown > SEEDS * 2, `${unknown} unknown`);
  assert.ok(failovers > SEEDS * 2, `${failovers} failovers`);
});

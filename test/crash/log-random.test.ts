/**
 * Long lives of a log by seed: everything it does in random order, with crashes of all kinds and clean restarts in
 * between. Each failure names its seed; `SEEDS=17 node --test test/crash/log-random.test.ts` runs one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as header from '../../src/protocol/record-batch.ts';
import { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import { testProducer, type TestProducer } from '../../src/log/test-log.ts';
import { SETTINGS, World } from './log-world.ts';

const SEEDS = process.env.SEEDS?.split(',').map(Number) ?? Array.from({ length: 150 }, (_, seed) => seed);
const STEPS = 60;

class Life {
  readonly world: World;
  readonly #random: SimulatedRandom;
  #producers: TestProducer[] = [];
  #epoch = 0;
  #names = 0;

  constructor(seed: number) {
    this.#random = new SimulatedRandom(`life ${seed}`);
    this.world = new World(`life ${seed}`, { disk: { syncLatencyMs: 3 } });
  }

  async run(): Promise<void> {
    await this.world.open();
    this.#newProducers();
    for (let step = 0; step < STEPS; step++) await this.#step();
    await this.#crash();
  }

  async #step(): Promise<void> {
    const { world } = this;
    const random = this.#random;
    const dice = random.integer(100);
    if (dice < 45) this.#append();
    else if (dice < 55) this.#mark();
    else if (dice < 75) await world.pass(random.integer(8));
    else if (dice < 79) world.log.roll();
    else if (dice < 82) this.#epoch += 1;
    else if (dice < 85) await world.pass(61_000);
    else if (dice < 88) this.#deleteRecords();
    else if (dice < 91) await this.#retain();
    else if (dice < 93) this.#truncate();
    else if (dice < 96) await this.#restartCleanly();
    else await this.#crash();
  }

  #append(): void {
    const who = this.#producers[this.#random.integer(this.#producers.length + 1)];
    const count = 1 + this.#random.integer(3);
    const options = { count, epoch: this.#epoch, ...(who === undefined ? {} : { producer: who }) };
    const result = this.world.append(`${(this.#names += 1)}`, options);
    assert.equal(result.errorCode, 0, result.errorMessage ?? '');
  }

  #mark(): void {
    const who = this.#producers.find(({ isTransactional }) => isTransactional)!;
    const result = this.world.mark(who, this.#random.chance(0.5), this.#epoch);
    assert.equal(result.errorCode, 0, result.errorMessage ?? '');
  }

  #deleteRecords(): void {
    const { log, history } = this.world;
    const to = log.logStartOffset + this.#random.integer(log.durableEndOffset - log.logStartOffset + 1);
    log.deleteRecordsBefore(to);
    history.startMax = Math.max(history.startMax, to);
  }

  async #retain(): Promise<void> {
    const { world } = this;
    world.log.configure({ ...SETTINGS, retentionBytes: 1500 });
    world.history.startMax = Math.max(world.history.startMax, world.log.logEndOffset);
    await world.ports.time.settle(world.directories.deleteOldSegments());
  }

  #truncate(): void {
    const { log, history } = this.world;
    const to = log.logStartOffset + this.#random.integer(log.logEndOffset - log.logStartOffset + 1);
    log.truncateTo(to);
    history.durableEnd = Math.min(history.durableEnd, log.logEndOffset);
    this.#epoch += 1;
    this.#newProducers();
  }

  async #restartCleanly(): Promise<void> {
    const { world } = this;
    const before = [world.log.logStartOffset, world.log.logEndOffset, world.log.activeProducers()];
    await world.ports.time.settle(world.directories.shutdown());
    await world.open();
    assert.deepEqual([world.log.logStartOffset, world.log.logEndOffset, world.log.activeProducers()], before);
    await world.check({ indexes: false });
  }

  async #crash(): Promise<void> {
    const { world } = this;
    await world.restart((['lose', 'random', 'keep'] as const)[this.#random.integer(3)]);
    await world.check({ indexes: false });
    await this.#checkProducers();
    await world.forgetThePast();
    this.#epoch = Math.max(this.#epoch, world.log.latestEpoch) + 1;
    this.#newProducers();
  }

  /** Of each producer that has a batch left, the last sequence is that of its last batch. */
  async #checkProducers(): Promise<void> {
    const { log } = this.world;
    const last = new Map<number, number>();
    for (const batch of await this.world.readAll(log)) {
      if (header.isControl(batch)) continue;
      if (header.producerId(batch) >= 0) last.set(header.producerId(batch), header.lastSequence(batch));
    }
    const known = new Map(
      log.activeProducers().map(({ producerId, lastSequence }) => [producerId, lastSequence]),
    );
    for (const [producerId, sequence] of last)
      assert.equal(known.get(producerId), sequence, `producer ${producerId}`);
  }

  /** After a cut or a crash nobody knows which sequences are in: others go on. */
  #newProducers(): void {
    const first = this.#names * 10 + 1;
    this.#producers = [testProducer(first), testProducer(first + 1), testProducer(first + 2, true)];
    this.#names += 1;
  }
}

test(`a log lives through ${SEEDS.length} random lives`, async () => {
  for (const seed of SEEDS) {
    try {
      await new Life(seed).run();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

/**
 * Clients of the model broker, and the history of what they saw: a run is a function of its seed. Clients are generators
 * that yield wherever others may act in between; a step is a millisecond.
 */
import { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Isolation, Line, Polled, Step } from '../history.ts';
import { type Bug, type Epoch, ModelBroker, Refused } from './broker.ts';

const KEYS = ['a-0', 'a-1', 'b-0'];
const OUT_KEY = 'out-0';
const STEPS = 4_000;
const STEP_US = 1_000;
const GROUP = 'movers';

type Client = Generator<void, void, void>;
/** Without atUs and process, which the run knows. */
type Told = Line extends infer L ? (L extends Line ? Omit<L, 'atUs' | 'process'> : never) : never;

interface Reader {
  readonly name: string;
  readonly isolation: Isolation;
  readonly positions: Map<string, number>;
}

/** What happened, and how often the bug showed itself. */
export function runModel(seed: number, bug?: Bug): { lines: Line[]; bugCount: number } {
  const run = new ModelRun(seed, bug);
  return run.run();
}

class ModelRun {
  readonly #lines: Line[] = [];
  readonly #random: SimulatedRandom;
  readonly #broker: ModelBroker;
  readonly #late: { atStep: number; deliver: () => void }[] = [];
  #step = 0;
  #lastValue = 0;
  #lastProducer = 0;
  #lastConsumer = 0;
  #isEnding = false;
  /** No writer is left. */
  #isOver = false;

  constructor(seed: number, bug: Bug | undefined) {
    this.#random = new SimulatedRandom(`model ${seed}`);
    this.#broker = new ModelBroker({ keys: [...KEYS, OUT_KEY], random: this.#random.fork('broker'), bug });
  }

  run(): { lines: Line[]; bugCount: number } {
    let readers: Client[] = [
      this.#plainReader('r1', 'read_committed'),
      this.#plainReader('r2', 'read_uncommitted'),
    ];
    let writers: Client[] = [
      this.#producer('p1', 'tx-1'),
      this.#producer('p2', 'tx-1'),
      this.#producer('p3', 'tx-2'),
      this.#producer('p4', 'tx-3'),
      this.#mover('m1'),
      this.#mover('m2'),
    ];
    while (readers.length > 0) {
      this.#step += 1;
      this.#isEnding ||= this.#step > STEPS;
      this.#broker.tick();
      for (const one of this.#late.filter(({ atStep }) => atStep === this.#step)) one.deliver();
      if (!this.#isEnding && this.#random.chance(0.002)) this.#restart();
      const clients = [...writers, ...readers];
      const client = clients[this.#random.integer(clients.length)]!;
      if (client.next().done !== true) continue;
      writers = writers.filter((one) => one !== client);
      readers = readers.filter((one) => one !== client);
      if (writers.length > 0 || this.#isOver) continue;
      // As the transaction timeout would: what was given up is aborted.
      for (const id of ['tx-1', 'tx-2', 'tx-3', 'mover']) this.#broker.init(id);
      this.#isOver = true;
    }
    // Markers that are late come now.
    for (let step = 0; step < STEPS; step++) {
      this.#step += 1;
      this.#broker.tick();
    }
    this.#readAll();
    return { lines: this.#lines, bugCount: this.#broker.bugCount };
  }

  #restart(): void {
    this.#note('nemesis', { f: 'fault', type: 'ok', what: 'down', how: 'restart' });
    this.#broker.restart();
    this.#note('nemesis', { f: 'fault', type: 'ok', what: 'up', how: 'restart' });
  }

  #note(process: string, told: Told): void {
    // A line is later than all before it, as if they were written through one clock.
    const atUs = this.#step * STEP_US + (this.#lines.length % STEP_US);
    this.#lines.push({ atUs: Math.max(atUs, (this.#lines.at(-1)?.atUs ?? 0) + 1), process, ...told } as Line);
  }

  get #nowUs(): number {
    return Math.max(this.#step * STEP_US, (this.#lines.at(-1)?.atUs ?? 0) + 1);
  }

  *#init(process: string, id: string): Generator<void, { producer: string; epoch: Epoch }, void> {
    this.#lastProducer += 1;
    const producer = `${id}#${this.#lastProducer}`;
    this.#note(process, { f: 'init', type: 'invoke', id, producer });
    yield;
    const epoch = this.#broker.init(id);
    yield;
    this.#note(process, { f: 'init', type: 'ok', id, producer });
    return { producer, epoch };
  }

  #reader(process: string, isolation: Isolation, positions: Record<string, number>): Reader {
    this.#lastConsumer += 1;
    const name = `c${this.#lastConsumer}`;
    this.#note(process, { f: 'assign', type: 'ok', consumer: name, isolation, positions });
    return { name, isolation, positions: new Map(Object.entries(positions)) };
  }

  #poll({ isolation, positions }: Reader, id?: string): Polled {
    const poll: Record<string, [number, number][]> = {};
    for (const [key, from] of positions) {
      const { records, position } = this.#broker.fetch(key, from, {
        isolation,
        ...(id === undefined ? {} : { reader: id }),
      });
      positions.set(key, position);
      if (records.length > 0) poll[key] = records;
    }
    return poll;
  }

  /** Transactions of some sends and polls, some aborted, some given up, each life with a new epoch. */
  *#producer(process: string, id: string): Client {
    const random = this.#random.fork(process);
    while (!this.#isEnding) {
      const { producer, epoch } = yield* this.#init(process, id);
      const reader = this.#reader(
        process,
        'read_committed',
        Object.fromEntries(KEYS.map((key) => [key, this.#broker.endOffset(key, 'read_committed')])),
      );
      let current: Epoch | undefined = epoch;
      for (let count = random.between(1, 30); count > 0 && current !== undefined; count--) {
        current = yield* this.#transaction(process, { id, producer, epoch: current, reader, random });
        if (this.#isEnding) break;
      }
    }
  }

  /** Returns the epoch of the next transaction, or undefined when this life is over. */
  *#transaction(
    process: string,
    options: { id: string; producer: string; epoch: Epoch; reader: Reader; random: SimulatedRandom },
  ): Generator<void, Epoch | undefined, void> {
    const { id, producer, epoch, reader, random } = options;
    const steps: Step[] = [];
    for (let count = random.between(1, 4); count > 0; count--) {
      if (random.chance(0.3)) steps.push({ poll: null });
      else steps.push({ send: [KEYS[random.integer(KEYS.length)]!, (this.#lastValue += 1)] });
    }
    const about = { f: 'txn', id, producer, consumer: reader.name } as const;
    this.#note(process, { ...about, type: 'invoke', steps });
    const done: Step[] = [];
    const fate = random.float();
    try {
      for (const step of steps) {
        yield;
        if ('send' in step) {
          const [key, value] = step.send;
          let offset = this.#broker.send(epoch, key, value);
          yield;
          if (random.chance(0.05)) offset = this.#broker.send(epoch, key, value);
          done.push({ send: [key, value, offset] });
        } else done.push({ poll: this.#poll(reader, id) });
      }
      yield;
      if (fate < 0.02) return undefined;
      if (fate < 0.2) {
        const next = this.#broker.end(epoch, false);
        yield;
        this.#note(process, { ...about, type: 'fail', steps: done });
        this.#deliverLate(epoch, { isCommit: false, random });
        return next;
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#note(process, { ...about, type: 'fail', steps: done, error: error.message });
      return undefined;
    }
    const commitAtUs = this.#nowUs;
    try {
      // The request is on its way.
      yield;
      const next = this.#broker.end(epoch, true);
      yield;
      this.#deliverLate(epoch, { isCommit: true, random });
      const isLost = fate < 0.25;
      this.#note(process, { ...about, type: isLost ? 'info' : 'ok', steps: done, commitAtUs });
      return isLost ? undefined : next;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#note(process, { ...about, type: 'info', steps: done, commitAtUs, error: error.message });
      return undefined;
    }
  }

  #deliverLate(epoch: Epoch, { isCommit, random }: { isCommit: boolean; random: SimulatedRandom }): void {
    if (!random.chance(0.1)) return;
    this.#late.push({
      atStep: this.#step + random.between(1, 50),
      deliver: () => this.#broker.endLate(epoch, isCommit),
    });
  }

  /** Consumes KEYS, writes a value for each record to OUT_KEY and commits the offsets in the transaction. */
  *#mover(process: string): Client {
    const random = this.#random.fork(process);
    while (!this.#isEnding) {
      const { producer, epoch } = yield* this.#init(process, 'mover');
      yield;
      const sinceUs = this.#nowUs;
      const offsets = Object.fromEntries(KEYS.map((key) => [key, this.#broker.committed(GROUP, key)]));
      this.#note(process, { f: 'committed', type: 'ok', group: GROUP, sinceUs, offsets });
      const reader = this.#reader(process, 'read_committed', offsets);
      let current: Epoch | undefined = epoch;
      for (let count = random.between(5, 40); count > 0 && current !== undefined; count--) {
        yield;
        current = yield* this.#move(process, { producer, epoch: current, reader, random });
        if (this.#isEnding) break;
      }
    }
  }

  *#move(
    process: string,
    options: { producer: string; epoch: Epoch; reader: Reader; random: SimulatedRandom },
  ): Generator<void, Epoch | undefined, void> {
    const { producer, epoch, reader, random } = options;
    const before = new Map(reader.positions);
    const poll = this.#poll(reader);
    if (Object.keys(poll).length === 0) return epoch;
    const sends = Object.values(poll)
      .flat()
      .map((): Step => ({ send: [OUT_KEY, (this.#lastValue += 1)] }));
    const ranges = Object.fromEntries(
      [...reader.positions].map(([key, to]) => [key, [before.get(key)!, to] as const]),
    );
    const about = {
      f: 'txn',
      id: 'mover',
      producer,
      consumer: reader.name,
      offsets: { group: GROUP, ranges },
    } as const;
    this.#note(process, { ...about, type: 'invoke', steps: [{ poll }, ...sends] });
    const done: Step[] = [{ poll }];
    let isCommitting = false;
    let commitAtUs: number | undefined;
    try {
      for (const step of sends) {
        if (!('send' in step)) continue;
        const [key, value] = step.send;
        done.push({ send: [key, value, this.#broker.send(epoch, key, value)] });
        if (random.chance(0.2)) yield;
      }
      yield;
      this.#broker.addOffsets(epoch, GROUP, Object.fromEntries(reader.positions));
      yield;
      if (random.chance(0.1)) {
        this.#broker.end(epoch, false);
        this.#note(process, { ...about, type: 'fail', steps: done });
        return undefined;
      }
      commitAtUs = this.#nowUs;
      isCommitting = true;
      yield;
      const next = this.#broker.end(epoch, true);
      yield;
      this.#note(process, { ...about, type: 'ok', steps: done, commitAtUs });
      return next;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const type = isCommitting ? 'info' : 'fail';
      const asked = commitAtUs === undefined ? {} : { commitAtUs };
      this.#note(process, { ...about, type, steps: done, ...asked, error: error.message });
      return undefined;
    }
  }

  *#plainReader(process: string, isolation: Isolation): Client {
    const positions = Object.fromEntries([...KEYS, OUT_KEY].map((key) => [key, 0]));
    const reader = this.#reader(process, isolation, positions);
    for (let isLast = false; !isLast;) {
      yield;
      isLast = this.#isOver;
      const poll = this.#poll(reader);
      if (Object.keys(poll).length > 0)
        this.#note(process, { f: 'poll', type: 'ok', consumer: reader.name, poll });
    }
  }

  #readAll(): void {
    const keys = [...KEYS, OUT_KEY];
    const reader = this.#reader('final', 'read_committed', Object.fromEntries(keys.map((key) => [key, 0])));
    const poll = this.#poll(reader);
    this.#note('final', { f: 'poll', type: 'ok', consumer: reader.name, poll });
    for (const isolation of ['read_committed', 'read_uncommitted'] as const) {
      const offsets = Object.fromEntries(keys.map((key) => [key, this.#broker.endOffset(key, isolation)]));
      this.#note('final', { f: 'ends', type: 'ok', isolation, offsets });
    }
    this.#note('final', { f: 'complete', type: 'ok' });
  }
}

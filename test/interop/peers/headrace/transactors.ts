/**
 * Who writes in transactions: writers send and poll, movers make one value of each that they read and commit where they are
 * with it. Transactional ids are shared by all of them, in all processes, so that they fence each other all the time.
 */
import {
  type Client,
  type Consumer,
  isKafkaError,
  type Transaction,
  type TransactionalProducer,
} from '../../../../src/client/client.ts';
import type { Polled, Step } from '../../../workload/history.ts';
import type { Access } from './access.ts';
import { describe, type Fields, keyOf, type Life, nameOf, nowUs, partitionOf } from './life.ts';
import { add, poll, positions, readerOptions } from './polling.ts';
import { Steps } from './steps.ts';

const GROUP = 'movers';
const DELIVERY_MS_MAX = 15_000;

interface Hands {
  readonly access: Access;
  readonly producer: TransactionalProducer;
  readonly consumer: Consumer;
  /** The first transaction, which was begun to learn the epoch. */
  begun: Transaction | undefined;
}

/** What is known of a transaction while it is done. */
interface Doing {
  readonly about: Fields;
  readonly steps: Steps;
  transaction: Transaction | undefined;
}

/** One life of a transactional producer: some transactions under one of the ids. */
export async function write(life: Life): Promise<void> {
  const { settings, random } = life;
  const id = life.oneOf(settings.ids);
  await withHands(life, id, readerOptions('read_committed'), async (hands) => {
    const producer = await initialise(life, hands, id);
    const reader = life.newName();
    const { consumer } = hands;
    const mine = life.some(settings.inputs).map((key) => ({ ...partitionOf(key), from: 'latest' as const }));
    await life.during('assigning', consumer.assign(mine));
    noteAssign(life, reader, await positions(life, consumer));
    for (let count = random.between(1, 40); count > 0 && !life.isEnded; count--) {
      if (!(await transact(life, hands, { id, producer, consumer: reader }))) return;
      await life.pause();
    }
  });
}

/** One life of a consumer and producer for one input: from what the group has committed, one value for each record. */
export async function move(life: Life): Promise<void> {
  const { settings, random } = life;
  const key = life.oneOf(settings.moved);
  const id = `mover-${key}`;
  const options = { ...readerOptions('read_committed'), group: GROUP };
  await withHands(life, id, options, async (hands) => {
    const producer = await initialise(life, hands, id);
    const { consumer } = hands;
    const at = partitionOf(key);
    const position = await committed(life, consumer, key);
    const reader = life.newName();
    await life.during('assigning', consumer.assign([{ ...at, from: position }]));
    noteAssign(life, reader, { [key]: position });
    for (let count = random.between(5, 44); count > 0 && !life.isEnded; count--) {
      await life.pause();
      const from = consumer.position(at)!;
      const batch = await life.during('polling', consumer.poll({ timeoutMs: 200 }));
      if (batch === undefined) continue;
      const names = { id, producer, consumer: reader };
      const range = [from, consumer.position(at)!] as const;
      if (!(await moveOne(life, hands, { names, polled: add({}, batch), range }))) return;
      // It goes on from where an aborted transaction had begun only when it is told to.
      const now = await committed(life, consumer, key);
      if (now === consumer.position(at)) continue;
      consumer.seek(at, now);
      noteAssign(life, reader, { [key]: now });
    }
  });
}

interface Names {
  readonly id: string;
  readonly producer: string;
  readonly consumer: string;
}

/** One transaction of sends and polls; false when this producer is at its end. */
async function transact(life: Life, hands: Hands, names: Names): Promise<boolean> {
  const { random, settings, shared } = life;
  const plan: Step[] = Array.from({ length: random.between(1, 4) }, () =>
    random.chance(0.25) ? { poll: null } : { send: [life.oneOf(settings.inputs), shared.nextValue()] },
  );
  const doing: Doing = { about: { f: 'txn', ...names }, steps: new Steps(), transaction: undefined };
  life.note('invoke', { ...doing.about, steps: plan });
  try {
    const transaction = await begin(life, hands, doing);
    for (const step of plan) {
      if ('send' in step) send(transaction, doing.steps, step.send);
      else doing.steps.poll(await life.during('polling', poll(hands.consumer, 5)));
      if (random.chance(0.1)) await life.pause(2);
    }
    // The commit waits for answers, too.
    if (random.chance(0.7)) await life.during('sending', doing.steps.acknowledged());
  } catch (error) {
    return giveUp(life, doing, error);
  }
  return finish(life, hands, doing);
}

interface Move {
  readonly names: Names;
  readonly polled: Polled;
  readonly range: readonly [from: number, to: number];
}

async function moveOne(life: Life, hands: Hands, { names, polled, range }: Move): Promise<boolean> {
  const { random, settings, shared } = life;
  const [[key, records]] = Object.entries(polled) as [[string, Polled[string]]];
  const plan = records.map(() => [life.oneOf(settings.outputs), shared.nextValue()] as const);
  const offsets = { group: GROUP, ranges: { [key]: range } };
  const doing: Doing = { about: { f: 'txn', ...names, offsets }, steps: new Steps(), transaction: undefined };
  life.note('invoke', { ...doing.about, steps: [{ poll: polled }, ...plan.map((one) => ({ send: one }))] });
  doing.steps.poll(polled);
  try {
    const transaction = await begin(life, hands, doing);
    const sendOffsets = (): Promise<void> =>
      life.during(
        'sending offsets',
        transaction.sendOffsets(hands.consumer.offsetOwner, [{ ...partitionOf(key), offset: range[1] }]),
      );
    const areOffsetsFirst = random.chance(0.5);
    if (areOffsetsFirst) await sendOffsets();
    for (const one of plan) send(transaction, doing.steps, one);
    if (random.chance(0.7)) await life.during('sending', doing.steps.acknowledged());
    if (!areOffsetsFirst) await sendOffsets();
  } catch (error) {
    return giveUp(life, doing, error);
  }
  life.shared.count('moved');
  return finish(life, hands, doing);
}

async function begin(life: Life, hands: Hands, doing: Doing): Promise<Transaction> {
  const { begun } = hands;
  hands.begun = undefined;
  doing.transaction = begun ?? (await life.during('beginning', hands.producer.begin()));
  return doing.transaction;
}

function send(
  transaction: Transaction,
  steps: Steps,
  [key, value]: readonly [string, number, ...unknown[]],
): void {
  steps.send([key, value], transaction.send({ ...partitionOf(key), value: String(value) }));
}

/** Commits, in some cases aborts or just leaves it open; false when this producer is at its end. */
async function finish(life: Life, { access }: Hands, { about, steps, transaction }: Doing): Promise<boolean> {
  const { shared } = life;
  const fate = life.random.integer(100);
  if (fate < 2 && access.vanish !== undefined) {
    access.vanish();
    shared.count('left open');
    life.note('fail', { ...about, steps: steps.list(), error: 'left open' });
    return false;
  }
  if (fate < 15) {
    try {
      await life.during('aborting', transaction!.abort());
      life.note('fail', { ...about, steps: steps.list() });
      shared.count('aborted');
      return true;
    } catch (error) {
      shared.count(`abort: ${nameOf(error)}`);
      life.note('fail', { ...about, steps: steps.list(), error: describe(error) });
      return !isFatal(error);
    }
  }
  const commitAtUs = nowUs();
  try {
    await life.during('committing', transaction!.commit());
    life.note('ok', { ...about, steps: steps.list(), commitAtUs });
    shared.count('committed');
    return true;
  } catch (error) {
    shared.count(`commit: ${nameOf(error)}`);
    life.note('info', { ...about, steps: steps.list(), commitAtUs, error: describe(error) });
    return isFatal(error) ? false : abort(life, transaction);
  }
}

/** Nobody has asked to commit it, so it is not committed, whatever the answer to the abort. */
async function giveUp(life: Life, { about, steps, transaction }: Doing, error: unknown): Promise<boolean> {
  life.shared.count(`send: ${nameOf(error)}`);
  const isUsable = await abort(life, transaction);
  life.note('fail', { ...about, steps: steps.list(), error: describe(error) });
  return isUsable && !isFatal(error);
}

async function abort(life: Life, transaction: Transaction | undefined): Promise<boolean> {
  if (transaction?.isOpen !== true) return true;
  try {
    await life.during('aborting', transaction.abort());
    return true;
  } catch (error) {
    return !isFatal(error);
  }
}

function isFatal(error: unknown): boolean {
  return !isKafkaError(error) || error.fatal;
}

async function withHands(
  life: Life,
  transactionalId: string,
  options: Parameters<Client['consumer']>[0],
  work: (hands: Hands) => Promise<void>,
): Promise<void> {
  const { random, settings } = life;
  const access = life.shared.access(random);
  const producer = access.client.transactionalProducer({
    transactionalId,
    transactionTimeoutMs: life.oneOf(settings.timeoutsMs),
    deliveryTimeoutMs: DELIVERY_MS_MAX,
    lingerMs: random.integer(3),
  });
  const consumer = access.client.consumer(options);
  try {
    await work({ access, producer, consumer, begun: undefined });
  } finally {
    if (!access.isGone) {
      await life.during('closing a producer', producer.close());
      await life.during('closing a consumer', consumer.close());
      await life.during('closing a client', access.leave());
    }
  }
}

/** Its epoch is had with the first transaction, of which nobody hears before something is sent. */
async function initialise(life: Life, hands: Hands, id: string): Promise<string> {
  const producer = `${id}#${life.newName()}`;
  life.note('invoke', { f: 'init', id, producer });
  hands.begun = await life.during('initialising', hands.producer.begin());
  life.note('ok', { f: 'init', id, producer });
  return producer;
}

async function committed(life: Life, consumer: Consumer, key: string): Promise<number> {
  const sinceUs = nowUs();
  const at = partitionOf(key);
  const [found] = await life.during('asking for offsets', consumer.committed([at]));
  if (found !== undefined && keyOf(found) !== key) throw new Error(`${keyOf(found)} in place of ${key}`);
  const offset = found?.offset ?? 0;
  life.note('ok', { f: 'committed', group: GROUP, sinceUs, offsets: { [key]: offset } });
  return offset;
}

function noteAssign(life: Life, consumer: string, known: Readonly<Record<string, number>>): void {
  life.note('ok', { f: 'assign', consumer, isolation: 'read_committed', positions: known });
}

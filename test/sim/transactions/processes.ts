/**
 * The processes of a transactional world, each of which writes into the journal what it does and is told: writers of
 * transactions, movers that consume, produce and commit their offsets in one transaction, a sender without transactions,
 * and readers. Some stand still in the middle, some die, and some share a transactional id, so that each is shut out by
 * the next.
 */
import { Errors } from '../../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import { ZERO_UUID } from '../../../src/base/uuid.ts';
import { buildBatch } from '../../../src/protocol/records.ts';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { CommittedRange, Isolation, SendStep, Step } from '../../workload/history.ts';
import type { Asking } from '../asking.ts';
import type { Stage } from '../stage.ts';
import { keyOf, partitionOf, type Journal } from './journal.ts';
import type { Batch, TransactionalProducer } from './producer.ts';
import { Reader } from './reader.ts';

export const GROUP = 'movers';
const VALUES_MAX = 3;
/** Records that a mover takes into one transaction. */
const MOVED_MAX = 20;

export interface Scene {
  readonly stage: Stage;
  readonly journal: Journal;
  /** Written to by writers, read by movers. */
  readonly inputs: readonly string[];
  /** Written to by movers. */
  readonly outputs: readonly string[];
  /** A deliberate fault: consumers that say read_committed and read everything. */
  readonly readsAll: boolean;
}

export interface ProcessOptions {
  readonly process: string;
  readonly client: Asking;
  readonly random: SimulatedRandom;
}

interface Work {
  readonly batches: readonly Batch[];
  readonly commitShare: number;
  /** What it polled, and the offsets that go with it. */
  readonly moved?: { readonly reader: Reader; readonly step: Step; readonly offsets: CommittedRange };
}

/** Transactions one after the other, as long as there are faults. */
export async function runWriter(scene: Scene, producer: TransactionalProducer): Promise<void> {
  const { stage, journal, inputs } = scene;
  const { random } = producer.options;
  while (stage.phase === 'faults') {
    if (await producer.begin()) {
      const batches = Array.from({ length: random.between(1, 5) }, () => ({
        key: inputs[random.integer(inputs.length)]!,
        values: Array.from({ length: random.between(1, VALUES_MAX) }, () => journal.nextValue()),
      }));
      await runTransaction(scene, producer, { batches, commitShare: 0.75 });
      // Another instance of the same program starts, and the one before has gone without a word.
      if (random.chance(0.05)) producer.die();
    }
    await stage.sleep(random.between(0, 200));
  }
}

/** Reads the inputs, writes a value for each record to an output, and commits its offsets with them. */
export async function runMover(scene: Scene, producer: TransactionalProducer, client: Asking): Promise<void> {
  const { stage } = scene;
  const { random, process } = producer.options;
  while (stage.phase === 'faults') {
    producer.die();
    if (await producer.begin()) {
      const positions = await committedOffsets(scene, { process, client, random });
      if (positions !== undefined) await moveAll(scene, producer, { client, positions });
    }
    await stage.sleep(random.between(0, 500));
  }
}

async function moveAll(
  scene: Scene,
  producer: TransactionalProducer,
  { client, positions }: { readonly client: Asking; readonly positions: Readonly<Record<string, number>> },
): Promise<void> {
  const { stage, journal, outputs, readsAll } = scene;
  const { random, process } = producer.options;
  const reader = new Reader(stage, journal, {
    process,
    client,
    random,
    isolation: 'read_committed',
    positions,
    readsAll,
  });
  while (stage.phase === 'faults') {
    const before = reader.positions();
    let poll;
    try {
      poll = await reader.poll();
    } catch (error) {
      stage.unknown('Fetch', error);
      return;
    }
    const count = Object.values(poll).flat().length;
    if (count > 0) {
      if (!(await producer.goOn())) return;
      const after = reader.positions();
      const ranges = Object.fromEntries(
        Object.keys(after).map((key) => [key, [before[key]!, after[key]!] as const]),
      );
      const batches: Batch[] = [];
      for (let left = count; left > 0; left -= MOVED_MAX) {
        const values = Array.from({ length: Math.min(left, MOVED_MAX) }, () => journal.nextValue());
        batches.push({ key: outputs[random.integer(outputs.length)]!, values });
      }
      const offsets = { group: GROUP, ranges };
      const isCommitted = await runTransaction(scene, producer, {
        batches,
        commitShare: 0.9,
        moved: { reader, step: { poll }, offsets },
      });
      // What it has read counts for nothing then: from the committed offsets on.
      if (!isCommitted) return;
    }
    await stage.sleep(random.between(0, 300));
  }
}

/** True: it is committed. */
async function runTransaction(
  { stage, journal }: Scene,
  producer: TransactionalProducer,
  { batches, commitShare, moved }: Work,
): Promise<boolean> {
  const { process, id, random, timeoutMs } = producer.options;
  const about = {
    f: 'txn',
    id,
    producer: producer.life!,
    ...(moved === undefined ? {} : { consumer: moved.reader.name, offsets: moved.offsets }),
  } as const;
  const sends = batches.flatMap(({ key, values }) =>
    values.map((value): SendStep => ({ send: [key, value] })),
  );
  const polled = moved === undefined ? [] : [moved.step];
  journal.note(process, { ...about, type: 'invoke', steps: [...polled, ...sends] });
  const done: Step[] = [...polled];
  let isFine = true;
  for (const round of roundsOf(batches, random)) {
    const answers = await Promise.all(round.map((batch) => producer.produce(batch)));
    for (const [index, { key, values }] of round.entries()) {
      const { outcome, at } = answers[index]!;
      if (outcome !== Errors.NONE) isFine = false;
      for (const [place, value] of values.entries()) {
        done.push({ send: at === undefined ? [key, value] : [key, value, at + place] });
      }
    }
    if (!isFine) break;
  }
  if (isFine && moved !== undefined) {
    const ends = Object.entries(moved.offsets.ranges).map(([key, [, to]]) => [key, to] as const);
    isFine = (await producer.commitOffsets(GROUP, Object.fromEntries(ends))) === Errors.NONE;
  }
  if (stage.phase === 'faults') {
    if (random.chance(0.05)) {
      // Killed: commit was never asked for, and what is still on its way changes nothing of that.
      producer.die();
      journal.note(process, { ...about, type: 'fail', steps: done });
      return false;
    }
    if (random.chance(0.05)) await stage.sleep(random.between(1, 2 * timeoutMs));
  }
  if (!isFine || !random.chance(commitShare)) {
    await producer.end(false);
    journal.note(process, { ...about, type: 'fail', steps: done });
    return false;
  }
  const commitAtUs = journal.nowUs;
  const outcome = await producer.end(true);
  const isCommitted = outcome === Errors.NONE;
  const told = isCommitted ? {} : { error: String(outcome) };
  journal.note(process, { ...about, type: isCommitted ? 'ok' : 'info', steps: done, commitAtUs, ...told });
  return isCommitted;
}

/** Batches that are sent together: each of another partition, because their order within one is kept. */
function roundsOf(batches: readonly Batch[], random: SimulatedRandom): Batch[][] {
  const rounds: Batch[][] = [];
  for (const batch of batches) {
    const last = rounds.at(-1);
    const canJoin = last !== undefined && !last.some(({ key }) => key === batch.key);
    if (canJoin && random.chance(0.5)) last.push(batch);
    else rounds.push([batch]);
  }
  return rounds;
}

async function committedOffsets(
  { stage, journal, inputs }: Scene,
  { process, client, random }: ProcessOptions,
): Promise<Record<string, number> | undefined> {
  const sinceUs = journal.nowUs;
  const topics = Map.groupBy(inputs, (key) => partitionOf(key).topic);
  for (let attempts = 20; attempts > 0; attempts--) {
    try {
      await client.request(FindCoordinatorRequest, FindCoordinatorResponse, 4, {
        key: '',
        keyType: 0,
        coordinatorKeys: [GROUP],
      });
      const answer = await client.request(OffsetFetchRequest, OffsetFetchResponse, 7, {
        groupId: GROUP,
        topics: [...topics].map(([name, keys]) => ({
          name,
          partitionIndexes: keys.map((key) => partitionOf(key).partition),
        })),
        groups: [],
        requireStable: true,
      });
      const all = answer.topics.flatMap(({ name, partitions }) =>
        partitions.map((one) => ({ key: keyOf(name, one.partitionIndex), ...one })),
      );
      const errorCode = [answer, ...all].find((one) => one.errorCode !== Errors.NONE)?.errorCode;
      stage.note('OffsetFetch', errorCode ?? Errors.NONE);
      if (errorCode === undefined) {
        const offsets = Object.fromEntries(
          all.map(({ key, committedOffset }) => [key, Math.max(0, committedOffset)]),
        );
        journal.note(process, { f: 'committed', type: 'ok', group: GROUP, sinceUs, offsets });
        return offsets;
      }
    } catch (error) {
      stage.unknown('OffsetFetch', error);
    }
    await stage.sleep(random.between(10, 300));
  }
  return undefined;
}

/** Sends single records, once each, to the partitions in which transactions are written too. */
export async function runPlainSender(scene: Scene, options: ProcessOptions): Promise<void> {
  const { stage, journal, inputs } = scene;
  const { process, client, random } = options;
  while (stage.phase === 'faults') {
    const key = inputs[random.integer(inputs.length)]!;
    const value = journal.nextValue();
    const { topic, partition } = partitionOf(key);
    journal.note(process, { f: 'send', type: 'invoke', steps: [{ send: [key, value] }] });
    const timestamp = stage.startMs + Math.floor(stage.time.nowMs());
    const records = buildBatch({ records: [{ key: null, value: Buffer.from(String(value)), timestamp }] });
    try {
      const { responses } = await client.request(ProduceRequest, ProduceResponse, 9, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 2_000,
        topicData: [{ name: topic, topicId: ZERO_UUID, partitionData: [{ index: partition, records }] }],
      });
      const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!;
      stage.note('plain Produce', errorCode);
      const isDone = errorCode === Errors.NONE;
      const step: SendStep = { send: isDone ? [key, value, baseOffset] : [key, value] };
      journal.note(process, { f: 'send', type: isDone ? 'ok' : 'info', steps: [step] });
    } catch (error) {
      stage.unknown('plain Produce', error);
      journal.note(process, { f: 'send', type: 'info', steps: [{ send: [key, value] }] });
    }
    await stage.sleep(random.between(0, 600));
  }
}

/** Reads all keys from their beginning, as long as there are faults. */
export async function runReader(
  scene: Scene,
  { process, client, random }: ProcessOptions,
  isolation: Isolation,
): Promise<void> {
  const { stage, journal, readsAll } = scene;
  const start = (): Reader => {
    const keys = [...scene.inputs, ...scene.outputs];
    const positions = Object.fromEntries(keys.map((key) => [key, 0]));
    return new Reader(stage, journal, { process, client, random, isolation, positions, readsAll });
  };
  let reader = start();
  while (stage.phase === 'faults') {
    if (random.chance(0.005)) reader = start();
    await pollOnce(scene, reader, process);
    await stage.sleep(random.between(1, 300));
  }
}

export async function pollOnce({ stage, journal }: Scene, reader: Reader, process: string): Promise<void> {
  try {
    const poll = await reader.poll();
    if (Object.keys(poll).length === 0) return;
    journal.note(process, { f: 'poll', type: 'ok', consumer: reader.name, poll });
  } catch (error) {
    stage.unknown('Fetch', error);
  }
}

/** Transactions in a simulated cluster: the processes of the transactional worlds, and how they are judged at the end. */
import { Errors } from '../../../src/protocol/errors.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../../src/protocol/messages/02-list-offsets.ts';
import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../../src/protocol/messages/66-list-transactions.ts';
import { OFFSETS_TOPIC } from '../../../src/metadata/topic-names.ts';
import type { Isolation } from '../../workload/history.ts';
import type { Actor } from '../admin.ts';
import type { Stage } from '../stage.ts';
import { Courier } from '../transactions/courier.ts';
import { keyOf, partitionOf, type Journal } from '../transactions/journal.ts';
import {
  pollOnce,
  runMover,
  runPlainSender,
  runReader,
  runWriter,
  type Scene,
} from '../transactions/processes.ts';
import { TransactionalProducer } from '../transactions/producer.ts';
import { Reader } from '../transactions/reader.ts';
import {
  CLEANUP_INTERVAL_MS_MAX,
  CLOCK_ERROR_MS_MAX,
  TRANSACTION_TIMEOUT_MS_MAX,
  type Plan,
  type ProducerPlan,
} from './plan.ts';
import type { RoutingClient } from './routing-client.ts';

/** How late a request may arrive. */
const LATENESS_MS = [50, 200, 500, 1_000];
const IDLE_STATES = ['Empty', 'CompleteCommit', 'CompleteAbort'];
const LATEST = -1;
const SETTLING_MS_MAX = 30_000;

export interface SceneOptions {
  readonly stage: Stage;
  readonly journal: Journal;
  readonly plan: Plan;
  readonly actor: (name: string) => Actor;
  /** Whether somebody has needed the topic of committed offsets. */
  readonly hasOffsetsTopic: () => boolean;
}

/** After that every transaction has ended, by its client or by its timeout. */
export function settleMs(): number {
  const late = LATENESS_MS.at(-1)!;
  return late + TRANSACTION_TIMEOUT_MS_MAX + 2 * CLOCK_ERROR_MS_MAX + CLEANUP_INTERVAL_MS_MAX + 500;
}

export function startScene(options: SceneOptions): Promise<unknown>[] {
  const { stage, plan, actor } = options;
  if (plan.scene.length === 0) return [];
  const scene = sceneOf(options);
  const ends: Promise<unknown>[] = [];
  for (const [index, one] of plan.writers.entries()) {
    const process = `writer${index}`;
    const producer = producerOf(options, one, { process, ...actor(process) });
    ends.push(stage.guarded(process, runWriter(scene, producer)));
  }
  for (const [index, one] of plan.movers.entries()) {
    const process = `mover${index}`;
    const own = { process, ...actor(process) };
    ends.push(stage.guarded(process, runMover(scene, producerOf(options, one, own), own.client)));
  }
  for (const [index, isolation] of plan.readers.entries()) {
    const process = `reader${index}`;
    ends.push(stage.guarded(process, runReader(scene, { process, ...actor(process) }, isolation)));
  }
  if (plan.hasPlainSender) {
    const process = 'plain sender';
    ends.push(stage.guarded(process, runPlainSender(scene, { process, ...actor(process) })));
  }
  return ends;
}

function producerOf(
  { stage, journal }: SceneOptions,
  plan: ProducerPlan,
  { process, random }: Actor & { readonly process: string },
): TransactionalProducer {
  const courier = new Courier(stage, {
    name: process,
    random: random.fork('courier'),
    latenessMs: LATENESS_MS,
  });
  return new TransactionalProducer(journal, courier, { ...plan, process, random, isCareful: true });
}

function sceneOf({ stage, journal, plan }: SceneOptions): Scene {
  const keys = (name: string): string[] => {
    const { partitionCount } = plan.scene.find((topic) => topic.name === name)!;
    return Array.from({ length: partitionCount }, (_, partition) => keyOf(name, partition));
  };
  return { stage, journal, inputs: keys('in'), outputs: keys('out'), readsAll: false };
}

/** Nothing is open any more, and everything can be read: in both isolations, to the same ends. */
export async function readScene(options: SceneOptions): Promise<void> {
  const { stage, journal } = options;
  const scene = sceneOf(options);
  const end = options.actor('end');
  await mustBeSettled(options, end);
  const keys = [...scene.inputs, ...scene.outputs];
  const watched = options.hasOffsetsTopic() ? [...keys, keyOf(OFFSETS_TOPIC, 0)] : keys;
  const ends = { read_uncommitted: {}, read_committed: {} } as Record<Isolation, Record<string, number>>;
  for (const [isolationLevel, isolation] of (['read_uncommitted', 'read_committed'] as const).entries()) {
    for (const key of watched) {
      const at = await endOf(stage, end, { key, isolationLevel });
      // Members of groups may go on to commit meanwhile.
      ends[isolation][key] = Math.min(at, ends.read_uncommitted[key] ?? at);
    }
  }
  for (const isolation of ['read_committed', 'read_uncommitted'] as const) {
    journal.note('end', { f: 'ends', type: 'ok', isolation, offsets: ends[isolation] });
    const process = `end ${isolation}`;
    const positions = Object.fromEntries(keys.map((key) => [key, 0]));
    const reader = new Reader(stage, journal, { process, ...end, isolation, positions });
    const stable = Object.fromEntries(keys.map((key) => [key, ends[isolation][key]!]));
    while (!reader.isAt(stable)) {
      await pollOnce(scene, reader, process);
      await stage.sleep(1);
    }
  }
  for (const [key, at] of Object.entries(ends.read_uncommitted)) {
    const stable = ends.read_committed[key];
    if (stable !== at) stage.history.anomaly('stuck-lso', `${key}: ${stable} of ${at}`);
  }
  journal.note('world', { f: 'complete', type: 'ok' });
}

/**
 * The coordinators have ended, in their own logs, every transaction that they know. A marker may wait for a connection that
 * was lost on the way, which takes as long as making one may.
 */
async function mustBeSettled({ stage }: SceneOptions, { client, random }: Actor): Promise<void> {
  const routing = client as RoutingClient;
  const untilMs = stage.time.nowMs() + SETTLING_MS_MAX;
  for (const nodeId of routing.everyBroker()) {
    const open = await stage.until('ListTransactions', random, async () => {
      const answer = await routing.askBroker(nodeId, {
        request: ListTransactionsRequest,
        response: ListTransactionsResponse,
        version: 1,
        body: { stateFilters: [], producerIdFilters: [] },
      });
      stage.note('ListTransactions', answer.errorCode);
      if (answer.errorCode !== Errors.NONE) return undefined;
      const left = answer.transactionStates.filter((one) => !IDLE_STATES.includes(one.transactionState));
      return left.length > 0 && stage.time.nowMs() < untilMs ? undefined : left;
    });
    for (const { transactionalId, transactionState } of open ?? [])
      stage.history.anomaly('unsettled', `${transactionalId} is in ${transactionState} on ${nodeId}`);
  }
}

async function endOf(
  stage: Stage,
  { client, random }: Actor,
  { key, isolationLevel }: { readonly key: string; readonly isolationLevel: number },
): Promise<number> {
  const { topic: name, partition: partitionIndex } = partitionOf(key);
  const end = await stage.until('ListOffsets', random, async () => {
    const partitions = [{ partitionIndex, timestamp: LATEST }];
    const body = { replicaId: -1, isolationLevel, timeoutMs: 0, topics: [{ name, partitions }] };
    const answer = await client.request(ListOffsetsRequest, ListOffsetsResponse, 7, body);
    const { errorCode, offset } = answer.topics[0]!.partitions[0]!;
    stage.note('ListOffsets', errorCode);
    return errorCode === Errors.NONE ? offset : undefined;
  });
  return end ?? -1;
}

/**
 * A simulated world of transactions from a seed: a broker that is killed, cut off and slowed down, producers of both
 * flavours whose requests come late, twice or out of order, movers that commit offsets in their transactions, and readers
 * in both isolations. When the faults are over every transaction must come to its end, and what everybody was told is
 * judged by the checks of the workload.
 */
import type { Logger } from '../../../src/base/ports.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../../src/protocol/messages/02-list-offsets.ts';
import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../../src/protocol/messages/66-list-transactions.ts';
import { SimulatedTime } from '../../../src/runtime/simulated-clock.ts';
import { SimulatedNetwork } from '../../../src/runtime/simulated-network.ts';
import { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import { checkHistory } from '../../workload/checks.ts';
import type { Isolation, Line } from '../../workload/history.ts';
import { createTopic, type TopicPlan } from '../admin.ts';
import { BrokerHost } from '../broker-host.ts';
import { FAULT_KINDS, Faults, POWER_FAULTS, relapsesOf, type FaultKind } from '../faults.ts';
import { History, type Anomaly, type Durability } from '../history.ts';
import { BROKER_PORT, Stage } from '../stage.ts';
import { noteUncaught } from '../unhandled.ts';
import { Courier, LATE_MS_MAX } from './courier.ts';
import { Journal, keyOf, partitionOf } from './journal.ts';
import { runLateMarkers } from './late-markers.ts';
import {
  pollOnce,
  runMover,
  runPlainSender,
  runReader,
  runWriter,
  type ProcessOptions,
  type Scene,
} from './processes.ts';
import { TransactionalProducer, type Flavour } from './producer.ts';
import { Reader } from './reader.ts';

/** Short, so that jumps do not keep transactions open for longer than the world waits. */
const CLOCK_ERROR_MS_MAX = 3_000;
const TIMEOUT_MS_MAX = 8_000;
const CLEANUP_INTERVAL_MS_MAX = 2_000;
/** After the faults: all transactions have ended, by their clients or by their timeouts, when this is over. */
const HEALING_MS_MAX = 120_000;
const SETTLING_MS = LATE_MS_MAX + TIMEOUT_MS_MAX + 2 * CLOCK_ERROR_MS_MAX + CLEANUP_INTERVAL_MS_MAX + 5_000;
const READING_MS_MAX = 60_000;
const IDLE_STATES = ['Empty', 'CompleteCommit', 'CompleteAbort'];
const LATEST = -1;
const OFFSETS_TOPIC = '__consumer_offsets';

/** What is made wrong on purpose, to show that it is found. */
export type Sabotage =
  /** v1 producers go on in their epoch whatever may still be on its way: the holes of that protocol. */
  | 'careless v1'
  /** Leaders do not ask whether a partition belongs to the transaction of a v1 producer. */
  | 'no verification'
  /** Markers come again when the next transaction is open, and end it in their partition. */
  | 'late markers'
  /** Consumers that say read_committed and read everything. */
  | 'reads all';

export interface SimulateOptions {
  readonly logger?: Logger;
  readonly sabotage?: Sabotage;
}

export interface TransactionsReport {
  readonly seed: string;
  readonly traceHash: string;
  readonly plan: string;
  readonly anomalies: readonly Anomaly[];
  readonly virtualMs: number;
  readonly lives: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly counts: ReturnType<typeof checkHistory>['counts'];
  readonly answers: ReadonlyMap<string, number>;
  readonly history: readonly Line[];
}

interface ProducerPlan {
  readonly id: string;
  readonly flavour: Flavour;
  readonly timeoutMs: number;
}

interface Plan {
  readonly durability: Durability;
  readonly faults: readonly FaultKind[];
  readonly faultsMs: number;
  readonly faultPauseMs: number;
  readonly configs: ReadonlyMap<string, string>;
  readonly topics: readonly TopicPlan[];
  readonly writers: readonly ProducerPlan[];
  readonly movers: readonly ProducerPlan[];
  readonly readers: readonly Isolation[];
  readonly hasPlainSender: boolean;
  readonly restartsAtEnd: boolean;
}

function makePlan(random: SimulatedRandom, sabotage: Sabotage | undefined): Plan {
  const durability = random.chance(0.75) ? 'fsync' : 'relaxed';
  // With relaxed durability a power cut may leave the end of a transaction and take its marker: nothing is promised then.
  const possible = FAULT_KINDS.filter((kind) => durability === 'fsync' || !POWER_FAULTS.has(kind));
  const faults = possible.filter(() => random.chance(0.4));
  const directories = ['/data1', '/data2'].slice(0, random.between(1, 2));
  const isOfV1 = sabotage === 'careless v1' || sabotage === 'no verification';
  const flavour = (): Flavour => (random.chance(isOfV1 ? 1 : 0.4) ? 'v1' : 'v2');
  const producer = (id: string): ProducerPlan => ({
    id,
    flavour: flavour(),
    timeoutMs: random.between(1_500, TIMEOUT_MS_MAX),
  });
  const topic = (name: string): TopicPlan => ({
    name,
    durability,
    trimming: 'never',
    partitionCount: random.between(1, 3),
    configs: {
      'retention.ms': '-1',
      'index.interval.bytes': String(random.between(0, 1_000)),
      ...(random.chance(0.7) ? { 'internal.segment.bytes': String(random.between(1_000, 10_000)) } : {}),
    },
  });
  const topics = [topic('in'), topic('out')];
  return {
    durability,
    faults,
    faultsMs: random.between(8_000, 25_000),
    faultPauseMs: random.between(500, 5_000),
    configs: new Map(
      Object.entries({
        listeners: `PLAINTEXT://127.0.0.1:${BROKER_PORT}`,
        'log.dirs': directories.join(','),
        durability,
        'auto.create.topics.enable': 'false',
        'offsets.topic.num.partitions': String(random.between(1, 2)),
        'offsets.topic.segment.bytes': '1048576',
        'transaction.state.log.num.partitions': String(random.between(1, 3)),
        'transaction.state.log.segment.bytes': '1048576',
        'transaction.abort.timed.out.transaction.cleanup.interval.ms': String(
          random.between(100, CLEANUP_INTERVAL_MS_MAX),
        ),
        'transaction.partition.verification.enable': String(sabotage !== 'no verification'),
        'log.retention.check.interval.ms': '5000',
        'replica.high.watermark.checkpoint.interval.ms': String(random.between(500, 5_000)),
        'log.flush.offset.checkpoint.interval.ms': String(random.between(500, 5_000)),
      }),
    ),
    topics,
    // The first two share their id.
    writers: [
      producer('tx0'),
      ...(random.chance(0.6) ? [producer('tx0')] : []),
      producer('tx1'),
      ...(random.chance(0.5) ? [producer('tx2')] : []),
    ],
    movers: Array.from({ length: random.between(0, 2) }, () => producer('mover')),
    readers: random.chance(0.5) ? ['read_committed', 'read_uncommitted'] : ['read_committed'],
    hasPlainSender: random.chance(0.3),
    restartsAtEnd: random.chance(0.4),
  };
}

export async function simulateTransactions(
  seed: number | string,
  options: SimulateOptions = {},
): Promise<TransactionsReport> {
  const world = new World(String(seed), options);
  await world.run();
  return world.report();
}

class World {
  readonly seed: string;
  readonly random: SimulatedRandom;
  readonly time: SimulatedTime;
  readonly plan: Plan;
  readonly stage: Stage;
  readonly host: BrokerHost;
  readonly faults: Faults;
  readonly journal: Journal;
  readonly #sabotage: Sabotage | undefined;

  constructor(seed: string, { logger, sabotage }: SimulateOptions) {
    this.seed = seed;
    this.#sabotage = sabotage;
    this.random = new SimulatedRandom(`transactions ${seed}`);
    const { random } = this;
    this.plan = makePlan(random.fork('plan'), sabotage);
    const { configs, faults } = this.plan;
    this.time = new SimulatedTime({ seed });
    const latencyMs = { min: 0.05, max: random.chance(0.2) ? 40 : 2 };
    const network = new SimulatedNetwork({ time: this.time, seed, latencyMs });
    this.stage = new Stage({
      time: this.time,
      network,
      random,
      history: new History(() => this.time.nowMs()),
    });
    this.stage.directories = configs.get('log.dirs')!.split(',');
    this.journal = new Journal(() => this.time.nowMs());
    this.host = new BrokerHost(this.stage, {
      seed,
      random: random.fork('host'),
      configs,
      logLimits: {},
      relapses: relapsesOf(faults),
      ...(logger === undefined ? {} : { logger }),
    });
    this.faults = new Faults(this.stage, this.host, {
      kinds: faults,
      pauseMs: this.plan.faultPauseMs,
      clientHosts: Array.from({ length: 24 }, (_, index) => `client${index + 1}`),
      clockErrorMsMax: CLOCK_ERROR_MS_MAX,
    });
  }

  async run(): Promise<void> {
    await noteUncaught(this.host, async () => {
      const { stage, time, plan } = this;
      this.host.start();
      await stage.mustHappen('the topics cannot be created', this.#createTopics(), HEALING_MS_MAX);
      const work = this.#work();
      void this.faults.run(this.random.fork('faults'));
      await time.advance(plan.faultsMs);
      this.faults.heal(this.random);
      await stage.mustHappen('the clients do not come to their end', work, HEALING_MS_MAX);
      await time.advance(SETTLING_MS);
      const scene = this.#scene();
      await stage.mustHappen('not everything could be read', this.#readAll(scene), READING_MS_MAX);
      if (plan.restartsAtEnd) {
        const endings = plan.durability === 'fsync' ? (['power cut', 'kill'] as const) : (['kill'] as const);
        this.host.end(endings[this.random.integer(endings.length)]!, 1_000);
        await time.advance(5_000);
        await stage.mustHappen('not everything could be read again', this.#readAll(scene), READING_MS_MAX);
      }
      this.journal.note('world', { f: 'complete', type: 'ok' });
      stage.phase = 'over';
      this.host.ports.kill();
      await time.advance(0);
    });
  }

  report(): TransactionsReport {
    const { stage, plan, journal } = this;
    const { anomalies, counts } = checkHistory(journal.lines);
    const atMs = Math.round(this.time.nowMs());
    const producers = [...plan.writers, ...plan.movers].map(({ id, flavour }) => `${id} ${flavour}`);
    return {
      seed: this.seed,
      traceHash: this.time.traceHash(),
      plan: [plan.durability, producers.join(', '), plan.faults.join('+')].join('; '),
      anomalies: [...stage.history.anomalies, ...anomalies.map((one) => ({ ...one, atMs }))],
      virtualMs: this.time.nowMs(),
      lives: stage.life,
      faults: this.faults.counts,
      counts,
      answers: stage.answers,
      history: journal.lines,
    };
  }

  // --- Work

  async #createTopics(): Promise<void> {
    const { stage } = this;
    const admin = { client: stage.client('admin'), random: this.random.fork('admin') };
    await stage.until('start', admin.random, () => admin.client.connect({ topic: 'in', partition: 0 }));
    for (const topic of this.plan.topics) await createTopic(stage, admin, topic);
  }

  async #work(): Promise<void> {
    const { stage, plan } = this;
    const scene = this.#scene();
    const ends: Promise<void>[] = [];
    const begin = (process: string, run: (options: ProcessOptions) => Promise<void>): void => {
      const options = { process, client: stage.client(process), random: this.random.fork(process) };
      ends.push(stage.guarded(process, run(options)));
    };
    for (const [index, one] of plan.writers.entries()) {
      begin(`writer${index}`, (options) => runWriter(scene, this.#producer(one, options)));
    }
    for (const [index, one] of plan.movers.entries()) {
      begin(`mover${index}`, (options) => runMover(scene, this.#producer(one, options), options.client));
    }
    for (const [index, isolation] of plan.readers.entries()) {
      begin(`reader${index}`, (options) => runReader(scene, options, isolation));
    }
    if (plan.hasPlainSender) begin('plain', (options) => runPlainSender(scene, options));
    if (this.#sabotage === 'late markers') begin('saboteur', (options) => runLateMarkers(scene, options));
    await Promise.all(ends);
  }

  #producer(plan: ProducerPlan, { process, random }: ProcessOptions): TransactionalProducer {
    const courier = new Courier(this.stage, { name: process, random: random.fork('courier') });
    const isCareful = this.#sabotage !== 'careless v1';
    return new TransactionalProducer(this.journal, courier, { ...plan, process, random, isCareful });
  }

  #scene(): Scene {
    const keys = (name: string): string[] => {
      const { partitionCount } = this.plan.topics.find((topic) => topic.name === name)!;
      return Array.from({ length: partitionCount }, (_, partition) => keyOf(name, partition));
    };
    return {
      stage: this.stage,
      journal: this.journal,
      inputs: keys('in'),
      outputs: keys('out'),
      readsAll: this.#sabotage === 'reads all',
    };
  }

  // --- The end

  /** Nothing is open any more, and everything can be read: in both isolations, to the same ends. */
  async #readAll(scene: Scene): Promise<void> {
    const { stage, journal } = this;
    const random = this.random.fork('end');
    const client = stage.client('end');
    await this.#mustBeSettled(client, random);
    const offsetsPartitions = Number(this.plan.configs.get('offsets.topic.num.partitions'));
    const internal = this.plan.movers.length === 0 ? 0 : offsetsPartitions;
    const keys = [...scene.inputs, ...scene.outputs];
    const watched = [...keys, ...Array.from({ length: internal }, (_, index) => keyOf(OFFSETS_TOPIC, index))];
    const ends = await this.#endsOf(watched, client, random);
    if (ends === undefined) return;
    for (const isolation of ['read_committed', 'read_uncommitted'] as const) {
      journal.note('end', { f: 'ends', type: 'ok', isolation, offsets: ends[isolation] });
      const process = `end ${isolation}`;
      const positions = Object.fromEntries(keys.map((key) => [key, 0]));
      const reader = new Reader(stage, journal, { process, client, random, isolation, positions });
      const stable = Object.fromEntries(keys.map((key) => [key, ends[isolation][key]!]));
      while (!reader.isAt(stable)) await pollOnce(scene, reader, process);
    }
    for (const [key, end] of Object.entries(ends.read_uncommitted)) {
      const stable = ends.read_committed[key];
      if (stable !== end) stage.history.anomaly('stuck-lso', `${key}: ${stable} of ${end}`);
    }
  }

  /** The coordinator has ended, in its own log, every transaction that it knows. */
  async #mustBeSettled(client: ReturnType<Stage['client']>, random: SimulatedRandom): Promise<void> {
    const { stage } = this;
    const states = await stage.until('ListTransactions', random, async () => {
      const body = { stateFilters: [], producerIdFilters: [] };
      const answer = await client.request(ListTransactionsRequest, ListTransactionsResponse, 1, body);
      stage.note('ListTransactions', answer.errorCode);
      return answer.errorCode === Errors.NONE ? answer.transactionStates : undefined;
    });
    for (const { transactionalId, transactionState } of states ?? []) {
      if (IDLE_STATES.includes(transactionState)) continue;
      stage.history.anomaly('unsettled', `${transactionalId} is in ${transactionState}`);
    }
  }

  async #endsOf(
    keys: readonly string[],
    client: ReturnType<Stage['client']>,
    random: SimulatedRandom,
  ): Promise<Record<Isolation, Record<string, number>> | undefined> {
    const { stage } = this;
    const ends = { read_committed: {}, read_uncommitted: {} } as Record<Isolation, Record<string, number>>;
    for (const [isolationLevel, isolation] of (['read_uncommitted', 'read_committed'] as const).entries()) {
      for (const key of keys) {
        const { topic: name, partition: partitionIndex } = partitionOf(key);
        const end = await stage.until('ListOffsets', random, async () => {
          const partitions = [{ partitionIndex, timestamp: LATEST }];
          const body = { replicaId: -1, isolationLevel, timeoutMs: 0, topics: [{ name, partitions }] };
          const answer = await client.request(ListOffsetsRequest, ListOffsetsResponse, 7, body);
          const { errorCode, offset } = answer.topics[0]!.partitions[0]!;
          stage.note('ListOffsets', errorCode);
          // Nobody has needed the offsets topic yet.
          if (errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION && name === OFFSETS_TOPIC) return 0;
          return errorCode === Errors.NONE ? offset : undefined;
        });
        if (end === undefined) return undefined;
        ends[isolation][key] = end;
      }
    }
    return ends;
  }
}

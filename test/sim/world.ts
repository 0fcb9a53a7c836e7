/**
 * A whole simulated world from a seed: a broker with a random configuration, producers, consumers, a group and
 * administrators with a random workload, and faults at random times and at random disk operations. When the faults are
 * over everything must work again within a bounded time, and everything that was promised must be there.
 */
import type { Logger } from '../../src/base/ports.ts';
import type { BrokerOptions } from '../../src/broker/broker.ts';
import { SimulatedTime } from '../../src/runtime/simulated-clock.ts';
import { SimulatedNetwork } from '../../src/runtime/simulated-network.ts';
import { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import { createTopic, runChanges, runChurn, type Actor, type TopicPlan } from './admin.ts';
import { BrokerHost, type Ending } from './broker-host.ts';
import { runConsumer, scanAll } from './consumers.ts';
import { GroupHistory, runGroupMember } from './group-members.ts';
import { History, type Anomaly } from './history.ts';
import { runIdempotentProducer, runPlainProducer, type ProducerOptions } from './producers.ts';
import { BROKER_HOST, BROKER_PORT, SETTLING_MS, Stage } from './stage.ts';

/** After the faults: what was begun must come to its end. */
const HEALING_MS_MAX = 120_000;
/** So many records a group that is behind reads in that time, or all that are left. */
const CATCH_UP_RECORDS_MIN = 300;
const SCAN_MS_MAX = 120_000;
/**
 * How far the broker's clock may be from the clients', which are right. Far less than message.timestamp.after.max.ms, one
 * hour: a broker that is further behind refuses their records (INVALID_TIMESTAMP), as Kafka's does. It is the error that
 * is bounded and not the jump, because many jumps in one life of the broker would add up to hours.
 */
const CLOCK_ERROR_MS_MAX = 20 * 60_000;

export interface Report {
  readonly seed: string;
  readonly traceHash: string;
  readonly anomalies: readonly Anomaly[];
  readonly plan: string;
  readonly virtualMs: number;
  readonly lives: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly counts: History['counts'];
  readonly answers: ReadonlyMap<string, number>;
}

const FAULT_KINDS = [
  'kill',
  'power',
  'stop',
  'kill at operation',
  'power at operation',
  'reset',
  'slow',
  'full',
  'broken',
  'directory',
  'clock',
  'pause',
  'block',
] as const;
type FaultKind = (typeof FAULT_KINDS)[number];

interface Plan {
  readonly faults: readonly FaultKind[];
  readonly faultsMs: number;
  readonly faultPauseMs: number;
  readonly configs: ReadonlyMap<string, string>;
  readonly logLimits: NonNullable<BrokerOptions['logLimits']>;
  readonly relapses: readonly Ending[];
  readonly topics: readonly TopicPlan[];
  readonly churn: number;
  readonly idempotent: number;
  readonly plain: number;
  readonly consumers: number;
  readonly members: number;
}

function makePlan(random: SimulatedRandom): Plan {
  const faults = FAULT_KINDS.filter(() => random.chance(0.5));
  const directories = ['/data1', '/data2', '/data3'].slice(0, random.between(1, 3));
  const configs = new Map(
    Object.entries({
      listeners: `PLAINTEXT://127.0.0.1:${BROKER_PORT}`,
      'log.dirs': directories.join(','),
      durability: random.chance(0.75) ? 'fsync' : 'relaxed',
      'auto.create.topics.enable': 'false',
      'offsets.topic.num.partitions': String(random.between(1, 3)),
      'offsets.topic.segment.bytes': '1048576',
      'group.initial.rebalance.delay.ms': String(random.between(0, 500)),
      'log.retention.check.interval.ms': String(random.between(200, 3_000)),
      'log.segment.delete.delay.ms': String(random.between(0, 3_000)),
      'replica.high.watermark.checkpoint.interval.ms': String(random.between(100, 5_000)),
      'log.flush.offset.checkpoint.interval.ms': String(random.between(100, 5_000)),
      'log.flush.start.offset.checkpoint.interval.ms': String(random.between(100, 5_000)),
    }),
  );
  const topics = Array.from({ length: random.between(1, 4) }, (_, index) => planTopic(random, index));
  return {
    faults,
    faultsMs: random.between(15_000, 60_000),
    faultPauseMs: random.between(500, 6_000),
    configs,
    logLimits: random.chance(0.5)
      ? {}
      : {
          recentBytesMax: random.between(0, 5_000),
          openFilesMax: random.between(1, 10),
          loadedIndexBytesMax: random.between(0, 500),
        },
    relapses: [
      ...(faults.includes('kill at operation') ? (['kill'] as const) : []),
      ...(faults.includes('power at operation') ? (['power cut'] as const) : []),
    ],
    topics,
    churn: random.between(0, 2),
    idempotent: random.between(1, 3),
    plain: random.between(0, 2),
    consumers: random.between(1, 2),
    members: random.between(0, 3),
  };
}

function planTopic(random: SimulatedRandom, index: number): TopicPlan {
  const trimming =
    index === 0 ? 'never' : (['never', 'on request', 'by retention'] as const)[random.integer(3)]!;
  const types = ['producer', 'producer', 'gzip', 'lz4', 'zstd', 'snappy', 'uncompressed'] as const;
  const configs: Record<string, string> = {
    'compression.type': types[random.integer(types.length)]!,
    'index.interval.bytes': String(random.between(0, 1_000)),
    'message.timestamp.type': random.chance(0.2) ? 'LogAppendTime' : 'CreateTime',
  };
  if (random.chance(0.8)) configs['internal.segment.bytes'] = String(random.between(1_500, 20_000));
  if (random.chance(0.2)) configs['segment.ms'] = String(random.between(500, 5_000));
  if (random.chance(0.2)) configs['flush.messages'] = String(random.between(1, 20));
  if (trimming === 'by retention') {
    if (random.chance(0.5)) configs['retention.ms'] = String(random.between(1_000, 20_000));
    else configs['retention.bytes'] = String(random.between(1_000, 20_000));
  } else {
    configs['retention.ms'] = '-1';
  }
  return {
    name: `topic${index}`,
    durability: index === 0 || random.chance(0.6) ? 'fsync' : 'relaxed',
    trimming,
    partitionCount: random.between(1, 3),
    configs,
  };
}

export interface SimulateOptions {
  readonly logger?: Logger;
}

export async function simulate(seed: number | string, options: SimulateOptions = {}): Promise<Report> {
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
  readonly faults: Record<string, number> = {};
  #isFaulty = true;
  /** The broker met a full disk: only a restart brings it back. */
  #mustRestart = false;
  #groups: GroupHistory[] = [];
  readonly #clientHosts: string[] = Array.from({ length: 12 }, (_, index) => `client${index + 1}`);

  constructor(seed: string, { logger }: SimulateOptions) {
    this.seed = seed;
    this.random = new SimulatedRandom(`world ${seed}`);
    const { random } = this;
    this.plan = makePlan(random.fork('plan'));
    this.time = new SimulatedTime({ seed });
    const latencyMs = { min: 0.05, max: random.chance(0.2) ? 40 : 2 };
    const chunkBytesMax = random.chance(0.3) ? random.between(50, 500) : 64 * 1024;
    const network = new SimulatedNetwork({ time: this.time, seed, latencyMs, chunkBytesMax });
    const history = new History(() => this.time.nowMs());
    this.stage = new Stage({ time: this.time, network, random, history });
    this.stage.directories = this.plan.configs.get('log.dirs')!.split(',');
    this.host = new BrokerHost(this.stage, {
      seed,
      random: random.fork('host'),
      configs: this.plan.configs,
      logLimits: this.plan.logLimits,
      relapses: this.plan.relapses,
      ...(logger === undefined ? {} : { logger }),
    });
  }

  async run(): Promise<void> {
    const { stage, time, plan } = this;
    const onRejection = (error: unknown): void => this.#onRejection(error);
    // The test runner's own listener would fail the test for what a dead process leaves behind.
    const listeners = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', onRejection);
    try {
      this.host.start();
      const ends = this.#startActors();
      void this.#injectFaults();
      await time.advance(plan.faultsMs);
      this.#heal();
      await this.#mustHappen('work does not come to its end', HEALING_MS_MAX, ends);
      await this.#groupsCatchUp();
      await this.#scan('after the faults');
      // A clean stop leaves nothing to be lost.
      this.host.end(this.random.chance(0.5) ? 'stop and cut' : 'stop', 1_000);
      await time.advance(5_000);
      await this.#scan('after a clean stop');
      stage.phase = 'over';
      await time.advance(SETTLING_MS);
      this.host.ports.kill();
      await time.advance(0);
    } catch (error) {
      // Out of a callback of the broker's: a real process would be gone. (What an actor throws is caught where it began.)
      stage.history.anomaly('uncaught', String((error as Error)?.stack ?? error));
      this.host.ports.kill();
    } finally {
      process.off('unhandledRejection', onRejection);
      for (const listener of listeners) process.on('unhandledRejection', listener);
    }
  }

  report(): Report {
    const { stage, plan } = this;
    const relaxed = plan.topics.filter(({ durability }) => durability === 'relaxed').length;
    return {
      seed: this.seed,
      traceHash: this.time.traceHash(),
      anomalies: stage.history.anomalies,
      plan: [
        `${plan.topics.length} topics (${relaxed} relaxed), broker ${plan.configs.get('durability')}`,
        plan.faults.join('+'),
      ].join(', '),
      virtualMs: this.time.nowMs(),
      lives: stage.life,
      faults: this.faults,
      counts: stage.history.counts,
      answers: stage.answers,
    };
  }

  // --- Actors

  #startActors(): Promise<unknown>[] {
    const { stage, plan } = this;
    const ends: Promise<unknown>[] = [];
    const begin = (what: string, end: Promise<unknown>): void => {
      ends.push(
        end.catch((error: unknown) => {
          stage.history.anomaly('actor failed', `${what}: ${String((error as Error).stack)}`);
        }),
      );
    };
    const actor = (name: string): Actor => ({ client: stage.client(name), random: this.random.fork(name) });
    begin('topics', this.#startTopics(actor('admin'), begin));
    for (let index = 0; index < plan.churn; index++) {
      const topic = { ...planTopic(this.random.fork(`churn${index}`), index), name: `churn${index}` };
      begin(topic.name, runChurn(stage, actor(topic.name), topic));
    }
    const producer = (name: string): ProducerOptions => ({
      name,
      random: this.random.fork(name),
      pauseMsMax: this.random.between(5, 400),
      compresses: this.random.chance(0.5),
    });
    for (let index = 0; index < plan.idempotent; index++) {
      begin('idempotent producer', runIdempotentProducer(stage, producer(`idempotent${index}`)));
    }
    for (let index = 0; index < plan.plain; index++) {
      begin('plain producer', runPlainProducer(stage, producer(`plain${index}`)));
    }
    for (let index = 0; index < plan.consumers; index++) {
      const name = `consumer${index}`;
      begin('consumer', runConsumer(stage, { name, random: this.random.fork(name) }));
    }
    return ends;
  }

  async #startTopics(admin: Actor, begin: (what: string, end: Promise<unknown>) => void): Promise<void> {
    const { stage, plan } = this;
    for (const topicPlan of plan.topics) {
      const topic = await createTopic(stage, admin, topicPlan);
      if (topic === undefined) return;
      if (topicPlan.name === 'topic0') this.#startGroup(topic);
      const name = `changes of ${topic.name}`;
      begin(name, runChanges(stage, { client: stage.client(name), random: this.random.fork(name) }, topic));
    }
  }

  #startGroup(topic: Stage['topics'][number]): void {
    const { stage, plan } = this;
    if (plan.members === 0) return;
    stage.fix(topic);
    const survivesPower = plan.configs.get('durability') === 'fsync';
    const group = new GroupHistory(stage, { id: 'group', topics: [topic], survivesPower });
    this.#groups.push(group);
    for (let index = 0; index < plan.members; index++) {
      const name = `member${index}`;
      // These run to the very end, and are not waited for.
      runGroupMember(stage, group, { name, random: this.random.fork(name) }).catch((error: unknown) => {
        stage.history.anomaly('actor failed', `${name}: ${String((error as Error).stack)}`);
      });
    }
  }

  // --- Faults

  async #injectFaults(): Promise<void> {
    const { stage, plan } = this;
    const random = this.random.fork('faults');
    // In most worlds the topics are there before the first fault.
    if (random.chance(0.7)) await stage.sleep(2_000);
    while (this.#isFaulty && plan.faults.length > 0) {
      await stage.sleep(random.between(10, 2 * plan.faultPauseMs));
      if (!this.#isFaulty) return;
      const kind = plan.faults[random.integer(plan.faults.length)]!;
      this.faults[kind] = (this.faults[kind] ?? 0) + 1;
      this.#inject(kind, random);
    }
  }

  #inject(kind: FaultKind, random: SimulatedRandom): void {
    const { host, stage, time } = this;
    const pauseMs = random.between(100, 4_000);
    const later = (ms: number, act: () => void): void => void time.schedule(ms, act);
    const endings: Partial<Record<FaultKind, Ending>> = {
      kill: 'kill',
      power: 'power cut',
      stop: random.chance(0.5) ? 'stop' : 'stop and cut',
    };
    const ending = endings[kind];
    if (ending !== undefined) {
      host.end(ending, pauseMs);
    } else if (kind === 'kill at operation' || kind === 'power at operation') {
      host.dieAtOperation(
        random.between(1, random.chance(0.5) ? 20 : 300),
        kind === 'kill at operation' ? 'kill' : 'power cut',
      );
    } else if (kind === 'reset') {
      for (const client of this.#clientHosts)
        if (random.chance(0.5)) stage.network.reset(BROKER_HOST, client);
    } else if (kind === 'slow') {
      host.slowness = random.between(5, 500);
      later(random.between(200, 5_000), () => (host.slowness = 1));
    } else if (kind === 'full') {
      host.isFull = true;
      this.#mustRestart = true;
      later(random.between(200, 5_000), () => {
        host.isFull = false;
        later(random.between(0, 1_000), () => this.#operatorRestarts(random));
      });
    } else if (kind === 'broken') {
      host.isBroken = true;
      later(random.between(50, 3_000), () => host.end('power cut', pauseMs));
    } else if (kind === 'directory') {
      // Not the first one, which holds the metadata too.
      const path = stage.directories[random.between(1, 2)];
      if (path === undefined || host.brokenDirectory !== undefined) return;
      host.brokenDirectory = path;
      later(random.between(0, 1_000), () => host.end('kill', pauseMs));
      later(random.between(2_000, 10_000), () => {
        host.brokenDirectory = undefined;
        host.end('kill', pauseMs);
      });
    } else if (kind === 'clock') {
      const { process, clock } = host.ports;
      const errorMs = clock.nowMs() - Math.floor(stage.startMs + time.nowMs());
      process.jumpWallClock(random.between(-CLOCK_ERROR_MS_MAX, CLOCK_ERROR_MS_MAX) - errorMs);
    } else if (kind === 'pause') {
      const { process } = host.ports;
      process.pause();
      later(random.between(50, 8_000), () => process.resume());
    } else {
      const client = this.#clientHosts[random.integer(this.#clientHosts.length)]!;
      const [from, to] = random.chance(0.5) ? [BROKER_HOST, client] : [client, BROKER_HOST];
      stage.network.block(from, to);
      later(random.between(100, 15_000), () => stage.network.unblock(from, to));
    }
  }

  #operatorRestarts(random: SimulatedRandom): void {
    if (!this.#mustRestart) return;
    this.#mustRestart = false;
    this.host.end(random.chance(0.5) ? 'kill' : 'power cut', random.between(100, 1_000));
  }

  #heal(): void {
    const { host, stage } = this;
    this.#isFaulty = false;
    host.isFull = false;
    if (host.brokenDirectory !== undefined) this.#mustRestart = true;
    host.brokenDirectory = undefined;
    host.slowness = 1;
    host.cancelDeath();
    if (host.ports.process.isPaused) host.ports.process.resume();
    stage.network.heal();
    this.#operatorRestarts(this.random);
    stage.phase = 'drain';
  }

  // --- The end

  async #mustHappen(what: string, withinMs: number, ends: readonly Promise<unknown>[]): Promise<void> {
    let isDone = false;
    const watched = async (): Promise<void> => {
      // Actors may start others meanwhile.
      for (let index = 0; index < ends.length; index++) await ends[index];
      isDone = true;
    };
    void watched();
    if (!(await this.time.runUntil(() => isDone, withinMs))) {
      this.stage.history.anomaly('stuck', `${what} within ${withinMs} ms`);
    }
  }

  /**
   * Not within a fixed time: members pause between fetches, and a fetch ends with a segment, of which some worlds have
   * hundreds. But nothing is written any more, so a group that works comes nearer to the end all the time.
   */
  async #groupsCatchUp(): Promise<void> {
    let behind = this.#lag().records;
    while (behind > 0) {
      if (await this.time.runUntil(() => this.#lag().records === 0, HEALING_MS_MAX)) return;
      const { records, what } = this.#lag();
      if (records > behind - CATCH_UP_RECORDS_MIN) {
        this.stage.history.anomaly('group does not catch up', `${what} (${behind} behind before)`);
        return;
      }
      behind = records;
    }
  }

  /** Records that are known and not committed by the groups, and in words where. */
  #lag(): { readonly records: number; readonly what: string } {
    let records = 0;
    const behind: string[] = [];
    for (const group of this.#groups) {
      for (const topic of group.topics) {
        for (let index = 0; index < topic.partitionCount; index++) {
          const partition = this.stage.history.partition(topic, index);
          const end = Math.max(-1, ...partition.known.keys()) + 1;
          const committed = group.committed.get(partition) ?? 0;
          if (committed >= end) continue;
          records += end - committed;
          behind.push(`${partition.name}: committed ${committed} of ${end}`);
        }
      }
    }
    return { records, what: behind.join(', ') };
  }

  async #scan(when: string): Promise<void> {
    let isWhole: boolean | undefined;
    scanAll(this.stage, this.random.fork(when)).then(
      (result) => (isWhole = result),
      (error: unknown) => {
        isWhole = false;
        this.stage.history.anomaly('actor failed', String((error as Error).stack));
      },
    );
    if (!(await this.time.runUntil(() => isWhole !== undefined, SCAN_MS_MAX)) || isWhole !== true) {
      this.stage.history.anomaly('unseen', `not everything could be read ${when}`);
    }
  }

  /** A dead process's promises may reject with nobody there to hear it; a living one's may not. */
  #onRejection(error: unknown): void {
    if (error instanceof Error && error.name === 'SimulatedCrash') return;
    if (this.host.isDown) return;
    this.stage.history.anomaly('unhandled rejection', String((error as Error)?.stack ?? error));
  }
}

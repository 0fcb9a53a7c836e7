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
import { FAULT_KINDS, Faults, relapsesOf, type FaultKind } from './faults.ts';
import { GroupHistory, runGroupMember } from './group-members.ts';
import { History, type Anomaly } from './history.ts';
import { runIdempotentProducer, runPlainProducer, type ProducerOptions } from './producers.ts';
import { BROKER_PORT, SETTLING_MS, Stage } from './stage.ts';
import { noteUncaught } from './unhandled.ts';

/** After the faults: what was begun must come to its end. */
const HEALING_MS_MAX = 120_000;
/** So many records a group that is behind reads in that time, or all that are left. */
const CATCH_UP_RECORDS_MIN = 300;
const SCAN_MS_MAX = 120_000;
/**
 * Far less than message.timestamp.after.max.ms, one hour: a broker that is further behind refuses the clients' records
 * (INVALID_TIMESTAMP), as Kafka's does.
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
    relapses: relapsesOf(faults),
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
  readonly faults: Faults;
  #groups: GroupHistory[] = [];

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
    this.faults = new Faults(this.stage, this.host, {
      kinds: this.plan.faults,
      pauseMs: this.plan.faultPauseMs,
      clientHosts: Array.from({ length: 12 }, (_, index) => `client${index + 1}`),
      clockErrorMsMax: CLOCK_ERROR_MS_MAX,
    });
  }

  async run(): Promise<void> {
    await noteUncaught(this.host, async () => {
      const { stage, time, plan } = this;
      this.host.start();
      const ends = this.#startActors();
      void this.faults.run(this.random.fork('faults'));
      await time.advance(plan.faultsMs);
      this.faults.heal(this.random);
      await stage.mustHappen('work does not come to its end', allOf(ends), HEALING_MS_MAX);
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
    });
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
      faults: this.faults.counts,
      counts: stage.history.counts,
      answers: stage.answers,
    };
  }

  // --- Actors

  #startActors(): Promise<unknown>[] {
    const { stage, plan } = this;
    const ends: Promise<unknown>[] = [];
    const begin = (what: string, end: Promise<unknown>): void => {
      ends.push(stage.guarded(what, end));
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
      void stage.guarded(name, runGroupMember(stage, group, { name, random: this.random.fork(name) }));
    }
  }

  // --- The end

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
}

/** Actors may start others meanwhile. */
async function allOf(ends: readonly Promise<unknown>[]): Promise<void> {
  for (let index = 0; index < ends.length; index++) await ends[index];
}

/**
 * A whole simulated cluster from a seed: brokers, their metadata store, clients of all sorts, and faults. After each event
 * the invariants of replication must hold (watch.ts); when the faults are over every partition serves again within a bounded
 * time, all replicas become one, and what everybody was told is judged: by the history of the one-broker simulation for
 * producers, consumers and groups, by the checks of the workload for transactions.
 */
import type { Logger } from '../../../src/base/ports.ts';
import { OFFSETS_TOPIC } from '../../../src/metadata/topic-names.ts';
import { MemoryStoreServer } from '../../../src/metadata/memory-store.ts';
import { SimulatedProcess, SimulatedTime } from '../../../src/runtime/simulated-clock.ts';
import { SimulatedNetwork } from '../../../src/runtime/simulated-network.ts';
import { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import { checkHistory } from '../../workload/checks.ts';
import { createTopic, type Actor } from '../admin.ts';
import { scanAll } from '../consumers.ts';
import { History, type Anomaly, type SimTopic } from '../history.ts';
import { Stage } from '../stage.ts';
import { Journal } from '../transactions/journal.ts';
import { noteUncaught } from '../unhandled.ts';
import { Decisions } from './decisions.ts';
import { ClusterFaults, type Latency } from './faults.ts';
import { Keyed } from './keyed.ts';
import { hostOf, Machine } from './machine.ts';
import { BROKER_PORT, CLOCK_ERROR_MS_MAX, configsOf, describePlan, makePlan, type Plan } from './plan.ts';
import { RoutingClient } from './routing-client.ts';
import { readScene, settleMs, startScene } from './scene.ts';
import { Streams } from './streams.ts';
import { ClusterWatch } from './watch.ts';

const START_MS_MAX = 30_000;
/** G12: from the end of the faults to every partition being led by a broker that knows it. */
const SERVING_MS_MAX = 15_000;
/** Until all replicas of all partitions are in sync and have the same. */
const WHOLE_MS_MAX = 60_000;
const ENDING_MS_MAX = 60_000;
const READING_MS_MAX = 60_000;
const CLIENTS = 24;
/** What an unclean election may bring about: loss, and nothing else. */
const LIVENESS = new Set([
  'stuck',
  'actor failed',
  'broker does not start',
  'broker does not stop',
  'uncaught',
]);

export interface ClusterReport {
  readonly seed: string;
  readonly traceHash: string;
  readonly plan: string;
  readonly anomalies: readonly Anomaly[];
  readonly virtualMs: number;
  readonly lives: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  readonly answers: ReadonlyMap<string, number>;
}

export async function simulateCluster(
  seed: number | string,
  options: { readonly logger?: Logger } = {},
): Promise<ClusterReport> {
  const world = new World(String(seed), options.logger);
  await world.run();
  return world.report();
}

class World {
  readonly seed: string;
  readonly random: SimulatedRandom;
  readonly plan: Plan;
  readonly time: SimulatedTime;
  readonly stage: Stage;
  readonly store: MemoryStoreServer;
  readonly storeProcess: SimulatedProcess;
  readonly machines = new Map<number, Machine>();
  readonly watch: ClusterWatch;
  readonly faults: ClusterFaults;
  readonly journal: Journal;
  /** What went against an invariant, or was never done: not even an unclean election explains it. */
  readonly #violations: Anomaly[] = [];
  /** Members of groups share what they know of leaders. */
  readonly #sharedEpochs = new Map<string, number>();
  #events = 0;
  #servingMs = 0;

  constructor(seed: string, logger: Logger | undefined) {
    this.seed = seed;
    this.random = new SimulatedRandom(`cluster ${seed}`);
    const { random } = this;
    this.plan = makePlan(random.fork('plan'));
    const { nodeIds, faults, faultPauseMs, lastsMs, losingPower, logLimits } = this.plan;
    this.time = new SimulatedTime({ seed });
    const { time } = this;
    const latency: Latency = { min: 0.05, max: this.plan.latencyMsMax };
    const network = new SimulatedNetwork({ time, seed, latencyMs: latency, windowBytes: Infinity });
    const history = new History(() => time.nowMs(), { isReplicated: true });
    this.journal = new Journal(() => time.nowMs());
    this.stage = new Stage({ time, network, random, history }, ({ name, network: own }) => {
      return this.routingClient(name, own);
    });
    this.storeProcess = new SimulatedProcess(time);
    this.store = new MemoryStoreServer({ timers: this.storeProcess.timers, random: random.fork('store') });
    Object.assign(this.store.faults, {
      latencyMs: { min: 0.2, max: 3 },
      watchLagMs: { min: 0, max: 5 },
      duplicateEvents: random.chance(0.3) ? 0.05 : 0,
    });
    this.watch = new ClusterWatch({
      store: this.store,
      machines: this.machines,
      report: (kind, what) => this.violation(kind, what),
      isCompacted: (topic) => topic === 'compacted',
      mayElectUncleanly: (topic) => this.plan.isUnclean && !topic.startsWith('__'),
    });
    for (const nodeId of nodeIds) {
      const machine = new Machine(this.stage, {
        nodeId,
        seed,
        random: random.fork(`machine ${nodeId}`),
        configs: configsOf(this.plan, nodeId),
        logLimits,
        store: this.store,
        onEnd: () => this.watch.forget(nodeId),
        ...(logger === undefined ? {} : { logger }),
      });
      this.machines.set(nodeId, machine);
    }
    this.faults = new ClusterFaults(this.stage, {
      kinds: faults,
      pauseMs: faultPauseMs,
      lastsMs,
      machines: [...this.machines.values()],
      store: this.store,
      storeProcess: this.storeProcess,
      latency,
      clientHosts: Array.from({ length: CLIENTS }, (_, index) => `client${index + 1}`),
      clockErrorMsMax: CLOCK_ERROR_MS_MAX,
      losingPower,
      leaderOf: (chance) => this.#anyLeader(chance),
    });
  }

  violation(kind: string, what: string): void {
    if (this.#violations.length < 20)
      this.#violations.push({ kind, what, atMs: Math.round(this.time.nowMs()) });
  }

  routingClient(name: string, network: ReturnType<SimulatedNetwork['port']>): RoutingClient {
    const isShared = name.startsWith('member') || name.startsWith('mover');
    return new RoutingClient({
      name,
      network,
      time: this.time,
      random: this.random.fork(`client ${name}`),
      nodes: this.plan.nodeIds.map((nodeId) => ({ nodeId, host: hostOf(nodeId), port: BROKER_PORT })),
      epochs: isShared ? this.#sharedEpochs : new Map(),
      groupCoordinator: () => this.watch.truth.partition(OFFSETS_TOPIC, 0)?.leader ?? this.#anyNode(),
    });
  }

  async run(): Promise<void> {
    const { machines } = this;
    const failing = {
      stage: this.stage,
      get isDown() {
        return [...machines.values()].some(({ isDown, life }) => isDown || life > 1);
      },
      ports: { kill: () => this.#finish() },
    };
    this.watch.begin();
    try {
      await noteUncaught(failing, () => this.#run());
    } finally {
      this.watch.end();
    }
  }

  async #run(): Promise<void> {
    const { stage, time, plan, watch, machines } = this;
    time.afterEvent = () => {
      this.#events += 1;
      watch.check();
    };
    for (const machine of machines.values()) machine.start();
    const isUp = (): boolean => [...machines.values()].every(({ isWell }) => isWell);
    if (!(await time.runUntil(isUp, START_MS_MAX))) this.violation('stuck', 'the cluster does not start');
    const actor = (name: string): Actor => ({ client: stage.client(name), random: this.random.fork(name) });
    const topics = new Map<string, SimTopic>();
    const created = (async () => {
      const admin = actor('admin');
      for (const topic of [...plan.streams, ...plan.scene, ...plan.keyed]) {
        topics.set(topic.name, (await createTopic(stage, admin, topic))!);
      }
      // Actors pick from the stage's: what transactions write to is not theirs.
      stage.topics.splice(plan.streams.length);
    })();
    await stage.mustHappen('the topics cannot be created', created, START_MS_MAX);
    const { journal } = this;
    const streams = new Streams(stage, plan);
    const hasOffsetsTopic = (): boolean => watch.truth.topics.has(OFFSETS_TOPIC);
    const scene = { stage, journal, plan, actor, hasOffsetsTopic };
    const decisions = plan.hasAdmin ? new Decisions(stage, plan) : undefined;
    const work = [...streams.start(), ...startScene(scene)];
    const keyed = plan.keyed.length > 0 ? new Keyed(stage, plan.keys) : undefined;
    if (keyed !== undefined) work.push(stage.guarded('keyed', keyed.run(actor('keyed'))));
    if (decisions !== undefined) {
      work.push(stage.guarded('decisions', decisions.run(actor('decisions'))));
      const nodeId = plan.nodeIds[this.random.integer(plan.nodeIds.length)]!;
      work.push(stage.guarded('observer', decisions.observe(nodeId, actor('observer'))));
    }
    void this.faults.run(this.random.fork('faults'));
    await time.advance(plan.faultsMs);
    this.faults.heal(this.random);
    await this.#mustServe();
    await stage.mustHappen('work does not come to its end', Promise.all(work), ENDING_MS_MAX);
    await this.#mustBeWhole();
    await streams.mustCatchUp((topic, partition) => this.#endOf(topic, partition));
    if (plan.scene.length > 0) await time.advance(settleMs());
    await stage.mustHappen('not everything could be read', this.#readAll(scene), READING_MS_MAX);
    if (keyed !== undefined)
      await stage.mustHappen('keys cannot be read', keyed.check(actor('end of keys')), READING_MS_MAX);
    if (decisions !== undefined)
      await stage.mustHappen('decisions cannot be read', decisions.check(actor('end')), READING_MS_MAX);
    stage.phase = 'over';
    // What members of groups had begun is over, too.
    await this.#mustBeWhole();
    watch.checkAll();
    this.#finish();
    await time.advance(0);
  }

  async #readAll(scene: Parameters<typeof startScene>[0]): Promise<void> {
    const { stage } = this;
    if (!(await scanAll(stage, this.random.fork('scan'))))
      stage.history.anomaly('stuck', 'not all could be scanned');
    if (this.plan.scene.length > 0) await readScene(scene);
  }

  #finish(): void {
    for (const machine of this.machines.values()) machine.finish();
  }

  /** Every partition is led by a broker that is there and knows it. */
  async #mustServe(): Promise<void> {
    const fromMs = this.time.nowMs();
    const isServed = (): boolean => this.#unserved().length === 0;
    if (!(await this.time.runUntil(isServed, SERVING_MS_MAX))) {
      this.violation('stuck', `after ${SERVING_MS_MAX} ms nobody serves ${this.#unserved().join(', ')}`);
      await this.time.runUntil(isServed, WHOLE_MS_MAX);
    }
    this.#servingMs = this.time.nowMs() - fromMs;
  }

  #unserved(): string[] {
    const unserved: string[] = [];
    for (const { name, partitions } of this.watch.truth.topics.values()) {
      for (const state of partitions) {
        const { partition, leader, leaderEpoch } = state;
        const machine = this.machines.get(leader);
        const held = machine?.broker?.services.partitions.get(name, partition);
        const isServed = held?.isLeader === true && held.leaderEpoch === leaderEpoch;
        if (!isServed) unserved.push(`${name}-${partition} ${JSON.stringify(state)}`);
      }
    }
    return unserved;
  }

  #endOf(topic: string, partition: number): number {
    const leader = this.machines.get(this.watch.truth.partition(topic, partition)?.leader ?? -1);
    return leader?.broker?.services.partitions.get(topic, partition)?.highWatermark ?? Infinity;
  }

  /** All replicas are in sync, and have the same; and nobody is still on its way out, to take replicas along later. */
  async #mustBeWhole(): Promise<void> {
    if (await this.time.runUntil(() => this.#different().length === 0, WHOLE_MS_MAX)) return;
    this.violation('stuck', `after ${WHOLE_MS_MAX} ms not in sync: ${this.#different().join(', ')}`);
  }

  #different(): string[] {
    const different = [...this.machines.values()]
      .filter(({ isWell }) => !isWell)
      .map(({ nodeId }) => `${nodeId} is not there`);
    for (const { name, partitions } of this.watch.truth.topics.values()) {
      for (const { partition, leader, isr, replicas, addingReplicas, removingReplicas } of partitions) {
        const all = replicas.map((id) =>
          this.machines.get(id)!.broker?.services.partitions.get(name, partition),
        );
        const end = all.find((one) => one?.isLeader === true)?.logEndOffset ?? -1;
        const isSame = all.every((one) => one?.logEndOffset === end && one.highWatermark === end);
        const isMoving = addingReplicas.length + removingReplicas.length > 0;
        if (leader >= 0 && isr.length === replicas.length && isSame && !isMoving) continue;
        const ends = all.map(
          (one) =>
            `${one?.nodeId}: ${one?.highWatermark} of ${one?.logEndOffset} in epoch ${one?.leaderEpoch}`,
        );
        const state = JSON.stringify({ leader, isr, replicas });
        different.push(`${name}-${partition}: ${state} (${ends.join(', ')})`);
      }
    }
    return different;
  }

  #anyNode(): number {
    return this.plan.nodeIds[0]!;
  }

  #anyLeader(random: SimulatedRandom): number {
    const states = [...this.watch.truth.topics.values()].flatMap(({ partitions }) => partitions);
    return states[random.integer(states.length)]?.leader ?? -1;
  }

  report(): ClusterReport {
    const { stage, plan, watch, journal } = this;
    const verdict = checkHistory(journal.lines);
    const atMs = Math.round(this.time.nowMs());
    const told = [...stage.history.anomalies, ...verdict.anomalies.map((one) => ({ ...one, atMs }))];
    const { uncleanElections, lastLeaderElections, elections } = watch;
    // What an unclean election takes is lost, and counted.
    const isLost = ({ kind }: Anomaly): boolean =>
      plan.isUnclean && uncleanElections > 0 && !LIVENESS.has(kind);
    const { sent, acked, seen } = stage.history.counts;
    const { committed, aborted, unknown } = verdict.counts;
    return {
      seed: this.seed,
      traceHash: this.time.traceHash(),
      plan: describePlan(plan),
      anomalies: [...this.#violations, ...told.filter((one) => !isLost(one))],
      virtualMs: this.time.nowMs(),
      lives: stage.life,
      faults: this.faults.counts,
      counts: {
        sent: sent + verdict.counts.sent,
        acked,
        seen: seen + verdict.counts.seen,
        committed,
        aborted,
        unknown,
        elections,
        uncleanElections,
        lastLeaderElections,
        lost: told.filter(isLost).length,
        events: this.#events,
        servingMs: Math.round(this.#servingMs),
      },
      answers: stage.answers,
    };
  }
}

/**
 * `node drive.ts PLAN`: runs a cluster with its clients through faults, on hosts that are there already (network.ts); it runs
 * on the clients' host itself. Says what it does line by line, and writes what it found as JSON beside the histories.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import { until } from '../interop/until.ts';
import { checkHistory } from '../workload/checks.ts';
import type { Anomaly } from '../workload/facts.ts';
import { readHistory } from '../workload/history.ts';
import { Acknowledgements, nowUs } from './acknowledgements.ts';
import { Clients, FLOWS, type Library, TRANSACTION_TIMEOUTS_MS } from './clients.ts';
import { Cluster } from './cluster.ts';
import { type Fault, oneOf, type World } from './fault.ts';
import { FAULTS } from './kinds.ts';
import { Drops, type Host } from './network.ts';
import { Stalls } from './stalls.ts';

/** G12: after the end of a fault every partition is written again within this time. */
const SERVING_MS_MAX = 10_000;
/** So long is waited for it, to tell late from never. */
const WAIT_MS_MAX = 90_000;
const EXPIRY_INTERVAL_MS = 500;
/** A write may stay unread as long as another transaction is open before it; the rest is for clients that wait. */
const LAG_MS_MAX = Math.max(...TRANSACTION_TIMEOUTS_MS) + EXPIRY_INTERVAL_MS + 20_000;

export interface Plan {
  readonly seed: string;
  readonly seconds: number;
  readonly pauseMs: number;
  readonly sessionMs: number;
  /** Between two rounds of faults. */
  readonly restMsMax: number;
  /** Kinds of faults that take part. */
  readonly kinds: readonly string[];
  /** In the end each broker in turn is the only one, and everything is read from it. */
  readonly isEachReplicaRead: boolean;
  readonly folder: string;
  readonly brokers: readonly Host[];
  readonly stores: readonly Host[];
  readonly client: Host;
  readonly etcd: string;
  readonly libraries: readonly Library[];
  readonly java?: string | undefined;
  readonly python?: string | undefined;
  readonly clockLibrary?: string | undefined;
}

/** What one fault, or two together, did to the writes of each partition. */
export interface Round {
  readonly kinds: readonly string[];
  /** By partition: from the fault to the first acknowledgement of a write begun after it. */
  readonly firstMs: readonly number[];
  /** By partition: the longest time without an acknowledgement, from the fault until all is well. */
  readonly gapMs: readonly number[];
  /** By partition: from the end of the fault to the first acknowledgement. */
  readonly healedMs: readonly number[];
  /** From the end of the fault until all brokers were up. */
  readonly startMs: number;
  /** From the end of the fault until all replicas are in sync. */
  readonly inSyncMs: number | undefined;
}

export interface Outcome {
  readonly rounds: readonly Round[];
  readonly anomalies: readonly Anomaly[];
  readonly counts: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  readonly seconds: number;
  /** How long the machine kept this process from running, in all. */
  readonly stalledMs: number;
}

const plan = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Plan;
const startedMs = performance.now();

function say(what: string): void {
  process.stdout.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} ${what}\n`);
}

interface Span {
  readonly kinds: readonly string[];
  readonly beganUs: number;
  readonly endedUs: number;
}

class Drive {
  readonly #random = new SimulatedRandom(`faults ${plan.seed}`);
  readonly #rounds: Round[] = [];
  readonly #anomalies: Anomaly[] = [];
  readonly #cluster: Cluster;
  readonly #clients: Clients;
  readonly #world: World;
  readonly #acknowledgements: Acknowledgements;
  readonly #stalls = new Stalls();

  constructor() {
    const { brokers, stores, folder, etcd, clockLibrary, sessionMs, client, pauseMs } = plan;
    const { libraries, java, python } = plan;
    const settings = {
      'default.replication.factor': '3',
      'min.insync.replicas': '2',
      'broker.session.timeout.ms': String(sessionMs),
      'broker.heartbeat.interval.ms': String(Math.floor(sessionMs / 4)),
      'replica.lag.time.max.ms': String(sessionMs),
      'offsets.topic.num.partitions': '6',
      'transaction.state.log.num.partitions': '6',
      'log.segment.bytes': String(1024 * 1024),
      'group.initial.rebalance.delay.ms': '0',
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': String(EXPIRY_INTERVAL_MS),
      // Nothing may be deleted by age, though the clocks go wrong by weeks.
      'log.retention.ms': '-1',
    };
    this.#cluster = new Cluster({ brokers, stores, folder, etcd, clockLibrary, settings });
    this.#clients = new Clients({
      cluster: this.#cluster,
      folder,
      random: this.#random.fork('clients'),
      pauseMs,
      libraries,
      java,
      python,
      say,
    });
    this.#acknowledgements = new Acknowledgements(() => this.#clients.paths);
    this.#world = {
      cluster: this.#cluster,
      drops: new Drops([...brokers, ...stores, client]),
      clientHost: client,
      clients: this.#clients,
      sessionMs,
      held: new Set(),
      spoilt: new Set(),
      say,
    };
  }

  async run(): Promise<Outcome> {
    try {
      await this.#cluster.start();
      say('the cluster runs');
      await this.#clients.start();
      const sinceUs = nowUs();
      await this.#recovered({ kinds: [], beganUs: sinceUs, endedUs: sinceUs });
      say(`the clients run; faults for ${plan.seconds} s`);
      await this.#injectFaults(performance.now() + plan.seconds * 1000);
      return await this.#judge();
    } finally {
      this.#clients.close();
      await this.#cluster.end();
    }
  }

  async #injectFaults(endMs: number): Promise<void> {
    const random = this.#random.fork('faults');
    // Each kind once before any comes a second time, so that a short run has them all.
    let bag: string[] = [];
    const next = (): string => {
      if (bag.length === 0) bag = [...plan.kinds];
      const kind = oneOf(random, bag);
      bag.splice(bag.indexOf(kind), 1);
      return kind;
    };
    while (performance.now() < endMs) {
      const kinds = [next()];
      if (random.chance(0.35)) kinds.push(next());
      await this.#round(kinds, random.fork(kinds.join()));
      await delay(random.integer(plan.restMsMax));
    }
  }

  async #round(wanted: readonly string[], random: SimulatedRandom): Promise<void> {
    const { held, spoilt } = this.#world;
    const faults: { readonly kind: string; readonly fault: Fault }[] = [];
    for (const kind of wanted) {
      const fault = FAULTS[kind]!(this.#world, random);
      if (fault === undefined) continue;
      for (const broker of fault.holds ?? []) held.add(broker);
      faults.push({ kind, fault });
    }
    if (faults.length === 0) return;
    const kinds = faults.map(({ kind }) => kind);
    this.#note('down', kinds);
    this.#clients.changeConfig();
    const beganUs = nowUs();
    await Promise.all(
      faults.map(async ({ kind, fault }, index) => {
        // The second one comes while the first one is at work.
        if (index > 0) await delay(random.integer(2_000));
        say(`${kind}: ${fault.what}, for ${fault.holdMs} ms`);
        try {
          await fault.begin();
          await delay(fault.holdMs);
          await fault.end();
        } catch (error) {
          this.#anomaly('fault-failed', `${kind}: ${String(error)}`);
        }
        say(`${kind} is over`);
      }),
    );
    held.clear();
    spoilt.clear();
    await this.#recovered({ kinds, beganUs, endedUs: nowUs() });
    this.#note('up', kinds);
  }

  /** Waits until everything is written again and all replicas are in sync, and notes how long each took. */
  async #recovered({ kinds, beganUs, endedUs }: Span): Promise<void> {
    const acknowledgements = this.#acknowledgements;
    const stalledMs = this.#stalls.totalMs;
    const first = (key: string, isNew: boolean): number | undefined =>
      acknowledgements.firstAfter(key, { sinceUs: isNew ? beganUs : endedUs, isNew });
    let inSyncMs: number | undefined;
    do {
      await delay(100);
      acknowledgements.refresh();
      inSyncMs ??= await this.#whenInSync(endedUs);
      const isWritten = FLOWS.every(
        (key) => first(key, false) !== undefined && first(key, true) !== undefined,
      );
      if (isWritten && inSyncMs !== undefined) break;
    } while (nowUs() - endedUs < WAIT_MS_MAX * 1000);
    const readyUs = Math.max(
      endedUs,
      ...this.#cluster.brokers.map(({ service }) => service.readyAtUs ?? Infinity),
    );
    const afterMs = (sinceUs: number, key: string, isNew: boolean): number =>
      Math.max(0, ((first(key, isNew) ?? sinceUs + WAIT_MS_MAX * 1000) - sinceUs) / 1000);
    const round: Round = {
      kinds,
      firstMs: FLOWS.map((key) => afterMs(beganUs, key, true)),
      gapMs: FLOWS.map(
        (key) => acknowledgements.longestGapUs(key, { fromUs: beganUs, toUs: nowUs() }) / 1000,
      ),
      healedMs: FLOWS.map((key) => afterMs(endedUs, key, false)),
      startMs: (readyUs - endedUs) / 1000,
      inSyncMs,
    };
    this.#judgeRound(round, { readyUs, endedUs, stalledMs: this.#stalls.totalMs - stalledMs });
    if (kinds.length > 0) this.#rounds.push(round);
    const shown = (values: readonly number[]): string => `${Math.round(Math.max(...values))} ms`;
    say(
      `  longest: first write ${shown(round.firstMs)}, gap ${shown(round.gapMs)}, after the end ${shown(round.healedMs)}; ` +
        `ready ${shown([round.startMs])}, in sync ${shown([inSyncMs ?? Infinity])}; ` +
        `${acknowledgements.records} records so far`,
    );
    if (inSyncMs === undefined)
      this.#anomaly('not-in-sync', `after ${kinds.join(' and ')}: ${await this.#outOfSync()}`);
  }

  /** G12, counted from when all brokers are up again; what this process itself was kept from running does not count. */
  #judgeRound(
    { kinds, healedMs, startMs }: Round,
    { readyUs, endedUs, stalledMs }: { readyUs: number; endedUs: number; stalledMs: number },
  ): void {
    const what = `after ${kinds.join(' and ')} at ${Math.round(endedUs / 1000)} ms`;
    if (!Number.isFinite(readyUs)) this.#anomaly('not-starting', `a broker, ${what}`);
    for (const [index, key] of FLOWS.entries()) {
      const servingMs = healedMs[index]! - startMs;
      if (servingMs <= SERVING_MS_MAX + stalledMs) continue;
      this.#anomaly(
        'not-serving',
        `${key} ${what}: ${Math.round(servingMs)} ms, of it stalled ${Math.round(stalledMs)}`,
      );
    }
  }

  async #whenInSync(sinceUs: number): Promise<number | undefined> {
    // One that has just begun may be in the sets still, though its session is over.
    if (this.#cluster.brokers.some(({ service }) => service.readyAtUs === undefined)) return undefined;
    const partitions = await this.#cluster.partitions();
    if (partitions === undefined || partitions.length === 0) return undefined;
    const isWhole = partitions.every(
      ({ inSync, replicas, leader }) => leader >= 0 && inSync.length === replicas.length,
    );
    return isWhole ? (nowUs() - sinceUs) / 1000 : undefined;
  }

  async #outOfSync(): Promise<string> {
    const partitions = (await this.#cluster.partitions()) ?? [];
    return partitions
      .filter(({ inSync, replicas }) => inSync.length < replicas.length)
      .map(({ topic, partition, leader, inSync }) => `${topic}-${partition} ${leader}[${inSync.join()}]`)
      .join(' ');
  }

  async #judge(): Promise<Outcome> {
    say('no more faults');
    for (const one of await this.#clients.stopWriters()) this.#anomaly('stuck-client', one);
    await this.#clients.settle();
    for (const one of await this.#clients.stopObserver()) this.#anomaly('stuck-client', one);
    const lostConfig = await this.#clients.lostConfig();
    if (lostConfig !== undefined) this.#anomaly('lost-config', lostConfig);
    await this.#clients.readToTheEnd('after the faults');
    for (const { service } of this.#cluster.brokers) await service.kill();
    const ready = await Promise.all(this.#cluster.brokers.map(({ service }) => service.start()));
    if (ready.includes(false)) this.#anomaly('not-starting', 'a broker does not start after SIGKILL of all');
    await this.#clients.settle();
    await this.#clients.readToTheEnd('after SIGKILL of all');
    if (plan.isEachReplicaRead) await this.#readEachReplica();
    this.#clients.note({ process: 'observer', f: 'complete', type: 'ok' });
    this.#acknowledgements.refresh();
    say('everything is read; checking the history');
    const lagMsMax = LAG_MS_MAX + this.#stalls.totalMs;
    const { anomalies, counts } = checkHistory(await readHistory(this.#clients.paths), { lagMsMax });
    return {
      rounds: this.#rounds,
      anomalies: [...this.#anomalies, ...anomalies],
      counts,
      acknowledged: this.#acknowledgements.records,
      seconds: Math.round((performance.now() - startedMs) / 1000),
      stalledMs: this.#stalls.totalMs,
    };
  }

  /** Each broker in turn is the only one that can lead, and is read from. */
  async #readEachReplica(): Promise<void> {
    const { brokers } = this.#cluster;
    for (const only of brokers) {
      const others = brokers.filter((one) => one !== only);
      const isInSync = async (): Promise<boolean> => (await this.#whenInSync(0)) !== undefined;
      await until('all replicas are in sync', isInSync, { timeoutMs: WAIT_MS_MAX }).catch((error: unknown) =>
        this.#anomaly('not-in-sync', String(error)),
      );
      for (const { service } of others) await service.kill();
      const leads = async (): Promise<boolean> =>
        ((await this.#cluster.partitions()) ?? []).every(({ leader }) => leader === only.id);
      await until(`broker ${only.id} leads all`, leads, { timeoutMs: WAIT_MS_MAX }).catch((error: unknown) =>
        this.#anomaly('not-leading', String(error)),
      );
      say(`broker ${only.id} alone`);
      await this.#clients
        .readToTheEnd(`of broker ${only.id} alone`)
        .catch((error: unknown) => this.#anomaly('unreadable', `broker ${only.id} alone: ${String(error)}`));
      for (const { service } of others) void service.start();
    }
  }

  #anomaly(kind: string, what: string): void {
    say(`ANOMALY ${kind}: ${what}`);
    this.#anomalies.push({ kind, what });
  }

  #note(what: 'down' | 'up', kinds: readonly string[]): void {
    this.#clients.note({ process: 'nemesis', f: 'fault', type: 'ok', what, how: kinds.join() });
  }
}

process.on('SIGTERM', () => process.exit(143));
process.on('SIGINT', () => process.exit(130));
const outcome = await new Drive().run();
writeFileSync(join(plan.folder, 'outcome.json'), JSON.stringify(outcome));
process.exit(0);

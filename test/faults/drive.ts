/**
 * `node drive.ts PLAN`: runs a cluster with its clients through faults, on hosts that are there already (network.ts); it runs
 * on the clients' host itself. Says what it does line by line, and writes what it found as JSON beside the histories.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import { checkHistory } from '../workload/checks.ts';
import type { Anomaly } from '../workload/facts.ts';
import { readHistory } from '../workload/history.ts';
import { Acknowledgements, nowUs } from './acknowledgements.ts';
import { Clients, FLOWS } from './clients.ts';
import { Cluster } from './cluster.ts';
import { type Fault, oneOf, type World } from './fault.ts';
import { FAULTS } from './kinds.ts';
import { Drops, type Host } from './network.ts';

/** G12: after the end of a fault every partition is written again within this time. */
const SERVING_MS_MAX = 10_000;
/** So long is waited for it, to tell late from never. */
const WAIT_MS_MAX = 90_000;
const REST_MS_MAX = 2_000;
const EXPIRY_INTERVAL_MS = 500;

export interface Plan {
  readonly seed: string;
  readonly seconds: number;
  readonly pauseMs: number;
  readonly sessionMs: number;
  /** Kinds of faults that take part. */
  readonly kinds: readonly string[];
  readonly folder: string;
  readonly brokers: readonly Host[];
  readonly stores: readonly Host[];
  readonly client: Host;
  readonly etcd: string;
  readonly java: string;
  readonly python: string;
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
  /** From the end of the fault until all replicas are in sync. */
  readonly inSyncMs: number | undefined;
}

export interface Outcome {
  readonly rounds: readonly Round[];
  readonly anomalies: readonly Anomaly[];
  readonly counts: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  readonly seconds: number;
}

const plan = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Plan;
const startedMs = performance.now();

function say(what: string): void {
  process.stdout.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} ${what}\n`);
}

class Drive {
  readonly #random = new SimulatedRandom(`faults ${plan.seed}`);
  readonly #rounds: Round[] = [];
  readonly #anomalies: Anomaly[] = [];
  readonly #cluster: Cluster;
  readonly #clients: Clients;
  readonly #world: World;
  readonly #acknowledgements: Acknowledgements;

  constructor() {
    const { brokers, stores, folder, etcd, clockLibrary, sessionMs, client, pauseMs, java, python } = plan;
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
      say,
    };
  }

  async run(): Promise<Outcome> {
    try {
      await this.#cluster.start();
      say('the cluster runs');
      await this.#clients.start();
      await this.#recovered(nowUs(), []);
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
      await delay(random.integer(REST_MS_MAX));
    }
  }

  async #round(wanted: readonly string[], random: SimulatedRandom): Promise<void> {
    const { held } = this.#world;
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
    const beganUs = nowUs();
    await Promise.all(
      faults.map(async ({ kind, fault }, index) => {
        // The second one comes while the first one is at work.
        if (index > 0) await delay(random.integer(2_000));
        say(`${kind}: ${fault.what}, for ${fault.holdMs} ms`);
        await fault.begin();
        await delay(fault.holdMs);
        await fault.end();
        say(`${kind} is over`);
      }),
    );
    const endedUs = nowUs();
    this.#note('up', kinds);
    held.clear();
    await this.#recovered(endedUs, kinds, beganUs);
  }

  /** Waits until everything is written again and all replicas are in sync, and notes how long each took. */
  async #recovered(endedUs: number, kinds: readonly string[], beganUs?: number): Promise<void> {
    const acknowledgements = this.#acknowledgements;
    const since = (atUs: number | undefined): number =>
      atUs === undefined ? Infinity : (atUs - endedUs) / 1000;
    let inSyncMs: number | undefined;
    let healedMs: number[] = [];
    for (;;) {
      await delay(100);
      acknowledgements.refresh();
      healedMs = FLOWS.map((key) =>
        since(acknowledgements.firstAfter(key, { sinceUs: endedUs, isNew: false })),
      );
      inSyncMs ??= await this.#whenInSync(endedUs);
      const hasBegunAnew = (key: string): boolean =>
        acknowledgements.firstAfter(key, { sinceUs: beganUs ?? endedUs, isNew: true }) !== undefined;
      if (healedMs.every(Number.isFinite) && inSyncMs !== undefined && FLOWS.every(hasBegunAnew)) break;
      if (since(nowUs()) > WAIT_MS_MAX) break;
    }
    const late = FLOWS.filter((_, index) => healedMs[index]! > SERVING_MS_MAX);
    if (kinds.length === 0) {
      if (late.length > 0) throw new Error(`nothing is written at all: ${late.join()}`);
      return;
    }
    const what = `after ${kinds.join(' and ')} at ${Math.round(endedUs / 1000)} ms`;
    for (const key of late) {
      this.#anomaly('not-serving', `${key} ${what}: ${Math.round(healedMs[FLOWS.indexOf(key)]!)} ms`);
    }
    if (inSyncMs === undefined) {
      this.#anomaly('not-in-sync', `${what}: ${await this.#outOfSync()}`);
    }
    const window = { fromUs: beganUs!, toUs: nowUs() };
    const round: Round = {
      kinds,
      firstMs: FLOWS.map((key) => {
        const first = acknowledgements.firstAfter(key, { sinceUs: beganUs!, isNew: true });
        return first === undefined ? WAIT_MS_MAX : (first - beganUs!) / 1000;
      }),
      gapMs: FLOWS.map((key) => acknowledgements.longestGapUs(key, window) / 1000),
      healedMs,
      inSyncMs,
    };
    this.#rounds.push(round);
    const shown = (values: readonly number[]): string => `${Math.round(Math.max(...values))} ms`;
    say(
      `  longest: first write ${shown(round.firstMs)}, gap ${shown(round.gapMs)}, after the end ${shown(healedMs)}, ` +
        `in sync ${inSyncMs === undefined ? 'never' : shown([inSyncMs])}; ${acknowledgements.records} records so far`,
    );
  }

  async #whenInSync(sinceUs: number): Promise<number | undefined> {
    // One that has just begun may be in the sets still, though its session is over.
    if (!this.#cluster.brokers.every(({ service }) => service.isReady)) return undefined;
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
    await this.#clients.readToTheEnd('after the faults');
    for (const { service } of this.#cluster.brokers) await service.kill();
    const ready = await Promise.all(this.#cluster.brokers.map(({ service }) => service.start()));
    if (ready.includes(false)) this.#anomaly('not-starting', 'a broker does not start after SIGKILL of all');
    await this.#clients.settle();
    await this.#clients.readToTheEnd('after SIGKILL of all');
    this.#clients.note({ process: 'observer', f: 'complete', type: 'ok' });
    this.#acknowledgements.refresh();
    say('everything is read; checking the history');
    const { anomalies, counts } = checkHistory(await readHistory(this.#clients.paths));
    return {
      rounds: this.#rounds,
      anomalies: [...this.#anomalies, ...anomalies],
      counts,
      acknowledged: this.#acknowledgements.records,
      seconds: Math.round((performance.now() - startedMs) / 1000),
    };
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

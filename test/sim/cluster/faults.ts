/** What goes wrong in a simulated cluster: with brokers, their machines, the network and the metadata store. */
import type { MemoryStoreServer } from '../../../src/metadata/memory-store.ts';
import type { SimulatedProcess } from '../../../src/runtime/simulated-clock.ts';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Ending } from '../broker-host.ts';
import type { Stage } from '../stage.ts';
import type { Machine } from './machine.ts';

export const FAULT_KINDS = [
  'kill',
  'kill all',
  'kill at operation',
  'power',
  'power all',
  'power at operation',
  'stop',
  'pause',
  'isolate',
  'one way',
  'apart',
  'client and leader',
  'reset',
  'slow network',
  'store away',
  'store stands still',
  'store forgets',
  'watch lag',
  'lost answers',
  'session',
  'late sessions',
  'full',
  'broken',
  'clock',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/**
 * Those that end with a machine's power, or may, and those that make a log directory fail: others must not count on what
 * is there then, as if its power had gone.
 */
const POWER_FAULTS: ReadonlySet<FaultKind> = new Set(['power', 'power at operation', 'broken', 'full']);

/** Of everything that goes over the network, changed while the world runs. */
export interface Latency {
  min: number;
  max: number;
}

export interface FaultsOptions {
  readonly kinds: readonly FaultKind[];
  readonly pauseMs: number;
  /** The longest of the faults that last. */
  readonly lastsMs: number;
  readonly machines: readonly Machine[];
  readonly store: MemoryStoreServer;
  /** The store's own process. */
  readonly storeProcess: SimulatedProcess;
  readonly latency: Latency;
  readonly clientHosts: readonly string[];
  readonly clockErrorMsMax: number;
  /** Whose power may go, or directory fail: fewer machines than hold every record, where records are not on the disk. */
  readonly losingPower: ReadonlySet<number>;
  readonly leaderOf: (random: SimulatedRandom) => number;
}

export class ClusterFaults {
  readonly counts: Record<string, number> = {};
  readonly #stage: Stage;
  readonly #options: FaultsOptions;
  readonly #usualLatencyMs: number;
  #isOver = false;
  /** They met a full disk: only a restart brings them back. */
  readonly #mustRestart = new Set<Machine>();

  constructor(stage: Stage, options: FaultsOptions) {
    this.#stage = stage;
    this.#options = options;
    this.#usualLatencyMs = options.latency.max;
  }

  /** Until all is healed. */
  async run(random: SimulatedRandom): Promise<void> {
    const { kinds, pauseMs } = this.#options;
    while (!this.#isOver && kinds.length > 0) {
      await this.#stage.sleep(random.between(5, 2 * pauseMs));
      if (this.#isOver) return;
      const kind = kinds[random.integer(kinds.length)]!;
      if (this.#inject(kind, random)) this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    }
  }

  heal(random: SimulatedRandom): void {
    const { machines, store, storeProcess, latency } = this.#options;
    this.#isOver = true;
    if (storeProcess.isPaused) storeProcess.resume();
    store.faults.indeterminate = 0;
    store.faults.sessionsLateMs = 0;
    store.faults.watchLagMs = { min: 0, max: 5 };
    latency.max = this.#usualLatencyMs;
    this.#stage.network.heal();
    for (const machine of machines) {
      machine.isFull = false;
      machine.cancelDeath();
      machine.setReachable(true);
      if (machine.ports.process.isPaused) machine.ports.process.resume();
      if (machine.isBroken) machine.end('power cut', 100);
    }
    for (const machine of this.#mustRestart) machine.end('kill', random.between(100, 500));
    this.#stage.phase = 'drain';
  }

  #later(act: () => void, random: SimulatedRandom, atLeastMs = 50): void {
    this.#stage.time.schedule(random.between(atLeastMs, this.#options.lastsMs), () => {
      if (!this.#isOver) act();
    });
  }

  /** False: there was nobody that it could happen to. */
  #inject(kind: FaultKind, random: SimulatedRandom): boolean {
    const { machines, losingPower } = this.#options;
    const possible = POWER_FAULTS.has(kind)
      ? machines.filter(({ nodeId }) => losingPower.has(nodeId))
      : machines;
    const machine = possible[random.integer(possible.length)];
    if (machine === undefined) return false;
    return (
      this.#injectEnding(kind, machine, random) ||
      this.#injectNetwork(kind, machine, random) ||
      this.#injectStore(kind, machine, random) ||
      this.#injectMachine(kind, machine, random)
    );
  }

  #injectEnding(kind: FaultKind, machine: Machine, random: SimulatedRandom): boolean {
    const { machines, lastsMs, losingPower } = this.#options;
    const pauseMs = (): number => random.between(100, lastsMs);
    const stop: Ending = random.chance(0.5) && losingPower.has(machine.nodeId) ? 'stop and cut' : 'stop';
    const endings: Partial<Record<FaultKind, Ending>> = { kill: 'kill', power: 'power cut', stop };
    const ending = endings[kind];
    if (ending !== undefined) machine.end(ending, pauseMs());
    else if (kind === 'kill all') for (const one of machines) one.end('kill', pauseMs());
    else if (kind === 'power all') for (const one of machines) one.end('power cut', pauseMs());
    else if (kind === 'kill at operation' || kind === 'power at operation') {
      machine.dieAtOperation(
        random.between(1, random.chance(0.5) ? 10 : 100),
        kind === 'kill at operation' ? 'kill' : 'power cut',
      );
    } else return false;
    return true;
  }

  #injectNetwork(kind: FaultKind, machine: Machine, random: SimulatedRandom): boolean {
    const { machines, clientHosts, latency, leaderOf } = this.#options;
    const { network } = this.#stage;
    const cut = (pairs: readonly (readonly [string, string])[]): void => {
      for (const [from, to] of pairs) network.block(from, to);
      this.#later(() => {
        for (const [from, to] of pairs) network.unblock(from, to);
      }, random);
    };
    const { host } = machine;
    const others = machines.filter((one) => one !== machine);
    const other = others[random.integer(others.length)]!;
    const both = (a: string, b: string): [string, string][] => [
      [a, b],
      [b, a],
    ];
    if (kind === 'isolate') {
      const clients = random.chance(0.5) ? clientHosts : [];
      cut([...others.map((one) => one.host), ...clients].flatMap((away) => both(host, away)));
      if (random.chance(0.5)) this.#cutFromStore(machine, random);
    } else if (kind === 'one way') cut([random.chance(0.5) ? [host, other.host] : [other.host, host]]);
    // With a third broker that both reach.
    else if (kind === 'apart') cut(both(host, other.host));
    else if (kind === 'client and leader') {
      const leader = machines.find(({ nodeId }) => nodeId === leaderOf(random))?.host ?? host;
      const client = clientHosts[random.integer(clientHosts.length)]!;
      cut(random.chance(0.5) ? both(leader, client) : [[leader, client]]);
    } else if (kind === 'reset') {
      for (const away of [...clientHosts, ...others.map((one) => one.host)])
        if (random.chance(0.5)) network.reset(host, away);
    } else if (kind === 'slow network') {
      latency.max = random.between(50, 300);
      this.#later(() => (latency.max = this.#usualLatencyMs), random);
    } else return false;
    return true;
  }

  #cutFromStore(machine: Machine, random: SimulatedRandom): void {
    machine.setReachable(false);
    this.#later(() => machine.setReachable(true), random);
  }

  #injectStore(kind: FaultKind, machine: Machine, random: SimulatedRandom): boolean {
    const { store, storeProcess } = this.#options;
    const { faults } = store;
    if (kind === 'store away') this.#cutFromStore(machine, random);
    else if (kind === 'store stands still') {
      if (storeProcess.isPaused) return false;
      storeProcess.pause();
      this.#later(() => storeProcess.resume(), random);
    } else if (kind === 'store forgets') store.compact(store.keyspace.revision);
    else if (kind === 'watch lag') {
      faults.watchLagMs = { min: 0, max: random.between(50, 1_500) };
      this.#later(() => (faults.watchLagMs = { min: 0, max: 5 }), random);
    } else if (kind === 'lost answers') {
      faults.indeterminate = 0.1 + 0.4 * random.float();
      this.#later(() => (faults.indeterminate = 0), random);
    } else if (kind === 'session') {
      const ids = store.sessionIds();
      if (ids.length === 0) return false;
      store.expireSession(ids[random.integer(ids.length)]!);
    } else if (kind === 'late sessions') {
      faults.sessionsLateMs = random.between(100, 2_000);
      this.#later(() => (faults.sessionsLateMs = 0), random);
    } else return false;
    return true;
  }

  #injectMachine(kind: FaultKind, machine: Machine, random: SimulatedRandom): boolean {
    const { clockErrorMsMax } = this.#options;
    if (kind === 'pause') {
      const { process } = machine.ports;
      process.pause();
      this.#later(() => process.resume(), random);
    } else if (kind === 'full') {
      machine.isFull = true;
      this.#mustRestart.add(machine);
      this.#later(() => {
        machine.isFull = false;
        this.#mustRestart.delete(machine);
        machine.end('kill', random.between(100, 500));
      }, random);
    } else if (kind === 'broken') {
      machine.isBroken = true;
      this.#later(() => machine.end('power cut', random.between(100, 1_000)), random);
    } else if (kind === 'clock') {
      const { process, clock } = machine.ports;
      const errorMs = clock.nowMs() - Math.floor(this.#stage.startMs + this.#stage.time.nowMs());
      process.jumpWallClock(random.between(-clockErrorMsMax, clockErrorMsMax) - errorMs);
    } else return false;
    return true;
  }
}

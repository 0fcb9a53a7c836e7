/** What goes wrong in a simulated world: faults of the broker's process, machine and network, at random times. */
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import type { BrokerHost, Ending } from './broker-host.ts';
import { BROKER_HOST, type Stage } from './stage.ts';

export const FAULT_KINDS = [
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
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Those that end with the machine's power, or may; a stop may when the broker is still starting. */
export const POWER_FAULTS: ReadonlySet<FaultKind> = new Set([
  'power',
  'stop',
  'power at operation',
  'full',
  'broken',
  'directory',
]);

/** How a broker that died of one of these may die again while it starts. */
export function relapsesOf(faults: readonly FaultKind[]): readonly Ending[] {
  return [
    ...(faults.includes('kill at operation') ? (['kill'] as const) : []),
    ...(faults.includes('power at operation') ? (['power cut'] as const) : []),
  ];
}

export interface FaultsOptions {
  readonly kinds: readonly FaultKind[];
  readonly pauseMs: number;
  /** Those whose connections break, and from or to whom nothing gets through for a while. */
  readonly clientHosts: readonly string[];
  /**
   * How far the broker's clock may be from the clients', which are right. It is the error that is bounded and not the
   * jump, because many jumps in one life of the broker would add up.
   */
  readonly clockErrorMsMax: number;
}

export class Faults {
  readonly counts: Record<string, number> = {};
  readonly #stage: Stage;
  readonly #host: BrokerHost;
  readonly #options: FaultsOptions;
  #isOver = false;
  /** The broker met a full disk: only a restart brings it back. */
  #mustRestart = false;

  constructor(stage: Stage, host: BrokerHost, options: FaultsOptions) {
    this.#stage = stage;
    this.#host = host;
    this.#options = options;
  }

  /** Until all is healed. */
  async run(random: SimulatedRandom): Promise<void> {
    const stage = this.#stage;
    const { kinds, pauseMs } = this.#options;
    // In most worlds the topics are there before the first fault.
    if (random.chance(0.7)) await stage.sleep(2_000);
    while (!this.#isOver && kinds.length > 0) {
      await stage.sleep(random.between(10, 2 * pauseMs));
      if (this.#isOver) return;
      const kind = kinds[random.integer(kinds.length)]!;
      this.counts[kind] = (this.counts[kind] ?? 0) + 1;
      this.#inject(kind, random);
    }
  }

  heal(random: SimulatedRandom): void {
    const host = this.#host;
    this.#isOver = true;
    host.isFull = false;
    if (host.brokenDirectory !== undefined) this.#mustRestart = true;
    host.brokenDirectory = undefined;
    host.slowness = 1;
    host.cancelDeath();
    if (host.ports.process.isPaused) host.ports.process.resume();
    this.#stage.network.heal();
    this.#operatorRestarts(random);
    this.#stage.phase = 'drain';
  }

  #inject(kind: FaultKind, random: SimulatedRandom): void {
    const host = this.#host;
    const stage = this.#stage;
    const { time } = stage;
    const { clientHosts, clockErrorMsMax } = this.#options;
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
      for (const client of clientHosts) if (random.chance(0.5)) stage.network.reset(BROKER_HOST, client);
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
      process.jumpWallClock(random.between(-clockErrorMsMax, clockErrorMsMax) - errorMs);
    } else if (kind === 'pause') {
      const { process } = host.ports;
      process.pause();
      later(random.between(50, 8_000), () => process.resume());
    } else {
      const client = clientHosts[random.integer(clientHosts.length)]!;
      const [from, to] = random.chance(0.5) ? [BROKER_HOST, client] : [client, BROKER_HOST];
      stage.network.block(from, to);
      later(random.between(100, 15_000), () => stage.network.unblock(from, to));
    }
  }

  #operatorRestarts(random: SimulatedRandom): void {
    if (!this.#mustRestart) return;
    this.#mustRestart = false;
    this.#host.end(random.chance(0.5) ? 'kill' : 'power cut', random.between(100, 1_000));
  }
}

/** The machine that the simulated broker runs on: its disk and its process, how they fail, and how it comes back. */
import { startBroker, type Broker, type BrokerOptions } from '../../src/broker/broker.ts';
import type { Logger } from '../../src/base/ports.ts';
import {
  SimulatedCrash,
  type DiskOperation,
  type SimulatedDiskOptions,
} from '../../src/runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../../src/runtime/simulated-ports.ts';
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import { BROKER_HOST, type Stage } from './stage.ts';

/** `stop`: a clean one. `stop and cut`: after it, the power goes as well. */
export type Ending = 'kill' | 'power cut' | 'stop' | 'stop and cut';

/** The slowest sync. */
const DISK_MS_MAX = 5_000;
const STOP_LIMIT_MS = 60_000;
type LogLimits = NonNullable<BrokerOptions['logLimits']>;

/** Longer than anything takes on the network: what the dead process had sent has arrived by then. */
const PAUSE_MS_MIN = 100;

export interface BrokerHostOptions {
  readonly seed: string;
  readonly random: SimulatedRandom;
  readonly configs: ReadonlyMap<string, string>;
  readonly logLimits: LogLimits;
  readonly relapses: readonly Ending[];
  readonly logger?: Logger;
}

export class BrokerHost {
  readonly stage: Stage;
  readonly #random: SimulatedRandom;
  readonly #configs: ReadonlyMap<string, string>;
  readonly #logLimits: LogLimits;
  /** How it may die again while it starts. */
  readonly #relapses: readonly Ending[];
  ports: SimulatedPorts;
  broker: Broker | undefined;
  /** Writes find no room. */
  isFull = false;
  /** A log directory that fails whatever is asked of it. */
  brokenDirectory: string | undefined;
  /** Syncs fail. */
  isBroken = false;
  /** Syncs and reads take this many times as long. */
  slowness = 1;
  readonly endings: Ending[] = [];
  /** In this life a write or a sync failed: a clean stop cannot promise anything then. */
  #wasSick = false;
  #hasDroppedPages = false;
  /** A later call to restart is that of another life. */
  #isDown = true;
  #deathAt: { operation: number; how: Ending } | undefined;

  constructor(stage: Stage, options: BrokerHostOptions) {
    this.stage = stage;
    this.#logLimits = options.logLimits;
    this.#relapses = options.relapses;
    this.#random = options.random;
    this.#configs = options.configs;
    const { seed, logger } = options;
    this.ports = simulatedPorts({
      seed,
      host: BROKER_HOST,
      time: stage.time,
      network: stage.network,
      disk: this.#diskOptions(),
      ...(logger === undefined ? {} : { logger }),
    });
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  start(): void {
    this.stage.life += 1;
    this.#isDown = false;
    const { ports } = this;
    startBroker({ ports, configs: this.#configs, logLimits: this.#logLimits }).then(
      (broker) => {
        if (this.ports === ports && !this.#isDown) this.broker = broker;
      },
      (error: unknown) => {
        if (this.ports !== ports || this.#isDown || error instanceof SimulatedCrash) return;
        if (!this.#isSick)
          this.stage.history.anomaly('broker does not start', String((error as Error).stack));
        this.end('kill', this.#random.between(PAUSE_MS_MIN, 3_000));
      },
    );
  }

  /** Dies at the n-th change of its disk from now on. */
  dieAtOperation(count: number, how: Ending): void {
    this.#deathAt = { operation: this.ports.disk.operations + count, how };
  }

  get #isSick(): boolean {
    return this.#wasSick || this.isFull || this.isBroken || this.brokenDirectory !== undefined;
  }

  cancelDeath(): void {
    this.#deathAt = undefined;
  }

  /** Ends now, and comes back after the pause. */
  end(how: Ending, pauseMs: number): void {
    if (this.#isDown) return;
    const { broker } = this;
    if (how === 'kill' || how === 'power cut' || broker === undefined) {
      this.#die(how === 'stop' ? 'kill' : how === 'stop and cut' ? 'power cut' : how, pauseMs);
      return;
    }
    const { ports } = this;
    const late = this.stage.time.schedule(STOP_LIMIT_MS, () => {
      if (this.ports !== ports || this.#isDown) return;
      if (!this.#isSick && this.slowness === 1) this.stage.history.anomaly('broker does not stop', how);
      this.#die('kill', pauseMs);
    });
    broker.stop().then(
      () => {
        late.cancel();
        if (this.ports === ports && !this.#isDown) this.#die(how, pauseMs);
      },
      (error: unknown) => {
        late.cancel();
        if (this.ports !== ports || this.#isDown) return;
        if (!this.#isSick) this.stage.history.anomaly('broker does not stop', String((error as Error).stack));
        this.#die('kill', pauseMs);
      },
    );
  }

  #die(asked: Ending, pauseMs: number): void {
    // What a failed sync dropped is shown by the page cache until the power goes: nobody could tell, so it goes now.
    const how = this.#hasDroppedPages ? 'power cut' : asked;
    this.#hasDroppedPages = false;
    this.#isDown = true;
    this.broker = undefined;
    this.#deathAt = undefined;
    this.endings.push(how);
    const isCut = how === 'power cut' || how === 'stop and cut';
    this.stage.time.trace(`broker ${how}`);
    this.ports.kill({ powerCut: isCut });
    this.stage.time.schedule(Math.max(PAUSE_MS_MIN, pauseMs), () => {
      if ((how === 'stop' || how === 'stop and cut') && !this.#wasSick) this.stage.history.stopped();
      this.#wasSick = false;
      if (isCut) {
        this.stage.forgetAnswers();
        this.stage.history.powerCut();
      }
      const left = !isCut ? 'keep' : this.#random.chance(0.5) ? 'lose' : 'random';
      this.isBroken = false;
      this.ports = this.ports.restart(left, this.#diskOptions());
      this.start();
      const relapse = this.#relapses[this.#random.integer(2 * this.#relapses.length || 1)];
      if (relapse !== undefined && this.stage.phase === 'faults') {
        this.dieAtOperation(this.#random.between(1, 100), relapse);
      }
    });
  }

  #diskOptions(): Partial<SimulatedDiskOptions> {
    const random = this.#random;
    const { time } = this.stage;
    return {
      syncLatencyMs: random.chance(0.2) ? random.between(20, 200) : 1 + random.float() * 8,
      readLatencyMs: random.float() * 2,
      timers: {
        after: (delayMs, callback) =>
          time.schedule(Math.min(delayMs * this.slowness, DISK_MS_MAX), callback, this.ports.process),
        soon: (callback) => time.soon(callback, this.ports.process),
      },
      onOperation: (operation) => this.#onOperation(operation),
      fault: (operation) => this.#fault(operation),
    };
  }

  #onOperation({ kind, path, number }: DiskOperation): void {
    this.stage.time.trace(`${kind} ${path}`);
    if (this.#deathAt === undefined || number < this.#deathAt.operation || this.#isDown) return;
    const { how } = this.#deathAt;
    const pauseMs = this.#random.between(PAUSE_MS_MIN, 4_000);
    this.#die(how, pauseMs);
  }

  #fault(operation: DiskOperation): string | undefined {
    if (this.#isDown) {
      // It died at this operation: of a write a part is there, of anything else nothing.
      if (operation.kind === 'write') return 'EIO';
      throw new SimulatedCrash(operation);
    }
    if (this.brokenDirectory !== undefined && operation.path.startsWith(this.brokenDirectory)) {
      this.#wasSick = true;
      if (operation.kind === 'sync') this.#hasDroppedPages = true;
      return 'EIO';
    }
    if (this.isBroken && operation.kind === 'sync') {
      this.#wasSick = true;
      this.#hasDroppedPages = true;
      return 'EIO';
    }
    if (!this.isFull || !needsRoom(operation)) return undefined;
    this.#wasSick = true;
    return 'ENOSPC';
  }
}

function needsRoom({ kind, number }: DiskOperation): boolean {
  return kind === 'write' || kind === 'makeDirectory' || (kind === 'open' && number > 0);
}

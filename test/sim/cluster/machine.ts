/** One machine of a simulated cluster: a broker's process with its disk and its store, how they fail and come back. */
import { KafkaError } from '../../../src/protocol/errors.ts';
import { startBroker, type Broker, type BrokerOptions } from '../../../src/broker/broker.ts';
import type { Logger } from '../../../src/base/ports.ts';
import type { MemoryStoreClient, MemoryStoreServer } from '../../../src/metadata/memory-store.ts';
import { MetadataStoreError } from '../../../src/metadata/store-error.ts';
import {
  SimulatedCrash,
  type DiskOperation,
  type SimulatedDiskOptions,
} from '../../../src/runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../../../src/runtime/simulated-ports.ts';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Ending } from '../broker-host.ts';
import type { Stage } from '../stage.ts';

const STOP_LIMIT_MS = 60_000;
/** Longer than anything takes on the network: what the dead process had sent has arrived by then. */
const PAUSE_MS_MIN = 100;
const RETRY_MS = 500;

export interface MachineOptions {
  readonly nodeId: number;
  readonly seed: string;
  readonly random: SimulatedRandom;
  readonly configs: ReadonlyMap<string, string>;
  readonly logLimits: NonNullable<BrokerOptions['logLimits']>;
  readonly store: MemoryStoreServer;
  /** Called when the process has ended, whatever was the cause. */
  readonly onEnd: (machine: Machine) => void;
  readonly logger?: Logger;
}

export class Machine {
  readonly nodeId: number;
  readonly host: string;
  readonly stage: Stage;
  ports: SimulatedPorts;
  broker: Broker | undefined;
  store: MemoryStoreClient | undefined;
  /** Counts its starts. */
  life = 0;
  /** Writes find no room. */
  isFull = false;
  /** Syncs fail. */
  isBroken = false;
  /** It cannot reach the store, in this life and the next. */
  isCutFromStore = false;
  readonly #options: MachineOptions;
  /** In this life a write or a sync failed. */
  #wasSick = false;
  #hasDroppedPages = false;
  #isDown = true;
  #isStopping = false;
  #deathAt: { readonly operation: number; readonly how: Ending } | undefined;

  constructor(stage: Stage, options: MachineOptions) {
    this.stage = stage;
    this.#options = options;
    this.nodeId = options.nodeId;
    this.host = hostOf(options.nodeId);
    const { seed, logger } = options;
    this.ports = simulatedPorts({
      seed,
      host: this.host,
      time: stage.time,
      network: stage.network,
      disk: this.#diskOptions(),
      ...(logger === undefined ? {} : { logger: logger.child({ node: this.nodeId }) }),
    });
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  /** It is there, and was not told to go. */
  get isWell(): boolean {
    return !this.#isDown && !this.#isStopping && this.broker !== undefined;
  }

  start(): void {
    this.stage.life += 1;
    this.life += 1;
    this.#isDown = false;
    const { ports } = this;
    const { store: server, configs, logLimits } = this.#options;
    const store = server.connect(ports);
    store.setReachable(!this.isCutFromStore);
    this.store = store;
    startBroker({ ports, store, configs, logLimits }).then(
      (broker) => {
        if (this.ports === ports && !this.#isDown) this.broker = broker;
      },
      (error: unknown) => {
        if (this.ports !== ports || this.#isDown || error instanceof SimulatedCrash) return;
        // Without the store, or with another process's registration in the way, it is for whoever starts it to try again.
        const causes = [error, (error as Error).cause];
        const isOthers = causes.some((one) => one instanceof MetadataStoreError || one instanceof KafkaError);
        if (!isOthers && !this.#isSick) this.#anomaly('broker does not start', error);
        this.end('kill', RETRY_MS);
      },
    );
  }

  setReachable(isReachable: boolean): void {
    this.isCutFromStore = !isReachable;
    this.store?.setReachable(isReachable);
  }

  /** Dies at the n-th change of its disk from now on. */
  dieAtOperation(count: number, how: Ending): void {
    this.#deathAt = { operation: this.ports.disk.operations + count, how };
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
    this.#isStopping = true;
    const { ports } = this;
    const isOver = (): boolean => this.ports !== ports || this.#isDown;
    const late = this.stage.time.schedule(STOP_LIMIT_MS, () => {
      if (isOver()) return;
      if (!this.#isSick) this.#anomaly('broker does not stop', how);
      this.#die('kill', pauseMs);
    });
    broker.stop().then(
      () => {
        late.cancel();
        if (!isOver()) this.#die(how, pauseMs);
      },
      (error: unknown) => {
        late.cancel();
        if (isOver()) return;
        if (!this.#isSick && !(error instanceof MetadataStoreError))
          this.#anomaly('broker does not stop', error);
        this.#die('kill', pauseMs);
      },
    );
  }

  /** For good: the world is over. */
  finish(): void {
    this.#isDown = true;
    void this.store?.close();
    this.ports.kill();
  }

  get #isSick(): boolean {
    return this.#wasSick || this.isFull || this.isBroken;
  }

  #anomaly(kind: string, error: unknown): void {
    this.stage.history.anomaly(kind, `${this.nodeId}: ${String((error as Error).stack ?? error)}`);
  }

  #die(asked: Ending, pauseMs: number): void {
    // What a failed sync dropped is shown by the page cache until the power goes: nobody could tell, so it goes now.
    const how = this.#hasDroppedPages ? 'power cut' : asked;
    this.#hasDroppedPages = false;
    this.#isDown = true;
    this.#isStopping = false;
    this.broker = undefined;
    this.#deathAt = undefined;
    const isCut = how === 'power cut' || how === 'stop and cut';
    this.stage.time.trace(`${this.host} ${how}`);
    this.ports.kill({ powerCut: isCut });
    void this.store?.close();
    this.#options.onEnd(this);
    this.stage.time.schedule(Math.max(PAUSE_MS_MIN, pauseMs), () => {
      if (this.stage.phase === 'over') return;
      this.#wasSick = false;
      const left = !isCut ? 'keep' : this.#options.random.chance(0.5) ? 'lose' : 'random';
      this.isBroken = false;
      this.ports = this.ports.restart(left, this.#diskOptions());
      this.start();
    });
  }

  #diskOptions(): Partial<SimulatedDiskOptions> {
    const { random } = this.#options;
    const { time } = this.stage;
    return {
      syncLatencyMs: random.chance(0.1) ? random.between(20, 100) : 0.5 + random.float() * 4,
      readLatencyMs: random.float(),
      timers: {
        after: (delayMs, callback) => time.schedule(delayMs, callback, this.ports.process),
        soon: (callback) => time.soon(callback, this.ports.process),
      },
      onOperation: ({ kind, path, number }) => {
        time.trace(`${this.host} ${kind} ${path}`);
        this.#onOperation(number);
      },
      fault: (operation) => this.#fault(operation),
    };
  }

  #onOperation(number: number): void {
    if (this.#deathAt === undefined || number < this.#deathAt.operation || this.#isDown) return;
    this.#die(this.#deathAt.how, this.#options.random.between(PAUSE_MS_MIN, 3_000));
  }

  #fault(operation: DiskOperation): string | undefined {
    if (this.#isDown) {
      // It died at this operation: of a write a part is there, of anything else nothing.
      if (operation.kind === 'write') return 'EIO';
      throw new SimulatedCrash(operation);
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

export function hostOf(nodeId: number): string {
  return `broker${nodeId}`;
}

function needsRoom({ kind, number }: DiskOperation): boolean {
  return kind === 'write' || kind === 'makeDirectory' || (kind === 'open' && number > 0);
}

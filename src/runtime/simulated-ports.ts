/**
 * The simulated ports, put together: by default a world of one host. A cluster shares `time` and `network`
 * and gives each host its name:
 *
 *     const time = new SimulatedTime({ seed });
 *     const network = new SimulatedNetwork({ time, seed });
 *     const a = simulatedPorts({ seed, host: 'a', time, network });
 *     const b = simulatedPorts({ seed, host: 'b', time, network });
 */
import type { Logger, Ports } from '../base/ports.ts';
import { silentLogger } from './logger.ts';
import { SimulatedProcess, SimulatedTime } from './simulated-clock.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import type { SimulatedDiskOptions, Unsynced } from './simulated-disk.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedRandom } from './simulated-random.ts';

export interface SimulatedPortsOptions {
  readonly seed: number | string;
  readonly host?: string;
  readonly time?: SimulatedTime;
  readonly network?: SimulatedNetwork;
  readonly logger?: Logger;
  readonly disk?: Partial<SimulatedDiskOptions>;
}

/** The ports of one process on one host, and the handles that move its world. */
export interface SimulatedPorts extends Ports {
  readonly random: SimulatedRandom;
  readonly disk: SimulatedDisk;
  readonly time: SimulatedTime;
  readonly process: SimulatedProcess;
  readonly wires: SimulatedNetwork;
  readonly host: string;
  /**
   * Ends the process: its timers, its connections, its disk. `powerCut`: nobody is told, and what follows is
   * up to `restart`, which should not keep what was not synced.
   */
  kill(options?: { readonly powerCut?: boolean }): void;
  /** The ports of the next process on this host, after `kill`. With 'keep' only the process died, else the system. */
  restart(unsynced: Unsynced, disk?: Partial<SimulatedDiskOptions>): SimulatedPorts;
}

export function simulatedPorts(options: SimulatedPortsOptions): SimulatedPorts {
  const time = options.time ?? new SimulatedTime({ seed: options.seed });
  const wires = options.network ?? new SimulatedNetwork({ time, seed: options.seed });
  const host = options.host ?? 'localhost';
  const random = new SimulatedRandom(`${options.seed} ${host}`);
  const world = { time, wires, host, random, logger: options.logger ?? silentLogger(), boot: 1 };
  return start(world, (process) => {
    return new SimulatedDisk({
      seed: `${options.seed} ${host}`,
      clock: process.clock,
      timers: process.timers,
      onOperation: ({ kind, path }) => time.trace(`${host} ${kind} ${path}`),
      ...options.disk,
    });
  });
}

interface World {
  readonly time: SimulatedTime;
  readonly wires: SimulatedNetwork;
  readonly host: string;
  readonly random: SimulatedRandom;
  readonly logger: Logger;
  /** Counts the starts of the host's system. */
  readonly boot: number;
}

function start(world: World, makeDisk: (process: SimulatedProcess) => SimulatedDisk): SimulatedPorts {
  const { time, wires, host, random, logger } = world;
  const process = new SimulatedProcess(time);
  const disk = makeDisk(process);
  return {
    clock: process.clock,
    timers: process.timers,
    network: wires.port(host, process),
    random,
    disk,
    logger,
    bootId: `${host} ${world.boot}`,
    time,
    process,
    wires,
    host,
    kill(how = {}) {
      process.kill();
      disk.crash();
      wires.down(host, { powerCut: how.powerCut === true });
    },
    restart(unsynced, changes = {}) {
      this.kill({ powerCut: false });
      const next = { ...world, boot: world.boot + (unsynced === 'keep' ? 0 : 1) };
      return start(next, ({ clock, timers }) => disk.restart(unsynced, { clock, timers, ...changes }));
    },
  };
}

/**
 * A network in virtual time: byte streams between named hosts, with latency, chunks cut anywhere,
 * back-pressure, resets and one-way partitions. What is sent into a partition is held back and arrives when
 * it heals, as TCP repeats it; within a connection and direction nothing is ever reordered or lost.
 */
import type { Connection, Listener, ListenOptions, Network } from '../base/ports.ts';
import type { SimulatedProcess, SimulatedTime } from './simulated-clock.ts';
import { SimulatedEndpoint } from './simulated-connection.ts';
import type { Link } from './simulated-connection.ts';
import { SimulatedRandom } from './simulated-random.ts';

const CONNECT_TIMEOUT_MS = 120_000;
const FIRST_FREE_PORT = 30_000;
const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '::1']);

export interface SimulatedNetworkOptions {
  readonly time: SimulatedTime;
  readonly seed: number | string;
  /** One way, between hosts, drawn anew for each piece. Within a host it is 0. */
  readonly latencyMs?: { readonly min: number; readonly max: number };
  /** The largest piece in which bytes arrive; where they are cut, the seed decides. */
  readonly chunkBytesMax?: number;
  /** Bytes of one direction that may be on their way or unread. Infinity: nothing is acknowledged, which is faster. */
  readonly windowBytes?: number;
}

interface Bound {
  readonly process: SimulatedProcess;
  readonly accept: (connection: Connection) => void;
}

interface Host {
  process: SimulatedProcess;
  /** Power is off: nothing answers. A host whose process was killed refuses and resets. */
  isDark: boolean;
}

/** The wires of a whole simulated cluster. */
export class SimulatedNetwork {
  readonly #options: SimulatedNetworkOptions;
  readonly #random: SimulatedRandom;
  readonly #hosts = new Map<string, Host>();
  readonly #listeners = new Map<string, Bound>();
  readonly #blocked = new Set<string>();
  readonly #endpoints = new Set<SimulatedEndpoint>();
  readonly #links = new Map<string, Link>();
  /** What waits for a direction to be open again. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #nextPort = FIRST_FREE_PORT;

  constructor(options: SimulatedNetworkOptions) {
    this.#options = options;
    this.#random = new SimulatedRandom(options.seed).fork('network');
  }

  /** The network as the process on `host` sees it. A second call for a host is its restart. */
  port(host: string, process: SimulatedProcess): Network {
    this.#hosts.set(host, { process, isDark: false });
    return {
      listen: async (options, onConnection) => this.#listen(host, options, { process, accept: onConnection }),
      connect: (to, port) => this.#connect(host, LOCAL_HOSTS.has(to) ? host : to, port),
    };
  }

  /** From now on nothing that `from` sends reaches `to`; the other direction is as it was. */
  block(from: string, to: string): void {
    this.#blocked.add(direction(from, to));
  }

  unblock(from: string, to: string): void {
    const name = direction(from, to);
    this.#blocked.delete(name);
    for (const resume of this.#waiting.get(name)?.splice(0) ?? []) resume();
  }

  heal(): void {
    for (const name of this.#blocked) {
      const [from, to] = name.split('\n') as [string, string];
      this.unblock(from, to);
    }
  }

  /** Breaks all connections between two hosts: both ends get ECONNRESET. */
  reset(a: string, b: string): void {
    for (const endpoint of this.#endpoints) {
      const between = direction(endpoint.host, endpoint.remoteHost);
      if (between === direction(a, b) || between === direction(b, a)) endpoint.fail('ECONNRESET');
    }
  }

  /**
   * The host's process has died. Its system closes what it had open; with `powerCut` it says nothing any
   * more.
   */
  down(host: string, options: { readonly powerCut: boolean }): void {
    const state = this.#hosts.get(host);
    if (state !== undefined) state.isDark = options.powerCut;
    for (const [name, bound] of this.#listeners) {
      if (bound.process === state?.process) this.#listeners.delete(name);
    }
    for (const endpoint of this.#endpoints) {
      if (endpoint.host !== host) continue;
      if (options.powerCut) endpoint.vanish();
      else endpoint.destroy();
    }
  }

  #listen(host: string, options: ListenOptions, bound: Bound): Listener {
    const port = options.port === 0 ? this.#freePort() : options.port;
    const name = `${host}:${port}`;
    if (this.#listeners.has(name)) throw systemError('EADDRINUSE');
    this.#listeners.set(name, bound);
    return {
      host: options.host,
      port,
      close: async () => {
        if (this.#listeners.get(name) === bound) this.#listeners.delete(name);
      },
    };
  }

  #connect(from: string, to: string, port: number): Promise<Connection> {
    const { time } = this.#options;
    const process = this.#hosts.get(from)!.process;
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const target = this.#hosts.get(to);
    if (target === undefined) {
      time.soon(() => reject(systemError('ENOTFOUND')), process);
      return promise;
    }
    const limit = time.schedule(CONNECT_TIMEOUT_MS, () => reject(systemError('ETIMEDOUT')), process);
    const settle = (act: () => void): void => {
      if (!process.isAlive) return;
      limit.cancel();
      act();
    };
    const refuse = (): void => this.#carry(to, from, () => settle(() => reject(systemError('ECONNREFUSED'))));
    this.#carry(from, to, () => {
      const bound = this.#listeners.get(`${to}:${port}`);
      if (this.#hosts.get(to)!.isDark) return;
      if (bound === undefined || !bound.process.isAlive) {
        refuse();
        return;
      }
      const localPort = this.#freePort();
      const client = this.#endpoint(from, { process, remoteHost: to, remotePort: port, localPort });
      const server = this.#endpoint(to, {
        process: bound.process,
        remoteHost: from,
        remotePort: localPort,
        localPort: port,
      });
      client.attach(server);
      server.attach(client, () => settle(() => resolve(client)));
      time.schedule(0, () => bound.accept(server), bound.process);
    });
    return promise;
  }

  #endpoint(
    host: string,
    options: { process: SimulatedProcess; remoteHost: string; remotePort: number; localPort: number },
  ) {
    const endpoint = new SimulatedEndpoint({
      ...options,
      host,
      time: this.#options.time,
      random: this.#random,
      link: this.#link(host, options.remoteHost),
      chunkBytesMax: this.#options.chunkBytesMax ?? 64 * 1024,
      windowBytes: this.#options.windowBytes ?? 256 * 1024,
      onGone: () => this.#endpoints.delete(endpoint),
    });
    this.#endpoints.add(endpoint);
    return endpoint;
  }

  #link(from: string, to: string): Link {
    const name = direction(from, to);
    let link = this.#links.get(name);
    if (link === undefined) {
      link = {
        isOpen: () => !this.#blocked.has(name),
        whenOpen: (resume) => {
          const waiting = this.#waiting.get(name);
          if (waiting === undefined) this.#waiting.set(name, [resume]);
          else waiting.push(resume);
        },
        latencyMs: () => this.#latencyMs(from, to),
        isDark: () => this.#hosts.get(to)?.isDark === true,
      };
      this.#links.set(name, link);
    }
    return link;
  }

  /** One packet outside any connection. */
  #carry(from: string, to: string, arrive: () => void): void {
    const link = this.#link(from, to);
    const attempt = (): void => {
      if (link.isOpen()) arrive();
      else link.whenOpen(attempt);
    };
    this.#options.time.schedule(link.latencyMs(), attempt);
  }

  #latencyMs(from: string, to: string): number {
    if (from === to) return 0;
    const { min, max } = this.#options.latencyMs ?? { min: 0.1, max: 1 };
    return min + this.#random.float() * (max - min);
  }

  #freePort(): number {
    this.#nextPort += 1;
    return this.#nextPort;
  }
}

function direction(from: string, to: string): string {
  return `${from}\n${to}`;
}

export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

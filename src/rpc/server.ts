/**
 * The server's half of connections: listeners, limits on how many connections there are, and a sweep that closes those
 * which are idle or whose peer does not read. What requests mean is the sink's matter.
 */
import type { Connection, Listener, ListenOptions, Logger, Ports, Timer } from '../base/ports.ts';
import { defaultBudgetBytes, MemoryBudget } from './memory-budget.ts';
import { ServerConnection, type ConnectionLimits, type Peer, type RequestSink } from './server-connection.ts';
import { SlabPool } from '../base/slab-pool.ts';

export interface ServerLimits extends ConnectionLimits {
  /** Kafka's max.connections, over all listeners. */
  readonly connectionsMax: number;
  /** Kafka's max.connections.per.ip. Loopback is only limited when it has a limit of its own. */
  readonly connectionsPerHostMax: number;
  /** Kafka's max.connections.per.ip.overrides. */
  readonly connectionsPerHostOverrides: ReadonlyMap<string, number>;
  /** Kafka's connections.max.idle.ms. Negative: never. */
  readonly idleMsMax: number;
  /** A peer that holds this many bytes of answers... */
  readonly stalledBytesMin: number;
  /** ...and took none of them for this long is dropped; while memory is short, however few bytes it holds. So is one whose
   * frame is not whole after this time, while memory is short. */
  readonly stalledMsMax: number;
}

export const SERVER_LIMITS: ServerLimits = {
  frameBytesMax: 100 * 1024 * 1024,
  requestsAheadMax: 100,
  bytesAheadMax: 4 * 1024 * 1024,
  connectionsMax: 10_000,
  connectionsPerHostMax: 1_000,
  connectionsPerHostOverrides: new Map([
    ['127.0.0.1', Infinity],
    ['::1', Infinity],
  ]),
  idleMsMax: 10 * 60 * 1000,
  stalledBytesMin: 64 * 1024,
  stalledMsMax: 30_000,
};

/** In the place of a connection's state: it is closed. */
export const REFUSED = Symbol('refused');

const SWEEP_INTERVAL_MS_MAX = 5_000;

/** For connections that are not served like others from the beginning. */
export interface ServerHooks<S> {
  /** What the first frames may hold; undefined: what those of all connections may. */
  frameBytesMaxOf(state: S): number | undefined;
  /** The connection has gone. */
  onGone(state: S): void;
}

export class Server<S> {
  readonly limits: ServerLimits;
  readonly #ports: Pick<Ports, 'network' | 'timers' | 'clock'>;
  readonly #logger: Logger;
  readonly #sink: RequestSink<S>;
  readonly #hooks: ServerHooks<S> | undefined;
  readonly #pool: SlabPool;
  readonly #budget: MemoryBudget;
  readonly #listeners: Listener[] = [];
  readonly #connections = new Set<ServerConnection<S>>();
  readonly #perHost = new Map<string, number>();
  #sweepTimer: Timer | undefined;
  #connectionCount = 0;
  #isStopping = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: {
    readonly ports: Pick<Ports, 'network' | 'timers' | 'clock' | 'logger'>;
    readonly sink: RequestSink<S>;
    readonly limits?: ServerLimits;
    /** Without it, one of the default size. */
    readonly budget?: MemoryBudget;
    /** Without it, no buffer is used twice. */
    readonly slabs?: SlabPool;
    readonly hooks?: ServerHooks<S>;
  }) {
    this.limits = options.limits ?? SERVER_LIMITS;
    this.#ports = options.ports;
    this.#logger = options.ports.logger;
    this.#sink = options.sink;
    this.#hooks = options.hooks;
    this.#budget =
      options.budget ??
      new MemoryBudget({
        limitBytes: defaultBudgetBytes(undefined),
        frameBytesMax: this.limits.frameBytesMax,
        soon: (callback) => this.#ports.timers.soon(callback),
      });
    this.#pool = options.slabs ?? new SlabPool({ keptBytesMax: 0 });
  }

  /** Listens; `stateOf` makes what the sink wants to know of each new connection, or refuses it. */
  async listen(
    options: ListenOptions,
    stateOf: (connection: Connection) => S | typeof REFUSED,
  ): Promise<Listener> {
    const listener = await this.#ports.network.listen(options, (connection) =>
      this.#accept(connection, stateOf),
    );
    this.#listeners.push(listener);
    if (this.#sweepTimer === undefined) this.#armSweep();
    return listener;
  }

  connectionCount(): number {
    return this.#connections.size;
  }

  /** Accepts nothing more, lets requests that have begun finish for up to `graceMs`, then closes what is left. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#sweepTimer?.cancel();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    for (const connection of this.#connections) connection.end();
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#ports.timers.after(graceMs, () => {
        for (const connection of this.#connections) connection.destroy();
      });
      this.#onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #accept(connection: Connection, stateOf: (connection: Connection) => S | typeof REFUSED): void {
    const host = connection.remoteHost;
    const fromHost = this.#perHost.get(host) ?? 0;
    const { connectionsMax, connectionsPerHostMax, connectionsPerHostOverrides } = this.limits;
    const fromHostMax = connectionsPerHostOverrides.get(host) ?? connectionsPerHostMax;
    if (this.#isStopping || this.#connections.size >= connectionsMax || fromHost >= fromHostMax) {
      this.#logger.debug({ host, connections: this.#connections.size, fromHost }, 'connection refused');
      connection.destroy();
      return;
    }
    const state = stateOf(connection);
    if (state === REFUSED) {
      connection.destroy();
      return;
    }
    this.#perHost.set(host, fromHost + 1);
    this.#connectionCount += 1;
    const served = new ServerConnection<S>({
      id: `${host}:${connection.remotePort}-${connection.localPort}-${this.#connectionCount}`,
      connection,
      state,
      sink: this.#sink,
      limits: this.limits,
      pool: this.#pool,
      budget: this.#budget,
      nowMs: () => this.#ports.clock.monotonicMs(),
      onFailure: (error, peer) => this.#onFailure(error, peer),
      onGone: (gone) => this.#onGone(gone),
    });
    const frameBytesMax = this.#hooks?.frameBytesMaxOf(state);
    if (frameBytesMax !== undefined) served.frameBytesMax = frameBytesMax;
    this.#connections.add(served);
  }

  #onFailure(error: unknown, peer: Peer<S>): void {
    this.#logger.info(
      { connection: peer.id, error: error instanceof Error ? error.message : String(error) },
      'connection closed: its requests cannot be read',
    );
  }

  #onGone(connection: ServerConnection<S>): void {
    this.#connections.delete(connection);
    this.#hooks?.onGone(connection.state);
    const left = (this.#perHost.get(connection.host) ?? 1) - 1;
    if (left === 0) this.#perHost.delete(connection.host);
    else this.#perHost.set(connection.host, left);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #armSweep(): void {
    const { idleMsMax, stalledMsMax } = this.limits;
    const idleStep = idleMsMax < 0 ? SWEEP_INTERVAL_MS_MAX : idleMsMax / 4;
    const intervalMs = Math.max(10, Math.min(SWEEP_INTERVAL_MS_MAX, stalledMsMax / 4, idleStep));
    this.#sweepTimer = this.#ports.timers.after(intervalMs, () => {
      this.#sweep();
      this.#armSweep();
    });
  }

  #sweep(): void {
    const now = this.#ports.clock.monotonicMs();
    const { idleMsMax, stalledMsMax, stalledBytesMin } = this.limits;
    const isShort = this.#budget.isShort();
    const heldBytesMin = isShort ? 1 : stalledBytesMin;
    for (const connection of this.#connections) {
      const stalledMs = connection.stalledMs(now);
      if (isShort && connection.slowFrameMs(now, stalledBytesMin) >= stalledMsMax) {
        this.#logger.info(
          { connection: connection.id },
          'connection closed: memory is short and its request slow',
        );
        connection.destroy();
      } else if (stalledMs >= stalledMsMax && connection.pendingBytes() >= heldBytesMin) {
        this.#logger.info(
          { connection: connection.id, pendingBytes: connection.pendingBytes(), stalledMs },
          'connection closed: its peer does not read',
        );
        connection.destroy();
      } else if (idleMsMax >= 0 && connection.isIdleSince(now - idleMsMax)) {
        this.#logger.debug({ connection: connection.id }, 'idle connection closed');
        connection.destroy();
      }
    }
    this.#budget.tick();
  }
}

/**
 * A metadata store in memory that behaves as etcd may: `MemoryStoreServer` is the cluster, `connect` gives
 * each process its store. Without faults it answers at once. With them, answers get lost so that the outcome
 * is unknown, watches lag and repeat themselves, history is compacted, sessions end early or late, and a
 * process cannot reach the cluster.
 */
import type {
  Clock,
  Compare,
  MetadataStore,
  Operation,
  Random,
  RangeResult,
  Session,
  Timer,
  Timers,
  TxnResult,
  Watch,
  Watcher,
} from '../base/ports.ts';
import { checkTxn, Keyspace } from './keyspace.ts';
import { MetadataStoreError } from './store-error.ts';
import { Watches } from './watches.ts';

const REQUEST_TIMEOUT_MS = 5000;
/** Keep-alives are sent this many times within a session's time to live. */
const KEEP_ALIVES_PER_TTL = 3;

interface Span {
  readonly min: number;
  readonly max: number;
}

/** What the cluster does to its clients; may be changed at any time. Probabilities are from 0 to 1. */
export interface MemoryStoreFaults {
  /** One way. Undefined: calls are answered without any time passing. */
  latencyMs?: Span | undefined;
  /** Of a transaction whose answer is lost; whether it was applied, or will be later, is drawn too. */
  indeterminate: number;
  watchLagMs?: Span | undefined;
  /** Of a revision being shown to a watch twice. */
  duplicateEvents: number;
  /** How much later than promised sessions end. */
  sessionsLateMs: number;
}

export interface MemoryStoreServerOptions {
  /** The cluster's own clock and timers, which go on when a client's process is killed or stands still. */
  readonly timers: Timers;
  readonly random: Random;
}

interface ServerSession {
  readonly ttlMs: number;
  expiry: Timer;
}

/** What a client's process brings along. */
export interface MemoryStoreClientOptions {
  readonly clock: Clock;
  readonly timers: Timers;
}

export class MemoryStoreServer {
  readonly faults: MemoryStoreFaults = { indeterminate: 0, duplicateEvents: 0, sessionsLateMs: 0 };
  readonly random: Random;
  readonly timers: Timers;
  readonly keyspace = new Keyspace();
  readonly watches = new Watches(this.keyspace, () => this.keyspace.revision);
  readonly #sessions = new Map<string, ServerSession>();

  constructor(options: MemoryStoreServerOptions) {
    this.timers = options.timers;
    this.random = options.random;
  }

  connect(options: MemoryStoreClientOptions): MemoryStoreClient {
    return new MemoryStoreClient(this, options);
  }

  /** Forgets the events before `revision`: watches that have not had them are lost. */
  compact(revision: number): void {
    this.keyspace.compact(revision);
  }

  /** Ends a session before its time, as a cluster that changes its leader has been seen to do. */
  expireSession(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.expiry.cancel();
    this.#sessions.delete(id);
    this.keyspace.apply(this.keyspace.keysOf(id).map((key): Operation => ({ type: 'delete', key })));
    this.watches.wake();
  }

  sessionIds(): string[] {
    return [...this.#sessions.keys()];
  }

  /** For clients only: a transaction that has arrived. */
  apply(compares: readonly Compare[], operations: readonly Operation[]): TxnResult {
    for (const operation of operations) {
      if (operation.type !== 'put' || operation.sessionId === undefined) continue;
      if (this.#sessions.has(operation.sessionId)) continue;
      throw new MetadataStoreError('sessionNotFound', 'the session has ended');
    }
    const succeeded = this.keyspace.holds(compares);
    if (succeeded && this.keyspace.apply(operations) !== undefined) this.watches.wake();
    return { succeeded, revision: this.keyspace.revision };
  }

  /** For clients only. */
  openSession(ttlMs: number): string {
    const id = this.random.bytes(8).toString('hex');
    this.#sessions.set(id, { ttlMs, expiry: this.#expireAfter(id, ttlMs) });
    return id;
  }

  /** For clients only. False: the session has ended. */
  keepAlive(id: string): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    session.expiry.cancel();
    session.expiry = this.#expireAfter(id, session.ttlMs);
    return true;
  }

  #expireAfter(id: string, ttlMs: number): Timer {
    return this.timers.after(ttlMs + this.faults.sessionsLateMs, () => this.expireSession(id));
  }
}

/** A store for whoever needs one and no cluster around it. Its sessions use `timers`, nothing else does. */
export function memoryStore(options: MemoryStoreServerOptions & MemoryStoreClientOptions): MemoryStoreClient {
  return new MemoryStoreServer(options).connect(options);
}

export class MemoryStoreClient implements MetadataStore {
  readonly #server: MemoryStoreServer;
  readonly #options: MemoryStoreClientOptions;
  readonly #watches = new Set<Watch>();
  readonly #sessions = new Set<MemorySession>();
  #isReachable = true;
  /** What waits for the cluster to be reachable again. */
  #held: (() => void)[] = [];
  #isClosed = false;

  constructor(server: MemoryStoreServer, options: MemoryStoreClientOptions) {
    this.#server = server;
    this.#options = options;
  }

  get server(): MemoryStoreServer {
    return this.#server;
  }

  /** Cuts this process off from the cluster, or joins it again. */
  setReachable(isReachable: boolean): void {
    this.#isReachable = isReachable;
    if (isReachable) for (const resume of this.#held.splice(0)) resume();
  }

  range(prefix: string): Promise<RangeResult> {
    return this.#call(() => this.#server.keyspace.range(prefix));
  }

  async txn(compares: readonly Compare[], operations: readonly Operation[]): Promise<TxnResult> {
    checkTxn(compares, operations);
    // As on a real wire: what the caller does to its buffers afterwards is not seen.
    const copies = operations.map((operation): Operation => {
      return operation.type === 'put' ? { ...operation, value: Buffer.from(operation.value) } : operation;
    });
    const { faults, random } = this.#server;
    if (faults.indeterminate === 0 || random.float() >= faults.indeterminate) {
      return this.#call(() => this.#server.apply(compares, copies));
    }
    return this.#lose(() => void this.#server.apply(compares, copies));
  }

  watch(prefix: string, fromRevision: number, watcher: Watcher): Watch {
    const { faults, random } = this.#server;
    const watch = this.#server.watches.add({
      prefix,
      fromRevision,
      watcher: {
        onEvents(revision, events) {
          watcher.onEvents(revision, events);
          if (faults.duplicateEvents > 0 && random.float() < faults.duplicateEvents) {
            watcher.onEvents(revision, events);
          }
        },
        onLost: (error) => watcher.onLost(error),
      },
      wake: (deliver) => this.#wake(deliver),
    });
    this.#watches.add(watch);
    return {
      cancel: () => {
        watch.cancel();
        this.#watches.delete(watch);
      },
    };
  }

  async session(ttlMs: number): Promise<Session> {
    const sentMs = this.#options.clock.monotonicMs();
    const id = await this.#call(() => this.#server.openSession(ttlMs));
    const session = new MemorySession({
      id,
      ttlMs,
      sentMs,
      ...this.#options,
      keepAlive: () => this.#call(() => this.#server.keepAlive(id)),
      revoke: () => this.#call(() => this.#server.expireSession(id)),
      onGone: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }

  /** Sessions that were not closed end when their time is over. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const watch of this.#watches) watch.cancel();
    for (const session of this.#sessions) session.stop();
    this.#held = [];
  }

  /** There and back. */
  async #call<T>(act: () => T): Promise<T> {
    if (this.#isClosed) throw new MetadataStoreError('closed', 'the metadata store is closed');
    const { latencyMs } = this.#server.faults;
    if (latencyMs === undefined && this.#isReachable) {
      const result = act();
      await Promise.resolve();
      return result;
    }
    return this.#callSlowly(act, latencyMs ?? { min: 0, max: 0 });
  }

  #callSlowly<T>(act: () => T, latencyMs: Span): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const { timers } = this.#options;
    const limit = timers.after(REQUEST_TIMEOUT_MS, () => reject(unknownOutcome('it did not answer in time')));
    const answer = (settle: () => void): void => {
      timers.after(this.#draw(latencyMs), () => {
        // Cut off by now: the answer is lost, and the time limit speaks.
        if (!this.#isReachable) return;
        limit.cancel();
        settle();
      });
    };
    this.#server.timers.after(this.#draw(latencyMs), () => {
      if (!this.#isReachable) return;
      try {
        const result = act();
        answer(() => resolve(result));
      } catch (error) {
        answer(() => reject(error as Error));
      }
    });
    return promise;
  }

  /** The answer is lost. The change was made before, is made after, or never. */
  async #lose(act: () => void): Promise<never> {
    const quietly = (): void => {
      try {
        act();
      } catch (error) {
        if (!(error instanceof MetadataStoreError)) throw error;
      }
    };
    const fate = this.#server.random.integer(3);
    const error = unknownOutcome('the answer was lost');
    if (fate === 0) await this.#call(quietly);
    else if (fate === 1) await this.#call(() => {});
    else this.#server.timers.after(this.#server.random.integer(REQUEST_TIMEOUT_MS), quietly);
    throw error;
  }

  #wake(deliver: () => void): void {
    const { watchLagMs } = this.#server.faults;
    const arrive = (): void => {
      if (this.#isReachable) deliver();
      else this.#held.push(arrive);
    };
    if (watchLagMs === undefined) queueMicrotask(arrive);
    else this.#options.timers.after(this.#draw(watchLagMs), arrive);
  }

  #draw({ min, max }: Span): number {
    return min + this.#server.random.float() * (max - min);
  }
}

interface MemorySessionOptions extends MemoryStoreClientOptions {
  readonly id: string;
  readonly ttlMs: number;
  /** When what opened the session was sent: from then on its time runs. */
  readonly sentMs: number;
  readonly keepAlive: () => Promise<boolean>;
  readonly revoke: () => Promise<void>;
  readonly onGone: () => void;
}

/**
 * Keeps itself alive, and gives itself up when a time to live has passed since it *sent* the last keep-alive
 * that was answered: at the cluster it may end from then on, whatever has been heard since.
 */
class MemorySession implements Session {
  readonly id: string;
  onLost: () => void = () => {};
  readonly #options: MemorySessionOptions;
  #aliveMs: number;
  #tick: Timer;
  #isOver = false;

  constructor(options: MemorySessionOptions) {
    this.id = options.id;
    this.#options = options;
    this.#aliveMs = options.sentMs;
    this.#tick = this.#nextTick();
  }

  isAlive(): boolean {
    const { clock, ttlMs } = this.#options;
    return !this.#isOver && clock.monotonicMs() < this.#aliveMs + ttlMs;
  }

  async close(): Promise<void> {
    if (this.#isOver) return;
    this.stop();
    await this.#options.revoke();
  }

  stop(): void {
    this.#isOver = true;
    this.#tick.cancel();
    this.#options.onGone();
  }

  #nextTick(): Timer {
    const { timers, ttlMs, clock } = this.#options;
    const leftMs = this.#aliveMs + ttlMs - clock.monotonicMs();
    const delayMs = Math.max(1, Math.min(ttlMs / KEEP_ALIVES_PER_TTL, leftMs));
    return timers.after(delayMs, () => this.#beat());
  }

  #beat(): void {
    if (this.#isOver) return;
    const { clock, ttlMs } = this.#options;
    const sentMs = clock.monotonicMs();
    if (sentMs >= this.#aliveMs + ttlMs) {
      this.#lose();
      return;
    }
    this.#tick = this.#nextTick();
    this.#options.keepAlive().then(
      (isAlive) => {
        if (this.#isOver) return;
        if (isAlive) this.#aliveMs = Math.max(this.#aliveMs, sentMs);
        else this.#lose();
      },
      // Not reached: the next beat tries again, until the time is over.
      () => {},
    );
  }

  #lose(): void {
    this.stop();
    this.onLost();
  }
}

function unknownOutcome(reason: string): MetadataStoreError {
  return new MetadataStoreError('indeterminate', `the outcome at the metadata store is unknown: ${reason}`);
}

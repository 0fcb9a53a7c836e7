/**
 * An etcd in memory that speaks its messages over a transport in memory: for tests of the client. One keyspace stands behind
 * all endpoints. What goes wrong is set in `faults`; `cut`, `silence` and `refused` do the rest.
 */
import { GrpcCode } from '../../base/grpc.ts';
import type { GrpcCallHandlers, GrpcConnection, GrpcStatus, GrpcTransport } from '../../base/grpc.ts';
import type { Operation, Random, Timer, Timers, WatchEvent } from '../../base/ports.ts';
import { Keyspace } from '../keyspace.ts';
import { Watches } from '../watches.ts';
import * as messages from './messages.ts';
import { decode, encode } from './protobuf.ts';
import type { Decoded } from './protobuf.ts';

const { PATHS } = messages;
const OK: GrpcStatus = { code: GrpcCode.ok, message: '' };

export interface EtcdFaults {
  /** One way. 0: at once, without time passing. */
  latencyMs: number;
  /** Of a call that the server refuses before it begins with it. */
  unprocessed: number;
  /** Of a unary call whose answer is lost with the connection, done or not. */
  lostAnswers: number;
  /** Of events being sent twice. */
  repeatedEvents: number;
  /** Of an answer to a watch going out in fragments of one event. */
  fragments: number;
  /** Keys that the server puts into an answer at most, whatever was asked for; more than that is too large. */
  keysMax: number;
}

interface Lease {
  readonly ttlMs: number;
  expiry: Timer;
}

export class TestEtcd {
  readonly faults: EtcdFaults = {
    latencyMs: 0,
    unprocessed: 0,
    lostAnswers: 0,
    repeatedEvents: 0,
    fragments: 0,
    keysMax: Infinity,
  };
  readonly keyspace = new Keyspace();
  readonly watches = new Watches(this.keyspace, () => this.keyspace.revision);
  readonly leases = new Map<number, Lease>();
  /** `host:port` of endpoints that refuse connections. */
  readonly refused = new Set<string>();
  /** Those that accept them and say nothing. */
  readonly silent = new Set<string>();
  /** How many transactions were applied, and the paths of all calls that were begun. */
  applied = 0;
  readonly calls: string[] = [];
  version = '3.6.16';
  /** Given to whoever authenticates; undefined: that is not asked for. */
  token: string | undefined;
  /** What an answer is replaced by, once. */
  nextStatus: GrpcStatus | undefined;
  /** Why the next watch is cancelled. */
  nextCancel: string | undefined;
  readonly timers: Timers;
  readonly random: Random;
  readonly connections = new Set<TestConnection>();

  constructor(options: { readonly timers: Timers; readonly random: Random }) {
    this.timers = options.timers;
    this.random = options.random;
  }

  transport(): GrpcTransport {
    return {
      connect: async ({ host, port }) => {
        const address = `${host}:${port}`;
        if (this.refused.has(address)) throw new Error('ECONNREFUSED');
        const connection = new TestConnection(this, address);
        await new Promise<void>((resolve) => connection.toClient(resolve));
        this.connections.add(connection);
        return connection;
      },
    };
  }

  /** Breaks all connections. */
  cut(): void {
    for (const connection of this.connections) connection.breakOff();
  }

  compact(revision: number): void {
    this.keyspace.compact(revision);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.random.float() < probability;
  }

  apply(operations: readonly Operation[]): void {
    if (this.keyspace.apply(operations) !== undefined) this.watches.wake();
  }

  endLease(id: number): void {
    this.leases.get(id)?.expiry.cancel();
    this.leases.delete(id);
    this.apply(this.keyspace.keysOf(String(id)).map((key) => ({ type: 'delete', key })));
  }

  /** The time that the lease lives from now on, in seconds; 0: there is none. */
  renew(id: number): number {
    const lease = this.leases.get(id);
    if (lease === undefined) return 0;
    lease.expiry.cancel();
    lease.expiry = this.timers.after(lease.ttlMs, () => this.endLease(id));
    return lease.ttlMs / 1000;
  }

  answer(path: string, request: Buffer): Buffer | GrpcStatus {
    const header = { revision: this.keyspace.revision };
    switch (path) {
      case PATHS.range:
        return this.#range(decode(messages.RangeRequest, request));
      case PATHS.txn:
        return this.#txn(decode(messages.TxnRequest, request));
      case PATHS.grant: {
        const { id, ttl } = decode(messages.LeaseGrantRequest, request);
        const ttlMs = ttl * 1000;
        this.leases.set(id, { ttlMs, expiry: this.timers.after(ttlMs, () => this.endLease(id)) });
        return encode(messages.LeaseGrantResponse, { header, id, ttl });
      }
      case PATHS.authenticate:
        if (this.token !== undefined) return encode(messages.AuthenticateResponse, { token: this.token });
        return { code: 9, message: 'etcdserver: authentication is not enabled' };
      case PATHS.status:
        return encode(messages.StatusResponse, { version: this.version });
      case PATHS.revoke:
        this.endLease(decode(messages.LeaseRevokeRequest, request).id);
        return Buffer.alloc(0);
      default:
        return { code: 12, message: `no ${path}` };
    }
  }

  #range(request: Decoded<typeof messages.RangeRequest>): Buffer | GrpcStatus {
    const { key, rangeEnd, limit, revision } = request;
    if (revision !== 0 && revision < this.keyspace.firstRevision) {
      const message = 'etcdserver: mvcc: required revision has been compacted';
      return { code: GrpcCode.outOfRange, message };
    }
    const all = this.keyspace.range('').entries.filter((entry) => {
      const name = Buffer.from(entry.key);
      return name.compare(key) >= 0 && name.compare(rangeEnd) < 0;
    });
    const page = limit === 0 ? all : all.slice(0, limit);
    if (page.length > this.faults.keysMax) {
      return { code: GrpcCode.resourceExhausted, message: 'too large', isTooLarge: true };
    }
    return encode(messages.RangeResponse, {
      header: { revision: this.keyspace.revision },
      kvs: page.map((entry) => ({ ...entry, key: Buffer.from(entry.key) })),
      more: page.length < all.length,
    });
  }

  #txn({ compares, success }: Decoded<typeof messages.TxnRequest>): Buffer | GrpcStatus {
    for (const { put } of success) {
      if (put === undefined || put.lease === 0 || this.leases.has(put.lease)) continue;
      return { code: GrpcCode.notFound, message: 'etcdserver: requested lease not found' };
    }
    const succeeded = this.keyspace.holds(
      compares.map(({ key, createRevision, modRevision }) =>
        modRevision === undefined
          ? { key: key.toString(), createRevision: createRevision! }
          : { key: key.toString(), modRevision },
      ),
    );
    if (succeeded) {
      this.applied += 1;
      this.apply(
        success.map(({ put, deleteRange }): Operation => {
          if (put === undefined) return { type: 'delete', key: deleteRange!.key.toString() };
          const plain = { type: 'put', key: put.key.toString(), value: put.value } as const;
          return put.lease === 0 ? plain : { ...plain, sessionId: String(put.lease) };
        }),
      );
    }
    return encode(messages.TxnResponse, { header: { revision: this.keyspace.revision }, succeeded });
  }
}

class TestConnection implements GrpcConnection {
  onClose: (error: Error | undefined) => void = () => {};
  readonly etcd: TestEtcd;
  readonly #address: string;
  readonly #calls = new Set<TestCall>();
  /** What is on its way, in order; kept while the endpoint is silent. */
  readonly #ways = { toClient: [] as (() => void)[], toServer: [] as (() => void)[] };
  #isOver = false;

  constructor(etcd: TestEtcd, address: string) {
    this.etcd = etcd;
    this.#address = address;
  }

  toClient(act: () => void): void {
    this.#send(this.#ways.toClient, act);
  }

  toServer(act: () => void): void {
    this.#send(this.#ways.toServer, act);
  }

  call(options: { readonly path: string }, handlers: GrpcCallHandlers): TestCall {
    const call: TestCall = new TestCall(this, options.path, handlers, () => this.#calls.delete(call));
    if (this.#isOver) call.end({ code: GrpcCode.unavailable, message: 'closed', isUnprocessed: true });
    else this.#calls.add(call);
    return call;
  }

  ping(onAnswer: () => void): void {
    this.toServer(() => this.toClient(onAnswer));
  }

  destroy(): void {
    this.#isOver = true;
    this.etcd.connections.delete(this);
    for (const call of this.#calls) call.end({ code: GrpcCode.unavailable, message: 'destroyed' });
  }

  breakOff(): void {
    if (this.#isOver) return;
    this.destroy();
    queueMicrotask(() => this.onClose(new Error('cut')));
  }

  #send(way: (() => void)[], act: () => void): void {
    if (this.etcd.silent.has(this.#address)) return;
    way.push(act);
    const arrive = (): void => {
      const next = way.shift();
      if (!this.#isOver) next?.();
    };
    if (this.etcd.faults.latencyMs === 0) queueMicrotask(arrive);
    else this.etcd.timers.after(this.etcd.faults.latencyMs * (0.5 + this.etcd.random.float()), arrive);
  }
}

class TestCall {
  readonly #connection: TestConnection;
  readonly #path: string;
  readonly #handlers: GrpcCallHandlers;
  readonly #onEnd: () => void;
  #watch: { cancel(): void } | undefined;
  #isOver = false;

  constructor(connection: TestConnection, path: string, handlers: GrpcCallHandlers, onEnd: () => void) {
    this.#connection = connection;
    this.#path = path;
    this.#handlers = handlers;
    this.#onEnd = onEnd;
    connection.etcd.calls.push(path);
  }

  send(message: Uint8Array): void {
    const bytes = Buffer.from(message);
    this.#connection.toServer(() => {
      if (!this.#isOver) this.#arrived(bytes);
    });
  }

  finish(): void {}

  cancel(): void {
    this.#isOver = true;
    this.#watch?.cancel();
    this.#onEnd();
  }

  /** Told later, as everything. */
  end(status: GrpcStatus): void {
    if (this.#isOver) return;
    this.cancel();
    queueMicrotask(() => this.#handlers.onEnd(status));
  }

  #arrived(bytes: Buffer): void {
    const { etcd } = this.#connection;
    if (etcd.chance(etcd.faults.unprocessed)) {
      this.end({ code: GrpcCode.unavailable, message: 'refused', isUnprocessed: true });
    } else if (this.#path === PATHS.watch) {
      this.#beginWatch(decode(messages.WatchRequest, bytes).create!);
    } else if (this.#path === PATHS.keepAlive) {
      const { id } = decode(messages.LeaseKeepAliveRequest, bytes);
      this.#tell(encode(messages.LeaseKeepAliveResponse, { id, ttl: etcd.renew(id) }));
    } else {
      this.#unary(bytes);
    }
  }

  #unary(bytes: Buffer): void {
    const { etcd } = this.#connection;
    if (etcd.chance(etcd.faults.lostAnswers)) {
      if (etcd.chance(0.5)) etcd.answer(this.#path, bytes);
      this.#connection.breakOff();
      return;
    }
    const answer = etcd.nextStatus ?? etcd.answer(this.#path, bytes);
    etcd.nextStatus = undefined;
    if (!('code' in answer)) this.#tell(answer);
    this.#connection.toClient(() => this.end('code' in answer ? answer : OK));
  }

  #tell(bytes: Buffer): void {
    this.#connection.toClient(() => {
      if (!this.#isOver) this.#handlers.onMessage(bytes);
    });
  }

  #beginWatch({ key, startRevision }: Decoded<typeof messages.WatchCreateRequest>): void {
    const { etcd } = this.#connection;
    // Ahead of the events that are still to come, as etcd's is.
    const header = { revision: etcd.keyspace.revision };
    this.#tell(encode(messages.WatchResponse, { header, created: true }));
    const cancelReason = etcd.nextCancel;
    etcd.nextCancel = undefined;
    if (cancelReason !== undefined) {
      this.#tell(encode(messages.WatchResponse, { header, canceled: true, cancelReason }));
      return;
    }
    this.#watch = etcd.watches.add({
      prefix: key.toString(),
      fromRevision: startRevision,
      wake: queueMicrotask,
      watcher: {
        onEvents: (_, events) => {
          this.#tellEvents(events);
          if (etcd.chance(etcd.faults.repeatedEvents)) this.#tellEvents(events);
        },
        onLost: () => {
          const compactRevision = etcd.keyspace.firstRevision;
          this.#tell(encode(messages.WatchResponse, { header, canceled: true, compactRevision }));
        },
      },
    });
  }

  #tellEvents(all: readonly WatchEvent[]): void {
    const { etcd } = this.#connection;
    const events = all.map(({ key, value, ...revisions }) => ({
      type: value === undefined ? messages.EVENT_DELETE : 0,
      kv: { key: Buffer.from(key), value, ...revisions },
    }));
    const parts = etcd.chance(etcd.faults.fragments) ? events.map((event) => [event]) : [events];
    const header = { revision: etcd.keyspace.revision };
    parts.forEach((part, index) => {
      const fragment = index < parts.length - 1;
      this.#tell(encode(messages.WatchResponse, { header, events: part, fragment }));
    });
  }
}

/**
 * A way to one broker: a connection that is made when it is needed, and made again after it broke. Requests leave in
 * their order and are answered in it, so what must not wait behind a long poll has a link of its own (a lane).
 * Attempts to connect are spaced by pauses that grow and scatter. A broker that throttles (KIP-219) is sent nothing over the
 * connection on which it has said so, for as long as it has said. Sessions that end (KIP-368) are not prolonged in
 * place: the connection takes no more requests, and the next one begins after the last answer, which keeps the order.
 */
import type { Connection } from '../../base/ports.ts';
import { Errors } from '../../protocol/errors.ts';
import { SaslAuthenticateRequest } from '../../protocol/messages/36-sasl-authenticate.ts';
import type { Message } from '../../protocol/schema.ts';
import { ClientConnection, type ClientConnectionError } from '../../rpc/client-connection.ts';
import { backoffMs, pause, within } from '../backoff.ts';
import { brokerError, connectionError, KafkaError, ownError } from '../errors.ts';
import type { ClientPorts, Endpoint, Settings } from '../options.ts';
import { traceRequest } from '../telemetry/channels.ts';
import { authenticate } from './authenticate.ts';
import { mechanismOf } from './sasl.ts';
import { askVersions, type BrokerVersions } from './versions.ts';

/** A question to a broker; the newest version that both sides know is taken. */
export interface Call<W, R> {
  readonly request: Message<unknown, W>;
  readonly response: Message<R, unknown>;
  /** What is asked, in the version that was agreed on. May throw KafkaError if that version cannot say it. */
  readonly body: (version: number) => NoInfer<W>;
  readonly versionMax?: number;
  /** For the answer, once connected. Default: `requestTimeoutMs`. */
  readonly timeoutMs?: number;
}

/** What the links to one broker share. */
export interface BrokerNode {
  /** -1 for a bootstrap address. */
  readonly nodeId: number;
  endpoint: Endpoint;
  /** Learned by a connection, for those that begin while none has broken. */
  versions: BrokerVersions | undefined;
}

export interface LinkWorld {
  readonly ports: ClientPorts;
  readonly settings: Settings;
  /** The cluster's id, once it is known. */
  clusterId: string | null;
}

/** A session is ended by us when this part of its time has passed. */
const SESSION_PART = 0.85;

export class BrokerLink {
  readonly node: BrokerNode;
  readonly #world: LinkWorld;
  #connection: ClientConnection | undefined;
  #connecting: Promise<ClientConnection> | undefined;
  /** Settles when a connection whose session ends has had its last answer. */
  #drained: PromiseWithResolvers<void> | undefined;
  /** Of the broker as this connection found it. */
  #versions: BrokerVersions | undefined;
  /** While the broker wants to hear nothing. */
  #muted: Promise<void> | undefined;
  #mutedUntilMs = -Infinity;
  #sessionEndMs = Infinity;
  #failures = 0;
  #retryAtMs = 0;
  readonly #closing = new AbortController();

  constructor(node: BrokerNode, world: LinkWorld) {
    this.node = node;
    this.#world = world;
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** The last attempt failed, and it is too early for the next. */
  get isBackingOff(): boolean {
    return this.#failures > 0 && this.#retryAtMs > this.#world.ports.clock.monotonicMs();
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** What the broker knows, once connected. Errors: as `ask`. */
  async versions(): Promise<BrokerVersions> {
    await this.#connected();
    return this.#versions!;
  }

  /**
   * Resolves with the answer. Errors: KafkaError; after NETWORK_EXCEPTION and REQUEST_TIMED_OUT the request may have had its
   * effect.
   */
  ask<W, R>(call: Call<W, R>): Promise<R> {
    return traceRequest(() => this.#ask(call), {
      api: apiName(call.request.name),
      clientId: this.#world.settings.clientId,
      ...this.node.endpoint,
    });
  }

  async #ask<W, R>(call: Call<W, R>): Promise<R> {
    const connection = this.#usable() ?? (await this.#connected());
    const version = this.#versions!.pick(call.request.key, call.versionMax);
    const timeoutMs = call.timeoutMs ?? this.#world.settings.requestTimeoutMs;
    const { request, response } = call;
    const body = call.body(version);
    const onDone = this.#begun(request, version);
    try {
      const answer = await connection.request({ request, response, version, body, timeoutMs });
      onDone?.();
      this.#noteThrottle(answer);
      return answer;
    } catch (error) {
      const failure = connectionError(error, this.#where(call.request.name));
      onDone?.(failure);
      throw failure;
    }
  }

  /** Tells the user's observer, if there is one, that a request leaves; what is yielded tells it of the end. */
  #begun(
    request: { readonly name: string; readonly key: number },
    apiVersion: number,
  ): ((error?: Error) => void) | undefined {
    const { settings, ports } = this.#world;
    if (settings.onRequest === undefined) return undefined;
    const { nodeId, endpoint } = this.node;
    const begunMs = ports.clock.monotonicMs();
    const api = apiName(request.name);
    const onDone = settings.onRequest({ api, apiKey: request.key, apiVersion, nodeId, ...endpoint });
    return (error) => {
      const durationMs = ports.clock.monotonicMs() - begunMs;
      onDone(error === undefined ? { durationMs } : { durationMs, error });
    };
  }

  /** Sends what has no answer (Produce with acks=0); resolves when it was handed to the connection. Errors: KafkaError. */
  async tell<W, R>(call: Call<W, R>): Promise<void> {
    const connection = this.#usable() ?? (await this.#connected());
    const version = this.#versions!.pick(call.request.key, call.versionMax);
    const { request, response } = call;
    const body = call.body(version);
    try {
      connection.tell({ request, response, version, body, timeoutMs: 0 });
    } catch (error) {
      throw connectionError(error, this.#where(call.request.name));
    }
  }

  /** Ends the connection after its last answer; the next request makes another. */
  disconnect(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.end();
  }

  /** Requests under way are rejected, and so is whatever comes later: whose lane it was has ended. */
  close(): void {
    this.#end(ownError('CLOSED', `the connection to ${this.#name()} was closed`));
  }

  /** As `close`, when nobody is there any more: whoever asked finds somebody else, or the broker at another place. */
  abandon(): void {
    const message = `${this.#name()} has left the cluster, or moved`;
    this.#end(brokerError(Errors.NETWORK_EXCEPTION, message, { retriable: true }));
  }

  #end(error: KafkaError): void {
    if (this.isClosed) return;
    this.#closing.abort(error);
    this.#connection?.destroy();
  }

  #name(): string {
    const { endpoint, nodeId } = this.node;
    const at = `${endpoint.host}:${endpoint.port}`;
    return nodeId < 0 ? at : `broker ${nodeId} at ${at}`;
  }

  #where(api: string): string {
    return `${api.replace(/Request$/, '')} to ${this.#name()}`;
  }

  /** The connection, unless there is none or its session ends. */
  #usable(): ClientConnection | undefined {
    const connection = this.#connection;
    if (connection === undefined || connection.isClosed || this.#muted !== undefined) return undefined;
    if (this.#sessionEndMs > this.#world.ports.clock.monotonicMs()) return connection;
    this.#connection = undefined;
    this.#drained = Promise.withResolvers();
    connection.end();
    return undefined;
  }

  #connected(): Promise<ClientConnection> {
    if (this.isClosed) return Promise.reject(this.#closing.signal.reason as Error);
    const usable = this.#usable();
    if (usable !== undefined) return Promise.resolve(usable);
    if (this.#muted !== undefined) return this.#muted.then(() => this.#connected());
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  #noteThrottle(answer: unknown): void {
    const { throttleTimeMs = 0 } = answer as { readonly throttleTimeMs?: number };
    if (throttleTimeMs <= 0) return;
    this.#mutedUntilMs = Math.max(this.#mutedUntilMs, this.#world.ports.clock.monotonicMs() + throttleTimeMs);
    this.#muted ??= this.#mute();
  }

  async #mute(): Promise<void> {
    const { clock, timers } = this.#world.ports;
    try {
      for (;;) {
        const waitMs = this.#mutedUntilMs - clock.monotonicMs();
        if (waitMs <= 0) return;
        await pause(timers, waitMs, this.#closing.signal);
      }
    } catch {
      // Closed meanwhile: whoever waits finds it so.
    } finally {
      this.#muted = undefined;
    }
  }

  async #connect(): Promise<ClientConnection> {
    const { ports, settings } = this.#world;
    await this.#drained?.promise;
    const waitMs = this.#retryAtMs - ports.clock.monotonicMs();
    if (waitMs > 0) await pause(ports.timers, waitMs, this.#closing.signal);
    try {
      const connection = await this.#open();
      this.#failures = 0;
      this.#connection = connection;
      return connection;
    } catch (error) {
      if (this.isClosed) throw this.#closing.signal.reason;
      this.#failures += 1;
      this.#retryAtMs = ports.clock.monotonicMs() + backoffMs(this.#failures, settings, ports.random);
      ports.logger?.debug({ broker: this.#name(), error }, 'a broker cannot be reached');
      throw connectionError(error, `connecting to ${this.#name()}`);
    }
  }

  async #open(): Promise<ClientConnection> {
    const { ports, settings } = this.#world;
    const ms = settings.connectTimeoutMs;
    const late = (): Error =>
      brokerError(Errors.REQUEST_TIMED_OUT, `${this.#name()} was not ready within ${ms} ms`, {
        retriable: true,
      });
    const { host, port } = this.node.endpoint;
    let isLate = false;
    const stream = ports.network.connect(host, port, settings.tls).then((one) => {
      if (isLate || this.isClosed) one.destroy();
      return one;
    });
    let connection: ClientConnection | undefined;
    try {
      return await within(
        ports.timers,
        stream.then((one) => this.#begin((connection = this.#wrap(one)))),
        { ms, late },
      );
    } catch (error) {
      isLate = true;
      connection?.destroy();
      throw error;
    }
  }

  #wrap(stream: Connection): ClientConnection {
    const { ports, settings } = this.#world;
    const connection = new ClientConnection({
      connection: stream,
      timers: ports.timers,
      clientId: settings.clientId,
      onGone: (error) => this.#gone(connection, error),
    });
    return connection;
  }

  /** Versions, then authentication. */
  async #begin(connection: ClientConnection): Promise<ClientConnection> {
    const { ports, settings, clusterId } = this.#world;
    const { node } = this;
    const timeoutMs = settings.connectTimeoutMs;
    // Both or neither: a broker refuses the one without the other.
    const whom =
      node.nodeId < 0 || clusterId === null
        ? { clusterId: null, nodeId: -1 }
        : { clusterId, nodeId: node.nodeId };
    const versions = node.versions ?? (await askVersions(connection, { timeoutMs, ...whom }));
    this.#sessionEndMs = Infinity;
    if (settings.sasl !== undefined) {
      const begunMs = ports.clock.monotonicMs();
      const lifetimeMs = await authenticate(connection, {
        mechanism: mechanismOf(settings.sasl),
        ...node.endpoint,
        random: ports.random,
        version: versions.find(SaslAuthenticateRequest.key) ?? 0,
        timeoutMs,
      });
      if (lifetimeMs > 0) this.#sessionEndMs = begunMs + lifetimeMs * SESSION_PART;
    }
    this.#versions = node.versions = versions;
    return connection;
  }

  #gone(connection: ClientConnection, error: ClientConnectionError | undefined): void {
    if (error !== undefined && !this.isClosed) this.node.versions = undefined;
    this.#drained?.resolve();
    if (this.#connection === connection) this.#connection = undefined;
  }
}

/** True when the broker says that it is not the one it was taken for, or knows the cluster no more (KIP-1102, KIP-1242). */
export function wantsRebootstrap(error: unknown): boolean {
  return error instanceof KafkaError && error.errorName === 'REBOOTSTRAP_REQUIRED';
}

function apiName(message: string): string {
  return message.replace(/Request$/, '');
}

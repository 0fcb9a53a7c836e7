/**
 * A client of the simulated broker that reports what really happened: an answer, or that the outcome is unknown. It
 * connects when something is to be sent, and keeps the order of what is sent on one connection. All that stands above
 * (retries, sequence numbers, positions) belongs to the actors.
 */
import type { Connection, Network } from '../../src/base/ports.ts';
import { apiOf } from '../../src/protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/frame.ts';
import type { Message } from '../../src/protocol/schema.ts';
import { FrameCutter } from '../../src/rpc/frame-cutter.ts';
import type { SimulatedTime } from '../../src/runtime/simulated-clock.ts';
import type { Asking, Call } from './asking.ts';

const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 3_000;

/** The request may have been carried out, or may yet be, or may never have arrived. */
export class UnknownOutcome extends Error {}

interface Waiting {
  readonly resolve: (frame: Buffer) => void;
  readonly reject: (error: Error) => void;
}

/** One connection with what waits for answers on it. */
class Wire {
  isClosed = false;
  readonly waiting = new Map<number, Waiting>();
  readonly #connection: Connection;
  readonly #cutter = new FrameCutter({ sizeBytesMax: FRAME_BYTES_MAX });

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onData = (chunk) => {
      this.#cutter.push(chunk);
      for (let frame = this.#cutter.next(); frame !== undefined; frame = this.#cutter.next()) {
        const correlationId = frame.bytes.readInt32BE(0);
        const waiting = this.waiting.get(correlationId);
        this.waiting.delete(correlationId);
        waiting?.resolve(Buffer.from(frame.bytes));
      }
      this.#cutter.keep();
    };
    connection.onClose = () => this.close('the connection was lost');
  }

  write(buffers: readonly Buffer[]): void {
    this.#connection.write(buffers);
  }

  close(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#connection.destroy();
    for (const { reject } of this.waiting.values()) reject(new UnknownOutcome(reason));
    this.waiting.clear();
  }
}

export interface SimClientOptions {
  readonly name: string;
  readonly time: SimulatedTime;
  readonly network: Network;
  readonly host: string;
  readonly port: number;
  /** For an answer, where nothing else is said, and for a connection. */
  readonly limitsMs?: { readonly request: number; readonly connect: number };
}

export class SimClient implements Asking {
  readonly name: string;
  readonly #options: SimClientOptions;
  #wire: Wire | undefined;
  #connecting: Promise<Wire> | undefined;
  #correlationId = 0;

  constructor(options: SimClientOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Rejects with UnknownOutcome. Requests that are sent in one turn on an open connection leave in their order. */
  async request<Q, QW, P, PW>(
    request: Message<Q, QW>,
    response: Message<P, PW>,
    version: number,
    body: QW,
    timeoutMs?: number,
  ): Promise<P> {
    const wire = await this.connect();
    const call = { request, response, version, body };
    return this.send(wire, timeoutMs === undefined ? call : { ...call, timeoutMs });
  }

  async connect(): Promise<Wire> {
    if (this.#wire !== undefined && !this.#wire.isClosed) return this.#wire;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  /** What is sent is sent before the call returns, so that several sends of one turn keep their order. */
  send<Q, QW, P, PW>(wire: Wire, call: Call<Q, QW, P, PW>): Promise<P> {
    const { version, body } = call;
    if (wire.isClosed) return Promise.reject(new UnknownOutcome('the connection is closed'));
    const api = apiOf(call.request.key)!;
    this.#correlationId += 1;
    const correlationId = this.#correlationId;
    const answer = Promise.withResolvers<Buffer>();
    wire.waiting.set(correlationId, answer);
    const timeoutMs = call.timeoutMs ?? this.#options.limitsMs?.request ?? REQUEST_TIMEOUT_MS;
    const timer = this.#options.time.schedule(timeoutMs, () => {
      wire.close(`no answer to ${api.name} in time`);
    });
    wire.write(encodeRequest(api, { version, correlationId, clientId: this.name, body }));
    return answer.promise.then(
      (frame) => {
        timer.cancel();
        return decodeResponse({ ...api, response: call.response }, version, frame).body as P;
      },
      (error: unknown) => {
        timer.cancel();
        throw error;
      },
    );
  }

  /** What waits for an answer never gets it. */
  disconnect(): void {
    this.#wire?.close('the client went away');
    this.#wire = undefined;
  }

  async #connect(): Promise<Wire> {
    const { network, host, port, time, limitsMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const timer = time.schedule(limitsMs?.connect ?? CONNECT_TIMEOUT_MS, () =>
      reject(new UnknownOutcome('no connection in time')),
    );
    let isLate = false;
    network.connect(host, port).then(
      (connection) => {
        if (isLate) connection.destroy();
        else resolve(connection);
      },
      (error: Error) => reject(new UnknownOutcome(error.message)),
    );
    try {
      const wire = new Wire(await promise);
      this.#wire = wire;
      return wire;
    } finally {
      isLate = true;
      timer.cancel();
    }
  }
}

export type { Wire };

/**
 * Faults on demand: requests of an API are refused with an error, held back, or answered by a connection that breaks. They stand
 * between the connections and the broker's handlers, so answers keep their order and the broker itself is none the wiser.
 */
import type { Timers } from '../base/ports.ts';
import { errorResponse } from '../broker/error-response.ts';
import type { ConnectionState } from '../broker/context.ts';
import { APIS, apiOf, type Api } from '../protocol/apis.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import { decodeRequest, encodeResponse, peekPrefix } from '../protocol/frame.ts';
import { CLOSE, type Answer, type Peer, type RequestSink } from '../rpc/server-connection.ts';

/** Kafka's name of an API, without `Request`: `Produce`, `Fetch`, `JoinGroup`... */
export type ApiName = string;
export type ErrorName = Exclude<keyof typeof Errors, 'NONE'>;

export interface FaultedRequest {
  readonly api: ApiName;
  readonly version: number;
  readonly clientId: string | null;
  /** The request as Kafka's protocol names its fields. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface FaultOptions {
  /** How many requests; default: 1. Infinity: all, until `clear`. */
  readonly times?: number;
  /** Only those for which this is true. */
  readonly when?: (request: FaultedRequest) => boolean;
}

export interface Fault {
  /** How many requests have met it. */
  readonly hits: number;
  /** Lifts it. */
  clear(): void;
}

type Deed =
  | { readonly kind: 'error'; readonly code: ErrorCode }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'break'; readonly isDone: boolean };

interface Planned {
  readonly key: number;
  readonly deed: Deed;
  readonly when: ((request: FaultedRequest) => boolean) | undefined;
  left: number;
  hits: number;
}

const PRODUCE_KEY = 0;
/** The client id of the helpers that a test calls: faults are for what is tested, not for them. */
export const HELPER_CLIENT_ID = 'headrace-testing';

export class Faults {
  readonly #planned: Planned[] = [];

  /** The request is not handled; its answer says this error wherever the API has a place for one. */
  fail(api: ApiName, error: ErrorName, options?: FaultOptions): Fault {
    const code: ErrorCode | undefined = Errors[error];
    if (code === undefined) throw new TypeError(`Kafka has no error ${String(error)}`);
    return this.#plan(api, { kind: 'error', code }, options);
  }

  /** The request is handled `ms` of real time later, and all that come after it on its connection wait for it. */
  delay(api: ApiName, ms: number, options?: FaultOptions): Fault {
    return this.#plan(api, { kind: 'delay', ms }, options);
  }

  /** The connection ends in place of an answer; with `isDone` only after the request has had its effect. */
  disconnect(api: ApiName, options: FaultOptions & { readonly isDone?: boolean } = {}): Fault {
    return this.#plan(api, { kind: 'break', isDone: options.isDone ?? false }, options);
  }

  /** Lifts all of them. */
  clear(): void {
    this.#planned.length = 0;
  }

  #plan(name: ApiName, deed: Deed, options: FaultOptions = {}): Fault {
    const api = APIS.find((one) => one.name === name);
    if (api === undefined)
      throw new TypeError(`Kafka has no API ${name}: ${APIS.map((one) => one.name).join(', ')}`);
    const planned: Planned = { key: api.key, deed, when: options.when, left: options.times ?? 1, hits: 0 };
    this.#planned.push(planned);
    return {
      get hits() {
        return planned.hits;
      },
      clear: () => {
        planned.left = 0;
        this.#forget(planned);
      },
    };
  }

  #forget(planned: Planned): void {
    const at = this.#planned.indexOf(planned);
    if (at >= 0) this.#planned.splice(at, 1);
  }

  /** `timers` are real ones: a delay is of the clients' time. */
  interpose(sink: RequestSink<ConnectionState>, timers: Timers): RequestSink<ConnectionState> {
    return {
      // What is held back must not be overtaken by what comes after it.
      mayOverlap: (frame) => this.#planned.length === 0 && sink.mayOverlap(frame),
      isRecyclable: (frame) => sink.isRecyclable(frame),
      handle: (frame, peer) => {
        const met = this.#planned.length === 0 ? undefined : this.#meet(frame, peer);
        return met === undefined
          ? sink.handle(frame, peer)
          : this.#carryOut(met, { frame, peer, sink, timers });
      },
    };
  }

  #meet(frame: Buffer, peer: Peer<ConnectionState>): Met | undefined {
    // A bare exchange of SASL tokens has no header.
    if (peer.state.sasl?.begun?.isBare === true) return undefined;
    const { apiKey, apiVersion: version, correlationId } = peekPrefix(frame);
    const api = apiOf(apiKey);
    if (api === undefined || version < api.versionMin || version > api.versionMax) return undefined;
    if (!this.#planned.some(({ key }) => key === apiKey)) return undefined;
    const { clientId, body } = decodeRequest(api, version, frame);
    if (clientId === HELPER_CLIENT_ID) return undefined;
    const request = { api: api.name, version, clientId, body };
    const planned = this.#planned.find(({ key, when }) => key === apiKey && when?.(request) !== false);
    if (planned === undefined) return undefined;
    planned.hits += 1;
    planned.left -= 1;
    if (planned.left <= 0) this.#forget(planned);
    return { api, version, correlationId, body, deed: planned.deed };
  }

  async #carryOut(met: Met, request: Request): Promise<Answer> {
    const { api, version, correlationId, body, deed } = met;
    const { peer, sink, timers } = request;
    // The buffer is used again before an answer that comes later is made.
    const frame = Buffer.from(request.frame);
    switch (deed.kind) {
      case 'error': {
        // Nobody waits for an answer to Produce with acks=0: Kafka, too, can only close.
        if (api.key === PRODUCE_KEY && (body as { acks: number }).acks === 0) return CLOSE;
        const failure = { code: deed.code, message: 'injected by a test' };
        return encodeResponse(api, version, correlationId, errorResponse(api, version, body, failure));
      }
      case 'delay':
        await new Promise<void>((resolve) => timers.after(deed.ms, resolve));
        return sink.handle(frame, peer);
      case 'break':
        if (deed.isDone) release(await sink.handle(frame, peer));
        return CLOSE;
    }
  }
}

interface Met {
  readonly api: Api;
  readonly version: number;
  readonly correlationId: number;
  readonly body: unknown;
  readonly deed: Deed;
}

interface Request {
  readonly frame: Buffer;
  readonly peer: Peer<ConnectionState>;
  readonly sink: RequestSink<ConnectionState>;
  readonly timers: Timers;
}

/** An answer that nobody gets gives back what it was lent. */
function release(answer: Answer): void {
  if (typeof answer === 'object' && 'onSent' in answer) answer.onSent();
}

/**
 * The client's half of a connection: requests leave in their order, many may be under way, and answers come back in that
 * order, each with the correlation id of its request. A connection that breaks a rule, or leaves a request unanswered for
 * too long, is closed: what would come after could not be trusted, and all answers behind a missing one are late as well.
 */
import type { Connection, Timer, Timers } from '../base/ports.ts';
import { API_VERSIONS_KEY, apiOf, type Api } from '../protocol/apis.ts';
import { assert } from '../base/assert.ts';
import { Errors } from '../protocol/errors.ts';
import { decodeResponse, encodeRequest } from '../protocol/frame.ts';
import type { Message } from '../protocol/schema.ts';
import type { SlabPool } from '../base/slab-pool.ts';
import { FrameCutter, type Frame } from './frame-cutter.ts';

/**
 * Why a request has no answer. `closed`: the connection ended first; the request may have been carried out. `timedOut`: so
 * may this one. `invalid`: the peer does not speak the protocol. `busy`: the request was not sent.
 */
export type ConnectionFailure = 'closed' | 'timedOut' | 'invalid' | 'busy';

export class ClientConnectionError extends Error {
  readonly failure: ConnectionFailure;
  constructor(failure: ConnectionFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ClientConnectionError';
    this.failure = failure;
  }
}

export interface ClientLimits {
  /** An answer that says it is larger ends the connection. Memory is taken for what has come, not for what is announced. */
  readonly answerBytesMax: number;
  /** Requests without an answer. */
  readonly requestsMax: number;
  /** Bytes of requests that wait because the peer takes no more; one that is larger on its own still passes. */
  readonly waitingBytesMax: number;
}

export const CLIENT_LIMITS: ClientLimits = {
  answerBytesMax: 100 * 1024 * 1024,
  requestsMax: 1_000,
  waitingBytesMax: 32 * 1024 * 1024,
};

export interface ClientConnectionOptions {
  /** Belongs to this object from now on. */
  readonly connection: Connection;
  readonly timers: Timers;
  readonly clientId: string | null;
  readonly limits?: ClientLimits;
  /** For answers that are lent (`onAnswer`). */
  readonly slabs?: SlabPool | undefined;
  /** Called once when it has ended; without an error when `end` was asked for. */
  readonly onGone?: (error: ClientConnectionError | undefined) => void;
}

/** A request with the messages that say what it is and what comes back. */
export interface ClientRequest<W, R> {
  readonly request: Message<unknown, W>;
  readonly response: Message<R, unknown>;
  readonly version: number;
  readonly body: NoInfer<W>;
  /** Until the whole answer is there. */
  readonly timeoutMs: number;
  /**
   * The answer, as soon as it is there, and before the request resolves with it. Its bytes are lent: they are used for other
   * answers once this returns. What it throws the request is rejected with.
   */
  readonly onAnswer?: ((answer: R) => void) | undefined;
}

interface UnderWay {
  readonly api: Api;
  readonly version: number;
  readonly correlationId: number;
  /** What is still to be sent; empty once it is. */
  frame: readonly Buffer[];
  readonly frameBytes: number;
  /** Undefined for what is sent without an answer: it is no more under way once it has left. */
  readonly answer: Awaited | undefined;
}

interface Awaited {
  readonly timer: Timer;
  readonly onAnswer: ((answer: unknown) => void) | undefined;
  readonly resolve: (body: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const CORRELATION_ID_BYTES = 4;
const ERROR_CODE_BYTES = 2;
const CORRELATION_ID_MAX = 2 ** 31 - 1;

export class ClientConnection {
  readonly #connection: Connection;
  readonly #timers: Timers;
  readonly #clientId: string | null;
  readonly #limits: ClientLimits;
  readonly #slabs: SlabPool | undefined;
  readonly #cutter: FrameCutter;
  readonly #onGone: ((error: ClientConnectionError | undefined) => void) | undefined;
  /** In their order; the first `#sentCount` have left. */
  readonly #underWay: UnderWay[] = [];
  #sentCount = 0;
  #waitingBytes = 0;
  #correlationId = 0;
  #isBlocked = false;
  #isEnding = false;
  #isGone = false;

  constructor(options: ClientConnectionOptions) {
    const { connection } = options;
    this.#connection = connection;
    this.#timers = options.timers;
    this.#clientId = options.clientId;
    this.#limits = options.limits ?? CLIENT_LIMITS;
    this.#onGone = options.onGone;
    this.#slabs = options.slabs;
    const pool = options.slabs === undefined ? {} : { pool: options.slabs };
    this.#cutter = new FrameCutter({ sizeBytesMax: this.#limits.answerBytesMax, ...pool });
    connection.onData = (chunk) => this.#take(chunk);
    connection.onDrain = () => {
      this.#isBlocked = false;
      this.#send();
    };
    connection.onClose = (error) => {
      const why =
        error === undefined ? 'the peer closed the connection' : `the connection broke: ${error.message}`;
      this.#gone(new ClientConnectionError('closed', why, { cause: error }));
    };
  }

  /** No request can be sent any more. */
  get isClosed(): boolean {
    return this.#isEnding || this.#isGone;
  }

  /** Resolves with the answer, whose bytes are the caller's unless they were lent; rejects with ClientConnectionError. */
  request<W, R>(wanted: ClientRequest<W, R>): Promise<R> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onAnswer = wanted.onAnswer as ((answer: unknown) => void) | undefined;
    try {
      this.#enter(wanted, ({ name }) => {
        const { timeoutMs } = wanted;
        const timer = this.#timers.after(timeoutMs, () => this.#timedOut(name, timeoutMs));
        return { timer, onAnswer, resolve, reject };
      });
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return promise as Promise<R>;
  }

  /**
   * Sends a request that the peer does not answer (Produce with acks=0): whether it arrives is not known. Throws
   * ClientConnectionError when it cannot be sent.
   */
  tell<W, R>(wanted: ClientRequest<W, R>): void {
    this.#enter(wanted, () => undefined);
  }

  /** Takes no more requests, and closes when those under way are answered. */
  end(): void {
    if (this.isClosed) return;
    this.#isEnding = true;
    this.#endWhenDone();
  }

  /** Closes now; requests under way are rejected. */
  destroy(): void {
    this.#gone(new ClientConnectionError('closed', 'the connection was closed from here'));
  }

  #enter<W, R>(wanted: ClientRequest<W, R>, awaited: (api: Api) => Awaited | undefined): void {
    const { version, body } = wanted;
    const api = apiOf(wanted.request.key);
    assert(api !== undefined && api.response === wanted.response, 'request and response belong together');
    if (this.isClosed) throw new ClientConnectionError('closed', 'the connection has ended');
    if (this.#underWay.length >= this.#limits.requestsMax || this.#isFull()) {
      throw new ClientConnectionError('busy', 'too many requests are under way');
    }
    const correlationId = this.#correlationId;
    const frame = encodeRequest(api, { version, correlationId, clientId: this.#clientId, body });
    this.#correlationId = correlationId === CORRELATION_ID_MAX ? 0 : correlationId + 1;
    let frameBytes = 0;
    for (const { length } of frame) frameBytes += length;
    this.#underWay.push({ api, version, correlationId, frame, frameBytes, answer: awaited(api) });
    this.#waitingBytes += frameBytes;
    this.#send();
  }

  #isFull(): boolean {
    return this.#waitingBytes >= this.#limits.waitingBytesMax;
  }

  #send(): void {
    while (!this.#isBlocked && !this.#isGone && this.#sentCount < this.#underWay.length) {
      const next = this.#underWay[this.#sentCount]!;
      const { frame } = next;
      this.#sentCount += 1;
      this.#waitingBytes -= next.frameBytes;
      next.frame = [];
      if (next.answer === undefined) this.#underWay.splice(--this.#sentCount, 1);
      this.#isBlocked = !this.#connection.write(frame);
    }
    this.#endWhenDone();
  }

  #take(chunk: Buffer): void {
    if (this.#isGone) return;
    try {
      this.#cutter.push(chunk);
      for (let frame = this.#cutter.next(); frame !== undefined; frame = this.#cutter.next()) {
        this.#answer(frame);
        if (this.#isGone) return;
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#gone(new ClientConnectionError('invalid', message, { cause: error }));
    }
  }

  #answer({ bytes, slab }: Frame): void {
    const first = this.#underWay[0];
    if (first === undefined || this.#sentCount === 0) {
      throw new ClientConnectionError('invalid', 'an answer came to no request');
    }
    if (bytes.length < CORRELATION_ID_BYTES || bytes.readInt32BE(0) !== first.correlationId) {
      throw new ClientConnectionError('invalid', `the answer is not that of ${first.api.name}`);
    }
    const { api, answer } = first;
    const onAnswer = answer?.onAnswer;
    // What is decoded looks at the frame, and a chunk is used again.
    const own = slab === undefined && onAnswer === undefined ? Buffer.from(bytes) : bytes;
    const { body } = decodeResponse(api, versionOf(first, own), own);
    this.#underWay.shift();
    this.#sentCount -= 1;
    answer!.timer.cancel();
    if (onAnswer === undefined) answer!.resolve(body);
    else this.#lend(answer!, body, slab);
    this.#endWhenDone();
  }

  #lend({ onAnswer, resolve, reject }: Awaited, body: unknown, slab: Buffer | undefined): void {
    try {
      onAnswer!(body);
      resolve(body);
    } catch (error) {
      reject(error);
    }
    if (slab !== undefined) this.#slabs?.give(slab);
  }

  #endWhenDone(): void {
    if (!this.#isEnding || this.#isGone || this.#underWay.length > 0) return;
    this.#isGone = true;
    this.#cutter.close();
    this.#connection.end();
    this.#onGone?.(undefined);
  }

  #timedOut(name: string, timeoutMs: number): void {
    const message = `${name} was not answered within ${timeoutMs} ms`;
    this.#gone(new ClientConnectionError('timedOut', message));
  }

  #gone(error: ClientConnectionError): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#cutter.close();
    this.#connection.destroy();
    for (const one of this.#underWay.splice(0)) {
      one.answer?.timer.cancel();
      one.answer?.reject(error);
    }
    this.#sentCount = 0;
    this.#waitingBytes = 0;
    this.#onGone?.(error);
  }
}

/** A peer that does not know the version of ApiVersions says so in version 0 (KIP-511). */
function versionOf({ api, version }: UnderWay, frame: Buffer): number {
  if (api.key !== API_VERSIONS_KEY || frame.length < CORRELATION_ID_BYTES + ERROR_CODE_BYTES) return version;
  return frame.readInt16BE(CORRELATION_ID_BYTES) === Errors.UNSUPPORTED_VERSION ? 0 : version;
}

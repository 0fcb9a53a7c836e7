/**
 * A client of an etcd cluster: one connection at a time, to whichever endpoint answers, with the next one taken when it
 * fails; calls with time limits, made again where that cannot do anything twice; tokens when there is a password. It knows
 * how to call, and nothing of keys.
 */
import { GrpcCode } from '../../base/grpc.ts';
import type { GrpcCall, GrpcStatus, GrpcTls, GrpcTransport } from '../../base/grpc.ts';
import type { Clock, Logger, Random, Timers } from '../../base/ports.ts';
import { EtcdFailure, failureOf } from './failure.ts';
import { Line } from './line.ts';
import type { EtcdEndpoint } from './location.ts';
import { AuthenticateRequest, AuthenticateResponse, PATHS } from './messages.ts';
import { decode, encode, ProtobufError } from './protobuf.ts';
import type { Decoded, Fields, Message, ValueOf } from './protobuf.ts';

/** For one endpoint; with several, a dead one costs this much. */
const CONNECT_LIMIT_MS = 1_500;
/** A read that is not answered so soon is asked of the next endpoint. */
const READ_LIMIT_MS = 2_000;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;
/** A token that is refused right after it was given is no matter of its age. */
const TOKEN_RENEWALS_MAX = 2;
/** Unary calls under way, waiting ones counted. */
const CALLS_MAX = 4096;

export interface EtcdCredentials {
  readonly user: string;
  readonly password: string;
}

/** Plain values, so that they can be handed to a thread. */
export interface EtcdAccess {
  readonly endpoints: readonly EtcdEndpoint[];
  /** Undefined: in the clear. */
  readonly tls?: GrpcTls | undefined;
  readonly credentials?: EtcdCredentials | undefined;
}

export interface EtcdPorts {
  readonly transport: GrpcTransport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Hears of connections that are made and given up. */
  readonly logger?: Logger;
}

export interface UnaryCall<Request extends Fields, Response extends Fields> {
  readonly path: string;
  readonly request: Message<Request>;
  readonly response: Message<Response>;
  /** For all attempts together. */
  readonly limitMs: number;
  /** It changes nothing: an unknown outcome is no reason not to ask again. */
  readonly isRead: boolean;
}

export interface StreamHandlers {
  onMessage(message: Buffer): void;
  /** Once; also when there was no connection. Not after `cancel`. */
  onEnd(failure: EtcdFailure): void;
}

export interface EtcdStream {
  /** Sent when the stream is open, at the latest. */
  send(message: Buffer): void;
  cancel(): void;
  /** Cancels it and gives up the connection: it is there, but says nothing. */
  suspect(): void;
}

export class EtcdClient {
  readonly #access: EtcdAccess;
  readonly #ports: EtcdPorts;
  #line: Promise<Line> | undefined;
  #lineNow: Line | undefined;
  #token: Promise<string> | undefined;
  /** Empty: etcd asked for no password then. */
  #lastToken: string | undefined;
  #endpoint = 0;
  /** Told when the client is closed. */
  readonly #closing = new Set<() => void>();
  #calls = 0;
  /** Since the last connection was made. */
  #isToldUnreachable = false;
  #isClosed = false;

  constructor(access: EtcdAccess, ports: EtcdPorts) {
    this.#access = access;
    this.#ports = ports;
  }

  /** Rejects with EtcdFailure. */
  async unary<Request extends Fields, Response extends Fields>(
    call: UnaryCall<Request, Response>,
    request: ValueOf<Request>,
  ): Promise<Decoded<Message<Response>>> {
    if (this.#calls >= CALLS_MAX) throw new EtcdFailure('unsent', TOO_MANY);
    this.#calls += 1;
    try {
      return await this.#unary(call, encode(call.request, request));
    } finally {
      this.#calls -= 1;
    }
  }

  async #unary<Request extends Fields, Response extends Fields>(
    call: UnaryCall<Request, Response>,
    bytes: Buffer,
  ): Promise<Decoded<Message<Response>>> {
    const { clock } = this.#ports;
    const endMs = clock.monotonicMs() + call.limitMs;
    let tokenRenewals = 0;
    let before: EtcdFailure | undefined;
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(call, bytes, endMs);
      if (!(outcome instanceof EtcdFailure)) return decodedAs(call.response, outcome);
      const leftMs = endMs - clock.monotonicMs();
      // That the time was over says less than what had used it up.
      const failure = outcome.status === NO_LINE ? (before ?? outcome) : outcome;
      if (leftMs <= 0 || !this.#mayRepeat(call, outcome, tokenRenewals)) throw failure;
      before = failure;
      if (outcome.kind === 'token') tokenRenewals += 1;
      else await this.#sleep(Math.min(leftMs, this.backoffMs(attempt)));
    }
  }

  #mayRepeat(call: { isRead: boolean }, { kind }: EtcdFailure, tokenRenewals: number): boolean {
    if (kind === 'token') return this.#access.credentials !== undefined && tokenRenewals < TOKEN_RENEWALS_MAX;
    return kind === 'unsent' || (kind === 'unknown' && call.isRead);
  }

  /** A call that carries messages both ways until it is cancelled or fails. */
  stream(path: string, handlers: StreamHandlers): EtcdStream {
    let call: GrpcCall | undefined;
    let line: Line | undefined;
    let waiting: Buffer[] = [];
    let isOver = false;
    const end = (ended: EtcdFailure): void => {
      if (isOver) return;
      isOver = true;
      const failure = this.judged(ended);
      this.#closing.delete(onClosing);
      if (failure.kind === 'token') this.#token = undefined;
      else if (failure.status.code === GrpcCode.unavailable && line !== undefined)
        this.#leave(line, failure.message);
      handlers.onEnd(failure);
    };
    const onClosing = (): void => {
      isOver = true;
      call?.cancel();
    };
    const cancel = (): void => {
      this.#closing.delete(onClosing);
      onClosing();
    };
    this.#closing.add(onClosing);
    const open = async (): Promise<void> => {
      const token = await this.#currentToken();
      line = await this.#currentLine();
      if (isOver) return;
      const metadata = { ...tokenMetadata(token), hasleader: 'true' };
      call = line.call(
        { path, metadata, isStream: true },
        {
          onMessage: (bytes) => {
            if (!isOver) handlers.onMessage(bytes);
          },
          onEnd: (status) => end(failureOf(status)),
        },
      );
      for (const bytes of waiting) call.send(bytes);
      waiting = [];
    };
    open().catch((error: unknown) => {
      end(asFailure(error));
    });
    return {
      send: (bytes) => {
        if (call === undefined) waiting.push(bytes);
        else if (!isOver) call.send(bytes);
      },
      cancel,
      suspect: () => {
        cancel();
        if (line !== undefined) this.#abandon(line, 'the server does not answer');
      },
    };
  }

  /**
   * What a refusal means for a client that has a password: before etcd asked for it there was no token, and since it does, a
   * certificate may count as the user, who may do nothing.
   */
  judged(failure: EtcdFailure): EtcdFailure {
    const lacksToken = this.#access.credentials !== undefined && this.#lastToken === '';
    if (!lacksToken || failure.status.code !== GrpcCode.permissionDenied) return failure;
    return new EtcdFailure('token', failure.status);
  }

  /** The token is of no use any more, as a server said within a stream. */
  renewToken(): void {
    this.#token = undefined;
  }

  /** What is under way fails with `closed`. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const tell of this.#closing) tell();
    this.#closing.clear();
    this.#lineNow?.drop();
  }

  /** Grows with `attempt`, from 0, and is drawn, so that many clients do not come at one time. */
  backoffMs(attempt: number): number {
    const ms = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt, 10));
    return ms * (0.5 + this.#ports.random.float() / 2);
  }

  /** The answer's bytes, or how it failed. */
  async #attempt(
    call: { readonly path: string; readonly isRead: boolean },
    request: Buffer,
    endMs: number,
  ): Promise<Buffer | EtcdFailure> {
    try {
      const token = await this.#within(endMs, this.#currentToken());
      return await this.#ask({ ...call, token, endMs }, request);
    } catch (error) {
      const failure = this.judged(asFailure(error));
      if (failure.kind === 'token') this.#token = undefined;
      return failure;
    }
  }

  async #ask(
    call: {
      readonly path: string;
      readonly token: string;
      readonly endMs: number;
      readonly isRead: boolean;
    },
    request: Buffer,
  ): Promise<Buffer> {
    const { clock, timers } = this.#ports;
    const line = await this.#within(call.endMs, this.#currentLine());
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    let answer: Buffer | undefined;
    const grpc = line.call(
      { path: call.path, metadata: { ...tokenMetadata(call.token), hasleader: 'true' }, isStream: false },
      {
        onMessage: (bytes) => {
          answer ??= bytes;
        },
        onEnd: (status) => {
          if (status.code === GrpcCode.ok && answer !== undefined) resolve(answer);
          else reject(failureOf(status.code === GrpcCode.ok ? NO_ANSWER : status));
        },
      },
    );
    grpc.send(request);
    grpc.finish();
    const leftMs = Math.max(0, call.endMs - clock.monotonicMs());
    const isShort = call.isRead && this.#access.endpoints.length > 1;
    const limit = timers.after(isShort ? Math.min(leftMs, READ_LIMIT_MS) : leftMs, () => {
      // One turn more: this process may have stood still, with the answer waiting to be read.
      timers.soon(() => reject(failureOf(tooLate(line.address))));
    });
    const onClosing = (): void => reject(new EtcdFailure('unknown', CLOSED));
    this.#closing.add(onClosing);
    try {
      return await promise;
    } catch (error) {
      grpc.cancel();
      const failure = asFailure(error);
      if (failure.status.code === GrpcCode.deadlineExceeded) this.#abandon(line, failure.message);
      else if (failure.status.code === GrpcCode.unavailable) this.#leave(line, failure.message);
      throw failure;
    } finally {
      limit.cancel();
      this.#closing.delete(onClosing);
    }
  }

  #currentLine(): Promise<Line> {
    if (this.#isClosed) return Promise.reject(new EtcdFailure('closed', CLOSED));
    if (this.#line !== undefined) return this.#line;
    const dialled = this.#dial();
    this.#line = dialled;
    dialled.catch(() => {
      if (this.#line === dialled) this.#line = undefined;
    });
    return dialled;
  }

  /** The first endpoint that answers, beginning with the one whose turn it is. */
  async #dial(): Promise<Line> {
    const { endpoints } = this.#access;
    const failures: string[] = [];
    for (let count = 0; count < endpoints.length; count++) {
      const endpoint = endpoints[this.#endpoint % endpoints.length]!;
      const address = `${endpoint.host}:${endpoint.port}`;
      try {
        return await this.#connect(endpoint, address);
      } catch (error) {
        if (this.#isClosed) throw new EtcdFailure('closed', CLOSED);
        failures.push(`${address}: ${error instanceof Error ? error.message : String(error)}`);
        this.#endpoint += 1;
      }
    }
    const message = `no etcd endpoint can be reached (${failures.join('; ')})`;
    if (!this.#isToldUnreachable) this.#ports.logger?.warn({ endpoints: failures }, 'etcd cannot be reached');
    this.#isToldUnreachable = true;
    throw new EtcdFailure('unsent', { code: GrpcCode.unavailable, message, isUnprocessed: true });
  }

  async #connect(endpoint: EtcdEndpoint, address: string): Promise<Line> {
    const { transport, timers } = this.#ports;
    const abort = new AbortController();
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const onClosing = (): void => reject(new EtcdFailure('closed', CLOSED));
    this.#closing.add(onClosing);
    const limit = timers.after(CONNECT_LIMIT_MS, () => {
      timers.soon(() => reject(new Error(`no answer within ${CONNECT_LIMIT_MS} ms`)));
    });
    const connecting = transport.connect({ ...endpoint, tls: this.#access.tls }, abort.signal);
    try {
      const connection = await Promise.race([connecting, ended]);
      if (this.#isClosed) throw new EtcdFailure('closed', CLOSED);
      const line: Line = new Line({
        connection,
        timers,
        address,
        onGone: (reason) => this.#leave(line, reason),
      });
      this.#lineNow = line;
      this.#isToldUnreachable = false;
      this.#ports.logger?.info({ endpoint: address }, 'connected to etcd');
      return line;
    } catch (error) {
      abort.abort();
      connecting.then(
        (late) => late.destroy(),
        () => {},
      );
      throw error;
    } finally {
      limit.cancel();
      this.#closing.delete(onClosing);
    }
  }

  /** The next call goes elsewhere; those on the line go on. */
  #leave(line: Line, reason: string): void {
    if (this.#lineNow !== line) return;
    this.#ports.logger?.warn({ endpoint: line.address, reason }, 'the connection to etcd is given up');
    this.#lineNow = undefined;
    this.#line = undefined;
    this.#endpoint += 1;
    line.retire('the connection was given up');
  }

  #abandon(line: Line, reason: string): void {
    this.#leave(line, reason);
    line.drop();
  }

  #currentToken(): Promise<string> {
    const { credentials } = this.#access;
    if (credentials === undefined) return Promise.resolve('');
    if (this.#token !== undefined) return this.#token;
    const asked = this.#authenticate(credentials).then((token) => (this.#lastToken = token));
    this.#token = asked;
    asked.catch(() => {
      if (this.#token === asked) this.#token = undefined;
    });
    return asked;
  }

  async #authenticate({ user, password }: EtcdCredentials): Promise<string> {
    const request = encode(AuthenticateRequest, { name: user, password });
    const endMs = this.#ports.clock.monotonicMs() + READ_LIMIT_MS;
    try {
      const answer = await this.#ask({ path: PATHS.authenticate, token: '', endMs, isRead: true }, request);
      return decodedAs(AuthenticateResponse, answer).token;
    } catch (error) {
      const failure = asFailure(error);
      // A cluster that asks for no password takes calls without a token.
      if (/authentication is not enabled/.test(failure.message)) return '';
      // Whatever waits for the token has not been sent.
      if (failure.kind === 'unknown') throw new EtcdFailure('unsent', failure.status);
      throw failure;
    }
  }

  /** As `promise`, or `unsent` when it takes longer: what is waited for here comes before the call. */
  async #within<T>(endMs: number, promise: Promise<T>): Promise<T> {
    const { timers, clock } = this.#ports;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const leftMs = Math.max(0, endMs - clock.monotonicMs());
    const limit = timers.after(leftMs, () => timers.soon(() => reject(new EtcdFailure('unsent', NO_LINE))));
    try {
      return await Promise.race([promise, late]);
    } finally {
      limit.cancel();
    }
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#ports.timers.after(ms, resolve);
    this.#closing.add(resolve);
    await promise;
    timer.cancel();
    this.#closing.delete(resolve);
  }
}

const CLOSED: GrpcStatus = { code: GrpcCode.cancelled, message: 'the client was closed' };
const NO_ANSWER: GrpcStatus = { code: GrpcCode.internal, message: 'the call ended without an answer' };
const TOO_MANY: GrpcStatus = { code: GrpcCode.resourceExhausted, message: 'too many calls wait for it' };
const NO_LINE: GrpcStatus = { code: GrpcCode.unavailable, message: 'no endpoint answered in time' };

function tooLate(address: string): GrpcStatus {
  return { code: GrpcCode.deadlineExceeded, message: `${address} did not answer in time` };
}

function tokenMetadata(token: string): Readonly<Record<string, string>> {
  return token === '' ? {} : { token };
}

function asFailure(error: unknown): EtcdFailure {
  if (error instanceof EtcdFailure) return error;
  throw error;
}

function decodedAs<F extends Fields>(type: Message<F>, bytes: Buffer): Decoded<Message<F>> {
  try {
    return decode(type, bytes);
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    const status = { code: GrpcCode.internal, message: `an answer cannot be read: ${error.message}` };
    throw new EtcdFailure('unknown', status);
  }
}

/**
 * gRPC over node:http2: one HTTP/2 session for a connection, one stream for a call. A connection counts as made when the
 * server's settings have arrived: a process that stands still has its connections accepted by the kernel all the same.
 */
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { connect as connectTls } from 'node:tls';
import { GrpcCode } from '../base/grpc.ts';
import type {
  GrpcCall,
  GrpcCallHandlers,
  GrpcCallOptions,
  GrpcConnection,
  GrpcStatus,
  GrpcTarget,
  GrpcTransport,
} from '../base/grpc.ts';
import { frameOf, GrpcFrames } from './grpc-frames.ts';

/** What a server may send ahead of our reading it: a whole answer of usual size. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;
const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = http2.constants;

/** What a proxy's HTTP status means, by gRPC's own table; everything else is `unknown`. */
const CODE_OF_HTTP: Readonly<Record<number, number>> = {
  400: GrpcCode.internal,
  401: GrpcCode.unauthenticated,
  403: GrpcCode.permissionDenied,
  429: GrpcCode.unavailable,
  502: GrpcCode.unavailable,
  503: GrpcCode.unavailable,
  504: GrpcCode.unavailable,
};

export function realGrpcTransport(): GrpcTransport {
  return { connect };
}

/** Also what Node throws at once, such as for a key that is none, rejects. */
async function connect(target: GrpcTarget, signal: AbortSignal): Promise<GrpcConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<GrpcConnection>();
  const session = open(target);
  let failure: Error | undefined;
  const abort = (): void => session.destroy();
  signal.addEventListener('abort', abort);
  session.on('error', (error) => {
    failure = error;
  });
  session.once('close', () => {
    signal.removeEventListener('abort', abort);
    reject(failure ?? new Error('the connection was closed before the server spoke HTTP/2'));
  });
  session.once('remoteSettings', () => {
    signal.removeEventListener('abort', abort);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    resolve(new Http2Connection(session));
  });
  if (signal.aborted) abort();
  return promise;
}

function open(target: GrpcTarget): http2.ClientHttp2Session {
  const { host, port, tls } = target;
  const socket = openSocket(target).setNoDelay(true);
  const authority = `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const session = http2.connect(authority, {
    settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
    createConnection: () => socket,
  });
  // After a TLS alert that follows the handshake, by which a server refuses a certificate, Node's session waits for ever
  // for the end of a socket that nobody ends.
  socket.on('error', (error) => {
    session.emit('error', error);
    socket.destroy();
  });
  return session;
}

function openSocket({ host, port, tls }: GrpcTarget): net.Socket {
  if (tls === undefined) return net.connect({ host, port });
  return connectTls({
    host,
    port,
    ALPNProtocols: ['h2'],
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  });
}

class Http2Connection implements GrpcConnection {
  onClose: (error: Error | undefined) => void = () => {};
  readonly #session: http2.ClientHttp2Session;
  #isOver = false;

  constructor(session: http2.ClientHttp2Session) {
    this.#session = session;
    let failure: Error | undefined;
    session.on('error', (error) => {
      failure = error;
    });
    session.on('goaway', () => this.#end(new Error('the server is going away')));
    session.on('close', () => this.#end(failure));
  }

  call(options: GrpcCallOptions, handlers: GrpcCallHandlers): GrpcCall {
    const headers = {
      ':method': 'POST',
      ':path': options.path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...options.metadata,
    };
    try {
      return new Http2Call(this.#session.request(headers), options, handlers);
    } catch (error) {
      return unmadeCall(error, handlers);
    }
  }

  ping(onAnswer: () => void): void {
    if (this.#session.destroyed) return;
    this.#session.ping((error) => {
      if (error === null) onAnswer();
    });
  }

  destroy(): void {
    this.#isOver = true;
    this.#session.destroy();
  }

  #end(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.onClose(error);
  }
}

/** The session takes no more streams, or the headers cannot be sent: nothing of the call has left. */
function unmadeCall(error: unknown, handlers: GrpcCallHandlers): GrpcCall {
  let isCancelled = false;
  const message = error instanceof Error ? error.message : String(error);
  setImmediate(() => {
    if (!isCancelled) handlers.onEnd({ code: GrpcCode.unavailable, message, isUnprocessed: true });
  });
  const cancel = (): void => {
    isCancelled = true;
  };
  return { send: () => {}, finish: () => {}, cancel };
}

class Http2Call implements GrpcCall {
  readonly #stream: http2.ClientHttp2Stream;
  readonly #handlers: GrpcCallHandlers;
  readonly #frames: GrpcFrames;
  #status: GrpcStatus | undefined;
  #failure: Error | undefined;
  #isOver = false;

  constructor(stream: http2.ClientHttp2Stream, options: GrpcCallOptions, handlers: GrpcCallHandlers) {
    this.#stream = stream;
    this.#handlers = handlers;
    this.#frames = new GrpcFrames(options.messageBytesMax);
    stream.on('response', (headers) => this.#headersArrived(headers));
    stream.on('trailers', (headers) => this.#statusArrived(headers));
    stream.on('data', (chunk: Buffer) => this.#dataArrived(chunk));
    stream.on('error', (error) => {
      this.#failure = error;
    });
    stream.on('close', () => this.#end());
  }

  send(message: Uint8Array): void {
    if (this.#stream.writable) this.#stream.write(frameOf(message));
  }

  finish(): void {
    this.#stream.end();
  }

  cancel(): void {
    this.#isOver = true;
    this.#stream.close(NGHTTP2_CANCEL);
  }

  #headersArrived(headers: http2.IncomingHttpHeaders): void {
    const http = Number(headers[':status']);
    if (http !== 200) {
      this.#status = { code: CODE_OF_HTTP[http] ?? GrpcCode.unknown, message: `HTTP status ${http}` };
    } else if (headers['grpc-status'] !== undefined) {
      this.#statusArrived(headers);
    }
  }

  #statusArrived(headers: http2.IncomingHttpHeaders): void {
    const text = String(headers['grpc-status'] ?? '');
    if (!/^\d{1,2}$/.test(text)) return;
    this.#status ??= { code: Number(text), message: decoded(String(headers['grpc-message'] ?? '')) };
  }

  #dataArrived(chunk: Buffer): void {
    if (this.#isOver || this.#status !== undefined) return;
    const fault = this.#frames.push(chunk, (message) => {
      if (!this.#isOver) this.#handlers.onMessage(message);
    });
    if (fault === undefined) return;
    this.#status =
      fault === 'tooLarge'
        ? {
            code: GrpcCode.resourceExhausted,
            message: 'an answer is larger than the limit',
            isTooLarge: true,
          }
        : { code: GrpcCode.internal, message: 'an answer is compressed, which was not asked for' };
    this.#stream.close(NGHTTP2_CANCEL);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handlers.onEnd(this.#status ?? this.#brokenOff());
  }

  #brokenOff(): GrpcStatus {
    const isUnprocessed = this.#stream.pending || this.#stream.rstCode === NGHTTP2_REFUSED_STREAM;
    const message = this.#failure?.message ?? 'the server broke the call off';
    return { code: GrpcCode.unavailable, message, isUnprocessed };
  }
}

/** gRPC's percent-encoding; what is no such thing stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

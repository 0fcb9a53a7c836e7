/**
 * The real network: TCP through node:net, without Nagle's delay, with keep-alive. One `write` of several
 * buffers leaves as one system call, regions of files by calls of their own. All sockets of a listener read into one
 * buffer, one after the other, and so do all that are connected from here: a fresh one for each read, as Node has it,
 * costs a broker more than handling what it holds.
 */
import * as net from 'node:net';
import { isRegion } from '../base/outgoing.ts';
import type {
  ClientTls,
  Connection,
  Listener,
  ListenOptions,
  Logger,
  Network,
  Outgoing,
} from '../base/ports.ts';
import { OutgoingQueue } from './outgoing-queue.ts';

/** Connections that the kernel holds for us before they are accepted, unless the listener says otherwise. */
const BACKLOG_DEFAULT = 511;
/**
 * More bytes than this waiting for the peer, and `write` answers false. Not below Node's own mark, see
 * `write`.
 */
const PENDING_BYTES_MAX = 64 * 1024;
/** What one read brings at most. Small enough to stay in a core's cache until it has been handled. */
const READ_BYTES_MAX = 256 * 1024;
/** Accepting may fail in a storm (EMFILE); one line in this time says so, with a count. */
const ACCEPT_WARNING_INTERVAL_MS = 10_000;
/** How long a connection that we end waits for the peer to end it too. */
const LINGER_MS = 1_000;

export function realNetwork(options: { readonly logger: Logger }): Network {
  /** What connections that are begun here read into; not there until one is. */
  let target: Buffer | undefined;
  return {
    listen: (listenOptions, onConnection) => listen(listenOptions, onConnection, options.logger),
    connect: (host, port, tls) => {
      if (tls !== undefined) return connectSecurely(host, port, tls);
      return connect(host, port, (target ??= Buffer.allocUnsafeSlow(READ_BYTES_MAX)));
    },
  };
}

async function listen(
  options: ListenOptions,
  onConnection: (connection: Connection) => void,
  logger: Logger,
): Promise<Listener> {
  const { tls } = options;
  const secured =
    tls === undefined
      ? undefined
      : (await import('./tls.ts')).listenTls(tls, logger, (socket, certificate) =>
          onConnection(new TcpConnection(socket, { certificate })),
        );
  const server = secured?.server ?? plainServer(onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(
      { host: options.host, port: options.port, backlog: options.backlog ?? BACKLOG_DEFAULT },
      () => {
        server.removeListener('error', reject);
        resolve();
      },
    );
  });
  // Out of descriptors, libuv accepts and closes at once, and the server goes on: that is told, never thrown.
  server.on('error', acceptWarning(logger));
  const address = server.address() as net.AddressInfo;
  return {
    host: address.address,
    port: address.port,
    ...(secured === undefined ? undefined : { renewTls: secured.renew }),
    close() {
      // Node's callback would wait until the last connection has gone; the port is free when close() returns.
      server.close();
      return Promise.resolve();
    },
  };
}

function plainServer(onConnection: (connection: Connection) => void): net.Server {
  const target = Buffer.allocUnsafeSlow(READ_BYTES_MAX);
  return net.createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, (socket) =>
    onConnection(accept(socket, target)),
  );
}

/**
 * Node offers `onread` for the sockets that one opens, not for those that a server accepts, so the accepted socket's
 * handle is given to a new one. Should a later Node have no such handle, the socket is used as it is: slower, no less right.
 */
function accept(socket: net.Socket, target: Buffer): TcpConnection {
  const accepted = socket as net.Socket & { _handle?: object | null };
  const handle = accepted._handle;
  if (handle === undefined || handle === null) return new TcpConnection(socket.resume());
  accepted._handle = null;
  const onread = readingInto(target, () => connection);
  const connection = new TcpConnection(new net.Socket({ handle, onread } as net.SocketConstructorOpts));
  return connection;
}

/** `connectionOf` is asked at each read: the socket is there before its connection. */
function readingInto(target: Buffer, connectionOf: () => TcpConnection): net.OnReadOpts {
  return {
    buffer: target,
    callback(count) {
      const connection = connectionOf();
      connection.arrived(target.subarray(0, count));
      // libuv would go on for as long as reads fill the buffer, up to 32 times, and let everybody else wait.
      if (count < target.length) return true;
      connection.readOnNextTurn();
      return false;
    },
  };
}

function acceptWarning(logger: Logger): (error: Error) => void {
  let failures = 0;
  let nextMs = 0;
  return (error) => {
    failures += 1;
    const now = performance.now();
    if (now < nextMs) return;
    logger.warn({ error, failures }, 'a connection could not be accepted');
    nextMs = now + ACCEPT_WARNING_INTERVAL_MS;
    failures = 0;
  };
}

/**
 * No time limit of its own: the caller's timers decide how long it waits. Rejects with the system's error.
 */
function connect(host: string, port: number, target: Buffer): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let connection: TcpConnection | undefined;
    const onread = readingInto(target, () => connection!);
    const socket = net.connect({ host, port, noDelay: true, keepAlive: true, onread });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      connection = new TcpConnection(socket);
      resolve(connection);
    });
  });
}

async function connectSecurely(host: string, port: number, tls: ClientTls): Promise<Connection> {
  const { connectTls } = await import('./tls.ts');
  const { socket, certificate } = await connectTls(host, port, tls);
  return new TcpConnection(socket, { certificate });
}

class TcpConnection implements Connection {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly peerCertificate: Buffer | undefined;
  readonly sendsRegions: boolean;
  onData: (chunk: Buffer) => void = () => {};
  onDrain: () => void = () => {};
  onClose: (error: Error | undefined) => void = () => {};
  readonly #socket: net.Socket;
  /** What holds regions of files, and what was written behind it. */
  readonly #queue: OutgoingQueue;
  #error: Error | undefined;
  #drainOwed = false;
  #isPaused = false;
  #isEnding = false;

  /** `secured`: the socket encrypts what it sends, so nothing may go past it. */
  constructor(socket: net.Socket, secured?: { readonly certificate: Buffer | undefined }) {
    this.#socket = socket;
    this.peerCertificate = secured?.certificate;
    this.sendsRegions = secured === undefined;
    this.#queue = new OutgoingQueue({
      socket,
      isDirect: this.sendsRegions,
      onIdle: () => this.#queueIsIdle(),
    });
    this.remoteHost = plainAddress(socket.remoteAddress);
    this.remotePort = socket.remotePort ?? 0;
    this.localPort = socket.localPort ?? 0;
    socket.on('data', (chunk: Buffer) => this.arrived(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => {
      this.#queue.drop();
      this.onClose(this.#error);
    });
  }

  #drained(): void {
    if (!this.#drainOwed || this.#socket.destroyed || !this.#queue.isIdle) return;
    this.#drainOwed = false;
    this.onDrain();
  }

  #queueIsIdle(): void {
    if (this.#isEnding) this.#endSocket();
    else this.#drained();
  }

  /** Reading has stopped, although there is more. */
  readOnNextTurn(): void {
    setImmediate(() => {
      if (!this.#isPaused && !this.#socket.destroyed) this.#socket.resume();
    });
  }

  arrived(chunk: Buffer): void {
    if (!this.#socket.destroyed && !this.#isEnding) this.onData(chunk);
  }

  /**
   * `onWritten` is called once, also when the connection breaks before the data left: the buffers are free
   * then.
   */
  write(parts: readonly Outgoing[], onWritten?: () => void): boolean {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded || this.#isEnding || parts.length === 0) {
      if (onWritten !== undefined) process.nextTick(onWritten);
      return socket.writable && !this.#isEnding && !this.#drainOwed;
    }
    if (!this.#queue.isIdle || parts.some(isRegion)) {
      this.#queue.push(parts, onWritten);
    } else {
      this.#writeBuffers(parts as readonly Uint8Array[], onWritten);
    }
    // Node says `drain` only after a write beyond its own mark, so ours must not be the lower one.
    if (this.pendingBytes() <= Math.max(PENDING_BYTES_MAX, socket.writableHighWaterMark)) return true;
    this.#drainOwed = true;
    return false;
  }

  #writeBuffers(buffers: readonly Uint8Array[], onWritten: (() => void) | undefined): void {
    const socket = this.#socket;
    const last = buffers.length - 1;
    if (last === 0) {
      socket.write(buffers[0]!, onWritten);
    } else {
      socket.cork();
      for (let index = 0; index < last; index++) socket.write(buffers[index]!);
      socket.write(buffers[last]!, onWritten);
      socket.uncork();
    }
  }

  pendingBytes(): number {
    return this.#socket.writableLength + this.#queue.pendingBytes;
  }

  pendingRegionBytes(): number {
    return this.#queue.pendingRegionBytes;
  }

  pause(): void {
    if (this.#isEnding) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket.resume();
  }

  /**
   * What the peer still sends is read and thrown away until it ends the connection too, or for LINGER_MS: a socket that is
   * closed with unread input resets the connection, and the peer may lose answers that it has not read yet.
   */
  end(): void {
    if (this.#isEnding || this.#socket.destroyed) return;
    this.#isEnding = true;
    this.resume();
    if (this.#queue.isIdle) this.#endSocket();
  }

  #endSocket(): void {
    this.#socket.end(() => {
      const limit = setTimeout(() => this.#socket.destroy(), LINGER_MS);
      this.#socket.once('close', () => clearTimeout(limit));
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/**
 * An IPv4 peer of a socket that listens on IPv6 is shown as IPv4, which is what access rules are written
 * with.
 */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

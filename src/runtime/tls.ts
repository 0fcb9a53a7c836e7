/**
 * TLS for the real network, by node:tls: what a listener serves, and how this process connects. Before a peer has finished its
 * handshake nobody above knows of it, so that is where its time and its number are limited.
 */
import { constants, X509Certificate } from 'node:crypto';
import type * as net from 'node:net';
import { isIP } from 'node:net';
import * as tls from 'node:tls';
import { TlsError, type ClientTls, type Logger, type ServerTls, type TlsIdentity } from '../base/ports.ts';

/** From the first byte to the last of a handshake. */
export const HANDSHAKE_MS_MAX = 10_000;
/** Handshakes under way on one listener; who comes then is refused, and may come again. */
export const HANDSHAKES_MAX = 1_000;
/** Of one address. */
export const HANDSHAKES_PER_HOST_MAX = 200;
/** Failed handshakes are told at most once in this time, with a count: clients with a wrong truststore come again and again. */
const WARNING_INTERVAL_MS = 10_000;

type OnSecured = (socket: net.Socket, certificate: Buffer | undefined) => void;

export interface SecuredServer {
  readonly server: net.Server;
  /** Throws TlsError, and then all stays as it was. */
  renew(identity: ServerTls): void;
}

/** A server that hands over sockets whose handshake is done. Throws TlsError. */
export function listenTls(identity: ServerTls, logger: Logger, onSecured: OnSecured): SecuredServer {
  const options = understood(() => serverOptions(identity));
  const server = understood(() =>
    tls.createServer({
      ...options,
      noDelay: true,
      keepAlive: true,
      handshakeTimeout: HANDSHAKE_MS_MAX,
      ...verification(identity),
    }),
  );
  const warn = failureWarning(logger);
  limitHandshakes(server, () => warn(new Error('too many handshakes at a time')));
  server.on('tlsClientError', (error, socket) => warn(refusal(socket) ?? error));
  server.on('secureConnection', (socket) => {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined || socket.authorized) {
      onSecured(socket, certificate?.raw);
      return;
    }
    warn(refusal(socket) ?? new Error('its certificate is not believed'));
    socket.destroy();
  });
  return {
    server,
    renew(next) {
      const renewed = understood(() => serverOptions(next));
      understood(() => tls.createSecureContext(renewed));
      server.setSecureContext(renewed);
      // Node reads them for each connection, but has no way of its own to change them.
      Object.assign(server, verification(next));
    },
  };
}

/** A socket after its handshake. Rejects with the system's error, or TlsError. */
export function connectTls(
  host: string,
  port: number,
  identity: ClientTls,
): Promise<{ readonly socket: net.Socket; readonly certificate: Buffer | undefined }> {
  return new Promise((resolve, reject) => {
    const socket = understood(() =>
      tls.connect({
        ...contextOptions(identity),
        host,
        port,
        ...serverName(host, identity.serverName),
        ...(identity.checksAuthority === false ? { rejectUnauthorized: false } : undefined),
        ...(identity.checksHost ? undefined : { checkServerIdentity: () => undefined }),
      }),
    );
    const limit = setTimeout(
      () => socket.destroy(new Error(`no handshake within ${HANDSHAKE_MS_MAX} ms`)),
      HANDSHAKE_MS_MAX,
    );
    socket.once('close', () => clearTimeout(limit));
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    const onError = (error: NodeJS.ErrnoException): void => {
      const isSystems = error.syscall !== undefined;
      reject(
        isSystems ? error : new TlsError(`TLS with ${host}:${port}: ${error.message}`, { cause: error }),
      );
    };
    socket.once('error', onError);
    socket.once('secureConnect', () => {
      clearTimeout(limit);
      socket.removeListener('error', onError);
      resolve({ socket, certificate: socket.getPeerX509Certificate()?.raw });
    });
  });
}

/** An address is no name that a server could choose its certificate by (RFC 6066). */
function serverName(host: string, given: string | undefined): { servername: string } | undefined {
  if (given !== undefined) return { servername: given };
  return isIP(host) === 0 ? { servername: host } : undefined;
}

/** A client that must show a certificate and does not is told so in the handshake; what it shows is judged when that is done. */
function verification({ clientAuth }: ServerTls): { requestCert: boolean; rejectUnauthorized: boolean } {
  return { requestCert: clientAuth !== 'none', rejectUnauthorized: clientAuth === 'required' };
}

/** Why Node did not believe the peer's certificate; undefined: that was not the reason. */
function refusal({ authorizationError }: tls.TLSSocket): Error | undefined {
  // Typed as an Error, and a code in truth.
  const reason = authorizationError as Error | string | null | undefined;
  if (reason === null || reason === undefined) return undefined;
  return reason instanceof Error ? reason : new Error(`the client's certificate is refused: ${reason}`);
}

function serverOptions(identity: ServerTls): tls.SecureContextOptions {
  // A ticket would let a client in again whose certificate, or whose authority, is not believed any more.
  const noTickets = identity.clientAuth === 'none' ? 0 : constants.SSL_OP_NO_TICKET;
  return { ...contextOptions(identity), secureOptions: noTickets };
}

function contextOptions(identity: TlsIdentity): tls.SecureContextOptions {
  const { certificate, key, keyPassword, authorities, ciphers, versionMin, versionMax } = identity;
  if (authorities !== undefined) checkAuthorities(authorities);
  return {
    cert: certificate,
    key,
    passphrase: keyPassword,
    ca: authorities,
    ...(ciphers === undefined ? undefined : { ciphers }),
    minVersion: versionMin,
    maxVersion: versionMax,
  };
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Node passes over what is no certificate; then nobody would be believed, and nobody told. */
function checkAuthorities(authorities: string): void {
  const blocks = authorities.match(PEM_CERTIFICATE);
  if (blocks === null) throw new Error('there is no certificate among the authorities');
  for (const block of blocks) new X509Certificate(block);
}

/** What OpenSSL says of keys and certificates, as TlsError. */
function understood<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new TlsError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Refuses sockets that come while too many handshakes are under way. */
function limitHandshakes(server: tls.Server, onRefused: () => void): void {
  const perHost = new Map<string, number>();
  const pending = new Map<string, () => void>();
  const begin = server.listeners('connection') as ((socket: net.Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: net.Socket) => {
    const host = socket.remoteAddress ?? '';
    const fromHost = perHost.get(host) ?? 0;
    if (pending.size >= HANDSHAKES_MAX || fromHost >= HANDSHAKES_PER_HOST_MAX) {
      onRefused();
      socket.destroy();
      return;
    }
    const key = peerKey(socket);
    pending.get(key)?.();
    perHost.set(host, (perHost.get(host) ?? 0) + 1);
    const done = (): void => {
      if (pending.get(key) !== done) return;
      pending.delete(key);
      const left = (perHost.get(host) ?? 1) - 1;
      if (left === 0) perHost.delete(host);
      else perHost.set(host, left);
    };
    pending.set(key, done);
    socket.once('close', done);
    for (const listener of begin) listener.call(server, socket);
  });
  server.on('secureConnection', (socket) => pending.get(peerKey(socket))?.());
  server.on('tlsClientError', (_, socket) => pending.get(peerKey(socket))?.());
}

/** Of one socket at a time. */
function peerKey(socket: net.Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}

function failureWarning(logger: Logger): (error: Error) => void {
  let failures = 0;
  let nextMs = 0;
  return (error) => {
    failures += 1;
    const nowMs = performance.now();
    if (nowMs < nextMs) return;
    logger.warn({ error: error.message, failures }, 'a TLS handshake failed');
    nextMs = nowMs + WARNING_INTERVAL_MS;
    failures = 0;
  };
}

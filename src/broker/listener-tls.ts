/**
 * The certificates of this broker's listeners while it runs: read at the start, and again when a setting changes or a file does,
 * so that a certificate can be renewed without a restart. What cannot be used is told, and what was there stays.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  TlsError,
  type ClientTls,
  type Connection,
  type Listener,
  type ListenOptions,
} from '../base/ports.ts';
import type { Disk, Logger, Timer, Timers } from '../base/ports.ts';
import type { BrokerConfigSources } from '../metadata/configs/resolve.ts';
import { CertificateError, subjectOf } from '../security/certificate-name.ts';
import type { PermittedListener } from '../security/listeners.ts';
import { principalName } from '../security/principal-rules.ts';
import { readListenerTls, renewalProblem, type ListenerTls } from '../security/tls-settings.ts';
import { ANONYMOUS, type Principal } from './context.ts';
import { ConfigurationError } from './start-problem.ts';

/** How often files are looked at. */
export const CERTIFICATE_CHECK_INTERVAL_MS = 10_000;
const PEM_BYTES_MAX = 1024 * 1024;

export interface ListenerTlsKeeperOptions {
  readonly listeners: readonly PermittedListener[];
  readonly sources: () => BrokerConfigSources;
  readonly ports: { readonly disk: Disk; readonly timers: Timers; readonly logger: Logger };
}

export class ListenerTlsKeeper {
  readonly #options: ListenerTlsKeeperOptions;
  readonly #current = new Map<string, ListenerTls>();
  readonly #bound = new Map<string, Listener>();
  /** What was last told about a listener, so that it is told once. */
  readonly #told = new Map<string, string>();
  #timer: Timer | undefined;

  /** Throws ConfigurationError. */
  constructor(options: ListenerTlsKeeperOptions) {
    this.#options = options;
    const problems: string[] = [];
    for (const { name, securityProtocol } of options.listeners) {
      if (securityProtocol !== 'SSL' && securityProtocol !== 'SASL_SSL') continue;
      const read = this.#read(name);
      if (read.ok) this.#current.set(name, read.tls);
      else problems.push(...read.problems);
    }
    if (problems.length > 0) throw new ConfigurationError(problems);
    if (this.#current.size > 0) this.#arm();
  }

  /** For opening the listener. */
  optionsFor(listener: string): Pick<ListenOptions, 'tls'> {
    const tls = this.#current.get(listener);
    return tls === undefined ? {} : { tls: tls.server };
  }

  bound(listener: string, bound: Listener): void {
    this.#bound.set(listener, bound);
  }

  /** As which this broker connects to the same listener of others; undefined: without TLS. */
  clientOf(listener: string): ClientTls | undefined {
    return this.#current.get(listener)?.client;
  }

  /** Who a new connection is by its certificate; undefined: nobody who may come in. */
  principalOf(listener: string, { peerCertificate, remoteHost }: Connection): Principal | undefined {
    if (peerCertificate === undefined) return ANONYMOUS;
    const { logger } = this.#options.ports;
    try {
      const subject = subjectOf(peerCertificate);
      const name = principalName(this.#current.get(listener)?.principalRules ?? [], subject);
      if (name !== undefined) return { type: 'User', name };
      logger.warn({ listener, host: remoteHost, subject }, 'no rule of ssl.principal.mapping.rules applies');
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      logger.warn({ listener, host: remoteHost, error: error.message }, 'a certificate cannot be read');
    }
    return undefined;
  }

  /** Takes over what has changed in settings and files. */
  refresh(): void {
    for (const [listener, before] of this.#current) {
      const problem = this.#renew(listener, before);
      const told = this.#told.get(listener);
      if (problem === undefined) this.#told.delete(listener);
      else if (problem !== told) {
        this.#told.set(listener, problem);
        this.#options.ports.logger.error(
          { listener, problem },
          'the certificates of a listener stay as they were',
        );
      }
    }
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #renew(listener: string, before: ListenerTls): string | undefined {
    const read = this.#read(listener);
    if (!read.ok) return read.problems.join('; ');
    const { tls } = read;
    if (isDeepStrictEqual(tls, before)) return undefined;
    const problem = renewalProblem(before, tls);
    if (problem !== undefined) return problem;
    try {
      this.#bound.get(listener)?.renewTls?.(tls.server);
    } catch (error) {
      if (error instanceof TlsError) return error.message;
      throw error;
    }
    this.#current.set(listener, tls);
    this.#options.ports.logger.info({ listener }, 'the certificates of a listener were renewed');
    return undefined;
  }

  #read(listener: string): ReturnType<typeof readListenerTls> {
    const { sources, ports } = this.#options;
    return readListenerTls(listener, sources(), (path) => readText(ports.disk, path));
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.ports.timers.after(CERTIFICATE_CHECK_INTERVAL_MS, () => {
      this.refresh();
      this.#arm();
    });
  }
}

function readText(disk: Disk, path: string): string {
  const file = disk.open(path, 'read');
  try {
    const sizeBytes = file.sizeBytes();
    if (sizeBytes > PEM_BYTES_MAX) throw new Error(`it has ${sizeBytes} bytes`);
    const bytes = Buffer.alloc(sizeBytes);
    return bytes.subarray(0, file.read(0, bytes)).toString('utf8');
  } finally {
    file.close();
  }
}

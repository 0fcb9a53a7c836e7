/**
 * What one producer, consumer or administrator has between `connect` and `disconnect`: a client of its own, as in KafkaJS, with
 * KafkaJS's options told in headrace/client's.
 */
import type { TlsOptions, ConnectionOptions, ClientPorts } from '../client/options.ts';
import { settingsOf } from '../client/options.ts';
import { ClientCore } from '../client/core.ts';
import { KafkaJSConnectionError, KafkaJSNonRetriableError } from './errors.ts';
import type { Events } from './events.ts';
import { retrying, type RetrySettings } from './retry.ts';
import { saslOf } from './sasl.ts';
import type { KafkaConfig, Logger } from './types.ts';

const CONNECTION_TIMEOUT_MS = 3_000;
const AUTHENTICATION_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const NO_REQUEST_TIMEOUT_MS = 2 ** 31 - 1;
const METADATA_MAX_AGE_MS = 300_000;
const CLIENT_ID = 'kafkajs';
/** Pauses within headrace/client: how often the cluster is asked at most depends on them, too, so long ones are not passed on. */
const BACKOFF_MS = [10, 100] as const;
const BACKOFF_MAX_MS = [10, 1_000] as const;

export interface ConnectionHost {
  readonly config: KafkaConfig;
  readonly ports: ClientPorts;
  readonly logger: Logger;
  readonly events: Events;
  readonly retry: RetrySettings;
  readonly metadataMaxAgeMs?: number | undefined;
  readonly rack?: string | undefined;
}

export class Connection {
  readonly #host: ConnectionHost;
  #core: ClientCore | undefined;
  #connecting: Promise<ClientCore> | undefined;
  #ending = new AbortController();

  constructor(host: ConnectionHost) {
    this.#host = host;
  }

  get isConnected(): boolean {
    return this.#core !== undefined;
  }

  get ports(): ClientPorts {
    return this.#host.ports;
  }

  get clientId(): string {
    return this.#host.config.clientId ?? CLIENT_ID;
  }

  get requestTimeoutMs(): number {
    return requestTimeoutMs(this.#host.config);
  }

  /** The client, if there is one. */
  get core(): ClientCore | undefined {
    return this.#core;
  }

  /** Resolves when a broker has answered. Errors: KafkaJSNumberOfRetriesExceeded; what cannot pass, at once. */
  connect(): Promise<ClientCore> {
    if (this.#core !== undefined) return Promise.resolve(this.#core);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  disconnect(): void {
    this.#ending.abort(new KafkaJSConnectionError('Closed connection'));
    this.#ending = new AbortController();
    this.#core?.close();
    this.#core = undefined;
  }

  async #connect(): Promise<ClientCore> {
    const { ports, retry, logger } = this.#host;
    const { signal } = this.#ending;
    const core = await retrying(() => this.#attempt(), {
      ...ports,
      settings: retry,
      signal,
      onFailure: ({ message }, retryCount, retryTime) =>
        logger.error(`Failed to connect to a broker: ${message}`, { retryCount, retryTime }),
    });
    if (signal.aborted) {
      core.close();
      throw signal.reason;
    }
    this.#core = core;
    return core;
  }

  async #attempt(): Promise<ClientCore> {
    const { ports } = this.#host;
    const core = new ClientCore(ports, settingsOf(await this.#options()));
    try {
      await core.metadata.askAny((link) => link.versions());
      await core.metadata.refresh();
      return core;
    } catch (error) {
      core.close();
      throw error;
    }
  }

  async #options(): Promise<ConnectionOptions> {
    const { config, logger, events, retry, metadataMaxAgeMs, rack } = this.#host;
    const { connectionTimeout = CONNECTION_TIMEOUT_MS, sasl, ssl } = config;
    const authenticationMs =
      sasl === undefined ? 0 : (config.authenticationTimeout ?? AUTHENTICATION_TIMEOUT_MS);
    const { clientId } = this;
    return {
      bootstrap: await brokersOf(config),
      clientId,
      tls: tlsOf(ssl),
      ...(sasl === undefined ? {} : { sasl: saslOf(sasl, logger) }),
      connectTimeoutMs: connectionTimeout + authenticationMs,
      requestTimeoutMs: requestTimeoutMs(config),
      retryBackoffMs: between(retry.initialRetryTime, BACKOFF_MS),
      retryBackoffMaxMs: between(retry.maxRetryTime, BACKOFF_MAX_MS),
      metadataMaxAgeMs: metadataMaxAgeMs ?? METADATA_MAX_AGE_MS,
      ...(rack === undefined || rack === '' ? {} : { rack }),
      onRequest: (request) => events.request(request, clientId),
    };
  }
}

function between(ms: number, [min, max]: readonly [number, number]): number {
  return Math.max(min, Math.min(ms, max));
}

function requestTimeoutMs({ enforceRequestTimeout = true, requestTimeout }: KafkaConfig): number {
  return enforceRequestTimeout ? (requestTimeout ?? REQUEST_TIMEOUT_MS) : NO_REQUEST_TIMEOUT_MS;
}

async function brokersOf({ brokers }: KafkaConfig): Promise<string[]> {
  const list: unknown = typeof brokers === 'function' ? await brokers() : brokers;
  if (!Array.isArray(list) || list.length === 0) {
    throw new KafkaJSNonRetriableError('Failed to connect: brokers must be a list with at least one broker');
  }
  const wrong = list.find((one) => typeof one !== 'string' || one === '');
  if (wrong !== undefined) {
    throw new KafkaJSNonRetriableError(`Failed to connect: ${JSON.stringify(wrong)} is no broker`);
  }
  return list as string[];
}

/** What is not here is refused rather than passed over: it may be what makes the connection safe. */
const TLS_KNOWN: ReadonlySet<string> = new Set([
  'ca',
  'cert',
  'key',
  'passphrase',
  'rejectUnauthorized',
  'servername',
  'checkServerIdentity',
  'host',
  'port',
]);

/** Of Node's options those that headrace/client knows. Throws KafkaJSNonRetriableError for others. */
export function tlsOf(ssl: KafkaConfig['ssl']): boolean | TlsOptions {
  if (ssl === undefined || typeof ssl === 'boolean') return ssl ?? false;
  const strange = Object.entries(ssl).find(([name, value]) => value !== undefined && !TLS_KNOWN.has(name));
  if (strange !== undefined) throw new KafkaJSNonRetriableError(`ssl.${strange[0]} is not supported`);
  const { ca, cert, key, passphrase, rejectUnauthorized, servername, checkServerIdentity } = ssl;
  const authorities = pem(ca, 'ca');
  const certificate = pem(cert, 'cert');
  const privateKey = pem(key, 'key');
  return {
    ...(authorities === undefined ? {} : { authorities }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(privateKey === undefined ? {} : { key: privateKey }),
    ...(passphrase === undefined ? {} : { keyPassword: passphrase }),
    ...(servername === undefined || servername === '' ? {} : { serverName: servername }),
    // A check of the application's own is in practice one that lets everything pass.
    checksHost: rejectUnauthorized !== false && checkServerIdentity === undefined,
    checksAuthority: rejectUnauthorized !== false,
  };
}

function pem(given: unknown, name: string): string | undefined {
  if (given === undefined || given === null) return undefined;
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  const texts = list.map((one) => {
    if (typeof one === 'string') return one;
    if (Buffer.isBuffer(one)) return one.toString('utf8');
    throw new KafkaJSNonRetriableError(`ssl.${name} must be PEM, as text or a Buffer`);
  });
  return texts.join('\n');
}

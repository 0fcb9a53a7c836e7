/** What a client is told when it is made, and the defaults of what it is not told. */
import type { ClientTls, Logger, Network, Ports } from '../base/ports.ts';
import type { Sasl } from './connection/sasl.ts';

/** What a client needs of the world. Tests and simulations hand in their own. */
export interface ClientPorts extends Pick<Ports, 'clock' | 'timers' | 'random'> {
  readonly network: Pick<Network, 'connect'>;
  readonly logger?: Logger | undefined;
}

/** How brokers are believed, and how the client shows who it is. All in PEM. */
export interface TlsOptions {
  /** Who may vouch for the brokers, in place of whom the system believes. */
  readonly authorities?: string;
  /** The client's own certificate (mutual TLS), with those that vouch for it, its own first. */
  readonly certificate?: string;
  readonly key?: string;
  /** Where the key is encrypted. */
  readonly keyPassword?: string;
  /** Whether a broker's certificate must name the host that was connected to. Default: true. */
  readonly checksHost?: boolean;
  /** Whether brokers are believed only by those who may vouch for them; false trusts whoever answers. Default: true. */
  readonly checksAuthority?: boolean;
  /** The name that brokers are asked for and must show, in place of the host's. */
  readonly serverName?: string;
}

export interface ConnectionOptions {
  /** Where to begin: `host:port`, several by commas or in a list. Any of them leads to the whole cluster. */
  readonly bootstrap: string | readonly string[];
  /** Shown in the brokers' logs and quotas. Default: `headrace`. */
  readonly clientId?: string;
  /** Connections are encrypted: true for the system's authorities and no certificate of one's own. Default: false. */
  readonly tls?: boolean | TlsOptions;
  /** How the client shows who it is; left out: not at all. */
  readonly sasl?: Sasl;
  /** For TCP, TLS, versions and authentication together. Default: 10 s. */
  readonly connectTimeoutMs?: number;
  /** For an answer, unless the request itself asks the broker to wait. Default: 30 s. */
  readonly requestTimeoutMs?: number;
  /**
   * For a call with all its tries, where it has no time of its own: a commit, the end of a transaction, whatever an administrator
   * asks. Default: twice `requestTimeoutMs`, so that what one broker does not answer is asked again.
   */
  readonly callTimeoutMs?: number;
  /** The first pause before something is tried again; it doubles each time, with jitter. Default: 100 ms. */
  readonly retryBackoffMs?: number;
  /** The longest such pause. Default: 1 s. */
  readonly retryBackoffMaxMs?: number;
  /** How old the picture of the cluster may become. Default: 5 min. */
  readonly metadataMaxAgeMs?: number;
  /** How long a topic that nobody knows is asked for before the call fails. Default: 10 s. */
  readonly topicTimeoutMs?: number;
  /** The rack of this client, for reads from the nearest replica (KIP-392). */
  readonly rack?: string;
  /** Called when a request leaves; what it yields is called when the request is answered, or has failed. Neither may throw. */
  readonly onRequest?: OnRequest;
}

export type OnRequest = (request: SentRequest) => (outcome: RequestOutcome) => void;

export interface SentRequest {
  /** As the protocol names it: Produce, Fetch... */
  readonly api: string;
  readonly apiKey: number;
  readonly apiVersion: number;
  /** -1 while the broker is known by its address alone. */
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export interface RequestOutcome {
  readonly durationMs: number;
  /** A KafkaError, when there is no answer. */
  readonly error?: Error;
}

export interface Settings {
  readonly bootstrap: readonly Endpoint[];
  readonly clientId: string;
  readonly tls: ClientTls | undefined;
  readonly sasl: Sasl | undefined;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
  readonly metadataMaxAgeMs: number;
  readonly topicTimeoutMs: number;
  readonly rack: string | undefined;
  readonly onRequest: OnRequest | undefined;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const PORT_DEFAULT = 9092;

/** Throws TypeError for an address that is none. */
export function settingsOf(options: ConnectionOptions): Settings {
  const addresses = typeof options.bootstrap === 'string' ? options.bootstrap.split(',') : options.bootstrap;
  const bootstrap = addresses.map((address) => parseEndpoint(address.trim()));
  if (bootstrap.length === 0) throw new TypeError('bootstrap names no broker');
  const { requestTimeoutMs = 30_000 } = options;
  return {
    bootstrap,
    clientId: options.clientId ?? 'headrace',
    tls: clientTls(options.tls ?? false),
    sasl: options.sasl,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    requestTimeoutMs,
    callTimeoutMs: options.callTimeoutMs ?? 2 * requestTimeoutMs,
    retryBackoffMs: options.retryBackoffMs ?? 100,
    retryBackoffMaxMs: options.retryBackoffMaxMs ?? 1_000,
    metadataMaxAgeMs: options.metadataMaxAgeMs ?? 5 * 60_000,
    topicTimeoutMs: options.topicTimeoutMs ?? 10_000,
    rack: options.rack,
    onRequest: options.onRequest,
  };
}

function clientTls(tls: boolean | TlsOptions): ClientTls | undefined {
  if (tls === false) return undefined;
  const { checksHost = true, checksAuthority = true, ...identity } = tls === true ? {} : tls;
  return { versionMin: 'TLSv1.2', versionMax: 'TLSv1.3', checksHost, checksAuthority, ...identity };
}

/** `host:port`, `host`, or `[IPv6]:port`. */
export function parseEndpoint(address: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/]+))(?::(\d{1,5}))?$/.exec(address);
  const port = match?.[3] === undefined ? PORT_DEFAULT : Number(match[3]);
  if (match === null || port < 1 || port > 65_535) throw new TypeError(`${address} is not host:port`);
  return { host: (match[1] ?? match[2])!, port };
}

/**
 * The connections of this broker to the others: one for each broker and lane, made when it is first needed, made again
 * after a pause that grows while the other cannot be reached, and closed when the other leaves the cluster or comes back
 * as another process.
 */
import { TlsError, type ClientTls, type Ports } from '../base/ports.ts';
import type { SlabPool } from '../base/slab-pool.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { apiOf } from '../protocol/apis.ts';
import { ClientConnectionError } from '../rpc/client-connection.ts';
import { PeerUnavailable, type PeerRequest, type Peers } from '../rpc/peers.ts';
import { connectToPeer, type PeerConnection } from './peer-connection.ts';

/** Kafka's socket.connection.setup.timeout.ms; here it includes that brokers say who they are. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Pauses after attempts that failed: each twice the one before, up to the second, give or take a fifth. */
export const RECONNECT_BACKOFF_MS = 50;
export const RECONNECT_BACKOFF_MS_MAX = 1_000;
const JITTER = 0.2;
const LANE = 'requests';

export interface BrokerPeersOptions {
  readonly ports: Pick<Ports, 'network' | 'timers' | 'random' | 'clock' | 'logger'>;
  readonly image: ClusterImage;
  readonly nodeId: number;
  /** The listener on which brokers talk to each other. */
  readonly listener: string;
  /** How it is connected to; undefined, or without an answer: in the clear. */
  readonly tls?: () => ClientTls | undefined;
  /** For answers that are lent. */
  readonly slabs?: SlabPool | undefined;
}

/** Where a broker is, in one of its lives. */
interface Address {
  readonly host: string;
  readonly port: number;
  readonly brokerEpoch: number;
}

interface Link {
  readonly nodeId: number;
  readonly address: Address;
  /** The connection, or the attempt at it. */
  current: Promise<PeerConnection> | undefined;
  /** The connection once it can be used. */
  ready: PeerConnection | undefined;
  /** Requests that wait for the connection. */
  readonly waiting: Set<(why: string) => void>;
  backoffMs: number;
  /** Monotonic; no attempt before. */
  retryAtMs: number;
}

export class BrokerPeers implements Peers {
  readonly #options: BrokerPeersOptions;
  /** By broker and lane. */
  readonly #links = new Map<string, Link>();
  readonly #forgetImage: () => void;
  #isClosed = false;

  constructor(options: BrokerPeersOptions) {
    this.#options = options;
    this.#forgetImage = options.image.onChange(({ brokersChanged }) => {
      if (brokersChanged) this.#dropStale();
    });
  }

  async request<W, R>(nodeId: number, wanted: PeerRequest<W, R>): Promise<R> {
    const { clock } = this.#options.ports;
    const untilMs = clock.monotonicMs() + wanted.timeoutMs;
    const link = this.#link(nodeId, wanted.lane ?? LANE);
    let { ready } = link;
    let timeoutMs = wanted.timeoutMs;
    if (ready === undefined) {
      ready = await this.#within(link, timeoutMs);
      timeoutMs = Math.max(0, untilMs - clock.monotonicMs());
    }
    const { request, response, body, onAnswer } = wanted;
    const version = versionFor(nodeId, ready, wanted);
    try {
      return await ready.connection.request({ request, response, version, body, timeoutMs, onAnswer });
    } catch (error) {
      if (!(error instanceof ClientConnectionError)) throw error;
      const wasSent = error.failure !== 'busy';
      throw new PeerUnavailable(nodeId, error.message, { cause: error, wasSent });
    }
  }

  /** Closes everything; whoever waits is told. */
  close(): void {
    this.#isClosed = true;
    this.#forgetImage();
    for (const link of this.#links.values()) close(link, 'this broker stops');
    this.#links.clear();
  }

  #link(nodeId: number, lane: string): Link {
    const address = this.#address(nodeId);
    if (address === undefined || this.#isClosed) {
      throw new PeerUnavailable(nodeId, 'it is not in the cluster at the moment', { wasSent: false });
    }
    const key = `${nodeId} ${lane}`;
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const link: Link = {
      nodeId,
      address,
      current: undefined,
      ready: undefined,
      waiting: new Set(),
      backoffMs: RECONNECT_BACKOFF_MS,
      retryAtMs: 0,
    };
    this.#links.set(key, link);
    return link;
  }

  #address(nodeId: number): Address | undefined {
    const broker = this.#options.image.brokers.get(nodeId);
    const endpoint = broker?.endpoints.find(({ listener }) => listener === this.#options.listener);
    if (broker === undefined || broker.fenced || endpoint === undefined) return undefined;
    return { host: endpoint.host, port: endpoint.port, brokerEpoch: broker.epoch };
  }

  #connect(link: Link): Promise<PeerConnection> {
    if (link.current !== undefined) return link.current;
    const { ports, image, nodeId, slabs } = this.#options;
    const { nodeId: toNodeId } = link;
    const refuse = (message: string) =>
      Promise.reject(new PeerUnavailable(toNodeId, message, { wasSent: false }));
    if (ports.clock.monotonicMs() < link.retryAtMs) return refuse('it could not be reached a moment ago');
    const secret = image.interBrokerSecret;
    const brokerEpoch = image.brokers.get(nodeId)?.epoch ?? -1;
    if (secret === undefined || brokerEpoch < 0) return refuse('this broker is not in the cluster');
    const attempt = connectToPeer({
      ports,
      host: link.address.host,
      port: link.address.port,
      tls: this.#options.tls?.(),
      claim: { nodeId, brokerEpoch, toNodeId },
      clusterId: image.clusterId,
      secret,
      timeoutMs: CONNECT_TIMEOUT_MS,
      slabs,
      onGone: () => {
        if (link.current !== attempted || link.ready === undefined) return;
        link.current = undefined;
        link.ready = undefined;
      },
    });
    const attempted = this.#settled(link, attempt);
    link.current = attempted;
    return attempted;
  }

  /** Keeps in the link what came of an attempt. */
  async #settled(link: Link, attempt: Promise<PeerConnection>): Promise<PeerConnection> {
    const { clock, random, logger } = this.#options.ports;
    const { nodeId } = link;
    let made: PeerConnection;
    try {
      made = await attempt;
    } catch (error) {
      link.current = undefined;
      // Certificates that do not fit are for somebody to mend; a broker that is away comes back.
      const isToMend = link.backoffMs === RECONNECT_BACKOFF_MS && refersTo(error, TlsError);
      const pauseMs = link.backoffMs * (1 - JITTER + 2 * JITTER * random.float());
      link.retryAtMs = clock.monotonicMs() + pauseMs;
      link.backoffMs = Math.min(2 * link.backoffMs, RECONNECT_BACKOFF_MS_MAX);
      const message = error instanceof Error ? error.message : String(error);
      logger[isToMend ? 'warn' : 'debug'](
        { peer: nodeId, error: message },
        'another broker cannot be reached',
      );
      throw new PeerUnavailable(nodeId, message, { cause: error, wasSent: false });
    }
    if (!this.#isCurrent(link)) {
      made.connection.destroy();
      throw new PeerUnavailable(nodeId, 'it left the cluster, or began anew', { wasSent: false });
    }
    link.backoffMs = RECONNECT_BACKOFF_MS;
    if (made.connection.isClosed) link.current = undefined;
    else link.ready = made;
    return made;
  }

  /** A request does not wait for an attempt longer than it may; the attempt goes on for others. */
  #within(link: Link, timeoutMs: number): Promise<PeerConnection> {
    const { nodeId, waiting } = link;
    return new Promise((resolve, reject) => {
      const giveUp = (why: string): void => reject(new PeerUnavailable(nodeId, why, { wasSent: false }));
      const limit = this.#options.ports.timers.after(timeoutMs, () =>
        giveUp(`no connection within ${timeoutMs} ms`),
      );
      waiting.add(giveUp);
      const done = (): void => {
        limit.cancel();
        waiting.delete(giveUp);
      };
      this.#connect(link).finally(done).then(resolve, reject);
    });
  }

  #isCurrent({ nodeId, address }: Link): boolean {
    const now = this.#address(nodeId);
    if (this.#isClosed || now === undefined) return false;
    return now.host === address.host && now.port === address.port && now.brokerEpoch === address.brokerEpoch;
  }

  #dropStale(): void {
    for (const [key, link] of this.#links) {
      if (this.#isCurrent(link)) continue;
      this.#links.delete(key);
      close(link, 'it left the cluster, or began anew');
    }
  }
}

/** Whether it, or what caused it, is one of these. */
function refersTo(error: unknown, kind: typeof TlsError): boolean {
  if (error instanceof kind) return true;
  return error instanceof Error && error.cause !== undefined && refersTo(error.cause, kind);
}

function close(link: Link, why: string): void {
  link.ready?.connection.destroy();
  for (const giveUp of link.waiting) giveUp(why);
}

/** The newest version that both know, or the one that is wanted, if both know it. */
function versionFor(
  nodeId: number,
  { versions }: PeerConnection,
  { request, version }: { readonly request: { readonly key: number }; readonly version?: number | undefined },
): number {
  const api = apiOf(request.key)!;
  const theirs = versions.get(api.key) ?? { minVersion: 0, maxVersion: -1 };
  const min = Math.max(api.versionMin, theirs.minVersion);
  const max = Math.min(api.versionMax, theirs.maxVersion);
  const chosen = version ?? max;
  if (chosen >= min && chosen <= max) return chosen;
  const which = version === undefined ? 'no version' : `no version ${version}`;
  throw new PeerUnavailable(nodeId, `it serves ${which} of ${api.name} that we know`, { wasSent: false });
}

/**
 * Finds out that the process of another broker has ended, long before its session with the metadata store is over. To each
 * broker a connection is held on which nothing is sent. When it breaks, and the broker's port then refuses connections,
 * twice, nobody listens there any more: the machine is there and says so. Its registration is ended, and others lead at once.
 *
 * A guess that is wrong (something between the two refuses in the broker's stead) costs an election and no record: epochs and
 * compares keep that broker from doing harm, and it registers again. Each life is ended so at most once, and only by a
 * broker that had been connected to it. Where nothing answers at all, it is the session that counts, as before.
 */
import type { ClientTls, Clock, Connection, Logger, Network, Timer, Timers } from '../base/ports.ts';
import { ledBy } from '../metadata/controller/elections.ts';
import type { ClusterImage } from '../metadata/image.ts';

/** Between the first refusal and the second. */
const CONFIRM_MS = 100;
/** Before a connection is tried again that could not be made for another reason. */
const RETRY_MS = 1_000;
const REFUSALS = 2;

export interface EndedBrokersOptions {
  readonly ports: {
    readonly network: Network;
    readonly clock: Clock;
    readonly timers: Timers;
    readonly logger: Logger;
  };
  readonly image: ClusterImage;
  readonly nodeId: number;
  /** The listener on which brokers talk to each other. */
  readonly listener: string;
  /** How that listener is reached; undefined: in the clear. */
  readonly tls: () => ClientTls | undefined;
  /** Ends the registration of this epoch, if it stands. */
  readonly evict: (nodeId: number, epoch: number) => Promise<void>;
}

interface Place {
  readonly nodeId: number;
  readonly epoch: number;
  readonly host: string;
  readonly port: number;
}

export class EndedBrokers {
  readonly #options: EndedBrokersOptions;
  readonly #watches = new Map<number, BrokerWatch>();
  #unsubscribe = (): void => {};

  constructor(options: EndedBrokersOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unsubscribe = this.#options.image.onChange(({ brokersChanged }) => {
      if (brokersChanged) this.#follow();
    });
    this.#follow();
  }

  stop(): void {
    this.#unsubscribe();
    for (const watch of this.#watches.values()) watch.stop();
    this.#watches.clear();
  }

  /** One watch for each life of another broker that may be ended. */
  #follow(): void {
    const { image } = this.#options;
    for (const [nodeId, watch] of this.#watches) {
      if (isSame(watch.place, this.#placeOf(nodeId))) continue;
      watch.stop();
      this.#watches.delete(nodeId);
    }
    for (const nodeId of image.brokers.keys()) {
      const place = this.#watches.has(nodeId) ? undefined : this.#placeOf(nodeId);
      if (place !== undefined) this.#watches.set(nodeId, new BrokerWatch(place, this.#options));
    }
  }

  /** Undefined: there is nothing to find out. */
  #placeOf(nodeId: number): Place | undefined {
    const { image, listener } = this.#options;
    const broker = image.brokers.get(nodeId);
    if (broker === undefined || broker.fenced || nodeId === this.#options.nodeId) return undefined;
    const endpoint = broker.endpoints.find((one) => one.listener === listener);
    return endpoint && { nodeId, epoch: broker.epoch, host: endpoint.host, port: endpoint.port };
  }
}

function isSame(one: Place, other: Place | undefined): boolean {
  return one.epoch === other?.epoch && one.host === other.host && one.port === other.port;
}

/** Of one life of one broker. */
class BrokerWatch {
  readonly place: Place;
  readonly #options: EndedBrokersOptions;
  #connection: Connection | undefined;
  #wasConnected = false;
  #refusals = 0;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(place: Place, options: EndedBrokersOptions) {
    this.place = place;
    this.#options = options;
    this.#connect();
  }

  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#connection?.destroy();
  }

  #connect(): void {
    const { host, port } = this.place;
    const { ports, tls } = this.#options;
    ports.network.connect(host, port, tls()).then(
      (connection) => this.#connected(connection),
      (error: unknown) => this.#failed(error),
    );
  }

  #connected(connection: Connection): void {
    if (this.#isOver) {
      connection.destroy();
      return;
    }
    this.#connection = connection;
    this.#wasConnected = true;
    this.#refusals = 0;
    const { clock } = this.#options.ports;
    const sinceMs = clock.monotonicMs();
    connection.onClose = () => {
      this.#connection = undefined;
      if (this.#isOver) return;
      // A broker that takes no more connections ends each at once.
      if (clock.monotonicMs() - sinceMs < RETRY_MS) this.#again(RETRY_MS);
      else this.#connect();
    };
  }

  #failed(error: unknown): void {
    if (this.#isOver) return;
    const isRefused = (error as { readonly code?: unknown }).code === 'ECONNREFUSED';
    this.#refusals = isRefused && this.#wasConnected ? this.#refusals + 1 : 0;
    if (this.#refusals === 0) this.#again(RETRY_MS);
    else if (this.#refusals < REFUSALS) this.#again(CONFIRM_MS);
    else this.#end();
  }

  #end(): void {
    const { ports, evict } = this.#options;
    const { nodeId, epoch } = this.place;
    if (this.#isStoppingInOrder()) {
      this.#again(RETRY_MS);
      return;
    }
    ports.logger.warn({ nodeId, epoch }, 'the process of another broker has ended: so does its registration');
    evict(nodeId, epoch).catch((error: unknown) => {
      ports.logger.warn({ nodeId, error: String(error) }, 'a registration could not be ended');
      if (!this.#isOver) this.#again(RETRY_MS);
    });
  }

  /** It has handed over, and is about to end its registration itself. */
  #isStoppingInOrder(): boolean {
    const { image } = this.#options;
    const { nodeId } = this.place;
    const hasHandedOver = image.controllerId !== nodeId && ledBy(image, nodeId).length === 0;
    return hasHandedOver && image.brokers.get(nodeId)?.isStopping === true;
  }

  #again(delayMs: number): void {
    this.#timer = this.#options.ports.timers.after(delayMs, () => this.#connect());
  }
}

/** The links of a client: to the bootstrap addresses, and to each broker of the cluster in as many lanes as are asked for. */
import { BrokerLink, type BrokerNode, type LinkWorld } from './broker-link.ts';
import type { Endpoint } from '../options.ts';
import { brokerError, ownError } from '../errors.ts';
import { Errors } from '../../protocol/errors.ts';

/** What shares a connection. Each consumer and producer has lanes of its own, by number. */
export type Lane = 'control' | `${'produce' | 'fetch' | 'group' | 'transaction'}-${number}`;

export interface BrokerAddress extends Endpoint {
  readonly nodeId: number;
  readonly rack: string | null;
}

interface KnownBroker {
  readonly node: BrokerNode;
  rack: string | null;
  readonly links: Map<Lane, BrokerLink>;
}

export class Brokers {
  readonly #world: LinkWorld;
  readonly #bootstrap: readonly BrokerLink[];
  readonly #known = new Map<number, KnownBroker>();
  #isClosed = false;

  constructor(world: LinkWorld) {
    this.#world = world;
    this.#bootstrap = world.settings.bootstrap.map(
      (endpoint) => new BrokerLink({ nodeId: -1, endpoint, versions: undefined }, world),
    );
  }

  get nodeIds(): number[] {
    return [...this.#known.keys()];
  }

  rackOf(nodeId: number): string | null {
    return this.#known.get(nodeId)?.rack ?? null;
  }

  isKnown(nodeId: number): boolean {
    return this.#known.has(nodeId);
  }

  /** Throws BROKER_NOT_AVAILABLE for a broker that is not in the picture of the cluster. */
  link(nodeId: number, lane: Lane): BrokerLink {
    if (this.#isClosed) throw ownError('CLOSED', 'the client has been closed');
    const broker = this.#known.get(nodeId);
    if (broker === undefined) throw notKnown(nodeId);
    let link = broker.links.get(lane);
    if (link === undefined) broker.links.set(lane, (link = new BrokerLink(broker.node, this.#world)));
    return link;
  }

  /** What the cluster says: brokers come, go and move. Links to one that has moved are closed. */
  update(brokers: readonly BrokerAddress[]): void {
    const gone = new Set(this.#known.keys());
    for (const address of brokers) {
      gone.delete(address.nodeId);
      this.learn(address);
    }
    for (const nodeId of gone) {
      this.#abandon(this.#known.get(nodeId)!);
      this.#known.delete(nodeId);
    }
  }

  /** One broker more, or another address of one that is known (KIP-951). */
  learn({ nodeId, host, port, rack }: BrokerAddress): void {
    const known = this.#known.get(nodeId);
    const { endpoint } = known?.node ?? { endpoint: undefined };
    if (known !== undefined && endpoint!.host === host && endpoint!.port === port) {
      known.rack = rack;
      return;
    }
    if (known !== undefined) this.#abandon(known);
    const node: BrokerNode = { nodeId, endpoint: { host, port }, versions: undefined };
    this.#known.set(nodeId, { node, rack, links: new Map() });
  }

  /** Closes the links of a lane: its owner has ended. */
  closeLane(lane: Lane): void {
    for (const { links } of this.#known.values()) {
      links.get(lane)?.close();
      links.delete(lane);
    }
  }

  /**
   * Whom to ask what any broker can answer, best first: connected, then not tried lately, then the bootstrap
   * addresses. With all of the cluster out of reach the latter are tried again (KIP-899).
   */
  candidates(): BrokerLink[] {
    const shuffled = this.#shuffle([...this.#known.keys()]).map((nodeId) => this.link(nodeId, 'control'));
    const rank = (link: BrokerLink): number => (link.isConnected ? 0 : link.isBackingOff ? 2 : 1);
    const known = shuffled.sort((a, b) => rank(a) - rank(b));
    return [...known, ...this.#shuffle([...this.#bootstrap])];
  }

  /** Forgets the cluster: what comes next begins at the bootstrap addresses (KIP-1102). */
  forget(): void {
    for (const broker of this.#known.values()) this.#abandon(broker);
    this.#known.clear();
  }

  /** The bootstrap connections are of no more use once the cluster is known. */
  leaveBootstrap(): void {
    for (const link of this.#bootstrap) link.disconnect();
  }

  close(): void {
    this.#isClosed = true;
    for (const link of this.#bootstrap) link.close();
    for (const { links } of this.#known.values()) {
      for (const link of links.values()) link.close();
      links.clear();
    }
  }

  #abandon({ links }: KnownBroker): void {
    for (const link of links.values()) link.abandon();
    links.clear();
  }

  #shuffle<T>(list: T[]): T[] {
    const { random } = this.#world.ports;
    for (let at = list.length - 1; at > 0; at--) {
      const other = random.integer(at + 1);
      [list[at], list[other]] = [list[other]!, list[at]!];
    }
    return list;
  }
}

function notKnown(nodeId: number): Error {
  return brokerError(Errors.BROKER_NOT_AVAILABLE, `broker ${nodeId} is not known`, { retriable: true });
}

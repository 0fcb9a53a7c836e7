/** What the parts of a client share: the ports, the settings, the brokers and the picture of the cluster. */
import { Brokers, type Lane } from './connection/brokers.ts';
import type { LinkWorld } from './connection/broker-link.ts';
import { Metadata } from './metadata/metadata.ts';
import type { ClientPorts, Settings } from './options.ts';

export class ClientCore {
  readonly ports: ClientPorts;
  readonly settings: Settings;
  readonly brokers: Brokers;
  readonly metadata: Metadata;
  readonly #world: LinkWorld;
  #lanes = 0;

  constructor(ports: ClientPorts, settings: Settings) {
    this.ports = ports;
    this.settings = settings;
    this.#world = { ports, settings, clusterId: null };
    this.brokers = new Brokers(this.#world);
    this.metadata = new Metadata({ world: this.#world, brokers: this.brokers });
  }

  /** Null until a broker has told it. */
  get clusterId(): string | null {
    return this.#world.clusterId;
  }

  /** A lane that nobody else has. */
  newLane(kind: 'produce' | 'fetch' | 'group' | 'transaction'): Lane {
    this.#lanes += 1;
    return `${kind}-${this.#lanes}`;
  }

  close(): void {
    this.metadata.close();
    this.brokers.close();
  }
}

/** What a fault is, and what it may lay hands on. */
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import type { Clients } from './clients.ts';
import type { Broker, Cluster } from './cluster.ts';
import type { Drops, Host } from './network.ts';

export interface World {
  readonly cluster: Cluster;
  readonly drops: Drops;
  readonly clientHost: Host;
  readonly clients: Clients;
  readonly sessionMs: number;
  /** Brokers whose process a fault has in its hands now; another one takes another broker. */
  readonly held: Set<Broker>;
  /** Brokers whose files were spoilt in this round: never a majority at a time. */
  readonly spoilt: Set<Broker>;
  readonly say: (what: string) => void;
}

export interface Fault {
  /** What it is done to, for the log. */
  readonly what: string;
  /** How long it stays, in ms. */
  readonly holdMs: number;
  /** The processes it stops, starts or whose files it touches. */
  readonly holds?: readonly Broker[];
  begin(): Promise<void>;
  end(): Promise<void>;
}

/** Undefined when it cannot be had now. */
export type MakeFault = (world: World, random: SimulatedRandom) => Fault | undefined;

export function oneOf<T>(random: SimulatedRandom, all: readonly T[]): T {
  return all[random.integer(all.length)]!;
}

/** A broker that no other fault holds. */
export function freeBroker({ cluster, held }: World, random: SimulatedRandom): Broker | undefined {
  const free = cluster.brokers.filter((one) => !held.has(one) && one.service.isRunning);
  return free.length === 0 ? undefined : oneOf(random, free);
}

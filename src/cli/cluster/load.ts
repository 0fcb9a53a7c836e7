/**
 * What each broker has to bear, and how far that is from even. Only what lies outside of a tolerance counts, so that a
 * cluster which is even enough has a cost of 0, and nothing is moved for the sake of a perfect figure.
 */
import type { PartitionPlace } from './cluster-state.ts';

export const RESOURCES = ['bytes', 'replicas', 'leaders', 'bytesPerSecond'] as const;
export type Resource = (typeof RESOURCES)[number];
export type Load = Readonly<Record<Resource, number>>;

/** How far from the average a broker may be: a part of the average, but at least so much. */
const TOLERANCE: Readonly<Record<Resource, { readonly part: number; readonly least: number }>> = {
  bytes: { part: 0.1, least: 16 * 1024 ** 2 },
  replicas: { part: 0.1, least: 1 },
  leaders: { part: 0.1, least: 1 },
  bytesPerSecond: { part: 0.2, least: 1024 ** 2 },
};

export const NO_LOAD: Load = { bytes: 0, replicas: 0, leaders: 0, bytesPerSecond: 0 };

/** What one replica adds to its broker. */
export function loadOf({ sizeBytes, bytesPerSecond }: PartitionPlace, isPreferred: boolean): Load {
  return { bytes: sizeBytes, replicas: 1, leaders: isPreferred ? 1 : 0, bytesPerSecond };
}

export function plus(load: Load, other: Load, sign: 1 | -1 = 1): Load {
  return {
    bytes: load.bytes + sign * other.bytes,
    replicas: load.replicas + sign * other.replicas,
    leaders: load.leaders + sign * other.leaders,
    bytesPerSecond: load.bytesPerSecond + sign * other.bytesPerSecond,
  };
}

/** The loads of the brokers that share everything, and what they would cost. */
export class Balance {
  readonly loads = new Map<number, Load>();
  readonly #average: Load;
  readonly #tolerance: Load;

  /** `total`: what they have to share, wherever it is now. */
  constructor(brokerIds: readonly number[], total: Load) {
    for (const id of brokerIds) this.loads.set(id, NO_LOAD);
    const count = Math.max(1, brokerIds.length);
    this.#average = {
      bytes: total.bytes / count,
      replicas: total.replicas / count,
      leaders: total.leaders / count,
      bytesPerSecond: total.bytesPerSecond / count,
    };
    const tolerance = (resource: Resource): number => {
      const { part, least } = TOLERANCE[resource];
      return Math.max(least, part * this.#average[resource]);
    };
    this.#tolerance = {
      bytes: tolerance('bytes'),
      replicas: tolerance('replicas'),
      leaders: tolerance('leaders'),
      bytesPerSecond: tolerance('bytesPerSecond'),
    };
  }

  of(brokerId: number): Load {
    return this.loads.get(brokerId) ?? NO_LOAD;
  }

  /** Ignores brokers that do not share. */
  add(brokerId: number, load: Load, sign: 1 | -1 = 1): void {
    const before = this.loads.get(brokerId);
    if (before !== undefined) this.loads.set(brokerId, plus(before, load, sign));
  }

  average(resource: Resource): number {
    return this.#average[resource];
  }

  tolerance(resource: Resource): number {
    return this.#tolerance[resource];
  }

  /** Of one broker with this load. 0: it bears what it should. */
  cost(load: Load): number {
    let cost = 0;
    for (const resource of RESOURCES) {
      const average = this.#average[resource];
      const tolerance = this.#tolerance[resource];
      const excess = Math.max(0, Math.abs(load[resource] - average) - tolerance);
      cost += (excess / Math.max(average, tolerance)) ** 2;
    }
    return cost;
  }

  totalCost(): number {
    let cost = 0;
    for (const load of this.loads.values()) cost += this.cost(load);
    return cost;
  }

  /** What it would cost more (or, negative, less) if this went from one broker to the other. */
  change(from: number, to: number, load: Load): number {
    const [source, target] = [this.of(from), this.of(to)];
    const isShared = this.loads.has(from);
    const after = this.cost(plus(target, load)) + (isShared ? this.cost(plus(source, load, -1)) : 0);
    return after - this.cost(target) - (isShared ? this.cost(source) : 0);
  }
}

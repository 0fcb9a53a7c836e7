/**
 * The planner of `headrace cluster rebalance`, a pure function: from where everything is to what has to move. In this order,
 * each step undoing nothing of those before it:
 *
 *   1. topics that are to have more replicas get them;
 *   2. brokers that are to go are emptied;
 *   3. replicas that share a rack while another rack has none are parted;
 *   4. bytes, replicas, leaders and traffic are evened out, by the moves that bring most for a byte copied;
 *   5. leaders are evened out by the order of replicas alone, which copies nothing (leader-shifts.ts).
 *
 * A move keeps the number of replicas, never puts two into one rack that were in different ones (unless there is no other
 * way to empty a broker), and is made only if the whole is more even afterwards. What is even enough stays where it is.
 */
import { nameOf, type ClusterState, type Move, type PartitionPlace } from './cluster-state.ts';
import { shiftLeaders } from './leader-shifts.ts';
import { Balance, loadOf, NO_LOAD, plus, type Load } from './load.ts';
import { rackPairs } from './racks.ts';

export interface PlanOptions {
  /** Brokers that are to hold nothing afterwards. */
  readonly removing?: ReadonlySet<number>;
  /** Replicas that a topic is to have at least, as far as there are brokers. */
  readonly factors?: ReadonlyMap<string, number>;
}

export interface Plan {
  readonly moves: readonly Move[];
  /** By broker, those that are to go included. */
  readonly before: ReadonlyMap<number, Load>;
  readonly after: ReadonlyMap<number, Load>;
  /** How uneven it is: 0 is even enough. */
  readonly costBefore: number;
  readonly costAfter: number;
  /** What could not be kept or reached, for people. */
  readonly notes: readonly string[];
}

/** There is no plan, and why. */
export class PlanProblem extends Error {}

/** Copying something small costs something, too. */
const MOVE_OVERHEAD_BYTES = 1024 ** 2;
/** Not all of what is free is filled. */
const USABLE_PART = 0.9;
/** Partitions of a broker that are looked at in one step, as long as there is a good one among them. */
const CANDIDATES_MAX = 128;
/** An improvement below it is noise. */
const GAIN_MIN = 1e-9;

interface Place {
  readonly place: PartitionPlace;
  replicas: number[];
}

export function plan(state: ClusterState, options: PlanOptions = {}): Plan {
  const planner = new Planner(state, options);
  planner.raiseFactors();
  planner.drain();
  planner.partRacks();
  planner.evenOut();
  planner.evenOutLeaders();
  return planner.result();
}

class Planner {
  readonly #state: ClusterState;
  readonly #options: PlanOptions;
  readonly #places: Place[];
  /** Brokers that share what there is. */
  readonly #sharing: readonly number[];
  readonly #racks: ReadonlyMap<number, string | null>;
  readonly #room = new Map<number, number>();
  readonly #balance: Balance;
  readonly #notes = new Set<string>();
  readonly #costBefore: number;

  constructor(state: ClusterState, options: PlanOptions) {
    this.#state = state;
    this.#options = options;
    const { removing = new Set() } = options;
    this.#sharing = state.brokers
      .filter(({ id, isAlive }) => isAlive && !removing.has(id))
      .map(({ id }) => id);
    if (this.#sharing.length === 0) throw new PlanProblem('no broker would be left');
    this.#racks = new Map(state.brokers.map(({ id, rack }) => [id, rack]));
    for (const { id, usableBytes } of state.brokers) this.#room.set(id, usableBytes * USABLE_PART);
    this.#places = state.partitions.map((place) => ({ place, replicas: [...place.replicas] }));
    this.#balance = new Balance(this.#sharing, this.#shared());
    for (const one of this.#places) this.#count(one, 1);
    this.#costBefore = this.#balance.totalCost();
  }

  /** What the sharing brokers will have to bear: everything, but for what stays on brokers that are away. */
  #shared(): Load {
    const { removing = new Set(), factors } = this.#options;
    const away = new Set(this.#state.brokers.filter(({ isAlive }) => !isAlive).map(({ id }) => id));
    let total = NO_LOAD;
    for (const place of this.#state.partitions) {
      const stays = (id: number): boolean => away.has(id) && !removing.has(id);
      for (const [index, id] of place.replicas.entries()) {
        if (!stays(id)) total = plus(total, loadOf(place, index === 0));
      }
      const wanted = Math.min(factors?.get(place.topic) ?? 0, this.#sharing.length);
      for (let n = place.replicas.length; n < wanted; n++) total = plus(total, loadOf(place, false));
    }
    return total;
  }

  #count({ place, replicas }: Place, sign: 1 | -1): void {
    for (const [index, id] of replicas.entries()) this.#balance.add(id, loadOf(place, index === 0), sign);
  }

  raiseFactors(): void {
    for (const one of this.#places) {
      const wanted = this.#options.factors?.get(one.place.topic) ?? 0;
      while (one.replicas.length < wanted) {
        const target = this.#best(one, undefined);
        if (target === undefined) break;
        this.#replace(one, undefined, target);
      }
    }
  }

  drain(): void {
    const { removing = new Set<number>() } = this.#options;
    const largestFirst = [...this.#places].sort((a, b) => b.place.sizeBytes - a.place.sizeBytes);
    for (const one of largestFirst) {
      for (const id of one.place.replicas) {
        if (!removing.has(id) || !one.replicas.includes(id)) continue;
        const target = this.#best(one, id);
        if (target === undefined) throw new PlanProblem(this.#whyNot(one));
        const before = this.#pairs(one.replicas);
        this.#replace(one, id, target);
        if (this.#pairs(one.replicas) > before) {
          this.#notes.add(`without broker ${id} replicas of ${one.place.topic} share a rack`);
        }
      }
    }
  }

  #whyNot({ place, replicas }: Place): string {
    const free = this.#sharing.filter((id) => !replicas.includes(id));
    if (free.length > 0) return `no broker has room for ${nameOf(place)} (${place.sizeBytes} bytes)`;
    return `${nameOf(place)} has ${replicas.length} replicas, and only ${this.#sharing.length} brokers would be left`;
  }

  partRacks(): void {
    for (const one of this.#places) {
      for (;;) {
        const before = this.#pairs(one.replicas);
        if (before === 0) break;
        const found = this.#bestParting(one, before);
        if (found === undefined) break;
        this.#replace(one, found.from, found.to);
      }
    }
  }

  #bestParting(one: Place, before: number): { from: number; to: number } | undefined {
    let best: { from: number; to: number; pairs: number; cost: number } | undefined;
    for (const from of one.replicas) {
      if (!this.#sharing.includes(from)) continue;
      for (const to of this.#targets(one)) {
        const pairs = this.#pairs(replaced(one.replicas, from, to));
        if (pairs >= before) continue;
        const cost = this.#balance.change(from, to, loadOf(one.place, one.replicas[0] === from));
        if (best === undefined || pairs < best.pairs || (pairs === best.pairs && cost < best.cost)) {
          best = { from, to, pairs, cost };
        }
      }
    }
    return best;
  }

  evenOut(): void {
    const holdings = new Map<number, Place[]>(this.#sharing.map((id) => [id, []]));
    for (const one of this.#places) for (const id of one.replicas) holdings.get(id)?.push(one);
    while (this.#balance.totalCost() > GAIN_MIN) {
      const step = this.#bestStep(holdings);
      if (step === undefined) return;
      this.#replace(step.one, step.from, step.to);
      const left = holdings.get(step.from)!;
      const last = left.pop()!;
      if (last !== step.one) left[left.indexOf(step.one)] = last;
      holdings.get(step.to)!.push(step.one);
    }
  }

  /** From the broker that costs most and has too much, to the one that has least; else another pair. */
  #bestStep(holdings: ReadonlyMap<number, readonly Place[]>) {
    const byNeed = [...this.#sharing].sort((a, b) => this.#weight(b) - this.#weight(a) || a - b);
    for (const from of byNeed) {
      for (const to of [...byNeed].reverse()) {
        if (from === to) continue;
        // Neither would be better off.
        if (this.#balance.cost(this.#balance.of(from)) + this.#balance.cost(this.#balance.of(to)) === 0)
          continue;
        const held = holdings.get(from)!;
        const step =
          this.#bestBetween(from, to, sampleOf(held)) ??
          (held.length > CANDIDATES_MAX ? this.#bestBetween(from, to, held) : undefined);
        if (step !== undefined) return step;
      }
    }
    return undefined;
  }

  /** How much a broker has, of everything, against the average. */
  #weight(brokerId: number): number {
    const load = this.#balance.of(brokerId);
    let weight = 0;
    for (const resource of ['bytes', 'replicas', 'bytesPerSecond'] as const) {
      const excess = load[resource] - this.#balance.average(resource);
      weight += excess / Math.max(this.#balance.average(resource), this.#balance.tolerance(resource));
    }
    return weight;
  }

  #bestBetween(from: number, to: number, held: Iterable<Place>) {
    let best: { one: Place; from: number; to: number; gain: number } | undefined;
    for (const one of held) {
      if (one.replicas.includes(to) || !this.#hasRoom(one, to)) continue;
      const change = this.#balance.change(from, to, loadOf(one.place, one.replicas[0] === from));
      if (change > -GAIN_MIN) continue;
      if (this.#pairs(replaced(one.replicas, from, to)) > this.#pairs(one.replicas)) continue;
      const gain = -change / (this.#copied(one, to) + MOVE_OVERHEAD_BYTES);
      if (best === undefined || gain > best.gain) best = { one, from, to, gain };
    }
    return best;
  }

  evenOutLeaders(): void {
    const orders = shiftLeaders(
      this.#places.map(({ replicas }) => replicas),
      { sharing: this.#sharing, tolerance: this.#balance.tolerance('leaders') },
    );
    for (const [index, one] of this.#places.entries()) {
      this.#count(one, -1);
      one.replicas = [...orders[index]!];
      this.#count(one, 1);
    }
  }

  result(): Plan {
    const moves: Move[] = [];
    const [before, after] = [new Map<number, Load>(), new Map<number, Load>()];
    for (const { id } of this.#state.brokers) {
      before.set(id, NO_LOAD);
      after.set(id, NO_LOAD);
    }
    for (const { place, replicas } of this.#places) {
      addTo(before, place, place.replicas);
      addTo(after, place, replicas);
      if (replicas.join() === place.replicas.join()) continue;
      const { topic, partition, sizeBytes, replicas: from } = place;
      const adding = replicas.filter((id) => !from.includes(id)).length;
      moves.push({ topic, partition, from, to: replicas, sizeBytes, bytes: adding * sizeBytes });
    }
    return {
      moves,
      before,
      after,
      costBefore: this.#costBefore,
      costAfter: this.#balance.totalCost(),
      notes: [...this.#notes],
    };
  }

  /** Who takes a replica (in the place of `from`) best: the fewest in a rack first, then the most even. */
  #best(one: Place, from: number | undefined): number | undefined {
    let best: { id: number; pairs: number; cost: number } | undefined;
    const load = loadOf(one.place, from !== undefined && one.replicas[0] === from);
    for (const id of this.#targets(one)) {
      const after = from === undefined ? [...one.replicas, id] : replaced(one.replicas, from, id);
      const pairs = this.#pairs(after);
      const target = this.#balance.of(id);
      // Within the tolerance the one with less is better all the same.
      const cost =
        this.#balance.cost(plus(target, load)) - this.#balance.cost(target) + 1e-3 * this.#weight(id);
      if (best === undefined || pairs < best.pairs || (pairs === best.pairs && cost < best.cost)) {
        best = { id, pairs, cost };
      }
    }
    return best?.id;
  }

  #targets(one: Place): number[] {
    return this.#sharing.filter((id) => !one.replicas.includes(id) && this.#hasRoom(one, id));
  }

  #hasRoom(one: Place, id: number): boolean {
    return this.#copied(one, id) <= (this.#room.get(id) ?? 0);
  }

  /** What it takes to bring the partition there; nothing where it was before. */
  #copied({ place }: Place, id: number): number {
    return place.replicas.includes(id) ? 0 : place.sizeBytes;
  }

  #replace(one: Place, from: number | undefined, to: number): void {
    this.#count(one, -1);
    one.replicas = from === undefined ? [...one.replicas, to] : replaced(one.replicas, from, to);
    this.#count(one, 1);
    this.#room.set(to, (this.#room.get(to) ?? 0) - this.#copied(one, to));
    if (from !== undefined) this.#room.set(from, (this.#room.get(from) ?? 0) + this.#copied(one, from));
  }

  #pairs(replicas: readonly number[]): number {
    return rackPairs(replicas, (id) => this.#racks.get(id) ?? null);
  }
}

/** Some of many: what is best among them is good enough. */
function sampleOf(held: readonly Place[]): readonly Place[] {
  if (held.length <= CANDIDATES_MAX) return held;
  const every = Math.ceil(held.length / CANDIDATES_MAX);
  return held.filter((_, index) => index % every === 0);
}

function replaced(replicas: readonly number[], from: number, to: number): number[] {
  return replicas.map((id) => (id === from ? to : id));
}

function addTo(loads: Map<number, Load>, place: PartitionPlace, replicas: readonly number[]): void {
  for (const [index, id] of replicas.entries()) {
    loads.set(id, plus(loads.get(id) ?? NO_LOAD, loadOf(place, index === 0)));
  }
}

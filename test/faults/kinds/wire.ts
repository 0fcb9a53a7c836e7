/** What a network may do to bytes, and to requests that were given up: late, in crumbs, cut off, or twice. */
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import { type Fault, type MakeFault, oneOf, type World } from '../fault.ts';
import type { WireMode } from '../wire-control.ts';

const PRODUCE = 0;
const INIT_PRODUCER_ID = 22;
const ADD_PARTITIONS = 24;
const ADD_OFFSETS = 25;
const END_TXN = 26;
const TXN_OFFSET_COMMIT = 28;
const OFFSET_COMMIT = 8;
const MEDDLED: readonly (readonly number[])[] = [
  [END_TXN],
  [ADD_PARTITIONS],
  [PRODUCE],
  [END_TXN, ADD_PARTITIONS, PRODUCE],
  [ADD_OFFSETS, TXN_OFFSET_COMMIT, OFFSET_COMMIT],
  [INIT_PRODUCER_ID, END_TXN],
];

export const wireFaults: Record<string, MakeFault> = {
  delay: (world, random) =>
    wired(world, random, { delayMs: random.between(5, 400), jitterMs: random.between(0, 600) }),
  drip: (world, random) => wired(world, random, { drips: true }),
  reset: (world, random) => wired(world, random, { resetChance: random.between(5, 60) / 100 }),
  'half-close': (world, random) => wired(world, random, { halfCloseChance: random.between(5, 60) / 100 }),
  'late-requests': (world, random) => wired(world, random, { hold: meddling(random) }),
  'double-requests': (world, random) => wired(world, random, { double: meddling(random) }),
};

function meddling(random: SimulatedRandom) {
  return {
    apis: oneOf(random, MEDDLED),
    chance: random.between(2, 30) / 100,
    delayMsMax: oneOf(random, [20, 500, 3_000, 12_000]),
  };
}

/** On the wires of one broker or of all. */
function wired({ cluster, say }: World, random: SimulatedRandom, mode: WireMode): Fault {
  const brokers = random.chance(0.5) ? cluster.brokers : [oneOf(random, cluster.brokers)];
  const set = async (one: WireMode): Promise<void> => {
    for (const { wire, id } of brokers) {
      await wire
        .set(one)
        .catch((error: unknown) => say(`the wire of broker ${id} cannot be reached: ${String(error)}`));
    }
  };
  return {
    what: `brokers ${brokers.map(({ id }) => id).join()}: ${JSON.stringify(mode)}`,
    holdMs: random.between(3_000, 12_000),
    begin: () => set(mode),
    end: () => set({}),
  };
}

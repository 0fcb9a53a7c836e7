/** What can happen to etcd: members that are killed or stand still, no majority, and history that is thrown away. */
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import { type Fault, type MakeFault, oneOf, type World } from '../fault.ts';
import { compact } from '../etcd-admin.ts';

const HOLD_MS_MAX = 12_000;

export const storeFaults: Record<string, MakeFault> = {
  'store-kill': (world, random) => stores(world, random, { count: 1, isKill: true }),
  'store-pause': (world, random) => stores(world, random, { count: 1, isKill: false }),
  /** No majority; with one member this is the same as the others. */
  'store-majority-down'(world, random) {
    const count = Math.floor(world.cluster.stores.length / 2) + 1;
    if (count === 1) return undefined;
    return stores(world, random, { count, isKill: random.chance(0.5) });
  },
  'store-compaction': ({ cluster, say }) => ({
    what: 'up to now',
    holdMs: 1_000,
    async begin() {
      for (const { launch } of cluster.stores) {
        try {
          return await compact(launch.host.address);
        } catch (error) {
          say(`compaction: ${String(error)}`);
        }
      }
    },
    end: async () => {},
  }),
};

function stores(
  { cluster }: World,
  random: SimulatedRandom,
  { count, isKill }: { readonly count: number; readonly isKill: boolean },
): Fault | undefined {
  const free = cluster.stores.filter((one) => one.isRunning && !one.isPaused);
  if (free.length < count) return undefined;
  const chosen = Array.from({ length: count }, () => {
    const one = oneOf(random, free);
    free.splice(free.indexOf(one), 1);
    return one;
  });
  return {
    what: `${isKill ? 'SIGKILL' : 'SIGSTOP'}: ${chosen.map(({ launch }) => launch.host.name).join(', ')}`,
    holdMs: random.between(300, HOLD_MS_MAX),
    async begin() {
      for (const one of chosen) {
        if (isKill) await one.kill();
        else one.pause();
      }
    },
    async end() {
      for (const one of chosen) {
        if (isKill) void one.start();
        else one.resume();
      }
    },
  };
}

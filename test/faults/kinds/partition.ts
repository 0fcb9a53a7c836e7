/** Networks that do not carry everything from everyone to everyone. */
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import { type Fault, type MakeFault, oneOf, type World } from '../fault.ts';
import { between, type Drop, type Host, oneWay } from '../network.ts';

const HOLD_MS_MAX = 14_000;

interface Sides {
  readonly one: Host;
  readonly others: readonly Host[];
  readonly stores: readonly Host[];
  readonly client: Host;
  readonly name: string;
}

export const partitionFaults: Record<string, MakeFault> = {
  /** From everybody. */
  isolate: (world, random) =>
    partition(world, random, ({ one, others, stores, client, name }) => ({
      what: name,
      drops: between([one], [...others, ...stores, client]),
    })),

  /** From the other brokers and etcd, while clients still reach it: a leader that does not know it is none. */
  'isolate-but-clients': (world, random) =>
    partition(world, random, ({ one, others, stores, name }) => ({
      what: name,
      drops: between([one], [...others, ...stores]),
    })),

  'one-way': (world, random) =>
    partition(world, random, ({ one, others, stores, client, name }) => {
      const all = random.chance(0.5) ? [...others, ...stores] : [...others, ...stores, client];
      const isDeaf = random.chance(0.5);
      return {
        what: `${name} ${isDeaf ? 'hears' : 'is heard by'} nobody${all.includes(client) ? '' : ' but clients'}`,
        drops: all.flatMap((other) => (isDeaf ? oneWay(other, one) : oneWay(one, other))),
      };
    }),

  /** Two brokers do not see each other; the third one sees both. */
  'non-transitive': (world, random) =>
    partition(world, random, ({ one, others, name }) => {
      const other = oneOf(random, others);
      return { what: `${name} and ${other.name}`, drops: between([one], [other]) };
    }),

  'broker-store': (world, random) =>
    partition(world, random, ({ one, stores, name }) => ({ what: name, drops: between([one], stores) })),

  'broker-broker': (world, random) =>
    partition(world, random, ({ one, others, name }) => ({ what: name, drops: between([one], others) })),

  /** No broker sees another one; etcd and clients see all. */
  'all-brokers': (world, random) =>
    partition(world, random, ({ one, others }) => ({
      what: 'each from each',
      drops: [...between([one], others), ...between([others[0]!], others.slice(1))],
    })),

  'client-leader': (world, random) =>
    partition(world, random, ({ one, client, name }) => ({ what: name, drops: between([client], [one]) })),

  loss: (world, random) =>
    partition(world, random, ({ one, others, stores, client, name }) => {
      const percent = random.between(2, 30);
      return {
        what: `${name}, ${percent} %`,
        drops: between([one], [...others, ...stores, client], percent),
      };
    }),
};

function partition(
  { cluster, drops, clientHost }: World,
  random: SimulatedRandom,
  cut: (sides: Sides) => { readonly what: string; readonly drops: readonly Drop[] },
): Fault {
  const broker = oneOf(random, cluster.brokers);
  const { what, drops: dropped } = cut({
    one: broker.host,
    others: cluster.brokers.filter((other) => other !== broker).map(({ host }) => host),
    stores: cluster.stores.map(({ launch }) => launch.host),
    client: clientHost,
    name: `broker ${broker.id}`,
  });
  return {
    what,
    holdMs: random.between(500, HOLD_MS_MAX),
    begin: async () => drops.add(dropped),
    end: async () => drops.remove(dropped),
  };
}

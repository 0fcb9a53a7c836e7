/** Full disks, power cuts, and files that are not what was written. */
import {
  closeSync,
  ftruncateSync,
  fstatSync,
  globSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Broker } from '../cluster.ts';
import { type Fault, freeBroker, type MakeFault, oneOf, type World } from '../fault.ts';

const DOWN_MS_MAX = 5_000;
/** What is spoilt, and how many of its kind at most. */
interface Spoiled {
  readonly pattern: string;
  readonly count: number;
}
const LOGS: readonly Spoiled[] = [{ pattern: '*-*/*.log', count: 4 }];
const INDEXES: readonly Spoiled[] = ['index', 'timeindex', 'txnindex'].map((name) => ({
  pattern: `*-*/*.${name}`,
  count: 4,
}));
const STATES: readonly Spoiled[] = [
  { pattern: '*-*/leader-epoch-checkpoint', count: 3 },
  { pattern: '*-*/*.snapshot', count: 4 },
  { pattern: '*-*/partition.metadata', count: 4 },
  { pattern: 'recovery-point-offset-checkpoint', count: 1 },
  { pattern: 'replication-offset-checkpoint', count: 1 },
  { pattern: 'log-start-offset-checkpoint', count: 1 },
  { pattern: '.kafka_cleanshutdown', count: 1 },
];

export const diskFaults: Record<string, MakeFault> = {
  'disk-full'(world, random) {
    const broker = freeBroker(world, random);
    if (broker === undefined) return undefined;
    return {
      what: `broker ${broker.id}`,
      holdMs: random.between(2_000, 8_000),
      holds: [broker],
      begin: async () => broker.disk.fill(),
      async end() {
        broker.disk.empty();
        if (broker.service.isRunning) return;
        world.say(`broker ${broker.id} has ended on a full disk: ${broker.service.ended}`);
        void broker.service.start();
      },
    };
  },

  /** The broker lives on without it, and must let others lead; later it is replaced by the same one, and starts again. */
  'disk-error'(world, random) {
    const broker = freeBroker(world, random);
    if (broker === undefined) return undefined;
    return {
      what: `broker ${broker.id}`,
      holdMs: random.between(3_000, 9_000),
      holds: [broker],
      begin: async () => broker.disk.fail(),
      async end() {
        if (!broker.service.isRunning) {
          world.say(`broker ${broker.id} has ended without its disk: ${broker.service.ended}`);
        }
        await broker.service.kill();
        broker.disk.repair();
        void broker.service.start();
      },
    };
  },

  'power-cut'(world, random) {
    const broker = freeBroker(world, random);
    if (broker === undefined) return undefined;
    return {
      what: `broker ${broker.id}`,
      holdMs: random.integer(DOWN_MS_MAX),
      holds: [broker],
      begin: () => cutPower([broker]),
      end: async () => void broker.service.start(),
    };
  },

  'power-cut-of-all'(world, random) {
    const { brokers } = world.cluster;
    if (world.held.size > 0 || !brokers.every(({ service }) => service.isRunning)) return undefined;
    return {
      what: 'all brokers at one moment',
      holdMs: random.integer(DOWN_MS_MAX),
      holds: brokers,
      begin: () => cutPower(brokers),
      end: async () => brokers.forEach(({ service }) => void service.start()),
    };
  },

  'corrupt-log': (world, random) => corruption(world, random, LOGS),
  'corrupt-index': (world, random) => corruption(world, random, INDEXES),
  'corrupt-state': (world, random) => corruption(world, random, STATES),

  /** The others are killed when it is up again, or soon after: what it has lost it must not give out as the whole. */
  'corrupt-and-alone'(world, random) {
    const damage = corruption(world, random, LOGS);
    const [broker] = damage?.holds ?? [];
    const others = world.cluster.brokers.filter((one) => one !== broker);
    const isFree = others.every((one) => !world.held.has(one) && one.service.isRunning);
    if (damage === undefined || !isFree) return undefined;
    const waitMs = random.between(0, 8_000);
    const aloneMs = random.between(2_000, 8_000);
    return {
      ...damage,
      what: `${damage.what}; the others go after ${waitMs} ms for ${aloneMs} ms`,
      holds: world.cluster.brokers,
      async end() {
        await broker!.service.start();
        await delay(waitMs);
        await Promise.all(others.map(({ service }) => service.kill()));
        await delay(aloneMs);
        for (const { service } of others) void service.start();
      },
    };
  },
};

/** Undefined when a broker is spoilt already: two of three would be a majority. */
function corruption(world: World, random: SimulatedRandom, kinds: readonly Spoiled[]): Fault | undefined {
  const broker = freeBroker(world, random);
  if (broker === undefined || world.spoilt.size > 0) return undefined;
  world.spoilt.add(broker);
  const isClean = random.chance(0.5);
  const { pattern, count } = oneOf(random, kinds);
  const chance = random.fork('spoil');
  return {
    what: `broker ${broker.id}, ${pattern} after ${isClean ? 'a clean stop' : 'SIGKILL'}`,
    holdMs: random.integer(DOWN_MS_MAX),
    holds: [broker],
    async begin() {
      if (isClean) await broker.service.stop();
      else await broker.service.kill();
      const files = globSync(`${broker.dataFolder}/${pattern}`);
      for (let left = Math.min(count, files.length); left > 0; left--) {
        const [file] = files.splice(chance.integer(files.length), 1);
        world.say(`  ${spoil(file!, chance)}`);
      }
    },
    end: async () => void broker.service.start(),
  };
}

/** At one moment for all of them; they are down afterwards. */
async function cutPower(brokers: readonly Broker[]): Promise<void> {
  for (const { service } of brokers) service.pause();
  const copies: string[] = [];
  for (const { disk } of brokers) copies.push(await disk.photograph());
  for (const [index, { service, disk }] of brokers.entries()) {
    await service.kill();
    disk.replaceBy(copies[index]!);
  }
}

/** Flips a bit, cuts the end off, puts zeroes or rubbish over a part, or takes the file away; says what it did. */
function spoil(path: string, random: SimulatedRandom): string {
  const name = path.split('/').slice(-2).join('/');
  const file = openSync(path, 'r+');
  try {
    const { size } = fstatSync(file);
    const how = random.integer(basename(path).endsWith('.log') ? 4 : 5);
    if (how === 4) {
      rmSync(path);
      return `${name} is gone`;
    }
    if (size === 0) return `${name} is empty as it is`;
    const at = random.integer(size);
    if (how === 0) {
      ftruncateSync(file, at);
      return `${name} cut at ${at} of ${size}`;
    }
    const length = how === 1 ? 1 : Math.min(size - at, random.between(1, 600));
    const bytes = how === 2 ? Buffer.alloc(length) : random.bytes(length);
    if (how === 1) {
      readSync(file, bytes, 0, 1, at);
      bytes[0]! ^= 1 << random.integer(8);
    }
    writeSync(file, bytes, 0, length, at);
    return `${name}: ${['', 'a bit flipped', `${length} zeroes`, `${length} bytes of rubbish`][how]} at ${at} of ${size}`;
  } finally {
    closeSync(file);
  }
}

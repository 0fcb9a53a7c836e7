/** What can happen to processes: an end at once, also while it recovers, a clean one, a stop in the midst, another clock. */
import { setTimeout as delay } from 'node:timers/promises';
import { freeBroker, type MakeFault, oneOf } from '../fault.ts';

const DOWN_MS_MAX = 10_000;
const PAUSE_MS_MIN = 100;
const PAUSE_SESSIONS_MAX = 3;
const CLOCK_STEPS_S = [-7 * 86_400, -3_600, -45, -2, 2, 45, 3_600, 7 * 86_400];

export const processFaults: Record<string, MakeFault> = {
  kill(world, random) {
    const broker = freeBroker(world, random);
    if (broker === undefined) return undefined;
    return {
      what: `broker ${broker.id}`,
      holdMs: random.chance(0.3) ? 0 : random.integer(DOWN_MS_MAX),
      holds: [broker],
      begin: () => broker.service.kill(),
      end: async () => void broker.service.start(),
    };
  },

  'kill-in-recovery'(world, random) {
    const broker = freeBroker(world, random);
    if (broker === undefined) return undefined;
    const times = random.between(1, 3);
    const waits = Array.from({ length: times }, () => random.between(150, 2_500));
    return {
      what: `broker ${broker.id}, ${times} times again after ${waits.join(', ')} ms`,
      holdMs: random.integer(3_000),
      holds: [broker],
      begin: () => broker.service.kill(),
      async end() {
        for (const waitMs of waits) {
          void broker.service.start();
          await delay(waitMs);
          await broker.service.kill();
        }
        void broker.service.start();
      },
    };
  },

  'kill-two'(world, random) {
    const [one, other] = [freeBroker(world, random), freeBroker(world, random)];
    if (one === undefined || other === undefined || one === other) return undefined;
    return {
      what: `brokers ${one.id} and ${other.id}`,
      holdMs: random.integer(6_000),
      holds: [one, other],
      begin: async () => void (await Promise.all([one.service.kill(), other.service.kill()])),
      async end() {
        void one.service.start();
        await delay(random.integer(2_000));
        void other.service.start();
      },
    };
  },

  'clean-stop'(world, random) {
    const broker = freeBroker(world, random);
    if (broker === undefined) return undefined;
    return {
      what: `broker ${broker.id}`,
      holdMs: random.integer(4_000),
      holds: [broker],
      async begin() {
        if (!(await broker.service.stop())) world.say(`broker ${broker.id} did not stop in time`);
      },
      end: async () => void broker.service.start(),
    };
  },

  pause(world, random) {
    const broker = freeBroker(world, random);
    if (broker === undefined) return undefined;
    return {
      what: `broker ${broker.id}`,
      holdMs: random.between(PAUSE_MS_MIN, PAUSE_SESSIONS_MAX * world.sessionMs),
      holds: [broker],
      begin: async () => broker.service.pause(),
      end: async () => broker.service.resume(),
    };
  },

  /** All the time on and off, each shorter than the session. */
  stutter(world, random) {
    const broker = freeBroker(world, random);
    if (broker === undefined) return undefined;
    let isOver = false;
    let stuttering = Promise.resolve();
    return {
      what: `broker ${broker.id}`,
      holdMs: random.between(3_000, 9_000),
      holds: [broker],
      async begin() {
        stuttering = (async () => {
          while (!isOver) {
            broker.service.pause();
            await delay(random.between(100, 900));
            broker.service.resume();
            await delay(random.between(50, 500));
          }
        })();
      },
      async end() {
        isOver = true;
        await stuttering;
      },
    };
  },

  clock(world, random) {
    const broker = oneOf(random, world.cluster.brokers);
    const steps = Array.from({ length: random.between(1, 4) }, () => oneOf(random, CLOCK_STEPS_S));
    const holdMs = random.between(4_000, 10_000);
    let isOver = false;
    let stepping = Promise.resolve();
    return {
      what: `broker ${broker.id}, by ${steps.join(', ')} s`,
      holdMs,
      async begin() {
        broker.shiftClock(steps[0]!);
        stepping = (async () => {
          for (const step of steps.slice(1)) {
            await delay(holdMs / steps.length);
            if (!isOver) broker.shiftClock(step);
          }
        })();
      },
      async end() {
        isOver = true;
        broker.shiftClock(0);
        await stepping;
      },
    };
  },

  'client-kill'(world, random) {
    const { clients } = world;
    const writer = oneOf(random, clients.writers);
    return {
      what: writer.name,
      holdMs: random.integer(2_000),
      begin: () => clients.killWriter(writer),
      end: () => clients.startWriter(writer.library),
    };
  },

  'client-pause'(world, random) {
    const writer = oneOf(random, world.clients.writers);
    return {
      what: writer.name,
      holdMs: random.between(500, 8_000),
      begin: async () => writer.peer.signal('SIGSTOP'),
      end: async () => writer.peer.signal('SIGCONT'),
    };
  },
};

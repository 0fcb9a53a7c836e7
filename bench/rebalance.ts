/** How long a consumer group of a hundred members takes to settle, when it begins and when one member goes or comes. */
import { setTimeout as delay } from 'node:timers/promises';
import { Group } from './lib/group.ts';
import { row, type BySide, type Context, type Kind, type Question } from './lib/question.ts';
import { spread } from './lib/figures.ts';
import { describe, start, type Server, type ServerOptions } from './lib/servers.ts';

const AT_ONCE: ServerOptions = {
  durability: 'relaxed',
  settings: { 'group.initial.rebalance.delay.ms': '0' },
};
const WITH_DELAY: ServerOptions = {
  durability: 'relaxed',
  settings: { 'group.initial.rebalance.delay.ms': '3000' },
};

interface Size {
  readonly members: number;
  readonly groups: number;
  /** Times that a member of the one group goes and comes within a round. */
  readonly changes: number;
  /** The same with all groups at once. */
  readonly changesOfAll: number;
  readonly warmUpMs: number;
}
const FULL: Size = { members: 100, groups: 20, changes: 15, changesOfAll: 3, warmUpMs: 8000 };
const QUICK: Size = { members: 20, groups: 4, changes: 3, changesOfAll: 1, warmUpMs: 500 };

const TITLE_ONE = 'One group, by itself';

interface Changes {
  readonly leaveMs: number;
  readonly comeMs: number;
  /** Processor time of the broker for one rebalance. */
  readonly cpuMs: number;
}

interface Sample {
  readonly formMs: number;
  readonly formDelayedMs: number;
  readonly one: Changes;
  readonly formAllMs: number;
  readonly formAllCpuMs: number;
  readonly all: Changes;
}

/** All groups at the same time: from the first request until the last member of the last group has its assignment. */
async function together(groups: readonly Group[], act: (group: Group) => Promise<number>): Promise<number> {
  const startedAt = performance.now();
  await Promise.all(groups.map(act));
  return performance.now() - startedAt;
}

async function changes(server: Server, groups: readonly Group[], times: number): Promise<Changes> {
  const leaveMs: number[] = [];
  const comeMs: number[] = [];
  const before = server.usage().cpuSeconds;
  for (let time = 0; time < times; time++) {
    leaveMs.push(await together(groups, (group) => group.leave()));
    comeMs.push(await together(groups, (group) => group.comeBack()));
  }
  const cpuMs = (1000 * (server.usage().cpuSeconds - before)) / (2 * times);
  return { leaveMs: spread(leaveMs)!.median, comeMs: spread(comeMs)!.median, cpuMs };
}

/** The same as is measured afterwards, in another group, until the time is over: code is compiled while it runs. */
async function warmUp(server: Server, { members, warmUpMs }: Size): Promise<void> {
  const until = performance.now() + warmUpMs;
  const group = await Group.connect(server.port, { groupId: 'warm-up', members });
  await group.form();
  while (performance.now() < until) {
    await group.leave();
    await group.comeBack();
  }
  group.close();
}

async function delayed(kind: Kind, size: Size): Promise<number> {
  const server = await start(kind, WITH_DELAY);
  try {
    const group = await Group.connect(server.port, { groupId: 'delayed', members: size.members });
    const formMs = await group.form();
    group.close();
    return formMs;
  } finally {
    await server.discard();
  }
}

async function once(kind: Kind, size: Size): Promise<Sample> {
  const { members } = size;
  const server = await start(kind, AT_ONCE);
  const groups: Group[] = [];
  try {
    await warmUp(server, size);
    const single = await Group.connect(server.port, { groupId: 'single', members });
    groups.push(single);
    const formMs = await single.form();
    const one = await changes(server, [single], size.changes);
    for (let index = 0; index < size.groups; index++) {
      groups.push(await Group.connect(server.port, { groupId: `group-${index}`, members }));
    }
    await delay(200);
    const before = server.usage().cpuSeconds;
    const formAllMs = await together(groups.slice(1), (group) => group.form());
    const formAllCpuMs = 1000 * (server.usage().cpuSeconds - before);
    const all = await changes(server, groups.slice(1), size.changesOfAll);
    return { formMs, formDelayedMs: await delayed(kind, size), one, formAllMs, formAllCpuMs, all };
  } finally {
    for (const group of groups) group.close();
    await server.discard();
  }
}

async function run(context: Context) {
  const size = context.quick ? QUICK : FULL;
  const samples: BySide<Sample> = await context.alternate(async (kind, round) => {
    context.log(`round ${round + 1}, ${kind}`);
    return once(kind, size);
  });
  const time = (label: string, pick: (sample: Sample) => number) =>
    row(samples, pick, { label, unit: 'ms', better: 'lower' });
  const cpu = (label: string, pick: (sample: Sample) => number) =>
    row(samples, pick, { label, unit: 'CPU ms', better: 'lower' });
  const { members, groups } = size;
  return {
    settings: [
      `Classic protocol, JoinGroup 7, SyncGroup 5, Heartbeat 4; ${members} members of a group, each on its own connection, ` +
        'session timeout 45 s. Every member checks that it received the assignment that its leader made for it.',
      'When something changed the leader learns it from heartbeats 1 ms apart, and then every member from one heartbeat of its ' +
        'own: the time is what the broker takes, without the seconds that clients usually wait between heartbeats.',
      `Warmed up by the same rebalances in another group for ${size.warmUpMs / 1000} s. Going and coming: the median of ` +
        `${size.changes} (one group) or ${size.changesOfAll} (${groups} groups) in each round.`,
      ...context.kinds.map((kind) => describe(kind, AT_ONCE)),
    ],
    tables: [
      {
        title: TITLE_ONE,
        text: `${members} members.`,
        rows: [
          time('begins, no initial delay: last join to all assigned', ({ formMs }) => formMs),
          time('begins, default initial delay of 3 s', ({ formDelayedMs }) => formDelayedMs),
          time('a member leaves: until all others are assigned', ({ one }) => one.leaveMs),
          time('a member joins: until all are assigned', ({ one }) => one.comeMs),
          cpu('processor time of the broker for a rebalance', ({ one }) => one.cpuMs),
        ],
      },
      {
        title: `${groups} such groups at once`,
        rows: [
          time('all begin, no initial delay', ({ formAllMs }) => formAllMs),
          cpu('processor time of the broker for that', ({ formAllCpuMs }) => formAllCpuMs),
          time('a member leaves each', ({ all }) => all.leaveMs),
          time('a member joins each', ({ all }) => all.comeMs),
          cpu(`processor time for a rebalance of all ${groups}`, ({ all }) => all.cpuMs),
        ],
      },
    ],
  };
}

export const question: Question = {
  name: 'rebalance',
  title: 'Consumer groups: rebalances',
  asks:
    'How long does a consumer group stand still when members come and go? Every deployment of a consumer is a series of ' +
    'rebalances, and a broker that hosts many groups does many at once.',
  minutes: 4,
  answers: [
    {
      says: 'has a group going again within',
      where: 'after a member joins',
      table: TITLE_ONE,
      row: 'a member joins: until all are assigned',
    },
  ],
  run,
};

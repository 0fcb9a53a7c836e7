/** For how long nobody can write to the partitions of a broker that dies, or that is stopped as planned. */
import { setTimeout as delay } from 'node:timers/promises';
import { describeCluster, startCluster, BROKERS, type Cluster } from './lib/cluster-servers.ts';
import { createReplicated, electPreferred, viewOf } from './lib/cluster-topics.ts';
import { KINDS, NAMES, row, type Context, type Question, type Table } from './lib/question.ts';
import { SteadyWrites } from './lib/steady-writes.ts';

const TOPIC = 'failover';
const PARTITIONS = 12;
const DURABILITY = { durability: 'relaxed' } as const;
/** Between two writes to a partition. */
const INTERVAL_MS = 20;
/** Before a broker goes all partitions have been written to for this long. */
const STEADY_MS = 2_000;
const BACK_MS_MAX = 120_000;
const POLL_MS = 50;

const TITLE = 'The longest that a write to any of the partitions took';

interface Outage {
  /** From a write's first attempt until it was acknowledged, the longest of all partitions. */
  readonly secondsOut: number;
  /** From the start of the process until its replicas were in sync again. */
  readonly secondsBack: number;
}

interface Round {
  readonly killed: Outage;
  readonly stopped: Outage;
}

export const question: Question = {
  name: 'cluster-failover',
  title: 'Three brokers: a broker goes',
  asks:
    'When a broker dies, for how long can nobody write to the partitions that it led; and when it is stopped as planned, does ' +
    'anybody notice?',
  minutes: 4,
  answers: [
    {
      says: 'keeps a write waiting for up to',
      where: 'a broker is killed, default settings',
      table: TITLE,
      row: 'killed (SIGKILL)',
    },
    {
      says: 'keeps a write waiting for up to',
      where: 'a broker is stopped as planned',
      table: TITLE,
      row: 'stopped (SIGTERM)',
    },
  ],
  async run(context) {
    const clusters = {} as Record<(typeof KINDS)[number], Cluster>;
    try {
      for (const kind of context.kinds) {
        clusters[kind] = await startCluster(kind, DURABILITY);
        await createReplicated(clusters[kind], [{ topic: TOPIC, partitions: PARTITIONS }]);
      }
      const samples = await context.alternate((kind, round) => runRound(context, clusters[kind], round));
      const seconds = { unit: 's', better: 'lower', goal: 1 } as const;
      const tables: Table[] = [
        {
          title: TITLE,
          rows: [
            row(samples, ({ killed }) => killed.secondsOut, { label: 'killed (SIGKILL)', ...seconds }),
            row(samples, ({ stopped }) => stopped.secondsOut, { label: 'stopped (SIGTERM)', ...seconds }),
          ],
        },
        {
          title: 'From its start until its replicas are in sync again',
          rows: [
            row(samples, ({ killed }) => killed.secondsBack, { label: 'after a kill', ...seconds }),
            row(samples, ({ stopped }) => stopped.secondsBack, { label: 'after a stop', ...seconds }),
          ],
        },
      ];
      return { settings: settings(), tables };
    } finally {
      for (const kind of context.kinds) await clusters[kind]?.discard();
    }
  },
};

async function runRound(context: Context, cluster: Cluster, round: number): Promise<Round> {
  // Another one each time, so that the controller is among them.
  const id = 1 + (round % BROKERS);
  const killed = await outage(cluster, id, 'kill');
  const stopped = await outage(cluster, id, 'stop');
  const text = ({ secondsOut, secondsBack }: Outage): string =>
    `a write took up to ${secondsOut.toFixed(2)} s, back in sync after ${secondsBack.toFixed(1)} s`;
  context.log(`${NAMES[cluster.kind]} broker ${id} killed: ${text(killed)}; stopped: ${text(stopped)}`);
  return { killed, stopped };
}

async function outage(cluster: Cluster, id: number, how: 'kill' | 'stop'): Promise<Outage> {
  const node = cluster.node(id);
  const other = cluster.nodes.find((one) => one.id !== id)!;
  const led = (await viewOf(other.port, TOPIC)).filter(({ leader }) => leader === id);
  if (led.length === 0) throw new Error(`broker ${id} leads nothing`);
  const writes = SteadyWrites.begin(cluster, {
    topic: TOPIC,
    partitions: PARTITIONS,
    intervalMs: INTERVAL_MS,
  });
  try {
    await writes.settled();
    await delay(STEADY_MS);
    writes.takeLatenciesMs();
    writes.mark(id);
    await node[how]();
    writes.mark(id);
    await writes.resumed(BACK_MS_MAX);
    const secondsOut = Math.max(...writes.takeLatenciesMs()) / 1000;
    const startedAtMs = performance.now();
    await node.restart();
    await until(async () => (await viewOf(other.port, TOPIC)).every(({ isr }) => isr.length === BROKERS));
    const secondsBack = (performance.now() - startedAtMs) / 1000;
    await electPreferred(cluster, TOPIC);
    await until(async () => (await viewOf(other.port, TOPIC)).some(({ leader }) => leader === id));
    if (writes.failures.length > 0) throw new Error(writes.failures[0]);
    return { secondsOut, secondsBack };
  } finally {
    await writes.end();
  }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const late = performance.now() + BACK_MS_MAX; !(await isSo()); await delay(POLL_MS)) {
    if (performance.now() > late) throw new Error(`the cluster is not as before within ${BACK_MS_MAX} ms`);
  }
}

function settings(): string[] {
  return [
    `A topic of ${PARTITIONS} partitions with three replicas each. A record is written to each partition every ` +
      `${INTERVAL_MS} ms, acks=all; what fails is tried again with the leader that the brokers name.`,
    `Each round one broker, another one each time, is killed while it is written to, started again, and, once it leads what it ` +
      'led before, stopped as planned and started again.',
    ...KINDS.map((kind) => describeCluster(kind, DURABILITY)),
  ];
}

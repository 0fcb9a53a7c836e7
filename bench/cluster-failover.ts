/** For how long nobody can write to the partitions of a broker that dies, or that is stopped as planned. */
import { setTimeout as delay } from 'node:timers/promises';
import { describeCluster, startCluster, BROKERS, type Cluster } from './lib/cluster-servers.ts';
import { createReplicated, electPreferred, viewOf } from './lib/cluster-topics.ts';
import { startProbe, type Probe } from './lib/prober.ts';
import { KINDS, NAMES, row, type Context, type Question, type Table } from './lib/question.ts';

const TOPIC = 'failover';
const PARTITIONS = 12;
const DURABILITY = { durability: 'relaxed' } as const;
/** Before a broker goes all partitions have been written to for this long. */
const STEADY_MS = 2_000;
const BACK_MS_MAX = 120_000;
const POLL_MS = 50;

const TITLE = 'Without an acknowledged write, the longest of the partitions that the broker led';

interface Outage {
  /** From the signal until every partition that the broker led has acknowledged a write again. */
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
  minutes: 5,
  answers: [
    {
      says: 'takes writes again after',
      where: 'a leader is killed, default settings',
      table: TITLE,
      row: 'killed (SIGKILL)',
    },
    {
      says: 'takes writes again after',
      where: 'a leader is stopped as planned',
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
    `${secondsOut.toFixed(2)} s without writes, back in sync after ${secondsBack.toFixed(1)} s`;
  context.log(`${NAMES[cluster.kind]} broker ${id} killed: ${text(killed)}; stopped: ${text(stopped)}`);
  return { killed, stopped };
}

async function outage(cluster: Cluster, id: number, how: 'kill' | 'stop'): Promise<Outage> {
  const node = cluster.node(id);
  const probe = startProbe(cluster, TOPIC, PARTITIONS);
  try {
    await delay(STEADY_MS);
    const other = cluster.nodes.find((one) => one.id !== id)!;
    const led = (await viewOf(other.port, TOPIC)).filter(({ leader }) => leader === id);
    if (led.length === 0) throw new Error(`broker ${id} leads nothing`);
    const goneAtMs = performance.now();
    await node[how]();
    const partitions = led.map(({ partition }) => partition);
    // A stop may hand over before it ends: what was acknowledged meanwhile counts, and the gap is looked at as a whole.
    await until(() =>
      partitions.every((one) => probe.acknowledgedMs[one].at(-1)! > performance.now() - POLL_MS),
    );
    const secondsOut = Math.max(...partitions.map((one) => longestGapMs(probe, one, goneAtMs))) / 1000;
    const startedAtMs = performance.now();
    await node.restart();
    await until(async () => (await viewOf(other.port, TOPIC)).every(({ isr }) => isr.length === BROKERS));
    const secondsBack = (performance.now() - startedAtMs) / 1000;
    await electPreferred(cluster, TOPIC);
    await until(async () => (await viewOf(other.port, TOPIC)).some(({ leader }) => leader === id));
    return { secondsOut, secondsBack };
  } finally {
    await probe.stop();
  }
}

/** The longest time between two acknowledgements, of which the later came after `sinceMs`. */
function longestGapMs(probe: Probe, partition: number, sinceMs: number): number {
  const times = probe.acknowledgedMs[partition];
  let longest = 0;
  for (let index = 1; index < times.length; index++) {
    if (times[index] >= sinceMs) longest = Math.max(longest, times[index] - times[index - 1]);
  }
  return longest;
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const late = performance.now() + BACK_MS_MAX; !(await isSo()); await delay(POLL_MS)) {
    if (performance.now() > late) throw new Error(`the cluster is not as before within ${BACK_MS_MAX} ms`);
  }
}

function settings(): string[] {
  return [
    `A topic of ${PARTITIONS} partitions with three replicas each. A client writes one record after the other to each ` +
      'partition, acks=all; what fails, or is not answered within a second, is tried again with the leader that another ' +
      'broker names.',
    `Each round one broker, another one each time, is killed while it is written to, started again, and, once it leads what it ` +
      'led before, stopped as planned and started again.',
    ...KINDS.map((kind) => describeCluster(kind, DURABILITY)),
  ];
}

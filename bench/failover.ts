/** How soon writes go on to all of 500 partitions when the broker that leads them is killed, or its machine says nothing. */
import { setTimeout as delay } from 'node:timers/promises';
import { describeCluster, startCluster, BROKERS, type Cluster } from './lib/cluster-servers.ts';
import { createReplicated, electPreferred, viewOf } from './lib/cluster-topics.ts';
import { PROFILES, type Profile } from './lib/fast-failover.ts';
import { spread } from './lib/figures.ts';
import { KINDS, NAMES, row, type Context, type Kind, type Question, type Row } from './lib/question.ts';
import { HOST, type Durability } from './lib/servers.ts';
import { openClient, type SteadyClient } from './lib/steady-clients.ts';
import { SteadyWrites } from './lib/steady-writes.ts';

const TOPIC = 'failover';
/** The broker that goes leads all partitions of the topic. */
const LEADER = 1;
const LIMIT_MS = 120_000;
const POLL_MS = 100;
const JAVA_RECORDS_PER_SECOND = 1_000;

interface Size {
  readonly partitions: number;
  readonly steadyMs: number;
  readonly intervalMs: number;
}
const FULL: Size = { partitions: 500, steadyMs: 5_000, intervalMs: 500 };
const QUICK: Size = { partitions: 50, steadyMs: 1_000, intervalMs: 200 };

const CASES = [
  { profile: 'default', durability: 'relaxed' },
  { profile: 'fast', durability: 'relaxed' },
  { profile: 'default', durability: 'fsync' },
  { profile: 'fast', durability: 'fsync' },
] as const satisfies readonly { readonly profile: Profile; readonly durability: Durability }[];
type Case = (typeof CASES)[number];

const titleOf = ({ profile, durability }: Case): string => `${PROFILES[profile].label}, ${durability}`;

/** Milliseconds until the first acknowledged write, by partition. */
interface Sample {
  readonly killed: readonly number[];
  readonly killedJava: readonly number[];
  readonly silent: readonly number[];
  readonly failed: number;
}

export const question: Question = {
  name: 'failover',
  title: 'Three brokers: the leader of 500 partitions goes',
  asks:
    'A broker that leads 500 partitions is killed, or its machine says nothing any more: when can each of them be written to ' +
    'again, and is any write lost on the way?',
  minutes: 20,
  answers: [
    {
      says: 'takes writes to the slowest of 500 partitions again after',
      where: 'their leader is killed, default settings',
      table: titleOf(CASES[0]),
      row: 'killed: the slowest partition',
    },
    {
      says: 'takes writes to the slowest of 500 partitions again after',
      where: 'the machine of their leader says nothing, fast failover',
      table: titleOf(CASES[1]),
      row: 'silent: the slowest partition',
    },
  ],
  async run(context) {
    const size = context.quick ? QUICK : FULL;
    const tables = [];
    for (const one of CASES) {
      const samples = await context.alternate((kind, round) => measure(kind, one, { context, size, round }));
      const seconds = { unit: 's', better: 'lower' } as const;
      const rows: Row[] = (['killed', 'killedJava', 'silent'] as const).flatMap((how) =>
        (['min', 'median', 'max'] as const).map((which) =>
          row(samples, (sample) => spread(sample[how])![which] / 1000, {
            label: `${LABELS[how]}: ${PLACES[which]}`,
            ...seconds,
          }),
        ),
      );
      rows.push(
        row(samples, ({ failed }) => failed, { label: 'writes given up', unit: 'records', better: 'lower' }),
      );
      tables.push({ title: titleOf(one), text: TEXT, rows });
    }
    return { settings: settings(size), tables };
  },
};

const LABELS = { killed: 'killed', killedJava: "killed, Kafka's Java client", silent: 'silent' } as const;
const PLACES = {
  min: 'the first partition',
  median: 'the median partition',
  max: 'the slowest partition',
} as const;
const TEXT =
  'From the signal until the first write that began after it was acknowledged, by partition. Killed: SIGKILL. Silent: SIGSTOP, ' +
  'which leaves its connections open and unanswered, as when its machine or its network has gone.';

async function measure(
  kind: Kind,
  { profile, durability }: Case,
  { context, size, round }: { readonly context: Context; readonly size: Size; readonly round: number },
): Promise<Sample> {
  const { partitions, steadyMs, intervalMs } = size;
  const cluster = await startCluster(kind, { durability, settings: PROFILES[profile].settings });
  let java: SteadyClient | undefined;
  try {
    await createReplicated(cluster, [{ topic: TOPIC, partitions, leader: LEADER }]);
    const bootstrap = cluster.nodes.map(({ port }) => `${HOST}:${port}`).join(',');
    java = await openClient('Java', bootstrap);
    await java.start({
      topic: TOPIC,
      partitions,
      recordsPerSecond: Math.min(JAVA_RECORDS_PER_SECOND, 2 * partitions),
      valueBytes: 100,
    });
    const writes = SteadyWrites.begin(cluster, { topic: TOPIC, partitions, intervalMs });
    await writes.settled();
    await delay(steadyMs);
    const killed = await outage(cluster, writes, () => {
      void java!.mark();
      return cluster.node(LEADER).kill();
    });
    const killedJava = await java.resumed(LIMIT_MS);
    const { failed } = await java.stop();
    await cluster.node(LEADER).restart();
    await whole(cluster);
    await electPreferred(cluster, TOPIC);
    await writes.settled();
    await delay(steadyMs);
    const { pid } = cluster.node(LEADER);
    const silent = await outage(cluster, writes, async () => void process.kill(pid, 'SIGSTOP'));
    process.kill(pid, 'SIGCONT');
    await writes.end();
    const say = (ms: readonly number[]): string => (spread(ms)!.max / 1000).toFixed(2);
    context.log(
      `round ${round + 1}, ${NAMES[kind]}, ${profile}, ${durability}: killed ${say(killed)} s, ` +
        `Java ${say(killedJava)} s, silent ${say(silent)} s`,
    );
    return { killed, killedJava, silent, failed: failed + writes.failures.length };
  } finally {
    await java?.close();
    await cluster.discard();
  }
}

async function outage(cluster: Cluster, writes: SteadyWrites, act: () => Promise<void>): Promise<number[]> {
  const led = (await viewOf(cluster.node(LEADER).port, TOPIC)).filter(({ leader }) => leader === LEADER);
  const views = await viewOf(cluster.node(LEADER).port, TOPIC);
  if (led.length < views.length) throw new Error(`broker ${LEADER} leads ${led.length} of ${views.length}`);
  writes.mark(LEADER);
  await act();
  const resumedMs = await writes.resumed(LIMIT_MS);
  writes.mark();
  return resumedMs;
}

async function whole(cluster: Cluster): Promise<void> {
  const other = cluster.nodes.find(({ id }) => id !== LEADER)!;
  for (const late = performance.now() + LIMIT_MS; ; await delay(POLL_MS)) {
    const views = await viewOf(other.port, TOPIC);
    if (views.every(({ isr }) => isr.length === BROKERS)) return;
    if (performance.now() > late) throw new Error(`not all replicas are in sync within ${LIMIT_MS} ms`);
  }
}

function settings({ partitions, steadyMs, intervalMs }: Size): string[] {
  return [
    `A topic of ${partitions} partitions with three replicas, all led by one broker, Headrace's controller where it ` +
      `was the first to start. A client of ours writes a record to each every ${intervalMs} ms, acks=all; Kafka's Java ` +
      'client, with its default settings, writes to all of them in turn. Both have done so for ' +
      `${steadyMs / 1000} s before.`,
    'Ours asks the other brokers every 20 ms who leads, so that the brokers are measured and not the pauses of a client; Java ' +
      'is measured as it comes, and only with the killed broker: its default request.timeout.ms of 30 s is what it waits for a ' +
      'silent one. Once the killed broker is back and in sync it leads all of them again, and is made silent.',
    `Fast failover: ${Object.entries(PROFILES.fast.settings)
      .map(([name, value]) => `\`${name}=${value}\``)
      .join(', ')}, on both sides.`,
    ...KINDS.map((kind) => describeCluster(kind, { durability: 'relaxed' })),
    ...KINDS.map((kind) => describeCluster(kind, { durability: 'fsync' })),
  ];
}

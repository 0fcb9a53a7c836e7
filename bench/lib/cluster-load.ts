/** Closed-loop load on a cluster: both sides alive and taking turns, windows of producing and consuming, and what they cost. */
import { setTimeout as delay } from 'node:timers/promises';
import { startCluster, type Cluster, type ClusterOptions, type ClusterUsage } from './cluster-servers.ts';
import { clusterEndOffsets, createReplicated, deleteReplicated, leaderPorts } from './cluster-topics.ts';
import { startConsumers } from './load/consumers.ts';
import type { ProduceJob } from './load/job.ts';
import { split, startLoad, type Load } from './load/load.ts';
import { measure, type Sample, type WindowLimits } from './load/measure.ts';
import { BASE_LOAD, freshTopic, type ProduceLoad } from './load/sides.ts';
import { NAMES, type Context, type Kind } from './question.ts';
import { REMOVE_SOON } from './topics.ts';

export type Clusters = Readonly<Record<Kind, Cluster>>;

/** `Sample`'s figures of the brokers are of all processes together; these are their parts. */
export interface ClusterSample extends Sample {
  readonly brokersRssPeakMiB: number;
  /** Undefined with Kafka. */
  readonly etcd: { readonly cpuSecondsPerGigabyte: number; readonly rssPeakMiB: number } | undefined;
}

/** Three JVMs that share two cores take about a minute until they have compiled what they run. */
const WARM_UP_MS = 60_000;
const WARM_UP_BYTES_MAX = 4e9;
const FIRST_WARM_UP_MS = 4_000;
const NEXT_WARM_UP_MS = 1_000;
const WINDOW_MS = 2_500;
/** Each byte is written three times, and the kernel lets only so much lie dirty. */
const WINDOW_BYTES_MAX = 0.5e9;

export function clusterLimits({ quick }: Pick<Context, 'quick'>, round: number): WindowLimits {
  if (quick) return { warmUpMs: 300, windowMs: 700, bytesMax: 0.1e9 };
  const warmUpMs = round === 0 ? FIRST_WARM_UP_MS : NEXT_WARM_UP_MS;
  return { warmUpMs, windowMs: WINDOW_MS, bytesMax: WINDOW_BYTES_MAX };
}

/** As a sentence for the document. */
export function clusterLimitsText({ quick }: Context): string {
  if (quick) return 'SMOKE RUN: windows of less than a second, hardly warmed up; the figures mean nothing.';
  return (
    `Each cluster was warmed up after its start with ${WARM_UP_MS / 1000} s or ${WARM_UP_BYTES_MAX / 1e9} GB of the base load ` +
    `(8 clients, 16 partitions, 1 KiB), and before each window with the window’s own load, ${FIRST_WARM_UP_MS / 1000} s for ` +
    `the first and ${NEXT_WARM_UP_MS / 1000} s for the next; none of it is counted. A window is ${WINDOW_MS / 1000} s or ` +
    `${WINDOW_BYTES_MAX / 1e9} GB.`
  );
}

/** Starts both clusters, warms them up with the base load, and removes them at the end, whatever happens. */
export async function withClusters<T>(
  context: Context,
  options: ClusterOptions,
  use: (clusters: Clusters) => Promise<T>,
): Promise<T> {
  const clusters = {} as Record<Kind, Cluster>;
  try {
    for (const kind of context.kinds) {
      const settings = { ...REMOVE_SOON, ...options.settings };
      clusters[kind] = await startCluster(kind, { ...options, settings });
      const seconds = (clusters[kind].readyMs / 1000).toFixed(1);
      context.log(`${NAMES[kind]} is a cluster after ${seconds} s, ${clusters[kind].settingsText}`);
    }
    for (const kind of context.kinds) {
      const warmUpMs = context.quick ? 500 : WARM_UP_MS;
      const bytesMax = context.quick ? 0.1e9 : 2 * WARM_UP_BYTES_MAX;
      const { quick } = context;
      await clusterProduceWindow(clusters[kind], BASE_LOAD, { quick, warmUpMs, windowMs: 100, bytesMax });
    }
    return await use(clusters);
  } finally {
    for (const kind of context.kinds) await clusters[kind]?.discard();
  }
}

/**
 * Makes a topic, loads it, measures, removes it. What is committed then must be what was acknowledged to the clients.
 */
export async function clusterProduceWindow(
  cluster: Cluster,
  load: ProduceLoad,
  within: WindowLimits & { readonly quick: boolean },
): Promise<ClusterSample> {
  const topic = freshTopic();
  await createReplicated(cluster, [{ topic, partitions: load.partitions }]);
  const running = await startClusterProducers(cluster, topic, load);
  const sample = await measureCluster(running, cluster, within);
  await finish(cluster, running, { topic, partitions: load.partitions });
  await deleteReplicated(cluster, topic, { isAwaited: !within.quick });
  return sample;
}

export async function startClusterProducers(
  cluster: Cluster,
  topic: string,
  load: ProduceLoad,
): Promise<Load> {
  const leaders = await leaderPorts(cluster, topic);
  const jobs = split(load.clients, (clients, index): ProduceJob => ({
    ...load,
    does: 'produce',
    port: leaders[0],
    leaders,
    topic,
    clients,
    seed: 1 + index * 1000,
  }));
  return startLoad(jobs);
}

/** Reads a topic of about `fillBytes` again and again, from the leaders. */
export async function clusterConsumeWindow(
  cluster: Cluster,
  load: ProduceLoad,
  within: WindowLimits & { readonly quick: boolean; readonly fillBytes: number },
): Promise<ClusterSample> {
  const topic = freshTopic();
  const { partitions, clients } = load;
  await createReplicated(cluster, [{ topic, partitions }]);
  const filling = await startClusterProducers(cluster, topic, { ...load, clients: BASE_LOAD.clients });
  for (let written = 0; written < within.fillBytes; await delay(5))
    written = (await filling.counters()).bytes;
  const endOffsets = await finish(cluster, filling, { topic, partitions });
  const leaders = await leaderPorts(cluster, topic);
  const job = { topic, endOffsets, atEnd: 'again', leaders } as const;
  const running = await startConsumers({ port: leaders[0] }, clients, job);
  const sample = await measureCluster(running, cluster, within);
  await running.stop();
  await deleteReplicated(cluster, topic, { isAwaited: !within.quick });
  return sample;
}

/** Throws unless as many records are committed as were acknowledged. The ends by partition. */
async function finish(
  cluster: Cluster,
  load: Load,
  { topic, partitions }: { topic: string; partitions: number },
): Promise<number[]> {
  const { records } = await load.stop();
  const ends = await clusterEndOffsets(cluster, topic, partitions);
  const stored = ends.reduce((sum, end) => sum + end, 0);
  if (stored !== records) throw new Error(`${records} records were acknowledged, ${stored} are in the log`);
  return ends;
}

async function measureCluster(load: Load, cluster: Cluster, within: WindowLimits): Promise<ClusterSample> {
  const seen: ClusterUsage[] = [];
  const watched = {
    resetPeak: () => cluster.resetPeak(),
    usage: () => {
      const usage = cluster.usage();
      seen.push(usage);
      return usage;
    },
  };
  const sample = await measure(load, watched, within);
  const [before, after] = [seen[0], seen.at(-1)!];
  const gigabytes = (sample.megabytesPerSecond * sample.seconds) / 1000;
  return {
    ...sample,
    brokersRssPeakMiB: after.brokers.reduce((sum, { rssPeakMiB }) => sum + rssPeakMiB, 0),
    etcd:
      after.etcd === undefined
        ? undefined
        : {
            cpuSecondsPerGigabyte: (after.etcd.cpuSeconds - before.etcd!.cpuSeconds) / gigabytes,
            rssPeakMiB: after.etcd.rssPeakMiB,
          },
  };
}

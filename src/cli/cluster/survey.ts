/** What a cluster is like now, gathered for the planner: where everything is or is to be, how large, and how fast it grows. */
import { pause } from '../../client/backoff.ts';
import type { Timers } from '../../base/ports.ts';
import type { BrokerDisks, ClusterAdmin, ClusterInfo, PartitionInfo, Reassigning } from './cluster-admin.ts';
import { nameOf, type ClusterState, type PartitionPlace } from './cluster-state.ts';

export interface Survey {
  readonly cluster: ClusterInfo;
  readonly partitions: readonly PartitionInfo[];
  readonly moving: readonly Reassigning[];
  /** Of the brokers that are there. */
  readonly disks: ReadonlyMap<number, BrokerDisks>;
  readonly state: ClusterState;
}

export interface SurveyOptions {
  /** How long to look at what grows; 0: not at all. */
  readonly sampleMs: number;
  readonly timers: Timers;
}

export async function survey(admin: ClusterAdmin, { sampleMs, timers }: SurveyOptions): Promise<Survey> {
  const cluster = await admin.cluster();
  const before = sampleMs > 0 ? await disksOf(admin, cluster) : undefined;
  if (before !== undefined) await pause(timers, sampleMs);
  const disks = await disksOf(admin, cluster);
  const moving = await admin.reassignments();
  const partitions = await admin.partitions();
  const isMoving = new Map(moving.map((one) => [nameOf(one), one]));
  const places = partitions.map((info): PartitionPlace => {
    const { topic, partition } = info;
    const name = nameOf(info);
    const { removing = [] } = isMoving.get(name) ?? {};
    const sizeOf = (of: ReadonlyMap<number, BrokerDisks>): number =>
      Math.max(0, ...info.replicas.map((id) => of.get(id)?.sizes.get(name) ?? 0));
    const sizeBytes = sizeOf(disks);
    const grown = before === undefined ? 0 : Math.max(0, sizeBytes - sizeOf(before));
    const bytesPerSecond = sampleMs > 0 ? (grown * 1000) / sampleMs : 0;
    const replicas = info.replicas.filter((id) => !removing.includes(id));
    return { topic, partition, replicas, sizeBytes, bytesPerSecond };
  });
  const brokers = cluster.brokers.map(({ id, rack, isFenced }) => ({
    id,
    rack,
    isAlive: !isFenced && disks.get(id)?.isUsable === true,
    usableBytes: disks.get(id)?.usableBytes ?? Infinity,
  }));
  return { cluster, partitions, moving, disks, state: { brokers, partitions: places } };
}

/** A broker that does not answer counts as one that is not there. */
async function disksOf(admin: ClusterAdmin, { brokers }: ClusterInfo): Promise<Map<number, BrokerDisks>> {
  const disks = new Map<number, BrokerDisks>();
  const asked = brokers
    .filter(({ isFenced }) => !isFenced)
    .map(async ({ id }) => {
      const found = await admin.disks(id).catch(() => undefined);
      if (found !== undefined) disks.set(id, found);
    });
  await Promise.all(asked);
  return disks;
}

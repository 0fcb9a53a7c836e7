/**
 * Who leads a partition: elections on request (ElectLeaders), and those that follow when brokers come and go. Only a
 * replica that has every committed record is elected, unless an unclean election is asked for.
 */
import { Errors } from '../../protocol/errors.ts';
import type { ClusterImage, PartitionImage } from '../image.ts';
import { Change, refusal, SUCCESS, type Decision, type Outcome } from '../outcome.ts';
import { isAlive, putPartition, type PartitionUpdate } from './partition-change.ts';

export const ELECTION_TYPE = { PREFERRED: 0, UNCLEAN: 1 } as const;
export type ElectionType = (typeof ELECTION_TYPE)[keyof typeof ELECTION_TYPE];

export interface ElectionRequest {
  readonly topic: string;
  readonly partition: number;
}

/** One operation a partition. */
export function electLeaders(
  image: ClusterImage,
  type: ElectionType,
  requests: readonly ElectionRequest[],
): Decision<Outcome[]> {
  const change = new Change();
  const elected = new Set<string>();
  const results = requests.map(({ topic: name, partition: n }): Outcome => {
    const unknown = (what: string): Outcome => refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION, `No such ${what}`);
    const topic = image.topics.get(name);
    if (topic === undefined) return unknown(`topic as ${name}`);
    const partition = topic.partitions[n];
    if (partition === undefined) return unknown(`partition as ${name}-${n}`);
    const isPreferred = type === ELECTION_TYPE.PREFERRED;
    const settled = isPreferred ? partition.leader === partition.replicas[0] : partition.leader >= 0;
    if (settled || elected.has(`${n}-${name}`)) return refusal(Errors.ELECTION_NOT_NEEDED);
    const update = isPreferred ? electPreferred(image, partition) : electUnclean(image, partition);
    if (update === undefined) {
      return refusal(
        isPreferred ? Errors.PREFERRED_LEADER_NOT_AVAILABLE : Errors.ELIGIBLE_LEADERS_NOT_AVAILABLE,
      );
    }
    elected.add(`${n}-${name}`);
    putPartition(change, image, topic, partition, update);
    return SUCCESS;
  });
  return change.decide(results);
}

function electPreferred(image: ClusterImage, partition: PartitionImage): PartitionUpdate | undefined {
  const leader = partition.replicas[0];
  return partition.isr.includes(leader) && isAlive(image, leader) ? { leader } : undefined;
}

function electUnclean(image: ClusterImage, partition: PartitionImage): PartitionUpdate | undefined {
  const clean = electClean(image, partition);
  if (clean !== undefined) return clean;
  const leader = partition.replicas.find((id) => isAlive(image, id));
  if (leader === undefined) return undefined;
  // The others may hold records that this one never had: they come back in sync only by following it.
  return { leader, isr: [leader], elr: [], lastKnownElr: [], isLeaderRecovering: true };
}

/** The in-sync replicas come first, in the order of preference; then the eligible ones outside (KIP-966). */
function electClean(image: ClusterImage, partition: PartitionImage): PartitionUpdate | undefined {
  const inSync = partition.replicas.find((id) => partition.isr.includes(id) && isAlive(image, id));
  if (inSync !== undefined) return { leader: inSync };
  const eligible = partition.elr.find((id) => isAlive(image, id));
  if (eligible === undefined) return undefined;
  return { leader: eligible, isr: [eligible], elr: partition.elr.filter((id) => id !== eligible) };
}

/**
 * Elections that brokers' comings and goings make necessary: a partition whose leader is gone gets another, or none;
 * one without a leader gets one as soon as it can. At most `partitionsMax` at a time; the result says whether more
 * remain. `except`: the broker is on its way and may keep what it leads (a restart without other brokers).
 */
export function reelect(
  image: ClusterImage,
  partitionsMax: number,
  except: ReadonlySet<number>,
): Decision<boolean> {
  const change = new Change();
  for (const topic of image.topics.values()) {
    for (const partition of topic.partitions) {
      const { leader } = partition;
      if (leader >= 0 && (isAlive(image, leader) || except.has(leader))) continue;
      const update = electClean(image, partition) ?? { leader: -1 };
      if (update.leader === leader) continue;
      if (change.operations.length === partitionsMax) return change.decide(true);
      putPartition(change, image, topic, partition, update);
    }
  }
  return change.decide(false);
}

/**
 * Begins a new term for partitions that `nodeId` leads, up to `partitionsMax` from the list. Called when the broker
 * comes back from an unclean stop: its log may have lost a tail that others have read, and the records that take those
 * offsets now must be of another leader epoch, or no consumer and no follower could tell them apart (KIP-101, KIP-320).
 * After a clean stop the log is what it was, and so is its epoch.
 */
export function renewTerms(
  image: ClusterImage,
  nodeId: number,
  partitions: readonly ElectionRequest[],
): Decision<void> {
  const change = new Change();
  for (const { topic: name, partition: n } of partitions) {
    const topic = image.topics.get(name);
    const partition = topic?.partitions[n];
    if (topic === undefined || partition?.leader !== nodeId) continue;
    putPartition(change, image, topic, partition, {}, true);
  }
  return change.decide(undefined);
}

/** The partitions that a broker leads. */
export function ledBy(image: ClusterImage, nodeId: number): ElectionRequest[] {
  const led: ElectionRequest[] = [];
  for (const topic of image.topics.values()) {
    for (const { leader, partition } of topic.partitions) {
      if (leader === nodeId) led.push({ topic: topic.name, partition });
    }
  }
  return led;
}

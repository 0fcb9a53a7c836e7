/**
 * Who leads a partition: elections on request (ElectLeaders), and those that follow when brokers come and go. Only a
 * replica that has every committed record is elected, unless an unclean election is asked for.
 */
import { Errors } from '../../protocol/errors.ts';
import type { ClusterImage, PartitionImage } from '../image.ts';
import { Change, refusal, SUCCESS, type Decision, type Outcome } from '../outcome.ts';
import type { LeadershipRules } from './leadership-rules.ts';
import { isUnclean, reelected, settled } from './leadership.ts';
import { isAlive, mayLead, putPartition, type PartitionUpdate } from './partition-change.ts';

export const ELECTION_TYPE = { PREFERRED: 0, UNCLEAN: 1 } as const;
export type ElectionType = (typeof ELECTION_TYPE)[keyof typeof ELECTION_TYPE];

export interface ElectionRequest {
  readonly topic: string;
  readonly partition: number;
}

/** One operation a partition. */
export function electLeaders(
  image: ClusterImage,
  requests: readonly ElectionRequest[],
  { type, rules }: { readonly type: ElectionType; readonly rules: LeadershipRules },
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
    const update = isPreferred
      ? electPreferred(image, partition)
      : reelected(image, partition, { topic: name, rules, mayBeUnclean: true });
    if (update === undefined || update.leader === -1) {
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
  return partition.isr.includes(leader) && mayLead(image, leader) ? { leader } : undefined;
}

/** What was elected by a decision, of that which can have cost records. */
export interface UncleanElection extends ElectionRequest {
  readonly leader: number;
}

/**
 * Partitions whose leaders or in-sync sets no longer fit the brokers that are alive: first those that nobody can write to,
 * since they are decided in this order, some at a time.
 */
export function unsettled(image: ClusterImage, rules: LeadershipRules): ElectionRequest[] {
  const led: ElectionRequest[] = [];
  const unled: ElectionRequest[] = [];
  for (const topic of image.topics.values()) {
    for (const partition of topic.partitions) {
      if (settled(image, partition, { topic: topic.name, rules }) === undefined) continue;
      const found = isAlive(image, partition.leader) ? led : unled;
      found.push({ topic: topic.name, partition: partition.partition });
    }
  }
  return unled.concat(led);
}

/**
 * Elections and in-sync sets after brokers came or went: a partition whose leader is gone gets another, or none; one
 * without a leader gets one as soon as it can. One operation a partition; those that need nothing (any more) cost none.
 */
export function settle(
  image: ClusterImage,
  partitions: readonly ElectionRequest[],
  rules: LeadershipRules,
): Decision<UncleanElection[]> {
  const change = new Change();
  const unclean: UncleanElection[] = [];
  for (const { topic: name, partition: n } of partitions) {
    const topic = image.topics.get(name);
    const partition = topic?.partitions[n];
    if (topic === undefined || partition === undefined) continue;
    const update = settled(image, partition, { topic: name, rules });
    if (update === undefined) continue;
    if (isUnclean(partition, update)) unclean.push({ topic: name, partition: n, leader: update.leader! });
    putPartition(change, image, topic, partition, update);
  }
  return change.decide(unclean);
}

/** Partitions that their preferred replicas could lead, and do not. */
export function imbalanced(image: ClusterImage): ElectionRequest[] {
  const found: ElectionRequest[] = [];
  for (const topic of image.topics.values()) {
    for (const partition of topic.partitions) {
      const isElsewhere = partition.leader >= 0 && partition.leader !== partition.replicas[0];
      if (!isElsewhere || electPreferred(image, partition) === undefined) continue;
      found.push({ topic: topic.name, partition: partition.partition });
    }
  }
  return found;
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

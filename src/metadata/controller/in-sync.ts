/**
 * Changes of a partition's in-sync replicas, as its leader asks for them (what Kafka's AlterPartition does). The leader
 * itself puts the decision into the store: it holds only for the partition as the leader saw it (KIP-497), and only if
 * each broker that is added is still the one that fetched (KIP-903).
 *
 * While the set is smaller than the topic's minimum nothing is committed, so whoever leaves it then still has everything
 * that is: it becomes an eligible leader replica (KIP-966).
 */
import type { ClusterImage, PartitionImage } from '../image.ts';
import { brokerKey, configsKey, topicKey } from '../keys.ts';
import { answer, Change, type Decision } from '../outcome.ts';
import { isAlive, putPartition, type PartitionUpdate } from './partition-change.ts';
import { directoriesAfter, finishedReassignment } from './reassignments.ts';

export interface InSyncChange {
  readonly topicId: string;
  readonly partition: number;
  /** The broker that asks. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  /** The whole new set, the leader included, each with the broker epoch under which it fetched. */
  readonly isr: readonly { readonly nodeId: number; readonly brokerEpoch: number }[];
}

/**
 * 'stale': the partition has changed since, the image knows it. 'refused': a broker that is to be in the set is not
 * alive, or not the one that fetched. Neither was applied, nor will be.
 */
export type InSyncOutcome = 'done' | 'stale' | 'refused';

export function changeInSync(
  image: ClusterImage,
  change: InSyncChange,
  minInsyncReplicas: number,
): Decision<InSyncOutcome> {
  const topic = image.topicById(change.topicId);
  const partition = topic?.partitions[change.partition];
  if (topic === undefined || partition === undefined || isStale(partition, change)) return answer('stale');
  const isr = change.isr.map(({ nodeId }) => nodeId);
  if (!isValid(partition, isr, change.leader)) return answer('refused');
  const asked = change.isr.filter(({ nodeId }) => mustBeAlive(partition, nodeId));
  for (const { nodeId, brokerEpoch } of asked) {
    const isThere = isAlive(image, nodeId) && image.brokers.get(nodeId)?.epoch === brokerEpoch;
    if (!isThere) return answer('refused');
  }
  const decided = new Change();
  // A topic that is made again has another id, one that is gone must not get keys any more.
  const { createRevision } = image.keyRevisions(topicKey(topic.name));
  decided.compares.push({ key: topicKey(topic.name), createRevision });
  for (const { nodeId, brokerEpoch } of asked) {
    decided.compares.push({ key: brokerKey(nodeId), createRevision: brokerEpoch });
  }
  // The minimum decides who is eligible: whoever lowers it counts on nobody being so by the old one.
  for (const key of minimumKeys(topic.name, change.leader)) {
    decided.expect(key, image.keyRevisions(key).modRevision);
  }
  // Replicas stay in their order, so that the same set is always the same value.
  const ordered = partition.replicas.filter((id) => isr.includes(id));
  putPartition(decided, image, topic, partition, inSyncUpdate(image, partition, ordered, minInsyncReplicas));
  return decided.decide('done');
}

function minimumKeys(topic: string, leader: number): string[] {
  return [configsKey('TOPIC', topic), configsKey('BROKER', `${leader}`), configsKey('BROKER', '')];
}

function isStale(partition: PartitionImage, change: InSyncChange): boolean {
  return (
    partition.leader !== change.leader ||
    partition.leaderEpoch !== change.leaderEpoch ||
    partition.partitionEpoch !== change.partitionEpoch
  );
}

function isValid(partition: PartitionImage, isr: readonly number[], leader: number): boolean {
  const isOfReplicas = isr.every((id) => partition.replicas.includes(id));
  return isOfReplicas && isr.includes(leader) && new Set(isr).size === isr.length;
}

/** Who comes in, and the leader: one that is taken for dead must not throw the others out. */
function mustBeAlive(partition: PartitionImage, nodeId: number): boolean {
  return nodeId === partition.leader || !partition.isr.includes(nodeId);
}

function inSyncUpdate(
  image: ClusterImage,
  partition: PartitionImage,
  isr: readonly number[],
  minInsyncReplicas: number,
): PartitionUpdate {
  // A leader that changes the set has long begun to serve (KIP-704).
  const elr = eligibleAfter(partition, isr, minInsyncReplicas);
  const update = { isr, elr, lastKnownElr: [], isLeaderRecovering: false };
  const finished = finishedReassignment(image, { ...partition, ...update }, minInsyncReplicas);
  if (finished === undefined) return update;
  const directories = directoriesAfter(image, partition, finished.replicas ?? partition.replicas);
  return { ...update, ...finished, directories };
}

/**
 * Who is eligible besides the in-sync replicas once these are `isr`. With as many as the minimum the leader commits
 * without the others, so nobody is. Below it whoever was in sync, or eligible since then, still has all that is committed.
 */
export function eligibleAfter(
  partition: Pick<PartitionImage, 'replicas' | 'isr' | 'elr'>,
  isr: readonly number[],
  minInsyncReplicas: number,
): readonly number[] {
  const minimum = Math.min(minInsyncReplicas, partition.replicas.length);
  if (isr.length >= minimum) return [];
  const before = partition.isr.length >= minimum ? [] : partition.elr;
  return partition.replicas.filter(
    (id) => !isr.includes(id) && (partition.isr.includes(id) || before.includes(id)),
  );
}

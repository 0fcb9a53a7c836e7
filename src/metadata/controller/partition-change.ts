/** Writing a partition's new state: the one place where its epochs rise. */
import { partitionKey } from '../keys.ts';
import type { ClusterImage, PartitionImage, TopicImage } from '../image.ts';
import type { Change } from '../outcome.ts';
import { encodeRecord, PartitionRecord } from '../records.ts';

/** What may be given anew; the epochs follow from it. */
export type PartitionUpdate = Partial<Omit<PartitionImage, 'partition' | 'leaderEpoch' | 'partitionEpoch'>>;

/**
 * Puts the partition with `update`. The partition epoch rises with every change, the leader epoch when the leader is
 * another one, when replicas are taken away (so that a removed replica is fenced), or when `isNewTerm` says that the
 * same leader begins anew. Neither ever falls: clients ignore metadata whose epochs go back (KIP-320).
 */
export function putPartition(
  change: Change,
  image: ClusterImage,
  topic: TopicImage,
  partition: PartitionImage,
  update: PartitionUpdate,
  isNewTerm = false,
): void {
  const next = { ...partition, ...update };
  const lostReplica = partition.replicas.some((id) => !next.replicas.includes(id));
  const isNewLeadership = isNewTerm || lostReplica || next.leader !== partition.leader;
  const key = partitionKey(topic.id, partition.partition);
  const value = encodeRecord(PartitionRecord, {
    ...next,
    leaderEpoch: partition.leaderEpoch + (isNewLeadership ? 1 : 0),
    partitionEpoch: partition.partitionEpoch + 1,
  });
  change.put(key, image.keyRevisions(key).modRevision, value);
}

/** Whether a broker is registered, with a session, and not about to stop. */
export function isAlive(image: ClusterImage, nodeId: number): boolean {
  const broker = image.brokers.get(nodeId);
  return broker !== undefined && !broker.fenced && !broker.isStopping;
}

/** Besides that, whether it has a log directory to lead from: a broker whose last one has failed lives on without any. */
export function mayLead(image: ClusterImage, nodeId: number): boolean {
  return isAlive(image, nodeId) && image.brokers.get(nodeId)!.directories.length > 0;
}

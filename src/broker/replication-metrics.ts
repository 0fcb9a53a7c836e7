/**
 * What a broker tells of the replication of its partitions, under the names that Kafka's metrics have, so that dashboards
 * and alerts made for Kafka find them. Plain numbers, taken when they are asked for. What Kafka gives as a rate with a count
 * is the count here, since the start of the process.
 */
import { isAlive } from '../metadata/controller/partition-change.ts';
import { imbalanced } from '../metadata/controller/elections.ts';
import { isReassigning } from '../metadata/controller/reassignments.ts';
import type { InSyncRecord } from '../replication/in-sync-changes.ts';
import type { Services } from './services.ts';

export interface ReplicationMetrics {
  /** `kafka.server:type=ReplicaManager`. Partitions are those that this broker leads, where nothing else is said. */
  readonly replicaManager: {
    /** Replicas that this broker holds. */
    readonly PartitionCount: number;
    readonly LeaderCount: number;
    /** Of the replicas here, those whose log directory has failed. */
    readonly OfflineReplicaCount: number;
    readonly UnderReplicatedPartitions: number;
    readonly UnderMinIsrPartitionCount: number;
    readonly AtMinIsrPartitionCount: number;
    readonly ReassigningPartitions: number;
    readonly IsrShrinksPerSec: number;
    readonly IsrExpandsPerSec: number;
    readonly FailedIsrUpdatesPerSec: number;
  };
  /** `kafka.server:type=BrokerTopicMetrics`, in bytes. */
  readonly brokerTopics: {
    readonly ReplicationBytesInPerSec: number;
    readonly ReplicationBytesOutPerSec: number;
    readonly ReassignmentBytesInPerSec: number;
    readonly ReassignmentBytesOutPerSec: number;
  };
  /** `kafka.controller:type=KafkaController`. Of a broker that does not decide all are 0. */
  readonly controller: {
    readonly ActiveControllerCount: number;
    readonly ActiveBrokerCount: number;
    readonly FencedBrokerCount: number;
    readonly GlobalTopicCount: number;
    readonly GlobalPartitionCount: number;
    /** Without a leader. */
    readonly OfflinePartitionsCount: number;
    readonly PreferredReplicaImbalanceCount: number;
  };
}

export function replicationMetrics(
  services: Pick<Services, 'partitions' | 'image' | 'controller' | 'replicationTraffic'>,
  inSync: InSyncRecord,
): ReplicationMetrics {
  const { inBytes, outBytes, reassignmentInBytes, reassignmentOutBytes } = services.replicationTraffic.totals;
  return {
    replicaManager: { ...replicas(services), ...changes(inSync) },
    brokerTopics: {
      ReplicationBytesInPerSec: inBytes,
      ReplicationBytesOutPerSec: outBytes,
      ReassignmentBytesInPerSec: reassignmentInBytes,
      ReassignmentBytesOutPerSec: reassignmentOutBytes,
    },
    controller: controllerMetrics(services),
  };
}

function replicas({ partitions, image }: Pick<Services, 'partitions' | 'image'>) {
  const counts = {
    PartitionCount: 0,
    LeaderCount: 0,
    OfflineReplicaCount: 0,
    UnderReplicatedPartitions: 0,
    UnderMinIsrPartitionCount: 0,
    AtMinIsrPartitionCount: 0,
    ReassigningPartitions: 0,
  };
  for (const partition of partitions.all()) {
    counts.PartitionCount += 1;
    if (partition.log === undefined) counts.OfflineReplicaCount += 1;
    if (!partition.isLeader) continue;
    counts.LeaderCount += 1;
    const state = image.topicById(partition.topicId)?.partitions[partition.partition];
    if (state === undefined) continue;
    const { isr, replicas: all, addingReplicas } = state;
    const minimum = Math.min(partition.minInsyncReplicas, all.length);
    // One that is still being added is not missing yet.
    if (isr.length < all.length - addingReplicas.filter((id) => !isr.includes(id)).length) {
      counts.UnderReplicatedPartitions += 1;
    }
    if (isr.length < minimum) counts.UnderMinIsrPartitionCount += 1;
    if (isr.length === minimum) counts.AtMinIsrPartitionCount += 1;
    if (isReassigning(state)) counts.ReassigningPartitions += 1;
  }
  return counts;
}

function changes({ shrinks, expands, failures }: InSyncRecord) {
  return { IsrShrinksPerSec: shrinks, IsrExpandsPerSec: expands, FailedIsrUpdatesPerSec: failures };
}

function controllerMetrics({ image, controller }: Pick<Services, 'image' | 'controller'>) {
  const counts = {
    ActiveControllerCount: 0,
    ActiveBrokerCount: 0,
    FencedBrokerCount: 0,
    GlobalTopicCount: 0,
    GlobalPartitionCount: 0,
    OfflinePartitionsCount: 0,
    PreferredReplicaImbalanceCount: 0,
  };
  if (!controller.isActive) return counts;
  counts.ActiveControllerCount = 1;
  for (const { id, fenced } of image.brokers.values()) {
    if (fenced) counts.FencedBrokerCount += 1;
    else if (isAlive(image, id)) counts.ActiveBrokerCount += 1;
  }
  counts.GlobalTopicCount = image.topics.size;
  for (const { partitions } of image.topics.values()) {
    counts.GlobalPartitionCount += partitions.length;
    for (const { leader } of partitions) if (leader < 0) counts.OfflinePartitionsCount += 1;
  }
  counts.PreferredReplicaImbalanceCount = imbalanced(image).length;
  return counts;
}

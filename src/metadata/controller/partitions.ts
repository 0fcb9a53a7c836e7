/** CreatePartitions: a topic gets more partitions. */
import type { Random } from '../../base/ports.ts';
import { Errors } from '../../protocol/errors.ts';
import type { ClusterImage } from '../image.ts';
import { topicKey } from '../keys.ts';
import { Change, refusal, SUCCESS, type Decision, type Outcome } from '../outcome.ts';
import { placeReplicas } from '../placement.ts';
import { encodeRecord, TopicRecord } from '../records.ts';
import { assignmentProblem } from './assignment.ts';
import { mayLead } from './partition-change.ts';
import { newPartition, PARTITIONS_PER_REQUEST_MAX, REPLICAS_PER_BROKER_MAX } from './topics.ts';

export interface MorePartitions {
  readonly name: string;
  /** How many the topic is to have in all. */
  readonly count: number;
  /** Replicas of each new partition; null: the controller chooses. */
  readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null;
}

/** One operation a topic. */
export function createPartitions(
  image: ClusterImage,
  topics: readonly MorePartitions[],
  random: Random,
): Decision<Outcome[]> {
  const change = new Change();
  const room = { replicas: REPLICAS_PER_BROKER_MAX * image.brokers.size - image.replicaCount };
  const results = topics.map((request): Outcome => {
    const placed = place(image, request, random);
    if (!Array.isArray(placed)) return placed;
    const replicas = placed.reduce((sum, one) => sum + one.length, 0);
    if (replicas > room.replicas || placed.length > PARTITIONS_PER_REQUEST_MAX) {
      return refusal(Errors.POLICY_VIOLATION, 'Excessively large number of partitions per request.');
    }
    room.replicas -= replicas;
    const topic = image.topics.get(request.name)!;
    const key = topicKey(request.name);
    // A partition with a key of its own is told by that key; for the others, what they are is what they began as.
    const partitions = [...topic.partitions, ...placed.map((one) => newPartition(image, one))];
    const value = encodeRecord(TopicRecord, { topicId: topic.id, partitions });
    change.put(key, image.keyRevisions(key).modRevision, value);
    return SUCCESS;
  });
  return change.decide(results);
}

function place(
  image: ClusterImage,
  request: MorePartitions,
  random: Random,
): (readonly number[])[] | Outcome {
  const topic = image.topics.get(request.name);
  if (topic === undefined) return refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION, null);
  const existing = topic.partitions.length;
  if (request.count === existing) {
    return refusal(Errors.INVALID_PARTITIONS, `Topic already has ${existing} partition(s).`);
  }
  if (request.count < existing) {
    return refusal(
      Errors.INVALID_PARTITIONS,
      `The topic ${request.name} currently has ${existing} partition(s); ` +
        `${request.count} would not be an increase.`,
    );
  }
  const partitionCount = request.count - existing;
  if (partitionCount > PARTITIONS_PER_REQUEST_MAX) {
    return refusal(Errors.POLICY_VIOLATION, 'Excessively large number of partitions per request.');
  }
  const replicationFactor = topic.partitions[0].replicas.length;
  if (request.assignments !== null) return placedByHand(image, request, existing, replicationFactor);
  const placed = placeReplicas(image.brokers.values(), { partitionCount, replicationFactor }, random);
  return typeof placed === 'string' ? refusal(Errors.INVALID_REPLICATION_FACTOR, placed) : placed;
}

function placedByHand(
  image: ClusterImage,
  request: MorePartitions,
  existing: number,
  replicationFactor: number,
): (readonly number[])[] | Outcome {
  const assignments = request.assignments ?? [];
  const partitionCount = request.count - existing;
  if (assignments.length !== partitionCount) {
    return refusal(
      Errors.INVALID_REPLICA_ASSIGNMENT,
      `Attempted to add ${partitionCount} additional partition(s), but only ${assignments.length} ` +
        'assignment(s) were specified.',
    );
  }
  for (const [n, { brokerIds }] of assignments.entries()) {
    const problem = assignmentProblem(image, brokerIds, replicationFactor);
    if (problem !== undefined) return problem;
    if (!brokerIds.some((id) => mayLead(image, id))) {
      return refusal(
        Errors.INVALID_REPLICA_ASSIGNMENT,
        'All brokers specified in the manual partition assignment for ' +
          `partition ${existing + n} are fenced or in controlled shutdown.`,
      );
    }
  }
  return assignments.map((one) => one.brokerIds);
}
